/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Products in which both factors are used often: the loops of Goto and van de Geijn, "Anatomy of High-Performance
 * Matrix Multiplication". From the outside in:
 *
 *   block of N, block of M     packed factors of one step fit into a share of the last cache
 *     step of K                a panel of X and one of W fit into the first cache; both are packed, widened to f32
 *       tile of Y              a unit of a thread's work: its parts of packed W and X fit into the second cache
 *         panel of X           at most mr rows
 *           panel of W         nr columns: one call of the kernel, Y in registers
 *
 * The innermost loop goes along rows of Y and not down its columns: a panel's rows of Y are as many pages as rows, and
 * this way they stay in the TLB.
 *
 * Every element is the sum of its steps in order and within a step the sum along k in order, so the bits depend on the
 * size of a step only, which depends on the kernels, K and the first cache, never on threads or tiles.
 *
 * Packing is shared among the threads. Where one tile spans all rows of X, nobody else needs its part of W: then each
 * thread packs what it uses, next to its use.
 */
#include <errno.h>

#include "math/context.h"

/* Units a thread should find, so that the last ones to finish hold the rest for a short time. */
#define UNITS_A_THREAD 6

struct gemm {
	const struct math_kernels *kernels;
	const struct product *product;

	/* Most rows of a panel of X. Panels are equally high but for the last. */
	size_t panel_m;
	/* Rows and columns of Y in a block and in a tile; multiples of panel_m and nr. */
	size_t block_m;
	size_t block_n;
	size_t tile_m;
	size_t tile_n;
	size_t step;
	bool shared_w;

	/* Packed panels of the current block and step: of X, of W or, for each thread, of a tile's W. */
	float *x;
	float *w;

	/* Current block: first row, column and k, and how many. */
	size_t m0;
	size_t n0;
	size_t k0;
	size_t m;
	size_t n;
	size_t k;
};

static size_t ceil_div(size_t a, size_t b)
{
	return a / b + (a % b != 0);
}

static size_t round_up(size_t value, size_t multiple)
{
	return ceil_div(value, multiple) * multiple;
}

/* The size of equal parts, multiples of @multiple, of which @total takes as few as of parts of @most. */
static size_t even(size_t total, size_t most, size_t multiple)
{
	size_t parts;

	if (most < multiple)
		most = multiple;
	parts = ceil_div(total, most);
	return round_up(ceil_div(total, parts), multiple);
}

static void pack_x_panel(struct gemm *g, size_t panel)
{
	const struct product *p = g->product;
	size_t row = panel * g->panel_m;

	g->kernels->pack_x(g->x + row * g->k, (const float *)p->x + (g->m0 + row) * p->ldx + g->k0, p->ldx,
			   min(g->panel_m, g->m - row), g->k);
}

/* @column counts from the block's first. */
static void pack_w_panel(struct gemm *g, float *dst, size_t column)
{
	const struct product *p = g->product;

	g->kernels->pack_w[p->weight](dst, p->w + (g->n0 + column) * p->ldw + product_w_bytes(p, g->k0), p->ldw,
				      min(g->kernels->nr, g->n - column), g->k);
}

static void pack_unit(void *arg, size_t unit, unsigned int thread)
{
	struct gemm *g = arg;
	size_t x_panels = ceil_div(g->m, g->panel_m);

	if (unit < x_panels) {
		pack_x_panel(g, unit);
	} else {
		size_t column = (unit - x_panels) * g->kernels->nr;

		pack_w_panel(g, g->w + column * g->k, column);
	}
}

static void tile_unit(void *arg, size_t unit, unsigned int thread)
{
	struct gemm *g = arg;
	const struct product *p = g->product;
	const size_t nr = g->kernels->nr;
	size_t tiles_m = ceil_div(g->m, g->tile_m);
	size_t row0 = unit % tiles_m * g->tile_m, row1 = min(row0 + g->tile_m, g->m);
	size_t column0 = unit / tiles_m * g->tile_n, column1 = min(column0 + g->tile_n, g->n);
	float *w = g->w + (g->shared_w ? column0 * g->k : thread * g->step * g->tile_n);

	if (!g->shared_w)
		for (size_t column = column0; column < column1; column += nr)
			pack_w_panel(g, w + (column - column0) * g->k, column);
	for (size_t row = row0; row < row1; row += g->panel_m) {
		const float *x = g->x + row * g->k;
		float *y = (float *)p->y + (g->m0 + row) * p->ldy + g->n0;

		for (size_t column = column0; column < column1; column += nr)
			g->kernels->tile(g->k, x, w + (column - column0) * g->k, y + column, p->ldy,
					 min(g->panel_m, row1 - row), min(nr, column1 - column), g->k0 > 0);
	}
}

static void plan(struct gemm *g, const struct cache *cache, unsigned int threads)
{
	const struct math_kernels *kernels = g->kernels;
	const struct product *p = g->product;
	size_t most;

	g->panel_m = ceil_div(p->m, ceil_div(p->m, kernels->mr));
	g->step = even(p->k, cache->l1 / ((kernels->mr + kernels->nr) * sizeof(float)), elements[p->weight].block);

	most = cache->l3 / 8 / (g->step * sizeof(float));
	g->block_m = even(p->m, most, g->panel_m);
	g->block_n = even(p->n, most, kernels->nr);

	most = cache->l2 / 8 / (g->step * sizeof(float));
	g->tile_m = even(min(g->block_m, p->m), most, g->panel_m);
	g->tile_n = even(min(g->block_n, p->n), most, kernels->nr);
	while (threads > 1 && g->tile_n > kernels->nr &&
	       ceil_div(g->block_m, g->tile_m) * ceil_div(g->block_n, g->tile_n) < UNITS_A_THREAD * threads)
		g->tile_n = round_up(g->tile_n / 2, kernels->nr);
	g->shared_w = p->m > g->tile_m;
}

static void run_step(struct pinpool_math *math, struct gemm *g)
{
	size_t panels = ceil_div(g->m, g->panel_m);

	if (g->shared_w)
		panels += ceil_div(g->n, g->kernels->nr);
	team_run(math->team, pack_unit, g, panels);
	team_run(math->team, tile_unit, g, ceil_div(g->m, g->tile_m) * ceil_div(g->n, g->tile_n));
}

int gemm_run(struct pinpool_math *math, const struct product *p)
{
	struct gemm g = { .kernels = math->kernels, .product = p };
	unsigned int threads = team_threads(math->team);
	size_t x_floats, w_floats;

	plan(&g, &math->cache, threads);
	/* A cache line more between the two, whose packing may be another thread's. */
	x_floats = round_up(g.block_m * g.step, 16) + 16;
	w_floats = g.step * (g.shared_w ? g.block_n : threads * g.tile_n);
	g.x = scratch_get(&math->packed, x_floats + w_floats);
	if (!g.x)
		return -ENOMEM;
	g.w = g.x + x_floats;
	for (g.n0 = 0; g.n0 < p->n; g.n0 += g.block_n) {
		g.n = min(g.block_n, p->n - g.n0);
		for (g.m0 = 0; g.m0 < p->m; g.m0 += g.block_m) {
			g.m = min(g.block_m, p->m - g.m0);
			for (g.k0 = 0; g.k0 < p->k; g.k0 += g.step) {
				g.k = min(g.step, p->k - g.k0);
				run_step(math, &g);
			}
		}
	}
	return 0;
}
