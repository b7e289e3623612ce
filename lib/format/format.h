/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Checkpoints: which files there are and where each tensor lies in them, checked against the format's rules before a
 * byte of data is read. A file that breaks a rule is refused; nothing is repaired or guessed.
 */
#ifndef PINPOOL_FORMAT_FORMAT_H
#define PINPOOL_FORMAT_FORMAT_H

#include "stream/source.h"

#include <pinpool/catalog.h>

/**
 * struct format_code - what a coded tensor was, as its file says
 * @kind: how it is coded
 * @dtype: type of an element before
 * @ndim: number of dimensions, at least 2
 * @shape: extents
 * @bytes: length before
 */
struct format_code {
	enum pinpool_coded_kind kind;
	enum pinpool_dtype dtype;
	uint32_t ndim;
	uint64_t shape[PINPOOL_NDIM_MAX];
	uint64_t bytes;
};

/**
 * struct format_tensor - one tensor in a file
 * @name: UTF-8 without NUL; owned, in one allocation with @shape
 * @dtype: type of an element
 * @ndim: number of dimensions, at most PINPOOL_NDIM_MAX
 * @shape: extents, row-major, outermost first
 * @begin: first byte, from the start of the file
 * @end: byte behind the last
 * @code: if its bytes are a code of a matrix, what that was; owned. Or NULL
 */
struct format_tensor {
	char *name;
	enum pinpool_dtype dtype;
	uint32_t ndim;
	uint64_t *shape;
	uint64_t begin;
	uint64_t end;
	struct format_code *code;
};

/**
 * struct format_file - one file of a checkpoint
 * @source: the file, open
 * @format: name of its format, static
 * @data: where the tensors' bytes begin
 * @tensors: by ascending @begin, none of them inside another
 * @count: number of @tensors
 * @metadata: what the file says beside, no key twice; their source is not set
 * @metadata_count: number of @metadata
 * @text: what @metadata points into; owned
 */
struct format_file {
	struct source source;
	const char *format;
	uint64_t data;
	struct format_tensor *tensors;
	size_t count;
	struct pinpool_metadata *metadata;
	size_t metadata_count;
	void *text;
};

/**
 * struct checkpoint - what a path stands for
 * @files: sorted by name, so that parts are in their order
 * @count: number of @files
 */
struct checkpoint {
	struct format_file *files;
	size_t count;
};

/*
 * @path: a file, an index, a part of a split file, or a directory that holds one of them. Returns 0, -EBADMSG (breaks
 * its format), -ENOENT, -EOPNOTSUPP (a version, a type or more dimensions than this library takes), -EINVAL (not a
 * regular file), -ENOMEM, or what opening and reading gave.
 */
int checkpoint_open(struct checkpoint *checkpoint, const char *path, struct pinpool_diag *diag);
/* A zeroed checkpoint is fine. */
void checkpoint_close(struct checkpoint *checkpoint);

#endif
