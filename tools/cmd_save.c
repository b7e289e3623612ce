/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool save: a pool, or some tensors of it, as safetensors files. */
#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "progress.h"
#include "table.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct save_args {
	struct texts tensors;
	bool force;
	bool json;
	bool quiet;
};

/* What -J prints. */
struct row {
	const char *pool;
	const char *path;
	struct pinpool_save_report report;
};

static void get_pool(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct row *)row)->pool);
}

static void get_path(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct row *)row)->path);
}

static void get_bytes(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct row *)row)->report.bytes);
}

static void get_seconds(const void *row, struct cell *cell)
{
	cell_real(cell, (double)((const struct row *)row)->report.elapsed_ns * 1e-9, 3);
}

static void get_files(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct row *)row)->report.files);
}

static void get_tensors(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct row *)row)->report.tensors);
}

static void get_identical(const void *row, struct cell *cell)
{
	cell_flag(cell, ((const struct row *)row)->report.identical);
}

static const struct column columns[] = {
	{"POOL", "pool", false, false, get_pool},
	{"PATH", "file or folder", false, false, get_path},
	{"BYTES", "bytes written", true, false, get_bytes},
	{"SECONDS", "time it took", true, false, get_seconds},
	{"FILES", "files, an index counted as one", true, false, get_files},
	{"TENSORS", "tensors", true, false, get_tensors},
	{"IDENTICAL", "the files are those that were loaded", false, false, get_identical},
	{0},
};

static const struct option_spec options[] = {
	OPTION(0, "tensor", "GLOB", "save only the tensors that match; may be given several times", OPTION_TEXTS,
	       struct save_args, tensors),
	OPTION(0, "force", NULL, "replace files that exist", OPTION_FLAG, struct save_args, force),
	OPTION('J', "json", NULL, "report as JSON", OPTION_FLAG, struct save_args, json),
	OPTION('q', "quiet", NULL, "draw no progress bar", OPTION_FLAG, struct save_args, quiet),
	{0},
};

static void report_line(const struct row *row)
{
	const struct pinpool_save_report *report = &row->report;
	double seconds = (double)(report->elapsed_ns ? report->elapsed_ns : 1) * 1e-9;

	printf("%s: %llu bytes in %.3f s, %.2f GB/s, %u tensor%s, %u file%s, %s\n", row->pool,
	       (unsigned long long)report->bytes, seconds, (double)report->bytes / seconds * 1e-9, report->tensors,
	       report->tensors == 1 ? "" : "s", report->files, report->files == 1 ? "" : "s",
	       report->identical ? "as loaded" : "new header");
}

static int save(struct cli *cli, const struct save_args *args, char **operands, struct pinpool_pool *pool)
{
	const struct table_args json = {.json = true};
	struct row row = {.pool = operands[0], .path = operands[1], .report.size = sizeof(row.report)};
	struct pinpool_diag diag = {0};
	const bool to_stdout = !strcmp(operands[1], "-");
	struct progress progress;
	int err;
	PINPOOL_OPTS(pinpool_save_opts, opts, .tensors = args->tensors.at, .tensor_count = args->tensors.count,
		     .force = args->force, .progress = progress_draw, .progress_arg = &progress,
		     .cancel = interrupt_begin());

	/* A limit on the size of files is an error then, and so is a pipe that nobody reads; what was written is
	 * removed. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	progress_begin(&progress, operands[0], args->quiet || to_stdout);
	cli->progress = &progress;
	err = to_stdout ? pinpool_save_fd(pool, STDOUT_FILENO, &opts, &row.report, &diag)
			: pinpool_save(pool, operands[1], &opts, &row.report, &diag);
	progress_end(&progress);
	cli->progress = NULL;
	if (err == -ECANCELED) {
		error_line(cli, to_stdout ? "standard output" : operands[1], NULL, "interrupted, %s",
			   to_stdout ? "not all was written" : "nothing was saved");
		return STATUS_INTERRUPTED;
	}
	if (err)
		return error_diag(cli, err, &diag);
	/* The file is all that goes there. */
	if (to_stdout)
		return STATUS_OK;
	if (args->json)
		return record_print(cli, &json, columns, &row);
	report_line(&row);
	return STATUS_OK;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct save_args *args = data;
	struct pinpool_pool *pool;
	int status;

	if (!strcmp(operands[1], "-")) {
		if (args->json)
			return error_usage(cli, "--json", "leave it out, or name a file",
					   "standard output is the file, and takes no report");
		if (isatty(STDOUT_FILENO))
			return error_line(cli, "standard output", "send it to a file or a pipe", "is a terminal");
	}
	status = cli_open_pool(cli, operands[0], PINPOOL_OPEN_READ, &pool);
	if (status)
		return status;
	status = save(cli, data, operands, pool);
	pinpool_pool_close(pool);
	return status;
}

const struct command command_save = {
	.name = "save",
	.operands = "NAME PATH",
	.min_operands = 2,
	.max_operands = 2,
	.summary = "write a pool, or some of its tensors, as safetensors",
	.example = "  pinpool save lite copy.safetensors",
	.options = options,
	.args_size = sizeof(struct save_args),
	.run = run,
};
