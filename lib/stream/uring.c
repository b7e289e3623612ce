/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The reader with io_uring: one ring, owned by the calling thread, never more than depth requests in flight.
 *
 * Memory is registered in windows, a few at a time, as the load moves on: pinning all of it first would delay the first
 * read and cost kernel memory in proportion, pinning a window takes microseconds beside reads in flight. A window is a
 * power of two and a multiple of the chunk, so each request lies in one. Its place in the ring's table is taken by
 * another only when none of its requests is in flight: one that waits for a worker looks its buffer up late.
 */
#include "base/diag.h"
#include "pool/ctx.h"
#include "stream/internal.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

/* Large enough that registering is rare, small enough that it is quick; the kernel takes at most 1 GiB. */
#define WINDOW_MIN (64ull << 20)
#define WINDOW_MAX (1ull << 30)
#define WINDOWS	   4u
#define NO_WINDOW  UINT64_MAX

/* A request in flight. */
struct flight {
	struct request request;
	uint32_t done;
	bool direct;
	bool fixed; /* counted in users of its window */
	bool async; /* the kernel could not do it without blocking */
};

struct reader {
	struct run *run;
	struct io_uring ring;
	bool fixed_files;
	bool fixed_buffers;
	bool may_fall_back; /* without fixed buffers */
	uint64_t window_bytes;
	uint64_t windows[WINDOWS]; /* which window each buffer of the ring is, or NO_WINDOW */
	uint32_t users[WINDOWS]; /* flights in it */
	struct cursor cursor;
	struct flight *flights;
	uint32_t *idle; /* stack of unused @flights */
	uint32_t idle_count;
};

/* Registers window @window in its place. Returns 0 or -errno. */
static int set_window(struct reader *reader, uint64_t window)
{
	const struct stream_job *job = reader->run->job;
	uint32_t place = (uint32_t)(window % WINDOWS);
	uint64_t begin = window * reader->window_bytes;
	uint64_t room = job->capacity - begin;
	struct iovec iov = {
		.iov_base = run_memory(reader->run, begin),
		.iov_len = room < reader->window_bytes ? room : reader->window_bytes,
	};
	int ret;

	reader->windows[place] = NO_WINDOW;
	ret = io_uring_register_buffers_update_tag(&reader->ring, place, &iov, NULL, 1);
	if (ret < 0)
		return ret;
	reader->windows[place] = window;
	return 0;
}

/* Why the kernel refused to register memory, and what to do about it. */
static int diag_buffers(struct pinpool_diag *diag, int err)
{
	diag_set(diag, -EOPNOTSUPP, "io_uring", NULL, "registering buffers: %s", strerrordesc_np(-err));
	if (err == -ENOMEM)
		diag_change(diag, "raise the limit on locked memory: ulimit -l");
	if (err == -EOPNOTSUPP)
		diag_change(diag, "this kernel does not register memory of this kind");
	return -EOPNOTSUPP;
}

/* From here on without fixed buffers. Returns 0, or -EOPNOTSUPP if that is not allowed. */
static int drop_buffers(struct reader *reader, int err, struct pinpool_diag *diag)
{
	struct pinpool_diag why = {0};

	diag_buffers(&why, err);
	if (!reader->may_fall_back) {
		*diag = why;
		return -EOPNOTSUPP;
	}
	ctx_log(reader->run->job->ctx, PINPOOL_LOG_INFO, "%s: %s; reading without fixed buffers%s%s", why.object,
		why.cause, *why.change ? ": " : "", why.change);
	reader->fixed_buffers = false;
	return 0;
}

static int setup_buffers(struct reader *reader, struct pinpool_diag *diag)
{
	struct run *run = reader->run;
	uint64_t bytes = (uint64_t)run->chunk * run->depth;
	int err;

	reader->window_bytes = WINDOW_MIN;
	while (reader->window_bytes < bytes && reader->window_bytes < WINDOW_MAX)
		reader->window_bytes *= 2;
	for (size_t i = 0; i < WINDOWS; i++)
		reader->windows[i] = NO_WINDOW;
	err = io_uring_register_buffers_sparse(&reader->ring, WINDOWS);
	if (!err)
		err = set_window(reader, run->job->files[0].offset / reader->window_bytes);
	return err ? drop_buffers(reader, err, diag) : 0;
}

/* Two places a file: past the page cache, and through it. */
static uint32_t file_place(const struct flight *flight)
{
	return (uint32_t)flight->request.file * 2 + !flight->direct;
}

/* Not having fixed files costs a little time, so it is no reason to fail. */
static void setup_files(struct reader *reader)
{
	const struct stream_job *job = reader->run->job;
	int *fds = malloc(job->count * 2 * sizeof(*fds));

	if (!fds)
		return;
	for (size_t i = 0; i < job->count; i++) {
		fds[i * 2] = job->files[i].source->direct_fd;
		fds[i * 2 + 1] = job->files[i].source->fd;
	}
	reader->fixed_files = !io_uring_register_files(&reader->ring, fds, (unsigned int)job->count * 2);
	free(fds);
}

static int setup_ring(struct reader *reader, struct pinpool_diag *diag)
{
	/* Completions are only looked at when this thread waits: no interrupting it. Kernels before 6.1 lack that. */
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
	int err;

	err = io_uring_queue_init_params(reader->run->depth, &reader->ring, &params);
	if (err == -EINVAL) {
		params = (struct io_uring_params){0};
		err = io_uring_queue_init_params(reader->run->depth, &reader->ring, &params);
	}
	if (!err)
		return 0;
	diag_set(diag, -EOPNOTSUPP, "io_uring", NULL, "setting up a ring: %s", strerrordesc_np(-err));
	if (err == -EPERM)
		diag_change(diag, "sysctl kernel.io_uring_disabled or a seccomp profile forbids it");
	if (err == -ENOSYS)
		diag_change(diag, "the kernel was built without it, or a seccomp profile forbids it");
	return -EOPNOTSUPP;
}

/* Makes @flight a user of its window, registered if need be. False: its place is still in use, try again later. */
static bool enter_window(struct reader *reader, struct flight *flight)
{
	uint64_t window = flight->request.memory / reader->window_bytes;
	uint32_t place = (uint32_t)(window % WINDOWS);
	struct pinpool_diag why = {0};
	int err;

	if (reader->windows[place] != window) {
		if (reader->users[place])
			return false;
		err = set_window(reader, window);
		if (err) {
			if (drop_buffers(reader, err, &why))
				run_fail(reader->run, -EOPNOTSUPP, NULL, &why);
			return true;
		}
	}
	reader->users[place]++;
	flight->fixed = true;
	return true;
}

static void leave_window(struct reader *reader, const struct flight *flight)
{
	if (flight->fixed)
		reader->users[flight->request.memory / reader->window_bytes % WINDOWS]--;
}

/* Queues what is missing of @flight. There is room: as many entries as flights. */
static void queue_flight(struct reader *reader, uint32_t index)
{
	struct flight *flight = &reader->flights[index];
	const struct request *request = &flight->request;
	const struct source *source = reader->run->job->files[request->file].source;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&reader->ring);
	uint64_t memory = request->memory + flight->done;
	uint32_t bytes = request->bytes - flight->done;
	int fd = flight->direct ? source->direct_fd : source->fd;

	if (flight->direct)
		bytes = (bytes + SOURCE_DIRECT_ALIGN - 1) & -SOURCE_DIRECT_ALIGN;
	if (reader->fixed_files)
		fd = (int)file_place(flight);
	if (flight->fixed)
		io_uring_prep_read_fixed(sqe, fd, run_memory(reader->run, memory), bytes,
					 request->offset + flight->done,
					 (int)(memory / reader->window_bytes % WINDOWS));
	else
		io_uring_prep_read(sqe, fd, run_memory(reader->run, memory), bytes, request->offset + flight->done);
	if (reader->fixed_files)
		sqe->flags |= IOSQE_FIXED_FILE;
	/* Through the page cache the kernel copies in this thread unless told to use others. */
	if (!flight->direct || flight->async)
		sqe->flags |= IOSQE_ASYNC;
	io_uring_sqe_set_data64(sqe, index);
	reader->run->submitted++;
}

static void queue_next(struct reader *reader)
{
	struct run *run = reader->run;

	while (reader->idle_count) {
		uint32_t index = reader->idle[reader->idle_count - 1];
		struct flight *flight = &reader->flights[index];
		struct cursor cursor = reader->cursor;

		*flight = (struct flight){0};
		if (!cursor_next(run, &cursor, &flight->request))
			return;
		if (reader->fixed_buffers && !enter_window(reader, flight))
			return;
		flight->direct = run->job->files[flight->request.file].source->direct_fd >= 0;
		reader->cursor = cursor;
		reader->idle_count--;
		queue_flight(reader, index);
	}
}

/* One read has ended with @res. */
static void land(struct reader *reader, uint32_t index, int res)
{
	struct flight *flight = &reader->flights[index];
	struct run *run = reader->run;

	if (res > 0) {
		uint32_t missing = flight->request.bytes - flight->done;

		flight->done += (uint32_t)res < missing ? (uint32_t)res : missing;
		/* A direct read that ended off a block goes on through the page cache. */
		if ((uint32_t)res % SOURCE_DIRECT_ALIGN)
			flight->direct = false;
	} else if (res == -EAGAIN) {
		flight->async = true;
	} else if (!res) {
		run_fail_eof(run, &flight->request, flight->request.offset + flight->done);
	} else if (res != -EINTR) {
		run_fail(run, res, &flight->request, NULL);
	}
	if (flight->done == flight->request.bytes) {
		run_complete(run, &flight->request);
	} else if (!run_stopped(run)) {
		queue_flight(reader, index);
		return;
	}
	leave_window(reader, flight);
	reader->idle[reader->idle_count++] = index;
}

/* Returns when nothing is in flight any more. */
static void read_loop(struct reader *reader)
{
	struct __kernel_timespec tick = {.tv_nsec = TICK_NS};
	struct run *run = reader->run;

	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned int head, count = 0;
		int ret;

		if (!run_stopped(run))
			queue_next(reader);
		if (reader->idle_count == run->depth)
			return;
		ret = io_uring_submit_and_wait_timeout(&reader->ring, &cqe, 1, &tick, NULL);
		if (ret < 0 && ret != -ETIME && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY) {
			/* The ring is unusable; the kernel ends what is in flight and holds the pages until then. */
			run_fail(run, ret, NULL, NULL);
			return;
		}
		io_uring_for_each_cqe(&reader->ring, head, cqe)
		{
			land(reader, (uint32_t)io_uring_cqe_get_data64(cqe), cqe->res);
			count++;
		}
		io_uring_cq_advance(&reader->ring, count);
		run_tick(run);
	}
}

int read_uring(struct run *run, enum pinpool_io io, bool may_fall_back, struct stream_result *result,
	       struct pinpool_diag *diag)
{
	struct reader reader = {.run = run, .may_fall_back = may_fall_back};
	int err;

	reader.flights = calloc(run->depth, sizeof(*reader.flights));
	reader.idle = calloc(run->depth, sizeof(*reader.idle));
	if (!reader.flights || !reader.idle) {
		err = diag_errno(diag, -ENOMEM, "io_uring");
		goto out_memory;
	}
	while (reader.idle_count < run->depth) {
		reader.idle[reader.idle_count] = run->depth - 1 - reader.idle_count;
		reader.idle_count++;
	}
	err = setup_ring(&reader, diag);
	if (err)
		goto out_memory;
	setup_files(&reader);
	reader.fixed_buffers = io == PINPOOL_IO_URING_FIXED;
	if (reader.fixed_buffers) {
		err = setup_buffers(&reader, diag);
		if (err)
			goto out_ring;
	}
	read_loop(&reader);
	result->io = reader.fixed_buffers ? PINPOOL_IO_URING_FIXED : PINPOOL_IO_URING;
	result->fixed_files = reader.fixed_files;
	result->requests = run->submitted;
out_ring:
	/* Closing a ring gives its pins back some time later; this does it now. */
	io_uring_unregister_buffers(&reader.ring);
	io_uring_queue_exit(&reader.ring);
out_memory:
	free(reader.idle);
	free(reader.flights);
	return err;
}
