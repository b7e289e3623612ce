/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The codes that a plan chooses from: what each is called, which matrices can have it, who makes it. */
#include "compress/compression.h"

#include <errno.h>
#include <string.h>

typedef int (*encode_fn)(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data);

/*
 * Several rows of the table may have one name, which differ in numbers that nobody wants to choose: the smallest that
 * does is taken.
 */
struct code {
	const char *name;
	bool exact;
	enum pinpool_coded_kind kind;
	uint32_t bits;
	enum weights_group group;
	uint32_t rows; /* of a block */
	uint32_t columns; /* of a block */
	encode_fn encode;
};

#define DICTIONARY(name_, exact_, bits_, group_, encode_)                                                              \
	{                                                                                                              \
		.name = name_, .exact = exact_, .kind = PINPOOL_CODED_DICTIONARY, .bits = bits_, .group = group_,      \
		.encode = encode_                                                                                      \
	}
#define BLOCKS(rows_, columns_)                                                                                        \
	{                                                                                                              \
		.name = "blocks", .exact = true, .kind = PINPOOL_CODED_BLOCKS, .rows = rows_, .columns = columns_,     \
		.encode = weights_in_blocks                                                                            \
	}

static const struct code codes[] = {
	DICTIONARY("dictionary16", true, 4, WEIGHTS_GROUP_ALL, weights_dictionary),
	DICTIONARY("dictionary16", true, 4, WEIGHTS_GROUP_64, weights_dictionary),
	DICTIONARY("dictionary16", true, 4, WEIGHTS_GROUP_8, weights_dictionary),
	DICTIONARY("dictionary16", true, 4, WEIGHTS_GROUP_ROW, weights_dictionary),
	DICTIONARY("dictionary256", true, 8, WEIGHTS_GROUP_ALL, weights_dictionary),
	DICTIONARY("dictionary256", true, 8, WEIGHTS_GROUP_64, weights_dictionary),
	DICTIONARY("dictionary256", true, 8, WEIGHTS_GROUP_8, weights_dictionary),
	DICTIONARY("dictionary256", true, 8, WEIGHTS_GROUP_ROW, weights_dictionary),
	{.name = "exponents", .exact = true, .kind = PINPOOL_CODED_EXPONENTS, .encode = weights_exponents},
	{.name = "exponents",
	 .exact = true,
	 .kind = PINPOOL_CODED_EXPONENTS,
	 .group = WEIGHTS_GROUP_ROW,
	 .encode = weights_exponents},
	{.name = "sparse", .exact = true, .kind = PINPOOL_CODED_SPARSE, .encode = weights_sparse},
	{.name = "sparse256", .exact = true, .kind = PINPOOL_CODED_SPARSE, .bits = 8, .encode = weights_sparse},
	{.name = "bitmask", .exact = true, .kind = PINPOOL_CODED_BITMASK, .encode = weights_bitmask},
	{.name = "structured", .exact = true, .kind = PINPOOL_CODED_STRUCTURED, .encode = weights_structured},
	BLOCKS(1, 4),
	BLOCKS(1, 8),
	BLOCKS(1, 16),
	BLOCKS(8, 1),
	BLOCKS(8, 4),
	BLOCKS(8, 8),
	BLOCKS(8, 16),
	DICTIONARY("means16", false, 4, WEIGHTS_GROUP_ALL, weights_means),
	DICTIONARY("means16", false, 4, WEIGHTS_GROUP_64, weights_means),
	DICTIONARY("means16", false, 4, WEIGHTS_GROUP_8, weights_means),
	DICTIONARY("means16", false, 4, WEIGHTS_GROUP_ROW, weights_means),
	DICTIONARY("means256", false, 8, WEIGHTS_GROUP_ALL, weights_means),
	DICTIONARY("means256", false, 8, WEIGHTS_GROUP_64, weights_means),
	DICTIONARY("means256", false, 8, WEIGHTS_GROUP_8, weights_means),
	DICTIONARY("means256", false, 8, WEIGHTS_GROUP_ROW, weights_means),
	{.name = "product2", .kind = PINPOOL_CODED_PRODUCT, .bits = 8, .columns = 2, .encode = weights_product},
	{.name = "product4", .kind = PINPOOL_CODED_PRODUCT, .bits = 8, .columns = 4, .encode = weights_product},
	{.name = "product8", .kind = PINPOOL_CODED_PRODUCT, .bits = 8, .columns = 8, .encode = weights_product},
};

#define CODES (sizeof(codes) / sizeof(codes[0]))

size_t codes_count(void)
{
	return CODES;
}

const char *codes_name(size_t code)
{
	return codes[code].name;
}

size_t codes_find(const char *name)
{
	size_t i = 0;

	while (i < CODES && strcmp(codes[i].name, name))
		i++;
	return i;
}

bool codes_is_exact(size_t code)
{
	return codes[code].exact;
}

/* A group of more rows than there are is one of all, which has a row of the table to itself. */
static bool group_is_there(const struct code *code, const struct weights *weights)
{
	return code->group == WEIGHTS_GROUP_ALL || weights_group_rows[code->group] < weights->n;
}

static bool fit_dictionary(const struct code *code, const struct weights *weights, const struct weights_stats *stats,
			   struct blob *blob)
{
	const uint32_t most = 1u << code->bits;

	blob->coded.code_bits = code->bits;
	blob->coded.group_rows = weights_group_rows[code->group];
	blob->coded.dictionary_values = code->exact ? stats->distinct[code->group] : most;
	return group_is_there(code, weights) && (code->exact ? stats->distinct[code->group] <= most : stats->finite);
}

static uint64_t count_blocks(const struct code *code, const struct weights_stats *stats)
{
	for (size_t i = 0; i < WEIGHTS_BLOCKS; i++)
		if (weights_blocks[i].rows == code->rows && weights_blocks[i].columns == code->columns)
			return stats->blocks[i];
	return PINPOOL_UNKNOWN;
}

bool codes_fit(size_t index, const struct weights *weights, const struct weights_stats *stats, struct blob *blob)
{
	const struct code *code = &codes[index];
	struct pinpool_coded *coded = &blob->coded;

	*coded = (struct pinpool_coded){.size = sizeof(*coded), .kind = code->kind};
	switch (code->kind) {
	case PINPOOL_CODED_DICTIONARY:
		return fit_dictionary(code, weights, stats, blob);
	case PINPOOL_CODED_EXPONENTS:
		coded->group_rows = weights_group_rows[code->group];
		coded->dictionary_values = PINPOOL_CODED_EXPONENTS_MAX;
		coded->count = code->group == WEIGHTS_GROUP_ALL ? stats->escapes : stats->row_escapes;
		return weights->dtype == PINPOOL_DTYPE_BF16 && group_is_there(code, weights);
	case PINPOOL_CODED_SPARSE:
		coded->count = stats->stored;
		coded->code_bits = code->bits;
		if (code->bits)
			/* With the zeros, if there are any, which need no value. */
			coded->dictionary_values = stats->distinct[WEIGHTS_GROUP_ALL];
		else
			coded->dtype = weights->dtype;
		return weights->k <= UINT32_MAX && coded->dictionary_values <= PINPOOL_CODED_VALUES_MAX;
	case PINPOOL_CODED_BITMASK:
		coded->count = stats->stored;
		coded->dtype = weights->dtype;
		return true;
	case PINPOOL_CODED_STRUCTURED:
		coded->dtype = weights->dtype;
		return stats->structured;
	case PINPOOL_CODED_BLOCKS:
		coded->count = count_blocks(code, stats);
		coded->dtype = weights->dtype;
		coded->block_rows = code->rows;
		coded->block_columns = code->columns;
		return coded->count != PINPOOL_UNKNOWN && weights->k <= UINT32_MAX;
	case PINPOOL_CODED_PRODUCT:
		coded->code_bits = code->bits;
		coded->dictionary_values = PINPOOL_CODED_VALUES_MAX;
		coded->block_columns = code->columns;
		return stats->finite && weights->k % code->columns == 0;
	}
	return false;
}

int codes_encode(size_t code, const struct weights *weights, const struct codec_team *team, struct blob *blob,
		 void **data)
{
	*data = NULL;
	return codes[code].encode(weights, team, blob, data);
}
