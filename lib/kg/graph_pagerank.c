// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * PageRank by iteration. A task has the nodes of one range: it adds up what comes in, predicate by predicate in the
 * order of subjects, so each sum has one order of terms and the result does not depend on who has computed it. Sums
 * over all nodes are made of those of the ranges, in order.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "kg/graph_cursor.h"
#include "kg/graph_task.h"

/* Nodes of a task, and pairs that are read at once. */
#define NODES_AT_ONCE 4096
#define PAIRS_AT_ONCE 256

#define DAMPING	   0.85
#define TOLERANCE  1e-9
#define ITERATIONS 100

struct pagerank {
	const struct graph *graph;
	double damping;
	/* What each node gives to each of its objects, now and next. */
	double *share;
	double *next_share;
	double *rank;
	uint64_t *degree;
	/* Of each range of nodes. */
	double *dangling;
	double *change;
	uint64_t ranges;
	/* What every node gets. */
	double base;
};

static uint64_t range_end(const struct pagerank *pr, uint64_t range)
{
	uint64_t end = (range + 1) * NODES_AT_ONCE;

	return end < pr->graph->counts.nodes ? end : pr->graph->counts.nodes;
}

/* What is added to @sums, from the range's first node on, for each pair of a row in the range and a value. */
static int walk_range(const struct pagerank *pr, uint64_t range, unsigned int side, double *sums)
{
	uint64_t rows[PAIRS_AT_ONCE], values[PAIRS_AT_ONCE], first = range * NODES_AT_ONCE;
	struct graph_cursor cursor;

	for (uint64_t p = 0; p < pr->graph->counts.predicates; p++) {
		int64_t count = graph_cursor_open(&cursor, pr->graph, p, side);
		int ret;

		if (count < 0)
			return (int)count;
		if (!count || cursor.row_first >= range_end(pr, range) || cursor.row_first + cursor.rows <= first)
			continue;
		ret = graph_cursor_find(&cursor, first, 0, range_end(pr, range));
		if (ret)
			return ret;
		while ((count = graph_cursor_pairs(&cursor, rows, values, PAIRS_AT_ONCE)) > 0)
			for (int64_t i = 0; i < count; i++)
				sums[rows[i] - first] += side == SIDE_O ? pr->share[values[i]] : 1;
		if (count < 0)
			return (int)count;
	}
	return 0;
}

static void give(struct pagerank *pr, uint64_t range, double *share)
{
	double dangling = 0;

	for (uint64_t node = range * NODES_AT_ONCE; node < range_end(pr, range); node++) {
		share[node] = pr->degree[node] ? pr->rank[node] / (double)pr->degree[node] : 0;
		dangling += pr->degree[node] ? 0 : pr->rank[node];
	}
	pr->dangling[range] = dangling;
}

static int begin_range(void *arg, uint64_t range, unsigned int thread)
{
	struct pagerank *pr = arg;
	double degrees[NODES_AT_ONCE] = {0};
	uint64_t first = range * NODES_AT_ONCE;
	int ret = walk_range(pr, range, SIDE_S, degrees);

	(void)thread;
	if (ret)
		return ret;
	for (uint64_t node = first; node < range_end(pr, range); node++) {
		pr->degree[node] = (uint64_t)degrees[node - first];
		pr->rank[node] = 1.0 / (double)pr->graph->counts.nodes;
	}
	give(pr, range, pr->share);
	return 0;
}

static int step_range(void *arg, uint64_t range, unsigned int thread)
{
	struct pagerank *pr = arg;
	double sums[NODES_AT_ONCE] = {0}, change = 0;
	uint64_t first = range * NODES_AT_ONCE;
	int ret = walk_range(pr, range, SIDE_O, sums);

	(void)thread;
	if (ret)
		return ret;
	for (uint64_t node = first; node < range_end(pr, range); node++) {
		double rank = pr->base + pr->damping * sums[node - first];

		change += fabs(rank - pr->rank[node]);
		pr->rank[node] = rank;
	}
	pr->change[range] = change;
	give(pr, range, pr->next_share);
	return 0;
}

static double sum_of(const double *terms, uint64_t count)
{
	double sum = 0;

	for (uint64_t i = 0; i < count; i++)
		sum += terms[i];
	return sum;
}

static int iterate(struct pagerank *pr, const struct graph_bulk *bulk, const struct graph_pagerank_opts *opts,
		   struct graph_pagerank_result *result)
{
	double nodes = (double)pr->graph->counts.nodes;
	int ret = graph_tasks(bulk, begin_range, pr, pr->ranges);

	while (!ret && result->iterations < opts->iterations && result->change > opts->tolerance) {
		double *swap = pr->share;

		pr->base = (1 - pr->damping + pr->damping * sum_of(pr->dangling, pr->ranges)) / nodes;
		ret = graph_tasks(bulk, step_range, pr, pr->ranges);
		pr->share = pr->next_share;
		pr->next_share = swap;
		result->change = sum_of(pr->change, pr->ranges);
		result->iterations++;
	}
	return ret;
}

int graph_pagerank(const struct graph *graph, const struct graph_bulk *bulk, const struct graph_pagerank_opts *opts,
		   double *rank, struct graph_pagerank_result *result)
{
	struct graph_pagerank_opts o = opts ? *opts : (struct graph_pagerank_opts){0};
	uint64_t nodes = graph->counts.nodes;
	struct pagerank pr = {
		.graph = graph,
		.damping = o.damping ? o.damping : DAMPING,
		.rank = rank,
		.ranges = (nodes + NODES_AT_ONCE - 1) / NODES_AT_ONCE,
	};
	int ret = -ENOMEM;

	*result = (struct graph_pagerank_result){.change = INFINITY};
	o.tolerance = o.tolerance ? o.tolerance : TOLERANCE;
	o.iterations = o.iterations ? o.iterations : ITERATIONS;
	if (!(pr.damping > 0 && pr.damping < 1) || !(o.tolerance > 0))
		return -EINVAL;
	if (!nodes)
		return 0;
	pr.share = malloc(nodes * sizeof(*pr.share));
	pr.next_share = malloc(nodes * sizeof(*pr.next_share));
	pr.degree = malloc(nodes * sizeof(*pr.degree));
	pr.dangling = malloc(pr.ranges * sizeof(*pr.dangling));
	pr.change = malloc(pr.ranges * sizeof(*pr.change));
	if (pr.share && pr.next_share && pr.degree && pr.dangling && pr.change)
		ret = iterate(&pr, bulk, &o, result);
	free(pr.share);
	free(pr.next_share);
	free(pr.degree);
	free(pr.dangling);
	free(pr.change);
	return ret;
}
