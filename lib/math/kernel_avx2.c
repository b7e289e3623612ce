/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Kernels for AVX2, FMA and F16C. A tile of 6 x 16 takes 12 of the 16 registers. */
#include <immintrin.h>
#include <string.h>

#include "math/block.h"
#include "math/kernel.h"
#include "math/kernel_x86.h"
#include "math/vectors.h"

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "compile with -mavx2 -mfma -mf16c"
#endif

#define NAME(op) op##_avx2
#define KERNELS_ISA PINPOOL_ISA_AVX2
#define VL 8
#define REGISTERS 16
#define MR 6
#define MR_BF16 MR
#define UNPACK_F16 4
#define NV 2
#define TILE_PANELS(m) ((m) == 1 ? 4 : (m) <= 3 ? 2 : 1)
#define QUANT_ROWS 6
#define QUANT_PANELS(m) 1
#define I8_PANELS(m)    ((m) < 4 ? 1 : 2)
#define Q8_0_PANELS(m)  ((m) < 4 ? 1 : 2)
#define DOT_ROWS(m) ((m) <= 2 ? 6 : (m) == 3 ? 4 : 3)
#define STREAM_M 40

typedef __m256 vec;

static inline vec v_zero(void)
{
	return _mm256_setzero_ps();
}

static inline vec v_set1(float value)
{
	return _mm256_set1_ps(value);
}

static inline vec v_add(vec a, vec b)
{
	return _mm256_add_ps(a, b);
}

static inline vec v_mul(vec a, vec b)
{
	return _mm256_mul_ps(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
	return _mm256_fmadd_ps(a, b, c);
}

static inline float v_sum(vec v)
{
	__m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline __m256i lanes(size_t n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline vec v_load(const void *src)
{
	return _mm256_loadu_ps(src);
}

static inline vec v_load_part(const void *src, size_t n)
{
	return _mm256_maskload_ps(src, lanes(n));
}

static inline void v_store(void *dst, vec v)
{
	_mm256_storeu_ps(dst, v);
}

static inline void v_stream(float *dst, vec v)
{
	_mm256_stream_ps(dst, v);
}

static inline void v_stream_end(void)
{
	_mm_sfence();
}

static inline void v_store_part(void *dst, vec v, size_t n)
{
	_mm256_maskstore_ps(dst, lanes(n), v);
}

#define v_load_f32 v_load
#define v_load_f32_part v_load_part
#define v_store_f32 v_store
#define v_store_f32_part v_store_part

static inline vec widen_bf16(__m128i half)
{
	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/* There is no masked load of 16-bit lanes before AVX-512. */
static inline __m128i half_part(const void *src, size_t n)
{
	uint16_t part[VL] = { 0 };

	memcpy(part, src, n * sizeof(part[0]));
	return _mm_loadu_si128((const __m128i *)part);
}

static inline vec v_load_bf16(const void *src)
{
	return widen_bf16(_mm_loadu_si128(src));
}

static inline vec v_load_bf16_part(const void *src, size_t n)
{
	return widen_bf16(half_part(src, n));
}

static inline vec v_load_f16(const void *src)
{
	return _mm256_cvtph_ps(_mm_loadu_si128(src));
}

static inline vec v_load_f16_part(const void *src, size_t n)
{
	return _mm256_cvtph_ps(half_part(src, n));
}

/* As in convert.h. */
static inline __m128i narrow_bf16(vec v)
{
	__m256i bits = _mm256_castps_si256(v);
	__m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
	__m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
	__m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
	__m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
	__m256i upper = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);

	return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}

static inline void half_store_part(void *dst, __m128i half, size_t n)
{
	uint16_t part[VL];

	_mm_storeu_si128((__m128i *)part, half);
	memcpy(dst, part, n * sizeof(part[0]));
}

static inline void v_store_bf16(void *dst, vec v)
{
	_mm_storeu_si128(dst, narrow_bf16(v));
}

static inline void v_store_bf16_part(void *dst, vec v, size_t n)
{
	half_store_part(dst, narrow_bf16(v), n);
}

static inline void v_store_f16(void *dst, vec v)
{
	_mm_storeu_si128(dst, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static inline void v_store_f16_part(void *dst, vec v, size_t n)
{
	half_store_part(dst, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT), n);
}

/* Eight bytes, the first n of them or all. */
static inline __m128i bytes_part(const void *src, size_t n)
{
	uint8_t part[VL] = { 0 };

	memcpy(part, src, n);
	return _mm_loadl_epi64((const __m128i *)part);
}

static inline vec widen_f8_e5m2(__m128i bytes)
{
	return _mm256_cvtph_ps(_mm_unpacklo_epi8(_mm_setzero_si128(), bytes));
}

static inline vec v_load_f8_e5m2(const void *src)
{
	return widen_f8_e5m2(_mm_loadl_epi64(src));
}

static inline vec v_load_f8_e5m2_part(const void *src, size_t n)
{
	return widen_f8_e5m2(bytes_part(src, n));
}

/* The NaN becomes one of f16; all else as in convert.h. */
static inline vec widen_f8_e4m3(__m128i bytes)
{
	__m128i wide = _mm_cvtepi8_epi16(bytes);
	__m128i magnitude = _mm_and_si128(wide, _mm_set1_epi16(0x7f));
	__m128i nan = _mm_and_si128(_mm_cmpeq_epi16(magnitude, _mm_set1_epi16(F8_E4M3_NAN)), _mm_set1_epi16(0x7c00));
	__m128i half = _mm_or_si128(_mm_and_si128(wide, _mm_set1_epi16(INT16_MIN)), _mm_slli_epi16(magnitude, 7));

	return _mm256_mul_ps(_mm256_cvtph_ps(_mm_or_si128(half, nan)), _mm256_set1_ps(F8_E4M3_SCALE));
}

static inline vec v_load_f8_e4m3(const void *src)
{
	return widen_f8_e4m3(_mm_loadl_epi64(src));
}

static inline vec v_load_f8_e4m3_part(const void *src, size_t n)
{
	return widen_f8_e4m3(bytes_part(src, n));
}

static inline __attribute__((always_inline)) void v_transpose(vec r[VL])
{
	vec t[VL], u[VL];

	/* Pairs of rows, then quadruples, within 128-bit halves; then the halves. */
#pragma GCC unroll 8
	for (int i = 0; i < 8; i += 2) {
		t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
		t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
	}
#pragma GCC unroll 8
	for (int i = 0; i < 8; i += 4) {
		u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
		u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
		u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
		u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
	}
#pragma GCC unroll 8
	for (int i = 0; i < 4; i++) {
		r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
		r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
	}
}

static inline vec v_load_lower(const void *src)
{
	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(src), 16));
}

static inline vec v_load_upper(const void *src)
{
	return _mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(src), _mm256_set1_epi32(-65536)));
}

static inline __m128i lower_halves(vec v, int bit)
{
	__m256i word = _mm256_and_si256(_mm256_srli_epi32(_mm256_castps_si256(v), bit), _mm256_set1_epi32(65535));

	return _mm_packus_epi32(_mm256_castsi256_si128(word), _mm256_extracti128_si256(word, 1));
}

static inline void v_store_halves(void *dst, vec v, int bit)
{
	_mm_storeu_si128(dst, lower_halves(v, bit));
}

static inline void v_store_bytes(void *dst, vec v, int bit)
{
	__m128i halves = _mm_and_si128(lower_halves(v, bit), _mm_set1_epi16(255));

	_mm_storel_epi64(dst, _mm_packus_epi16(halves, halves));
}

/* Codes of 8 bits are looked up one by one. */
#define LOOKUP_8 0
#define LOOKUP_4 16
typedef struct {
	__m256 low;
	__m256 high;
} l4_table;

static inline void l4_start(l4_table *table, const float *values)
{
	table->low = _mm256_loadu_ps(values);
	table->high = _mm256_loadu_ps(values + 8);
}

/* A look-up takes the lowest three bits of a lane; the fourth, brought to the top, says whose is the right one. */
static inline void l4_look_up(vec *dst, const l4_table *table, const unsigned char *codes)
{
	const __m256i shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
	int32_t words[2];

	memcpy(words, codes, sizeof(words));
#pragma GCC unroll 2
	for (int i = 0; i < 2; i++) {
		__m256i each = _mm256_srlv_epi32(_mm256_set1_epi32(words[i]), shifts);

		dst[i] = _mm256_blendv_ps(_mm256_permutevar8x32_ps(table->low, each),
					  _mm256_permutevar8x32_ps(table->high, each),
					  _mm256_castsi256_ps(_mm256_slli_epi32(each, 28)));
	}
}

static inline vec v_expand(vec v, uint32_t mask)
{
	const int n = __builtin_popcount(mask & 15);
	__m256i from = _mm256_loadu2_m128i((const __m128i *)expand_four[mask >> 4],
					   (const __m128i *)expand_four[mask & 15]);
	__m256i none = _mm256_cmpgt_epi32(from, _mm256_set1_epi32(3));

	from = _mm256_add_epi32(from, _mm256_inserti128_si256(_mm256_setzero_si256(), _mm_set1_epi32(n), 1));
	return _mm256_andnot_ps(_mm256_castsi256_ps(none), _mm256_permutevar8x32_ps(v, from));
}

#define EXPONENTS_AT_ONCE 1
#define EXPONENTS_FUSED 0
#define CODEBOOK_PANELS 0
typedef __m256i e_table;

static inline void e_start(e_table *table, const unsigned char *exponents)
{
	*table = _mm256_broadcastsi128_si256(_mm_loadl_epi64((const __m128i *)exponents));
}

/* @value in the bytes whose bit of 32 is set. */
static inline __m256i e_bits(uint32_t bits, int8_t value)
{
	const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
	const __m256i each = _mm256_set1_epi64x((int64_t)0x8040201008040201);
	__m256i all = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), spread);

	return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(all, each), each), _mm256_set1_epi8(value));
}

/* The upper and the lower bytes of bf16, side by side, are widened. */
static inline void e_decode(float *dst, const e_table *table, const uint64_t *planes, const unsigned char *codes)
{
	const __m256i top = _mm256_set1_epi8(INT8_MIN);

#pragma GCC unroll 2
	for (int i = 0; i < 2; i++) {
		__m256i rest = _mm256_loadu_si256((const __m256i *)codes + i);
		__m256i code = _mm256_or_si256(_mm256_or_si256(e_bits((uint32_t)(planes[0] >> 32 * i), 1),
							       e_bits((uint32_t)(planes[1] >> 32 * i), 2)),
					       e_bits((uint32_t)(planes[2] >> 32 * i), 4));
		__m256i exponent = _mm256_shuffle_epi8(*table, code);
		__m256i upper = _mm256_or_si256(_mm256_and_si256(rest, top),
						_mm256_andnot_si256(top, _mm256_srli_epi16(exponent, 1)));
		__m256i lower = _mm256_or_si256(_mm256_and_si256(_mm256_slli_epi16(exponent, 7), top),
						_mm256_andnot_si256(top, rest));
		__m256i a = _mm256_unpacklo_epi8(lower, upper), b = _mm256_unpackhi_epi8(lower, upper);

		v_store(dst + i * 32, widen_bf16(_mm256_castsi256_si128(a)));
		v_store(dst + i * 32 + 8, widen_bf16(_mm256_castsi256_si128(b)));
		v_store(dst + i * 32 + 16, widen_bf16(_mm256_extracti128_si256(a, 1)));
		v_store(dst + i * 32 + 24, widen_bf16(_mm256_extracti128_si256(b, 1)));
	}
}

typedef __m256i ivec;

static inline ivec q_zero(void)
{
	return _mm256_setzero_si256();
}

static inline ivec q_load(const void *src)
{
	return _mm256_loadu_si256(src);
}

static inline ivec q_word(const void *src)
{
	int32_t word;

	memcpy(&word, src, sizeof(word));
	return _mm256_set1_epi32(word);
}

static inline ivec q_add(ivec a, ivec b)
{
	return _mm256_add_epi32(a, b);
}

static inline ivec q_sub(ivec a, ivec b)
{
	return _mm256_sub_epi32(a, b);
}

static inline ivec q_shift5(ivec a)
{
	return _mm256_slli_epi32(a, 5);
}

static inline ivec q_low(ivec a)
{
	return _mm256_and_si256(a, _mm256_set1_epi8(15));
}

static inline ivec q_high(ivec a)
{
	return _mm256_and_si256(_mm256_srli_epi16(a, 4), _mm256_set1_epi8(15));
}

static inline ivec q_six(ivec a)
{
	return _mm256_and_si256(a, _mm256_set1_epi8(0x3f));
}

/* What a shift of words takes across bytes is masked. */
static inline ivec q_tops(ivec a, ivec b, ivec c)
{
	a = _mm256_and_si256(_mm256_srli_epi16(a, 6), _mm256_set1_epi8(0x03));
	b = _mm256_and_si256(_mm256_srli_epi16(b, 4), _mm256_set1_epi8(0x0c));
	c = _mm256_and_si256(_mm256_srli_epi16(c, 2), _mm256_set1_epi8(0x30));
	return _mm256_or_si256(_mm256_or_si256(a, b), c);
}

static inline vec q_float(ivec a)
{
	return _mm256_cvtepi32_ps(a);
}

static inline ivec p_load(const void *src)
{
	return _mm256_cvtepi8_epi16(_mm_loadu_si128(src));
}

static inline ivec p_dot(ivec a, ivec b)
{
	return _mm256_madd_epi16(a, b);
}

/*
 * An empty asm after each step keeps steps in their order: the compiler would start all of a block first, for which there
 * are not registers enough. Where the sum is made by one, it also stays in the register that it is in.
 *
 * Sums of pairs in 16 bits: of 4 bits, 8 words have at most 8 * 2 * 15 * 127 < 2^15; of 6 bits, 2 words.
 */
typedef __m256i u_vec;
#define U_WORDS_6 2

static inline u_vec u_zero(void)
{
	return _mm256_setzero_si256();
}

static inline u_vec u_start(const int32_t *sum)
{
	return u_zero();
}

static inline u_vec u_dot(u_vec u, ivec w, ivec x)
{
	u = _mm256_add_epi16(u, _mm256_maddubs_epi16(w, x));
	__asm__ volatile("" : "+x"(u));
	return u;
}

static inline ivec u_end(u_vec u, const int32_t *sum)
{
	return _mm256_add_epi32(_mm256_madd_epi16(u, _mm256_set1_epi16(1)), q_word(sum));
}

static inline __attribute__((always_inline)) ivec u_scaled(ivec acc, u_vec u, ivec pairs, size_t odd)
{
	const __m128i both = odd ? _mm_setr_epi32(0x03020302, 0x07060706, 0x0b0a0b0a, 0x0f0e0f0e) :
				   _mm_setr_epi32(0x01000100, 0x05040504, 0x09080908, 0x0d0c0d0c);

	acc = _mm256_add_epi32(
		acc, _mm256_madd_epi16(u, _mm256_shuffle_epi8(pairs, _mm256_broadcastsi128_si256(both))));
	__asm__ volatile("" : "+x"(acc));
	return acc;
}

#define S_VALUES 2
#define S_BIASED 0

static inline ivec s_load(const void *src)
{
	return _mm256_cvtepi8_epi16(_mm_loadu_si128(src));
}

static inline ivec s_start(const int32_t *sum)
{
	return _mm256_setzero_si256();
}

static inline ivec s_dot(ivec acc, ivec w, ivec x)
{
	ivec products = _mm256_madd_epi16(w, x);

	__asm__ volatile("vpaddd %1, %0, %0" : "+x"(acc) : "x"(products));
	return acc;
}

#include "math/kernel_template.h"
