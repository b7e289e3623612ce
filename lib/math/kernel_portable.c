/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Kernels without an instruction set of their own: the compiler's generic vectors. */
#include "math/block.h"
#include "math/kernel.h"
#include "math/vectors.h"

#define NAME(op) op##_portable
#define KERNELS_ISA PINPOOL_ISA_PORTABLE
#define VL 4
#define REGISTERS 16
#define MR 4
#define MR_BF16 MR
#define UNPACK_F16 4
#define NV 2
#define TILE_PANELS(m) 1
#define QUANT_ROWS 4
#define QUANT_PANELS(m) 1
#define I8_PANELS(m)    1
#define Q8_0_PANELS(m)  1
#define DOT_ROWS(m) ((m) <= 2 ? 4 : 2)
#define STREAM_M 40
#define LOOKUP_4 0
#define LOOKUP_8 0

typedef float vec __attribute__((vector_size(16)));

static inline vec v_zero(void)
{
	return (vec){ 0 };
}

static inline vec v_set1(float value)
{
	return (vec){ value, value, value, value };
}

static inline vec v_add(vec a, vec b)
{
	return a + b;
}

static inline vec v_mul(vec a, vec b)
{
	return a * b;
}

static inline vec v_fma(vec a, vec b, vec c)
{
	return a * b + c;
}

static inline float v_sum(vec v)
{
	return (v[0] + v[2]) + (v[1] + v[3]);
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

#define STORE_NARROW(type, size)                                                                         \
	static inline void v_store_##type##_part(void *dst, vec v, size_t n)                             \
	{                                                                                                \
		for (size_t i = 0; i < n; i++)                                                           \
			type##_store((unsigned char *)dst + i * (size), v[i]);                           \
	}                                                                                                \
	static inline void v_store_##type(void *dst, vec v)                                              \
	{                                                                                                \
		v_store_##type##_part(dst, v, VL);                                                       \
	}

STORE_NARROW(bf16, 2)
STORE_NARROW(f16, 2)

#define LOAD_NARROW(type, size)                                                                         \
	static inline vec v_load_##type(const void *src)                                                \
	{                                                                                               \
		const unsigned char *p = src;                                                           \
                                                                                                        \
		return (vec){ type##_load(p), type##_load(p + (size)), type##_load(p + 2 * (size)),     \
			      type##_load(p + 3 * (size)) };                                            \
	}                                                                                               \
	static inline vec v_load_##type##_part(const void *src, size_t n)                               \
	{                                                                                               \
		unsigned char part[VL * (size)] = { 0 };                                                \
                                                                                                        \
		memcpy(part, src, n * (size));                                                          \
		return v_load_##type(part);                                                             \
	}

LOAD_NARROW(bf16, 2)
LOAD_NARROW(f16, 2)
LOAD_NARROW(f8_e4m3, 1)
LOAD_NARROW(f8_e5m2, 1)

static inline void v_transpose(vec r[VL])
{
	vec t[VL];

	for (size_t i = 0; i < VL; i++)
		t[i] = (vec){ r[0][i], r[1][i], r[2][i], r[3][i] };
	memcpy(r, t, sizeof(t));
}

static inline sums8 i_dot(codes32 u, codes32 s, weights16 weights)
{
	sums8 sums = { 0 };

	for (size_t i = 0; i < 8; i++)
		sums[i] = (u[4 * i] * (int8_t)s[4 * i] + u[4 * i + 1] * (int8_t)s[4 * i + 1]) * weights[2 * i] +
			  (u[4 * i + 2] * (int8_t)s[4 * i + 2] + u[4 * i + 3] * (int8_t)s[4 * i + 3]) * weights[2 * i + 1];
	return sums;
}

static inline codes32 i_sign(codes32 x, codes32 w)
{
	codes32 negative = w >> 7;

	return (x ^ -negative) + negative;
}

static inline codes32 i_halves(codes16 pairs)
{
	codes32 codes = { 0 };

	for (size_t i = 0; i < 16; i++) {
		codes[i] = pairs[i] & 15;
		codes[i + 16] = pairs[i] >> 4;
	}
	return codes;
}

static inline sums8 i_dot_halves(sums8 sums, codes32 upper, codes32 lower, codes32 s)
{
	const weights16 ones = (weights16){ 0 } + 1;

	return ((sums + i_dot(upper, s, ones)) << 7) + i_dot(lower, s, ones);
}

static inline codes32 i_look_up(codes16 table, codes32 codes)
{
	for (size_t i = 0; i < 32; i++)
		codes[i] = table[codes[i]];
	return codes;
}

#define i_bytes sums8_bytes

static inline sums8 i_eight(const void *src)
{
	const int8_t *p = src;

	return (sums8){ p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7] };
}

static inline weights16 i_weights(codes16 bytes)
{
	weights16 weights = { 0 };

	for (size_t i = 0; i < 16; i++)
		weights[i] = (int8_t)bytes[i];
	return weights;
}

static inline weights16 i_spread(weights16 weights, int g)
{
	weights16 spread = { 0 };

	for (size_t i = 0; i < 16; i++)
		spread[i] = weights[i < 8 ? g : 8 + g];
	return spread;
}

#define f_half f16_load

static inline floats8 f_fma(floats8 a, floats8 b, floats8 c)
{
	return a * b + c;
}

static inline vec v_load_lower(const void *src)
{
	const unsigned char *p = src;

	return (vec){ bf16_load(p), bf16_load(p + 4), bf16_load(p + 8), bf16_load(p + 12) };
}

static inline vec v_load_upper(const void *src)
{
	return v_load_lower((const unsigned char *)src + 2);
}

typedef int32_t ivec __attribute__((vector_size(16)));
typedef uint32_t words4 __attribute__((vector_size(16)));

static inline void v_store_halves(void *dst, vec v, int bit)
{
	words4 words = (words4)v >> bit;

	for (size_t i = 0; i < VL; i++) {
		uint16_t half = (uint16_t)words[i];

		memcpy((unsigned char *)dst + 2 * i, &half, sizeof(half));
	}
}

static inline void v_store_bytes(void *dst, vec v, int bit)
{
	words4 words = (words4)v >> bit;

	for (size_t i = 0; i < VL; i++)
		((unsigned char *)dst)[i] = (unsigned char)words[i];
}

static inline ivec q_zero(void)
{
	return (ivec){ 0 };
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
	return (ivec){ word, word, word, word };
}

static inline ivec q_add(ivec a, ivec b)
{
	return a + b;
}

static inline ivec q_sub(ivec a, ivec b)
{
	return a - b;
}

static inline ivec q_shift5(ivec a)
{
	return a << 5;
}

static inline ivec q_low(ivec a)
{
	return a & 0x0f0f0f0f;
}

static inline ivec q_high(ivec a)
{
	return a >> 4 & 0x0f0f0f0f;
}

static inline ivec q_six(ivec a)
{
	return a & 0x3f3f3f3f;
}

static inline ivec q_tops(ivec a, ivec b, ivec c)
{
	return (a >> 6 & 0x03030303) | (b >> 4 & 0x0c0c0c0c) | (c >> 2 & 0x30303030);
}

static inline vec q_float(ivec a)
{
	return (vec){ (float)a[0], (float)a[1], (float)a[2], (float)a[3] };
}

static inline ivec p_load(const void *src)
{
	const int8_t *p = src;
	ivec pairs;

	for (size_t i = 0; i < VL; i++)
		pairs[i] = (int32_t)((uint32_t)p[2 * i + 1] << 16 | ((uint32_t)p[2 * i] & 0xffff));
	return pairs;
}

static inline ivec p_dot(ivec a, ivec b)
{
	return (a >> 16) * (b >> 16) + ((a << 16) >> 16) * ((b << 16) >> 16);
}

/* Byte @n of each lane of signed codes. */
static inline ivec byte_of(ivec v, int n)
{
	return (v << (24 - 8 * n)) >> 24;
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
	for (int n = 0; n < 4; n++)
		u += byte_of(w, n) * byte_of(x, n);
	return u;
}

static inline ivec u_end(u_vec u, const int32_t *sum)
{
	return u;
}

static inline ivec u_scaled(ivec acc, u_vec u, ivec pairs, size_t odd)
{
	return acc + u * (odd ? pairs >> 16 : (pairs << 16) >> 16);
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

#include "math/kernel_template.h"
