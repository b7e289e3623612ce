/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Coded weights whose description has been checked: defaults filled in, every array it names within the address space.
 * Starts ascend and end within the arrays; codes, columns and bits are as the caller vouches for, or checked.
 */
#ifndef PINPOOL_MATH_CODED_H
#define PINPOOL_MATH_CODED_H

#include <string.h>

#include <pinpool/coded.h>

#include "math/element.h"

/* Most arrays of one matrix. */
#define CODED_ARRAYS 5
/*
 * Columns that a step through a row begins at a multiple of: those of a word of bits, whole codes and blocks of every
 * kind.
 */
#define CODED_STEP PINPOOL_CODED_BITS_COLUMNS

/* Activations that share a scale where they meet codes of 4 bits. */
#define CODEBOOK_RUN 32
/* A dictionary, or a run of activations, whose largest magnitude is less has no scale: 127 / x could overflow. */
#define QUANTISED_LEAST 0x1p-100f

struct coded_array {
	const char *name;
	uintptr_t start;
	/* One past the last byte. */
	uintptr_t end;
};

struct coded {
	enum pinpool_coded_kind kind; /* 0: weights are not coded */
	bool exact; /* activations stay f32 */
	uint32_t code_bits;
	const unsigned char *codes;
	/* Bytes from one row of codes to the next. */
	size_t ld;
	const float *dictionary;
	size_t dictionary_values;
	/* Of one dictionary: its values, or exponents. */
	size_t dictionary_size;
	size_t group_rows;
	size_t group_columns;
	/* Dictionaries of the same rows. */
	size_t groups;
	size_t count;
	const uint64_t *starts;
	const uint32_t *columns;
	const unsigned char *values;
	enum element element;
	/* Of a block, or of a code; 1 for kinds without. */
	size_t block_rows;
	size_t block_columns;
	const uint64_t *bits;
	/* Words of a row. */
	size_t words;
	const unsigned char *exponents;
	const unsigned char *escapes;
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
	return w->dictionary + row / w->group_rows * w->groups * w->dictionary_size;
}

/* The exponents of a row's codes. */
static inline const unsigned char *coded_exponents(const struct coded *w, size_t row)
{
	return w->exponents + row / w->group_rows * w->dictionary_size;
}

/* As many as codes tell apart. */
#define CODED_EXPONENTS (PINPOOL_CODED_EXPONENTS_MAX + 1)

/* The same with zeros for codes that have none. */
static inline void coded_copy_exponents(unsigned char dst[CODED_EXPONENTS], const struct coded *w, size_t row)
{
	memset(dst, 0, CODED_EXPONENTS);
	memcpy(dst, coded_exponents(w, row), w->dictionary_size);
}

/* Whether only what is stored is multiplied. */
static inline bool coded_is_sparse(const struct coded *w)
{
	return w->kind == PINPOOL_CODED_SPARSE || w->kind == PINPOOL_CODED_BLOCKS;
}

/* Which of a group's codes are PINPOOL_CODED_ESCAPE. */
static inline uint64_t coded_escapes(const uint64_t planes[3])
{
	return planes[0] & planes[1] & planes[2];
}

/*
 * Which of 64 columns are stored, from half a byte for each four of them. Bit 0 of a half says for all four what bit 0
 * of the first one's column is; and so on.
 */
static inline uint64_t coded_pairs(uint64_t halves)
{
	const uint64_t ones = 0x1111111111111111;
	uint64_t a = halves & ones, b = halves >> 1 & ones, c = halves >> 2 & ones, d = halves >> 3 & ones;
	uint64_t first = (a ^ ones) * 5 + a * 10, second = (c ^ ones) * 5 + c * 10;

	/* 5: columns 0 and 2, which are even; 10: odd ones; 3: the lower two, 12: the upper. */
	return (first & ((b ^ ones) * 3 + b * 12)) | (second & ((d ^ ones) * 3 + d * 12));
}

/* Codes of 4 bits that meet activations as integers: whole runs, each row with one dictionary. */
static inline bool coded_meets_integers(const struct coded *w, size_t k)
{
	return w->kind == PINPOOL_CODED_DICTIONARY && w->code_bits == 4 && !w->exact && w->groups == 1 &&
	       k % CODEBOOK_RUN == 0;
}

/* Whether every dictionary of @n rows can be integers with a scale: finite, with a value of some size. */
bool coded_scales(const struct coded *w, size_t n);

/* How many are stored before column @first, a multiple of CODED_STEP, of a row: escapes, or values of bits. */
size_t coded_stored_before(const struct coded *w, size_t row, size_t first);

/* Returns as pinpool_coded_check(), but does not read contents for which the caller vouches. */
int coded_check(struct coded *out, const struct pinpool_coded *coded, uint64_t n, uint64_t k,
		struct pinpool_diag *diag);
/* The same of all but contents and starts, which are not read. @believe: whether the caller vouches for them. */
int coded_describe(struct coded *out, const struct pinpool_coded *coded, uint64_t n, uint64_t k, bool *believe,
		   struct pinpool_diag *diag);
/* The contents of one row. Returns 0 or -EINVAL. */
int coded_check_row(const struct coded *w, size_t row, size_t k, struct pinpool_diag *diag);
/* Where a row's part of what is stored begins and ends. Returns 0 or -EINVAL. */
int coded_check_start(const struct coded *w, size_t row, struct pinpool_diag *diag);

/* Values of columns @first to @end of a row of @k, not including @end, as their definition says; zeros where none is stored. */
void coded_decode(float *dst, const struct coded *w, size_t row, size_t k, size_t first, size_t end);

/*
 * First row of part @part of @parts of @n sparse rows, which take about the same time; @n for part @parts. Rows count
 * themselves and what they store.
 */
size_t coded_part(const struct coded *coded, size_t n, size_t part, size_t parts);
/* Values that are stored of @n rows, and the rows: what there is to do for one row of X. */
static inline size_t coded_work(const struct coded *coded, size_t n)
{
	size_t block = coded->block_rows * coded->block_columns;

	return (coded->starts[n / coded->block_rows] - coded->starts[0]) * block + n;
}

#endif
