/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool bench load: a checkpoint into a pool, beside other ways to bring it into memory, again and again in turns. */
#include "bench/figures.h"
#include "bench/loading.h"
#include "bench/plot.h"
#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	MOST_ROUNDS = 100,
};

struct bench_load_args {
	const char *rivals; /* NULL: all that are there */
	const char *plot;
	bool warm;
	bool no_digest;
	int64_t rounds;
	struct table_args table;
};

#define RIVAL_WORDS "cp, mmap, read, fio"

static const struct option_spec options[] = {
	OPTION(0, "rounds", "N", "rounds, of which medians are taken; 5 if not given", OPTION_NUMBER,
	       struct bench_load_args, rounds, .min = 1, .max = MOST_ROUNDS),
	OPTION(0, "rival", "NAME,...", "beside these: " RIVAL_WORDS ", or none; those that are there if not given",
	       OPTION_TEXT, struct bench_load_args, rivals),
	OPTION(0, "warm", NULL, "with the files in the page cache, beside memcpy too", OPTION_FLAG,
	       struct bench_load_args, warm),
	OPTION(0, "no-digest", NULL, "compute no digests", OPTION_FLAG, struct bench_load_args, no_digest),
	OPTION(0, "plot", "FILE", "draw rates over time by gnuplot, a PNG or text; - is standard output", OPTION_TEXT,
	       struct bench_load_args, plot),
	TABLE_OPTIONS(struct bench_load_args, table),
	{0},
};

/* What all rounds of one way say. */
struct row {
	enum bench_way way;
	double rate, least, most; /* 1e9 bytes a second */
	double ratio; /* of our rate to its, within a round */
	double cpu; /* seconds for 1e9 bytes */
	uint64_t bytes;
	uint64_t rounds;
};

static void get_way(const void *row, struct cell *cell)
{
	cell_text(cell, bench_way_names[((const struct row *)row)->way]);
}

static void get_rate(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct row *)row)->rate, 2);
}

static void get_ratio(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct row *)row)->ratio, 2);
}

static void get_cpu(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct row *)row)->cpu, 3);
}

static void get_least(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct row *)row)->least, 2);
}

static void get_most(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct row *)row)->most, 2);
}

static void get_bytes(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct row *)row)->bytes);
}

static void get_rounds(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct row *)row)->rounds);
}

static const struct column columns[] = {
	{"WAY", "pinpool, a rival, or memcpy between huge pages", false, false, get_way},
	{"RATE", "1e9 bytes a second, median", true, false, get_rate},
	{"LEAST", "the slowest round", true, false, get_least},
	{"MOST", "the fastest round", true, false, get_most},
	{"RATIO", "rate of pinpool, as a share of this one, within a round", true, false, get_ratio},
	{"CPU", "processor seconds for 1e9 bytes, of all threads and children", true, false, get_cpu},
	{"BYTES", "of all files", true, true, get_bytes},
	{"ROUNDS", "rounds made", true, true, get_rounds},
	{0},
};

struct plan {
	struct cli *cli;
	const struct bench_load_args *args;
	struct bench_loading loading;
	enum bench_way ways[BENCH_WAYS]; /* ours first */
	unsigned int way_count;
	struct bench_run runs[BENCH_WAYS][MOST_ROUNDS]; /* by place in ways */
	unsigned int rounds; /* that every way was through with */
};

static void add_way(struct plan *plan, enum bench_way way)
{
	for (unsigned int i = 0; i < plan->way_count; i++)
		if (plan->ways[i] == way)
			return;
	plan->ways[plan->way_count++] = way;
}

/* Names separated by commas. False if one is none. */
static bool parse_rivals(struct plan *plan, const char *text)
{
	size_t length;
	int way;

	for (;; text += length + 1) {
		length = strcspn(text, ",");
		for (way = BENCH_WAY_CP; way <= BENCH_WAY_FIO; way++)
			if (strlen(bench_way_names[way]) == length && !strncmp(text, bench_way_names[way], length))
				break;
		if (way > BENCH_WAY_FIO)
			return false;
		add_way(plan, (enum bench_way)way);
		if (!text[length])
			return true;
	}
}

static int choose_ways(struct plan *plan)
{
	const char *rivals = plan->args->rivals;
	struct pinpool_diag diag;
	unsigned int i;
	int way;

	add_way(plan, BENCH_WAY_PINPOOL);
	if (!rivals) {
		for (way = BENCH_WAY_CP; way < BENCH_WAY_FIO; way++)
			add_way(plan, (enum bench_way)way);
		if (!bench_fio_check(&diag))
			add_way(plan, BENCH_WAY_FIO);
	} else if (strcmp(rivals, "none") && !parse_rivals(plan, rivals)) {
		return error_usage(plan->cli, "--rival", "names from " RIVAL_WORDS ", or none",
				   "'%s' is not a list it takes", rivals);
	}
	for (i = 0; rivals && i < plan->way_count; i++)
		if (plan->ways[i] == BENCH_WAY_FIO && bench_fio_check(&diag))
			return error_diag(plan->cli, -ENOENT, &diag);
	if (plan->args->warm)
		add_way(plan, BENCH_WAY_MEMCPY);
	return STATUS_OK;
}

static double rate_of(const struct plan *plan, const struct bench_run *run)
{
	return run->seconds > 0 ? (double)plan->loading.bytes / run->seconds * 1e-9 : NAN;
}

/* A line for whoever waits, or asked for it. */
static void tell(const struct plan *plan, unsigned int round, unsigned int place)
{
	char line[128];

	if (!plan->cli->verbose && !isatty(STDERR_FILENO))
		return;
	snprintf(line, sizeof(line), "round %u, %s: %.2f GB/s", round + 1, bench_way_names[plan->ways[place]],
		 rate_of(plan, &plan->runs[place][round]));
	error_log(plan->cli, PINPOOL_LOG_INFO, line);
}

/* Who comes first changes with the round. */
static int measure(struct plan *plan)
{
	struct pinpool_diag diag = {0};
	unsigned int round, i, place;
	int err;

	for (round = 0; round < plan->args->rounds; round++) {
		for (i = 0; i < plan->way_count; i++) {
			place = (round + i) % plan->way_count;
			err = bench_loading_run(&plan->loading, plan->ways[place], &plan->runs[place][round], &diag);
			if (*plan->loading.interrupted)
				return STATUS_INTERRUPTED;
			if (err)
				return error_diag(plan->cli, err, &diag);
			tell(plan, round, place);
		}
		plan->rounds++;
	}
	return STATUS_OK;
}

static void fill_row(const struct plan *plan, unsigned int place, struct row *row)
{
	double rates[MOST_ROUNDS], ratios[MOST_ROUNDS], cpus[MOST_ROUNDS];
	unsigned int round;

	for (round = 0; round < plan->rounds; round++) {
		const struct bench_run *run = &plan->runs[place][round];

		rates[round] = rate_of(plan, run);
		ratios[round] = run->seconds / plan->runs[0][round].seconds;
		cpus[round] = run->cpu / ((double)plan->loading.bytes * 1e-9);
	}
	*row = (struct row){
		.way = plan->ways[place],
		.rate = bench_median(rates, plan->rounds),
		.ratio = place ? bench_median(ratios, plan->rounds) : NAN,
		.cpu = bench_median(cpus, plan->rounds),
		.bytes = plan->loading.bytes,
		.rounds = plan->rounds,
	};
	/* The median has sorted them. */
	row->least = rates[0];
	row->most = rates[plan->rounds - 1];
}

/* The round of a way whose rate is nearest to its median. */
static const struct bench_curve *usual_curve(const struct plan *plan, unsigned int place, double median)
{
	unsigned int round, best = 0;

	for (round = 1; round < plan->rounds; round++)
		if (fabs(rate_of(plan, &plan->runs[place][round]) - median) <
		    fabs(rate_of(plan, &plan->runs[place][best]) - median))
			best = round;
	return &plan->runs[place][best].curve;
}

static int report(struct plan *plan)
{
	struct bench_series series[BENCH_WAYS];
	struct pinpool_diag diag;
	struct table *table;
	struct row row;
	unsigned int i;
	int status, err = 0;

	status = table_new(&table, plan->cli, &plan->args->table, columns, "loads");
	if (status)
		return status;
	for (i = 0; i < plan->way_count && !err; i++) {
		fill_row(plan, i, &row);
		err = table_add(table, &row);
		series[i] = (struct bench_series){bench_way_names[row.way], usual_curve(plan, i, row.rate)};
	}
	status = err ? error_errno(plan->cli, NULL, ENOMEM) : table_print(table);
	table_free(table);
	if (status || !plan->args->plot)
		return status;
	err = bench_plot_rates(plan->args->plot, series, plan->way_count, &diag);
	return err ? error_diag(plan->cli, -err, &diag) : STATUS_OK;
}

static int measure_checkpoint(struct plan *plan)
{
	struct pinpool_diag diag = {0};
	int err, status, shown;

	plan->loading.ctx = plan->cli->ctx;
	plan->loading.warm = plan->args->warm;
	plan->loading.no_digest = plan->args->no_digest;
	plan->loading.interrupted = interrupt_begin();
	err = bench_loading_begin(&plan->loading, &diag);
	if (err == -ECANCELED)
		status = STATUS_INTERRUPTED;
	else if (err)
		status = error_diag(plan->cli, err, &diag);
	else
		status = measure(plan);
	/* Rounds before Ctrl-C, or before a failure, are shown too. */
	shown = plan->rounds ? report(plan) : STATUS_OK;
	bench_loading_end(&plan->loading);
	return status ? status : shown;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	/* Too large for a stack with all its runs; commands run once. */
	static struct plan plan;
	struct pinpool_diag diag;
	struct table *table;
	unsigned int way, round;
	int status;

	plan.cli = cli;
	plan.args = data;
	plan.loading.path = operands[0];
	status = choose_ways(&plan);
	/* A wrong list of columns is refused before anything is measured. */
	if (!status)
		status = table_new(&table, cli, &plan.args->table, columns, "loads");
	if (status)
		return status;
	table_free(table);
	if (plan.args->plot && bench_plot_check(&diag))
		return error_diag(cli, -EIO, &diag);
	status = cli_open(cli);
	if (!status)
		status = measure_checkpoint(&plan);
	for (way = 0; way < BENCH_WAYS; way++)
		for (round = 0; round < MOST_ROUNDS; round++)
			bench_curve_free(&plan.runs[way][round].curve);
	return status;
}

const struct command command_bench_load = {
	.name = "bench load",
	.operands = "PATH",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "measure loads beside other ways to bring files into memory",
	.example = "  pinpool bench load model.safetensors --rounds 3",
	.options = options,
	.columns = columns,
	.args_size = sizeof(struct bench_load_args),
	.defaults = &(const struct bench_load_args){.rounds = 5},
	.run = run,
};
