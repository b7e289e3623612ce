/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * How far a code is from the weights, and what it stands for: both by the decoder that products have, so that what is
 * believed here is what they will compute with. Sums are made row by row and added up in order.
 */
#include "codec/rows.h"
#include "compress/compression.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What one row says. */
struct sums {
	double difference; /* squared */
	double norm; /* squared */
	bool same; /* bit for bit */
};

struct work {
	const struct pinpool_coded *coded;
	uint64_t n;
	uint64_t k;
	float *rows; /* a decoded one for each thread */
	struct sums *sums; /* of each row */
	enum pinpool_dtype dtype;
	unsigned char *out;
	int *errors; /* by thread, with the first one's reason */
	struct pinpool_diag *reasons;
};

static float *decode_row(const struct work *work, uint64_t row, unsigned int thread)
{
	float *to = work->rows + thread * work->k;
	int err;

	if (work->errors[thread])
		return NULL;
	err = pinpool_coded_row(to, work->coded, work->n, work->k, row, 0, work->k, &work->reasons[thread]);
	work->errors[thread] = err;
	return err ? NULL : to;
}

static void compare_row(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	const struct work *work = arg;
	const float *decoded = decode_row(work, row, thread);
	struct sums *sums = &work->sums[row];
	float value;

	if (!decoded)
		return;
	sums->same = !memcmp(bits, decoded, work->k * sizeof(*bits));
	if (sums->same)
		return;
	for (uint64_t i = 0; i < work->k; i++) {
		double difference;

		memcpy(&value, &bits[i], sizeof(value));
		difference = (double)value - (double)decoded[i];
		sums->difference += difference * difference;
	}
}

static void norm_row(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	const struct work *work = arg;
	float value;

	for (uint64_t i = 0; i < work->k; i++) {
		memcpy(&value, &bits[i], sizeof(value));
		work->sums[row].norm += (double)value * (double)value;
	}
}

static int begin(struct work *work, const struct codec_team *team)
{
	work->rows = calloc(work->k, team->threads * sizeof(*work->rows));
	work->errors = calloc(team->threads, sizeof(*work->errors));
	work->reasons = calloc(team->threads, sizeof(*work->reasons));
	return work->rows && work->errors && work->reasons ? 0 : -ENOMEM;
}

/* The error of any thread. */
static int end(struct work *work, const struct codec_team *team, int err, struct pinpool_diag *diag)
{
	for (unsigned int i = 0; i < team->threads && !err; i++) {
		err = work->errors[i];
		if (err && diag)
			*diag = work->reasons[i];
	}
	free(work->rows);
	free(work->errors);
	free(work->reasons);
	return err;
}

int measure(const struct weights *weights, const struct codec_team *team, const struct pinpool_coded *coded,
	    double *error, struct pinpool_diag *diag)
{
	struct work work = {.coded = coded, .n = weights->n, .k = weights->k};
	double difference = 0, norm = 0;
	bool same = true;
	int err;

	err = begin(&work, team);
	work.sums = calloc(weights->n, sizeof(*work.sums));
	if (!work.sums)
		err = -ENOMEM;
	if (!err)
		err = rows_run(weights, team, compare_row, &work);
	for (uint64_t row = 0; row < weights->n && !err; row++)
		same &= work.sums[row].same;
	if (!err && !same)
		err = rows_run(weights, team, norm_row, &work);
	for (uint64_t row = 0; row < weights->n && !err; row++) {
		difference += work.sums[row].difference;
		norm += work.sums[row].norm;
	}
	free(work.sums);
	err = end(&work, team, err, diag);
	if (err)
		return err;
	*error = same ? 0 : sqrt(difference / norm);
	/* Nothing to compare with, or a zero of the other sign: not the same, however little it is. */
	if (!same && !(*error < INFINITY))
		*error = INFINITY;
	if (!same && *error < DBL_MIN)
		*error = DBL_MIN;
	return 0;
}

static void store_row(void *arg, size_t unit, unsigned int thread)
{
	const struct work *work = arg;
	const uint64_t bytes = work->k * pinpool_dtype_bits(work->dtype) / 8;
	uint64_t row = unit * (uint64_t)ROWS_UNIT, last = row + ROWS_UNIT;
	const float *decoded;

	for (; row < last && row < work->n; row++) {
		decoded = decode_row(work, row, thread);
		if (!decoded)
			return;
		weights_store(work->dtype, (const uint32_t *)decoded, work->k, work->out + row * bytes);
	}
}

int decode(const struct blob *blob, const struct codec_team *team, void *out, struct pinpool_diag *diag)
{
	struct work work = {.coded = &blob->coded, .n = blob->n, .k = blob->k, .dtype = blob->dtype, .out = out};
	int err = begin(&work, team);

	if (!err)
		team->run(team->arg, store_row, &work, (blob->n + ROWS_UNIT - 1) / ROWS_UNIT);
	return end(&work, team, err, diag);
}
