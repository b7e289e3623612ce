/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Lists that begin at a node, copied together: what S ? ? reads instead of finding one list after another in tables.
 * Copies are made of the lists that are short for what they take, as far as a budget goes; the others are in their
 * tables alone. docs/graph.md has the layout.
 */
#ifndef PINPOOL_KG_GRAPH_COPY_H
#define PINPOOL_KG_GRAPH_COPY_H

#include <errno.h>

#include "kg/graph.h"
#include "kg/graph_layout.h"

/* To the copies of @node, which is one. Returns 0 or -EBADMSG. */
int graph_copy_find(struct graph_copy *copy, const struct graph *graph, uint64_t node);
/*
 * The list of predicate @p, which the node must have; predicates of it that come before must have been asked for.
 * Returns 1, 0 (it has no copy) or -EBADMSG.
 */
static inline int graph_copy_open(struct graph_copy *copy, const struct graph *graph, uint64_t p)
{
	const uint8_t *bytes = graph->data.bytes;
	unsigned int predicate_width = copy->predicate_width, base_width = copy->base_width;
	uint64_t word;

	for (; copy->entries; copy->entries--) {
		uint64_t bit = copy->entry_bit, predicate = bits_peek(bytes, bit, predicate_width);

		if (predicate > p)
			return 0;
		copy->entry_bit += predicate_width + base_width + COPY_WIDTH_BITS;
		if (predicate < p)
			continue;
		copy->entries--;
		copy->base = bits_peek(bytes, bit + predicate_width, base_width);
		copy->width = (uint8_t)bits_peek(bytes, bit + predicate_width + base_width, COPY_WIDTH_BITS);
		if (!bits_have(&graph->data, copy->bit, copy->bit + COPY_ROW))
			return -EBADMSG;
		word = bits_peek(bytes, copy->bit, COPY_ROW);
		if (!word)
			return -EBADMSG;
		copy->left = (uint32_t)__builtin_ctzll(word) + 1;
		copy->bit += copy->left;
		copy->least = 0;
		return bits_have(&graph->data, copy->bit, copy->bit + copy->left * copy->width) ? 1 : -EBADMSG;
	}
	return 0;
}
/* Returns 1 (@object is the next one of the list), 0 (no more) or -EBADMSG. */
static inline int graph_copy_next(struct graph_copy *copy, const struct graph *graph, uint64_t *object)
{
	if (!copy->left)
		return 0;
	*object = copy->base + bits_peek(graph->data.bytes, copy->bit, copy->width);
	if (*object < copy->least || *object >= graph->counts.nodes)
		return -EBADMSG;
	copy->bit += copy->width;
	copy->least = *object + 1;
	copy->left--;
	return 1;
}

struct copy_writer;

/* Copies of @nodes nodes and @predicates predicates. Returns 0 or -ENOMEM. */
int copy_writer_new(struct copy_writer **out, uint64_t nodes, uint64_t predicates);
/* In the order of (s, p, o). Returns 0 or -ENOMEM; errors of @bits are found in it. */
int copy_writer_add(struct copy_writer *writer, struct bits_writer *bits, const struct graph_triple *triple);
/* The last blocks, and where all begin. Fills in what the header says of it. Returns 0 or -ENOMEM. */
int copy_writer_end(struct copy_writer *writer, struct bits_writer *bits, struct graph_header *header);
void copy_writer_free(struct copy_writer *writer);

/* Bytes of memory that one takes at most. */
uint64_t copy_writer_memory(uint64_t nodes, uint64_t predicates);
/* Bits that copies take at most. */
uint64_t copy_writer_bound(uint64_t nodes, uint64_t triples);

#endif
