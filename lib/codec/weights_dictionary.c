/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Dictionaries: of the values that there are, where they are few, or of the means that stand for all of them. Rows that
 * share a dictionary follow one another in one unit, so a thread gathers them, makes the dictionary when the last one
 * has come, and writes their codes.
 */
#include "codec/distinct.h"
#include "codec/means.h"
#include "codec/rows.h"

#include <errno.h>

struct dictionary {
	const struct weights *weights;
	const struct pinpool_coded *coded;
	uint64_t row_bytes; /* of codes */
	struct distinct *sets; /* of a thread's group, or of all rows; NULL: means */
	struct means **means; /* likewise */
	uint32_t **bits; /* a row of a group for each thread */
	bool *failed; /* by thread */
};

/* Codes of one row, from the set or the means of @at. */
static void write_codes(const struct dictionary *d, uint64_t row, const uint32_t *bits, unsigned int at)
{
	unsigned char *codes = (unsigned char *)d->coded->codes + row * d->row_bytes;
	const uint64_t k = d->weights->k;

	for (uint64_t i = 0; i < k; i++) {
		unsigned char code =
			d->sets ? distinct_number(&d->sets[at], bits[i]) : means_nearest(d->means[at], bits[i]);

		if (d->coded->code_bits == 8)
			codes[i] = code;
		else
			codes[i / 2] |= (unsigned char)(code << i % 2 * 4);
	}
}

static void write_row(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	write_codes(arg, row, bits, 0);
}

static void gather(const struct dictionary *d, const uint32_t *bits, unsigned int at)
{
	const uint64_t k = d->weights->k;

	if (!d->sets) {
		means_add(d->means[at], bits, k);
		return;
	}
	for (uint64_t i = 0; i < k && !distinct_overflows(&d->sets[at]); i++)
		distinct_add(&d->sets[at], bits[i]);
}

/* The dictionary of what was gathered goes to its place. False: there are more values than codes. */
static bool finish(const struct dictionary *d, uint64_t group, unsigned int at)
{
	const uint32_t values = d->coded->dictionary_values;
	float *to = (float *)d->coded->dictionary + group * values;

	if (!d->sets)
		return means_make(d->means[at], values, to);
	if (d->sets[at].count > values)
		return false;
	distinct_sort(&d->sets[at]);
	memcpy(to, d->sets[at].values, d->sets[at].count * sizeof(*to));
	return true;
}

static void clear(const struct dictionary *d, unsigned int at)
{
	if (d->sets)
		distinct_clear(&d->sets[at]);
	else
		means_clear(d->means[at]);
}

/* Gathers rows until the group is complete, then writes the codes of all of them. */
static void group_row(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	const struct dictionary *d = arg;
	const uint64_t rows = d->coded->group_rows, first = row - row % rows;

	if (d->failed[thread])
		return;
	if (row == first)
		clear(d, thread);
	gather(d, bits, thread);
	if (row != first + rows - 1 && row != d->weights->n - 1)
		return;
	if (!finish(d, row / rows, thread)) {
		d->failed[thread] = true;
		return;
	}
	for (uint64_t each = first; each <= row; each++) {
		weights_row(d->weights, each, d->bits[thread]);
		write_codes(d, each, d->bits[thread], thread);
	}
}

static void gather_row(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	gather(arg, bits, thread);
}

/* One dictionary for all rows: what the threads gathered is put together first. */
static int code_all(struct dictionary *d, const struct codec_team *team)
{
	int err = rows_run(d->weights, team, gather_row, d);

	if (err)
		return err;
	for (unsigned int i = 1; i < team->threads; i++) {
		if (d->sets)
			distinct_merge(&d->sets[0], &d->sets[i]);
		else
			means_merge(d->means[0], d->means[i]);
	}
	if (!finish(d, 0, 0))
		return -ERANGE;
	return rows_run(d->weights, team, write_row, d);
}

static int code_groups(struct dictionary *d, const struct codec_team *team)
{
	int err = rows_run(d->weights, team, group_row, d);

	for (unsigned int i = 0; i < team->threads && !err; i++)
		err = d->failed[i] ? -ERANGE : 0;
	return err;
}

static int allocate(struct dictionary *d, const struct codec_team *team, bool exact)
{
	d->failed = calloc(team->threads, sizeof(*d->failed));
	d->bits = calloc(team->threads, sizeof(*d->bits));
	if (exact)
		d->sets = calloc(team->threads, sizeof(*d->sets));
	else
		d->means = calloc(team->threads, sizeof(*d->means));
	if (!d->failed || !d->bits || (!d->sets && !d->means))
		return -ENOMEM;
	for (unsigned int i = 0; i < team->threads; i++) {
		d->bits[i] = malloc(d->weights->k * sizeof(**d->bits));
		if (!d->bits[i])
			return -ENOMEM;
		if (d->means) {
			d->means[i] = means_new();
			if (!d->means[i])
				return -ENOMEM;
		}
	}
	return 0;
}

static void release(struct dictionary *d, const struct codec_team *team)
{
	for (unsigned int i = 0; i < team->threads; i++) {
		if (d->bits)
			free(d->bits[i]);
		if (d->means)
			means_free(d->means[i]);
	}
	free(d->failed);
	free(d->bits);
	free(d->sets);
	free(d->means);
}

static int code(const struct weights *weights, const struct codec_team *team, bool exact, struct blob *blob,
		void **data)
{
	struct dictionary d = {.weights = weights, .coded = &blob->coded};
	const uint64_t per_byte = 8 / blob->coded.code_bits;
	int err;

	d.row_bytes = (weights->k + per_byte - 1) / per_byte;
	err = allocate(&d, team, exact);
	if (!err) {
		*data = blob_new(blob);
		err = *data ? 0 : -ENOMEM;
	}
	if (!err)
		err = blob->coded.group_rows ? code_groups(&d, team) : code_all(&d, team);
	release(&d, team);
	return err;
}

int weights_dictionary(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data)
{
	return code(weights, team, true, blob, data);
}

int weights_means(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data)
{
	blob->coded.dictionary_values = 1u << blob->coded.code_bits;
	return code(weights, team, false, blob, data);
}
