/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Few rows of X, or few of W: nothing is used often enough to pay for packing. The longer factor's rows are streamed
 * from memory, several side by side, against the shorter one's, which stay in the caches.
 */
#include <errno.h>

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
	/* X, for weights in blocks. */
	struct quantised x;
	/* Rows of X and of W in a unit. */
	size_t unit_m;
	size_t unit_n;
	size_t units_n;
};

static size_t sums_a_run(const struct product *p)
{
	return elements[p->weight].block == 256 ? QUANTISED_SUMS : 0;
}

static struct quantised quantised_row(const struct product *p, const struct quantised *all, size_t row)
{
	size_t runs = row * (p->k / elements[p->weight].block);

	return (struct quantised){
		.codes = all->codes + row * p->k,
		.scales = all->scales + runs,
		.sums = all->sums + runs * sums_a_run(p),
	};
}

/* @m rows of X from @m0 on times @n of W from @n0 on. */
static void dot(const struct gemv *gemv, size_t m0, size_t m, size_t n0, size_t n)
{
	const struct product *p = gemv->product;
	float *y = (float *)p->y + m0 * p->ldy + n0;
	const unsigned char *w = p->w + n0 * p->ldw;

	if (elements[p->weight].block > 1)
		gemv->kernels->dot_blocks[p->weight](&(struct dot_blocks_args){
			.m = m,
			.rows = n,
			.k = p->k,
			.x = quantised_row(p, &gemv->x, m0),
			.w = w,
			.ldw = p->ldw,
			.y = y,
			.ldy = p->ldy,
		});
	else
		gemv->kernels->dot[p->weight](&(struct dot_args){
			.m = m,
			.rows = n,
			.k = p->k,
			.x = (const float *)p->x + m0 * p->ldx,
			.ldx = p->ldx,
			.w = w,
			.ldw = p->ldw,
			.y = y,
			.ldy = p->ldy,
		});
}

static void gemv_unit(void *arg, size_t unit, unsigned int thread)
{
	const struct gemv *gemv = arg;
	const struct product *p = gemv->product;
	size_t m0 = unit / gemv->units_n * gemv->unit_m;
	size_t n0 = unit % gemv->units_n * gemv->unit_n;
	size_t m1 = min(m0 + gemv->unit_m, p->m);

	for (size_t m = m0; m < m1; m += gemv->kernels->dot_m)
		dot(gemv, m, min(m1 - m, gemv->kernels->dot_m), n0, min(gemv->unit_n, p->n - n0));
}

static void quantise_unit(void *arg, size_t unit, unsigned int thread)
{
	const struct gemv *gemv = arg;
	const struct product *p = gemv->product;
	struct quantised row = quantised_row(p, &gemv->x, unit);

	gemv->kernels->quantise(&row, (const float *)p->x + unit * p->ldx, p->k, elements[p->weight].block);
}

/* Returns 0 or -ENOMEM. */
static int quantise(struct pinpool_math *math, struct gemv *gemv)
{
	const struct product *p = gemv->product;
	size_t values = p->m * p->k, runs = values / elements[p->weight].block;
	float *memory = scratch_get(&math->quantised, values / sizeof(float) + runs * (1 + sums_a_run(p)));

	if (!memory)
		return -ENOMEM;
	gemv->x.scales = memory;
	gemv->x.sums = (int32_t *)(memory + runs);
	gemv->x.codes = (int8_t *)(memory + runs * (1 + sums_a_run(p)));
	if (values <= ALONE)
		for (size_t row = 0; row < p->m; row++)
			quantise_unit(gemv, row, 0);
	else
		team_run(math->team, quantise_unit, gemv, p->m);
	return 0;
}

bool gemv_fits(const struct pinpool_math *math, const struct product *p)
{
	return p->m <= ROWS_ALWAYS || p->n < math->kernels->nr / 2 ||
	       (p->m <= ROWS_IN_CACHE && p->k <= math->cache.l2 / 2 / sizeof(float) / p->m);
}

int gemv_run(struct pinpool_math *math, const struct product *p)
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
	if (elements[p->weight].block > 1 && quantise(math, &gemv))
		return -ENOMEM;
	team_run(math->team, gemv_unit, &gemv, units_m * gemv.units_n);
	return 0;
}
