/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * What the formats share: how many bytes a tensor takes, the order in which a file has its tensors, messages that name
 * one. Whatever the format, no two tensors overlap and none has the name of another.
 */
#include "base/diag.h"
#include "base/utf8.h"
#include "format/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <pinpool/catalog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int format_bad(const struct source *source, const char *name, struct pinpool_diag *diag, const char *fmt, ...)
{
	char object[512], cause[384], quoted[FORMAT_QUOTE_MAX];
	va_list ap;

	snprintf(object, sizeof(object), "%s: tensor %s", source->path, format_quote(quoted, sizeof(quoted), name));
	va_start(ap, fmt);
	vsnprintf(cause, sizeof(cause), fmt, ap);
	va_end(ap);
	return diag_set(diag, -EBADMSG, object, NULL, "%s", cause);
}

int format_get_count(const json_t *value, uint64_t *out)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return -EBADMSG;
	*out = (uint64_t)json_integer_value(value);
	return 0;
}

int format_new_tensor(const struct source *source, struct format_tensor *tensor, const char *name, size_t ndim,
		      struct pinpool_diag *diag)
{
	if (!utf8_is_valid(name, strlen(name)))
		return format_bad(source, name, diag, "its name is not UTF-8");
	if (ndim > PINPOOL_NDIM_MAX) {
		format_bad(source, name, diag, "has %zu dimensions; this library takes %d", ndim, PINPOOL_NDIM_MAX);
		return -EOPNOTSUPP;
	}
	tensor->ndim = (uint32_t)ndim;
	tensor->shape = malloc(ndim * sizeof(*tensor->shape) + strlen(name) + 1);
	if (!tensor->shape)
		return diag_errno(diag, -ENOMEM, source->path);
	tensor->name = strcpy((char *)(tensor->shape + ndim), name);
	return 0;
}

int format_tensor_bytes(const struct source *source, const struct format_tensor *tensor, uint64_t *bytes,
			struct pinpool_diag *diag)
{
	unsigned int values = pinpool_dtype_block_values(tensor->dtype);
	unsigned int bits = values ? pinpool_dtype_block_bytes(tensor->dtype) * 8 : pinpool_dtype_bits(tensor->dtype);
	uint64_t product = 1;

	if (values && (!tensor->ndim || tensor->shape[tensor->ndim - 1] % values))
		return format_bad(source, tensor->name, diag,
				  "its rows are not whole blocks of %u values, as %s has them", values,
				  pinpool_dtype_name(tensor->dtype));
	for (uint32_t i = 0; i < tensor->ndim; i++) {
		uint64_t extent = values && i == tensor->ndim - 1 ? tensor->shape[i] / values : tensor->shape[i];

		if (__builtin_mul_overflow(product, extent, &product))
			return format_bad(source, tensor->name, diag, "the product of its shape overflows");
	}
	if (__builtin_mul_overflow(product, (uint64_t)bits, &product))
		return format_bad(source, tensor->name, diag, "shape times dtype overflows");
	if (product % 8)
		return format_bad(source, tensor->name, diag, "its %" PRIu64 " bits are not whole bytes", product);
	*bytes = product / 8;
	return 0;
}

int format_by_place(const void *left, const void *right)
{
	const struct format_tensor *a = left, *b = right;

	if (a->begin != b->begin)
		return a->begin < b->begin ? -1 : 1;
	if (a->end != b->end)
		return a->end < b->end ? -1 : 1;
	return strcmp(a->name, b->name);
}

int format_check_apart(const struct format_file *file, struct pinpool_diag *diag)
{
	char quoted[FORMAT_QUOTE_MAX];

	for (size_t i = 1; i < file->count; i++) {
		const struct format_tensor *before = &file->tensors[i - 1], *tensor = &file->tensors[i];

		if (tensor->begin < before->end)
			return format_bad(&file->source, tensor->name, diag,
					  "begins at offset %" PRIu64 ", inside tensor %s, which ends at %" PRIu64,
					  tensor->begin, format_quote(quoted, sizeof(quoted), before->name),
					  before->end);
	}
	return 0;
}

static int by_name(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

int format_check_names(const struct checkpoint *checkpoint, struct pinpool_diag *diag)
{
	const char **names;
	size_t count = 0;
	int err = 0;

	for (size_t f = 0; f < checkpoint->count; f++)
		count += checkpoint->files[f].count;
	names = malloc((count + 1) * sizeof(*names));
	if (!names)
		return diag_errno(diag, -ENOMEM, checkpoint->files[0].source.path);
	count = 0;
	for (size_t f = 0; f < checkpoint->count; f++)
		for (size_t i = 0; i < checkpoint->files[f].count; i++)
			names[count++] = checkpoint->files[f].tensors[i].name;
	qsort(names, count, sizeof(*names), by_name);
	for (size_t i = 1; i < count && !err; i++)
		if (!strcmp(names[i], names[i - 1]))
			err = format_bad(&checkpoint->files[0].source, names[i], diag, "is there twice");
	free(names);
	return err;
}

int format_file_open(struct format_file *file, const char *path, format_read_fn read, struct pinpool_diag *diag)
{
	int err;

	*file = (struct format_file){0};
	err = source_open(&file->source, path, diag);
	if (err)
		return err;
	err = read(file, diag);
	if (err)
		format_file_close(file);
	return err;
}

void format_file_close(struct format_file *file)
{
	for (size_t i = 0; i < file->count; i++) {
		free(file->tensors[i].shape);
		free(file->tensors[i].code);
	}
	free(file->tensors);
	free(file->metadata);
	free(file->text);
	file->tensors = NULL;
	file->count = 0;
	file->metadata = NULL;
	file->metadata_count = 0;
	file->text = NULL;
	source_close(&file->source);
}
