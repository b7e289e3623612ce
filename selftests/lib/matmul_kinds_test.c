// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Products with, and rows of, coded weights of the kinds that have bits or blocks: what they stand for is computed here
 * from the same numbers in another form, for every kind and set of kernels.
 */
#include <errno.h>
#include <float.h>

#include "harness.h"
#include "matmul_case.h"
#include "coded_case.h"

struct shape {
	size_t m;
	size_t n;
	size_t k;
};

/*
 * Tails of vectors, words of bits, runs and panels; more rows of X than are read at a time, than a panel of X has, than a
 * unit has; few of W; several steps of K.
 */
static const struct shape shapes[] = {
	{ 1, 1, 1 },   { 1, 7, 15 },   { 2, 9, 64 },	{ 3, 5, 65 },	 { 4, 12, 127 },  { 5, 6, 128 },   { 1, 33, 256 },
	{ 1, 8, 300 }, { 9, 40, 129 }, { 16, 40, 577 }, { 70, 17, 131 }, { 17, 35, 200 }, { 9, 33, 1500 }, { 2, 300, 20 },
};

MATH_FIXTURE(kinds);

/* Activations as bf16, which @x becomes, too. They end before a page that nobody may touch. */
static struct guarded narrowed(struct __test_metadata *_metadata, float *x, size_t count)
{
	struct guarded halves = guarded_new(_metadata, count * sizeof(uint16_t), 0);

	for (size_t i = 0; i < count; i++) {
		uint32_t bits;

		memcpy(&bits, &x[i], sizeof(bits));
		bits &= 0xffff0000;
		memcpy(&x[i], &bits, sizeof(bits));
		memcpy(halves.data + i * 2, (unsigned char *)&bits + 2, 2);
	}
	return halves;
}

/* @results: of @m rows of @x. How many are not within @budget of their sums' magnitudes. */
static size_t count_wrong(const struct coded_case *w, const float *x, const float *results, size_t m, double budget)
{
	size_t wrong = 0;

	for (size_t i = 0; i < m; i++) {
		for (size_t j = 0; j < w->n; j++) {
			double sum = 0, magnitude = 0;

			for (size_t l = 0; l < w->k; l++) {
				double product = (double)x[i * w->k + l] * w->wide[j * w->k + l];

				sum += product;
				magnitude += fabs(product);
			}
			/* Written so that a NaN is wrong. */
			wrong += !(fabs(results[i * w->n + j] - sum) <= budget * magnitude + w->k * 0x1p-149);
		}
	}
	return wrong;
}

TEST_F_TIMEOUT(kinds, products_of_every_form_and_shape, TIMEOUT_SECONDS)
{
	for (size_t s = 0; s < ARRAY_SIZE(shapes); s++) {
		const struct shape *c = &shapes[s];

		/* One form after the other where this takes long. */
		for (size_t f = emulated() ? s % 4 : 0; f < ARRAY_SIZE(coded_forms); f += emulated() ? 4 : 1) {
			struct pinpool_diag diag;
			struct guarded x, y, half;
			struct coded_case w;
			uint64_t state = s;

			coded_case_new(_metadata, &w, &coded_forms[f], c->n, c->k);
			x = guarded_new(_metadata, c->m * w.k * 4, 0);
			y = guarded_new(_metadata, c->m * w.n * 4, 0);
			for (size_t i = 0; i < c->m * w.k; i++)
				((float *)x.data)[i] = (int32_t)next_random(&state) * 0x1p-31f;
			memset(y.data, 0xff, c->m * w.n * 4);
			struct pinpool_matmul_args args = { .size = sizeof(args), .m = c->m, .n = w.n, .k = w.k,
							    .x = x.data, .y = y.data, .w_coded = &w.coded };

			ASSERT_EQ(0, pinpool_coded_check(&w.coded, w.n, w.k, &diag))
			{
				TH_LOG("%s: %s: %s", coded_forms[f].name, diag.object, diag.cause);
			}
			/* With and without their contents being read first. */
			w.coded.flags = s % 2 ? PINPOOL_CODED_CHECKED : 0;
			ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
			EXPECT_EQ(0, count_wrong(&w, (float *)x.data, (float *)y.data, c->m,
						 PINPOOL_MATMUL_BUDGET(w.k)))
			{
				TH_LOG("%s, %zu x %zu x %zu", coded_forms[f].name, c->m, w.n, w.k);
			}
			half = narrowed(_metadata, (float *)x.data, c->m * w.k);
			args.x = half.data;
			args.x_dtype = PINPOOL_DTYPE_BF16;
			memset(y.data, 0xff, c->m * w.n * 4);
			ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
			EXPECT_EQ(0, count_wrong(&w, (float *)x.data, (float *)y.data, c->m,
						 PINPOOL_MATMUL_BUDGET(w.k)))
			{
				TH_LOG("%s, bf16, %zu x %zu x %zu", coded_forms[f].name, c->m, w.n, w.k);
			}
			munmap(half.map, half.map_size);
			args.x = x.data;
			args.x_dtype = PINPOOL_DTYPE_F32;
			memset(y.data, 0xff, c->m * w.n * 4);
			ASSERT_EQ(0, pinpool_matmul_reference(&args, NULL));
			EXPECT_EQ(0, count_wrong(&w, (float *)x.data, (float *)y.data, c->m, 0x1p-24))
			{
				TH_LOG("%s, reference, %zu x %zu x %zu", coded_forms[f].name, c->m, w.n, w.k);
			}
			munmap(x.map, x.map_size);
			munmap(y.map, y.map_size);
			coded_case_free(&w);
		}
	}
}

/* Sparse ones meet only what they store; the others every zero as well. The same for one row of X and for panels. */
TEST_F(kinds, infinities)
{
	enum { N = 16, K = 80 };
	static const size_t rows[] = { 1, 3, 9 };

	for (size_t f = 0; f < ARRAY_SIZE(coded_forms); f++) {
		static float x[9 * K], y[9 * N], reference[9 * N];
		struct coded_case w;

		coded_case_new(_metadata, &w, &coded_forms[f], N, K);
		for (size_t i = 0; i < ARRAY_SIZE(rows) * 4; i++) {
			size_t m = rows[i / 4], column = 21 * (i % 4) + 3;
			struct pinpool_matmul_args args = { .size = sizeof(args), .m = m, .n = w.n, .k = w.k, .x = x,
							    .y = y, .w_coded = &w.coded };

			for (size_t l = 0; l < ARRAY_SIZE(x); l++)
				x[l] = 1;
			x[(m - 1) * w.k + column] = INFINITY;
			ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
			args.y = reference;
			ASSERT_EQ(0, pinpool_matmul_reference(&args, NULL));
			for (size_t j = 0; j < w.n; j++) {
				float weight = w.wide[j * w.k + column], is = y[(m - 1) * w.n + j];
				float should = reference[(m - 1) * w.n + j];

				if (!w.multiplied[j * w.k + column]) {
					EXPECT_TRUE(isfinite(is) && isfinite(should));
				} else if (weight == 0) {
					EXPECT_TRUE(isnan(is) && isnan(should));
				} else {
					EXPECT_TRUE(is == weight * INFINITY && should == is);
				}
			}
		}
		coded_case_free(&w);
	}
}

/* Every pattern of bf16, whose exponents all but some have no code, alone in its row: as it is read and as a product. */
TEST_F_TIMEOUT(kinds, every_bf16_comes_back, TIMEOUT_SECONDS)
{
	static uint16_t halves[1 << 16];
	static float x[9], y[9 << 16];
	uint16_t ones[9];
	const size_t n = emulated() ? 1 << 12 : 1 << 16, m[] = { 1, 9 };
	struct coded_case w;

	for (size_t i = 0; i < n; i++)
		halves[i] = i * ((1 << 16) / n) | (i & (n == 1 << 16 ? 0 : 1));
	for (size_t i = 0; i < ARRAY_SIZE(x); i++)
		x[i] = 1;
	for (size_t i = 0; i < ARRAY_SIZE(ones); i++)
		ones[i] = 0x3f80;
	coded_case_begin(_metadata, &w, &coded_forms[4], n, 1);
	coded_exponents_new(_metadata, &w, &coded_forms[4], halves);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(m); i++) {
		const bool narrow = i % 2;
		struct pinpool_matmul_args args = { .size = sizeof(args), .m = m[i / 2], .n = n, .k = 1, .y = y,
						    .x = narrow ? (const void *)ones : x,
						    .x_dtype = narrow ? PINPOOL_DTYPE_BF16 : PINPOOL_DTYPE_F32,
						    .w_coded = &w.coded };

		ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
		for (size_t j = 0; j < args.m * n; j++) {
			float value = w.wide[j % n];

			if (narrow && y[j] == 0 && fabsf(value) < FLT_MIN)
				continue;
			if (!(isnan(value) ? isnan(y[j]) : y[j] == value))
				ASSERT_EQ(0, j);
		}
	}
	coded_case_free(&w);
}

/* Codes behind the last column are 0, as that of the first exponent, which may be that of infinities. */
TEST_F(kinds, first_exponent_of_infinities)
{
	enum { N = 3, K = 65 };
	static const size_t m[] = { 1, 4, 9 };
	static uint16_t halves[N * K];
	static float x[9 * K], y[9 * N];
	struct coded_case w;

	for (size_t i = 0; i < N * K; i++)
		halves[i] = 119 << 7 | i % 128;
	for (size_t i = 0; i < ARRAY_SIZE(x); i++)
		x[i] = 1;
	coded_case_begin(_metadata, &w, &coded_forms[4], N, K);
	coded_exponents_new(_metadata, &w, &coded_forms[4], halves);
	ASSERT_NE(119, w.coded.exponents[0]);
	*(unsigned char *)w.coded.exponents = 255;
	for (size_t i = 0; i < ARRAY_SIZE(m); i++) {
		struct pinpool_matmul_args args = { .size = sizeof(args), .m = m[i], .n = N, .k = K, .x = x, .y = y,
						    .w_coded = &w.coded };
		struct guarded half = narrowed(_metadata, x, m[i] * K);

		ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
		EXPECT_EQ(0, count_wrong(&w, x, y, m[i], PINPOOL_MATMUL_BUDGET(K)));
		args.x = half.data;
		args.x_dtype = PINPOOL_DTYPE_BF16;
		memset(y, 0xff, sizeof(y));
		ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
		EXPECT_EQ(0, count_wrong(&w, x, y, m[i], PINPOOL_MATMUL_BUDGET(K)));
		munmap(half.map, half.map_size);
	}
	coded_case_free(&w);
}

/* The same bits whatever the threads, the rows of X and which rows of W. */
TEST_F_TIMEOUT(kinds, bits_depend_on_nothing_else, TIMEOUT_SECONDS)
{
	enum { M = 4, N = 400, K = 304 };
	static float x[M * K], all[M * N], y[M * N];
	PINPOOL_OPTS(pinpool_math_opts, opts, .isa = variant->isa, .threads = 3);
	struct pinpool_math *three;
	uint64_t state = 1;

	ASSERT_EQ(0, pinpool_math_new(&three, &opts, NULL));
	for (size_t i = 0; i < M * K; i++)
		x[i] = (int32_t)next_random(&state) * 0x1p-31f;
	for (size_t f = 0; f < ARRAY_SIZE(coded_forms); f++) {
		struct pinpool_matmul_args args = { .size = sizeof(args), .m = M, .n = N, .k = K, .x = x, .y = all };
		struct coded_case w;

		coded_case_new(_metadata, &w, &coded_forms[f], N, K);
		args.w_coded = &w.coded;
		ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
		args.y = y;
		ASSERT_EQ(0, pinpool_matmul(three, &args, NULL));
		EXPECT_EQ(0, memcmp(all, y, sizeof(y)))
		{
			TH_LOG("%s, threads", coded_forms[f].name);
		}
		/* Three, from which on sparse weights meet panels. */
		args.m = 3;
		args.x = x + K;
		ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
		EXPECT_EQ(0, memcmp(all + N, y, 3 * N * sizeof(float)))
		{
			TH_LOG("%s, rows of X", coded_forms[f].name);
		}
		if (!w.coded.starts || f % 2) {
			coded_case_free(&w);
			continue;
		}
		/* The last rows alone: starts need not begin at 0. */
		args.m = M;
		args.x = x;
		args.n = 80;
		w.coded.starts += (N - 80) / (w.coded.block_rows ? w.coded.block_rows : 1);
		if (w.coded.bits)
			w.coded.bits += (N - 80) * ((K + 63) / 64) * (w.coded.exponents ? 3 : 1);
		if (w.coded.codes)
			w.coded.codes = (const char *)w.coded.codes + (N - 80) * ((K + 63) / 64) * 64;
		if (!w.coded.group_rows) {
			ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
			for (size_t i = 0; i < M; i++)
				EXPECT_EQ(0, memcmp(all + i * N + N - 80, y + i * 80, 80 * sizeof(float)))
				{
					TH_LOG("%s, rows of W", coded_forms[f].name);
				}
		}
		coded_case_free(&w);
	}
	pinpool_math_free(three);
}

/* Rows, which no kernels are needed for: all columns and some, bit for bit; a row next to a broken one. */
TEST(rows_are_read)
{
	enum { N = 24, K = 208 };

	for (size_t f = 0; f < ARRAY_SIZE(coded_forms); f++) {
		struct coded_case w;
		float row[K];

		coded_case_new(_metadata, &w, &coded_forms[f], N, K);
		for (size_t i = 0; i < N; i++) {
			for (size_t first = 0; first < K; first += 1 + first / 3) {
				size_t end = first + (i * 37 + first) % (K - first + 1);

				memset(row, 0xff, sizeof(row));
				ASSERT_EQ(0, pinpool_coded_row(row, &w.coded, N, K, i, first, end, NULL));
				ASSERT_EQ(0, memcmp(row, w.wide + i * K + first, (end - first) * 4))
				{
					TH_LOG("%s, row %zu, columns %zu to %zu", coded_forms[f].name, i, first, end);
				}
				for (size_t l = end - first; l < K; l++)
					ASSERT_TRUE(isnan(row[l]));
			}
		}
		EXPECT_EQ(-EINVAL, pinpool_coded_row(NULL, &w.coded, N, K, 0, 0, 1, NULL));
		EXPECT_EQ(-EINVAL, pinpool_coded_row(row, NULL, N, K, 0, 0, 1, NULL));
		EXPECT_EQ(-EINVAL, pinpool_coded_row(row, &w.coded, N, K, N, 0, 1, NULL));
		EXPECT_EQ(-EINVAL, pinpool_coded_row(row, &w.coded, N, K, 0, 2, 1, NULL));
		EXPECT_EQ(-EINVAL, pinpool_coded_row(row, &w.coded, N, K, 0, 0, K + 1, NULL));
		if (w.coded.starts) {
			((uint64_t *)w.coded.starts)[N / (coded_forms[f].rows ? coded_forms[f].rows : 1)] = UINT64_MAX;
			EXPECT_EQ(0, pinpool_coded_row(row, &w.coded, N, K, 0, 0, K, NULL));
			EXPECT_EQ(-EINVAL, pinpool_coded_row(row, &w.coded, N, K, N - 1, 0, K, NULL));
		}
		coded_case_free(&w);
	}
}

TEST_HARNESS_MAIN
