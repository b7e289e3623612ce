/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Sets of few values, by their bits: which there are, and the number of each once they are in order. */
#ifndef PINPOOL_CODEC_DISTINCT_H
#define PINPOOL_CODEC_DISTINCT_H

#include "codec/weights.h"

#include <stdlib.h>
#include <string.h>

#define DISTINCT_SLOTS 1024u

/**
 * struct distinct - up to WEIGHTS_DISTINCT_MAX values
 * @count: how many; one more than the most if there are more, and then the others say nothing
 * @values: in the order in which they came, or by their bits
 * @slots: number of a value plus one, by its hash; 0: none
 */
struct distinct {
	uint32_t count;
	uint32_t values[WEIGHTS_DISTINCT_MAX];
	uint16_t slots[DISTINCT_SLOTS];
};

static inline void distinct_clear(struct distinct *set)
{
	set->count = 0;
	memset(set->slots, 0, sizeof(set->slots));
}

static inline bool distinct_overflows(const struct distinct *set)
{
	return set->count > WEIGHTS_DISTINCT_MAX;
}

/* Where @value is, or would be. */
static inline uint32_t distinct_slot(const struct distinct *set, uint32_t value)
{
	uint32_t slot = value * 0x9e3779b1u >> 22;

	while (set->slots[slot] && set->values[set->slots[slot] - 1] != value)
		slot = (slot + 1) % DISTINCT_SLOTS;
	return slot;
}

/* @set does not overflow yet. */
static inline void distinct_add(struct distinct *set, uint32_t value)
{
	uint32_t slot = distinct_slot(set, value);

	if (set->slots[slot])
		return;
	if (set->count < WEIGHTS_DISTINCT_MAX) {
		set->values[set->count] = value;
		set->slots[slot] = (uint16_t)(set->count + 1);
	}
	set->count++;
}

/* Adds what @other has. */
static inline void distinct_merge(struct distinct *set, const struct distinct *other)
{
	if (distinct_overflows(other))
		set->count = WEIGHTS_DISTINCT_MAX + 1;
	for (uint32_t i = 0; i < other->count && !distinct_overflows(set); i++)
		distinct_add(set, other->values[i]);
}

static inline int distinct_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Puts them in the order of their bits; numbers are those in this order then. */
static inline void distinct_sort(struct distinct *set)
{
	qsort(set->values, set->count, sizeof(*set->values), distinct_compare);
	memset(set->slots, 0, sizeof(set->slots));
	for (uint32_t i = 0; i < set->count; i++)
		set->slots[distinct_slot(set, set->values[i])] = (uint16_t)(i + 1);
}

/* Number of a value that is there. */
static inline unsigned char distinct_number(const struct distinct *set, uint32_t value)
{
	return (unsigned char)(set->slots[distinct_slot(set, value)] - 1);
}

#endif
