/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Is a product right? A sample of its columns against pinpool_matmul_reference(), within PINPOOL_MATMUL_BUDGET. */
#ifndef PINPOOL_TOOLS_MATMUL_CHECK_H
#define PINPOOL_TOOLS_MATMUL_CHECK_H

#include <pinpool/pinpool.h>

struct matmul_check {
	uint64_t columns; /* compared, of args->n */
	double largest; /* error, as a share of the sum of the products' magnitudes; may be NaN or infinite */
	bool within;
	/* The first element that is wrong, else the one with the largest error. */
	uint64_t row, column;
	float is, should;
};

/* What the error may be, as such a share. */
double matmul_check_budget(const struct pinpool_matmul_args *args);

/* @seed chooses the sample. Returns 0, -ENOMEM, or what the reference gives. */
int matmul_check(const struct pinpool_matmul_args *args, uint64_t seed, struct matmul_check *check,
		 struct pinpool_diag *diag);

#endif
