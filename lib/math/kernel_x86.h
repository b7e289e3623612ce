/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What kernel_integer.h needs, of AVX2, FMA and F16C, for every table that has these. */
#ifndef PINPOOL_MATH_KERNEL_X86_H
#define PINPOOL_MATH_KERNEL_X86_H

#include <immintrin.h>
#include <string.h>

#include "math/vectors.h"

static inline sums8 i_dot(codes32 u, codes32 s, weights16 weights)
{
	return (sums8)_mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)u, (__m256i)s), (__m256i)weights);
}

static inline codes32 i_sign(codes32 x, codes32 w)
{
	return (codes32)_mm256_sign_epi8((__m256i)x, (__m256i)w);
}

static inline codes32 i_halves(codes16 pairs)
{
	__m256i both = _mm256_set_m128i(_mm_srli_epi16((__m128i)pairs, 4), (__m128i)pairs);

	return (codes32)_mm256_and_si256(both, _mm256_set1_epi8(15));
}

static inline sums8 i_dot_halves(sums8 sums, codes32 upper, codes32 lower, codes32 s)
{
#ifdef __AVX512VNNI__
	__m256i all = _mm256_dpbusd_epi32((__m256i)sums, (__m256i)upper, (__m256i)s);

	return (sums8)_mm256_dpbusd_epi32(_mm256_slli_epi32(all, 7), (__m256i)lower, (__m256i)s);
#else
	const weights16 ones = (weights16){ 0 } + 1;

	return ((sums + i_dot(upper, s, ones)) << 7) + i_dot(lower, s, ones);
#endif
}

static inline codes32 i_look_up(codes16 table, codes32 codes)
{
	return (codes32)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256((__m128i)table), (__m256i)codes);
}

static inline sums8 i_eight(const void *src)
{
	return (sums8)_mm256_cvtepi8_epi32(_mm_loadl_epi64(src));
}

static inline codes32 i_bytes(const sums8 *sums)
{
	__m256i low = _mm256_packs_epi32((__m256i)sums[0], (__m256i)sums[1]);
	__m256i high = _mm256_packs_epi32((__m256i)sums[2], (__m256i)sums[3]);
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);

	return (codes32)_mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
}

static inline weights16 i_weights(codes16 bytes)
{
	return (weights16)_mm256_cvtepi8_epi16((__m128i)bytes);
}

static inline __attribute__((always_inline)) weights16 i_spread(weights16 weights, int g)
{
	return (weights16)_mm256_shuffle_epi8((__m256i)weights, _mm256_set1_epi16((short)(2 * g + (2 * g + 1) * 256)));
}

static inline float f_half(const void *src)
{
	uint16_t half;

	memcpy(&half, src, sizeof(half));
	return _cvtsh_ss(half);
}

static inline floats8 f_fma(floats8 a, floats8 b, floats8 c)
{
	return (floats8)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

#endif
