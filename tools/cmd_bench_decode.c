/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool bench decode: every weight product of a forward pass of a transformer, from a pool. */
#include "bench/activations.h"
#include "bench/decode.h"
#include "bench/memory.h"
#include "bench/shapes.h"
#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "math_args.h"
#include "table.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct decode_args {
	const char *shape;
	const char *types; /* NULL: not given */
	const char *threads; /* NULL: all */
	const char *pool; /* NULL: random weights */
	bool unpacked;
	int64_t prompt; /* 0 for none */
	int64_t rounds;
	int activations; /* see bench_activation_type() */
	int isa; /* enum pinpool_isa */
	struct table_args table;
};

enum {
	MOST_PROMPT = 1 << 16,
	MOST_THREADS = 1024,
	/* What the read rate is measured on: as much as the weights, within these. */
	LEAST_READ = 4 << 20,
	MOST_READ = 128 << 20,
};

#define DEFAULT_TYPES "bf16,q8_0,q4_k"

static const struct option_spec options[] = {
	OPTION(0, "shape", "MODEL", "a config.json, or " BENCH_MODEL_NAMES "; the first of these if not given",
	       OPTION_TEXT, struct decode_args, shape),
	OPTION(0, "type", "TYPE,...", "types of random weights; " DEFAULT_TYPES " if not given", OPTION_TEXT,
	       struct decode_args, types),
	OPTION(0, "pool", "NAME", "take the weights of a checkpoint in this pool, not random ones", OPTION_TEXT,
	       struct decode_args, pool),
	OPTION(0, "unpacked", NULL, "with weights as they lie in a checkpoint, not packed for the kernels", OPTION_FLAG,
	       struct decode_args, unpacked),
	OPTION(0, "activations", "TYPE", "type of activations", OPTION_CHOICE, struct decode_args, activations,
	       .choices = bench_activation_words),
	OPTION('t', "threads", "N,...", "threads; as many as processors if not given", OPTION_TEXT, struct decode_args,
	       threads),
	OPTION(0, "prompt", "N", "tokens of the prompt, 0 for none; 512 if not given", OPTION_NUMBER,
	       struct decode_args, prompt, .min = 0, .max = MOST_PROMPT),
	OPTION(0, "rounds", "N", "rounds of a measurement, of which medians are taken; 5 if not given", OPTION_NUMBER,
	       struct decode_args, rounds, .min = 1, .max = BENCH_DECODE_ROUNDS_MAX),
	ISA_OPTION(struct decode_args, isa),
	TABLE_OPTIONS(struct decode_args, table),
	{0},
};

static void get_model(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct bench_pass *)row)->model);
}

static void get_type(const void *row, struct cell *cell)
{
	cell->kind = CELL_TEXT;
	bench_type_name(((const struct bench_pass *)row)->dtype, cell->buf);
}

static void get_activations(const void *row, struct cell *cell)
{
	cell->kind = CELL_TEXT;
	bench_type_name(((const struct bench_pass *)row)->activations, cell->buf);
}

static void get_threads(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct bench_pass *)row)->threads);
}

static void get_packed(const void *row, struct cell *cell)
{
	cell_flag(cell, ((const struct bench_pass *)row)->packed);
}

static void get_tokens(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct bench_pass *)row)->tokens);
}

static void get_bytes(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct bench_pass *)row)->bytes);
}

static void get_rate(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct bench_pass *)row)->tokens_a_second, 2);
}

static void get_gbs(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct bench_pass *)row)->gbs, 2);
}

static void get_gflops(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct bench_pass *)row)->gflops, 1);
}

static void get_limit(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct bench_pass *)row)->limit, 2);
}

static void get_bound(const void *row, struct cell *cell)
{
	cell_text(cell, bench_limit_name(((const struct bench_pass *)row)->bound));
}

static void get_share(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct bench_pass *)row)->share, 2);
}

static void get_canary(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct bench_pass *)row)->canary, 2);
}

static void get_error(const void *row, struct cell *cell)
{
	cell_real(cell, ((const struct bench_pass *)row)->error, 2);
}

static void get_isa(const void *row, struct cell *cell)
{
	cell_text(cell, pinpool_isa_name(((const struct bench_pass *)row)->isa));
}

static void get_unpacked(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct bench_pass *)row)->unpacked);
}

static void get_repeated(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct bench_pass *)row)->repeated);
}

static const struct column columns[] = {
	{"MODEL", "its name, or its config.json", false, true, get_model},
	{"TYPE", "type of the weights", false, false, get_type},
	{"THREADS", "threads", true, false, get_threads},
	{"PACKED", "all weights were packed before", false, false, get_packed},
	{"TOKENS", "rows of activations: one token, or a prompt", true, false, get_tokens},
	{"RATE", "tokens a second", true, false, get_rate},
	{"LIMIT", "tokens a second that the machine allows", true, false, get_limit},
	{"BOUND", "what sets this limit: bandwidth, fma, int8 or bf16", false, false, get_bound},
	{"SHARE", "reached of the limit", true, false, get_share},
	{"BYTES", "weights that a pass reads", true, false, get_bytes},
	{"GBS", "weights read, 1e9 bytes a second", true, false, get_gbs},
	{"GFLOPS", "1e9 operations a second: multiplications and additions", true, false, get_gflops},
	{"CANARY", "FMA rate around the rounds, as a share of the highest", true, false, get_canary},
	{"ERROR", "largest error of a sample, as a share of the budget", true, false, get_error},
	{"ACTIVATIONS", "type of activations", false, true, get_activations},
	{"ISA", "kernels", false, true, get_isa},
	{"UNPACKED", "matrices that were multiplied as they lie", true, true, get_unpacked},
	{"REPEATED", "rounds made again because the machine was not quiet", true, true, get_repeated},
	{0},
};

struct plan {
	const struct decode_args *args;
	struct bench_model model;
	enum pinpool_dtype types[BENCH_LIST_MAX];
	uint64_t threads[BENCH_LIST_MAX];
	double best[BENCH_LIST_MAX]; /* FMA rate with so many threads */
	size_t streams[BENCH_LIST_MAX]; /* that read fastest with so many */
	unsigned int type_count, thread_count;
	const volatile int *interrupted;
	struct table *table;
	bool measured; /* there is a row to show */
};

static int make_plan(struct cli *cli, struct plan *plan)
{
	const struct decode_args *args = plan->args;
	const char *types = args->types ? args->types : DEFAULT_TYPES;
	struct pinpool_diag diag;
	cpu_set_t set;
	int err;

	if (args->pool && args->types)
		return error_usage(cli, "--type", "leave one of them out", "weights in a pool have the type they have");
	plan->type_count = bench_types_parse(types, plan->types);
	if (!plan->type_count)
		return error_usage(cli, "--type", "types that products take, such as f32,bf16,q4_k",
				   "'%s' is not a list it takes", types);
	if (args->threads)
		plan->thread_count = bench_numbers_parse(args->threads, MOST_THREADS, plan->threads);
	else
		plan->threads[plan->thread_count++] = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
	if (!plan->thread_count)
		return error_usage(cli, "--threads", "numbers such as 1,2, to 1024", "'%s' is not a list it takes",
				   args->threads);
	err = bench_model_find(args->shape, &plan->model, &diag);
	return err ? error_diag(cli, err, &diag) : STATUS_OK;
}

/* A line for whoever waits, or asked for it. */
static void tell(struct cli *cli, const struct bench_pass *pass)
{
	char type[16], line[256];

	if (!cli->verbose && !isatty(STDERR_FILENO))
		return;
	snprintf(line, sizeof(line), "%s, %u thread%s, %llu token%s: %.2f a second, %.2f of %s",
		 bench_type_name(pass->dtype, type), pass->threads, pass->threads == 1 ? "" : "s",
		 (unsigned long long)pass->tokens, pass->tokens == 1 ? "" : "s", pass->tokens_a_second, pass->share,
		 bench_limit_name(pass->bound));
	error_log(cli, PINPOOL_LOG_INFO, line);
}

/* One token, and the prompt. */
static int measure_team(struct cli *cli, struct plan *plan, struct bench_decode *decode, unsigned int threads)
{
	const uint64_t tokens[] = {1, plan->args->prompt};
	struct pinpool_diag diag = {0};
	size_t i;
	int err;

	for (i = 0; i < 2; i++) {
		struct bench_pass pass = {
			.model = plan->args->shape,
			.dtype = decode->network->weights[0].dtype,
			.activations = bench_activation_type(plan->args->activations),
			.threads = threads,
			.tokens = tokens[i],
		};

		if (!tokens[i])
			continue;
		err = bench_decode_measure(decode, &pass, &diag);
		if (err == -ECANCELED)
			return STATUS_INTERRUPTED;
		if (err)
			return error_diag(cli, err, &diag);
		tell(cli, &pass);
		if (table_add(plan->table, &pass))
			return error_errno(cli, NULL, ENOMEM);
		plan->measured = true;
	}
	return STATUS_OK;
}

static int measure_threads(struct cli *cli, struct plan *plan, const struct bench_network *network,
			   const struct bench_memory *read, unsigned int i)
{
	PINPOOL_OPTS(pinpool_math_opts, opts, .threads = plan->threads[i], .isa = plan->args->isa);
	struct bench_decode decode = {
		.network = network,
		.machine = {.threads = plan->threads[i], .data = read->data, .bytes = read->bytes},
		.best = &plan->best[i],
		.rounds = plan->args->rounds,
		.interrupted = plan->interrupted,
	};
	struct pinpool_diag diag = {0};
	int err, status;

	err = pinpool_math_new(&decode.math, &opts, &diag);
	if (err)
		return error_diag(cli, err, &diag);
	decode.machine.isa = pinpool_math_isa(decode.math);
	decode.machine.streams = plan->streams[i];
	err = plan->streams[i] ? 0 : bench_limits_find_streams(&decode.machine);
	plan->streams[i] = decode.machine.streams;
	status = err ? error_errno(cli, "threads", err) : measure_team(cli, plan, &decode, plan->threads[i]);
	pinpool_math_free(decode.math);
	return status;
}

static int measure_network(struct cli *cli, struct plan *plan, const struct bench_network *network)
{
	size_t bytes = network->bytes < LEAST_READ ? LEAST_READ : network->bytes;
	struct bench_memory read;
	unsigned int i;
	int status = STATUS_OK;

	if (bench_memory_new(&read, bytes < MOST_READ ? bytes : MOST_READ))
		return error_errno(cli, NULL, ENOMEM);
	/* Pages that nobody wrote are all the same one. */
	memset(read.data, 1, read.bytes);
	for (i = 0; i < plan->thread_count && !status; i++)
		status = measure_threads(cli, plan, network, &read, i);
	bench_memory_free(&read);
	return status;
}

/* Packings that are there and of no use, and matrices without one beside others that have one. */
static void tell_unpacked(struct cli *cli, const struct bench_network *network)
{
	const struct pinpool_diag *why = &network->unused;
	char line[2 * sizeof(*why)];

	if (!*why->cause)
		return;
	snprintf(line, sizeof(line), "%s: %s: %zu of %zu matrices are multiplied as they lie%s%s%s", why->object,
		 why->cause, network->unpacked, network->count, *why->change ? " (" : "", why->change,
		 *why->change ? ")" : "");
	error_log(cli, PINPOOL_LOG_WARN, line);
}

/* Weights of one type, or of the pool, with packings that @packer made or can use; as they lie if that is NULL. */
static int open_network(struct cli *cli, const struct plan *plan, enum pinpool_dtype dtype, struct pinpool_math *packer,
			struct bench_network *network)
{
	struct pinpool_diag diag = {0};
	int err;

	if (plan->args->pool)
		err = bench_network_find(network, cli->ctx, &plan->model, plan->args->pool, packer, &diag);
	else
		err = bench_network_random(network, cli->ctx, &plan->model, dtype, packer, plan->interrupted, &diag);
	if (err == -ECANCELED)
		return STATUS_INTERRUPTED;
	if (err)
		return error_diag(cli, err, &diag);
	tell_unpacked(cli, network);
	return STATUS_OK;
}

/* Kernels are those of any context of this choice. */
static int measure(struct cli *cli, struct plan *plan)
{
	PINPOOL_OPTS(pinpool_math_opts, opts, .isa = plan->args->isa, .threads = plan->args->pool ? 1 : 0);
	unsigned int types = plan->args->pool ? 1 : plan->type_count, i;
	struct pinpool_math *packer = NULL;
	struct bench_network network;
	struct pinpool_diag diag;
	int err, status = STATUS_OK;

	err = plan->args->unpacked ? 0 : pinpool_math_new(&packer, &opts, &diag);
	if (err)
		return error_diag(cli, err, &diag);
	for (i = 0; i < types && !status; i++) {
		status = open_network(cli, plan, plan->types[i], packer, &network);
		if (!status)
			status = measure_network(cli, plan, &network);
		bench_network_close(&network);
	}
	pinpool_math_free(packer);
	return status;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	struct plan plan = {.args = data};
	int status, shown;

	status = make_plan(cli, &plan);
	if (status)
		return status;
	status = table_new(&plan.table, cli, &plan.args->table, columns, "decode");
	if (status)
		return status;
	plan.interrupted = interrupt_begin();
	status = cli_open(cli);
	if (!status)
		status = measure(cli, &plan);
	/* What was measured before Ctrl-C, or before a failure, is shown too. */
	shown = plan.measured ? table_print(plan.table) : STATUS_OK;
	table_free(plan.table);
	return status ? status : shown;
}

const struct command command_bench_decode = {
	.name = "bench decode",
	.operands = "",
	.max_operands = 0,
	.summary = "measure the products of a whole model, for a token and a prompt",
	.example = "  pinpool bench decode --shape openpangu-embedded-1b --type q8_0",
	.options = options,
	.columns = columns,
	.args_size = sizeof(struct decode_args),
	.defaults =
		&(const struct decode_args){
			.shape = "openpangu-embedded-1b",
			.prompt = 512,
			.rounds = 5,
		},
	.run = run,
};
