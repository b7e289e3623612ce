/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Temporary bytes on a disk: files without a name, so that they go with the process however it ends. Appended through a
 * buffer, read back in order, many readers at a time. Nothing here is seen by anybody else.
 */
#ifndef PINPOOL_KG_SPILL_H
#define PINPOOL_KG_SPILL_H

#include <pinpool/common.h>

/**
 * struct spill_space - where all temporary files of one build lie, and how much they take
 * @folder: of the files; the caller's
 * @bytes: written to files that are open
 * @peak: the most that @bytes was
 */
struct spill_space {
	const char *folder;
	_Atomic uint64_t bytes;
	_Atomic uint64_t peak;
};

/**
 * struct spill - one file
 * @space: whose it is
 * @fd: made with the first byte that leaves the buffer, so that what is small needs no disk; -1 before
 * @flushed: bytes in the file
 * @buffer: bytes that follow those
 * @used: how many
 * @room: bytes of @buffer
 */
struct spill {
	struct spill_space *space;
	int fd;
	uint64_t flushed;
	char *buffer;
	size_t used;
	size_t room;
};

/* The folder that the user wants temporary files in: @folder, else $TMPDIR, else /var/tmp. */
const char *spill_folder(const char *folder);

/* An empty one, with @room bytes of buffer. Returns 0 or -ENOMEM. */
int spill_open(struct spill *spill, struct spill_space *space, size_t room);
/* Appends. Returns 0, -ENOSPC, -EIO, ... and says which folder is full. */
int spill_write(struct spill *spill, const void *data, size_t bytes, struct pinpool_diag *diag);
/* How much was appended. */
uint64_t spill_bytes(const struct spill *spill);
/* Copies @bytes from @offset on, from file and buffer; all of them are there. */
int spill_copy(const struct spill *spill, uint64_t offset, void *data, size_t bytes, struct pinpool_diag *diag);
/* A zeroed one is fine. */
void spill_close(struct spill *spill);

/**
 * struct spill_reader - some of a file, in order
 * @spill: of which; it is not written to meanwhile
 * @at: next byte that is not in the buffer yet
 * @end: byte behind the last
 * @buffer: bytes read ahead
 * @next: first of them that was not taken
 * @have: end of them
 * @room: bytes of @buffer; grows where one piece needs more
 */
struct spill_reader {
	const struct spill *spill;
	uint64_t at;
	uint64_t end;
	char *buffer;
	size_t next;
	size_t have;
	size_t room;
};

/* Returns 0 or -ENOMEM. */
int spill_reader_open(struct spill_reader *reader, const struct spill *spill, uint64_t offset, uint64_t bytes,
		      size_t room);
/*
 * The next @bytes in *@data, valid until the next call. Returns 1, 0 (the end; there is no part of a piece), -ENOMEM,
 * -EIO.
 */
int spill_reader_take(struct spill_reader *reader, size_t bytes, const void **data, struct pinpool_diag *diag);
void spill_reader_close(struct spill_reader *reader);

#endif
