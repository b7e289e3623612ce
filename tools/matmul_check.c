/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The check of a product; see matmul_check.h. The bound of an element is a share of the sum of the magnitudes of its
 * products, which is the reference again, on |X| and |W|. The reference is slow, so a large product is checked on a
 * sample of the rows of W: the first, the last, and one at random from each of equal stretches between.
 */
#include "matmul_check.h"
#include "random.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Multiplications that a check may cost, about a second of the reference's. */
#define WORK	      (1ULL << 28)
#define LEAST_COLUMNS 4

static void magnitudes(float *values, uint64_t count)
{
	uint64_t i;

	for (i = 0; i < count; i++)
		values[i] = fabsf(values[i]);
}

/* Gives each value the largest of its run. */
static void spread_largest(float *values, uint64_t count, uint64_t run)
{
	for (; count; count -= run, values += run) {
		float largest = 0;
		uint64_t i;

		if (run > count)
			run = count;
		for (i = 0; i < run; i++)
			largest = fmaxf(largest, values[i]);
		for (i = 0; i < run; i++)
			values[i] = largest;
	}
}

struct matmul_check_how matmul_check_how(const struct pinpool_matmul_args *args, uint64_t seed)
{
	uint64_t run = pinpool_matmul_run(args->w_dtype);

	return (struct matmul_check_how){
		.budget = PINPOOL_MATMUL_BUDGET(args->k) + (run ? PINPOOL_MATMUL_QUANT : 0),
		.run = run ? run : 1,
		.seed = seed,
		.work = WORK,
	};
}

static uint64_t sample(uint64_t i, uint64_t count, uint64_t n, uint64_t *state)
{
	uint64_t first, end;

	if (count == n || i == 0)
		return i;
	if (i == count - 1)
		return n - 1;
	first = (unsigned __int128)i * n / count;
	end = (unsigned __int128)(i + 1) * n / count;
	return first + random_next(state) % (end - first);
}

/* Is @is a right result where the reference gives @should and the magnitudes add up to @sum? */
static bool is_right(float is, float should, float sum, double budget, uint64_t k)
{
	/* Gradual underflow costs up to half of the least subnormal number in each step. */
	double bound = budget * (double)sum + (double)k * 0x1p-149;

	if (isnan(should))
		return isnan(is);
	if (isinf(should))
		return is == should;
	/* Parts of the sum may overflow where the whole does not. */
	if (!isfinite(sum))
		return true;
	return fabs((double)is - (double)should) <= bound;
}

static void compare(const struct pinpool_matmul_args *args, double budget, uint64_t column, const float *should,
		    const float *sums, struct matmul_check *check)
{
	uint64_t ldy = args->ldy ? args->ldy : args->n, i;
	const float *y = args->y;

	for (i = 0; i < args->m && check->within; i++) {
		float is = y[i * ldy + column];
		double share = fabs((double)is - (double)should[i]) / (double)sums[i];

		check->within = is_right(is, should[i], sums[i], budget, args->k);
		if (check->within && !(isfinite(share) && share > check->largest))
			continue;
		check->largest = share;
		check->row = i;
		check->column = column;
		check->is = is;
		check->should = should[i];
	}
}

/* The magnitudes of row @column of the weights, all larger by @lift. Returns 0 or what widening them gave. */
static int weight_magnitudes(const struct pinpool_matmul_args *args, uint64_t column, const void *row, float lift,
			     float *to)
{
	float scale = args->w_scales ? args->w_scales[column] : 1;
	int err = pinpool_matmul_weights(args->w_dtype, row, to, args->k);
	uint64_t i;

	for (i = 0; !err && i < args->k; i++)
		to[i] = fabsf(to[i] * scale) + lift;
	return err;
}

int matmul_check(const struct pinpool_matmul_args *args, const struct matmul_check_how *how, struct matmul_check *check,
		 struct pinpool_diag *diag)
{
	uint64_t ldw = args->ldw ? args->ldw : args->k, ldx = args->ldx ? args->ldx : args->k;
	uint64_t i, column, per_column = args->m * args->k * 2, seed = how->seed;
	float *abs_x = NULL, *abs_w = NULL, *should = NULL, *sums = NULL;
	int err = -ENOMEM;

	*check = (struct matmul_check){.within = true, .columns = how->work / per_column};
	if (check->columns < LEAST_COLUMNS)
		check->columns = LEAST_COLUMNS;
	if (check->columns > args->n)
		check->columns = args->n;

	abs_x = malloc(args->m * args->k * sizeof(*abs_x));
	abs_w = malloc(args->k * sizeof(*abs_w));
	should = malloc(args->m * sizeof(*should));
	sums = malloc(args->m * sizeof(*sums));
	if (!abs_x || !abs_w || !should || !sums)
		goto out;
	for (i = 0; i < args->m; i++) {
		memcpy(abs_x + i * args->k, (const float *)args->x + i * ldx, args->k * sizeof(*abs_x));
		magnitudes(abs_x + i * args->k, args->k);
		spread_largest(abs_x + i * args->k, args->k, how->run);
	}

	for (i = 0; i < check->columns; i++) {
		struct pinpool_matmul_args one = *args;

		column = sample(i, check->columns, args->n, &seed);
		one.n = 1;
		if (how->row)
			one.w = how->row(how->row_arg, column, diag);
		else
			one.w = (const char *)args->w + column * pinpool_dtype_bytes(args->w_dtype, ldw);
		err = -EIO;
		if (!one.w)
			goto out;
		one.ldw = 0;
		one.w_scales = args->w_scales ? args->w_scales + column : NULL;
		one.y = should;
		one.ldy = 0;
		err = pinpool_matmul_reference(&one, diag);
		if (err)
			goto out;
		err = weight_magnitudes(args, column, one.w, how->lift, abs_w);
		if (err)
			goto out;
		one.w = abs_w;
		one.w_dtype = PINPOOL_DTYPE_F32;
		one.w_scales = NULL;
		one.x = abs_x;
		one.ldx = 0;
		one.y = sums;
		err = pinpool_matmul_reference(&one, diag);
		if (err)
			goto out;
		compare(args, how->budget, column, should, sums, check);
	}
out:
	free(abs_x);
	free(abs_w);
	free(should);
	free(sums);
	return err;
}
