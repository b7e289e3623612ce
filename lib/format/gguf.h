/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Reading the header of a GGUF file, shared by the files that parse its parts: never more of it in memory than is
 * there. */
#ifndef PINPOOL_FORMAT_GGUF_H
#define PINPOOL_FORMAT_GGUF_H

#include "format/internal.h"

/* Most bytes of a header: keys, values and descriptions of tensors. */
#define GGUF_HEADER_MAX FORMAT_JSON_MAX
/* Most bytes of a key, which the format says, or of a tensor's name. */
#define GGUF_NAME_MAX	65535u
/* Magic, version and the two counts, and where these are. */
#define GGUF_HEAD_BYTES 24u
#define GGUF_TENSORS_AT 8u
#define GGUF_KEYS_AT	16u

/**
 * struct gguf_reader - how far the header of a file has been understood
 * @file: what it says so far
 * @source: the file
 * @diag: reason of a failure, or NULL
 * @bytes: the header from offset @base to @have; owned, moves when more is read
 * @base: offset in the file, of @bytes
 * @have: end of what has been read
 * @at: end of what has been understood
 * @what: "key " or "tensor ", what it is about at the moment, or NULL
 * @name: of that
 * @key: room for the beginning of a key, to be the name
 */
struct gguf_reader {
	struct format_file *file;
	const struct source *source;
	struct pinpool_diag *diag;
	unsigned char *bytes;
	uint64_t base;
	uint64_t have;
	uint64_t at;
	const char *what;
	const char *name;
	char key[2 * FORMAT_QUOTE_MAX];
};

/* The next bytes, as many as gguf_need() has made sure of; until the next call of it. */
static inline unsigned char *gguf_here(const struct gguf_reader *reader)
{
	return reader->bytes + (reader->at - reader->base);
}

/* What messages are about from now on; @name is not copied. */
void gguf_about(struct gguf_reader *reader, const char *what, const char *name);
/* "FILE: offset N: key NAME: CAUSE". Returns -EBADMSG. */
int gguf_bad(const struct gguf_reader *reader, uint64_t offset, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The next @bytes are in memory. Returns 0, -EBADMSG (the file, or what a header may have, ends before), -ENOMEM, ...
 */
int gguf_need(struct gguf_reader *reader, uint64_t bytes);
/* The next number, and past it. */
int gguf_u32(struct gguf_reader *reader, uint32_t *value);
int gguf_u64(struct gguf_reader *reader, uint64_t *value);
/* The length of a name (@what it is of), and past that; @bytes of good name are next. */
int gguf_name(struct gguf_reader *reader, const char *what, uint64_t *bytes);

/* @count keys with their values, which become the file's metadata. */
int gguf_parse_metadata(struct gguf_reader *reader, uint64_t count);
/* NULL if there is none. */
const struct pinpool_metadata *gguf_find(const struct format_file *file, const char *key);

#endif
