/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: coded weights
 *
 * A matrix of weights that is not stored value by value: as codes that a dictionary gives the values of, or as what it
 * has at all, row by row (compressed sparse rows). pinpool_matmul() multiplies by it as it lies. Everything is in the
 * byte order of the processor.
 */
#ifndef PINPOOL_CODED_H
#define PINPOOL_CODED_H

#include <pinpool/dtype.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum pinpool_coded_kind - how a matrix is stored
 * @PINPOOL_CODED_DICTIONARY: a code for each value
 * @PINPOOL_CODED_SPARSE: some columns of each row, with their values or codes of them
 */
enum pinpool_coded_kind {
	PINPOOL_CODED_DICTIONARY = 1,
	PINPOOL_CODED_SPARSE = 2
};

/*
 * pinpool_coded_check() took these contents, which have not changed since: products believe the codes and the columns.
 * What they then do with others than it would take, is undefined.
 */
#define PINPOOL_CODED_CHECKED 1u

/* Most values of a dictionary. */
#define PINPOOL_CODED_VALUES_MAX 256u

/**
 * struct pinpool_coded - one matrix of n rows and k columns
 * @size: sizeof(struct pinpool_coded)
 * @kind: which of the following fields count; the others are 0
 * @flags: PINPOOL_CODED_CHECKED or 0
 * @code_bits: bits of a code. Dictionary: 8, or 4, of which the even column has the lower half of a byte and each row
 *     begins with a byte. Sparse: 8, or 0 for values in place of codes
 * @dictionary_values: values of a dictionary, at least 1 and at most 2^@code_bits
 * @codes: codes, row by row (dictionary), or of the columns in @columns (sparse, @code_bits 8)
 * @ld: dictionary: codes from one row to the next, at least k, whole bytes; 0 for k, rounded up to whole bytes
 * @dictionary: values of code 0, 1, ... of the first dictionary, then of the next, f32, aligned to 4 bytes. There is
 *     one for each @group_rows rows and @group_columns columns, those of the first rows first; the last groups may be
 *     smaller
 * @group_rows: rows that share a dictionary; 0 for all
 * @group_columns: columns that share a dictionary; 0 for all, which it is for sparse
 * @count: sparse: columns that are stored, of @columns and of @codes or @values
 * @starts: sparse: n + 1 numbers, aligned to 8 bytes, none less than the one before and none more than @count. Row i
 *     has those stored from @starts[i] up to, not including, @starts[i + 1]. The first need not be 0, so that some rows
 *     of a matrix are one, too
 * @columns: sparse: columns, each less than k and in each row ascending, none twice; aligned to 4 bytes. NULL if @count
 *     is 0
 * @values: sparse, @code_bits 0: values of the @columns, of @dtype, any alignment. NULL if @count is 0
 * @dtype: type of @values: PINPOOL_DTYPE_F32, _BF16 or _F16
 *
 * All memory stays the caller's and is only read.
 */
struct pinpool_coded {
	size_t size;
	enum pinpool_coded_kind kind;
	uint32_t flags;
	uint32_t code_bits;
	uint32_t dictionary_values;
	const void *codes;
	uint64_t ld;
	const float *dictionary;
	uint64_t group_rows;
	uint64_t group_columns;
	uint64_t count;
	const uint64_t *starts;
	const uint32_t *columns;
	const void *values;
	enum pinpool_dtype dtype;
};

/**
 * pinpool_coded_check - whether this is a matrix of n rows and k columns
 * @coded: reads all of it, PINPOOL_CODED_CHECKED or not
 * @n: rows, at least 1
 * @k: columns, at least 1
 *
 * Return: 0, -EINVAL (null, misaligned, overflow, a code that its dictionary has no value for, rows that do not ascend,
 * columns that do not or are none of the matrix; @diag says where), -E2BIG, -EOPNOTSUPP (a kind, flag, width or type
 * that this library does not know). Since 0.1.
 */
PINPOOL_API int pinpool_coded_check(const struct pinpool_coded *coded, uint64_t n, uint64_t k,
				    struct pinpool_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
