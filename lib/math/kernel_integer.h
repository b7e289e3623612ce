/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Dot products of quantised activations with block types, in integers. A part of kernel_template.h, for which a kernel
 * file defines before
 *
 *   i_dot(u, s, weights)    8 sums, each of 4 products of an unsigned and a signed code, 2 of them times one weight and
 *                           2 times the next, which is the same. Two products together must fit into 16 bits, and u
 *                           into 7 unless it comes from i_sign(w, w)
 *   i_sign(x, w)            x with its sign turned where w is negative, to be multiplied by i_sign(w, w); just x where
 *                           i_dot() takes two signed codes
 *   i_halves(pairs)         32 codes: the lower halves of 16 bytes, then the upper ones
 *   i_eight(src)            8 signed bytes as sums
 *   i_bytes(sums)           32 sums, of 4 vectors, as signed bytes, into which they fit
 *   i_weights(bytes)        16 signed bytes as weights
 *   i_spread(weights, g)    weight g for the first 8, and weight 8 + g for the next; g is a constant
 *   f_fma(a, b, c)          a * b + c
 *   f_half(src)             an f16
 *
 * What fits where: codes of activations are at most 127, of weights at most 128 (Q8_0), so two products are less
 * than 2^15. Of a block of 256 each of the 8 places has the sum of 32 products, at most 32 * 127 * 63 * 128 < 2^25 (Q6_K).
 *
 * A block is a scale for the sum of its codes' products, and one f32 addition for each of the 8 places.
 */
#include <float.h>
#include <math.h>

#include "math/vectors.h"

#define ALL16(value) ((weights16){ 0 } + (int16_t)(value))
#define ALL8(value)  ((floats8){ 0 } + (value))

/* A block of weights made ready for any number of rows of X. */
struct ready {
	codes32 codes[8];
	weights16 weights;
	sums8 factors[2];
	float scale;
	float minimum;
};

INLINE floats8 floats8_of(sums8 sums)
{
	return __builtin_convertvector(sums, floats8);
}

INLINE float floats8_sum(floats8 v)
{
	return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

INLINE void ready_q8_0(struct ready *b, const unsigned char *block)
{
	b->scale = f_half(block);
	b->codes[0] = codes32_load(block + Q8_0_CODES);
	b->codes[1] = i_sign(b->codes[0], b->codes[0]);
}

INLINE floats8 times_q8_0(floats8 acc, const struct ready *b, const int8_t *x, float scale, const int32_t *sums)
{
	sums8 sum = i_dot(b->codes[1], i_sign(codes32_load(x), b->codes[0]), ALL16(1));

	return f_fma(ALL8(b->scale * scale), floats8_of(sum), acc);
}

INLINE void ready_q4_0(struct ready *b, const unsigned char *block)
{
	b->scale = f_half(block);
	b->codes[0] = i_halves(codes16_load(block + Q4_0_CODES));
}

/* Codes are 8 too high. The sum of activations that this adds is the same for all rows of W. */
INLINE floats8 times_q4_0(floats8 acc, const struct ready *b, const int8_t *x, float scale, const int32_t *sums)
{
	codes32 activations = codes32_load(x);
	sums8 sum = i_dot(b->codes[0], activations, ALL16(1)) - i_dot((codes32){ 0 } + 8, activations, ALL16(1));

	return f_fma(ALL8(b->scale * scale), floats8_of(sum), acc);
}

INLINE void ready_q4_k(struct ready *b, const unsigned char *block)
{
	uint64_t scales, minima;

	q4_k_all_codes(block, &scales, &minima);
	b->weights = i_weights((codes16)(words2){ scales, scales });
	b->factors[0] = i_eight(&minima);
	b->scale = f_half(block);
	b->minimum = f_half(block + 2);
	UNROLL
	for (size_t i = 0; i < 4; i++) {
		codes32 pairs = codes32_load(block + Q4_K_CODES + i * GROUP);

		b->codes[2 * i] = pairs & 15;
		b->codes[2 * i + 1] = pairs >> 4;
	}
}

INLINE floats8 times_q4_k(floats8 acc, const struct ready *b, const int8_t *x, float scale, const int32_t *sums)
{
	sums8 sum = { 0 };

	UNROLL
	for (size_t g = 0; g < 8; g++)
		sum += i_dot(b->codes[g], codes32_load(x + g * GROUP), i_spread(b->weights, g));
	acc = f_fma(ALL8(b->scale * scale), floats8_of(sum), acc);
	return f_fma(ALL8(-b->minimum * scale), floats8_of(b->factors[0] * sums8_load(sums + 16)), acc);
}

INLINE void ready_q6_k(struct ready *b, const unsigned char *block)
{
	const codes16 even_then_odd = { 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15 };

	b->scale = f_half(block + Q6_K_D);
	b->weights = i_weights(__builtin_shuffle(codes16_load(block + Q6_K_SCALES), even_then_odd));
	b->factors[0] = i_eight(block + Q6_K_SCALES);
	b->factors[1] = i_eight(block + Q6_K_SCALES + 8);
	UNROLL
	for (size_t half = 0; half < 2; half++) {
		words16 high = (words16)codes32_load(block + Q6_K_HIGH + half * GROUP);

		/* What a shift of words takes across bytes is masked. */
		UNROLL
		for (size_t i = 0; i < 2; i++) {
			codes32 pairs = codes32_load(block + half * 64 + i * GROUP);

			b->codes[half * 4 + i] = (pairs & 15) | ((codes32)(high << (uint16_t)(4 - 2 * i)) & 0x30);
			b->codes[half * 4 + i + 2] = pairs >> 4 | ((codes32)(high >> (uint16_t)(2 * i)) & 0x30);
		}
	}
}

/* Codes are 32 too high. */
INLINE floats8 times_q6_k(floats8 acc, const struct ready *b, const int8_t *x, float scale, const int32_t *sums)
{
	sums8 sum = { 0 };

	UNROLL
	for (size_t g = 0; g < 8; g++)
		sum += i_dot(b->codes[g], codes32_load(x + g * GROUP), i_spread(b->weights, g));
	sum -= (b->factors[0] * sums8_load(sums) + b->factors[1] * sums8_load(sums + 8)) << 5;
	return f_fma(ALL8(b->scale * scale), floats8_of(sum), acc);
}

typedef void (*ready_fn)(struct ready *b, const unsigned char *block);
typedef floats8 (*times_fn)(floats8 acc, const struct ready *b, const int8_t *x, float scale, const int32_t *sums);

/* m rows of X times r rows of W that lie apart, as dot_body(). */
INLINE void dot_blocks_body(const struct dot_blocks_args *a, size_t first, size_t apart, size_t m, size_t r,
			    size_t values, size_t bytes, ready_fn ready, times_fn times)
{
	size_t runs = a->k / values;
	const unsigned char *w[4];
	floats8 acc[4][4];

	UNROLL
	for (size_t j = 0; j < r; j++)
		w[j] = a->w + (first + j * apart) * a->ldw;
	UNROLL
	for (size_t i = 0; i < m; i++) {
		UNROLL
		for (size_t j = 0; j < r; j++)
			acc[i][j] = (floats8){ 0 };
	}
	for (size_t run = 0; run < runs; run++) {
		UNROLL
		for (size_t j = 0; j < r; j++) {
			struct ready b;

			ready(&b, w[j] + run * bytes);
			UNROLL
			for (size_t line = 0; line < bytes; line += 64)
				__builtin_prefetch(w[j] + run * bytes + line + PREFETCH_BYTES);
			UNROLL
			for (size_t i = 0; i < m; i++) {
				size_t at = i * runs + run;

				acc[i][j] = times(acc[i][j], &b, a->x.codes + at * values, a->x.scales[at],
						  values == 256 ? a->x.sums + at * QUANTISED_SUMS : NULL);
			}
		}
	}
	UNROLL
	for (size_t i = 0; i < m; i++) {
		UNROLL
		for (size_t j = 0; j < r; j++)
			a->y[i * a->ldy + first + j * apart] = floats8_sum(acc[i][j]);
	}
}

INLINE void dot_blocks_rows(const struct dot_blocks_args *a, size_t m, size_t r, size_t values, size_t bytes,
			    ready_fn ready, times_fn times)
{
	size_t run = a->rows / r;

	for (size_t i = 0; i < run; i++)
		dot_blocks_body(a, i, run, m, r, values, bytes, ready, times);
	for (size_t i = run * r; i < a->rows; i++)
		dot_blocks_body(a, i, 0, m, 1, values, bytes, ready, times);
}

#define DOT_BLOCKS_OF(type, values, bytes)                                                              \
	static void NAME(dot_##type)(const struct dot_blocks_args *a)                                   \
	{                                                                                               \
		switch (a->m) {                                                                         \
		case 1:                                                                                 \
			dot_blocks_rows(a, 1, values == 256 ? 2 : 4, values, bytes, ready_##type, times_##type);            \
			break;                                                                          \
		case 2:                                                                                 \
			dot_blocks_rows(a, 2, 2, values, bytes, ready_##type, times_##type);            \
			break;                                                                          \
		case 3:                                                                                 \
			dot_blocks_rows(a, 3, 2, values, bytes, ready_##type, times_##type);            \
			break;                                                                          \
		case 4:                                                                                 \
			dot_blocks_rows(a, 4, 2, values, bytes, ready_##type, times_##type);            \
			break;                                                                          \
		}                                                                                       \
	}

DOT_BLOCKS_OF(q8_0, 32, 34)
DOT_BLOCKS_OF(q4_0, 32, 18)
DOT_BLOCKS_OF(q4_k, 256, 144)
DOT_BLOCKS_OF(q6_k, 256, 210)

/* Added to a float of at most 2^21, the lowest bits are the nearest integer, ties to even. */
#define ROUNDER 0x1.8p23f

INLINE sums8 sums8_larger(sums8 a, sums8 b)
{
	sums8 larger = a > b;

	return (a & larger) | (b & ~larger);
}

/* The largest magnitude, as bits: larger than those of infinity if there is a NaN. */
static uint32_t largest_bits(const float *x, size_t run)
{
	sums8 largest = { 0 };
	int32_t most = 0;

	for (size_t i = 0; i < run; i += GROUP) {
		sums8 of[4];

		UNROLL
		for (size_t j = 0; j < 4; j++)
			of[j] = (sums8)floats8_load(x + i + j * 8) & INT32_MAX;
		largest = sums8_larger(largest, sums8_larger(sums8_larger(of[0], of[1]), sums8_larger(of[2], of[3])));
	}
	for (size_t i = 0; i < 8; i++)
		most = largest[i] > most ? largest[i] : most;
	return (uint32_t)most;
}

/* Returns the scale. */
static float quantise_run(int8_t *codes, const float *x, size_t run)
{
	float largest = f32_from_bits(largest_bits(x, run)), inverse = 127 / largest;

	if (!(largest < QUANTISED_LEAST) && largest <= FLT_MAX) {
		for (size_t i = 0; i < run; i += GROUP) {
			codes32 bytes;
			sums8 of[4];

			UNROLL
			for (size_t j = 0; j < 4; j++)
				of[j] = (sums8)(floats8_load(x + i + j * 8) * inverse + ROUNDER) - (sums8)ALL8(ROUNDER);
			bytes = i_bytes(of);
			memcpy(codes + i, &bytes, sizeof(bytes));
		}
		return largest / 127;
	}
	memset(codes, 0, run);
	return largest < QUANTISED_LEAST ? 0 : NAN;
}

static void sum_run(int32_t *sums, const int8_t *codes)
{
	for (size_t i = 0; i < 16; i++) {
		int32_t sum = 0;

		for (size_t c = 0; c < 16; c++)
			sum += codes[i * 16 + c];
		sums[i] = sum;
		if (i % 2)
			sums[16 + i / 2] = sums[i - 1] + sum;
	}
}

static void NAME(quantise)(const struct quantised *dst, const float *x, size_t k, size_t run)
{
	for (size_t r = 0; r < k / run; r++, x += run) {
		int8_t *codes = dst->codes + r * run;

		dst->scales[r] = quantise_run(codes, x, run);
		if (run == 256)
			sum_run(dst->sums + r * QUANTISED_SUMS, codes);
	}
}
