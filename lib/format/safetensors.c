/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * safetensors, one file: eight bytes of header length N, little-endian; N bytes of JSON, an object, padded with
 * spaces; the tensors' bytes. What must hold:
 *
 *  - N is at most 100 MB and ends within the file; the header begins with '{'; no key appears twice;
 *  - "__metadata__", if there, maps strings to strings; every other key names a tensor with dtype, shape and
 *    data_offsets [begin, end), counted from the first byte behind the header;
 *  - end - begin is the product of the shape times the bits of the dtype, a whole number of bytes;
 *  - the tensors cover the rest of the file exactly: no hole, no overlap, no byte left over.
 *
 * A tensor may be empty or a scalar. Keys of a tensor besides the three are ignored, as the reference does.
 */
#include "base/diag.h"
#include "format/internal.h"
#include "format/safetensors_codes.h"

#include <errno.h>
#include <inttypes.h>
#include <pinpool/catalog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 8u

/* Checked and kept. */
static int parse_metadata(struct format_file *file, json_t *value, struct pinpool_diag *diag)
{
	const char *key;
	size_t bytes = 0;
	json_t *item;
	char *text;

	if (!json_is_object(value))
		return format_bad(&file->source, "__metadata__", diag, "is not an object of strings");
	json_object_foreach(value, key, item)
	{
		if (!json_is_string(item))
			return format_bad(&file->source, "__metadata__", diag, "a value is not a string");
		bytes += strlen(key) + 1 + json_string_length(item);
	}
	text = malloc(bytes + 1);
	file->text = text;
	file->metadata = calloc(json_object_size(value) + 1, sizeof(*file->metadata));
	if (!text || !file->metadata)
		return diag_errno(diag, -ENOMEM, file->source.path);
	json_object_foreach(value, key, item)
	{
		struct pinpool_metadata *metadata = &file->metadata[file->metadata_count++];

		*metadata = (struct pinpool_metadata){
			.size = sizeof(*metadata),
			.key = text,
			.type = PINPOOL_VALUE_STRING,
			.element = PINPOOL_VALUE_STRING,
			.count = 1,
			.data = text + strlen(key) + 1,
			.bytes = json_string_length(item),
		};
		text = stpcpy(text, key) + 1;
		text = mempcpy(text, json_string_value(item), metadata->bytes);
	}
	return 0;
}

static int parse_tensor(const struct format_file *file, struct format_tensor *tensor, const char *name, json_t *value,
			struct pinpool_diag *diag)
{
	const struct source *source = &file->source;
	const uint64_t space = source->size - file->data;
	const json_t *shape = json_object_get(value, "shape");
	const json_t *offsets = json_object_get(value, "data_offsets");
	const char *dtype = json_string_value(json_object_get(value, "dtype"));
	char quoted[FORMAT_QUOTE_MAX];
	uint64_t bytes = 0;
	int err;

	if (!json_is_object(value))
		return format_bad(source, name, diag, "is not described by an object");
	if (!dtype || !json_is_array(shape) || !json_is_array(offsets))
		return format_bad(source, name, diag, "lacks a string dtype, an array shape or an array data_offsets");
	err = format_new_tensor(source, tensor, name, json_array_size(shape), diag);
	if (err)
		return err;
	tensor->dtype = pinpool_dtype_from_name(dtype);
	/* Block types are not of this format. */
	if (!pinpool_dtype_bits(tensor->dtype))
		return format_bad(source, name, diag, "unknown dtype %s", format_quote(quoted, sizeof(quoted), dtype));
	for (uint32_t i = 0; i < tensor->ndim; i++)
		if (format_get_count(json_array_get(shape, i), &tensor->shape[i]))
			return format_bad(source, name, diag, "extent %u of its shape is not a count", i);
	if (json_array_size(offsets) != 2 || format_get_count(json_array_get(offsets, 0), &tensor->begin) ||
	    format_get_count(json_array_get(offsets, 1), &tensor->end))
		return format_bad(source, name, diag, "data_offsets are not two counts");
	if (tensor->begin > tensor->end)
		return format_bad(source, name, diag, "data_offsets [%" PRIu64 ", %" PRIu64 ") end before they begin",
				  tensor->begin, tensor->end);
	err = format_tensor_bytes(source, tensor, &bytes, diag);
	if (err)
		return err;
	if (tensor->end - tensor->begin != bytes)
		return format_bad(source, name, diag,
				  "data_offsets span %" PRIu64 " bytes, %s and shape ask for %" PRIu64,
				  tensor->end - tensor->begin, pinpool_dtype_name(tensor->dtype), bytes);
	if (tensor->end > space) {
		format_bad(source, name, diag, "ends at offset %" PRIu64 ", the file at %" PRIu64,
			   file->data + tensor->end, source->size);
		diag_change(diag, "the file is truncated: fetch it again");
		return -EBADMSG;
	}
	tensor->begin += file->data;
	tensor->end += file->data;
	return 0;
}

static int check_cover(const struct format_file *file, struct pinpool_diag *diag)
{
	const struct source *source = &file->source;
	uint64_t next = file->data;
	char at[512];

	for (size_t i = 0; i < file->count; i++) {
		const struct format_tensor *tensor = &file->tensors[i];

		if (tensor->begin < next)
			return format_bad(source, tensor->name, diag,
					  "begins at offset %" PRIu64
					  ", inside the tensor before it, which ends at %" PRIu64,
					  tensor->begin, next);
		if (tensor->begin > next)
			return format_bad(source, tensor->name, diag,
					  "begins at offset %" PRIu64 ", leaving a hole of %" PRIu64 " bytes",
					  tensor->begin, tensor->begin - next);
		next = tensor->end;
	}
	if (next != source->size)
		return diag_set(diag, -EBADMSG, source_at(source, next, at, sizeof(at)), NULL,
				"%" PRIu64 " bytes belong to no tensor", source->size - next);
	return 0;
}

static int parse_header(struct format_file *file, json_t *header, struct pinpool_diag *diag)
{
	const char *name;
	json_t *value;
	int err;

	file->tensors = calloc(json_object_size(header) + 1, sizeof(*file->tensors));
	if (!file->tensors)
		return diag_errno(diag, -ENOMEM, file->source.path);
	json_object_foreach(header, name, value)
	{
		if (!strcmp(name, "__metadata__"))
			err = parse_metadata(file, value, diag);
		else
			err = parse_tensor(file, &file->tensors[file->count++], name, value, diag);
		if (err)
			return err;
	}
	qsort(file->tensors, file->count, sizeof(*file->tensors), format_by_place);
	err = check_cover(file, diag);
	return err ? err : safetensors_read_codes(file, json_object_get(header, "__metadata__"), diag);
}

/* Length of the header, checked against file and format. */
static int read_length(const struct source *source, uint64_t *length, struct pinpool_diag *diag)
{
	uint8_t raw[LENGTH_BYTES];
	int err;

	if (source->size < LENGTH_BYTES)
		return diag_set(diag, -EBADMSG, source->path, "the file is truncated or no safetensors file",
				"%" PRIu64 " bytes are too few for a safetensors header", source->size);
	err = source_read(source, raw, sizeof(raw), 0, diag);
	if (err)
		return err;
	for (size_t i = LENGTH_BYTES; i-- > 0;)
		*length = *length << 8 | raw[i];
	if (*length > FORMAT_JSON_MAX)
		return diag_set(diag, -EBADMSG, source->path, "probably no safetensors file",
				"header length %" PRIu64 " is over the format's limit of %u", *length, FORMAT_JSON_MAX);
	if (*length > source->size - LENGTH_BYTES)
		return diag_set(diag, -EBADMSG, source->path, "the file is truncated or no safetensors file",
				"header of %" PRIu64 " bytes ends beyond the file, which has %" PRIu64, *length,
				source->size);
	return 0;
}

int safetensors_read_header(struct format_file *file, struct pinpool_diag *diag)
{
	json_t *header = NULL;
	uint64_t length = 0;
	int err;

	file->format = "safetensors";
	err = read_length(&file->source, &length, diag);
	if (err)
		return err;
	file->data = LENGTH_BYTES + length;
	err = format_read_json(&file->source, LENGTH_BYTES, length, &header, diag);
	if (err)
		return err;
	err = parse_header(file, header, diag);
	json_decref(header);
	return err;
}
