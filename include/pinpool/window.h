/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: windows
 *
 * A checkpoint that is larger than memory is streamed through a window: a pool that is smaller than it, gone round in. Its
 * tensors come by in order, as blocks of whole rows; each is used and released while the next are on their way.
 */
#ifndef PINPOOL_WINDOW_H
#define PINPOOL_WINDOW_H

#include <pinpool/catalog.h>
#include <pinpool/load.h>
#include <pinpool/math.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pinpool_window;

/**
 * struct pinpool_window_opts - a window
 * @size: sizeof(struct pinpool_window_opts)
 * @name: pool to stream through: made if it does not exist and removed at the end, used if it is EMPTY. NULL for one of
 *	this process's own, which has no name once it is open, so that nothing is left of a process that is killed
 * @create: how to make the pool; its capacity is ignored. NULL for defaults
 * @bytes: of memory, rounded up to whole pages of 2 MiB; 0 for 256 MiB. The largest row and a chunk must fit
 * @block_bytes: bytes of a block, about; 0 to choose: an eighth of @bytes, at most 8 MiB
 * @tensors: names of the tensors to stream, in that order. NULL for all, in the order of files, which are then read whole
 * @tensor_count: number of @tensors
 * @digest: digest what streams. Every pass is compared with the first
 * @io: as in struct pinpool_load_opts
 * @chunk_bytes: as there; 0 to choose
 * @queue_depth: as there
 * @buffered: as there
 * @cancel: as there; also ends a wait for the caller
 */
struct pinpool_window_opts {
	size_t size;
	const char *name;
	const struct pinpool_create_opts *create;
	uint64_t bytes;
	uint64_t block_bytes;
	const char *const *tensors;
	size_t tensor_count;
	bool digest;
	enum pinpool_io io;
	uint32_t chunk_bytes;
	uint32_t queue_depth;
	bool buffered;
	const volatile int *cancel;
};

/**
 * pinpool_window_open - open a checkpoint, and begin to stream it
 * @path: as for pinpool_load()
 * @opts: options or NULL; what they point to need not outlive the call, but @cancel
 * @out: receives the window, given back with pinpool_window_close()
 *
 * The pool is LOADING until pinpool_window_close(), and EMPTY or gone then. Return: 0; -ENOSPC (a row is larger than the
 * window: @diag says what is needed; or the pool is too small), -ENOENT (no such file or tensor), and what
 * pinpool_load() gives before it reads. Since 0.1.
 */
PINPOOL_API int pinpool_window_open(struct pinpool_ctx *ctx, const char *path, const struct pinpool_window_opts *opts,
				    struct pinpool_window **out, struct pinpool_diag *diag);
/* Ends what is in flight; blocks and strings of it die. No other thread uses the window any more. NULL is fine. */
PINPOOL_API void pinpool_window_close(struct pinpool_window *window);

/* Tensors that come by, in order. Strings live as long as the window. */
PINPOOL_API size_t pinpool_window_tensor_count(const struct pinpool_window *window);
/*
 * Tensor @index: no data, and @offset from the start of the file numbered @source. A digest once a whole pass had one.
 * Return: 0, -ENOENT (no such index), -EINVAL. Since 0.1.
 */
PINPOOL_API int pinpool_window_tensor(struct pinpool_window *window, size_t index, struct pinpool_tensor *tensor);

/**
 * struct pinpool_window_block - rows of a tensor in memory
 * @size: sizeof(struct pinpool_window_block), set by the caller
 * @tensor: its number in the order in which they come by
 * @name: its name
 * @dtype: type of an element
 * @ndim: number of dimensions of the tensor
 * @shape: extents of the tensor
 * @row: first row of the block. A row is all there is at one place of the outermost dimension; a scalar, and a tensor
 *	whose rows do not fill whole bytes or blocks, is one row
 * @rows: number of rows
 * @row_bytes: bytes of a row
 * @data: the rows, one after another, until the block is released. Any alignment. Not to be written to
 */
struct pinpool_window_block {
	size_t size;
	size_t tensor;
	const char *name;
	enum pinpool_dtype dtype;
	uint32_t ndim;
	const uint64_t *shape;
	uint64_t row;
	uint64_t rows;
	uint64_t row_bytes;
	const void *data;
};

/**
 * pinpool_window_next - wait for the next block
 * @block: receives it; to be released with pinpool_window_release()
 *
 * Every row of every tensor comes once in a pass. Tensors without bytes have no blocks. Several blocks may be held, by any
 * threads, as long as there is room for one more. What a digest or a changed file makes wrong is known at the end of a pass
 * only. Return: 1, 0 (the pass has ended, and nothing is wrong with it), -EBUSY (held blocks leave no room), -ESTALE (a
 * file changed, or has another digest than in the first pass), -ECANCELED, -EIO and whatever else the load of it would
 * have failed with; then nothing comes before pinpool_window_rewind(). Since 0.1.
 */
PINPOOL_API int pinpool_window_next(struct pinpool_window *window, struct pinpool_window_block *block,
				    struct pinpool_diag *diag);

/* Gives the memory of a block back, in any order, from any thread. Return: 0, -EINVAL (not held). Since 0.1. */
PINPOOL_API int pinpool_window_release(struct pinpool_window *window, const struct pinpool_window_block *block);

/*
 * Begins the next pass, wherever this one is. No block is held. Return: 0, -EBUSY (one is), -EAGAIN (no thread). Since 0.1.
 */
PINPOOL_API int pinpool_window_rewind(struct pinpool_window *window, struct pinpool_diag *diag);

/**
 * struct pinpool_window_stats - what a window did since it was opened
 * @size: sizeof(struct pinpool_window_stats), set by the caller
 * @window_bytes: bytes of memory
 * @bytes: bytes that came by
 * @blocks: blocks handed out
 * @passes: passes begun
 * @waits_disk: times that a caller waited for bytes
 * @waits_disk_ns: how long
 * @waits_caller: times that reading stood still because blocks were not released
 * @waits_caller_ns: how long
 * @gather_bytes: bytes read by pinpool_window_gather()
 * @chunk_bytes: bytes of one request
 */
struct pinpool_window_stats {
	size_t size;
	uint64_t window_bytes;
	uint64_t bytes;
	uint64_t blocks;
	uint64_t passes;
	uint64_t waits_disk;
	uint64_t waits_disk_ns;
	uint64_t waits_caller;
	uint64_t waits_caller_ns;
	uint64_t gather_bytes;
	uint32_t chunk_bytes;
};

PINPOOL_API int pinpool_window_get_stats(struct pinpool_window *window, struct pinpool_window_stats *stats);

/**
 * pinpool_window_matmul - Y = X * W^T with a tensor that streams by
 * @tensor_name: of W; what comes before it in this pass is passed over. NULL for the next
 * @args: the product, without weights: its w, w_dtype, ldw, packing, w_coded are NULL and 0; its n and k 0 or those of the
 *	tensor
 *
 * Each block is multiplied by the threads of @math while the next are read. Return: 0, -ENOENT (no such tensor, or it went
 * by, or none is left: pinpool_window_rewind()), -EINVAL (not two dimensions, or other than @args says), -EOPNOTSUPP (no
 * kernel for its type), -EBUSY (rows of it were handed out already; held blocks leave no room), and as pinpool_matmul() and
 * pinpool_window_next(); Y is not defined after a failure. Since 0.1.
 */
PINPOOL_API int pinpool_window_matmul(struct pinpool_window *window, struct pinpool_math *math, const char *tensor_name,
				      const struct pinpool_matmul_args *args, struct pinpool_diag *diag);

/**
 * pinpool_window_gather - rows of a tensor, by their numbers
 * @tensor_name: any tensor of the checkpoint, whatever the window streams
 * @ids: numbers of rows, in any order, as often as wanted
 * @count: number of @ids
 * @out: receives @count rows, one after another, in the order of @ids
 *
 * Reads no more of the files than those rows, each once, and what lies between neighbours; through the page cache. Any
 * number of threads at a time, beside a pass. Return: 0, -EINVAL (an id beyond the last row: @diag names it), -ENOENT (no
 * such tensor), -ENODATA, -ESTALE (the file changed), -EIO, -ENOMEM. Since 0.1.
 */
PINPOOL_API int pinpool_window_gather(struct pinpool_window *window, const char *tensor_name, const uint64_t *ids,
				      size_t count, void *out, struct pinpool_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
