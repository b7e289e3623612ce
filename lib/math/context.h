/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What a context owns, and what is done with it. */
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
	void *memory;
	size_t size;
};

struct pinpool_math {
	const struct math_kernels *kernels;
	struct team *team;
	struct cache cache;
	struct scratch packed; /* panels, X in integers */
	struct scratch staged; /* X and Y in f32 */
};

/* At least @bytes on a cache line, their contents undefined; belongs to @scratch. NULL: no memory. */
void *scratch_get(struct scratch *scratch, size_t bytes);

/* staging.c: any products. Returns 0 or -ENOMEM. */
int staged_run(struct pinpool_math *math, const struct product *products, size_t count);

/* batch.c: products in f32, each in the faster way. Returns 0 or -ENOMEM. */
int batch_run(struct pinpool_math *math, const struct product *products, size_t count);

#endif
