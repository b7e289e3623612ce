/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * GGUF, versions 2 and 3, little-endian, one file: magic, version, number of tensors, number of keys; the keys with
 * their values (gguf_metadata.c); for each tensor its name, extents, type and offset; padding up to a multiple of the
 * alignment, which the key general.alignment gives; the tensors' bytes. What must hold:
 *
 *  - all that is before the padding is at most 100 MB and ends within the file;
 *  - a tensor has a name of its own, at most 4 dimensions, innermost first, and rows of whole blocks;
 *  - its offset, counted from behind the padding, is a multiple of the alignment;
 *  - each tensor ends within the file and none begins inside another. Bytes between and behind them belong to nobody.
 *
 * The header is read piece by piece as it is understood, so memory is in proportion to what the file really has,
 * whatever its counts say.
 */
#include "format/gguf.h"

#include "base/diag.h"
#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <pinpool/catalog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES	   (256u << 10)
#define ALIGNMENT_DEFAULT  32u
/* Larger than any page; keeps sums of offsets far from overflow. */
#define ALIGNMENT_MAX	   (1u << 30)
#define NDIM_MAX	   4u
/* Name length, number of dimensions, type, offset: what the description of a tensor takes at least. */
#define TENSOR_BYTES_LEAST 24u

/* The format's numbers of types. Those that it has given up and those that no file holds are not there. */
static const enum pinpool_dtype dtypes[] = {
	[0] = PINPOOL_DTYPE_F32,     [1] = PINPOOL_DTYPE_F16,	   [2] = PINPOOL_DTYPE_Q4_0,
	[3] = PINPOOL_DTYPE_Q4_1,    [6] = PINPOOL_DTYPE_Q5_0,	   [7] = PINPOOL_DTYPE_Q5_1,
	[8] = PINPOOL_DTYPE_Q8_0,    [9] = PINPOOL_DTYPE_Q8_1,	   [10] = PINPOOL_DTYPE_Q2_K,
	[11] = PINPOOL_DTYPE_Q3_K,   [12] = PINPOOL_DTYPE_Q4_K,	   [13] = PINPOOL_DTYPE_Q5_K,
	[14] = PINPOOL_DTYPE_Q6_K,   [15] = PINPOOL_DTYPE_Q8_K,	   [16] = PINPOOL_DTYPE_IQ2_XXS,
	[17] = PINPOOL_DTYPE_IQ2_XS, [18] = PINPOOL_DTYPE_IQ3_XXS, [19] = PINPOOL_DTYPE_IQ1_S,
	[20] = PINPOOL_DTYPE_IQ4_NL, [21] = PINPOOL_DTYPE_IQ3_S,   [22] = PINPOOL_DTYPE_IQ2_S,
	[23] = PINPOOL_DTYPE_IQ4_XS, [24] = PINPOOL_DTYPE_I8,	   [25] = PINPOOL_DTYPE_I16,
	[26] = PINPOOL_DTYPE_I32,    [27] = PINPOOL_DTYPE_I64,	   [28] = PINPOOL_DTYPE_F64,
	[29] = PINPOOL_DTYPE_IQ1_M,  [30] = PINPOOL_DTYPE_BF16,	   [34] = PINPOOL_DTYPE_TQ1_0,
	[35] = PINPOOL_DTYPE_TQ2_0,  [39] = PINPOOL_DTYPE_MXFP4,   [40] = PINPOOL_DTYPE_NVFP4,
	[41] = PINPOOL_DTYPE_Q1_0,   [42] = PINPOOL_DTYPE_Q2_0,
};

#define DTYPES (sizeof(dtypes) / sizeof(dtypes[0]))

int gguf_bad(const struct gguf_reader *reader, uint64_t offset, const char *fmt, ...)
{
	char object[512], cause[384], quoted[FORMAT_QUOTE_MAX];
	va_list ap;

	snprintf(object, sizeof(object), "%s: offset %" PRIu64 "%s%s%s", reader->source->path, offset,
		 reader->what ? ": " : "", reader->what ? reader->what : "",
		 reader->what ? format_quote(quoted, sizeof(quoted), reader->name) : "");
	va_start(ap, fmt);
	vsnprintf(cause, sizeof(cause), fmt, ap);
	va_end(ap);
	return diag_set(reader->diag, -EBADMSG, object, NULL, "%s", cause);
}

void gguf_about(struct gguf_reader *reader, const char *what, const char *name)
{
	reader->what = what;
	reader->name = name;
}

/* More room for the header, and what the file has for it. */
static int read_more(struct gguf_reader *reader, size_t bytes)
{
	unsigned char *grown;
	int err;

	grown = realloc(reader->bytes, reader->have - reader->base + bytes);
	if (!grown)
		return diag_errno(reader->diag, -ENOMEM, reader->source->path);
	reader->bytes = grown;
	err = source_read(reader->source, grown + (reader->have - reader->base), bytes, reader->have, reader->diag);
	if (!err)
		reader->have += bytes;
	return err;
}

int gguf_need(struct gguf_reader *reader, uint64_t bytes)
{
	uint64_t end, more;

	if (bytes <= reader->have - reader->at)
		return 0;
	if (__builtin_add_overflow(reader->at, bytes, &end) || end > reader->source->size) {
		gguf_bad(reader, reader->at, "%" PRIu64 " bytes are needed here, the file ends at %" PRIu64, bytes,
			 reader->source->size);
		diag_change(reader->diag, "the file is truncated or damaged: fetch it again");
		return -EBADMSG;
	}
	if (end > GGUF_HEADER_MAX)
		return gguf_bad(reader, reader->at, "the header is longer than %u bytes", GGUF_HEADER_MAX);
	/* At least as much again as there is, so that copies and looks at a long value remain few. */
	more = reader->have - reader->base > READ_BYTES ? reader->have - reader->base : READ_BYTES;
	if (more < end - reader->have)
		more = end - reader->have;
	if (more > GGUF_HEADER_MAX - reader->have)
		more = GGUF_HEADER_MAX - reader->have;
	if (more > reader->source->size - reader->have)
		more = reader->source->size - reader->have;
	return read_more(reader, more);
}

static int take(struct gguf_reader *reader, void *out, size_t bytes)
{
	int err = gguf_need(reader, bytes);

	if (err)
		return err;
	memcpy(out, gguf_here(reader), bytes);
	reader->at += bytes;
	return 0;
}

int gguf_u32(struct gguf_reader *reader, uint32_t *value)
{
	return take(reader, value, sizeof(*value));
}

int gguf_u64(struct gguf_reader *reader, uint64_t *value)
{
	return take(reader, value, sizeof(*value));
}

int gguf_name(struct gguf_reader *reader, const char *what, uint64_t *bytes)
{
	const uint64_t start = reader->at;
	int err;

	gguf_about(reader, NULL, NULL);
	err = gguf_u64(reader, bytes);
	if (err)
		return err;
	if (!*bytes || *bytes > GGUF_NAME_MAX)
		return gguf_bad(reader, start, "%s of %" PRIu64 " bytes; 1 to %u are allowed", what, *bytes,
				GGUF_NAME_MAX);
	err = gguf_need(reader, *bytes);
	if (err)
		return err;
	if (!utf8_is_valid((const char *)gguf_here(reader), *bytes) || memchr(gguf_here(reader), '\0', *bytes))
		return gguf_bad(reader, reader->at, "%s is no UTF-8, or holds a NUL", what);
	return 0;
}

/* Magic and version. */
static int check_kind(struct gguf_reader *reader)
{
	const char *path = reader->source->path, *change = "convert the file with a current tool of its makers";
	uint32_t version;
	int err;

	if (reader->source->size < GGUF_HEAD_BYTES)
		return diag_set(reader->diag, -EBADMSG, path, "the file is truncated or no GGUF file",
				"%" PRIu64 " bytes are too few for a GGUF header", reader->source->size);
	err = gguf_need(reader, GGUF_HEAD_BYTES);
	if (err)
		return err;
	if (memcmp(reader->bytes, GGUF_MAGIC, sizeof(GGUF_MAGIC) - 1))
		return diag_set(reader->diag, -EBADMSG, path, "probably no GGUF file", "does not begin with %s",
				GGUF_MAGIC);
	reader->at = sizeof(GGUF_MAGIC) - 1;
	err = gguf_u32(reader, &version);
	if (err)
		return err;
	if (version == 2 || version == 3)
		return 0;
	if (version && !(version & 0xffff))
		return diag_set(reader->diag, -EOPNOTSUPP, path, change, "is big-endian");
	return diag_set(reader->diag, -EOPNOTSUPP, path, version == 1 ? change : NULL,
			"GGUF version %" PRIu32 "; this library reads 2 and 3", version);
}

static int get_type(const struct gguf_reader *reader, struct format_tensor *tensor, uint32_t type)
{
	tensor->dtype = type < DTYPES ? dtypes[type] : PINPOOL_DTYPE_INVALID;
	if (tensor->dtype != PINPOOL_DTYPE_INVALID)
		return 0;
	gguf_bad(reader, reader->at, "type %" PRIu32 " is none that this library knows", type);
	diag_change(reader->diag, "convert the file with a current tool, or use a newer pinpool");
	return -EOPNOTSUPP;
}

/* Bytes that type and shape ask for. */
static int tensor_bytes(const struct gguf_reader *reader, const struct format_tensor *tensor, uint64_t *bytes)
{
	uint64_t values = pinpool_dtype_block_values(tensor->dtype), product = 1;
	uint64_t unit = values ? pinpool_dtype_block_bytes(tensor->dtype) : pinpool_dtype_bits(tensor->dtype) / 8;
	uint64_t row = tensor->ndim ? tensor->shape[tensor->ndim - 1] : 1;
	bool empty = false;

	if (values && row % values)
		return gguf_bad(reader, reader->at,
				"its rows of %" PRIu64 " values are no whole blocks of %s, which have %" PRIu64, row,
				pinpool_dtype_name(tensor->dtype), values);
	for (uint32_t i = 0; i < tensor->ndim; i++)
		empty |= !tensor->shape[i];
	if (!empty)
		for (uint32_t i = 0; i < tensor->ndim; i++)
			if (__builtin_mul_overflow(product, tensor->shape[i], &product))
				return gguf_bad(reader, reader->at, "the product of its shape overflows");
	if (empty)
		product = 0;
	if (__builtin_mul_overflow(product / (values ? values : 1), unit, bytes))
		return gguf_bad(reader, reader->at, "shape times type overflows");
	return 0;
}

/* The description of a tensor; its offset, from the beginning of the data, becomes @begin. */
static int parse_tensor(struct gguf_reader *reader, struct format_tensor *tensor)
{
	uint64_t length, offset, bytes = 0;
	uint32_t ndim, type;
	int err;

	err = gguf_name(reader, "a tensor's name", &length);
	if (err)
		return err;
	/* As many extents as there can be: how many there are comes behind the name. */
	tensor->shape = malloc(NDIM_MAX * sizeof(*tensor->shape) + length + 1);
	if (!tensor->shape)
		return diag_errno(reader->diag, -ENOMEM, reader->source->path);
	tensor->name = (char *)(tensor->shape + NDIM_MAX);
	memcpy(tensor->name, gguf_here(reader), length);
	tensor->name[length] = '\0';
	reader->at += length;
	gguf_about(reader, "tensor ", tensor->name);
	err = gguf_u32(reader, &ndim);
	if (err)
		return err;
	if (ndim > NDIM_MAX)
		return gguf_bad(reader, reader->at, "has %" PRIu32 " dimensions; the format has at most %u", ndim,
				NDIM_MAX);
	tensor->ndim = ndim;
	for (uint32_t i = ndim; i-- > 0 && !err;)
		err = gguf_u64(reader, &tensor->shape[i]);
	if (!err)
		err = gguf_u32(reader, &type);
	if (!err)
		err = gguf_u64(reader, &offset);
	if (!err)
		err = get_type(reader, tensor, type);
	if (!err)
		err = tensor_bytes(reader, tensor, &bytes);
	if (err)
		return err;
	tensor->begin = offset;
	if (__builtin_add_overflow(offset, bytes, &tensor->end))
		return gguf_bad(reader, reader->at, "its end overflows: offset %" PRIu64 ", %" PRIu64 " bytes", offset,
				bytes);
	return 0;
}

static int parse_tensors(struct gguf_reader *reader, uint64_t count)
{
	struct format_file *file = reader->file;
	size_t room = 0;
	int err;

	gguf_about(reader, NULL, NULL);
	if (count > (reader->source->size - reader->at) / TENSOR_BYTES_LEAST)
		return gguf_bad(reader, GGUF_TENSORS_AT, "%" PRIu64 " tensors do not fit into the file", count);
	while (file->count < count) {
		if (file->count == room) {
			struct format_tensor *grown;

			room = room ? 2 * room : 64;
			grown = realloc(file->tensors, room * sizeof(*grown));
			if (!grown)
				return diag_errno(reader->diag, -ENOMEM, reader->source->path);
			file->tensors = grown;
		}
		file->tensors[file->count] = (struct format_tensor){0};
		err = parse_tensor(reader, &file->tensors[file->count++]);
		if (err)
			return err;
	}
	return 0;
}

static int by_name(const void *left, const void *right)
{
	return strcmp(((const struct format_tensor *)left)->name, ((const struct format_tensor *)right)->name);
}

static int check_names(struct gguf_reader *reader)
{
	const struct format_file *file = reader->file;

	if (file->count)
		qsort(file->tensors, file->count, sizeof(*file->tensors), by_name);
	for (size_t i = 1; i < file->count; i++)
		if (!by_name(&file->tensors[i - 1], &file->tensors[i])) {
			gguf_about(reader, "tensor ", file->tensors[i].name);
			return gguf_bad(reader, file->data + file->tensors[i].begin, "is there twice");
		}
	return 0;
}

/* Offsets become places in the file. */
static int place_tensor(struct gguf_reader *reader, struct format_tensor *tensor, uint64_t alignment)
{
	const struct format_file *file = reader->file;

	gguf_about(reader, "tensor ", tensor->name);
	if (tensor->begin % alignment)
		return gguf_bad(reader, file->data,
				"its offset, %" PRIu64 ", is no multiple of the alignment, %" PRIu64, tensor->begin,
				alignment);
	if (file->data > reader->source->size || tensor->end > reader->source->size - file->data) {
		gguf_bad(reader, file->data, "ends %" PRIu64 " bytes behind here, the file ends at %" PRIu64,
			 tensor->end, reader->source->size);
		diag_change(reader->diag, "the file is truncated or damaged: fetch it again");
		return -EBADMSG;
	}
	tensor->begin += file->data;
	tensor->end += file->data;
	return 0;
}

static int check_places(struct gguf_reader *reader, uint64_t alignment)
{
	struct format_file *file = reader->file;
	uint64_t next = 0;
	int err;

	for (size_t i = 0; i < file->count; i++) {
		err = place_tensor(reader, &file->tensors[i], alignment);
		if (err)
			return err;
	}
	if (file->count)
		qsort(file->tensors, file->count, sizeof(*file->tensors), format_by_place);
	for (size_t i = 0; i < file->count; i++) {
		const struct format_tensor *tensor = &file->tensors[i];

		if (tensor->begin < next) {
			gguf_about(reader, "tensor ", tensor->name);
			return gguf_bad(reader, tensor->begin,
					"begins inside the tensor before it, which ends at %" PRIu64, next);
		}
		next = tensor->end;
	}
	return 0;
}

static int get_alignment(struct gguf_reader *reader, uint64_t *alignment)
{
	const struct pinpool_metadata *value = gguf_find(reader->file, "general.alignment");
	int64_t number;

	*alignment = ALIGNMENT_DEFAULT;
	if (!value)
		return 0;
	gguf_about(reader, "key ", value->key);
	if (value->type != PINPOOL_VALUE_U32 || pinpool_metadata_integer(value, &number))
		return gguf_bad(reader, reader->at, "is no u32");
	if (!number || number > ALIGNMENT_MAX || (number & (number - 1)))
		return gguf_bad(reader, reader->at, "%" PRId64 " is no power of two from 1 to %u", number,
				ALIGNMENT_MAX);
	*alignment = (uint64_t)number;
	return 0;
}

static int parse(struct gguf_reader *reader)
{
	uint64_t tensors, keys, alignment;
	int err;

	err = check_kind(reader);
	if (!err)
		err = gguf_u64(reader, &tensors);
	if (!err)
		err = gguf_u64(reader, &keys);
	if (!err)
		err = gguf_parse_metadata(reader, keys);
	if (!err)
		err = get_alignment(reader, &alignment);
	if (!err)
		err = parse_tensors(reader, tensors);
	if (err)
		return err;
	reader->file->data = (reader->at + alignment - 1) / alignment * alignment;
	err = check_names(reader);
	if (err)
		return err;
	return check_places(reader, alignment);
}

int gguf_read_header(struct format_file *file, struct pinpool_diag *diag)
{
	struct gguf_reader reader = {.file = file, .source = &file->source, .diag = diag};
	int err;

	file->format = "gguf";
	err = parse(&reader);
	free(reader.bytes);
	return err;
}
