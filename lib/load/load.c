/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A load from path to published pool: plan, take the pool, stream, catalog, commit. Until the commit nothing is
 * visible; whatever goes wrong before it, the pool is EMPTY or gone afterwards.
 */
#include "base/clock.h"
#include "base/diag.h"
#include "base/opts.h"
#include "load/attach.h"
#include "load/digests.h"
#include "load/follow.h"
#include "load/landing.h"
#include "load/plan.h"
#include "load/tune.h"
#include "pool/backend.h"
#include "pool/module_error.h"
#include "pool/populate.h"
#include "pool/take.h"
#include "stream/digest.h"
#include "stream/place.h"
#include "stream/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

/* The kernel drops the pins of direct reads a moment after it reports their end; so long a commit is tried again. */
#define COMMIT_WAIT_NS 2000000000u
#define COMMIT_STEP_NS 1000000
/* So long an EMPTY pool that cannot be begun is tried again by a load that attaches: somebody is about to begin. */
#define BEGIN_WAIT_NS  2000000000u
/* Those who watch the pool are told this often. */
#define TELL_NS	       200000000u

struct load {
	struct pinpool_ctx *ctx;
	const char *name;
	struct pinpool_load_opts opts;
	uint64_t told_ns; /* when others were last told how far it is */
	const struct load_follower *followers; /* a list */
	struct teller teller;
	struct plan plan;
	struct pinpool_pool *pool;
	bool created;
	bool attached;
	bool commands; /* the module reads files by itself */
	uint64_t create_ns;
	uint64_t start_ns;
	void *base;
	size_t capacity;
	struct stream_result result;
	enum pinpool_tuning tuning;
	struct pinpool_commit_opts commit;
	uint64_t digests_equal;
};

static int too_small(const struct load *load, uint64_t capacity, struct pinpool_diag *diag)
{
	diag_set(diag, -ENOSPC, load->name, NULL,
		 "the pool holds %" PRIu64 " bytes, the checkpoint and its catalog need %" PRIu64, capacity,
		 load->plan.capacity);
	diag_change(diag, "give a capacity of at least %" PRIu64, load->plan.capacity);
	return -ENOSPC;
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

/* The pool, in state LOADING. */
static int begin_pool(struct load *load, struct pinpool_diag *diag)
{
	struct take take = {
		.ctx = load->ctx, .name = load->name, .create = load->opts.create, .need = load->plan.capacity};
	int err = take_begin(&take, diag);

	load->pool = take.pool;
	load->created = take.created;
	load->create_ns = take.create_ns;
	return take.small ? too_small(load, take.small, diag) : err;
}

/* Whether what has the name is the pool that we hold: who waited for a load that failed may have one that is gone. */
static bool has_name(const struct load *load)
{
	struct pinpool_info named = {.size = sizeof(named)}, held = {.size = sizeof(held)};

	return !pinpool_pool_stat(load->ctx, load->name, &named, NULL) && !pinpool_pool_get_info(load->pool, &held) &&
	       named.created_ns == held.created_ns;
}

static void drop_pool(struct load *load)
{
	if (load->pool)
		pinpool_pool_abort(load->pool);
	pinpool_pool_close(load->pool);
	load->pool = NULL;
}

/* Attaches, or else the pool is LOADING: whoever finds it EMPTY, or gone, loads it, and the others wait for him. */
static int attach_or_begin(struct load *load, struct pinpool_diag *diag)
{
	struct attach attach = {
		.ctx = load->ctx,
		.name = load->name,
		.plan = &load->plan,
		.opts = &load->opts,
		.start_ns = clock_now_ns(),
	};
	uint64_t start = attach.start_ns;
	int err;

	for (;;) {
		uint64_t before = clock_now_ns();

		err = attach_try(&attach, diag);
		load->attached = !err;
		if (err != -EAGAIN && err != -ENOENT)
			break;
		/* It was waited for: who holds an EMPTY one now has only begun to. */
		if (clock_now_ns() - before > COMMIT_STEP_NS * 50u)
			start = clock_now_ns();
		err = begin_pool(load, diag);
		if (!err && has_name(load))
			return 0;
		if (err && err != -EBUSY && err != -EEXIST && err != -ENOENT)
			return err;
		drop_pool(load);
		load->created = false;
		if (err && clock_now_ns() - start > BEGIN_WAIT_NS)
			return err;
		err = attach_sleep(&attach, diag);
		if (err)
			return err;
	}
	if (!err) {
		load->start_ns = attach.start_ns;
		load->commit.digest_kind = attach.info.digest_kind;
		memcpy(load->commit.digest, attach.info.digest, sizeof(load->commit.digest));
		if (load->plan.list)
			err = digest_list_compare(load->plan.list, &load->digests_equal, diag);
	}
	return err;
}

/* The pool, in state LOADING and mapped; or attached to. */
static int take_pool(struct load *load, struct pinpool_diag *diag)
{
	int err;

	err = load->opts.attach ? attach_or_begin(load, diag) : begin_pool(load, diag);
	if (err || load->attached)
		return err;
	err = pinpool_pool_map_writable(load->pool, &load->base, &load->capacity);
	if (err)
		return diag_errno(diag, err, load->name);
	return load->capacity < load->plan.capacity ? too_small(load, load->capacity, diag) : 0;
}

/* Pages for slices that the engine copies to their places, which of a pool on demand may not be there. */
static int populate_gathered(struct load *load, struct pinpool_diag *diag)
{
	struct pinpool_info info = {.size = sizeof(info)};

	if (pinpool_pool_get_info(load->pool, &info) || !info.on_demand)
		return 0;
	for (size_t i = 0; i < load->plan.file_count; i++) {
		const struct stream_file *file = &load->plan.files[i];

		if (stream_file_is_gathered(file) &&
		    populate_write((char *)load->base + file->offset, stream_file_bytes(file)))
			return populate_failed(load->name, diag);
	}
	return 0;
}

/* Of the engine, for all that follow. The caller comes last: he may take his time. */
static void tell_landed(void *arg, uint64_t end)
{
	struct load *load = arg;

	for (const struct load_follower *at = load->followers; at; at = at->next)
		if (at->landed)
			at->landed(at->arg, end);
	if (load->opts.landed)
		teller_landed(&load->teller, end);
}

static int begin_followers(struct load *load, struct pinpool_diag *diag)
{
	int err = 0;

	for (const struct load_follower *at = load->followers; at && !err; at = at->next)
		err = at->begin(at->arg, load->pool, &load->plan, load->base, diag);
	load->teller.opts = &load->opts;
	load->teller.landing =
		(struct landing){.plan = &load->plan, .base = load->base, .digests = !load->opts.no_digest};
	return err;
}

/* What the engine says goes to the caller, and now and then to whoever watches the pool. */
static int tell(void *arg, const struct pinpool_progress *progress)
{
	const struct backend_ops *ops;
	struct load *load = arg;
	uint64_t now = clock_now_ns();

	ops = load->ctx->ops;
	if (ops->pool_progress && (!load->told_ns || now - load->told_ns >= TELL_NS)) {
		load->told_ns = now;
		/* Nobody is harmed who does not see it. */
		ops->pool_progress(load->pool, progress->done, progress->total);
	}
	return load->opts.progress ? load->opts.progress(load->opts.progress_arg, progress) : 0;
}

/* Where size and number of requests are from, for the log. */
static const char *tuning_text(enum pinpool_tuning tuning)
{
	switch (tuning) {
	case PINPOOL_TUNING_GIVEN:
		return "as given";
	case PINPOOL_TUNING_PROBED:
		return "by trials in front of this load";
	case PINPOOL_TUNING_REMEMBERED:
		return "as remembered of the device";
	default:
		return "by default";
	}
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
		.count = load->plan.file_count,
		.opts = &opts,
		.landed = load->followers || load->opts.landed ? tell_landed : NULL,
		.landed_arg = load,
		.content = load->plan.selection.whole ? NULL : load->plan.content,
		.node = place_node(load->pool),
	};
	int err;

	opts.progress = tell;
	opts.progress_arg = load;
	load->start_ns = clock_now_ns();
	err = populate_gathered(load, diag);
	if (!err && tune_job(&job, !opts.no_probe, &load->tuning))
		err = diag_errno(diag, -ECANCELED, load->name);
	if (!err)
		err = explain_fault(load, stream_run(&job, &load->result, diag), diag);
	if (!err)
		ctx_log(load->ctx, PINPOOL_LOG_INFO, "%u requests of %u KiB %s", load->result.queue_depth,
			load->result.chunk_bytes >> 10, tuning_text(load->tuning));
	for (size_t i = 0; i < load->plan.checkpoint.count && !err; i++)
		err = source_check(&load->plan.checkpoint.files[i].source, diag);
	return err;
}

/* What is published: one file's digest is that of the content, several make a list; a selection has its own. */
static void make_commit(struct load *load)
{
	const struct plan *plan = &load->plan;
	struct pinpool_commit_opts *commit = &load->commit;

	*commit = (struct pinpool_commit_opts){.size = sizeof(*commit), .length = plan->length};
	if (load->opts.no_digest)
		return;
	if (!plan->selection.whole || plan->checkpoint.count == 1) {
		commit->digest_kind = PINPOOL_DIGEST_XXH3_128;
		memcpy(commit->digest, plan->selection.whole ? plan->files[0].digest : plan->content,
		       sizeof(commit->digest));
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

	if (load->plan.list) {
		err = digest_list_compare(load->plan.list, &load->digests_equal, diag);
		if (err)
			return err;
	}
	if (!load->opts.no_digest)
		plan_store_digests(&load->plan);
	plan_store_sha256(&load->plan);
	err = plan_check_codes(&load->plan, load->base, diag);
	if (err)
		return err;
	err = populate_catalog(load, diag);
	if (err)
		return err;
	err = catalog_writer_write(load->plan.catalog, load->base, load->capacity, load->plan.length);
	if (err)
		return diag_errno(diag, err, load->name);
	make_commit(load);
	for (const struct load_follower *at = load->followers; at; at = at->next) {
		err = at->publish ? at->publish(at->arg, &load->plan, &load->commit, diag) : 0;
		if (err)
			return err;
	}
	start = clock_now_ns();
	do {
		err = pinpool_pool_commit(load->pool, &load->commit, diag);
		if (err == -EBUSY)
			nanosleep(&step, NULL);
	} while (err == -EBUSY && clock_now_ns() - start < COMMIT_WAIT_NS);
	return err;
}

static void undo(struct load *load, int err)
{
	for (const struct load_follower *at = load->followers; at; at = at->next)
		if (at->stop)
			at->stop(at->arg, err);
	/* Before it is EMPTY, so that nobody who waits takes over what goes next. */
	if (load->created && pinpool_pool_destroy(load->ctx, load->name, NULL))
		ctx_log(load->ctx, PINPOOL_LOG_WARN, "%s: the pool made for the load could not be removed", load->name);
	/* Explicitly: a worker of io_uring may keep the file a moment longer than we do. */
	drop_pool(load);
}

static int fill_report(const struct load *load, struct pinpool_load_report *report)
{
	struct pinpool_load_report result = {
		.size = sizeof(result),
		.elapsed_ns = clock_now_ns() - load->start_ns,
		.create_ns = load->create_ns,
		.bytes = load->result.bytes,
		.files = (uint32_t)load->plan.source_count,
		.tensors = (uint32_t)load->plan.tensor_count,
		.io = load->result.io,
		.direct = load->result.direct,
		.fixed_files = load->result.fixed_files,
		.chunk_bytes = load->result.chunk_bytes,
		.queue_depth = load->result.queue_depth,
		.requests = load->result.requests,
		.digest_kind = load->commit.digest_kind,
		.digests_equal = load->digests_equal,
		.attached = load->attached,
		.tuning = load->tuning,
		.iopoll = load->result.iopoll,
		.sqpoll = load->result.sqpoll,
	};

	memcpy(result.digest, load->commit.digest, sizeof(result.digest));
	return opts_write(report, &result, sizeof(result));
}

/* From LOADING to READY. */
static int run(struct load *load, struct pinpool_diag *diag)
{
	int err = begin_followers(load, diag);

	if (!err)
		err = stream_files(load, diag);
	return err ? err : publish(load, diag);
}

int load_followed(struct pinpool_ctx *ctx, const char *name, const char *path, const struct pinpool_load_opts *opts,
		  const struct load_follower *followers, struct pinpool_load_report *report, struct pinpool_diag *diag)
{
	struct load load = {.ctx = ctx, .name = name, .followers = followers};
	int err;

	err = opts_read(&load.opts, sizeof(load.opts), opts);
	if (err)
		return diag_set(diag, err, "pinpool_load_opts", NULL, "options this library does not know");
	if (report && report->size < sizeof(report->size))
		return diag_set(diag, -EINVAL, "pinpool_load_report", NULL, "its size is not set");
	if (load.opts.sha256 > PINPOOL_SHA256_FILES)
		return diag_set(diag, -EINVAL, "SHA-256", NULL, "there is no choice %d", (int)load.opts.sha256);
	err = pinpool_name_check(name);
	if (err)
		return diag_set(diag, err, name, "use 1 to 63 of letters, digits, '.', '_' and '-'", "is no pool name");
	err = find_commands(&load, diag);
	if (err)
		return err;
	err = plan_make(&load.plan, path, &load.opts, diag);
	if (err)
		return err;
	err = take_pool(&load, diag);
	if (!err && !load.attached)
		err = run(&load, diag);
	if (err)
		undo(&load, err);
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
