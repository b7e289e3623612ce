/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Triples as numbers whose order is the triples' order, as few bits as the graph needs: by subject, predicate, object,
 * or by object, predicate, subject.
 */
#ifndef PINPOOL_KG_ORDER_H
#define PINPOOL_KG_ORDER_H

#include <errno.h>

#include "kg/graph.h"
#include "kg/sort.h"

enum { ORDER_OUT, ORDER_IN, ORDERS };

struct order {
	unsigned int node_bits;
	unsigned int predicate_bits;
	unsigned int width; /* bytes */
};

static inline unsigned int order_bits(uint64_t count)
{
	return count > 1 ? 64 - (unsigned int)__builtin_clzll(count - 1) : 0;
}

/* Returns 0, or -EOVERFLOW if there are too many of them. */
static inline int order_open(struct order *order, uint64_t nodes, uint64_t predicates)
{
	unsigned int bits;

	order->node_bits = order_bits(nodes);
	order->predicate_bits = order_bits(predicates);
	bits = 2 * order->node_bits + order->predicate_bits;
	order->width = bits ? (bits + 7) / 8 : 1;
	return bits > 8 * sizeof(sort_number) ? -EOVERFLOW : 0;
}

static inline sort_number order_number(const struct order *order, unsigned int way, const struct graph_triple *triple)
{
	sort_number first = way == ORDER_OUT ? triple->s : triple->o;
	uint64_t last = way == ORDER_OUT ? triple->o : triple->s;

	return ((first << order->predicate_bits | triple->p) << order->node_bits) | last;
}

static inline uint64_t order_part(sort_number number, unsigned int bits)
{
	return (uint64_t)number & (bits < 64 ? (1ULL << bits) - 1 : UINT64_MAX);
}

static inline void order_triple(const struct order *order, unsigned int way, sort_number number,
				struct graph_triple *triple)
{
	uint64_t last = order_part(number, order->node_bits), first;

	number >>= order->node_bits;
	triple->p = order_part(number, order->predicate_bits);
	first = (uint64_t)(number >> order->predicate_bits);
	triple->s = way == ORDER_OUT ? first : last;
	triple->o = way == ORDER_OUT ? last : first;
}

#endif
