/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Times and what is made of several of them. */
#ifndef PINPOOL_TOOLS_BENCH_FIGURES_H
#define PINPOOL_TOOLS_BENCH_FIGURES_H

#include <stddef.h>

/* Seconds of a clock that only goes forward. */
double bench_now(void);

/* Sorts @values, of which there is at least one. */
double bench_median(double *values, size_t count);

#endif
