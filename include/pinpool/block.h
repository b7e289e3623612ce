/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: block pools
 *
 * Fixed-size blocks with a free list over memory of the caller: a writable mapping of a pool, or any other range.
 * Allocation and release are O(1) and may come from any number of threads at once.
 */
#ifndef PINPOOL_BLOCK_H
#define PINPOOL_BLOCK_H

#include <pinpool/common.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pinpool_blocks;

/**
 * pinpool_blocks_new - divide a range into blocks
 * @out: receives the block pool, given back with pinpool_blocks_free()
 * @base: start of the range, aligned to 64 bytes; stays the caller's and must outlive the block pool
 * @bytes: length of the range; a tail shorter than a block is not used
 * @block_bytes: size of one block, a multiple of 64
 *
 * The bookkeeping lies outside the range. Return: 0, -EINVAL, -ENOMEM. Since 0.1.
 */
PINPOOL_API int pinpool_blocks_new(struct pinpool_blocks **out, void *base, size_t bytes, size_t block_bytes);
PINPOOL_API void pinpool_blocks_free(struct pinpool_blocks *blocks);

/* One block, content undefined. Return: 0, -ENOMEM if none is free. */
PINPOOL_API int pinpool_blocks_alloc(struct pinpool_blocks *blocks, void **block);
/* Return: 0, -EINVAL (not the start of a block of this pool), -EALREADY (not allocated now). */
PINPOOL_API int pinpool_blocks_release(struct pinpool_blocks *blocks, void *block);

PINPOOL_API size_t pinpool_blocks_count(const struct pinpool_blocks *blocks);
/* Free blocks at some moment during the call. */
PINPOOL_API size_t pinpool_blocks_available(const struct pinpool_blocks *blocks);

#ifdef __cplusplus
}
#endif
#endif
