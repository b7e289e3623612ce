/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Digests while the bytes are still in cache: one thread follows the completed requests in order and feeds every
 * piece to the digest of its file and to that of its range, or of the file's rest, before it goes on. It then tells who
 * wants to know how far bytes have landed; where no digests are made, that is all it does.
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
	XXH3_state_t *rest;
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

/* The zeroes between two files. */
static void feed_gap(struct digester *digester, uint64_t bytes)
{
	static const char zeroes[SOURCE_DIRECT_ALIGN];

	for (uint64_t step; bytes; bytes -= step) {
		step = bytes < sizeof(zeroes) ? bytes : sizeof(zeroes);
		XXH3_128bits_update(digester->whole, zeroes, step);
	}
}

/* One piece of @file, [@offset, @offset + @bytes), in order. */
static void feed(struct digester *digester, struct stream_file *file, const char *data, uint64_t offset, size_t bytes)
{
	const uint64_t begin = offset, end = offset + bytes;

	XXH3_128bits_update(digester->whole, data, bytes);
	while (digester->range < file->range_count && file->ranges[digester->range].begin < end) {
		const struct stream_range *range = &file->ranges[digester->range];
		uint64_t from = range->begin > offset ? range->begin : offset;
		uint64_t to = range->end < end ? range->end : end;

		if (from > offset)
			XXH3_128bits_update(digester->rest, data + (offset - begin), from - offset);
		if (to > from)
			XXH3_128bits_update(digester->part, data + (from - begin), to - from);
		offset = to > from ? to : from;
		if (range->end > end)
			break;
		end_ranges(digester, file, range->end);
	}
	if (end > offset)
		XXH3_128bits_update(digester->rest, data + (offset - begin), end - offset);
}

static void feed_request(struct digester *digester, const struct request *request)
{
	const struct run *run = digester->run;
	struct stream_file *file = &run->job->files[request->file];
	const uint64_t offset = file->begin + (request->memory - file->offset);
	const char *data = run_memory(run, request->memory);
	uint32_t bytes;

	for (uint32_t at = 0; at < request->bytes; at += bytes) {
		bytes = request->bytes - at < PIECE_BYTES ? request->bytes - at : PIECE_BYTES;
		feed(digester, file, data + at, offset + at, bytes);
	}
}

/* Waits until @request is complete. Returns how much memory is by then, or 0 if the run stopped. */
static uint64_t wait_for(struct run *run, const struct request *request)
{
	uint64_t landed;

	pthread_mutex_lock(&run->lock);
	landed = run_wait_beyond(run, request->memory);
	pthread_mutex_unlock(&run->lock);
	return landed;
}

static void digest_all(struct digester *digester)
{
	struct run *run = digester->run;
	const struct stream_job *job = run->job;
	struct request request;
	struct cursor cursor = {0};
	bool more = cursor_next(run, &cursor, &request);
	uint64_t began, landed = 0, end = 0;

	XXH3_128bits_reset(digester->whole);
	for (size_t i = 0; i < job->count; i++) {
		struct stream_file *file = &job->files[i];

		if (job->content)
			feed_gap(digester, file->offset - end);
		else
			XXH3_128bits_reset(digester->whole);
		end = file->offset + stream_file_bytes(file);
		XXH3_128bits_reset(digester->part);
		XXH3_128bits_reset(digester->rest);
		digester->range = 0;
		for (; more && request.file == i; more = cursor_next(run, &cursor, &request)) {
			if (landed <= request.memory)
				landed = wait_for(run, &request);
			if (!landed)
				return;
			if (!job->opts->no_digest) {
				began = trace_begin(run);
				feed_request(digester, &request);
				trace_request(run, PINPOOL_TRACE_DIGEST, &request, 0, began);
			}
			/* Ranges of no bytes at the end of the file are there with its last byte. */
			if (request.memory + request.bytes == end)
				end_ranges(digester, file, file->begin + stream_file_bytes(file));
			if (job->landed)
				job->landed(job->landed_arg, request.memory + request.bytes);
			run->bytes_digested += request.bytes;
			run->digested = request.memory + request.bytes;
		}
		end_ranges(digester, file, file->begin + stream_file_bytes(file));
		if (!job->content) {
			digest_final(digester->whole, file->digest);
			digest_final(digester->rest, file->rest);
		}
	}
	if (job->content)
		digest_final(digester->whole, job->content);
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
	XXH3_freeState(digester->rest);
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
	digester->rest = XXH3_createState();
	if (!digester->whole || !digester->part || !digester->rest) {
		digester_free(digester);
		return -ENOMEM;
	}
	err = place_start(&run->place, &digester->thread, digester_main, digester);
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
