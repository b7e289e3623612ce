/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The triples of a knowledge graph as numbers, read where they lie: nodes 0 to N - 1 (subjects, objects, literals
 * alike), predicates 0 to P - 1. docs/graph.md has the layout.
 *
 * Two sections: data, which is bits of lists, and the directory, which says where they are. Both are plain bytes
 * without addresses, and whatever they hold, no look at them goes beyond them: each is checked where it happens and
 * gives -EBADMSG. A graph that is open is read by any number of threads at once.
 */
#ifndef PINPOOL_KG_GRAPH_H
#define PINPOOL_KG_GRAPH_H

#include <pinpool/common.h>

#include "codec/elias_fano.h"

/* What a pattern leaves open, in struct graph_triple as in the functions that take three numbers. */
#define GRAPH_ANY UINT64_MAX

struct graph_triple {
	uint64_t s;
	uint64_t p;
	uint64_t o;
};

struct graph_counts {
	uint64_t nodes;
	uint64_t predicates;
	uint64_t triples;
};

/* Which way an edge is walked: from subject to object, from object to subject, or either. */
enum graph_way {
	GRAPH_OUT = 1,
	GRAPH_IN = 2,
	GRAPH_BOTH = 3,
};

/*
 * Filled by graph_open(). The sections are the caller's, who keeps them as they are meanwhile; nothing is owned, so
 * there is no close, and a copy is as good.
 */
struct graph {
	struct bits data;
	const uint8_t *predicates;
	const uint8_t *tables;
	uint64_t table_count;
	struct graph_counts counts;
	/* Bits of data. */
	uint64_t nodes_bit[2]; /* places of the blocks of shapes of nodes, as subjects and as objects */
	uint64_t shapes_bit; /* ends of the shapes, then their predicates */
	uint64_t shape_count;
	uint64_t shape_members;
	uint64_t members_bit;
	uint8_t member_width;
	uint8_t end_width; /* of where the members of a shape end */
	uint64_t copies_bit; /* places of the blocks of copies */
	uint64_t copies_bytes;
	uint8_t nodes_width[2];
	uint8_t copies_width;
	uint64_t directory_bytes;
	uint64_t lists_bytes[2];
};

/* Looks at the directory's frame only, so it takes microseconds. Returns 0 or -EBADMSG. */
int graph_open(struct graph *graph, const void *data, uint64_t data_bytes, const void *directory,
	       uint64_t directory_bytes, struct pinpool_diag *diag);

/*
 * Walks everything: each list is in order and within range, both directions and the nodes' shapes say the same, counts
 * are right. Returns 0, -EBADMSG with @diag saying where, -ECANCELED if *@cancel (NULL: never) became non-zero.
 */
int graph_check(const struct graph *graph, const volatile int *cancel, struct pinpool_diag *diag);

/* Triples of one predicate in the order of one of its tables: of rows, and in a row of values. */
struct graph_cursor {
	struct ef_cursor keys;
	/* A key is the row, counted from the first, times how many values there may be, plus the value counted
	 * likewise. */
	uint64_t row_first;
	uint64_t rows;
	uint64_t value_first;
	uint64_t values;
	/* Where the list ends, and the least that the next key can be. */
	uint64_t end_key;
	uint64_t next_key;
	/* The row at hand, and the key that it begins with. */
	uint64_t row;
	uint64_t row_key;
};

/* Of one node, lists that are copied, from some predicate on, and of the one at hand what is left. */
struct graph_copy {
	uint64_t entry_bit;
	uint64_t bit;
	uint64_t base;
	uint64_t least; /* that the next object can be */
	uint64_t mask; /* of the predicates that are copied; 0 if the node has no copies */
	uint32_t left;
	uint8_t high_width;
	uint8_t base_width;
	uint8_t width;
	uint8_t gap_width;
	bool first;
};

/**
 * struct graph_iter - the triples that match a pattern, in the order of (p, s, o)
 *
 * Whatever the pattern, the order is that one, each triple comes once, and no memory is held: give up an iterator by
 * forgetting it. It may be copied. One iterator is one thread's.
 */
struct graph_iter {
	const struct graph *graph;
	struct graph_triple pattern;
	struct graph_cursor cursor;
	struct graph_copy copy;
	/* Predicates still to come: these of the members of shapes, or, without a shape, the numbers themselves. */
	uint64_t next;
	uint64_t end;
	uint64_t predicate; /* whose list is open, or was; GRAPH_ANY to begin with */
	bool of_shape;
	bool open;
	bool copied; /* the list that is open */
};

/* Numbers that are not in the graph match nothing. Returns 0 or -EBADMSG. */
int graph_find(const struct graph *graph, uint64_t s, uint64_t p, uint64_t o, struct graph_iter *iter);
/* Returns 1 (@triple is the next one), 0 (no more) or -EBADMSG. */
int graph_next(struct graph_iter *iter, struct graph_triple *triple);
/*
 * Up to @max more at once: of patterns S P ? and ? P O only what is open, the rest of the pattern being known. Returns
 * how many (0: no more), -EBADMSG, -EINVAL (another pattern).
 */
int64_t graph_read(struct graph_iter *iter, uint64_t *ids, size_t max);
/*
 * On to the first triple at or behind @to in the order of (p, s, o), never back. Returns 0 or -EBADMSG.
 */
int graph_seek(struct graph_iter *iter, const struct graph_triple *to);

/* How many match: without walking them, but for S ? O. Returns 0 or -EBADMSG. */
int graph_count(const struct graph *graph, uint64_t s, uint64_t p, uint64_t o, uint64_t *count);
/* Returns 1 (it is in the graph), 0 or -EBADMSG. */
int graph_has(const struct graph *graph, uint64_t s, uint64_t p, uint64_t o);
/*
 * Predicates of the triples that begin (GRAPH_OUT) or end (GRAPH_IN) at @node, ascending, up to @max. Returns how many
 * there are, which may be more, or -EBADMSG.
 */
int64_t graph_node_predicates(const struct graph *graph, uint64_t node, enum graph_way way, uint64_t *predicates,
			      size_t max);
/* Triples that begin or end at @node, or both (one from a node to itself counts twice). Returns 0 or -EBADMSG. */
int graph_degree(const struct graph *graph, uint64_t node, enum graph_way way, uint64_t *degree);

/* Where the bytes are, for reports. */
struct graph_bytes {
	uint64_t lists_out;
	uint64_t lists_in;
	uint64_t index;
	uint64_t shapes;
	uint64_t copies;
	uint64_t directory; /* the rest of it */
	uint64_t total;
	uint64_t shared; /* predicates of which a list serves two directions, or two predicates */
};

void graph_bytes(const struct graph *graph, struct graph_bytes *bytes);

#endif
