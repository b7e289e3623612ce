/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The tensors of a load in the order in which they land, and telling the caller of each, once, in that order. A tensor
 * has landed when all that lies below its end is in its place.
 */
#ifndef PINPOOL_LOAD_LANDING_H
#define PINPOOL_LOAD_LANDING_H

#include "load/plan.h"

#include <pinpool/catalog.h>

/**
 * struct landing - tensors in the order in which they land, which is that of @plan
 * @plan: of the load, which outlives this
 * @base: the pool, mapped
 * @digests: they are made
 */
struct landing {
	const struct plan *plan;
	const char *base;
	bool digests;
};

/* Byte behind tensor @index, from the start of the pool. */
static inline uint64_t landing_end(const struct landing *landing, size_t index)
{
	const struct pinpool_tensor *tensor = &landing->plan->tensors[index];

	return tensor->offset + tensor->bytes;
}

/* What the caller is told of tensor @index; @whole: it has landed, so its digest is known if digests are made. */
struct pinpool_tensor landing_tensor(const struct landing *landing, size_t index, bool whole);

/**
 * struct teller - who calls pinpool_load_opts.landed
 * @landing: what there is to tell of
 * @opts: of the load
 * @next: tensor to tell of next
 */
struct teller {
	struct landing landing;
	const struct pinpool_load_opts *opts;
	size_t next;
};

/* Everything below @end has landed. */
void teller_landed(struct teller *teller, uint64_t end);

#endif
