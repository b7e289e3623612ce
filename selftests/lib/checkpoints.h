/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Checkpoints for tests: files with a given header, bytes that tell where they were, a folder of their own. */
#ifndef SELFTESTS_CHECKPOINTS_H
#define SELFTESTS_CHECKPOINTS_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A byte that depends on its place in a file and on the file. */
static inline uint8_t pattern_at(uint64_t seed, uint64_t offset)
{
	uint64_t x = (offset + 1) * 0x9e3779b97f4a7c15u ^ (seed + 1) * 0xbf58476d1ce4e5b9u;

	return (uint8_t)(x >> 40 ^ x >> 17);
}

static inline void write_all(int fd, const void *data, size_t bytes)
{
	while (bytes) {
		ssize_t done = write(fd, data, bytes);

		if (done <= 0) {
			perror("write");
			exit(1);
		}
		data = (const char *)data + done;
		bytes -= (size_t)done;
	}
}

static inline void write_file(const char *path, const void *data, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	write_all(fd, data, bytes);
	close(fd);
}

/* @bytes of pattern. */
static inline uint8_t *make_pattern(uint64_t seed, uint64_t first, size_t bytes)
{
	uint8_t *data = malloc(bytes + 1);

	for (size_t i = 0; i < bytes; i++)
		data[i] = pattern_at(seed, first + i);
	return data;
}

static inline void write_pattern(const char *path, uint64_t seed, size_t bytes)
{
	uint8_t *data = make_pattern(seed, 0, bytes);

	write_file(path, data, bytes);
	free(data);
}

/* A safetensors file: length @length, header of @json_bytes, @data_bytes of pattern. */
static inline void write_safetensors_raw(const char *path, uint64_t length, const char *json, size_t json_bytes,
					 size_t data_bytes)
{
	uint8_t *file = malloc(8 + json_bytes + data_bytes + 1);

	for (int i = 0; i < 8; i++)
		file[i] = (uint8_t)(length >> (8 * i));
	memcpy(file + 8, json, json_bytes);
	for (size_t i = 0; i < data_bytes; i++)
		file[8 + json_bytes + i] = pattern_at(length, 8 + json_bytes + i);
	write_file(path, file, 8 + json_bytes + data_bytes);
	free(file);
}

static inline void write_safetensors(const char *path, const char *json, size_t data_bytes)
{
	write_safetensors_raw(path, strlen(json), json, strlen(json), data_bytes);
}

/* "FOLDER/NAME", in one of a few static buffers. */
static inline const char *in_folder(const char *folder, const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 8];

	if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX) {
		fprintf(stderr, "%s/%s is too long\n", folder, name);
		exit(1);
	}
	return path;
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void remove_folder(const char *path)
{
	nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* A new folder below TMPDIR, else /var/tmp, which is seldom tmpfs, else /tmp; anybody may enter it. */
static inline void make_folder(char folder[PATH_MAX])
{
	const char *tmp = getenv("TMPDIR");

	if (!tmp || !*tmp)
		tmp = access("/var/tmp", W_OK) ? "/tmp" : "/var/tmp";
	snprintf(folder, PATH_MAX, "%s/pinpool-test.XXXXXX", tmp);
	if (!mkdtemp(folder) || chmod(folder, 0755)) {
		perror(folder);
		exit(1);
	}
}

#endif
