/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Loops for any processor; see loops.h: what the compiler makes of vectors of 16 bytes. Multiplications of 32 bits are
 * the narrowest that lose nothing in C.
 */
#include "bench/loops.h"

#include <stddef.h>
#include <stdint.h>

typedef float f32x4 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));

enum {
	CHAINS = 8,
	ROUNDS = 500000,
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

static double int8_portable(void)
{
	i32x4 chain[CHAINS] = {{0}}, a = {3, 3, 3, 3}, b = {5, 5, 5, 5};

	for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 8
		for (int i = 0; i < CHAINS; i++) {
			OPAQUE(a);
			chain[i] += a * b;
			OPAQUE(chain[i]);
		}
	}
	return 2.0 * CHAINS * ROUNDS * 4;
}

const struct bench_loops *bench_loops_portable(enum pinpool_isa isa)
{
	static const struct bench_loops portable = {fma_portable, int8_portable, "32-bit multiplications"};

	return isa == PINPOOL_ISA_PORTABLE ? &portable : NULL;
}
