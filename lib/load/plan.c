/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Planning a load; see plan.h. */
#include "load/plan.h"
#include "base/diag.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Absolute, the folder without symbolic links; the last component as it was given, since hubs link files to blobs. */
static char *absolute_path(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *copy, *folder, *out;

	if (!slash)
		folder = realpath(".", NULL);
	else if (slash == path)
		return strdup(path);
	else {
		copy = strndup(path, (size_t)(slash - path));
		folder = copy ? realpath(copy, NULL) : NULL;
		free(copy);
	}
	if (!folder)
		return NULL;
	if (asprintf(&out, "%s/%s", strcmp(folder, "/") ? folder : "", slash ? slash + 1 : path) < 0)
		out = NULL;
	free(folder);
	return out;
}

static int add_source(struct plan *plan, size_t index)
{
	const struct format_file *file = &plan->checkpoint.files[index];
	char *path = absolute_path(file->source.path);
	struct pinpool_source source = {
		.size = sizeof(source),
		.path = path,
		.format = file->format,
		.offset = plan->files[index].offset,
		.bytes = file->source.size,
		.inode = file->source.ino,
		.mtime_ns = (uint64_t)file->source.mtime.tv_sec * 1000000000u + (uint64_t)file->source.mtime.tv_nsec,
	};
	int ret;

	if (!path)
		return errno ? -errno : -ENOMEM;
	ret = catalog_writer_add_source(plan->catalog, &source);
	free(path);
	return ret < 0 ? ret : 0;
}

static int add_tensor(struct plan *plan, size_t index, const struct format_tensor *from)
{
	struct pinpool_tensor tensor = {
		.size = sizeof(tensor),
		.name = from->name,
		.dtype = from->dtype,
		.ndim = from->ndim,
		.shape = from->shape,
		.offset = plan->files[index].offset + from->begin,
		.bytes = from->end - from->begin,
		.source = (uint32_t)index,
	};
	int ret = catalog_writer_add_tensor(plan->catalog, &tensor);

	return ret < 0 ? ret : 0;
}

static int add_metadata(struct plan *plan, size_t index, const struct pinpool_metadata *from)
{
	struct pinpool_metadata metadata = *from;

	metadata.source = (uint32_t)index;
	return catalog_writer_add_metadata(plan->catalog, &metadata);
}

/* Place, ranges and catalog entries of one file. */
static int add_file(struct plan *plan, size_t index)
{
	struct format_file *from = &plan->checkpoint.files[index];
	struct stream_file *file = &plan->files[index];
	int err;

	file->source = &from->source;
	file->offset = (plan->length + SOURCE_DIRECT_ALIGN - 1) & ~(uint64_t)(SOURCE_DIRECT_ALIGN - 1);
	if (from->source.size > INT64_MAX - file->offset)
		return -EOVERFLOW;
	plan->length = file->offset + from->source.size;
	file->ranges = calloc(from->count + 1, sizeof(*file->ranges));
	if (!file->ranges)
		return -ENOMEM;
	file->range_count = from->count;
	err = add_source(plan, index);
	for (size_t i = 0; i < from->count && !err; i++) {
		file->ranges[i].begin = from->tensors[i].begin;
		file->ranges[i].end = from->tensors[i].end;
		file->ranges[i].name = from->tensors[i].name;
		err = add_tensor(plan, index, &from->tensors[i]);
	}
	for (size_t i = 0; i < from->metadata_count && !err; i++)
		err = add_metadata(plan, index, &from->metadata[i]);
	return err;
}

/* What is wanted of digests beyond the usual, by the options or by the user's list. */
static int want_digests(struct plan *plan, const struct pinpool_load_opts *opts, struct pinpool_diag *diag)
{
	bool files = opts->sha256 == PINPOOL_SHA256_ALL || opts->sha256 == PINPOOL_SHA256_FILES;
	bool tensors = opts->sha256 == PINPOOL_SHA256_ALL || opts->sha256 == PINPOOL_SHA256_TENSORS;
	int err;

	for (size_t i = 0; i < plan->checkpoint.count; i++) {
		plan->files[i].want_sha256 = files;
		for (size_t r = 0; r < plan->files[i].range_count; r++)
			plan->files[i].ranges[r].want_sha256 = tensors;
	}
	if (opts->digests) {
		err = digest_list_open(&plan->list, opts->digests, &plan->checkpoint, plan->files, opts->no_digest,
				       diag);
		if (err)
			return err;
	}
	if (opts->sha256 || opts->digests)
		catalog_writer_want_sha256(plan->catalog);
	if (!opts->no_digest)
		catalog_writer_want_rests(plan->catalog);
	return 0;
}

static int seal(struct plan *plan, const char *path, struct pinpool_diag *diag)
{
	const char *duplicate;
	int err = catalog_writer_seal(plan->catalog, &duplicate);

	if (err == -EEXIST)
		return diag_set(diag, -EBADMSG, path, NULL, "two files hold a tensor %s", duplicate);
	return err ? diag_errno(diag, err, path) : 0;
}

int plan_make(struct plan *plan, const char *path, const struct pinpool_load_opts *opts, struct pinpool_diag *diag)
{
	int err;

	*plan = (struct plan){0};
	err = checkpoint_open(&plan->checkpoint, path, diag);
	if (err)
		return err;
	err = catalog_writer_new(&plan->catalog);
	if (!err) {
		plan->files = calloc(plan->checkpoint.count, sizeof(*plan->files));
		plan->digests = calloc(plan->checkpoint.count, sizeof(*plan->digests));
		if (!plan->files || !plan->digests)
			err = diag_errno(diag, -ENOMEM, path);
	}
	for (size_t i = 0; i < plan->checkpoint.count && !err; i++) {
		err = add_file(plan, i);
		if (err)
			diag_errno(diag, err, plan->checkpoint.files[i].source.path);
	}
	if (!err)
		err = want_digests(plan, opts, diag);
	if (!err)
		err = seal(plan, path, diag);
	if (err) {
		plan_free(plan);
		return err;
	}
	plan->capacity = catalog_writer_capacity(plan->catalog, plan->length);
	return 0;
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; plan->files && i < plan->checkpoint.count; i++)
		free(plan->files[i].ranges);
	free(plan->files);
	free(plan->digests);
	digest_list_free(plan->list);
	catalog_writer_free(plan->catalog);
	checkpoint_close(&plan->checkpoint);
}

void plan_store_sha256(struct plan *plan)
{
	size_t tensor = 0;

	for (size_t i = 0; i < plan->checkpoint.count; i++) {
		const struct stream_file *file = &plan->files[i];

		if (file->want_sha256)
			catalog_writer_source_sha256(plan->catalog, i, file->sha256);
		for (size_t r = 0; r < file->range_count; r++, tensor++)
			if (file->ranges[r].want_sha256)
				catalog_writer_tensor_sha256(plan->catalog, tensor, file->ranges[r].sha256);
	}
}

void plan_store_digests(struct plan *plan)
{
	size_t tensor = 0;

	for (size_t i = 0; i < plan->checkpoint.count; i++) {
		const struct stream_file *file = &plan->files[i];

		memcpy(plan->digests[i], file->digest, sizeof(plan->digests[i]));
		catalog_writer_source_digest(plan->catalog, i, file->digest);
		catalog_writer_source_rest(plan->catalog, i, file->rest);
		for (size_t r = 0; r < file->range_count; r++)
			catalog_writer_tensor_digest(plan->catalog, tensor++, file->ranges[r].digest);
	}
}
