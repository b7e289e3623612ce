/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool kg build: files of triples into a graph in a pool, all of it or nothing. */
#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "pool_args.h"
#include "progress.h"
#include "size.h"

#include <errno.h>
#include <stdio.h>

struct build_args {
	int format; /* enum pinpool_kg_format */
	uint64_t memory;
	uint64_t longest;
	uint64_t capacity;
	int64_t threads;
	const char *temporary;
	bool compact;
	bool quiet;
	struct pool_args pool;
};

static const char *const format_words[] = {"auto", "ntriples", "turtle", "tsv", "wordnet", NULL};

_Static_assert(PINPOOL_KG_AUTO == 0 && PINPOOL_KG_NTRIPLES == 1 && PINPOOL_KG_TURTLE == 2 && PINPOOL_KG_TSV == 3 &&
		       PINPOOL_KG_WORDNET == 4,
	       "format_words follows enum pinpool_kg_format");

static const struct option_spec options[] = {
	OPTION(0, "format", "FORMAT", "what the inputs are (auto goes by their names)", OPTION_CHOICE,
	       struct build_args, format, .choices = format_words),
	OPTION(0, "memory", "SIZE", "most memory for sorting, at least 48M; 1G if not given", OPTION_SIZE,
	       struct build_args, memory),
	OPTION(0, "threads", "N", "threads that read; one for each processor if not given, at most 8", OPTION_NUMBER,
	       struct build_args, threads, .min = 1, .max = 8),
	OPTION(0, "max-line", "SIZE", "longest line, or statement of Turtle, 64K to 1G; 16M if not given", OPTION_SIZE,
	       struct build_args, longest),
	OPTION(0, "tmp", "FOLDER", "folder for temporary files; TMPDIR, else /var/tmp, if not given", OPTION_TEXT,
	       struct build_args, temporary),
	OPTION(0, "compact", NULL, "a third less for triples; all edges of a node take longer to find", OPTION_FLAG,
	       struct build_args, compact),
	OPTION(0, "capacity", "SIZE", "make the pool larger than the graph needs", OPTION_SIZE, struct build_args,
	       capacity),
	POOL_OPTIONS(struct build_args, pool),
	OPTION('q', "quiet", NULL, "draw no progress bar", OPTION_FLAG, struct build_args, quiet),
	{0},
};

static void report_line(const char *name, const struct pinpool_kg_build_report *report)
{
	double seconds = (double)(report->elapsed_ns ? report->elapsed_ns : 1) * 1e-9;
	char memory[SIZE_TEXT_MAX], disk[SIZE_TEXT_MAX];

	printf("%s: %llu triples, %llu duplicates dropped, %llu nodes, %llu predicates, %llu bytes, %.2f a triple\n",
	       name, (unsigned long long)report->triples, (unsigned long long)report->duplicates,
	       (unsigned long long)report->nodes, (unsigned long long)report->predicates,
	       (unsigned long long)report->length, (double)report->length / (double)report->triples);
	printf("%s: %llu bytes read, %.3f s, %.0f triples/s, %u thread%s, %s of memory, %s of temporary files\n", name,
	       (unsigned long long)report->bytes, seconds, (double)(report->triples + report->duplicates) / seconds,
	       report->threads, report->threads > 1 ? "s" : "", size_short(report->memory_peak, memory),
	       size_short(report->disk_peak, disk));
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct build_args *args = data;
	struct pinpool_kg_build_report report = {.size = sizeof(report)};
	struct pinpool_diag diag = {0};
	struct progress progress;
	int err, status;
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = args->capacity);
	PINPOOL_OPTS(pinpool_kg_build_opts, opts, .create = &create, .format = args->format, .memory = args->memory,
		     .longest = args->longest, .temporary = args->temporary, .threads = args->threads,
		     .progress = progress_draw, .progress_arg = &progress, .compact = args->compact);

	status = pool_args_apply(cli, &args->pool, &create);
	if (!status)
		status = cli_open(cli);
	if (status)
		return status;
	opts.cancel = interrupt_begin();
	progress_begin(&progress, operands[0], args->quiet);
	cli->progress = &progress;
	err = pinpool_kg_build(cli->ctx, operands[0], (const char *const *)operands + 1, count - 1, &opts, &report,
			       &diag);
	progress_end(&progress);
	cli->progress = NULL;
	if (err == -ECANCELED) {
		error_line(cli, operands[0], NULL, "interrupted, nothing was published");
		return STATUS_INTERRUPTED;
	}
	if (err)
		return error_diag(cli, err, &diag);
	report_line(operands[0], &report);
	return STATUS_OK;
}

const struct command command_kg_build = {
	.name = "kg build",
	.operands = "NAME PATH...",
	.min_operands = 2,
	.max_operands = -1,
	.summary = "make a knowledge graph of files of triples",
	.example = "  pinpool kg build words /usr/share/wordnet",
	.options = options,
	.args_size = sizeof(struct build_args),
	.defaults = &(const struct build_args){.pool = POOL_ARGS_DEFAULT},
	.run = run,
};
