/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Allocating file pages on one NUMA node. fallocate() takes pages by the policy of the calling thread (mbind() of a
 * mapping does not reach it), so the thread is bound around the call and put back as it was.
 */
#ifndef PINPOOL_POOL_NUMA_H
#define PINPOOL_POOL_NUMA_H

#include <stdint.h>

/* Nodes that can be named; the kernel's own limit on 64-bit systems. */
#define NUMA_NODES 1024

struct numa_saved {
	int policy;
	unsigned long nodes[NUMA_NODES / (8 * sizeof(long))];
};

/* Returns 0, -EINVAL (no such node with memory), -EOPNOTSUPP (this kernel or sandbox does not let a thread choose). */
int numa_bind_thread(int32_t node, struct numa_saved *saved);
void numa_restore_thread(const struct numa_saved *saved);

#endif
