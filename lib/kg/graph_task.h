/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Tasks of work on a whole graph, on the threads of a context. */
#ifndef PINPOOL_KG_GRAPH_TASK_H
#define PINPOOL_KG_GRAPH_TASK_H

#include "kg/graph_bulk.h"

/* One task. Returns 0 or -errno, which ends the work. */
typedef int (*graph_task_fn)(void *arg, uint64_t task, unsigned int thread);

/* Tasks 0 to @count - 1, each once, unless one fails. Returns 0, what one that failed returned, -ECANCELED. */
int graph_tasks(const struct graph_bulk *bulk, graph_task_fn fn, void *arg, uint64_t count);

/* Threads that there may be: numbers of threads are below it. */
unsigned int graph_task_threads(const struct graph_bulk *bulk);

/* A stretch of one table. */
struct graph_stretch {
	uint64_t predicate;
	uint64_t first;
	uint64_t count;
};

/* The tables of predicate @p, or of all, by subjects, cut into stretches; free() them. Returns 0, -EBADMSG, -ENOMEM. */
int graph_stretches(const struct graph *graph, uint64_t p, struct graph_stretch **out, uint64_t *count);

#endif
