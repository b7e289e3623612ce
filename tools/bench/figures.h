/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Times and what is made of several of them. */
#ifndef PINPOOL_TOOLS_BENCH_FIGURES_H
#define PINPOOL_TOOLS_BENCH_FIGURES_H

#include <stdbool.h>
#include <stddef.h>

/* Seconds of a clock that only goes forward. */
double bench_now(void);

/*
 * Was the machine quiet, and left to us? The canary, the rate of FMA around a round, has to reach most of the fastest
 * one seen, and the limit that counts has to be much the same @before and @after the round.
 */
bool bench_quiet(double canary, double fastest, double before, double after);

/* Sorts @values, of which there is at least one. */
double bench_median(double *values, size_t count);

#endif
