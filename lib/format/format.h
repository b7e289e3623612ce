/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Checkpoints: which files there are and where each tensor lies in them, checked against the format's rules before a
 * byte of data is read. A file that breaks a rule is refused; nothing is repaired or guessed.
 */
#ifndef PINPOOL_FORMAT_FORMAT_H
#define PINPOOL_FORMAT_FORMAT_H

#include "stream/source.h"

#include <pinpool/dtype.h>

/**
 * struct format_tensor - one tensor in a file
 * @name: UTF-8 without NUL; owned, in one allocation with @shape
 * @dtype: type of an element
 * @ndim: number of dimensions, at most PINPOOL_NDIM_MAX
 * @shape: extents, row-major, outermost first
 * @begin: first byte, from the start of the file
 * @end: byte behind the last
 */
struct format_tensor {
	char *name;
	enum pinpool_dtype dtype;
	uint32_t ndim;
	uint64_t *shape;
	uint64_t begin;
	uint64_t end;
};

/**
 * struct format_file - one file of a checkpoint
 * @source: the file, open
 * @format: name of its format, static
 * @data: where the tensors' bytes begin
 * @tensors: by ascending @begin, none of them inside another
 * @count: number of @tensors
 */
struct format_file {
	struct source source;
	const char *format;
	uint64_t data;
	struct format_tensor *tensors;
	size_t count;
};

/**
 * struct checkpoint - what a path stands for
 * @files: sorted by name
 * @count: number of @files
 */
struct checkpoint {
	struct format_file *files;
	size_t count;
};

/*
 * @path: a file, an index, or a directory that holds either. Returns 0, -EBADMSG (breaks its format), -ENOENT,
 * -EOPNOTSUPP (more dimensions than a catalog takes), -EINVAL (not a regular file), -ENOMEM, or what opening and
 * reading gave.
 */
int checkpoint_open(struct checkpoint *checkpoint, const char *path, struct pinpool_diag *diag);
/* A zeroed checkpoint is fine. */
void checkpoint_close(struct checkpoint *checkpoint);

#endif
