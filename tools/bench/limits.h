/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What the machine can do at most, by loops on all threads of a measurement at once. */
#ifndef PINPOOL_TOOLS_BENCH_LIMITS_H
#define PINPOOL_TOOLS_BENCH_LIMITS_H

#include <pinpool/math.h>

enum bench_limit {
	BENCH_FMA, /* f32, 1e9 operations a second */
	BENCH_INT8, /* exact products of 8 bits, likewise */
	BENCH_BF16, /* products of bf16 summed as f32, likewise */
	BENCH_READ, /* 1e9 bytes a second */
	BENCH_LIMITS,
};

/* "fma", "int8", "bf16", "bandwidth" */
const char *bench_limit_name(enum bench_limit limit);

/* Where and with what limits are measured. */
struct bench_machine {
	enum pinpool_isa isa; /* never AUTO */
	unsigned int threads;
	const unsigned char *data; /* what is read, far larger than the caches */
	size_t bytes;
	size_t streams; /* read side by side; 0 before bench_limits_find_streams() */
};

/* Tries how many streams side by side read fastest here. Returns 0 or -EAGAIN (no threads). */
int bench_limits_find_streams(struct bench_machine *machine);

/* Measures one limit now, in some milliseconds, into @rate. Returns 0 or -EAGAIN. */
int bench_limit_measure(const struct bench_machine *machine, enum bench_limit limit, double *rate);

#endif
