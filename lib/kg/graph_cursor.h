/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Lists of a graph, one table at a time, and which tables a node is in: what iterators and work in bulk are made of. */
#ifndef PINPOOL_KG_GRAPH_CURSOR_H
#define PINPOOL_KG_GRAPH_CURSOR_H

#include <errno.h>

#include "kg/graph.h"
#include "kg/graph_stats.h"

/*
 * The whole table of predicate @p by one side: the rows are subjects for SIDE_S. Returns 1, 0 (it has no triples),
 * -EBADMSG. After graph_cursor_open() the cursor stands nowhere: one of the next two has to follow.
 */
int graph_cursor_open(struct graph_cursor *cursor, const struct graph *graph, uint64_t p, unsigned int side);
/* To the list from @row and @value on to before @end_row, both in ids. Returns 0 or -EBADMSG. */
int graph_cursor_find(struct graph_cursor *cursor, uint64_t row, uint64_t value, uint64_t end_row);
/* To triple number @at of the table, to its end. Returns 0 or -EBADMSG. */
int graph_cursor_seek(struct graph_cursor *cursor, uint64_t at);
/* On to @row and @value, never back. Returns 0 or -EBADMSG. */
int graph_cursor_skip(struct graph_cursor *cursor, uint64_t row, uint64_t value);
/* Returns 1 (@row and @value are the next ones), 0 or -EBADMSG. */
int graph_cursor_next(struct graph_cursor *cursor, uint64_t *row, uint64_t *value);
/* Values of the list, which must be of one row. Returns how many, or -EBADMSG. */
int64_t graph_cursor_values(struct graph_cursor *cursor, uint64_t *values, size_t max);
/* Up to @max pairs. Returns how many, or -EBADMSG. */
int64_t graph_cursor_pairs(struct graph_cursor *cursor, uint64_t *rows, uint64_t *values, size_t max);
/* Triples left in the list; the cursor stays. Returns 0 or -EBADMSG. */
int graph_cursor_left(const struct graph_cursor *cursor, uint64_t *count);

/* The members of a node's shape: predicates number @next to before @end of the list of all, or, if not @of_shape, as
 * such. */
struct graph_members {
	uint64_t next;
	uint64_t end;
	bool of_shape;
};

/* Of a node that is none, no members. Returns 0 or -EBADMSG. */
int graph_members_of(const struct graph *graph, uint64_t node, unsigned int side, struct graph_members *members);
/* The predicate of number @at. Returns 0 or -EBADMSG. */
static inline int graph_member(const struct graph *graph, bool of_shape, uint64_t at, uint64_t *predicate)
{
	*predicate = of_shape ? bits_peek(graph->data.bytes, graph->members_bit + at * graph->member_width,
					  graph->member_width)
			      : at;
	return *predicate < graph->counts.predicates ? 0 : -EBADMSG;
}

#endif
