/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What is known of a graph's predicates before its triples are written, and which tables that makes. */
#ifndef PINPOOL_KG_GRAPH_STATS_H
#define PINPOOL_KG_GRAPH_STATS_H

#include <xxhash.h>

#include "kg/graph_writer.h"

/* Sides of a triple, and of arrays of two: subject, object; by subjects, by objects. */
enum { SIDE_S, SIDE_O, SIDES };

/*
 * @sum names the set of pairs (subject, object), and of pairs (object, subject): the sum of their hashes, which is the
 * same in whatever order they come. Where two are equal, one table serves for both.
 */
struct predicate_stats {
	uint64_t count;
	uint64_t first[SIDES];
	uint64_t last[SIDES];
	unsigned __int128 sum[SIDES];
};

struct graph_stats {
	uint64_t nodes;
	uint64_t predicates;
	uint64_t triples;
	struct predicate_stats of[];
};

/* Rows times values of predicate @p's tables, and the factors; false if that is no key of a sequence. */
bool graph_stats_keys(const struct predicate_stats *of, uint64_t *keys);

struct table_plan {
	/* Of each predicate, by each side: a table, or GRAPH_NO_TABLE. */
	uint32_t (*tables)[SIDES];
	/* Of each table, which predicate's triples it is made from, times 2, plus by which side. */
	uint64_t *makers;
	uint32_t count;
};

/* Returns 0 or -ENOMEM. */
int table_plan_make(struct table_plan *plan, const struct graph_stats *stats);
void table_plan_free(struct table_plan *plan);

#endif
