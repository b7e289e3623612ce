/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Pools of the kernel module. It owns pages, permissions and states; here its ioctls are called. sysfs serves for what
 * the caller may see but not open. A module may be older than this library: what it does not offer is refused here, by
 * the feature bits it has, or by its ENOTTY.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "pool/backend.h"
#include "pool/module_error.h"
#include "pool/module_reserve.h"
#include "pool/module_sysfs.h"

#define MIB (1ULL << 20)

struct module_store {
	int control; /* -1 if this user may not open it: pools can be used, not made or removed */
	uint64_t page_size;
	uint64_t features; /* PINPOOL_FEATURE_* */
};

static const char *node_path(char *buf, size_t size, const char *name)
{
	snprintf(buf, size, MODULE_NODES "/%s", name);
	return buf;
}

static int module_open(struct pinpool_ctx *ctx, const struct pinpool_ctx_opts *opts, struct pinpool_diag *diag)
{
	struct pinpool_module_info info = {.size = sizeof(info)};
	struct module_store *store;
	int err;

	store = calloc(1, sizeof(*store));
	if (!store)
		return diag_errno(diag, -ENOMEM, MODULE_CONTROL);
	store->page_size = 2 * MIB;
	store->control = open(MODULE_CONTROL, O_RDWR | O_CLOEXEC);
	if (store->control < 0 && errno == EACCES)
		store->control = open(MODULE_CONTROL, O_RDONLY | O_CLOEXEC);
	if (store->control < 0 && errno != EACCES) {
		err = errno == ENOENT || errno == ENXIO || errno == ENODEV ? -ENODEV : -errno;
		diag_set(diag, err, MODULE_CONTROL, "load it: insmod pinpool.ko", "the kernel module is not loaded");
		goto err_store;
	}
	if (store->control >= 0) {
		err = module_call(store->control, PINPOOL_IOC_MODULE_INFO, &info);
		if (err) {
			err = diag_set(diag, -ENODEV, MODULE_CONTROL, NULL, "not the control node of pinpool");
			goto err_control;
		}
		store->page_size = info.out_page_size;
		store->features = info.out_features;
	}
	ctx->store = store;
	return 0;

err_control:
	close(store->control);
err_store:
	free(store);
	return err;
}

static void module_close(struct pinpool_ctx *ctx)
{
	struct module_store *store = ctx->store;

	if (store->control >= 0)
		close(store->control);
	free(store);
}

static int module_info(struct pinpool_ctx *ctx, struct pinpool_ctx_info *info)
{
	struct pinpool_module_info module = {.size = sizeof(module)};
	struct module_store *store = ctx->store;
	int err;

	if (store->control < 0)
		return -EACCES;
	err = module_call(store->control, PINPOOL_IOC_MODULE_INFO, &module);
	if (err)
		return err;
	info->page_size = module.out_page_size;
	info->reserve_bytes = module.out_reserve_bytes;
	info->free_bytes = module.out_free_bytes;
	info->limit_bytes = module.out_limit_bytes;
	info->used_bytes = module.out_used_bytes;
	info->pools = module.out_pools;
	info->features = module.out_features;
	if (module.out_features & PINPOOL_FEATURE_EVICTION) {
		info->limit_uid_bytes = module.out_limit_uid_bytes;
		info->evicted = module.out_evicted;
		info->pages_scrubbed = module.out_pages_scrubbed;
		info->quarantine_bytes = module.out_quarantine_bytes;
	}
	snprintf(info->location, sizeof(info->location), MODULE_NODES);
	return 0;
}

static int explain_create(const struct module_store *store, const struct pinpool_create *create, int err,
			  struct pinpool_diag *diag)
{
	const char *name = (const char *)create->name;
	int32_t node = create->numa_policy == PINPOOL_NUMA_BIND ? create->numa_node : -1;

	switch (err) {
	case -EEXIST:
		diag_set(diag, err, name, NULL, "a pool of that name exists");
		diag_change(diag, "choose another name, or remove it: pinpool rm %s", name);
		return err;
	case -EPERM:
		if (create->uid != PINPOOL_ID_CALLER)
			return diag_set(diag, err, name, "become root, or keep it",
					"not allowed to give a pool to user %u, group %u", create->uid, create->gid);
		return module_no_permission(err, MODULE_CONTROL, diag);
	case -ENOMEM:
	case -ENOSPC:
	case -EDQUOT:
		return module_no_room(err, store->control, name, create->capacity, create->page_size, node, diag);
	case -EINVAL:
		return diag_set(diag, err, name, "pinpool reserve lists the NUMA nodes there are",
				"a NUMA node that does not exist or has no memory");
	default:
		return diag_errno(diag, err, name);
	}
}

/* What is asked for and the module does not offer, or NULL. */
static const char *missing_feature(const struct module_store *store, const struct pool_create *create)
{
	uint64_t missing = ~store->features;

	if (create->on_demand && (missing & PINPOOL_FEATURE_ON_DEMAND))
		return "pools on demand";
	if ((create->evictable || create->priority) && (missing & PINPOOL_FEATURE_EVICTION))
		return "eviction";
	if (create->numa_policy != PINPOOL_NUMA_BIND && (missing & PINPOOL_FEATURE_NUMA))
		return "NUMA policies but one node for all pages";
	return NULL;
}

static int module_create(struct pinpool_ctx *ctx, const struct pool_create *create, struct pinpool_diag *diag)
{
	struct module_store *store = ctx->store;
	struct pinpool_create arg = {
		.size = sizeof(arg),
		.page_size = store->page_size,
		.numa_node = create->numa_node,
		.uid = create->owner ? create->uid : PINPOOL_ID_CALLER,
		.gid = create->owner ? create->gid : PINPOOL_ID_CALLER,
		.mode = create->mode,
		.flags = (create->on_demand ? PINPOOL_CREATE_ON_DEMAND : 0) |
			 (create->evictable ? PINPOOL_CREATE_EVICTABLE : 0),
		.priority = create->priority,
		.numa_policy = create->numa_policy,
		.numa_nodes = create->numa_nodes,
	};
	const char *missing = missing_feature(store, create);
	int err;

	if (store->control < 0)
		return module_no_permission(-EACCES, MODULE_CONTROL, diag);
	if (missing)
		return module_too_old(create->name, missing, diag);
	if (create->capacity > INT64_MAX - store->page_size)
		return diag_set(diag, -EINVAL, create->name, NULL, "capacity %llu is beyond any file",
				(unsigned long long)create->capacity);
	memcpy(arg.name, create->name, strlen(create->name));
	arg.capacity = (create->capacity + store->page_size - 1) / store->page_size * store->page_size;
	err = module_call(store->control, PINPOOL_IOC_CREATE, &arg);
	return err ? explain_create(store, &arg, err, diag) : 0;
}

static int module_destroy(struct pinpool_ctx *ctx, const char *name, struct pinpool_diag *diag)
{
	struct pinpool_destroy arg = {.size = sizeof(arg)};
	struct module_store *store = ctx->store;
	char path[96];
	int err;

	if (store->control < 0)
		return module_no_permission(-EPERM, MODULE_CONTROL, diag);
	memcpy(arg.name, name, strlen(name));
	err = module_call(store->control, PINPOOL_IOC_DESTROY, &arg);
	if (err == -ENOENT)
		return diag_set(diag, err, name, "pinpool ls shows the pools there are", "no pool of that name");
	if (err == -EPERM)
		return module_no_permission(err, node_path(path, sizeof(path), name), diag);
	return err ? diag_errno(diag, err, name) : 0;
}

static int read_info(int fd, struct pinpool_info *info)
{
	struct pinpool_pool_info pool = {.size = sizeof(pool)};
	int err = module_call(fd, PINPOOL_IOC_POOL_INFO, &pool);

	if (err)
		return err;
	*info = (struct pinpool_info){
		.size = sizeof(*info),
		.backend = PINPOOL_BACKEND_MODULE,
		.state = (enum pinpool_state)pool.out_state,
		.capacity = pool.out_capacity,
		.length = pool.out_length,
		.page_size = pool.out_page_size,
		.huge_pages = pool.out_huge_pages,
		.numa_node = pool.out_numa_node,
		.mappings = pool.out_mappings,
		.openers = pool.out_openers,
		.faults = pool.out_faults,
		.bytes_written = pool.out_bytes_written,
		.created_ns = pool.out_created_ns,
		.committed_ns = pool.out_committed_ns,
		.digest_kind = (enum pinpool_digest_kind)pool.out_digest_kind,
		.uid = pool.out_uid,
		.gid = pool.out_gid,
		.mode = pool.out_mode,
	};
	/* Fields that an older module does not fill are zero, which is what it does. */
	info->on_demand = pool.out_flags & PINPOOL_CREATE_ON_DEMAND;
	info->evictable = pool.out_flags & PINPOOL_CREATE_EVICTABLE;
	info->priority = pool.out_priority;
	info->numa_policy = (enum pinpool_numa_policy)pool.out_numa_policy;
	info->numa_nodes = pool.out_numa_nodes;
	info->numa_fallback = pool.out_numa_fallback;
	info->pages_zeroed = pool.out_pages_zeroed;
	info->failed_allocs = pool.out_failed_allocs;
	info->exports = pool.out_exports;
	info->bytes_read = pool.out_bytes_read;
	module_fill_loaded(info);
	memcpy(info->name, pool.out_name, sizeof(info->name) - 1);
	memcpy(info->digest, pool.out_digest, sizeof(info->digest));
	return 0;
}

/* A descriptor or -errno. */
static int open_node(const char *name, int flags, struct pinpool_diag *diag)
{
	char path[96];
	int err, fd;

	node_path(path, sizeof(path), name);
	fd = open(path, flags | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	err = -errno;
	/* The node goes a moment after the pool does. */
	if (err == -ENOENT || err == -ENXIO || err == -ENODEV)
		return diag_set(diag, -ENOENT, name, "pinpool ls shows the pools there are", "no pool of that name");
	return err == -EACCES ? module_no_permission(err, path, diag) : diag_errno(diag, err, path);
}

static int module_stat(struct pinpool_ctx *ctx, const char *name, struct pinpool_info *info, struct pinpool_diag *diag)
{
	struct pinpool_diag why;
	int err, fd;

	/*
	 * To open a pool is to use it, and who only looks must not decide which one gives way first. Of one that is
	 * READY nothing but counts changes any more, so it can be read piece by piece; of others a call tells it at one
	 * moment.
	 */
	if (!module_sysfs_info(name, info) && info->state == PINPOOL_STATE_READY)
		return 0;
	fd = open_node(name, O_RDONLY, &why);
	if (fd < 0 && fd != -EACCES) {
		if (diag)
			*diag = why;
		return fd;
	}
	if (fd >= 0) {
		err = read_info(fd, info);
		close(fd);
		/* The file that asked is not one of those that the caller means. */
		if (!err)
			info->openers--;
	} else {
		err = module_sysfs_info(name, info);
	}
	return err ? diag_errno(diag, err, name) : 0;
}

static int module_list(struct pinpool_ctx *ctx, struct names *names)
{
	struct dirent *entry;
	int err = 0;
	DIR *dir;

	dir = opendir(MODULE_NODES);
	if (!dir)
		return -errno;
	while (!err && (errno = 0, entry = readdir(dir)))
		if (!pinpool_name_check(entry->d_name))
			err = names_add(names, entry->d_name);
	if (!err && errno)
		err = -errno;
	closedir(dir);
	return err;
}

static int pool_open(struct pinpool_pool *pool, struct pinpool_diag *diag)
{
	struct pinpool_info info;
	int err;

	pool->fd = open_node(pool->name, pool->mode == PINPOOL_OPEN_WRITE ? O_RDWR : O_RDONLY, diag);
	if (pool->fd < 0)
		return pool->fd;
	err = read_info(pool->fd, &info);
	if (err) {
		close(pool->fd);
		return diag_errno(diag, err, pool->name);
	}
	pool->capacity = info.capacity;
	pool->page_size = info.page_size;
	pool->on_demand = info.on_demand;
	return 0;
}

static void pool_close(struct pinpool_pool *pool)
{
	close(pool->fd);
}

static int pool_info(struct pinpool_pool *pool, struct pinpool_info *info)
{
	return read_info(pool->fd, info);
}

static int pool_abort(struct pinpool_pool *pool)
{
	struct pinpool_abort arg = {.size = sizeof(arg)};

	return module_call(pool->fd, PINPOOL_IOC_ABORT, &arg);
}

static int pool_begin(struct pinpool_pool *pool, struct pinpool_diag *diag)
{
	struct pinpool_begin arg = {.size = sizeof(arg)};
	struct pinpool_info info;
	int err = module_call(pool->fd, PINPOOL_IOC_BEGIN, &arg);

	if (err == -EBUSY)
		return diag_set(diag, err, pool->name, "wait until it is READY or its writer ends",
				"another process is loading it, or still holds its pages writable");
	if (err == -EROFS)
		return diag_set(diag, err, pool->name, "load into another name, or remove the pool first",
				"READY, its content does not change any more");
	if (err)
		return diag_errno(diag, err, pool->name);
	/* Somebody else may have resized it since it was opened; from here on only this handle can. */
	err = read_info(pool->fd, &info);
	if (err) {
		pool_abort(pool);
		return diag_errno(diag, err, pool->name);
	}
	pool->capacity = info.capacity;
	return 0;
}

static int pool_commit(struct pinpool_pool *pool, const struct pinpool_commit_opts *opts, struct pinpool_diag *diag)
{
	struct pinpool_commit arg = {.size = sizeof(arg), .length = opts->length, .digest_kind = opts->digest_kind};
	int err;

	if (opts->digest_kind != PINPOOL_DIGEST_NONE)
		memcpy(arg.digest, opts->digest, sizeof(arg.digest));
	err = module_call(pool->fd, PINPOOL_IOC_COMMIT, &arg);
	if (err == -EBUSY)
		return diag_set(
			diag, err, pool->name, "unmap it there, or end the process, and commit again",
			"somebody still holds its pages writable: a mapping, a registered buffer, a write in progress");
	return err ? diag_errno(diag, err, pool->name) : 0;
}

static int pool_wait(struct pinpool_pool *pool, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = pool->fd, .events = POLLIN};
	int n = poll(&poll_fd, 1, timeout_ms < 0 ? -1 : timeout_ms);

	if (n < 0)
		return -errno;
	if (!n)
		return -ETIMEDOUT;
	return poll_fd.revents & POLLIN ? 0 : -ENOENT;
}

static int explain_resize(const struct pinpool_pool *pool, uint64_t capacity, int err, struct pinpool_diag *diag)
{
	struct module_store *store = pool->ctx->store;
	struct pinpool_info info = {.numa_node = -1};
	int32_t node;

	switch (err) {
	case -ENOTTY:
		return module_too_old(pool->name, "another capacity for a pool that exists", diag);
	case -EROFS:
		return diag_set(diag, err, pool->name, "remove the pool and make another",
				"READY, it does not change any more");
	case -EBUSY:
		return diag_set(diag, err, pool->name, "wait until its writer ends, or unmap it",
				"another process is loading it, or maps, reads or pins what would be cut off");
	case -ENOMEM:
	case -ENOSPC:
	case -EDQUOT:
		read_info(pool->fd, &info);
		node = info.numa_policy == PINPOOL_NUMA_BIND ? info.numa_node : -1;
		return module_no_room(err, store->control, pool->name,
				      capacity > info.capacity ? capacity - info.capacity : 0, pool->page_size, node,
				      diag);
	default:
		return diag_errno(diag, err, pool->name);
	}
}

static int pool_resize(struct pinpool_pool *pool, uint64_t capacity, struct pinpool_diag *diag)
{
	struct pinpool_resize arg = {.size = sizeof(arg)};
	int err;

	if (capacity > INT64_MAX - pool->page_size)
		return diag_set(diag, -EINVAL, pool->name, NULL, "capacity %llu is beyond any file",
				(unsigned long long)capacity);
	arg.capacity = (capacity + pool->page_size - 1) / pool->page_size * pool->page_size;
	err = module_call(pool->fd, PINPOOL_IOC_RESIZE, &arg);
	if (err)
		return explain_resize(pool, arg.capacity, err, diag);
	pool->capacity = arg.capacity;
	return 0;
}

static int pool_set_eviction(struct pinpool_pool *pool, bool evictable, int32_t priority, struct pinpool_diag *diag)
{
	struct pinpool_eviction arg = {.size = sizeof(arg), .evictable = evictable, .priority = priority};
	char path[96];
	int err = module_call(pool->fd, PINPOOL_IOC_EVICTION, &arg);

	if (err == -ENOTTY)
		return module_too_old(pool->name, "eviction", diag);
	if (err == -EPERM)
		return module_no_permission(err, node_path(path, sizeof(path), pool->name), diag);
	return err ? diag_errno(diag, err, pool->name) : 0;
}

const struct backend_ops backend_module = {
	.kind = PINPOOL_BACKEND_MODULE,
	.open = module_open,
	.close = module_close,
	.info = module_info,
	.reserve_get = module_reserve_get,
	.reserve_set = module_reserve_set,
	.create = module_create,
	.destroy = module_destroy,
	.stat = module_stat,
	.list = module_list,
	.pool_open = pool_open,
	.pool_close = pool_close,
	.pool_info = pool_info,
	.pool_begin = pool_begin,
	.pool_commit = pool_commit,
	.pool_abort = pool_abort,
	.pool_wait = pool_wait,
	.pool_resize = pool_resize,
	.pool_set_eviction = pool_set_eviction,
};
