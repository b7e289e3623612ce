/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Which tensors of a checkpoint are taken, which part of each, and in what order they shall lie. Every pattern has
 * matched something, and every cut is whole elements in whole bytes and whole blocks.
 */
#ifndef PINPOOL_LOAD_SELECT_H
#define PINPOOL_LOAD_SELECT_H

#include "format/format.h"

#include <pinpool/load.h>

/**
 * struct selected - a tensor, or a slice of one
 * @file: index of its file in the checkpoint
 * @tensor: index in its file
 * @begin: its first byte in the file
 * @end: behind its last byte
 * @width: 0 if it has all bytes between; else as in struct stream_file
 * @stride: likewise
 * @sliced: it is a slice: @share of the places in dimension @dim, from @first on
 * @dim: dimension that is cut
 * @first: first place in it
 * @share: places that are taken
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
	bool sliced;
	uint32_t dim;
	uint64_t first;
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
