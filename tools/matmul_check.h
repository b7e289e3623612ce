/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Is a product right? A sample of its columns against pinpool_matmul_reference(), within an error budget. */
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

struct matmul_check_how {
	double budget; /* what the error may be, as such a share */
	uint64_t run; /* an activation counts as the largest of so many in its row; 1: as itself */
	float lift; /* a weight counts as larger by so much */
	uint64_t seed; /* chooses the sample */
	uint64_t work; /* multiplications that a check may cost */
	/* Row @column of W, valid until the next call, where args->w is NULL; NULL with @diag filled if it cannot be
	 * had. */
	const void *(*row)(void *arg, uint64_t column, struct pinpool_diag *diag);
	void *row_arg;
};

/* As the contract of pinpool_matmul() has it, in about a second. */
struct matmul_check_how matmul_check_how(const struct pinpool_matmul_args *args, uint64_t seed);

/* Returns 0, -ENOMEM, -EIO (no row), or what the reference gives. */
int matmul_check(const struct pinpool_matmul_args *args, const struct matmul_check_how *how, struct matmul_check *check,
		 struct pinpool_diag *diag);

#endif
