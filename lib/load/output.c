/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Files in the making; see output.h. */
#include "load/output.h"
#include "base/clock.h"
#include "base/diag.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of one write: between two looks at progress and cancel. */
#define WRITE_BYTES (16u << 20)
/* Names that are tried. */
#define NAMES	    100

static int exists(const char *path, struct pinpool_diag *diag)
{
	return diag_set(diag, -EEXIST, path, "choose another name, or replace it with --force", "is there already");
}

int output_check(const char *path, bool force, struct pinpool_diag *diag)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : diag_errno(diag, -errno, path);
	if (S_ISDIR(st.st_mode))
		return diag_set(diag, -EISDIR, path, "name a file in it", "is a directory");
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return diag_set(diag, -EINVAL, path, NULL, "is there already and no regular file");
	return force ? 0 : exists(path, diag);
}

/* Folder of @path; the caller frees it. */
static char *folder_of(const char *path)
{
	char *copy = strdup(path), *folder = copy ? strdup(dirname(copy)) : NULL;

	free(copy);
	return folder;
}

/* A name for the file without one. */
static int link_unnamed(const struct output *output, const char *path)
{
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", output->fd);
	return linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

/* A name that nobody has, in the folder of @path, for a new file or for the one without a name. */
static int make_temporary(struct output *output, mode_t mode)
{
	char *folder = folder_of(output->path);
	uint64_t number;
	int err = folder ? -EEXIST : -ENOMEM;

	for (int i = 0; i < NAMES && err == -EEXIST; i++) {
		if (getrandom(&number, sizeof(number), 0) < 0) {
			err = -errno;
			break;
		}
		if (asprintf(&output->temporary, "%s/.pinpool-save.%016llx", folder, (unsigned long long)number) < 0) {
			output->temporary = NULL;
			err = -ENOMEM;
			break;
		}
		if (output->unnamed) {
			err = link_unnamed(output, output->temporary);
		} else {
			output->fd = open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
			err = output->fd < 0 ? -errno : 0;
		}
		if (err) {
			free(output->temporary);
			output->temporary = NULL;
		}
	}
	free(folder);
	return err;
}

/*
 * A file that goes with its last descriptor, whatever ends the process. So it stays open until it is published, and of
 * all files that may be open some are left for others. False: not here.
 */
static bool open_unnamed(struct output *output, mode_t mode)
{
	char *folder = folder_of(output->path);
	struct rlimit limit;
	int fd;

	/* By way of which it gets its name. */
	if (!folder || access("/proc/self/fd", X_OK) || getrlimit(RLIMIT_NOFILE, &limit)) {
		free(folder);
		return false;
	}
	fd = open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, mode);
	free(folder);
	if (fd >= 0 && (rlim_t)fd >= limit.rlim_cur / 2) {
		close(fd);
		return false;
	}
	output->unnamed = fd >= 0;
	output->fd = fd;
	return output->unnamed;
}

int output_open(struct output *output, const char *path, mode_t mode, uint64_t bytes, struct pinpool_diag *diag)
{
	int err;

	*output = (struct output){.fd = -1};
	output->path = strdup(path);
	if (!output->path)
		return diag_errno(diag, -ENOMEM, path);
	err = open_unnamed(output, mode) ? 0 : make_temporary(output, mode);
	/* A disk that is too small says so now and not after hours. */
	if (!err && bytes && fallocate(output->fd, 0, 0, (off_t)bytes) && errno != EOPNOTSUPP && errno != ENOSYS)
		err = -errno;
	return err ? diag_errno(diag, err, path) : 0;
}

int output_stream(struct output *output, const char *name, int fd, struct pinpool_diag *diag)
{
	*output = (struct output){.path = strdup(name), .fd = fd, .stream = true};
	return output->path ? 0 : diag_errno(diag, -ENOMEM, name);
}

/* Until a pipe that does not wait by itself has room, or it is time to look at progress and cancel. */
static void wait_for_room(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLOUT};

	poll(&pollfd, 1, 100);
}

int output_tell(const struct output_pace *pace, const char *file)
{
	struct pinpool_progress progress = {
		.done = pace->done,
		.total = pace->total,
		.elapsed_ns = clock_now_ns() - pace->start_ns,
		.file = file,
	};

	if (pace->cancel && *pace->cancel)
		return -ECANCELED;
	return pace->progress && pace->progress(pace->progress_arg, &progress) ? -ECANCELED : 0;
}

int output_write(struct output *output, const void *data, uint64_t bytes, struct output_pace *pace,
		 struct pinpool_diag *diag)
{
	const char *from = data;
	ssize_t n;
	int err;

	while (bytes) {
		err = output_tell(pace, output->path);
		if (err)
			return diag_errno(diag, err, output->path);
		n = write(output->fd, from, bytes < WRITE_BYTES ? bytes : WRITE_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && output->stream) {
			wait_for_room(output->fd);
			continue;
		}
		if (n < 0)
			return diag_errno(diag, -errno, output->path);
		from += n;
		bytes -= (uint64_t)n;
		pace->done += (uint64_t)n;
	}
	return 0;
}

int output_finish(struct output *output, struct pinpool_diag *diag)
{
	int err;

	if (output->stream)
		return 0;
	err = fsync(output->fd) ? -errno : 0;
	if (!output->unnamed) {
		if (close(output->fd) && !err)
			err = -errno;
		output->fd = -1;
	}
	return err ? diag_errno(diag, err, output->path) : 0;
}

static int give_name(struct output *output, bool force)
{
	int err;

	if (output->unnamed) {
		if (!force)
			return link_unnamed(output, output->path);
		/* Only a name replaces another. */
		err = make_temporary(output, 0);
		if (err)
			return err;
	}
	if (!force) {
		if (!renameat2(AT_FDCWD, output->temporary, AT_FDCWD, output->path, RENAME_NOREPLACE))
			return 0;
		/* Not every file system can refuse to replace; there output_check() has to do. */
		if (errno != EINVAL)
			return -errno;
	}
	return rename(output->temporary, output->path) ? -errno : 0;
}

int output_publish(struct output *output, bool force, struct pinpool_diag *diag)
{
	int err;

	if (output->stream)
		return 0;
	err = give_name(output, force);
	if (err == -EEXIST)
		return exists(output->path, diag);
	if (err)
		return diag_errno(diag, err, output->path);
	output->published = true;
	free(output->temporary);
	output->temporary = NULL;
	if (output->fd >= 0)
		close(output->fd);
	output->fd = -1;
	return 0;
}

int output_sync_folder(const char *path, struct pinpool_diag *diag)
{
	char *folder = folder_of(path);
	int fd, err = 0;

	if (!folder)
		return diag_errno(diag, -ENOMEM, path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Folders that may be written to and not read, and file systems that cannot, have no more to offer. */
	if (fd >= 0 && fsync(fd) && errno != EINVAL)
		err = diag_errno(diag, -errno, folder);
	if (fd >= 0)
		close(fd);
	free(folder);
	return err;
}

void output_close(struct output *output, bool everything)
{
	if (!output->path)
		return;
	if (output->fd >= 0 && !output->stream)
		close(output->fd);
	if (output->temporary)
		unlink(output->temporary);
	else if (output->published && everything)
		unlink(output->path);
	free(output->temporary);
	free(output->path);
	*output = (struct output){.fd = -1};
}
