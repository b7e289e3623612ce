/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Cells as a picture, by gnuplot: the share of the limit that we reach, and that each rival does. */
#ifndef PINPOOL_TOOLS_BENCH_PLOT_H
#define PINPOOL_TOOLS_BENCH_PLOT_H

#include "bench/cell.h"

/* Is gnuplot there? To be asked before anything is measured. Returns 0 or an errno; @diag says what to install. */
int bench_plot_check(struct pinpool_diag *diag);

/*
 * Writes to @path: a PNG if its name ends in .png, else text; "-" is standard output. Titles are those of @rivals,
 * BENCH_RIVALS of them. Returns 0 or an errno.
 */
int bench_plot(const char *path, const struct bench_cell *cells, size_t count, const struct bench_opened *rivals,
	       struct pinpool_diag *diag);

#endif
