/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* States of one open pool without the module; see file_pool.h. */
#include "pool/file_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"

static struct file_store *store_of(const struct pinpool_pool *pool)
{
	return pool->ctx->store;
}

/* Another description of the same file, whatever its name is now. A descriptor or -errno. */
static int reopen(int fd, int flags)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	fd = open(self, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Puts the file of @pool behind the same descriptor number opened as @flags say. */
static int reopen_data(struct pinpool_pool *pool, int flags)
{
	int fd = reopen(pool->fd, flags);

	if (fd < 0)
		return fd;
	if (dup3(fd, pool->fd, O_CLOEXEC) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	close(fd);
	return 0;
}

int file_pool_open(struct pinpool_pool *pool, struct pinpool_diag *diag)
{
	struct file_store *store = store_of(pool);
	struct stat data, opened;
	struct sidecar record;
	char path[512];
	int err;

	pool->sidecar = file_store_lookup(store, pool->name, pool->mode == PINPOOL_OPEN_WRITE ? O_RDWR : O_RDONLY,
					  &record, &data, diag);
	if (pool->sidecar < 0)
		return pool->sidecar;
	pool->fd = openat(store->data_dir, pool->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (pool->fd < 0) {
		snprintf(path, sizeof(path), "%s/%s", store->data_path, pool->name);
		err = file_store_no_permission(-errno, store->data_dir, pool->name, path, diag);
		goto err_sidecar;
	}
	/* Destroyed, and perhaps made again, since the lookup. */
	if (fstat(pool->fd, &opened) || opened.st_dev != data.st_dev || opened.st_ino != data.st_ino) {
		err = diag_errno(diag, -ENOENT, pool->name);
		goto err_data;
	}
	pool->capacity = record.capacity;
	pool->page_size = record.page_size;
	pool->on_demand = record.on_demand;
	return 0;

err_data:
	close(pool->fd);
err_sidecar:
	close(pool->sidecar);
	return err;
}

void file_pool_close(struct pinpool_pool *pool)
{
	close(pool->fd);
	close(pool->sidecar);
}

int file_pool_info(struct pinpool_pool *pool, struct pinpool_info *info)
{
	struct sidecar record;
	struct stat data;
	int err;

	/* The writer holds the lock himself, so to him LOADING is LOADING. */
	if (pool->writer)
		err = sidecar_read(pool->sidecar, pool->name, &record);
	else
		err = sidecar_read_state(pool->sidecar, pool->name, &record);
	if (err)
		return err;
	if (fstat(pool->fd, &data))
		return -errno;
	file_store_fill_info(pool->ctx->ops->kind, pool->sidecar, &record, &data, info);
	return 0;
}

/*
 * 1 if some process has the file of @fd open or mapped for writing, 0 if none has or it cannot be told. @fd is
 * read-only. Whoever opens it for writing while the lease stands waits for the next call, and the signal for that goes
 * to this process: one that is ignored unless the program handles it.
 */
static int written_elsewhere(const struct pinpool_pool *pool)
{
	fcntl(pool->fd, F_SETSIG, SIGURG);
	if (!fcntl(pool->fd, F_SETLEASE, F_RDLCK)) {
		fcntl(pool->fd, F_SETLEASE, F_UNLCK);
		return 0;
	}
	if (errno == EAGAIN)
		return 1;
	ctx_log(pool->ctx, PINPOOL_LOG_DEBUG, "%s: cannot tell whether others may write: errno %d", pool->name, errno);
	return 0;
}

/* Zeroes the pages that an earlier load left dirty. All of them are there before and after, but of a pool on demand. */
static int scrub(struct pinpool_pool *pool, const struct sidecar *record, struct pinpool_diag *diag)
{
	struct file_store *store = store_of(pool);
	struct pool_create pages = {
		.name = pool->name,
		.capacity = record->capacity,
		.numa_node = record->numa_node,
		.numa_policy = (enum pinpool_numa_policy)record->numa_policy,
		.numa_nodes = record->numa_nodes,
	};
	void *addr;
	int err;

	/* The pages themselves go, and come back zeroed. */
	if (record->on_demand &&
	    fallocate(pool->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)record->capacity))
		return diag_errno(diag, -errno, pool->name);
	if (record->on_demand)
		return 0;
	/* Only somebody outside the library can have taken pages away; without them the memset below were SIGBUS. */
	err = store->allocate(store, pool->fd, &pages, diag);
	if (err)
		return err;
	addr = mmap(NULL, record->capacity, PROT_READ | PROT_WRITE, MAP_SHARED, pool->fd, 0);
	if (addr == MAP_FAILED)
		return diag_errno(diag, -errno, pool->name);
	memset(addr, 0, record->capacity);
	munmap(addr, record->capacity);
	return 0;
}

int file_pool_begin(struct pinpool_pool *pool, struct pinpool_diag *diag)
{
	struct sidecar record;
	uint32_t dirty;
	int err;

	err = sidecar_try_lock(pool->sidecar, LOCK_WRITER);
	if (err == -EBUSY)
		return diag_set(diag, err, pool->name, "wait until it is READY or its writer ends",
				"another process is loading it");
	if (err)
		return diag_errno(diag, err, pool->name);
	err = sidecar_read(pool->sidecar, pool->name, &record);
	if (err) {
		diag_errno(diag, err, pool->name);
		goto err_unlock;
	}
	if (record.state == PINPOOL_STATE_READY) {
		err = diag_set(diag, -EROFS, pool->name, "load into another name, or remove the pool first",
			       "READY, its content does not change any more");
		goto err_unlock;
	}
	/* Only who may make the file read-only at commit begins. Also undoes a commit that was killed half way. */
	if (fchmod(pool->fd, record.mode)) {
		err = diag_set(diag, -errno, pool->name, "load as that user, or use the kernel module",
			       "only the owner of the pool can publish it on this backend");
		goto err_unlock;
	}
	if (written_elsewhere(pool)) {
		err = diag_set(diag, -EBUSY, pool->name, "end that process",
			       "another process still has the pool's file open for writing");
		goto err_unlock;
	}
	err = reopen_data(pool, O_RDWR);
	if (err) {
		diag_errno(diag, err, pool->name);
		goto err_unlock;
	}
	dirty = record.dirty;
	record.state = PINPOOL_STATE_LOADING;
	record.dirty = 1;
	err = sidecar_write(pool->sidecar, &record);
	if (err)
		diag_errno(diag, err, pool->name);
	else if (dirty)
		err = scrub(pool, &record, diag);
	if (err)
		goto err_read_only;
	pool->generation = record.generation;
	return 0;

err_read_only:
	reopen_data(pool, O_RDONLY);
err_unlock:
	sidecar_unlock(pool->sidecar, LOCK_WRITER);
	return err;
}

int file_pool_commit(struct pinpool_pool *pool, const struct pinpool_commit_opts *opts, struct pinpool_diag *diag)
{
	struct sidecar record;
	struct timespec now;
	int err;

	err = sidecar_read(pool->sidecar, pool->name, &record);
	if (err)
		return diag_errno(diag, err, pool->name);
	if (fchmod(pool->fd, record.mode & 0444))
		return diag_errno(diag, -errno, pool->name);
	err = reopen_data(pool, O_RDONLY);
	if (err) {
		diag_errno(diag, err, pool->name);
		goto err_mode;
	}
	if (written_elsewhere(pool)) {
		err = diag_set(diag, -EBUSY, pool->name, "unmap it there, or end the process, and commit again",
			       "another process has the pool's file open or mapped for writing");
		goto err_writable;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	record.state = PINPOOL_STATE_READY;
	record.dirty = 0;
	record.length = opts->length;
	record.committed_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
	record.digest_kind = opts->digest_kind;
	if (opts->digest_kind != PINPOOL_DIGEST_NONE)
		memcpy(record.digest, opts->digest, sizeof(record.digest));
	err = sidecar_write(pool->sidecar, &record);
	if (err) {
		diag_errno(diag, err, pool->name);
		goto err_writable;
	}
	sidecar_unlock(pool->sidecar, LOCK_WRITER);
	return 0;

err_writable:
	fchmod(pool->fd, record.mode);
	reopen_data(pool, O_RDWR);
	return err;
err_mode:
	fchmod(pool->fd, record.mode);
	return err;
}

int file_pool_abort(struct pinpool_pool *pool)
{
	struct sidecar record;

	/* The lock is what counts: once it is gone LOADING is EMPTY, so nothing here can keep the load alive. */
	if (!sidecar_read(pool->sidecar, pool->name, &record)) {
		record.state = PINPOOL_STATE_EMPTY;
		sidecar_write(pool->sidecar, &record);
	}
	reopen_data(pool, O_RDONLY);
	sidecar_unlock(pool->sidecar, LOCK_WRITER);
	return 0;
}

int file_pool_progress(struct pinpool_pool *pool, uint64_t loaded, uint64_t total)
{
	return sidecar_write_progress(pool->sidecar, pool->generation, loaded, total);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* 0 if READY, -ENOENT if the name is gone, -EAGAIN if neither. */
static int check_ready(struct pinpool_pool *pool)
{
	struct sidecar record;
	struct stat st;
	int err;

	err = sidecar_read(pool->sidecar, pool->name, &record);
	if (err)
		return err;
	if (record.state == PINPOOL_STATE_READY)
		return 0;
	if (fstat(pool->sidecar, &st))
		return -errno;
	return st.st_nlink ? -EAGAIN : -ENOENT;
}

static int wait_event(int fd, int timeout_ms)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	int n;

	n = poll(&poll_fd, 1, timeout_ms);
	if (n < 0)
		return -errno;
	if (!n)
		return -ETIMEDOUT;
	/* What happened is read from the sidecar; the events only wake. */
	return read(fd, events, sizeof(events)) < 0 && errno != EAGAIN ? -errno : 0;
}

int file_pool_wait(struct pinpool_pool *pool, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;
	int64_t left = timeout_ms;
	char self[32];
	int err, fd;

	err = check_ready(pool);
	if (err != -EAGAIN)
		return err;
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return -errno;
	/* The inode, not the name: IN_MODIFY is a new record, IN_ATTRIB the name going away. */
	snprintf(self, sizeof(self), "/proc/self/fd/%d", pool->sidecar);
	if (inotify_add_watch(fd, self, IN_MODIFY | IN_ATTRIB) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	/* Looked at again with the watch in place, so that no change falls between. */
	while ((err = check_ready(pool)) == -EAGAIN) {
		if (timeout_ms >= 0) {
			left = deadline - now_ms();
			if (left < 0)
				left = 0;
		}
		err = wait_event(fd, (int)left);
		if (err)
			break;
	}
	close(fd);
	return err;
}
