/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Matrices with some structure for tests of codes, and a team without threads that works in an unkind order. */
#ifndef SELFTESTS_WEIGHTS_CASE_H
#define SELFTESTS_WEIGHTS_CASE_H

#include <math.h>
#include <pinpool/pinpool.h>
#include <stdlib.h>
#include <string.h>

#include "codec/weights.h"

static inline uint64_t case_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* Uniform in (0, 1]. */
static inline double case_uniform(uint64_t *state)
{
	return ((double)(case_random(state) >> 11) + 1) * 0x1p-53;
}

static inline float case_normal(uint64_t *state)
{
	double r = sqrt(-2 * log(case_uniform(state)));

	return (float)(r * cos(2 * M_PI * case_uniform(state)));
}

enum structure {
	NORMAL, /* nothing to see */
	FEW, /* values: 11 of them in all */
	FEW_OF_ROW, /* 13 in each row, of its own */
	MANY, /* 250 in all */
	MANY_OF_EIGHT, /* 200 in each eight rows, of their own */
	SPARSE, /* one in twenty */
	HALF, /* every other one, somewhere */
	FOURS, /* two of each four, at most */
	BLOCKS, /* of eight rows and eight columns, one in five */
	STRANGE, /* infinities, NaNs, zeros of both signs, subnormals */
	ZEROS,
	STRUCTURES
};

static inline float case_value(enum structure structure, uint64_t row, uint64_t column, uint64_t *state)
{
	uint64_t random = case_random(state), place = (row / 8 * 1000 + column / 8) * 0x9e3779b97f4a7c15;
	static const float strange[] = { INFINITY, -INFINITY, -0.0f, 0, 0x1p-140f, -0x1p-133f, 1, -2 };

	switch (structure) {
	case FEW:
		return (float)(random % 11) * 0.375f - 1;
	case FEW_OF_ROW:
		return (float)(random % 13 + row) * 0.25f;
	case MANY:
		return (float)(random % 250) * 0.5f;
	case MANY_OF_EIGHT:
		return (float)(random % 200 + row / 8 % 3 * 50) * 2;
	case SPARSE:
		return random % 20 ? 0 : case_normal(state);
	case HALF:
		return random % 2 ? 0 : case_normal(state);
	case FOURS:
		if (random % 5 == 0)
			return 0;
		return column % 4 == row % 4 || column % 4 == (row + 1 + row / 4 % 3) % 4 ? case_normal(state) : 0;
	case BLOCKS:
		return place >> 32 & 0xff ? (place >> 40 & 0xff) < 51 ? case_normal(state) : 0 : 0;
	case STRANGE:
		return random % 9 < 8 ? strange[random % 9] : NAN;
	case ZEROS:
		return 0;
	default:
		return case_normal(state) * 0.02f;
	}
}

/* A matrix of @dtype, for free(); values are rounded to it. */
static inline void *case_matrix(enum structure structure, enum pinpool_dtype dtype, uint64_t n, uint64_t k)
{
	uint64_t state = structure * 1000 + dtype;
	size_t width = pinpool_dtype_bits(dtype) / 8;
	unsigned char *data = malloc(n * k * width + 1);

	for (uint64_t i = 0; i < n * k; i++) {
		float value = case_value(structure, i / k, i % k, &state);
		uint32_t bits;

		memcpy(&bits, &value, sizeof(bits));
		/* A signalling NaN, with bits that a conversion would lose. */
		if (isnan(value))
			bits = 0x7f816000;
		weights_store(dtype, &bits, 1, data + i * width);
	}
	return data;
}

/* The last unit first, each by another "thread". */
static inline void case_run_backwards(void *arg, codec_unit_fn fn, void *fn_arg, size_t units)
{
	for (size_t i = units; i-- > 0;)
		fn(fn_arg, i, (unsigned int)(i % 3));
}

static inline void case_run_forwards(void *arg, codec_unit_fn fn, void *fn_arg, size_t units)
{
	for (size_t i = 0; i < units; i++)
		fn(fn_arg, i, 0);
}

static const struct codec_team case_backwards = { .threads = 3, .run = case_run_backwards };
static const struct codec_team case_forwards = { .threads = 1, .run = case_run_forwards };

#endif
