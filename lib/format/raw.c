/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Files without a format, described by NAME.raw.json beside them:
 *
 *	{ "format": "pinpool-raw", "version": 1, "file": "weights.bin",
 *	  "tensors": [ { "name": "a", "dtype": "F32", "shape": [2, 3], "offset": 0 }, ... ] }
 *
 * What must hold:
 *
 *  - there are these keys and no others; a tensor may have a "file" of its own, and all must if there is none for all;
 *  - a file is a plain name in the folder of the description;
 *  - dtype is a type that catalogs know, by the catalog's name, block types included, whose rows are whole blocks;
 *  - tensors lie in their file and do not overlap; no name appears twice. There may be holes.
 */
#include "base/diag.h"
#include "format/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A tensor and the name of its file; no tensor for the file of the whole description. */
struct described {
	const char *file;
	json_t *tensor;
};

static int bad_description(const struct source *source, const char *cause, struct pinpool_diag *diag)
{
	return diag_set(diag, -EBADMSG, source->path, "docs/formats.md describes a description", "%s", cause);
}

/* Refuses a key of @object that is not among @keys, which NULL ends. */
static int check_keys(const struct source *source, json_t *object, const char *const *keys, struct pinpool_diag *diag)
{
	char quoted[FORMAT_QUOTE_MAX];
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach(object, key, value)
	{
		for (i = 0; keys[i] && strcmp(keys[i], key); i++)
			;
		if (!keys[i])
			return diag_set(diag, -EBADMSG, source->path, "docs/formats.md lists the keys",
					"unknown key %s", format_quote(quoted, sizeof(quoted), key));
	}
	return 0;
}

static int check_description(const struct source *source, json_t *root, struct pinpool_diag *diag)
{
	static const char *const keys[] = {"format", "version", "file", "tensors", NULL};
	const char *format = json_string_value(json_object_get(root, "format"));
	json_t *file = json_object_get(root, "file");
	json_t *version = json_object_get(root, "version");

	if (!format || strcmp(format, "pinpool-raw"))
		return bad_description(source, "its format is not pinpool-raw", diag);
	if (!json_is_integer(version) || json_integer_value(version) != 1)
		return bad_description(source, "its version is not 1", diag);
	if (file && !json_is_string(file))
		return bad_description(source, "its file is not a string", diag);
	if (!json_is_array(json_object_get(root, "tensors")))
		return bad_description(source, "it has no array of tensors", diag);
	return check_keys(source, root, keys, diag);
}

static int by_file(const void *left, const void *right)
{
	const struct described *a = left, *b = right;

	return strcmp(a->file, b->file);
}

static int check_tensor(const struct source *source, json_t *tensor, const char *file, struct pinpool_diag *diag)
{
	static const char *const keys[] = {"name", "dtype", "shape", "offset", "file", NULL};
	const char *name = json_string_value(json_object_get(tensor, "name"));

	if (!name)
		return bad_description(source, "a tensor is not an object with a string name", diag);
	if (!json_is_string(json_object_get(tensor, "dtype")) || !json_is_array(json_object_get(tensor, "shape")))
		return format_bad(source, name, diag, "lacks a string dtype or an array shape");
	if (!file)
		return format_bad(source, name, diag, "lacks a string file, and there is none for all tensors");
	return check_keys(source, tensor, keys, diag);
}

/* Every tensor with its file, by name of file; all point into @root. */
static int list_tensors(const struct source *source, json_t *root, struct described **out, size_t *count,
			struct pinpool_diag *diag)
{
	json_t *tensors = json_object_get(root, "tensors"), *whole = json_object_get(root, "file"), *tensor, *own;
	char quoted[FORMAT_QUOTE_MAX];
	struct described *list;
	size_t n = 0, i;
	int err = 0;

	list = calloc(json_array_size(tensors) + 1, sizeof(*list));
	if (!list)
		return diag_errno(diag, -ENOMEM, source->path);
	if (whole)
		list[n++].file = json_string_value(whole);
	json_array_foreach(tensors, i, tensor)
	{
		own = json_object_get(tensor, "file");
		list[n] = (struct described){json_string_value(own ? own : whole), tensor};
		err = check_tensor(source, tensor, list[n++].file, diag);
		if (err)
			goto err_free;
	}
	for (i = 0; i < n && !err; i++)
		if (!format_is_file_name(list[i].file))
			err = diag_set(diag, -EBADMSG, source->path, "describe files beside the description",
				       "%s is not a file name in this folder",
				       format_quote(quoted, sizeof(quoted), list[i].file));
	if (!err && !n)
		err = bad_description(source, "it names no file", diag);
	if (err)
		goto err_free;
	qsort(list, n, sizeof(*list), by_file);
	*out = list;
	*count = n;
	return 0;

err_free:
	free(list);
	return err;
}

static int parse_tensor(const struct format_file *file, json_t *value, struct format_tensor *tensor,
			struct pinpool_diag *diag)
{
	const struct source *source = &file->source;
	const char *name = json_string_value(json_object_get(value, "name"));
	const char *dtype = json_string_value(json_object_get(value, "dtype"));
	json_t *shape = json_object_get(value, "shape");
	char quoted[FORMAT_QUOTE_MAX];
	uint64_t bytes = 0;
	int err;

	err = format_new_tensor(source, tensor, name, json_array_size(shape), diag);
	if (err)
		return err;
	tensor->dtype = pinpool_dtype_from_name(dtype);
	if (!tensor->dtype)
		return format_bad(source, name, diag, "unknown dtype %s", format_quote(quoted, sizeof(quoted), dtype));
	for (uint32_t i = 0; i < tensor->ndim; i++)
		if (format_get_count(json_array_get(shape, i), &tensor->shape[i]))
			return format_bad(source, name, diag, "extent %u of its shape is not a count", i);
	if (format_get_count(json_object_get(value, "offset"), &tensor->begin))
		return format_bad(source, name, diag, "its offset is not a count");
	err = format_tensor_bytes(source, tensor, &bytes, diag);
	if (err)
		return err;
	if (tensor->begin > file->source.size || bytes > file->source.size - tensor->begin)
		return format_bad(source, name, diag,
				  "its %" PRIu64 " bytes from offset %" PRIu64
				  " on end beyond its file, which has %" PRIu64,
				  bytes, tensor->begin, file->source.size);
	tensor->end = tensor->begin + bytes;
	return 0;
}

/* Opens the file of the @count in @list beside the description and finds their places. */
static int open_file(const struct source *source, const struct described *list, size_t count, struct format_file *file,
		     struct pinpool_diag *diag)
{
	char *path = format_beside(source, list->file);
	int err;

	if (!path)
		return diag_errno(diag, -ENOMEM, source->path);
	*file = (struct format_file){.format = "raw"};
	err = source_open(&file->source, path, diag);
	free(path);
	if (err)
		return err;
	file->tensors = calloc(count, sizeof(*file->tensors));
	if (!file->tensors)
		err = diag_errno(diag, -ENOMEM, source->path);
	for (size_t i = 0; i < count && !err; i++)
		if (list[i].tensor)
			err = parse_tensor(file, list[i].tensor, &file->tensors[file->count++], diag);
	if (!err) {
		qsort(file->tensors, file->count, sizeof(*file->tensors), format_by_place);
		err = format_check_apart(file, diag);
	}
	if (err)
		format_file_close(file);
	return err;
}

/* Tensors from @first on that are in the same file. */
static size_t in_one_file(const struct described *list, size_t count, size_t first)
{
	size_t i = first;

	while (i < count && !strcmp(list[i].file, list[first].file))
		i++;
	return i - first;
}

static int open_files(struct checkpoint *checkpoint, const struct source *source, json_t *root,
		      struct pinpool_diag *diag)
{
	struct described *list = NULL;
	size_t count = 0, files = 0, n;
	int err;

	err = list_tensors(source, root, &list, &count, diag);
	if (err)
		return err;
	for (size_t i = 0; i < count; i += in_one_file(list, count, i))
		files++;
	checkpoint->files = calloc(files, sizeof(*checkpoint->files));
	if (!checkpoint->files)
		err = diag_errno(diag, -ENOMEM, source->path);
	for (size_t i = 0; i < count && !err; i += n) {
		n = in_one_file(list, count, i);
		err = open_file(source, list + i, n, &checkpoint->files[checkpoint->count], diag);
		if (!err)
			checkpoint->count++;
	}
	free(list);
	return err ? err : format_check_names(checkpoint, diag);
}

int raw_open(struct checkpoint *checkpoint, const char *path, struct pinpool_diag *diag)
{
	struct source source;
	json_t *root = NULL;
	int err;

	err = source_open(&source, path, diag);
	if (err)
		return err;
	if (source.size > FORMAT_JSON_MAX)
		err = bad_description(&source, "it is larger than 100 MB", diag);
	if (!err)
		err = format_read_json(&source, 0, source.size, &root, diag);
	if (!err)
		err = check_description(&source, root, diag);
	if (!err)
		err = open_files(checkpoint, &source, root, diag);
	json_decref(root);
	source_close(&source);
	return err;
}
