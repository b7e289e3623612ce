// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* A graph opened: its directory looked at, its nodes' shapes found. */
#include "kg/graph.h"

#include <errno.h>

#include "base/diag.h"
#include "kg/graph_cursor.h"
#include "kg/graph_layout.h"

static int damaged(struct pinpool_diag *diag, const char *cause)
{
	return diag_set(diag, -EBADMSG, "graph", "build it again", "%s", cause);
}

static uint64_t shape_blocks(uint64_t nodes)
{
	return nodes / SHAPE_BLOCK + !!(nodes % SHAPE_BLOCK);
}

static uint64_t copy_blocks(uint64_t nodes)
{
	return nodes / COPY_BLOCK + !!(nodes % COPY_BLOCK);
}

/* True if so many numbers of that width are there. */
static bool have(const struct graph *graph, uint64_t bit, uint64_t count, unsigned int width)
{
	uint64_t bits;

	return width <= 64 && !__builtin_mul_overflow(count, (uint64_t)width, &bits) &&
	       bits_have(&graph->data, bit, bit + bits);
}

static bool shapes_are_there(const struct graph *graph)
{
	return graph->shape_count > SHAPE_ANY && graph->shape_count <= UINT32_MAX &&
	       have(graph, graph->shapes_bit, graph->shape_count, graph->end_width) &&
	       have(graph, graph->members_bit, graph->shape_members, graph->member_width);
}

int graph_open(struct graph *graph, const void *data, uint64_t data_bytes, const void *directory,
	       uint64_t directory_bytes, struct pinpool_diag *diag)
{
	struct graph_header header;

	if (directory_bytes < sizeof(header))
		return damaged(diag, "has no room for its header");
	memcpy(&header, directory, sizeof(header));
	if (memcmp(header.magic, GRAPH_MAGIC, sizeof(header.magic)))
		return damaged(diag, "does not begin as one");
	if (header.version != GRAPH_VERSION || header.header_bytes != sizeof(header))
		return diag_set(diag, -EOPNOTSUPP, "graph", "use the pinpool that made it", "is of version %u, not %u",
				header.version, GRAPH_VERSION);
	/* Both counts are below 2^32, so the sum does not overflow. */
	if (header.predicates > UINT32_MAX || header.tables >= GRAPH_NO_TABLE ||
	    directory_bytes != sizeof(header) + header.predicates * 8 + header.tables * sizeof(struct graph_table))
		return damaged(diag, "has a directory of another size than it says");
	if (header.data_bytes != data_bytes || data_bytes < EF_PAD_BYTES || data_bytes > UINT64_MAX / 8)
		return damaged(diag, "has data of another size than it says");
	*graph = (struct graph){
		.data = {data, data_bytes},
		.predicates = (const uint8_t *)directory + sizeof(header),
		.tables = (const uint8_t *)directory + sizeof(header) + header.predicates * 8,
		.table_count = header.tables,
		.counts = {header.nodes, header.predicates, header.triples},
		.shapes_bit = header.shapes_bit,
		.shape_count = header.shape_count,
		.shape_members = header.shape_members,
		.members_bit = header.shapes_bit + header.shape_count * bits_width(header.shape_members),
		.member_width = header.predicates ? (uint8_t)bits_width(header.predicates - 1) : 0,
		.end_width = (uint8_t)bits_width(header.shape_members),
		.copies_bit = header.copies_bit,
		.copies_bytes = header.copies_bytes,
		.copies_width = header.copies_width,
		.directory_bytes = directory_bytes,
	};
	memcpy(graph->nodes_bit, header.nodes_bit, sizeof(graph->nodes_bit));
	memcpy(graph->nodes_width, header.nodes_width, sizeof(graph->nodes_width));
	memcpy(graph->lists_bytes, header.lists_bytes, sizeof(graph->lists_bytes));
	if (header.nodes > EF_LIMIT || !shapes_are_there(graph))
		return damaged(diag, "has no room for its shapes");
	for (unsigned int side = 0; side < SIDES; side++)
		/* Blocks have a head, so more nodes than that are a lie. */
		if (shape_blocks(header.nodes) > data_bytes * 8 / (SHAPE_WIDTH_BITS + SHAPE_LEAST_BITS) ||
		    !have(graph, graph->nodes_bit[side], shape_blocks(header.nodes), graph->nodes_width[side]))
			return damaged(diag, "has no room for its nodes");
	if (!have(graph, graph->copies_bit, copy_blocks(header.nodes), graph->copies_width))
		return damaged(diag, "has no room for its copies");
	return 0;
}

static int shape_of(const struct graph *graph, uint64_t node, unsigned int side, uint64_t *number)
{
	const uint8_t *bytes = graph->data.bytes;
	unsigned int place_width = graph->nodes_width[side], width;
	uint64_t place, bit;

	place = bits_peek(bytes, graph->nodes_bit[side] + node / SHAPE_BLOCK * place_width, place_width);
	if (!bits_have(&graph->data, place, place + SHAPE_WIDTH_BITS + SHAPE_LEAST_BITS))
		return -EBADMSG;
	width = bits_peek(bytes, place, SHAPE_WIDTH_BITS);
	bit = place + SHAPE_WIDTH_BITS + SHAPE_LEAST_BITS + node % SHAPE_BLOCK * width;
	if (!bits_have(&graph->data, place, bit + width))
		return -EBADMSG;
	*number = bits_peek(bytes, place + SHAPE_WIDTH_BITS, SHAPE_LEAST_BITS) + bits_peek(bytes, bit, width);
	return *number < graph->shape_count ? 0 : -EBADMSG;
}

int graph_members_of(const struct graph *graph, uint64_t node, unsigned int side, struct graph_members *members)
{
	unsigned int width = graph->end_width;
	uint64_t number;
	int ret;

	*members = (struct graph_members){.of_shape = true};
	if (node >= graph->counts.nodes)
		return 0;
	ret = shape_of(graph, node, side, &number);
	if (ret || number == SHAPE_NONE)
		return ret;
	if (number == SHAPE_ANY) {
		*members = (struct graph_members){.end = graph->counts.predicates};
		return 0;
	}
	members->next = bits_peek(graph->data.bytes, graph->shapes_bit + (number - 1) * width, width);
	members->end = bits_peek(graph->data.bytes, graph->shapes_bit + number * width, width);
	return members->next <= members->end && members->end <= graph->shape_members ? 0 : -EBADMSG;
}

void graph_bytes(const struct graph *graph, struct graph_bytes *bytes)
{
	*bytes = (struct graph_bytes){
		.lists_out = graph->lists_bytes[SIDE_S],
		.lists_in = graph->lists_bytes[SIDE_O],
		.copies = graph->copies_bytes,
		.directory = graph->directory_bytes,
		.total = graph->data.size + graph->directory_bytes,
	};
	struct ef ef;

	for (uint64_t i = 0; i < graph->table_count; i++) {
		struct graph_table table;

		memcpy(&table, graph->tables + i * sizeof(table), sizeof(table));
		ef = (struct ef){.count = table.count, .key_bits = table.key_bits, .place_bits = table.place_bits};
		bytes->index += (ef_index_bits(&ef) + 7) / 8;
	}
	bytes->shapes =
		graph->data.size - EF_PAD_BYTES - bytes->lists_out - bytes->lists_in - bytes->index - bytes->copies;
	bytes->shared = 2 * graph->counts.predicates - graph->table_count;
}
