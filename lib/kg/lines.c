/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Blocks of whole lines; see lines.h. */
#include "kg/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"

/* Between two looks at whether to go on. */
#define WAIT_MS 100

int lines_refuse(const char *path, uint64_t line, uint64_t offset, const char *change, struct pinpool_diag *diag,
		 const char *cause_fmt, ...)
{
	char object[512], cause[512];
	va_list ap;

	va_start(ap, cause_fmt);
	vsnprintf(cause, sizeof(cause), cause_fmt, ap);
	va_end(ap);
	snprintf(object, sizeof(object), "%s: line %llu, byte %llu", path, (unsigned long long)line,
		 (unsigned long long)offset);
	return diag_set(diag, -EBADMSG, object, change, "%s", cause);
}

static int too_long(const struct lines *lines, uint64_t line, uint64_t offset, struct pinpool_diag *diag)
{
	return lines_refuse(lines->path, line, offset, "allow longer ones with --max-line", diag,
			    "the line is longer than %zu bytes", lines->longest);
}

static int make_room(struct lines_block *block, size_t room)
{
	char *at;

	if (room <= block->room)
		return 0;
	/* And a NUL. */
	at = realloc(block->at, room + 1);
	if (!at)
		return -ENOMEM;
	block->at = at;
	block->room = room;
	return 0;
}

ssize_t lines_read(int fd, void *to, size_t bytes, const volatile int *cancel)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	ssize_t n;

	while (!cancel || !*cancel) {
		/* What cannot be waited for, a file, is there. */
		if (!poll(&wait, 1, WAIT_MS))
			continue;
		n = read(fd, to, bytes);
		if (n >= 0 || errno != EINTR)
			return n < 0 ? -errno : n;
	}
	return -ECANCELED;
}

/* Reads until the block is full. */
static int fill(struct lines *lines, struct lines_block *block, struct pinpool_diag *diag)
{
	while (block->bytes < block->room && !lines->ended) {
		ssize_t n = lines_read(lines->fd, block->at + block->bytes, block->room - block->bytes, lines->cancel);

		if (n < 0)
			return diag_errno(diag, (int)n, lines->path);
		lines->ended = !n;
		block->bytes += (size_t)n;
	}
	return 0;
}

/* What follows the last whole line waits for the next block. Returns whether there is a whole line. */
static int cut(struct lines *lines, struct lines_block *block, bool *whole)
{
	const char *end = block->bytes ? memrchr(block->at, '\n', block->bytes) : NULL;
	size_t rest;

	*whole = lines->ended || end;
	if (lines->ended || !end)
		return 0;
	rest = (size_t)(block->at + block->bytes - (end + 1));
	if (rest > lines->rest_room) {
		char *at = realloc(lines->rest, rest);

		if (!at)
			return -ENOMEM;
		lines->rest = at;
		lines->rest_room = rest;
	}
	if (rest)
		memcpy(lines->rest, end + 1, rest);
	lines->rest_bytes = rest;
	block->bytes -= rest;
	return 0;
}

/* Counts lines, and refuses those that must not be. */
static int look_at(struct lines *lines, struct lines_block *block, struct pinpool_diag *diag)
{
	const char *at = block->at, *end = block->at + block->bytes;
	const char *nul = block->bytes ? memchr(at, '\0', block->bytes) : NULL;

	while (at < end) {
		const char *next = memchr(at, '\n', (size_t)(end - at));
		uint64_t offset = block->offset + (uint64_t)(at - block->at);

		next = next ? next + 1 : end;
		lines->line++;
		if ((size_t)(next - at) > lines->longest)
			return too_long(lines, lines->line, offset, diag);
		if (nul && nul < next)
			return lines_refuse(lines->path, lines->line, block->offset + (uint64_t)(nul - block->at), NULL,
					    diag, "a NUL, which no text has");
		at = next;
	}
	lines->offset += block->bytes;
	block->at[block->bytes] = '\0';
	return 0;
}

int lines_next(struct lines *lines, struct lines_block *block, struct pinpool_diag *diag)
{
	size_t room = lines->block;
	bool whole = false;
	int err;

	block->bytes = 0;
	block->offset = lines->offset;
	block->line = lines->line + 1;
	if (room < 2 * lines->rest_bytes)
		room = 2 * lines->rest_bytes;
	err = make_room(block, room);
	if (err)
		return diag_errno(diag, err, lines->path);
	if (lines->rest_bytes)
		memcpy(block->at, lines->rest, lines->rest_bytes);
	block->bytes = lines->rest_bytes;
	lines->rest_bytes = 0;
	while (!whole) {
		err = fill(lines, block, diag);
		if (err)
			return err;
		err = cut(lines, block, &whole);
		if (!err && !whole && block->bytes > lines->longest)
			return too_long(lines, block->line, block->offset, diag);
		if (!err && !whole)
			err = make_room(block, 2 * block->room);
		if (err)
			return diag_errno(diag, err, lines->path);
	}
	err = look_at(lines, block, diag);
	return err ? err : block->bytes > 0;
}

void lines_free(struct lines *lines)
{
	free(lines->rest);
	lines->rest = NULL;
	lines->rest_bytes = lines->rest_room = 0;
}

void lines_block_free(struct lines_block *block)
{
	free(block->at);
	*block = (struct lines_block){0};
}
