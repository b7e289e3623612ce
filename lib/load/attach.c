/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Comparing what a pool holds with what would be loaded; see attach.h. */
#include "load/attach.h"
#include "base/clock.h"
#include "base/diag.h"
#include "stream/digest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long a wait lasts at most before cancel is looked at. */
#define TICK_MS	   100
/* Bytes of a file that are read again at a time. */
#define STEP_BYTES (1u << 20)

static int tick(const struct attach *attach, uint64_t done, const char *file, struct pinpool_diag *diag)
{
	const struct pinpool_load_opts *opts = attach->opts;
	const struct pinpool_progress progress = {
		.done = done,
		.total = attach->plan->length,
		.elapsed_ns = clock_now_ns() - attach->start_ns,
		.file = file,
	};

	if ((opts->cancel && *opts->cancel) || (opts->progress && opts->progress(opts->progress_arg, &progress)))
		return diag_errno(diag, -ECANCELED, attach->name);
	return 0;
}

int attach_sleep(const struct attach *attach, struct pinpool_diag *diag)
{
	const struct timespec step = {.tv_nsec = TICK_MS * 1000000 / 10};

	nanosleep(&step, NULL);
	return tick(attach, 0, attach->plan->checkpoint.files[0].source.path, diag);
}

/* The pool is READY and holds something else. */
__attribute__((format(printf, 3, 4))) static int differs(const struct attach *attach, struct pinpool_diag *diag,
							 const char *fmt, ...)
{
	char what[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return diag_set(diag, -EEXIST, attach->name, "choose another name, or remove the pool first",
			"a pool of this name is READY and holds something else: %s", what);
}

static int compare_source(const struct attach *attach, const struct pinpool_source *is,
			  const struct pinpool_source *want, struct pinpool_diag *diag)
{
	if (strcmp(is->path, want->path))
		return differs(attach, diag, "path %s, not %s", is->path, want->path);
	if (is->inode != want->inode)
		return differs(attach, diag, "%s: inode %" PRIu64 ", now %" PRIu64, is->path, is->inode, want->inode);
	if (is->file_bytes != want->file_bytes)
		return differs(attach, diag, "%s: size %" PRIu64 ", now %" PRIu64, is->path, is->file_bytes,
			       want->file_bytes);
	if (is->mtime_ns != want->mtime_ns)
		return differs(attach, diag, "%s: mtime %" PRIu64 ", now %" PRIu64 " ns", is->path, is->mtime_ns,
			       want->mtime_ns);
	if (is->part != want->part || is->offset != want->offset || is->bytes != want->bytes)
		return differs(attach, diag, "%s: another selection of its tensors", is->path);
	return 0;
}

static bool same_ranges(const struct pinpool_tensor *is, const struct pinpool_tensor *want)
{
	return is->slice_range_count == want->slice_range_count &&
	       (!is->slice_range_count ||
		!memcmp(is->slice_ranges, want->slice_ranges, is->slice_range_count * sizeof(*is->slice_ranges)));
}

static bool same_tensor(const struct pinpool_tensor *is, const struct pinpool_tensor *want)
{
	return is->dtype == want->dtype && is->ndim == want->ndim && is->offset == want->offset &&
	       is->bytes == want->bytes && is->source == want->source && is->sliced == want->sliced &&
	       (!is->sliced || (is->slice_dim == want->slice_dim && is->slice_begin == want->slice_begin &&
				is->slice_extent == want->slice_extent && same_ranges(is, want))) &&
	       is->coded == want->coded && !memcmp(is->shape, want->shape, is->ndim * sizeof(*is->shape));
}

static int compare(const struct attach *attach, const struct pinpool_catalog *catalog, struct pinpool_diag *diag)
{
	const struct plan *plan = attach->plan;
	struct pinpool_source source = {.size = sizeof(source)};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	int err;

	/* A file may be missing in a selection, so that its path is what differs. */
	for (size_t i = 0; i < plan->source_count && !pinpool_catalog_source(catalog, i, &source); i++) {
		err = compare_source(attach, &source, &plan->sources[i], diag);
		if (err)
			return err;
	}
	if (pinpool_catalog_source_count(catalog) != plan->source_count)
		return differs(attach, diag, "%zu files, not %zu", pinpool_catalog_source_count(catalog),
			       plan->source_count);
	for (size_t i = 0; i < plan->tensor_count; i++)
		if (pinpool_catalog_find(catalog, plan->tensors[i].name, &tensor) ||
		    !same_tensor(&tensor, &plan->tensors[i]))
			return differs(attach, diag, "another selection, in which tensor %s is not the same",
				       plan->tensors[i].name);
	if (pinpool_catalog_tensor_count(catalog) != plan->tensor_count)
		return differs(attach, diag, "another selection, of %zu tensors, not %zu",
			       pinpool_catalog_tensor_count(catalog), plan->tensor_count);
	return 0;
}

/* Feeds [@offset, @offset + @bytes) of a file to @state. */
static int digest_span(const struct attach *attach, const struct source *source, uint64_t offset, uint64_t bytes,
		       XXH3_state_t *state, char *buffer, uint64_t *done, struct pinpool_diag *diag)
{
	for (uint64_t step; bytes; bytes -= step, offset += step, *done += step) {
		int err;

		step = bytes < STEP_BYTES ? bytes : STEP_BYTES;
		err = source_read(source, buffer, step, offset, diag);
		if (!err)
			XXH3_128bits_update(state, buffer, step);
		if (!err && *done / STEP_BYTES != (*done + step) / STEP_BYTES)
			err = tick(attach, *done, source->path, diag);
		if (err)
			return err;
	}
	return 0;
}

/* Reads all of the files, or every tensor of a selection, again; what is in the pool must have the same digests. */
static int compare_digests(const struct attach *attach, const struct pinpool_catalog *catalog, XXH3_state_t *state,
			   char *buffer, struct pinpool_diag *diag)
{
	const struct plan *plan = attach->plan;
	const bool whole = plan->selection.whole;
	const size_t count = whole ? plan->file_count : plan->tensor_count;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	struct pinpool_source source = {.size = sizeof(source)};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	uint64_t done = 0;

	for (size_t i = 0; i < count; i++) {
		const struct selected *selected = whole ? NULL : &plan->selection.tensors[i];
		const struct source *from =
			whole ? plan->files[i].source : &plan->checkpoint.files[selected->file].source;
		uint64_t begin = whole ? 0 : selected->begin, end = whole ? from->size : selected->end;
		uint64_t width = !whole && selected->width ? selected->width : end - begin;
		size_t spans = whole ? 0 : selected->span_count;
		bool has_digest;
		int err = 0;

		XXH3_128bits_reset(state);
		for (size_t span = 0; span < spans && !err; span++)
			err = digest_span(attach, from, selected->spans[span].begin,
					  selected->spans[span].end - selected->spans[span].begin, state, buffer, &done,
					  diag);
		for (; !spans && begin < end && !err; begin += whole || !selected->width ? width : selected->stride)
			err = digest_span(attach, from, begin, width, state, buffer, &done, diag);
		if (err)
			return err;
		digest_final(state, digest);
		if (whole)
			pinpool_catalog_source(catalog, i, &source);
		else
			pinpool_catalog_find(catalog, plan->tensors[i].name, &tensor);
		has_digest = whole ? source.has_digest : tensor.has_digest;
		if (!has_digest)
			return differs(attach, diag, "%s was loaded without digests", from->path);
		if (memcmp(digest, whole ? source.digest : tensor.digest, sizeof(digest)))
			return differs(attach, diag, "%s: digest%s%s", from->path, whole ? "" : " of tensor ",
				       whole ? "" : plan->tensors[i].name);
	}
	return 0;
}

static int check_digests(const struct attach *attach, const struct pinpool_catalog *catalog, struct pinpool_diag *diag)
{
	XXH3_state_t *state = XXH3_createState();
	char *buffer = malloc(STEP_BYTES);
	int err;

	if (state && buffer)
		err = compare_digests(attach, catalog, state, buffer, diag);
	else
		err = diag_errno(diag, -ENOMEM, attach->name);
	free(buffer);
	XXH3_freeState(state);
	return err;
}

/*
 * The digests that the pool was loaded with, where the plan has those of a load, to be compared with the user's list.
 * What the list names has to be among them.
 */
static int take_digests(const struct attach *attach, const struct pinpool_catalog *catalog, struct pinpool_diag *diag)
{
	const struct plan *plan = attach->plan;
	struct pinpool_source source = {.size = sizeof(source)};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};

	for (size_t i = 0; i < plan->tensor_count; i++) {
		struct stream_range *range = &plan->ranges[i];

		pinpool_catalog_find(catalog, plan->tensors[i].name, &tensor);
		if (!tensor.has_digest || (range->want_sha256 && !tensor.has_sha256))
			return differs(attach, diag, "no %s of tensor %s", tensor.has_digest ? "SHA-256" : "digest",
				       tensor.name);
		memcpy(range->digest, tensor.digest, sizeof(range->digest));
		memcpy(range->sha256, tensor.sha256, sizeof(range->sha256));
	}
	for (size_t i = 0; i < plan->file_count && plan->selection.whole; i++) {
		struct stream_file *file = &plan->files[i];

		pinpool_catalog_source(catalog, i, &source);
		if (!source.has_digest || (file->want_sha256 && !source.has_sha256))
			return differs(attach, diag, "no %s of %s", source.has_digest ? "SHA-256" : "digest",
				       source.path);
		memcpy(file->digest, source.digest, sizeof(file->digest));
		memcpy(file->sha256, source.sha256, sizeof(file->sha256));
	}
	return 0;
}

static int compare_ready(struct attach *attach, struct pinpool_pool *pool, struct pinpool_diag *diag)
{
	struct pinpool_catalog *catalog;
	int err;

	err = pinpool_catalog_open(pool, &catalog, diag);
	if (err == -ENOENT)
		return differs(attach, diag, "it has no catalog");
	if (err)
		return err;
	err = compare(attach, catalog, diag);
	if (!err && attach->opts->attach_digest)
		err = check_digests(attach, catalog, diag);
	if (!err && attach->plan->list)
		err = take_digests(attach, catalog, diag);
	pinpool_catalog_close(catalog);
	return err;
}

/* Until it is not LOADING any more. */
static int wait_for(struct attach *attach, struct pinpool_pool *pool, struct pinpool_diag *diag)
{
	int err;

	for (;;) {
		attach->info.size = sizeof(attach->info);
		err = pinpool_pool_get_info(pool, &attach->info);
		if (err)
			return diag_errno(diag, err, attach->name);
		if (attach->info.state != PINPOOL_STATE_LOADING)
			return 0;
		err = pinpool_pool_wait(pool, TICK_MS);
		if (err == -ENOENT)
			return err;
		if (err && err != -ETIMEDOUT && err != -EINTR)
			return diag_errno(diag, err, attach->name);
		err = tick(attach, 0, attach->plan->checkpoint.files[0].source.path, diag);
		if (err)
			return err;
	}
}

int attach_try(struct attach *attach, struct pinpool_diag *diag)
{
	struct pinpool_pool *pool;
	int err;

	err = pinpool_pool_open(attach->ctx, attach->name, PINPOOL_OPEN_READ, &pool, diag);
	if (err)
		return err;
	err = wait_for(attach, pool, diag);
	if (!err)
		err = attach->info.state == PINPOOL_STATE_READY ? compare_ready(attach, pool, diag) : -EAGAIN;
	pinpool_pool_close(pool);
	return err;
}
