/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The memory of a window: the first bytes of a pool in state LOADING, mapped twice, back to back. When its only writer
 * is gone the pool is EMPTY again, whatever became of him.
 */
#include "base/diag.h"
#include "base/opts.h"
#include "pool/backend.h"
#include "pool/populate.h"
#include "window/window.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

/* Both mappings begin at whole huge pages. */
#define HUGE_PAGE ((uint64_t)2 << 20)

bool ring_commands(struct pinpool_ctx *ctx)
{
	struct pinpool_ctx_info info = {.size = sizeof(info)};

	return ctx->ops->kind == PINPOOL_BACKEND_MODULE &&
	       (pinpool_ctx_get_info(ctx, &info) || (info.features & PINPOOL_FEATURE_URING_READ));
}

static int make_pool(struct window_ring *ring, const struct pinpool_window_opts *opts, uint64_t bytes,
		     struct pinpool_diag *diag)
{
	struct pinpool_create_opts create;
	int err;

	err = opts_read(&create, sizeof(create), opts->create);
	if (err)
		return diag_set(diag, err, "pinpool_create_opts", NULL, "options this library does not know");
	create.capacity = bytes;
	err = pinpool_pool_create(ring->ctx, ring->name, &create, diag);
	if (!err)
		ring->named = true;
	/* Made by somebody else since we looked; whether it can be used shows when it is opened. */
	return err == -EEXIST && opts->name ? 0 : err;
}

/* The pool, in state LOADING. */
static int take_pool(struct window_ring *ring, const struct pinpool_window_opts *opts, uint64_t bytes,
		     struct pinpool_diag *diag)
{
	struct pinpool_diag why = {0};
	int err = -ENOENT;

	if (opts->name)
		err = pinpool_pool_open(ring->ctx, ring->name, PINPOOL_OPEN_WRITE, &ring->pool, &why);
	if (err && err != -ENOENT && diag)
		*diag = why;
	if (err == -ENOENT) {
		err = make_pool(ring, opts, bytes, diag);
		if (!err)
			err = pinpool_pool_open(ring->ctx, ring->name, PINPOOL_OPEN_WRITE, &ring->pool, diag);
	}
	if (!err)
		err = pinpool_pool_begin(ring->pool, diag);
	if (err == -EROFS)
		return diag_set(diag, -EEXIST, ring->name, "choose another name, or remove the pool first",
				"a pool of this name is READY");
	return err;
}

/* Two mappings of the pool's first bytes, the second where the first ends. */
static int map_twice(struct window_ring *ring, const struct pinpool_info *info, struct pinpool_diag *diag)
{
	int flags = MAP_SHARED | MAP_FIXED | (info->on_demand ? MAP_NORESERVE : 0);
	int fd = pinpool_pool_fd(ring->pool);
	size_t both = ring->bytes * 2;
	char *room, *at;

	room = mmap(NULL, both + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return diag_errno(diag, -errno, ring->name);
	at = room + -(uintptr_t)room % HUGE_PAGE;
	for (char *half = at; half < at + both; half += ring->bytes) {
		if (mmap(half, ring->bytes, PROT_READ | PROT_WRITE, flags, fd, 0) != MAP_FAILED)
			continue;
		diag_errno(diag, -errno, ring->name);
		munmap(room, both + HUGE_PAGE);
		return -ENOMEM;
	}
	if (at > room)
		munmap(room, (size_t)(at - room));
	if (at - room < (ptrdiff_t)HUGE_PAGE)
		munmap(at + both, HUGE_PAGE - (size_t)(at - room));
	/* A core dump of a program that uses a model shall not hold the model. */
	madvise(at, both, MADV_DONTDUMP);
	ring->base = at;
	return 0;
}

static int open_ring(struct window_ring *ring, const struct pinpool_window_opts *opts, uint64_t bytes,
		     struct pinpool_diag *diag)
{
	struct pinpool_info info = {.size = sizeof(info)};
	int err;

	err = take_pool(ring, opts, bytes, diag);
	if (err)
		return err;
	err = pinpool_pool_get_info(ring->pool, &info);
	if (err)
		return diag_errno(diag, err, ring->name);
	if (info.capacity < bytes) {
		diag_set(diag, -ENOSPC, ring->name, NULL, "the pool holds %" PRIu64 " bytes, the window needs %" PRIu64,
			 info.capacity, bytes);
		diag_change(diag, "use a window of at most %" PRIu64 " bytes", info.capacity & -HUGE_PAGE);
		return -ENOSPC;
	}
	ring->bytes = bytes;
	err = map_twice(ring, &info, diag);
	if (err)
		return err;
	if (info.on_demand && populate_write(ring->base, ring->bytes))
		return populate_failed(ring->name, diag);
	/* Nobody is to find it, and the kernel frees it with its last user. */
	if (!opts->name) {
		err = pinpool_pool_destroy(ring->ctx, ring->name, diag);
		if (!err)
			ring->named = false;
	}
	return err;
}

int ring_open(struct window_ring *ring, struct pinpool_ctx *ctx, const struct pinpool_window_opts *opts, uint64_t bytes,
	      struct pinpool_diag *diag)
{
	uint64_t number;
	int err;

	*ring = (struct window_ring){.ctx = pinpool_ctx_ref(ctx)};
	if (opts->name) {
		err = pinpool_name_check(opts->name);
		if (err) {
			diag_set(diag, err, opts->name, "use 1 to 63 of letters, digits, '.', '_' and '-'",
				 "is no pool name");
			goto err_ring;
		}
		snprintf(ring->name, sizeof(ring->name), "%s", opts->name);
	} else {
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			number = (uintptr_t)ring;
		snprintf(ring->name, sizeof(ring->name), "window-%d-%016" PRIx64, (int)getpid(), number);
	}
	err = open_ring(ring, opts, bytes, diag);
	if (!err)
		return 0;
err_ring:
	ring_close(ring);
	return err;
}

void ring_close(struct window_ring *ring)
{
	if (ring->base)
		munmap(ring->base, ring->bytes * 2);
	/* Explicitly: a worker of io_uring may keep the file a moment longer than we do. */
	if (ring->pool)
		pinpool_pool_abort(ring->pool);
	pinpool_pool_close(ring->pool);
	if (ring->named && pinpool_pool_destroy(ring->ctx, ring->name, NULL))
		ctx_log(ring->ctx, PINPOOL_LOG_WARN, "%s: the pool made for the window could not be removed",
			ring->name);
	if (ring->ctx)
		pinpool_ctx_unref(ring->ctx);
	*ring = (struct window_ring){0};
}
