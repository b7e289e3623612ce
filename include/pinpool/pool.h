/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: pools
 *
 * A pool is a named range of resident pages. It is EMPTY, then LOADING under one writer, then READY and read-only.
 * The states and calls are the same on every backend. A writer that goes away without commit leaves EMPTY.
 */
#ifndef PINPOOL_POOL_H
#define PINPOOL_POOL_H

#include <linux/pinpool.h>
#include <pinpool/common.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pinpool_pool;

/**
 * struct pinpool_create_opts - a new pool
 * @size: sizeof(struct pinpool_create_opts)
 * @capacity: bytes wanted, rounded up to the page size; not 0
 * @numa_node: 0 any node, else node number + 1 that @numa_policy is about
 * @mode: permission bits of the node or file, 0 for 0600
 * @owner: true if @uid and @gid are given
 * @uid: owner
 * @gid: group
 * @on_demand: pages come with the first touch or write, up to the capacity. A touch that finds none is SIGBUS, an
 *	access of the kernel on behalf of a call -EFAULT. Not on shm, where the kernel would kill a process instead
 * @evictable: once READY and open nowhere, it may be removed when another pool needs its room; module only
 * @priority: evictable pools of lower priority go first
 * @numa_policy: with PINPOOL_NUMA_BIND (0) every page comes from @numa_node; PINPOOL_NUMA_PREFER takes other nodes when
 *	that has none left; PINPOOL_NUMA_INTERLEAVE takes page i from the node at place i modulo their number in
 *	@numa_nodes
 * @numa_nodes: bit n for node n, for PINPOOL_NUMA_INTERLEAVE; 0 for all that have memory
 */
struct pinpool_create_opts {
	size_t size;
	uint64_t capacity;
	uint32_t numa_node;
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

/**
 * pinpool_pool_create - make an EMPTY pool, all of its pages or nothing
 *
 * Return: 0, -EEXIST, -EINVAL (name, capacity, nodes), -ENOMEM (too few free pages: @diag says how many there are and
 * the command that adds them), -ENOSPC (limit), -EDQUOT (the module's limit for each user), -EOPNOTSUPP (this backend,
 * this version of the module or this system does not offer it: @diag says who does), -EPERM or -EACCES (@diag names
 * the node or group), -EINTR (a fatal signal). Since 0.1.
 */
PINPOOL_API int pinpool_pool_create(struct pinpool_ctx *ctx, const char *name, const struct pinpool_create_opts *opts,
				    struct pinpool_diag *diag);

/*
 * Removes the name; pages go with the last user. Without the module also removes one whose state file is damaged.
 * Return: 0, -ENOENT, -EPERM, -EINVAL; without the module also -EBADMSG (what has the name is no pool), -EBUSY (somebody
 * holds its lock). Since 0.1.
 */
PINPOOL_API int pinpool_pool_destroy(struct pinpool_ctx *ctx, const char *name, struct pinpool_diag *diag);

enum pinpool_open_mode {
	PINPOOL_OPEN_READ = 0, /* info, wait, read, map once READY */
	PINPOOL_OPEN_WRITE = 1, /* also begin, map writable, commit */
};

/**
 * pinpool_pool_open - open a pool in any state
 * @out: receives the pool, owned by the caller, given back with pinpool_pool_close()
 *
 * Return: 0, -ENOENT, -EACCES, -EINVAL, -ENOMEM; without the module also -EBADMSG (its state file is damaged, or not
 * its owner's), -EOPNOTSUPP (written by a newer version). Since 0.1.
 */
PINPOOL_API int pinpool_pool_open(struct pinpool_ctx *ctx, const char *name, enum pinpool_open_mode mode,
				  struct pinpool_pool **out, struct pinpool_diag *diag);
/* Unmaps, aborts a load that was not committed, closes. NULL is fine. */
PINPOOL_API void pinpool_pool_close(struct pinpool_pool *pool);

/*
 * LOADING under this handle; every page reads as zero. Return: 0, -EBUSY (another writer), -EROFS (READY), -EBADF (not
 * opened for writing); without the module also -EPERM (only the owner can publish there), -ENOMEM (pages that somebody
 * took out of the file cannot be replaced).
 */
PINPOOL_API int pinpool_pool_begin(struct pinpool_pool *pool, struct pinpool_diag *diag);

/**
 * struct pinpool_commit_opts - what is published
 * @size: sizeof(struct pinpool_commit_opts)
 * @length: bytes of content, 1 to capacity
 * @digest_kind: enum pinpool_digest_kind
 * @digest: the digest, ignored for PINPOOL_DIGEST_NONE
 */
struct pinpool_commit_opts {
	size_t size;
	uint64_t length;
	enum pinpool_digest_kind digest_kind;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
};

/**
 * pinpool_pool_commit - publish: LOADING -> READY
 *
 * The writable mapping of this handle is undone first (pointers into it die). Return: 0, -EBUSY (others still hold
 * pages writable; the load goes on), -EBADF (this handle is not the writer), -EINVAL. Since 0.1.
 */
PINPOOL_API int pinpool_pool_commit(struct pinpool_pool *pool, const struct pinpool_commit_opts *opts, struct pinpool_diag *diag);
/* LOADING -> EMPTY; the writable mapping is undone. Return: 0, -EBADF. */
PINPOOL_API int pinpool_pool_abort(struct pinpool_pool *pool);

/**
 * pinpool_pool_resize - change the capacity of a pool that is not READY
 * @capacity: bytes wanted, rounded up to the page size; not 0
 *
 * For a handle open for writing while EMPTY, for the writer while LOADING; module only. All or nothing: what is added
 * reads as zero, what is cut off is gone. The writable mapping of this handle is undone first (pointers into it die),
 * whatever comes of it. Return: 0, -EROFS (READY), -EBUSY (another writer; or shrinking while it is mapped, read,
 * written or pinned), -EBADF (not opened for writing), -EINVAL, -ENOMEM, -ENOSPC, -EDQUOT as for a creation,
 * -EOPNOTSUPP, -EINTR. Since 0.1.
 */
PINPOOL_API int pinpool_pool_resize(struct pinpool_pool *pool, uint64_t capacity, struct pinpool_diag *diag);

/**
 * pinpool_pool_set_eviction - whether and when a pool gives way
 * @evictable: whether it may be removed, once READY and open nowhere, when another pool needs its room
 * @priority: evictable pools of lower priority go first, of equal ones the least recently used
 *
 * For the pool's owner and for root, through a handle of any mode; module only. The handle is an opener: the pool stays
 * until it is closed. Return: 0, -EPERM, -EOPNOTSUPP, -EINTR. Since 0.1.
 */
PINPOOL_API int pinpool_pool_set_eviction(struct pinpool_pool *pool, bool evictable, int32_t priority,
					  struct pinpool_diag *diag);

/* Waits until READY. @timeout_ms < 0: for ever. Return: 0, -ETIMEDOUT, -ENOENT if the pool is destroyed meanwhile, -EINTR. */
PINPOOL_API int pinpool_pool_wait(struct pinpool_pool *pool, int timeout_ms);

/**
 * pinpool_pool_map - the content, read-only
 * @addr: receives the address, aligned to the page size, valid until pinpool_pool_close()
 * @bytes: receives the capacity (all of it is mapped), or NULL
 *
 * Mapped once per handle; later calls give the same address. Return: 0, -ENODATA (not READY), -ENOMEM. Since 0.1.
 */
PINPOOL_API int pinpool_pool_map(struct pinpool_pool *pool, const void **addr, size_t *bytes);
/* The same for the writer, writable, valid until commit, abort or close. Return: 0, -EBADF (not the writer), -ENOMEM. */
PINPOOL_API int pinpool_pool_map_writable(struct pinpool_pool *pool, void **addr, size_t *bytes);

/* Descriptor of the pool's file, for poll, passing to another process or registering; owned by the pool. */
PINPOOL_API int pinpool_pool_fd(const struct pinpool_pool *pool);

/**
 * struct pinpool_info - one pool, taken at one moment
 * @size: sizeof(struct pinpool_info), set by the caller
 * @name: its name
 * @backend: who owns the pages
 * @state: enum pinpool_state
 * @capacity: bytes reserved
 * @length: bytes published, 0 unless READY
 * @page_size: bytes of one page
 * @huge_pages: huge pages held, 0 on shm
 * @numa_node: node bound to or preferred, -1 if none
 * @mappings: live mappings, or PINPOOL_UNKNOWN
 * @openers: open files, or PINPOOL_UNKNOWN
 * @faults: page faults served, or PINPOOL_UNKNOWN
 * @bytes_written: bytes taken by write(), or PINPOOL_UNKNOWN
 * @created_ns: CLOCK_REALTIME nanoseconds
 * @committed_ns: likewise, 0 unless READY
 * @digest_kind: enum pinpool_digest_kind
 * @digest: digest given at commit
 * @uid: owner
 * @gid: group
 * @mode: permission bits
 * @on_demand: pages come with the first touch or write
 * @evictable: may be removed, once READY and open nowhere, when another pool needs its room
 * @priority: evictable pools of lower priority go first
 * @numa_policy: enum pinpool_numa_policy
 * @numa_nodes: nodes that are interleaved, bit n for node n; 0 with another policy
 * @numa_fallback: pages from another node than PINPOOL_NUMA_PREFER asked for, or PINPOOL_UNKNOWN
 * @pages_zeroed: pages zeroed because this pool touched them, or PINPOOL_UNKNOWN
 * @failed_allocs: touches and writes that found no page for an on-demand pool, or PINPOOL_UNKNOWN
 * @exports: live dma-bufs of the pool, or PINPOOL_UNKNOWN
 * @bytes_read: bytes that the module read into it from files by itself (PINPOOL_URING_READ), or PINPOOL_UNKNOWN
 * @loaded: LOADING: bytes that the load has brought, or PINPOOL_UNKNOWN, as in any other state. The library's loads say
 *	so a few times a second; the module counts what it reads itself and what write() brings, of all loads so far
 * @load_total: LOADING: bytes that it will have brought at its end, or PINPOOL_UNKNOWN. The module is not told and says
 *	the capacity, which is a little more
 */
struct pinpool_info {
	size_t size;
	char name[PINPOOL_NAME_MAX + 1];
	enum pinpool_backend backend;
	enum pinpool_state state;
	uint64_t capacity;
	uint64_t length;
	uint64_t page_size;
	uint64_t huge_pages;
	int32_t numa_node;
	uint64_t mappings;
	uint64_t openers;
	uint64_t faults;
	uint64_t bytes_written;
	uint64_t created_ns;
	uint64_t committed_ns;
	enum pinpool_digest_kind digest_kind;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	uid_t uid;
	gid_t gid;
	mode_t mode;
	bool on_demand;
	bool evictable;
	int32_t priority;
	enum pinpool_numa_policy numa_policy;
	uint64_t numa_nodes;
	uint64_t numa_fallback;
	uint64_t pages_zeroed;
	uint64_t failed_allocs;
	uint64_t exports;
	uint64_t bytes_read;
	uint64_t loaded;
	uint64_t load_total;
};

PINPOOL_API int pinpool_pool_get_info(struct pinpool_pool *pool, struct pinpool_info *info);
/* The same by name, without opening the pool: works for pools the caller may not open. Return: 0, -ENOENT, -EINVAL. */
PINPOOL_API int pinpool_pool_stat(struct pinpool_ctx *ctx, const char *name, struct pinpool_info *info, struct pinpool_diag *diag);

/**
 * pinpool_pool_list - names of all pools, sorted
 * @names: receives an array of @count strings in one allocation, freed by the caller with free()
 *
 * Return: 0, -ENOMEM, or what reading the directory gave. Since 0.1.
 */
PINPOOL_API int pinpool_pool_list(struct pinpool_ctx *ctx, char ***names, size_t *count);

/* "EMPTY", "LOADING", "READY"; NULL for a value that is none of them. */
PINPOOL_API const char *pinpool_state_name(enum pinpool_state state);
/* 0 if @name is a valid pool name, else -EINVAL. */
PINPOOL_API int pinpool_name_check(const char *name);

#ifdef __cplusplus
}
#endif
#endif
