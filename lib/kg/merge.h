/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Which of many sorted runs comes next: a heap of their numbers, ordered by the runs' heads, which the caller has.
 * Equal heads come in the order of the runs' numbers.
 */
#ifndef PINPOOL_KG_MERGE_H
#define PINPOOL_KG_MERGE_H

#include <stdbool.h>
#include <stddef.h>

struct merge {
	size_t *heap;
	size_t count;
	/* Whether the head of run @a comes before that of run @b. */
	bool (*before)(const void *arg, size_t a, size_t b);
	const void *arg;
};

/* Room for @runs. Returns 0 or -ENOMEM. */
int merge_open(struct merge *merge, size_t runs, bool (*before)(const void *arg, size_t a, size_t b), const void *arg);
/* @run has a head. Each run at most once. */
void merge_add(struct merge *merge, size_t run);
/* The run whose head is the first; there is one. */
static inline size_t merge_first(const struct merge *merge)
{
	return merge->heap[0];
}
/* The head of that run is another now, or, with @ended, it has none any more. */
void merge_advance(struct merge *merge, bool ended);
void merge_close(struct merge *merge);

#endif
