/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Packing while a checkpoint streams: a thread follows the bytes that have landed and packs every panel of which the
 * last one is there, while they are still in a cache. It ends when all is packed, at the first error, or when told so.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/opts.h"
#include "load/follow.h"
#include "pack/pack.h"
#include "stream/place.h"

/* How long publishing sleeps at most before it looks at cancel. */
#define TICK_NS 100000000

struct packer {
	struct pack pack;
	const volatile int *cancel;
	const void *base;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock;
	pthread_cond_t wake_packer; /* more has landed, or stop */
	pthread_cond_t wake_caller; /* it ended */
	/* Below: under the lock. */
	uint64_t landed;
	bool stop;
	bool ended;
	int error;
	struct pinpool_diag why; /* of @error */
};

static void landed(void *arg, uint64_t end)
{
	struct packer *packer = arg;

	pthread_mutex_lock(&packer->lock);
	packer->landed = end;
	pthread_cond_signal(&packer->wake_packer);
	pthread_mutex_unlock(&packer->lock);
}

/* Waits until more than @end has landed. Returns how far, or 0 to stop. */
static uint64_t wait_beyond(struct packer *packer, uint64_t end)
{
	uint64_t there;

	pthread_mutex_lock(&packer->lock);
	while (packer->landed <= end && !packer->stop)
		pthread_cond_wait(&packer->wake_packer, &packer->lock);
	there = packer->stop ? 0 : packer->landed;
	pthread_mutex_unlock(&packer->lock);
	return there;
}

/* Rows of @item that can be packed when everything below @there has landed: whole panels, or all. */
static uint64_t rows_there(const struct pack_item *item, uint64_t there)
{
	uint64_t rows;

	if (there >= item->from + item->bytes)
		return item->packing.n;
	if (there <= item->from)
		return 0;
	rows = (there - item->from) / (item->bytes / item->packing.n);
	return rows - rows % item->packing.panel_rows;
}

/* False to stop, with or without an error. */
static bool pack_item(struct packer *packer, const struct pack_item *item, uint64_t *there)
{
	uint64_t rows, first = 0;
	struct pinpool_diag why;
	int err;

	while (first < item->packing.n) {
		rows = rows_there(item, *there);
		if (rows <= first) {
			*there = wait_beyond(packer, *there);
			if (!*there)
				return false;
			continue;
		}
		memset(&why, 0, sizeof(why));
		err = pack_rows(&packer->pack, item, first, rows - first, packer->base, &why);
		if (err) {
			pthread_mutex_lock(&packer->lock);
			packer->error = err;
			packer->why = why;
			pthread_mutex_unlock(&packer->lock);
			return false;
		}
		first = rows;
	}
	return true;
}

static void *packer_main(void *arg)
{
	struct packer *packer = arg;
	uint64_t there = 0;
	size_t i = 0;

	while (i < packer->pack.count && pack_item(packer, &packer->pack.items[i], &there))
		i++;
	pthread_mutex_lock(&packer->lock);
	packer->ended = true;
	pthread_cond_signal(&packer->wake_caller);
	pthread_mutex_unlock(&packer->lock);
	return NULL;
}

static int add_tensors(struct pack *pack, const struct plan *plan, struct pinpool_diag *diag)
{
	int err = 0;

	for (size_t i = 0; i < plan->tensor_count && !err; i++)
		err = pack_add(pack, &plan->tensors[i], diag);
	return err;
}

static int begin(void *arg, struct pinpool_pool *pool, const struct plan *plan, const void *base,
		 struct pinpool_diag *diag)
{
	struct pinpool_info info = {.size = sizeof(info)};
	struct packer *packer = arg;
	struct place place;
	int err;

	packer->base = base;
	err = pinpool_pool_get_info(pool, &info);
	if (err)
		return diag_errno(diag, err, packer->pack.base);
	err = add_tensors(&packer->pack, plan, diag);
	if (!err)
		err = pack_take(&packer->pack, &info, diag);
	if (err)
		return err;
	err = place_begin(&place, place_node(pool));
	if (!err) {
		err = -place_start(&place, &packer->thread, packer_main, packer);
		place_end(&place);
	}
	if (err)
		return diag_errno(diag, err, "packing thread");
	packer->started = true;
	return 0;
}

/* Digests of tensors, which the plan has in the order in which they were offered. */
static void take_digests(struct pack *pack, const struct plan *plan)
{
	for (size_t i = 0; i < pack->count; i++) {
		struct pack_item *item = &pack->items[i];

		memcpy(item->digest, plan->ranges[item->number].digest, sizeof(item->digest));
		item->has_digest = true;
	}
}

/* Until the thread ended by itself, or was told to because the caller cancelled. */
static int wait_for_end(struct packer *packer, struct pinpool_diag *diag)
{
	struct timespec until;
	int err;

	pthread_mutex_lock(&packer->lock);
	for (;;) {
		packer->stop = packer->cancel && *packer->cancel;
		if (packer->ended || packer->stop)
			break;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TICK_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&packer->wake_caller, &packer->lock, &until);
	}
	err = packer->error ? packer->error : packer->stop ? -ECANCELED : 0;
	if (packer->error && diag)
		*diag = packer->why;
	else if (err)
		diag_errno(diag, err, packer->pack.base);
	pthread_mutex_unlock(&packer->lock);
	return err;
}

static int publish(void *arg, const struct plan *plan, const struct pinpool_commit_opts *commit,
		   struct pinpool_diag *diag)
{
	struct packer *packer = arg;
	const struct pack_base base = {
		.length = commit->length,
		.digest_kind = commit->digest_kind,
		.digest = commit->digest,
	};
	int err;

	err = wait_for_end(packer, diag);
	if (err)
		return err;
	take_digests(&packer->pack, plan);
	return pack_publish(&packer->pack, &base, diag);
}

static void stop(void *arg, int err)
{
	struct packer *packer = arg;

	if (!packer->started)
		return;
	pthread_mutex_lock(&packer->lock);
	packer->stop = true;
	pthread_cond_signal(&packer->wake_packer);
	pthread_mutex_unlock(&packer->lock);
	pthread_join(packer->thread, NULL);
	packer->started = false;
}

static int check_opts(const struct pinpool_load_opts *user_opts, const struct pinpool_pack_report *report,
		      struct pinpool_load_opts *opts, struct pinpool_diag *diag)
{
	int err;

	err = opts_read(opts, sizeof(*opts), user_opts);
	if (err)
		return diag_set(diag, err, "pinpool_load_opts", NULL, "options this library does not know");
	if (report && report->size < sizeof(report->size))
		return diag_set(diag, -EINVAL, "pinpool_pack_report", NULL, "its size is not set");
	/* They are committed before the weights are, so nothing but a digest says which those will be. */
	if (opts->no_digest)
		return diag_set(diag, -EINVAL, "no_digest", "load with digests, or pack afterwards",
				"a load that packs needs digests");
	return 0;
}

/* The weights were there already: packings are, too, or are made now, as of any READY pool. */
static int pack_attached(struct packer *packer, const struct pinpool_load_opts *user_opts,
			 struct pinpool_pack_report *report, struct pinpool_diag *diag)
{
	struct pack *pack = &packer->pack;
	struct pinpool_pack_opts opts = pack->opts;
	struct pinpool_load_opts load_opts;
	int err;

	opts_read(&load_opts, sizeof(load_opts), user_opts);
	opts.math = pack->math;
	opts.cancel = packer->cancel;
	opts.progress = load_opts.progress;
	opts.progress_arg = load_opts.progress_arg;
	pack->start_ns = clock_now_ns();
	err = pinpool_pack(pack->ctx, pack->base, &opts, report, diag);
	if (err == -EEXIST && !pinpool_packings_check(pack->ctx, pack->name, NULL))
		return pack_fill_report(pack, report);
	return err;
}

int pinpool_load_packed(struct pinpool_ctx *ctx, const char *name, const char *path,
			const struct pinpool_load_opts *load_opts, const struct pinpool_pack_opts *pack_opts,
			struct pinpool_load_report *load_report, struct pinpool_pack_report *pack_report,
			struct pinpool_diag *diag)
{
	struct packer packer = {0};
	const struct load_follower follower = {
		.arg = &packer,
		.begin = begin,
		.landed = landed,
		.publish = publish,
		.stop = stop,
	};
	struct pinpool_info base = {.size = sizeof(base)};
	struct pinpool_load_report loaded = {.size = sizeof(loaded)};
	struct pinpool_load_opts opts;
	pthread_condattr_t attr;
	int err;

	err = check_opts(load_opts, pack_report, &opts, diag);
	if (err)
		return err;
	packer.cancel = opts.cancel;
	err = pack_begin(&packer.pack, ctx, name, opts.create, pack_opts, diag);
	if (err)
		return err;
	pthread_mutex_init(&packer.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&packer.wake_packer, &attr);
	pthread_cond_init(&packer.wake_caller, &attr);
	pthread_condattr_destroy(&attr);

	err = load_followed(ctx, name, path, load_opts, &follower, &loaded, diag);
	stop(&packer, err);
	/* Packings that were taken away are no loss, weights are. */
	if (!err && pinpool_pool_stat(ctx, name, &base, NULL) == -ENOENT)
		err = diag_set(diag, -ENOENT, name, NULL, "was removed while it was loaded");
	if (!err && load_report)
		err = opts_write(load_report, &loaded, sizeof(loaded));
	if (!err && loaded.attached)
		err = pack_attached(&packer, load_opts, pack_report, diag);
	else if (!err)
		err = pack_fill_report(&packer.pack, pack_report);
	pack_end(&packer.pack, err);

	pthread_cond_destroy(&packer.wake_caller);
	pthread_cond_destroy(&packer.wake_packer);
	pthread_mutex_destroy(&packer.lock);
	return err;
}
