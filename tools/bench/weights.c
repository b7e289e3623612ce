/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Weights at random; see weights.h. A random number for each weight would take longer than what is measured, so a tile
 * of them is made once, and what is filled is copies of it from changing places.
 */
#include "bench/weights.h"
#include "random.h"

#include <errno.h>
#include <pinpool/math.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* A multiple of every block, and not of the length of a row that anybody has. */
	TILE_VALUES = 256 * 4093,
	/* Largest magnitudes are below 1, smallest normal ones 2^-EXPONENTS of that. */
	EXPONENTS = 6,
	MAX_BLOCK = 256,
};

/* A floating-point type by its fields; bias as IEEE has it. */
struct fields {
	enum pinpool_dtype dtype;
	unsigned int exponent_bits;
	unsigned int mantissa_bits;
};

static const struct fields floats[] = {
	{PINPOOL_DTYPE_F32, 8, 23},    {PINPOOL_DTYPE_BF16, 8, 7},    {PINPOOL_DTYPE_F16, 5, 10},
	{PINPOOL_DTYPE_F8_E4M3, 4, 3}, {PINPOOL_DTYPE_F8_E5M2, 5, 2},
};

static const struct fields *fields_of(enum pinpool_dtype dtype)
{
	size_t i;

	for (i = 0; i < sizeof(floats) / sizeof(floats[0]); i++)
		if (floats[i].dtype == dtype)
			return &floats[i];
	return NULL;
}

static void make_floats(unsigned char *to, const struct fields *fields, uint64_t *state)
{
	unsigned int bytes = (1 + fields->exponent_bits + fields->mantissa_bits) / 8;
	uint32_t bias = (1u << (fields->exponent_bits - 1)) - 1;
	int i;

	for (i = 0; i < TILE_VALUES; i++) {
		uint64_t random = random_next(state);
		uint32_t code = random & ((1u << fields->mantissa_bits) - 1);

		code |= (bias - 1 - (random >> 32) % EXPONENTS) << fields->mantissa_bits;
		code |= (uint32_t)(random >> 63) << (fields->exponent_bits + fields->mantissa_bits);
		/* Little-endian, as every host of pinpool. */
		memcpy(to + (size_t)i * bytes, &code, bytes);
	}
}

/* Where a block has numbers of f16, ended by -1. */
static const int *block_scales(enum pinpool_dtype dtype)
{
	static const int at_first[] = {0, -1}, two[] = {0, 2, -1}, at_last[] = {208, -1};

	return dtype == PINPOOL_DTYPE_Q4_K ? two : dtype == PINPOOL_DTYPE_Q6_K ? at_last : at_first;
}

static void make_blocks(unsigned char *to, enum pinpool_dtype dtype, uint64_t *state)
{
	size_t block = pinpool_dtype_block_bytes(dtype), bytes = pinpool_dtype_bytes(dtype, TILE_VALUES), i;

	for (i = 0; i < bytes; i++)
		to[i] = random_next(state) >> 56;
	/* 2^-7 to nearly 2^-6, of either sign. */
	for (i = 0; i < bytes; i += block)
		for (const int *at = block_scales(dtype); *at >= 0; at++)
			to[i + *at + 1] = (to[i + *at + 1] & 0x83) | 0x20;
}

static void make_integers(unsigned char *to, uint64_t *state)
{
	int i;

	for (i = 0; i < TILE_VALUES; i++)
		to[i] = (unsigned char)((int)(random_next(state) % 255) - 127);
}

int bench_filler_new(struct bench_filler *filler, enum pinpool_dtype dtype, uint64_t seed)
{
	const struct fields *fields = fields_of(dtype);

	*filler = (struct bench_filler){.dtype = dtype, .state = seed};
	if (!pinpool_matmul_takes(dtype))
		return -EOPNOTSUPP;
	filler->tile = malloc(pinpool_dtype_bytes(dtype, TILE_VALUES));
	if (!filler->tile)
		return -ENOMEM;
	if (fields)
		make_floats(filler->tile, fields, &filler->state);
	else if (dtype == PINPOOL_DTYPE_I8)
		make_integers(filler->tile, &filler->state);
	else
		make_blocks(filler->tile, dtype, &filler->state);
	return 0;
}

void bench_filler_free(struct bench_filler *filler)
{
	free(filler->tile);
}

void bench_fill(struct bench_filler *filler, void *to, uint64_t count)
{
	unsigned char *out = to;

	while (count) {
		uint64_t first = random_next(&filler->state) % (TILE_VALUES / MAX_BLOCK) * MAX_BLOCK;
		uint64_t part = TILE_VALUES - first < count ? TILE_VALUES - first : count;
		uint64_t bytes = pinpool_dtype_bytes(filler->dtype, part);

		memcpy(out, filler->tile + pinpool_dtype_bytes(filler->dtype, first), bytes);
		out += bytes;
		count -= part;
	}
}

void bench_fill_scales(struct bench_filler *filler, float *to, uint64_t count)
{
	uint64_t i;

	for (i = 0; i < count; i++)
		to[i] = (1.5f + 0.5f * random_float(&filler->state)) / 127;
}
