/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Lists that begin at a node, copied together: what S ? ? reads instead of finding one list after another in tables.
 * Copies are made of the lists that are short for what they take, as far as a budget goes; the others are in their
 * tables alone. docs/graph.md has the layout.
 */
#ifndef PINPOOL_KG_GRAPH_COPY_H
#define PINPOOL_KG_GRAPH_COPY_H

#include "kg/graph.h"
#include "kg/graph_layout.h"

/* To the copies of @node, which is one. Returns 0 or -EBADMSG. */
int graph_copy_find(struct graph_copy *copy, const struct graph *graph, uint64_t node);
/*
 * The list of predicate @p, which the node must have; predicates of it that come before must have been asked for.
 * Returns 1, 0 (it has no copy) or -EBADMSG.
 */
int graph_copy_open(struct graph_copy *copy, const struct graph *graph, uint64_t p);
/* Returns 1 (@object is the next one of the list), 0 (no more) or -EBADMSG. */
int graph_copy_next(struct graph_copy *copy, const struct graph *graph, uint64_t *object);

struct copy_writer;

/* Copies of @nodes nodes and @predicates predicates. Returns 0 or -ENOMEM. */
int copy_writer_new(struct copy_writer **out, uint64_t nodes, uint64_t predicates);
/* In the order of (s, p, o). Errors of @bits are found in it. */
void copy_writer_add(struct copy_writer *writer, struct bits_writer *bits, const struct graph_triple *triple);
/* The last blocks, and where all begin. Fills in what the header says of it. */
void copy_writer_end(struct copy_writer *writer, struct bits_writer *bits, struct graph_header *header);
void copy_writer_free(struct copy_writer *writer);

/* Bytes of memory that one takes at most. */
uint64_t copy_writer_memory(uint64_t nodes, uint64_t predicates);
/* Bits that copies take at most. */
uint64_t copy_writer_bound(uint64_t nodes, uint64_t triples);

#endif
