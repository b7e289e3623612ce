/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Making the sections of a graph from sorted triples, in bounded memory: about 0.25 bytes a triple, 0.25 a node,
 * 1.5 KiB a predicate, 2 MiB, and the dictionary of shapes up to its limit.
 *
 * Three steps. (1) graph_stats_add() for every triple, in any order (duplicates count, so none), by one thread for one
 * struct graph_stats; several are joined by graph_stats_merge(). (2) all triples in the order of (s, p, o), (3) all in
 * the order of (o, p, s), each triple once.
 *
 *     graph_stats_new(&stats, nodes, predicates, diag); graph_stats_add(stats, s, p, o) ...
 *     graph_writer_new(&writer, stats, &opts, diag);
 *     graph_writer_out(writer, &triple, diag) ...        in the order of (s, p, o)
 *     graph_writer_in(writer, &triple, diag) ...         in the order of (o, p, s)
 *     graph_writer_finish(writer, diag);                 writes what is left of GRAPH_DATA, then all of GRAPH_DIRECTORY
 *     graph_writer_free(writer); graph_stats_free(stats);
 */
#ifndef PINPOOL_KG_GRAPH_WRITER_H
#define PINPOOL_KG_GRAPH_WRITER_H

#include "kg/graph.h"

enum graph_section { GRAPH_DATA = 0, GRAPH_DIRECTORY = 1, GRAPH_SECTIONS };

/*
 * Appends to a section. GRAPH_DIRECTORY begins when GRAPH_DATA has ended. Returns 0 or -errno, which is what the call
 * that led to it returns.
 */
typedef int (*graph_append_fn)(void *arg, enum graph_section section, const void *bytes, size_t count);

struct graph_writer_opts {
	graph_append_fn append;
	void *arg;
	/* Memory for the dictionary of shapes; 0 for 64 MiB. What finds no room is still written, and S ? ? slower
	 * there. */
	uint64_t shape_bytes;
	/* No copies: some 11 bits a triple less, and S ? ? takes several times as long. */
	bool compact;
};

struct graph_stats;
struct graph_writer;

/* @nodes at most 2^63, @predicates less than 2^31. Returns 0, -EINVAL, -ENOMEM. */
int graph_stats_new(struct graph_stats **out, uint64_t nodes, uint64_t predicates, struct pinpool_diag *diag);
/* Ids must be below what graph_stats_new() was told. */
void graph_stats_add(struct graph_stats *stats, uint64_t s, uint64_t p, uint64_t o);
/* Adds what @from has; of the same numbers of nodes and predicates. */
void graph_stats_merge(struct graph_stats *stats, const struct graph_stats *from);
/* Triples of predicate @p, or of all with GRAPH_ANY. */
uint64_t graph_stats_triples(const struct graph_stats *stats, uint64_t p);
void graph_stats_free(struct graph_stats *stats);

/* Bytes of memory that a writer takes at most, the dictionary of shapes not counted. */
uint64_t graph_writer_memory(const struct graph_stats *stats);
/* No more bytes than this will be appended to both sections together, with the usual room for shapes. */
uint64_t graph_writer_bound(const struct graph_stats *stats);

/*
 * @stats is the caller's and stays until graph_writer_free(). Returns 0, -ENOMEM, -EFBIG (a predicate whose range of
 * subjects times its range of objects is 2^63 or more).
 */
int graph_writer_new(struct graph_writer **out, const struct graph_stats *stats, const struct graph_writer_opts *opts,
		     struct pinpool_diag *diag);
/* Returns 0, -EINVAL (not the next in order, or not what @stats counted), -ENOMEM, or what the sink returned. */
int graph_writer_out(struct graph_writer *writer, const struct graph_triple *triple, struct pinpool_diag *diag);
int graph_writer_in(struct graph_writer *writer, const struct graph_triple *triple, struct pinpool_diag *diag);
int graph_writer_finish(struct graph_writer *writer, struct pinpool_diag *diag);
void graph_writer_free(struct graph_writer *writer);

#endif
