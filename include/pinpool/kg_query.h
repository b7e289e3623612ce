/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: asking knowledge graphs
 *
 * Patterns of triples, neighbours, degrees, and work on all of a graph. All of it reads; any number of threads may do so
 * at once, each with its own iterators.
 */
#ifndef PINPOOL_KG_QUERY_H
#define PINPOOL_KG_QUERY_H

#include <pinpool/kg.h>
#include <pinpool/math.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct pinpool_triple - a triple, or a pattern of some
 * @s: subject, a node; in a pattern PINPOOL_KG_ANY leaves it open
 * @p: predicate, likewise
 * @o: object, a node, likewise
 */
struct pinpool_triple {
	uint64_t s;
	uint64_t p;
	uint64_t o;
};

/* Which way an edge is followed: from subject to object, from object to subject, or either. */
enum pinpool_kg_way {
	PINPOOL_KG_OUT = 1,
	PINPOOL_KG_IN = 2,
	PINPOOL_KG_BOTH = 3,
};

struct pinpool_kg_iter;

/**
 * pinpool_kg_find - the triples that match a pattern
 * @pattern: numbers that are not in the graph match nothing
 * @out: receives an iterator, given back with pinpool_kg_iter_free()
 *
 * All eight patterns; triples come in the order of predicate, subject, object, each once. Return: 0, -ENOMEM, -EBADMSG
 * (damaged). Since 0.1.
 */
PINPOOL_API int pinpool_kg_find(const struct pinpool_kg *kg, const struct pinpool_triple *pattern,
				struct pinpool_kg_iter **out);
/* Return: 1 (@triple is the next one), 0 (no more), -EBADMSG. Since 0.1. */
PINPOOL_API int pinpool_kg_next(struct pinpool_kg_iter *iter, struct pinpool_triple *triple);
/* On to the first triple that is not before @to in that order, never back. Return: 0, -EBADMSG. Since 0.1. */
PINPOOL_API int pinpool_kg_seek(struct pinpool_kg_iter *iter, const struct pinpool_triple *to);
/* NULL is fine. Since 0.1. */
PINPOOL_API void pinpool_kg_iter_free(struct pinpool_kg_iter *iter);

/* How many triples match, without walking them (but for S ? O). Return: 0, -EBADMSG. Since 0.1. */
PINPOOL_API int pinpool_kg_count(const struct pinpool_kg *kg, const struct pinpool_triple *pattern, uint64_t *count);
/* Return: 1 (it is in the graph), 0, -EBADMSG. Since 0.1. */
PINPOOL_API int pinpool_kg_has(const struct pinpool_kg *kg, const struct pinpool_triple *triple);
/* Triples that begin or end at @node, or both (one from a node to itself is two). Return: 0, -EBADMSG. Since 0.1. */
PINPOOL_API int pinpool_kg_degree(const struct pinpool_kg *kg, uint64_t node, enum pinpool_kg_way way, uint64_t *degree);

/**
 * struct pinpool_kg_reach_opts - which nodes are near
 * @size: sizeof(struct pinpool_kg_reach_opts)
 * @way: how edges are followed, 0 for out
 * @one_predicate: follow only edges of @predicate
 * @predicate: that predicate
 * @hops: how many steps; 0 for 1
 * @most: most nodes that may be found, the seeds among them; 0 for 1,000,000
 * @cancel: as in struct pinpool_kg_build_opts
 */
struct pinpool_kg_reach_opts {
	size_t size;
	enum pinpool_kg_way way;
	bool one_predicate;
	uint64_t predicate;
	uint32_t hops;
	uint64_t most;
	const volatile int *cancel;
};

/**
 * struct pinpool_kg_reached - a node that is near
 * @node: its number
 * @hops: fewest steps from any seed, 0 for a seed
 */
struct pinpool_kg_reached {
	uint64_t node;
	uint32_t hops;
};

/**
 * pinpool_kg_reach - nodes within some steps of others
 * @seeds: nodes
 * @count: number of @seeds
 * @opts: options or NULL
 * @out: receives an array in the order of steps, then of numbers, freed by the caller with free()
 *
 * Return: how many there are, -ENOSPC (more than @most), -EINVAL (a seed that is no node, an option), -ECANCELED,
 * -ENOMEM, -EBADMSG. Since 0.1.
 */
PINPOOL_API int64_t pinpool_kg_reach(const struct pinpool_kg *kg, const uint64_t *seeds, size_t count,
				     const struct pinpool_kg_reach_opts *opts, struct pinpool_kg_reached **out);

/**
 * pinpool_kg_components - which nodes hang together, whatever the direction
 * @math: threads that share the work, or NULL for the caller alone
 * @component: receives for each node the lowest number in its component
 * @count: receives how many components there are
 * @cancel: ends the work with -ECANCELED once it is not 0; or NULL
 *
 * Return: 0, -ECANCELED, -ENOMEM, -EBADMSG. Since 0.1.
 */
PINPOOL_API int pinpool_kg_components(const struct pinpool_kg *kg, struct pinpool_math *math, uint64_t *component,
				      uint64_t *count, const volatile int *cancel);

/**
 * struct pinpool_kg_rank_opts - how to rank nodes
 * @size: sizeof(struct pinpool_kg_rank_opts)
 * @math: threads that share the work, or NULL for the caller alone
 * @damping: share that follows edges, 0 for 0.85
 * @tolerance: sum of changes at which it ends, 0 for 1e-9
 * @iterations: most rounds, 0 for 100
 * @cancel: ends the work with -ECANCELED once it is not 0; or NULL
 */
struct pinpool_kg_rank_opts {
	size_t size;
	struct pinpool_math *math;
	double damping;
	double tolerance;
	uint32_t iterations;
	const volatile int *cancel;
};

/**
 * pinpool_kg_rank - PageRank of every node
 * @opts: options or NULL
 * @rank: receives one number for each node, which together are 1, the same for any number of threads
 * @iterations: receives how many rounds it took, or NULL
 *
 * Return: 0, -ECANCELED, -EINVAL, -ENOMEM, -EBADMSG. Since 0.1.
 */
PINPOOL_API int pinpool_kg_rank(const struct pinpool_kg *kg, const struct pinpool_kg_rank_opts *opts, double *rank,
				uint32_t *iterations);

/**
 * typedef pinpool_kg_scan_fn - receives triples of a scan
 *
 * @count triples of one predicate, in the order of subject and object; @thread is below the number of threads. Runs on
 * several threads at once. Returns 0, or -errno, which ends the scan.
 */
typedef int (*pinpool_kg_scan_fn)(void *arg, const struct pinpool_triple *triples, size_t count, unsigned int thread);

/* All triples of @predicate, or of all with PINPOOL_KG_ANY. Return: 0, -EBADMSG, -ENOMEM, or what @fn returned. Since
 * 0.1. */
PINPOOL_API int pinpool_kg_scan(const struct pinpool_kg *kg, struct pinpool_math *math, uint64_t predicate,
				pinpool_kg_scan_fn fn, void *arg);

/**
 * struct pinpool_kg_bench - what reading a graph costs, here and now
 * @size: sizeof(struct pinpool_kg_bench), set by the caller
 * @bytes_per_triple: of the triples, both directions
 * @sp_ns: S P ?: the list of a triple drawn at random, its first object and how many there are
 * @po_ns: ? P O likewise
 * @spo_ns: whether a triple is there
 * @edge_ns: for an edge, all of those of nodes drawn at random
 * @term_ns: the term of a node drawn at random
 * @find_ns: the node of such a term
 * @text_ns: one string drawn at random, 0 if there are none
 * @text_bytes: bytes of all strings
 * @text_ratio: those for a byte that they take, 0 if there are none
 * @text_rate: 1e9 bytes a second, all strings in their order
 * @ids_rate: 1e9 numbers a second from the longest list
 * @scan_rate: 1e6 triples a second, all of them, by all threads
 * @components_ns: weakly connected components, by all threads
 * @rank_ns: one round of PageRank, by all threads
 * @near_ns: for a node that is within two steps of one drawn at random
 */
struct pinpool_kg_bench {
	size_t size;
	double bytes_per_triple;
	double sp_ns;
	double po_ns;
	double spo_ns;
	double edge_ns;
	double term_ns;
	double find_ns;
	double text_ns;
	uint64_t text_bytes;
	double text_ratio;
	double text_rate;
	double ids_rate;
	double scan_rate;
	double components_ns;
	double rank_ns;
	double near_ns;
};

/**
 * pinpool_kg_measure - measure what reading a graph costs
 * @math: threads of what says so, or NULL for the caller alone; the rest is measured on one
 * @bench: receives medians over some rounds, warm
 *
 * Return: 0, -EINVAL (size), -ENOMEM, -EBADMSG. Since 0.1.
 */
PINPOOL_API int pinpool_kg_measure(const struct pinpool_kg *kg, struct pinpool_math *math, struct pinpool_kg_bench *bench);

#ifdef __cplusplus
}
#endif
#endif
