/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* A heap of runs; see merge.h. */
#include "kg/merge.h"

#include <errno.h>
#include <stdlib.h>

int merge_open(struct merge *merge, size_t runs, bool (*before)(const void *arg, size_t a, size_t b), const void *arg)
{
	*merge = (struct merge){.heap = calloc(runs + 1, sizeof(*merge->heap)), .before = before, .arg = arg};
	return merge->heap ? 0 : -ENOMEM;
}

static bool run_before(const struct merge *merge, size_t a, size_t b)
{
	if (merge->before(merge->arg, a, b))
		return true;
	return a < b && !merge->before(merge->arg, b, a);
}

void merge_add(struct merge *merge, size_t run)
{
	size_t at = merge->count++;

	while (at && run_before(merge, run, merge->heap[(at - 1) / 2])) {
		merge->heap[at] = merge->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	merge->heap[at] = run;
}

void merge_advance(struct merge *merge, bool ended)
{
	size_t run = ended ? merge->heap[--merge->count] : merge->heap[0];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < merge->count) {
		if (child + 1 < merge->count && run_before(merge, merge->heap[child + 1], merge->heap[child]))
			child++;
		if (!run_before(merge, merge->heap[child], run))
			break;
		merge->heap[at] = merge->heap[child];
		at = child;
	}
	if (merge->count)
		merge->heap[at] = run;
}

void merge_close(struct merge *merge)
{
	free(merge->heap);
	*merge = (struct merge){0};
}
