/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Saving: which files are made of a pool, and their way to the disk. All are written and on the disk before the first
 * one gets its name, an index last. A pool of whole safetensors files is written as those, found by their headers in
 * the pool; tensors go straight from the pool's mapping to the file.
 */
#include "base/clock.h"
#include "base/diag.h"
#include "base/opts.h"
#include "format/internal.h"
#include "format/safetensors_writer.h"
#include "load/output.h"

#include <errno.h>
#include <fnmatch.h>
#include <pinpool/save.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX_NAME "model.safetensors.index.json"

/* One source of the pool. */
struct image {
	struct pinpool_source source;
	const char *name; /* file name, in the source's path */
	json_t *header; /* NULL: not a whole safetensors file */
};

struct save {
	struct pinpool_pool *pool;
	const char *path; /* or what @stream is called */
	int stream; /* a descriptor of the caller's, or -1 */
	struct pinpool_save_opts opts;
	struct pinpool_catalog *catalog;
	struct pinpool_info info;
	const char *base;
	struct pinpool_tensor *tensors; /* chosen, by offset until a new file lays them out */
	size_t count;
	struct image *images;
	size_t image_count;
	struct output *outputs;
	size_t output_count;
	bool made_folder;
	bool identical;
	struct output_pace pace;
};

/* Whether a pattern matches @name; notes in @used which did. */
static bool chosen(const struct save *save, const char *name, bool *used)
{
	bool any = !save->opts.tensor_count;

	for (size_t i = 0; i < save->opts.tensor_count; i++) {
		if (strcmp(save->opts.tensors[i], name) && fnmatch(save->opts.tensors[i], name, 0))
			continue;
		used[i] = true;
		any = true;
	}
	return any;
}

static int choose_tensors(struct save *save, struct pinpool_diag *diag)
{
	size_t all = pinpool_catalog_tensor_count(save->catalog);
	bool *used = calloc(save->opts.tensor_count + 1, sizeof(*used));
	int err = 0;

	save->tensors = calloc(all + 1, sizeof(*save->tensors));
	if (!used || !save->tensors) {
		free(used);
		return diag_errno(diag, -ENOMEM, save->info.name);
	}
	for (size_t i = 0; i < all; i++) {
		struct pinpool_tensor *tensor = &save->tensors[save->count];

		tensor->size = sizeof(*tensor);
		pinpool_catalog_tensor(save->catalog, i, tensor);
		save->count += chosen(save, tensor->name, used);
	}
	for (size_t i = 0; i < save->opts.tensor_count && !err; i++)
		if (!used[i])
			err = diag_set(diag, -ENOENT, save->info.name, "pinpool show lists the tensors",
				       "no tensor matches %s", save->opts.tensors[i]);
	free(used);
	return err;
}

static int by_source(const void *left, const void *right)
{
	const struct pinpool_tensor *a = left, *b = right;

	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return a->bytes < b->bytes ? -1 : a->bytes > b->bytes;
}

/* All tensors of the pool, file by file and by offset; the caller frees them. NULL: no memory. */
static struct pinpool_tensor *list_by_source(const struct save *save, size_t *count)
{
	struct pinpool_tensor *list;

	*count = pinpool_catalog_tensor_count(save->catalog);
	list = calloc(*count + 1, sizeof(*list));
	for (size_t i = 0; i < *count && list; i++) {
		list[i].size = sizeof(*list);
		pinpool_catalog_tensor(save->catalog, i, &list[i]);
	}
	if (list)
		qsort(list, *count, sizeof(*list), by_source);
	return list;
}

static int find_images(struct save *save, struct pinpool_diag *diag)
{
	struct pinpool_tensor *list;
	size_t count, first, end = 0;

	save->image_count = pinpool_catalog_source_count(save->catalog);
	if (!save->image_count)
		return diag_set(diag, -ENOENT, save->info.name, "name a pool that pinpool load made",
				"holds no tensors of a checkpoint");
	save->images = calloc(save->image_count, sizeof(*save->images));
	list = list_by_source(save, &count);
	if (!save->images || !list) {
		free(list);
		return diag_errno(diag, -ENOMEM, save->info.name);
	}
	for (size_t i = 0; i < save->image_count; i++) {
		struct image *image = &save->images[i];
		const char *slash;

		image->source.size = sizeof(image->source);
		pinpool_catalog_source(save->catalog, i, &image->source);
		slash = strrchr(image->source.path, '/');
		image->name = slash ? slash + 1 : image->source.path;
		for (first = end; end < count && list[end].source == i;)
			end++;
		image->header = safetensors_find_header(&image->source, save->base + image->source.offset, list + first,
							end - first);
	}
	free(list);
	return 0;
}

static int by_name(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Whether the sources have names under which they can be in one folder. */
static int can_be_together(const struct save *save, bool *yes)
{
	const char **names = malloc(save->image_count * sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < save->image_count; i++)
		names[i] = save->images[i].name;
	qsort(names, save->image_count, sizeof(*names), by_name);
	*yes = true;
	for (size_t i = 0; i < save->image_count; i++)
		*yes &= format_is_file_name(names[i]) && strcmp(names[i], INDEX_NAME) &&
			(!i || strcmp(names[i], names[i - 1]));
	free(names);
	return 0;
}

/* Whether the pool is whole files, which can be written under their names, and all of it is asked for. */
static int is_whole(const struct save *save, bool *yes)
{
	*yes = save->count == pinpool_catalog_tensor_count(save->catalog);
	for (size_t i = 0; i < save->image_count; i++)
		*yes &= !!save->images[i].header;
	return *yes && save->image_count > 1 ? can_be_together(save, yes) : 0;
}

static int add_output(struct save *save, const char *path, uint64_t bytes, struct pinpool_diag *diag)
{
	int err;

	if (save->stream >= 0)
		return output_stream(&save->outputs[save->output_count++], path, save->stream, diag);
	err = output_check(path, save->opts.force, diag);
	if (err)
		return err;
	return output_open(&save->outputs[save->output_count++], path, save->info.mode & 0666, bytes, diag);
}

/* Room for @count outputs. */
static int make_outputs(struct save *save, size_t count, struct pinpool_diag *diag)
{
	save->outputs = calloc(count, sizeof(*save->outputs));
	return save->outputs ? 0 : diag_errno(diag, -ENOMEM, save->path);
}

static int write_image(struct save *save, const struct image *image, const char *path, struct pinpool_diag *diag)
{
	struct output *output = &save->outputs[save->output_count];
	int err;

	err = add_output(save, path, image->source.bytes, diag);
	if (!err)
		err = output_write(output, save->base + image->source.offset, image->source.bytes, &save->pace, diag);
	return err ? err : output_finish(output, diag);
}

/* What hubs put beside shards; NULL: no memory. */
static char *make_index(const struct save *save)
{
	json_t *map = json_object(), *root;
	uint64_t bytes = 0;
	char *text;

	for (size_t i = 0; i < save->count; i++) {
		bytes += save->tensors[i].bytes;
		if (json_object_set_new(map, save->tensors[i].name,
					json_string(save->images[save->tensors[i].source].name))) {
			json_decref(map);
			return NULL;
		}
	}
	root = json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)bytes, "weight_map", map);
	text = root ? json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
	json_decref(root);
	return text;
}

static int write_index(struct save *save, const char *path, struct pinpool_diag *diag)
{
	struct output *output = &save->outputs[save->output_count];
	char *text = make_index(save);
	size_t length = text ? strlen(text) : 0;
	int err;

	if (!text)
		return diag_errno(diag, -ENOMEM, path);
	/* Its end becomes that of a line. */
	text[length++] = '\n';
	save->pace.total += length;
	err = add_output(save, path, length, diag);
	if (!err)
		err = output_write(output, text, length, &save->pace, diag);
	free(text);
	return err ? err : output_finish(output, diag);
}

/* Path of the file @name in the folder that is made; the caller frees it. */
static int in_folder(struct save *save, const char *name, char **path, struct pinpool_diag *diag)
{
	if (asprintf(path, "%s/%s", save->path, name) < 0) {
		*path = NULL;
		return diag_errno(diag, -ENOMEM, save->path);
	}
	return 0;
}

static int write_folder(struct save *save, struct pinpool_diag *diag)
{
	struct stat st;
	char *path;
	int err;

	if (save->stream >= 0)
		return diag_set(diag, -ENOTDIR, save->path,
				"name a folder, or some of the tensors, which become one file",
				"the pool is %zu files and this takes one", save->image_count);
	save->made_folder = !mkdir(save->path, 0777);
	if (!save->made_folder && errno != EEXIST)
		return diag_errno(diag, -errno, save->path);
	if (!save->made_folder && !stat(save->path, &st) && !S_ISDIR(st.st_mode))
		return diag_set(diag, -ENOTDIR, save->path, "name a folder, which is made",
				"the pool is %zu files and this is no directory", save->image_count);
	err = make_outputs(save, save->image_count + 1, diag);
	for (size_t i = 0; i <= save->image_count && !err; i++) {
		bool index = i == save->image_count;

		err = in_folder(save, index ? INDEX_NAME : save->images[i].name, &path, diag);
		if (!err)
			err = index ? write_index(save, path, diag) : write_image(save, &save->images[i], path, diag);
		free(path);
	}
	return err;
}

/* The metadata of all files that tensors were chosen of, if it is the same; NULL: none. */
static json_t *common_metadata(const struct save *save)
{
	json_t *common = NULL, *metadata;

	for (size_t i = 0; i < save->count; i++) {
		metadata = json_object_get(save->images[save->tensors[i].source].header, "__metadata__");
		if (!metadata || (common && !json_equal(common, metadata)))
			return NULL;
		common = metadata;
	}
	return common;
}

/* A new file of the chosen tensors. */
static int write_new(struct save *save, struct pinpool_diag *diag)
{
	struct output *output;
	uint64_t bytes;
	size_t length;
	char *header;
	int err;

	qsort(save->tensors, save->count, sizeof(*save->tensors), safetensors_order);
	err = safetensors_make_header(save->tensors, save->count, common_metadata(save), &header, &length, diag);
	if (err)
		return err;
	bytes = length;
	for (size_t i = 0; i < save->count; i++)
		bytes += save->tensors[i].bytes;
	save->pace.total = bytes;
	err = make_outputs(save, 1, diag);
	output = save->outputs;
	if (!err)
		err = add_output(save, save->path, bytes, diag);
	if (!err)
		err = output_write(output, header, length, &save->pace, diag);
	for (size_t i = 0; i < save->count && !err; i++)
		err = output_write(output, save->tensors[i].data, save->tensors[i].bytes, &save->pace, diag);
	free(header);
	return err ? err : output_finish(output, diag);
}

static int write_files(struct save *save, struct pinpool_diag *diag)
{
	int err;

	err = is_whole(save, &save->identical);
	if (err)
		return diag_errno(diag, err, save->path);
	if (!save->identical)
		return write_new(save, diag);
	for (size_t i = 0; i < save->image_count; i++)
		save->pace.total += save->images[i].source.bytes;
	if (save->image_count > 1)
		return write_folder(save, diag);
	err = make_outputs(save, 1, diag);
	return err ? err : write_image(save, save->images, save->path, diag);
}

/* Names for all that was written, one after the other. */
static int publish(struct save *save, struct pinpool_diag *diag)
{
	int err;

	err = output_tell(&save->pace, save->path);
	if (err)
		return diag_errno(diag, err, save->path);
	for (size_t i = 0; i < save->output_count && !err; i++)
		err = output_publish(&save->outputs[i], save->opts.force, diag);
	if (!err && save->stream < 0)
		err = output_sync_folder(save->outputs[0].path, diag);
	return !err && save->made_folder ? output_sync_folder(save->path, diag) : err;
}

/* Removes what was written, but for what replaced others. */
static void release(struct save *save, int err)
{
	for (size_t i = 0; i < save->output_count; i++)
		output_close(&save->outputs[i], err && !save->opts.force);
	free(save->outputs);
	if (err && save->made_folder)
		rmdir(save->path);
	for (size_t i = 0; i < save->image_count && save->images; i++)
		json_decref(save->images[i].header);
	free(save->images);
	free(save->tensors);
	pinpool_catalog_close(save->catalog);
}

static int fill_report(const struct save *save, struct pinpool_save_report *report)
{
	struct pinpool_save_report result = {
		.size = sizeof(result),
		.bytes = save->pace.done,
		.elapsed_ns = clock_now_ns() - save->pace.start_ns,
		.files = (uint32_t)save->output_count,
		.tensors = (uint32_t)save->count,
		.identical = save->identical,
	};

	return opts_write(report, &result, sizeof(result));
}

static int save_to(struct pinpool_pool *pool, const char *path, int stream, const struct pinpool_save_opts *opts,
		   struct pinpool_save_report *report, struct pinpool_diag *diag)
{
	struct save save = {.pool = pool, .path = path, .stream = stream, .info = {.size = sizeof(save.info)}};
	const void *base;
	size_t mapped;
	int err;

	err = opts_read(&save.opts, sizeof(save.opts), opts);
	if (err)
		return diag_set(diag, err, "pinpool_save_opts", NULL, "options this library does not know");
	if (report && report->size < sizeof(report->size))
		return diag_set(diag, -EINVAL, "pinpool_save_report", NULL, "its size is not set");
	err = pinpool_pool_get_info(pool, &save.info);
	if (err)
		return diag_errno(diag, err, path);
	err = pinpool_catalog_open(pool, &save.catalog, diag);
	if (!err) {
		err = pinpool_pool_map(pool, &base, &mapped);
		if (err)
			diag_errno(diag, err, save.info.name);
	}
	if (!err) {
		save.base = base;
		save.pace = (struct output_pace){
			save.opts.progress, save.opts.progress_arg, save.opts.cancel, clock_now_ns(), 0, 0};
		err = choose_tensors(&save, diag);
	}
	if (!err)
		err = find_images(&save, diag);
	if (!err)
		err = write_files(&save, diag);
	if (!err)
		err = publish(&save, diag);
	if (!err && report)
		err = fill_report(&save, report);
	release(&save, err);
	return err;
}

int pinpool_save(struct pinpool_pool *pool, const char *path, const struct pinpool_save_opts *opts,
		 struct pinpool_save_report *report, struct pinpool_diag *diag)
{
	return save_to(pool, path, -1, opts, report, diag);
}

int pinpool_save_fd(struct pinpool_pool *pool, int fd, const struct pinpool_save_opts *opts,
		    struct pinpool_save_report *report, struct pinpool_diag *diag)
{
	char name[32];

	snprintf(name, sizeof(name), "descriptor %d", fd);
	if (fd < 0)
		return diag_errno(diag, -EBADF, name);
	return save_to(pool, fd == STDOUT_FILENO ? "standard output" : name, fd, opts, report, diag);
}
