// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Statistics of predicates, from triples in any order; the tables that will hold them, equal ones once. */
#include "kg/graph_stats.h"

#include <errno.h>
#include <stdlib.h>

#include "base/diag.h"
#include "codec/elias_fano.h"
#include "kg/graph_layout.h"

#define PREDICATES_MAX (GRAPH_NO_TABLE / SIDES)

int graph_stats_new(struct graph_stats **out, uint64_t nodes, uint64_t predicates, struct pinpool_diag *diag)
{
	struct graph_stats *stats;

	if (nodes > EF_LIMIT)
		return diag_set(diag, -EINVAL, "nodes", NULL, "more than 2^63");
	if (predicates > PREDICATES_MAX)
		return diag_set(diag, -EINVAL, "predicates", NULL, "%llu, more than %u", (unsigned long long)predicates,
				PREDICATES_MAX);
	stats = calloc(1, sizeof(*stats) + predicates * sizeof(stats->of[0]));
	if (!stats)
		return diag_errno(diag, -ENOMEM, "statistics of predicates");
	stats->nodes = nodes;
	stats->predicates = predicates;
	*out = stats;
	return 0;
}

static unsigned __int128 hash_pair(uint64_t a, uint64_t b)
{
	uint64_t pair[2] = {a, b};
	XXH128_hash_t hash = XXH3_128bits(pair, sizeof(pair));

	return (unsigned __int128)hash.high64 << 64 | hash.low64;
}

/* Of a predicate that has triples between @first and @last of them. */
static void widen(struct predicate_stats *of, const uint64_t *first, const uint64_t *last)
{
	for (unsigned int side = 0; side < SIDES; side++) {
		if (!of->count || first[side] < of->first[side])
			of->first[side] = first[side];
		if (!of->count || last[side] > of->last[side])
			of->last[side] = last[side];
	}
}

void graph_stats_add(struct graph_stats *stats, uint64_t s, uint64_t p, uint64_t o)
{
	struct predicate_stats *of = &stats->of[p];
	uint64_t pair[SIDES] = {s, o};

	widen(of, pair, pair);
	of->sum[SIDE_S] += hash_pair(s, o);
	of->sum[SIDE_O] += hash_pair(o, s);
	of->count++;
	stats->triples++;
}

void graph_stats_merge(struct graph_stats *stats, const struct graph_stats *from)
{
	for (uint64_t p = 0; p < from->predicates; p++) {
		const struct predicate_stats *more = &from->of[p];
		struct predicate_stats *of = &stats->of[p];

		if (!more->count)
			continue;
		widen(of, more->first, more->last);
		for (unsigned int side = 0; side < SIDES; side++)
			of->sum[side] += more->sum[side];
		of->count += more->count;
	}
	stats->triples += from->triples;
}

uint64_t graph_stats_triples(const struct graph_stats *stats, uint64_t p)
{
	return p == GRAPH_ANY ? stats->triples : stats->of[p].count;
}

void graph_stats_free(struct graph_stats *stats)
{
	free(stats);
}

bool graph_stats_keys(const struct predicate_stats *of, uint64_t *keys)
{
	return !__builtin_mul_overflow(of->last[SIDE_S] - of->first[SIDE_S] + 1,
				       of->last[SIDE_O] - of->first[SIDE_O] + 1, keys) &&
	       *keys <= EF_LIMIT;
}

/* A table that is wanted, and by whom. */
struct want {
	unsigned __int128 sum;
	uint64_t maker;
};

static int compare_wants(const void *a, const void *b)
{
	const struct want *x = a, *y = b;

	if (x->sum != y->sum)
		return x->sum < y->sum ? -1 : 1;
	return (x->maker > y->maker) - (x->maker < y->maker);
}

int table_plan_make(struct table_plan *plan, const struct graph_stats *stats)
{
	uint64_t count = stats->predicates, wanted = 0;
	struct want *wants = malloc((SIDES * count + 1) * sizeof(*wants));

	*plan = (struct table_plan){
		.tables = malloc((count + 1) * sizeof(*plan->tables)),
		.makers = malloc((SIDES * count + 1) * sizeof(*plan->makers)),
	};
	if (!wants || !plan->tables || !plan->makers) {
		free(wants);
		table_plan_free(plan);
		return -ENOMEM;
	}
	for (uint64_t p = 0; p < count; p++) {
		for (unsigned int side = 0; side < SIDES; side++) {
			plan->tables[p][side] = GRAPH_NO_TABLE;
			if (stats->of[p].count)
				wants[wanted++] = (struct want){stats->of[p].sum[side], p * SIDES + side};
		}
	}
	qsort(wants, wanted, sizeof(*wants), compare_wants);
	for (uint64_t i = 0; i < wanted; i++) {
		uint64_t maker = wants[i].maker;

		/* Of those who want the same, the first makes it. Other counts would be a collision of hashes. */
		if (!i || wants[i].sum != wants[i - 1].sum ||
		    stats->of[maker / SIDES].count != stats->of[wants[i - 1].maker / SIDES].count)
			plan->makers[plan->count++] = maker;
		plan->tables[maker / SIDES][maker % SIDES] = plan->count - 1;
	}
	free(wants);
	return 0;
}

void table_plan_free(struct table_plan *plan)
{
	free(plan->tables);
	free(plan->makers);
}
