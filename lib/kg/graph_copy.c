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
