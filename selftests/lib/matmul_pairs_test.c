// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * bf16 weights and bf16 activations, which some kernels multiply as they are: every number of rows in a tile, every tail,
 * steps along K, packed and not, and values at the ends of the type.
 */
#include <pinpool/packing.h>

#include "harness.h"
#include "matmul_case.h"

MATH_FIXTURE(pairs);

static float widened(uint16_t bits)
{
	uint32_t word = (uint32_t)bits << 16;
	float value;

	memcpy(&value, &word, sizeof(value));
	return value;
}

/* Both factors before a page that nobody may touch. */
struct factors {
	size_t m;
	size_t n;
	size_t k;
	struct guarded x;
	struct guarded w;
	struct pinpool_packing packing;
	float *y;
};

static void factors_new(struct __test_metadata *_metadata, struct factors *f, size_t m, size_t n, size_t k, uint64_t seed)
{
	*f = (struct factors){
		.m = m,
		.n = n,
		.k = k,
		.x = guarded_new(_metadata, m * k * 2, 0),
		.w = guarded_new(_metadata, n * k * 2, 0),
		.y = malloc(m * n * sizeof(float)),
	};
	ASSERT_NE(NULL, f->y);
	for (size_t i = 0; i < m * k; i++)
		((uint16_t *)f->x.data)[i] = (uint16_t)random_weight(PINPOOL_DTYPE_BF16, &seed);
	for (size_t i = 0; i < n * k; i++)
		((uint16_t *)f->w.data)[i] = (uint16_t)random_weight(PINPOOL_DTYPE_BF16, &seed);
}

static void factors_pack(struct __test_metadata *_metadata, struct factors *f, struct pinpool_math *math)
{
	void *data;

	f->packing.size = sizeof(f->packing);
	ASSERT_EQ(0, pinpool_packing_describe(math, PINPOOL_DTYPE_BF16, f->n, f->k, &f->packing, NULL));
	data = aligned_alloc(PINPOOL_PACKING_ALIGN, f->packing.bytes);
	ASSERT_NE(NULL, data);
	/* What it does not write shows. */
	memset(data, 0xff, f->packing.bytes);
	ASSERT_EQ(0, pinpool_packing_rows(math, &f->packing, 0, f->n, f->w.data, 0, NULL, data, NULL));
	f->packing.data = data;
}

static void factors_free(struct factors *f)
{
	munmap(f->x.map, f->x.map_size);
	munmap(f->w.map, f->w.map_size);
	free((void *)f->packing.data);
	free(f->y);
}

static const float *multiply(struct __test_metadata *_metadata, struct factors *f, struct pinpool_math *math, bool packed)
{
	PINPOOL_OPTS(pinpool_matmul_args, args, .m = f->m, .n = f->n, .k = f->k, .x = (const void *)f->x.data,
		     .x_dtype = PINPOOL_DTYPE_BF16, .w = packed ? NULL : f->w.data, .w_dtype = PINPOOL_DTYPE_BF16,
		     .packing = packed ? &f->packing : NULL, .y = f->y);

	memset(f->y, 0xff, f->m * f->n * sizeof(float));
	ASSERT_EQ(0, pinpool_matmul(math, &args, NULL));
	return f->y;
}

/* Against sums in double, of which there are not too many columns. */
static void check(struct __test_metadata *_metadata, struct factors *f, struct pinpool_math *math, bool packed)
{
	const uint16_t *x = (const uint16_t *)f->x.data, *w = (const uint16_t *)f->w.data;
	const float *y = multiply(_metadata, f, math, packed);
	size_t wrong = 0;

	for (size_t i = 0; i < f->m; i++)
		for (size_t j = 0; j < f->n; j++) {
			double sum = 0, magnitude = 0, product;

			for (size_t l = 0; l < f->k; l++) {
				product = (double)widened(x[i * f->k + l]) * widened(w[j * f->k + l]);
				sum += product;
				magnitude += fabs(product);
			}
			/* Subnormal factors, which are below 2^-126, may count as zero; the others are below 2. */
			if (!(fabs(y[i * f->n + j] - sum) <=
			      PINPOOL_MATMUL_BUDGET(f->k) * magnitude + (double)f->k * 0x1p-125) &&
			    !wrong++)
				TH_LOG("m %zu n %zu k %zu%s: y[%zu][%zu] is %.9g, not %.9g", f->m, f->n, f->k,
				       packed ? ", packed" : "", i, j, (double)y[i * f->n + j], sum);
		}
	ASSERT_EQ(0, wrong);
}

static void check_both(struct __test_metadata *_metadata, struct pinpool_math *math, size_t m, size_t n, size_t k)
{
	struct factors f;

	factors_new(_metadata, &f, m, n, k, m * 1000 + n * 100 + k);
	factors_pack(_metadata, &f, math);
	check(_metadata, &f, math, false);
	check(_metadata, &f, math, true);
	factors_free(&f);
}

TEST_F_TIMEOUT(pairs, every_number_of_rows, TIMEOUT_SECONDS)
{
	for (size_t m = 1; m <= 31; m++)
		check_both(_metadata, self->math, m, 37, 45);
}

TEST_F_TIMEOUT(pairs, every_tail, TIMEOUT_SECONDS)
{
	static const size_t tails[] = { 1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97 };

	for (size_t i = 0; i < ARRAY_SIZE(tails); i++)
		for (size_t j = 0; j < ARRAY_SIZE(tails); j++)
			check_both(_metadata, self->math, i % 2 ? 9 : 17, tails[i], tails[j]);
}

/* Many steps along K, of which the last is odd; many panels of X. */
TEST_F_TIMEOUT(pairs, steps_and_blocks, TIMEOUT_SECONDS)
{
	check_both(_metadata, self->math, 20, 40, emulated() ? 4099 : 30001);
	check_both(_metadata, self->math, emulated() ? 100 : 700, 66, 130);
}

/* Sums that are exact in whatever order, so all kernels agree to the bit, rows in gaps and all. */
TEST_F(pairs, exact_sums_are_exact)
{
	enum { M = 29, N = 70, K = 211, LDX = K + 5, LDY = N + 3 };
	struct factors f;
	uint16_t *spread = malloc(M * LDX * 2);
	float *y = malloc(M * LDY * sizeof(float));
	PINPOOL_OPTS(pinpool_matmul_args, args, .m = M, .n = N, .k = K, .x = (const void *)spread, .ldx = LDX,
		     .x_dtype = PINPOOL_DTYPE_BF16, .w_dtype = PINPOOL_DTYPE_BF16, .y = y, .ldy = LDY);

	ASSERT_TRUE(spread && y);
	factors_new(_metadata, &f, M, N, K, 5);
	for (size_t i = 0; i < M * LDX; i++)
		spread[i] = 0x7fc0;
	for (size_t i = 0; i < M * K; i++)
		spread[i / K * LDX + i % K] = (uint16_t)(i % 3 ? 0x3f80 : 0xc000); /* 1 and -2 */
	for (size_t i = 0; i < N * K; i++)
		((uint16_t *)f.w.data)[i] = (uint16_t)(i % 5 ? 0x4040 : 0xbf80); /* 3 and -1 */
	factors_pack(_metadata, &f, self->math);
	for (int packed = 0; packed < 2; packed++) {
		memset(y, 0xa5, M * LDY * sizeof(float));
		args.w = packed ? NULL : f.w.data;
		args.packing = packed ? &f.packing : NULL;
		ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
		for (size_t i = 0; i < M; i++) {
			for (size_t j = 0; j < N; j++) {
				int sum = 0;

				for (size_t l = 0; l < K; l++)
					sum += ((i * K + l) % 3 ? 1 : -2) * ((j * K + l) % 5 ? 3 : -1);
				ASSERT_EQ(sum, y[i * LDY + j]);
			}
			for (size_t j = N; j < LDY; j++)
				ASSERT_EQ(0, memcmp(&y[i * LDY + j], "\xa5\xa5\xa5\xa5", 4));
		}
	}
	factors_free(&f);
	free(spread);
	free(y);
}

TEST_F(pairs, values_that_are_not_finite_follow_ieee)
{
	enum { M = 15, N = 40, K = 50 };
	static const struct {
		uint16_t x;
		uint16_t w;
		float is; /* NaN: any */
	} cases[] = {
		{ 0x7f80, 0x3f80, INFINITY },  { 0x7f80, 0xbf80, -INFINITY }, { 0x7f80, 0, NAN },
		{ 0, 0xff80, NAN },	       { 0xff80, 0xff80, INFINITY },  { 0x7fc1, 0, NAN },
		{ 0x3f80, 0x7f81, NAN },       { 0x7f7f, 0x7f7f, INFINITY },  { 0x7f7f, 0xff7f, -INFINITY },
	};

	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		struct factors f;

		factors_new(_metadata, &f, M, N, K, c);
		for (size_t l = 0; l < 2; l++) {
			/* In either half of a pair. */
			((uint16_t *)f.x.data)[3 * K + 7 + l] = l ? cases[c].x : 0;
			((uint16_t *)f.x.data)[9 * K + 8 + l] = l ? cases[c].x : 0;
			((uint16_t *)f.w.data)[20 * K + 7 + l] = l ? cases[c].w : 0;
			((uint16_t *)f.w.data)[21 * K + 8 + l] = l ? cases[c].w : 0;
		}
		factors_pack(_metadata, &f, self->math);
		for (int packed = 0; packed < 2; packed++) {
			const float *y = multiply(_metadata, &f, self->math, packed);
			const float got[] = { y[3 * N + 20], y[9 * N + 21] };

			for (int i = 0; i < 2; i++) {
				EXPECT_TRUE(isnan(cases[c].is) ? isnan(got[i]) : got[i] == cases[c].is)
				{
					TH_LOG("case %zu, half %d%s: %g", c, i, packed ? ", packed" : "", (double)got[i]);
				}
			}
			/* Rows without either stay finite. */
			EXPECT_TRUE(isfinite(y[5 * N + 5]));
		}
		factors_free(&f);
	}
}

TEST_F(pairs, subnormals_count_as_they_are_or_as_zero)
{
	enum { M = 12, N = 33, K = 24 };
	struct factors f;

	factors_new(_metadata, &f, M, N, K, 1);
	for (size_t i = 0; i < M * K; i++)
		((uint16_t *)f.x.data)[i] = 0x3f80;
	for (size_t i = 0; i < N * K; i++)
		((uint16_t *)f.w.data)[i] = 0x0040;
	factors_pack(_metadata, &f, self->math);
	for (int packed = 0; packed < 2; packed++) {
		const float *y = multiply(_metadata, &f, self->math, packed);

		for (size_t i = 0; i < M * N; i++)
			EXPECT_TRUE(y[i] == 0 || y[i] == K * 0x1p-127f);
	}
	factors_free(&f);
}

TEST_F(pairs, same_bits_whatever_the_threads)
{
	struct pinpool_math *alone = math_for(_metadata, variant->isa, 1);
	struct factors f;
	float *first;

	factors_new(_metadata, &f, 61, 300, 700, 3);
	factors_pack(_metadata, &f, self->math);
	first = malloc(f.m * f.n * sizeof(float));
	ASSERT_NE(NULL, first);
	for (int packed = 0; packed < 2; packed++) {
		memcpy(first, multiply(_metadata, &f, alone, packed), f.m * f.n * sizeof(float));
		EXPECT_EQ(0, memcmp(first, multiply(_metadata, &f, self->math, packed), f.m * f.n * sizeof(float)));
	}
	free(first);
	factors_free(&f);
	pinpool_math_free(alone);
}

TEST_HARNESS_MAIN
