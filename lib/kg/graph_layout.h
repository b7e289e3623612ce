/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The directory of a graph as it lies in a pool, and how nodes' shapes are packed; docs/graph.md says the same. */
#ifndef PINPOOL_KG_GRAPH_LAYOUT_H
#define PINPOOL_KG_GRAPH_LAYOUT_H

#include <assert.h>
#include <stdint.h>

#define GRAPH_MAGIC   "PINPGRA\n"
#define GRAPH_VERSION 2

/* A predicate without triples has this for both of its tables. */
#define GRAPH_NO_TABLE UINT32_MAX

/* Then @predicates entries of two u32: its table by subjects, and by objects. Then @tables of struct graph_table. */
struct graph_header {
	char magic[8];
	uint32_t version;
	uint32_t header_bytes;
	uint64_t nodes;
	uint64_t predicates;
	uint64_t triples;
	uint64_t tables;
	uint64_t data_bytes;
	/* Of data, what serves only one direction; for reports. */
	uint64_t lists_bytes[2];
	/* Bits of data. */
	uint64_t nodes_bit[2];
	uint64_t shapes_bit;
	uint64_t shape_count;
	uint64_t shape_members;
	/* Of copies: where the places of their blocks begin, and bytes, which are for reports. */
	uint64_t copies_bit;
	uint64_t copies_bytes;
	uint8_t nodes_width[2];
	uint8_t copies_width;
	uint8_t zero[5];
};

static_assert(sizeof(struct graph_header) == 136, "layout");

/* The keys of all triples of a predicate, which are a sequence (lib/codec/elias_fano.h). */
struct graph_table {
	uint64_t count;
	uint64_t row_first;
	uint64_t rows;
	uint64_t value_first;
	uint64_t values;
	uint64_t index_bit;
	uint8_t key_bits;
	uint8_t place_bits;
	uint8_t zero[6];
};

static_assert(sizeof(struct graph_table) == 56, "layout");

/*
 * A shape is the set of predicates that a node has on one side. Nodes come in blocks: 6 bits for the width of a number,
 * 32 for the least of them, then for each node its shape's number less the least. Places of blocks are nodes_width bits
 * each, at nodes_bit. At shapes_bit come the shapes: for each where its members end, in as many bits as shape_members
 * takes, then all members, in as many as the largest predicate takes.
 */
#define SHAPE_BLOCK	 128
#define SHAPE_WIDTH_BITS 6
#define SHAPE_LEAST_BITS 32
/* The empty shape, and that of nodes whose shape found no room: they may have any predicate. */
#define SHAPE_NONE	 0
#define SHAPE_ANY	 1

/*
 * Copies come in blocks of nodes. A block is
 *
 *   for each remainder by COPY_MASK_BITS, of which no more are kept than there are predicates, a bit: whether a
 *   predicate that leaves it is copied, of which there is one at most; and if there is none, nothing more;
 *   6 bits for the width of an offset, 24 for the mean step from one to the next, 32 for the bias;
 *   for each predicate, by remainders, its quotient, its least object, 6 bits for the width of an object, 6 for gaps:
 *   COPY_SINGLE, or their low bits;
 *   which nodes have copies, a bit for each;
 *   for node number i of those that have, where its lists begin, counted from the first of all, plus the bias, less
 *   i times the mean;
 *   the lists of each node, by predicates.
 *
 * A list is as many bits as it has objects, the last of them a one, but nothing if it is single; the first object less
 * the least; and for each other how much it is above the one before, less one: the high part in zeros and a one, then
 * the low bits; or, after COPY_ESCAPE zeros, the object less the least. Places of blocks are copies_width bits each, at
 * copies_bit.
 */
#define COPY_BLOCK	128
#define COPY_MASK_BITS	64
#define COPY_WIDTH_BITS 6
#define COPY_MEAN_BITS	24
#define COPY_BIAS_BITS	32
#define COPY_HEAD_BITS	(COPY_WIDTH_BITS + COPY_MEAN_BITS + COPY_BIAS_BITS)
/* Of a predicate, besides its quotient and its least object. */
#define COPY_ENTRY_BITS (2 * COPY_WIDTH_BITS)
/* Objects of a list that is copied, at most. */
#define COPY_ROW	64
#define COPY_SINGLE	63 /* each list has one object */
#define COPY_GAP_MAX	40
#define COPY_ESCAPE	16
/* What the writer takes for all of them, for each triple. */
#define COPY_BITS	11

#endif
