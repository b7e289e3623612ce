/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Coded weights: the checks of their description, and how sparse rows are shared out. See coded.h. */
#include "math/coded.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "base/diag.h"
#include "base/opts.h"

/* What a kind may have besides its size, its kind and flags. */
struct field {
	const char *name;
	size_t offset;
	size_t size;
};

#define FIELD(name) { #name, offsetof(struct pinpool_coded, name), sizeof(((struct pinpool_coded *)0)->name) }

enum {
	CODE_BITS, DICTIONARY_VALUES, CODES, LD, DICTIONARY, GROUP_ROWS, GROUP_COLUMNS, COUNT, STARTS, COLUMNS, VALUES,
	DTYPE, BLOCK_ROWS, BLOCK_COLUMNS, BITS, EXPONENTS, ESCAPES, FIELDS
};

static const struct field fields[FIELDS] = {
	FIELD(code_bits), FIELD(dictionary_values), FIELD(codes), FIELD(ld), FIELD(dictionary), FIELD(group_rows),
	FIELD(group_columns), FIELD(count), FIELD(starts), FIELD(columns), FIELD(values), FIELD(dtype),
	FIELD(block_rows), FIELD(block_columns), FIELD(bits), FIELD(exponents), FIELD(escapes),
};

#define HAS(name)     (1u << (name))
#define DICTIONARIES  (HAS(DICTIONARY_VALUES) | HAS(DICTIONARY) | HAS(GROUP_ROWS))
#define SOME_VALUES   (HAS(VALUES) | HAS(DTYPE))
#define STORED        (HAS(COUNT) | HAS(STARTS))

/* All fields but those in @has are 0. */
static int check_unused(const struct pinpool_coded *c, uint32_t has, const char *kind, struct pinpool_diag *diag)
{
	for (size_t f = 0; f < FIELDS; f++) {
		const unsigned char *field = (const unsigned char *)c + fields[f].offset;

		for (size_t i = 0; i < fields[f].size && !(has & 1u << f); i++)
			if (field[i])
				return diag_set(diag, -EINVAL, fields[f].name, "leave it 0", "%s weights have none", kind);
	}
	return 0;
}

/* Adds @count elements of @size bytes to the arrays; an empty one may be anywhere. */
static int add_array(struct coded *w, const char *name, const void *start, uint64_t count, uint64_t size,
		     uint64_t align, struct pinpool_diag *diag)
{
	struct coded_array *array = &w->arrays[w->array_count];
	uint64_t bytes;

	if (!start && count)
		return diag_set(diag, -EINVAL, name, NULL, "null pointer");
	*array = (struct coded_array){ .name = name, .start = (uintptr_t)start };
	if (array->start % align)
		return diag_set(diag, -EINVAL, name, NULL, "address is not a multiple of %" PRIu64, align);
	if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX ||
	    __builtin_add_overflow(array->start, (uintptr_t)bytes, &array->end))
		return diag_set(diag, -EINVAL, name, NULL,
				"%" PRIu64 " of %" PRIu64 " bytes overflow the address space", count, size);
	if (bytes)
		w->array_count++;
	return 0;
}

/* Rows of @each elements without gaps. */
static int add_rows(struct coded *w, const char *name, const void *start, uint64_t rows, uint64_t each, uint64_t size,
		    uint64_t align, struct pinpool_diag *diag)
{
	uint64_t count;

	if (__builtin_mul_overflow(rows, each, &count))
		return diag_set(diag, -EINVAL, name, NULL,
				"%" PRIu64 " rows of %" PRIu64 " elements overflow the address space", rows, each);
	return add_array(w, name, start, count, size, align, diag);
}

/* Fills in the groups, and adds what all of them have, @each for every one of dictionary_values. */
static int add_dictionaries(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k, const char *name,
			    const void *start, uint64_t each, uint64_t size, struct pinpool_diag *diag)
{
	uint64_t count;

	w->dictionary_values = c->dictionary_values;
	w->dictionary_size = c->dictionary_values * each;
	w->group_rows = c->group_rows ? c->group_rows : n;
	w->group_columns = c->group_columns ? c->group_columns : k;
	w->groups = (k - 1) / w->group_columns + 1;
	if (__builtin_mul_overflow((n - 1) / w->group_rows + 1, w->groups, &count) ||
	    __builtin_mul_overflow(count, w->dictionary_size, &count))
		return diag_set(diag, -EINVAL, name, NULL, "so many dictionaries overflow the address space");
	return add_array(w, name, start, count, size, size, diag);
}

/* Dictionaries of codes, each for @columns values. */
static int add_codes_dictionaries(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k,
				  uint64_t columns, struct pinpool_diag *diag)
{
	if (!c->dictionary_values || c->dictionary_values > 1u << c->code_bits)
		return diag_set(diag, -EINVAL, "dictionary_values", NULL,
				"%" PRIu32 " values of a dictionary for codes of %" PRIu32 " bits",
				c->dictionary_values, c->code_bits);
	w->dictionary = c->dictionary;
	return add_dictionaries(w, c, n, k, "dictionary", c->dictionary, columns, sizeof(float), diag);
}

/* Rows of codes, one for each column of @k. */
static int add_codes(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k, struct pinpool_diag *diag)
{
	bool halves = c->code_bits == 4;
	uint64_t ld, bytes;

	ld = c->ld ? c->ld : k + (halves && k % 2);
	if (ld < k || (halves && ld % 2))
		return diag_set(diag, -EINVAL, "ld", "use 0 for rows without gaps",
				"a stride of %" PRIu64 " codes for rows of %" PRIu64 " of %" PRIu32 " bits", ld, k,
				c->code_bits);
	w->codes = c->codes;
	w->ld = halves ? ld / 2 : ld;
	if (__builtin_mul_overflow(n - 1, (uint64_t)w->ld, &bytes) ||
	    __builtin_add_overflow(bytes, halves ? k / 2 + k % 2 : k, &bytes))
		return diag_set(diag, -EINVAL, "codes", NULL,
				"rows at a stride of %" PRIu64 " overflow the address space", ld);
	return add_array(w, "codes", c->codes, bytes, 1, 1, diag);
}

static int describe_dictionary(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k,
			       struct pinpool_diag *diag)
{
	const uint32_t has = DICTIONARIES | HAS(CODE_BITS) | HAS(CODES) | HAS(LD) | HAS(GROUP_COLUMNS);
	int ret;

	if (c->code_bits != 8 && c->code_bits != 4)
		return diag_set(diag, -EOPNOTSUPP, "code_bits", "use 8 or 4", "codes of %" PRIu32 " bits",
				c->code_bits);
	if ((ret = check_unused(c, has, "dictionary-coded", diag)) || (ret = add_codes(w, c, n, k, diag)))
		return ret;
	return add_codes_dictionaries(w, c, n, k, 1, diag);
}

/* @k is a multiple of what one block or code stands for. */
static int check_whole(const char *name, uint64_t whole, uint64_t part, struct pinpool_diag *diag)
{
	if (whole % part)
		return diag_set(diag, -EINVAL, name, NULL, "%" PRIu64 " is no multiple of %" PRIu64, whole, part);
	return 0;
}

static int describe_product(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k,
			    struct pinpool_diag *diag)
{
	const uint32_t has = DICTIONARIES | HAS(CODE_BITS) | HAS(CODES) | HAS(LD) | HAS(GROUP_COLUMNS) |
			     HAS(BLOCK_COLUMNS);
	uint64_t columns = c->block_columns;
	int ret;

	if (c->code_bits != 8)
		return diag_set(diag, -EOPNOTSUPP, "code_bits", "use 8", "codes of %" PRIu32 " bits", c->code_bits);
	if (columns != 2 && columns != 4 && columns != 8)
		return diag_set(diag, -EOPNOTSUPP, "block_columns", "use 2, 4 or 8", "codes of %" PRIu64 " columns",
				columns);
	if ((ret = check_unused(c, has, "product-coded", diag)) || (ret = check_whole("k", k, columns, diag)) ||
	    (ret = check_whole("group_columns", c->group_columns, columns, diag)) ||
	    (ret = add_codes(w, c, n, k / columns, diag)))
		return ret;
	w->block_columns = columns;
	return add_codes_dictionaries(w, c, n, k, columns, diag);
}

/* Of the type of the weights that are stored as values. */
static int describe_values(struct coded *w, const struct pinpool_coded *c, struct pinpool_diag *diag)
{
	w->element = element_of(c->dtype);
	if (w->element >= ELEMENT_ACTIVATIONS)
		return diag_set(diag, -EOPNOTSUPP, "dtype", "use F32, BF16 or F16", "%s is no type of sparse values",
				pinpool_dtype_name(c->dtype) ? pinpool_dtype_name(c->dtype) : "a number out of range");
	w->values = c->values;
	return 0;
}

/* @rows + 1 of them, and what they count. */
static int add_starts(struct coded *w, const struct pinpool_coded *c, uint64_t rows, struct pinpool_diag *diag)
{
	w->starts = c->starts;
	w->count = c->count;
	return add_array(w, "starts", c->starts, rows + 1, sizeof(uint64_t), sizeof(uint64_t), diag);
}

/* @planes words for each 64 columns of a row. */
static int add_bits(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k, uint64_t planes,
		    struct pinpool_diag *diag)
{
	w->bits = c->bits;
	w->words = ((k - 1) / PINPOOL_CODED_BITS_COLUMNS + 1) * planes;
	return add_rows(w, "bits", c->bits, n, w->words, sizeof(uint64_t), sizeof(uint64_t), diag);
}

static int describe_sparse(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k,
			   struct pinpool_diag *diag)
{
	const uint32_t has = STORED | HAS(COLUMNS) | HAS(CODE_BITS);
	int ret;

	if (c->code_bits != 8 && c->code_bits)
		return diag_set(diag, -EOPNOTSUPP, "code_bits", "use 8, or 0 for values",
				"sparse codes of %" PRIu32 " bits", c->code_bits);
	if (c->code_bits) {
		w->codes = c->codes;
		if ((ret = check_unused(c, has | HAS(CODES) | DICTIONARIES, "sparse, coded", diag)) ||
		    (ret = add_array(w, "codes", c->codes, c->count, 1, 1, diag)) ||
		    (ret = add_codes_dictionaries(w, c, n, k, 1, diag)))
			return ret;
	} else {
		if ((ret = check_unused(c, has | SOME_VALUES, "sparse", diag)) ||
		    (ret = describe_values(w, c, diag)) ||
		    (ret = add_array(w, "values", c->values, c->count, elements[w->element].size, 1, diag)))
			return ret;
	}
	w->columns = c->columns;
	ret = add_starts(w, c, n, diag);
	return ret ? ret : add_array(w, "columns", c->columns, c->count, sizeof(uint32_t), sizeof(uint32_t), diag);
}

static int describe_exponents(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k,
			      struct pinpool_diag *diag)
{
	const uint32_t has = STORED | HAS(CODES) | HAS(DICTIONARY_VALUES) | HAS(GROUP_ROWS) | HAS(BITS) |
			     HAS(EXPONENTS) | HAS(ESCAPES);
	int ret;

	if (!c->dictionary_values || c->dictionary_values > PINPOOL_CODED_EXPONENTS_MAX)
		return diag_set(diag, -EINVAL, "dictionary_values", NULL, "%" PRIu32 " exponents, of 1 to %u",
				c->dictionary_values, PINPOOL_CODED_EXPONENTS_MAX);
	w->codes = c->codes;
	w->ld = (k - 1) / PINPOOL_CODED_BITS_COLUMNS * PINPOOL_CODED_BITS_COLUMNS + PINPOOL_CODED_BITS_COLUMNS;
	w->exponents = c->exponents;
	w->escapes = c->escapes;
	if ((ret = check_unused(c, has, "exponent-coded", diag)) ||
	    (ret = add_rows(w, "codes", c->codes, n, w->ld, 1, 1, diag)) || (ret = add_bits(w, c, n, k, 3, diag)) ||
	    (ret = add_dictionaries(w, c, n, k, "exponents", c->exponents, 1, 1, diag)) ||
	    (ret = add_starts(w, c, n, diag)))
		return ret;
	return add_array(w, "escapes", c->escapes, c->count, 1, 1, diag);
}

static int describe_bitmask(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k,
			    struct pinpool_diag *diag)
{
	int ret;

	if ((ret = check_unused(c, STORED | SOME_VALUES | HAS(BITS), "bit-masked", diag)) ||
	    (ret = describe_values(w, c, diag)) || (ret = add_bits(w, c, n, k, 1, diag)) ||
	    (ret = add_starts(w, c, n, diag)))
		return ret;
	return add_array(w, "values", c->values, c->count, elements[w->element].size, 1, diag);
}

static int describe_blocks(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k,
			   struct pinpool_diag *diag)
{
	const uint32_t has = STORED | SOME_VALUES | HAS(COLUMNS) | HAS(BLOCK_ROWS) | HAS(BLOCK_COLUMNS);
	uint64_t rows = c->block_rows, columns = c->block_columns;
	int ret;

	if (rows != 1 && rows != 8)
		return diag_set(diag, -EOPNOTSUPP, "block_rows", "use 1 or 8", "blocks of %" PRIu64 " rows", rows);
	if (columns != 1 && columns != 4 && columns != 8 && columns != 16)
		return diag_set(diag, -EOPNOTSUPP, "block_columns", "use 1, 4, 8 or 16",
				"blocks of %" PRIu64 " columns", columns);
	w->block_rows = rows;
	w->block_columns = columns;
	w->columns = c->columns;
	if ((ret = check_unused(c, has, "blocked", diag)) || (ret = check_whole("n", n, rows, diag)) ||
	    (ret = check_whole("k", k, columns, diag)) || (ret = describe_values(w, c, diag)) ||
	    (ret = add_starts(w, c, n / rows, diag)) ||
	    (ret = add_array(w, "columns", c->columns, c->count, sizeof(uint32_t), sizeof(uint32_t), diag)))
		return ret;
	return add_array(w, "values", c->values, c->count, rows * columns * elements[w->element].size, 1, diag);
}

static int describe_structured(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k,
			       struct pinpool_diag *diag)
{
	int ret;

	w->codes = c->codes;
	w->ld = (k - 1) / 8 + 1;
	if ((ret = check_unused(c, SOME_VALUES | HAS(CODES), "structured", diag)) ||
	    (ret = check_whole("k", k, 4, diag)) || (ret = describe_values(w, c, diag)) ||
	    (ret = add_rows(w, "codes", c->codes, n, w->ld, 1, 1, diag)))
		return ret;
	ret = add_rows(w, "values", c->values, n, k / 2, elements[w->element].size, 1, diag);
	w->count = ret ? 0 : n * (k / 2);
	return ret;
}

static int describe(struct coded *w, const struct pinpool_coded *c, uint64_t n, uint64_t k, struct pinpool_diag *diag)
{
	const uint32_t unknown = c->flags & ~(PINPOOL_CODED_CHECKED | PINPOOL_CODED_F32);

	*w = (struct coded){
		.kind = c->kind,
		.exact = c->flags & PINPOOL_CODED_F32,
		.code_bits = c->code_bits,
		.block_rows = 1,
		.block_columns = 1,
	};
	if (unknown)
		return diag_set(diag, -EOPNOTSUPP, "flags", NULL, "unknown flags %#" PRIx32, unknown);
	switch (c->kind) {
	case PINPOOL_CODED_DICTIONARY:
		return describe_dictionary(w, c, n, k, diag);
	case PINPOOL_CODED_SPARSE:
		return describe_sparse(w, c, n, k, diag);
	case PINPOOL_CODED_PRODUCT:
		return describe_product(w, c, n, k, diag);
	case PINPOOL_CODED_EXPONENTS:
		return describe_exponents(w, c, n, k, diag);
	case PINPOOL_CODED_BITMASK:
		return describe_bitmask(w, c, n, k, diag);
	case PINPOOL_CODED_BLOCKS:
		return describe_blocks(w, c, n, k, diag);
	case PINPOOL_CODED_STRUCTURED:
		return describe_structured(w, c, n, k, diag);
	}
	return diag_set(diag, -EOPNOTSUPP, "kind", NULL, "%d is no kind of coded weights", (int)c->kind);
}

int coded_describe(struct coded *out, const struct pinpool_coded *coded, uint64_t n, uint64_t k, bool *believe,
		   struct pinpool_diag *diag)
{
	struct pinpool_coded c;
	int ret = opts_read(&c, sizeof(c), coded);

	if (ret)
		return diag_set(diag, ret, "w_coded", "set size to sizeof(struct pinpool_coded)",
				ret == -E2BIG ? "has fields that this library does not know" : "size is not set");
	*believe = c.flags & PINPOOL_CODED_CHECKED;
	return describe(out, &c, n, k, diag);
}

bool coded_scales(const struct coded *w, size_t n)
{
	size_t groups = (n - 1) / w->group_rows + 1;

	for (size_t group = 0; group < groups; group++) {
		const float *values = w->dictionary + group * w->dictionary_size;
		float largest = 0;

		for (size_t i = 0; i < w->dictionary_size; i++) {
			if (!isfinite(values[i]))
				return false;
			largest = fmaxf(largest, fabsf(values[i]));
		}
		if (largest < QUANTISED_LEAST)
			return false;
	}
	return true;
}

size_t coded_part(const struct coded *coded, size_t n, size_t part, size_t parts)
{
	size_t work = coded_work(coded, n), low = 0, high = n / coded->block_rows;
	/* part / parts of the work, without overflow. */
	size_t before = work / parts * part + work % parts * part / parts;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (coded_work(coded, middle * coded->block_rows) < before)
			low = middle + 1;
		else
			high = middle;
	}
	return low * coded->block_rows;
}
