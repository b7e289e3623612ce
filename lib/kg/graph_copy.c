// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Copies of lists, read. */
#include "kg/graph_copy.h"

#include <errno.h>

int graph_copy_find(struct graph_copy *copy, const struct graph *graph, uint64_t node)
{
	const uint8_t *bytes = graph->data.bytes;
	unsigned int at = node % COPY_BLOCK, mask_width = copy_mask_width(graph->counts.predicates), width, before,
		     count;
	uint64_t place = graph_copy_place(graph, node), nodes_bit, offset_bit, has[COPY_BLOCK / 64], head;

	*copy = (struct graph_copy){0};
	if (!bits_have(&graph->data, place, place + mask_width + COPY_HEAD_BITS))
		return -EBADMSG;
	copy->mask = bits_peek(bytes, place, mask_width);
	if (!copy->mask)
		return 0;
	place += mask_width;
	head = bits_peek(bytes, place, COPY_HEAD_BITS);
	width = head & bits_mask(COPY_WIDTH_BITS);
	copy->high_width = (uint8_t)copy_high_width(graph->counts.predicates);
	copy->base_width = (uint8_t)bits_width(graph->counts.nodes - 1);
	copy->entry_bit = place + COPY_HEAD_BITS;
	nodes_bit = copy->entry_bit +
		    (uint64_t)bits_ones(copy->mask) * (copy->high_width + copy->base_width + COPY_ENTRY_BITS);
	offset_bit = nodes_bit + COPY_BLOCK;
	if (!bits_have(&graph->data, place, offset_bit))
		return -EBADMSG;
	has[0] = bits_peek(bytes, nodes_bit, 64);
	has[1] = bits_peek(bytes, nodes_bit + 64, 64);
	if (!(has[at / 64] >> at % 64 & 1)) {
		copy->mask = 0;
		return 0;
	}
	before = bits_ones(has[at / 64] & bits_mask(at % 64)) + (at < 64 ? 0 : bits_ones(has[0]));
	count = bits_ones(has[0]) + bits_ones(has[1]);
	copy->bit = offset_bit + (uint64_t)count * width;
	if (!bits_have(&graph->data, place, copy->bit))
		return -EBADMSG;
	/* What that comes to is looked at where it is used. */
	copy->bit += bits_peek(bytes, offset_bit + (uint64_t)before * width, width) +
		     before * (head >> COPY_WIDTH_BITS & bits_mask(COPY_MEAN_BITS)) -
		     (head >> (COPY_WIDTH_BITS + COPY_MEAN_BITS));
	return 0;
}
