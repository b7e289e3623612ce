// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * The check that pinpool matmul makes of its own product: a right product is within the budget, and a wrong element is
 * found wherever it is, since a check that cannot fail is worth nothing.
 */
#include "../../tools/matmul_check.h"

#include "harness.h"

#include <math.h>
#include <stdlib.h>

enum {
	M = 5,
	N = 37,
	K = 129,
};

FIXTURE(product)
{
	struct pinpool_matmul_args args;
	struct matmul_check check;
	struct pinpool_diag diag;
	float x[M * K];
	float w[N * K];
	uint16_t half[N * K];
	float y[M * (N + 3)];
};

FIXTURE_SETUP(product)
{
	int i;

	for (i = 0; i < M * K; i++)
		self->x[i] = (float)((i * 7919) % 2003) / 1001.5f - 1.0f;
	for (i = 0; i < N * K; i++)
		self->w[i] = (float)((i * 6607) % 1999) / 999.5f - 1.0f;
	self->args = (struct pinpool_matmul_args){
		.size = sizeof(self->args),
		.m = M,
		.n = N,
		.k = K,
		.x = self->x,
		.w = self->w,
		.w_dtype = PINPOOL_DTYPE_F32,
		.y = self->y,
	};
	ASSERT_EQ(0, pinpool_matmul_reference(&self->args, &self->diag));
}

FIXTURE_TEARDOWN(product)
{
}

static bool within(FIXTURE_DATA(product) * self)
{
	struct matmul_check_how how = matmul_check_how(&self->args, 1);

	return !matmul_check(&self->args, &how, &self->check, &self->diag) && self->check.within;
}

TEST_F(product, a_right_product_is_within)
{
	EXPECT_TRUE(within(self));
	EXPECT_EQ(N, self->check.columns);
	EXPECT_EQ(0, self->check.largest);
}

TEST_F(product, a_wrong_element_is_found_wherever_it_is)
{
	int i;

	for (i = 0; i < M * N; i++) {
		float right = self->y[i];

		self->y[i] = right + 0.01f;
		EXPECT_FALSE(within(self));
		EXPECT_EQ(i / N, self->check.row);
		EXPECT_EQ(i % N, self->check.column);
		EXPECT_EQ(right, self->check.should);
		EXPECT_EQ(self->y[i], self->check.is);
		self->y[i] = right;
	}
}

TEST_F(product, the_budget_is_the_border)
{
	float right = self->y[0];
	double sum = 0;
	int i;

	for (i = 0; i < K; i++)
		sum += fabs((double)self->x[i] * (double)self->w[i]);
	self->y[0] = (float)(right + 0.9 * PINPOOL_MATMUL_BUDGET(K) * sum);
	EXPECT_TRUE(within(self));
	EXPECT_LT(0.8 * PINPOOL_MATMUL_BUDGET(K), self->check.largest);
	self->y[0] = (float)(right + 1.1 * PINPOOL_MATMUL_BUDGET(K) * sum);
	EXPECT_FALSE(within(self));
}

TEST_F(product, what_is_not_finite_must_be_so_on_both_sides)
{
	float right = self->y[3];

	self->y[3] = NAN;
	EXPECT_FALSE(within(self));
	self->y[3] = INFINITY;
	EXPECT_FALSE(within(self));
	self->y[3] = right;

	/* Column 3 becomes NaN, column 4 infinite with the sign of x. */
	self->w[3 * K] = NAN;
	self->w[4 * K] = INFINITY;
	ASSERT_EQ(0, pinpool_matmul_reference(&self->args, &self->diag));
	EXPECT_TRUE(isnan(self->y[3]));
	EXPECT_TRUE(isinf(self->y[4]));
	EXPECT_TRUE(within(self));
	self->y[4] = -self->y[4];
	EXPECT_FALSE(within(self));
	self->y[4] = -self->y[4];
	self->y[3] = 1;
	EXPECT_FALSE(within(self));
}

TEST_F(product, half_types_are_checked_in_their_own_bits)
{
	static const enum pinpool_dtype types[] = {PINPOOL_DTYPE_F16, PINPOOL_DTYPE_BF16};
	size_t t;
	int i;

	/* Any finite patterns do: exponents up to the middle, both signs. */
	for (i = 0; i < N * K; i++)
		self->half[i] = (uint16_t)((i * 40503) & 0xbfff);
	self->args.w = self->half;
	for (t = 0; t < 2; t++) {
		self->args.w_dtype = types[t];
		ASSERT_EQ(0, pinpool_matmul_reference(&self->args, &self->diag));
		EXPECT_TRUE(within(self));
		self->y[7] = self->y[7] * 1.01f + 1;
		EXPECT_FALSE(within(self));
		EXPECT_EQ(7, self->check.column);
	}
}

TEST_F(product, strides_are_respected)
{
	float *y = self->y;
	int i;

	for (i = 0; i < M * (N + 3); i++)
		y[i] = NAN;
	self->args.ldy = N + 3;
	ASSERT_EQ(0, pinpool_matmul_reference(&self->args, &self->diag));
	EXPECT_TRUE(within(self));
	y[(M - 1) * (N + 3) + N - 1] += 1;
	EXPECT_FALSE(within(self));
	EXPECT_EQ(M - 1, self->check.row);
	EXPECT_EQ(N - 1, self->check.column);
}

/* Too large to be checked whole: the first and the last column always are, and a sample between. */
TEST(a_large_product_is_sampled)
{
	enum { ROWS = 64, COLUMNS = 20000, DEPTH = 256 };
	float *x = calloc(ROWS * DEPTH, sizeof(*x)), *w = calloc(COLUMNS * DEPTH, sizeof(*w));
	float *y = calloc(ROWS * COLUMNS, sizeof(*y));
	struct pinpool_diag diag;
	struct matmul_check check;
	PINPOOL_OPTS(pinpool_matmul_args, args, .m = ROWS, .n = COLUMNS, .k = DEPTH, .x = x, .w = w,
		     .w_dtype = PINPOOL_DTYPE_F32, .y = y);
	struct matmul_check_how how = matmul_check_how(&args, 1);
	int i;

	ASSERT_TRUE(x && w && y);
	ASSERT_EQ(0, matmul_check(&args, &how, &check, &diag));
	EXPECT_TRUE(check.within);
	EXPECT_LT(1000, check.columns);
	EXPECT_GT(COLUMNS, check.columns);
	y[0] = 1;
	ASSERT_EQ(0, matmul_check(&args, &how, &check, &diag));
	EXPECT_FALSE(check.within);
	y[0] = 0;
	y[COLUMNS - 1] = 1;
	ASSERT_EQ(0, matmul_check(&args, &how, &check, &diag));
	EXPECT_FALSE(check.within);
	EXPECT_EQ(COLUMNS - 1, check.column);
	y[COLUMNS - 1] = 0;
	/* One of each stretch of COLUMNS / check.columns is compared, so a run of twice that is never missed. */
	for (i = 0; i < 2 * (COLUMNS / (int)check.columns + 1); i++)
		y[9000 + i] = 1;
	how.seed = 7;
	ASSERT_EQ(0, matmul_check(&args, &how, &check, &diag));
	EXPECT_FALSE(check.within);
	free(x);
	free(w);
	free(y);
}

TEST_HARNESS_MAIN
