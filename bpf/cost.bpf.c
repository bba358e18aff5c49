// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a BPF program in the write fault costs (probe sets bpf_cost:KIND): each is attached, alone,
 * to the file system's iomap_begin(), which a DAX write fault calls once, for the block's place.
 * There a file system whose extents come from BPF would call its program. An object of its own,
 * small, because it is in every guest.
 */
/* clang-format off */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
/* clang-format on */

#include "bpf/cost.h"

/* include/linux/fs.h; with CO-RE a type need not be whole. */
struct inode {
  unsigned long i_ino;
} __attribute__((preserve_access_index));

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, FL_COST_ENTRIES);
  __type(key, __u32);
  __type(value, __u64);
} cost_array_map SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, FL_COST_ENTRIES);
  __type(key, __u64);
  __type(value, __u64);
} cost_hash_map SEC(".maps");

/* Each value is the key of the next: user space fills it. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, FL_COST_ENTRIES);
  __type(key, __u64);
  __type(value, __u64);
} cost_chain_map SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, FL_COST_RING);
} cost_ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_INODE_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, __u64);
} cost_storage_map SEC(".maps");

SEC("fentry") int cost_empty(void* ctx) { return 0; }

SEC("fentry") int cost_array(void* ctx) {
  const __u32 key = 1;
  __u64* value = bpf_map_lookup_elem(&cost_array_map, &key);
  if (value) *value += 1;
  return 0;
}

/* iomap_begin(inode, ...) */
static __always_inline struct inode* inode_of(unsigned long long* ctx) {
  return (struct inode*)ctx[0];
}

SEC("fentry") int cost_hash(unsigned long long* ctx) {
  const __u64 key = inode_of(ctx)->i_ino;
  __u64* value = bpf_map_lookup_elem(&cost_hash_map, &key);
  if (value) {
    *value += 1;
    return 0;
  }
  /* Once for each inode, in the warm-up. */
  const __u64 first = 1;
  bpf_map_update_elem(&cost_hash_map, &key, &first, BPF_ANY);
  return 0;
}

SEC("fentry") int cost_inode_storage(unsigned long long* ctx) {
  __u64* value =
      bpf_inode_storage_get(&cost_storage_map, inode_of(ctx), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (value) *value += 1;
  return 0;
}

static __always_inline int chain(int length) {
  __u64 key = 0;
  int i;
#pragma clang loop unroll(full)
  for (i = 0; i < length; ++i) {
    __u64* next = bpf_map_lookup_elem(&cost_chain_map, &key);
    if (!next) return 0;
    key = *next;
  }
  return 0;
}

#define FL_CHAIN(length) \
  SEC("fentry") int cost_chain##length(void* ctx) { return chain(length); }
FL_CHAIN(1)
FL_CHAIN(2)
FL_CHAIN(3)
FL_CHAIN(4)
FL_CHAIN(5)
FL_CHAIN(6)
FL_CHAIN(7)
FL_CHAIN(8)

SEC("fentry") int cost_ringbuf(unsigned long long* ctx) {
  const __u64 record[2] = {inode_of(ctx)->i_ino, ctx[1]};
  bpf_ringbuf_output(&cost_ring, (void*)record, sizeof record, 0);
  return 0;
}

char license_name[] SEC("license") = "GPL";
