/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Between loading.c and loading_programs.c. */
#ifndef PINPOOL_TOOLS_BENCH_LOADING_INTERNAL_H
#define PINPOOL_TOOLS_BENCH_LOADING_INTERNAL_H

#include "bench/loading.h"

/* Says so in @diag. Returns @err, which is negative. */
int bench_loading_fail(struct pinpool_diag *diag, int err, const char *object);
/* Returns 0 or -ENOMEM. */
int bench_curve_add(struct bench_curve *curve, double seconds, double bytes);

/* Copies every file with cp(1). @start is the zero of @curve. */
int bench_loading_cp(struct bench_loading *loading, double start, struct bench_curve *curve, struct pinpool_diag *diag);
/* Reads every file with fio, which says itself how long that took. */
int bench_loading_fio(struct bench_loading *loading, struct bench_run *run, struct pinpool_diag *diag);

#endif
