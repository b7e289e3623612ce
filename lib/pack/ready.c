/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Packing the tensors of a READY pool, one after the other, all threads of the context on one. */
#include <errno.h>

#include "base/clock.h"
#include "base/diag.h"
#include "pack/pack.h"

/* Between two looks at cancel and progress. Enough that threads are busy, little enough that nobody waits. */
#define STEP_BYTES (8u << 20)

/* The weights: a READY pool, mapped, and its catalog. */
struct weights {
	struct pinpool_pool *pool;
	struct pinpool_catalog *catalog;
	struct pinpool_info info;
	const void *at;
};

static int open_weights(struct pinpool_ctx *ctx, const char *name, struct weights *weights, struct pinpool_diag *diag)
{
	int err;

	weights->info.size = sizeof(weights->info);
	err = pinpool_pool_open(ctx, name, PINPOOL_OPEN_READ, &weights->pool, diag);
	if (err)
		return err;
	err = pinpool_catalog_open(weights->pool, &weights->catalog, diag);
	if (err)
		return err;
	err = pinpool_pool_get_info(weights->pool, &weights->info);
	if (!err)
		err = pinpool_pool_map(weights->pool, &weights->at, NULL);
	return err ? diag_errno(diag, err, name) : 0;
}

static int add_tensors(struct pack *pack, const struct pinpool_catalog *catalog, struct pinpool_diag *diag)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	int err = 0;

	for (size_t i = 0; !err && !pinpool_catalog_tensor(catalog, i, &tensor); i++)
		err = pack_add(pack, &tensor, diag);
	return err;
}

static int tick(const struct pack *pack, uint64_t done, const char *tensor)
{
	const struct pinpool_pack_opts *opts = &pack->opts;
	struct pinpool_progress progress = {
		.done = done,
		.total = pack->total,
		.elapsed_ns = clock_now_ns() - pack->start_ns,
		.file = tensor,
	};

	if (opts->cancel && *opts->cancel)
		return -ECANCELED;
	return opts->progress && opts->progress(opts->progress_arg, &progress) ? -ECANCELED : 0;
}

static int pack_all(struct pack *pack, const struct weights *weights, struct pinpool_diag *diag)
{
	uint64_t done = 0;
	int err = 0;

	for (size_t i = 0; i < pack->count && !err; i++) {
		const struct pack_item *item = &pack->items[i];
		uint64_t n = item->packing.n, row = item->bytes / n;
		uint64_t panels = STEP_BYTES / (row * item->packing.panel_rows) + 1;

		for (uint64_t first = 0, count; first < n && !err; first += count) {
			count = panels * item->packing.panel_rows;
			if (count > n - first)
				count = n - first;
			err = tick(pack, done, item->name);
			if (err)
				return diag_errno(diag, err, pack->base);
			err = pack_rows(pack, item, first, count, weights->at, diag);
			done += count * row;
		}
	}
	if (!err && tick(pack, done, NULL))
		err = diag_errno(diag, -ECANCELED, pack->base);
	return err;
}

static int pack_weights(struct pack *pack, const struct weights *weights, struct pinpool_diag *diag)
{
	struct pack_base base = {
		.length = weights->info.length,
		.committed_ns = weights->info.committed_ns,
		.digest_kind = weights->info.digest_kind,
		.digest = weights->info.digest,
	};
	int err;

	err = add_tensors(pack, weights->catalog, diag);
	if (!err)
		err = pack_take(pack, &weights->info, diag);
	if (!err)
		err = pack_all(pack, weights, diag);
	if (!err)
		err = pack_publish(pack, &base, diag);
	return err ? err : pack_confirm(pack, diag);
}

int pinpool_pack(struct pinpool_ctx *ctx, const char *name, const struct pinpool_pack_opts *opts,
		 struct pinpool_pack_report *report, struct pinpool_diag *diag)
{
	struct weights weights = {0};
	struct pack pack;
	int err;

	if (report && report->size < sizeof(report->size))
		return diag_set(diag, -EINVAL, "pinpool_pack_report", NULL, "its size is not set");
	err = pack_begin(&pack, ctx, name, NULL, opts, diag);
	if (err)
		return err;
	err = open_weights(ctx, name, &weights, diag);
	if (!err)
		err = pack_weights(&pack, &weights, diag);
	if (!err)
		err = pack_fill_report(&pack, report);
	pack_end(&pack, err);
	pinpool_catalog_close(weights.catalog);
	pinpool_pool_close(weights.pool);
	return err;
}
