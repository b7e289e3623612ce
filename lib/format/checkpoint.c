/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * What a path stands for: a file of the format that its first bytes tell, else of the one that its name ends with; a
 * part of a split one stands for all. A directory is taken as model.safetensors, else model.safetensors.index.json,
 * else the only index in it, else the only .safetensors or .gguf file or the only split .gguf file in it: the order in
 * which model hubs lay checkpoints out.
 */
#include "base/diag.h"
#include "format/internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_SUFFIX  ".safetensors"
#define INDEX_SUFFIX ".safetensors.index.json"
#define GGUF_SUFFIX  ".gguf"

static bool ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);

	return n > s && !strcmp(name + n - s, suffix);
}

/* What a directory has to offer. */
struct folder {
	bool model;
	bool model_index;
	size_t files;
	size_t indexes;
	size_t ggufs; /* those that are split count once */
	char file[NAME_MAX + 1]; /* of any format */
	char index[NAME_MAX + 1];
};

/* Counts a .gguf file, a part only if it is of another split file than the last one. */
static void add_gguf(struct folder *folder, const char *name)
{
	if (gguf_split_is_part(name) && gguf_split_is_part(folder->file) && gguf_split_same(folder->file, name))
		return;
	folder->ggufs++;
	strcpy(folder->file, name);
}

static int scan_folder(struct folder *folder, const char *path, struct pinpool_diag *diag)
{
	struct dirent *entry;
	DIR *dir;
	int err;

	*folder = (struct folder){0};
	dir = opendir(path);
	if (!dir)
		return diag_errno(diag, -errno, path);
	for (errno = 0; (entry = readdir(dir)); errno = 0) {
		folder->model |= !strcmp(entry->d_name, "model" FILE_SUFFIX);
		folder->model_index |= !strcmp(entry->d_name, "model" INDEX_SUFFIX);
		if (ends_with(entry->d_name, FILE_SUFFIX)) {
			folder->files++;
			strcpy(folder->file, entry->d_name);
		} else if (ends_with(entry->d_name, INDEX_SUFFIX)) {
			folder->indexes++;
			strcpy(folder->index, entry->d_name);
		} else if (ends_with(entry->d_name, GGUF_SUFFIX)) {
			add_gguf(folder, entry->d_name);
		}
	}
	err = errno ? diag_errno(diag, -errno, path) : 0;
	closedir(dir);
	return err;
}

/* Path of the file in directory @path to open; the caller frees it. */
static int choose(const char *path, char **out, struct pinpool_diag *diag)
{
	struct folder folder;
	const char *name;
	int err;

	err = scan_folder(&folder, path, diag);
	if (err)
		return err;
	if (folder.model)
		name = "model" FILE_SUFFIX;
	else if (folder.model_index)
		name = "model" INDEX_SUFFIX;
	else if (folder.indexes == 1)
		name = folder.index;
	else if (!folder.indexes && folder.files + folder.ggufs == 1)
		name = folder.file;
	else if (folder.ggufs)
		return diag_set(diag, -ENOENT, path, "name the file or the index to load",
				"holds %zu .safetensors files, %zu indexes and %zu .gguf files, and none is called "
				"model.safetensors",
				folder.files, folder.indexes, folder.ggufs);
	else if (folder.indexes || folder.files)
		return diag_set(diag, -ENOENT, path, "name the file or the index to load",
				"holds %zu .safetensors files and %zu indexes, and none is called model", folder.files,
				folder.indexes);
	else
		return diag_set(diag, -ENOENT, path,
				"name a .safetensors or .gguf file, an index, or a directory with one of them",
				"holds no checkpoint");
	if (asprintf(out, "%s/%s", path, name) < 0)
		return diag_errno(diag, -ENOMEM, path);
	return 0;
}

/* Whether the file begins as GGUF does. */
static int begins_as_gguf(const struct source *source, bool *yes, struct pinpool_diag *diag)
{
	char magic[sizeof(GGUF_MAGIC) - 1];
	int err = 0;

	*yes = false;
	if (source->size >= sizeof(magic)) {
		err = source_read(source, magic, sizeof(magic), 0, diag);
		*yes = !err && !memcmp(magic, GGUF_MAGIC, sizeof(magic));
	}
	return err;
}

/* One by itself is whole: parts of a split one are opened together. */
static int read_gguf(struct format_file *file, struct pinpool_diag *diag)
{
	int err = gguf_read_header(file, diag);

	return err ? err : gguf_split_is_whole(file, diag);
}

/* Formats of one file by the ends of their names; what no other takes is safetensors. */
static const struct {
	const char *suffix;
	format_read_fn read;
} formats[] = {{GGUF_SUFFIX, read_gguf},
	       {".npz", npz_read_header},
	       {".npy", npy_read_header},
	       {NULL, safetensors_read_header}};

/* As what it is called, unless it is GGUF by another name. */
static int read_single(struct format_file *file, struct pinpool_diag *diag)
{
	bool gguf;
	size_t i = 0;
	int err;

	err = begins_as_gguf(&file->source, &gguf, diag);
	if (err)
		return err;
	while (formats[i].suffix && !ends_with(file->source.path, formats[i].suffix))
		i++;
	return gguf ? read_gguf(file, diag) : formats[i].read(file, diag);
}

static int open_files(struct checkpoint *checkpoint, const char *path, struct pinpool_diag *diag)
{
	int err;

	if (ends_with(path, ".raw.json"))
		return raw_open(checkpoint, path, diag);
	if (ends_with(path, ".json"))
		return index_open(checkpoint, path, diag);
	if (gguf_split_is_part(path))
		return gguf_split_open(checkpoint, path, diag);
	checkpoint->files = calloc(1, sizeof(*checkpoint->files));
	if (!checkpoint->files)
		return diag_errno(diag, -ENOMEM, path);
	err = format_file_open(checkpoint->files, path, read_single, diag);
	if (!err)
		checkpoint->count = 1;
	return err;
}

int checkpoint_open(struct checkpoint *checkpoint, const char *path, struct pinpool_diag *diag)
{
	char *chosen = NULL;
	struct stat st;
	int err;

	*checkpoint = (struct checkpoint){0};
	if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
		err = choose(path, &chosen, diag);
		if (err)
			return err;
		path = chosen;
	}
	err = open_files(checkpoint, path, diag);
	free(chosen);
	if (err)
		checkpoint_close(checkpoint);
	return err;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
	for (size_t i = 0; i < checkpoint->count; i++)
		format_file_close(&checkpoint->files[i]);
	free(checkpoint->files);
	*checkpoint = (struct checkpoint){0};
}
