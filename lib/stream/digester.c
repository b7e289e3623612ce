/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Digests while the bytes are still in cache: one thread follows the completed requests in order and feeds every
 * piece to the digest of its file and to that of its range before it goes on. It then tells who wants to know how far
 * bytes have landed; where no digests are made, that is all it does.
 */
#include "stream/digest.h"
#include "stream/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Both passes over a piece must find it in the second-level cache. */
#define PIECE_BYTES (128u << 10)

struct digester {
	struct run *run;
	pthread_t thread;
	bool ended; /* under the run's lock */
	/* Thread only: the file in work. */
	XXH3_state_t *whole;
	XXH3_state_t *part;
	size_t range; /* the one that @part is of, or the next */
};

/* Ends the ranges that end at or before @offset. */
static void end_ranges(struct digester *digester, struct stream_file *file, uint64_t offset)
{
	while (digester->range < file->range_count && file->ranges[digester->range].end <= offset) {
		digest_final(digester->part, file->ranges[digester->range].digest);
		XXH3_128bits_reset(digester->part);
		digester->range++;
	}
}

/* One piece of @file, [@offset, @offset + @bytes), in order. */
static void feed(struct digester *digester, struct stream_file *file, const char *data, uint64_t offset, size_t bytes)
{
	const uint64_t end = offset + bytes;

	XXH3_128bits_update(digester->whole, data, bytes);
	while (digester->range < file->range_count && file->ranges[digester->range].begin < end) {
		const struct stream_range *range = &file->ranges[digester->range];
		uint64_t from = range->begin > offset ? range->begin : offset;
		uint64_t to = range->end < end ? range->end : end;

		if (to > from)
			XXH3_128bits_update(digester->part, data + (from - offset), to - from);
		if (range->end > end)
			break;
		end_ranges(digester, file, range->end);
	}
}

static void feed_request(struct digester *digester, const struct request *request)
{
	const struct run *run = digester->run;
	const char *data = run_memory(run, request->memory);
	uint32_t bytes;

	for (uint32_t at = 0; at < request->bytes; at += bytes) {
		bytes = request->bytes - at < PIECE_BYTES ? request->bytes - at : PIECE_BYTES;
		feed(digester, &run->job->files[request->file], data + at, request->offset + at, bytes);
	}
}

/* Waits until @request is complete. False if the run stopped. */
static bool wait_for(struct run *run, const struct request *request)
{
	bool stop;

	pthread_mutex_lock(&run->lock);
	run->digest_next = request->index;
	while (!run->complete[request->index] && !run->stop)
		pthread_cond_wait(&run->wake_digest, &run->lock);
	stop = run->stop;
	pthread_mutex_unlock(&run->lock);
	return !stop;
}

static void digest_all(struct digester *digester)
{
	struct run *run = digester->run;
	const struct stream_job *job = run->job;
	struct request request;
	struct cursor cursor = {0};
	bool more = cursor_next(run, &cursor, &request);

	for (size_t i = 0; i < job->count; i++) {
		struct stream_file *file = &job->files[i];

		XXH3_128bits_reset(digester->whole);
		XXH3_128bits_reset(digester->part);
		digester->range = 0;
		for (; more && request.file == i; more = cursor_next(run, &cursor, &request)) {
			if (!wait_for(run, &request))
				return;
			if (!job->opts->no_digest)
				feed_request(digester, &request);
			/* Ranges of no bytes at the end of the file are there with its last byte. */
			if (request.offset + request.bytes == stream_file_end(file))
				end_ranges(digester, file, stream_file_end(file));
			if (job->landed)
				job->landed(job->landed_arg, request.memory + request.bytes);
			pthread_mutex_lock(&run->lock);
			run->bytes_digested += request.bytes;
			pthread_mutex_unlock(&run->lock);
		}
		end_ranges(digester, file, stream_file_end(file));
		digest_final(digester->whole, file->digest);
	}
}

static void *digester_main(void *arg)
{
	struct digester *digester = arg;
	struct run *run = digester->run;

	digest_all(digester);
	pthread_mutex_lock(&run->lock);
	digester->ended = true;
	pthread_cond_signal(&run->wake_caller);
	pthread_mutex_unlock(&run->lock);
	return NULL;
}

static void digester_free(struct digester *digester)
{
	XXH3_freeState(digester->whole);
	XXH3_freeState(digester->part);
	free(digester);
}

int digester_start(struct run *run, struct digester **out)
{
	struct digester *digester = calloc(1, sizeof(*digester));
	int err;

	if (!digester)
		return -ENOMEM;
	digester->run = run;
	digester->whole = XXH3_createState();
	digester->part = XXH3_createState();
	if (!digester->whole || !digester->part) {
		digester_free(digester);
		return -ENOMEM;
	}
	err = pthread_create(&digester->thread, NULL, digester_main, digester);
	if (err) {
		digester_free(digester);
		return -err;
	}
	*out = digester;
	return 0;
}

void digester_join(struct digester *digester)
{
	struct run *run = digester->run;

	pthread_mutex_lock(&run->lock);
	while (!digester->ended)
		run_wait(run);
	pthread_mutex_unlock(&run->lock);
	pthread_join(digester->thread, NULL);
	digester_free(digester);
}
