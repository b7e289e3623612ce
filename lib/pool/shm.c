/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Pools on tmpfs, in the state directory itself. Base pages, which the kernel may swap out and migrate: it works
 * everywhere, and is told apart by the page size of the pool and huge_pages of 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/sysfile.h"
#include "pool/file_fill.h"
#include "pool/file_pool.h"

#define MIB (1UL << 20)

/* Bytes that can be allocated without making the kernel kill somebody, on the host or on one node. */
static int read_available(int32_t node, uint64_t *bytes)
{
	uint64_t available = 0, swap = 0;
	char path[64], key[32];
	int err;

	if (node < 0) {
		err = sysfile_read_key("/proc/meminfo", "MemAvailable", &available);
		if (!err)
			err = sysfile_read_key("/proc/meminfo", "SwapFree", &swap);
	} else {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
		snprintf(key, sizeof(key), "Node %d MemFree", node);
		err = sysfile_read_key(path, key, &available);
	}
	*bytes = (available + swap) << 10;
	return err;
}

/* Whether the tmpfs would let @fd grow by @missing bytes; found out before it is full of an attempt. */
static int check_limit(struct file_store *store, int fd, uint64_t missing, struct pinpool_diag *diag)
{
	uint64_t block, room;
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return diag_errno(diag, -errno, store->data_path);
	block = (uint64_t)fs.f_bsize;
	room = (uint64_t)fs.f_bavail * block;
	/* A tmpfs without size= says 0 blocks. The sidecar takes one. */
	if (!fs.f_blocks || missing + block <= room)
		return 0;
	diag_set(diag, -ENOSPC, store->data_path, NULL, "%llu MiB needed, %llu MiB free on this tmpfs",
		 (unsigned long long)((missing + block + MIB - 1) / MIB), (unsigned long long)(room / MIB));
	diag_change(
		diag, "mount -o remount,size=%lluM $(findmnt -nT %s -o TARGET)",
		(unsigned long long)(((uint64_t)(fs.f_blocks - fs.f_bavail) * block + missing + block + MIB - 1) / MIB),
		store->data_path);
	return -ENOSPC;
}

static int check_memory_of(const char *name, int32_t node, uint64_t missing, struct pinpool_diag *diag)
{
	char where[32] = "";
	uint64_t available;

	if (read_available(node, &available) || missing <= available)
		return 0;
	if (node >= 0)
		snprintf(where, sizeof(where), " on NUMA node %d", node);
	return diag_set(diag, -ENOMEM, name, "free memory or choose a smaller capacity",
			"%llu MiB of memory needed%s, %llu MiB available",
			(unsigned long long)((missing + MIB - 1) / MIB), where, (unsigned long long)(available / MIB));
}

/* tmpfs would go on until the kernel kills a process to make room. */
static int check_memory(const struct pool_create *create, uint64_t missing, struct pinpool_diag *diag)
{
	uint64_t nodes = create->numa_nodes;
	int err = 0;

	if (create->numa_policy != PINPOOL_NUMA_INTERLEAVE)
		return check_memory_of(create->name, file_fill_strict_node(create), missing, diag);
	for (; !err && nodes; nodes &= nodes - 1)
		err = check_memory_of(create->name, __builtin_ctzll(nodes),
				      missing / (uint64_t)__builtin_popcountll(create->numa_nodes), diag);
	return err;
}

static int allocate(struct file_store *store, int fd, const struct pool_create *create, struct pinpool_diag *diag)
{
	uint64_t missing;
	struct stat st;
	int err;

	if (fstat(fd, &st))
		return diag_errno(diag, -errno, create->name);
	missing = create->capacity - (uint64_t)st.st_blocks * 512;
	err = check_memory(create, missing, diag);
	if (!err)
		err = check_limit(store, fd, missing, diag);
	return err ? err : file_fill(store, fd, create, diag);
}

static int shm_open_store(struct pinpool_ctx *ctx, const struct pinpool_ctx_opts *opts, struct pinpool_diag *diag)
{
	struct file_store *store = calloc(1, sizeof(*store));
	int err;

	if (!store)
		return diag_errno(diag, -ENOMEM, "shm");
	store->ctx = ctx;
	store->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	store->features = PINPOOL_FEATURE_NUMA;
	store->allocate = allocate;
	snprintf(store->tag, sizeof(store->tag), "shm");
	err = file_store_open_state(store, opts, diag);
	if (err)
		goto err_store;
	store->data_dir = fcntl(store->state_dir, F_DUPFD_CLOEXEC, 0);
	if (store->data_dir < 0) {
		err = diag_errno(diag, -errno, store->state_path);
		goto err_state_dir;
	}
	memcpy(store->data_path, store->state_path, sizeof(store->data_path));
	ctx->store = store;
	return 0;

err_state_dir:
	close(store->state_dir);
err_store:
	free(store);
	return err;
}

static int shm_info(struct pinpool_ctx *ctx, struct pinpool_ctx_info *info)
{
	struct file_store *store = ctx->store;
	uint64_t available;
	struct statfs fs;
	int err;

	if (fstatfs(store->data_dir, &fs))
		return -errno;
	err = read_available(-1, &available);
	if (err)
		return err;
	info->page_size = store->page_size;
	info->features = store->features;
	info->free_bytes = available;
	/* A tmpfs without size= says 0 blocks. */
	if (fs.f_blocks > 0) {
		info->limit_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
		if (info->free_bytes > (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize)
			info->free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	}
	snprintf(info->location, sizeof(info->location), "%s", store->data_path);
	return file_store_used(store, &info->used_bytes, &info->pools);
}

const struct backend_ops backend_shm = {
	.kind = PINPOOL_BACKEND_SHM,
	.open = shm_open_store,
	.close = file_store_close,
	.info = shm_info,
	.create = file_store_create,
	.destroy = file_store_destroy,
	.stat = file_store_stat,
	.list = file_store_list,
	.pool_open = file_pool_open,
	.pool_close = file_pool_close,
	.pool_info = file_pool_info,
	.pool_begin = file_pool_begin,
	.pool_commit = file_pool_commit,
	.pool_abort = file_pool_abort,
	.pool_wait = file_pool_wait,
	.pool_progress = file_pool_progress,
};
