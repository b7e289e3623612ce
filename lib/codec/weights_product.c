/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Product quantisation: 256 entries that stand for all runs of 2, 4 or 8 columns. They are trained on a sample (Lloyd's
 * algorithm), from a start that depends on the matrix alone; sums are made in the order of the sample, so that the
 * number of threads changes nothing.
 */
#include "codec/rows.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES PINPOOL_CODED_VALUES_MAX
/* Runs in the sample, and rounds over it. */
#define SAMPLE	16384u
#define ROUNDS	12

/* As every processor's registers have them. */
#define LANES 4u

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t numbers __attribute__((vector_size(LANES * sizeof(int32_t))));

static const numbers first_numbers = {0, 1, 2, 3};

struct product {
	const struct weights *weights;
	uint32_t d; /* columns of a run */
	uint64_t runs; /* of a row */
	lanes entries[8][ENTRIES / LANES]; /* the values of all entries in one column of a run, then in the next */
	lanes half[ENTRIES / LANES]; /* half of an entry's length, squared */
	const struct pinpool_coded *coded;
	float *sample;
	size_t sample_count;
	unsigned char *codes; /* of the sample */
};

/*
 * The entry nearest to a run: the largest product, less half of the entry's square. Each lane looks at every so many
 * entries; of equal ones the first counts.
 */
static unsigned char nearest(const struct product *p, const float *run)
{
	lanes least = p->half[0] + INFINITY;
	numbers best = {0}, number = first_numbers;
	uint32_t at = 0;

	for (uint32_t i = 0; i < ENTRIES / LANES; i++, number += LANES) {
		lanes distance = p->half[i];
		numbers less;

		for (uint32_t c = 0; c < p->d; c++)
			distance -= run[c] * p->entries[c][i];
		less = distance < least;
		best = (less & number) | (~less & best);
		least = (lanes)((less & (numbers)distance) | (~less & (numbers)least));
	}
	for (uint32_t i = 1; i < LANES; i++)
		if (least[i] < least[at] || (least[i] == least[at] && best[i] < best[at]))
			at = i;
	return (unsigned char)best[at];
}

static void set_halves(struct product *p)
{
	for (uint32_t i = 0; i < ENTRIES / LANES; i++) {
		p->half[i] = p->entries[0][i] * p->entries[0][i] / 2;
		for (uint32_t c = 1; c < p->d; c++)
			p->half[i] += p->entries[c][i] * p->entries[c][i] / 2;
	}
}

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* Runs from all over the matrix. False if one is not finite. */
static bool take_sample(struct product *p, uint32_t *bits)
{
	const uint64_t all = p->weights->n * p->runs, count = all < SAMPLE ? all : SAMPLE;
	uint64_t last = UINT64_MAX;

	for (uint64_t i = 0; i < count; i++) {
		/* In ascending order, so that each row is read once. */
		uint64_t run = (uint64_t)((unsigned __int128)all * i / count), row = run / p->runs;

		if (row != last)
			weights_row(p->weights, row, bits);
		last = row;
		memcpy(p->sample + i * p->d, bits + run % p->runs * p->d, p->d * sizeof(*bits));
		for (uint32_t c = 0; c < p->d; c++)
			if (!isfinite(p->sample[i * p->d + c]))
				return false;
	}
	p->sample_count = count;
	return true;
}

/* A value of an entry among the others. */
static float *value_of(struct product *p, uint32_t entry, uint32_t column)
{
	return (float *)p->entries[column] + entry;
}

static void set_entry(struct product *p, uint32_t entry, const float *run)
{
	for (uint32_t c = 0; c < p->d; c++)
		*value_of(p, entry, c) = run[c];
}

static void code_sample(void *arg, size_t unit, unsigned int thread)
{
	struct product *p = arg;
	size_t end = (unit + 1) * 1024;

	for (size_t i = unit * 1024; i < end && i < p->sample_count; i++)
		p->codes[i] = nearest(p, p->sample + i * p->d);
}

/* Entries become the means of what is nearest to them; one that nothing is nearest to begins again elsewhere. */
static void move_entries(struct product *p, uint64_t *state)
{
	double sums[ENTRIES][8] = {{0}};
	uint64_t counts[ENTRIES] = {0};

	for (size_t i = 0; i < p->sample_count; i++) {
		counts[p->codes[i]]++;
		for (uint32_t c = 0; c < p->d; c++)
			sums[p->codes[i]][c] += (double)p->sample[i * p->d + c];
	}
	for (uint32_t i = 0; i < ENTRIES; i++) {
		if (!counts[i])
			set_entry(p, i, p->sample + next_random(state) % p->sample_count * p->d);
		for (uint32_t c = 0; c < p->d && counts[i]; c++)
			*value_of(p, i, c) = (float)(sums[i][c] / (double)counts[i]);
	}
}

static void train(struct product *p, const struct codec_team *team)
{
	uint64_t state = 1;

	for (uint32_t i = 0; i < ENTRIES; i++)
		set_entry(p, i, p->sample + next_random(&state) % p->sample_count * p->d);
	for (int round = 0; round < ROUNDS; round++) {
		set_halves(p);
		team->run(team->arg, code_sample, p, (p->sample_count + 1023) / 1024);
		move_entries(p, &state);
	}
	set_halves(p);
}

static void write_row(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	const struct product *p = arg;
	unsigned char *codes = (unsigned char *)p->coded->codes + row * p->runs;
	float run[8];

	for (uint64_t i = 0; i < p->runs; i++) {
		memcpy(run, bits + i * p->d, p->d * sizeof(*run));
		codes[i] = nearest(p, run);
	}
}

static void write_entries(struct product *p)
{
	float *to = (float *)p->coded->dictionary;

	for (uint32_t i = 0; i < ENTRIES; i++)
		for (uint32_t c = 0; c < p->d; c++)
			to[i * p->d + c] = *value_of(p, i, c);
}

int weights_product(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data)
{
	struct product *p = aligned_alloc(BLOB_ALIGN, (sizeof(*p) + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN);
	uint32_t *bits = malloc(weights->k * sizeof(*bits));
	int err = -ENOMEM;

	if (p)
		*p = (struct product){.weights = weights, .coded = &blob->coded};
	if (!p || !bits)
		goto out;
	p->d = blob->coded.block_columns;
	p->runs = weights->k / p->d;
	p->sample = malloc(SAMPLE * sizeof(*p->sample) * p->d);
	p->codes = malloc(SAMPLE);
	blob->coded.code_bits = 8;
	blob->coded.dictionary_values = ENTRIES;
	if (!p->sample || !p->codes)
		goto out;
	err = -ERANGE;
	if (weights->k % p->d || !take_sample(p, bits))
		goto out;
	*data = blob_new(blob);
	err = *data ? 0 : -ENOMEM;
	if (err)
		goto out;
	train(p, team);
	write_entries(p);
	err = rows_run(weights, team, write_row, p);
out:
	if (p) {
		free(p->sample);
		free(p->codes);
	}
	free(p);
	free(bits);
	return err;
}
