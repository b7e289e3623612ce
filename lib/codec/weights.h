/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Codes of weights: what a matrix looks like, and blobs of it in every form that products take. Nothing here reads what
 * it made; how far a code is from the weights is measured by who has it, with the decoder that products have.
 */
#ifndef PINPOOL_CODEC_WEIGHTS_H
#define PINPOOL_CODEC_WEIGHTS_H

#include "codec/blob.h"

/* @thread is below codec_team.threads and names what a unit may keep to itself. */
typedef void (*codec_unit_fn)(void *arg, size_t unit, unsigned int thread);

/* Threads that share work: @run calls @fn for units 0 to @units - 1, each once, in any order. */
struct codec_team {
	unsigned int threads;
	void *arg;
	void (*run)(void *arg, codec_unit_fn fn, void *fn_arg, size_t units);
};

/* A matrix as a checkpoint has it: f32, bf16 or f16, row after row; any alignment. */
struct weights {
	const void *data;
	enum pinpool_dtype dtype;
	uint64_t n;
	uint64_t k;
};

static inline size_t weights_width(const struct weights *weights)
{
	return pinpool_dtype_bits(weights->dtype) / 8;
}

/* Whether there are codes for weights of that type. */
bool weights_takes(enum pinpool_dtype dtype);
/* Row @row as bits of f32, which hold every value, a NaN's bits included. */
void weights_row(const struct weights *weights, uint64_t row, uint32_t *bits);
/* What weights_row() gives for an element of @dtype, in that type again, to the nearest if it is none. */
void weights_store(enum pinpool_dtype dtype, const uint32_t *bits, uint64_t count, void *out);

/* Most distinct values that are counted; one more stands for more. */
#define WEIGHTS_DISTINCT_MAX 256u

/* Rows that may share a dictionary, the widest first: all of them, and so many. */
enum weights_group { WEIGHTS_GROUP_ALL, WEIGHTS_GROUP_64, WEIGHTS_GROUP_8, WEIGHTS_GROUP_ROW, WEIGHTS_GROUPS };

extern const uint32_t weights_group_rows[WEIGHTS_GROUPS];

/* Shapes of blocks that are looked at, and their names: rows and columns. */
enum {
	WEIGHTS_BLOCKS = 7,
};

extern const struct weights_block {
	uint32_t rows;
	uint32_t columns;
} weights_blocks[WEIGHTS_BLOCKS];

/**
 * struct weights_stats - what a matrix looks like
 * @stored: values that are not +0
 * @finite: there is no infinity and no NaN
 * @structured: of each four columns, at most two are stored; k is a multiple of four
 * @distinct: most distinct values that a group of so many rows has, up to WEIGHTS_DISTINCT_MAX, or one more
 * @blocks: blocks of that shape with a stored value; PINPOOL_UNKNOWN where rows or columns are no whole blocks
 * @exponents: how many values have that exponent, as bf16 has it
 * @entropy: bits of an exponent, from @exponents
 * @escapes: values whose exponent is none of the seven most frequent ones; of all rows, and row by row
 */
struct weights_stats {
	uint64_t stored;
	bool finite;
	bool structured;
	uint32_t distinct[WEIGHTS_GROUPS];
	uint64_t blocks[WEIGHTS_BLOCKS];
	uint64_t exponents[256];
	double entropy;
	uint64_t escapes;
	uint64_t row_escapes;
};

/* Returns 0 or -ENOMEM. */
int weights_analyse(const struct weights *weights, const struct codec_team *team, struct weights_stats *stats);

/* The seven most frequent ones, the most frequent first, of equal ones the smaller; returns how many there are. */
uint32_t weights_top_exponents(const uint64_t counts[256], uint8_t top[PINPOOL_CODED_EXPONENTS_MAX]);

/*
 * Codes @weights as the numbers of @blob say, which are set but for @blob->coded.count and, of a dictionary whose
 * values are exact, @blob->coded.dictionary_values. *@data is for free(), not sealed yet. All of them are
 * deterministic, whatever the number of threads. Return 0, -ENOMEM, or -ERANGE: it has more values than codes, or a
 * structure that it has not.
 */
int weights_dictionary(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data);
int weights_means(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data);
int weights_product(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data);
int weights_exponents(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data);
int weights_sparse(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data);
int weights_bitmask(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data);
int weights_in_blocks(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data);
int weights_structured(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data);

#endif
