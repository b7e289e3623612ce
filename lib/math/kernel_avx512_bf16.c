/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Products of bf16 with bf16 by AVX-512 BF16: two products of each lane in one instruction, exact, added to an f32 one
 * after the other. It takes subnormal values and sums for zero. Panels of W are those of packed bf16 in kernel_float.h,
 * those of X hold for each two k a word of each row: the first k's value is the lower half. Weights with their exponents
 * apart become such words in registers.
 */
#include "math/kernel_avx512_bf16.h"
#include "math/kernel_avx512_coded.h"

#if !defined(__AVX512BF16__) || !defined(__AVX512VBMI2__)
#error "compile with -mavx512bf16 -mavx512vbmi2"
#endif

#define NAME(op) op##_avx512_bf16
#define TILE_ALONE 4
#define TILE_FMA(x, w, sum) _mm512_dpbf16_ps(sum, (__m512bh)(w), (__m512bh)(x))

#include "math/kernel_tile.h"

INLINE vec load_values(const float *src, size_t count)
{
	return count >= VL ? v_load(src) : v_load_part(src, count);
}

/* The upper halves of f32, of which the lower ones are zero. */
INLINE vec words_of_pairs(const float *row, size_t count)
{
	const __m512i upper = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27,
					       25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
	vec first = load_values(row, count), second = count > VL ? load_values(row + VL, count - VL) : v_zero();

	return _mm512_castsi512_ps(
		_mm512_permutex2var_epi16(_mm512_castps_si512(first), upper, _mm512_castps_si512(second)));
}

void NAME(pack_x_pairs)(void *panel, const float *x, size_t ldx, size_t rows, size_t height, size_t k)
{
	pack_x_words(panel, x, ldx, rows, height, k, 2, words_of_pairs);
}

INLINE void unit_words(vec b[NV], const unsigned char *w, size_t at)
{
	UNROLL
	for (size_t v = 0; v < NV; v++)
		b[v] = v_load(w + v * VL * sizeof(float));
}

TILE_OF(words, 1, UNIT_BYTES)

void NAME(tile_pairs)(const struct tile_args *args)
{
	struct tile_args words = *args;

	words.k = (args->k + 1) / 2;
	NAME(tile_words)(&words);
}

/* Activations in the order in which e_pairs() has weights: of each 64, eight of each quarter, then the other eight. */
void NAME(order_pairs)(float *dst, const float *x, size_t k)
{
	for (size_t p = 0; p < k; p += CODED_STEP, dst += CODED_STEP / 2) {
		size_t left = k - p, half = CODED_STEP / 2;
		vec first = words_of_pairs(x + p, left < half ? left : half), second = v_zero();

		if (left > half)
			second = words_of_pairs(x + p + half, left < CODED_STEP ? left - half : half);
		v_store(dst, _mm512_shuffle_f32x4(first, second, 0x88));
		v_store(dst + VL, _mm512_shuffle_f32x4(first, second, 0xdd));
	}
}

/* 64 weights; returns how many of them have an exponent without a code. */
INLINE size_t decode_pairs(__m512i w[2], e_table table, const uint64_t *planes, const unsigned char *codes,
			   const unsigned char *escapes, const unsigned char *end)
{
	size_t count;

	e_pairs(w, e_all(table, planes, escapes, end, &count), _mm512_loadu_si512(codes));
	return count;
}

/* Of 64 weights the first @left, and zeros: codes behind the last column are 0, which may be the exponent of infinities. */
INLINE void keep_first(__m512i w[2], size_t left)
{
	uint32_t keep[2] = { 0, 0 };

	for (size_t i = 0; i < left; i++)
		keep[i / 8 % 2] |= 1u << (i / 16 * 8 + i % 8);
	w[0] = _mm512_maskz_mov_epi16(keep[0], w[0]);
	w[1] = _mm512_maskz_mov_epi16(keep[1], w[1]);
}

INLINE void add_pairs(vec acc[4][2], const float *x, size_t ldx, const __m512i w[2], size_t m)
{
	UNROLL
	for (size_t i = 0; i < m; i++) {
		acc[i][0] = TILE_FMA(v_load(x + i * ldx), w[0], acc[i][0]);
		acc[i][1] = TILE_FMA(v_load(x + i * ldx + VL), w[1], acc[i][1]);
	}
}

INLINE void exponent_pair_rows(const struct dot_coded_args *a, size_t m)
{
	const struct coded *w = a->w;
	const unsigned char *end = w->escapes + w->count, *own = NULL;
	e_table table = { 0 };

	for (size_t j = 0; j < a->rows; j++) {
		const unsigned char *codes = w->codes + (a->first + j) * w->ld;
		const unsigned char *escapes = w->escapes + w->starts[a->first + j];
		const uint64_t *planes = w->bits + (a->first + j) * w->words;
		__m512i values[2];
		vec acc[4][2];
		size_t p = 0;

		e_start_row(&table, &own, w, a->first + j);
		UNROLL
		for (size_t i = 0; i < m; i++)
			acc[i][0] = acc[i][1] = v_zero();
		for (; p + CODED_STEP <= a->k; p += CODED_STEP, planes += 3) {
			__builtin_prefetch(codes + p + 2 * PREFETCH_BYTES);
			__builtin_prefetch((const unsigned char *)planes + PREFETCH_BYTES);
			escapes += decode_pairs(values, table, planes, codes + p, escapes, end);
			add_pairs(acc, a->x + p / 2, a->ldx, values, m);
		}
		if (p < a->k) {
			decode_pairs(values, table, planes, codes + p, escapes, end);
			keep_first(values, a->k - p);
			add_pairs(acc, a->x + p / 2, a->ldx, values, m);
		}
		UNROLL
		for (size_t i = 0; i < m; i++)
			a->y[i * a->ldy + j] = v_sum(v_add(acc[i][0], acc[i][1]));
	}
}

void NAME(dot_exponent_pairs)(const struct dot_coded_args *args)
{
	FOR_ROWS(exponent_pair_rows, args);
}
