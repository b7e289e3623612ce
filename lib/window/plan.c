/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The line of a window: whole files one after another, or single tensors, each with the blocks of the file that it
 * begins and ends in. Either way a block of the file is a block of the line, so direct reads need no copy.
 */
#include "base/diag.h"
#include "window/window.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Windows are whole ones, and no chunk that is chosen is larger. */
#define PAGE ((uint64_t)2 << 20)

void window_rows(const struct format_tensor *tensor, uint64_t *rows, uint64_t *row_bytes)
{
	uint64_t bytes = tensor->end - tensor->begin;
	unsigned int block = pinpool_dtype_block_values(tensor->dtype);
	unsigned int bits = pinpool_dtype_bits(tensor->dtype);
	unsigned __int128 values = 1;

	for (uint32_t i = 1; i < tensor->ndim; i++)
		values *= tensor->shape[i];
	*rows = 1;
	if (tensor->ndim && !(block ? values % block : values * bits % 8))
		*rows = tensor->shape[0];
	*row_bytes = bytes / *rows;
}

/* A piece of the line behind the last, [@begin, @end) of file @file. */
static struct stream_file *add_piece(struct pinpool_window *window, size_t file, uint64_t begin, uint64_t end,
				     size_t ranges)
{
	struct stream_file *piece = &window->pieces[window->piece_count];
	uint64_t last;

	piece->source = &window->checkpoint.files[file].source;
	piece->begin = begin & -(uint64_t)SOURCE_DIRECT_ALIGN;
	piece->end = end;
	if (window->piece_count) {
		const struct stream_file *before = piece - 1;

		last = before->offset + (before->end - before->begin);
		piece->offset = (last + SOURCE_DIRECT_ALIGN - 1) & -(uint64_t)SOURCE_DIRECT_ALIGN;
	}
	piece->ranges = calloc(ranges + 1, sizeof(*piece->ranges));
	if (!piece->ranges)
		return NULL;
	window->piece_count++;
	return piece;
}

/* A tensor with bytes goes into the last piece, which has it. */
static void add_tensor(struct pinpool_window *window, size_t file, const struct format_tensor *from)
{
	struct window_tensor *tensor = &window->tensors[window->tensor_count++];
	struct stream_file *piece = &window->pieces[window->piece_count - 1];

	tensor->from = from;
	tensor->file = file;
	tensor->piece = window->piece_count - 1;
	tensor->range = piece->range_count++;
	piece->ranges[tensor->range].begin = from->begin;
	piece->ranges[tensor->range].end = from->end;
	tensor->at = piece->offset + (from->begin - piece->begin);
	if (from->end > from->begin)
		window_rows(from, &tensor->rows, &tensor->row_bytes);
}

static int add_files(struct pinpool_window *window)
{
	const struct checkpoint *checkpoint = &window->checkpoint;

	for (size_t f = 0; f < checkpoint->count; f++) {
		const struct format_file *file = &checkpoint->files[f];

		if (!add_piece(window, f, 0, file->source.size, file->count))
			return -ENOMEM;
		for (size_t t = 0; t < file->count; t++)
			add_tensor(window, f, &file->tensors[t]);
	}
	return 0;
}

static int add_named(struct pinpool_window *window, const char *name, struct pinpool_diag *diag)
{
	const struct checkpoint *checkpoint = &window->checkpoint;

	for (size_t f = 0; f < checkpoint->count; f++) {
		const struct format_file *file = &checkpoint->files[f];

		for (size_t t = 0; t < file->count; t++) {
			const struct format_tensor *from = &file->tensors[t];

			if (strcmp(from->name, name))
				continue;
			if (!add_piece(window, f, from->begin, from->end, 1))
				return diag_errno(diag, -ENOMEM, name);
			add_tensor(window, f, from);
			return 0;
		}
	}
	return diag_set(diag, -ENOENT, name, NULL, "the checkpoint has no such tensor");
}

static int check_rows(const struct pinpool_window *window, uint64_t row_room, struct pinpool_diag *diag)
{
	const uint64_t chunk = window->load.chunk_bytes > PAGE ? window->load.chunk_bytes : PAGE;

	for (size_t i = 0; i < window->tensor_count; i++) {
		const struct window_tensor *tensor = &window->tensors[i];

		if (tensor->row_bytes <= row_room)
			continue;
		diag_set(diag, -ENOSPC, tensor->from->name, NULL,
			 "a row has %" PRIu64 " bytes, a window of %" PRIu64 " has room for %" PRIu64,
			 tensor->row_bytes, window->bytes, row_room);
		diag_change(diag, "use a window of at least %" PRIu64 " bytes",
			    (tensor->row_bytes + chunk + PAGE - 1) / PAGE * PAGE);
		return -ENOSPC;
	}
	return 0;
}

int window_plan(struct pinpool_window *window, const struct pinpool_window_opts *opts, uint64_t row_room,
		struct pinpool_diag *diag)
{
	const struct checkpoint *checkpoint = &window->checkpoint;
	size_t tensors = opts->tensor_count, pieces = opts->tensor_count;
	int err = 0;

	if (!opts->tensors) {
		pieces = checkpoint->count;
		tensors = 0;
		for (size_t f = 0; f < checkpoint->count; f++)
			tensors += checkpoint->files[f].count;
	}
	window->pieces = calloc(pieces + 1, sizeof(*window->pieces));
	window->tensors = calloc(tensors + 1, sizeof(*window->tensors));
	window->digests = calloc(tensors + 1, sizeof(*window->digests));
	if (!window->pieces || !window->tensors || !window->digests)
		return diag_errno(diag, -ENOMEM, "window");
	if (!opts->tensors)
		err = add_files(window) ? diag_errno(diag, -ENOMEM, "window") : 0;
	for (size_t i = 0; opts->tensors && i < opts->tensor_count && !err; i++)
		err = add_named(window, opts->tensors[i], diag);
	return err ? err : check_rows(window, row_room, diag);
}

void window_plan_free(struct pinpool_window *window)
{
	for (size_t i = 0; i < window->piece_count; i++)
		free(window->pieces[i].ranges);
	free(window->pieces);
	free(window->tensors);
	free(window->digests);
}
