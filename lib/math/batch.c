/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Several products at once. Those that stream W, from where it lies or from a packing, are flat: after X is prepared,
 * units of all of them are shared out together, so that nobody waits between one and the next. The same X, in the same form,
 * is prepared once. The others follow one by one; each is work for all threads.
 */
#include <errno.h>
#include <stdlib.h>

#include "math/ways.h"

struct flat {
	bool streams; /* gemv, else gemm */
	struct gemv gemv;
	struct gemm gemm;
	/* Whose prepared X this one uses; itself, or one before it. */
	const struct flat *x;
	/* Numbers of its first units among those of all. */
	size_t first_prepare;
	size_t first_unit;
};

struct batch {
	struct flat *flats;
	size_t count;
};

/* Bytes of prepared X on whole cache lines. */
static size_t x_size(const struct flat *flat)
{
	size_t size = flat->streams ? flat->gemv.x_size : flat->gemm.x_size;

	return (size + 63) / 64 * 64;
}

static bool same_x(const struct flat *a, const struct flat *b)
{
	const struct product *p = a->streams ? a->gemv.product : a->gemm.product;
	const struct product *q = b->streams ? b->gemv.product : b->gemm.product;

	if (a->streams != b->streams || p->x != q->x || p->ldx != q->ldx || p->m != q->m || p->k != q->k)
		return false;
	if (a->streams)
		return p->weight == q->weight && p->coded.kind == q->coded.kind && a->gemv.x_size == b->gemv.x_size;
	return a->gemm.type->pack_x == b->gemm.type->pack_x && a->gemm.panel_m == b->gemm.panel_m;
}

static size_t prepare_units(const struct flat *flat)
{
	if (flat->x != flat)
		return 0;
	return flat->streams ? gemv_prepare_units(&flat->gemv) : gemm_x_units(&flat->gemm);
}

static size_t work_units(const struct flat *flat)
{
	return flat->streams ? gemv_units(&flat->gemv) : gemm_tile_units(&flat->gemm);
}

static void prepare(void *arg, size_t unit, unsigned int thread)
{
	const struct batch *batch = arg;
	const struct flat *flat = batch->flats + batch->count - 1;

	while (unit < flat->first_prepare)
		flat--;
	unit -= flat->first_prepare;
	if (flat->streams)
		gemv_prepare_unit(&flat->gemv, unit);
	else
		gemm_x_unit(&flat->gemm, unit);
}

static void work(void *arg, size_t unit, unsigned int thread)
{
	const struct batch *batch = arg;
	const struct flat *flat = batch->flats + batch->count - 1;

	while (unit < flat->first_unit)
		flat--;
	unit -= flat->first_unit;
	if (flat->streams)
		gemv_unit(&flat->gemv, unit);
	else
		gemm_tile_unit(&flat->gemm, unit, thread);
}

/* False for a product that takes several steps: it is planned, and runs by itself. */
static bool plan(struct flat *flat, const struct pinpool_math *math, const struct product *product)
{
	*flat = (struct flat){ .streams = gemv_fits(math, product) };
	if (flat->streams) {
		gemv_plan(&flat->gemv, math, product);
		return true;
	}
	gemm_plan(&flat->gemm, math, product);
	if (!gemm_is_single(&flat->gemm))
		return false;
	gemm_select_all(&flat->gemm);
	return true;
}

/* Finds whose X each one uses; bytes of all that are prepared. */
static size_t share_x(struct batch *batch)
{
	size_t bytes = 0;

	for (size_t i = 0; i < batch->count; i++) {
		struct flat *flat = &batch->flats[i];

		flat->x = flat;
		for (size_t j = 0; j < i && flat->x == flat; j++)
			if (batch->flats[j].x == &batch->flats[j] && same_x(flat, &batch->flats[j]))
				flat->x = &batch->flats[j];
		if (flat->x == flat)
			bytes += x_size(flat);
	}
	return bytes;
}

static void place_x(struct batch *batch, unsigned char *memory)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct flat *flat = &batch->flats[i];

		if (flat->x != flat) {
			flat->gemv.x = flat->x->gemv.x;
			flat->gemv.rows = flat->x->gemv.rows;
			flat->gemm.x = flat->x->gemm.x;
			continue;
		}
		if (flat->streams)
			gemv_place_x(&flat->gemv, memory);
		else
			flat->gemm.x = memory;
		memory += x_size(flat);
	}
}

/* @fn for so many units: on the caller's thread if they are @few values of work. */
static void run_units(struct pinpool_math *math, team_fn fn, struct batch *batch, size_t units, size_t values)
{
	if (values <= ALONE)
		for (size_t unit = 0; unit < units; unit++)
			fn(batch, unit, 0);
	else
		team_run(math->team, fn, batch, units);
}

/* a + b * c * d, or the most there is. */
static size_t add_work(size_t a, size_t b, size_t c, size_t d)
{
	size_t work;

	if (__builtin_mul_overflow(b, c, &work) || __builtin_mul_overflow(work, d, &work) ||
	    __builtin_add_overflow(work, a, &work))
		return SIZE_MAX;
	return work;
}

static int run_flats(struct pinpool_math *math, struct batch *batch)
{
	size_t prepares = 0, units = 0, x_values = 0, values = 0, bytes = share_x(batch);
	unsigned char *memory = scratch_get(&math->packed, bytes);

	if (!memory && bytes)
		return -ENOMEM;
	place_x(batch, memory);
	for (size_t i = 0; i < batch->count; i++) {
		struct flat *flat = &batch->flats[i];
		const struct product *p = flat->streams ? flat->gemv.product : flat->gemm.product;

		flat->first_prepare = prepares;
		flat->first_unit = units;
		prepares += prepare_units(flat);
		units += work_units(flat);
		x_values = add_work(x_values, p->m, p->k, 1);
		values = flat->streams ? add_work(values, p->m, gemv_values(p), 1) :
					 add_work(values, p->m, p->k, p->n);
	}
	run_units(math, prepare, batch, prepares, x_values);
	run_units(math, work, batch, units, values);
	return 0;
}

int batch_run(struct pinpool_math *math, const struct product *products, size_t count)
{
	struct flat one;
	struct batch batch = { .flats = count > 1 ? malloc(count * sizeof(struct flat)) : &one };
	int ret = 0;

	if (!batch.flats)
		return -ENOMEM;
	for (size_t i = 0; i < count && !ret; i++) {
		struct flat *flat = &batch.flats[batch.count];

		if (plan(flat, math, &products[i]))
			batch.count++;
		else
			ret = gemm_run(math, &flat->gemm);
	}
	if (!ret && batch.count)
		ret = run_flats(math, &batch);
	if (batch.flats != &one)
		free(batch.flats);
	return ret;
}
