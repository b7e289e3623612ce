/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * bf16 with its exponents apart: weights are much alike in size, so that few exponents have nearly all of them and
 * three bits say which. Sign and mantissa stay a byte; what has another exponent has it written out.
 */
#include "codec/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct exponents {
	const struct weights *weights;
	const struct pinpool_coded *coded;
	uint64_t *starts;
	uint8_t *tables; /* of all rows, or of each */
	uint8_t (*codes)[256]; /* by exponent; for each thread */
};

static uint8_t exponent(uint32_t bits)
{
	return bits >> 23 & 255;
}

/* Codes of the exponents of the row, in @codes of its thread. */
static const uint8_t *codes_of(const struct exponents *e, uint64_t row, unsigned int thread)
{
	const uint32_t values = e->coded->dictionary_values;
	const uint8_t *table = e->tables + (e->coded->group_rows ? row * values : 0);
	uint8_t *codes = e->codes[thread];

	memset(codes, PINPOOL_CODED_ESCAPE, 256);
	/* A table may have an exponent twice; the first one counts. */
	for (uint32_t i = values; i-- > 0;)
		codes[table[i]] = (uint8_t)i;
	return codes;
}

static void count_row(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	const struct exponents *e = arg;
	const uint64_t k = e->weights->k;
	const uint8_t *codes;
	uint64_t count = 0;

	if (e->coded->group_rows) {
		uint64_t counts[256] = {0};

		for (uint64_t i = 0; i < k; i++)
			counts[exponent(bits[i])]++;
		weights_top_exponents(counts, e->tables + row * PINPOOL_CODED_EXPONENTS_MAX);
	}
	codes = codes_of(e, row, thread);
	for (uint64_t i = 0; i < k; i++)
		count += codes[exponent(bits[i])] == PINPOOL_CODED_ESCAPE;
	e->starts[row] = count;
}

static void write_row(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread)
{
	const struct exponents *e = arg;
	const uint64_t k = e->weights->k, words = (k + 63) / 64;
	unsigned char *mantissas = (unsigned char *)e->coded->codes + row * words * 64;
	uint64_t *planes = (uint64_t *)e->coded->bits + row * words * 3;
	uint8_t *escapes = (uint8_t *)e->coded->escapes;
	const uint8_t *codes = codes_of(e, row, thread);
	uint64_t at = e->starts[row];

	for (uint64_t i = 0; i < k; i++) {
		uint64_t code = codes[exponent(bits[i])];

		mantissas[i] = (unsigned char)(bits[i] >> 24 & 0x80) | (bits[i] >> 16 & 0x7f);
		for (unsigned int plane = 0; plane < 3; plane++)
			planes[i / 64 * 3 + plane] |= (code >> plane & 1) << i % 64;
		if (code == PINPOOL_CODED_ESCAPE)
			escapes[at++] = exponent(bits[i]);
	}
}

/* The most frequent exponents of all rows. */
static void count_all(const struct weights *weights, uint8_t *table)
{
	const unsigned char *at = weights->data;
	uint64_t counts[256] = {0};

	for (uint64_t i = 0; i < weights->n * weights->k; i++)
		counts[(at[2 * i + 1] << 1 & 0xfe) | at[2 * i] >> 7]++;
	weights_top_exponents(counts, table);
}

int weights_exponents(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data)
{
	struct exponents e = {.weights = weights, .coded = &blob->coded};
	uint64_t tables = blob->coded.group_rows ? weights->n : 1, *starts;
	int err;

	if (weights->dtype != PINPOOL_DTYPE_BF16)
		return -ERANGE;
	blob->coded.dictionary_values = PINPOOL_CODED_EXPONENTS_MAX;
	starts = calloc(weights->n + 1, sizeof(*starts));
	e.tables = calloc(tables, PINPOOL_CODED_EXPONENTS_MAX);
	e.codes = calloc(team->threads, sizeof(*e.codes));
	e.starts = starts;
	err = starts && e.tables && e.codes ? 0 : -ENOMEM;
	if (!err && !blob->coded.group_rows)
		count_all(weights, e.tables);
	if (!err)
		err = rows_run(weights, team, count_row, &e);
	if (!err) {
		rows_add_up(starts, weights->n);
		blob->coded.count = starts[weights->n];
		*data = blob_new(blob);
		err = *data ? 0 : -ENOMEM;
	}
	if (!err) {
		memcpy((void *)blob->coded.starts, starts, (weights->n + 1) * sizeof(*starts));
		memcpy((void *)blob->coded.exponents, e.tables, tables * PINPOOL_CODED_EXPONENTS_MAX);
		err = rows_run(weights, team, write_row, &e);
	}
	free(e.codes);
	free(e.tables);
	free(starts);
	return err;
}
