/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: knowledge graphs
 *
 * A graph of triples (subject, predicate, object) in a READY pool, read where it lies by any process. Nodes (subjects
 * and objects, literals among them) and predicates are numbers from 0 on; the dictionaries give a term for each and find
 * it again. <pinpool/kg_build.h> makes such pools, <pinpool/kg_query.h> asks them.
 */
#ifndef PINPOOL_KG_H
#define PINPOOL_KG_H

#include <pinpool/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* No node, no predicate; in patterns: any. */
#define PINPOOL_KG_ANY UINT64_MAX

/**
 * enum pinpool_term_kind - what a term is
 * @PINPOOL_TERM_IRI: an IRI
 * @PINPOOL_TERM_BLANK: the label of a blank node, without "_:"
 * @PINPOOL_TERM_NAME: a plain name, of TSV or WordNet
 * @PINPOOL_TERM_STRING: a plain string
 * @PINPOOL_TERM_LANG: a string in a language
 * @PINPOOL_TERM_TYPED: a literal of a datatype
 */
enum pinpool_term_kind {
	PINPOOL_TERM_IRI = 0,
	PINPOOL_TERM_BLANK = 1,
	PINPOOL_TERM_NAME = 2,
	PINPOOL_TERM_STRING = 3,
	PINPOOL_TERM_LANG = 4,
	PINPOOL_TERM_TYPED = 5,
};

/**
 * struct pinpool_term - a node's or predicate's name
 * @kind: what it is
 * @text: UTF-8, not terminated
 * @bytes: length of @text
 * @extra: language tag or IRI of the datatype, of the two kinds that have one
 * @extra_bytes: length of @extra
 */
struct pinpool_term {
	enum pinpool_term_kind kind;
	const char *text;
	size_t bytes;
	const char *extra;
	size_t extra_bytes;
};

/**
 * struct pinpool_text - memory for terms that are read
 * @data: for free()
 * @count: bytes that are in use
 * @room: bytes that there are
 *
 * All zero is an empty one. One for many calls saves allocations.
 */
struct pinpool_text {
	char *data;
	size_t count;
	size_t room;
};

struct pinpool_kg;

/**
 * pinpool_kg_open - find the graph in a READY pool
 * @pool: the pool; mapped if it is not yet; must outlive the graph
 * @out: receives the graph, given back with pinpool_kg_close()
 *
 * Takes well under a millisecond, whatever the size: what is read is checked when it is read. Any number of threads may
 * use a graph at once. Return: 0, -ENODATA (not READY), -ENOENT (the pool holds no graph), -EBADMSG (damaged),
 * -EOPNOTSUPP (written by a newer version), -ENOMEM. Since 0.1.
 */
PINPOOL_API int pinpool_kg_open(struct pinpool_pool *pool, struct pinpool_kg **out, struct pinpool_diag *diag);
/* NULL is fine. Since 0.1. */
PINPOOL_API void pinpool_kg_close(struct pinpool_kg *kg);

/**
 * struct pinpool_kg_info - how large a graph is
 * @size: sizeof(struct pinpool_kg_info), set by the caller
 * @nodes: number of nodes
 * @predicates: number of predicates
 * @triples: number of triples, each different
 * @duplicates: triples that its inputs said again
 * @node_bytes: of the dictionary of nodes
 * @predicate_bytes: of the dictionary of predicates
 * @triple_bytes: of the triples, both directions
 */
struct pinpool_kg_info {
	size_t size;
	uint64_t nodes;
	uint64_t predicates;
	uint64_t triples;
	uint64_t duplicates;
	uint64_t node_bytes;
	uint64_t predicate_bytes;
	uint64_t triple_bytes;
};

/* Return: 0, -EINVAL (size). Since 0.1. */
PINPOOL_API int pinpool_kg_get_info(const struct pinpool_kg *kg, struct pinpool_kg_info *info);

/**
 * struct pinpool_kg_column - nodes of one sort, whose numbers follow one another
 * @size: sizeof(struct pinpool_kg_column), set by the caller
 * @name: "IRIs", "strings", "integers", ...
 * @first: the first node
 * @count: how many
 * @bytes: of the dictionary
 * @symbols: entries of the table that its texts are coded by, 0 without one
 */
struct pinpool_kg_column {
	size_t size;
	const char *name;
	uint64_t first;
	uint64_t count;
	uint64_t bytes;
	uint64_t symbols;
};

/* By number, from 0 on. Return: 0, -ENOENT (no such column), -EINVAL (size). Since 0.1. */
PINPOOL_API int pinpool_kg_get_column(const struct pinpool_kg *kg, unsigned int index, struct pinpool_kg_column *column);

/**
 * pinpool_kg_term - the term of a node
 * @node: below the number of nodes
 * @text: memory that @term points into, until the next call with it
 * @term: receives the term
 *
 * Threads have a @text each. Return: 0, -ENOENT (no such node), -ENOMEM, -EBADMSG (damaged). Since 0.1.
 */
PINPOOL_API int pinpool_kg_term(const struct pinpool_kg *kg, uint64_t node, struct pinpool_text *text,
				struct pinpool_term *term);
/* The same of a predicate. Since 0.1. */
PINPOOL_API int pinpool_kg_predicate_term(const struct pinpool_kg *kg, uint64_t predicate, struct pinpool_text *text,
					  struct pinpool_term *term);

/**
 * pinpool_kg_node - the node of a term
 * @term: exactly as it was read
 * @node: receives its number
 *
 * Return: 0, -ENOENT, -EINVAL (no term at all), -ENOMEM, -EBADMSG (damaged). Since 0.1.
 */
PINPOOL_API int pinpool_kg_node(const struct pinpool_kg *kg, const struct pinpool_term *term, uint64_t *node);
/* The same of a predicate. Since 0.1. */
PINPOOL_API int pinpool_kg_predicate(const struct pinpool_kg *kg, const struct pinpool_term *term, uint64_t *predicate);

/**
 * pinpool_kg_prefix - nodes whose terms begin alike
 * @beginning: their kind, what their text begins with and their language or datatype
 * @first: receives the first node
 * @count: receives how many there are; their numbers follow one another
 *
 * Numbers and dates are not found by how they begin. Return: 0 (@count may be 0), -EINVAL, -ENOMEM, -EBADMSG. Since 0.1.
 */
PINPOOL_API int pinpool_kg_prefix(const struct pinpool_kg *kg, const struct pinpool_term *beginning, uint64_t *first,
				  uint64_t *count);

/**
 * pinpool_kg_near - nodes whose terms look like one that there is not
 * @term: what was looked for
 * @nodes: receives up to @most of the same kind, the most alike first
 *
 * Return: how many there are, -EINVAL, -ENOMEM, -EBADMSG. Since 0.1.
 */
PINPOOL_API int pinpool_kg_near(const struct pinpool_kg *kg, const struct pinpool_term *term, uint64_t *nodes,
				unsigned int most);
/* The same of predicates. Since 0.1. */
PINPOOL_API int pinpool_kg_predicate_near(const struct pinpool_kg *kg, const struct pinpool_term *term,
					  uint64_t *predicates, unsigned int most);

/**
 * pinpool_kg_check - read all of a graph
 * @cancel: ends the check with -ECANCELED once it is not 0; or NULL
 *
 * Every term, every list, and that both directions say the same; pinpool_verify() compares digests, which says that
 * nothing has changed. Return: 0, -EBADMSG (@diag says where), -ECANCELED, -ENOMEM. Since 0.1.
 */
PINPOOL_API int pinpool_kg_check(const struct pinpool_kg *kg, const volatile int *cancel, struct pinpool_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
