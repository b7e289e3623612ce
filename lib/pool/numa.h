/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Allocating file pages on NUMA nodes of our choice. fallocate() takes pages by the policy of the calling thread
 * (mbind() of a mapping does not reach it), so the thread's policy is set around the call and put back as it was.
 */
#ifndef PINPOOL_POOL_NUMA_H
#define PINPOOL_POOL_NUMA_H

#include <stdbool.h>
#include <stdint.h>

/* Nodes that can be named; the kernel's own limit on 64-bit systems. */
#define NUMA_NODES 1024

struct numa_saved {
	int policy;
	unsigned long nodes[NUMA_NODES / (8 * sizeof(long))];
};

/* Returns 0, -EOPNOTSUPP (this kernel or sandbox does not let a thread choose). */
int numa_save_thread(struct numa_saved *saved);
/*
 * From @node only or, with @prefer, from it as long as it has pages. Returns 0, -EINVAL (no such node with memory),
 * -EOPNOTSUPP.
 */
int numa_set_thread(int32_t node, bool prefer);
void numa_restore_thread(const struct numa_saved *saved);

/* The nodes that have memory, bit n for node n, of the first 64. Returns 0, -EOPNOTSUPP (this host does not say). */
int numa_nodes_with_memory(uint64_t *nodes);
/* A list as the kernel writes it, "0-1,3"; empty is none. Returns 0, -EBADMSG. */
int numa_parse_nodes(const char *text, uint64_t *nodes);

#endif
