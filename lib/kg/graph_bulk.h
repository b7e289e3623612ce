/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Work on a whole graph, in tasks on the threads of a math context (NULL: the calling thread alone), stolen from each
 * other. Results do not depend on the number of threads. One call at a time per context.
 */
#ifndef PINPOOL_KG_GRAPH_BULK_H
#define PINPOOL_KG_GRAPH_BULK_H

#include <pinpool/math.h>

#include "kg/graph.h"

/* Of all operations; zero is right for each field. */
struct graph_bulk {
	struct pinpool_math *math;
	/* Looked at between tasks; non-zero ends the call with -ECANCELED. */
	const volatile int *cancel;
};

/*
 * @count triples of one predicate, in the order of (s, o) within the call; @thread as in math/team.h. Calls run at the
 * same time and in any order. Returns 0, or -errno, which ends the scan.
 */
typedef int (*graph_scan_fn)(void *arg, const struct graph_triple *triples, size_t count, unsigned int thread);

/* All triples of predicate @p, of all with GRAPH_ANY. Returns 0, -EBADMSG, -ECANCELED, -ENOMEM, or what @fn returned.
 */
int graph_scan(const struct graph *graph, const struct graph_bulk *bulk, uint64_t p, graph_scan_fn fn, void *arg);

struct graph_khop_opts {
	enum graph_way way;
	/* Only edges of this predicate; GRAPH_ANY for all. */
	uint64_t predicate;
	/* Steps from the seeds. */
	uint32_t hops;
	/* Most nodes that are found, the seeds counted; bounds the memory: up to 64 bytes for each. */
	uint64_t budget;
	const volatile int *cancel;
};

struct graph_reached {
	uint64_t node;
	uint32_t hops;
};

/*
 * Nodes within @opts->hops steps of any of the seeds, each once and with the fewest steps, in the order of steps and
 * then of ids, in memory that is the caller's to free(). Returns how many, -ENOSPC (more than the budget), -EBADMSG,
 * -ECANCELED, -ENOMEM, -EINVAL (a seed that is no node).
 */
int64_t graph_khop(const struct graph *graph, const struct graph_khop_opts *opts, const uint64_t *seeds, size_t count,
		   struct graph_reached **out);
/*
 * The same from each seed alone, in parallel: @reached[i] gets how many nodes seed i reaches, itself counted, or
 * UINT64_MAX where that is more than the budget. Returns 0 or an error as above.
 */
int graph_khop_each(const struct graph *graph, const struct graph_bulk *bulk, const struct graph_khop_opts *opts,
		    const uint64_t *seeds, size_t count, uint64_t *reached);

/*
 * Weakly connected components: @component[node] is the lowest id in the node's component; @count how many there are.
 * Returns 0, -EBADMSG, -ECANCELED.
 */
int graph_components(const struct graph *graph, const struct graph_bulk *bulk, uint64_t *component, uint64_t *count);

struct graph_pagerank_opts {
	double damping; /* 0 for 0.85 */
	double tolerance; /* sum of changes at which it ends; 0 for 1e-9 */
	uint32_t iterations; /* at most; 0 for 100 */
};

struct graph_pagerank_result {
	uint32_t iterations;
	double change;
};

/*
 * Each triple is an edge from subject to object; nodes without any give to all alike. @rank[node] sums to 1. Returns 0
 * (whether the tolerance was reached, @result says), -EBADMSG, -ECANCELED, -ENOMEM, -EINVAL.
 */
int graph_pagerank(const struct graph *graph, const struct graph_bulk *bulk, const struct graph_pagerank_opts *opts,
		   double *rank, struct graph_pagerank_result *result);

/* What reading costs here and now, warm: medians over rounds, one thread unless @bulk says otherwise. */
struct graph_bench {
	double bytes_per_triple;
	double sp_ns; /* S P ? of a random triple: the list, its first object, its count */
	double po_ns; /* ? P O likewise */
	double spo_ns; /* membership */
	double edge_ns; /* S ? ? of random nodes, per edge */
	double node_ns; /* and per node */
	double list_ids_per_s; /* decoding the longest list */
	double scan_per_s; /* triples, all threads */
	double components_s;
	double pagerank_s; /* one iteration */
	double khop_ns; /* two steps from random nodes, per node that is reached */
};

/* Returns 0, -ENODATA (no triples), -EBADMSG, -ENOMEM. */
int graph_bench(const struct graph *graph, const struct graph_bulk *bulk, uint64_t seed, struct graph_bench *bench);

#endif
