/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Planning a load; see plan.h. */
#include "load/plan.h"
#include "base/diag.h"
#include "load/digests.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_SOURCE UINT32_MAX

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

static int set_source(struct plan *plan, size_t index, const struct format_file *file)
{
	char *path = absolute_path(file->source.path);

	if (!path)
		return errno ? -errno : -ENOMEM;
	plan->origins[index] = file;
	plan->sources[index] = (struct pinpool_source){
		.size = sizeof(plan->sources[index]),
		.path = path,
		.format = file->format,
		.inode = file->source.ino,
		.mtime_ns = (uint64_t)file->source.mtime.tv_sec * 1000000000u + (uint64_t)file->source.mtime.tv_nsec,
		.part = !plan->selection.whole,
		.file_bytes = file->source.size,
	};
	return 0;
}

/* The tensor at @offset in memory, but for its shape. Its range is known before. */
static void set_tensor(struct plan *plan, size_t index, uint64_t offset, uint64_t bytes, uint32_t source)
{
	const struct selected *selected = &plan->selection.tensors[index];
	const struct format_tensor *from = &plan->checkpoint.files[selected->file].tensors[selected->tensor];

	plan->ranges[index].name = from->name;
	plan->tensors[index] = (struct pinpool_tensor){
		.size = sizeof(plan->tensors[index]),
		.name = from->name,
		.dtype = from->dtype,
		.ndim = from->ndim,
		.shape = from->shape,
		.offset = offset,
		.bytes = bytes,
		.source = source,
		.sliced = selected->sliced,
		.slice_dim = selected->dim,
		.slice_begin = selected->ranges[0].begin,
		.slice_ranges = selected->range_count > 1 ? selected->ranges : NULL,
		.slice_range_count = selected->range_count > 1 ? selected->range_count : 0,
	};
	if (from->code) {
		plan->tensors[index].coded = from->code->kind;
		plan->tensors[index].plain_dtype = from->code->dtype;
		plan->tensors[index].plain_ndim = from->code->ndim;
		plan->tensors[index].plain_shape = from->code->shape;
		plan->tensors[index].plain_bytes = from->code->bytes;
	}
}

/* A slice has a shape of its own, which plan_free() frees. */
static int set_slice(struct pinpool_tensor *tensor, const struct selected *selected)
{
	uint64_t *shape = malloc((tensor->ndim + 1) * sizeof(*shape));

	if (!shape) {
		tensor->sliced = false;
		return -ENOMEM;
	}
	memcpy(shape, tensor->shape, tensor->ndim * sizeof(*shape));
	tensor->slice_extent = shape[selected->dim];
	shape[selected->dim] = selected->share;
	tensor->shape = shape;
	return 0;
}

static uint64_t next_block(uint64_t offset)
{
	return (offset + SOURCE_DIRECT_ALIGN - 1) & ~(uint64_t)(SOURCE_DIRECT_ALIGN - 1);
}

/* Files as they are: place, ranges and source of each; tensors in their order. */
static int lay_out_whole(struct plan *plan, struct pinpool_diag *diag)
{
	size_t tensor = 0;
	int err = 0;

	for (size_t i = 0; i < plan->checkpoint.count && !err; i++) {
		struct format_file *from = &plan->checkpoint.files[i];
		struct stream_file *file = &plan->files[plan->file_count++];

		file->source = &from->source;
		file->offset = next_block(plan->length);
		file->ranges = &plan->ranges[tensor];
		file->range_count = from->count;
		if (from->source.size > INT64_MAX - file->offset)
			err = -EOVERFLOW;
		else
			err = set_source(plan, plan->source_count++, from);
		if (err)
			return diag_errno(diag, err, from->source.path);
		plan->length = file->offset + from->source.size;
		plan->sources[i].offset = file->offset;
		plan->sources[i].bytes = from->source.size;
		for (size_t t = 0; t < from->count; t++, tensor++) {
			const struct selected *selected = &plan->selection.tensors[tensor];

			plan->ranges[tensor] = (struct stream_range){.begin = selected->begin, .end = selected->end};
			set_tensor(plan, tensor, file->offset + selected->begin, selected->end - selected->begin,
				   (uint32_t)i);
		}
	}
	plan->tensor_count = tensor;
	return 0;
}

/* Whether @selected follows @before in the file, whole as that, with nothing but padding between. */
static bool follows(const struct selected *selected, const struct selected *before)
{
	return !selected->sliced && !before->sliced && before->begin != before->end && selected->file == before->file &&
	       selected->tensor == before->tensor + 1 && selected->begin - before->end < SOURCE_DIRECT_ALIGN;
}

/*
 * The piece that a tensor begins or lengthens. One without bytes has a piece without bytes, at the next place in
 * memory, and in no place in the file.
 */
static int add_piece(struct plan *plan, const struct selected *selected, struct stream_range *range)
{
	struct stream_file *file = plan->file_count ? &plan->files[plan->file_count - 1] : NULL;
	uint64_t bytes;

	if (file && follows(selected, selected - 1)) {
		file->end = selected->end;
		*range = (struct stream_range){.begin = selected->begin, .end = selected->end};
	} else {
		file = &plan->files[plan->file_count++];
		*file = (struct stream_file){
			.source = &plan->checkpoint.files[selected->file].source,
			.ranges = range,
			.begin = selected->begin,
			.end = selected->end,
			.width = selected->width,
			.stride = selected->stride,
			.spans = selected->span_count ? selected->spans : NULL,
			.span_count = selected->span_count,
			.offset = next_block(plan->length),
		};
		if (selected->begin == selected->end) {
			file->offset = plan->length;
			file->begin = file->end = 1;
		} else if (!stream_file_is_gathered(file)) {
			file->offset += selected->begin % SOURCE_DIRECT_ALIGN;
		}
		*range = (struct stream_range){.begin = file->begin, .end = file->begin + stream_file_bytes(file)};
	}
	file->range_count++;
	bytes = stream_file_bytes(file);
	if (bytes > INT64_MAX - file->offset - SOURCE_DIRECT_ALIGN)
		return -EOVERFLOW;
	plan->length = file->offset + bytes;
	return 0;
}

/* Numbers sources in the order in which their first tensors lie. */
static int number_source(struct plan *plan, size_t file, uint32_t *numbers, uint64_t offset)
{
	int err;

	if (numbers[file] == NO_SOURCE) {
		err = set_source(plan, plan->source_count, &plan->checkpoint.files[file]);
		if (err)
			return err;
		plan->sources[plan->source_count].offset = offset;
		numbers[file] = (uint32_t)plan->source_count++;
	}
	return 0;
}

/* Piece by piece; @numbers are those of sources, by file. */
static int lay_out_selection(struct plan *plan, uint32_t *numbers, struct pinpool_diag *diag)
{
	for (size_t i = 0; i < plan->selection.count; i++) {
		const struct selected *selected = &plan->selection.tensors[i];
		struct stream_range *range = &plan->ranges[i];
		struct pinpool_source *source;
		uint64_t bytes, offset;
		int err;

		err = add_piece(plan, selected, range);
		bytes = range->end - range->begin;
		offset = plan->length - bytes;
		if (!err)
			err = number_source(plan, selected->file, numbers, offset);
		if (!err) {
			set_tensor(plan, i, offset, bytes, numbers[selected->file]);
			plan->tensor_count++;
			if (selected->sliced)
				err = set_slice(&plan->tensors[i], selected);
		}
		if (err)
			return diag_errno(diag, err, plan->checkpoint.files[selected->file].source.path);
		/* Later tensors lie further on. */
		source = &plan->sources[numbers[selected->file]];
		source->bytes = plan->length - source->offset;
	}
	if (!plan->length)
		return diag_set(diag, -EINVAL, "selection", "take tensors with values in them", "it has no bytes");
	return 0;
}

static int lay_out(struct plan *plan, struct pinpool_diag *diag)
{
	uint32_t *numbers;
	int err;

	if (plan->selection.whole)
		return lay_out_whole(plan, diag);
	numbers = malloc((plan->checkpoint.count + 1) * sizeof(*numbers));
	if (!numbers)
		return diag_errno(diag, -ENOMEM, "selection");
	for (size_t i = 0; i < plan->checkpoint.count; i++)
		numbers[i] = NO_SOURCE;
	err = lay_out_selection(plan, numbers, diag);
	free(numbers);
	return err;
}

/* What a file says beside its tensors. */
static int add_metadata(struct plan *plan, size_t source)
{
	const struct format_file *file = plan->origins[source];
	int err = 0;

	for (size_t i = 0; i < file->metadata_count && !err; i++) {
		struct pinpool_metadata metadata = file->metadata[i];

		metadata.source = (uint32_t)source;
		err = catalog_writer_add_metadata(plan->catalog, &metadata);
	}
	return err;
}

/* Sources, with what they say, and tensors in the catalog. */
static int fill_catalog(struct plan *plan)
{
	int ret = 0;

	for (size_t i = 0; i < plan->source_count && ret >= 0; i++) {
		ret = catalog_writer_add_source(plan->catalog, &plan->sources[i]);
		if (ret >= 0)
			ret = add_metadata(plan, i);
	}
	for (size_t i = 0; i < plan->tensor_count && ret >= 0; i++)
		ret = catalog_writer_add_tensor(plan->catalog, &plan->tensors[i]);
	return ret < 0 ? ret : 0;
}

/* What is wanted of digests beyond the usual, by the options or by the user's list. Files have some if they are whole.
 */
static int want_digests(struct plan *plan, const struct pinpool_load_opts *opts, struct pinpool_diag *diag)
{
	bool files = opts->sha256 == PINPOOL_SHA256_ALL || opts->sha256 == PINPOOL_SHA256_FILES;
	bool tensors = opts->sha256 == PINPOOL_SHA256_ALL || opts->sha256 == PINPOOL_SHA256_TENSORS;
	int err;

	for (size_t i = 0; i < plan->file_count && plan->selection.whole; i++)
		plan->files[i].want_sha256 = files;
	for (size_t i = 0; i < plan->tensor_count; i++)
		plan->ranges[i].want_sha256 = tensors;
	if (opts->digests) {
		err = digest_list_open(&plan->list, opts->digests, plan, opts->no_digest, diag);
		if (err)
			return err;
	}
	if (opts->sha256 || opts->digests)
		catalog_writer_want_sha256(plan->catalog);
	if (!opts->no_digest && plan->selection.whole)
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

static int allocate(struct plan *plan)
{
	size_t files = plan->checkpoint.count, tensors = plan->selection.count;
	size_t pieces = plan->selection.whole ? files : tensors;

	plan->files = calloc(pieces + 1, sizeof(*plan->files));
	plan->ranges = calloc(tensors + 1, sizeof(*plan->ranges));
	plan->tensors = calloc(tensors + 1, sizeof(*plan->tensors));
	plan->sources = calloc(files + 1, sizeof(*plan->sources));
	plan->origins = calloc(files + 1, sizeof(*plan->origins));
	plan->digests = calloc(files + 1, sizeof(*plan->digests));
	if (!plan->files || !plan->ranges || !plan->tensors || !plan->sources || !plan->origins || !plan->digests)
		return -ENOMEM;
	return catalog_writer_new(&plan->catalog);
}

int plan_make(struct plan *plan, const char *path, const struct pinpool_load_opts *opts, struct pinpool_diag *diag)
{
	int err;

	*plan = (struct plan){0};
	err = checkpoint_open(&plan->checkpoint, path, diag);
	if (err)
		return err;
	err = select_tensors(&plan->selection, &plan->checkpoint, opts, diag);
	if (!err) {
		err = allocate(plan);
		if (err)
			diag_errno(diag, err, path);
	}
	if (!err)
		err = lay_out(plan, diag);
	if (!err) {
		err = fill_catalog(plan);
		if (err)
			diag_errno(diag, err, path);
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
	for (size_t i = 0; i < plan->tensor_count; i++)
		if (plan->tensors[i].sliced)
			free((void *)plan->tensors[i].shape);
	for (size_t i = 0; i < plan->source_count; i++)
		free((void *)plan->sources[i].path);
	free(plan->files);
	free(plan->ranges);
	free(plan->tensors);
	free(plan->sources);
	free(plan->origins);
	free(plan->digests);
	digest_list_free(plan->list);
	catalog_writer_free(plan->catalog);
	selection_free(&plan->selection);
	checkpoint_close(&plan->checkpoint);
}

void plan_store_sha256(struct plan *plan)
{
	for (size_t i = 0; i < plan->file_count && plan->selection.whole; i++)
		if (plan->files[i].want_sha256)
			catalog_writer_source_sha256(plan->catalog, i, plan->files[i].sha256);
	for (size_t i = 0; i < plan->tensor_count; i++)
		if (plan->ranges[i].want_sha256)
			catalog_writer_tensor_sha256(plan->catalog, i, plan->ranges[i].sha256);
}

void plan_store_digests(struct plan *plan)
{
	for (size_t i = 0; i < plan->file_count && plan->selection.whole; i++) {
		memcpy(plan->digests[i], plan->files[i].digest, sizeof(plan->digests[i]));
		catalog_writer_source_digest(plan->catalog, i, plan->files[i].digest);
		catalog_writer_source_rest(plan->catalog, i, plan->files[i].rest);
	}
	for (size_t i = 0; i < plan->tensor_count; i++)
		catalog_writer_tensor_digest(plan->catalog, i, plan->ranges[i].digest);
}
