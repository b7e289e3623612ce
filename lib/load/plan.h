/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The plan of a load, made before the pool is touched: the checkpoint, what of it goes where, what to digest, and the
 * catalog, complete but for digests.
 *
 * Whole files follow one another, each at a multiple of SOURCE_DIRECT_ALIGN, so that a block of a file is a block of
 * the pool. Of a selection, each piece of a file has blocks of its own in which it lies as in those of the file;
 * tensors that follow one another in the file are one piece.
 */
#ifndef PINPOOL_LOAD_PLAN_H
#define PINPOOL_LOAD_PLAN_H

#include "format/format.h"
#include "load/select.h"
#include "pool/catalog_writer.h"
#include "stream/stream.h"

struct digest_list;

/**
 * struct plan - what will be loaded, and where
 * @checkpoint: the files, open
 * @selection: the tensors, in order of memory
 * @files: the files if all of them is taken, and then file i is source i of the catalog; else their pieces
 * @file_count: number of @files
 * @ranges: of all @files, one for each tensor
 * @tensors: as the catalog has them, in order of memory
 * @tensor_count: number of @tensors
 * @source_count: sources of the catalog: files of which something is taken
 * @sources: by number in the catalog; pointers into @checkpoint live as long as that, paths are owned
 * @origins: of @sources, in @checkpoint
 * @catalog: sealed
 * @digests: of the files, after plan_store_digests(), unless it is a selection
 * @content: of a selection, the digest of the content
 * @list: what the user has of digests, or NULL
 * @length: bytes of content, the last file's end
 * @capacity: bytes that content and catalog need
 */
struct plan {
	struct checkpoint checkpoint;
	struct selection selection;
	struct stream_file *files;
	size_t file_count;
	struct stream_range *ranges;
	struct pinpool_tensor *tensors;
	size_t tensor_count;
	struct pinpool_source *sources;
	size_t source_count;
	const struct format_file **origins;
	struct catalog_writer *catalog;
	uint8_t (*digests)[PINPOOL_DIGEST_BYTES];
	uint8_t content[PINPOOL_DIGEST_BYTES];
	struct digest_list *list;
	uint64_t length;
	uint64_t capacity;
};

/* @opts say which digests there will be: the catalog has room for them. */
int plan_make(struct plan *plan, const char *path, const struct pinpool_load_opts *opts, struct pinpool_diag *diag);
void plan_free(struct plan *plan);

/* After the stream: digests of files and tensors go into the catalog and into @digests. */
void plan_store_digests(struct plan *plan);
/* Those of SHA-256 that were wanted go into the catalog. */
void plan_store_sha256(struct plan *plan);
/*
 * After the stream, into @base: what lies in coded tensors is what the files say of them; how far they are from the
 * weights goes into the catalog. Returns 0, -EBADMSG, -EOPNOTSUPP; @diag names the tensor.
 */
int plan_check_codes(struct plan *plan, const char *base, struct pinpool_diag *diag);

#endif
