/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What AVX-512 F, BW, DQ and VL decode coded weights with. Goes with kernel_avx512.h. */
#ifndef PINPOOL_MATH_KERNEL_AVX512_CODED_H
#define PINPOOL_MATH_KERNEL_AVX512_CODED_H

#include "math/kernel_avx512.h"

#define LOOKUP_4 32
typedef __m512 l4_table;

static inline void l4_start(l4_table *table, const float *values)
{
	*table = _mm512_loadu_ps(values);
}

/* Each lane shifts its code to where the look-up takes it from: the lowest bits. */
static inline void l4_look_up(vec *dst, const l4_table *table, const unsigned char *codes)
{
	const __m512i shifts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
	int32_t words[4];

	memcpy(words, codes, sizeof(words));
#pragma GCC unroll 2
	for (int i = 0; i < 2; i++) {
		__m512i all = _mm512_mask_set1_epi32(_mm512_set1_epi32(words[2 * i]), 0xff00, words[2 * i + 1]);

		dst[i] = _mm512_permutexvar_ps(_mm512_srlv_epi32(all, shifts), *table);
	}
}

/* 256 values as their lower and upper halves: a look-up takes 64 of those, and 8 make what 16 of whole values would. */
#define LOOKUP_8 32
typedef struct {
	__m512i lower[8];
	__m512i upper[8];
} l8_table;

static inline void l8_start(l8_table *table, const float *values)
{
	const __m512i *from = (const __m512i *)values;

#pragma GCC unroll 8
	for (int i = 0; i < 8; i++) {
		__m512i a = _mm512_loadu_si512(from + 2 * i), b = _mm512_loadu_si512(from + 2 * i + 1);

		table->lower[i] = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(a)),
						     _mm512_cvtepi32_epi16(b), 1);
		table->upper[i] = _mm512_inserti64x4(
			_mm512_castsi256_si512(_mm512_cvtepi32_epi16(_mm512_srli_epi32(a, 16))),
			_mm512_cvtepi32_epi16(_mm512_srli_epi32(b, 16)), 1);
	}
}

/* @bit6, @bit7: which codes have that bit, which no look-up sees. */
static inline __m512i l8_halves(const __m512i *table, __m512i codes, __mmask32 bit6, __mmask32 bit7)
{
	__m512i a = _mm512_permutex2var_epi16(table[0], codes, table[1]);
	__m512i b = _mm512_permutex2var_epi16(table[2], codes, table[3]);
	__m512i c = _mm512_permutex2var_epi16(table[4], codes, table[5]);
	__m512i d = _mm512_permutex2var_epi16(table[6], codes, table[7]);

	return _mm512_mask_blend_epi16(bit7, _mm512_mask_blend_epi16(bit6, a, b), _mm512_mask_blend_epi16(bit6, c, d));
}

static inline void l8_look_up(vec *dst, const l8_table *table, const unsigned char *codes)
{
	/* Unpacking takes the lower half of each quarter for the first 16 values. */
	const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
	__m512i wide = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)codes));
	__m512i words = _mm512_permutexvar_epi64(order, wide);
	__mmask32 bit6 = _mm512_test_epi16_mask(words, _mm512_set1_epi16(0x40));
	__mmask32 bit7 = _mm512_test_epi16_mask(words, _mm512_set1_epi16(0x80));
	__m512i lower = l8_halves(table->lower, words, bit6, bit7), upper = l8_halves(table->upper, words, bit6, bit7);

	dst[0] = _mm512_castsi512_ps(_mm512_unpacklo_epi16(lower, upper));
	dst[1] = _mm512_castsi512_ps(_mm512_unpackhi_epi16(lower, upper));
}

static inline vec v_expand(vec v, uint32_t mask)
{
	return _mm512_maskz_expand_ps((__mmask16)mask, v);
}

#define EXPONENTS_AT_ONCE 1
typedef __m512i e_table;

static inline void e_start(e_table *table, const unsigned char *exponents)
{
	*table = _mm512_broadcast_i32x4(_mm_loadl_epi64((const __m128i *)exponents));
}

/* The table of a row; *@own, NULL to begin with, says whose it is. */
static inline void e_start_row(e_table *table, const unsigned char **own, const struct coded *w, size_t row)
{
	unsigned char exponents[CODED_EXPONENTS];

	if (*own == coded_exponents(w, row))
		return;
	*own = coded_exponents(w, row);
	coded_copy_exponents(exponents, w, row);
	e_start(table, exponents);
}

/* Which exponent each of 64 values has. */
static inline __m512i e_exponents(e_table table, const uint64_t *planes)
{
	__m512i code = _mm512_maskz_mov_epi8(planes[0], _mm512_set1_epi8(1));

	code = _mm512_mask_add_epi8(code, planes[1], code, _mm512_set1_epi8(2));
	code = _mm512_mask_add_epi8(code, planes[2], code, _mm512_set1_epi8(4));
	return _mm512_shuffle_epi8(table, code);
}

/* Loads under a mask of bytes are slow, so only the last ones, which end at @end, are. */
static inline __attribute__((always_inline)) __m512i e_own(const unsigned char *escapes, const unsigned char *end)
{
	size_t left = (size_t)(end - escapes);

	if (__builtin_expect(left >= 64, 1))
		return _mm512_loadu_si512(escapes);
	return _mm512_maskz_loadu_epi8((1ull << left) - 1, escapes);
}

#define E_TARGET __attribute__((target("avx512vbmi2")))

/* The same of all of them: those without a code, of which *@count becomes the number, have the next of @escapes. */
static inline E_TARGET __attribute__((always_inline)) __m512i e_all(e_table table, const uint64_t *planes,
								    const unsigned char *escapes,
								    const unsigned char *end, size_t *count)
{
	uint64_t each[3] = { planes[0], planes[1], planes[2] }, mask;

	/* In general registers, to which masks are slow to move. */
	__asm__("" : "+r"(each[0]), "+r"(each[1]), "+r"(each[2]));
	mask = coded_escapes(each);
	*count = (size_t)__builtin_popcountll(mask);
	return _mm512_mask_expand_epi8(e_exponents(table, each), mask, e_own(escapes, end));
}

/*
 * The upper and the lower bytes of bf16, which unpacking brings side by side, within quarters: vector i has eight values of
 * each, in its quarter j those from 16 j + 8 i on. 0xca: bits of the second where the first has ones, else of the third.
 */
static inline void e_pairs(__m512i *dst, __m512i exponent, __m512i rest)
{
	const __m512i top = _mm512_set1_epi8(INT8_MIN);
	__m512i upper = _mm512_ternarylogic_epi32(top, rest, _mm512_srli_epi16(exponent, 1), 0xca);
	__m512i lower = _mm512_ternarylogic_epi32(top, _mm512_slli_epi16(exponent, 7), rest, 0xca);

	dst[0] = _mm512_unpacklo_epi8(lower, upper);
	dst[1] = _mm512_unpackhi_epi8(lower, upper);
}

/* And behind 16 zeros: vector i has four of each quarter, those from 16 j + 4 i on. */
static inline void e_widen(vec *dst, __m512i exponent, __m512i rest)
{
	const __m512i zero = _mm512_setzero_si512();
	__m512i pairs[2];

	e_pairs(pairs, exponent, rest);
	dst[0] = _mm512_castsi512_ps(_mm512_unpacklo_epi16(zero, pairs[0]));
	dst[1] = _mm512_castsi512_ps(_mm512_unpackhi_epi16(zero, pairs[0]));
	dst[2] = _mm512_castsi512_ps(_mm512_unpacklo_epi16(zero, pairs[1]));
	dst[3] = _mm512_castsi512_ps(_mm512_unpackhi_epi16(zero, pairs[1]));
}

/* So that values come in order, fours of bytes are exchanged before: number i of quarter j with number j of quarter i. */
static inline void e_decode(float *dst, const e_table *table, const uint64_t *planes, const unsigned char *codes)
{
	const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	__m512i rest = _mm512_permutexvar_epi32(order, _mm512_loadu_si512(codes));
	vec values[4];

	e_widen(values, _mm512_permutexvar_epi32(order, e_exponents(*table, planes)), rest);
	memcpy(dst, values, sizeof(values));
}

#endif
