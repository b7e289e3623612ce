/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Asking a graph: the library's interface to graph.h and graph_bulk.h. */
#include <errno.h>
#include <pinpool/kg_query.h>
#include <stdlib.h>

#include "base/opts.h"
#include "kg/graph_bulk.h"
#include "kg/kg.h"

#define REACH_DEFAULT 1000000u

_Static_assert(PINPOOL_KG_ANY == GRAPH_ANY && PINPOOL_KG_OUT == (int)GRAPH_OUT && PINPOOL_KG_IN == (int)GRAPH_IN &&
		       PINPOOL_KG_BOTH == (int)GRAPH_BOTH,
	       "the same values");
_Static_assert(sizeof(struct pinpool_triple) == sizeof(struct graph_triple) &&
		       offsetof(struct pinpool_triple, p) == offsetof(struct graph_triple, p) &&
		       offsetof(struct pinpool_triple, o) == offsetof(struct graph_triple, o),
	       "struct pinpool_triple is struct graph_triple for others");
_Static_assert(sizeof(struct pinpool_kg_reached) == sizeof(struct graph_reached) &&
		       offsetof(struct pinpool_kg_reached, hops) == offsetof(struct graph_reached, hops),
	       "struct pinpool_kg_reached is struct graph_reached for others");

struct pinpool_kg_iter {
	struct graph_iter graph;
};

int pinpool_kg_find(const struct pinpool_kg *kg, const struct pinpool_triple *pattern, struct pinpool_kg_iter **out)
{
	struct pinpool_kg_iter *iter = malloc(sizeof(*iter));
	int err;

	if (!iter)
		return -ENOMEM;
	err = graph_find(&kg->graph, pattern->s, pattern->p, pattern->o, &iter->graph);
	if (err) {
		free(iter);
		return err;
	}
	*out = iter;
	return 0;
}

int pinpool_kg_next(struct pinpool_kg_iter *iter, struct pinpool_triple *triple)
{
	struct graph_triple found;
	int got = graph_next(&iter->graph, &found);

	if (got > 0)
		*triple = (struct pinpool_triple){.s = found.s, .p = found.p, .o = found.o};
	return got;
}

int pinpool_kg_seek(struct pinpool_kg_iter *iter, const struct pinpool_triple *to)
{
	const struct graph_triple where = {.s = to->s, .p = to->p, .o = to->o};

	return graph_seek(&iter->graph, &where);
}

void pinpool_kg_iter_free(struct pinpool_kg_iter *iter)
{
	free(iter);
}

int pinpool_kg_count(const struct pinpool_kg *kg, const struct pinpool_triple *pattern, uint64_t *count)
{
	return graph_count(&kg->graph, pattern->s, pattern->p, pattern->o, count);
}

int pinpool_kg_has(const struct pinpool_kg *kg, const struct pinpool_triple *triple)
{
	return graph_has(&kg->graph, triple->s, triple->p, triple->o);
}

int pinpool_kg_degree(const struct pinpool_kg *kg, uint64_t node, enum pinpool_kg_way way, uint64_t *degree)
{
	return graph_degree(&kg->graph, node, (enum graph_way)way, degree);
}

int64_t pinpool_kg_reach(const struct pinpool_kg *kg, const uint64_t *seeds, size_t count,
			 const struct pinpool_kg_reach_opts *user_opts, struct pinpool_kg_reached **out)
{
	struct pinpool_kg_reach_opts opts;
	struct graph_reached *reached;
	struct graph_khop_opts khop;
	int64_t found;
	int err;

	err = opts_read(&opts, sizeof(opts), user_opts);
	if (err)
		return err;
	if ((unsigned int)opts.way > PINPOOL_KG_BOTH)
		return -EINVAL;
	khop = (struct graph_khop_opts){
		.way = opts.way ? (enum graph_way)opts.way : GRAPH_OUT,
		.predicate = opts.one_predicate ? opts.predicate : GRAPH_ANY,
		.hops = opts.hops ? opts.hops : 1,
		.budget = opts.most ? opts.most : REACH_DEFAULT,
		.cancel = opts.cancel,
	};
	found = graph_khop(&kg->graph, &khop, seeds, count, &reached);
	if (found >= 0)
		*out = (struct pinpool_kg_reached *)reached;
	return found;
}

int pinpool_kg_components(const struct pinpool_kg *kg, struct pinpool_math *math, uint64_t *component, uint64_t *count,
			  const volatile int *cancel)
{
	const struct graph_bulk bulk = {.math = math, .cancel = cancel};

	return graph_components(&kg->graph, &bulk, component, count);
}

int pinpool_kg_rank(const struct pinpool_kg *kg, const struct pinpool_kg_rank_opts *user_opts, double *rank,
		    uint32_t *iterations)
{
	struct graph_pagerank_result result;
	struct graph_pagerank_opts pagerank;
	struct pinpool_kg_rank_opts opts;
	struct graph_bulk bulk;
	int err;

	err = opts_read(&opts, sizeof(opts), user_opts);
	if (err)
		return err;
	bulk = (struct graph_bulk){.math = opts.math, .cancel = opts.cancel};
	pagerank = (struct graph_pagerank_opts){
		.damping = opts.damping, .tolerance = opts.tolerance, .iterations = opts.iterations};
	err = graph_pagerank(&kg->graph, &bulk, &pagerank, rank, &result);
	if (!err && iterations)
		*iterations = result.iterations;
	return err;
}

/* What a scan's callback is called through. */
struct scan {
	pinpool_kg_scan_fn fn;
	void *arg;
};

static int scan_some(void *arg, const struct graph_triple *triples, size_t count, unsigned int thread)
{
	const struct scan *scan = arg;

	return scan->fn(scan->arg, (const struct pinpool_triple *)triples, count, thread);
}

int pinpool_kg_scan(const struct pinpool_kg *kg, struct pinpool_math *math, uint64_t predicate, pinpool_kg_scan_fn fn,
		    void *arg)
{
	const struct graph_bulk bulk = {.math = math};
	struct scan scan = {.fn = fn, .arg = arg};

	return graph_scan(&kg->graph, &bulk, predicate, scan_some, &scan);
}
