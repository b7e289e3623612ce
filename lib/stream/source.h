/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A file to read from: open, regular, and the same one at the end of a load as at its start. Opening never blocks,
 * whatever the path names.
 */
#ifndef PINPOOL_STREAM_SOURCE_H
#define PINPOOL_STREAM_SOURCE_H

#include <pinpool/common.h>
#include <sys/types.h>
#include <time.h>

/* Alignment of offset, length and memory of every direct read; sources that need more are read through the page cache.
 */
#define SOURCE_DIRECT_ALIGN 4096u

/* How much of a file is in the page cache, by a sample of its pages. */
enum source_cache {
	SOURCE_CACHE_UNKNOWN, /* nobody looked, or this user may not know */
	SOURCE_CACHE_NONE,
	SOURCE_CACHE_SOME,
	SOURCE_CACHE_ALL,
};

/**
 * struct source - one open file
 * @path: as the caller gave it, for messages; owned
 * @fd: reads through the page cache
 * @direct_fd: reads past it (O_DIRECT), -1 until source_open_direct() or where the file system cannot
 * @size: bytes when it was opened
 * @dev: device, with @ino the identity of the file
 * @ino: inode number
 * @mtime: modification time when it was opened
 * @cache: what was in the page cache when it was opened
 * @keep_cache: what reading it brings into the page cache stays there
 */
struct source {
	char *path;
	int fd;
	int direct_fd;
	uint64_t size;
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	enum source_cache cache;
	bool keep_cache;
};

/* Returns 0, -EISDIR, -EINVAL (neither file nor directory), -ENOMEM, or what open() gave. */
int source_open(struct source *source, const char *path, struct pinpool_diag *diag);
/*
 * A file of which nothing was in the page cache is left so, unless that is to be kept; pages that others use meanwhile
 * may stay. A zeroed or closed source is fine.
 */
void source_close(struct source *source);

/*
 * Opens @direct_fd and proves it with one read of the first block into @scratch, which is SOURCE_DIRECT_ALIGN bytes
 * and so aligned. Returns 0, -EOPNOTSUPP (not here: read through the page cache), -ESTALE (the path names another
 * file by now), -EIO and the like.
 */
int source_open_direct(struct source *source, void *scratch, struct pinpool_diag *diag);

/* All of [@offset, @offset + @bytes) through the page cache. Returns 0, -ENODATA (the file ends before), -EIO, ... */
int source_read(const struct source *source, void *buf, size_t bytes, uint64_t offset, struct pinpool_diag *diag);

/* Returns 0, or -ESTALE if the file is not what was opened: other size, other time, or another file at its path. */
int source_check(const struct source *source, struct pinpool_diag *diag);

/* "PATH: offset N", for the object of a diagnosis. Returns @buf. */
const char *source_at(const struct source *source, uint64_t offset, char *buf, size_t size);

/* What of an open file is in the page cache. Nothing is read for it, and nothing comes there. */
enum source_cache source_look_at_cache(const struct source *source);

#endif
