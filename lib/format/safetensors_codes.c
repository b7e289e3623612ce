/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What safetensors files say of coded tensors; see safetensors_codes.h. */
#include "format/safetensors_codes.h"
#include "base/diag.h"
#include "codec/blob.h"
#include "format/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <pinpool/catalog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_KEY "pinpool.coded"
#define VERSION	    "1"
/* Before the name of a tensor. */
#define PREFIX	    VERSION_KEY "."
/* Of a value: kind, type and PINPOOL_NDIM_MAX extents. */
#define VALUE_MAX   512

static bool is_ours(const char *key)
{
	return !strcmp(key, VERSION_KEY) || !strncmp(key, PREFIX, strlen(PREFIX));
}

/* "[4096, 4096]" and nothing behind it. Returns whether that is what @text is. */
static bool parse_shape(const char *text, struct format_code *code)
{
	char *end;

	if (*text++ != '[')
		return false;
	do {
		text += *text == ' ';
		if (*text < '0' || *text > '9' || code->ndim == PINPOOL_NDIM_MAX)
			return false;
		errno = 0;
		code->shape[code->ndim++] = strtoull(text, &end, 10);
		if (errno)
			return false;
		text = end;
	} while (*text++ == ',');
	return text[-1] == ']' && !*text;
}

static int parse_value(const struct format_file *file, const char *name, const char *value, struct format_code *code,
		       struct pinpool_diag *diag)
{
	const char *dtype = strchr(value, ' '), *shape = dtype ? strchr(dtype + 1, ' ') : NULL;
	char quoted[FORMAT_QUOTE_MAX], word[32];
	uint64_t n, k;

	if (!shape || (size_t)(shape - dtype) > sizeof(word) || !parse_shape(shape + 1, code))
		return format_bad(&file->source, name, diag, "its code is said to be '%s', not a kind, type and shape",
				  format_quote(quoted, sizeof(quoted), value));
	snprintf(word, sizeof(word), "%.*s", (int)(shape - dtype - 1), dtype + 1);
	code->kind = blob_kind_from_name(value, (size_t)(dtype - value));
	code->dtype = pinpool_dtype_from_name(word);
	if (!code->kind || !pinpool_dtype_bits(code->dtype)) {
		format_bad(&file->source, name, diag, "is coded in a way that is not known here: %s",
			   format_quote(quoted, sizeof(quoted), value));
		return -EOPNOTSUPP;
	}
	if (!blob_matrix(code->ndim, code->shape, &n, &k) || __builtin_mul_overflow(n, k, &code->bytes) ||
	    __builtin_mul_overflow(code->bytes, (uint64_t)pinpool_dtype_bits(code->dtype), &code->bytes) ||
	    code->bytes % 8)
		return format_bad(&file->source, name, diag, "it is said to be the code of no matrix: %s",
				  format_quote(quoted, sizeof(quoted), value));
	code->bytes /= 8;
	return 0;
}

static int mark(const struct format_file *file, struct format_tensor *tensor, const char *value,
		struct pinpool_diag *diag)
{
	if (tensor->dtype != PINPOOL_DTYPE_U8 || tensor->ndim != 1)
		return format_bad(&file->source, tensor->name, diag,
				  "is said to be coded, but is not of U8 and one dimension");
	tensor->code = calloc(1, sizeof(*tensor->code));
	if (!tensor->code)
		return diag_errno(diag, -ENOMEM, file->source.path);
	return parse_value(file, tensor->name, value, tensor->code, diag);
}

/* The key of a tensor that is not there. */
static int no_tensor(const struct format_file *file, const json_t *metadata, struct pinpool_diag *diag)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)metadata, key, value)
	{
		size_t i = 0;

		if (strncmp(key, PREFIX, strlen(PREFIX)))
			continue;
		while (i < file->count && strcmp(file->tensors[i].name, key + strlen(PREFIX)))
			i++;
		if (i == file->count)
			return format_bad(&file->source, key + strlen(PREFIX), diag,
					  "is said to be coded, but is not there");
	}
	return 0;
}

int safetensors_read_codes(struct format_file *file, const json_t *metadata, struct pinpool_diag *diag)
{
	const json_t *version = json_object_get(metadata, VERSION_KEY);
	size_t said = 0, marked = 0;
	const char *key;
	json_t *value;

	if (!version)
		return 0;
	if (strcmp(json_string_value(version), VERSION))
		return diag_set(diag, -EOPNOTSUPP, file->source.path, "use a newer pinpool",
				"its tensors are coded in a newer way");
	json_object_foreach((json_t *)metadata, key, value) said += !strncmp(key, PREFIX, strlen(PREFIX));
	for (size_t i = 0; i < file->count && said; i++) {
		char *name;
		int err;

		if (asprintf(&name, PREFIX "%s", file->tensors[i].name) < 0)
			return diag_errno(diag, -ENOMEM, file->source.path);
		value = json_object_get(metadata, name);
		free(name);
		if (!value)
			continue;
		err = mark(file, &file->tensors[i], json_string_value(value), diag);
		if (err)
			return err;
		marked++;
	}
	return marked == said ? 0 : no_tensor(file, metadata, diag);
}

static int add(json_t *metadata, const struct pinpool_tensor *tensor)
{
	char value[VALUE_MAX], *key;
	int length, err;

	length = snprintf(value, sizeof(value), "%s %s ", blob_kind_name(tensor->coded),
			  pinpool_dtype_name(tensor->plain_dtype));
	for (uint32_t i = 0; i < tensor->plain_ndim; i++)
		length += snprintf(value + length, sizeof(value) - (size_t)length, "%s%" PRIu64, i ? ", " : "[",
				   tensor->plain_shape[i]);
	snprintf(value + length, sizeof(value) - (size_t)length, "]");
	if (asprintf(&key, PREFIX "%s", tensor->name) < 0)
		return -ENOMEM;
	err = json_object_set_new(metadata, key, json_string(value)) ? -ENOMEM : 0;
	free(key);
	return err;
}

json_t *safetensors_write_codes(json_t *metadata, const struct pinpool_tensor *tensors, size_t count, int *err)
{
	json_t *out = metadata ? json_copy(metadata) : json_object(), *value;
	bool any = false;
	const char *key;
	void *next;

	*err = out ? 0 : -ENOMEM;
	json_object_foreach_safe(out, next, key, value)
	{
		if (is_ours(key))
			json_object_del(out, key);
	}
	for (size_t i = 0; i < count && !*err; i++) {
		if (!tensors[i].coded)
			continue;
		if (!any && json_object_set_new(out, VERSION_KEY, json_string(VERSION)))
			*err = -ENOMEM;
		any = true;
		if (!*err)
			*err = add(out, &tensors[i]);
	}
	if (!*err && (metadata || any))
		return out;
	json_decref(out);
	return NULL;
}
