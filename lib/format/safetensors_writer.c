/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Headers of safetensors files for writing; see safetensors_writer.h. The rules of the format are in safetensors.c. */
#include "format/safetensors_writer.h"
#include "base/diag.h"
#include "format/internal.h"
#include "format/safetensors_codes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 8u
/* Where data begins at a multiple of, if codes are there, which are read in place. */
#define CODED_ALIGN  64u
#define METADATA     "__metadata__"

/* Codes are as wide as they are aligned. */
static unsigned int width(const struct pinpool_tensor *tensor)
{
	return tensor->coded ? CODED_ALIGN * 8 : pinpool_dtype_bits(tensor->dtype);
}

int safetensors_order(const void *left, const void *right)
{
	const struct pinpool_tensor *a = left, *b = right;
	unsigned int a_bits = width(a), b_bits = width(b);

	if (a_bits != b_bits)
		return a_bits > b_bits ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int refuse(const struct pinpool_tensor *tensor, const char *what, struct pinpool_diag *diag)
{
	char object[512], quoted[FORMAT_QUOTE_MAX];

	snprintf(object, sizeof(object), "tensor %s", format_quote(quoted, sizeof(quoted), tensor->name));
	return diag_set(diag, -EOPNOTSUPP, object, "choose other tensors", "its %s is none that safetensors has", what);
}

/* The description of @tensor, whose bytes are [@begin, @end); NULL: no memory. */
static json_t *describe(const struct pinpool_tensor *tensor, uint64_t begin, uint64_t end)
{
	json_t *shape = json_array();

	for (uint32_t i = 0; i < tensor->ndim; i++)
		if (json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i])))
			goto err_free;
	return json_pack("{s:s, s:o, s:[I, I]}", "dtype", pinpool_dtype_name(tensor->dtype), "shape", shape,
			 "data_offsets", (json_int_t)begin, (json_int_t)end);

err_free:
	json_decref(shape);
	return NULL;
}

/* Length and padding around the @length bytes of @json. */
static int frame(const char *json, size_t length, size_t align, char **out, size_t *bytes)
{
	size_t padded = length + -(LENGTH_BYTES + length) % align;
	char *header = malloc(LENGTH_BYTES + padded);

	if (!header)
		return -ENOMEM;
	for (size_t i = 0; i < LENGTH_BYTES; i++)
		header[i] = (char)(padded >> 8 * i);
	memcpy(header + LENGTH_BYTES, json, length);
	memset(header + LENGTH_BYTES + length, ' ', padded - length);
	*out = header;
	*bytes = LENGTH_BYTES + padded;
	return 0;
}

int safetensors_make_header(const struct pinpool_tensor *tensors, size_t count, json_t *metadata, char **out,
			    size_t *bytes, struct pinpool_diag *diag)
{
	size_t align = LENGTH_BYTES;
	json_t *root = json_object();
	char *json = NULL;
	uint64_t at = 0;
	int err;

	metadata = safetensors_write_codes(metadata, tensors, count, &err);
	if (err)
		goto out;
	err = -ENOMEM;
	if (metadata && json_object_set_new(root, METADATA, metadata))
		goto out;
	for (size_t i = 0; i < count; i++) {
		if (tensors[i].coded)
			align = CODED_ALIGN;
		if (!pinpool_dtype_bits(tensors[i].dtype)) {
			err = refuse(&tensors[i], pinpool_dtype_name(tensors[i].dtype), diag);
			goto out;
		}
		if (!strcmp(tensors[i].name, METADATA)) {
			err = refuse(&tensors[i], "name", diag);
			goto out;
		}
		if (json_object_set_new(root, tensors[i].name, describe(&tensors[i], at, at + tensors[i].bytes)))
			goto out;
		at += tensors[i].bytes;
	}
	json = json_dumps(root, JSON_COMPACT);
	if (!json)
		goto out;
	if (strlen(json) > FORMAT_JSON_MAX - LENGTH_BYTES) {
		err = diag_set(diag, -EOVERFLOW, "safetensors", "save some of the tensors at a time",
			       "its header would have more than %u bytes", FORMAT_JSON_MAX);
		goto out;
	}
	err = frame(json, strlen(json), align, out, bytes);
out:
	if (err == -ENOMEM)
		diag_errno(diag, err, "safetensors");
	free(json);
	json_decref(root);
	return err;
}

json_t *safetensors_find_header(const struct pinpool_source *source, const void *data,
				const struct pinpool_tensor *tensors, size_t count)
{
	const unsigned char *raw = data;
	uint64_t length = 0, next;
	json_t *header;

	if (strcmp(source->format, "safetensors") || source->bytes < LENGTH_BYTES)
		return NULL;
	for (size_t i = LENGTH_BYTES; i-- > 0;)
		length = length << 8 | raw[i];
	if (length > FORMAT_JSON_MAX || length > source->bytes - LENGTH_BYTES)
		return NULL;
	next = source->offset + LENGTH_BYTES + length;
	for (size_t i = 0; i < count; i++) {
		if (tensors[i].offset != next)
			return NULL;
		next += tensors[i].bytes;
	}
	if (next != source->offset + source->bytes)
		return NULL;
	header = json_loadb((const char *)raw + LENGTH_BYTES, length, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(header) || json_object_size(header) != count + !!json_object_get(header, METADATA)) {
		json_decref(header);
		return NULL;
	}
	return header;
}
