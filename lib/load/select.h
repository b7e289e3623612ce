/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Which tensors of a checkpoint are taken, which part of each, and in what order they shall lie. Every pattern has
 * matched something, and every cut is whole elements in whole bytes and whole blocks.
 */
#ifndef PINPOOL_LOAD_SELECT_H
#define PINPOOL_LOAD_SELECT_H

#include "format/format.h"

#include "stream/stream.h"

#include <pinpool/catalog.h>
#include <pinpool/load.h>

/* Most parts of a fused projection: queries, keys and values. */
#define SELECT_RANGES_MAX 3

/**
 * struct selected - a tensor, or a slice of one
 * @file: index of its file in the checkpoint
 * @tensor: index in its file
 * @begin: its first byte in the file
 * @end: behind its last byte
 * @width: 0 if it has all bytes between; else as in struct stream_file
 * @stride: likewise
 * @spans: likewise, with @span_count
 * @span_count: 0 or number of @spans
 * @sliced: it is a slice: @share of the places in dimension @dim, which are @ranges
 * @dim: dimension that is cut
 * @ranges: places that are taken, ascending
 * @range_count: number of @ranges
 * @share: places that are taken, all together
 * @group: where it goes in order of layers: 0 before the first, 1 in one, 2 behind the last
 * @layer: number of its layer
 */
struct selected {
	size_t file;
	size_t tensor;
	uint64_t begin;
	uint64_t end;
	uint64_t width;
	uint64_t stride;
	struct stream_span spans[SELECT_RANGES_MAX];
	size_t span_count;
	bool sliced;
	uint32_t dim;
	struct pinpool_slice_range ranges[SELECT_RANGES_MAX];
	uint32_t range_count;
	uint64_t share;
	int group;
	uint64_t layer;
};

/**
 * struct selection - what is taken
 * @tensors: in the order in which they shall lie
 * @count: number of @tensors
 * @whole: all of every file, in its order
 */
struct selection {
	struct selected *tensors;
	size_t count;
	bool whole;
};

/*
 * Returns 0, -ENOENT (a pattern that matches nothing), -EINVAL (options that contradict each other, a cut that does not
 * divide), -ENOMEM.
 */
int select_tensors(struct selection *selection, const struct checkpoint *checkpoint,
		   const struct pinpool_load_opts *opts, struct pinpool_diag *diag);
/* A zeroed selection is fine. */
void selection_free(struct selection *selection);

#endif
