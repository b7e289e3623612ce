/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool kg bench: what a graph takes and what reading it costs, here and now. */
#include "commands.h"
#include "error.h"
#include "kg_text.h"
#include "math_args.h"
#include "table.h"

#include <time.h>

struct bench_args {
	struct math_args math;
	struct table_args table;
};

static const struct option_spec options[] = {
	OPTION('t', "threads", "N", "threads; one for each core if not given", OPTION_NUMBER, struct bench_args,
	       math.threads, .min = 1, .max = 4096),
	RECORD_OPTIONS(struct bench_args, table),
	{0},
};

struct row {
	const char *name;
	struct pinpool_kg_info info;
	struct pinpool_kg_bench bench;
	uint64_t open_ns;
};

static const struct row *row_of(const void *row)
{
	return row;
}

static void get_name(const void *row, struct cell *cell)
{
	cell_text(cell, row_of(row)->name);
}

static void get_triples(const void *row, struct cell *cell)
{
	cell_count(cell, row_of(row)->info.triples);
}

static void get_names(const void *row, struct cell *cell)
{
	cell_bytes(cell, row_of(row)->info.node_bytes);
}

static void get_open(const void *row, struct cell *cell)
{
	cell_count(cell, row_of(row)->open_ns);
}

/* A figure of struct pinpool_kg_bench with so many decimals. */
#define FIGURE(member, decimals)                                                                                       \
	static void get_##member(const void *row, struct cell *cell)                                                   \
	{                                                                                                              \
		cell_real(cell, row_of(row)->bench.member, decimals);                                                  \
	}

FIGURE(bytes_per_triple, 2)
FIGURE(sp_ns, 0)
FIGURE(po_ns, 0)
FIGURE(spo_ns, 0)
FIGURE(edge_ns, 1)
FIGURE(term_ns, 0)
FIGURE(find_ns, 0)
FIGURE(text_ns, 0)
FIGURE(text_ratio, 2)
FIGURE(text_rate, 2)
FIGURE(ids_rate, 2)
FIGURE(scan_rate, 0)
FIGURE(components_ns, 0)
FIGURE(rank_ns, 0)
FIGURE(near_ns, 1)

static const struct column columns[] = {
	{"NAME", "name of the pool", .get = get_name},
	{"TRIPLES", "triples", .get = get_triples},
	{"BYTES_PER_TRIPLE", "of the triples, both directions", .get = get_bytes_per_triple},
	{"NAME_BYTES", "bytes of the nodes' names", .get = get_names},
	{"OPEN_NS", "nanoseconds to find the graph in its pool", .get = get_open},
	{"SP_NS", "nanoseconds for S P ?: first object and count", .get = get_sp_ns},
	{"PO_NS", "nanoseconds for ? P O likewise", .get = get_po_ns},
	{"SPO_NS", "nanoseconds to see whether a triple is there", .get = get_spo_ns},
	{"EDGE_NS", "nanoseconds for an edge of a node", .get = get_edge_ns},
	{"TERM_NS", "nanoseconds for the term of a node", .get = get_term_ns},
	{"FIND_NS", "nanoseconds for the node of a term", .get = get_find_ns},
	{"TEXT_NS", "nanoseconds for one string", .get = get_text_ns},
	{"TEXT_RATIO", "bytes of strings for a byte that they take", .get = get_text_ratio},
	{"TEXT_RATE", "1e9 bytes a second of strings in their order", .get = get_text_rate},
	{"IDS", "1e9 numbers a second from the longest list", .get = get_ids_rate},
	{"SCAN", "1e6 triples a second, all threads", .get = get_scan_rate},
	{"COMPONENTS_NS", "nanoseconds for connected components, all threads", .get = get_components_ns},
	{"PAGERANK_NS", "nanoseconds for one round of PageRank, all threads", .get = get_rank_ns},
	{"NEAR_NS", "nanoseconds for a node within two steps", .get = get_near_ns},
	{0},
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Once more, as the first time has read the pool's pages. */
static int measure_open(const struct kg *kg, uint64_t *ns)
{
	uint64_t start = now_ns();
	struct pinpool_kg *again;
	int err = pinpool_kg_open(kg->pool, &again, NULL);

	*ns = now_ns() - start;
	if (!err)
		pinpool_kg_close(again);
	return err;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct bench_args *args = data;
	struct row row = {
		.name = operands[0], .info = {.size = sizeof(row.info)}, .bench = {.size = sizeof(row.bench)}};
	struct pinpool_math *math;
	struct kg kg;
	int err, status;

	(void)count;
	status = kg_open(cli, operands[0], &kg);
	if (status)
		return status;
	status = math_args_open(cli, &args->math, &math);
	if (!status) {
		err = pinpool_kg_get_info(kg.graph, &row.info);
		if (!err)
			err = measure_open(&kg, &row.open_ns);
		if (!err)
			err = pinpool_kg_measure(kg.graph, math, &row.bench);
		status = err ? kg_failed(cli, &kg, err) : record_print(cli, &args->table, columns, &row);
		pinpool_math_free(math);
	}
	kg_close(&kg);
	return status;
}

const struct command command_kg_bench = {
	.name = "kg bench",
	.operands = "NAME",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "measure what a graph takes and what reading it costs",
	.example = "  pinpool kg bench words",
	.options = options,
	.columns = columns,
	.record = true,
	.args_size = sizeof(struct bench_args),
	.run = run,
};
