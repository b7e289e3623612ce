/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Products of bf16 with bf16 by AVX-512 BF16: two products of each lane in one instruction, exact, added to an f32 one
 * after the other. It takes subnormal values and sums for zero. Panels of W are those of packed bf16 in kernel_float.h, those of X
 * hold for each two k a word of each row: the first k's value is the lower half.
 */
#include "math/kernel_avx512_bf16.h"
#include "math/kernel_avx512.h"

#if !defined(__AVX512BF16__)
#error "compile with -mavx512bf16"
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
