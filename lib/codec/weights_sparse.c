/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Codes of matrices with zeros: compressed rows, bits, blocks, two of four. What is not stored is +0, bit for bit. Rows
 * are counted first, so that each has its place before any is written.
 */
#include "codec/distinct.h"
#include "codec/rows.h"

#include <errno.h>

/* What is made, and of what; arrays are those of the blob, to be written. */
struct sparse {
	const struct weights *weights;
	size_t width; /* bytes of an element */
	uint64_t *starts;
	uint32_t *columns;
	unsigned char *values;
	unsigned char *codes;
	uint64_t *bits;
	size_t words; /* of bits of a row */
	struct distinct *set; /* of the values, where codes are stored; else NULL */
	uint32_t rows; /* of a block */
	uint32_t block; /* columns of it */
	unsigned char *seen; /* of blocks of a row of blocks, for each thread */
	bool *failed; /* by thread */
};

static const unsigned char *element(const struct sparse *sparse, uint64_t row, uint64_t column)
{
	return (const unsigned char *)sparse->weights->data + (row * sparse->weights->k + column) * sparse->width;
}

static void store(const struct sparse *sparse, uint64_t at, uint64_t row, uint64_t column)
{
	memcpy(sparse->values + at * sparse->width, element(sparse, row, column), sparse->width);
}

static void count_row(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	const struct sparse *sparse = arg;
	uint64_t count = 0;

	for (uint64_t i = 0; i < sparse->weights->k; i++)
		count += !!bits[i];
	sparse->starts[row] = count;
}

/* The starts of rows, or of rows of blocks, by what @count says of each; and the blob for them. */
static int count(struct sparse *sparse, const struct codec_team *team, rows_fn fn, struct blob *blob, void **data)
{
	uint64_t rows = sparse->weights->n / sparse->rows, *starts = calloc(rows + 1, sizeof(*starts));
	int err;

	if (!starts)
		return -ENOMEM;
	sparse->starts = starts;
	err = rows_run(sparse->weights, team, fn, sparse);
	if (!err) {
		rows_add_up(starts, rows);
		blob->coded.count = starts[rows];
		*data = blob_new(blob);
		err = *data ? 0 : -ENOMEM;
	}
	if (!err) {
		sparse->starts = (uint64_t *)blob->coded.starts;
		memcpy(sparse->starts, starts, (rows + 1) * sizeof(*starts));
		sparse->columns = (uint32_t *)blob->coded.columns;
		sparse->values = (unsigned char *)blob->coded.values;
		sparse->codes = (unsigned char *)blob->coded.codes;
		sparse->bits = (uint64_t *)blob->coded.bits;
	}
	free(starts);
	return err;
}

static struct sparse begin(const struct weights *weights)
{
	return (struct sparse){.weights = weights, .width = weights_width(weights), .rows = 1, .block = 1};
}

static void write_row(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	const struct sparse *sparse = arg;
	uint64_t at = sparse->starts[row];

	for (uint64_t i = 0; i < sparse->weights->k; i++) {
		if (!bits[i])
			continue;
		sparse->columns[at] = (uint32_t)i;
		if (sparse->set)
			sparse->codes[at] = distinct_number(sparse->set, bits[i]);
		else
			store(sparse, at, row, i);
		at++;
	}
}

/* All values that there are, in order. */
static int collect(const struct weights *weights, struct distinct *set)
{
	uint32_t *bits = malloc(weights->k * sizeof(*bits));

	if (!bits)
		return -ENOMEM;
	distinct_clear(set);
	for (uint64_t row = 0; row < weights->n && !distinct_overflows(set); row++) {
		weights_row(weights, row, bits);
		for (uint64_t i = 0; i < weights->k && !distinct_overflows(set); i++)
			if (bits[i])
				distinct_add(set, bits[i]);
	}
	free(bits);
	if (distinct_overflows(set))
		return -ERANGE;
	distinct_sort(set);
	return 0;
}

int weights_sparse(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data)
{
	struct sparse sparse = begin(weights);
	struct distinct set;
	int err;

	if (weights->k > UINT32_MAX)
		return -ERANGE;
	if (blob->coded.code_bits) {
		err = collect(weights, &set);
		if (err)
			return err;
		/* Products want a value even where nothing is stored. */
		blob->coded.dictionary_values = set.count ? set.count : 1;
		sparse.set = &set;
	} else {
		blob->coded.dtype = weights->dtype;
	}
	err = count(&sparse, team, count_row, blob, data);
	if (err)
		return err;
	if (sparse.set)
		memcpy((void *)blob->coded.dictionary, set.values, set.count * sizeof(*set.values));
	return rows_run(weights, team, write_row, &sparse);
}

static void write_mask(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	const struct sparse *sparse = arg;
	uint64_t at = sparse->starts[row], *words = sparse->bits + row * sparse->words;

	for (uint64_t i = 0; i < sparse->weights->k; i++) {
		if (!bits[i])
			continue;
		words[i / 64] |= 1ULL << i % 64;
		store(sparse, at++, row, i);
	}
}

int weights_bitmask(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data)
{
	struct sparse sparse = begin(weights);
	int err;

	blob->coded.dtype = weights->dtype;
	sparse.words = (weights->k + 63) / 64;
	err = count(&sparse, team, count_row, blob, data);
	return err ? err : rows_run(weights, team, write_mask, &sparse);
}

/* The blocks of a row of blocks that have something, gathered row by row. */
static unsigned char *seen_of(const struct sparse *sparse, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	uint64_t blocks = sparse->weights->k / sparse->block;
	unsigned char *seen = sparse->seen + thread * blocks;

	if (row % sparse->rows == 0)
		memset(seen, 0, blocks);
	for (uint64_t i = 0; i < blocks * sparse->block; i++)
		seen[i / sparse->block] |= !!bits[i];
	return seen;
}

static void count_blocks(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	const struct sparse *sparse = arg;
	const unsigned char *seen = seen_of(sparse, row, bits, thread);
	uint64_t found = 0;

	if (row % sparse->rows != sparse->rows - 1)
		return;
	for (uint64_t i = 0; i < sparse->weights->k / sparse->block; i++)
		found += seen[i];
	sparse->starts[row / sparse->rows] = found;
}

static void write_blocks(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	const struct sparse *sparse = arg;
	const unsigned char *seen = seen_of(sparse, row, bits, thread);
	uint64_t at = sparse->starts[row / sparse->rows], first = row - row % sparse->rows;

	if (row % sparse->rows != sparse->rows - 1)
		return;
	for (uint64_t i = 0; i < sparse->weights->k / sparse->block; i++) {
		if (!seen[i])
			continue;
		for (uint32_t c = 0; c < sparse->block; c++)
			for (uint32_t r = 0; r < sparse->rows; r++)
				store(sparse, (at * sparse->block + c) * sparse->rows + r, first + r,
				      i * sparse->block + c);
		sparse->columns[at++] = (uint32_t)i;
	}
}

int weights_in_blocks(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data)
{
	struct sparse sparse = begin(weights);
	int err;

	sparse.rows = blob->coded.block_rows;
	sparse.block = blob->coded.block_columns;
	if (weights->n % sparse.rows || weights->k % sparse.block || weights->k > UINT32_MAX)
		return -ERANGE;
	blob->coded.dtype = weights->dtype;
	sparse.seen = calloc(team->threads, weights->k / sparse.block);
	if (!sparse.seen)
		return -ENOMEM;
	err = count(&sparse, team, count_blocks, blob, data);
	if (!err)
		err = rows_run(weights, team, write_blocks, &sparse);
	free(sparse.seen);
	return err;
}

/* Two of each four: where fewer are stored, others of the four take part as zeros. */
static void write_fours(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	const struct sparse *sparse = arg;
	const uint64_t fours = sparse->weights->k / 4;
	unsigned char *codes = sparse->codes + row * ((fours + 1) / 2);

	for (uint64_t i = 0; i < fours; i++) {
		uint32_t at[2] = {0, 1}, count = 0;

		for (uint32_t c = 0; c < 4; c++) {
			if (!bits[4 * i + c])
				continue;
			if (count == 2) {
				sparse->failed[thread] = true;
				return;
			}
			at[count++] = c;
		}
		/* The other one is any that is not the first, behind it. */
		if (count == 1) {
			at[1] = at[0] ? at[0] : 1;
			at[0] = 0;
		}
		codes[i / 2] |= (unsigned char)((at[0] | at[1] << 2) << i % 2 * 4);
		store(sparse, row * 2 * fours + 2 * i, row, 4 * i + at[0]);
		store(sparse, row * 2 * fours + 2 * i + 1, row, 4 * i + at[1]);
	}
}

int weights_structured(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data)
{
	struct sparse sparse = begin(weights);
	int err;

	if (weights->k % 4)
		return -ERANGE;
	blob->coded.dtype = weights->dtype;
	*data = blob_new(blob);
	sparse.failed = calloc(team->threads, sizeof(*sparse.failed));
	if (!*data || !sparse.failed) {
		free(sparse.failed);
		return -ENOMEM;
	}
	sparse.codes = (unsigned char *)blob->coded.codes;
	sparse.values = (unsigned char *)blob->coded.values;
	err = rows_run(weights, team, write_fours, &sparse);
	for (unsigned int i = 0; i < team->threads && !err; i++)
		err = sparse.failed[i] ? -ERANGE : 0;
	free(sparse.failed);
	return err;
}
