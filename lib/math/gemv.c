/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Few rows of X, or few of W: nothing is used often enough to pay for packing. The longer factor's rows are streamed
 * from memory, several side by side, against the shorter one's, which stay in the caches.
 */
#include "math/context.h"

/*
 * Rows of X up to which streaming wins: always, and as long as X stays in half of the second cache. Measured with
 * AVX2 and AVX-512 on shapes of language models; see docs/matmul.md.
 */
#define ROWS_ALWAYS 8
#define ROWS_IN_CACHE 40

/* Bytes of W in one unit when it is read once. Less and a unit's start shows; more and the last one holds the rest. */
#define UNIT_BYTES ((size_t)1 << 20)
/* Products of less work than this many multiplications stay on the caller's thread: waking another takes as long. */
#define ALONE ((size_t)1 << 16)

struct gemv {
	const struct math_kernels *kernels;
	const struct product *product;
	/* Rows of X and of W in a unit. */
	size_t unit_m;
	size_t unit_n;
	size_t units_n;
};

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void gemv_unit(void *arg, size_t unit, unsigned int thread)
{
	const struct gemv *gemv = arg;
	const struct product *p = gemv->product;
	size_t m0 = unit / gemv->units_n * gemv->unit_m;
	size_t n0 = unit % gemv->units_n * gemv->unit_n;
	size_t m1 = min(m0 + gemv->unit_m, p->m);

	for (size_t m = m0; m < m1; m += gemv->kernels->dot_m) {
		struct dot_args args = {
			.m = min(m1 - m, gemv->kernels->dot_m),
			.rows = min(gemv->unit_n, p->n - n0),
			.k = p->k,
			.x = (const float *)p->x + m * p->ldx,
			.ldx = p->ldx,
			.w = p->w + n0 * p->ldw,
			.ldw = p->ldw,
			.y = (float *)p->y + m * p->ldy + n0,
			.ldy = p->ldy,
		};

		gemv->kernels->dot[p->weight](&args);
	}
}

bool gemv_fits(const struct pinpool_math *math, const struct product *p)
{
	return p->m <= ROWS_ALWAYS || p->n < math->kernels->nr / 2 ||
	       (p->m <= ROWS_IN_CACHE && p->k <= math->cache.l2 / 2 / sizeof(float) / p->m);
}

void gemv_run(struct pinpool_math *math, const struct product *p)
{
	const struct math_kernels *kernels = math->kernels;
	struct gemv gemv = { .kernels = kernels, .product = p };
	size_t row_bytes = product_w_bytes(p, p->k);
	/* What is read again for the next rows of X should still be near. */
	size_t bytes = p->m <= kernels->dot_m ? UNIT_BYTES : math->cache.l2 / 4;
	size_t rows = bytes / row_bytes;
	size_t units_m;

	if (rows > p->n / (4 * team_threads(math->team)))
		rows = p->n / (4 * team_threads(math->team));
	rows -= rows % kernels->dot_rows;
	gemv.unit_n = rows ? rows : kernels->dot_rows;
	gemv.units_n = (p->n - 1) / gemv.unit_n + 1;
	/* One unit of X where W has rows enough to share out. */
	gemv.unit_m = p->m <= ROWS_IN_CACHE ? p->m : 16 * kernels->dot_m;
	units_m = (p->m - 1) / gemv.unit_m + 1;
	if (p->m * p->n <= ALONE / p->k) {
		gemv.unit_m = p->m;
		gemv.unit_n = p->n;
		gemv.units_n = units_m = 1;
	}
	team_run(math->team, gemv_unit, &gemv, units_m * gemv.units_n);
}
