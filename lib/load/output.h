/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A file in the making: without a name, or where the file system cannot do that under one of its own, beside the one it
 * will have, which it gets when it is whole and on the disk. Until then nobody finds it, and giving it up leaves
 * nothing; without a name neither does a killed process.
 */
#ifndef PINPOOL_LOAD_OUTPUT_H
#define PINPOOL_LOAD_OUTPUT_H

#include <pinpool/load.h>
#include <sys/types.h>

struct output {
	char *path;
	char *temporary; /* its name until it is published, or NULL */
	int fd; /* open until it is finished, without a name until it is published */
	bool unnamed; /* it began without a name */
	bool stream; /* @fd is the caller's, and what is written there is out of our hands */
	bool published;
};

/* How far all files together are, and who wants to know it. */
struct output_pace {
	pinpool_progress_fn progress;
	void *progress_arg;
	const volatile int *cancel;
	uint64_t start_ns;
	uint64_t done;
	uint64_t total;
};

/* Returns 0 or -ECANCELED. */
int output_tell(const struct output_pace *pace, const char *file);

/* Whether a file @path could be made here. Returns 0, -EEXIST (unless @force), -EISDIR, -EINVAL, ... */
int output_check(const char *path, bool force, struct pinpool_diag *diag);

/* Opens a temporary file for @bytes, with room on the disk if the file system says so. */
int output_open(struct output *output, const char *path, mode_t mode, uint64_t bytes, struct pinpool_diag *diag);
/* Instead: what follows goes to @fd, which stays the caller's, called @name. */
int output_stream(struct output *output, const char *name, int fd, struct pinpool_diag *diag);
/* Writes straight from @data. Returns 0, -ECANCELED, -ENOSPC, ... */
int output_write(struct output *output, const void *data, uint64_t bytes, struct output_pace *pace,
		 struct pinpool_diag *diag);
/* All of it is on the disk, or in the stream. */
int output_finish(struct output *output, struct pinpool_diag *diag);
/* Gives it its name, but for a stream. Returns 0, -EEXIST (unless @force), ... */
int output_publish(struct output *output, bool force, struct pinpool_diag *diag);
/* The names in the folder of @path are on the disk. */
int output_sync_folder(const char *path, struct pinpool_diag *diag);
/* Frees it; what is not published is removed, and what is, too, if @everything. A zeroed output is fine. */
void output_close(struct output *output, bool everything);

#endif
