// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Nodes within some steps: level by level, each level sorted, so the order of what is found depends on nothing else. A
 * set of the nodes so far grows with them, up to the budget.
 */
#include <errno.h>
#include <stdlib.h>

#include "kg/graph_task.h"

#define ROOM_FIRST   64
/* Edges between two looks at whether to go on. */
#define CANCEL_EVERY 1024

struct khop {
	const struct graph *graph;
	const struct graph_khop_opts *opts;
	/* In the order in which they were found. */
	struct graph_reached *reached;
	uint64_t count;
	uint64_t room;
	/* The same nodes, plus 1, as a set: twice as many slots as there is room. */
	uint64_t *slots;
	uint64_t edges;
};

/* Any node is as likely as another in any slot: Fibonacci hashing. */
static uint64_t *find_slot(const struct khop *khop, uint64_t node)
{
	uint64_t at = node * 0x9e3779b97f4a7c15u >> 20;

	for (;; at++) {
		uint64_t *slot = &khop->slots[at & (2 * khop->room - 1)];

		if (!*slot || *slot == node + 1)
			return slot;
	}
}

static int grow(struct khop *khop)
{
	uint64_t room = khop->room ? 2 * khop->room : ROOM_FIRST;
	struct graph_reached *reached = realloc(khop->reached, room * sizeof(*reached));
	uint64_t *slots;

	if (!reached)
		return -ENOMEM;
	khop->reached = reached;
	slots = calloc(2 * room, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(khop->slots);
	khop->slots = slots;
	khop->room = room;
	for (uint64_t i = 0; i < khop->count; i++)
		*find_slot(khop, reached[i].node) = reached[i].node + 1;
	return 0;
}

static int reach(struct khop *khop, uint64_t node, uint32_t hops)
{
	uint64_t *slot = khop->room ? find_slot(khop, node) : NULL;
	int ret;

	if (slot && *slot)
		return 0;
	if (khop->count == khop->opts->budget)
		return -ENOSPC;
	if (khop->count == khop->room) {
		ret = grow(khop);
		if (ret)
			return ret;
		slot = find_slot(khop, node);
	}
	khop->reached[khop->count++] = (struct graph_reached){node, hops};
	*slot = node + 1;
	return 0;
}

static int walk_edges(struct khop *khop, uint64_t node, bool out, uint32_t hops)
{
	const struct graph_khop_opts *opts = khop->opts;
	struct graph_triple triple;
	struct graph_iter iter;
	int ret = graph_find(khop->graph, out ? node : GRAPH_ANY, opts->predicate, out ? GRAPH_ANY : node, &iter);

	while (!ret && (ret = graph_next(&iter, &triple)) > 0) {
		ret = reach(khop, out ? triple.o : triple.s, hops);
		if (!ret && ++khop->edges % CANCEL_EVERY == 0 && opts->cancel && *opts->cancel)
			ret = -ECANCELED;
	}
	return ret;
}

static int compare(const void *a, const void *b)
{
	const struct graph_reached *x = a, *y = b;

	return (x->node > y->node) - (x->node < y->node);
}

/* The nodes from number @first on, which are all of one level. */
static void sort_level(struct khop *khop, uint64_t first)
{
	if (khop->count > first)
		qsort(khop->reached + first, khop->count - first, sizeof(*khop->reached), compare);
}

static int walk(struct khop *khop, const uint64_t *seeds, size_t count)
{
	uint64_t first = 0;
	int ret = 0;

	for (size_t i = 0; !ret && i < count; i++)
		ret = seeds[i] < khop->graph->counts.nodes ? reach(khop, seeds[i], 0) : -EINVAL;
	sort_level(khop, 0);
	for (uint32_t hops = 1; !ret && hops <= khop->opts->hops && first < khop->count; hops++) {
		uint64_t end = khop->count;

		for (; !ret && first < end; first++) {
			uint64_t node = khop->reached[first].node;

			if (khop->opts->way & GRAPH_OUT)
				ret = walk_edges(khop, node, true, hops);
			if (!ret && khop->opts->way & GRAPH_IN)
				ret = walk_edges(khop, node, false, hops);
		}
		sort_level(khop, end);
	}
	return ret;
}

int64_t graph_khop(const struct graph *graph, const struct graph_khop_opts *opts, const uint64_t *seeds, size_t count,
		   struct graph_reached **out)
{
	struct khop khop = {.graph = graph, .opts = opts};
	int ret = walk(&khop, seeds, count);

	free(khop.slots);
	if (ret || !out)
		free(khop.reached);
	else
		*out = khop.reached;
	return ret ? ret : (int64_t)khop.count;
}

struct each {
	const struct graph *graph;
	const struct graph_khop_opts *opts;
	const uint64_t *seeds;
	uint64_t *reached;
};

static int walk_from(void *arg, uint64_t task, unsigned int thread)
{
	const struct each *each = arg;
	int64_t count = graph_khop(each->graph, each->opts, &each->seeds[task], 1, NULL);

	(void)thread;
	each->reached[task] = count == -ENOSPC ? UINT64_MAX : (uint64_t)count;
	return count < 0 && count != -ENOSPC ? (int)count : 0;
}

int graph_khop_each(const struct graph *graph, const struct graph_bulk *bulk, const struct graph_khop_opts *opts,
		    const uint64_t *seeds, size_t count, uint64_t *reached)
{
	struct each each = {graph, opts, seeds, reached};

	return graph_tasks(bulk, walk_from, &each, count);
}
