/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Cells; see cell.h. A round is: limits, every contestant once, limits again. The first limit is that of FMA from
 * registers, which is the canary too: a round in which it was low, or in which the limit that counts was not the same
 * before and after, ran while the clock or another tenant took something away, and is made again. Who comes first
 * changes with the round. A contestant whose product is over at once makes it several times in a row, each with another
 * copy of the weights.
 *
 * Before that, each makes the product once, for the check: fast and wrong is no result.
 */
#include "bench/cell.h"
#include "bench/activations.h"
#include "bench/figures.h"
#include "matmul_check.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A contestant works for at least so long in a round. */
#define LEAST_SECONDS 4e-3

enum {
	SEED = 2,
	CHECK_WORK = 1 << 25,
	MOST_REPEATS = 4096,
	/* Threads of rivals spin for a while after their work. */
	SPIN_MICROSECONDS = 60000,
	OURS = BENCH_RIVALS,
	CONTESTANTS = BENCH_RIVALS + 1,
};

struct contestant {
	bool takes_part;
	void *job; /* of a rival */
	double *seconds; /* of each round */
};

struct measurement {
	struct bench_cell *cell;
	const struct bench_cell_args *args;
	struct bench_team *team;
	const struct bench_matrix *matrix;
	struct bench_activations x;
	struct bench_memory y;
	struct bench_product product;
	struct contestant contestants[CONTESTANTS];
	struct bench_machine machine;
	double *rates[BENCH_LIMITS]; /* of each round */
	double *canaries;
	double *scratch;
	double *figures; /* owned, what the pointers above and seconds point into */
	uint64_t repeats;
	uint64_t next; /* copy of the weights */
};

static enum bench_limit compute_limit(const struct measurement *is)
{
	return bench_compute_limit(is->cell->dtype, is->cell->activations);
}

static struct pinpool_matmul_args product_args(const struct measurement *is, uint64_t copy)
{
	PINPOOL_OPTS(pinpool_matmul_args, args, .m = is->product.m, .n = is->product.n, .k = is->product.k,
		     .x = is->product.x, .w = bench_matrix_copy(is->matrix, copy), .w_dtype = is->product.dtype,
		     .w_scales = is->matrix->scales, .y = is->product.y);

	return args;
}

static int run_ours(const struct measurement *is, uint64_t copy, struct pinpool_diag *diag)
{
	struct pinpool_matmul_args args = product_args(is, copy);
	struct pinpool_packing packing;

	args.x = bench_activations_data(&is->x);
	args.x_dtype = is->x.dtype;
	if (is->cell->packed) {
		packing = bench_matrix_packing(is->matrix, copy);
		args.w = NULL;
		args.w_scales = NULL;
		args.packing = &packing;
	}
	return pinpool_matmul(is->team->math, &args, diag);
}

/* Makes the product with @count copies in turn. */
static int run(struct measurement *is, int who, uint64_t count, struct pinpool_diag *diag)
{
	int err = 0;

	for (; count && !err; count--, is->next++) {
		if (who == OURS)
			err = run_ours(is, is->next, diag);
		else
			is->args->rivals[who].rival->run(is->contestants[who].job, is->next % is->matrix->copies);
	}
	return err;
}

/* After a rival: its threads still spin, and would take from whoever comes next. */
static void settle(const struct measurement *is, int who)
{
	if (who != OURS && is->team->threads > 1)
		usleep(SPIN_MICROSECONDS);
}

static float largest_of(const float *values, uint64_t count)
{
	float largest = 0;
	uint64_t i;

	for (i = 0; i < count; i++)
		largest = fmaxf(largest, fabsf(values[i]));
	return largest;
}

static struct matmul_check_how how_to_check(const struct measurement *is, const struct bench_tolerance *tolerance)
{
	struct pinpool_matmul_args args = product_args(is, 0);
	struct matmul_check_how how = matmul_check_how(&args, SEED);

	how.work = CHECK_WORK;
	if (tolerance) {
		how.budget = PINPOOL_MATMUL_BUDGET(args.k) + tolerance->rounding;
		how.run = 1;
		if (tolerance->largest_of_all) {
			/* In its row an activation counts as the largest of it; what another row has more comes on top.
			 */
			float smallest = INFINITY;
			uint64_t i;

			for (i = 0; i < args.m; i++)
				smallest = fminf(smallest, largest_of(is->product.x + i * args.k, args.k));
			how.run = args.k;
			how.budget *= (double)largest_of(is->product.x, args.m * args.k) / (double)smallest;
		}
	}
	return how;
}

/* Makes the product once and compares it with the reference. */
static int check(struct measurement *is, int who, const struct bench_tolerance *tolerance, struct matmul_check *check_,
		 double *budget, struct pinpool_diag *diag)
{
	struct pinpool_matmul_args args = product_args(is, 0);
	struct matmul_check_how how = how_to_check(is, tolerance);
	int err;

	/* All ones are NaN: an element that nobody writes is wrong. */
	memset(is->y.data, 0xff, is->y.bytes);
	is->next = 0;
	err = run(is, who, 1, diag);
	settle(is, who);
	*budget = how.budget;
	return err ? err : matmul_check(&args, &how, check_, diag);
}

static int check_ours(struct measurement *is, struct pinpool_diag *diag)
{
	struct matmul_check result;
	double budget;
	int err = check(is, OURS, NULL, &result, &budget, diag);

	if (err)
		return err;
	is->cell->error = result.largest / budget;
	if (result.within)
		return 0;
	snprintf(diag->object, sizeof(diag->object), "%s %llux%llu, m %llu", pinpool_dtype_name(is->cell->dtype),
		 (unsigned long long)is->product.n, (unsigned long long)is->product.k,
		 (unsigned long long)is->product.m);
	snprintf(diag->cause, sizeof(diag->cause), "y[%llu,%llu] is %.9g, the reference gives %.9g",
		 (unsigned long long)result.row, (unsigned long long)result.column, (double)result.is,
		 (double)result.should);
	snprintf(diag->change, sizeof(diag->change), "--isa portable may be right; please report this");
	return -EBADMSG;
}

static int enter_rivals(struct measurement *is, struct pinpool_diag *diag)
{
	struct bench_tolerance tolerance;
	struct matmul_check result;
	double budget;
	int who, err;

	for (who = 0; who < BENCH_RIVALS; who++) {
		const struct bench_opened *opened = &is->args->rivals[who];
		struct contestant *contestant = &is->contestants[who];

		is->cell->rivals[who] = (struct bench_rival_figures){NAN, NAN, false};
		if (!opened->state || !opened->rival->takes(is->cell->dtype) || *is->args->interrupted)
			continue;
		/* A product that it has no kernels for on this processor is one that it does not take part in. */
		err = opened->rival->prepare(opened->state, &is->product, &contestant->job, &tolerance);
		if (err == -EOPNOTSUPP)
			continue;
		if (!err)
			err = check(is, who, &tolerance, &result, &budget, diag);
		if (err)
			return err;
		is->cell->rivals[who].wrong = !result.within;
		contestant->takes_part = result.within;
	}
	return 0;
}

/* How often in a row, so that the clock sees something. */
static int find_repeats(struct measurement *is, struct pinpool_diag *diag)
{
	double start = bench_now(), seconds;
	int err = run(is, OURS, 1, diag);

	seconds = bench_now() - start;
	is->repeats = seconds > 0 && LEAST_SECONDS / seconds < MOST_REPEATS ? (uint64_t)(LEAST_SECONDS / seconds) + 1
									    : MOST_REPEATS;
	return err;
}

static int measure_limits(const struct measurement *is, double rates[BENCH_LIMITS])
{
	int i, err = 0;

	for (i = 0; i < BENCH_LIMITS && !err; i++) {
		rates[i] = NAN;
		if (i == BENCH_FMA || i == BENCH_READ || i == (int)compute_limit(is))
			err = bench_limit_measure(&is->machine, i, &rates[i]);
	}
	return err;
}

/* Seconds that a product takes at least at these rates; *@bound: why. */
static double least_seconds(const struct measurement *is, double read, double compute, enum bench_limit *bound)
{
	double reading = (double)is->matrix->bytes * 1e-9 / read;
	double computing = 2e-9 * (double)is->product.m * (double)is->product.n * (double)is->product.k / compute;

	*bound = reading > computing ? BENCH_READ : compute_limit(is);
	return fmax(reading, computing);
}

/* One round. *@quiet: it counts. */
static int make_round(struct measurement *is, unsigned int round, bool *quiet, struct pinpool_diag *diag)
{
	double before[BENCH_LIMITS], after[BENCH_LIMITS], low;
	enum bench_limit bound;
	int i, err;

	err = measure_limits(is, before);
	for (i = 0; i < CONTESTANTS && !err; i++) {
		int who = (i + round + OURS) % CONTESTANTS;
		struct contestant *contestant = &is->contestants[who];
		double start = bench_now();

		if (!contestant->takes_part)
			continue;
		err = run(is, who, is->repeats, diag);
		contestant->seconds[round] = (bench_now() - start) / (double)is->repeats;
		settle(is, who);
	}
	if (!err)
		err = measure_limits(is, after);
	if (err)
		return err;
	low = fmin(before[BENCH_FMA], after[BENCH_FMA]);
	is->team->best = fmax(is->team->best, fmax(before[BENCH_FMA], after[BENCH_FMA]));
	for (i = 0; i < BENCH_LIMITS; i++)
		is->rates[i][round] = (before[i] + after[i]) / 2;
	is->canaries[round] = low / is->team->best;
	least_seconds(is, is->rates[BENCH_READ][round], is->rates[compute_limit(is)][round], &bound);
	*quiet = bench_quiet(low, is->team->best, before[bound], after[bound]);
	return 0;
}

static int make_rounds(struct measurement *is, struct pinpool_diag *diag)
{
	unsigned int rounds = is->args->rounds;
	bool quiet;
	int err;

	for (is->cell->rounds = 0; is->cell->rounds < rounds;) {
		if (*is->args->interrupted)
			return -ECANCELED;
		err = make_round(is, is->cell->rounds, &quiet, diag);
		if (err)
			return err;
		/* A machine that never gets quiet is measured as it is; the canary says so. */
		if (!quiet && is->cell->repeated < 2 * rounds)
			is->cell->repeated++;
		else
			is->cell->rounds++;
	}
	return 0;
}

static double median_of(const struct measurement *is, const double *values)
{
	memcpy(is->scratch, values, is->cell->rounds * sizeof(*values));
	return bench_median(is->scratch, is->cell->rounds);
}

static double median_ratio(const struct measurement *is, const double *values, const double *to)
{
	unsigned int i;

	for (i = 0; i < is->cell->rounds; i++)
		is->scratch[i] = values[i] / to[i];
	return bench_median(is->scratch, is->cell->rounds);
}

static void summarize(struct measurement *is)
{
	double work = 2e-9 * (double)is->product.m * (double)is->product.n * (double)is->product.k;
	const double *ours = is->contestants[OURS].seconds, *compute = is->rates[compute_limit(is)];
	struct bench_cell *cell = is->cell;
	unsigned int i;
	int who;

	cell->gflops = work / median_of(is, ours);
	cell->gbs = (double)is->matrix->bytes * 1e-9 / median_of(is, ours);
	for (who = 0; who < BENCH_LIMITS; who++)
		cell->rates[who] = isnan(is->rates[who][0]) ? NAN : median_of(is, is->rates[who]);
	cell->canary = median_of(is, is->canaries);
	for (i = 0; i < cell->rounds; i++)
		is->scratch[i] = least_seconds(is, is->rates[BENCH_READ][i], compute[i], &cell->bound) / ours[i];
	cell->share = bench_median(is->scratch, cell->rounds);
	cell->limit = work / least_seconds(is, cell->rates[BENCH_READ], cell->rates[compute_limit(is)], &cell->bound);
	cell->best_rival = -1;
	cell->beside = NULL;
	for (who = 0; who < BENCH_RIVALS; who++) {
		struct bench_rival_figures *rival = &cell->rivals[who];

		if (!is->contestants[who].takes_part)
			continue;
		rival->gflops = work / median_of(is, is->contestants[who].seconds);
		rival->ratio = median_ratio(is, is->contestants[who].seconds, ours);
		if (cell->best_rival < 0 || rival->ratio < cell->rivals[cell->best_rival].ratio) {
			cell->best_rival = who;
			cell->beside = is->args->rivals[who].title;
		}
	}
}

static int allocate(struct measurement *is)
{
	/* Seconds of contestants, rates of limits, canaries, scratch. */
	unsigned int lists = CONTESTANTS + BENCH_LIMITS + 2, rounds = is->args->rounds, i;
	double *list;

	is->figures = calloc((size_t)lists * rounds, sizeof(double));
	if (!is->figures)
		return -ENOMEM;
	list = is->figures;
	for (i = 0; i < CONTESTANTS; i++, list += rounds)
		is->contestants[i].seconds = list;
	for (i = 0; i < BENCH_LIMITS; i++, list += rounds)
		is->rates[i] = list;
	is->canaries = list;
	is->scratch = list + rounds;
	return bench_activations_new(&is->x, is->cell->m * is->cell->shape.k, is->cell->activations, SEED) ||
			       bench_memory_new(&is->y, is->cell->m * is->cell->shape.n * sizeof(float))
		       ? -ENOMEM
		       : 0;
}

static int begin(struct measurement *is, struct pinpool_diag *diag)
{
	const struct bench_matrix *matrix = is->matrix;
	int err = allocate(is);

	if (err) {
		snprintf(diag->object, sizeof(diag->object), "activations");
		snprintf(diag->cause, sizeof(diag->cause), "no memory for %llu rows", (unsigned long long)is->cell->m);
		snprintf(diag->change, sizeof(diag->change), "choose a smaller --m");
		return err;
	}
	is->product = (struct bench_product){
		.m = is->cell->m,
		.n = matrix->shape.n,
		.k = matrix->shape.k,
		.dtype = matrix->dtype,
		.x = is->x.f32.data,
		.w = bench_matrix_copy(matrix, 0),
		.w_bytes = (const char *)bench_matrix_copy(matrix, 1) - (const char *)bench_matrix_copy(matrix, 0),
		.copies = matrix->copies,
		.w_scales = matrix->scales,
		.y = is->y.data,
		.threads = is->team->threads,
		.packed = is->cell->packed,
	};
	is->machine = (struct bench_machine){
		.isa = pinpool_math_isa(is->team->math),
		.threads = is->team->threads,
		.data = matrix->memory.data,
		.bytes = matrix->memory.bytes,
		.streams = is->team->streams,
	};
	if (!is->machine.streams) {
		err = bench_limits_find_streams(&is->machine);
		is->team->streams = is->machine.streams;
	}
	is->contestants[OURS].takes_part = true;
	return err;
}

int bench_cell_measure(struct bench_cell *cell, const struct bench_cell_args *args, struct bench_team *team,
		       const struct bench_matrix *matrix, struct pinpool_diag *diag)
{
	struct measurement is = {.cell = cell, .args = args, .team = team, .matrix = matrix};
	int who, err;

	cell->dtype = matrix->dtype;
	cell->shape = matrix->shape;
	cell->threads = team->threads;
	cell->isa = pinpool_math_isa(team->math);
	cell->pages = bench_memory_pages(cell->packed ? &matrix->packed_memory : &matrix->memory);
	cell->bytes = matrix->bytes;
	cell->pack_cost = cell->packed ? matrix->pack_cost : NAN;
	cell->repeated = 0;
	err = begin(&is, diag);
	if (!err)
		err = check_ours(&is, diag);
	if (!err)
		err = enter_rivals(&is, diag);
	if (!err)
		err = find_repeats(&is, diag);
	if (!err)
		err = make_rounds(&is, diag);
	if (!err)
		summarize(&is);
	for (who = 0; who < BENCH_RIVALS; who++)
		if (is.contestants[who].job)
			args->rivals[who].rival->release(is.contestants[who].job);
	bench_activations_free(&is.x);
	bench_memory_free(&is.y);
	free(is.figures);
	return err;
}
