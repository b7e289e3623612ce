/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The dictionary of shapes in the making: each set of predicates once, by the number it has got. Within its limit; a
 * set that finds no room is SHAPE_ANY.
 */
#ifndef PINPOOL_KG_GRAPH_SHAPES_H
#define PINPOOL_KG_GRAPH_SHAPES_H

#include "codec/bits.h"
#include "kg/graph_layout.h"

struct shapes {
	uint64_t limit; /* of bytes */
	/* Where the members of each shape end. */
	uint64_t *ends;
	uint64_t count;
	uint64_t ends_room;
	uint32_t *members;
	uint64_t member_count;
	uint64_t members_room;
	/* A hash table of numbers plus 1, of a power of two. */
	uint32_t *slots;
	uint64_t slot_count;
};

/* Returns 0 or -ENOMEM. */
int shapes_init(struct shapes *shapes, uint64_t limit);
void shapes_free(struct shapes *shapes);
/* @members ascend. Returns 0 or -ENOMEM. */
int shapes_number(struct shapes *shapes, const uint32_t *members, uint64_t count, uint32_t *number);
/* As the layout has it. */
void shapes_put(const struct shapes *shapes, uint64_t predicates, struct bits_writer *bits);

/* The numbers of nodes in order, in blocks. Zeroed to begin with. */
struct node_shapes {
	uint64_t nodes;
	uint64_t *places;
	uint64_t room;
	uint32_t numbers[SHAPE_BLOCK];
};

/* Of the next node. Returns 0 or -ENOMEM. */
int node_shapes_add(struct node_shapes *nodes, struct bits_writer *bits, uint32_t number);
/* Of the next ones up to @end the empty one. */
int node_shapes_skip(struct node_shapes *nodes, struct bits_writer *bits, uint64_t end);
/* The last block, and where all begin; tells how wide these numbers are. Returns 0 or -ENOMEM. */
int node_shapes_end(struct node_shapes *nodes, struct bits_writer *bits, uint64_t *index_bit, uint8_t *width);
void node_shapes_free(struct node_shapes *nodes);

#endif
