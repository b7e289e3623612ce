/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * One matrix of weights, in as many copies as it takes to leave the caches: whoever takes another copy for each product
 * reads memory, as a model that is larger than the caches does.
 */
#ifndef PINPOOL_TOOLS_BENCH_MATRIX_H
#define PINPOOL_TOOLS_BENCH_MATRIX_H

#include "bench/memory.h"
#include "bench/shapes.h"

#include <pinpool/math.h>

struct bench_matrix {
	enum pinpool_dtype dtype;
	struct bench_shape shape;
	uint64_t bytes; /* of one copy */
	uint64_t copies;
	struct bench_memory memory; /* all copies */
	float *scales; /* of rows, for I8 */
};

/* @total: bytes of all copies, at least. Returns 0, -EINVAL (no whole blocks), -ENOMEM; @diag says what to change. */
int bench_matrix_new(struct bench_matrix *matrix, enum pinpool_dtype dtype, const struct bench_shape *shape,
		     uint64_t total, struct pinpool_diag *diag);
void bench_matrix_free(struct bench_matrix *matrix);

/* Copy @index, modulo their number. */
const void *bench_matrix_copy(const struct bench_matrix *matrix, uint64_t index);

#endif
