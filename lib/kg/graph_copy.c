// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Copies of lists, read. */
#include "kg/graph_copy.h"

#include <errno.h>

int graph_copy_find(struct graph_copy *copy, const struct graph *graph, uint64_t node)
{
	const uint8_t *bytes = graph->data.bytes;
	unsigned int at = node % COPY_BLOCK, offset_width, before, count;
	uint64_t place, nodes_bit, has[COPY_BLOCK / 64];

	*copy = (struct graph_copy){0};
	place = bits_peek(bytes, graph->copies_bit + node / COPY_BLOCK * graph->copies_width, graph->copies_width);
	if (!bits_have(&graph->data, place, place + COPY_HEAD_BITS))
		return -EBADMSG;
	copy->entries = (uint32_t)bits_peek(bytes, place, COPY_COUNT_BITS);
	if (!copy->entries)
		return 0;
	offset_width = (unsigned int)bits_peek(bytes, place + COPY_COUNT_BITS, COPY_WIDTH_BITS);
	copy->predicate_width = (uint8_t)bits_width(graph->counts.predicates - 1);
	copy->base_width = (uint8_t)bits_width(graph->counts.nodes - 1);
	copy->entry_bit = place + COPY_HEAD_BITS;
	nodes_bit = copy->entry_bit +
		    (uint64_t)copy->entries * (copy->predicate_width + copy->base_width + COPY_WIDTH_BITS);
	if (!bits_have(&graph->data, place, nodes_bit + COPY_BLOCK))
		return -EBADMSG;
	has[0] = bits_peek(bytes, nodes_bit, 64);
	has[1] = bits_peek(bytes, nodes_bit + 64, 64);
	if (!(has[at / 64] >> at % 64 & 1)) {
		copy->entries = 0;
		return 0;
	}
	before = bits_ones(has[at / 64] & bits_mask(at % 64)) + (at < 64 ? 0 : bits_ones(has[0]));
	count = bits_ones(has[0]) + bits_ones(has[1]);
	copy->bit = nodes_bit + COPY_BLOCK + count * offset_width;
	if (!bits_have(&graph->data, place, copy->bit))
		return -EBADMSG;
	copy->bit += bits_peek(bytes, nodes_bit + COPY_BLOCK + before * offset_width, offset_width);
	return 0;
}

int graph_copy_open(struct graph_copy *copy, const struct graph *graph, uint64_t p)
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

int graph_copy_next(struct graph_copy *copy, const struct graph *graph, uint64_t *object)
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
