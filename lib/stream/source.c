/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Files to read from; see source.h. */
#include "stream/source.h"
#include "base/diag.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *kind_of(mode_t mode)
{
	if (S_ISFIFO(mode))
		return "a FIFO";
	if (S_ISSOCK(mode))
		return "a socket";
	if (S_ISBLK(mode))
		return "a block device";
	return "a character device";
}

/* Opened without waiting, so that a FIFO without a writer cannot hang it; read as any file. */
static void make_blocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

int source_open(struct source *source, const char *path, struct pinpool_diag *diag)
{
	struct stat st;
	int err;

	*source = (struct source){.fd = -1, .direct_fd = -1};
	source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (source->fd < 0) {
		err = -errno;
		diag_errno(diag, err, path);
		if (err == -EACCES)
			diag_change(diag,
				    "user %u needs read permission on the file and search permission on its folders",
				    (unsigned int)geteuid());
		if (err == -EMFILE)
			diag_change(diag, "raise the limit on open files: ulimit -n");
		/* Opening a socket gives ENXIO, which would puzzle the user. */
		if (err == -ENXIO)
			return diag_set(diag, -EINVAL, path, NULL, "is not a regular file");
		return err;
	}
	if (fstat(source->fd, &st)) {
		err = diag_errno(diag, -errno, path);
		goto err_close;
	}
	if (S_ISDIR(st.st_mode)) {
		err = diag_set(diag, -EISDIR, path, NULL, "is a directory");
		goto err_close;
	}
	if (!S_ISREG(st.st_mode)) {
		err = diag_set(diag, -EINVAL, path, NULL, "is %s, not a regular file", kind_of(st.st_mode));
		goto err_close;
	}
	make_blocking(source->fd);
	source->path = strdup(path);
	if (!source->path) {
		err = diag_errno(diag, -ENOMEM, path);
		goto err_close;
	}
	source->size = (uint64_t)st.st_size;
	source->dev = st.st_dev;
	source->ino = st.st_ino;
	source->mtime = st.st_mtim;
	source->cache = source_look_at_cache(source);
	return 0;

err_close:
	close(source->fd);
	source->fd = -1;
	return err;
}

void source_close(struct source *source)
{
	if (!source->path)
		return;
	if (source->direct_fd >= 0)
		close(source->direct_fd);
	if (source->cache == SOURCE_CACHE_NONE && !source->keep_cache)
		posix_fadvise(source->fd, 0, 0, POSIX_FADV_DONTNEED);
	close(source->fd);
	free(source->path);
	*source = (struct source){.fd = -1, .direct_fd = -1};
}

static int stale(const struct source *source, const char *what, struct pinpool_diag *diag)
{
	return diag_set(diag, -ESTALE, source->path, "load it again when nothing writes to it", "%s during the load",
			what);
}

/* Kernels before 6.1 do not report alignments; there the first read has to tell. */
static bool direct_align_fits(int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) || !(stx.stx_mask & STATX_DIOALIGN))
		return true;
	return stx.stx_dio_offset_align && stx.stx_dio_offset_align <= SOURCE_DIRECT_ALIGN &&
	       stx.stx_dio_mem_align <= SOURCE_DIRECT_ALIGN;
}

int source_open_direct(struct source *source, void *scratch, struct pinpool_diag *diag)
{
	struct stat st;
	ssize_t got;
	int fd, err;

	fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_DIRECT);
	if (fd < 0) {
		if (errno == EINVAL)
			return -EOPNOTSUPP;
		return diag_errno(diag, -errno, source->path);
	}
	if (fstat(fd, &st)) {
		err = diag_errno(diag, -errno, source->path);
		goto err_close;
	}
	if (st.st_dev != source->dev || st.st_ino != source->ino) {
		err = stale(source, "was replaced", diag);
		goto err_close;
	}
	make_blocking(fd);
	err = -EOPNOTSUPP;
	if (!direct_align_fits(fd))
		goto err_close;
	/* Some file systems take the flag and refuse the read. */
	do
		got = pread(fd, scratch, SOURCE_DIRECT_ALIGN, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		if (errno != EINVAL && errno != EOPNOTSUPP)
			err = diag_errno(diag, -errno, source->path);
		goto err_close;
	}
	source->direct_fd = fd;
	return 0;

err_close:
	close(fd);
	return err;
}

int source_read(const struct source *source, void *buf, size_t bytes, uint64_t offset, struct pinpool_diag *diag)
{
	char at[512];
	ssize_t got;

	while (bytes) {
		got = pread(source->fd, buf, bytes, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return diag_errno(diag, -errno, source_at(source, offset, at, sizeof(at)));
		if (!got)
			return diag_set(diag, -ENODATA, source_at(source, offset, at, sizeof(at)), NULL,
					"the file ends early");
		buf = (char *)buf + got;
		offset += (uint64_t)got;
		bytes -= (size_t)got;
	}
	return 0;
}

int source_check(const struct source *source, struct pinpool_diag *diag)
{
	struct stat st;

	if (fstat(source->fd, &st))
		return diag_errno(diag, -errno, source->path);
	if ((uint64_t)st.st_size != source->size)
		return stale(source, (uint64_t)st.st_size < source->size ? "shrank" : "grew", diag);
	if (st.st_mtim.tv_sec != source->mtime.tv_sec || st.st_mtim.tv_nsec != source->mtime.tv_nsec)
		return stale(source, "was written to", diag);
	if (stat(source->path, &st) || st.st_dev != source->dev || st.st_ino != source->ino)
		return stale(source, "was replaced", diag);
	return 0;
}

const char *source_at(const struct source *source, uint64_t offset, char *buf, size_t size)
{
	snprintf(buf, size, "%s: offset %" PRIu64, source->path, offset);
	return buf;
}
