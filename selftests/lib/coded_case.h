/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Coded weights for a test, of the kinds that have bits or blocks: made from random numbers together with what each value
 * is, in another form. Include after matmul_case.h.
 */
#ifndef PINPOOL_SELFTESTS_CODED_CASE_H
#define PINPOOL_SELFTESTS_CODED_CASE_H

#include <pinpool/coded.h>

struct coded_form {
	const char *name;
	enum pinpool_coded_kind kind;
	enum pinpool_dtype dtype;
	uint32_t rows;
	uint32_t columns;
	uint32_t values;
	size_t group_rows;
	size_t group_columns;
	/* Bytes between values and the guard page. */
	size_t skew;
	/* Of 1000 values, bits or blocks, how many are stored; of exponents, how many have a code. */
	unsigned int stored;
};

static const struct coded_form coded_forms[] = {
	{ "pairs", PINPOOL_CODED_PRODUCT, 0, 0, 2, 256, 0, 0, 0, 0 },
	{ "fours in groups", PINPOOL_CODED_PRODUCT, 0, 0, 4, 77, 3, 20, 0, 0 },
	{ "eights for each", PINPOOL_CODED_PRODUCT, 0, 0, 8, 256, 0, 8, 0, 0 },
	{ "eights", PINPOOL_CODED_PRODUCT, 0, 0, 8, 1, 1, 0, 0, 0 },
	{ "exponents", PINPOOL_CODED_EXPONENTS, 0, 0, 0, 7, 0, 0, 0, 970 },
	{ "exponents in groups", PINPOOL_CODED_EXPONENTS, 0, 0, 0, 5, 3, 0, 0, 500 },
	{ "one exponent", PINPOOL_CODED_EXPONENTS, 0, 0, 0, 1, 1, 0, 0, 1000 },
	{ "no exponent", PINPOOL_CODED_EXPONENTS, 0, 0, 0, 2, 0, 0, 0, 0 },
	{ "bits", PINPOOL_CODED_BITMASK, PINPOOL_DTYPE_F32, 0, 0, 0, 0, 0, 1, 500 },
	{ "few bits, bf16", PINPOOL_CODED_BITMASK, PINPOOL_DTYPE_BF16, 0, 0, 0, 0, 0, 0, 30 },
	{ "all bits, f16", PINPOOL_CODED_BITMASK, PINPOOL_DTYPE_F16, 0, 0, 0, 0, 0, 1, 1000 },
	{ "1 x 1", PINPOOL_CODED_BLOCKS, PINPOOL_DTYPE_F32, 1, 1, 0, 0, 0, 0, 300 },
	{ "1 x 4", PINPOOL_CODED_BLOCKS, PINPOOL_DTYPE_BF16, 1, 4, 0, 0, 0, 0, 300 },
	{ "1 x 8", PINPOOL_CODED_BLOCKS, PINPOOL_DTYPE_F16, 1, 8, 0, 0, 0, 1, 300 },
	{ "1 x 16", PINPOOL_CODED_BLOCKS, PINPOOL_DTYPE_F32, 1, 16, 0, 0, 0, 1, 800 },
	{ "8 x 1", PINPOOL_CODED_BLOCKS, PINPOOL_DTYPE_F32, 8, 1, 0, 0, 0, 2, 300 },
	{ "8 x 4", PINPOOL_CODED_BLOCKS, PINPOOL_DTYPE_F16, 8, 4, 0, 0, 0, 0, 300 },
	{ "8 x 16", PINPOOL_CODED_BLOCKS, PINPOOL_DTYPE_BF16, 8, 16, 0, 0, 0, 0, 900 },
	{ "two of four", PINPOOL_CODED_STRUCTURED, PINPOOL_DTYPE_F32, 0, 0, 0, 0, 0, 1, 0 },
	{ "two of four, bf16", PINPOOL_CODED_STRUCTURED, PINPOOL_DTYPE_BF16, 0, 0, 0, 0, 0, 0, 0 },
	{ "two of four, f16", PINPOOL_CODED_STRUCTURED, PINPOOL_DTYPE_F16, 0, 0, 0, 0, 0, 1, 0 },
};

/* @wide: what each value is; @multiplied: whether it is, also if it is 0. */
struct coded_case {
	struct pinpool_coded coded;
	size_t n;
	size_t k;
	struct guarded arrays[5];
	size_t array_count;
	float *wide;
	bool *multiplied;
};

static inline void *coded_array(struct __test_metadata *_metadata, struct coded_case *w, size_t size, size_t skew)
{
	w->arrays[w->array_count] = guarded_new(_metadata, size, skew);
	return w->arrays[w->array_count++].data;
}

/* A value at @at. Returns what it is. */
static inline float coded_value(enum pinpool_dtype dtype, void *at, uint64_t *state)
{
	uint32_t bits = random_weight(dtype, state);
	float value;

	memcpy(at, &bits, dtype_size(dtype));
	pinpool_matmul_weights(dtype, at, &value, 1);
	return value;
}

static inline void coded_product_new(struct __test_metadata *_metadata, struct coded_case *w, const struct coded_form *f,
				     uint64_t *state)
{
	size_t d = f->columns, columns = f->group_columns ? (w->k - 1) / f->group_columns + 1 : 1;
	size_t rows = f->group_rows ? (w->n - 1) / f->group_rows + 1 : 1, each = f->values * d;
	unsigned char *codes = coded_array(_metadata, w, w->n * w->k / d, 0);
	float *values = coded_array(_metadata, w, rows * columns * each * sizeof(float), 0);

	for (size_t i = 0; i < rows * columns * each; i++)
		values[i] = (int32_t)next_random(state) * 0x1p-30f;
	for (size_t i = 0; i < w->n * w->k / d; i++) {
		size_t row = i / (w->k / d), column = i % (w->k / d) * d, group = 0;

		codes[i] = next_random(state) % f->values;
		if (f->group_rows)
			group = row / f->group_rows * columns;
		if (f->group_columns)
			group += column / f->group_columns;
		memcpy(w->wide + i * d, values + group * each + codes[i] * d, d * sizeof(float));
	}
	w->coded.code_bits = 8;
	w->coded.codes = codes;
	w->coded.dictionary = values;
}

/* bf16 @halves as rows of @w, exponents from 118 on with codes. */
static inline void coded_exponents_new(struct __test_metadata *_metadata, struct coded_case *w, const struct coded_form *f,
				       const uint16_t *halves)
{
	size_t groups = (w->k + 63) / 64, rows = f->group_rows ? (w->n - 1) / f->group_rows + 1 : 1, count = 3;
	unsigned char *codes = coded_array(_metadata, w, w->n * groups * 64, 0);
	uint64_t *bits = coded_array(_metadata, w, w->n * groups * 24, 0);
	uint64_t *starts = coded_array(_metadata, w, (w->n + 1) * 8, 0);
	unsigned char *exponents = coded_array(_metadata, w, rows * f->values, 0), *escapes;
	unsigned char *found = malloc(w->n * w->k + 3);

	ASSERT_NE(NULL, found);
	for (size_t i = 0; i < rows * f->values; i++)
		exponents[i] = 118 + (i / f->values + i) % f->values;
	for (size_t i = 0; i < w->n; i++) {
		const unsigned char *own = exponents + (f->group_rows ? i / f->group_rows * f->values : 0);

		starts[i] = count;
		for (size_t l = 0; l < w->k; l++) {
			uint16_t half = halves[i * w->k + l];
			size_t code = 0;

			while (code < f->values && own[code] != (half >> 7 & 255))
				code++;
			if (code == f->values) {
				code = PINPOOL_CODED_ESCAPE;
				found[count++] = half >> 7;
			}
			codes[i * groups * 64 + l] = (half >> 8 & 0x80) | (half & 0x7f);
			for (size_t b = 0; b < 3; b++)
				bits[(i * groups + l / 64) * 3 + b] |= (uint64_t)(code >> b & 1) << l % 64;
			w->wide[i * w->k + l] = 0;
			memcpy((char *)&w->wide[i * w->k + l] + 2, &half, 2);
		}
	}
	starts[w->n] = count;
	escapes = coded_array(_metadata, w, count, 0);
	memcpy(escapes, found, count);
	free(found);
	w->coded.codes = codes;
	w->coded.bits = bits;
	w->coded.starts = starts;
	w->coded.exponents = exponents;
	w->coded.escapes = escapes;
	w->coded.count = count;
}

static inline void coded_halves_new(struct __test_metadata *_metadata, struct coded_case *w, const struct coded_form *f,
				    uint64_t *state)
{
	uint16_t *halves = malloc(w->n * w->k * 2);

	ASSERT_NE(NULL, halves);
	for (size_t i = 0; i < w->n * w->k; i++) {
		uint32_t r = next_random(state), exponent = 118 + r % f->values;

		if (r / 8 % 1000 >= f->stored)
			exponent = r >> 24 ? 126 + (r >> 20) % 2 : 0;
		halves[i] = (next_random(state) & 0x807f) | exponent << 7;
	}
	coded_exponents_new(_metadata, w, f, halves);
	free(halves);
}

/* Every fourth row is empty, and the first stored value is number 5. */
static inline void coded_bitmask_new(struct __test_metadata *_metadata, struct coded_case *w, const struct coded_form *f,
				     uint64_t *state)
{
	size_t words = (w->k + 63) / 64, count = 5, at = 5, size = dtype_size(f->dtype);
	uint64_t *bits = coded_array(_metadata, w, w->n * words * 8, 0);
	uint64_t *starts = coded_array(_metadata, w, (w->n + 1) * 8, 0);
	unsigned char *values;

	for (size_t i = 0; i < w->n * w->k; i++) {
		bool stored = i / w->k % 4 != 3 && next_random(state) % 1000 < f->stored;

		bits[i / w->k * words + i % w->k / 64] |= (uint64_t)stored << i % w->k % 64;
		count += stored;
	}
	values = coded_array(_metadata, w, count * size, f->skew);
	memset(values, 0xff, count * size);
	for (size_t i = 0; i < w->n; i++) {
		starts[i] = at;
		for (size_t l = 0; l < w->k; l++)
			if (bits[i * words + l / 64] >> l % 64 & 1)
				w->wide[i * w->k + l] = coded_value(f->dtype, values + at++ * size, state);
	}
	starts[w->n] = at;
	w->coded.bits = bits;
	w->coded.starts = starts;
	w->coded.values = values;
	w->coded.count = count;
}

/* Every third row of blocks is empty, and the first block is number 2. */
static inline void coded_blocks_new(struct __test_metadata *_metadata, struct coded_case *w, const struct coded_form *f,
				    uint64_t *state)
{
	size_t r = f->rows, c = f->columns, across = w->k / c, size = dtype_size(f->dtype), at = 2;
	uint64_t *starts = coded_array(_metadata, w, (w->n / r + 1) * 8, 0);
	bool *stored = calloc(w->n / r * across, 1);
	unsigned char *values;
	uint32_t *columns;

	ASSERT_NE(NULL, stored);
	for (size_t i = 0; i < w->n / r * across; i++)
		at += stored[i] = i / across % 3 != 2 && next_random(state) % 1000 < f->stored;
	columns = coded_array(_metadata, w, at * 4, 0);
	values = coded_array(_metadata, w, at * r * c * size, f->skew);
	memset(columns, 0xff, 8);
	memset(values, 0xff, 2 * r * c * size);
	w->coded.count = at;
	at = 2;
	memset(w->multiplied, 0, w->n * w->k);
	for (size_t i = 0; i < w->n / r * across; i++) {
		if (i % across == 0)
			starts[i / across] = at;
		if (!stored[i])
			continue;
		columns[at] = i % across;
		for (size_t v = 0; v < r * c; v++) {
			size_t place = (i / across * r + v % r) * w->k + i % across * c + v / r;

			w->wide[place] = coded_value(f->dtype, values + (at * r * c + v) * size, state);
			w->multiplied[place] = true;
		}
		at++;
	}
	starts[w->n / r] = at;
	free(stored);
	w->coded.starts = starts;
	w->coded.columns = columns;
	w->coded.values = values;
	w->coded.block_rows = r;
}

static inline void coded_structured_new(struct __test_metadata *_metadata, struct coded_case *w,
					const struct coded_form *f, uint64_t *state)
{
	static const unsigned char pairs[6][2] = { { 0, 1 }, { 0, 2 }, { 0, 3 }, { 1, 2 }, { 1, 3 }, { 2, 3 } };
	size_t size = dtype_size(f->dtype), bytes = (w->k + 7) / 8;
	unsigned char *codes = coded_array(_metadata, w, w->n * bytes, 0);
	unsigned char *values = coded_array(_metadata, w, w->n * w->k / 2 * size, f->skew);

	for (size_t i = 0; i < w->n * w->k / 4; i++, values += 2 * size) {
		const unsigned char *pair = pairs[next_random(state) % 6];
		size_t group = i % (w->k / 4);

		codes[i / (w->k / 4) * bytes + group / 2] |= (pair[0] | pair[1] << 2) << group % 2 * 4;
		w->wide[i * 4 + pair[0]] = coded_value(f->dtype, values, state);
		w->wide[i * 4 + pair[1]] = coded_value(f->dtype, values + size, state);
	}
	w->coded.codes = codes;
	w->coded.values = values - w->n * w->k / 2 * size;
}

/* Room for a matrix of @n by @k or, if blocks want that, some more. */
static inline void coded_case_begin(struct __test_metadata *_metadata, struct coded_case *w, const struct coded_form *f,
				    size_t n, size_t k)
{
	size_t rows = f->rows ? f->rows : 1, columns = f->columns ? f->columns : 1;

	if (f->kind == PINPOOL_CODED_STRUCTURED)
		columns = 4;
	*w = (struct coded_case){ .coded = { .size = sizeof(w->coded),
					     .kind = f->kind,
					     .dictionary_values = f->values,
					     .group_rows = f->group_rows,
					     .group_columns = f->group_columns,
					     .dtype = f->dtype,
					     .block_columns = f->columns } };
	w->n = (n + rows - 1) / rows * rows;
	w->k = (k + columns - 1) / columns * columns;
	w->wide = calloc(w->n * w->k, sizeof(float));
	w->multiplied = malloc(w->n * w->k);
	ASSERT_TRUE(w->wide && w->multiplied);
	memset(w->multiplied, true, w->n * w->k);
}

static inline void coded_case_new(struct __test_metadata *_metadata, struct coded_case *w, const struct coded_form *f,
				  size_t n, size_t k)
{
	uint64_t state = n * 1000 + k;

	coded_case_begin(_metadata, w, f, n, k);
	switch (f->kind) {
	case PINPOOL_CODED_PRODUCT:
		coded_product_new(_metadata, w, f, &state);
		break;
	case PINPOOL_CODED_EXPONENTS:
		coded_halves_new(_metadata, w, f, &state);
		break;
	case PINPOOL_CODED_BITMASK:
		coded_bitmask_new(_metadata, w, f, &state);
		break;
	case PINPOOL_CODED_BLOCKS:
		coded_blocks_new(_metadata, w, f, &state);
		break;
	default:
		coded_structured_new(_metadata, w, f, &state);
	}
}

static inline void coded_case_free(struct coded_case *w)
{
	while (w->array_count) {
		w->array_count--;
		munmap(w->arrays[w->array_count].map, w->arrays[w->array_count].map_size);
	}
	free(w->wide);
	free(w->multiplied);
}

#endif
