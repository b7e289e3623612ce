/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: packings
 *
 * A packing is a matrix of weights in the order in which one set of kernels reads it: panels of so many rows, and in a
 * panel the values of all its rows for one k side by side. Values are those of the weights, bit for bit; a packing of a
 * block type takes a little more room than its blocks. It is for the kernels that it names, on any machine that
 * runs them.
 */
#ifndef PINPOOL_PACKING_H
#define PINPOOL_PACKING_H

#include <pinpool/math.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of the order of values in packings; another number is another order. */
#define PINPOOL_PACKING_VERSION 2u

/* @data of a packing, and every panel in it, lie at multiples of this. */
#define PINPOOL_PACKING_ALIGN 64u

/**
 * struct pinpool_packing - one packing
 * @size: sizeof(struct pinpool_packing), set by the caller
 * @isa: kernels that it is for
 * @version: PINPOOL_PACKING_VERSION of the library that made it
 * @dtype: type of the weights
 * @n: rows of W
 * @k: columns of W
 * @panel_rows: rows of a panel, of which the last may have fewer
 * @bytes: length
 * @data: the packing, a multiple of PINPOOL_PACKING_ALIGN; NULL in a description
 */
struct pinpool_packing {
	size_t size;
	enum pinpool_isa isa;
	uint32_t version;
	enum pinpool_dtype dtype;
	uint64_t n;
	uint64_t k;
	uint64_t panel_rows;
	uint64_t bytes;
	const void *data;
};

/**
 * pinpool_packing_describe - what a packing for this context would be
 * @dtype: a type that pinpool_matmul_takes()
 * @n: rows of W, at least 1
 * @k: columns of W, at least 1; whole blocks
 * @packing: receives everything but @data
 *
 * Return: 0, -EINVAL (dimension, overflow, no whole blocks), -EOPNOTSUPP (no kernel for the type). Since 0.1.
 */
PINPOOL_API int pinpool_packing_describe(const struct pinpool_math *math, enum pinpool_dtype dtype, uint64_t n, uint64_t k,
					 struct pinpool_packing *packing, struct pinpool_diag *diag);

/**
 * pinpool_packing_rows - pack some rows of W with the context's threads
 * @packing: as pinpool_packing_describe() gave it for this context
 * @first: first of the rows, a multiple of @packing->panel_rows
 * @count: how many; a multiple of it as well, or all that are left
 * @w: the weights of row @first and those that follow; any alignment
 * @ldw: elements from one row of W to the next, at least k; 0 for k. Whole blocks
 * @scales: for PINPOOL_DTYPE_I8, the scales of these rows; NULL for other types
 * @data: the whole packing, @packing->bytes of it, at a multiple of PINPOOL_PACKING_ALIGN; these rows are written
 *
 * A packing is complete when each of its rows has been packed once, in any order. Return: 0, -EINVAL, -EOPNOTSUPP (a
 * packing for other kernels or of another version). Since 0.1.
 */
PINPOOL_API int pinpool_packing_rows(struct pinpool_math *math, const struct pinpool_packing *packing, uint64_t first,
				     uint64_t count, const void *w, uint64_t ldw, const float *scales, void *data,
				     struct pinpool_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
