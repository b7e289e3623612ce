/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Trials of settings on the files of a load, in the first bytes of its pool, which the load itself writes afterwards.
 * A trial reads places that no other reads, spread over all files, so that neither a cache below nor the beginning of a
 * disk makes one faster. Its digests, events and messages are nobody's; progress and cancel go on.
 */
#include "base/clock.h"
#include "load/tune.h"
#include "pool/ctx.h"
#include "stream/place.h"

#include <errno.h>

/* Places of one trial. A part of a trial is whole chunks whatever the setting. */
#define PIECES 8u

struct probe {
	const struct stream_job *job;
	uint64_t total; /* bytes of all files */
	uint64_t start_ns;
	bool commands;
};

/* The load has not begun, but whoever watches it may end it. */
static int tell(void *arg, const struct pinpool_progress *progress)
{
	const struct probe *probe = arg;
	const struct pinpool_load_opts *opts = probe->job->opts;
	struct pinpool_progress none = {
		.total = probe->total,
		.elapsed_ns = clock_now_ns() - probe->start_ns,
		.file = progress->file,
	};

	return opts->progress ? opts->progress(opts->progress_arg, &none) : 0;
}

/* Piece of @bytes around byte @at of all files. False if that one is too short. */
static bool set_piece(const struct probe *probe, uint64_t at, uint64_t bytes, struct stream_file *piece)
{
	const struct stream_job *job = probe->job;
	size_t i = 0;
	uint64_t size = 0;

	/* Of slices their first bytes stand for all of their rows. */
	for (; i + 1 < job->count && at >= (size = stream_file_bytes(&job->files[i])); i++)
		at -= size;
	piece->source = job->files[i].source;
	size = piece->source->size;
	if (size < bytes)
		return false;
	at += job->files[i].begin;
	if (at > size - bytes)
		at = size - bytes;
	piece->begin = at & -(uint64_t)SOURCE_DIRECT_ALIGN;
	piece->end = piece->begin + bytes;
	return true;
}

static int measure(void *arg, const struct tune_trial *trial, uint64_t *ns)
{
	const struct probe *probe = arg;
	const struct pinpool_ctx quiet = {0};
	const uint64_t bytes = trial->bytes / PIECES, step = probe->total / trial->count / PIECES;
	struct stream_file files[PIECES] = {{0}};
	struct pinpool_load_opts opts = *probe->job->opts;
	struct stream_job job = *probe->job;
	struct stream_result result;
	uint64_t start;
	int err;

	for (uint64_t i = 0; i < PIECES; i++) {
		files[i].offset = i * bytes;
		if (!set_piece(probe, (i * trial->count + trial->index) * step, bytes, &files[i]))
			return -ENODATA;
	}
	opts.no_digest = true;
	opts.trace = NULL;
	opts.progress = tell;
	opts.progress_arg = arg;
	job.ctx = &quiet;
	job.files = files;
	job.count = PIECES;
	job.opts = &opts;
	job.landed = NULL;
	job.content = NULL;
	job.tuning = trial->tuning;
	start = clock_now_ns();
	err = stream_run(&job, &result, NULL);
	*ns = clock_now_ns() - start;
	if (err)
		return err;
	/* It is about other reads than were thought of. */
	if (!result.direct || result.io == PINPOOL_IO_PREAD || (result.io == PINPOOL_IO_URING_CMD) != probe->commands)
		return -ENODEV;
	return result.iopoll == trial->tuning.iopoll && result.sqpoll == trial->tuning.sqpoll ? 0 : -EOPNOTSUPP;
}

/* Whether everything lies on one disk, which is @device. */
static bool find_device(const struct stream_job *job, struct device *device)
{
	for (size_t i = 1; i < job->count; i++)
		if (job->files[i].source->dev != job->files[0].source->dev)
			return false;
	return job->count && !device_find(device, DEVICE_SYSFS, job->files[0].source->dev);
}

int tune_job(struct stream_job *job, bool probe, enum pinpool_tuning *how)
{
	const struct pinpool_load_opts *opts = job->opts;
	struct probe trials = {.job = job, .start_ns = clock_now_ns()};
	struct tune tune = {.ctx = job->ctx, .probe = probe, .measure = measure, .arg = &trials};
	struct device device;
	struct place place;

	*how = PINPOOL_TUNING_GIVEN;
	if (opts->chunk_bytes || opts->queue_depth)
		return 0;
	*how = PINPOOL_TUNING_DEFAULT;
	for (size_t i = 0; i < job->count; i++)
		trials.total += stream_file_bytes(&job->files[i]);
	if (trials.total < TUNE_LOAD_MIN || opts->buffered || opts->io == PINPOOL_IO_PREAD ||
	    !find_device(job, &device) || place_begin(&place, job->node))
		return 0;
	tune.bytes = trials.total;
	tune.device = &device;
	tune.processors = (unsigned int)place_size(&place);
	tune.commands = trials.commands = job->pool >= 0 && (!opts->io || opts->io == PINPOOL_IO_URING_CMD);
	place_end(&place);
	return tune_choose(&tune, &job->tuning, how);
}
