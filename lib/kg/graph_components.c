// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Weakly connected components: a forest in which each node points to one of a lower number of its component, or to
 * itself. Threads join trees by the edges that they come across, always the higher root under the lower, so there is no
 * circle and the last root is the lowest node, whoever was first.
 */
#include <assert.h>
#include <stdatomic.h>

#include "kg/graph_task.h"

/* Nodes of a task. */
#define NODES_AT_ONCE 65536

struct components {
	const struct graph *graph;
	_Atomic uint64_t *parent;
	_Atomic uint64_t count;
};

static_assert(sizeof(_Atomic uint64_t) == sizeof(uint64_t), "as the caller's array");

static uint64_t root_of(_Atomic uint64_t *parent, uint64_t node)
{
	for (;;) {
		uint64_t up = atomic_load_explicit(&parent[node], memory_order_relaxed);
		uint64_t above = atomic_load_explicit(&parent[up], memory_order_relaxed);

		if (up == above)
			return up;
		/* Halves the path; whoever else changes it meanwhile points to an ancestor, too. */
		atomic_compare_exchange_weak_explicit(&parent[node], &up, above, memory_order_relaxed,
						      memory_order_relaxed);
		node = above;
	}
}

static void join(_Atomic uint64_t *parent, uint64_t a, uint64_t b)
{
	for (;;) {
		uint64_t low = root_of(parent, a), high = root_of(parent, b), swap, root;

		if (low == high)
			return;
		if (low > high) {
			swap = low;
			low = high;
			high = swap;
		}
		root = high;
		if (atomic_compare_exchange_strong_explicit(&parent[high], &root, low, memory_order_relaxed,
							    memory_order_relaxed))
			return;
	}
}

static int join_edges(void *arg, const struct graph_triple *triples, size_t count, unsigned int thread)
{
	struct components *components = arg;

	(void)thread;
	for (size_t i = 0; i < count; i++)
		join(components->parent, triples[i].s, triples[i].o);
	return 0;
}

static uint64_t end_of(const struct components *components, uint64_t task)
{
	uint64_t end = (task + 1) * NODES_AT_ONCE;

	return end < components->graph->counts.nodes ? end : components->graph->counts.nodes;
}

static int name_nodes(void *arg, uint64_t task, unsigned int thread)
{
	struct components *components = arg;
	uint64_t roots = 0;

	(void)thread;
	for (uint64_t node = task * NODES_AT_ONCE; node < end_of(components, task); node++) {
		uint64_t root = root_of(components->parent, node);

		atomic_store_explicit(&components->parent[node], root, memory_order_relaxed);
		roots += root == node;
	}
	atomic_fetch_add_explicit(&components->count, roots, memory_order_relaxed);
	return 0;
}

int graph_components(const struct graph *graph, const struct graph_bulk *bulk, uint64_t *component, uint64_t *count)
{
	struct components components = {.graph = graph, .parent = (_Atomic uint64_t *)component};
	uint64_t nodes = graph->counts.nodes;
	int ret;

	for (uint64_t node = 0; node < nodes; node++)
		component[node] = node;
	ret = graph_scan(graph, bulk, GRAPH_ANY, join_edges, &components);
	if (!ret)
		ret = graph_tasks(bulk, name_nodes, &components, (nodes + NODES_AT_ONCE - 1) / NODES_AT_ONCE);
	*count = components.count;
	return ret;
}
