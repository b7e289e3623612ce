/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Coded weights whose description has been checked: defaults filled in, every array it names within the address space.
 * Rows of sparse weights ascend and end within the arrays; codes and columns are as the caller vouches for, or checked.
 */
#ifndef PINPOOL_MATH_CODED_H
#define PINPOOL_MATH_CODED_H

#include <pinpool/coded.h>

#include "math/element.h"

/* Most arrays of one matrix. */
#define CODED_ARRAYS 4

struct coded_array {
	const char *name;
	uintptr_t start;
	/* One past the last byte. */
	uintptr_t end;
};

struct coded {
	enum pinpool_coded_kind kind; /* 0: weights are not coded */
	uint32_t code_bits;
	const unsigned char *codes;
	/* Bytes from one row of codes to the next. */
	size_t ld;
	const float *dictionary;
	size_t dictionary_values;
	size_t group_rows;
	size_t group_columns;
	/* Dictionaries of the same rows. */
	size_t groups;
	const uint64_t *starts;
	const uint32_t *columns;
	const unsigned char *values;
	enum element element;
	struct coded_array arrays[CODED_ARRAYS];
	size_t array_count;
};

static inline size_t coded_code(const struct coded *w, const unsigned char *codes, size_t i)
{
	return w->code_bits == 4 ? codes[i / 2] >> i % 2 * 4 & 15 : codes[i];
}

/* The dictionaries of a row, of its first columns first. */
static inline const float *coded_dictionaries(const struct coded *w, size_t row)
{
	return w->dictionary + row / w->group_rows * w->groups * w->dictionary_values;
}

/* Returns as pinpool_coded_check(), but does not read contents for which the caller vouches. */
int coded_check(struct coded *out, const struct pinpool_coded *coded, uint64_t n, uint64_t k,
		struct pinpool_diag *diag);
/*
 * First row of part @part of @parts of @n sparse rows, which take about the same time; @n for part @parts. Rows count
 * themselves and what they store.
 */
size_t coded_part(const struct coded *coded, size_t n, size_t part, size_t parts);
/* Values that are stored of @n rows, and the rows: what there is to do for one row of X. */
static inline size_t coded_work(const struct coded *coded, size_t n)
{
	return coded->starts[n] - coded->starts[0] + n;
}

#endif
