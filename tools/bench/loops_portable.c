/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Loops for any processor; see loops.h: what the compiler makes of vectors of 16 bytes. The portable kernels multiply
 * codes of 8 bits and bf16 as f32, where such products are exact, so the same loop is the limit of all.
 */
#include "bench/loops.h"

#include <stddef.h>

typedef float f32x4 __attribute__((vector_size(16)));

enum {
	CHAINS = 8,
	ROUNDS = 2000,
};

/* A place that the compiler must not look through. */
#if defined(__x86_64__)
#define OPAQUE(value) __asm__ volatile("" : "+x"(value))
#elif defined(__aarch64__)
#define OPAQUE(value) __asm__ volatile("" : "+w"(value))
#else
#define OPAQUE(value) __asm__ volatile("" : "+m"(value))
#endif

static double fma_portable(void)
{
	f32x4 chain[CHAINS], half = {0.5f, 0.5f, 0.5f, 0.5f};

#pragma GCC unroll 8
	for (int i = 0; i < CHAINS; i++)
		chain[i] = half;
	for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 8
		for (int i = 0; i < CHAINS; i++) {
			chain[i] = chain[i] * half + half;
			OPAQUE(chain[i]);
		}
	}
	return 2.0 * CHAINS * ROUNDS * 4;
}

const struct bench_loops *bench_loops_portable(enum pinpool_isa isa)
{
	static const struct bench_loops portable = {fma_portable, fma_portable, fma_portable};

	return isa == PINPOOL_ISA_PORTABLE ? &portable : NULL;
}
