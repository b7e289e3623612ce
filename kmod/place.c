// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the pages of a pool come from: the NUMA policy of its creation. It answers for each place in the pool which
 * node is wanted and whether another would do, and never changes.
 */
#include <linux/bitops.h>
#include <linux/nodemask.h>

#include "pinpool.h"

static bool node_has_memory(s32 nid)
{
	if (nid < 0 || nid >= MAX_NUMNODES)
		return false;
	/* Users choose it, so not beyond the mask by speculation either. */
	return node_state(array_index_nospec(nid, MAX_NUMNODES), N_MEMORY);
}

/* The nodes of N_MEMORY that a mask of the ABI can name. */
static u64 nodes_with_memory(void)
{
	u64 nodes = 0;
	int n;

	for (n = 0; n < BITS_PER_TYPE(nodes) && n < MAX_NUMNODES; n++)
		if (node_state(n, N_MEMORY))
			nodes |= BIT_ULL(n);
	return nodes;
}

/**
 * pinpool_place_init - check the policy of a creation and keep it
 * @place: receives it
 * @create: what was asked for
 *
 * Return: 0, -EOPNOTSUPP for a policy that is not known, or -EINVAL for nodes that do not exist or do not go with it.
 */
int pinpool_place_init(struct pinpool_place *place, const struct pinpool_create *create)
{
	u64 memory = nodes_with_memory();

	if (create->numa_node != NUMA_NO_NODE && !node_has_memory(create->numa_node))
		return -EINVAL;
	place->policy = create->numa_policy;
	place->node = create->numa_node;
	place->nodes = create->numa_nodes;

	switch (create->numa_policy) {
	case PINPOOL_NUMA_BIND:
		return place->nodes ? -EINVAL : 0;
	case PINPOOL_NUMA_PREFER:
		return place->nodes || place->node == NUMA_NO_NODE ? -EINVAL : 0;
	case PINPOOL_NUMA_INTERLEAVE:
		if (place->node != NUMA_NO_NODE || (place->nodes & ~memory))
			return -EINVAL;
		place->nodes = place->nodes ?: memory;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * pinpool_place_node - the node wanted for a page
 * @place: the policy
 * @index: the page's place in its pool
 *
 * Return: the node, or NUMA_NO_NODE if any will do.
 */
int pinpool_place_node(const struct pinpool_place *place, unsigned long index)
{
	u64 nodes = place->nodes;
	unsigned long skip;

	if (place->policy != PINPOOL_NUMA_INTERLEAVE)
		return place->node;
	for (skip = index % hweight64(nodes); skip; skip--)
		nodes &= nodes - 1;
	return __ffs64(nodes);
}

/**
 * pinpool_place_strict - whether only the wanted node will do
 * @place: the policy
 *
 * Return: true if so.
 */
bool pinpool_place_strict(const struct pinpool_place *place)
{
	return place->policy != PINPOOL_NUMA_PREFER;
}
