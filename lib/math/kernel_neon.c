/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Kernels for AArch64 with dot products (ASIMDDP); nothing else beyond the base instructions is needed, so nothing else
 * is asked for when the kernels are chosen. A tile of 8 x 12 takes 24 of the 32 registers; 8 rows of codes take as many:
 * two sums for each, and the products of a group that one of them receives.
 */
#include <arm_neon.h>
#include <string.h>

#include "math/block.h"
#include "math/kernel.h"
#include "math/vectors.h"

#if !defined(__ARM_FEATURE_DOTPROD)
#error "compile with -march=armv8.2-a+dotprod"
#endif

#define NAME(op) op##_neon
#define KERNELS_ISA PINPOOL_ISA_NEON
#define VL 4
#define REGISTERS 32
#define MR 8
#define MR_BF16 MR
#define UNPACK_F16 4
#define NV 3
#define TILE_PANELS(m) ((m) == 1 ? 4 : (m) <= 4 ? 2 : 1)
#define QUANT_ROWS 8
#define QUANT_PANELS(m) ((m) == 1 ? 4 : (m) <= 2 ? 2 : 1)
#define I8_PANELS(m)    ((m) <= 2 ? 2 : 1)
#define Q8_0_PANELS(m)  ((m) <= 2 ? 2 : 1)
#define DOT_ROWS(m) 4
#define STREAM_M 40

typedef float32x4_t vec;

static inline vec v_zero(void)
{
	return vdupq_n_f32(0);
}

static inline vec v_set1(float value)
{
	return vdupq_n_f32(value);
}

static inline vec v_add(vec a, vec b)
{
	return vaddq_f32(a, b);
}

static inline vec v_mul(vec a, vec b)
{
	return vmulq_f32(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
	return vfmaq_f32(c, a, b);
}

static inline float v_sum(vec v)
{
	return vaddvq_f32(v);
}

static inline vec v_load(const void *src)
{
	vec v;

	memcpy(&v, src, sizeof(v));
	return v;
}

static inline vec v_load_part(const void *src, size_t n)
{
	vec v = { 0 };

	memcpy(&v, src, n * sizeof(float));
	return v;
}

static inline void v_store(void *dst, vec v)
{
	memcpy(dst, &v, sizeof(v));
}

static inline void v_stream(float *dst, vec v)
{
	v_store(dst, v);
}

static inline void v_stream_end(void)
{
}

static inline void v_store_part(void *dst, vec v, size_t n)
{
	memcpy(dst, &v, n * sizeof(float));
}

#define v_load_f32 v_load
#define v_load_f32_part v_load_part
#define v_store_f32 v_store
#define v_store_f32_part v_store_part

/* Four bytes, the first n of them or all, in the lower half. */
static inline uint8x8_t bytes_part(const void *src, size_t n)
{
	uint32_t bytes = 0;

	memcpy(&bytes, src, n);
	return vreinterpret_u8_u32(vdup_n_u32(bytes));
}

static inline uint16x4_t half_part(const void *src, size_t n)
{
	uint16x4_t half = { 0 };

	memcpy(&half, src, n * sizeof(uint16_t));
	return half;
}

static inline vec widen_bf16(uint16x4_t half)
{
	return vreinterpretq_f32_u32(vshll_n_u16(half, 16));
}

static inline vec widen_f16(uint16x4_t half)
{
	return vcvt_f32_f16(vreinterpret_f16_u16(half));
}

static inline vec widen_f8_e5m2(uint8x8_t bytes)
{
	return widen_f16(vget_low_u16(vshll_n_u8(bytes, 8)));
}

/* The NaN becomes one of f16; all else as in convert.h. */
static inline vec widen_f8_e4m3(uint8x8_t bytes)
{
	uint16x4_t wide = vget_low_u16(vmovl_u8(bytes));
	uint16x4_t magnitude = vand_u16(wide, vdup_n_u16(0x7f));
	uint16x4_t nan = vand_u16(vceq_u16(magnitude, vdup_n_u16(F8_E4M3_NAN)), vdup_n_u16(0x7c00));
	uint16x4_t sign = vshl_n_u16(vand_u16(wide, vdup_n_u16(0x80)), 8);

	return v_mul(widen_f16(vorr_u16(vorr_u16(sign, nan), vshl_n_u16(magnitude, 7))), v_set1(F8_E4M3_SCALE));
}

#define LOAD_NARROW(type, from)                                         \
	static inline vec v_load_##type##_part(const void *src, size_t n) \
	{                                                               \
		return widen_##type(from##_part(src, n));               \
	}                                                               \
	static inline vec v_load_##type(const void *src)                \
	{                                                               \
		return v_load_##type##_part(src, VL);                   \
	}

LOAD_NARROW(bf16, half)
LOAD_NARROW(f16, half)
LOAD_NARROW(f8_e4m3, bytes)
LOAD_NARROW(f8_e5m2, bytes)

/* As in convert.h. */
static inline uint16x4_t narrow_bf16(vec v)
{
	uint32x4_t bits = vreinterpretq_u32_f32(v);
	uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
	uint32x4_t rounded = vaddq_u32(vaddq_u32(bits, odd), vdupq_n_u32(0x7fff));
	uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));

	return vshrn_n_u32(vbslq_u32(vceqq_f32(v, v), rounded, quiet), 16);
}

static inline uint16x4_t narrow_f16(vec v)
{
	return vreinterpret_u16_f16(vcvt_f16_f32(v));
}

#define STORE_NARROW(type)                                                             \
	static inline void v_store_##type##_part(void *dst, vec v, size_t n)           \
	{                                                                              \
		uint16x4_t half = narrow_##type(v);                                    \
                                                                                       \
		memcpy(dst, &half, n * sizeof(uint16_t));                              \
	}                                                                              \
	static inline void v_store_##type(void *dst, vec v)                            \
	{                                                                              \
		v_store_##type##_part(dst, v, VL);                                     \
	}

STORE_NARROW(bf16)
STORE_NARROW(f16)

static inline __attribute__((always_inline)) void v_transpose(vec r[VL])
{
	float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(r[0], r[1]));
	float64x2_t b = vreinterpretq_f64_f32(vtrn2q_f32(r[0], r[1]));
	float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(r[2], r[3]));
	float64x2_t d = vreinterpretq_f64_f32(vtrn2q_f32(r[2], r[3]));

	r[0] = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
	r[1] = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
	r[2] = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
	r[3] = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
}

/*
 * What kernel_integer.h needs. Its vectors are pairs of registers. A dot product here is one of signed codes, so that no
 * sign need go from one to the other, and of four of them, so that they have one weight.
 */
union pair {
	codes32 codes;
	weights16 weights;
	sums8 sums;
	floats8 floats;
	int8x16_t s8[2];
	int16x8_t s16[2];
	int32x4_t s32[2];
	float32x4_t f32[2];
};

static inline sums8 i_dot(codes32 u, codes32 s, weights16 weights)
{
	union pair a = { .codes = u }, b = { .codes = s }, w = { .weights = weights }, sums;

	for (size_t i = 0; i < 2; i++)
		sums.s32[i] = vmulq_s32(vdotq_s32(vdupq_n_s32(0), a.s8[i], b.s8[i]), vshrq_n_s32(w.s32[i], 16));
	return sums.sums;
}

static inline codes32 i_sign(codes32 x, codes32 w)
{
	return x;
}

static inline codes32 i_halves(codes16 pairs)
{
	union pair codes = { .s8 = { (int8x16_t)(pairs & 15), (int8x16_t)(pairs >> 4) } };

	return codes.codes;
}

static inline sums8 i_dot_halves(sums8 sums, codes32 upper, codes32 lower, codes32 s)
{
	const weights16 ones = (weights16){ 0 } + 1;

	return ((sums + i_dot(upper, s, ones)) << 7) + i_dot(lower, s, ones);
}

static inline codes32 i_look_up(codes16 table, codes32 codes)
{
	union pair all = { .codes = codes };

	for (size_t i = 0; i < 2; i++)
		all.s8[i] = (int8x16_t)vqtbl1q_u8((uint8x16_t)table, (uint8x16_t)all.s8[i]);
	return all.codes;
}

#define i_bytes sums8_bytes

static inline sums8 i_eight(const void *src)
{
	int16x8_t wide = vmovl_s8(vld1_s8(src));
	union pair sums = { .s32 = { vmovl_s16(vget_low_s16(wide)), vmovl_high_s16(wide) } };

	return sums.sums;
}

static inline weights16 i_weights(codes16 bytes)
{
	union pair weights = { .s16 = { vmovl_s8(vget_low_s8((int8x16_t)bytes)), vmovl_high_s8((int8x16_t)bytes) } };

	return weights.weights;
}

static inline __attribute__((always_inline)) weights16 i_spread(weights16 weights, int g)
{
	union pair from = { .weights = weights }, spread;

	for (size_t i = 0; i < 2; i++)
		spread.s16[i] = vdupq_n_s16(from.s16[i][g]);
	return spread.weights;
}

static inline float f_half(const void *src)
{
	__fp16 half;

	memcpy(&half, src, sizeof(half));
	return half;
}

static inline floats8 f_fma(floats8 a, floats8 b, floats8 c)
{
	union pair x = { .floats = a }, y = { .floats = b }, z = { .floats = c };

	for (size_t i = 0; i < 2; i++)
		z.f32[i] = vfmaq_f32(z.f32[i], x.f32[i], y.f32[i]);
	return z.floats;
}

/* What kernel_panel.h and kernel_pack.h need. */
static inline vec v_load_lower(const void *src)
{
	return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(v_load(src)), 16));
}

static inline vec v_load_upper(const void *src)
{
	return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v_load(src)), vdupq_n_u32(0xffff0000)));
}

static inline __attribute__((always_inline)) uint16x4_t halves(vec v, int bit)
{
	return vmovn_u32(vshlq_u32(vreinterpretq_u32_f32(v), vdupq_n_s32(-bit)));
}

static inline void v_store_halves(void *dst, vec v, int bit)
{
	uint16x4_t half = halves(v, bit);

	memcpy(dst, &half, sizeof(half));
}

static inline void v_store_bytes(void *dst, vec v, int bit)
{
	uint16x4_t half = halves(v, bit);
	uint8x8_t bytes = vmovn_u16(vcombine_u16(half, half));

	memcpy(dst, &bytes, VL);
}

/* Codes of 8 bits are looked up one by one; those of 4 in the bytes of 16 values, first all first bytes and so on. */
#define LOOKUP_8 0
#define LOOKUP_4 16
typedef uint8x16x4_t l4_table;

static inline void l4_start(l4_table *table, const float *values)
{
	*table = vld4q_u8((const uint8_t *)values);
}

static inline void l4_look_up(vec *dst, const l4_table *table, const unsigned char *codes)
{
	uint8x8_t pairs = vld1_u8(codes);
	uint8x8x2_t both = vzip_u8(vand_u8(pairs, vdup_n_u8(15)), vshr_n_u8(pairs, 4));
	uint8x16_t each = vcombine_u8(both.val[0], both.val[1]);
	uint8x16x2_t lower = vzipq_u8(vqtbl1q_u8(table->val[0], each), vqtbl1q_u8(table->val[1], each));
	uint8x16x2_t upper = vzipq_u8(vqtbl1q_u8(table->val[2], each), vqtbl1q_u8(table->val[3], each));

#pragma GCC unroll 2
	for (int i = 0; i < 2; i++) {
		uint16x8x2_t whole = vzipq_u16(vreinterpretq_u16_u8(lower.val[i]), vreinterpretq_u16_u8(upper.val[i]));

		dst[2 * i] = vreinterpretq_f32_u16(whole.val[0]);
		dst[2 * i + 1] = vreinterpretq_f32_u16(whole.val[1]);
	}
}

#define EXPONENTS_AT_ONCE 0
#define EXPONENTS_FUSED 0
#define CODEBOOK_PANELS 0

static inline vec v_expand(vec v, uint32_t mask)
{
	typedef int32_t lanes4 __attribute__((vector_size(16)));
	lanes4 from;

	memcpy(&from, expand_four[mask], sizeof(from));
	return __builtin_shuffle(v, v_zero(), from);
}

typedef int32x4_t ivec;

static inline ivec q_zero(void)
{
	return vdupq_n_s32(0);
}

static inline ivec q_load(const void *src)
{
	ivec v;

	memcpy(&v, src, sizeof(v));
	return v;
}

static inline ivec q_word(const void *src)
{
	int32_t word;

	memcpy(&word, src, sizeof(word));
	return vdupq_n_s32(word);
}

static inline ivec q_add(ivec a, ivec b)
{
	return vaddq_s32(a, b);
}

static inline ivec q_sub(ivec a, ivec b)
{
	return vsubq_s32(a, b);
}

static inline ivec q_shift5(ivec a)
{
	return vshlq_n_s32(a, 5);
}

static inline ivec q_low(ivec a)
{
	return vandq_s32(a, vdupq_n_s32(0x0f0f0f0f));
}

static inline ivec q_high(ivec a)
{
	return vreinterpretq_s32_u8(vshrq_n_u8(vreinterpretq_u8_s32(a), 4));
}

static inline ivec q_six(ivec a)
{
	return vandq_s32(a, vdupq_n_s32(0x3f3f3f3f));
}

static inline ivec q_tops(ivec a, ivec b, ivec c)
{
	a = vandq_s32(vshrq_n_s32(a, 6), vdupq_n_s32(0x03030303));
	b = vandq_s32(vshrq_n_s32(b, 4), vdupq_n_s32(0x0c0c0c0c));
	c = vandq_s32(vshrq_n_s32(c, 2), vdupq_n_s32(0x30303030));
	return vorrq_s32(vorrq_s32(a, b), c);
}

static inline vec q_float(ivec a)
{
	return vcvtq_f32_s32(a);
}

static inline ivec p_load(const void *src)
{
	return vreinterpretq_s32_s16(vmovl_s8(vld1_s8(src)));
}

static inline ivec p_dot(ivec a, ivec b)
{
	int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);

	return vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
}

typedef ivec u_vec;
#define U_WORDS_6 4

static inline u_vec u_zero(void)
{
	return q_zero();
}

static inline u_vec u_start(const int32_t *sum)
{
	return q_word(sum);
}

/* Unsigned codes are less than 128: as signed ones they are the same. */
static inline u_vec u_dot(u_vec u, ivec w, ivec x)
{
	return vdotq_s32(u, vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
}

static inline ivec u_end(u_vec u, const int32_t *sum)
{
	return u;
}

static inline ivec u_scaled(ivec acc, u_vec u, ivec pairs, size_t odd)
{
	return vmlaq_s32(acc, u, odd ? vshrq_n_s32(pairs, 16) : vshrq_n_s32(vshlq_n_s32(pairs, 16), 16));
}

#define S_VALUES 4
#define S_BIASED 0

static inline ivec s_load(const void *src)
{
	return q_load(src);
}

static inline ivec s_start(const int32_t *sum)
{
	return q_zero();
}

static inline ivec s_dot(ivec acc, ivec w, ivec x)
{
	return u_dot(acc, w, x);
}

#include "math/kernel_template.h"
