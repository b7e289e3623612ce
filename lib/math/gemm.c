/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Products in which both factors are used often, and all products with a packing: the loops of Goto and van de Geijn,
 * "Anatomy of High-Performance Matrix Multiplication". From the outside in:
 *
 *   block of M                 panels of X of one step fit into a share of the last cache; those of all steps are made
 *     block of N               of W likewise, where they are made; all of it where they lie in a packing
 *       step of K              a panel of X and one of W fit into the second cache, or an eighth of it
 *         tile of Y            a unit of a thread's work: its panels of W and X fit into the second cache
 *           panel of X         at most mr rows
 *             panel of W       nr columns: one call of the kernel, Y in registers
 *
 * The innermost loop goes along rows of Y and not down its columns: a panel's rows of Y are as many pages as rows, and
 * this way they stay in the TLB.
 *
 * Every element is the sum of its steps in order and within a step the sum along k in order, so the bits depend on the
 * size of a step only, which depends on the kernels, K and the second cache, never on threads or tiles.
 *
 * Panels of W lie in a packing, or are made: shared among the threads, or, where one tile spans all rows of X and so
 * nobody else needs its part of W, by the thread that uses them next. A single panel of X against a packing is one step
 * and one block: W is read once and straight through. Many of them against one whose type is slow to widen meet panels
 * of f32 that are made of it.
 */
#include <errno.h>

#include "math/packing.h"
#include "math/ways.h"

/* Units a thread should find, so that the last ones to finish hold the rest for a short time. */
#define UNITS_A_THREAD 6
/* Panels of X up to which one of W is better used for all of them before the next comes. */
#define FEW_PANELS 4
/*
 * Rows of X in a panel for each byte of a value of W, and in all, up to which the next panels of W are fetched meanwhile;
 * of f32, and more of what is shorter and takes less time.
 */
#define ROWS_A_BYTE 2
#define ROWS_FAR 128
/* Up to so many rows in a panel, the processor runs ahead by itself. */
#define ROWS_ALONE 4

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

/* Bytes of a row of a panel of X. */
static size_t x_bytes(const struct panel_type *type, size_t k)
{
	if (!type->run)
		return round_up(k, sizeof(float) / type->x_bytes) * type->x_bytes;
	return round_up(k, 4) * type->x_bytes + ceil_div(k, type->run) * (1 + type->x_sums) * sizeof(float);
}

/* Of the panel that begins at @row. */
static size_t panel_height(const struct gemm *g, size_t row)
{
	return g->type->heights[min(g->panel_m, g->m - row)];
}

/* Where panels of X of the step that begins at @k0 are. */
static unsigned char *x_panels(const struct gemm *g, size_t k0)
{
	return g->x + k0 / g->step * g->x_stride;
}

size_t gemm_x_units(const struct gemm *g)
{
	return ceil_div(g->m, g->panel_m) * ceil_div(g->product->k, g->step);
}

void gemm_x_unit(const struct gemm *g, size_t unit)
{
	const struct product *p = g->product;
	size_t panels = ceil_div(g->m, g->panel_m), row = unit % panels * g->panel_m, k0 = unit / panels * g->step;
	size_t k = min(g->step, p->k - k0);

	g->type->pack_x(x_panels(g, k0) + row * x_bytes(g->type, k), (const float *)p->x + (g->m0 + row) * p->ldx + k0,
			p->ldx, min(g->panel_m, g->m - row), panel_height(g, row), k);
}

/* @column counts from the block's first. */
static void pack_w_panel(const struct gemm *g, unsigned char *dst, size_t column)
{
	const struct product *p = g->product;

	if (p->coded.kind && g->type->run) {
		g->kernels->pack_codebook(dst, &p->coded, g->n0 + column, min(g->type->nr, g->n - column), g->k0, g->k);
		return;
	}
	if (p->coded.kind) {
		g->kernels->pack_decoded(dst, &p->coded, g->n0 + column, min(g->type->nr, g->n - column), p->k, g->k0,
					 g->k);
		return;
	}
	if (p->packing) {
		const struct panel_type *packed = &g->kernels->packed[p->weight];

		packed->unpack(dst, packing_panel(p->packing, packed, (g->n0 + column) / packed->nr) +
				       packing_values_bytes(packed, g->k0), g->k);
		return;
	}
	g->type->pack_w(dst, p->w + (g->n0 + column) * p->ldw + product_w_bytes(p, g->k0), p->ldw,
			min(g->type->nr, g->n - column), g->k);
}

/*
 * A few panels of X against a packing, whose panels come from memory: each meets all of X while it is in the second
 * cache, and steps are as long as that allows.
 */
static bool few_panels(const struct gemm *g)
{
	return g->panels == PANELS_PACKED && g->product->m <= FEW_PANELS * g->type->mr;
}

/*
 * True if one panel of X is over before the panel of W that it meets has come from memory, in whose rate a processor has
 * some two rows of work for a byte, and there are not so many of them that this is lost among all.
 */
static bool memory_matters(const struct gemm *g)
{
	const struct panel_type *type = g->type;

	return g->panels == PANELS_PACKED && g->panel_m > ROWS_ALONE && g->product->m <= ROWS_FAR &&
	       g->panel_m * type->values * type->nr * type->x_bytes <= ROWS_A_BYTE * sizeof(float) * type->bytes;
}

void gemm_tile_unit(const struct gemm *g, size_t unit, unsigned int thread)
{
	const struct product *p = g->product;
	const size_t nr = g->type->nr;
	size_t tiles_m = ceil_div(g->m, g->tile_m);
	size_t row0 = unit % tiles_m * g->tile_m, row1 = min(row0 + g->tile_m, g->m);
	size_t column0 = unit / tiles_m * g->tile_n, column1 = min(column0 + g->tile_n, g->n);
	struct tile_args args = {
		.n = column1 - column0,
		.k = g->k,
		.w_stride = g->w_stride,
		/* While panels of W meet all of X, the next ones come from memory. */
		.far = memory_matters(g) ? g->group_n / nr * g->w_stride : 0,
		.far_calls = (unsigned int)ceil_div(row1 - row0, g->panel_m),
		.w_scales = p->w_scales ? p->w_scales + g->n0 + column0 : NULL,
		.ldy = p->ldy,
		.add = g->k0 > 0,
	};
	unsigned char *own = NULL;

	switch (g->panels) {
	case PANELS_PACKED:
		args.w = packing_panel(p->packing, g->type, (g->n0 + column0) / nr) + packing_values_bytes(g->type, g->k0);
		break;
	case PANELS_SHARED:
		args.w = g->w + column0 / nr * g->w_stride;
		break;
	case PANELS_OWN:
		own = g->w + thread * (g->tile_n / nr) * g->w_stride;
		for (size_t column = column0; column < column1; column += nr)
			pack_w_panel(g, own + (column - column0) / nr * g->w_stride, column);
		args.w = own;
		break;
	}
	for (size_t group = 0; group < args.n; group += g->group_n) {
		struct tile_args one = args;

		one.n = min(g->group_n, args.n - group);
		one.w = args.w + group / nr * g->w_stride;
		one.w_scales = args.w_scales ? args.w_scales + group : NULL;
		for (size_t row = row0; row < row1; row += g->panel_m, one.far_call++) {
			one.x = x_panels(g, g->k0) + row * x_bytes(g->type, g->k);
			one.y = (float *)p->y + (g->m0 + row) * p->ldy + g->n0 + column0 + group;
			one.m = min(g->panel_m, row1 - row);
			one.height = panel_height(g, row);
			g->type->tile(&one);
		}
	}
}

/* One panel of X, which stays in the second cache, against a packing: W is read once. */
static bool is_flat(const struct gemm *g, const struct cache *cache)
{
	const struct product *p = g->product;

	return g->panels == PANELS_PACKED && p->m <= g->type->mr && p->m * x_bytes(g->type, p->k) <= cache->l2 / 2;
}

/* Values of k in a step. */
static size_t plan_step(const struct gemm *g, const struct cache *cache)
{
	const struct panel_type *type = g->type;
	const struct product *p = g->product;
	/* Whole units and whole runs, whatever the type. */
	size_t unit = p->coded.kind ? CODED_STEP : 4, block = !type->run ? unit : type->run > 128 ? type->run : 128;
	size_t row = x_bytes(type, block) / block + 1;
	size_t both = type->mr * row + type->bytes / type->values + 1;

	if (is_flat(g, cache))
		return p->k;
	if (few_panels(g))
		return even(p->k, cache->l2 / 4 / (type->bytes / type->values + 1), block);
	/*
	 * Y is added to once a step. Panels that are made are written and read: shorter ones stay in the cache meanwhile,
	 * the more so of rows that lie apart.
	 */
	return even(p->k, cache->l2 / (g->panels == PANELS_PACKED ? 1 : p->packing ? 2 : 8) / both, block);
}

/* Equal panels, as high as there are kernels for. */
static size_t plan_height(const struct panel_type *type, size_t m)
{
	return type->heights[ceil_div(m, ceil_div(m, type->mr))];
}

bool gemm_takes_codebooks(const struct pinpool_math *math, const struct product *p)
{
	return math->kernels->pack_codebook && coded_meets_integers(&p->coded, p->k) &&
	       (p->coded.group_rows % 4 == 0 || p->coded.group_rows >= p->n) && coded_scales(&p->coded, p->n);
}

void gemm_plan(struct gemm *g, const struct pinpool_math *math, const struct product *p)
{
	const struct cache *cache = &math->cache;
	unsigned int threads = team_threads(math->team);
	const struct panel_type *type = &math->kernels->packed[p->weight];
	const bool unpack = p->packing && type->unpack && p->m > type->unpack_m;
	size_t x_step, w_step;

	if (!p->packing || unpack)
		type = &math->kernels->fresh[p->weight];
	if (gemm_takes_codebooks(math, p))
		type = &math->kernels->codebook;
	if (product_is_of_pairs(p, math->kernels))
		type = &math->kernels->pairs;
	*g = (struct gemm){
		.kernels = math->kernels,
		.product = p,
		.type = type,
		.panels = p->packing && !unpack ? PANELS_PACKED : PANELS_SHARED,
	};
	g->panel_m = plan_height(type, p->m);
	g->step = plan_step(g, cache);
	x_step = x_bytes(type, g->step);
	w_step = ceil_div(packing_values_bytes(type, g->step), type->nr);

	g->block_m = even(p->m, cache->l3 / 8 / x_step, g->panel_m);
	g->block_n = even(p->n, cache->l3 / 8 / w_step, type->nr);
	if (g->panels == PANELS_PACKED)
		g->block_n = round_up(p->n, type->nr);

	/* The more rows of X, the less often are panels of the same part of W made, or read from where others made them. */
	g->tile_m = even(min(g->block_m, p->m), (g->panels == PANELS_PACKED ? 1 : 3) * cache->l2 / 8 / x_step, g->panel_m);
	g->tile_n = even(min(g->block_n, p->n), cache->l2 / 8 / w_step, type->nr);
	while (threads > 1 && g->tile_n > type->nr &&
	       ceil_div(g->block_m, g->tile_m) * ceil_div(g->block_n, g->tile_n) < UNITS_A_THREAD * threads)
		g->tile_n = round_up(g->tile_n / 2, type->nr);
	if (g->panels != PANELS_PACKED && p->m <= g->tile_m)
		g->panels = PANELS_OWN;
	g->group_n = few_panels(g) ? type->nr : g->tile_n;
	if (is_flat(g, cache))
		g->group_n = g->tile_n;
	/* The last panel may have more rows than X has left. */
	g->x_stride = round_up((round_up(g->block_m, g->panel_m) + type->mr) * x_step, 64) + 64;
	g->x_size = ceil_div(p->k, g->step) * g->x_stride;
	g->w_stride = packing_panel_bytes(type, g->panels == PANELS_PACKED ? p->k : g->step);
	if (g->panels == PANELS_PACKED)
		return;
	g->w_size = (g->panels == PANELS_SHARED ? g->block_n : threads * g->tile_n) / type->nr * g->w_stride;
}

static void x_unit(void *arg, size_t unit, unsigned int thread)
{
	gemm_x_unit(arg, unit);
}

static void w_unit(void *arg, size_t unit, unsigned int thread)
{
	const struct gemm *g = arg;

	pack_w_panel(g, g->w + unit * g->w_stride, unit * g->type->nr);
}

static void tile_unit(void *arg, size_t unit, unsigned int thread)
{
	gemm_tile_unit(arg, unit, thread);
}

size_t gemm_tile_units(const struct gemm *g)
{
	return ceil_div(g->m, g->tile_m) * ceil_div(g->n, g->tile_n);
}

bool gemm_is_single(const struct gemm *g)
{
	const struct product *p = g->product;

	return g->panels == PANELS_PACKED && g->step >= p->k && g->block_m >= p->m;
}

void gemm_select_all(struct gemm *g)
{
	g->m = g->product->m;
	g->n = g->product->n;
	g->k = g->product->k;
}

/* The current rows against the current columns. */
static void run_block(struct pinpool_math *math, struct gemm *g)
{
	const struct product *p = g->product;

	for (g->k0 = 0; g->k0 < p->k; g->k0 += g->step) {
		g->k = min(g->step, p->k - g->k0);
		if (g->panels == PANELS_SHARED)
			team_run(math->team, w_unit, g, ceil_div(g->n, g->type->nr));
		team_run(math->team, tile_unit, g, gemm_tile_units(g));
	}
}

int gemm_run(struct pinpool_math *math, struct gemm *g)
{
	const struct product *p = g->product;

	g->x = scratch_get(&math->packed, g->x_size + g->w_size);
	if (!g->x)
		return -ENOMEM;
	g->w = g->x + g->x_size;
	for (g->m0 = 0; g->m0 < p->m; g->m0 += g->block_m) {
		g->m = min(g->block_m, p->m - g->m0);
		team_run(math->team, x_unit, g, gemm_x_units(g));
		for (g->n0 = 0; g->n0 < p->n; g->n0 += g->block_n) {
			g->n = min(g->block_n, p->n - g->n0);
			run_block(math, g);
		}
	}
	return 0;
}
