/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Pictures by gnuplot: cells, the share of the limit that we reach and that each rival does; rates of loads over time.
 */
#ifndef PINPOOL_TOOLS_BENCH_PLOT_H
#define PINPOOL_TOOLS_BENCH_PLOT_H

#include "bench/cell.h"
#include "bench/loading.h"

/* Is gnuplot there? To be asked before anything is measured. Returns 0 or an errno; @diag says what to install. */
int bench_plot_check(struct pinpool_diag *diag);

/*
 * Writes to @path: a PNG if its name ends in .png, else text; "-" is standard output. Titles are those of @rivals,
 * BENCH_RIVALS of them. Returns 0 or an errno.
 */
int bench_plot(const char *path, const struct bench_cell *cells, size_t count, const struct bench_opened *rivals,
	       struct pinpool_diag *diag);

struct bench_series {
	const char *title;
	const struct bench_curve *curve;
};

/* Likewise, how fast bytes came from moment to moment, in steps of a fortieth of the longest, at least 20 ms. */
int bench_plot_rates(const char *path, const struct bench_series *series, size_t count, struct pinpool_diag *diag);

#endif
