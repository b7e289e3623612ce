/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* A run from its plan to its end: choices and fallbacks, errors, progress; see internal.h. */
#include "base/clock.h"
#include "base/diag.h"
#include "pool/ctx.h"
#include "stream/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Smaller files are read from the disk in no time. */
#define CACHED_MIN (16u << 20)

/*
 * Measured on a virtual disk and on a device that copies (docs/loading.md): 1 to 4 MiB, 32 to 128 deep, are within the
 * noise of each other; 8 deep loses 5 % on the disk. Threads cost more than ring entries and do as well with fewer.
 */
#define CHUNK_DEFAULT	(1u << 20)
#define DEPTH_DEFAULT	48u
#define THREADS_DEFAULT 8u
/* A page of the module that one command brings whole is not zeroed before. As many bytes in flight as otherwise. */
#define COMMAND_CHUNK	(2u << 20)
#define COMMAND_DEPTH	24u

const char *pinpool_io_name(enum pinpool_io io)
{
	switch (io) {
	case PINPOOL_IO_AUTO:
		return "auto";
	case PINPOOL_IO_URING_FIXED:
		return "io_uring, fixed buffers";
	case PINPOOL_IO_URING:
		return "io_uring";
	case PINPOOL_IO_PREAD:
		return "pread threads";
	case PINPOOL_IO_URING_CMD:
		return "io_uring, commands";
	}
	return NULL;
}

bool cursor_next(const struct run *run, struct cursor *cursor, struct request *request)
{
	const struct stream_job *job = run->job;
	const struct stream_file *file;
	uint64_t size, memory, room;

	while (cursor->file < job->count && cursor->offset == stream_file_bytes(&job->files[cursor->file])) {
		cursor->file++;
		cursor->offset = 0;
	}
	if (cursor->file == job->count)
		return false;
	file = &job->files[cursor->file];
	size = stream_file_bytes(file);
	memory = file->offset + cursor->offset;
	room = run->chunk - memory % run->chunk;
	*request = (struct request){
		.index = cursor->index++,
		.file = cursor->file,
		.offset = file->begin + cursor->offset,
		.bytes = (uint32_t)(size - cursor->offset < room ? size - cursor->offset : room),
		.memory = memory,
	};
	request->span = request->bytes;
	if (stream_file_is_gathered(file))
		gather_plan(file, cursor->offset, room, request);
	cursor->offset += request->bytes;
	return true;
}

void run_complete(struct run *run, const struct request *request)
{
	bool more = false;

	pthread_mutex_lock(&run->lock);
	run->complete[request->index] = 1;
	run->bytes_read += request->bytes;
	run->bytes_fetched += request->fetched;
	if (request->file > run->file)
		run->file = request->file;
	while (!run->whole && run->complete[run->hole.index]) {
		run->landed = run->hole.memory + run->hole.bytes;
		run->whole = !cursor_next(run, &run->cursor, &run->hole);
		more = true;
	}
	if (more && run->waiting)
		pthread_cond_broadcast(&run->wake_digest);
	pthread_mutex_unlock(&run->lock);
}

uint64_t run_wait_beyond(struct run *run, uint64_t offset)
{
	run->waiting++;
	while (run->landed <= offset && !run->stop)
		pthread_cond_wait(&run->wake_digest, &run->lock);
	run->waiting--;
	return run->stop ? 0 : run->landed;
}

void run_fail(struct run *run, int err, const struct pinpool_diag *why)
{
	pthread_mutex_lock(&run->lock);
	if (!run->error) {
		run->error = err;
		if (why)
			run->why = *why;
		else
			diag_errno(&run->why, err, "load");
	}
	run->stop = true;
	pthread_cond_broadcast(&run->wake_digest);
	pthread_cond_signal(&run->wake_caller);
	pthread_mutex_unlock(&run->lock);
}

bool run_stopped(struct run *run)
{
	bool stop;

	pthread_mutex_lock(&run->lock);
	stop = run->stop;
	pthread_mutex_unlock(&run->lock);
	return stop;
}

/* Bytes that are there and digested with all that is wanted. Lock held. */
static uint64_t bytes_done(const struct run *run)
{
	uint64_t done = run->job->opts->no_digest ? run->bytes_read : run->bytes_digested;
	double sha256 = run->sha256_total ? (double)run->sha256_done / (double)run->sha256_total : 1;

	return (double)done < sha256 * (double)run->total_bytes ? done : (uint64_t)(sha256 * (double)run->total_bytes);
}

/* The tensor that the byte at @position of the memory is of, or that comes next. Positions only rise. */
static void find_tensor(struct run *run, uint64_t position, struct pinpool_progress *progress)
{
	const struct stream_job *job = run->job;
	const struct stream_file *file;

	for (;; run->seen_file++) {
		file = &job->files[run->seen_file];
		while (run->seen_range < file->range_count &&
		       file->offset + (file->ranges[run->seen_range].end - file->begin) <= position)
			run->seen_range++;
		if (run->seen_range < file->range_count || run->seen_file + 1 == job->count)
			break;
		run->seen_before += file->range_count;
		run->seen_range = 0;
	}
	progress->tensors = run->ranges;
	if (run->seen_before + run->seen_range == run->ranges) {
		/* Past the last one: it stays. */
		if (!file->range_count)
			return;
		progress->tensor = file->ranges[file->range_count - 1].name;
		progress->tensor_index = run->ranges - 1;
		return;
	}
	progress->tensor = file->ranges[run->seen_range].name;
	progress->tensor_index = run->seen_before + run->seen_range;
}

static int report_progress(struct run *run, uint64_t now)
{
	const struct pinpool_load_opts *opts = run->job->opts;
	struct pinpool_progress progress;
	uint64_t position;

	if (!opts->progress)
		return 0;
	pthread_mutex_lock(&run->lock);
	progress = (struct pinpool_progress){
		.done = bytes_done(run),
		.total = run->total_bytes,
		.elapsed_ns = now - run->start_ns,
		.file = run->job->count ? run->job->files[run->file].source->path : NULL,
	};
	position = opts->no_digest ? run->landed : run->digested;
	pthread_mutex_unlock(&run->lock);
	if (run->job->count)
		find_tensor(run, position, &progress);
	return opts->progress(opts->progress_arg, &progress);
}

void run_tick(struct run *run)
{
	const struct pinpool_load_opts *opts = run->job->opts;
	bool cancel = opts->cancel && *opts->cancel;
	uint64_t now = clock_now_ns();

	if (!cancel && now - run->progress_ns < run->tick_ns)
		return;
	run->progress_ns = now;
	if (!cancel)
		cancel = report_progress(run, now);
	if (cancel)
		run_fail(run, -ECANCELED, NULL);
}

void run_wait(struct run *run)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)run->tick_ns;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&run->wake_caller, &run->lock, &until);
	pthread_mutex_unlock(&run->lock);
	run_tick(run);
	pthread_mutex_lock(&run->lock);
}

struct stream_tuning stream_default(bool commands)
{
	return (struct stream_tuning){
		.chunk_bytes = commands ? COMMAND_CHUNK : CHUNK_DEFAULT,
		.queue_depth = commands ? COMMAND_DEPTH : DEPTH_DEFAULT,
	};
}

/* Whether commands to the module are tried. */
static bool wants_commands(const struct stream_job *job)
{
	return job->opts->io == PINPOOL_IO_URING_CMD || (job->opts->io == PINPOOL_IO_AUTO && job->pool >= 0);
}

/* Each source once: pieces of a file mostly follow one another. */
static int list_sources(struct run *run)
{
	const struct stream_job *job = run->job;

	run->sources = calloc(job->count + 1, sizeof(*run->sources));
	run->source_of = calloc(job->count + 1, sizeof(*run->source_of));
	if (!run->sources || !run->source_of)
		return -ENOMEM;
	for (size_t i = 0; i < job->count; i++) {
		size_t at = i ? run->source_of[i - 1] : 0;

		if (!i || run->sources[at] != job->files[i].source)
			for (at = 0; at < run->source_count && run->sources[at] != job->files[i].source; at++)
				;
		if (at == run->source_count)
			run->sources[run->source_count++] = job->files[i].source;
		run->source_of[i] = (uint32_t)at;
		run->gathers |= stream_file_is_gathered(&job->files[i]);
	}
	return 0;
}

/* Memory that the first tensor and what lies before it take; 0 if there is none. */
static uint64_t first_tensor_end(const struct stream_job *job)
{
	for (size_t i = 0; i < job->count; i++)
		for (size_t r = 0; r < job->files[i].range_count; r++)
			if (job->files[i].ranges[r].end > job->files[i].ranges[r].begin)
				return job->files[i].offset + (job->files[i].ranges[r].end - job->files[i].begin);
	return 0;
}

static int make_plan(struct run *run, struct pinpool_diag *diag)
{
	const uint64_t first_end = first_tensor_end(run->job);
	const struct pinpool_load_opts *opts = run->job->opts;
	struct cursor cursor = {0};
	struct request request;

	run->chunk = opts->chunk_bytes ? opts->chunk_bytes : run->job->tuning.chunk_bytes;
	if (!run->chunk)
		run->chunk = stream_default(wants_commands(run->job)).chunk_bytes;
	if (run->chunk < STREAM_CHUNK_MIN || run->chunk > STREAM_CHUNK_MAX || (run->chunk & (run->chunk - 1)))
		return diag_set(diag, -EINVAL, "chunk size", "use a power of two from 64 KiB to 16 MiB",
				"%u bytes are no valid chunk", run->chunk);
	if (run->job->window % run->chunk)
		return diag_set(diag, -EINVAL, "chunk size", "use a smaller one",
				"%" PRIu64 " bytes of memory are not whole chunks of %u", run->job->window, run->chunk);
	if (opts->queue_depth > STREAM_DEPTH_MAX)
		return diag_set(diag, -EINVAL, "queue depth", "use 1 to 1024", "%u requests are too many",
				opts->queue_depth);
	run->tick_ns = opts->progress_interval_ns ? opts->progress_interval_ns : TICK_NS;
	if (run->tick_ns < TICK_MIN_NS || run->tick_ns > TICK_NS)
		return diag_set(diag, -EINVAL, "progress interval", "use 1000000 to 100000000",
				"%" PRIu64 " ns are no valid interval", run->tick_ns);
	while (cursor_next(run, &cursor, &request)) {
		run->total_bytes += request.bytes;
		if (request.memory < first_end && run->first_requests < STREAM_DEPTH_MAX)
			run->first_requests++;
	}
	run->total_requests = cursor.index;
	run->whole = !cursor_next(run, &run->cursor, &run->hole);
	for (size_t i = 0; i < run->job->count; i++)
		run->ranges += run->job->files[i].range_count;
	run->complete = calloc(run->total_requests + 1, 1);
	if (!run->complete || list_sources(run))
		return diag_errno(diag, -ENOMEM, "load");
	return 0;
}

/*
 * Opens the files past the page cache. One that cannot be is read through it, which is said, and so is a large one that
 * is there already: a copy costs less than the disk.
 */
static int open_direct(const struct run *run, bool *all, struct pinpool_diag *diag)
{
	const struct stream_job *job = run->job;
	/* Not the memory that the file goes to, which may have no page there yet. */
	_Alignas(SOURCE_DIRECT_ALIGN) char scratch[SOURCE_DIRECT_ALIGN];

	*all = !job->opts->buffered;
	for (size_t i = 0; i < run->source_count; i++) {
		struct source *source = run->sources[i];
		int err;

		source->keep_cache = job->opts->buffered;
		if (job->opts->buffered)
			continue;
		/* Named more than once, or read before. */
		if (!source->size || source->direct_fd >= 0)
			continue;
		if (source->cache == SOURCE_CACHE_ALL && source->size >= CACHED_MIN) {
			ctx_log(job->ctx, PINPOOL_LOG_INFO, "%s: is in the page cache", source->path);
			*all = false;
			continue;
		}
		err = source_open_direct(source, scratch, diag);
		if (err == -EOPNOTSUPP) {
			ctx_log(job->ctx, PINPOOL_LOG_INFO,
				"%s: the file system takes no O_DIRECT reads; reading through the page cache",
				source->path);
			*all = false;
		} else if (err) {
			return err;
		}
	}
	return 0;
}

/*
 * What lies in the first block of a file before it and in its last block behind it: the rest of these blocks on disk,
 * whatever that had.
 */
static void zero_gaps(const struct stream_job *job)
{
	for (size_t i = 0; i < job->count && !job->window; i++) {
		uint64_t begin = job->files[i].offset;
		uint64_t end = begin + stream_file_bytes(&job->files[i]);
		uint64_t before = begin % SOURCE_DIRECT_ALIGN, rest = -end % SOURCE_DIRECT_ALIGN;

		if (end == begin)
			continue;
		memset((char *)job->base + begin - before, 0, before);
		memset((char *)job->base + end, 0, rest);
	}
}

static uint32_t depth_for(const struct run *run, enum pinpool_io io)
{
	if (run->job->opts->queue_depth)
		return run->job->opts->queue_depth;
	if (io == PINPOOL_IO_PREAD)
		return THREADS_DEFAULT;
	if (run->job->tuning.queue_depth)
		return run->job->tuning.queue_depth;
	return stream_default(io == PINPOOL_IO_URING_CMD).queue_depth;
}

static int read_commands(struct run *run, struct stream_result *result, struct pinpool_diag *diag)
{
	if (run->job->pool < 0)
		return diag_set(diag, -EOPNOTSUPP, "io_uring", "use the kernel module",
				"the pool is not one of the kernel module, to which there are commands");
	run->depth = depth_for(run, PINPOOL_IO_URING_CMD);
	return read_uring(run, PINPOOL_IO_URING_CMD, false, result, diag);
}

/* Reads everything with the first path that works here, or with the forced one. */
static int read_all(struct run *run, struct stream_result *result, struct pinpool_diag *diag)
{
	enum pinpool_io io = run->job->opts->io;
	struct pinpool_diag why = {0};
	bool may_fall_back = io == PINPOOL_IO_AUTO;
	int err;

	if (wants_commands(run->job)) {
		err = read_commands(run, result, &why);
		if (err != -EOPNOTSUPP || !may_fall_back) {
			if (err && diag)
				*diag = why;
			return err;
		}
		ctx_log(run->job->ctx, PINPOOL_LOG_INFO, "%s: %s; reading without commands to the module", why.object,
			why.cause);
	}
	if (io != PINPOOL_IO_PREAD) {
		run->depth = depth_for(run, PINPOOL_IO_URING);
		err = read_uring(run, may_fall_back ? PINPOOL_IO_URING_FIXED : io, may_fall_back, result, &why);
		if (err != -EOPNOTSUPP || !may_fall_back) {
			if (err && diag)
				*diag = why;
			return err;
		}
		ctx_log(run->job->ctx, PINPOOL_LOG_WARN, "%s: %s; reading with threads", why.object, why.cause);
	}
	run->depth = depth_for(run, PINPOOL_IO_PREAD);
	err = read_threads(run, result);
	return err ? diag_errno(diag, err, "reader threads") : 0;
}

int stream_run(const struct stream_job *job, struct stream_result *result, struct pinpool_diag *diag)
{
	struct run run = {.job = job};
	struct digester *digester = NULL;
	struct sha256 *sha256 = NULL;
	pthread_condattr_t attr;
	int err;

	*result = (struct stream_result){0};
	if (job->opts->io > PINPOOL_IO_URING_CMD)
		return diag_set(diag, -EINVAL, "I/O path", NULL, "no path has number %d", (int)job->opts->io);
	err = place_begin(&run.place, job->node);
	if (err)
		return diag_errno(diag, err, "load");
	err = make_plan(&run, diag);
	if (err)
		goto out_plan;
	err = open_direct(&run, &result->direct, diag);
	if (err)
		goto out_plan;

	pthread_mutex_init(&run.trace_lock, NULL);
	pthread_mutex_init(&run.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&run.wake_digest, &attr);
	pthread_cond_init(&run.wake_caller, &attr);
	pthread_condattr_destroy(&attr);

	if (!job->opts->no_digest || job->landed) {
		err = digester_start(&run, &digester);
		if (err) {
			diag_errno(diag, err, "digest thread");
			goto out_sync;
		}
	}
	run.start_ns = run.progress_ns = clock_now_ns();
	err = sha256_start(&run, &sha256, diag);
	if (err)
		run_fail(&run, err, diag);
	/* Cancelled before it began. */
	run_tick(&run);
	err = read_all(&run, result, diag);
	if (err)
		run_fail(&run, err, diag);
	if (digester)
		digester_join(digester);
	if (sha256)
		sha256_join(sha256);
	if (!run.error && report_progress(&run, clock_now_ns()))
		run_fail(&run, -ECANCELED, NULL);
	if (run.error && diag)
		*diag = run.why;
	err = run.error;
	if (!err)
		zero_gaps(job);
	result->chunk_bytes = run.chunk;
	result->queue_depth = run.depth;
	result->bytes = run.bytes_fetched;
	ctx_log(job->ctx, PINPOOL_LOG_INFO, "I/O path: %s, %s%s%s%s, %u requests of %u KiB",
		pinpool_io_name(result->io), result->direct ? "O_DIRECT" : "page cache",
		result->fixed_files ? ", fixed files" : "", result->iopoll ? ", IOPOLL" : "",
		result->sqpoll ? ", SQPOLL" : "", run.depth, run.chunk >> 10);
out_sync:
	pthread_cond_destroy(&run.wake_caller);
	pthread_cond_destroy(&run.wake_digest);
	pthread_mutex_destroy(&run.lock);
	pthread_mutex_destroy(&run.trace_lock);
out_plan:
	free(run.source_of);
	free(run.sources);
	free(run.complete);
	place_end(&run.place);
	return err;
}
