/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A queue in a file on a DAX file system, and what faultline's crash test must be told of it:
 *
 *     cc -O2 -I harness docs/queue/queue.c -o queue
 *     faultline crashtest --run "./queue 64" --fs ext4,xfs
 *
 * An entry is a line of 64 bytes. It is written back before the tail counts it, so that a queue
 * that was cut off never counts an entry that is not there. -DMISSING_FLUSH leaves that write-back
 * out.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faultline_crash.h"

#define ENTRIES 1024

struct Entry {
  uint64_t words[8];
};
struct Queue {
  struct Entry tail; /* its first word: how many entries there are */
  struct Entry entries[ENTRIES];
};

static int fail(const char* what) {
  fprintf(stderr, "queue: %s: %s\n", what, strerror(errno));
  return 1;
}

static void fill(struct Entry* entry, uint64_t number) {
  for (uint64_t i = 0; i < 8; ++i) entry->words[i] = (number + 1) * 0x9e3779b97f4a7c15 + i;
}

static void persist(const void* at, size_t bytes) {
  faultline_write_back(at, bytes);
  faultline_fence();
}

static void put(struct Queue* queue, uint64_t number) {
  faultline_begun(number);
  fill(&queue->entries[number], number);
#ifndef MISSING_FLUSH
  persist(&queue->entries[number], sizeof(struct Entry));
#endif
  queue->tail.words[0] = number + 1;
  persist(&queue->tail, sizeof(uint64_t));
  faultline_promised(number);
}

static int write_queue(uint64_t count) {
  const int fd = open("queue", O_RDWR | O_CREAT | O_TRUNC, 0644);
  const int directory = open(".", O_RDONLY);
  if (fd < 0 || ftruncate(fd, sizeof(struct Queue)) != 0) return fail("queue");
  if (fsync(fd) != 0 || fsync(directory) != 0) return fail("fsync");
  struct Queue* queue =
      mmap(NULL, sizeof *queue, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
  if (queue == MAP_FAILED) return fail("mmap with MAP_SYNC");
  if (faultline_crash_open() != 0) return fail("faultline_crash_open");
  for (uint64_t number = 0; number < count; ++number) put(queue, number);
  return 0;
}

static int check_queue(void) {
  static struct Queue queue;
  const int fd = open("queue", O_RDONLY);
  if (fd < 0) return errno == ENOENT ? 0 : fail("queue");
  if (read(fd, &queue, sizeof queue) < 0) return fail("read");
  if (queue.tail.words[0] > ENTRIES) {
    fprintf(stderr, "queue: the tail is %llu\n", (unsigned long long)queue.tail.words[0]);
    return 1;
  }
  for (uint64_t number = 0; number < queue.tail.words[0]; ++number) {
    struct Entry wanted;
    fill(&wanted, number);
    if (memcmp(&wanted, &queue.entries[number], sizeof wanted) != 0) {
      fprintf(stderr, "queue: entry %llu of %llu is broken\n", (unsigned long long)number,
              (unsigned long long)queue.tail.words[0]);
      return 1;
    }
    printf("%llu\n", (unsigned long long)number);
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[2], "write") == 0) {
    const uint64_t count = strtoull(argv[1], NULL, 10);
    if (count <= ENTRIES) return write_queue(count);
  }
  if (argc == 3 && strcmp(argv[2], "check") == 0) return check_queue();
  fprintf(stderr, "usage: queue COUNT write|check; at most %d\n", ENTRIES);
  return 2;
}
