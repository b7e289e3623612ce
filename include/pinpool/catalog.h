/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: catalogs
 *
 * What a READY pool holds: tensors, the files they came from and what those say beside, found by any process with no
 * parsing of the files; or packings of another pool's tensors.
 * The catalog lies in the pool behind the content, ends at its capacity (docs/catalog.md gives the layout) and is
 * checked whole before it is used: a damaged one is refused, never believed.
 */
#ifndef PINPOOL_CATALOG_H
#define PINPOOL_CATALOG_H

#include <pinpool/coded.h>
#include <pinpool/dtype.h>
#include <pinpool/metadata.h>
#include <pinpool/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Most dimensions of a tensor. */
#define PINPOOL_NDIM_MAX 16

struct pinpool_catalog;

/**
 * pinpool_catalog_open - find and check the catalog of a READY pool
 * @pool: the pool; mapped if it is not yet; must outlive the catalog
 * @out: receives the catalog, given back with pinpool_catalog_close()
 *
 * May be used from several threads at once. Return: 0, -ENODATA (pool not READY), -ENOENT (a pool without a catalog),
 * -EBADMSG (damaged), -EOPNOTSUPP (a newer layout), -ENOMEM. Since 0.1.
 */
PINPOOL_API int pinpool_catalog_open(struct pinpool_pool *pool, struct pinpool_catalog **out, struct pinpool_diag *diag);
PINPOOL_API void pinpool_catalog_close(struct pinpool_catalog *catalog);

/**
 * struct pinpool_slice_range - places of one dimension of the tensor in the file
 * @begin: the first
 * @places: how many follow it, itself counted
 */
struct pinpool_slice_range {
	uint64_t begin;
	uint64_t places;
};

/**
 * struct pinpool_tensor - one tensor where it lies
 * @size: sizeof(struct pinpool_tensor), set by the caller
 * @name: its name
 * @dtype: type of an element
 * @ndim: number of dimensions, 0 for a scalar
 * @shape: @ndim extents, row-major, outermost first
 * @offset: bytes from the start of the pool
 * @bytes: length
 * @data: address in this process
 * @source: index of the file it came from
 * @has_digest: @digest is valid
 * @digest: XXH3-128, canonical byte order
 * @has_sha256: @sha256 is valid
 * @sha256: SHA-256 of its bytes
 * @sliced: a part of the tensor in the file: in dimension @slice_dim, @shape counts from @slice_begin of @slice_extent
 * @slice_dim: 0 for rows, @ndim - 1 for columns
 * @slice_begin: the first that is there
 * @slice_extent: how many there are in the file
 * @slice_ranges: of a slice in several ranges, such as the same part of each of fused projections, those, ascending;
 *	@slice_begin is that of the first. NULL for one range
 * @slice_range_count: number of @slice_ranges
 * @coded: its bytes are a code of a matrix (<pinpool/compress.h>) of this kind, of PINPOOL_DTYPE_U8 and one dimension;
 *	0 for values. Since 0.1.
 * @plain_dtype: type of an element before it was coded. Since 0.1.
 * @plain_ndim: number of dimensions before, at least 2. Since 0.1.
 * @plain_shape: @plain_ndim extents. Since 0.1.
 * @plain_bytes: length before. Since 0.1.
 * @coded_error: how far the code is from the values: ||W - C|| / ||W||; 0 if every bit comes back. Since 0.1.
 *
 * Pointers live as long as the catalog. @data has the alignment that the file gave it, which may be 1.
 */
struct pinpool_tensor {
	size_t size;
	const char *name;
	enum pinpool_dtype dtype;
	uint32_t ndim;
	const uint64_t *shape;
	uint64_t offset;
	uint64_t bytes;
	const void *data;
	uint32_t source;
	bool has_digest;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	bool has_sha256;
	uint8_t sha256[PINPOOL_SHA256_BYTES];
	bool sliced;
	uint32_t slice_dim;
	uint64_t slice_begin;
	uint64_t slice_extent;
	const struct pinpool_slice_range *slice_ranges;
	uint32_t slice_range_count;
	enum pinpool_coded_kind coded;
	enum pinpool_dtype plain_dtype;
	uint32_t plain_ndim;
	const uint64_t *plain_shape;
	uint64_t plain_bytes;
	double coded_error;
};

PINPOOL_API size_t pinpool_catalog_tensor_count(const struct pinpool_catalog *catalog);
/* Tensors in order of their offset. Return: 0, -ENOENT (no such index). */
PINPOOL_API int pinpool_catalog_tensor(const struct pinpool_catalog *catalog, size_t index, struct pinpool_tensor *tensor);
/* By exact name, in logarithmic time. Return: 0, -ENOENT. */
PINPOOL_API int pinpool_catalog_find(const struct pinpool_catalog *catalog, const char *name, struct pinpool_tensor *tensor);

/**
 * struct pinpool_source - one file whose bytes the pool holds
 * @size: sizeof(struct pinpool_source), set by the caller
 * @path: absolute path at the time of the load
 * @format: "safetensors", "gguf", "npy", "npz" or "raw"
 * @offset: bytes from the start of the pool to the first byte of the file that is there
 * @bytes: from there to behind the last: length of the file, unless @part
 * @inode: inode number at the time of the load
 * @mtime_ns: modification time at the time of the load, CLOCK_REALTIME nanoseconds
 * @has_digest: @digest is valid
 * @digest: XXH3-128 of the file
 * @has_sha256: @sha256 is valid
 * @sha256: SHA-256 of the file
 * @has_rest_digest: @rest_digest is valid
 * @rest_digest: XXH3-128 of those bytes of the file that belong to no tensor, one after the other
 * @part: not all of the file is there, or not in its order; there may be tensors of other files between
 * @file_bytes: length of the file at the time of the load
 */
struct pinpool_source {
	size_t size;
	const char *path;
	const char *format;
	uint64_t offset;
	uint64_t bytes;
	uint64_t inode;
	uint64_t mtime_ns;
	bool has_digest;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	bool has_sha256;
	uint8_t sha256[PINPOOL_SHA256_BYTES];
	bool has_rest_digest;
	uint8_t rest_digest[PINPOOL_DIGEST_BYTES];
	bool part;
	uint64_t file_bytes;
};

PINPOOL_API size_t pinpool_catalog_source_count(const struct pinpool_catalog *catalog);
PINPOOL_API int pinpool_catalog_source(const struct pinpool_catalog *catalog, size_t index, struct pinpool_source *source);

PINPOOL_API size_t pinpool_catalog_metadata_count(const struct pinpool_catalog *catalog);
/* In order of the keys, of one key in order of the sources. Return: 0, -ENOENT (no such index). Since 0.1. */
PINPOOL_API int pinpool_catalog_metadata(const struct pinpool_catalog *catalog, size_t index,
					 struct pinpool_metadata *metadata);
/*
 * By exact key, in logarithmic time; the one of the first source, if several have that key. Return: 0, -ENOENT. Since
 * 0.1.
 */
PINPOOL_API int pinpool_catalog_find_metadata(const struct pinpool_catalog *catalog, const char *key,
					      struct pinpool_metadata *metadata);

/**
 * struct pinpool_packed - one packing of a tensor of another pool, as the catalog tells of it
 * @size: sizeof(struct pinpool_packed), set by the caller
 * @tensor: name of the tensor
 * @base: name of the pool that holds it
 * @isa: kernels that it is for, as pinpool_isa_name() gives them; a newer library may know more of them
 * @version: PINPOOL_PACKING_VERSION of the library that made it
 * @dtype: type of the weights
 * @n: rows of W
 * @k: columns of W
 * @panel_rows: rows of a panel
 * @offset: bytes from the start of the pool, a multiple of 64
 * @bytes: length
 * @data: address in this process
 * @has_digest: @digest is valid
 * @digest: of the tensor's bytes
 * @base_length: bytes that @base held
 * @base_committed_ns: when @base was committed, 0 if that was not known yet
 * @base_digest_kind: enum pinpool_digest_kind, of @base
 * @base_digest: digest that @base was committed with
 *
 * Whether it is still true of @base, and for which kernels: <pinpool/pack.h>. Pointers live as long as the catalog.
 */
struct pinpool_packed {
	size_t size;
	const char *tensor;
	const char *base;
	const char *isa;
	uint32_t version;
	enum pinpool_dtype dtype;
	uint64_t n;
	uint64_t k;
	uint64_t panel_rows;
	uint64_t offset;
	uint64_t bytes;
	const void *data;
	bool has_digest;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	uint64_t base_length;
	uint64_t base_committed_ns;
	enum pinpool_digest_kind base_digest_kind;
	uint8_t base_digest[PINPOOL_DIGEST_BYTES];
};

PINPOOL_API size_t pinpool_catalog_packing_count(const struct pinpool_catalog *catalog);
/* Packings in order of their tensors' names. Return: 0, -ENOENT (no such index). Since 0.1. */
PINPOOL_API int pinpool_catalog_packing(const struct pinpool_catalog *catalog, size_t index, struct pinpool_packed *packed);
/* By the exact name of the tensor, in logarithmic time. Return: 0, -ENOENT. Since 0.1. */
PINPOOL_API int pinpool_catalog_find_packing(const struct pinpool_catalog *catalog, const char *tensor,
					     struct pinpool_packed *packed);

#ifdef __cplusplus
}
#endif
#endif
