/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Rows by many threads; see rows.h. */
#include "codec/rows.h"

#include <errno.h>
#include <stdlib.h>

struct job {
	const struct weights *weights;
	rows_fn fn;
	void *arg;
	uint32_t *bits; /* a row for each thread */
};

static void run_unit(void *arg, size_t unit, unsigned int thread)
{
	const struct job *job = arg;
	const struct weights *weights = job->weights;
	uint64_t row = unit * (uint64_t)ROWS_UNIT;
	uint64_t end = weights->n - row < ROWS_UNIT ? weights->n : row + ROWS_UNIT;
	uint32_t *bits = job->bits + thread * weights->k;

	for (; row < end; row++) {
		weights_row(weights, row, bits);
		job->fn(job->arg, row, bits, thread);
	}
}

int rows_run(const struct weights *weights, const struct codec_team *team, rows_fn fn, void *arg)
{
	struct job job = {.weights = weights, .fn = fn, .arg = arg};

	job.bits = calloc(weights->k, team->threads * sizeof(*job.bits));
	if (!job.bits)
		return -ENOMEM;
	team->run(team->arg, run_unit, &job, (weights->n + ROWS_UNIT - 1) / ROWS_UNIT);
	free(job.bits);
	return 0;
}

void rows_add_up(uint64_t *counts, uint64_t rows)
{
	uint64_t sum = 0;

	for (uint64_t row = 0; row <= rows; row++) {
		uint64_t count = row < rows ? counts[row] : 0;

		counts[row] = sum;
		sum += count;
	}
}
