/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: loads
 *
 * A load streams a checkpoint's files, unchanged, into a pool's final pages, digests them on the way, writes the
 * catalog and commits. It publishes everything or nothing.
 */
#ifndef PINPOOL_LOAD_H
#define PINPOOL_LOAD_H

#include <pinpool/catalog.h>
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
 * enum pinpool_tuning - where the size and the number of requests of a load are from. Since 0.1.
 * @PINPOOL_TUNING_DEFAULT: what is good on most devices
 * @PINPOOL_TUNING_GIVEN: by the caller
 * @PINPOOL_TUNING_PROBED: from trials in front of this load, which are remembered for the device
 * @PINPOOL_TUNING_REMEMBERED: from trials in front of a former load
 */
enum pinpool_tuning {
	PINPOOL_TUNING_DEFAULT = 0,
	PINPOOL_TUNING_GIVEN = 1,
	PINPOOL_TUNING_PROBED = 2,
	PINPOOL_TUNING_REMEMBERED = 3,
};

/**
 * struct pinpool_progress - where a load or a verification is
 * @done: bytes finished
 * @total: bytes in all
 * @elapsed_ns: since the first byte was asked for
 * @file: file in work
 * @tensor: tensor in work, or the next; NULL if there is none; lives for the call, as @file does
 * @tensor_index: its number in the order of reading, from 0 on
 * @tensors: tensors in all
 */
struct pinpool_progress {
	uint64_t done;
	uint64_t total;
	uint64_t elapsed_ns;
	const char *file;
	const char *tensor;
	uint64_t tensor_index;
	uint64_t tensors;
};

/* Called from the calling thread, a few times a second, and once at the end. Non-zero cancels: -ECANCELED. */
typedef int (*pinpool_progress_fn)(void *arg, const struct pinpool_progress *progress);

/*
 * A tensor has landed: all of its bytes are in place, and digested unless no digests are made. Called by a thread of the
 * load, once for each tensor, in the order in which they lie in the pool; what it takes holds up digests and the calls for
 * others, not reads. It may compute on @tensor, whose strings live for the call, whose data until the load commits, which
 * pinpool_load() does soon after the last tensor landed: who goes on computing uses pinpool_load_start(). The load may
 * still fail.
 */
typedef void (*pinpool_landed_fn)(void *arg, const struct pinpool_tensor *tensor);

/**
 * enum pinpool_trace_kind - what an event of a trace is
 * @PINPOOL_TRACE_READ: one request, from its submission to its completion
 * @PINPOOL_TRACE_DIGEST: the XXH3-128 of what it brought
 * @PINPOOL_TRACE_SHA256: a step of the SHA-256 of a file or tensor
 */
enum pinpool_trace_kind {
	PINPOOL_TRACE_READ = 0,
	PINPOOL_TRACE_DIGEST = 1,
	PINPOOL_TRACE_SHA256 = 2,
};

/**
 * struct pinpool_trace_event - something that a load did
 * @kind: what it is
 * @thread: of a read, its place among the requests in flight, from 0 on, which has one request at a time; else the number
 *	of the thread among those of its kind
 * @chunk: number of the request in the order of the pool, from 0 on; PINPOOL_UNKNOWN for SHA-256, which follows files
 *	and tensors
 * @file: path of the file that the bytes are from; lives for the call
 * @offset: first byte in it
 * @bytes: number of bytes
 * @begin_ns: CLOCK_MONOTONIC, in nanoseconds
 * @end_ns: likewise
 */
struct pinpool_trace_event {
	enum pinpool_trace_kind kind;
	uint32_t thread;
	uint64_t chunk;
	const char *file;
	uint64_t offset;
	uint64_t bytes;
	uint64_t begin_ns;
	uint64_t end_ns;
};

/* Called by any thread of the load, one at a time, at the end of an event. It holds up the load: it should be short. */
typedef void (*pinpool_trace_fn)(void *arg, const struct pinpool_trace_event *event);

/**
 * enum pinpool_sha256 - what gets a SHA-256
 * @PINPOOL_SHA256_NONE: nothing
 * @PINPOOL_SHA256_ALL: each file and each tensor
 * @PINPOOL_SHA256_TENSORS: each tensor; they are digested side by side
 * @PINPOOL_SHA256_FILES: each file; one file is digested by one core
 */
enum pinpool_sha256 {
	PINPOOL_SHA256_NONE = 0,
	PINPOOL_SHA256_ALL = 1,
	PINPOOL_SHA256_TENSORS = 2,
	PINPOOL_SHA256_FILES = 3,
};

/**
 * enum pinpool_load_order - how tensors follow one another in the pool, and so when they are there
 * @PINPOOL_LOAD_ORDER_FILE: as in the files
 * @PINPOOL_LOAD_ORDER_LAYER: embeddings, then layers by their numbers, then the rest; the number is the first in a name
 *	between dots
 */
enum pinpool_load_order {
	PINPOOL_LOAD_ORDER_FILE = 0,
	PINPOOL_LOAD_ORDER_LAYER = 1,
};

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
 * @sha256: what to compute SHA-256 of besides, for the catalog. Since 0.1.
 * @digests: path of a list of digests to compare with before anything is published, or NULL: lines "HEX  NAME" as
 *	xxh128sum and sha256sum print them, 32 digits of XXH3-128 or 64 of SHA-256, NAME a file of the checkpoint or a
 *	tensor. What is not listed is not compared. Since 0.1.
 * @trace: receives events, or NULL. Since 0.1.
 * @trace_arg: first argument of @trace
 * @tensors: names or patterns (fnmatch) of the tensors to load; each must match one. Since 0.1.
 * @tensor_count: number of @tensors, 0 for all. Since 0.1.
 * @rank: which part of the tensors that are cut, from 0. Since 0.1.
 * @ranks: number of parts, 0 to cut none. Since 0.1.
 * @rows: names or patterns of the tensors that are cut in their first dimension; each must match one. Since 0.1.
 * @row_count: number of @rows. With none, and no @columns either, tensors are cut by the known names of transformers:
 *	projections of queries, keys and values, the first ones of a feed-forward net, embeddings and output by rows, with
 *	their biases; the projection of heads and the last one of a feed-forward net by columns; of fused ones the same
 *	share of each part, or -EINVAL if that is not known. Since 0.1.
 * @columns: likewise, in their last dimension. Since 0.1.
 * @column_count: number of @columns. Since 0.1.
 * @order: how tensors follow one another. Since 0.1.
 * @attach: a pool of this name that is READY and holds the same (the files' paths, inodes, sizes and times, the same
 *	tensors of them) will do, and one that somebody is loading is waited for. Since 0.1.
 * @attach_digest: with @attach, read the files again and compare their digests, or those of a selection's tensors, too.
 *	Since 0.1.
 * @landed: told of each tensor as it lands, or NULL; of none if the load attaches
 * @landed_arg: first argument of @landed
 * @progress_interval_ns: nanoseconds between calls of @progress, 1000000 to 100000000; 0 for the latter
 * @no_probe: do not try settings on a device that none are remembered of, which a load of 10 GiB or more does if neither
 *	@chunk_bytes nor @queue_depth is given, for at most a twentieth of the load. Since 0.1.
 *
 * Unless all of every file is loaded in its order, the pool does not hold files but tensors, and slices of them, with
 * zeroes between.
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
	enum pinpool_sha256 sha256;
	const char *digests;
	pinpool_trace_fn trace;
	void *trace_arg;
	const char *const *tensors;
	size_t tensor_count;
	uint32_t rank;
	uint32_t ranks;
	const char *const *rows;
	size_t row_count;
	const char *const *columns;
	size_t column_count;
	enum pinpool_load_order order;
	bool attach;
	bool attach_digest;
	pinpool_landed_fn landed;
	void *landed_arg;
	uint64_t progress_interval_ns;
	bool no_probe;
};

/**
 * struct pinpool_load_report - what a load did
 * @size: sizeof(struct pinpool_load_report), set by the caller
 * @bytes: bytes read from files; of slices and selections, with the rest of their first and last blocks
 * @elapsed_ns: from the first request to the commit
 * @create_ns: time to make the pool, 0 if it existed
 * @files: number of files of which something was loaded
 * @tensors: number of tensors, slices counted as such
 * @io: path taken
 * @direct: O_DIRECT was used
 * @fixed_files: files were registered with the ring
 * @chunk_bytes: bytes of one request
 * @queue_depth: requests in flight
 * @requests: read requests submitted
 * @digest_kind: kind of digest committed
 * @digest: the digest
 * @digests_equal: digests of the list that were compared, all equal
 * @attached: nothing was loaded: the pool holds the same already. Since 0.1.
 * @tuning: where @chunk_bytes, @queue_depth, @iopoll and @sqpoll are from. Since 0.1.
 * @iopoll: the ring looked for completions (IORING_SETUP_IOPOLL). Since 0.1.
 * @sqpoll: the kernel took requests from the ring by itself (IORING_SETUP_SQPOLL). Since 0.1.
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
	uint64_t digests_equal;
	bool attached;
	enum pinpool_tuning tuning;
	bool iopoll;
	bool sqpoll;
};

/**
 * pinpool_load - load a checkpoint into a pool and publish it
 * @name: pool; made if it does not exist, used if it is EMPTY and large enough
 * @path: a safetensors or GGUF file, a model.safetensors.index.json, a part of a split GGUF file, which stands for all, a
 *	directory that holds one of them, a .npy, a .npz whose members are stored, or a .raw.json that describes files
 *	beside it
 * @opts: options or NULL
 * @report: receives what was done, or NULL
 *
 * With @attach, whoever comes while another loads the same waits for him, and takes over if he dies; he who comes later
 * gets what is there.
 *
 * On failure nothing is published: a pool that this call made is removed again, one that existed is EMPTY.
 *
 * Return: 0; -EBADMSG (the file breaks its format, a digest of the list differs, or the list is none), -ESTALE (it changed
 * meanwhile), -ENODATA (it ended early), -EIO, -EEXIST (the pool is READY; with @attach, and holds something else: @diag
 * says what differs), -EBUSY (it is being loaded), -ENOSPC (it is too small), -EOPNOTSUPP (the forced path does not work
 * here, a tensor has more than PINPOOL_NDIM_MAX dimensions, or a version or type of GGUF that this library does not know),
 * -EINVAL (an option, a tensor that cannot be cut so, or not a regular file), -ENOENT (no such file, or a pattern matches
 * no tensor), -ECANCELED, and what creating, opening and reading give. Since 0.1.
 */
PINPOOL_API int pinpool_load(struct pinpool_ctx *ctx, const char *name, const char *path, const struct pinpool_load_opts *opts,
			     struct pinpool_load_report *report, struct pinpool_diag *diag);

struct pinpool_loading;

/**
 * pinpool_load_start - begin a load that goes on beside the caller
 * @name: as for pinpool_load()
 * @path: as for pinpool_load()
 * @opts: as for pinpool_load(), copied; what it points to must live until pinpool_load_finish(), save @create, which is
 *	copied, too. Progress is told by the thread of the load. Without attach
 * @out: receives the load, ended and given back with pinpool_load_finish()
 *
 * Most that can go wrong is told by the calls that wait. Return: 0, -EINVAL, -E2BIG, -ENOMEM, -EAGAIN (no thread). Since
 * 0.1.
 */
PINPOOL_API int pinpool_load_start(struct pinpool_ctx *ctx, const char *name, const char *path,
				   const struct pinpool_load_opts *opts, struct pinpool_loading **out,
				   struct pinpool_diag *diag);

/**
 * pinpool_load_wait_tensor - wait until a tensor has landed
 * @tensor_name: exact name
 * @timeout_ms: how long to wait at most; < 0: for ever
 * @tensor: receives it, or NULL
 *
 * Any number of threads may wait at a time. What @tensor points to is valid until pinpool_load_finish() is called,
 * whatever becomes of the load. Return: 0, -ETIMEDOUT, -ENOENT (the checkpoint has no such tensor), -EINVAL (size), or
 * what the load failed with, -ECANCELED included. Since 0.1.
 */
PINPOOL_API int pinpool_load_wait_tensor(struct pinpool_loading *loading, const char *tensor_name, int timeout_ms,
					 struct pinpool_tensor *tensor);

/**
 * pinpool_load_wait_rows - wait until the first rows of a tensor have landed
 * @rows: how many; a row is all there is at one place of the outermost dimension, a scalar is one row
 *
 * The same, so that a product can begin with the rows that are there. @tensor has no digest unless @rows are all.
 * Return: as pinpool_load_wait_tensor(); -EINVAL (it has fewer rows). Since 0.1.
 */
PINPOOL_API int pinpool_load_wait_rows(struct pinpool_loading *loading, const char *tensor_name, uint64_t rows,
				       int timeout_ms, struct pinpool_tensor *tensor);

/*
 * Asks the load to end with -ECANCELED, if it is not published by then. Does not wait; any thread. Data of tensors that
 * have landed stays valid until pinpool_load_finish(); waiting for others ends with -ECANCELED. Since 0.1.
 */
PINPOOL_API void pinpool_load_cancel(struct pinpool_loading *loading);

/**
 * pinpool_load_finish - wait for the end of a load, publish it, and give it back
 * @loading: nobody waits on it any more; gone when this returns, whatever it returns
 * @report: as for pinpool_load(), or NULL
 *
 * A load is published by this call and not before, since publishing undoes the mapping in which tensors lie: all that was
 * got from the calls that wait is invalid from here on, and found again in the READY pool. Until then the pool is LOADING,
 * also after a failure. Return: as pinpool_load(). Since 0.1.
 */
PINPOOL_API int pinpool_load_finish(struct pinpool_loading *loading, struct pinpool_load_report *report,
				    struct pinpool_diag *diag);

/**
 * struct pinpool_verify_opts - how to verify
 * @size: sizeof(struct pinpool_verify_opts)
 * @progress: receives progress, or NULL
 * @progress_arg: first argument of @progress
 * @cancel: as in struct pinpool_load_opts
 * @sha256: compare the SHA-256 of every tensor and file that has one, too. Since 0.1.
 */
struct pinpool_verify_opts {
	size_t size;
	pinpool_progress_fn progress;
	void *progress_arg;
	const volatile int *cancel;
	bool sha256;
};

/**
 * struct pinpool_verify_report - what a verification found
 * @size: sizeof(struct pinpool_verify_report), set by the caller
 * @bytes: bytes compared
 * @elapsed_ns: time it took
 * @digest: digest of the content as it is now
 * @sha256: SHA-256 digests that were compared
 */
struct pinpool_verify_report {
	size_t size;
	uint64_t bytes;
	uint64_t elapsed_ns;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	uint64_t sha256;
};

/**
 * pinpool_verify - compare the content of a READY pool with the digest it was committed with
 *
 * Tensors are digested side by side on all cores.
 *
 * Return: 0 (equal), -EBADMSG (it differs; @diag names the file or tensor), -ENODATA (not READY, or committed without
 * a digest, or without the SHA-256 that is asked for), -ECANCELED. Since 0.1.
 */
PINPOOL_API int pinpool_verify(struct pinpool_pool *pool, const struct pinpool_verify_opts *opts,
			       struct pinpool_verify_report *report, struct pinpool_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
