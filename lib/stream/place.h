/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Where the threads of a load, a verification, a packing or a window run: on the processors of the node that the memory
 * is from, as far as the caller may use them; or wherever the caller may run. Only threads that the library made are
 * placed, never the caller's.
 */
#ifndef PINPOOL_STREAM_PLACE_H
#define PINPOOL_STREAM_PLACE_H

#include <pinpool/pool.h>

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * struct place - processors for threads
 * @bound: threads run on @processors only
 * @processors: those of the node that the caller may use; else all that he may use, empty if nobody says
 * @attr: for each thread that is made
 */
struct place {
	bool bound;
	cpu_set_t processors;
	pthread_attr_t attr;
};

/* The node that a pool is bound to, or that it prefers, plus 1; 0 if there is none. */
unsigned int place_node(struct pinpool_pool *pool);

/*
 * For node @node - 1, or 0 for anywhere. A node of whose processors the caller may use none, or that the host does not
 * tell of, is anywhere. Returns 0 or -ENOMEM.
 */
int place_begin(struct place *place, unsigned int node);
void place_end(struct place *place);

/* Number of processors that threads can use, at least 1. */
size_t place_size(const struct place *place);
/* As pthread_create(). */
int place_start(const struct place *place, pthread_t *thread, void *(*main)(void *), void *arg);

#endif
