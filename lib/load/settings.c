/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The file of settings; see settings.h. Like so:
 *
 *	{"version": 1, "devices": {"wwid eui.01": {"memory": {"chunk_bytes": 1048576, "queue_depth": 32,
 *	 "iopoll": false, "sqpoll": false}}}}
 */
#include "load/settings.h"
#include "load/output.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define VERSION	      1
#define FILE_NAME     "devices.json"
/* A file is never larger, and those who come first go first. */
#define FILE_MAX_SIZE (1u << 20)
#define DEVICES_MAX   64u

static char *text(const char *first, const char *rest)
{
	char *both;

	return asprintf(&both, "%s%s", first, rest) < 0 ? NULL : both;
}

/* The folder of the file, for the caller to free. Returns 0, -ENOENT (there is none), -ENOMEM. */
static int find_folder(char **folder)
{
	const char *own = secure_getenv("PINPOOL_CACHE_DIR"), *cache = secure_getenv("XDG_CACHE_HOME");
	const char *home = secure_getenv("HOME");

	if (own && !*own)
		return -ENOENT;
	/* Of the other two, relative paths mean nothing. */
	if (own)
		*folder = strdup(own);
	else if (cache && *cache == '/')
		*folder = text(cache, "/pinpool");
	else if (home && *home == '/')
		*folder = text(home, "/.cache/pinpool");
	else
		return -ENOENT;
	return *folder ? 0 : -ENOMEM;
}

/* All that is remembered, or NULL. */
static json_t *read_file(const char *folder)
{
	char *path = text(folder, "/" FILE_NAME);
	struct source source;
	json_t *root = NULL;
	char *data = NULL;

	if (path && !source_open(&source, path, NULL)) {
		if (source.size <= FILE_MAX_SIZE)
			data = malloc(source.size + 1);
		if (data && !source_read(&source, data, source.size, 0, NULL))
			root = json_loadb(data, source.size, 0, NULL);
		free(data);
		source_close(&source);
	}
	free(path);
	if (json_integer_value(json_object_get(root, "version")) == VERSION &&
	    json_is_object(json_object_get(root, "devices")))
		return root;
	json_decref(root);
	return NULL;
}

static bool is_sane(const struct stream_tuning *tuning, json_int_t chunk, json_int_t depth)
{
	return tuning->chunk_bytes == chunk && chunk >= STREAM_CHUNK_MIN && chunk <= STREAM_CHUNK_MAX &&
	       !(chunk & (chunk - 1)) && tuning->queue_depth == depth && depth > 0 && depth <= STREAM_DEPTH_MAX;
}

int settings_find(const char *device, const char *way, struct stream_tuning *tuning)
{
	json_t *root, *known;
	json_int_t chunk, depth;
	char *folder;
	int err;

	err = find_folder(&folder);
	if (err)
		return err;
	root = read_file(folder);
	free(folder);
	known = json_object_get(json_object_get(json_object_get(root, "devices"), device), way);
	chunk = json_integer_value(json_object_get(known, "chunk_bytes"));
	depth = json_integer_value(json_object_get(known, "queue_depth"));
	*tuning = (struct stream_tuning){
		.chunk_bytes = (uint32_t)chunk,
		.queue_depth = (uint32_t)depth,
		.iopoll = json_is_true(json_object_get(known, "iopoll")),
		.sqpoll = json_is_true(json_object_get(known, "sqpoll")),
	};
	json_decref(root);
	return is_sane(tuning, chunk, depth) ? 0 : -ENOENT;
}

/* Those below it, too, as far as they are missing. Only for this user, as its kind wants. */
static int make_folder(const char *path)
{
	char *copy = strdup(path);
	int err = copy ? 0 : -ENOMEM;

	for (char *at = copy; at && !err; at = strchr(at + 1, '/')) {
		char kept = *at;

		*at = '\0';
		if (*copy && mkdir(copy, 0700) && errno != EEXIST)
			err = -errno;
		*at = kept;
	}
	if (!err && mkdir(path, 0700) && errno != EEXIST)
		err = -errno;
	free(copy);
	return err;
}

static int write_file(const char *folder, const json_t *root)
{
	char *path = text(folder, "/" FILE_NAME), *data = json_dumps(root, JSON_INDENT(1));
	struct output_pace pace = {0};
	struct output output = {0};
	int err = path && data ? make_folder(folder) : -ENOMEM;

	if (!err)
		err = output_open(&output, path, 0644, 0, NULL);
	if (!err)
		err = output_write(&output, data, strlen(data), &pace, NULL);
	if (!err)
		err = output_finish(&output, NULL);
	if (!err)
		err = output_publish(&output, true, NULL);
	output_close(&output, false);
	free(data);
	free(path);
	return err;
}

/* Replaces what @devices has of it. Steals nothing; jansson takes a NULL value for a failure. */
static int set(json_t *devices, const char *device, const char *way, const struct stream_tuning *tuning)
{
	json_t *known = json_deep_copy(json_object_get(devices, device)), *one;

	if (!json_is_object(known)) {
		json_decref(known);
		known = json_object();
	}
	one = json_pack("{s:I, s:I, s:b, s:b}", "chunk_bytes", (json_int_t)tuning->chunk_bytes, "queue_depth",
			(json_int_t)tuning->queue_depth, "iopoll", tuning->iopoll, "sqpoll", tuning->sqpoll);
	if (json_object_set_new(known, way, one)) {
		json_decref(known);
		return -ENOMEM;
	}
	/* Behind all others, which are in the order in which they came. */
	json_object_del(devices, device);
	while (json_object_size(devices) >= DEVICES_MAX)
		json_object_del(devices, json_object_iter_key(json_object_iter(devices)));
	return json_object_set_new(devices, device, known) ? -ENOMEM : 0;
}

int settings_keep(const char *device, const char *way, const struct stream_tuning *tuning)
{
	json_t *root;
	char *folder;
	int err;

	err = find_folder(&folder);
	if (err)
		return err;
	root = read_file(folder);
	if (!root)
		root = json_pack("{s:i, s:{}}", "version", VERSION, "devices");
	err = root ? set(json_object_get(root, "devices"), device, way, tuning) : -ENOMEM;
	if (!err)
		err = write_file(folder, root);
	json_decref(root);
	free(folder);
	return err;
}
