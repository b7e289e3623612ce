/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Loops for AVX2, AVX-512 and AVX-512 with VNNI and BF16; see loops.h. An empty asm after each step keeps the compiler
 * from folding steps; the one before a multiplication, from taking it out of the loop.
 */
#include "bench/loops.h"

#include <stddef.h>

#if defined(__x86_64__)
#include <immintrin.h>

enum {
	CHAINS = 12,
	ROUNDS = 2000,
};

#define FMA_LOOP(name, features, type, set1, fmadd)                                                                    \
	__attribute__((target(features), noinline)) static double name(void)                                           \
	{                                                                                                              \
		type chain[CHAINS], half = set1(0.5f);                                                                 \
                                                                                                                       \
		_Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) chain[i] = set1(1.0f);                       \
		for (int round = 0; round < ROUNDS; round++) {                                                         \
			_Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++)                                      \
			{                                                                                              \
				chain[i] = fmadd(chain[i], half, half);                                                \
				__asm__ volatile("" : "+v"(chain[i]));                                                 \
			}                                                                                              \
		}                                                                                                      \
		return 2.0 * CHAINS * ROUNDS * (sizeof(type) / sizeof(float));                                         \
	}

FMA_LOOP(fma_avx2, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps)
FMA_LOOP(fma_avx512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps)

/* @step adds the products of @a and @b to a sum; what takes two steps from 16 bits to 32 multiplies by @ones. */
#define INT8_LOOP(name, features, type, set8, set16, step)                                                             \
	__attribute__((target(features), noinline)) static double name(void)                                           \
	{                                                                                                              \
		type chain[CHAINS], a = set8(3), b = set8(5), ones = set16(1);                                         \
                                                                                                                       \
		_Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) chain[i] = set16(0);                         \
		for (int round = 0; round < ROUNDS; round++) {                                                         \
			_Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++)                                      \
			{                                                                                              \
				__asm__ volatile("" : "+v"(a));                                                        \
				chain[i] = step(chain[i], a, b, ones);                                                 \
				__asm__ volatile("" : "+v"(chain[i]));                                                 \
			}                                                                                              \
		}                                                                                                      \
		return 2.0 * CHAINS * ROUNDS * sizeof(type);                                                           \
	}

#define STEP_AVX2(sum, a, b, ones)   _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones))
#define STEP_AVX512(sum, a, b, ones) _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), ones))
#define STEP_VNNI(sum, a, b, ones)   ((void)(ones), _mm512_dpbusd_epi32(sum, a, b))

INT8_LOOP(int8_avx2, "avx2", __m256i, _mm256_set1_epi8, _mm256_set1_epi16, STEP_AVX2)
INT8_LOOP(int8_avx512, "avx512f,avx512bw", __m512i, _mm512_set1_epi8, _mm512_set1_epi16, STEP_AVX512)
INT8_LOOP(int8_vnni, "avx512f,avx512bw,avx512vnni", __m512i, _mm512_set1_epi8, _mm512_set1_epi16, STEP_VNNI)

__attribute__((target("avx512f,avx512bf16"), noinline)) static double bf16_avx512(void)
{
	/* Each lane of both factors is a pair of a half. */
	const __m512 halves = _mm512_castsi512_ps(_mm512_set1_epi32(0x3f003f00));
	__m512 chain[CHAINS];

	_Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) chain[i] = _mm512_set1_ps(1.0f);
	for (int round = 0; round < ROUNDS; round++) {
		_Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++)
		{
			chain[i] = _mm512_dpbf16_ps(chain[i], (__m512bh)halves, (__m512bh)halves);
			__asm__ volatile("" : "+v"(chain[i]));
		}
	}
	return 4.0 * CHAINS * ROUNDS * (sizeof(*chain) / sizeof(float));
}

const struct bench_loops *bench_loops_x86(enum pinpool_isa isa)
{
	static const struct bench_loops avx2 = {fma_avx2, int8_avx2, fma_avx2};
	static const struct bench_loops avx512 = {fma_avx512, int8_avx512, fma_avx512};
	static const struct bench_loops vnni = {fma_avx512, int8_vnni, fma_avx512};
	static const struct bench_loops bf16 = {fma_avx512, int8_vnni, bf16_avx512};

	switch (isa) {
	case PINPOOL_ISA_AVX2:
		return &avx2;
	case PINPOOL_ISA_AVX512:
		return &avx512;
	case PINPOOL_ISA_AVX512_VNNI:
		return &vnni;
	case PINPOOL_ISA_AVX512_BF16:
		return &bf16;
	default:
		return NULL;
	}
}
#else
const struct bench_loops *bench_loops_x86(enum pinpool_isa isa)
{
	(void)isa;
	return NULL;
}
#endif
