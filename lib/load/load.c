/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A load from path to published pool: plan, take the pool, stream, catalog, commit. Until the commit nothing is
 * visible; whatever goes wrong before it, the pool is EMPTY or gone afterwards.
 */
#include "base/diag.h"
#include "base/opts.h"
#include "load/follow.h"
#include "load/plan.h"
#include "pool/backend.h"
#include "pool/module_error.h"
#include "pool/populate.h"
#include "stream/digest.h"
#include "stream/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

/* The kernel drops the pins of direct reads a moment after it reports their end; so long a commit is tried again. */
#define COMMIT_WAIT_NS 2000000000u
#define COMMIT_STEP_NS 1000000
/* Those who watch the pool are told this often. */
#define TELL_NS	       200000000u

struct load {
	struct pinpool_ctx *ctx;
	const char *name;
	struct pinpool_load_opts opts;
	uint64_t told_ns; /* when others were last told how far it is */
	const struct load_follower *follower; /* or NULL */
	struct plan plan;
	struct pinpool_pool *pool;
	bool created;
	bool commands; /* the module reads files by itself */
	uint64_t create_ns;
	uint64_t start_ns;
	void *base;
	size_t capacity;
	struct stream_result result;
	struct pinpool_commit_opts commit;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int too_small(const struct load *load, uint64_t capacity, struct pinpool_diag *diag)
{
	diag_set(diag, -ENOSPC, load->name, NULL,
		 "the pool holds %" PRIu64 " bytes, the checkpoint and its catalog need %" PRIu64, capacity,
		 load->plan.capacity);
	diag_change(diag, "give a capacity of at least %" PRIu64, load->plan.capacity);
	return -ENOSPC;
}

static int create_pool(struct load *load, struct pinpool_diag *diag)
{
	struct pinpool_create_opts create;
	uint64_t start = now_ns();
	int err;

	err = opts_read(&create, sizeof(create), load->opts.create);
	if (err)
		return diag_set(diag, err, "pinpool_create_opts", NULL, "options this library does not know");
	if (!create.capacity)
		create.capacity = load->plan.capacity;
	if (create.capacity < load->plan.capacity)
		return too_small(load, create.capacity, diag);
	err = pinpool_pool_create(load->ctx, load->name, &create, diag);
	if (!err) {
		load->created = true;
		load->create_ns = now_ns() - start;
	}
	/* Made by somebody else since we looked; whether it can be used shows below. */
	return err == -EEXIST ? 0 : err;
}

/* Whether the kernel could not write to the pool's memory, through the mapping or by a command. */
static bool is_fault(const struct load *load, int err)
{
	if (load->result.io == PINPOOL_IO_URING_CMD)
		return err == -ENOMEM || err == -ENOSPC || err == -EDQUOT;
	return err == -EFAULT;
}

/* From a pool on demand that says that it had no page. */
static int explain_fault(const struct load *load, int err, struct pinpool_diag *diag)
{
	struct pinpool_info info = {.size = sizeof(info)};

	if (!is_fault(load, err) || pinpool_pool_get_info(load->pool, &info) || !info.on_demand)
		return err;
	return populate_failed(load->name, diag);
}

/* Whether there are commands to read files into a pool. Asked for by name, their lack is refused. */
static int find_commands(struct load *load, struct pinpool_diag *diag)
{
	struct pinpool_ctx_info info = {.size = sizeof(info)};

	if (load->ctx->ops->kind != PINPOOL_BACKEND_MODULE)
		return 0;
	/* Who may not ask finds out by trying. */
	load->commands = pinpool_ctx_get_info(load->ctx, &info) || (info.features & PINPOOL_FEATURE_URING_READ);
	if (!load->commands && load->opts.io == PINPOOL_IO_URING_CMD)
		return module_too_old(load->name, "commands that read files", diag);
	return 0;
}

/* The pool, in state LOADING and mapped. */
static int take_pool(struct load *load, struct pinpool_diag *diag)
{
	struct pinpool_diag why = {0};
	int err;

	err = pinpool_pool_open(load->ctx, load->name, PINPOOL_OPEN_WRITE, &load->pool, &why);
	if (err && err != -ENOENT && diag)
		*diag = why;
	if (err == -ENOENT) {
		err = create_pool(load, diag);
		if (!err)
			err = pinpool_pool_open(load->ctx, load->name, PINPOOL_OPEN_WRITE, &load->pool, diag);
	}
	if (err)
		return err;
	err = pinpool_pool_begin(load->pool, diag);
	if (err == -EROFS)
		return diag_set(diag, -EEXIST, load->name, "choose another name, or remove the pool first",
				"a pool of this name is READY");
	if (err)
		return err;
	err = pinpool_pool_map_writable(load->pool, &load->base, &load->capacity);
	if (err)
		return diag_errno(diag, err, load->name);
	return load->capacity < load->plan.capacity ? too_small(load, load->capacity, diag) : 0;
}

/* What the engine says goes to the caller, and now and then to whoever watches the pool. */
static int tell(void *arg, const struct pinpool_progress *progress)
{
	const struct backend_ops *ops;
	struct load *load = arg;
	uint64_t now = now_ns();

	ops = load->ctx->ops;
	if (ops->pool_progress && (!load->told_ns || now - load->told_ns >= TELL_NS)) {
		load->told_ns = now;
		/* Nobody is harmed who does not see it. */
		ops->pool_progress(load->pool, progress->done, progress->total);
	}
	return load->opts.progress ? load->opts.progress(load->opts.progress_arg, progress) : 0;
}

static int stream_files(struct load *load, struct pinpool_diag *diag)
{
	struct pinpool_load_opts opts = load->opts;
	uint64_t end = load->plan.length + -load->plan.length % SOURCE_DIRECT_ALIGN;
	struct stream_job job = {
		.ctx = load->ctx,
		.base = load->base,
		.pool = load->commands ? pinpool_pool_fd(load->pool) : -1,
		/* No further than files reach: what is registered beyond would get pages for nothing. */
		.capacity = end < load->capacity ? end : load->capacity,
		.files = load->plan.files,
		.count = load->plan.checkpoint.count,
		.opts = &opts,
		.landed = load->follower ? load->follower->landed : NULL,
		.landed_arg = load->follower ? load->follower->arg : NULL,
	};
	int err;

	opts.progress = tell;
	opts.progress_arg = load;
	load->start_ns = now_ns();
	err = explain_fault(load, stream_run(&job, &load->result, diag), diag);
	for (size_t i = 0; i < job.count && !err; i++)
		err = source_check(job.files[i].source, diag);
	return err;
}

/* What is published: one file's digest is that of the content, several make a list. */
static void make_commit(struct load *load)
{
	const struct plan *plan = &load->plan;
	struct pinpool_commit_opts *commit = &load->commit;

	*commit = (struct pinpool_commit_opts){.size = sizeof(*commit), .length = plan->length};
	if (load->opts.no_digest)
		return;
	if (plan->checkpoint.count == 1) {
		commit->digest_kind = PINPOOL_DIGEST_XXH3_128;
		memcpy(commit->digest, plan->files[0].digest, sizeof(commit->digest));
		return;
	}
	commit->digest_kind = PINPOOL_DIGEST_XXH3_128_LIST;
	digest_of_list((const uint8_t(*)[PINPOOL_DIGEST_BYTES])plan->digests, plan->checkpoint.count, commit->digest);
}

/* Pages for the catalog, at the end of the capacity, before it is written there by memory accesses. */
static int populate_catalog(struct load *load, struct pinpool_diag *diag)
{
	size_t bytes = load->plan.capacity - load->plan.length;

	if (populate_write((char *)load->base + load->capacity - bytes, bytes))
		return populate_failed(load->name, diag);
	return 0;
}

static int publish(struct load *load, struct pinpool_diag *diag)
{
	const struct timespec step = {.tv_nsec = COMMIT_STEP_NS};
	uint64_t start;
	int err;

	if (!load->opts.no_digest)
		plan_store_digests(&load->plan);
	err = populate_catalog(load, diag);
	if (err)
		return err;
	err = catalog_writer_write(load->plan.catalog, load->base, load->capacity, load->plan.length);
	if (err)
		return diag_errno(diag, err, load->name);
	make_commit(load);
	if (load->follower) {
		err = load->follower->publish(load->follower->arg, &load->plan, &load->commit, diag);
		if (err)
			return err;
	}
	start = now_ns();
	do {
		err = pinpool_pool_commit(load->pool, &load->commit, diag);
		if (err == -EBUSY)
			nanosleep(&step, NULL);
	} while (err == -EBUSY && now_ns() - start < COMMIT_WAIT_NS);
	return err;
}

static void undo(struct load *load)
{
	if (load->follower)
		load->follower->stop(load->follower->arg);
	/* Explicitly: a worker of io_uring may keep the file a moment longer than we do. */
	if (load->pool)
		pinpool_pool_abort(load->pool);
	pinpool_pool_close(load->pool);
	if (load->created && pinpool_pool_destroy(load->ctx, load->name, NULL))
		ctx_log(load->ctx, PINPOOL_LOG_WARN, "%s: the pool made for the load could not be removed", load->name);
}

static int fill_report(const struct load *load, struct pinpool_load_report *report)
{
	struct pinpool_load_report result = {
		.size = sizeof(result),
		.elapsed_ns = now_ns() - load->start_ns,
		.create_ns = load->create_ns,
		.files = (uint32_t)load->plan.checkpoint.count,
		.io = load->result.io,
		.direct = load->result.direct,
		.fixed_files = load->result.fixed_files,
		.chunk_bytes = load->result.chunk_bytes,
		.queue_depth = load->result.queue_depth,
		.requests = load->result.requests,
		.digest_kind = load->commit.digest_kind,
	};

	for (size_t i = 0; i < load->plan.checkpoint.count; i++) {
		result.bytes += load->plan.checkpoint.files[i].source.size;
		result.tensors += (uint32_t)load->plan.checkpoint.files[i].count;
	}
	memcpy(result.digest, load->commit.digest, sizeof(result.digest));
	return opts_write(report, &result, sizeof(result));
}

int load_followed(struct pinpool_ctx *ctx, const char *name, const char *path, const struct pinpool_load_opts *opts,
		  const struct load_follower *follower, struct pinpool_load_report *report, struct pinpool_diag *diag)
{
	struct load load = {.ctx = ctx, .name = name, .follower = follower};
	int err;

	err = opts_read(&load.opts, sizeof(load.opts), opts);
	if (err)
		return diag_set(diag, err, "pinpool_load_opts", NULL, "options this library does not know");
	if (report && report->size < sizeof(report->size))
		return diag_set(diag, -EINVAL, "pinpool_load_report", NULL, "its size is not set");
	err = pinpool_name_check(name);
	if (err)
		return diag_set(diag, err, name, "use 1 to 63 of letters, digits, '.', '_' and '-'", "is no pool name");
	err = find_commands(&load, diag);
	if (err)
		return err;
	err = plan_make(&load.plan, path, diag);
	if (err)
		return err;
	err = take_pool(&load, diag);
	if (!err && follower)
		err = follower->begin(follower->arg, load.pool, &load.plan, load.base, diag);
	if (!err)
		err = stream_files(&load, diag);
	if (!err)
		err = publish(&load, diag);
	if (err)
		undo(&load);
	else
		pinpool_pool_close(load.pool);
	if (!err && report)
		err = fill_report(&load, report);
	plan_free(&load.plan);
	return err;
}

int pinpool_load(struct pinpool_ctx *ctx, const char *name, const char *path, const struct pinpool_load_opts *opts,
		 struct pinpool_load_report *report, struct pinpool_diag *diag)
{
	return load_followed(ctx, name, path, opts, NULL, report, diag);
}
