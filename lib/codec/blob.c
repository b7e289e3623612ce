/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Coded tensors as bytes; see blob.h. */
#include "codec/blob.h"
#include "base/diag.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "blobs are read in place: this needs a little-endian host"
#endif

#define MAGIC	"PINPCOD\n"
#define VERSION 1u

struct place {
	uint64_t offset; /* from the start of the blob, a multiple of BLOB_ALIGN; 0 if there is no such array */
	uint64_t bytes;
};

struct header {
	char magic[8];
	uint32_t version;
	uint32_t header_bytes; /* of this struct */
	uint64_t bytes; /* of the whole blob */
	uint32_t kind; /* enum pinpool_coded_kind */
	uint32_t dtype; /* enum pinpool_dtype, before */
	uint32_t ndim;
	uint32_t reserved;
	uint64_t shape[PINPOOL_NDIM_MAX];
	double error;
	uint32_t code_bits;
	uint32_t dictionary_values;
	uint64_t group_rows;
	uint64_t group_columns;
	uint64_t count;
	uint32_t value_dtype; /* enum pinpool_dtype, of the values that are stored */
	uint32_t block_rows;
	uint32_t block_columns;
	uint32_t reserved2;
	struct place arrays[BLOB_ARRAYS];
	uint64_t content; /* XXH3-64 of what is behind the header */
	uint64_t checksum; /* XXH3-64 of the header before it */
};

_Static_assert(sizeof(struct header) == 368, "no holes");

/* What is behind the header begins here. */
#define HEADER_BYTES ((sizeof(struct header) + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN)

static const char *const kinds[] = {
	[PINPOOL_CODED_DICTIONARY] = "dictionary", [PINPOOL_CODED_SPARSE] = "sparse",
	[PINPOOL_CODED_PRODUCT] = "product",	   [PINPOOL_CODED_EXPONENTS] = "exponents",
	[PINPOOL_CODED_BITMASK] = "bitmask",	   [PINPOOL_CODED_BLOCKS] = "blocks",
	[PINPOOL_CODED_STRUCTURED] = "structured",
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *blob_kind_name(enum pinpool_coded_kind kind)
{
	return (size_t)kind < KINDS ? kinds[kind] : NULL;
}

enum pinpool_coded_kind blob_kind_from_name(const char *name, size_t length)
{
	for (size_t i = 1; i < KINDS; i++)
		if (strlen(kinds[i]) == length && !memcmp(kinds[i], name, length))
			return (enum pinpool_coded_kind)i;
	return 0;
}

bool blob_matrix(uint32_t ndim, const uint64_t *shape, uint64_t *n, uint64_t *k)
{
	if (ndim < 2 || ndim > PINPOOL_NDIM_MAX || !shape[0])
		return false;
	*n = shape[0];
	*k = 1;
	for (uint32_t i = 1; i < ndim; i++)
		if (!shape[i] || __builtin_mul_overflow(*k, shape[i], k))
			return false;
	return *n <= PTRDIFF_MAX && *k <= PTRDIFF_MAX;
}

/* Products that do not overflow: what is too large to be is PINPOOL_UNKNOWN, and stays so. */
static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product;

	if (a == PINPOOL_UNKNOWN || b == PINPOOL_UNKNOWN || __builtin_mul_overflow(a, b, &product))
		return PINPOOL_UNKNOWN;
	return product;
}

static uint64_t over(uint64_t a, uint64_t b)
{
	return a / b + !!(a % b);
}

/* Dictionaries, or sets of exponents, that rows and columns have between them. */
static uint64_t groups(const struct blob *blob)
{
	const struct pinpool_coded *c = &blob->coded;

	return times(c->group_rows ? over(blob->n, c->group_rows) : 1,
		     c->group_columns ? over(blob->k, c->group_columns) : 1);
}

/* Bytes of a value that is stored; 0 for a type that none has. */
static uint64_t width(enum pinpool_dtype dtype)
{
	if (dtype != PINPOOL_DTYPE_F32 && dtype != PINPOOL_DTYPE_BF16 && dtype != PINPOOL_DTYPE_F16)
		return 0;
	return pinpool_dtype_bits(dtype) / 8;
}

static bool measure_dictionary(const struct blob *blob, uint64_t bytes[BLOB_ARRAYS])
{
	const struct pinpool_coded *c = &blob->coded;

	if (c->code_bits != 4 && c->code_bits != 8)
		return false;
	bytes[BLOB_CODES] = times(blob->n, over(blob->k, 8 / c->code_bits));
	bytes[BLOB_DICTIONARY] = times(times(groups(blob), c->dictionary_values), sizeof(float));
	return c->dictionary_values && c->dictionary_values <= 1u << c->code_bits;
}

static bool measure_sparse(const struct blob *blob, uint64_t bytes[BLOB_ARRAYS])
{
	const struct pinpool_coded *c = &blob->coded;

	bytes[BLOB_STARTS] = times(blob->n + 1, sizeof(uint64_t));
	bytes[BLOB_COLUMNS] = times(c->count, sizeof(uint32_t));
	if (!c->code_bits) {
		bytes[BLOB_VALUES] = times(c->count, width(c->dtype));
		return width(c->dtype) && !c->group_rows && !c->group_columns && !c->dictionary_values;
	}
	bytes[BLOB_CODES] = c->count;
	bytes[BLOB_DICTIONARY] = times(times(groups(blob), c->dictionary_values), sizeof(float));
	return c->code_bits == 8 && c->dictionary_values && c->dictionary_values <= PINPOOL_CODED_VALUES_MAX &&
	       !c->group_columns;
}

static bool measure_product(const struct blob *blob, uint64_t bytes[BLOB_ARRAYS])
{
	const struct pinpool_coded *c = &blob->coded;

	if ((c->block_columns != 2 && c->block_columns != 4 && c->block_columns != 8) || blob->k % c->block_columns ||
	    c->group_columns % c->block_columns)
		return false;
	bytes[BLOB_CODES] = times(blob->n, blob->k / c->block_columns);
	bytes[BLOB_DICTIONARY] =
		times(times(groups(blob), c->dictionary_values), sizeof(float) * (uint64_t)c->block_columns);
	return c->code_bits == 8 && c->dictionary_values && c->dictionary_values <= PINPOOL_CODED_VALUES_MAX;
}

static bool measure_exponents(const struct blob *blob, uint64_t bytes[BLOB_ARRAYS])
{
	const struct pinpool_coded *c = &blob->coded;
	const uint64_t words = over(blob->k, PINPOOL_CODED_BITS_COLUMNS);

	bytes[BLOB_CODES] = times(blob->n, words * PINPOOL_CODED_BITS_COLUMNS);
	bytes[BLOB_BITS] = times(blob->n, times(words, 3 * sizeof(uint64_t)));
	bytes[BLOB_EXPONENTS] = times(groups(blob), c->dictionary_values);
	bytes[BLOB_STARTS] = times(blob->n + 1, sizeof(uint64_t));
	bytes[BLOB_ESCAPES] = c->count;
	return c->dictionary_values && c->dictionary_values <= PINPOOL_CODED_EXPONENTS_MAX && !c->group_columns &&
	       blob->dtype == PINPOOL_DTYPE_BF16;
}

static bool measure_bitmask(const struct blob *blob, uint64_t bytes[BLOB_ARRAYS])
{
	const struct pinpool_coded *c = &blob->coded;

	bytes[BLOB_BITS] = times(blob->n, over(blob->k, PINPOOL_CODED_BITS_COLUMNS) * sizeof(uint64_t));
	bytes[BLOB_STARTS] = times(blob->n + 1, sizeof(uint64_t));
	bytes[BLOB_VALUES] = times(c->count, width(c->dtype));
	return width(c->dtype);
}

static bool measure_blocks(const struct blob *blob, uint64_t bytes[BLOB_ARRAYS])
{
	const struct pinpool_coded *c = &blob->coded;
	const uint64_t rows = c->block_rows, columns = c->block_columns;

	if ((rows != 1 && rows != 8) || (columns != 1 && columns != 4 && columns != 8 && columns != 16) ||
	    blob->n % rows || blob->k % columns)
		return false;
	bytes[BLOB_STARTS] = times(blob->n / rows + 1, sizeof(uint64_t));
	bytes[BLOB_COLUMNS] = times(c->count, sizeof(uint32_t));
	bytes[BLOB_VALUES] = times(c->count, rows * columns * width(c->dtype));
	return width(c->dtype);
}

static bool measure_structured(const struct blob *blob, uint64_t bytes[BLOB_ARRAYS])
{
	const struct pinpool_coded *c = &blob->coded;

	bytes[BLOB_CODES] = times(blob->n, over(blob->k, 8));
	bytes[BLOB_VALUES] = times(blob->n, times(blob->k / 2, width(c->dtype)));
	return width(c->dtype) && blob->k % 4 == 0;
}

/* How long each array must be; false if no matrix has such numbers. */
static bool measure(const struct blob *blob, uint64_t bytes[BLOB_ARRAYS])
{
	memset(bytes, 0, BLOB_ARRAYS * sizeof(*bytes));
	switch (blob->coded.kind) {
	case PINPOOL_CODED_DICTIONARY:
		return measure_dictionary(blob, bytes);
	case PINPOOL_CODED_SPARSE:
		return measure_sparse(blob, bytes);
	case PINPOOL_CODED_PRODUCT:
		return measure_product(blob, bytes);
	case PINPOOL_CODED_EXPONENTS:
		return measure_exponents(blob, bytes);
	case PINPOOL_CODED_BITMASK:
		return measure_bitmask(blob, bytes);
	case PINPOOL_CODED_BLOCKS:
		return measure_blocks(blob, bytes);
	case PINPOOL_CODED_STRUCTURED:
		return measure_structured(blob, bytes);
	}
	return false;
}

/* Arrays one after the other behind the header. Returns the length of all of it, or PINPOOL_UNKNOWN. */
static uint64_t lay_out(const struct blob *blob, struct place places[BLOB_ARRAYS])
{
	uint64_t bytes[BLOB_ARRAYS], at = HEADER_BYTES;

	if (!measure(blob, bytes))
		return PINPOOL_UNKNOWN;
	for (size_t i = 0; i < BLOB_ARRAYS; i++) {
		places[i] = (struct place){bytes[i] ? at : 0, bytes[i]};
		/* No file is longer than 63 bits count. */
		if (bytes[i] > INT64_MAX - BLOB_ALIGN - at)
			return PINPOOL_UNKNOWN;
		at += over(bytes[i], BLOB_ALIGN) * BLOB_ALIGN;
	}
	return at;
}

uint64_t blob_bytes(const struct blob *blob)
{
	struct place places[BLOB_ARRAYS];

	return lay_out(blob, places);
}

static const void *array_at(const void *data, const struct place *place)
{
	return place->bytes ? (const char *)data + place->offset : NULL;
}

static void set_arrays(struct pinpool_coded *coded, const void *data, const struct place places[BLOB_ARRAYS])
{
	coded->codes = array_at(data, &places[BLOB_CODES]);
	coded->dictionary = array_at(data, &places[BLOB_DICTIONARY]);
	coded->starts = array_at(data, &places[BLOB_STARTS]);
	coded->columns = array_at(data, &places[BLOB_COLUMNS]);
	coded->values = array_at(data, &places[BLOB_VALUES]);
	coded->bits = array_at(data, &places[BLOB_BITS]);
	coded->exponents = array_at(data, &places[BLOB_EXPONENTS]);
	coded->escapes = array_at(data, &places[BLOB_ESCAPES]);
}

void *blob_new(struct blob *blob)
{
	struct place places[BLOB_ARRAYS];
	void *data;

	blob->bytes = lay_out(blob, places);
	if (blob->bytes == PINPOOL_UNKNOWN)
		return NULL;
	data = aligned_alloc(BLOB_ALIGN, blob->bytes);
	if (!data)
		return NULL;
	memset(data, 0, blob->bytes);
	set_arrays(&blob->coded, data, places);
	return data;
}

static uint64_t digest_content(const void *data, uint64_t bytes)
{
	return XXH3_64bits((const char *)data + sizeof(struct header), bytes - sizeof(struct header));
}

void blob_seal(struct blob *blob, void *data)
{
	const struct pinpool_coded *c = &blob->coded;
	struct header header = {
		.version = VERSION,
		.header_bytes = sizeof(header),
		.bytes = blob->bytes,
		.kind = c->kind,
		.dtype = blob->dtype,
		.ndim = blob->ndim,
		.error = blob->error,
		.code_bits = c->code_bits,
		.dictionary_values = c->dictionary_values,
		.group_rows = c->group_rows,
		.group_columns = c->group_columns,
		.count = c->count,
		.value_dtype = c->dtype,
		.block_rows = c->block_rows,
		.block_columns = c->block_columns,
	};

	memcpy(header.magic, MAGIC, sizeof(header.magic));
	memcpy(header.shape, blob->shape, blob->ndim * sizeof(*blob->shape));
	lay_out(blob, header.arrays);
	header.content = blob->content = digest_content(data, blob->bytes);
	header.checksum = XXH3_64bits(&header, offsetof(struct header, checksum));
	memcpy(data, &header, sizeof(header));
}

static int damaged(struct pinpool_diag *diag, const char *object, const char *cause)
{
	return diag_set(diag, -EBADMSG, object, "compress it again", "damaged code: %s", cause);
}

static int newer(struct pinpool_diag *diag, const char *object)
{
	return diag_set(diag, -EOPNOTSUPP, object, "use a newer pinpool", "is coded in a way that is not known here");
}

/* What of @header describes the tensor and its code; sizes are not looked at yet. */
static int take(struct blob *blob, const struct header *header, const char *object, struct pinpool_diag *diag)
{
	if (header->kind >= KINDS || !header->kind || header->dtype >= PINPOOL_DTYPE_COUNT ||
	    header->value_dtype >= PINPOOL_DTYPE_COUNT)
		return newer(diag, object);
	*blob = (struct blob){
		.dtype = (enum pinpool_dtype)header->dtype,
		.ndim = header->ndim,
		.error = header->error,
		.bytes = header->bytes,
		.content = header->content,
		.coded =
			{
				.size = sizeof(blob->coded),
				.kind = (enum pinpool_coded_kind)header->kind,
				.code_bits = header->code_bits,
				.dictionary_values = header->dictionary_values,
				.group_rows = header->group_rows,
				.group_columns = header->group_columns,
				.count = header->count,
				.dtype = (enum pinpool_dtype)header->value_dtype,
				.block_rows = header->block_rows,
				.block_columns = header->block_columns,
			},
	};
	memcpy(blob->shape, header->shape, sizeof(blob->shape));
	if (!width(blob->dtype) || !blob_matrix(blob->ndim, blob->shape, &blob->n, &blob->k) || !(blob->error >= 0) ||
	    !isfinite(blob->error))
		return damaged(diag, object, "an impossible type, shape or error");
	return 0;
}

int blob_read(struct blob *blob, const void *data, uint64_t bytes, const char *object, struct pinpool_diag *diag)
{
	struct place places[BLOB_ARRAYS];
	struct header header;
	int err;

	if (bytes < HEADER_BYTES)
		return damaged(diag, object, "too few bytes for a header");
	memcpy(&header, data, sizeof(header));
	if (memcmp(header.magic, MAGIC, sizeof(header.magic)))
		return damaged(diag, object, "no header");
	if (header.version > VERSION)
		return newer(diag, object);
	if (header.version != VERSION || header.header_bytes != sizeof(header) ||
	    header.checksum != XXH3_64bits(&header, offsetof(struct header, checksum)))
		return damaged(diag, object, "the header does not match its checksum");
	if (header.bytes != bytes)
		return damaged(diag, object, "it is not as long as its header says");
	err = take(blob, &header, object, diag);
	if (err)
		return err;
	if (lay_out(blob, places) != bytes || memcmp(places, header.arrays, sizeof(places)))
		return damaged(diag, object, "an array is not where or not as long as its numbers say");
	set_arrays(&blob->coded, data, places);
	return 0;
}

bool blob_is_whole(const struct blob *blob, const void *data)
{
	return digest_content(data, blob->bytes) == blob->content;
}
