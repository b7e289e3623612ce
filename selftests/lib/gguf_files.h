/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* GGUF files for tests, written byte by byte, right or wrong as the test wants. */
#ifndef SELFTESTS_GGUF_FILES_H
#define SELFTESTS_GGUF_FILES_H

#include "checkpoints.h"

#include <pinpool/metadata.h>

/* The format's numbers of some types of tensors. */
enum { GGUF_F32 = 0, GGUF_F16 = 1, GGUF_Q4_0 = 2, GGUF_Q8_0 = 8, GGUF_Q4_K = 12, GGUF_I8 = 24 };

/* A file that grows. */
struct gguf {
	uint8_t *bytes;
	size_t size;
	size_t room;
};

static inline void put(struct gguf *gguf, const void *data, size_t bytes)
{
	if (gguf->size + bytes > gguf->room) {
		gguf->room = 2 * (gguf->size + bytes);
		gguf->bytes = realloc(gguf->bytes, gguf->room);
	}
	if (bytes)
		memcpy(gguf->bytes + gguf->size, data, bytes);
	gguf->size += bytes;
}

static inline void put_u32(struct gguf *gguf, uint32_t value)
{
	put(gguf, &value, sizeof(value));
}

static inline void put_u64(struct gguf *gguf, uint64_t value)
{
	put(gguf, &value, sizeof(value));
}

static inline void put_text(struct gguf *gguf, const char *text)
{
	put_u64(gguf, strlen(text));
	put(gguf, text, strlen(text));
}

/* Magic, version, counts: begins a file anew. */
static inline void put_head(struct gguf *gguf, uint32_t version, uint64_t tensors, uint64_t keys)
{
	gguf->size = 0;
	put(gguf, "GGUF", 4);
	put_u32(gguf, version);
	put_u64(gguf, tensors);
	put_u64(gguf, keys);
}

/* A key, and the type of the value that is to follow. */
static inline void put_key(struct gguf *gguf, const char *key, uint32_t type)
{
	put_text(gguf, key);
	put_u32(gguf, type);
}

static inline void put_key_u32(struct gguf *gguf, const char *key, uint32_t value)
{
	put_key(gguf, key, PINPOOL_VALUE_U32);
	put_u32(gguf, value);
}

static inline void put_key_text(struct gguf *gguf, const char *key, const char *value)
{
	put_key(gguf, key, PINPOOL_VALUE_STRING);
	put_text(gguf, value);
}

/* A key with an array of @count elements that are to follow. */
static inline void put_key_array(struct gguf *gguf, const char *key, uint32_t type, uint64_t count)
{
	put_key(gguf, key, PINPOOL_VALUE_ARRAY);
	put_u32(gguf, type);
	put_u64(gguf, count);
}

/* A matrix with @rows rows of @columns. */
static inline void put_matrix(struct gguf *gguf, const char *name, uint64_t rows, uint64_t columns, uint32_t type,
			      uint64_t offset)
{
	put_text(gguf, name);
	put_u32(gguf, 2);
	put_u64(gguf, columns);
	put_u64(gguf, rows);
	put_u32(gguf, type);
	put_u64(gguf, offset);
}

/* Zeros up to a multiple of @alignment. */
static inline void put_padding(struct gguf *gguf, size_t alignment)
{
	while (gguf->size % alignment)
		put(gguf, "", 1);
}

/* Bytes that tell where they are. */
static inline void put_data(struct gguf *gguf, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		uint8_t byte = pattern_at(7, gguf->size);

		put(gguf, &byte, 1);
	}
}

static inline void write_gguf(const char *path, const struct gguf *gguf)
{
	write_file(path, gguf->bytes, gguf->size);
}

/*
 * Part @no (from 0) of @count of a model with @tensors F32 matrices [2, 4] in all, of which it has one, NAME.NO; the
 * first one has the model's metadata.
 */
static inline void put_part(struct gguf *gguf, unsigned int no, unsigned int count, unsigned int tensors,
			    const char *name)
{
	uint16_t half;
	char tensor[64];

	put_head(gguf, 3, 1, no ? 3 : 5);
	if (!no) {
		put_key_text(gguf, "general.architecture", "llama");
		put_key_text(gguf, "general.name", name);
	}
	put_key(gguf, "split.no", PINPOOL_VALUE_U16);
	half = (uint16_t)no;
	put(gguf, &half, sizeof(half));
	put_key(gguf, "split.count", PINPOOL_VALUE_U16);
	half = (uint16_t)count;
	put(gguf, &half, sizeof(half));
	put_key(gguf, "split.tensors.count", PINPOOL_VALUE_I32);
	put_u32(gguf, tensors);
	snprintf(tensor, sizeof(tensor), "%s.%u", name, no);
	put_matrix(gguf, tensor, 2, 4, GGUF_F32, 0);
	put_padding(gguf, 32);
	put_data(gguf, 32);
}

#endif
