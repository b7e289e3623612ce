/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: libpinpool, conventions
 *
 * Calls return 0 or a positive count on success and -errno on failure; errno itself is not touched and nothing is
 * printed. Objects are opaque and belong to the caller until given back with the matching *_close, *_free or *_unref.
 * Options are structs whose first field is their size (PINPOOL_OPTS fills it); a field that is zero or absent takes
 * its default, and a struct longer than the library knows is refused with -E2BIG if the unknown part is not zero.
 * Different objects may be used from different threads at once; one object from one thread at a time unless its
 * header says otherwise.
 */
#ifndef PINPOOL_COMMON_H
#define PINPOOL_COMMON_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PINPOOL_API __attribute__((visibility("default")))

/* PINPOOL_OPTS(pinpool_load_opts, o, .queue_depth = 32); declares an options struct with its size filled in. */
#define PINPOOL_OPTS(type, name, ...) struct type name = { .size = sizeof(struct type), ##__VA_ARGS__ }

#define PINPOOL_DIGEST_BYTES 16
#define PINPOOL_SHA256_BYTES 32

/* A count that this backend cannot know. */
#define PINPOOL_UNKNOWN UINT64_MAX

/**
 * struct pinpool_diag - why a call failed, for people
 * @object: what the failure is about: a file, a pool, a tensor, with its offset where there is one
 * @cause: what is wrong
 * @change: what the user can change, empty if there is nothing to say
 *
 * Passed by the caller (or NULL) and filled only when the call fails. Strings are UTF-8, truncated to fit.
 */
struct pinpool_diag {
	char object[512];
	char cause[512];
	char change[512];
};

enum pinpool_log_level {
	PINPOOL_LOG_ERROR = 0,
	PINPOOL_LOG_WARN = 1,
	PINPOOL_LOG_INFO = 2, /* choices made: backend, I/O path, fallbacks */
	PINPOOL_LOG_DEBUG = 3,
};

/* @msg has no newline and lives for the call. May be called from any thread that uses the context. */
typedef void (*pinpool_log_fn)(void *arg, enum pinpool_log_level level, const char *msg);

/**
 * enum pinpool_backend - who owns the pages
 * @PINPOOL_BACKEND_AUTO: the first of the following that this host offers
 * @PINPOOL_BACKEND_MODULE: the kernel module (/dev/pinpool)
 * @PINPOOL_BACKEND_HUGETLBFS: files on a hugetlbfs mount; states are kept by a sidecar file and a lock
 * @PINPOOL_BACKEND_SHM: files on tmpfs with 4 KiB pages, not pinned; states likewise
 */
enum pinpool_backend {
	PINPOOL_BACKEND_AUTO = 0,
	PINPOOL_BACKEND_MODULE = 1,
	PINPOOL_BACKEND_HUGETLBFS = 2,
	PINPOOL_BACKEND_SHM = 3,
};

/**
 * struct pinpool_ctx_opts - how to reach pools
 * @size: sizeof(struct pinpool_ctx_opts)
 * @backend: PINPOOL_BACKEND_AUTO probes; another value forces that one or fails with -ENODEV. With AUTO, the
 *           environment variable PINPOOL_BACKEND (module, hugetlbfs, shm) forces one too.
 * @hugetlbfs_dir: directory on a hugetlbfs mount with 2 MiB pages; NULL takes PINPOOL_HUGETLBFS_DIR, else the first
 *                 such mount of this mount namespace, and there the folder pinpool/
 * @state_dir: directory for sidecars and for the files of the shm backend; NULL takes PINPOOL_STATE_DIR, else
 *             /dev/shm/pinpool. Must be on tmpfs.
 * @log: receives messages, NULL for none
 * @log_arg: first argument of @log
 * @log_level: most detailed level wanted
 */
struct pinpool_ctx_opts {
	size_t size;
	enum pinpool_backend backend;
	const char *hugetlbfs_dir;
	const char *state_dir;
	pinpool_log_fn log;
	void *log_arg;
	enum pinpool_log_level log_level;
};

struct pinpool_ctx;

/**
 * pinpool_ctx_new - choose a backend and open it
 * @out: receives the context, one reference, owned by the caller
 * @opts: options or NULL
 * @diag: receives the reason of a failure, or NULL
 *
 * Return: 0, -ENODEV if the forced backend is not there, -EINVAL, -E2BIG, -ENOMEM. Since 0.1.
 */
PINPOOL_API int pinpool_ctx_new(struct pinpool_ctx **out, const struct pinpool_ctx_opts *opts, struct pinpool_diag *diag);
PINPOOL_API struct pinpool_ctx *pinpool_ctx_ref(struct pinpool_ctx *ctx);
/* Gives one reference back; NULL is fine. Pools opened from the context hold their own. */
PINPOOL_API void pinpool_ctx_unref(struct pinpool_ctx *ctx);

/**
 * struct pinpool_ctx_info - what the backend offers and has left
 * @size: sizeof(struct pinpool_ctx_info), set by the caller
 * @backend: the one in use, never AUTO
 * @page_size: bytes of one page of a new pool
 * @reserve_bytes: pages set aside for pools (module: its reserve; hugetlbfs: nr_hugepages; shm: 0)
 * @free_bytes: bytes that new pools could take now; module: of its reserve, beyond which they come from free memory
 * @limit_bytes: most that pools together may hold, 0 for no limit
 * @used_bytes: bytes that pools hold
 * @pools: number of pools
 * @location: where pools live, e.g. /dev/pinpool
 * @features: what it offers, PINPOOL_FEATURE_* of linux/pinpool.h, a subset of those without the module
 * @limit_uid_bytes: most that the pools of one user may hold, 0 for no limit
 * @evicted: pools that gave way since the module was loaded, or PINPOOL_UNKNOWN
 * @pages_scrubbed: pages zeroed since then because their pool went, or PINPOOL_UNKNOWN
 * @quarantine_bytes: bytes of pools that are gone and that somebody still pins, or PINPOOL_UNKNOWN
 */
struct pinpool_ctx_info {
	size_t size;
	enum pinpool_backend backend;
	uint64_t page_size;
	uint64_t reserve_bytes;
	uint64_t free_bytes;
	uint64_t limit_bytes;
	uint64_t used_bytes;
	uint32_t pools;
	char location[256];
	uint64_t features;
	uint64_t limit_uid_bytes;
	uint64_t evicted;
	uint64_t pages_scrubbed;
	uint64_t quarantine_bytes;
};

PINPOOL_API int pinpool_ctx_get_info(struct pinpool_ctx *ctx, struct pinpool_ctx_info *info);

/**
 * struct pinpool_reserve - pages set aside for pools on one NUMA node
 * @size: sizeof(struct pinpool_reserve), set by the caller
 * @node: number of the node
 * @reserve_bytes: bytes set aside, used or not
 * @free_bytes: bytes of them that nobody holds
 *
 * hugetlbfs: its huge pages of 2 MiB, whoever uses them.
 */
struct pinpool_reserve {
	size_t size;
	uint32_t node;
	uint64_t reserve_bytes;
	uint64_t free_bytes;
};

/**
 * pinpool_reserve_get - the reserve of one NUMA node
 * @index: place among the nodes that have memory, by number, from 0 on
 * @reserve: receives it
 *
 * Return: 0, -ENOENT (no so many nodes), -EOPNOTSUPP (shm, which has none; a version of the module that has one reserve
 * for all nodes), -EINVAL (size). Since 0.1.
 */
PINPOOL_API int pinpool_reserve_get(struct pinpool_ctx *ctx, size_t index, struct pinpool_reserve *reserve,
				    struct pinpool_diag *diag);

/**
 * pinpool_reserve_set - grow or shrink the reserve of one NUMA node
 * @node: number of the node
 * @bytes: what it shall have, rounded up to the page size
 *
 * Growing is all or nothing. Shrinking gives back what is free at once and the rest when its pool goes; no pool notices.
 * For root. hugetlbfs: sets nr_hugepages of the node.
 *
 * Return: 0, -EPERM, -EINVAL (no such node with memory), -ENOMEM, -EOPNOTSUPP as above, -EINTR. Since 0.1.
 */
PINPOOL_API int pinpool_reserve_set(struct pinpool_ctx *ctx, uint32_t node, uint64_t bytes, struct pinpool_diag *diag);

/* "module", "hugetlbfs", "shm", "auto"; NULL for a value that is none of them. */
PINPOOL_API const char *pinpool_backend_name(enum pinpool_backend backend);
/* Version of the library, e.g. "0.1.0". */
PINPOOL_API const char *pinpool_version(void);

#ifdef __cplusplus
}
#endif
#endif
