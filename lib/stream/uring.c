/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The readers with io_uring: one ring, owned by the calling thread, never more than depth requests in flight. */
#include "stream/uring.h"
#include "base/diag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Fewer leave a disk idle. */
#define FIRST_LEAST 16u

/*
 * Requests in flight at first: those of the first tensor, and one more for each that ends. A device shares itself out
 * among all that is in flight, so what comes first would be there no sooner than what comes next.
 */
static uint32_t first_depth(const struct run *run)
{
	uint32_t first = run->first_requests > FIRST_LEAST ? run->first_requests : FIRST_LEAST;

	return first < run->depth ? first : run->depth;
}

/*
 * Linux 6.1 loses a read of a ring that polls if a part of it would have to wait for the device, and its completion is
 * waited for in vain. What Linux 6.12 tells of itself (IORING_FEAT_MIN_TIMEOUT) 6.1 does not.
 */
#define FEATURE_OF_SAFE_POLLING (1u << 15)

static int init_ring(struct uring *uring, unsigned int more)
{
	struct io_uring_params params = {.flags = uring->method->ring_flags | uring->ways | more};
	const struct place *place = &uring->run->place;

	/* The thread of the kernel has one processor, or any. */
	if ((uring->ways & IORING_SETUP_SQPOLL) && place->bound) {
		params.flags |= IORING_SETUP_SQ_AFF;
		while (!CPU_ISSET(params.sq_thread_cpu, &place->processors))
			params.sq_thread_cpu++;
	}
	return io_uring_queue_init_params(uring->run->depth, &uring->ring, &params);
}

static int setup_ring(struct uring *uring, struct pinpool_diag *diag)
{
	unsigned int more = IORING_SETUP_SINGLE_ISSUER;
	int err;

	/* Completions are only looked at when this thread waits: no interrupting it. Kernels before 6.1 lack that. */
	if (!(uring->ways & IORING_SETUP_SQPOLL))
		more |= IORING_SETUP_DEFER_TASKRUN;
	err = init_ring(uring, more);
	if (err == -EINVAL)
		err = init_ring(uring, 0);
	/* Without what this kernel or its policy does not let us have: it is only faster. */
	if (err && uring->ways) {
		uring->ways = 0;
		return setup_ring(uring, diag);
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

/*
 * Whether every source can be polled for: file system and device have their say, and only to a read, and the kernel
 * must not lose any.
 */
static bool can_poll(struct uring *uring)
{
	_Alignas(SOURCE_DIRECT_ALIGN) char scratch[SOURCE_DIRECT_ALIGN];
	const struct run *run = uring->run;
	struct io_uring_cqe *cqe;
	int ret = uring->ring.features & FEATURE_OF_SAFE_POLLING ? 0 : -EOPNOTSUPP;

	for (size_t i = 0; i < run->source_count && ret >= 0; i++) {
		if (!run->sources[i]->size)
			continue;
		io_uring_prep_read(io_uring_get_sqe(&uring->ring), run->sources[i]->direct_fd, scratch, sizeof(scratch),
				   0);
		ret = io_uring_submit(&uring->ring);
		do
			ret = ret < 0 ? ret : io_uring_wait_cqe(&uring->ring, &cqe);
		while (ret == -EINTR);
		if (ret >= 0) {
			ret = cqe->res;
			io_uring_cqe_seen(&uring->ring, cqe);
		}
	}
	return ret >= 0;
}

/* A ring with what tuning asks for, as far as it works here. */
static int setup_tuned_ring(struct uring *uring, bool direct, struct pinpool_diag *diag)
{
	const struct stream_tuning *tuning = &uring->run->job->tuning;
	int err;

	if (uring->method == &uring_memory) {
		uring->ways |= tuning->iopoll && direct ? IORING_SETUP_IOPOLL : 0;
		uring->ways |= tuning->sqpoll ? IORING_SETUP_SQPOLL : 0;
	}
	err = setup_ring(uring, diag);
	if (err || !(uring->ways & IORING_SETUP_IOPOLL) || can_poll(uring))
		return err;
	io_uring_queue_exit(&uring->ring);
	uring->ways &= ~IORING_SETUP_IOPOLL;
	return setup_ring(uring, diag);
}

static char *buffer_of(const struct uring *uring, uint32_t index)
{
	return uring->buffers + (size_t)index * GATHER_BUFFER;
}

/* Whatever the method: what is gathered does not go to its place at once. */
static void queue_gathered(struct uring *uring, uint32_t index, struct io_uring_sqe *sqe, uint32_t bytes)
{
	const struct flight *flight = &uring->flights[index];
	const struct request *request = &flight->request;
	const struct source *source = uring->run->job->files[request->file].source;
	char *to = gather_at(buffer_of(uring, index), request) + flight->done - flight->pad;

	io_uring_prep_read(sqe, flight->direct ? source->direct_fd : source->fd, to, bytes,
			   request->offset + flight->done - flight->pad);
}

/* Queues what is missing of @flight. There is room: as many entries as flights. */
static void queue_flight(struct uring *uring, uint32_t index)
{
	struct flight *flight = &uring->flights[index];
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
	uint32_t bytes = flight->request.span - flight->done;

	flight->pad = 0;
	if (flight->direct) {
		flight->pad = (uint32_t)((flight->request.offset + flight->done) % SOURCE_DIRECT_ALIGN);
		bytes = (bytes + flight->pad + SOURCE_DIRECT_ALIGN - 1) & -SOURCE_DIRECT_ALIGN;
	}
	if (is_gathered(uring->run, &flight->request))
		queue_gathered(uring, index, sqe, bytes);
	else
		uring->method->queue(uring, flight, sqe, bytes);
	/* Through the page cache the kernel copies in this thread unless told to use others. */
	if (!flight->direct || flight->async)
		sqe->flags |= IOSQE_ASYNC;
	io_uring_sqe_set_data64(sqe, index);
	uring->run->submitted++;
}

static void queue_next(struct uring *uring)
{
	struct run *run = uring->run;

	uring->crowded = false;
	while (uring->idle_count && run->depth - uring->idle_count < uring->allowed) {
		uint32_t index = uring->idle[uring->idle_count - 1];
		struct flight *flight = &uring->flights[index];
		struct cursor cursor = uring->cursor;

		*flight = (struct flight){0};
		if (!cursor_next(run, &cursor, &flight->request))
			return;
		uring->crowded = !run_room(run, &flight->request, 0);
		if (uring->crowded)
			return;
		if (uring->method->enter && !is_gathered(run, &flight->request) && !uring->method->enter(uring, flight))
			return;
		flight->direct = run->job->files[flight->request.file].source->direct_fd >= 0;
		flight->began = trace_begin(run);
		uring->cursor = cursor;
		uring->idle_count--;
		queue_flight(uring, index);
	}
}

/* A ring that polls takes no read through the page cache: what a direct one left is read here. */
static void read_rest(struct uring *uring, uint32_t index)
{
	struct flight *flight = &uring->flights[index];
	const struct request *request = &flight->request;
	const struct source *source = uring->run->job->files[request->file].source;
	char *to = run_memory(uring->run, request->memory);
	struct pinpool_diag why = {0};
	int err;

	if (is_gathered(uring->run, request))
		to = gather_at(buffer_of(uring, index), request);
	err = source_read(source, to + flight->done, request->span - flight->done, request->offset + flight->done,
			  &why);
	if (err)
		run_fail(uring->run, err, &why);
	else
		flight->done = request->span;
}

/* One read has ended with @res. */
static void land(struct uring *uring, uint32_t index, int res)
{
	struct flight *flight = &uring->flights[index];
	struct run *run = uring->run;

	if (res > 0) {
		uint32_t missing = flight->request.span - flight->done;
		uint32_t got = (uint32_t)res > flight->pad ? (uint32_t)res - flight->pad : 0;

		flight->request.fetched += (uint32_t)res;
		flight->done += got < missing ? got : missing;
		/* A direct read that ended off a block goes on through the page cache. */
		if ((uint32_t)res % SOURCE_DIRECT_ALIGN)
			flight->direct = false;
	} else if (res == -EAGAIN) {
		flight->async = true;
	} else if (!res) {
		run_fail_eof(run, &flight->request, flight->request.offset + flight->done);
	} else if (res != -EINTR) {
		run_fail_read(run, res, &flight->request);
	}
	if (!flight->direct && flight->done < flight->request.span && (uring->ways & IORING_SETUP_IOPOLL))
		read_rest(uring, index);
	if (flight->done == flight->request.span) {
		if (is_gathered(run, &flight->request))
			gather_copy(run, &flight->request, buffer_of(uring, index));
		/* Before anybody can begin with what it brought. */
		trace_request(run, PINPOOL_TRACE_READ, &flight->request, index, flight->began);
		run_complete(run, &flight->request);
	} else if (!run_stopped(run)) {
		queue_flight(uring, index);
		return;
	}
	if (uring->method->leave)
		uring->method->leave(uring, flight);
	uring->idle[uring->idle_count++] = index;
	if (uring->allowed < run->depth)
		uring->allowed++;
}

/* With nothing in flight: sleeps until there is room again, or the next tick. */
static void wait_for_room(struct uring *uring)
{
	/* What comes next was written to the flight on top. */
	const struct flight *flight = &uring->flights[uring->idle[uring->idle_count - 1]];

	run_room(uring->run, &flight->request, TICK_MS);
	run_tick(uring->run);
}

/* Returns when nothing is in flight any more, and nothing more is to come. */
static void read_loop(struct uring *uring)
{
	struct __kernel_timespec tick = {.tv_nsec = (long long)uring->run->tick_ns};
	struct run *run = uring->run;

	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned int head, count = 0;
		int ret;

		if (!run_stopped(run))
			queue_next(uring);
		if (uring->idle_count == run->depth) {
			if (!uring->crowded || run_stopped(run))
				return;
			wait_for_room(uring);
			continue;
		}
		ret = io_uring_submit_and_wait_timeout(&uring->ring, &cqe, 1, &tick, NULL);
		if (ret < 0 && ret != -ETIME && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY) {
			/* The ring is unusable; the kernel ends what is in flight and holds the pages until then. */
			run_fail(run, ret, NULL);
			return;
		}
		io_uring_for_each_cqe(&uring->ring, head, cqe)
		{
			land(uring, (uint32_t)io_uring_cqe_get_data64(cqe), cqe->res);
			count++;
		}
		io_uring_cq_advance(&uring->ring, count);
		run_tick(run);
	}
}

/*
 * Workers do what would block, for all rings of this thread: so they get back where they were. The thread itself stays.
 * Kernels that do not place them are no reason to fail.
 */
static void place_workers(struct uring *uring, bool begin)
{
	const struct place *place = &uring->run->place;

	if (place->bound && begin)
		io_uring_register_iowq_aff(&uring->ring, sizeof(place->processors), &place->processors);
	else if (place->bound)
		io_uring_unregister_iowq_aff(&uring->ring);
}

int read_uring(struct run *run, enum pinpool_io io, bool may_fall_back, struct stream_result *result,
	       struct pinpool_diag *diag)
{
	struct uring uring = {
		.run = run,
		.allowed = first_depth(run),
		.method = io == PINPOOL_IO_URING_CMD ? &uring_command : &uring_memory,
		.io = io,
		.may_fall_back = may_fall_back,
	};
	int err;

	uring.flights = calloc(run->depth, sizeof(*uring.flights));
	uring.idle = calloc(run->depth, sizeof(*uring.idle));
	if (run->gathers)
		uring.buffers = gather_buffers(run->depth);
	if (!uring.flights || !uring.idle || (run->gathers && !uring.buffers)) {
		err = diag_errno(diag, -ENOMEM, "io_uring");
		goto out_memory;
	}
	while (uring.idle_count < run->depth) {
		uring.idle[uring.idle_count] = run->depth - 1 - uring.idle_count;
		uring.idle_count++;
	}
	err = setup_tuned_ring(&uring, result->direct, diag);
	if (err)
		goto out_memory;
	err = uring.method->begin(&uring, diag);
	if (err)
		goto out_ring;
	place_workers(&uring, true);
	read_loop(&uring);
	place_workers(&uring, false);
	result->io = uring.io;
	result->fixed_files = uring.fixed_files;
	result->iopoll = uring.ways & IORING_SETUP_IOPOLL;
	result->sqpoll = uring.ways & IORING_SETUP_SQPOLL;
	result->requests = run->submitted;
out_ring:
	/* Closing a ring gives its pins back some time later; this does it now. */
	io_uring_unregister_buffers(&uring.ring);
	io_uring_queue_exit(&uring.ring);
out_memory:
	free(uring.buffers);
	free(uring.idle);
	free(uring.flights);
	return err;
}
