/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What a context owns, and the two ways to make a product with it. */
#ifndef PINPOOL_MATH_CONTEXT_H
#define PINPOOL_MATH_CONTEXT_H

#include "math/cache.h"
#include "math/kernel.h"
#include "math/product.h"
#include "math/team.h"

struct pinpool_math {
	const struct math_kernels *kernels;
	struct team *team;
	struct cache cache;
	/* Packed panels; grows to what the largest product so far took. */
	float *scratch;
	size_t scratch_size;
};

/* At least @floats floats on a cache line, their contents undefined; belongs to @math. NULL: no memory. */
float *math_scratch(struct pinpool_math *math, size_t floats);

/* gemm.c: packs both factors and works in the caches. Returns 0 or -ENOMEM. */
int gemm_run(struct pinpool_math *math, const struct product *product);

/* gemv.c: streams the rows of W once for every few rows of X; needs no memory. */
void gemv_run(struct pinpool_math *math, const struct product *product);
/* True if gemv_run() is the faster one. */
bool gemv_fits(const struct pinpool_math *math, const struct product *product);

#endif
