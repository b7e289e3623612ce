/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The machine as far as it matters to products: caches, and the processors that the calling thread may run on. */
#ifndef PINPOOL_MATH_TOPOLOGY_H
#define PINPOOL_MATH_TOPOLOGY_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* Sizes of the data caches that one thread may count on, in bytes. */
struct cache {
	size_t l1;
	size_t l2;
	size_t l3;
};

struct processor {
	unsigned int cpu; /* as the kernel counts them */
	unsigned int core; /* processors of the same core have the same */
	unsigned int node;
	unsigned int sibling; /* 0: the first of its core that may be used, 1: the second, ... */
	/* Cores and nodes counted from those that the caller of topology_read() was on. */
	unsigned int core_turn;
	unsigned int node_turn;
};

struct topology {
	struct cache cache;
	/*
	 * Those that may be used, at least 1, in the order in which to use them: one of each core before the second of
	 * any, those of a node together, from the core on that asks.
	 */
	struct processor *processors;
	unsigned int count;
	unsigned int cores;
	/* Processors' worth of time that cgroups allow, or QUOTA_NONE. */
	unsigned int quota;
};

/* Returns 0 or -ENOMEM. */
int topology_read(struct topology *topology);
void topology_free(struct topology *topology);

/*
 * One for each core, since two on a core have the same units to multiply with and half of its caches each; and no more
 * than can run at a time before a quota stops them all.
 */
unsigned int topology_default_threads(const struct topology *topology);

/*
 * Where @threads threads belong, the caller of topology_read() first and those of a node next to each other; with more
 * threads than processors these are used again. Free with free(). NULL: no memory.
 */
struct processor *topology_places(const struct topology *topology, unsigned int threads);

/* Binds @thread to all processors of the core of @place that may be used. Returns 0 or -errno. */
int topology_pin(const struct topology *topology, const struct processor *place, pthread_t thread);

#endif
