/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * What a backend offers: pools by name, and one open pool. lib/pool/ctx.c and pool.c check arguments, options and the
 * order of calls before they get here, so that every backend refuses the same things; a backend owns the pages, the
 * permissions and the states.
 */
#ifndef PINPOOL_POOL_BACKEND_H
#define PINPOOL_POOL_BACKEND_H

#include <pinpool/pool.h>

#include "pool/ctx.h"
#include "pool/names.h"

/* Owner and mode are resolved: no zero that stands for a default is left in @mode. */
struct pool_create {
	const char *name;
	uint64_t capacity; /* not yet rounded to pages */
	int32_t numa_node; /* -1 for any */
	mode_t mode;
	bool owner;
	uid_t uid;
	gid_t gid;
	bool on_demand;
	bool evictable;
	int32_t priority;
	enum pinpool_numa_policy numa_policy;
	uint64_t numa_nodes;
};

struct pinpool_pool {
	struct pinpool_ctx *ctx; /* holds a reference */
	char name[PINPOOL_NAME_MAX + 1];
	enum pinpool_open_mode mode;
	bool writer; /* this handle began a load that is neither committed nor aborted */
	int fd; /* data file or device node */
	int sidecar; /* record and locks of a pool without the module, else -1 */
	uint64_t capacity;
	uint64_t page_size;
	bool on_demand;
	void *ro; /* mapping of all of the capacity, or NULL */
	void *rw;
	uint64_t generation; /* of the sidecar's record when this handle began its load */
};

struct backend_ops {
	enum pinpool_backend kind;

	/*
	 * Sets ctx->store. @opts has the backend that is forced, or AUTO. -ENODEV, -EACCES and -EPERM mean that this
	 * host or user cannot have this backend; with AUTO the next one is tried.
	 */
	int (*open)(struct pinpool_ctx *ctx, const struct pinpool_ctx_opts *opts, struct pinpool_diag *diag);
	void (*close)(struct pinpool_ctx *ctx);
	/* @info has what this backend does not know as it stands. */
	int (*info)(struct pinpool_ctx *ctx, struct pinpool_ctx_info *info);
	/* Both NULL where there is no reserve. @bytes is not yet rounded to pages. */
	int (*reserve_get)(struct pinpool_ctx *ctx, size_t index, struct pinpool_reserve *reserve,
			   struct pinpool_diag *diag);
	int (*reserve_set)(struct pinpool_ctx *ctx, uint32_t node, uint64_t bytes, struct pinpool_diag *diag);

	int (*create)(struct pinpool_ctx *ctx, const struct pool_create *create, struct pinpool_diag *diag);
	int (*destroy)(struct pinpool_ctx *ctx, const char *name, struct pinpool_diag *diag);
	int (*stat)(struct pinpool_ctx *ctx, const char *name, struct pinpool_info *info, struct pinpool_diag *diag);
	int (*list)(struct pinpool_ctx *ctx, struct names *names);

	/* Fills fd, sidecar, capacity, page_size and on_demand of @pool, whose other fields are set. */
	int (*pool_open)(struct pinpool_pool *pool, struct pinpool_diag *diag);
	/* Mappings are gone; closing the files ends a load that was not committed. */
	void (*pool_close)(struct pinpool_pool *pool);
	int (*pool_info)(struct pinpool_pool *pool, struct pinpool_info *info);
	/* The caller keeps pool->writer, and undoes the writable mapping before commit and abort. */
	int (*pool_begin)(struct pinpool_pool *pool, struct pinpool_diag *diag);
	int (*pool_commit)(struct pinpool_pool *pool, const struct pinpool_commit_opts *opts,
			   struct pinpool_diag *diag);
	int (*pool_abort)(struct pinpool_pool *pool);
	int (*pool_wait)(struct pinpool_pool *pool, int timeout_ms);
	/* Lets others know how far the load of this handle is. NULL where the backend counts for itself. */
	int (*pool_progress)(struct pinpool_pool *pool, uint64_t loaded, uint64_t total);
	/*
	 * Both NULL where they are not offered. @capacity is not yet rounded to pages; pool->capacity is changed,
	 * nothing is mapped.
	 */
	int (*pool_resize)(struct pinpool_pool *pool, uint64_t capacity, struct pinpool_diag *diag);
	int (*pool_set_eviction)(struct pinpool_pool *pool, bool evictable, int32_t priority,
				 struct pinpool_diag *diag);
};

extern const struct backend_ops backend_module;
extern const struct backend_ops backend_hugetlbfs;
extern const struct backend_ops backend_shm;

#endif
