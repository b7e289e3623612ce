/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The reader for hosts without io_uring: as many threads as requests in flight, each with one read at a time. */
#include "stream/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct readers {
	struct run *run;
	/* Below: under the run's lock. */
	struct cursor cursor;
	uint32_t active;
	uint32_t numbers; /* given to threads */
};

/* False at the end or when the run stopped. Several may wait for room for the same request. */
static bool take_request(struct readers *readers, struct request *request)
{
	struct run *run = readers->run;
	struct cursor cursor;
	bool more, room;

	do {
		pthread_mutex_lock(&run->lock);
		cursor = readers->cursor;
		more = !run->stop && cursor_next(run, &cursor, request);
		room = more && run_room(run, request, 0);
		if (room) {
			readers->cursor = cursor;
			run->submitted++;
		}
		pthread_mutex_unlock(&run->lock);
		if (more && !room)
			run_room(run, request, TICK_MS);
	} while (more && !room);
	return more;
}

/* By thread @number, from @began on. @buffer is for what is gathered. */
static void read_request(struct run *run, struct request *request, char *buffer, uint32_t number, uint64_t began)
{
	const struct source *source = run->job->files[request->file].source;
	bool direct = source->direct_fd >= 0, gathered = is_gathered(run, request);
	char *to = gathered ? gather_at(buffer, request) : run_memory(run, request->memory);
	uint32_t done = 0;

	while (done < request->span) {
		uint64_t offset = request->offset + done;
		uint32_t want = request->span - done, pad = 0;
		ssize_t got;

		if (direct) {
			pad = (uint32_t)(offset % SOURCE_DIRECT_ALIGN);
			want = (want + pad + SOURCE_DIRECT_ALIGN - 1) & -SOURCE_DIRECT_ALIGN;
		}
		got = pread(direct ? source->direct_fd : source->fd, to + done - pad, want, (off_t)(offset - pad));
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0) {
			run_fail_read(run, -errno, request);
			return;
		}
		if (!got) {
			run_fail_eof(run, request, offset);
			return;
		}
		request->fetched += (uint64_t)got;
		if (got > pad)
			done += (uint32_t)got - pad;
		/* A direct read that ended off a block goes on through the page cache. */
		if (got % SOURCE_DIRECT_ALIGN)
			direct = false;
	}
	if (gathered)
		gather_copy(run, request, buffer);
	/* Before anybody can begin with what it brought. */
	trace_request(run, PINPOOL_TRACE_READ, request, number, began);
	run_complete(run, request);
}

static void *reader_main(void *arg)
{
	struct readers *readers = arg;
	struct run *run = readers->run;
	char *buffer = run->gathers ? gather_buffers(1) : NULL;
	struct request request;
	uint64_t began;
	uint32_t number;

	if (run->gathers && !buffer)
		run_fail(run, -ENOMEM, NULL);
	pthread_mutex_lock(&run->lock);
	number = readers->numbers++;
	pthread_mutex_unlock(&run->lock);
	while (take_request(readers, &request)) {
		began = trace_begin(run);
		read_request(run, &request, buffer, number, began);
	}
	free(buffer);
	pthread_mutex_lock(&run->lock);
	readers->active--;
	pthread_cond_signal(&run->wake_caller);
	pthread_mutex_unlock(&run->lock);
	return NULL;
}

int read_threads(struct run *run, struct stream_result *result)
{
	struct readers readers = {.run = run};
	uint32_t wanted = run->depth < run->total_requests ? run->depth : (uint32_t)run->total_requests;
	pthread_t *threads = calloc(wanted + 1, sizeof(*threads));
	uint32_t started = 0;

	if (!threads)
		return -ENOMEM;
	pthread_mutex_lock(&run->lock);
	while (started < wanted && !place_start(&run->place, &threads[started], reader_main, &readers))
		started++;
	readers.active = started;
	while (readers.active)
		run_wait(run);
	pthread_mutex_unlock(&run->lock);
	for (uint32_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	if (wanted && !started)
		return -EAGAIN;
	run->depth = started;
	result->io = PINPOOL_IO_PREAD;
	result->requests = run->submitted;
	return 0;
}
