// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Products with coded weights: within the budget of what the codes stand for, computed here from the same numbers in
 * another form, for every kind and set of kernels; what is not stored is not multiplied.
 */
#include <errno.h>

#include "harness.h"
#include "matmul_case.h"

#include <pinpool/coded.h>

/* Of sparse ones, how many of 1000 values are stored. */
struct shape {
	size_t m;
	size_t n;
	size_t k;
	unsigned int stored;
};

struct form {
	const char *name;
	enum pinpool_coded_kind kind;
	uint32_t bits;
	uint32_t values;
	size_t group_rows;
	size_t group_columns;
	enum pinpool_dtype dtype;
	/* Codes or elements of X and Y between rows. */
	size_t gap;
	/* Bytes between sparse values or codes and the guard page. */
	size_t skew;
};

static const struct form forms[] = {
	{ "8 bits", PINPOOL_CODED_DICTIONARY, 8, 256, 0, 0, 0, 0, 0 },
	{ "8 bits in groups", PINPOOL_CODED_DICTIONARY, 8, 200, 3, 29, 0, 3, 0 },
	{ "8 bits, one value", PINPOOL_CODED_DICTIONARY, 8, 1, 2, 1000, 0, 0, 0 },
	{ "4 bits", PINPOOL_CODED_DICTIONARY, 4, 16, 0, 0, 0, 0, 0 },
	{ "4 bits, rows in groups", PINPOOL_CODED_DICTIONARY, 4, 13, 3, 0, 0, 2, 0 },
	{ "4 bits, rows in fours", PINPOOL_CODED_DICTIONARY, 4, 16, 4, 0, 0, 0, 0 },
	{ "4 bits in groups", PINPOOL_CODED_DICTIONARY, 4, 11, 5, 7, 0, 4, 0 },
	{ "4 bits in wide odd groups", PINPOOL_CODED_DICTIONARY, 4, 16, 1, 45, 0, 0, 0 },
	{ "sparse f32", PINPOOL_CODED_SPARSE, 0, 0, 0, 0, PINPOOL_DTYPE_F32, 0, 0 },
	{ "sparse f32 misaligned", PINPOOL_CODED_SPARSE, 0, 0, 0, 0, PINPOOL_DTYPE_F32, 2, 1 },
	{ "sparse bf16", PINPOOL_CODED_SPARSE, 0, 0, 0, 0, PINPOOL_DTYPE_BF16, 0, 1 },
	{ "sparse f16", PINPOOL_CODED_SPARSE, 0, 0, 0, 0, PINPOOL_DTYPE_F16, 1, 0 },
	{ "sparse codes", PINPOOL_CODED_SPARSE, 8, 256, 0, 0, 0, 0, 0 },
	{ "sparse codes in groups", PINPOOL_CODED_SPARSE, 8, 90, 4, 0, 0, 2, 0 },
};

/*
 * Tails of vectors and of what is looked up at once; empty rows and matrices; more rows of X than are read at a time,
 * than a panel of X has, than a unit has; few of W; panels of W of several runs and steps.
 */
static const struct shape shapes[] = {
	{ 1, 1, 1, 1000 }, { 1, 7, 15, 300 },	{ 2, 9, 16, 500 },  { 3, 5, 63, 200 },	 { 4, 12, 64, 1000 },
	{ 5, 6, 65, 10 },  { 1, 33, 200, 0 },	{ 9, 40, 129, 50 }, { 1, 300, 257, 100 }, { 70, 11, 131, 400 },
	{ 2, 50, 1, 500 }, { 4, 1, 700, 1000 }, { 3, 21, 96, 30 }, { 1, 41, 288, 30 }, { 33, 7, 32, 9 }, { 13, 50, 544, 9 }, { 6, 9, 1056, 2 }, { 17, 35, 130, 300 }, { 9, 33, 1500, 40 }, { 16, 9, 20, 5 },
};

/* @wide: what each value is; @stored: whether there is one. */
struct weights {
	struct pinpool_coded coded;
	struct guarded arrays[4];
	size_t array_count;
	float *wide;
	bool *stored;
};

static void *array_new(struct __test_metadata *_metadata, struct weights *w, size_t size, size_t skew)
{
	w->arrays[w->array_count] = guarded_new(_metadata, size, skew);
	return w->arrays[w->array_count++].data;
}

static float value_of(enum pinpool_dtype dtype, const void *at)
{
	float value;

	pinpool_matmul_weights(dtype, at, &value, 1);
	return value;
}

/* The dictionaries: all values of all of them differ. Returns the first. */
static const float *dictionaries_new(struct __test_metadata *_metadata, struct weights *w, const struct form *f,
				     size_t rows, size_t columns, uint64_t *state)
{
	float *values = array_new(_metadata, w, rows * columns * f->values * 4, 0);

	for (size_t i = 0; i < rows * columns * f->values; i++)
		values[i] = (int32_t)next_random(state) * 0x1p-30f;
	return values;
}

static size_t groups(size_t n, size_t group)
{
	return group ? (n + group - 1) / group : 1;
}

static void dictionary_new(struct __test_metadata *_metadata, struct weights *w, const struct form *f, size_t n,
			   size_t k, uint64_t *state)
{
	size_t per_byte = 8 / f->bits, ld = (k + f->gap + per_byte - 1) / per_byte * per_byte;
	size_t columns = groups(k, f->group_columns);
	unsigned char *codes = array_new(_metadata, w, ((n - 1) * ld + k + per_byte - 1) / per_byte, 0);
	const float *values = dictionaries_new(_metadata, w, f, groups(n, f->group_rows), columns, state);

	/* What is between rows has no value, unless every code has one. */
	memset(codes, 0xff, ((n - 1) * ld + k + per_byte - 1) / per_byte);
	for (size_t i = 0; i < n; i++) {
		for (size_t l = 0; l < k; l++) {
			size_t code = next_random(state) % f->values, at = i * ld + l;
			size_t group = f->group_rows ? i / f->group_rows * columns : 0;

			group += f->group_columns ? l / f->group_columns : 0;
			w->wide[i * k + l] = values[group * f->values + code];
			w->stored[i * k + l] = true;
			if (f->bits == 8)
				codes[at] = code;
			else if (at % 2)
				codes[at / 2] = (codes[at / 2] & 15) | code << 4;
			else
				codes[at / 2] = (codes[at / 2] & 0xf0) | code;
		}
	}
	w->coded.codes = codes;
	w->coded.ld = f->gap ? ld : 0;
	w->coded.dictionary = values;
}

/* Every fourth row is empty, and the first stored value is number 5. */
static void sparse_new(struct __test_metadata *_metadata, struct weights *w, const struct form *f, size_t n, size_t k,
		       unsigned int stored, uint64_t *state)
{
	size_t count = 5, size = f->bits ? 1 : dtype_size(f->dtype), at = 5;
	uint64_t *starts = array_new(_metadata, w, (n + 1) * 8, 0);
	const float *dictionary = NULL;
	unsigned char *values;
	uint32_t *columns;

	for (size_t i = 0; i < n * k; i++) {
		w->stored[i] = i / k % 4 != 3 && next_random(state) % 1000 < stored;
		count += w->stored[i];
	}
	columns = array_new(_metadata, w, count * 4, 0);
	values = array_new(_metadata, w, count * size, f->skew);
	memset(columns, 0xff, 5 * 4);
	memset(values, 0xff, 5 * size);
	if (f->bits)
		dictionary = dictionaries_new(_metadata, w, f, groups(n, f->group_rows), 1, state);
	for (size_t i = 0; i < n; i++) {
		starts[i] = at;
		for (size_t l = 0; l < k; l++) {
			uint32_t bits = f->bits ? next_random(state) % f->values : random_weight(f->dtype, state);

			if (!w->stored[i * k + l])
				continue;
			columns[at] = l;
			memcpy(values + at * size, &bits, size);
			w->wide[i * k + l] =
				f->bits ? dictionary[(f->group_rows ? i / f->group_rows : 0) * f->values + bits] :
					  value_of(f->dtype, values + at * size);
			at++;
		}
	}
	starts[n] = at;
	w->coded.starts = starts;
	w->coded.columns = columns;
	w->coded.count = count;
	w->coded.dictionary = dictionary;
	*(f->bits ? &w->coded.codes : &w->coded.values) = values;
}

static void weights_new(struct __test_metadata *_metadata, struct weights *w, const struct form *f, size_t n, size_t k,
			unsigned int stored)
{
	uint64_t state = n * 1000 + k;

	*w = (struct weights){ .coded = { .size = sizeof(w->coded),
					  .kind = f->kind,
					  .code_bits = f->bits,
					  .dictionary_values = f->values,
					  .group_rows = f->group_rows,
					  .group_columns = f->group_columns,
					  .dtype = f->dtype } };
	w->wide = calloc(n * k, sizeof(float));
	w->stored = calloc(n * k, sizeof(bool));
	ASSERT_TRUE(w->wide && w->stored);
	if (f->kind == PINPOOL_CODED_SPARSE)
		sparse_new(_metadata, w, f, n, k, stored, &state);
	else
		dictionary_new(_metadata, w, f, n, k, &state);
}

static void weights_free(struct weights *w)
{
	while (w->array_count) {
		w->array_count--;
		munmap(w->arrays[w->array_count].map, w->arrays[w->array_count].map_size);
	}
	free(w->wide);
	free(w->stored);
}

/* A product and its buffers; elements between rows are @gap. */
struct product {
	struct guarded x;
	struct guarded y;
	size_t y_floats;
	struct pinpool_matmul_args args;
};

static void product_new(struct __test_metadata *_metadata, struct product *p, const struct weights *w, size_t m,
			size_t n, size_t k, size_t gap)
{
	uint64_t state = m;
	size_t count = (m - 1) * (k + gap) + k;

	p->x = guarded_new(_metadata, count * 4, 0);
	p->y_floats = (m - 1) * (n + gap) + n;
	p->y = guarded_new(_metadata, p->y_floats * 4, 0);
	for (size_t i = 0; i < count; i++)
		((float *)p->x.data)[i] = i % (k + gap) < k ? (int32_t)next_random(&state) * 0x1p-31f : NAN;
	for (size_t i = 0; i < p->y_floats; i++)
		memcpy(p->y.data + i * 4, &(uint32_t){ UNTOUCHED }, 4);
	p->args = (struct pinpool_matmul_args){
		.size = sizeof(p->args),
		.m = m,
		.n = n,
		.k = k,
		.x = p->x.data,
		.ldx = k + gap,
		.y = p->y.data,
		.ldy = n + gap,
		.w_coded = &w->coded,
	};
}

static void product_free(struct product *p)
{
	munmap(p->x.map, p->x.map_size);
	munmap(p->y.map, p->y.map_size);
}

/* Activations that share a scale where this product makes them integers, else 1. */
static size_t run_of(const struct form *f, size_t k)
{
	return f->bits == 4 && (!f->group_columns || f->group_columns >= k) && k % 32 == 0 ? 32 : 1;
}

static double budget_of(const struct form *f, size_t k)
{
	return PINPOOL_MATMUL_BUDGET(k) + (run_of(f, k) > 1 ? PINPOOL_MATMUL_QUANT : 0);
}

static float largest_of_run(const float *x, size_t l, size_t run)
{
	float largest = 0;

	for (size_t i = l - l % run; i < l - l % run + run; i++)
		largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
	return largest;
}

/*
 * How many results are not within @budget of their sums' magnitudes, where an activation counts as the largest of its
 * @run, or were written where none belong.
 */
static size_t count_wrong(const struct product *p, const struct weights *w, double budget, size_t run)
{
	const struct pinpool_matmul_args *a = &p->args;
	const float *x = a->x, *y = a->y;
	size_t wrong = 0;

	for (size_t i = 0; i < a->m; i++) {
		for (size_t j = 0; j < a->n; j++) {
			double sum = 0, magnitude = 0;

			for (size_t l = 0; l < a->k; l++) {
				double product = (double)x[i * a->ldx + l] * w->wide[j * a->k + l];

				if (!w->stored[j * a->k + l])
					continue;
				sum += product;
				magnitude += run == 1 ? fabs(product) :
							fabs((double)largest_of_run(x + i * a->ldx, l, run) *
							     w->wide[j * a->k + l]);
			}
			/* Written so that a NaN is wrong. */
			wrong += !(fabs(y[i * a->ldy + j] - sum) <= budget * magnitude + a->k * 0x1p-149);
		}
		for (size_t j = a->n; i + 1 < a->m && j < a->ldy; j++)
			wrong += !!memcmp(&y[i * a->ldy + j], &(uint32_t){ UNTOUCHED }, 4);
	}
	return wrong;
}

MATH_FIXTURE(coded);

TEST_F_TIMEOUT(coded, products_of_every_form_and_shape, TIMEOUT_SECONDS)
{
	for (size_t s = 0; s < ARRAY_SIZE(shapes); s++) {
		const struct shape *c = &shapes[s];

		for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
			struct pinpool_diag diag;
			struct weights w;
			struct product p;

			weights_new(_metadata, &w, &forms[f], c->n, c->k, c->stored);
			product_new(_metadata, &p, &w, c->m, c->n, c->k, forms[f].gap);
			ASSERT_EQ(0, pinpool_coded_check(&w.coded, c->n, c->k, &diag))
			{
				TH_LOG("%s: %s: %s", forms[f].name, diag.object, diag.cause);
			}
			/* With and without their contents being read first. */
			w.coded.flags = f % 2 ? PINPOOL_CODED_CHECKED : 0;
			ASSERT_EQ(0, pinpool_matmul(self->math, &p.args, &diag))
			{
				TH_LOG("%s: %s: %s", forms[f].name, diag.object, diag.cause);
			}
			EXPECT_EQ(0, count_wrong(&p, &w, budget_of(&forms[f], c->k), run_of(&forms[f], c->k)))
			{
				TH_LOG("%s, %zu x %zu x %zu", forms[f].name, c->m, c->n, c->k);
			}
			/* In f32 if that is asked for. */
			w.coded.flags |= PINPOOL_CODED_F32;
			ASSERT_EQ(0, pinpool_matmul(self->math, &p.args, NULL));
			EXPECT_EQ(0, count_wrong(&p, &w, PINPOOL_MATMUL_BUDGET(c->k), 1));
			ASSERT_EQ(0, pinpool_matmul_reference(&p.args, NULL));
			EXPECT_EQ(0, count_wrong(&p, &w, 0x1p-24, 1))
			{
				TH_LOG("%s, reference, %zu x %zu x %zu", forms[f].name, c->m, c->n, c->k);
			}
			product_free(&p);
			weights_free(&w);
		}
	}
}

/* More panels of W than are made at a time. */
TEST_F_TIMEOUT(coded, many_rows, TIMEOUT_SECONDS)
{
	enum { M = 9, N = 3200 };
	const size_t k = emulated() ? 70 : 701;
	const struct form *form = &forms[6];
	struct weights w;
	struct product p;

	weights_new(_metadata, &w, form, N, k, 0);
	product_new(_metadata, &p, &w, M, N, k, form->gap);
	ASSERT_EQ(0, pinpool_matmul(self->math, &p.args, NULL));
	EXPECT_EQ(0, count_wrong(&p, &w, PINPOOL_MATMUL_BUDGET(k), 1));
	product_free(&p);
	weights_free(&w);
}

/* The only stored value is the last of the last row, and nothing else of the matrix or of X is looked at. */
TEST_F(coded, one_stored_value)
{
	float x[3] = { NAN, INFINITY, 3 }, y[3] = { 1, 1, 1 }, value = 0.5;
	uint64_t starts[4] = { 0, 0, 0, 1 };
	struct pinpool_coded w = { .size = sizeof(w), .kind = PINPOOL_CODED_SPARSE, .starts = starts, .count = 1,
				   .columns = &(uint32_t){ 2 }, .values = &value, .dtype = PINPOOL_DTYPE_F32 };
	struct pinpool_matmul_args args = { .size = sizeof(args), .m = 1, .n = 3, .k = 3, .x = x, .y = y,
					    .w_coded = &w };

	ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
	EXPECT_TRUE(y[0] == 0 && y[1] == 0 && y[2] == 1.5f);
	/* None at all: no arrays are needed. */
	starts[3] = 0;
	w.count = 0;
	w.columns = NULL;
	w.values = NULL;
	y[2] = 1;
	ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
	EXPECT_EQ(0, memcmp(y, (float[3]){ 0 }, sizeof(y)));
}

/* Stored zeros are multiplied, absent ones are not; in a dictionary all are. */
TEST_F(coded, infinities_meet_only_what_is_stored)
{
	enum { K = 131 };
	/* As one row, and as the last of enough rows for a panel. */
	static const size_t rows[] = { 1, 3 };
	static float all[3 * K];
	float *x = all, results[3 * 2], *y = results, values[K - 1] = { 0 }, dictionary[2] = { 0, 1 };
	uint64_t starts[3] = { 0, K - 1, K - 1 };
	uint32_t columns[K - 1];
	unsigned char codes[2 * K] = { 0 };
	struct pinpool_coded w = { .size = sizeof(w), .kind = PINPOOL_CODED_SPARSE, .starts = starts, .count = K - 1,
				   .columns = columns, .values = values, .dtype = PINPOOL_DTYPE_F32 };
	struct pinpool_matmul_args args = { .size = sizeof(args), .m = 1, .n = 2, .k = K, .x = x, .y = y,
					    .w_coded = &w };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		all[i] = 1;
	/* Column 70 is the one that is not stored. */
	for (size_t i = 0; i < K - 1; i++)
		columns[i] = i + (i >= 70);
	for (size_t l = 0; l < ARRAY_SIZE(rows) * K; l++) {
		size_t column = l % K;

		args.m = rows[l / K];
		args.x = all;
		args.y = results;
		x = all + (args.m - 1) * K;
		y = results + (args.m - 1) * 2;
		x[column] = INFINITY;
		ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
		EXPECT_EQ(column != 70, (bool)isnan(y[0]));
		EXPECT_TRUE(y[1] == 0 && (args.m == 1 || results[0] == 0));
		ASSERT_EQ(0, pinpool_matmul_reference(&args, NULL));
		EXPECT_EQ(column != 70, (bool)isnan(y[0]));
		EXPECT_TRUE(y[1] == 0);
		x[column] = 1;
	}
	args.m = 1;
	args.x = x = all;
	args.y = y = results;
	w = (struct pinpool_coded){ .size = sizeof(w), .kind = PINPOOL_CODED_DICTIONARY, .code_bits = 8, .codes = codes,
				    .dictionary = dictionary, .dictionary_values = 2 };
	codes[K + K - 1] = 1;
	x[K - 1] = INFINITY;
	ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
	EXPECT_TRUE(isnan(y[0]) && isinf(y[1]));
	/* Of no other code is a value read: this one's neighbour is a NaN. */
	dictionary[1] = NAN;
	codes[K + K - 1] = 0;
	x[K - 1] = 1;
	ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
	EXPECT_TRUE(y[0] == 0 && y[1] == 0);
}

/*
 * Dictionaries of 4 bits that no scale makes integers of, next to one that is one: with an infinity, with a NaN that no
 * code names, too small, zeros.
 */
TEST_F(coded, dictionaries_without_a_scale)
{
	enum { M = 5, N = 10, K = 64 };
	float x[M * K], y[M * N], dictionaries[N / 2 * 16], reference[M * N];
	unsigned char codes[N * K / 2];
	struct pinpool_coded w = { .size = sizeof(w), .kind = PINPOOL_CODED_DICTIONARY, .code_bits = 4, .codes = codes,
				   .dictionary = dictionaries, .dictionary_values = 16, .group_rows = 2 };
	struct pinpool_matmul_args args = { .size = sizeof(args), .m = M, .n = N, .k = K, .x = x, .y = y,
					    .w_coded = &w };
	uint64_t state = 1;

	for (size_t i = 0; i < M * K; i++)
		x[i] = 1 + (int32_t)next_random(&state) * 0x1p-32f;
	for (size_t i = 0; i < N / 2 * 16; i++)
		dictionaries[i] = (int32_t)next_random(&state) * 0x1p-31f;
	/* Code 15 is in the first row of the second and the third dictionary only. */
	for (size_t i = 0; i < N * K / 2; i++)
		codes[i] = next_random(&state) % 15 | next_random(&state) % 15 << 4;
	codes[2 * K / 2] = codes[4 * K / 2] = 0xff;
	dictionaries[16 + 15] = INFINITY;
	dictionaries[0 + 15] = NAN;
	for (size_t i = 0; i < 16; i++) {
		dictionaries[3 * 16 + i] *= 0x1p-130f;
		dictionaries[4 * 16 + i] = 0;
	}
	ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
	args.y = reference;
	ASSERT_EQ(0, pinpool_matmul_reference(&args, NULL));
	for (size_t i = 0; i < M * N; i++) {
		size_t group = i % N / 2;

		if (i % N == 2) {
			EXPECT_TRUE(y[i] == INFINITY);
			continue;
		}
		EXPECT_TRUE(group != 4 || y[i] == 0);
		EXPECT_TRUE(fabsf(y[i] - reference[i]) <= K * (group == 3 ? 0x1p-144f : 0x1p-6f));
		EXPECT_TRUE(group != 3 || y[i] != 0);
	}
	/* A run with a NaN is one, and so is the product; another row of X is not. */
	x[K + 40] = NAN;
	args.y = y;
	ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
	EXPECT_TRUE(isnan(y[N + 4]) && !isnan(y[4]) && !isnan(y[2 * N + 4]));
}

/* bf16 in, f16 out, a bias: results are those in f32, rounded. */
TEST_F(coded, other_activations_and_a_bias)
{
	enum { M = 3, N = 20, K = 90 };

	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		float x[M * K], y[M * N], reference[M * N], bias[N];
		uint16_t x_half[M * K], y_half[M * N];
		struct weights w;
		struct pinpool_matmul_args args = { .size = sizeof(args), .m = M, .n = N, .k = K, .x = x, .y = y,
						    .bias = bias, .w_coded = &w.coded };

		weights_new(_metadata, &w, &forms[f], N, K, 300);
		for (size_t i = 0; i < M * K; i++) {
			x_half[i] = 0x3f80 + i % 128;
			x[i] = value_of(PINPOOL_DTYPE_BF16, &x_half[i]);
		}
		for (size_t j = 0; j < N; j++)
			bias[j] = j * 0.25f - 2;
		ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
		args.y = reference;
		ASSERT_EQ(0, pinpool_matmul_reference(&args, NULL));
		for (size_t i = 0; i < M * N; i++)
			EXPECT_TRUE(fabsf(reference[i] - y[i]) <= 0x1p-8f);
		args.x = x_half;
		args.x_dtype = PINPOOL_DTYPE_BF16;
		args.y = y_half;
		args.y_dtype = PINPOOL_DTYPE_F16;
		ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
		for (size_t i = 0; i < M * N; i++)
			EXPECT_TRUE(fabsf(value_of(PINPOOL_DTYPE_F16, &y_half[i]) - y[i]) <=
				    fabsf(y[i]) * 0x1p-11f + 0x1p-25f);
		args.y_dtype = PINPOOL_DTYPE_F32;
		args.y = bias;
		EXPECT_EQ(-EINVAL, pinpool_matmul(self->math, &args, NULL));
		/* An empty row has its bias. */
		if (forms[f].kind == PINPOOL_CODED_SPARSE)
			EXPECT_TRUE(y[3] == bias[3]);
		weights_free(&w);
	}
}

/*
 * Bits do not depend on threads; within one way of multiplying not on how many rows of X there are, nor on which rows
 * of W are asked for.
 */
static void check_bits(struct __test_metadata *_metadata, struct pinpool_math *math, enum pinpool_isa isa,
		       const struct form *f, size_t m)
{
	enum { N = 400, K = 320, PART = 123 };
	static const uint32_t counts[] = { 1, 3, 7 };
	float *first = malloc(m * N * 4);
	/* From 3 rows on sparse weights meet panels; up to 8 dictionary-coded ones do not become any. */
	size_t few = f->kind == PINPOOL_CODED_SPARSE ? 3 : 1;
	struct pinpool_coded part;
	struct weights w;
	struct product p;

	ASSERT_NE(NULL, first);
	weights_new(_metadata, &w, f, N, K, 200);
	product_new(_metadata, &p, &w, m, N, K, 0);
	ASSERT_EQ(0, pinpool_matmul(math, &p.args, NULL));
	memcpy(first, p.args.y, m * N * 4);
	for (size_t t = 0; t < ARRAY_SIZE(counts); t++) {
		PINPOOL_OPTS(pinpool_math_opts, opts, .isa = isa, .threads = counts[t]);
		struct pinpool_math *other;

		memset(p.args.y, 0xff, m * N * 4);
		ASSERT_EQ(0, pinpool_math_new(&other, &opts, NULL));
		ASSERT_EQ(0, pinpool_matmul(other, &p.args, NULL));
		EXPECT_EQ(0, memcmp(first, p.args.y, m * N * 4))
		{
			TH_LOG("%s, %zu rows, on %u threads", f->name, m, counts[t]);
		}
		pinpool_math_free(other);
	}
	p.args.m = few;
	for (size_t i = 0; i + few <= m && m <= 8; i++) {
		p.args.x = (float *)p.x.data + i * K;
		ASSERT_EQ(0, pinpool_matmul(math, &p.args, NULL));
		EXPECT_EQ(0, memcmp(first + i * N, p.args.y, few * N * 4))
		{
			TH_LOG("%s, from row %zu on", f->name, i);
		}
	}
	/* Some rows of a sparse matrix are one. */
	part = w.coded;
	part.starts += PART;
	p.args.m = 3;
	p.args.n = N - PART;
	p.args.ldy = N;
	p.args.x = p.x.data;
	p.args.w_coded = &part;
	if (f->kind == PINPOOL_CODED_SPARSE && !f->group_rows) {
		ASSERT_EQ(0, pinpool_matmul(math, &p.args, NULL));
		for (size_t i = 0; i < 3; i++)
			EXPECT_EQ(0, memcmp(first + i * N + PART, (float *)p.args.y + i * N, (N - PART) * 4));
	}
	product_free(&p);
	weights_free(&w);
	free(first);
}

TEST_F_TIMEOUT(coded, bits_depend_on_nothing_else, TIMEOUT_SECONDS)
{
	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		check_bits(_metadata, self->math, variant->isa, &forms[f], 7);
		check_bits(_metadata, self->math, variant->isa, &forms[f], emulated() ? 18 : 40);
	}
}

/* One row stores nearly all: wherever the parts of the work begin, each row is made once. */
TEST_F(coded, rows_of_very_different_lengths)
{
	enum { N = 2000, K = 3000 };
	static const size_t full[] = { 0, 1, N / 2, N - 1 };

	for (size_t f = 0; f < ARRAY_SIZE(full); f++) {
		static uint64_t starts[N + 1];
		static uint32_t columns[N + K];
		static float values[N + K], x[50 * K], y[50 * N];
		struct pinpool_coded w = { .size = sizeof(w), .kind = PINPOOL_CODED_SPARSE, .starts = starts,
					   .columns = columns, .values = values, .dtype = PINPOOL_DTYPE_F32 };
		struct pinpool_matmul_args args = { .size = sizeof(args), .m = 50, .n = N, .k = K, .x = x, .y = y,
						    .w_coded = &w };
		size_t wrong = 0;

		/* Every row stores a one in column 0, each of X has its number there; the full one has only ones. */
		for (size_t i = 0; i < N; i++) {
			size_t count = i == full[f] ? K : 1;

			starts[i] = w.count;
			for (size_t l = 0; l < count; l++) {
				columns[w.count] = l;
				values[w.count++] = 1;
			}
		}
		starts[N] = w.count;
		for (size_t i = 0; i < 50; i++)
			for (size_t l = 0; l < K; l++)
				x[i * K + l] = l ? 1 : i;
		memset(y, 0xff, sizeof(y));
		ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
		for (size_t i = 0; i < 50; i++)
			for (size_t j = 0; j < N; j++)
				wrong += y[i * N + j] != (float)(j == full[f] ? i + K - 1 : i);
		EXPECT_EQ(0, wrong);
	}
}

/* Coded and dense ones of the same X in one call: each as by itself, whichever ways they take. */
TEST_F(coded, several_at_once)
{
	enum { M = 20, N = 60, K = 150 };
	static const size_t rows[] = { 1, 5, M };
	static float dense[N * K], y[ARRAY_SIZE(forms) + 1][M * N], one[M * N];
	struct pinpool_matmul_args args[ARRAY_SIZE(forms) + 1];
	const struct pinpool_matmul_args *list[ARRAY_SIZE(args)];
	struct weights w[ARRAY_SIZE(forms)];
	struct product p;

	for (size_t f = 0; f < ARRAY_SIZE(forms); f++)
		weights_new(_metadata, &w[f], &forms[f], N, K, 300);
	product_new(_metadata, &p, &w[0], M, N, K, 0);
	for (size_t i = 0; i < N * K; i++)
		dense[i] = w[0].wide[i];
	for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
		for (size_t f = 0; f < ARRAY_SIZE(args); f++) {
			args[f] = p.args;
			args[f].m = rows[r];
			args[f].y = y[f];
			args[f].w_coded = f < ARRAY_SIZE(forms) ? &w[f].coded : NULL;
			list[f] = &args[f];
		}
		args[ARRAY_SIZE(forms)].w = dense;
		args[ARRAY_SIZE(forms)].w_dtype = PINPOOL_DTYPE_F32;
		ASSERT_EQ(0, pinpool_matmul_many(self->math, list, ARRAY_SIZE(list), NULL));
		for (size_t f = 0; f < ARRAY_SIZE(args); f++) {
			args[f].y = one;
			ASSERT_EQ(0, pinpool_matmul(self->math, &args[f], NULL));
			EXPECT_EQ(0, memcmp(one, y[f], rows[r] * N * 4));
		}
	}
	product_free(&p);
	for (size_t f = 0; f < ARRAY_SIZE(forms); f++)
		weights_free(&w[f]);
}

TEST_HARNESS_MAIN
