/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Loops for AArch64 with dot products; see loops.h. Twenty sums: four units with four cycles from one to the next. An
 * empty asm after each step keeps the compiler from folding steps.
 */
#include "bench/loops.h"

#include <stddef.h>

#if defined(__aarch64__)
#include <arm_neon.h>

enum {
	CHAINS = 20,
	ROUNDS = 2000,
};

__attribute__((noinline)) static double fma_neon(void)
{
	float32x4_t chain[CHAINS], half = vdupq_n_f32(0.5f);

#pragma GCC unroll 20
	for (int i = 0; i < CHAINS; i++)
		chain[i] = vdupq_n_f32(1.0f);
	for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 20
		for (int i = 0; i < CHAINS; i++) {
			chain[i] = vfmaq_f32(half, chain[i], half);
			__asm__ volatile("" : "+w"(chain[i]));
		}
	}
	return 2.0 * CHAINS * ROUNDS * 4;
}

__attribute__((target("arch=armv8.2-a+dotprod"), noinline)) static double int8_neon(void)
{
	int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(5);
	int32x4_t chain[CHAINS];

#pragma GCC unroll 20
	for (int i = 0; i < CHAINS; i++)
		chain[i] = vdupq_n_s32(0);
	for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 20
		for (int i = 0; i < CHAINS; i++) {
			chain[i] = vdotq_s32(chain[i], a, b);
			__asm__ volatile("" : "+w"(chain[i]));
		}
	}
	return 2.0 * CHAINS * ROUNDS * 16;
}

const struct bench_loops *bench_loops_neon(enum pinpool_isa isa)
{
	static const struct bench_loops neon = {fma_neon, int8_neon, fma_neon};

	return isa == PINPOOL_ISA_NEON ? &neon : NULL;
}
#else
const struct bench_loops *bench_loops_neon(enum pinpool_isa isa)
{
	(void)isa;
	return NULL;
}
#endif
