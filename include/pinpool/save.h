/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: saving
 *
 * What a READY pool holds, or some of it, as safetensors files again. Either all of them appear whole under their names, or
 * nothing does.
 */
#ifndef PINPOOL_SAVE_H
#define PINPOOL_SAVE_H

#include <pinpool/load.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct pinpool_save_opts - what to save and how
 * @size: sizeof(struct pinpool_save_opts)
 * @tensors: names or patterns (fnmatch) of the tensors to save; each must match one
 * @tensor_count: number of @tensors, 0 for all of the pool
 * @force: replace files that exist
 * @progress: receives progress, or NULL
 * @progress_arg: first argument of @progress
 * @cancel: checked between writes; the call ends with -ECANCELED once it is not 0 (a signal handler may set it)
 */
struct pinpool_save_opts {
	size_t size;
	const char *const *tensors;
	size_t tensor_count;
	bool force;
	pinpool_progress_fn progress;
	void *progress_arg;
	const volatile int *cancel;
};

/**
 * struct pinpool_save_report - what was saved
 * @size: sizeof(struct pinpool_save_report), set by the caller
 * @bytes: bytes of all files
 * @elapsed_ns: from the first byte to the last name
 * @files: number of files, an index counted as one
 * @tensors: number of tensors
 * @identical: the files are those that the pool was loaded from, byte for byte; an index is new
 */
struct pinpool_save_report {
	size_t size;
	uint64_t bytes;
	uint64_t elapsed_ns;
	uint32_t files;
	uint32_t tensors;
	bool identical;
};

/**
 * pinpool_save - write a pool as safetensors
 * @pool: READY
 * @path: the file to make; a folder, made if it is not there, if the pool came from several safetensors files and all of it
 *	is saved
 * @opts: options or NULL
 * @report: receives what was done, or NULL
 *
 * All of a pool that came from one safetensors file is written as that file, byte for byte. All of one that came from
 * several is written as those files, with their names, and a model.safetensors.index.json. Anything else is one file with
 * a new header, which has the metadata of the safetensors files that the tensors came from where those agree.
 *
 * Files have the permissions of the pool, less the umask, and are on the disk when this returns. On failure what was
 * written is removed.
 *
 * Return: 0; -ENODATA (not READY), -ENOENT (no catalog, no such folder, or a pattern matches no tensor), -EEXIST (a file
 * is there and not to be replaced), -EOPNOTSUPP (a tensor whose type or name is none of safetensors, by name), -ENOTDIR
 * and -EISDIR (a folder is needed or in the way), -EINVAL (what is there is no regular file), -EOVERFLOW (too many
 * tensors for a header), -ENOSPC, -EIO, -ECANCELED, and what opening the catalog and writing give. Since 0.1.
 */
PINPOOL_API int pinpool_save(struct pinpool_pool *pool, const char *path, const struct pinpool_save_opts *opts,
			     struct pinpool_save_report *report, struct pinpool_diag *diag);

/**
 * pinpool_save_fd - write a pool as safetensors to a descriptor
 * @pool: READY
 * @fd: open for writing: a pipe, a socket, a file; stays the caller's. Written to from where it is
 * @opts: options or NULL; @force has no meaning
 * @report: receives what was done, or NULL
 *
 * As pinpool_save(), for what is one file: nothing is named or brought to the disk, and on failure what was written stays
 * written. A process that does not ignore SIGPIPE is killed by it where nobody reads.
 *
 * Return: 0; -ENOTDIR (the pool is several files, and all of it is saved), -EPIPE (nobody reads), -EBADF, and what
 * pinpool_save() gives. Since 0.1.
 */
PINPOOL_API int pinpool_save_fd(struct pinpool_pool *pool, int fd, const struct pinpool_save_opts *opts,
				struct pinpool_save_report *report, struct pinpool_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
