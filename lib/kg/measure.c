/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What reading a graph costs: of triples graph_bench() says it, of terms this file does. */
#include <errno.h>
#include <pinpool/kg_query.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/opts.h"
#include "kg/graph_bulk.h"
#include "kg/kg.h"

#define ROUNDS 5
/* Terms of one round. */
#define DRAWS  20000

static uint64_t draw(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 24;
}

static int by_time(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double times[ROUNDS])
{
	qsort(times, ROUNDS, sizeof(*times), by_time);
	return times[ROUNDS / 2];
}

/* Time of a term among @count nodes from @first on, and of its way back unless @find_ns is NULL. */
static int time_terms(const struct terms *terms, uint64_t first, uint64_t count, double *get_ns, double *find_ns)
{
	double gets[ROUNDS], finds[ROUNDS];
	struct bytes text = {0};
	struct term term;
	int err = 0;

	for (unsigned int round = 0; round < ROUNDS && !err; round++) {
		uint64_t seed = round, start = clock_now_ns(), id, between;

		for (unsigned int i = 0; i < DRAWS && !err; i++)
			err = terms_get(terms, first + draw(&seed) % count, &text, &term);
		between = clock_now_ns();
		gets[round] = (double)(between - start) / DRAWS;
		seed = round;
		start = between;
		/* To find a term, it must be got: what that took is known. */
		for (unsigned int i = 0; i < DRAWS && find_ns && !err; i++) {
			err = terms_get(terms, first + draw(&seed) % count, &text, &term);
			if (!err)
				err = terms_find(terms, &term, &id);
		}
		finds[round] = (double)(clock_now_ns() - start) / DRAWS - gets[round];
	}
	bytes_free(&text);
	if (err)
		return err;
	*get_ns = median(gets);
	if (find_ns)
		*find_ns = median(finds);
	return 0;
}

/* All strings, one after another. */
static int time_texts(const struct terms *terms, const struct terms_column_info *column, struct pinpool_kg_bench *bench)
{
	double times[ROUNDS];

	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t bytes = 0, start = clock_now_ns();
		struct terms_cursor cursor;
		struct term term;
		int got = terms_cursor_begin(&cursor, terms, column->first);

		for (uint64_t i = 0; i < column->count && got >= 0; i++) {
			got = terms_cursor_next(&cursor, &term);
			if (got > 0)
				bytes += term.bytes;
		}
		terms_cursor_end(&cursor);
		if (got < 0)
			return got;
		times[round] = (double)(clock_now_ns() - start);
		bench->text_bytes = bytes;
	}
	bench->text_ratio = (double)bench->text_bytes / (double)column->bytes;
	bench->text_rate = (double)bench->text_bytes / median(times);
	return 0;
}

static int measure_terms(const struct pinpool_kg *kg, struct pinpool_kg_bench *bench)
{
	struct terms_column_info column;
	int err;

	err = time_terms(kg->nodes, 0, kg->header.nodes, &bench->term_ns, &bench->find_ns);
	for (unsigned int i = 0; !err && !terms_column(kg->nodes, i, &column); i++) {
		if (strcmp(column.name, "strings"))
			continue;
		err = time_terms(kg->nodes, column.first, column.count, &bench->text_ns, NULL);
		if (!err)
			err = time_texts(kg->nodes, &column, bench);
	}
	return err;
}

int pinpool_kg_measure(const struct pinpool_kg *kg, struct pinpool_math *math, struct pinpool_kg_bench *bench)
{
	const struct graph_bulk bulk = {.math = math};
	struct pinpool_kg_bench result = {.size = sizeof(result)};
	struct graph_bench graph;
	int err;

	if (bench->size < sizeof(bench->size))
		return -EINVAL;
	err = graph_bench(&kg->graph, &bulk, 1, &graph);
	if (!err)
		err = measure_terms(kg, &result);
	if (err)
		return err;
	result.bytes_per_triple = graph.bytes_per_triple;
	result.sp_ns = graph.sp_ns;
	result.po_ns = graph.po_ns;
	result.spo_ns = graph.spo_ns;
	result.edge_ns = graph.edge_ns;
	result.ids_rate = graph.list_ids_per_s * 1e-9;
	result.scan_rate = graph.scan_per_s * 1e-6;
	result.components_ns = graph.components_s * 1e9;
	result.rank_ns = graph.pagerank_s * 1e9;
	result.near_ns = graph.khop_ns;
	return opts_write(bench, &result, sizeof(result));
}
