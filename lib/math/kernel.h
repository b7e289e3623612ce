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

#include "math/coded.h"
#include "math/element.h"

/* Rows of X that meet rows of W straight from memory in one call; a multiple of 12, as some are taken by threes. */
#define DOT_MOST 96

/* Y[m, rows] = X[m, k] * W[rows, k]^T straight from memory, m at most DOT_MOST. ldw in bytes. */
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

/* As struct dot_args, with coded W: its rows from @first on. y is that of the first of them. */
struct dot_coded_args {
	size_t m;
	size_t first;
	size_t rows;
	size_t k;
	const float *x;
	size_t ldx;
	/* The same as quantise_halves() left it; only dot_codebook() reads it. */
	struct quantised q;
	const struct coded *w;
	float *y;
	size_t ldy;
};

/* Rows of X that lie side by side where they meet sparse weights; a multiple of every table's VL. */
#define SPARSE_ROWS 16

/*
 * One product of panels: Y[m, n] = or += X[m, k] * W[n, k]^T. X is one panel as pack_x() of the type left it, of @height
 * rows; W is as many panels as n takes, w_stride bytes from one to the next.
 */
struct tile_args {
	size_t m;
	size_t height;
	size_t n;
	size_t k;
	const void *x;
	const unsigned char *w;
	size_t w_stride;
	/*
	 * Bytes from what is read to what comes to the second cache meanwhile, 0 for nothing; panels of codes ignore it. Of
	 * calls that share this work, @far_calls, each does a part, by units in turn: this one is number @far_call.
	 */
	size_t far;
	unsigned int far_call;
	unsigned int far_calls;
	/* Of the n rows of W, or NULL for ones. */
	const float *w_scales;
	float *y;
	size_t ldy;
	bool add;
};

/*
 * How a table works on panels of a type: of W, at most nr rows side by side, in units of so many values of k, each of so many
 * bytes; of X, at most mr rows. What is behind the last row or value of a panel is zero. Rows of W begin ldw bytes apart.
 */
struct panel_type {
	size_t mr;
	size_t nr;
	size_t values;
	size_t bytes;
	/* Of so many rows of X, how high a panel to make; the rest of it is zero. */
	const uint8_t *heights;
	/* Of activations: values that share a scale, 0 for f32 and bf16; bytes of one value; sums of codes kept for each run. */
	size_t run;
	size_t x_bytes;
	size_t x_sums;
	/* X[rows, k] to a panel. */
	void (*pack_x)(void *dst, const float *x, size_t ldx, size_t rows, size_t height, size_t k);
	/* W[rows, k] to a panel, rows at most nr, k whole blocks. */
	void (*pack_w)(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k);
	/*
	 * k values of a panel that keeps the type to a fresh one, which is faster for more than unpack_m rows of X; NULL
	 * where it never is.
	 */
	size_t unpack_m;
	void (*unpack)(unsigned char *dst, const unsigned char *panel, size_t k);
	void (*tile)(const struct tile_args *args);
};

struct math_kernels {
	enum pinpool_isa isa;
	/* Rows of X that dot[] keeps in registers, of those of W it reads side by side. */
	size_t dot_m;
	size_t dot_rows;
	/* Rows of X up to which weights that are no codes are better read as they lie than brought into panels. */
	size_t stream_m;
	/* Panels that keep the type, which packings are made of. */
	struct panel_type packed[ELEMENT_COUNT];
	/* Panels for use at once: f32 of types whose elements stand alone, else the same. */
	struct panel_type fresh[ELEMENT_COUNT];
	/*
	 * Panels of bf16, packed and fresh, for activations that are bf16 as well; without a tile where the processor has no
	 * such product. A packing is the same with either.
	 */
	struct panel_type pairs;
	/* Straight from memory, of the types whose elements stand alone. */
	void (*dot[ELEMENT_COUNT])(const struct dot_args *args);
	/* One row of k activations, in runs of 32 or 256. */
	void (*quantise)(const struct quantised *dst, const float *x, size_t k, size_t run);
	/* Of block types, m at most the table's dot_m. */
	void (*dot_blocks[ELEMENT_COUNT])(const struct dot_blocks_args *args);
	/* The same in runs of CODEBOOK_RUN for codes of 4 bits: of each run the even columns come first. */
	void (*quantise_halves)(const struct quantised *dst, const float *x, size_t k);
	/*
	 * Of coded weights that are decoded, of dictionaries of 4 bits as integers, and of sparse ones, m at most the table's
	 * dot_m.
	 */
	void (*dot_decoded)(const struct dot_coded_args *args);
	void (*dot_codebook)(const struct dot_coded_args *args);
	void (*dot_sparse)(const struct dot_coded_args *args);
	/* The same with X as pack_sparse_x() left it, m at most SPARSE_ROWS. */
	void (*dot_sparse_panel)(const struct dot_coded_args *args);
	/* X[rows, k], rows at most SPARSE_ROWS: of each k, SPARSE_ROWS activations, zeros behind the last. */
	void (*pack_sparse_x)(float *dst, const float *x, size_t ldx, size_t rows, size_t k);
	/*
	 * One row of k activations as dot_decoded() wants it for bf16 with its exponents apart, zeros up to a multiple of
	 * CODED_STEP; NULL: as it is.
	 */
	void (*order_x)(float *dst, const float *x, size_t k);
	/*
	 * The same for activations that are bf16 as well, of which two go into a word: one row, zeros up to a multiple of
	 * CODED_STEP, and the product, ldx in words. NULL, both, where the processor has no such product.
	 */
	void (*order_pairs)(float *dst, const float *x, size_t k);
	void (*dot_exponent_pairs)(const struct dot_coded_args *args);
	/*
	 * Rows of coded weights from @row on, rows at most nr, @all columns each, and k columns from @first on, a multiple
	 * of CODED_STEP, as pack_w() of fresh f32.
	 */
	void (*pack_decoded)(unsigned char *dst, const struct coded *w, size_t row, size_t rows, size_t all, size_t first,
			     size_t k);
	/*
	 * Panels of codes of 4 bits, for use at once, and as pack_w() of them; NULL where panels of f32 are faster. Each 4 rows
	 * of a panel have one dictionary, which has a scale.
	 */
	struct panel_type codebook;
	void (*pack_codebook)(unsigned char *dst, const struct coded *w, size_t row, size_t rows, size_t first, size_t k);
	/* Copies past the caches: to a multiple of 64 bytes, and as many as whole units of a packing have. */
	void (*stream_out)(void *dst, const void *src, size_t bytes);
	/* n values to f32; n of f32, plus those at bias if it is not NULL, to a type. dst may be src for f32. */
	void (*widen[ELEMENT_ACTIVATIONS])(float *dst, const void *src, size_t n);
	void (*narrow[ELEMENT_ACTIVATIONS])(void *dst, const float *src, const float *bias, size_t n);
};

extern const struct math_kernels kernels_portable;
extern const struct math_kernels kernels_avx2;
extern const struct math_kernels kernels_avx512;
extern const struct math_kernels kernels_avx512_vnni;
extern const struct math_kernels kernels_avx512_bf16;
extern const struct math_kernels kernels_neon;

#endif
