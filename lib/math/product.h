/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A matrix product whose arguments have been checked: every address it names can be computed without overflow. Products
 * are made in f32 and without bias; staging.c brings others into that form.
 */
#ifndef PINPOOL_MATH_PRODUCT_H
#define PINPOOL_MATH_PRODUCT_H

#include "math/kernel.h"

struct product {
	size_t m;
	size_t n;
	size_t k;
	const void *x;
	size_t ldx;
	/* The caller's, which says what values can be, also of a product in f32 that was made of it. */
	enum element x_element;
	const unsigned char *w;
	/* Bytes from one row of W to the next. */
	size_t ldw;
	enum element weight;
	void *y;
	size_t ldy;
	enum element y_element;
	/* n values, or NULL. */
	const float *bias;
	/* Of the rows of W, for i8, else NULL. */
	const float *w_scales;
	/* Instead of W, or NULL. */
	const struct pinpool_packing *packing;
	/* Instead of W, if it has a kind; then weight is ELEMENT_F32. */
	struct coded coded;
};

/* Bytes of the first @k weights of a row, whole blocks. */
static inline size_t product_w_bytes(const struct product *product, size_t k)
{
	return element_bytes(&elements[product->weight], k);
}

/* Whether bf16 meets bf16 as it is. Coded weights have another type, whatever they decode to. */
static inline bool product_is_of_pairs(const struct product *product, const struct math_kernels *kernels)
{
	return kernels->pairs.tile && product->weight == ELEMENT_BF16 && product->x_element == ELEMENT_BF16;
}

/* Returns 0, -EINVAL, -E2BIG, -EOPNOTSUPP as pinpool_matmul(). @kernels: NULL if there can be no packing. */
int product_check(struct product *out, const struct pinpool_matmul_args *args, const struct math_kernels *kernels,
		  struct pinpool_diag *diag);
/* Whether there are scales for rows exactly where the type needs them. */
int product_check_scales(const float *scales, enum pinpool_dtype dtype, struct pinpool_diag *diag);

#endif
