/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* See matrix.h. */
#include "bench/matrix.h"
#include "bench/figures.h"
#include "bench/weights.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SEED = 1,
	/* A copy begins at a multiple of it, as a tensor in a pool that was made for speed would. */
	ALIGNMENT = 64,
};

static uint64_t round_up(uint64_t bytes)
{
	return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static uint64_t stride(const struct bench_matrix *matrix)
{
	return round_up(matrix->bytes);
}

static uint64_t packed_stride(const struct bench_matrix *matrix)
{
	return round_up(matrix->packing.bytes);
}

static void no_memory(const struct bench_matrix *matrix, struct pinpool_diag *diag)
{
	snprintf(diag->object, sizeof(diag->object), "%s %llux%llu", pinpool_dtype_name(matrix->dtype),
		 (unsigned long long)matrix->shape.n, (unsigned long long)matrix->shape.k);
	snprintf(diag->cause, sizeof(diag->cause), "no memory for %llu copies of %llu bytes",
		 (unsigned long long)matrix->copies, (unsigned long long)matrix->bytes);
	snprintf(diag->change, sizeof(diag->change), "choose a smaller --rotate or smaller shapes");
}

/* Fills the first copy, and the others from it. */
static int fill(struct bench_matrix *matrix)
{
	struct bench_filler filler;
	int err = bench_filler_new(&filler, matrix->dtype, SEED);
	uint64_t i;

	if (err)
		return err;
	bench_fill(&filler, matrix->memory.data, matrix->shape.n * matrix->shape.k);
	if (matrix->dtype == PINPOOL_DTYPE_I8) {
		matrix->scales = malloc(matrix->shape.n * sizeof(*matrix->scales));
		if (!matrix->scales)
			err = -ENOMEM;
		else
			bench_fill_scales(&filler, matrix->scales, matrix->shape.n);
	}
	bench_filler_free(&filler);
	for (i = 1; !err && i < matrix->copies; i++)
		memcpy((char *)matrix->memory.data + i * stride(matrix), matrix->memory.data, matrix->bytes);
	return err;
}

int bench_matrix_new(struct bench_matrix *matrix, enum pinpool_dtype dtype, const struct bench_shape *shape,
		     uint64_t total, struct pinpool_diag *diag)
{
	unsigned int block = pinpool_dtype_block_values(dtype);
	unsigned long long n = shape->n, k = shape->k;
	uint64_t values;
	int err;

	*matrix = (struct bench_matrix){.dtype = dtype, .shape = *shape};
	*diag = (struct pinpool_diag){0};
	snprintf(diag->object, sizeof(diag->object), "%s %llux%llu", pinpool_dtype_name(dtype), n, k);
	if (block && shape->k % block) {
		snprintf(diag->cause, sizeof(diag->cause), "rows of %llu values are no whole blocks", k);
		snprintf(diag->change, sizeof(diag->change), "choose a K that is a multiple of %u", block);
		return -EINVAL;
	}
	/* No type has more than 8 bytes a value. */
	if (__builtin_mul_overflow(shape->n, shape->k, &values) || values > UINT64_MAX / 64) {
		snprintf(diag->cause, sizeof(diag->cause), "the matrix is too large");
		return -EINVAL;
	}
	matrix->bytes = pinpool_dtype_bytes(dtype, values);
	matrix->copies = (total + matrix->bytes - 1) / matrix->bytes;
	err = bench_memory_new(&matrix->memory, stride(matrix) * matrix->copies);
	if (!err)
		err = fill(matrix);
	if (err) {
		no_memory(matrix, diag);
		bench_matrix_free(matrix);
	}
	return err;
}

/* Packs every copy. */
static int pack_all(struct bench_matrix *matrix, struct pinpool_math *math, struct pinpool_diag *diag)
{
	uint64_t i;
	int err = 0;

	for (i = 0; i < matrix->copies && !err; i++)
		err = pinpool_packing_rows(math, &matrix->packing, 0, matrix->shape.n, bench_matrix_copy(matrix, i), 0,
					   matrix->scales,
					   (char *)matrix->packed_memory.data + i * packed_stride(matrix), diag);
	return err;
}

/* Copies as many bytes as they have, to where the packings will be. */
static void copy_all(const struct bench_matrix *matrix)
{
	uint64_t bytes = matrix->bytes < packed_stride(matrix) ? matrix->bytes : packed_stride(matrix), i;

	for (i = 0; i < matrix->copies; i++)
		memcpy((char *)matrix->packed_memory.data + i * packed_stride(matrix), bench_matrix_copy(matrix, i),
		       bytes);
}

int bench_matrix_pack(struct bench_matrix *matrix, struct pinpool_math *math, struct pinpool_diag *diag)
{
	struct pinpool_packing *packing = &matrix->packing;
	double begin, between;
	int err;

	packing->size = sizeof(*packing);
	err = pinpool_packing_describe(math, matrix->dtype, matrix->shape.n, matrix->shape.k, packing, diag);
	if (err)
		return err;
	if (bench_memory_new(&matrix->packed_memory, packed_stride(matrix) * matrix->copies)) {
		no_memory(matrix, diag);
		return -ENOMEM;
	}
	/* What is timed finds its pages there. */
	memset(matrix->packed_memory.data, 0, matrix->packed_memory.bytes);
	begin = bench_now();
	copy_all(matrix);
	between = bench_now();
	err = pack_all(matrix, math, diag);
	matrix->pack_cost = (bench_now() - between) / (between - begin);
	return err;
}

void bench_matrix_free(struct bench_matrix *matrix)
{
	bench_memory_free(&matrix->memory);
	bench_memory_free(&matrix->packed_memory);
	free(matrix->scales);
	*matrix = (struct bench_matrix){0};
}

const void *bench_matrix_copy(const struct bench_matrix *matrix, uint64_t index)
{
	return (const char *)matrix->memory.data + index % matrix->copies * stride(matrix);
}

struct pinpool_packing bench_matrix_packing(const struct bench_matrix *matrix, uint64_t index)
{
	struct pinpool_packing packing = matrix->packing;

	packing.data = (const char *)matrix->packed_memory.data + index % matrix->copies * packed_stride(matrix);
	return packing;
}
