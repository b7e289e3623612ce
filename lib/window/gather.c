/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Rows of a tensor by their numbers: sorted, so that each is read once and neighbours in one read, through the page
 * cache, since rows of an embedding table are small and some are asked for again and again. The kernel is told of some
 * reads ahead, so that a device has several at a time.
 */
#include "base/diag.h"
#include "window/window.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Reading so much for nothing is no slower than another read. */
#define GAP   (16u << 10)
/* Most bytes of one read of several rows. */
#define READ  (1u << 20)
/* Reads that the kernel is told of ahead. */
#define AHEAD 64u

struct want {
	uint64_t id;
	size_t place; /* in the output */
};

struct gather {
	const struct source *source;
	uint64_t begin; /* of the tensor in its file */
	uint64_t row;
	struct want *wants; /* by id */
	size_t count;
	char *out;
	char *bounce; /* READ bytes, made when a read has several rows */
	uint64_t bytes; /* read */
};

static int compare(const void *a, const void *b)
{
	const struct want *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* End of the wants that one read from @first on serves. */
static size_t end_of_read(const struct gather *gather, size_t first)
{
	const struct want *wants = gather->wants;
	size_t end = first + 1;

	for (; end < gather->count; end++) {
		uint64_t rows = wants[end].id - wants[end - 1].id;
		uint64_t span = wants[end].id - wants[first].id + 1;

		/* Products are small: rows times bytes of a row are at most the tensor's. */
		if (rows > 1 && (rows - 1) * gather->row > GAP)
			break;
		if (span > 1 && span * gather->row > READ)
			break;
	}
	return end;
}

static void tell_ahead(const struct gather *gather, size_t first, size_t end)
{
	uint64_t bytes = (gather->wants[end - 1].id - gather->wants[first].id + 1) * gather->row;

	/* Only advice: that it is not taken costs time and nothing else. */
	posix_fadvise(gather->source->fd, (off_t)(gather->begin + gather->wants[first].id * gather->row), (off_t)bytes,
		      POSIX_FADV_WILLNEED);
}

static int read_rows(struct gather *gather, size_t first, size_t end, struct pinpool_diag *diag)
{
	const struct want *wants = gather->wants;
	uint64_t bytes = (wants[end - 1].id - wants[first].id + 1) * gather->row;
	char *to = gather->out + wants[first].place * gather->row;
	int err;

	if (bytes > gather->row) {
		if (!gather->bounce)
			gather->bounce = malloc(READ);
		if (!gather->bounce)
			return diag_errno(diag, -ENOMEM, "rows");
		to = gather->bounce;
	}
	err = source_read(gather->source, to, bytes, gather->begin + wants[first].id * gather->row, diag);
	if (err)
		return err;
	gather->bytes += bytes;
	for (size_t i = first; i < end; i++) {
		char *place = gather->out + wants[i].place * gather->row;

		if (place != to)
			memcpy(place, to + (wants[i].id - wants[first].id) * gather->row, gather->row);
	}
	return 0;
}

static int gather_all(struct gather *gather, struct pinpool_diag *diag)
{
	size_t ahead = 0, told = 0, reads = 0, end;
	int err = 0;

	for (size_t first = 0; first < gather->count && !err; first = end, reads++) {
		for (; told < reads + AHEAD && ahead < gather->count; told++) {
			end = end_of_read(gather, ahead);
			tell_ahead(gather, ahead, end);
			ahead = end;
		}
		end = end_of_read(gather, first);
		err = read_rows(gather, first, end, diag);
	}
	return err ? err : source_check(gather->source, diag);
}

static const struct format_tensor *find(const struct checkpoint *checkpoint, const char *name,
					const struct source **source)
{
	for (size_t f = 0; f < checkpoint->count; f++) {
		const struct format_file *file = &checkpoint->files[f];

		for (size_t t = 0; t < file->count; t++) {
			if (strcmp(file->tensors[t].name, name))
				continue;
			*source = &file->source;
			return &file->tensors[t];
		}
	}
	return NULL;
}

/* @ids with their places, checked. */
static int sort_ids(struct gather *gather, const char *name, const uint64_t *ids, uint64_t rows,
		    struct pinpool_diag *diag)
{
	gather->wants = calloc(gather->count + 1, sizeof(*gather->wants));
	if (!gather->wants)
		return diag_errno(diag, -ENOMEM, name);
	for (size_t i = 0; i < gather->count; i++) {
		if (ids[i] >= rows)
			return diag_set(diag, -EINVAL, name, NULL,
					"id %" PRIu64 " at place %zu is beyond its %" PRIu64 " rows", ids[i], i, rows);
		gather->wants[i] = (struct want){ids[i], i};
	}
	qsort(gather->wants, gather->count, sizeof(*gather->wants), compare);
	return 0;
}

int pinpool_window_gather(struct pinpool_window *window, const char *tensor_name, const uint64_t *ids, size_t count,
			  void *out, struct pinpool_diag *diag)
{
	struct gather gather = {.count = count, .out = out};
	const struct format_tensor *tensor;
	uint64_t rows = 0;
	int err;

	if (!tensor_name || (count && (!ids || !out)))
		return diag_set(diag, -EINVAL, "pinpool_window_gather", NULL, "null pointer");
	tensor = find(&window->checkpoint, tensor_name, &gather.source);
	if (!tensor)
		return diag_set(diag, -ENOENT, tensor_name, NULL, "the checkpoint has no such tensor");
	gather.begin = tensor->begin;
	if (tensor->end > tensor->begin)
		window_rows(tensor, &rows, &gather.row);
	err = sort_ids(&gather, tensor_name, ids, rows, diag);
	if (!err)
		err = gather_all(&gather, diag);
	free(gather.bounce);
	free(gather.wants);
	pthread_mutex_lock(&window->lock);
	window->stats.gather_bytes += gather.bytes;
	pthread_mutex_unlock(&window->lock);
	return err;
}
