/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Coded tensors: the input is a blob. It is read as it is but for its checksum; then with its arrays where its numbers
 * want them, so that the fuzzer gets past the header. Whatever the bytes, reading ends, what is accepted lies within the
 * blob, and what the check of its contents takes is decoded without any further look, for a product with a row of ones.
 */
#include "codec/blob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Most values, and bytes, of a matrix that is looked at. */
#define VALUES (1u << 14)
#define BYTES  (1u << 16)

/* Of the header: docs/compression.md. */
#define CHECKSUM 360

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "accepted: %s\n", what);
	abort();
}

static bool within(const void *array, const unsigned char *data, uint64_t bytes)
{
	uint64_t offset = (uint64_t)((const unsigned char *)array - data);

	return !array || (offset % BLOB_ALIGN == 0 && offset < bytes);
}

/* All rows of what was taken. */
static void use(struct blob *blob)
{
	struct pinpool_diag diag = {0};
	double sum = 0;
	float *row;

	if (blob->n > VALUES || blob->k > VALUES || blob->n * blob->k > VALUES)
		return;
	if (pinpool_coded_check(&blob->coded, blob->n, blob->k, &diag)) {
		must(*diag.object && *diag.cause, "an error without a word");
		return;
	}
	blob->coded.flags = PINPOOL_CODED_CHECKED;
	/* No byte behind it is anybody's. */
	row = malloc(blob->k * sizeof(*row));
	for (uint64_t i = 0; i < blob->n; i++) {
		must(!pinpool_coded_row(row, &blob->coded, blob->n, blob->k, i, 0, blob->k, NULL), "no row");
		for (uint64_t l = 0; l < blob->k; l++)
			sum += (double)row[l];
	}
	free(row);
	/* Keeps the reads. */
	__asm__ volatile("" : : "r"(&sum) : "memory");
}

static void read_blob(const unsigned char *data, uint64_t bytes)
{
	struct pinpool_diag diag = {0};
	struct blob blob;

	if (blob_read(&blob, data, bytes, "blob", &diag)) {
		must(*diag.object && *diag.cause, "an error without a word");
		return;
	}
	must(within(blob.coded.codes, data, bytes) && within(blob.coded.dictionary, data, bytes) &&
		     within(blob.coded.starts, data, bytes) && within(blob.coded.columns, data, bytes) &&
		     within(blob.coded.values, data, bytes) && within(blob.coded.bits, data, bytes) &&
		     within(blob.coded.exponents, data, bytes) && within(blob.coded.escapes, data, bytes),
	     "an array out of place");
	use(&blob);
}

static uint32_t word(const unsigned char *data, size_t offset)
{
	uint32_t value;

	memcpy(&value, data + offset, sizeof(value));
	return value;
}

static uint64_t number(const unsigned char *data, size_t offset)
{
	uint64_t value;

	memcpy(&value, data + offset, sizeof(value));
	return value;
}

/* What the header says, written as the library does: that must be read. */
static void rebuild(const unsigned char *data, size_t size)
{
	struct blob blob = {
		.dtype = (enum pinpool_dtype)word(data, 28),
		.ndim = word(data, 32),
		.coded = {
			.size = sizeof(blob.coded),
			.kind = (enum pinpool_coded_kind)word(data, 24),
			.code_bits = word(data, 176),
			.dictionary_values = word(data, 180),
			.group_rows = number(data, 184),
			.group_columns = number(data, 192),
			.count = number(data, 200),
			.dtype = (enum pinpool_dtype)word(data, 208),
			.block_rows = word(data, 212),
			.block_columns = word(data, 216),
		},
	};
	uint64_t header = (CHECKSUM + 8 + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN, bytes;
	unsigned char *out;

	memcpy(blob.shape, data + 40, sizeof(blob.shape));
	if (!blob_matrix(blob.ndim, blob.shape, &blob.n, &blob.k))
		return;
	bytes = blob_bytes(&blob);
	if (bytes > BYTES)
		return;
	out = blob_new(&blob);
	must(out, "numbers without a place");
	if (size > header)
		memcpy(out + header, data + header, size < bytes ? size - header : bytes - header);
	blob_seal(&blob, out);
	read_blob(out, bytes);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *copy = aligned_alloc(BLOB_ALIGN, (size / BLOB_ALIGN + 1) * BLOB_ALIGN);
	uint64_t checksum;

	memcpy(copy, data, size);
	if (size >= CHECKSUM + sizeof(checksum)) {
		checksum = XXH3_64bits(copy, CHECKSUM);
		memcpy(copy + CHECKSUM, &checksum, sizeof(checksum));
		rebuild(copy, size);
	}
	read_blob(copy, size);
	free(copy);
	return 0;
}
