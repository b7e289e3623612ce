/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool bench matmul: products of any shape and type beside rivals and beside what the machine can do. */
#include "bench/activations.h"
#include "bench/cell.h"
#include "bench/plot.h"
#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "math_args.h"
#include "table.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bench_args {
	const char *shapes;
	const char *rows;
	const char *types;
	const char *threads; /* NULL: one, and all */
	const char *rivals; /* NULL: all that are there */
	const char *plot;
	bool packed;
	bool unpacked;
	int64_t rounds;
	uint64_t rotate;
	int activations; /* see bench_activation_type() */
	int isa; /* enum pinpool_isa */
	struct table_args table;
};

enum {
	MOST_ROWS = 1 << 20,
	MOST_THREADS = 1024,
};

#define RIVAL_WORDS "openblas, blis, onednn"

static const struct option_spec options[] = {
	OPTION(0, "shape", "NxK,...",
	       "rows and columns of W; 1536x1536, 4096x4096, 11008x4096, 4096x11008 if not given", OPTION_TEXT,
	       struct bench_args, shapes),
	OPTION('m', "m", "M,...", "rows of activations; 1,4,16,64,512 if not given", OPTION_TEXT, struct bench_args,
	       rows),
	OPTION(0, "type", "TYPE,...", "types of W, such as f32, bf16, q8_0; f32,bf16,q8_0,q4_k if not given",
	       OPTION_TEXT, struct bench_args, types),
	OPTION(0, "activations", "TYPE", "type of X", OPTION_CHOICE, struct bench_args, activations,
	       .choices = bench_activation_words),
	OPTION('t', "threads", "N,...", "threads; one, and as many as processors, if not given", OPTION_TEXT,
	       struct bench_args, threads),
	OPTION(0, "packed", NULL, "with weights packed for the kernels; this is the default", OPTION_FLAG,
	       struct bench_args, packed),
	OPTION(0, "unpacked", NULL, "with weights as they lie in a checkpoint; with --packed, both", OPTION_FLAG,
	       struct bench_args, unpacked),
	OPTION(0, "rival", "NAME,...", "beside these: " RIVAL_WORDS ", or none; those that are installed if not given",
	       OPTION_TEXT, struct bench_args, rivals),
	OPTION(0, "rounds", "N", "rounds of a measurement, of which medians are taken; 11 if not given", OPTION_NUMBER,
	       struct bench_args, rounds, .min = 1, .max = BENCH_ROUNDS_MAX),
	OPTION(0, "rotate", "SIZE", "read weights from copies of so many bytes in all; 512M if not given", OPTION_SIZE,
	       struct bench_args, rotate),
	ISA_OPTION(struct bench_args, isa),
	OPTION(0, "plot", "FILE", "draw shares of the limit by gnuplot, a PNG or text; - is standard output",
	       OPTION_TEXT, struct bench_args, plot),
	TABLE_OPTIONS(struct bench_args, table),
	{0},
};

/* ---- columns ---- */

static void get_type(const void *row, struct cell *cell)
{
	const struct bench_cell *is = row;

	cell->kind = CELL_TEXT;
	bench_type_name(is->dtype, cell->buf);
}

static void get_activations(const void *row, struct cell *cell)
{
	const struct bench_cell *is = row;

	cell->kind = CELL_TEXT;
	bench_type_name(is->activations, cell->buf);
}

static void get_bound(const void *row, struct cell *cell)
{
	const struct bench_cell *is = row;

	cell_text(cell, bench_limit_name(is->bound));
}

static void get_isa(const void *row, struct cell *cell)
{
	const struct bench_cell *is = row;

	cell_text(cell, pinpool_isa_name(is->isa));
}

static void get_pages(const void *row, struct cell *cell)
{
	const struct bench_cell *is = row;

	cell_text(cell, is->pages);
}

static void get_rival(const void *row, struct cell *cell)
{
	const struct bench_cell *is = row;

	cell_text(cell, is->best_rival < 0 ? NULL : bench_rival_names[is->best_rival]);
}

static void get_bytes(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct bench_cell *)row)->bytes);
}

static void get_packed(const void *row, struct cell *cell)
{
	cell_flag(cell, ((const struct bench_cell *)row)->packed);
}

static void get_beside(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct bench_cell *)row)->beside);
}

static void get_ratio(const void *row, struct cell *cell)
{
	const struct bench_cell *is = row;

	cell_real(cell, is->best_rival < 0 ? NAN : is->rivals[is->best_rival].ratio, 2);
}

static void get_wrong(const void *row, struct cell *cell)
{
	const struct bench_cell *is = row;
	size_t length = 0;
	int i;

	for (i = 0; i < BENCH_RIVALS; i++)
		if (is->rivals[i].wrong)
			length += snprintf(cell->buf + length, sizeof(cell->buf) - length, "%s%s", length ? "," : "",
					   bench_rival_names[i]);
	if (length)
		cell->kind = CELL_TEXT;
}

#define GET_COUNT(name, member)                                                                                        \
	static void get_##name(const void *row, struct cell *cell)                                                     \
	{                                                                                                              \
		cell_count(cell, ((const struct bench_cell *)row)->member);                                            \
	}

#define GET_REAL(name, member, decimals)                                                                               \
	static void get_##name(const void *row, struct cell *cell)                                                     \
	{                                                                                                              \
		cell_real(cell, ((const struct bench_cell *)row)->member, decimals);                                   \
	}

GET_COUNT(n, shape.n)
GET_COUNT(k, shape.k)
GET_COUNT(m, m)
GET_COUNT(threads, threads)
GET_COUNT(rounds, rounds)
GET_COUNT(repeated, repeated)
GET_REAL(gflops, gflops, 1)
GET_REAL(gbs, gbs, 2)
GET_REAL(limit, limit, 1)
GET_REAL(share, share, 2)
GET_REAL(pack_cost, pack_cost, 2)
GET_REAL(canary, canary, 2)
GET_REAL(error, error, 2)
GET_REAL(fma, rates[BENCH_FMA], 1)
GET_REAL(int8, rates[BENCH_INT8], 1)
GET_REAL(bf16, rates[BENCH_BF16], 1)
GET_REAL(read, rates[BENCH_READ], 1)
GET_REAL(openblas, rivals[0].gflops, 1)
GET_REAL(openblas_ratio, rivals[0].ratio, 2)
GET_REAL(blis, rivals[1].gflops, 1)
GET_REAL(blis_ratio, rivals[1].ratio, 2)
GET_REAL(onednn, rivals[2].gflops, 1)
GET_REAL(onednn_ratio, rivals[2].ratio, 2)

static const struct column columns[] = {
	{"TYPE", "type of the weights", false, false, get_type},
	{"N", "rows of W, columns of Y", true, false, get_n},
	{"K", "columns of W and of X", true, false, get_k},
	{"M", "rows of X and of Y", true, false, get_m},
	{"THREADS", "threads", true, false, get_threads},
	{"PACKED", "weights were packed before", false, false, get_packed},
	{"GFLOPS", "1e9 operations a second: multiplications and additions", true, false, get_gflops},
	{"GBS", "weights read, 1e9 bytes a second", true, false, get_gbs},
	{"LIMIT", "1e9 operations a second that the machine allows", true, false, get_limit},
	{"BOUND", "what sets this limit: bandwidth, fma, int8 or bf16", false, false, get_bound},
	{"SHARE", "reached of the limit", true, false, get_share},
	{"OPENBLAS", "GFLOPS of OpenBLAS", true, true, get_openblas},
	{"OPENBLAS_RATIO", "ours to that", true, true, get_openblas_ratio},
	{"BLIS", "GFLOPS of BLIS", true, true, get_blis},
	{"BLIS_RATIO", "ours to that", true, true, get_blis_ratio},
	{"ONEDNN", "GFLOPS of oneDNN", true, true, get_onednn},
	{"ONEDNN_RATIO", "ours to that", true, true, get_onednn_ratio},
	{"RIVAL", "the fastest rival that is right", false, false, get_rival},
	{"RATIO", "ours to the fastest rival, above 1 if ours is faster", true, false, get_ratio},
	{"BESIDE", "that rival, with its kernels or its version", false, true, get_beside},
	{"WRONG", "rivals whose product is wrong; they do not count", false, true, get_wrong},
	{"CANARY", "FMA rate around the rounds, as a share of the highest", true, false, get_canary},
	{"ERROR", "largest error, as a share of the budget", true, false, get_error},
	{"FMA", "f32 FMA from registers, GFLOPS", true, true, get_fma},
	{"INT8", "exact 8-bit products from registers, GFLOPS", true, true, get_int8},
	{"BF16", "products of bf16 from registers, GFLOPS", true, true, get_bf16},
	{"READ", "memory read, 1e9 bytes a second", true, true, get_read},
	{"ACTIVATIONS", "type of X", false, true, get_activations},
	{"ISA", "kernels", false, true, get_isa},
	{"BYTES", "weights, one copy, as a checkpoint has them", true, true, get_bytes},
	{"PACKCOST", "time to pack, as a multiple of a memcpy() of the weights", true, true, get_pack_cost},
	{"PAGES", "pages of the weights: hugetlb, thp or small", false, true, get_pages},
	{"ROUNDS", "rounds that count", true, true, get_rounds},
	{"REPEATED", "rounds made again because the machine was not quiet", true, true, get_repeated},
	{0},
};

/* ---- what to measure ---- */

struct plan {
	const struct bench_args *args;
	struct bench_shape shapes[BENCH_LIST_MAX];
	uint64_t rows[BENCH_LIST_MAX];
	uint64_t threads[BENCH_LIST_MAX];
	enum pinpool_dtype types[BENCH_LIST_MAX];
	unsigned int shape_count, row_count, thread_count, type_count;
	struct bench_team teams[BENCH_LIST_MAX]; /* one for each of threads */
	struct bench_opened rivals[BENCH_RIVALS];
	struct bench_cell_args cell_args;
	struct bench_cell *cells; /* owned */
	size_t count;
};

static unsigned int processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

static int bad_list(struct cli *cli, const char *option, const char *text, const char *want)
{
	return error_usage(cli, option, want, "'%s' is not a list it takes", text);
}

static int make_plan(struct cli *cli, struct plan *plan)
{
	const struct bench_args *args = plan->args;

	plan->shape_count = bench_shapes_parse(args->shapes, plan->shapes);
	if (!plan->shape_count)
		return bad_list(cli, "--shape", args->shapes, "rows and columns of W, such as 4096x4096,1536x1536");
	plan->row_count = bench_numbers_parse(args->rows, MOST_ROWS, plan->rows);
	if (!plan->row_count)
		return bad_list(cli, "--m", args->rows, "numbers such as 1,4,16, to 1048576");
	plan->type_count = bench_types_parse(args->types, plan->types);
	if (!plan->type_count)
		return bad_list(cli, "--type", args->types, "types that products take, such as f32,bf16,q4_k");
	if (args->threads) {
		plan->thread_count = bench_numbers_parse(args->threads, MOST_THREADS, plan->threads);
		if (!plan->thread_count)
			return bad_list(cli, "--threads", args->threads, "numbers such as 1,2, to 1024");
	} else {
		plan->threads[plan->thread_count++] = 1;
		if (processors() > 1)
			plan->threads[plan->thread_count++] = processors();
	}
	return STATUS_OK;
}

/* A rival that was asked for by name has to be there. */
static int open_rivals(struct cli *cli, struct plan *plan)
{
	const char *text = plan->args->rivals;
	unsigned int wanted = (1u << BENCH_RIVALS) - 1, missing;
	int i;

	if (text && strcmp(text, "none")) {
		wanted = bench_words_parse(text, bench_rival_names);
		if (!wanted)
			return bad_list(cli, "--rival", text, "names from " RIVAL_WORDS ", or none");
	} else if (text) {
		wanted = 0;
	}
	missing = bench_rivals_open(wanted, plan->rivals);
	for (i = 0; text && i < BENCH_RIVALS; i++) {
		char change[64];

		snprintf(change, sizeof(change), "package %s", plan->rivals[i].rival->package);
		if (missing & 1u << i)
			return error_line(cli, bench_rival_names[i], change, "is not installed");
	}
	return STATUS_OK;
}

static int open_teams(struct cli *cli, struct plan *plan)
{
	struct pinpool_diag diag = {0};
	unsigned int i;
	int err;

	for (i = 0; i < plan->thread_count; i++) {
		PINPOOL_OPTS(pinpool_math_opts, opts, .threads = plan->threads[i], .isa = plan->args->isa);

		err = pinpool_math_new(&plan->teams[i].math, &opts, &diag);
		if (err)
			return error_diag(cli, err, &diag);
		plan->teams[i].threads = plan->threads[i];
	}
	return STATUS_OK;
}

/* ---- measuring ---- */

/* A line for whoever waits, or asked for it. */
static void tell(struct cli *cli, const struct bench_cell *cell)
{
	char type[16], line[256];

	if (!cli->verbose && !isatty(STDERR_FILENO))
		return;
	snprintf(line, sizeof(line), "%s %llux%llu m %llu, %s, %u thread%s: %.1f GFLOP/s, %.2f of %s%s",
		 bench_type_name(cell->dtype, type), (unsigned long long)cell->shape.n,
		 (unsigned long long)cell->shape.k, (unsigned long long)cell->m, cell->packed ? "packed" : "unpacked",
		 cell->threads, cell->threads == 1 ? "" : "s", cell->gflops, cell->share, bench_limit_name(cell->bound),
		 cell->repeated ? ", rounds repeated" : "");
	error_log(cli, PINPOOL_LOG_INFO, line);
}

static int measure_cell(struct cli *cli, struct plan *plan, const struct bench_matrix *matrix, struct bench_team *team,
			uint64_t m, bool packed)
{
	struct bench_cell *cell = &plan->cells[plan->count];
	struct pinpool_diag diag = {0};
	int err, i;

	cell->activations = bench_activation_type(plan->args->activations);
	cell->m = m;
	cell->packed = packed;
	err = bench_cell_measure(cell, &plan->cell_args, team, matrix, &diag);
	if (err == -ECANCELED)
		return STATUS_INTERRUPTED;
	if (err)
		return error_diag(cli, err, &diag);
	plan->count++;
	tell(cli, cell);
	for (i = 0; i < BENCH_RIVALS; i++) {
		char line[128], type[16];

		if (!cell->rivals[i].wrong)
			continue;
		snprintf(line, sizeof(line), "%s is wrong at %s %llux%llu m %llu: it does not count",
			 plan->rivals[i].title, bench_type_name(cell->dtype, type), (unsigned long long)cell->shape.n,
			 (unsigned long long)cell->shape.k, (unsigned long long)m);
		error_log(cli, PINPOOL_LOG_WARN, line);
	}
	return STATUS_OK;
}

static int measure_rows(struct cli *cli, struct plan *plan, const struct bench_matrix *matrix, bool packed)
{
	unsigned int i, j;
	int status = STATUS_OK;

	for (i = 0; i < plan->thread_count && !status; i++)
		for (j = 0; j < plan->row_count && !status; j++)
			status = measure_cell(cli, plan, matrix, &plan->teams[i], plan->rows[j], packed);
	return status;
}

static int measure_matrix(struct cli *cli, struct plan *plan, enum pinpool_dtype dtype, const struct bench_shape *shape)
{
	bool packed = plan->args->packed || !plan->args->unpacked;
	struct bench_matrix matrix;
	struct pinpool_diag diag;
	int err, status = STATUS_OK;

	err = bench_matrix_new(&matrix, dtype, shape, plan->args->rotate, &diag);
	if (err)
		return error_diag(cli, err, &diag);
	if (plan->args->unpacked)
		status = measure_rows(cli, plan, &matrix, false);
	/* Kernels are those of any of the teams. */
	if (packed && !status) {
		err = bench_matrix_pack(&matrix, plan->teams[0].math, &diag);
		status = err ? error_diag(cli, err, &diag) : measure_rows(cli, plan, &matrix, true);
	}
	bench_matrix_free(&matrix);
	return status;
}

static int measure(struct cli *cli, struct plan *plan)
{
	unsigned int i, j;
	int status = STATUS_OK;

	plan->cells = calloc((size_t)2 * plan->type_count * plan->shape_count * plan->thread_count * plan->row_count,
			     sizeof(*plan->cells));
	if (!plan->cells)
		return error_errno(cli, NULL, ENOMEM);
	for (i = 0; i < plan->type_count && !status; i++)
		for (j = 0; j < plan->shape_count && !status; j++)
			status = measure_matrix(cli, plan, plan->types[i], &plan->shapes[j]);
	return status;
}

static int show(struct cli *cli, const struct plan *plan, struct table *table)
{
	struct pinpool_diag diag;
	int status;
	size_t i;

	for (i = 0; i < plan->count; i++)
		if (table_add(table, &plan->cells[i]))
			return error_errno(cli, NULL, ENOMEM);
	status = table_print(table);
	if (!status && plan->args->plot && plan->count &&
	    bench_plot(plan->args->plot, plan->cells, plan->count, plan->rivals, &diag))
		status = error_diag(cli, -EIO, &diag);
	return status;
}

/* What was measured before Ctrl-C, or before a failure, is shown too. */
static int run_plan(struct cli *cli, struct plan *plan, struct table *table)
{
	int status, shown;

	status = open_rivals(cli, plan);
	if (!status)
		status = open_teams(cli, plan);
	if (!status) {
		plan->cell_args = (struct bench_cell_args){plan->args->rounds, plan->rivals, interrupt_begin()};
		status = measure(cli, plan);
		shown = plan->count || !status ? show(cli, plan, table) : STATUS_OK;
		if (!status)
			status = shown;
	}
	return status;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	struct pinpool_diag diag;
	struct table *table;
	struct plan *plan;
	unsigned int i;
	int status;

	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return error_errno(cli, NULL, ENOMEM);
	plan->args = data;
	status = make_plan(cli, plan);
	if (status)
		goto out_plan;
	status = table_new(&table, cli, &plan->args->table, columns, "matmul");
	if (status)
		goto out_plan;
	if (plan->args->plot && bench_plot_check(&diag))
		status = error_diag(cli, -EIO, &diag);
	else
		status = run_plan(cli, plan, table);
	for (i = 0; i < plan->thread_count; i++)
		pinpool_math_free(plan->teams[i].math);
	bench_rivals_close(plan->rivals);
	free(plan->cells);
	table_free(table);
out_plan:
	free(plan);
	return status;
}

const struct command command_bench_matmul = {
	.name = "bench matmul",
	.operands = "",
	.max_operands = 0,
	.summary = "measure products beside rivals and the machine's limits",
	.example = "  pinpool bench matmul --shape 4096x4096 --m 1,64 --type f32,q4_k",
	.options = options,
	.columns = columns,
	.args_size = sizeof(struct bench_args),
	.defaults =
		&(const struct bench_args){
			.shapes = "1536x1536,4096x4096,11008x4096,4096x11008",
			.rows = "1,4,16,64,512",
			.types = "f32,bf16,q8_0,q4_k",
			.rounds = 11,
			.rotate = (uint64_t)512 << 20,
		},
	.run = run,
};
