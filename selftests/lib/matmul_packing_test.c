// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Products with a packing, of I8 weights, and of several weights at once: within the budget of the same product as it is
 * defined, for every type and set of kernels; what does not fit together is refused.
 */
#include "harness.h"
#include "matmul_case.h"

#include <pinpool/packing.h>

#define K_MAX 2051

static const enum pinpool_dtype dtypes[] = {
	PINPOOL_DTYPE_F32,     PINPOOL_DTYPE_BF16, PINPOOL_DTYPE_F16,  PINPOOL_DTYPE_F8_E4M3, PINPOOL_DTYPE_F8_E5M2,
	PINPOOL_DTYPE_I8,      PINPOOL_DTYPE_Q8_0, PINPOOL_DTYPE_Q4_0, PINPOOL_DTYPE_Q4_K,    PINPOOL_DTYPE_Q6_K,
};

/* Weights, and their packing, each up to a page that nobody may touch. */
struct weights {
	enum pinpool_dtype dtype;
	size_t n;
	size_t k;
	struct guarded w;
	struct guarded packed;
	float *scales; /* NULL for all types but I8 */
	struct pinpool_packing packing;
};

static size_t block_values(enum pinpool_dtype dtype)
{
	return pinpool_dtype_block_values(dtype) ? pinpool_dtype_block_values(dtype) : 1;
}

/* Finite values: no exponent is all ones. */
static void fill(struct weights *w, uint64_t *state)
{
	size_t block = block_values(w->dtype), bytes = pinpool_dtype_bytes(w->dtype, block);

	for (size_t i = 0; i < w->n * w->k / block; i++) {
		unsigned char *at = w->w.data + i * bytes;

		if (block == 1 && w->dtype != PINPOOL_DTYPE_I8) {
			memcpy(at, &(uint32_t){ random_weight(w->dtype, state) }, bytes);
			continue;
		}
		for (size_t b = 0; b < bytes; b++)
			at[b] = next_random(state) >> 24;
		if (w->dtype == PINPOOL_DTYPE_Q6_K)
			at[209] = (at[209] & 0x83) | 0x20;
		else if (block > 1)
			at[1] = (at[1] & 0x83) | 0x20;
		if (w->dtype == PINPOOL_DTYPE_Q4_K)
			at[3] = (at[3] & 0x83) | 0x20;
	}
}

static void weights_new(struct __test_metadata *_metadata, struct weights *w, struct pinpool_math *math,
			enum pinpool_dtype dtype, size_t n, size_t k)
{
	uint64_t state = n * 1000 + k;
	struct pinpool_diag diag;

	*w = (struct weights){ .dtype = dtype, .n = n, .k = k, .packing.size = sizeof(w->packing) };
	w->w = guarded_new(_metadata, pinpool_dtype_bytes(dtype, n * k), 0);
	fill(w, &state);
	if (dtype == PINPOOL_DTYPE_I8) {
		w->scales = malloc(n * sizeof(float));
		ASSERT_NE(NULL, w->scales);
		for (size_t i = 0; i < n; i++)
			w->scales[i] = (int32_t)next_random(&state) * 0x1p-36f;
	}
	ASSERT_EQ(0, pinpool_packing_describe(math, dtype, n, k, &w->packing, &diag))
	{
		TH_LOG("%s: %s", diag.object, diag.cause);
	}
	EXPECT_EQ(NULL, w->packing.data);
	EXPECT_EQ(0, w->packing.bytes % PINPOOL_PACKING_ALIGN);
	w->packed = guarded_new(_metadata, w->packing.bytes, 0);
	memset(w->packed.data, 0xa5, w->packing.bytes);
	ASSERT_EQ(0, pinpool_packing_rows(math, &w->packing, 0, n, w->w.data, 0, w->scales, w->packed.data, &diag))
	{
		TH_LOG("%s: %s", diag.object, diag.cause);
	}
	w->packing.data = w->packed.data;
}

static void weights_free(struct weights *w)
{
	munmap(w->w.map, w->w.map_size);
	munmap(w->packed.map, w->packed.map_size);
	free(w->scales);
}

static void fill_activations(float *x, size_t count)
{
	uint64_t state = count;

	for (size_t i = 0; i < count; i++)
		x[i] = (int32_t)next_random(&state) * 0x1p-31f;
}

/* Each activation as large as the largest of its run. */
static void spread_largest(float *x, size_t k, size_t run)
{
	for (size_t first = 0; run && first < k; first += run) {
		size_t end = first + run < k ? first + run : k;
		float largest = 0;

		for (size_t i = first; i < end; i++)
			largest = fmaxf(largest, fabsf(x[i]));
		for (size_t i = first; i < end; i++)
			x[i] = largest;
	}
}

/* How many of Y's elements are not within the budget. */
static size_t count_wrong(struct __test_metadata *_metadata, const struct weights *w, size_t m, const float *x, const float *y)
{
	size_t run = pinpool_matmul_run(w->dtype), wrong = 0;
	double budget = PINPOOL_MATMUL_BUDGET(w->k) + (run ? PINPOOL_MATMUL_QUANT : 0);
	float row[K_MAX], largest[K_MAX];

	ASSERT_LE(w->k, K_MAX);
	for (size_t j = 0; j < w->n; j++) {
		double scale = w->scales ? w->scales[j] : 1;

		ASSERT_EQ(0, pinpool_matmul_weights(w->dtype, w->w.data + pinpool_dtype_bytes(w->dtype, j * w->k), row, w->k));
		for (size_t i = 0; i < m; i++) {
			double sum = 0, magnitude = 0;

			memcpy(largest, x + i * w->k, w->k * sizeof(float));
			spread_largest(largest, w->k, run);
			for (size_t l = 0; l < w->k; l++) {
				sum += (double)x[i * w->k + l] * row[l] * scale;
				magnitude += fabs((double)largest[l] * row[l] * scale);
			}
			/* Written so that a NaN is wrong. */
			if (!(fabs(y[i * w->n + j] - sum) <= budget * magnitude + w->k * 0x1p-149) && !wrong++)
				TH_LOG("%s m %zu n %zu k %zu: y[%zu][%zu] is %.9g, not %.9g +- %.3g",
				       pinpool_dtype_name(w->dtype), m, w->n, w->k, i, j, y[i * w->n + j], sum,
				       budget * magnitude);
		}
	}
	return wrong;
}

static struct pinpool_matmul_args product_of(const struct weights *w, size_t m, const float *x, float *y, bool packed)
{
	PINPOOL_OPTS(pinpool_matmul_args, args, .m = m, .n = w->n, .k = w->k, .x = x, .w_dtype = w->dtype, .y = y);

	if (packed) {
		args.packing = &w->packing;
	} else {
		args.w = w->w.data;
		args.w_scales = w->scales;
	}
	return args;
}

static void check_products(struct __test_metadata *_metadata, struct pinpool_math *math, enum pinpool_dtype dtype, size_t n,
			   size_t k, const size_t *ms, size_t count)
{
	struct pinpool_diag diag;
	struct weights w;

	weights_new(_metadata, &w, math, dtype, n, k);
	for (size_t i = 0; i < count; i++) {
		struct guarded x = guarded_new(_metadata, ms[i] * k * 4, 0);
		struct guarded y = guarded_new(_metadata, ms[i] * n * 4, 0);

		fill_activations((float *)x.data, ms[i] * k);
		/* Weights of block types as they lie are another test's. */
		for (int packed = 0; packed < 2; packed++) {
			struct pinpool_matmul_args args = product_of(&w, ms[i], (float *)x.data, (float *)y.data, packed);

			memset(y.data, 0xff, ms[i] * n * 4);
			ASSERT_EQ(0, pinpool_matmul(math, &args, &diag))
			{
				TH_LOG("%s: %s", diag.object, diag.cause);
			}
			EXPECT_EQ(0, count_wrong(_metadata, &w, ms[i], (float *)x.data, (float *)y.data))
			{
				TH_LOG("%s", packed ? "packed" : "as it lies");
			}
		}
		munmap(x.map, x.map_size);
		munmap(y.map, y.map_size);
	}
	weights_free(&w);
}

MATH_FIXTURE(packing);

/* Every height of a panel of X, each number of panels side by side, and tails of all of them. */
TEST_F_TIMEOUT(packing, every_type_and_shape, TIMEOUT_SECONDS)
{
	static const size_t ms[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 25, 31 };
	/* Kernels that are emulated have panels of 12 rows at most, and heights up to 8. */
	static const size_t all_ns[] = { 1, 15, 33, 70, 131 }, emulated_ns[] = { 1, 15, 51 };
	const size_t *ns = emulated() ? emulated_ns : all_ns;
	size_t n_count = emulated() ? ARRAY_SIZE(emulated_ns) : ARRAY_SIZE(all_ns);
	size_t m_count = emulated() ? 9 : ARRAY_SIZE(ms);

	for (size_t t = 0; t < ARRAY_SIZE(dtypes); t++) {
		size_t block = block_values(dtypes[t]);
		size_t ks[] = { block, block > 1 ? 2 * block : 7, block > 1 ? 3 * block : 258 };

		for (size_t i = 0; i < n_count; i++)
			check_products(_metadata, self->math, dtypes[t], ns[i], ks[i % ARRAY_SIZE(ks)], ms, m_count);
	}
}

/* Several steps of K, whose sums are added up. */
TEST_F_TIMEOUT(packing, long_rows, TIMEOUT_SECONDS)
{
	static const size_t ms[] = { 1, 40 };

	for (size_t t = 0; t < ARRAY_SIZE(dtypes); t++)
		check_products(_metadata, self->math, dtypes[t], 48, block_values(dtypes[t]) > 1 ? 1024 : 1023, ms,
			       ARRAY_SIZE(ms));
}

/* More than a few panels of X: of types that are slow to widen, panels of f32 are made first. */
TEST_F_TIMEOUT(packing, many_rows, TIMEOUT_SECONDS)
{
	static const size_t ms[] = { 70, 190 };

	for (size_t t = 0; t < ARRAY_SIZE(dtypes); t++)
		check_products(_metadata, self->math, dtypes[t], 37, block_values(dtypes[t]) > 1 ? 256 : emulated() ? 263 : K_MAX,
			       ms, emulated() ? 1 : ARRAY_SIZE(ms));
}

TEST_F(packing, same_bits_whatever_the_threads)
{
	static const size_t ms[] = { 1, 30 };

	for (size_t t = 0; t < ARRAY_SIZE(dtypes); t++) {
		float *x, *y[2];
		struct weights w;

		weights_new(_metadata, &w, self->math, dtypes[t], 200, 512);
		for (size_t i = 0; i < ARRAY_SIZE(ms); i++) {
			x = malloc(ms[i] * w.k * 4);
			ASSERT_NE(NULL, x);
			fill_activations(x, ms[i] * w.k);
			for (size_t threads = 1; threads <= 2; threads++) {
				PINPOOL_OPTS(pinpool_math_opts, opts, .isa = variant->isa, .threads = threads == 1 ? 1 : 5);
				struct pinpool_matmul_args args;
				struct pinpool_math *math;

				ASSERT_EQ(0, pinpool_math_new(&math, &opts, NULL));
				y[threads - 1] = calloc(ms[i] * w.n, 4);
				ASSERT_NE(NULL, y[threads - 1]);
				args = product_of(&w, ms[i], x, y[threads - 1], true);
				ASSERT_EQ(0, pinpool_matmul(math, &args, NULL));
				pinpool_math_free(math);
			}
			EXPECT_EQ(0, memcmp(y[0], y[1], ms[i] * w.n * 4));
			free(x);
			free(y[0]);
			free(y[1]);
		}
		weights_free(&w);
	}
}

TEST_F(packing, made_in_parts_and_from_rows_with_gaps)
{
	for (size_t t = 0; t < ARRAY_SIZE(dtypes); t++) {
		size_t block = block_values(dtypes[t]), gap = 3 * block, row, bytes;
		unsigned char *parts, *wide;
		struct weights w;

		weights_new(_metadata, &w, self->math, dtypes[t], 101, block > 1 ? 2 * block : 37);
		bytes = pinpool_dtype_bytes(w.dtype, w.k);
		parts = aligned_alloc(PINPOOL_PACKING_ALIGN, w.packing.bytes);
		wide = malloc(pinpool_dtype_bytes(w.dtype, w.n * (w.k + gap)));
		ASSERT_TRUE(parts && wide);
		memset(parts, 0x5a, w.packing.bytes);
		for (row = 0; row < w.n; row++)
			memcpy(wide + pinpool_dtype_bytes(w.dtype, row * (w.k + gap)), w.w.data + row * bytes, bytes);
		for (row = 0; row < w.n; row += w.packing.panel_rows) {
			size_t left = w.n - row < w.packing.panel_rows ? w.n - row : w.packing.panel_rows;

			ASSERT_EQ(0, pinpool_packing_rows(self->math, &w.packing, row, left,
							  wide + pinpool_dtype_bytes(w.dtype, row * (w.k + gap)), w.k + gap,
							  w.scales ? w.scales + row : NULL, parts, NULL));
		}
		EXPECT_EQ(0, memcmp(parts, w.packed.data, w.packing.bytes))
		{
			TH_LOG("%s", pinpool_dtype_name(w.dtype));
		}
		free(parts);
		free(wide);
		weights_free(&w);
	}
}

/* A packed infinity is infinite in its own column; what pads the rest of a panel does not spread it. */
TEST_F(packing, infinities_stay_in_their_column)
{
	static const enum pinpool_dtype with_infinity[] = { PINPOOL_DTYPE_F32, PINPOOL_DTYPE_BF16, PINPOOL_DTYPE_F16,
							    PINPOOL_DTYPE_F8_E5M2 };

	for (size_t t = 0; t < ARRAY_SIZE(with_infinity); t++) {
		struct pinpool_matmul_args args;
		float x[3 * 7], y[3 * 40];
		struct weights w;

		weights_new(_metadata, &w, self->math, with_infinity[t], 40, 7);
		memcpy(w.w.data + pinpool_dtype_bytes(w.dtype, 39 * 7 + 6), &(uint32_t){ infinity_bits(w.dtype) },
		       pinpool_dtype_bytes(w.dtype, 1));
		ASSERT_EQ(0, pinpool_packing_rows(self->math, &w.packing, 0, 40, w.w.data, 0, NULL, w.packed.data, NULL));
		fill_activations(x, 3 * 7);
		x[6] = 0;
		x[13] = 1;
		x[20] = -1;
		args = product_of(&w, 3, x, y, true);
		ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
		for (size_t i = 0; i < 3; i++)
			for (size_t j = 0; j < 39; j++)
				EXPECT_TRUE(isfinite(y[i * 40 + j]));
		EXPECT_TRUE(isnan(y[39]));
		EXPECT_EQ(INFINITY, y[40 + 39]);
		EXPECT_EQ(-INFINITY, y[80 + 39]);
		weights_free(&w);
	}
}

/* A run of activations that has no scale makes its row NaN, in every type of codes, and no other row. */
TEST_F(packing, activations_that_are_not_finite)
{
	for (size_t t = 0; t < ARRAY_SIZE(dtypes); t++) {
		float *x, *y;
		struct pinpool_matmul_args args;
		struct weights w;

		if (!pinpool_matmul_run(dtypes[t]))
			continue;
		weights_new(_metadata, &w, self->math, dtypes[t], 20, 512);
		x = malloc(5 * 512 * 4);
		y = malloc(5 * 20 * 4);
		ASSERT_TRUE(x && y);
		fill_activations(x, 5 * 512);
		x[2 * 512 + 300] = INFINITY;
		args = product_of(&w, 5, x, y, true);
		ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
		for (size_t i = 0; i < 5 * 20; i++)
			EXPECT_EQ(i / 20 == 2, !!isnan(y[i]));
		free(x);
		free(y);
		weights_free(&w);
	}
}

TEST_F(packing, several_weights_at_once)
{
	enum { M = 3, K = 512 };
	static const size_t ns[] = { 96, 33, 64, 20, 70 };
	static const enum pinpool_dtype types[] = { PINPOOL_DTYPE_BF16, PINPOOL_DTYPE_Q4_K, PINPOOL_DTYPE_BF16,
						    PINPOOL_DTYPE_Q4_K, PINPOOL_DTYPE_I8 };

	for (int packed = 0; packed < 2; packed++) {
		const struct pinpool_matmul_args *list[2 * ARRAY_SIZE(ns)];
		struct pinpool_matmul_args args[2 * ARRAY_SIZE(ns)];
		float *x = malloc(2 * M * K * 4), *y = calloc(2 * M * 300, 4), *one = malloc(M * 100 * 4), *at = y;
		uint16_t *half = malloc(M * K * 2);
		struct weights w[ARRAY_SIZE(ns)];

		ASSERT_TRUE(x && y && one && half);
		fill_activations(x, 2 * M * K);
		for (size_t i = 0; i < M * K; i++)
			half[i] = 0x3f80 + i % 64;
		for (size_t i = 0; i < ARRAY_SIZE(ns); i++)
			weights_new(_metadata, &w[i], self->math, types[i], ns[i], K);
		/* All with one X, and then again: the first with another, one with an X of bf16, a result in bf16, a bias. */
		for (size_t i = 0; i < 2 * ARRAY_SIZE(ns); i++) {
			const struct weights *weights = &w[i % ARRAY_SIZE(ns)];

			args[i] = product_of(weights, M, i == ARRAY_SIZE(ns) ? x + M * K : x, at, packed);
			at += M * weights->n;
			list[i] = &args[i];
		}
		args[6].x = half;
		args[6].x_dtype = PINPOOL_DTYPE_BF16;
		args[7].y_dtype = PINPOOL_DTYPE_BF16;
		args[8].bias = x;
		args[9].x = half;
		args[9].x_dtype = PINPOOL_DTYPE_BF16;
		ASSERT_EQ(0, pinpool_matmul_many(self->math, list, 2 * ARRAY_SIZE(ns), NULL));
		for (size_t i = 0; i < 2 * ARRAY_SIZE(ns); i++) {
			struct pinpool_matmul_args alone = args[i];
			size_t bytes = M * alone.n * (i == 7 ? 2 : 4);

			alone.y = one;
			ASSERT_EQ(0, pinpool_matmul(self->math, &alone, NULL));
			EXPECT_EQ(0, memcmp(one, args[i].y, bytes))
			{
				TH_LOG("product %zu", i);
			}
		}
		/* If one is refused, none is made. */
		memset(y, 0xff, M * 96 * 4);
		args[3].k = 0;
		EXPECT_EQ(-EINVAL, pinpool_matmul_many(self->math, list, 2 * ARRAY_SIZE(ns), NULL));
		for (size_t i = 0; i < M * 96; i++)
			EXPECT_TRUE(isnan(y[i]));
		EXPECT_EQ(0, pinpool_matmul_many(self->math, NULL, 0, NULL));
		for (size_t i = 0; i < ARRAY_SIZE(ns); i++)
			weights_free(&w[i]);
		free(x);
		free(y);
		free(one);
		free(half);
	}
}

FIXTURE(refused)
{
	struct pinpool_math *math;
	struct weights w;
	struct pinpool_matmul_args args;
	struct pinpool_diag diag;
	float x[2 * 64];
	float y[2 * 50];
};

FIXTURE_SETUP(refused)
{
	ASSERT_EQ(0, pinpool_math_new(&self->math, NULL, NULL));
	weights_new(_metadata, &self->w, self->math, PINPOOL_DTYPE_I8, 50, 64);
	fill_activations(self->x, 2 * 64);
	self->args = product_of(&self->w, 2, self->x, self->y, true);
}

FIXTURE_TEARDOWN(refused)
{
	weights_free(&self->w);
	pinpool_math_free(self->math);
}

static void check_refused(struct __test_metadata *_metadata, FIXTURE_DATA(refused) * self, int err, const char *object,
			  const char *word)
{
	self->diag = (struct pinpool_diag){ 0 };
	EXPECT_EQ(err, pinpool_matmul(self->math, &self->args, &self->diag));
	EXPECT_STREQ(object, self->diag.object);
	EXPECT_NE(NULL, strstr(self->diag.cause, word))
	{
		TH_LOG("'%s' has no '%s'", self->diag.cause, word);
	}
	self->args = product_of(&self->w, 2, self->x, self->y, true);
}

TEST_F(refused, packings_that_do_not_fit)
{
	struct pinpool_packing *p = &self->w.packing, good = *p;

	EXPECT_EQ(0, pinpool_matmul(self->math, &self->args, NULL));
	p->isa = good.isa == PINPOOL_ISA_PORTABLE ? PINPOOL_ISA_AVX2 : PINPOOL_ISA_PORTABLE;
	check_refused(_metadata, self, -EOPNOTSUPP, "packing", pinpool_isa_name(p->isa));
	p->isa = 1000;
	check_refused(_metadata, self, -EOPNOTSUPP, "packing", "unknown");
	*p = good;
	p->version++;
	check_refused(_metadata, self, -EOPNOTSUPP, "packing", "version");
	*p = good;
	p->size = 8;
	check_refused(_metadata, self, -EINVAL, "packing", "size");
	*p = good;
	p->bytes -= 64;
	check_refused(_metadata, self, -EINVAL, "packing", "bytes");
	*p = good;
	p->panel_rows = 1;
	check_refused(_metadata, self, -EINVAL, "packing", "bytes");
	*p = good;
	p->k = 0;
	check_refused(_metadata, self, -EINVAL, "k", "dimension");
	*p = good;
	p->data = NULL;
	check_refused(_metadata, self, -EINVAL, "packing", "null");
	p->data = (const char *)good.data + 32;
	check_refused(_metadata, self, -EINVAL, "packing", "multiple");
	*p = good;
	self->args.n--;
	check_refused(_metadata, self, -EINVAL, "packing", "50 rows of 64");
	self->args.k--;
	check_refused(_metadata, self, -EINVAL, "packing", "50 rows of 64");
	self->args.w_dtype = PINPOOL_DTYPE_F8_E4M3;
	check_refused(_metadata, self, -EINVAL, "packing", "I8");
	self->args.w = self->w.w.data;
	check_refused(_metadata, self, -EINVAL, "w", "beside");
	self->args.w_scales = self->w.scales;
	check_refused(_metadata, self, -EINVAL, "w", "beside");
	self->args.ldw = 64;
	check_refused(_metadata, self, -EINVAL, "w", "beside");
	self->args.y = (float *)self->w.packed.data;
	check_refused(_metadata, self, -EINVAL, "y", "overlaps");
	EXPECT_EQ(-EOPNOTSUPP, pinpool_matmul_reference(&self->args, NULL));
}

TEST_F(refused, scales_of_rows)
{
	self->args = product_of(&self->w, 2, self->x, self->y, false);
	EXPECT_EQ(0, pinpool_matmul(self->math, &self->args, NULL));
	self->args.w_scales = NULL;
	check_refused(_metadata, self, -EINVAL, "w_scales", "null");
	self->args = product_of(&self->w, 2, self->x, self->y, false);
	self->args.w_scales = (const float *)((const char *)self->w.scales + 1);
	check_refused(_metadata, self, -EINVAL, "w_scales", "multiple");
	self->args = product_of(&self->w, 2, self->x, self->y, false);
	self->args.w_dtype = PINPOOL_DTYPE_F8_E5M2;
	check_refused(_metadata, self, -EINVAL, "w_scales", "F8_E5M2");
	self->args = product_of(&self->w, 2, self->x, self->w.scales, false);
	check_refused(_metadata, self, -EINVAL, "y", "overlaps");
}

TEST_F(refused, descriptions)
{
	struct pinpool_packing p = { .size = sizeof(p) };
	struct pinpool_math *math = self->math;

	EXPECT_EQ(-EINVAL, pinpool_packing_describe(NULL, PINPOOL_DTYPE_F32, 1, 1, &p, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_describe(math, PINPOOL_DTYPE_F32, 1, 1, NULL, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_describe(math, PINPOOL_DTYPE_F32, 0, 1, &p, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_describe(math, PINPOOL_DTYPE_F32, 1, 0, &p, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_describe(math, PINPOOL_DTYPE_F32, 1ULL << 40, 1ULL << 40, &p, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_describe(math, PINPOOL_DTYPE_F32, 1ULL << 62, 1, &p, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_describe(math, PINPOOL_DTYPE_F32, 1, 1ULL << 62, &p, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_describe(math, PINPOOL_DTYPE_F32, -1ULL, -1ULL, &p, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_describe(math, PINPOOL_DTYPE_Q4_0, 1, 33, &p, NULL));
	EXPECT_EQ(-EOPNOTSUPP, pinpool_packing_describe(math, PINPOOL_DTYPE_I64, 1, 1, &p, NULL));
	p.size = 8;
	EXPECT_EQ(-EINVAL, pinpool_packing_describe(math, PINPOOL_DTYPE_F32, 1, 1, &p, NULL));
}

TEST_F(refused, rows_to_pack)
{
	const struct weights *w = &self->w;
	struct pinpool_packing p = w->packing;
	void *data = w->packed.data;
	uint64_t rows = p.panel_rows;
	struct pinpool_math *math = self->math;

	EXPECT_EQ(-EINVAL, pinpool_packing_rows(NULL, &p, 0, 50, w->w.data, 0, w->scales, data, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_rows(math, NULL, 0, 50, w->w.data, 0, w->scales, data, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_rows(math, &p, 0, 50, NULL, 0, w->scales, data, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_rows(math, &p, 0, 50, w->w.data, 0, NULL, data, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_rows(math, &p, 0, 50, w->w.data, 0, w->scales, NULL, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_rows(math, &p, 0, 50, w->w.data, 0, w->scales, (char *)data + 4, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_rows(math, &p, 0, 0, w->w.data, 0, w->scales, data, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_rows(math, &p, 0, 51, w->w.data, 0, w->scales, data, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_rows(math, &p, 1, 49, w->w.data, 0, w->scales, data, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_rows(math, &p, 0, rows - 1, w->w.data, 0, w->scales, data, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_rows(math, &p, rows, -rows, w->w.data, 0, w->scales, data, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_rows(math, &p, 0, 50, w->w.data, 63, w->scales, data, NULL));
	EXPECT_EQ(-EINVAL, pinpool_packing_rows(math, &p, 0, 50, w->w.data, 1ULL << 61, w->scales, data, NULL));
	EXPECT_EQ(0, pinpool_packing_rows(math, &p, 0, rows, w->w.data, 0, w->scales, data, NULL));
	p.version = 0;
	EXPECT_EQ(-EOPNOTSUPP, pinpool_packing_rows(math, &p, 0, 50, w->w.data, 0, w->scales, data, NULL));
}

TEST_HARNESS_MAIN
