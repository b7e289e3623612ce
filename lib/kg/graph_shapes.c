// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Shapes of nodes, numbered and written. */
#include "kg/graph_shapes.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

#define SLOTS_FIRST 64

/* Doubles what @array has room for if it does not hold @count. Returns 0 or -ENOMEM. */
static int reserve(void **array, uint64_t *room, uint64_t count, size_t size)
{
	uint64_t more = *room ? *room : 64;
	void *grown;

	if (count <= *room)
		return 0;
	while (more < count)
		more *= 2;
	grown = realloc(*array, more * size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*room = more;
	return 0;
}

/* Appends a shape, whatever there is already. Returns 0 or -ENOMEM. */
static int append(struct shapes *shapes, const uint32_t *members, uint64_t count)
{
	int ret = reserve((void **)&shapes->ends, &shapes->ends_room, shapes->count + 1, sizeof(*shapes->ends));

	if (!ret)
		ret = reserve((void **)&shapes->members, &shapes->members_room, shapes->member_count + count,
			      sizeof(*shapes->members));
	if (ret)
		return ret;
	if (count)
		memcpy(shapes->members + shapes->member_count, members, count * sizeof(*members));
	shapes->member_count += count;
	shapes->ends[shapes->count++] = shapes->member_count;
	return 0;
}

int shapes_init(struct shapes *shapes, uint64_t limit)
{
	int ret;

	*shapes = (struct shapes){.limit = limit, .slot_count = SLOTS_FIRST};
	shapes->slots = calloc(shapes->slot_count, sizeof(*shapes->slots));
	if (!shapes->slots)
		return -ENOMEM;
	/* SHAPE_NONE and SHAPE_ANY, which are never looked for. */
	ret = append(shapes, NULL, 0);
	return ret ? ret : append(shapes, NULL, 0);
}

void shapes_free(struct shapes *shapes)
{
	free(shapes->ends);
	free(shapes->members);
	free(shapes->slots);
}

static uint64_t first_member(const struct shapes *shapes, uint64_t number)
{
	return number ? shapes->ends[number - 1] : 0;
}

/* The slot that has the shape, or an empty one. */
static uint32_t *find_slot(const struct shapes *shapes, const uint32_t *members, uint64_t count)
{
	uint64_t at = XXH3_64bits(members, count * sizeof(*members));

	for (;; at++) {
		uint32_t *slot = &shapes->slots[at & (shapes->slot_count - 1)];
		uint64_t first;

		if (!*slot)
			return slot;
		first = first_member(shapes, *slot - 1);
		if (shapes->ends[*slot - 1] - first == count &&
		    !memcmp(shapes->members + first, members, count * sizeof(*members)))
			return slot;
	}
}

static int grow_slots(struct shapes *shapes)
{
	struct shapes grown = *shapes;

	grown.slot_count *= 2;
	grown.slots = calloc(grown.slot_count, sizeof(*grown.slots));
	if (!grown.slots)
		return -ENOMEM;
	for (uint64_t i = SHAPE_ANY + 1; i < shapes->count; i++) {
		uint64_t first = first_member(shapes, i);

		*find_slot(&grown, shapes->members + first, shapes->ends[i] - first) = (uint32_t)i + 1;
	}
	free(shapes->slots);
	*shapes = grown;
	return 0;
}

/* What growing arrays may come to. */
static bool has_room(const struct shapes *shapes, uint64_t count)
{
	uint64_t bytes = (shapes->count + 1) * (sizeof(*shapes->ends) + 2 * sizeof(*shapes->slots)) +
			 (shapes->member_count + count) * sizeof(*shapes->members);

	return 2 * bytes <= shapes->limit && shapes->count < UINT32_MAX - 1;
}

int shapes_number(struct shapes *shapes, const uint32_t *members, uint64_t count, uint32_t *number)
{
	uint32_t *slot = count ? find_slot(shapes, members, count) : NULL;
	int ret;

	if (!count || *slot) {
		*number = count ? *slot - 1 : SHAPE_NONE;
		return 0;
	}
	*number = SHAPE_ANY;
	if (!has_room(shapes, count))
		return 0;
	if (2 * shapes->count > shapes->slot_count) {
		ret = grow_slots(shapes);
		if (ret)
			return ret;
		slot = find_slot(shapes, members, count);
	}
	ret = append(shapes, members, count);
	if (ret)
		return ret;
	*slot = (uint32_t)shapes->count;
	*number = *slot - 1;
	return 0;
}

void shapes_put(const struct shapes *shapes, uint64_t predicates, struct bits_writer *bits)
{
	unsigned int end_width = bits_width(shapes->member_count);
	unsigned int member_width = predicates ? bits_width(predicates - 1) : 0;

	for (uint64_t i = 0; i < shapes->count; i++)
		bits_put(bits, shapes->ends[i], end_width);
	for (uint64_t i = 0; i < shapes->member_count; i++)
		bits_put(bits, shapes->members[i], member_width);
}

static int put_nodes(struct node_shapes *nodes, struct bits_writer *bits, unsigned int count)
{
	uint64_t block = (nodes->nodes - 1) / SHAPE_BLOCK;
	uint32_t least = UINT32_MAX, most = 0;
	unsigned int width;
	int ret = reserve((void **)&nodes->places, &nodes->room, block + 1, sizeof(*nodes->places));

	if (ret)
		return ret;
	nodes->places[block] = bits->bit;
	for (unsigned int i = 0; i < count; i++) {
		least = nodes->numbers[i] < least ? nodes->numbers[i] : least;
		most = nodes->numbers[i] > most ? nodes->numbers[i] : most;
	}
	width = bits_width(most - least);
	bits_put(bits, width, SHAPE_WIDTH_BITS);
	bits_put(bits, least, SHAPE_LEAST_BITS);
	for (unsigned int i = 0; i < count; i++)
		bits_put(bits, nodes->numbers[i] - least, width);
	return 0;
}

int node_shapes_add(struct node_shapes *nodes, struct bits_writer *bits, uint32_t number)
{
	unsigned int at = nodes->nodes++ % SHAPE_BLOCK;

	nodes->numbers[at] = number;
	return at == SHAPE_BLOCK - 1 ? put_nodes(nodes, bits, SHAPE_BLOCK) : 0;
}

int node_shapes_skip(struct node_shapes *nodes, struct bits_writer *bits, uint64_t end)
{
	int ret = 0;

	while (!ret && nodes->nodes < end)
		ret = node_shapes_add(nodes, bits, SHAPE_NONE);
	return ret;
}

int node_shapes_end(struct node_shapes *nodes, struct bits_writer *bits, uint64_t *index_bit, uint8_t *width)
{
	uint64_t blocks = nodes->nodes / SHAPE_BLOCK + !!(nodes->nodes % SHAPE_BLOCK);
	int ret = nodes->nodes % SHAPE_BLOCK ? put_nodes(nodes, bits, nodes->nodes % SHAPE_BLOCK) : 0;

	if (ret)
		return ret;
	*index_bit = bits->bit;
	*width = blocks ? bits_width(nodes->places[blocks - 1]) : 0;
	for (uint64_t i = 0; i < blocks; i++)
		bits_put(bits, nodes->places[i], *width);
	return 0;
}

void node_shapes_free(struct node_shapes *nodes)
{
	free(nodes->places);
}
