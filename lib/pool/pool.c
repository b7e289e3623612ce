/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The public calls on pools: arguments, options, order of calls and mappings; the rest is the backend's. */
#include <pinpool/pool.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/diag.h"
#include "base/opts.h"
#include "pool/backend.h"

#define DEFAULT_MODE 0600

const char *pinpool_state_name(enum pinpool_state state)
{
	switch (state) {
	case PINPOOL_STATE_EMPTY:
		return "EMPTY";
	case PINPOOL_STATE_LOADING:
		return "LOADING";
	case PINPOOL_STATE_READY:
		return "READY";
	}
	return NULL;
}

static int check_name(const char *name, struct pinpool_diag *diag)
{
	if (!pinpool_name_check(name))
		return 0;
	return diag_set(diag, -EINVAL, name ? name : "pool name",
			"use 1 to 63 letters, digits, '.', '_' and '-', the first neither '.' nor '-'",
			"not a name for a pool");
}

/* Whether the NUMA policy makes sense; whether the nodes exist is the backend's. */
static int check_place(const char *name, const struct pinpool_create_opts *opts, struct pinpool_diag *diag)
{
	if (opts->numa_node > INT32_MAX)
		return diag_set(diag, -EINVAL, name, NULL, "no NUMA node has number %u", opts->numa_node - 1);
	switch (opts->numa_policy) {
	case PINPOOL_NUMA_BIND:
	case PINPOOL_NUMA_PREFER:
		if (opts->numa_nodes)
			return diag_set(diag, -EINVAL, name, "name one with numa_node",
					"a set of NUMA nodes is for interleaving");
		if (opts->numa_policy == PINPOOL_NUMA_PREFER && !opts->numa_node)
			return diag_set(diag, -EINVAL, name, NULL, "which NUMA node is preferred is not said");
		return 0;
	case PINPOOL_NUMA_INTERLEAVE:
		if (opts->numa_node)
			return diag_set(diag, -EINVAL, name, "name them with numa_nodes",
					"interleaving is over a set of NUMA nodes");
		return 0;
	}
	return diag_set(diag, -EOPNOTSUPP, name, NULL, "no NUMA policy has number %d", (int)opts->numa_policy);
}

int pinpool_pool_create(struct pinpool_ctx *ctx, const char *name, const struct pinpool_create_opts *user_opts,
			struct pinpool_diag *diag)
{
	struct pinpool_create_opts opts;
	struct pool_create create;
	int err;

	err = check_name(name, diag);
	if (err)
		return err;
	err = opts_read(&opts, sizeof(opts), user_opts);
	if (err)
		return diag_set(diag, err, "pinpool_create_opts", NULL, "options this library does not know");
	if (!opts.capacity)
		return diag_set(diag, -EINVAL, name, "give a capacity", "a pool of no bytes");
	if (opts.mode & ~(mode_t)0666)
		return diag_set(diag, -EINVAL, name, "use read and write bits only, e.g. 0640",
				"mode %04o has other bits", (unsigned int)opts.mode);
	err = check_place(name, &opts, diag);
	if (err)
		return err;
	create = (struct pool_create){
		.name = name,
		.capacity = opts.capacity,
		.numa_node = (int32_t)opts.numa_node - 1,
		.mode = opts.mode ? opts.mode : DEFAULT_MODE,
		.owner = opts.owner,
		.uid = opts.uid,
		.gid = opts.gid,
		.on_demand = opts.on_demand,
		.evictable = opts.evictable,
		.priority = opts.priority,
		.numa_policy = opts.numa_policy,
		.numa_nodes = opts.numa_nodes,
	};
	return ctx->ops->create(ctx, &create, diag);
}

int pinpool_pool_destroy(struct pinpool_ctx *ctx, const char *name, struct pinpool_diag *diag)
{
	int err = check_name(name, diag);

	return err ? err : ctx->ops->destroy(ctx, name, diag);
}

int pinpool_pool_stat(struct pinpool_ctx *ctx, const char *name, struct pinpool_info *info, struct pinpool_diag *diag)
{
	struct pinpool_info result;
	int err;

	err = check_name(name, diag);
	if (err)
		return err;
	err = ctx->ops->stat(ctx, name, &result, diag);
	if (err)
		return err;
	return opts_write(info, &result, sizeof(result));
}

int pinpool_pool_list(struct pinpool_ctx *ctx, char ***names, size_t *count)
{
	struct names found = {0};
	int err;

	err = ctx->ops->list(ctx, &found);
	if (!err)
		err = names_export(&found, names);
	if (!err)
		*count = found.count;
	names_free(&found);
	return err;
}

int pinpool_pool_open(struct pinpool_ctx *ctx, const char *name, enum pinpool_open_mode mode, struct pinpool_pool **out,
		      struct pinpool_diag *diag)
{
	struct pinpool_pool *pool;
	int err;

	err = check_name(name, diag);
	if (err)
		return err;
	if (mode != PINPOOL_OPEN_READ && mode != PINPOOL_OPEN_WRITE)
		return diag_set(diag, -EINVAL, name, NULL, "no open mode has number %d", (int)mode);
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return diag_errno(diag, -ENOMEM, name);
	memcpy(pool->name, name, strlen(name) + 1);
	pool->mode = mode;
	pool->fd = -1;
	pool->sidecar = -1;
	pool->ctx = pinpool_ctx_ref(ctx);
	err = ctx->ops->pool_open(pool, diag);
	if (err) {
		pinpool_ctx_unref(ctx);
		free(pool);
		return err;
	}
	*out = pool;
	return 0;
}

static void unmap(void **addr, size_t bytes)
{
	if (*addr)
		munmap(*addr, bytes);
	*addr = NULL;
}

void pinpool_pool_close(struct pinpool_pool *pool)
{
	if (!pool)
		return;
	unmap(&pool->rw, pool->capacity);
	unmap(&pool->ro, pool->capacity);
	pool->ctx->ops->pool_close(pool);
	pinpool_ctx_unref(pool->ctx);
	free(pool);
}

int pinpool_pool_begin(struct pinpool_pool *pool, struct pinpool_diag *diag)
{
	int err;

	if (pool->mode != PINPOOL_OPEN_WRITE)
		return diag_set(diag, -EBADF, pool->name, "open it with PINPOOL_OPEN_WRITE", "not opened for writing");
	if (pool->writer)
		return diag_set(diag, -EBUSY, pool->name, "commit or abort first", "this handle is loading it already");
	err = pool->ctx->ops->pool_begin(pool, diag);
	if (!err)
		pool->writer = true;
	return err;
}

int pinpool_pool_commit(struct pinpool_pool *pool, const struct pinpool_commit_opts *user_opts,
			struct pinpool_diag *diag)
{
	struct pinpool_commit_opts opts;
	int err;

	err = opts_read(&opts, sizeof(opts), user_opts);
	if (err)
		return diag_set(diag, err, "pinpool_commit_opts", NULL, "options this library does not know");
	if (!pool->writer)
		return diag_set(diag, -EBADF, pool->name, "begin a load with this handle first",
				"this handle is not the writer");
	if (!opts.length || opts.length > pool->capacity)
		return diag_set(diag, -EINVAL, pool->name, NULL, "a length of %llu bytes is not within 1 to %llu",
				(unsigned long long)opts.length, (unsigned long long)pool->capacity);
	if (opts.digest_kind < PINPOOL_DIGEST_NONE || opts.digest_kind > PINPOOL_DIGEST_XXH3_128_LIST)
		return diag_set(diag, -EOPNOTSUPP, pool->name, NULL, "no digest has kind %d", (int)opts.digest_kind);
	unmap(&pool->rw, pool->capacity);
	err = pool->ctx->ops->pool_commit(pool, &opts, diag);
	if (!err)
		pool->writer = false;
	return err;
}

int pinpool_pool_abort(struct pinpool_pool *pool)
{
	int err;

	if (!pool->writer)
		return -EBADF;
	unmap(&pool->rw, pool->capacity);
	err = pool->ctx->ops->pool_abort(pool);
	if (!err)
		pool->writer = false;
	return err;
}

static int module_only(const struct pinpool_pool *pool, const char *what, struct pinpool_diag *diag)
{
	return diag_set(diag, -EOPNOTSUPP, pool->name, "use the kernel module", "the %s backend does not offer %s",
			pinpool_backend_name(pool->ctx->ops->kind), what);
}

int pinpool_pool_resize(struct pinpool_pool *pool, uint64_t capacity, struct pinpool_diag *diag)
{
	if (!pool->ctx->ops->pool_resize)
		return module_only(pool, "another capacity for a pool that exists", diag);
	if (pool->mode != PINPOOL_OPEN_WRITE)
		return diag_set(diag, -EBADF, pool->name, "open it with PINPOOL_OPEN_WRITE", "not opened for writing");
	if (!capacity)
		return diag_set(diag, -EINVAL, pool->name, "give a capacity, or remove the pool", "a pool of no bytes");
	unmap(&pool->rw, pool->capacity);
	return pool->ctx->ops->pool_resize(pool, capacity, diag);
}

int pinpool_pool_set_eviction(struct pinpool_pool *pool, bool evictable, int32_t priority, struct pinpool_diag *diag)
{
	if (!pool->ctx->ops->pool_set_eviction)
		return module_only(pool, "eviction", diag);
	return pool->ctx->ops->pool_set_eviction(pool, evictable, priority, diag);
}

int pinpool_pool_wait(struct pinpool_pool *pool, int timeout_ms)
{
	return pool->ctx->ops->pool_wait(pool, timeout_ms);
}

static int map(struct pinpool_pool *pool, int prot, void **addr)
{
	void *at;

	if (*addr)
		return 0;
	/* hugetlbfs would set pages aside for all of the mapping. */
	at = mmap(NULL, pool->capacity, prot, MAP_SHARED | (pool->on_demand ? MAP_NORESERVE : 0), pool->fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	/* A core dump of a program that uses a model shall not hold the model. */
	madvise(at, pool->capacity, MADV_DONTDUMP);
	*addr = at;
	return 0;
}

int pinpool_pool_map(struct pinpool_pool *pool, const void **addr, size_t *bytes)
{
	struct pinpool_info info;
	int err;

	/* Once READY for ever READY, so a mapping needs no second look. */
	if (!pool->ro) {
		err = pool->ctx->ops->pool_info(pool, &info);
		if (err)
			return err;
		if (info.state != PINPOOL_STATE_READY)
			return -ENODATA;
		/* Somebody else may have resized it since it was opened. */
		pool->capacity = info.capacity;
	}
	err = map(pool, PROT_READ, &pool->ro);
	if (err)
		return err;
	*addr = pool->ro;
	if (bytes)
		*bytes = pool->capacity;
	return 0;
}

int pinpool_pool_map_writable(struct pinpool_pool *pool, void **addr, size_t *bytes)
{
	int err;

	if (!pool->writer)
		return -EBADF;
	err = map(pool, PROT_READ | PROT_WRITE, &pool->rw);
	if (err)
		return err;
	*addr = pool->rw;
	if (bytes)
		*bytes = pool->capacity;
	return 0;
}

int pinpool_pool_fd(const struct pinpool_pool *pool)
{
	return pool->fd;
}

int pinpool_pool_get_info(struct pinpool_pool *pool, struct pinpool_info *info)
{
	struct pinpool_info result;
	int err;

	err = pool->ctx->ops->pool_info(pool, &result);
	if (err)
		return err;
	return opts_write(info, &result, sizeof(result));
}
