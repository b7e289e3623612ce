/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * As many triples as fit in some memory, with their terms, each kept once and known by a number of its own here. What
 * comes of it is a run (runs.h): keys in order, and triples of the keys' places in that order.
 */
#ifndef PINPOOL_KG_BATCH_H
#define PINPOOL_KG_BATCH_H

#include <pinpool/common.h>

#include "codec/bytes.h"
#include "kg/terms.h"

/* Numbers of terms, in the order in which they came or in the order of their keys. */
struct batch_triple {
	uint32_t s;
	uint32_t p;
	uint32_t o;
};

/* A key among others. */
struct batch_key {
	uint64_t at; /* in the keys' bytes */
	uint32_t bytes;
	uint32_t hash;
};

/**
 * struct batch_terms - terms of one dictionary
 * @bytes: keys, one after another
 * @keys: where they are, by number
 * @count: how many
 * @room: for how many
 * @slots: a table by hashes: number + 1, or 0
 * @slot_count: a power of two
 */
struct batch_terms {
	struct bytes bytes;
	struct batch_key *keys;
	size_t count;
	size_t room;
	uint32_t *slots;
	size_t slot_count;
};

/**
 * struct batch - triples and terms
 * @nodes: terms of subjects and objects
 * @predicates: terms of predicates
 * @triples: the triples
 * @count: how many
 * @room: for how many
 * @key: the key in work
 */
struct batch {
	struct batch_terms nodes;
	struct batch_terms predicates;
	struct batch_triple *triples;
	size_t count;
	size_t room;
	struct bytes key;
};

/* A zeroed batch is empty. Returns 0, -ENOMEM, -EINVAL and -E2BIG as term_to_key() gives. */
int batch_add(struct batch *batch, const struct term terms[3]);
/* About how many bytes it takes. */
size_t batch_bytes(const struct batch *batch);
/*
 * The numbers of @terms in the order of their keys in *@order, for free(), and the place of each number in that order
 * in
 * *@places, likewise. Returns 0 or -ENOMEM.
 */
int batch_order(const struct batch_terms *terms, uint32_t **order, uint32_t **places);
/* Gives its memory back; it is empty again. */
void batch_free(struct batch *batch);

#endif
