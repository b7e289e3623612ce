/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: coded weights
 *
 * A matrix of weights that is not stored value by value: as codes that a dictionary gives the values of, with its
 * exponents apart, or as what it has at all besides zeros. pinpool_matmul() multiplies by it as it lies, and
 * pinpool_coded_row() reads some of it. Everything is in the byte order of the processor.
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
 * @PINPOOL_CODED_PRODUCT: a code for each 2, 4 or 8 values side by side (product quantisation)
 * @PINPOOL_CODED_EXPONENTS: bf16, bit for bit, in some 11 bits: sign and mantissa of each value, and which of few
 *     exponents it has
 * @PINPOOL_CODED_BITMASK: a bit for each column, and the values of those that are set
 * @PINPOOL_CODED_BLOCKS: some blocks of each row of blocks, with all of their values
 * @PINPOOL_CODED_STRUCTURED: two values of each four columns
 */
enum pinpool_coded_kind {
	PINPOOL_CODED_DICTIONARY = 1,
	PINPOOL_CODED_SPARSE = 2,
	PINPOOL_CODED_PRODUCT = 3,
	PINPOOL_CODED_EXPONENTS = 4,
	PINPOOL_CODED_BITMASK = 5,
	PINPOOL_CODED_BLOCKS = 6,
	PINPOOL_CODED_STRUCTURED = 7
};

/*
 * pinpool_coded_check() took these contents, which have not changed since: products believe the codes and the columns.
 * What they then do with others than it would take, is undefined.
 */
#define PINPOOL_CODED_CHECKED 1u
/*
 * Activations stay f32. Without it, those that meet a dictionary of codes of 4 bits may become integers, as they do
 * where they meet block types: PINPOOL_MATMUL_QUANT. Other kinds never cost them bits.
 */
#define PINPOOL_CODED_F32 2u

/* Most values of a dictionary. */
#define PINPOOL_CODED_VALUES_MAX 256u
/* Most exponents that have a code, and the code of a value whose exponent is none of them. */
#define PINPOOL_CODED_EXPONENTS_MAX 7u
#define PINPOOL_CODED_ESCAPE 7u
/* Columns of one word of @bits. */
#define PINPOOL_CODED_BITS_COLUMNS 64u

/**
 * struct pinpool_coded - one matrix of n rows and k columns
 * @size: sizeof(struct pinpool_coded)
 * @kind: which of the following fields count; the others are 0
 * @flags: PINPOOL_CODED_CHECKED, PINPOOL_CODED_F32 or 0
 * @code_bits: bits of a code. Dictionary: 8, or 4, of which the even column has the lower half of a byte and each row
 *     begins with a byte. Sparse: 8, or 0 for values in place of codes. Product: 8
 * @dictionary_values: values of a dictionary, at least 1 and at most 2^@code_bits. Product: entries of one, each of
 *     @block_columns values. Exponents: how many have a code, 1 to PINPOOL_CODED_EXPONENTS_MAX
 * @codes: codes, row by row (dictionary, product), or of the columns in @columns (sparse, @code_bits 8).
 *     Exponents: the sign, bit 7, and the mantissa of each value, in rows of k rounded up to a multiple of 64; those
 *     behind column k are 0.
 *     Structured: half a byte for each four columns, the first four of a row in the lower half of its first byte, in
 *     rows of whole bytes. Its lower two bits are the column, 0 to 3, of the first of the two values, the upper two of
 *     the second, which is larger. The upper half of a byte that no columns belong to is 0
 * @ld: dictionary, product: codes from one row to the next, at least as many as a row has, whole bytes; 0 for as many
 *     as it has, rounded up to whole bytes
 * @dictionary: values of code 0, 1, ... of the first dictionary, then of the next, f32, aligned to 4 bytes. There is
 *     one for each @group_rows rows and @group_columns columns, those of the first rows first; the last groups may be
 *     smaller
 * @group_rows: rows that share a dictionary, or exponents; 0 for all
 * @group_columns: columns that share a dictionary; 0 for all, which it is but for dictionary and product, whose it is
 *     a multiple of @block_columns
 * @count: what is stored. Sparse: columns, of @columns and of @codes or @values. Exponents: escapes. Bitmask: values.
 *     Blocks: blocks, of @columns
 * @starts: n + 1 numbers, aligned to 8 bytes, none less than the one before and none more than @count. Row i has what
 *     is stored from @starts[i] up to, not including, @starts[i + 1]. The first need not be 0, so that some rows of a
 *     matrix are one, too. Exponents: escapes of a row, exactly as many as it has codes PINPOOL_CODED_ESCAPE. Bitmask:
 *     values of a row, exactly as many as it has bits. Blocks: of rows of blocks, n / @block_rows + 1
 * @columns: sparse: columns, each less than k and in each row ascending, none twice; aligned to 4 bytes. Blocks: those
 *     of blocks, each less than k / @block_columns. NULL if @count is 0
 * @values: of @dtype, any alignment; NULL if there are none. Sparse, @code_bits 0: of the @columns. Bitmask: of the
 *     columns with a bit, row by row, ascending. Blocks: @block_rows * @block_columns for each block, column by column:
 *     the values of all rows in its first column, then in its second. Structured: two for each four columns, in
 *     rows of k / 2
 * @dtype: type of @values: PINPOOL_DTYPE_F32, _BF16 or _F16
 * @block_rows: blocks: rows of a block, 1 or 8; n is a multiple of it
 * @block_columns: columns of a block; k is a multiple of it. Blocks: 1, 4, 8 or 16. Product: those of a code, 2, 4 or 8
 * @bits: aligned to 8 bytes, in rows of k / 64 groups, rounded up; column c of a row has bit c % 64 of what group c / 64
 *     has. Bits behind column k are 0. Bitmask: a word for each group, a bit is set where a value is stored.
 *     Exponents: three words for each group: bit 0 of all codes, bit 1, bit 2
 * @exponents: exponents: as bf16 has them, of code 0, 1, ..., @dictionary_values of them for each @group_rows rows
 * @escapes: exponents of the values whose code is PINPOOL_CODED_ESCAPE, row by row, ascending; NULL if @count is 0
 *
 * Every array may begin at a multiple of 64 bytes and lie in a pool. All memory stays the caller's and is only read.
 *
 * What sparse rows and blocks do not store is not multiplied, so an infinite activation there does not make a NaN; of
 * the other kinds a product is that of the matrix as pinpool_coded_row() reads it, its zeros included.
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
	uint32_t block_rows;
	uint32_t block_columns;
	const uint64_t *bits;
	const uint8_t *exponents;
	const uint8_t *escapes;
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

/**
 * pinpool_coded_row - reads some columns of one row
 * @dst: end - first values
 * @coded: an n by k matrix. With PINPOOL_CODED_CHECKED the contents of this row are believed, else checked
 * @n: rows
 * @k: columns
 * @row: less than n
 * @first: first column
 * @end: one past the last column, at least @first and at most k
 *
 * What is not stored reads as 0. Values are exact, as f32 holds every one of them; a NaN of bf16 or f32 keeps its bits.
 *
 * Return: 0, -EINVAL (null, no such row or columns, or what pinpool_coded_check() would not take of the description and
 * this row), -E2BIG, -EOPNOTSUPP as from pinpool_coded_check(). Since 0.1.
 */
PINPOOL_API int pinpool_coded_row(float *dst, const struct pinpool_coded *coded, uint64_t n, uint64_t k, uint64_t row,
				  uint64_t first, uint64_t end, struct pinpool_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
