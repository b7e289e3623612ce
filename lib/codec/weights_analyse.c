/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Looking at a matrix once, row by row: what is zero and in which structure, how many values there are, which
 * exponents. Groups and blocks of rows are of one unit; what units found is added up in their order.
 */
#include "codec/distinct.h"
#include "codec/rows.h"

#include <errno.h>
#include <math.h>

/* What one unit found. */
struct found {
	uint64_t stored;
	bool finite;
	bool structured;
	uint32_t distinct[WEIGHTS_GROUPS];
	uint64_t blocks[WEIGHTS_BLOCKS];
	uint64_t exponents[256];
	uint64_t row_escapes;
	struct distinct all;
};

/* What a thread keeps to itself. */
struct scratch {
	uint64_t *mask; /* of a row: what is stored */
	uint64_t *rows; /* of eight rows together */
	struct distinct row;
	struct distinct eight;
};

struct analysis {
	const struct weights *weights;
	size_t words; /* of a mask */
	struct found *found;
	struct scratch *scratch;
};

static void count_exponents(struct found *found, const uint32_t *bits, uint64_t k)
{
	uint64_t counts[256] = {0}, kept = 0;
	uint8_t top[PINPOOL_CODED_EXPONENTS_MAX];
	uint32_t values;

	for (uint64_t i = 0; i < k; i++)
		counts[bits[i] >> 23 & 255]++;
	for (size_t i = 0; i < 256; i++)
		found->exponents[i] += counts[i];
	found->finite &= !counts[255];
	values = weights_top_exponents(counts, top);
	for (uint32_t i = 0; i < values; i++)
		kept += counts[top[i]];
	found->row_escapes += k - kept;
}

static void make_mask(const uint32_t *bits, uint64_t k, uint64_t *mask)
{
	for (uint64_t first = 0; first < k; first += 64) {
		uint64_t end = k - first < 64 ? k - first : 64, word = 0;

		for (uint64_t i = 0; i < end; i++)
			word |= (uint64_t) !!bits[first + i] << i;
		mask[first / 64] = word;
	}
}

/* Runs of @columns, which is a power of two, with a bit in them. */
static uint64_t runs(const uint64_t *mask, size_t words, uint32_t columns)
{
	static const uint64_t firsts[] = {
		[1] = ~0ULL, [4] = 0x1111111111111111, [8] = 0x0101010101010101, [16] = 0x0001000100010001};
	uint64_t count = 0;

	for (size_t i = 0; i < words; i++) {
		uint64_t word = mask[i];

		for (uint32_t shift = 1; shift < columns; shift *= 2)
			word |= word >> shift;
		count += (uint64_t)__builtin_popcountll(word & firsts[columns]);
	}
	return count;
}

/* No four columns have more than two bits. */
static bool is_structured(const uint64_t *mask, size_t words)
{
	const uint64_t odd = 0x5555555555555555, even = 0x3333333333333333;

	for (size_t i = 0; i < words; i++) {
		uint64_t pairs = (mask[i] & odd) + (mask[i] >> 1 & odd);
		uint64_t fours = (pairs & even) + (pairs >> 2 & even);

		if ((fours >> 2 | (fours >> 1 & fours)) & 0x1111111111111111)
			return false;
	}
	return true;
}

static void count_distinct(struct scratch *scratch, const uint32_t *bits, uint64_t k)
{
	distinct_clear(&scratch->row);
	for (uint64_t i = 0; i < k && !distinct_overflows(&scratch->row); i++)
		distinct_add(&scratch->row, bits[i]);
}

static void raise(uint32_t *most, const struct distinct *set)
{
	*most = set->count > *most ? set->count : *most;
}

static void look(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	const struct analysis *a = arg;
	const uint64_t k = a->weights->k;
	const bool last = row % 8 == 7 || row == a->weights->n - 1;
	struct scratch *scratch = &a->scratch[thread];
	struct found *found = &a->found[row / ROWS_UNIT];

	if (row % ROWS_UNIT == 0)
		found->finite = found->structured = true;
	count_exponents(found, bits, k);
	make_mask(bits, k, scratch->mask);
	found->stored += runs(scratch->mask, a->words, 1);
	found->structured &= is_structured(scratch->mask, a->words);
	for (size_t i = 0; i < a->words; i++)
		scratch->rows[i] = row % 8 ? scratch->rows[i] | scratch->mask[i] : scratch->mask[i];
	for (size_t i = 0; i < WEIGHTS_BLOCKS; i++) {
		if (weights_blocks[i].rows == 1)
			found->blocks[i] += runs(scratch->mask, a->words, weights_blocks[i].columns);
		else if (last)
			found->blocks[i] += runs(scratch->rows, a->words, weights_blocks[i].columns);
	}
	count_distinct(scratch, bits, k);
	if (row % 8 == 0)
		distinct_clear(&scratch->eight);
	distinct_merge(&scratch->eight, &scratch->row);
	raise(&found->distinct[WEIGHTS_GROUP_ROW], &scratch->row);
	raise(&found->distinct[WEIGHTS_GROUP_8], &scratch->eight);
	if (last)
		distinct_merge(&found->all, &scratch->eight);
	found->distinct[WEIGHTS_GROUP_64] = found->all.count;
}

uint32_t weights_top_exponents(const uint64_t counts[256], uint8_t top[PINPOOL_CODED_EXPONENTS_MAX])
{
	uint32_t values = 0;

	for (size_t i = 0; i < 256; i++) {
		uint32_t at = values;

		if (!counts[i])
			continue;
		/* Behind those that are as frequent, before those that are less so. */
		while (at && counts[top[at - 1]] < counts[i])
			at--;
		if (at == PINPOOL_CODED_EXPONENTS_MAX)
			continue;
		values += values < PINPOOL_CODED_EXPONENTS_MAX;
		memmove(top + at + 1, top + at, values - 1 - at);
		top[at] = (uint8_t)i;
	}
	return values;
}

static double entropy(const uint64_t counts[256], double total)
{
	double bits = 0;

	for (size_t i = 0; i < 256; i++)
		if (counts[i])
			bits -= (double)counts[i] / total * log2((double)counts[i] / total);
	return bits;
}

static void add_up(const struct analysis *a, size_t units, struct distinct *all, struct weights_stats *stats)
{
	const struct weights *w = a->weights;
	uint8_t top[PINPOOL_CODED_EXPONENTS_MAX];
	uint32_t values;

	*stats = (struct weights_stats){.finite = true, .structured = w->k % 4 == 0};
	distinct_clear(all);
	for (size_t unit = 0; unit < units; unit++) {
		const struct found *found = &a->found[unit];

		stats->stored += found->stored;
		stats->finite &= found->finite;
		stats->structured &= found->structured;
		stats->row_escapes += found->row_escapes;
		for (size_t i = 1; i < WEIGHTS_GROUPS; i++)
			if (found->distinct[i] > stats->distinct[i])
				stats->distinct[i] = found->distinct[i];
		for (size_t i = 0; i < WEIGHTS_BLOCKS; i++)
			stats->blocks[i] += found->blocks[i];
		for (size_t i = 0; i < 256; i++)
			stats->exponents[i] += found->exponents[i];
		if (!distinct_overflows(all))
			distinct_merge(all, &found->all);
	}
	stats->distinct[WEIGHTS_GROUP_ALL] = all->count;
	for (size_t i = 0; i < WEIGHTS_BLOCKS; i++)
		if (w->n % weights_blocks[i].rows || w->k % weights_blocks[i].columns)
			stats->blocks[i] = PINPOOL_UNKNOWN;
	values = weights_top_exponents(stats->exponents, top);
	stats->escapes = w->n * w->k;
	for (uint32_t i = 0; i < values; i++)
		stats->escapes -= stats->exponents[top[i]];
	stats->entropy = entropy(stats->exponents, (double)w->n * (double)w->k);
}

int weights_analyse(const struct weights *weights, const struct codec_team *team, struct weights_stats *stats)
{
	struct analysis a = {.weights = weights, .words = (weights->k + 63) / 64};
	size_t units = (weights->n + ROWS_UNIT - 1) / ROWS_UNIT;
	struct distinct all;
	int err = 0;

	a.found = calloc(units, sizeof(*a.found));
	a.scratch = calloc(team->threads, sizeof(*a.scratch));
	if (!a.found || !a.scratch)
		err = -ENOMEM;
	for (unsigned int i = 0; i < team->threads && !err; i++) {
		a.scratch[i].mask = malloc(2 * a.words * sizeof(uint64_t));
		if (a.scratch[i].mask)
			a.scratch[i].rows = a.scratch[i].mask + a.words;
		else
			err = -ENOMEM;
	}
	if (!err)
		err = rows_run(weights, team, look, &a);
	if (!err)
		add_up(&a, units, &all, stats);
	for (unsigned int i = 0; i < team->threads && a.scratch; i++)
		free(a.scratch[i].mask);
	free(a.scratch);
	free(a.found);
	return err;
}
