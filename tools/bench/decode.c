/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Forward passes; see decode.h. Only products of weights are made, from activations at random: what stands between them
 * (norms, attention) reads no weights. Of a prompt, the head sees the last token only, as in generation.
 */
#include "bench/decode.h"
#include "bench/activations.h"
#include "bench/figures.h"
#include "bench/memory.h"
#include "matmul_check.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SEED = 4,
	CHECK_WORK = 1 << 23,
};

struct pass {
	const struct bench_decode *decode;
	struct bench_pass *out;
	struct bench_activations x; /* rows for the widest matrix; narrower ones take a part */
	struct bench_memory y[BENCH_ROLES]; /* results of one layer, and of the head */
};

static struct pinpool_matmul_args product(const struct pass *is, size_t index, enum bench_role role)
{
	const struct bench_weight *weight = &is->decode->network->weights[index];
	PINPOOL_OPTS(pinpool_matmul_args, args, .m = role == BENCH_HEAD ? 1 : is->out->tokens, .n = weight->n,
		     .k = weight->k, .x = bench_activations_data(&is->x), .x_dtype = is->x.dtype, .w = weight->data,
		     .w_dtype = weight->dtype, .w_scales = weight->scales, .y = is->y[role].data,
		     .packing = weight->packing.data ? &weight->packing : NULL);

	return args;
}

/* Products of one layer that share their activations, @first to @last. */
static int run_some(const struct pass *is, size_t layer, enum bench_role first, enum bench_role last,
		    struct pinpool_diag *diag)
{
	const struct pinpool_matmul_args *pointers[BENCH_LAYER_ROLES];
	struct pinpool_matmul_args args[BENCH_LAYER_ROLES];
	size_t count = 0;
	int role;

	for (role = first; role <= (int)last; role++, count++) {
		args[count] = product(is, layer * BENCH_LAYER_ROLES + role, role);
		pointers[count] = &args[count];
	}
	return pinpool_matmul_many(is->decode->math, pointers, count, diag);
}

static int run_layer(const struct pass *is, size_t layer, struct pinpool_diag *diag)
{
	int err = run_some(is, layer, BENCH_Q, BENCH_V, diag);

	if (!err)
		err = run_some(is, layer, BENCH_O, BENCH_O, diag);
	if (!err)
		err = run_some(is, layer, BENCH_GATE, BENCH_UP, diag);
	if (!err)
		err = run_some(is, layer, BENCH_DOWN, BENCH_DOWN, diag);
	return err;
}

static int run_head(const struct pass *is, struct pinpool_diag *diag)
{
	struct pinpool_matmul_args args = product(is, is->decode->network->count - 1, BENCH_HEAD);

	return pinpool_matmul(is->decode->math, &args, diag);
}

static int run_all(const struct pass *is, struct pinpool_diag *diag)
{
	size_t layer;
	int err = 0;

	for (layer = 0; layer < is->decode->network->model.layers && !err; layer++) {
		/* A prompt may take long. */
		if (*is->decode->interrupted)
			return -ECANCELED;
		err = run_layer(is, layer, diag);
	}
	return err ? err : run_head(is, diag);
}

static int check_role(const struct pass *is, enum bench_role role, struct pinpool_diag *diag)
{
	size_t index = role == BENCH_HEAD ? is->decode->network->count - 1 : (size_t)role;
	const struct bench_weight *weight = &is->decode->network->weights[index];
	struct pinpool_matmul_args args = product(is, index, role);
	struct matmul_check_how how = matmul_check_how(&args, SEED);
	struct matmul_check result;
	int err;

	/* Columns of Y that come from the rows that were kept. */
	args.x = is->x.f32.data;
	args.x_dtype = PINPOOL_DTYPE_F32;
	args.packing = NULL;
	args.w = weight->sample;
	args.w_scales = weight->sample_scales;
	args.n -= weight->first;
	args.y = (float *)args.y + weight->first;
	args.ldy = weight->n;
	how.work = CHECK_WORK;
	err = matmul_check(&args, &how, &result, diag);
	if (err)
		return err;
	is->out->error = fmax(is->out->error, result.largest / how.budget);
	if (result.within)
		return 0;
	snprintf(diag->object, sizeof(diag->object), "%s %llux%llu, m %llu", pinpool_dtype_name(args.w_dtype),
		 (unsigned long long)weight->n, (unsigned long long)args.k, (unsigned long long)args.m);
	snprintf(diag->cause, sizeof(diag->cause), "y[%llu,%llu] is %.9g, the reference gives %.9g",
		 (unsigned long long)result.row, (unsigned long long)(weight->first + result.column), (double)result.is,
		 (double)result.should);
	snprintf(diag->change, sizeof(diag->change), "--isa portable may be right; please report this");
	return -EBADMSG;
}

static int check(const struct pass *is, struct pinpool_diag *diag)
{
	int role, err;

	/* All ones are NaN: an element that nobody writes is wrong. */
	for (role = 0; role < BENCH_ROLES; role++)
		memset(is->y[role].data, 0xff, is->y[role].bytes);
	err = run_layer(is, 0, diag);
	if (!err)
		err = run_head(is, diag);
	for (role = 0; role < BENCH_ROLES && !err; role++)
		err = check_role(is, role, diag);
	return err;
}

static int begin(struct pass *is)
{
	const struct bench_network *network = is->decode->network;
	uint64_t widest = 0, i;
	int role, err;

	/* Those of the first layer and the head: the last matrix comes first where there is but one. */
	for (i = 0; i < network->count; i++)
		if (network->weights[i].k > widest)
			widest = network->weights[i].k;
	err = bench_activations_new(&is->x, is->out->tokens * widest, is->out->activations, SEED);
	for (role = 0; role < BENCH_ROLES && !err; role++) {
		size_t index = role == BENCH_HEAD ? network->count - 1 : (size_t)role;
		uint64_t rows = role == BENCH_HEAD ? 1 : is->out->tokens;

		err = bench_memory_new(&is->y[role], rows * network->weights[index].n * sizeof(float));
	}
	return err;
}

/* Operations of a pass. */
static double work_of(const struct pass *is)
{
	const struct bench_network *network = is->decode->network;
	double operations = 0;
	size_t i;

	for (i = 0; i < network->count; i++)
		operations += 2.0 * (double)network->weights[i].n * (double)network->weights[i].k *
			      (double)(i + 1 == network->count ? 1 : is->out->tokens);
	return operations;
}

struct round {
	double seconds;
	double read;
	double compute;
	double canary;
	bool quiet; /* it counts */
};

static int make_round(const struct pass *is, struct round *round, struct pinpool_diag *diag)
{
	const struct bench_decode *decode = is->decode;
	enum bench_limit compute = bench_compute_limit(is->out->dtype, is->out->activations);
	double fma[2], rate[2], read[2];
	int i, err = 0;

	for (i = 0; i < 2 && !err; i++) {
		err = bench_limit_measure(&decode->machine, BENCH_FMA, &fma[i]);
		if (!err)
			err = bench_limit_measure(&decode->machine, compute, &rate[i]);
		if (!err)
			err = bench_limit_measure(&decode->machine, BENCH_READ, &read[i]);
		if (i || err)
			break;
		round->seconds = bench_now();
		err = run_all(is, diag);
		round->seconds = bench_now() - round->seconds;
	}
	if (err)
		return err;
	*decode->best = fmax(*decode->best, fmax(fma[0], fma[1]));
	round->canary = fmin(fma[0], fma[1]) / *decode->best;
	round->compute = (rate[0] + rate[1]) / 2;
	round->read = (read[0] + read[1]) / 2;
	is->out->bound = compute;
	if ((double)is->decode->network->bytes / round->read > work_of(is) / round->compute)
		round->quiet = bench_quiet(fmin(fma[0], fma[1]), *decode->best, read[0], read[1]);
	else
		round->quiet = bench_quiet(fmin(fma[0], fma[1]), *decode->best, rate[0], rate[1]);
	return 0;
}

/* Medians of @rounds, of which @scratch has room for one number each. */
static void summarize(const struct pass *is, const struct round *rounds, double *scratch)
{
	unsigned int count = is->decode->rounds, i;
	double work = work_of(is) * 1e-9, bytes = (double)is->decode->network->bytes * 1e-9, seconds, reading,
	       computing;
	struct bench_pass *out = is->out;

	for (i = 0; i < count; i++)
		scratch[i] = fmax(bytes / rounds[i].read, work / rounds[i].compute) / rounds[i].seconds;
	out->share = bench_median(scratch, count);
	for (i = 0; i < count; i++)
		scratch[i] = rounds[i].seconds;
	seconds = bench_median(scratch, count);
	for (i = 0; i < count; i++)
		scratch[i] = rounds[i].canary;
	out->canary = bench_median(scratch, count);
	for (i = 0; i < count; i++)
		scratch[i] = bytes / rounds[i].read;
	reading = bench_median(scratch, count);
	for (i = 0; i < count; i++)
		scratch[i] = work / rounds[i].compute;
	computing = bench_median(scratch, count);
	out->tokens_a_second = (double)out->tokens / seconds;
	out->gbs = bytes / seconds;
	out->gflops = work / seconds;
	out->limit = (double)out->tokens / fmax(reading, computing);
	if (reading > computing)
		out->bound = BENCH_READ;
}

static int make_rounds(const struct pass *is, struct pinpool_diag *diag)
{
	unsigned int count = is->decode->rounds, done = 0;
	struct round *rounds = calloc(count, sizeof(*rounds));
	double *scratch = calloc(count, sizeof(*scratch));
	int err = rounds && scratch ? 0 : -ENOMEM;

	while (!err && done < count) {
		if (*is->decode->interrupted)
			err = -ECANCELED;
		else
			err = make_round(is, &rounds[done], diag);
		/* A machine that never gets quiet is measured as it is; the canary says so. */
		if (!err && !rounds[done].quiet && is->out->repeated < count)
			is->out->repeated++;
		else
			done++;
	}
	if (!err)
		summarize(is, rounds, scratch);
	free(rounds);
	free(scratch);
	return err;
}

int bench_decode_measure(const struct bench_decode *decode, struct bench_pass *pass, struct pinpool_diag *diag)
{
	struct pass is = {.decode = decode, .out = pass};
	int role, err;

	pass->isa = pinpool_math_isa(decode->math);
	pass->bytes = decode->network->bytes;
	pass->unpacked = decode->network->unpacked;
	pass->packed = !pass->unpacked;
	pass->error = 0;
	pass->repeated = 0;
	err = begin(&is);
	if (!err)
		err = check(&is, diag);
	if (!err)
		err = make_rounds(&is, diag);
	bench_activations_free(&is.x);
	for (role = 0; role < BENCH_ROLES; role++)
		bench_memory_free(&is.y[role]);
	return err;
}
