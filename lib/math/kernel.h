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
	void (*dot[ELEMENT_COUNT])(const struct dot_args *args);
	/* n values to f32; n of f32, plus those at bias if it is not NULL, to a type. dst may be src where the types are one. */
	void (*widen[ELEMENT_ACTIVATIONS])(float *dst, const void *src, size_t n);
	void (*narrow[ELEMENT_ACTIVATIONS])(void *dst, const float *src, const float *bias, size_t n);
};

extern const struct math_kernels kernels_portable;
extern const struct math_kernels kernels_avx2;
extern const struct math_kernels kernels_avx512;

#endif
