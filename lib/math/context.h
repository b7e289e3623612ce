/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What a context owns, and the ways to make a product with it. */
#ifndef PINPOOL_MATH_CONTEXT_H
#define PINPOOL_MATH_CONTEXT_H

#include "math/kernel.h"
#include "math/product.h"
#include "math/team.h"
#include "math/topology.h"

static inline size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Memory that grows to what the largest product so far took. */
struct scratch {
	float *memory;
	size_t size;
};

struct pinpool_math {
	const struct math_kernels *kernels;
	struct team *team;
	struct cache cache;
	struct scratch packed; /* panels */
	struct scratch staged; /* X and Y in f32 */
	struct scratch quantised; /* X in integers */
};

/* At least @floats floats on a cache line, their contents undefined; belongs to @scratch. NULL: no memory. */
float *scratch_get(struct scratch *scratch, size_t floats);

/* math.c: the faster way for a product in f32. Returns 0 or -ENOMEM. */
int product_run(struct pinpool_math *math, const struct product *product);

/* staging.c: any product. Returns 0 or -ENOMEM. */
int staged_run(struct pinpool_math *math, const struct product *product);

/* gemm.c: packs both factors and works in the caches. Returns 0 or -ENOMEM. */
int gemm_run(struct pinpool_math *math, const struct product *product);

/* gemv.c: streams the rows of W once for every few rows of X. Returns 0 or -ENOMEM. */
int gemv_run(struct pinpool_math *math, const struct product *product);
/* True if gemv_run() is the faster one. */
bool gemv_fits(const struct pinpool_math *math, const struct product *product);

#endif
