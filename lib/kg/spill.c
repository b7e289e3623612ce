/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Temporary files; see spill.h. */
#include "kg/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"

const char *spill_folder(const char *folder)
{
	if (!folder || !*folder)
		folder = getenv("TMPDIR");
	return folder && *folder ? folder : "/var/tmp";
}

int spill_open(struct spill *spill, struct spill_space *space, size_t room)
{
	*spill = (struct spill){.space = space, .fd = -1, .room = room, .buffer = malloc(room)};
	return spill->buffer ? 0 : -ENOMEM;
}

static int failed(const struct spill *spill, int err, struct pinpool_diag *diag)
{
	if (err != -ENOSPC && err != -EDQUOT)
		return diag_errno(diag, err, spill->space->folder);
	return diag_set(diag, err, spill->space->folder, "name another folder in TMPDIR, or allow more memory",
			"no room for temporary files, of which there are %llu bytes",
			(unsigned long long)atomic_load(&spill->space->bytes));
}

/* Some file systems make no file without a name; there it has one for a moment. */
static int make_file(struct spill *spill)
{
	const char *folder = spill->space->folder;
	char *path;

	spill->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (spill->fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return spill->fd < 0 ? -errno : 0;
	if (asprintf(&path, "%s/.pinpool-kg.XXXXXX", folder) < 0)
		return -ENOMEM;
	spill->fd = mkostemp(path, O_CLOEXEC);
	if (spill->fd < 0) {
		free(path);
		return -errno;
	}
	unlink(path);
	free(path);
	return 0;
}

static int flush(struct spill *spill, const char *data, size_t bytes, struct pinpool_diag *diag)
{
	uint64_t now, peak;
	int err = 0;

	if (spill->fd < 0)
		err = make_file(spill);
	for (size_t done = 0; done < bytes && !err;) {
		ssize_t n = pwrite(spill->fd, data + done, bytes - done, (off_t)(spill->flushed + done));

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			err = n ? -errno : -EIO;
	}
	if (err)
		return failed(spill, err, diag);
	spill->flushed += bytes;
	now = atomic_fetch_add(&spill->space->bytes, bytes) + bytes;
	peak = atomic_load(&spill->space->peak);
	while (now > peak && !atomic_compare_exchange_weak(&spill->space->peak, &peak, now))
		;
	return 0;
}

int spill_write(struct spill *spill, const void *data, size_t bytes, struct pinpool_diag *diag)
{
	int err;

	if (spill->used + bytes > spill->room && spill->used) {
		err = flush(spill, spill->buffer, spill->used, diag);
		if (err)
			return err;
		spill->used = 0;
	}
	if (bytes > spill->room)
		return flush(spill, data, bytes, diag);
	if (bytes)
		memcpy(spill->buffer + spill->used, data, bytes);
	spill->used += bytes;
	return 0;
}

uint64_t spill_bytes(const struct spill *spill)
{
	return spill->flushed + spill->used;
}

int spill_copy(const struct spill *spill, uint64_t offset, void *data, size_t bytes, struct pinpool_diag *diag)
{
	char *to = data;

	while (bytes && offset < spill->flushed) {
		size_t most = bytes < spill->flushed - offset ? bytes : (size_t)(spill->flushed - offset);
		ssize_t n = pread(spill->fd, to, most, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return failed(spill, n ? -errno : -EIO, diag);
		to += n;
		offset += (uint64_t)n;
		bytes -= (size_t)n;
	}
	if (bytes)
		memcpy(to, spill->buffer + (offset - spill->flushed), bytes);
	return 0;
}

void spill_close(struct spill *spill)
{
	if (!spill->space)
		return;
	if (spill->fd >= 0)
		close(spill->fd);
	atomic_fetch_sub(&spill->space->bytes, spill->flushed);
	free(spill->buffer);
	*spill = (struct spill){.fd = -1};
}

int spill_reader_open(struct spill_reader *reader, const struct spill *spill, uint64_t offset, uint64_t bytes,
		      size_t room)
{
	*reader = (struct spill_reader){
		.spill = spill, .at = offset, .end = offset + bytes, .room = room, .buffer = malloc(room)};
	return reader->buffer ? 0 : -ENOMEM;
}

int spill_reader_take(struct spill_reader *reader, size_t bytes, const void **data, struct pinpool_diag *diag)
{
	size_t left = reader->have - reader->next;

	if (left < bytes) {
		uint64_t more;
		int err;

		if (left + (reader->end - reader->at) < bytes)
			return 0;
		if (bytes > reader->room) {
			char *buffer = realloc(reader->buffer, bytes);

			if (!buffer)
				return diag_errno(diag, -ENOMEM, reader->spill->space->folder);
			reader->buffer = buffer;
			reader->room = bytes;
		}
		memmove(reader->buffer, reader->buffer + reader->next, left);
		more = reader->end - reader->at;
		if (more > reader->room - left)
			more = reader->room - left;
		err = spill_copy(reader->spill, reader->at, reader->buffer + left, (size_t)more, diag);
		if (err)
			return err;
		reader->at += more;
		reader->next = 0;
		reader->have = left + (size_t)more;
	}
	*data = reader->buffer + reader->next;
	reader->next += bytes;
	return 1;
}

void spill_reader_close(struct spill_reader *reader)
{
	free(reader->buffer);
	*reader = (struct spill_reader){0};
}
