/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* A matrix product whose arguments have been checked: every address it names can be computed without overflow. */
#ifndef PINPOOL_MATH_PRODUCT_H
#define PINPOOL_MATH_PRODUCT_H

#include "math/kernel.h"

struct product {
	size_t m;
	size_t n;
	size_t k;
	const float *x;
	size_t ldx;
	const unsigned char *w;
	/* Bytes of one weight, and from one row of W to the next. */
	size_t w_size;
	size_t ldw;
	enum weight weight;
	float *y;
	size_t ldy;
};

/* Returns 0, -EINVAL, -E2BIG, -EOPNOTSUPP as pinpool_matmul(). */
int product_check(struct product *out, const struct pinpool_matmul_args *args, struct pinpool_diag *diag);

#endif
