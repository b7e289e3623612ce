/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: loads
 *
 * A load streams a checkpoint's files, unchanged, into a pool's final pages, digests them on the way, writes the
 * catalog and commits. It publishes everything or nothing.
 */
#ifndef PINPOOL_LOAD_H
#define PINPOOL_LOAD_H

#include <pinpool/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum pinpool_io - how bytes come from the file to the page
 * @PINPOOL_IO_AUTO: PINPOOL_IO_URING_CMD if the pool is one of the kernel module, else the first of the following that
 *	works here
 * @PINPOOL_IO_URING_FIXED: io_uring, registered files and buffers, O_DIRECT where the file system takes it
 * @PINPOOL_IO_URING: io_uring without registered buffers
 * @PINPOOL_IO_PREAD: pread from threads
 * @PINPOOL_IO_URING_CMD: io_uring, commands to the kernel module, which reads into the pool by itself; pools of a module
 *	that has PINPOOL_FEATURE_URING_READ only. Since 0.1.
 */
enum pinpool_io {
	PINPOOL_IO_AUTO = 0,
	PINPOOL_IO_URING_FIXED = 1,
	PINPOOL_IO_URING = 2,
	PINPOOL_IO_PREAD = 3,
	PINPOOL_IO_URING_CMD = 4,
};

/* "io_uring, fixed buffers", ...; NULL for a value that is none of them. */
PINPOOL_API const char *pinpool_io_name(enum pinpool_io io);

/**
 * struct pinpool_progress - where a load or a verification is
 * @done: bytes finished
 * @total: bytes in all
 * @elapsed_ns: since the first byte was asked for
 * @file: file in work
 */
struct pinpool_progress {
	uint64_t done;
	uint64_t total;
	uint64_t elapsed_ns;
	const char *file;
};

/* Called from the calling thread, a few times a second, and once at the end. Non-zero cancels: -ECANCELED. */
typedef int (*pinpool_progress_fn)(void *arg, const struct pinpool_progress *progress);

/**
 * struct pinpool_load_opts - how to load
 * @size: sizeof(struct pinpool_load_opts)
 * @create: how to make the pool if it does not exist; capacity 0 means as much as is needed; NULL for defaults
 * @io: path to take; a forced one that does not work here fails with -EOPNOTSUPP
 * @chunk_bytes: bytes of one request, 0 to choose; a power of two from 64 KiB to 16 MiB
 * @queue_depth: requests in flight, 0 to choose; 1 to 1024
 * @no_digest: do not compute digests
 * @buffered: go through the page cache instead of O_DIRECT
 * @progress: receives progress, or NULL
 * @progress_arg: first argument of @progress
 * @cancel: checked between requests; the load ends with -ECANCELED once it is not 0 (a signal handler may set it)
 * @progress_interval_ns: nanoseconds between calls of @progress, 1000000 to 100000000; 0 for the latter
 */
struct pinpool_load_opts {
	size_t size;
	const struct pinpool_create_opts *create;
	enum pinpool_io io;
	uint32_t chunk_bytes;
	uint32_t queue_depth;
	bool no_digest;
	bool buffered;
	pinpool_progress_fn progress;
	void *progress_arg;
	const volatile int *cancel;
	uint64_t progress_interval_ns;
};

/**
 * struct pinpool_load_report - what a load did
 * @size: sizeof(struct pinpool_load_report), set by the caller
 * @bytes: bytes read from files
 * @elapsed_ns: from the first request to the commit
 * @create_ns: time to make the pool, 0 if it existed
 * @files: number of files
 * @tensors: number of tensors
 * @io: path taken
 * @direct: O_DIRECT was used
 * @fixed_files: files were registered with the ring
 * @chunk_bytes: bytes of one request
 * @queue_depth: requests in flight
 * @requests: read requests submitted
 * @digest_kind: kind of digest committed
 * @digest: the digest
 */
struct pinpool_load_report {
	size_t size;
	uint64_t bytes;
	uint64_t elapsed_ns;
	uint64_t create_ns;
	uint32_t files;
	uint32_t tensors;
	enum pinpool_io io;
	bool direct;
	bool fixed_files;
	uint32_t chunk_bytes;
	uint32_t queue_depth;
	uint64_t requests;
	enum pinpool_digest_kind digest_kind;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
};

/**
 * pinpool_load - load a checkpoint into a pool and publish it
 * @name: pool; made if it does not exist, used if it is EMPTY and large enough
 * @path: a safetensors file, a model.safetensors.index.json, or a directory that holds either
 * @opts: options or NULL
 * @report: receives what was done, or NULL
 *
 * On failure nothing is published: a pool that this call made is removed again, one that existed is EMPTY.
 *
 * Return: 0; -EBADMSG (the file breaks its format), -ESTALE (it changed meanwhile), -ENODATA (it ended early), -EIO,
 * -EEXIST (the pool is READY), -EBUSY (it is being loaded), -ENOSPC (it is too small), -EOPNOTSUPP (the forced path
 * does not work here, or a tensor has more than PINPOOL_NDIM_MAX dimensions), -EINVAL (an option, or not a regular
 * file), -ECANCELED, and what creating, opening and reading give. Since 0.1.
 */
PINPOOL_API int pinpool_load(struct pinpool_ctx *ctx, const char *name, const char *path, const struct pinpool_load_opts *opts,
			     struct pinpool_load_report *report, struct pinpool_diag *diag);

/**
 * struct pinpool_verify_opts - how to verify
 * @size: sizeof(struct pinpool_verify_opts)
 * @progress: receives progress, or NULL
 * @progress_arg: first argument of @progress
 * @cancel: as in struct pinpool_load_opts
 */
struct pinpool_verify_opts {
	size_t size;
	pinpool_progress_fn progress;
	void *progress_arg;
	const volatile int *cancel;
};

/**
 * struct pinpool_verify_report - what a verification found
 * @size: sizeof(struct pinpool_verify_report), set by the caller
 * @bytes: bytes read
 * @elapsed_ns: time it took
 * @digest: digest of the content as it is now
 */
struct pinpool_verify_report {
	size_t size;
	uint64_t bytes;
	uint64_t elapsed_ns;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
};

/**
 * pinpool_verify - compare the content of a READY pool with the digest it was committed with
 *
 * Return: 0 (equal), -EBADMSG (it differs; @diag names the file or tensor), -ENODATA (not READY, or committed without
 * a digest), -ECANCELED. Since 0.1.
 */
PINPOOL_API int pinpool_verify(struct pinpool_pool *pool, const struct pinpool_verify_opts *opts,
			       struct pinpool_verify_report *report, struct pinpool_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
