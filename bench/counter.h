/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Counting instructions, for programs that run in the VM of bench/vm: one CPU, whose time stamp counter advances by one
 * with each. Anywhere else they refuse to measure.
 *
 * Each byte that `rep stosb` clears and `rep movsb` copies is an instruction there; what a device moves is none.
 */
#ifndef BENCH_COUNTER_H
#define BENCH_COUNTER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(1);
}

static inline uint64_t instructions(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
	return (uint64_t)high << 32 | low;
}

/* A loop of two instructions, unless something interrupts it. */
static inline uint64_t counter_loop(unsigned long rounds)
{
	uint64_t before = instructions();

	__asm__ volatile("1: sub $1, %0\n\tjnz 1b" : "+r"(rounds));
	return instructions() - before;
}

static inline void counter_check(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 15; i++) {
		uint64_t more = counter_loop(20000) - counter_loop(10000);

		least = more < least ? more : least;
	}
	if (least != 20000)
		die("the time stamp counter", "does not count instructions (qemu -icount shift=0)");
}

static inline int counter_compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Sorts @costs. */
static inline uint64_t median(uint64_t *costs, size_t count)
{
	qsort(costs, count, sizeof(costs[0]), counter_compare);
	return costs[count / 2];
}

#endif
