/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The two ways to make a product in f32: with panels (gemm.c), or by streaming W as it lies (gemv.c). Either is planned
 * first, then X is prepared, in memory that the caller gives, then its units of work may run, in any order and on any threads.
 */
#ifndef PINPOOL_MATH_WAYS_H
#define PINPOOL_MATH_WAYS_H

#include "math/context.h"

/* Products of less work than this many multiplications stay on the caller's thread: waking another takes as long. */
#define ALONE ((size_t)1 << 16)

/* Where a product's panels of W are. */
enum panels {
	PANELS_PACKED, /* in its packing */
	PANELS_SHARED, /* made for all threads */
	PANELS_OWN, /* made by each thread for itself, for one tile */
};

struct gemm {
	const struct math_kernels *kernels;
	const struct product *product;
	const struct panel_type *type;
	enum panels panels;

	/* Rows of a panel of X; the last may have fewer. */
	size_t panel_m;
	/* Columns of a tile for which all its panels of X run before the next come. */
	size_t group_n;
	/* Rows and columns of Y in a block and in a tile; multiples of panel_m and nr. */
	size_t block_m;
	size_t block_n;
	size_t tile_m;
	size_t tile_n;
	size_t step;

	/*
	 * Panels of the current rows of X, those of steps x_stride bytes apart; of the current block and step of W, w_stride
	 * bytes apart; and their sizes.
	 */
	unsigned char *x;
	unsigned char *w;
	size_t x_stride;
	size_t w_stride;
	size_t x_size;
	size_t w_size;

	/* Current block: first row, column and k, and how many. */
	size_t m0;
	size_t n0;
	size_t k0;
	size_t m;
	size_t n;
	size_t k;
};

/* Whether panels of codes of 4 bits are made, which activations meet as integers. */
bool gemm_takes_codebooks(const struct pinpool_math *math, const struct product *product);
void gemm_plan(struct gemm *g, const struct pinpool_math *math, const struct product *product);
/* One block and step is all: units can run beside those of other products, after gemm_x_unit() on all. */
bool gemm_is_single(const struct gemm *g);
void gemm_select_all(struct gemm *g);
/* Panels of the current rows of X, of all steps. */
size_t gemm_x_units(const struct gemm *g);
void gemm_x_unit(const struct gemm *g, size_t unit);
size_t gemm_tile_units(const struct gemm *g);
void gemm_tile_unit(const struct gemm *g, size_t unit, unsigned int thread);
/* All of it, block by block. Returns 0 or -ENOMEM. */
int gemm_run(struct pinpool_math *math, struct gemm *g);

struct gemv {
	const struct math_kernels *kernels;
	const struct product *product;
	/*
	 * X prepared: for weights in blocks; else, for sparse ones in panels, for others, if it has many rows or is wanted in
	 * another order, row by row. x_size 0: it is used as it lies.
	 */
	struct quantised x;
	float *rows;
	size_t x_size;
	/* Rows of X that meet a row of W in one call. */
	size_t dot_m;
	/* Rows of X and of W in a unit. */
	size_t unit_m;
	size_t unit_n;
	size_t units_m;
	/* Sparse rows are shared out by what they store, not unit_n to each. */
	size_t units_n;
};

/* True if streaming is the faster way. */
bool gemv_fits(const struct pinpool_math *math, const struct product *product);
void gemv_plan(struct gemv *gemv, const struct pinpool_math *math, const struct product *product);
/* @memory: x_size bytes on a cache line. */
void gemv_place_x(struct gemv *gemv, void *memory);
size_t gemv_prepare_units(const struct gemv *gemv);
void gemv_prepare_unit(const struct gemv *gemv, size_t unit);
/* Values of W that each row of X meets. */
size_t gemv_values(const struct product *p);
size_t gemv_units(const struct gemv *gemv);
void gemv_unit(const struct gemv *gemv, size_t unit);

#endif
