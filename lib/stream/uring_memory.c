/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Reads into memory, with buffers registered or without.
 *
 * Memory is registered in windows, a few at a time, as the load moves on: pinning all of it first would delay the first
 * read and cost kernel memory in proportion, pinning a window takes microseconds beside reads in flight. A window is a
 * power of two and a multiple of the chunk, so each request lies in one. Its place in the ring's table is taken by
 * another only when none of its requests is in flight: one that waits for a worker looks its buffer up late.
 */
#include "base/diag.h"
#include "pool/ctx.h"
#include "stream/uring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Large enough that registering is rare, small enough that it is quick; the kernel takes at most 1 GiB. */
#define WINDOW_MIN (64ull << 20)
#define WINDOW_MAX (1ull << 30)
#define NO_WINDOW  UINT64_MAX

/* Registers window @window in its place. Returns 0 or -errno. */
static int set_window(struct uring *uring, uint64_t window)
{
	const struct stream_job *job = uring->run->job;
	uint32_t place = (uint32_t)(window % URING_WINDOWS);
	uint64_t begin = window * uring->window_bytes;
	uint64_t room = job->capacity - begin;
	struct iovec iov = {
		.iov_base = run_memory(uring->run, begin),
		.iov_len = room < uring->window_bytes ? room : uring->window_bytes,
	};
	int ret;

	uring->windows[place] = NO_WINDOW;
	ret = io_uring_register_buffers_update_tag(&uring->ring, place, &iov, NULL, 1);
	if (ret < 0)
		return ret;
	uring->windows[place] = window;
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
static int drop_buffers(struct uring *uring, int err, struct pinpool_diag *diag)
{
	struct pinpool_diag why = {0};

	diag_buffers(&why, err);
	if (!uring->may_fall_back) {
		*diag = why;
		return -EOPNOTSUPP;
	}
	ctx_log(uring->run->job->ctx, PINPOOL_LOG_INFO, "%s: %s; reading without fixed buffers%s%s", why.object,
		why.cause, *why.change ? ": " : "", why.change);
	uring->io = PINPOOL_IO_URING;
	return 0;
}

static int setup_buffers(struct uring *uring, struct pinpool_diag *diag)
{
	struct run *run = uring->run;
	uint64_t bytes = (uint64_t)run->chunk * run->depth;
	int err;

	uring->window_bytes = WINDOW_MIN;
	while (uring->window_bytes < bytes && uring->window_bytes < WINDOW_MAX)
		uring->window_bytes *= 2;
	for (size_t i = 0; i < URING_WINDOWS; i++)
		uring->windows[i] = NO_WINDOW;
	err = io_uring_register_buffers_sparse(&uring->ring, URING_WINDOWS);
	if (!err)
		err = set_window(uring, run->job->files[0].offset / uring->window_bytes);
	return err ? drop_buffers(uring, err, diag) : 0;
}

/* Two places a file: past the page cache, and through it. */
static uint32_t file_place(const struct run *run, const struct flight *flight)
{
	return run->source_of[flight->request.file] * 2 + !flight->direct;
}

/* Not having fixed files costs a little time, so it is no reason to fail. */
static void setup_files(struct uring *uring)
{
	const struct run *run = uring->run;
	int *fds = malloc(run->source_count * 2 * sizeof(*fds));

	if (!fds)
		return;
	for (size_t i = 0; i < run->source_count; i++) {
		fds[i * 2] = run->sources[i]->direct_fd;
		fds[i * 2 + 1] = run->sources[i]->fd;
	}
	uring->fixed_files = !io_uring_register_files(&uring->ring, fds, (unsigned int)run->source_count * 2);
	free(fds);
}

static int begin(struct uring *uring, struct pinpool_diag *diag)
{
	setup_files(uring);
	return uring->io == PINPOOL_IO_URING_FIXED ? setup_buffers(uring, diag) : 0;
}

/* Makes @flight a user of its window, registered if need be. False: its place is still in use. */
static bool enter(struct uring *uring, struct flight *flight)
{
	uint64_t window;
	uint32_t place;
	struct pinpool_diag why = {0};
	int err;

	if (uring->io != PINPOOL_IO_URING_FIXED)
		return true;
	window = run_place(uring->run, flight->request.memory) / uring->window_bytes;
	place = (uint32_t)(window % URING_WINDOWS);
	if (uring->windows[place] != window) {
		if (uring->users[place])
			return false;
		err = set_window(uring, window);
		if (err) {
			if (drop_buffers(uring, err, &why))
				run_fail(uring->run, -EOPNOTSUPP, &why);
			return true;
		}
	}
	uring->users[place]++;
	flight->fixed = true;
	return true;
}

static void leave(struct uring *uring, const struct flight *flight)
{
	if (flight->fixed)
		uring->users[run_place(uring->run, flight->request.memory) / uring->window_bytes % URING_WINDOWS]--;
}

static void queue(struct uring *uring, const struct flight *flight, struct io_uring_sqe *sqe, uint32_t bytes)
{
	const struct request *request = &flight->request;
	const struct source *source = uring->run->job->files[request->file].source;
	uint64_t place = run_place(uring->run, request->memory) + flight->done - flight->pad;
	uint64_t offset = request->offset + flight->done - flight->pad;
	void *memory = (char *)uring->run->job->base + place;
	int fd = flight->direct ? source->direct_fd : source->fd;

	if (uring->fixed_files)
		fd = (int)file_place(uring->run, flight);
	if (flight->fixed)
		io_uring_prep_read_fixed(sqe, fd, memory, bytes, offset,
					 (int)(place / uring->window_bytes % URING_WINDOWS));
	else
		io_uring_prep_read(sqe, fd, memory, bytes, offset);
	if (uring->fixed_files)
		sqe->flags |= IOSQE_FIXED_FILE;
}

const struct uring_method uring_memory = {
	.begin = begin,
	.enter = enter,
	.queue = queue,
	.leave = leave,
};
