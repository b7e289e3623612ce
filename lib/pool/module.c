/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Pools of the kernel module. It owns pages, permissions and states; here its ioctls are called and its refusals put
 * into words. sysfs serves for what the caller may see but not open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "pool/backend.h"
#include "pool/module_sysfs.h"

#define NODES	"/dev/pinpool"
#define CONTROL NODES "/control"
#define MIB	(1ULL << 20)

struct module_store {
	int control; /* -1 if this user may not open it: pools can be used, not made or removed */
	uint64_t page_size;
};

static int call(int fd, unsigned long number, void *arg)
{
	return ioctl(fd, number, arg) ? -errno : 0;
}

static const char *node_path(char *buf, size_t size, const char *name)
{
	snprintf(buf, size, NODES "/%s", name);
	return buf;
}

/* -EACCES or -EPERM on a node: who may. */
static int no_permission(int err, const char *path, struct pinpool_diag *diag)
{
	struct passwd pw, *user = NULL;
	struct group gr, *group = NULL;
	char users[1024], groups[1024];
	struct stat st;

	if (stat(path, &st))
		return diag_errno(diag, err, path);
	getpwuid_r(st.st_uid, &pw, users, sizeof(users), &user);
	getgrgid_r(st.st_gid, &gr, groups, sizeof(groups), &group);
	return diag_set(diag, err, path,
			"become that user or a member of that group, or have the owner change the mode",
			"permission denied (owner %s (%u), group %s (%u), mode %04o)", user ? user->pw_name : "?",
			st.st_uid, group ? group->gr_name : "?", st.st_gid, (unsigned int)(st.st_mode & 07777));
}

static int module_open(struct pinpool_ctx *ctx, const struct pinpool_ctx_opts *opts, struct pinpool_diag *diag)
{
	struct pinpool_module_info info = {.size = sizeof(info)};
	struct module_store *store;
	int err;

	store = calloc(1, sizeof(*store));
	if (!store)
		return diag_errno(diag, -ENOMEM, CONTROL);
	store->page_size = 2 * MIB;
	store->control = open(CONTROL, O_RDWR | O_CLOEXEC);
	if (store->control < 0 && errno == EACCES)
		store->control = open(CONTROL, O_RDONLY | O_CLOEXEC);
	if (store->control < 0 && errno != EACCES) {
		err = errno == ENOENT || errno == ENXIO || errno == ENODEV ? -ENODEV : -errno;
		diag_set(diag, err, CONTROL, "load it: insmod pinpool.ko", "the kernel module is not loaded");
		goto err_store;
	}
	if (store->control >= 0) {
		err = call(store->control, PINPOOL_IOC_MODULE_INFO, &info);
		if (err) {
			err = diag_set(diag, -ENODEV, CONTROL, NULL, "not the control node of pinpool");
			goto err_control;
		}
		store->page_size = info.out_page_size;
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
	err = call(store->control, PINPOOL_IOC_MODULE_INFO, &module);
	if (err)
		return err;
	info->page_size = module.out_page_size;
	info->reserve_bytes = module.out_reserve_bytes;
	info->free_bytes = module.out_free_bytes;
	info->limit_bytes = module.out_limit_bytes;
	info->used_bytes = module.out_used_bytes;
	info->pools = module.out_pools;
	snprintf(info->location, sizeof(info->location), NODES);
	return 0;
}

static int explain_create(const struct module_store *store, const struct pinpool_create *create, int err,
			  struct pinpool_diag *diag)
{
	struct pinpool_module_info info = {.size = sizeof(info)};
	const char *name = (const char *)create->name;
	unsigned long long pages = create->capacity / create->page_size;

	switch (err) {
	case -EEXIST:
		diag_set(diag, err, name, NULL, "a pool of that name exists");
		diag_change(diag, "choose another name, or remove it: pinpool rm %s", name);
		return err;
	case -EPERM:
		if (create->uid != PINPOOL_ID_CALLER)
			return diag_set(diag, err, name, "become root, or keep it",
					"not allowed to give a pool to user %u, group %u", create->uid, create->gid);
		return no_permission(err, CONTROL, diag);
	case -ENOMEM:
		call(store->control, PINPOOL_IOC_MODULE_INFO, &info);
		return diag_set(diag, err, name,
				"free memory and compact it: echo 1 > /proc/sys/vm/compact_memory; or load the module "
				"early with reserve_mb=",
				"%llu huge pages of %llu MiB needed, %llu free in the reserve and too few elsewhere",
				pages, create->page_size / MIB,
				(unsigned long long)(info.out_free_bytes / create->page_size));
	case -ENOSPC:
		call(store->control, PINPOOL_IOC_MODULE_INFO, &info);
		return diag_set(diag, err, name, "raise the module parameter limit_mb, or remove a pool",
				"%llu MiB needed, %llu MiB of the module's limit of %llu MiB in use by %u pools",
				(unsigned long long)(create->capacity / MIB),
				(unsigned long long)(info.out_used_bytes / MIB),
				(unsigned long long)(info.out_limit_bytes / MIB), info.out_pools);
	case -EINVAL:
		return diag_set(diag, err, name, NULL, "capacity %llu or NUMA node %d is not possible here",
				(unsigned long long)create->capacity, create->numa_node);
	default:
		return diag_errno(diag, err, name);
	}
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
	};
	int err;

	if (store->control < 0)
		return no_permission(-EACCES, CONTROL, diag);
	if (create->capacity > INT64_MAX - store->page_size)
		return diag_set(diag, -EINVAL, create->name, NULL, "capacity %llu is beyond any file",
				(unsigned long long)create->capacity);
	memcpy(arg.name, create->name, strlen(create->name));
	arg.capacity = (create->capacity + store->page_size - 1) / store->page_size * store->page_size;
	err = call(store->control, PINPOOL_IOC_CREATE, &arg);
	return err ? explain_create(store, &arg, err, diag) : 0;
}

static int module_destroy(struct pinpool_ctx *ctx, const char *name, struct pinpool_diag *diag)
{
	struct pinpool_destroy arg = {.size = sizeof(arg)};
	struct module_store *store = ctx->store;
	char path[96];
	int err;

	if (store->control < 0)
		return no_permission(-EPERM, CONTROL, diag);
	memcpy(arg.name, name, strlen(name));
	err = call(store->control, PINPOOL_IOC_DESTROY, &arg);
	if (err == -ENOENT)
		return diag_set(diag, err, name, "pinpool ls shows the pools there are", "no pool of that name");
	if (err == -EPERM)
		return no_permission(err, node_path(path, sizeof(path), name), diag);
	return err ? diag_errno(diag, err, name) : 0;
}

static int read_info(int fd, struct pinpool_info *info)
{
	struct pinpool_pool_info pool = {.size = sizeof(pool)};
	int err = call(fd, PINPOOL_IOC_POOL_INFO, &pool);

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
	return err == -EACCES ? no_permission(err, path, diag) : diag_errno(diag, err, path);
}

static int module_stat(struct pinpool_ctx *ctx, const char *name, struct pinpool_info *info, struct pinpool_diag *diag)
{
	struct pinpool_diag why;
	int fd = open_node(name, O_RDONLY, &why);
	int err;

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

	dir = opendir(NODES);
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

static int pool_begin(struct pinpool_pool *pool, struct pinpool_diag *diag)
{
	struct pinpool_begin arg = {.size = sizeof(arg)};
	int err = call(pool->fd, PINPOOL_IOC_BEGIN, &arg);

	if (err == -EBUSY)
		return diag_set(diag, err, pool->name, "wait until it is READY or its writer ends",
				"another process is loading it, or still holds its pages writable");
	if (err == -EROFS)
		return diag_set(diag, err, pool->name, "load into another name, or remove the pool first",
				"READY, its content does not change any more");
	return err ? diag_errno(diag, err, pool->name) : 0;
}

static int pool_commit(struct pinpool_pool *pool, const struct pinpool_commit_opts *opts, struct pinpool_diag *diag)
{
	struct pinpool_commit arg = {.size = sizeof(arg), .length = opts->length, .digest_kind = opts->digest_kind};
	int err;

	if (opts->digest_kind != PINPOOL_DIGEST_NONE)
		memcpy(arg.digest, opts->digest, sizeof(arg.digest));
	err = call(pool->fd, PINPOOL_IOC_COMMIT, &arg);
	if (err == -EBUSY)
		return diag_set(
			diag, err, pool->name, "unmap it there, or end the process, and commit again",
			"somebody still holds its pages writable: a mapping, a registered buffer, a write in progress");
	return err ? diag_errno(diag, err, pool->name) : 0;
}

static int pool_abort(struct pinpool_pool *pool)
{
	struct pinpool_abort arg = {.size = sizeof(arg)};

	return call(pool->fd, PINPOOL_IOC_ABORT, &arg);
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

const struct backend_ops backend_module = {
	.kind = PINPOOL_BACKEND_MODULE,
	.open = module_open,
	.close = module_close,
	.info = module_info,
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
};
