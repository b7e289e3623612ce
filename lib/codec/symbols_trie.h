/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Finding the symbols that a text begins with: the tree of their bytes, each step a look into a hash table. */
#ifndef PINPOOL_CODEC_SYMBOLS_TRIE_H
#define PINPOOL_CODEC_SYMBOLS_TRIE_H

#include <stddef.h>
#include <stdint.h>

#define TRIE_NONE UINT32_MAX

struct symbols_trie {
	uint64_t *slots; /* (node << 8 | byte) + 1, and the node that it leads to in the lower half; 0 is free */
	uint32_t *symbol; /* of each node; TRIE_NONE where none ends */
	uint32_t nodes; /* 0 is the root */
	uint32_t room;
	unsigned int shift; /* of a hash, to the number of a slot */
	uint32_t first[256]; /* node of each byte, 0: none */
};

/* For @symbols symbols of @bytes bytes in all. Returns 0 or -ENOMEM. */
int symbols_trie_new(struct symbols_trie *trie, size_t symbols, size_t bytes);
void symbols_trie_free(struct symbols_trie *trie);
/* Without symbols again. */
void symbols_trie_clear(struct symbols_trie *trie);
/* Adds one unless its text is there. Returns whether it was added. */
int symbols_trie_add(struct symbols_trie *trie, const char *text, size_t bytes, uint32_t symbol);

static inline uint64_t *symbols_trie_slot(const struct symbols_trie *trie, uint32_t node, unsigned char byte)
{
	const uint32_t key = (node << 8 | byte) + 1;
	const uint32_t mask = (1U << (32 - trie->shift)) - 1;
	uint32_t i = key * 2654435769U >> trie->shift;

	while (trie->slots[i] && trie->slots[i] >> 32 != key)
		i = (i + 1) & mask;
	return &trie->slots[i];
}

/* Returns the node behind @byte, or 0. */
static inline uint32_t symbols_trie_step(const struct symbols_trie *trie, uint32_t node, unsigned char byte)
{
	if (!node)
		return trie->first[byte];
	return (uint32_t)*symbols_trie_slot(trie, node, byte);
}

#endif
