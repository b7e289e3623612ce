/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Kernels for AVX-512 F, BW, DQ, VL: products of codes by way of 16 bits. */
#include "math/kernel_avx512_coded.h"

#define NAME(op) op##_avx512
#define KERNELS_ISA PINPOOL_ISA_AVX512

/* Sums of pairs in 16 bits: of 4 bits, 8 words have at most 8 * 2 * 15 * 127 < 2^15; of 6 bits, 2 words. */
typedef __m512i u_vec;
#define U_WORDS_6 2

static inline u_vec u_zero(void)
{
	return _mm512_setzero_si512();
}

static inline u_vec u_start(const int32_t *sum)
{
	return u_zero();
}

static inline u_vec u_dot(u_vec u, ivec w, ivec x)
{
	u = _mm512_add_epi16(u, _mm512_maddubs_epi16(w, x));
	__asm__ volatile("" : "+v"(u));
	return u;
}

static inline ivec u_end(u_vec u, const int32_t *sum)
{
	return _mm512_add_epi32(_mm512_madd_epi16(u, _mm512_set1_epi16(1)), q_word(sum));
}

static inline __attribute__((always_inline)) ivec u_scaled(ivec acc, u_vec u, ivec pairs, size_t odd)
{
	const __m512i both = _mm512_set4_epi32(odd ? 0x0f0e0f0e : 0x0d0c0d0c, odd ? 0x0b0a0b0a : 0x09080908,
					       odd ? 0x07060706 : 0x05040504, odd ? 0x03020302 : 0x01000100);

	return _mm512_add_epi32(acc, _mm512_madd_epi16(u, _mm512_shuffle_epi8(pairs, both)));
}

#define S_VALUES 2
#define S_BIASED 0

static inline ivec s_load(const void *src)
{
	return _mm512_cvtepi8_epi16(_mm256_loadu_si256(src));
}

static inline ivec s_start(const int32_t *sum)
{
	return _mm512_setzero_si512();
}

static inline ivec s_dot(ivec acc, ivec w, ivec x)
{
	acc = _mm512_add_epi32(acc, _mm512_madd_epi16(w, x));
	__asm__ volatile("" : "+v"(acc));
	return acc;
}

#define EXPONENTS_FUSED 0
#define CODEBOOK_PANELS 0

#include "math/kernel_template.h"
