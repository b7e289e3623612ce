/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Building the catalog of a pool that is being loaded. Sizes are known before a byte is read, so that the pool can be
 * made large enough; digests are filled in as they become known; writing is the last thing before commit.
 */
#ifndef PINPOOL_POOL_CATALOG_WRITER_H
#define PINPOOL_POOL_CATALOG_WRITER_H

#include <pinpool/catalog.h>

struct catalog_writer;

int catalog_writer_new(struct catalog_writer **out);
void catalog_writer_free(struct catalog_writer *writer);

/*
 * Copies @source, @tensor (their size, data fields are ignored); a tensor's source comes before it. Returns the index,
 * -EINVAL (a name that is no UTF-8, a shape that is not the bytes, bytes outside the source, a slice that reaches
 * beyond its tensor), -ENOMEM, -EOVERFLOW.
 */
int catalog_writer_add_source(struct catalog_writer *writer, const struct pinpool_source *source);
int catalog_writer_add_tensor(struct catalog_writer *writer, const struct pinpool_tensor *tensor);
/* Leaves room for digests of every tensor and source that have sections of their own: SHA-256 and rests. Before seal.
 */
void catalog_writer_want_sha256(struct catalog_writer *writer);
void catalog_writer_want_rests(struct catalog_writer *writer);

/* After seal, by the index that add gave. Those of SHA-256 and of a rest only if they were wanted. */
void catalog_writer_source_digest(struct catalog_writer *writer, size_t index,
				  const uint8_t digest[PINPOOL_DIGEST_BYTES]);
void catalog_writer_tensor_digest(struct catalog_writer *writer, size_t index,
				  const uint8_t digest[PINPOOL_DIGEST_BYTES]);
void catalog_writer_source_sha256(struct catalog_writer *writer, size_t index,
				  const uint8_t sha256[PINPOOL_SHA256_BYTES]);
void catalog_writer_tensor_sha256(struct catalog_writer *writer, size_t index,
				  const uint8_t sha256[PINPOOL_SHA256_BYTES]);
void catalog_writer_source_rest(struct catalog_writer *writer, size_t index,
				const uint8_t digest[PINPOOL_DIGEST_BYTES]);
/* Of a tensor that is coded. */
void catalog_writer_tensor_error(struct catalog_writer *writer, size_t index, double error);

/*
 * Copies @packed (its size and data are ignored). Returns 0, -EINVAL (names that are none, impossible numbers),
 * -ENOMEM, -EOVERFLOW.
 */
int catalog_writer_add_packing(struct catalog_writer *writer, const struct pinpool_packed *packed);

/*
 * Copies @metadata, its source before it. Returns 0, -EINVAL (a key that is no UTF-8, no such source, a value that is
 * none of its type), -ENOMEM, -EOVERFLOW.
 */
int catalog_writer_add_metadata(struct catalog_writer *writer, const struct pinpool_metadata *metadata);

/*
 * Orders the tensors by offset and by name, packings by name, metadata by key and source; nothing is added afterwards.
 * Returns 0, -ENOMEM, -EOVERFLOW, or -EEXIST and the name in *@duplicate if two tensors, two packings or two values of
 * metadata of one source have the same (owned by the writer). Indices given by add stay valid.
 */
int catalog_writer_seal(struct catalog_writer *writer, const char **duplicate);

/* Smallest capacity that holds @length bytes of content and the catalog, before rounding to pages. After seal. */
uint64_t catalog_writer_capacity(const struct catalog_writer *writer, uint64_t length);

/*
 * Writes the catalog into the mapping @base of @capacity bytes behind @length bytes of content. Returns 0, -ENOSPC (too
 * small), -EINVAL (a source or packing reaches beyond @length), -ENOMEM.
 */
int catalog_writer_write(const struct catalog_writer *writer, void *base, uint64_t capacity, uint64_t length);

#endif
