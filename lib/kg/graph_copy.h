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

static inline unsigned int copy_mask_width(uint64_t predicates)
{
	return predicates < COPY_MASK_BITS ? (unsigned int)predicates : COPY_MASK_BITS;
}

/* Bits of a predicate's quotient. */
static inline unsigned int copy_high_width(uint64_t predicates)
{
	return predicates ? bits_width((predicates - 1) / COPY_MASK_BITS) : 0;
}

/* Where the copies of a node's block begin. */
static inline uint64_t graph_copy_place(const struct graph *graph, uint64_t node)
{
	return bits_peek(graph->data.bytes, graph->copies_bit + node / COPY_BLOCK * graph->copies_width,
			 graph->copies_width);
}

/* Asks memory for what graph_members_of() and graph_copy_find() look at, which else would come one after another. */
static inline void graph_copy_expect(const struct graph *graph, uint64_t node)
{
	uintptr_t data = (uintptr_t)graph->data.bytes, copies, shapes;

	if (node >= graph->counts.nodes)
		return;
	/* Wherever the places lead, to ask for it is no read. */
	copies = data + graph_copy_place(graph, node) / 8;
	shapes = data + bits_peek(graph->data.bytes, graph->nodes_bit[0] + node / SHAPE_BLOCK * graph->nodes_width[0],
				  graph->nodes_width[0]) /
				8;
	for (unsigned int i = 0; i < 3; i++) {
		__builtin_prefetch((const void *)(shapes + (uintptr_t)i * 64));
		__builtin_prefetch((const void *)(copies + (uintptr_t)i * 64));
	}
}

/* To the copies of @node, which is one. Returns 0 or -EBADMSG. */
int graph_copy_find(struct graph_copy *copy, const struct graph *graph, uint64_t node);
/*
 * The list of predicate @p, which the node must have; predicates of it that come before must have been asked for.
 * Returns 1, 0 (it has no copy) or -EBADMSG.
 */
static inline int graph_copy_open(struct graph_copy *copy, const struct graph *graph, uint64_t p)
{
	unsigned int remainder = p % COPY_MASK_BITS;
	const uint8_t *bytes = graph->data.bytes;
	uint64_t bit, word;

	if (!(copy->mask >> remainder & 1))
		return 0;
	bit = copy->entry_bit + (uint64_t)bits_ones(copy->mask & bits_mask(remainder)) *
					(copy->high_width + copy->base_width + COPY_ENTRY_BITS);
	if (bits_peek(bytes, bit, copy->high_width) != p / COPY_MASK_BITS)
		return 0;
	bit += copy->high_width;
	copy->base = bits_peek(bytes, bit, copy->base_width);
	word = bits_peek(bytes, bit + copy->base_width, COPY_ENTRY_BITS);
	copy->width = word & bits_mask(COPY_WIDTH_BITS);
	copy->gap_width = (uint8_t)(word >> COPY_WIDTH_BITS);
	copy->first = true;
	copy->least = 0;
	copy->left = 1;
	if (copy->gap_width == COPY_SINGLE)
		return 1;
	if (copy->gap_width > COPY_GAP_MAX || !bits_have(&graph->data, copy->bit, copy->bit + COPY_ROW))
		return -EBADMSG;
	word = bits_peek(bytes, copy->bit, COPY_ROW);
	if (!word)
		return -EBADMSG;
	copy->left = (uint32_t)__builtin_ctzll(word) + 1;
	copy->bit += copy->left;
	return 1;
}

/* Returns 1 (@object is the next one of the list), 0 (no more) or -EBADMSG. */
static inline int graph_copy_next(struct graph_copy *copy, const struct graph *graph, uint64_t *object)
{
	const uint8_t *bytes = graph->data.bytes;
	unsigned int zeros;
	uint64_t word;

	if (!copy->left)
		return 0;
	copy->left--;
	if (!bits_have(&graph->data, copy->bit, copy->bit + COPY_ESCAPE + 64))
		return -EBADMSG;
	if (!copy->first) {
		word = bits_peek(bytes, copy->bit, 64);
		zeros = word ? (unsigned int)__builtin_ctzll(word) : 64;
		if (zeros < COPY_ESCAPE) {
			word = word >> (zeros + 1) & bits_mask(copy->gap_width);
			*object = copy->least + ((uint64_t)zeros << copy->gap_width | word);
			copy->bit += zeros + 1 + copy->gap_width;
			copy->least = *object + 1;
			return *object < graph->counts.nodes ? 1 : -EBADMSG;
		}
		copy->bit += COPY_ESCAPE;
	}
	copy->first = false;
	*object = copy->base + bits_peek(bytes, copy->bit, copy->width);
	copy->bit += copy->width;
	if (*object < copy->least || *object >= graph->counts.nodes)
		return -EBADMSG;
	copy->least = *object + 1;
	return 1;
}

struct copy_writer;

/* Copies of @nodes nodes and @predicates predicates, of @price bits for each triple at most. Returns 0 or -ENOMEM. */
int copy_writer_new(struct copy_writer **out, uint64_t nodes, uint64_t predicates, unsigned int price);
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
