/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Kernels for AVX-512 with VNNI: products of codes in one instruction, unsigned with signed, added up in 32 bits. And the
 * table of processors that have BF16 and VBMI2 as well, which differs in products of bf16 with bf16.
 */
#include "math/kernel_avx512_bf16.h"
#include "math/kernel_avx512_coded.h"

#if !defined(__AVX512VNNI__)
#error "compile with -mavx512vnni"
#endif

#define NAME(op) op##_avx512_vnni
#define KERNELS_ISA PINPOOL_ISA_AVX512_VNNI

typedef __m512i u_vec;
#define U_WORDS_6 4

static inline u_vec u_zero(void)
{
	return _mm512_setzero_si512();
}

static inline u_vec u_start(const int32_t *sum)
{
	return q_word(sum);
}

static inline u_vec u_dot(u_vec u, ivec w, ivec x)
{
	return _mm512_dpbusd_epi32(u, w, x);
}

static inline ivec u_end(u_vec u, const int32_t *sum)
{
	return u;
}

static inline __attribute__((always_inline)) ivec u_scaled(ivec acc, u_vec u, ivec pairs, size_t odd)
{
	ivec scale = _mm512_srai_epi32(odd ? pairs : _mm512_slli_epi32(pairs, 16), 16);

	return _mm512_add_epi32(acc, _mm512_mullo_epi32(u, scale));
}

#define CODEBOOK_PANELS 1

static inline ivec q_look_up(ivec table, ivec codes)
{
	return _mm512_shuffle_epi8(table, codes);
}

static inline ivec q_shift7(ivec a)
{
	return _mm512_slli_epi32(a, 7);
}

/* Codes of W are stored as unsigned ones, 128 higher. */
#define S_VALUES 4
#define S_BIASED 1

static inline ivec s_load(const void *src)
{
	return q_load(src);
}

static inline ivec s_start(const int32_t *sum)
{
	return q_word(sum);
}

static inline ivec s_dot(ivec acc, ivec w, ivec x)
{
	return _mm512_dpbusd_epi32(acc, w, x);
}

/* Processors with VNNI mostly have VBMI2 too, which spreads bytes over the lanes of a mask. */
#define EXPONENTS_FUSED 1
#define E_FUSES __builtin_cpu_supports("avx512vbmi2")

/* Where number @i of the values that e_decode_all() decodes is: it is activations that are brought into order, by fours. */
#define E_TOGETHER 4
static inline size_t e_place(size_t i)
{
	return i / 4 % 4 * 16 + i / 16 * 4 + i % 4;
}

/* 64 values with the exponents that have no code; returns how many these are. */
static inline E_TARGET __attribute__((always_inline)) size_t e_decode_all(vec *dst, const e_table *table,
									  const uint64_t *planes,
									  const unsigned char *codes,
									  const unsigned char *escapes,
									  const unsigned char *end)
{
	size_t count;

	e_widen(dst, e_all(*table, planes, escapes, end, &count), _mm512_loadu_si512(codes));
	return count;
}

#include "math/kernel_template.h"

const struct math_kernels kernels_avx512_bf16 =
	TABLE(PINPOOL_ISA_AVX512_BF16, .pairs = {
		.mr = MR,
		.nr = NR,
		.values = 2,
		.bytes = UNIT_BYTES,
		.x_bytes = sizeof(uint16_t),
		.heights = NAME(heights),
		.pack_x = pack_x_pairs_avx512_bf16,
		.pack_w = NAME(pack_bf16),
		.tile = tile_pairs_avx512_bf16,
	},
	.order_pairs = order_pairs_avx512_bf16, .dot_exponent_pairs = dot_exponent_pairs_avx512_bf16);
