/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The inner loops of the matrix products, one table per instruction set. Tables have the same signatures and obey the
 * same contract, so that a caller picks one once and never asks again:
 *
 * - Weights are read where they lie: any alignment, never a byte outside the rows and columns named.
 * - One element of Y is the same sum in the same order in whatever group of rows and columns it is computed.
 */
#ifndef PINPOOL_MATH_KERNEL_H
#define PINPOOL_MATH_KERNEL_H

#include <pinpool/math.h>

#include "math/element.h"

/* Y[m, rows] = X[m, k] * W[rows, k]^T straight from memory, m at most the table's dot_m. ldw in bytes. */
struct dot_args {
	size_t m;
	size_t rows;
	size_t k;
	const float *x;
	size_t ldx;
	const unsigned char *w;
	size_t ldw;
	float *y;
	size_t ldy;
};

/* Below this 127 / x could overflow. */
#define QUANTISED_LEAST 0x1p-100f
/* Sums of codes for each run of 256: of each 16, then of each 32. */
#define QUANTISED_SUMS (16 + 8)

/*
 * Rows of activations as integers, each run of them with a scale: x = scale * code, codes from -127 to 127, rounded to
 * nearest. A run is as long as a block of the weights that it meets. A run with a value that is not finite has the
 * scale NaN; one with none of QUANTISED_LEAST or more is zeros. Rows follow each other without gaps.
 */
struct quantised {
	int8_t *codes; /* k */
	float *scales; /* one for each run */
	int32_t *sums; /* QUANTISED_SUMS for each run of 256; runs of 32 have none */
};

/* As struct dot_args, with W in blocks. */
struct dot_blocks_args {
	size_t m;
	size_t rows;
	size_t k;
	struct quantised x;
	const unsigned char *w;
	size_t ldw;
	float *y;
	size_t ldy;
};

struct math_kernels {
	enum pinpool_isa isa;
	/* Most rows of X and columns of Y that one call of tile() makes; a packed panel of W has nr columns. */
	size_t mr;
	size_t nr;
	/* Most rows of X in one call of dot[]; rows of W it reads side by side. */
	size_t dot_m;
	size_t dot_rows;
	/* X[rows, k] to dst[k][rows], rows at most mr. */
	void (*pack_x)(float *dst, const float *x, size_t ldx, size_t rows, size_t k);
	/* W[rows, k] to f32 dst[k][nr], rows at most nr, columns from rows to nr zero. ldw in bytes. */
	void (*pack_w[ELEMENT_COUNT])(float *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k);
	/* Y[m, n] = or += the product of a panel of m rows of X and a panel of W. */
	void (*tile)(size_t k, const float *x, const float *w, float *y, size_t ldy, size_t m, size_t n, bool add);
	/* Of the types whose elements stand alone. */
	void (*dot[ELEMENT_COUNT])(const struct dot_args *args);
	/* One row of k activations, in runs of 32 or 256. */
	void (*quantise)(const struct quantised *dst, const float *x, size_t k, size_t run);
	/* Of the others, m at most the table's dot_m. */
	void (*dot_blocks[ELEMENT_COUNT])(const struct dot_blocks_args *args);
	/* n values to f32; n of f32, plus those at bias if it is not NULL, to a type. dst may be src for f32. */
	void (*widen[ELEMENT_ACTIVATIONS])(float *dst, const void *src, size_t n);
	void (*narrow[ELEMENT_ACTIVATIONS])(void *dst, const float *src, const float *bias, size_t n);
};

/* Of other architectures there is the name only. */
extern const struct math_kernels kernels_portable;
extern const struct math_kernels kernels_avx2;
extern const struct math_kernels kernels_avx512;
extern const struct math_kernels kernels_neon;

#endif
