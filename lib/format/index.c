/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A sharded checkpoint: NAME.safetensors.index.json is an object whose "weight_map" maps each tensor to the file that
 * holds it, beside the index. What must hold:
 *
 *  - a shard is a plain file name in the index's own folder;
 *  - every shard exists and is a correct safetensors file;
 *  - index and shards name the same tensors, each in one shard and in the one that the index says.
 */
#include "base/diag.h"
#include "format/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an index says of a tensor, or of a shard; both as in the index. */
static int bad(const struct source *source, const char *what, const char *name, struct pinpool_diag *diag,
	       const char *cause, const char *detail)
{
	char object[512], quoted[FORMAT_QUOTE_MAX], other[FORMAT_QUOTE_MAX];

	snprintf(object, sizeof(object), "%s: %s %s", source->path, what, format_quote(quoted, sizeof(quoted), name));
	return diag_set(diag, -EBADMSG, object, NULL, "%s%s%s", cause, detail ? " " : "",
			detail ? format_quote(other, sizeof(other), detail) : "");
}

static int by_name(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Distinct shard names in order; they point into @map. */
static int list_shards(const struct source *source, json_t *map, const char ***shards, size_t *count,
		       struct pinpool_diag *diag)
{
	const char **names, *tensor;
	size_t all = 0, distinct = 0;
	json_t *value;

	names = malloc(json_object_size(map) * sizeof(*names));
	if (!names)
		return diag_errno(diag, -ENOMEM, source->path);
	json_object_foreach(map, tensor, value)
	{
		const char *shard = json_string_value(value);
		int err = 0;

		if (!shard)
			err = bad(source, "tensor", tensor, diag, "its shard is not a string", NULL);
		else if (!format_is_file_name(shard))
			err = bad(source, "tensor", tensor, diag,
				  "its shard is not a file name in this folder:", shard);
		if (err) {
			free(names);
			return err;
		}
		names[all++] = shard;
	}
	qsort(names, all, sizeof(*names), by_name);
	for (size_t i = 0; i < all; i++)
		if (!i || strcmp(names[i], names[i - 1]))
			names[distinct++] = names[i];
	*shards = names;
	*count = distinct;
	return 0;
}

/* Opens shard @name in the folder of the index. */
static int open_shard(const struct source *index, const char *name, struct format_file *file, struct pinpool_diag *diag)
{
	char *path = format_beside(index, name);
	int err;

	if (!path)
		return diag_errno(diag, -ENOMEM, index->path);
	err = format_file_open(file, path, safetensors_read_header, diag);
	free(path);
	if (err == -ENOENT) {
		bad(index, "shard", name, diag, "is named by the index and does not exist", NULL);
		diag_change(diag, "fetch the missing file");
	}
	return err;
}

/* Every tensor of the shard is in the index, and there. */
static int check_shard(const struct source *index, json_t *map, const char *name, const struct format_file *file,
		       struct pinpool_diag *diag)
{
	for (size_t i = 0; i < file->count; i++) {
		const char *tensor = file->tensors[i].name;
		const char *shard = json_string_value(json_object_get(map, tensor));

		if (!shard)
			return bad(index, "tensor", tensor, diag, "is not in the index, but in shard", name);
		if (strcmp(shard, name))
			return bad(index, "tensor", tensor, diag, "is in another shard than the index says:", name);
	}
	return 0;
}

/* Every tensor of the shards is in the index, and the index has more: names one. Takes the others out of @map. */
static int report_absent(const struct source *index, json_t *map, const struct checkpoint *checkpoint,
			 struct pinpool_diag *diag)
{
	const char *tensor;
	void *tmp;
	json_t *value;

	for (size_t f = 0; f < checkpoint->count; f++)
		for (size_t i = 0; i < checkpoint->files[f].count; i++)
			json_object_del(map, checkpoint->files[f].tensors[i].name);
	json_object_foreach_safe(map, tmp, tensor, value) return bad(
		index, "tensor", tensor, diag, "is not in the shard that the index says:", json_string_value(value));
	return diag_errno(diag, -EBADMSG, index->path);
}

static int open_shards(struct checkpoint *checkpoint, const struct source *index, json_t *map, const char **shards,
		       size_t count, struct pinpool_diag *diag)
{
	size_t found = 0;
	int err;

	checkpoint->files = calloc(count, sizeof(*checkpoint->files));
	if (!checkpoint->files)
		return diag_errno(diag, -ENOMEM, index->path);
	for (size_t i = 0; i < count; i++) {
		err = open_shard(index, shards[i], &checkpoint->files[i], diag);
		if (err)
			return err;
		checkpoint->count++;
		err = check_shard(index, map, shards[i], &checkpoint->files[i], diag);
		if (err)
			return err;
		found += checkpoint->files[i].count;
	}
	return found == json_object_size(map) ? 0 : report_absent(index, map, checkpoint, diag);
}

int index_open(struct checkpoint *checkpoint, const char *path, struct pinpool_diag *diag)
{
	const char **shards = NULL;
	json_t *root = NULL, *map;
	struct source index;
	size_t count = 0;
	int err;

	err = source_open(&index, path, diag);
	if (err)
		return err;
	if (index.size > FORMAT_JSON_MAX) {
		err = diag_set(diag, -EBADMSG, path, NULL, "is too large for an index");
		goto out;
	}
	err = format_read_json(&index, 0, index.size, &root, diag);
	if (err)
		goto out;
	map = json_object_get(root, "weight_map");
	if (!json_is_object(map) || !json_object_size(map)) {
		err = diag_set(diag, -EBADMSG, path, NULL, "has no weight_map of tensors");
		goto out;
	}
	err = list_shards(&index, map, &shards, &count, diag);
	if (err)
		goto out;
	err = open_shards(checkpoint, &index, map, shards, count, diag);
out:
	free(shards);
	json_decref(root);
	source_close(&index);
	return err;
}
