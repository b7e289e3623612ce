/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * What a read that failed is said to have failed at: file, byte and tensor. A request that a device refuses fails as a
 * whole, for one bad block among hundreds; so its blocks are read once more, one by one, up to the one that is bad.
 */
#include "base/diag.h"
#include "stream/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The first byte of @request that cannot be read now, by whole blocks; its first byte if all can. */
static uint64_t find_bad(const struct source *source, const struct request *request)
{
	alignas(SOURCE_DIRECT_ALIGN) char block[SOURCE_DIRECT_ALIGN];
	int fd = source->direct_fd >= 0 ? source->direct_fd : source->fd;
	uint64_t end = request->offset + request->span;

	for (uint64_t at = request->offset & -(uint64_t)SOURCE_DIRECT_ALIGN; at < end; at += sizeof(block))
		if (pread(fd, block, sizeof(block), (off_t)at) < 0 && errno != EINTR)
			return at > request->offset ? at : request->offset;
	return request->offset;
}

/* The tensor that byte @offset of the file is in, or NULL. */
static const char *tensor_at(const struct stream_file *file, uint64_t offset)
{
	uint64_t taken = offset - file->begin;

	for (size_t i = 0; i < file->span_count; i++)
		if (offset >= file->spans[i].end && i + 1 < file->span_count)
			taken -= file->spans[i + 1].begin - file->spans[i].end;
	if (file->width)
		taken = taken / file->stride * file->width +
			(taken % file->stride < file->width ? taken % file->stride : file->width - 1);
	for (size_t i = 0; i < file->range_count; i++)
		if (taken >= file->ranges[i].begin - file->begin && taken < file->ranges[i].end - file->begin)
			return file->ranges[i].name;
	return NULL;
}

void run_fail_read(struct run *run, int err, const struct request *request)
{
	const struct stream_file *file = &run->job->files[request->file];
	struct pinpool_diag why;
	const char *tensor;
	uint64_t offset = request->offset;
	char at[512];

	/* The device that says it once may take long to say it again. */
	if ((err == -EIO || err == -ENODATA) && !run_stopped(run))
		offset = find_bad(file->source, request);
	tensor = tensor_at(file, offset);
	memset(&why, 0, sizeof(why));
	source_at(file->source, offset, at, sizeof(at));
	if (tensor)
		diag_set(&why, err, at, NULL, "%s, in tensor %s", strerrordesc_np(-err), tensor);
	else
		diag_errno(&why, err, at);
	run_fail(run, err, &why);
}

void run_fail_eof(struct run *run, const struct request *request, uint64_t offset)
{
	const struct source *source = run->job->files[request->file].source;
	struct pinpool_diag why;
	char at[512];
	int err;

	memset(&why, 0, sizeof(why));
	err = source_check(source, &why);
	if (!err)
		err = diag_set(&why, -ENODATA, source_at(source, offset, at, sizeof(at)), NULL,
			       "the file ends here, its size says %" PRIu64, source->size);
	run_fail(run, err, &why);
}
