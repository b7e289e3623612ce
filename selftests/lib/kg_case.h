/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Graphs for tests: triples at random or as told, the sections that are made of them, and the same question by force. */
#ifndef PINPOOL_SELFTESTS_KG_CASE_H
#define PINPOOL_SELFTESTS_KG_CASE_H

#include "kg/graph.h"
#include "kg/graph_writer.h"

#include <stdlib.h>
#include <string.h>

struct kg_case {
	uint64_t nodes;
	uint64_t predicates;
	struct graph_triple *triples; /* in the order of (p, s, o), each once */
	size_t count;
	uint64_t shape_bytes;
	/* Made of them. */
	uint8_t *bytes[GRAPH_SECTIONS];
	size_t sizes[GRAPH_SECTIONS];
	struct graph graph;
};

static inline uint64_t kg_draw(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (*seed ^ *seed >> 31) * 0x9e3779b97f4a7c15u >> 11;
}

#define KG_ORDER(name, a, b, c)                                                                                        \
	static inline int name(const void *x, const void *y)                                                           \
	{                                                                                                              \
		const struct graph_triple *m = x, *n = y;                                                              \
                                                                                                                       \
		if (m->a != n->a)                                                                                      \
			return m->a < n->a ? -1 : 1;                                                                   \
		if (m->b != n->b)                                                                                      \
			return m->b < n->b ? -1 : 1;                                                                   \
		return (m->c > n->c) - (m->c < n->c);                                                                  \
	}

KG_ORDER(kg_by_pso, p, s, o)
KG_ORDER(kg_by_spo, s, p, o)
KG_ORDER(kg_by_ops, o, p, s)

static inline int kg_append(void *arg, enum graph_section section, const void *bytes, size_t count)
{
	struct kg_case *kg = arg;

	kg->bytes[section] = realloc(kg->bytes[section], kg->sizes[section] + count);
	memcpy(kg->bytes[section] + kg->sizes[section], bytes, count);
	kg->sizes[section] += count;
	return 0;
}

static inline void kg_add(struct kg_case *kg, uint64_t s, uint64_t p, uint64_t o)
{
	if (!(kg->count & (kg->count - 1)))
		kg->triples = realloc(kg->triples, (kg->count ? 2 * kg->count : 1) * sizeof(*kg->triples));
	kg->triples[kg->count++] = (struct graph_triple){ s, p, o };
}

/* Returns what the writer, or opening, returned. */
static inline int kg_make(struct kg_case *kg, struct pinpool_diag *diag)
{
	struct graph_writer_opts opts = { .append = kg_append, .arg = kg, .shape_bytes = kg->shape_bytes };
	struct graph_writer *writer = NULL;
	struct graph_stats *stats;
	size_t count = 0;
	int err;

	if (kg->count)
		qsort(kg->triples, kg->count, sizeof(*kg->triples), kg_by_spo);
	for (size_t i = 0; i < kg->count; i++)
		if (!i || memcmp(&kg->triples[i], &kg->triples[count - 1], sizeof(*kg->triples)))
			kg->triples[count++] = kg->triples[i];
	kg->count = count;
	err = graph_stats_new(&stats, kg->nodes, kg->predicates, diag);
	if (err)
		return err;
	for (size_t i = 0; i < count; i++)
		graph_stats_add(stats, kg->triples[i].s, kg->triples[i].p, kg->triples[i].o);
	err = graph_writer_new(&writer, stats, &opts, diag);
	for (size_t i = 0; !err && i < count; i++)
		err = graph_writer_out(writer, &kg->triples[i], diag);
	if (count)
		qsort(kg->triples, count, sizeof(*kg->triples), kg_by_ops);
	for (size_t i = 0; !err && i < count; i++)
		err = graph_writer_in(writer, &kg->triples[i], diag);
	if (!err)
		err = graph_writer_finish(writer, diag);
	graph_writer_free(writer);
	graph_stats_free(stats);
	if (count)
		qsort(kg->triples, count, sizeof(*kg->triples), kg_by_pso);
	return err ? err : graph_open(&kg->graph, kg->bytes[GRAPH_DATA], kg->sizes[GRAPH_DATA], kg->bytes[GRAPH_DIRECTORY],
				      kg->sizes[GRAPH_DIRECTORY], diag);
}

static inline void kg_free(struct kg_case *kg)
{
	free(kg->triples);
	free(kg->bytes[GRAPH_DATA]);
	free(kg->bytes[GRAPH_DIRECTORY]);
}

static inline bool kg_matches(const struct graph_triple *triple, uint64_t s, uint64_t p, uint64_t o)
{
	return (s == GRAPH_ANY || s == triple->s) && (p == GRAPH_ANY || p == triple->p) && (o == GRAPH_ANY || o == triple->o);
}

#endif
