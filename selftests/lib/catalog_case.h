/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* A catalog with something of everything in it, and a READY pool that has it. */
#ifndef SELFTESTS_CATALOG_CASE_H
#define SELFTESTS_CATALOG_CASE_H

#include "harness.h"
#include "pool/catalog_layout.h"
#include "pool/catalog_writer.h"
#include "pool_env.h"

#define LENGTH	       4096
/* Behind the last byte of the content: the catalog's page and the footer's. */
#define SMALL_CAPACITY (LENGTH + 8192)

static const uint8_t digest_a[PINPOOL_DIGEST_BYTES] = {0xaa, 1, 2, 3};
static const uint8_t digest_b[PINPOOL_DIGEST_BYTES] = {0xbb, 9, 8, 7};
static const uint8_t sha_a[PINPOOL_SHA256_BYTES] = {0x5a, 1, [31] = 2};
static const uint8_t sha_b[PINPOOL_SHA256_BYTES] = {0x5b, 3, [31] = 4};

static const struct {
	const char *name;
	enum pinpool_dtype dtype;
	uint32_t ndim;
	uint64_t shape[PINPOOL_NDIM_MAX];
	uint64_t offset;
	uint64_t bytes;
	uint32_t source;
} tensors[] = {
	{"z.last", PINPOOL_DTYPE_BF16, 2, {8, 16}, 2048, 256, 1},
	{"layer.0.weight", PINPOOL_DTYPE_F32, 2, {10, 20}, 101, 800, 0},
	{"layer.0.bias", PINPOOL_DTYPE_F32, 1, {20}, 901, 80, 0},
	{"empty", PINPOOL_DTYPE_I64, 3, {3, 0, UINT64_MAX}, 901, 0, 0},
	{"scalar", PINPOOL_DTYPE_F64, 0, {0}, 2304, 8, 1},
	{"gr\xc3\xb6\xc3\x9f"
	 "e",
	 PINPOOL_DTYPE_F4,
	 1,
	 {4},
	 2312,
	 2,
	 1},
	{"six", PINPOOL_DTYPE_F6_E2M3, 1, {4}, 2314, 3, 1},
	{"", PINPOOL_DTYPE_BOOL, 16, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5}, 2317, 5, 1},
};

#define TENSORS (sizeof(tensors) / sizeof(tensors[0]))

static inline int add_tensor(struct catalog_writer *writer, size_t i)
{
	struct pinpool_tensor tensor = {
		.size = sizeof(tensor),
		.name = tensors[i].name,
		.dtype = tensors[i].dtype,
		.ndim = tensors[i].ndim,
		.shape = tensors[i].shape,
		.offset = tensors[i].offset,
		.bytes = tensors[i].bytes,
		.source = tensors[i].source,
	};

	return catalog_writer_add_tensor(writer, &tensor);
}

/* Not in the order of their names. */
static const struct pinpool_packed packings[] = {
	{.tensor = "layer.1",
	 .base = "llama",
	 .isa = "avx2",
	 .version = 1,
	 .dtype = PINPOOL_DTYPE_BF16,
	 .n = 3,
	 .k = 5,
	 .panel_rows = 16,
	 .offset = 128,
	 .bytes = 192,
	 .base_length = 77,
	 .base_committed_ns = 1700000000123456789},
	{.tensor = "layer.0",
	 .base = "llama",
	 .isa = "of a newer library",
	 .version = UINT32_MAX,
	 .dtype = PINPOOL_DTYPE_Q4_K,
	 .n = UINT64_MAX,
	 .k = 512,
	 .panel_rows = 1,
	 .bytes = 1,
	 .has_digest = true,
	 .digest = {0xcc, 4},
	 .base_digest_kind = PINPOOL_DIGEST_XXH3_128_LIST,
	 .base_digest = {0xdd, 5}},
	{.tensor = "m",
	 .base = "a",
	 .isa = "",
	 .dtype = PINPOOL_DTYPE_F32,
	 .n = 1,
	 .k = 1,
	 .panel_rows = 1,
	 .offset = 4032,
	 .bytes = 64},
};

#define PACKINGS (sizeof(packings) / sizeof(packings[0]))

/* Two strings with their lengths, two arrays with their heads, as they are encoded. */
static const char two_strings[] = "\3\0\0\0\0\0\0\0abc\0\0\0\0\0\0\0";
static const char two_arrays[] = "\7\0\0\0\2\0\0\0\0\0\0\0\1\0\4\0\0\0\0\0\0\0\0\0\0";

/* Not in the order of their keys; one key of both sources. */
static const struct pinpool_metadata metadata[] = {
	{.key = "number", .type = PINPOOL_VALUE_U32, .element = PINPOOL_VALUE_U32, .count = 1, .data = "\1\2\3\4",
	 .bytes = 4, .source = 1},
	{.key = "number", .type = PINPOOL_VALUE_I8, .element = PINPOOL_VALUE_I8, .count = 1, .data = "\xff", .bytes = 1},
	{.key = "flags", .type = PINPOOL_VALUE_ARRAY, .element = PINPOOL_VALUE_BOOL, .count = 3, .data = "\1\0\1",
	 .bytes = 3},
	{.key = "text", .type = PINPOOL_VALUE_STRING, .element = PINPOOL_VALUE_STRING, .count = 1, .data = "a\0b",
	 .bytes = 3, .source = 1},
	{.key = "", .type = PINPOOL_VALUE_STRING, .element = PINPOOL_VALUE_STRING, .count = 1, .data = ""},
	{.key = "strings", .type = PINPOOL_VALUE_ARRAY, .element = PINPOOL_VALUE_STRING, .count = 2, .data = two_strings,
	 .bytes = sizeof(two_strings)},
	{.key = "arrays", .type = PINPOOL_VALUE_ARRAY, .element = PINPOOL_VALUE_ARRAY, .count = 2, .data = two_arrays,
	 .bytes = sizeof(two_arrays)},
};

#define METADATA (sizeof(metadata) / sizeof(metadata[0]))

/* @packed: with the sections that need not be there: packings, metadata, SHA-256, rests. */
static inline struct catalog_writer *make_writer(bool packed)
{
	struct pinpool_source first = {
		.path = "/models/a-1.safetensors",
		.format = "safetensors",
		.offset = 0,
		.bytes = 1000,
		.inode = 12,
		.mtime_ns = 1700000000123456789,
	};
	struct pinpool_source second = {
		.path = "/models/\xff no utf8",
		.format = "safetensors",
		.offset = 2048,
		.bytes = 2048,
		.inode = UINT64_MAX,
		.has_digest = true,
	};
	struct catalog_writer *writer;
	const char *duplicate;

	memcpy(second.digest, digest_b, sizeof(digest_b));
	if (catalog_writer_new(&writer) || catalog_writer_add_source(writer, &first) != 0 ||
	    catalog_writer_add_source(writer, &second) != 1)
		return NULL;
	for (size_t i = 0; i < TENSORS; i++)
		if (add_tensor(writer, i) != (int)i)
			return NULL;
	for (size_t i = 0; i < PACKINGS && packed; i++)
		if (catalog_writer_add_packing(writer, &packings[i]))
			return NULL;
	for (size_t i = 0; i < METADATA && packed; i++)
		if (catalog_writer_add_metadata(writer, &metadata[i]))
			return NULL;
	if (packed) {
		catalog_writer_want_sha256(writer);
		catalog_writer_want_rests(writer);
	}
	if (catalog_writer_seal(writer, &duplicate))
		return NULL;
	/* Digests come after the seal, when the bytes have been read. */
	catalog_writer_source_digest(writer, 0, digest_a);
	catalog_writer_tensor_digest(writer, 1, digest_b);
	if (packed) {
		catalog_writer_tensor_sha256(writer, 1, sha_b);
		catalog_writer_source_sha256(writer, 1, sha_a);
		catalog_writer_source_rest(writer, 0, digest_b);
	}
	return writer;
}

/* A READY pool "model" with the catalog of make_writer(), opened for reading. */
static inline struct pinpool_pool *make_pool(struct pool_env *env, bool packed)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = SMALL_CAPACITY);
	struct catalog_writer *writer = make_writer(packed);
	struct pinpool_pool *pool = NULL;
	size_t bytes;
	void *addr;
	int err;

	if (!writer || pinpool_pool_create(env->ctx, "model", &opts, NULL) ||
	    pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL))
		return NULL;
	err = pinpool_pool_begin(pool, NULL);
	if (!err)
		err = pinpool_pool_map_writable(pool, &addr, &bytes);
	if (!err) {
		for (size_t i = 0; i < LENGTH; i++)
			((unsigned char *)addr)[i] = (unsigned char)(i * 7);
		err = catalog_writer_write(writer, addr, bytes, LENGTH);
	}
	if (!err)
		err = env_commit(pool, LENGTH);
	catalog_writer_free(writer);
	pinpool_pool_close(pool);
	if (err || pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_READ, &pool, NULL))
		return NULL;
	return pool;
}

#endif
