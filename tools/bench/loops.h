/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * What a processor can do at most, one file of loops per family: they work in registers only, with enough independent
 * sums that no unit waits for a result, and last some microseconds: whoever measures calls them again and again.
 */
#ifndef PINPOOL_TOOLS_BENCH_LOOPS_H
#define PINPOOL_TOOLS_BENCH_LOOPS_H

#include <pinpool/math.h>

struct bench_loops {
	/* Returns operations: each multiplication and each addition. */
	double (*fma)(void); /* f32 */
	double (*int8)(void); /* products of 8 bits, summed to 32 bits without loss */
	double (*bf16)(void); /* products of bf16, summed in f32; that of f32 where they are made in it */
};

/* Of a family, those of @isa; NULL if it has none. */
const struct bench_loops *bench_loops_x86(enum pinpool_isa isa);
const struct bench_loops *bench_loops_neon(enum pinpool_isa isa);
const struct bench_loops *bench_loops_portable(enum pinpool_isa isa);

#endif
