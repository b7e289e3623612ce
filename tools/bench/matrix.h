/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * One matrix of weights, in as many copies as it takes to leave the caches: whoever takes another copy for each product
 * reads memory, as a model that is larger than the caches does.
 */
#ifndef PINPOOL_TOOLS_BENCH_MATRIX_H
#define PINPOOL_TOOLS_BENCH_MATRIX_H

#include "bench/memory.h"
#include "bench/shapes.h"

#include <pinpool/packing.h>

struct bench_matrix {
	enum pinpool_dtype dtype;
	struct bench_shape shape;
	uint64_t bytes; /* of one copy */
	uint64_t copies;
	struct bench_memory memory; /* all copies */
	float *scales; /* of rows, for I8 */
	/* The same copies as packings, after bench_matrix_pack(). */
	struct pinpool_packing packing; /* the first of them */
	struct bench_memory packed_memory;
	double pack_cost; /* time to pack, as a multiple of that to copy the weights by memcpy() */
};

/* @total: bytes of all copies, at least. Returns 0, -EINVAL (no whole blocks), -ENOMEM; @diag says what to change. */
int bench_matrix_new(struct bench_matrix *matrix, enum pinpool_dtype dtype, const struct bench_shape *shape,
		     uint64_t total, struct pinpool_diag *diag);
void bench_matrix_free(struct bench_matrix *matrix);

/* For the kernels of @math, by its threads. Returns 0 or what packing gave. */
int bench_matrix_pack(struct bench_matrix *matrix, struct pinpool_math *math, struct pinpool_diag *diag);

/* Copy @index, modulo their number. */
const void *bench_matrix_copy(const struct bench_matrix *matrix, uint64_t index);
struct pinpool_packing bench_matrix_packing(const struct bench_matrix *matrix, uint64_t index);

#endif
