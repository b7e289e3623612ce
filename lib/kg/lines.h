/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A text in blocks of whole lines, in order, each with the place where it begins, so that several threads can read a
 * file and still say which line is wrong. No line is longer than a limit and none has a NUL.
 */
#ifndef PINPOOL_KG_LINES_H
#define PINPOOL_KG_LINES_H

#include <pinpool/common.h>
#include <sys/types.h>

/**
 * struct lines - a text that is being read
 * @path: for messages; the caller's
 * @fd: read from where it stands; the caller's
 * @block: bytes of a block, unless a line needs more
 * @longest: most bytes of a line, its end included
 * @offset: bytes of all blocks so far
 * @line: lines of all blocks so far
 * @rest: what was read of a line that the last block did not end
 * @rest_bytes: bytes of it
 * @rest_room: bytes that @rest has room for
 * @ended: nothing more can be read
 * @cancel: ends the reading with -ECANCELED once it is not 0, also while a pipe is silent; or NULL
 */
struct lines {
	const char *path;
	int fd;
	size_t block;
	size_t longest;
	uint64_t offset;
	uint64_t line;
	char *rest;
	size_t rest_bytes;
	size_t rest_room;
	bool ended;
	const volatile int *cancel;
};

/* A zeroed one is empty; used again and again, and freed with lines_block_free(). A NUL follows the last byte. */
struct lines_block {
	char *at;
	size_t bytes;
	size_t room;
	uint64_t offset; /* of its first byte in the text */
	uint64_t line; /* of its first line, from 1 on */
};

/* The next lines. Returns 1, 0 at the end, -EBADMSG (a line is too long or has a NUL), -ENOMEM, -EIO, -EINTR, ... */
int lines_next(struct lines *lines, struct lines_block *block, struct pinpool_diag *diag);
/* What is there to read of @fd, once there is something. Returns how many bytes, 0 at the end, -ECANCELED, -EIO, ... */
ssize_t lines_read(int fd, void *to, size_t bytes, const volatile int *cancel);
void lines_free(struct lines *lines);
void lines_block_free(struct lines_block *block);

/* "PATH: line 3, byte 120", of the error that is in line @line, which begins at byte @offset of the text. */
int lines_refuse(const char *path, uint64_t line, uint64_t offset, const char *change, struct pinpool_diag *diag,
		 const char *cause_fmt, ...) __attribute__((format(printf, 6, 7)));

#endif
