/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The keys and values of a GGUF file: each key's length and bytes, the type of its value, the value as pool/value.h has
 * it. What must hold:
 *
 *  - a key is UTF-8 of 1 to 65535 bytes and there once;
 *  - types are among the format's 13, arrays are nested four deep at most, a bool is 0 or 1.
 *
 * The values stay in the bytes that were read, which the file owns from then on.
 */
#include "base/diag.h"
#include "format/gguf.h"
#include "pool/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Length of a key, one byte of it, type and one byte of its value: what a pair takes at least. */
#define PAIR_BYTES_LEAST 14u

/* A key and its value while the bytes may still move: offsets in them. */
struct pair {
	size_t key;
	size_t key_bytes;
	size_t value;
	size_t value_bytes; /* as encoded in the file */
	uint32_t type;
};

/* Finds the end of a value of @type that is next. */
static int measure(struct gguf_reader *reader, uint32_t type, size_t *bytes)
{
	struct value_scan scan;
	int err;

	for (;;) {
		err = value_scan((enum pinpool_value_type)type, gguf_here(reader), reader->have - reader->at, &scan);
		if (!err)
			break;
		if (err == -EBADMSG)
			return gguf_bad(reader, reader->at + scan.fault_at, "%s", scan.fault);
		err = gguf_need(reader, scan.bytes);
		if (err)
			return err;
	}
	*bytes = scan.bytes;
	return 0;
}

static int parse_pair(struct gguf_reader *reader, struct pair *pair)
{
	uint64_t bytes;
	size_t shown;
	int err;

	err = gguf_name(reader, "a key", &bytes);
	if (err)
		return err;
	pair->key = reader->at;
	pair->key_bytes = bytes;
	shown = bytes < sizeof(reader->key) ? bytes : sizeof(reader->key) - 1;
	memcpy(reader->key, gguf_here(reader), shown);
	reader->key[shown] = '\0';
	gguf_about(reader, "key ", reader->key);
	reader->at += bytes;

	err = gguf_u32(reader, &pair->type);
	if (err)
		return err;
	if (pair->type >= PINPOOL_VALUE_COUNT)
		return gguf_bad(reader, reader->at - sizeof(pair->type), "type %" PRIu32 " is no type of a value",
				pair->type);
	err = measure(reader, pair->type, &pair->value_bytes);
	if (err)
		return err;
	pair->value = reader->at;
	reader->at += pair->value_bytes;
	return 0;
}

static int parse_pairs(struct gguf_reader *reader, uint64_t count, struct pair **pairs)
{
	size_t room = 0;
	int err;

	if (count > (reader->source->size - reader->at) / PAIR_BYTES_LEAST)
		return gguf_bad(reader, GGUF_KEYS_AT, "%" PRIu64 " keys do not fit into the file", count);
	for (size_t i = 0; i < count; i++) {
		if (i == room) {
			struct pair *grown;

			room = room ? 2 * room : 64;
			grown = realloc(*pairs, room * sizeof(*grown));
			if (!grown)
				return diag_errno(reader->diag, -ENOMEM, reader->source->path);
			*pairs = grown;
		}
		err = parse_pair(reader, &(*pairs)[i]);
		if (err)
			return err;
	}
	return 0;
}

/* The bytes that were understood become the file's, those behind them stay the reader's. */
static int hand_over(struct gguf_reader *reader)
{
	size_t done = reader->at - reader->base, rest = reader->have - reader->at;
	unsigned char *kept = malloc(rest + 1);

	if (!kept)
		return diag_errno(reader->diag, -ENOMEM, reader->source->path);
	memcpy(kept, reader->bytes + done, rest);
	reader->file->text = realloc(reader->bytes, done);
	if (!reader->file->text)
		reader->file->text = reader->bytes;
	reader->bytes = kept;
	reader->base = reader->at;
	return 0;
}

/* What @pair says, in the bytes that do not move any more. A value is encoded as the element of an array is, so it is
 * read as one. */
static struct pinpool_metadata describe(char *bytes, const struct pair *pair)
{
	struct pinpool_metadata metadata = {.size = sizeof(metadata)};
	const struct pinpool_metadata alone = {
		.key = bytes + pair->key,
		.type = PINPOOL_VALUE_ARRAY,
		.element = (enum pinpool_value_type)pair->type,
		.data = bytes + pair->value,
		.bytes = pair->value_bytes,
	};

	/* The type behind the key has been read: its first byte ends the key. */
	bytes[pair->key + pair->key_bytes] = '\0';
	/* It was measured, so this cannot fail. */
	pinpool_metadata_next(&alone, &metadata);
	return metadata;
}

static int by_key(const void *left, const void *right)
{
	return strcmp(((const struct pinpool_metadata *)left)->key, ((const struct pinpool_metadata *)right)->key);
}

static int keep(struct gguf_reader *reader, const struct pair *pairs, size_t count)
{
	struct format_file *file = reader->file;
	int err;

	err = hand_over(reader);
	if (err)
		return err;
	file->metadata = calloc(count + 1, sizeof(*file->metadata));
	if (!file->metadata)
		return diag_errno(reader->diag, -ENOMEM, reader->source->path);
	for (size_t i = 0; i < count; i++)
		file->metadata[i] = describe(file->text, &pairs[i]);
	file->metadata_count = count;
	qsort(file->metadata, count, sizeof(*file->metadata), by_key);
	for (size_t i = 1; i < count; i++) {
		if (!by_key(&file->metadata[i - 1], &file->metadata[i])) {
			gguf_about(reader, "key ", file->metadata[i].key);
			return gguf_bad(reader, (uint64_t)(file->metadata[i].key - (const char *)file->text),
					"is there twice");
		}
	}
	return 0;
}

int gguf_parse_metadata(struct gguf_reader *reader, uint64_t count)
{
	struct pair *pairs = NULL;
	int err;

	err = parse_pairs(reader, count, &pairs);
	if (!err)
		err = keep(reader, pairs, count);
	free(pairs);
	return err;
}

const struct pinpool_metadata *gguf_find(const struct format_file *file, const char *key)
{
	const struct pinpool_metadata wanted = {.key = key};

	return file->metadata_count ? bsearch(&wanted, file->metadata, file->metadata_count, sizeof(wanted), by_key)
				    : NULL;
}
