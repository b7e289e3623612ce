/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool compress: plans codes for the tensors of a checkpoint or a pool, shows the plan, and carries it out. */
#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "math_args.h"
#include "pool_args.h"
#include "progress.h"
#include "size.h"
#include "table.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct compress_args {
	const char *max_error;
	const char *code;
	struct texts tensors;
	bool decompress;
	bool dry_run;
	bool force;
	bool quiet;
	uint64_t capacity;
	struct math_args math;
	struct pool_args pool;
	struct table_args table;
};

static const struct option_spec options[] = {
	OPTION('e', "max-error", "E", "most that a matrix may differ: ||W - C|| / ||W||; 0, every bit, if not given",
	       OPTION_TEXT, struct compress_args, max_error),
	OPTION(0, "tensor", "GLOB", "code only the tensors that match; may be given several times", OPTION_TEXTS,
	       struct compress_args, tensors),
	OPTION(0, "code", "CODE", "take this code alone, not the smallest; the manual lists them", OPTION_TEXT,
	       struct compress_args, code),
	OPTION(0, "decompress", NULL, "the way back: values again", OPTION_FLAG, struct compress_args, decompress),
	OPTION(0, "dry-run", NULL, "show the plan and stop", OPTION_FLAG, struct compress_args, dry_run),
	OPTION(0, "force", NULL, "replace a file that exists", OPTION_FLAG, struct compress_args, force),
	OPTION(0, "capacity", "SIZE", "room of the new pool; as much as is needed if not given", OPTION_SIZE,
	       struct compress_args, capacity),
	POOL_OPTIONS(struct compress_args, pool),
	MATH_OPTIONS(struct compress_args, math),
	TABLE_OPTIONS(struct compress_args, table),
	OPTION('q', "quiet", NULL, "draw no progress bar", OPTION_FLAG, struct compress_args, quiet),
	{0},
};

static void get_name(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct pinpool_compress_tensor *)row)->name);
}

static void get_dtype(const void *row, struct cell *cell)
{
	cell_text(cell, pinpool_dtype_name(((const struct pinpool_compress_tensor *)row)->dtype));
}

static void get_shape(const void *row, struct cell *cell)
{
	const struct pinpool_compress_tensor *tensor = row;

	cell->kind = CELL_SHAPE;
	cell->extents = tensor->shape;
	cell->ndim = tensor->ndim;
}

static void get_size(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_compress_tensor *)row)->bytes);
}

static void get_after(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_compress_tensor *)row)->bytes_after);
}

static double share(uint64_t after, uint64_t before)
{
	return before ? (double)after / (double)before : 1;
}

static void get_ratio(const void *row, struct cell *cell)
{
	const struct pinpool_compress_tensor *tensor = row;

	cell_real(cell, share(tensor->bytes_after, tensor->bytes), 3);
}

static void get_code(const void *row, struct cell *cell)
{
	const struct pinpool_compress_tensor *tensor = row;

	cell_text(cell, *tensor->code ? tensor->code : NULL);
}

static void get_error(const void *row, struct cell *cell)
{
	const struct pinpool_compress_tensor *tensor = row;

	if (tensor->coded)
		cell_real(cell, tensor->error, 5);
}

static void get_density(const void *row, struct cell *cell)
{
	const struct pinpool_compress_tensor *tensor = row;

	if (tensor->analysed)
		cell_real(cell, tensor->density, 3);
}

static void get_distinct(const void *row, struct cell *cell)
{
	const struct pinpool_compress_tensor *tensor = row;

	if (tensor->analysed)
		cell_count(cell, tensor->distinct);
}

static void get_entropy(const void *row, struct cell *cell)
{
	const struct pinpool_compress_tensor *tensor = row;

	if (tensor->analysed)
		cell_real(cell, tensor->entropy, 2);
}

static void get_note(const void *row, struct cell *cell)
{
	const struct pinpool_compress_tensor *tensor = row;

	cell_text(cell, *tensor->note ? tensor->note : NULL);
}

static const struct column columns[] = {
	{"NAME", "name of the tensor", .get = get_name},
	{"DTYPE", "type of an element, of values", .get = get_dtype},
	{"SHAPE", "extents, outermost first", .get = get_shape},
	{"SIZE", "bytes in the source", .right = true, .get = get_size},
	{"AFTER", "bytes as it will be", .right = true, .get = get_after},
	{"RATIO", "the latter as a part of the former", .right = true, .extra = true, .get = get_ratio},
	{"CODE", "how it will be coded", .get = get_code},
	{"ERROR", "||W - C|| / ||W||; 0 if every bit comes back", .right = true, .get = get_error},
	{"DENSITY", "part of its values that are not 0", .right = true, .get = get_density},
	{"DISTINCT", "values that differ; 257 for more than 256", .right = true, .get = get_distinct},
	{"ENTROPY", "bits of information in an exponent", .right = true, .get = get_entropy},
	{"NOTE", "why it is kept as it is", .get = get_note},
	{0},
};

static int canceled(struct cli *cli, const char *to)
{
	error_line(cli, to, NULL, "interrupted, nothing was published");
	return STATUS_INTERRUPTED;
}

/* The plan, and in a table what it comes to. */
static int show(struct cli *cli, const struct compress_args *args, const struct pinpool_compression *plan)
{
	struct pinpool_compress_tensor row = {.size = sizeof(row)};
	uint64_t before = 0, after = 0, coded = 0;
	char from[SIZE_TEXT_MAX], to[SIZE_TEXT_MAX];
	struct table *table;
	size_t i;
	int err = 0, status;

	status = table_new(&table, cli, &args->table, columns, "tensors");
	if (status)
		return status;
	for (i = 0; !err && !pinpool_compress_tensor(plan, i, &row); i++) {
		before += row.bytes;
		after += row.bytes_after;
		coded += !!row.coded;
		err = table_add(table, &row);
	}
	status = err ? error_errno(cli, NULL, err) : table_print(table);
	table_free(table);
	if (!status && !args->table.json && !args->table.noheadings)
		printf("%llu of %zu tensors coded, %s -> %s (%.3f)\n", (unsigned long long)coded,
		       pinpool_compress_count(plan), size_long(before, from), size_long(after, to),
		       share(after, before));
	return status;
}

static void report_line(const char *to, const struct pinpool_compress_report *report)
{
	double seconds = (double)(report->elapsed_ns ? report->elapsed_ns : 1) * 1e-9;

	printf("%s: %llu bytes in %.3f s, %.2f GB/s of the source, %u of %u tensors coded\n", to,
	       (unsigned long long)report->written, seconds, (double)report->bytes / seconds * 1e-9, report->coded,
	       report->tensors);
}

static int compress(struct cli *cli, const struct compress_args *args, char **operands,
		    struct pinpool_compress_opts *opts)
{
	struct pinpool_compress_report report = {.size = sizeof(report)};
	struct pinpool_compression *plan = NULL;
	struct pinpool_diag diag = {0};
	struct progress progress;
	int err, status = STATUS_OK;

	opts->progress_arg = &progress;
	/* A limit on the size of files is an error then, and what was written is removed. */
	signal(SIGXFSZ, SIG_IGN);
	progress_begin(&progress, "plan", args->quiet);
	cli->progress = &progress;
	err = pinpool_compress_plan(cli->ctx, operands[0], operands[1], opts, &plan, &diag);
	progress_end(&progress);
	cli->progress = NULL;
	if (!err)
		status = show(cli, args, plan);
	if (!err && !status && !args->dry_run) {
		fflush(stdout);
		progress_begin(&progress, operands[1], args->quiet);
		cli->progress = &progress;
		err = pinpool_compress(plan, &report, &diag);
		progress_end(&progress);
		cli->progress = NULL;
		if (!err && !args->table.json)
			report_line(operands[1], &report);
	}
	pinpool_compress_free(plan);
	if (err == -ECANCELED)
		return canceled(cli, operands[1]);
	return err ? error_diag(cli, err, &diag) : status;
}

static int parse_error(struct cli *cli, const char *text, double *error)
{
	char *end;

	errno = 0;
	*error = text ? strtod(text, &end) : 0;
	if (text && (end == text || *end || errno || !(*error >= 0) || *error > 1))
		return error_usage(cli, "--max-error", "such as 0.01; 0 for every bit", "'%s' is no number from 0 to 1",
				   text);
	return STATUS_OK;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct compress_args *args = data;
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = args->capacity);
	PINPOOL_OPTS(pinpool_compress_opts, opts, .tensors = args->tensors.at, .tensor_count = args->tensors.count,
		     .code = args->code, .decompress = args->decompress, .force = args->force, .create = &create,
		     .progress = progress_draw, .cancel = interrupt_begin());
	struct table *table;
	int status;

	status = parse_error(cli, args->max_error, &opts.max_error);
	/* A column that there is not is no work's end. */
	if (!status) {
		status = table_new(&table, cli, &args->table, columns, "tensors");
		if (!status)
			table_free(table);
	}
	if (!status)
		status = pool_args_apply(cli, &args->pool, &create);
	if (!status)
		status = cli_open(cli);
	if (!status)
		status = math_args_open(cli, &args->math, &opts.math);
	if (status)
		return status;
	status = compress(cli, args, operands, &opts);
	pinpool_math_free(opts.math);
	return status;
}

const struct command command_compress = {
	.name = "compress",
	.operands = "SRC DST",
	.min_operands = 2,
	.max_operands = 2,
	.summary = "code the matrices of a checkpoint or a pool, bit for bit or nearly",
	.example = "  pinpool compress lite lite-small",
	.options = options,
	.columns = columns,
	.args_size = sizeof(struct compress_args),
	.defaults = &(const struct compress_args){.pool = POOL_ARGS_DEFAULT},
	.run = run,
};
