/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* See figures.h. */
#include "bench/figures.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

double bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

bool bench_quiet(double canary, double fastest, double before, double after)
{
	return canary >= 0.93 * fastest && fmin(before, after) >= 0.9 * fmax(before, after);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}
