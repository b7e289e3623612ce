/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The tree of symbols; see symbols_trie.h. */
#include "codec/symbols_trie.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* So that a node and a byte fit a slot's key. */
#define NODES_MAX (1U << 23)

int symbols_trie_new(struct symbols_trie *trie, size_t symbols, size_t bytes)
{
	unsigned int bits = 8;

	*trie = (struct symbols_trie){0};
	if (bytes + 1 > NODES_MAX || symbols > bytes)
		return -ENOMEM;
	while (1ULL << bits < 2 * (bytes + 1))
		bits++;
	trie->room = (uint32_t)bytes + 1;
	trie->shift = 32 - bits;
	trie->slots = malloc(sizeof(*trie->slots) << bits);
	trie->symbol = malloc(sizeof(*trie->symbol) * trie->room);
	if (!trie->slots || !trie->symbol) {
		symbols_trie_free(trie);
		return -ENOMEM;
	}
	symbols_trie_clear(trie);
	return 0;
}

void symbols_trie_free(struct symbols_trie *trie)
{
	free(trie->slots);
	free(trie->symbol);
	*trie = (struct symbols_trie){0};
}

void symbols_trie_clear(struct symbols_trie *trie)
{
	memset(trie->slots, 0, sizeof(*trie->slots) << (32 - trie->shift));
	memset(trie->first, 0, sizeof(trie->first));
	trie->symbol[0] = TRIE_NONE;
	trie->nodes = 1;
}

static uint32_t add_node(struct symbols_trie *trie)
{
	trie->symbol[trie->nodes] = TRIE_NONE;
	return trie->nodes++;
}

int symbols_trie_add(struct symbols_trie *trie, const char *text, size_t bytes, uint32_t symbol)
{
	uint32_t node = 0;

	for (size_t i = 0; i < bytes; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (!node) {
			if (!trie->first[byte])
				trie->first[byte] = add_node(trie);
			node = trie->first[byte];
		} else {
			uint64_t *slot = symbols_trie_slot(trie, node, byte);

			if (!*slot)
				*slot = (uint64_t)((node << 8 | byte) + 1) << 32 | add_node(trie);
			node = (uint32_t)*slot;
		}
	}
	if (trie->symbol[node] != TRIE_NONE)
		return 0;
	trie->symbol[node] = symbol;
	return 1;
}
