/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The strategies that no stock kernel has, chosen per open file by one ioctl on /dev/faultline.
 *
 * A strategy acts on the MAP_SYNC mappings that the caller has of the open file when it asks; map
 * first, then ask. Everything else, the same file opened a second time included, is mainline's.
 * Only CAP_SYS_ADMIN may open the device. An open file keeps its strategy until the last reference
 * to it goes, and the module cannot be unloaded before.
 *
 * Errors: EPERM not CAP_SYS_ADMIN; EBADF fd is not open; EINVAL wrong size, strategy or flags;
 * EOPNOTSUPP not a regular DAX file, or a file system whose faults do not go through the DAX core;
 * ENXIO the caller has no MAP_SYNC mapping of it, or (DAXFILE) it has holes;
 * EBUSY it has another strategy already; EFAULT bad pointer.
 */
#ifndef FAULTLINE_IOCTL_H
#define FAULTLINE_IOCTL_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/ioctl.h>
#else
#include <linux/types.h>
#include <sys/ioctl.h>
#endif

#define FAULTLINE_DEVICE "faultline"
#define FAULTLINE_VERSION "1"

enum fl_kmod_strategy {
	/* Counts faults and changes nothing. */
	FL_KMOD_NONE = 0,
	/*
	 * Every write fault syncs all of the file's metadata, mtime included, whether the file
	 * system calls it dirty or not, with the fault's lock held.
	 *
	 * What the block map needs is synced before the entry is inserted; where the file system
	 * asks for nothing, the rest (mtime, mode, xattrs) is synced after the insertion and before
	 * the faulting thread goes on. Another thread of the process can store through the entry in
	 * between: its data is safe, the mtime is not durable yet.
	 */
	FL_KMOD_SYNC_FAULT = 1,
	/*
	 * When the file system says that metadata is dirty (IOMAP_F_DIRTY, as for MAP_SYNC): leave
	 * the fault, drop its lock (mmap_lock or the VMA's), sync, retry. The next attempt asks
	 * again, as often as it takes. The file system's own locks (invalidate_lock, freeze
	 * protection) are not held over the sync either.
	 */
	FL_KMOD_SYNC_RETRY = 2,
	/*
	 * As SYNC_RETRY, but only while the extent touched is dirty. "Dirty" is decided alike on
	 * every file system, by the DAX core's entry for the page (fs/dax.c: value entry, pfn in
	 * the upper bits): the extent is taken for durable once a sync has ended that began when
	 * the page already had this pfn. The file system's word for the whole inode is then passed
	 * over. So a fault retries once, and again only if its own block was moved meanwhile.
	 * What it cannot see: a block that is freed and given back to the same page. Before v6.15
	 * the entry goes with the block, which leaves a few instructions between the look at the
	 * entry and the file system's own locks; since then entries go for other reasons too, and
	 * the pfn alone decides. And it syncs once for a block that was durable before the first
	 * fault on it when something else in the file is dirty.
	 */
	FL_KMOD_SYNC_RETRY_EXTENT = 3,
	/*
	 * The file must be allocated, written or not: a fault on an unwritten block converts it,
	 * and syncs as for MAP_SYNC. Its block map is frozen: write, truncate, punch, collapse and
	 * extend fail with ETXTBSY, unlink with EPERM, and so do new writable shared mappings with
	 * ETXTBSY (S_SWAPFILE; a kernel's own flag would not need that). Ends with the open file.
	 * Allocated is what has at least as many blocks as its size needs (a hole that the blocks
	 * of the map itself make up for is not seen).
	 */
	FL_KMOD_DAXFILE = 4,
	/*
	 * As SYNC_RETRY, but a fault retries once: the attempt after it syncs with the lock held,
	 * as MAP_SYNC does, and ends. Counted by the module, per fault: FAULT_FLAG_TRIED is not set
	 * after every VM_FAULT_RETRY (arch/x86/mm/fault.c, under the VMA's lock since v6.4).
	 */
	FL_KMOD_SYNC_RETRY_ONCE = 5,
	/*
	 * As SYNC_RETRY, but all metadata counts: also when mtime, ctime, mode, links or size
	 * differ from what they were when the last sync of a fault began. mtime is moved before
	 * that look, as the file system would move it (file_update_time()), and the sync is
	 * fsync's. So a sync that outlasts a tick of the clock makes its own fault retry. When the
	 * clock ticks between the look and the file system's own update, the entry is there
	 * already: that mtime is synced with the lock held. What it cannot see: a change that moves
	 * none of these, as a second xattr within a tick.
	 */
	FL_KMOD_SYNC_RETRY_STRICT = 6,
	FL_KMOD_STRATEGIES
};

/* SYNC_FAULT: fdatasync's rule in place of fsync's. */
#define FL_KMOD_DATASYNC 1u
/* DAXFILE: write faults leave mtime alone (S_NOCMTIME). */
#define FL_KMOD_NOCMTIME 2u

struct fl_kmod_set {
	__u32 size; /* sizeof(struct fl_kmod_set) */
	__s32 fd;
	__u32 strategy;
	__u32 flags;
};

/* Retries that a fault took before it ended: [0] none ... [63] 63, [64] more. */
#define FL_KMOD_RETRIES 65

struct fl_kmod_stats {
	__u32 size; /* sizeof(struct fl_kmod_stats) */
	__s32 fd;
	__u32 strategy;
	__u32 flags;
	__u64 attempts;	     /* calls of the mapping's fault handlers for a write */
	__u64 faults;	     /* write faults that ended (mapped, or an error) */
	__u64 syncs;	     /* syncs in a fault, its lock held */
	__u64 syncs_dropped; /* syncs in a fault, its lock dropped */
	__u64 retries;	     /* attempts that ended in VM_FAULT_RETRY */
	__u64 passed_over;   /* SYNC_RETRY_EXTENT: dirty file, clean extent */
	__u64 not_droppable; /* had to sync with the lock held: no retry was allowed */
	__u64 mmap_locks;    /* retries that dropped mmap_lock */
	__u64 vma_locks;     /* retries that dropped the VMA's lock */
	__u64 errors;	     /* syncs that failed */
	__u64 open_retries;  /* retries so far of the fault that has the most and has not ended */
	__u64 max_retries;   /* of a fault that has ended */
	/* From an attempt that gave its lock up to the next that did, or that ended the fault. */
	__u64 retry_ns;	     /* sum, by CLOCK_MONOTONIC */
	__u64 retries_timed; /* of so many */
	__u64 retries_per_fault[FL_KMOD_RETRIES];
};

#define FL_KMOD_SET _IOW('F', 0x70, struct fl_kmod_set)
#define FL_KMOD_STATS _IOWR('F', 0x71, struct fl_kmod_stats)
/* Zeroes the counters; argument: the descriptor. */
#define FL_KMOD_RESET _IO('F', 0x72)

#endif
