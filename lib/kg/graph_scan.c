// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Tasks on threads, and all triples in tasks. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "kg/graph_cursor.h"
#include "kg/graph_task.h"
#include "math/context.h"

/* Triples of a stretch: a task of some 50 microseconds. */
#define STRETCH 16384
/* And of one call. */
#define AT_ONCE 256

struct tasks {
	graph_task_fn fn;
	void *arg;
	const volatile int *cancel;
	atomic_int err;
};

static void run_task(void *arg, size_t unit, unsigned int thread)
{
	struct tasks *tasks = arg;
	int none = 0, ret;

	if (atomic_load_explicit(&tasks->err, memory_order_relaxed))
		return;
	ret = tasks->cancel && *tasks->cancel ? -ECANCELED : tasks->fn(tasks->arg, unit, thread);
	if (ret)
		atomic_compare_exchange_strong(&tasks->err, &none, ret);
}

int graph_tasks(const struct graph_bulk *bulk, graph_task_fn fn, void *arg, uint64_t count)
{
	struct tasks tasks = {.fn = fn, .arg = arg, .cancel = bulk->cancel};

	if (bulk->math)
		team_run(bulk->math->team, run_task, &tasks, count);
	else
		for (uint64_t task = 0; task < count; task++)
			run_task(&tasks, task, 0);
	return atomic_load(&tasks.err);
}

unsigned int graph_task_threads(const struct graph_bulk *bulk)
{
	return bulk->math ? team_threads(bulk->math->team) : 1;
}

int graph_stretches(const struct graph *graph, uint64_t p, struct graph_stretch **out, uint64_t *count)
{
	uint64_t first = p == GRAPH_ANY ? 0 : p, end = p == GRAPH_ANY ? graph->counts.predicates : p + 1, room = 0;
	struct graph_stretch *stretches = NULL;
	struct graph_cursor cursor;
	int ret = 0;

	*count = 0;
	for (p = first; p < end; p++) {
		ret = graph_cursor_open(&cursor, graph, p, SIDE_S);
		if (ret < 0)
			break;
		for (uint64_t at = 0, all = ret ? cursor.keys.ef.count : 0; at < all; at += STRETCH) {
			if (*count == room) {
				struct graph_stretch *more;

				room = room ? 2 * room : 64;
				more = realloc(stretches, room * sizeof(*more));
				if (!more) {
					free(stretches);
					return -ENOMEM;
				}
				stretches = more;
			}
			stretches[(*count)++] = (struct graph_stretch){p, at, all - at < STRETCH ? all - at : STRETCH};
		}
	}
	if (ret < 0) {
		free(stretches);
		return ret;
	}
	*out = stretches;
	return 0;
}

struct scan {
	const struct graph *graph;
	const struct graph_stretch *stretches;
	graph_scan_fn fn;
	void *arg;
};

static int scan_stretch(void *arg, uint64_t task, unsigned int thread)
{
	const struct scan *scan = arg;
	const struct graph_stretch *stretch = &scan->stretches[task];
	uint64_t rows[AT_ONCE], values[AT_ONCE];
	struct graph_triple triples[AT_ONCE];
	struct graph_cursor cursor;
	int ret = graph_cursor_open(&cursor, scan->graph, stretch->predicate, SIDE_S);

	ret = ret > 0 ? graph_cursor_seek(&cursor, stretch->first) : -EBADMSG;
	for (uint64_t left = stretch->count; !ret && left;) {
		int64_t count = graph_cursor_pairs(&cursor, rows, values, left < AT_ONCE ? left : AT_ONCE);

		if (count <= 0)
			return -EBADMSG;
		for (int64_t i = 0; i < count; i++)
			triples[i] = (struct graph_triple){rows[i], stretch->predicate, values[i]};
		ret = scan->fn(scan->arg, triples, count, thread);
		left -= count;
	}
	return ret;
}

int graph_scan(const struct graph *graph, const struct graph_bulk *bulk, uint64_t p, graph_scan_fn fn, void *arg)
{
	struct scan scan = {.graph = graph, .fn = fn, .arg = arg};
	struct graph_stretch *stretches;
	uint64_t count;
	int ret = graph_stretches(graph, p, &stretches, &count);

	if (ret)
		return ret;
	scan.stretches = stretches;
	ret = graph_tasks(bulk, scan_stretch, &scan, count);
	free(stretches);
	return ret;
}
