/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Columns of a row-major matrix: a few bytes of every row, which lie apart in the file and together in memory, so that
 * no block of the one is a block of the other. They are read into a buffer and copied once. A request takes as many
 * rows as have blocks that touch, up to the size of the buffer: no block is read that holds nothing of them. So are
 * spans of a file, each of which has requests of its own.
 */
#include "stream/internal.h"

#include <stdlib.h>
#include <string.h>

static uint64_t block_of(uint64_t offset)
{
	return offset / SOURCE_DIRECT_ALIGN;
}

/* The part of a span that byte @place of all spans begins. */
static void plan_span(const struct stream_file *file, uint64_t place, uint64_t room, struct request *request)
{
	const struct stream_span *span = file->spans;

	for (; place >= span->end - span->begin; span++)
		place -= span->end - span->begin;
	if (room > span->end - span->begin - place)
		room = span->end - span->begin - place;
	request->offset = span->begin + place;
	request->bytes = request->span = (uint32_t)(room < GATHER_SPAN ? room : GATHER_SPAN);
}

void gather_plan(const struct stream_file *file, uint64_t place, uint64_t room, struct request *request)
{
	uint64_t column, offset, left, end, bytes = 0, all = stream_file_bytes(file) - place;

	if (file->spans) {
		plan_span(file, place, room, request);
		return;
	}
	column = place % file->width;
	offset = file->begin + place / file->width * file->stride + column;
	left = file->width - column;
	end = offset;
	if (room > all)
		room = all;
	for (uint64_t at = offset; bytes < room; at += left + file->stride - file->width, left = file->width) {
		uint64_t take = left < room - bytes ? left : room - bytes;

		if (bytes && block_of(at) > block_of(end - 1) + 1)
			break;
		if (at - offset + take > GATHER_SPAN) {
			/* A row that is longer than the buffer comes in parts. */
			if (bytes)
				break;
			take = GATHER_SPAN;
		}
		bytes += take;
		end = at + take;
		if (take < left)
			break;
	}
	request->offset = offset;
	request->bytes = (uint32_t)bytes;
	request->span = (uint32_t)(end - offset);
}

void gather_copy(const struct run *run, const struct request *request, char *buffer)
{
	const struct stream_file *file = &run->job->files[request->file];
	const char *from = gather_at(buffer, request);
	char *to = run_memory(run, request->memory);
	uint64_t left;

	if (file->spans) {
		memcpy(to, from, request->bytes);
		return;
	}
	left = file->width - (request->memory - file->offset) % file->width;
	for (uint32_t done = 0; done < request->bytes;) {
		uint64_t take = left < request->bytes - done ? left : request->bytes - done;

		memcpy(to + done, from, take);
		done += (uint32_t)take;
		from += take + file->stride - file->width;
		left = file->width;
	}
}

char *gather_buffers(uint32_t count)
{
	return aligned_alloc(SOURCE_DIRECT_ALIGN, (size_t)count * GATHER_BUFFER);
}
