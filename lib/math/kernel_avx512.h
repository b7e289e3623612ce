/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What AVX-512 F, BW, DQ and VL give to every table that has them. A tile of 14 x 32 takes 28 of the 32 registers. */
#ifndef PINPOOL_MATH_KERNEL_AVX512_H
#define PINPOOL_MATH_KERNEL_AVX512_H

#include <immintrin.h>
#include <string.h>

#include "math/block.h"
#include "math/kernel.h"
#include "math/kernel_x86.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "compile with -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif

#define VL 16
#define REGISTERS 32
#define MR 14
#define MR_BF16 12
#define UNPACK_F16 12
#define NV 2
#define TILE_PANELS(m) ((m) <= 2 ? 4 : (m) <= 4 ? 3 : (m) <= 6 ? 2 : 1)
#define QUANT_ROWS 12
#define QUANT_PANELS(m) ((m) == 3 || (m) == 4 ? 2 : 1)
#define I8_PANELS(m)    ((m) == 3 || (m) == 4 ? 2 : 1)
#define Q8_0_PANELS(m) ((m) == 2 || (m) > 4 ? 1 : 2)
#define DOT_ROWS(m) 6
#define STREAM_M 96

typedef __m512 vec;

static inline vec v_zero(void)
{
	return _mm512_setzero_ps();
}

static inline vec v_set1(float value)
{
	return _mm512_set1_ps(value);
}

static inline vec v_add(vec a, vec b)
{
	return _mm512_add_ps(a, b);
}

static inline vec v_mul(vec a, vec b)
{
	return _mm512_mul_ps(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
	return _mm512_fmadd_ps(a, b, c);
}

static inline float v_sum(vec v)
{
	__m256 h = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
	__m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));

	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline __mmask16 lanes(size_t n)
{
	return (__mmask16)((1u << n) - 1);
}

static inline vec v_load(const void *src)
{
	return _mm512_loadu_ps(src);
}

static inline vec v_load_part(const void *src, size_t n)
{
	return _mm512_maskz_loadu_ps(lanes(n), src);
}

static inline void v_store(void *dst, vec v)
{
	_mm512_storeu_ps(dst, v);
}

static inline void v_stream(float *dst, vec v)
{
	_mm512_stream_ps(dst, v);
}

static inline void v_stream_end(void)
{
	_mm_sfence();
}

static inline void v_store_part(void *dst, vec v, size_t n)
{
	_mm512_mask_storeu_ps(dst, lanes(n), v);
}

#define v_load_f32 v_load
#define v_load_f32_part v_load_part
#define v_store_f32 v_store
#define v_store_f32_part v_store_part

static inline vec widen_bf16(__m256i half)
{
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

static inline vec v_load_bf16(const void *src)
{
	return widen_bf16(_mm256_loadu_si256(src));
}

static inline vec v_load_bf16_part(const void *src, size_t n)
{
	return widen_bf16(_mm256_maskz_loadu_epi16(lanes(n), src));
}

static inline vec v_load_f16(const void *src)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256(src));
}

static inline vec v_load_f16_part(const void *src, size_t n)
{
	return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes(n), src));
}

/* As in convert.h; the instruction for it takes subnormals for zero. */
static inline __m256i narrow_bf16(vec v)
{
	__m512i bits = _mm512_castps_si512(v);
	__m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
	__m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
	__mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);

	rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
	return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}

static inline void v_store_bf16(void *dst, vec v)
{
	_mm256_storeu_si256(dst, narrow_bf16(v));
}

static inline void v_store_bf16_part(void *dst, vec v, size_t n)
{
	_mm256_mask_storeu_epi16(dst, lanes(n), narrow_bf16(v));
}

static inline void v_store_f16(void *dst, vec v)
{
	_mm256_storeu_si256(dst, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline void v_store_f16_part(void *dst, vec v, size_t n)
{
	_mm256_mask_storeu_epi16(dst, lanes(n), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline vec widen_f8_e5m2(__m128i bytes)
{
	return _mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes), 8));
}

static inline vec v_load_f8_e5m2(const void *src)
{
	return widen_f8_e5m2(_mm_loadu_si128(src));
}

static inline vec v_load_f8_e5m2_part(const void *src, size_t n)
{
	return widen_f8_e5m2(_mm_maskz_loadu_epi8(lanes(n), src));
}

/* The NaN becomes one of f16; all else as in convert.h. */
static inline vec widen_f8_e4m3(__m128i bytes)
{
	__m256i wide = _mm256_cvtepi8_epi16(bytes);
	__m256i magnitude = _mm256_and_si256(wide, _mm256_set1_epi16(0x7f));
	__mmask16 nan = _mm256_cmpeq_epi16_mask(magnitude, _mm256_set1_epi16(F8_E4M3_NAN));
	__m256i half =
		_mm256_or_si256(_mm256_and_si256(wide, _mm256_set1_epi16(INT16_MIN)), _mm256_slli_epi16(magnitude, 7));

	half = _mm256_mask_blend_epi16(nan, half, _mm256_set1_epi16(0x7e00));
	return _mm512_mul_ps(_mm512_cvtph_ps(half), _mm512_set1_ps(F8_E4M3_SCALE));
}

static inline vec v_load_f8_e4m3(const void *src)
{
	return widen_f8_e4m3(_mm_loadu_si128(src));
}

static inline vec v_load_f8_e4m3_part(const void *src, size_t n)
{
	return widen_f8_e4m3(_mm_maskz_loadu_epi8(lanes(n), src));
}

static inline __attribute__((always_inline)) void v_transpose(vec r[VL])
{
	vec t[VL], u[VL];

	/* Pairs of rows, then quadruples, within 128-bit quarters; then two rounds that exchange the quarters. */
#pragma GCC unroll 16
	for (int i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
	}
#pragma GCC unroll 16
	for (int i = 0; i < 16; i += 4) {
		u[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
		u[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
		u[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
		u[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
	}
#pragma GCC unroll 16
	for (int i = 0; i < 4; i++) {
		t[i] = _mm512_shuffle_f32x4(u[i], u[i + 4], 0x88);
		t[i + 4] = _mm512_shuffle_f32x4(u[i], u[i + 4], 0xdd);
		t[i + 8] = _mm512_shuffle_f32x4(u[i + 8], u[i + 12], 0x88);
		t[i + 12] = _mm512_shuffle_f32x4(u[i + 8], u[i + 12], 0xdd);
	}
#pragma GCC unroll 16
	for (int i = 0; i < 8; i++) {
		r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
		r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
	}
}

static inline vec v_load_lower(const void *src)
{
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(src), 16));
}

static inline vec v_load_upper(const void *src)
{
	return _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(src), _mm512_set1_epi32(-65536)));
}

static inline void v_store_halves(void *dst, vec v, int bit)
{
	_mm256_storeu_si256(dst, _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(v), bit)));
}

static inline void v_store_bytes(void *dst, vec v, int bit)
{
	_mm_storeu_si128(dst, _mm512_cvtepi32_epi8(_mm512_srli_epi32(_mm512_castps_si512(v), bit)));
}

typedef __m512i ivec;

static inline ivec q_zero(void)
{
	return _mm512_setzero_si512();
}

static inline ivec q_load(const void *src)
{
	return _mm512_loadu_si512(src);
}

static inline ivec q_word(const void *src)
{
	int32_t word;

	memcpy(&word, src, sizeof(word));
	return _mm512_set1_epi32(word);
}

static inline ivec q_add(ivec a, ivec b)
{
	return _mm512_add_epi32(a, b);
}

static inline ivec q_sub(ivec a, ivec b)
{
	return _mm512_sub_epi32(a, b);
}

static inline ivec q_shift5(ivec a)
{
	return _mm512_slli_epi32(a, 5);
}

static inline ivec q_low(ivec a)
{
	return _mm512_and_si512(a, _mm512_set1_epi8(15));
}

static inline ivec q_high(ivec a)
{
	return _mm512_and_si512(_mm512_srli_epi16(a, 4), _mm512_set1_epi8(15));
}

static inline ivec q_six(ivec a)
{
	return _mm512_and_si512(a, _mm512_set1_epi8(0x3f));
}

/*
 * What a shift of words takes across bytes is masked. 0xca: bits of the second where the first has ones, else of the
 * third.
 */
static inline ivec q_tops(ivec a, ivec b, ivec c)
{
	b = _mm512_ternarylogic_epi32(_mm512_set1_epi8(0x03), _mm512_srli_epi16(a, 6), _mm512_srli_epi16(b, 4), 0xca);
	c = _mm512_ternarylogic_epi32(_mm512_set1_epi8(0x0f), b, _mm512_srli_epi16(c, 2), 0xca);
	return q_six(c);
}

static inline vec q_float(ivec a)
{
	return _mm512_cvtepi32_ps(a);
}

static inline ivec p_load(const void *src)
{
	return _mm512_cvtepi8_epi16(_mm256_loadu_si256(src));
}

static inline ivec p_dot(ivec a, ivec b)
{
	return _mm512_madd_epi16(a, b);
}

#endif
