/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The plan of a load, made before the pool is touched: the checkpoint, where each file goes, what to digest, and the
 * catalog, complete but for digests. Files follow one another, each at a multiple of SOURCE_DIRECT_ALIGN, so that a
 * block of a file is a block of the pool.
 */
#ifndef PINPOOL_LOAD_PLAN_H
#define PINPOOL_LOAD_PLAN_H

#include "format/format.h"
#include "load/digests.h"
#include "pool/catalog_writer.h"
#include "stream/stream.h"

/**
 * struct plan - what will be loaded, and where
 * @checkpoint: the files, open
 * @files: one for each file of @checkpoint; file i is source i of the catalog
 * @catalog: sealed
 * @digests: of the files, after plan_store_digests()
 * @list: what the user has of digests, or NULL
 * @length: bytes of content, the last file's end
 * @capacity: bytes that content and catalog need
 */
struct plan {
	struct checkpoint checkpoint;
	struct stream_file *files;
	struct catalog_writer *catalog;
	uint8_t (*digests)[PINPOOL_DIGEST_BYTES];
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

#endif
