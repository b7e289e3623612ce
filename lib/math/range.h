/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Units that one thread has and others may steal: the first and the end in one word, so that of two who want a unit one
 * gets it. The owner takes from the front, thieves from the back. Only the owner sets a range, and only when it is
 * empty. A word that a thief has read and finds unchanged stands for the same units, even if they were away meanwhile:
 * no unit is handed out twice. Nothing else is published here, so nothing is ordered.
 */
#ifndef PINPOOL_MATH_RANGE_H
#define PINPOOL_MATH_RANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Units are below this: the owner may count one past the end, and never into the other half. */
#define RANGE_UNITS (1u << 20)

/* First unit in the lower half, end in the upper. */
typedef _Atomic uint64_t range_t;

static inline uint32_t bounds_first(uint64_t bounds)
{
	return (uint32_t)bounds;
}

static inline uint32_t bounds_end(uint64_t bounds)
{
	return (uint32_t)(bounds >> 32);
}

static inline void range_set(range_t *range, uint32_t first, uint32_t end)
{
	atomic_store_explicit(range, (uint64_t)end << 32 | first, memory_order_relaxed);
}

static inline uint32_t range_left(range_t *range)
{
	uint64_t bounds = atomic_load_explicit(range, memory_order_relaxed);

	return bounds_first(bounds) < bounds_end(bounds) ? bounds_end(bounds) - bounds_first(bounds) : 0;
}

/* The owner, one unit; false if none is left. */
static inline bool range_take(range_t *range, uint32_t *unit)
{
	uint64_t bounds;

	if (!range_left(range))
		return false;
	bounds = atomic_fetch_add_explicit(range, 1, memory_order_relaxed);
	*unit = bounds_first(bounds);
	return bounds_first(bounds) < bounds_end(bounds);
}

/* Anybody, the back half, of one unit all; false if none is left. */
static inline bool range_steal(range_t *range, uint32_t *first, uint32_t *end)
{
	uint64_t bounds = atomic_load_explicit(range, memory_order_relaxed);

	do {
		if (bounds_first(bounds) >= bounds_end(bounds))
			return false;
		*end = bounds_end(bounds);
		*first = bounds_first(bounds) + (*end - bounds_first(bounds)) / 2;
	} while (!atomic_compare_exchange_weak_explicit(range, &bounds, (uint64_t)*first << 32 | bounds_first(bounds),
							memory_order_relaxed, memory_order_relaxed));
	return true;
}

#endif
