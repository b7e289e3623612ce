/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Block pools: a stack of free blocks, linked by number through an array outside the blocks, pushed and popped by
 * compare-and-swap of one word.
 *
 * The word holds the number of the top block (one more, 0 for none) in its low bits and a tag in all the others that
 * every push and pop counts up. A thread that read the word, slept, and finds the same top again therefore fails
 * unless the tag has gone round exactly once meanwhile: with a million blocks that is 2^43 operations within one sleep.
 *
 * Each block also has a flag, set while it is allocated. Release takes the flag first, so of two releases of one block
 * exactly one pushes it, and the other is told.
 */
#include <pinpool/block.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Numbers are 32 bits wide, and at least half of the word stays for the tag. */
#define BLOCKS_MAX  UINT32_MAX
#define BLOCK_ALIGN 64

struct block_entry {
	_Atomic uint32_t below; /* number + 1 of the block under this one while it is free */
	_Atomic uint32_t allocated;
};

struct pinpool_blocks {
	char *base;
	size_t block_bytes;
	uint32_t count;
	unsigned int number_bits; /* of the top's number + 1 in the word; the tag begins there */
	struct block_entry *entries;
	/* Each in a cache line of its own: what is above is only read. */
	_Alignas(BLOCK_ALIGN) _Atomic uint64_t top;
	_Alignas(BLOCK_ALIGN) _Atomic uint32_t available;
};

int pinpool_blocks_new(struct pinpool_blocks **out, void *base, size_t bytes, size_t block_bytes)
{
	struct pinpool_blocks *blocks;
	size_t count;

	if (!base || (uintptr_t)base % BLOCK_ALIGN || !block_bytes || block_bytes % BLOCK_ALIGN)
		return -EINVAL;
	count = bytes / block_bytes;
	if (!count || count >= BLOCKS_MAX)
		return -EINVAL;
	blocks = aligned_alloc(BLOCK_ALIGN, sizeof(*blocks));
	if (!blocks)
		return -ENOMEM;
	blocks->entries = malloc(count * sizeof(*blocks->entries));
	if (!blocks->entries) {
		free(blocks);
		return -ENOMEM;
	}
	blocks->base = base;
	blocks->block_bytes = block_bytes;
	blocks->count = (uint32_t)count;
	blocks->number_bits = 64 - (unsigned int)__builtin_clzll(count);
	/* Block 0 on top, so that blocks come in order of address at first. */
	for (uint32_t i = 0; i < count; i++) {
		atomic_init(&blocks->entries[i].below, i + 1 < count ? i + 2 : 0);
		atomic_init(&blocks->entries[i].allocated, 0);
	}
	atomic_init(&blocks->top, 1);
	atomic_init(&blocks->available, (uint32_t)count);
	*out = blocks;
	return 0;
}

void pinpool_blocks_free(struct pinpool_blocks *blocks)
{
	if (!blocks)
		return;
	free(blocks->entries);
	free(blocks);
}

static uint32_t number_of(const struct pinpool_blocks *blocks, uint64_t top)
{
	return (uint32_t)(top & ((1ULL << blocks->number_bits) - 1));
}

/* The word after @top with @number above: the tag counts up and wraps into nothing. */
static uint64_t next_top(const struct pinpool_blocks *blocks, uint64_t top, uint32_t number)
{
	return ((top >> blocks->number_bits) + 1) << blocks->number_bits | number;
}

int pinpool_blocks_alloc(struct pinpool_blocks *blocks, void **block)
{
	uint64_t top = atomic_load_explicit(&blocks->top, memory_order_acquire);
	uint32_t number, below;

	do {
		number = number_of(blocks, top);
		if (!number)
			return -ENOMEM;
		/* Stale if another thread was faster; then the tag is, too, and this is thrown away. */
		below = atomic_load_explicit(&blocks->entries[number - 1].below, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(&blocks->top, &top, next_top(blocks, top, below),
							memory_order_acq_rel, memory_order_acquire));
	atomic_store_explicit(&blocks->entries[number - 1].allocated, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&blocks->available, 1, memory_order_relaxed);
	*block = blocks->base + (size_t)(number - 1) * blocks->block_bytes;
	return 0;
}

int pinpool_blocks_release(struct pinpool_blocks *blocks, void *block)
{
	uintptr_t offset = (uintptr_t)block - (uintptr_t)blocks->base;
	uint64_t top;
	uint32_t number;

	if ((uintptr_t)block < (uintptr_t)blocks->base || offset % blocks->block_bytes ||
	    offset / blocks->block_bytes >= blocks->count)
		return -EINVAL;
	number = (uint32_t)(offset / blocks->block_bytes) + 1;
	if (!atomic_exchange_explicit(&blocks->entries[number - 1].allocated, 0, memory_order_relaxed))
		return -EALREADY;
	atomic_fetch_add_explicit(&blocks->available, 1, memory_order_relaxed);
	top = atomic_load_explicit(&blocks->top, memory_order_relaxed);
	do {
		atomic_store_explicit(&blocks->entries[number - 1].below, number_of(blocks, top), memory_order_relaxed);
		/* Release: what its last user wrote to the block comes before what its next user does. */
	} while (!atomic_compare_exchange_weak_explicit(&blocks->top, &top, next_top(blocks, top, number),
							memory_order_release, memory_order_relaxed));
	return 0;
}

size_t pinpool_blocks_count(const struct pinpool_blocks *blocks)
{
	return blocks->count;
}

size_t pinpool_blocks_available(const struct pinpool_blocks *blocks)
{
	return atomic_load_explicit(&blocks->available, memory_order_relaxed);
}
