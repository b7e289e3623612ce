/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Numbers of up to 128 bits in order, each once, however many there are: sorted in memory as far as that goes, in runs
 * on a disk beyond. A triple is such a number (order.h).
 */
#ifndef PINPOOL_KG_SORT_H
#define PINPOOL_KG_SORT_H

#include "kg/spill.h"

__extension__ typedef unsigned __int128 sort_number;

struct sorter;

/*
 * For numbers below 2^(8 * @width), with at most @memory bytes, in memory only as long as those suffice. Returns 0,
 * -ENOMEM.
 */
int sorter_new(struct sorter **out, struct spill_space *space, size_t memory, unsigned int width);
void sorter_free(struct sorter *sorter);
/* Returns 0, or what writing temporary files gives. */
int sorter_add(struct sorter *sorter, sort_number number, struct pinpool_diag *diag);
/*
 * All are there; from now on they can be taken, from the first one on again after each call. Returns 0, -ENOMEM,
 * -E2BIG (@memory is too little to merge so many runs), what temporary files give.
 */
int sorter_rewind(struct sorter *sorter, struct pinpool_diag *diag);
/* The next larger number. Returns 1, 0 at the end, -EIO. */
int sorter_next(struct sorter *sorter, sort_number *number, struct pinpool_diag *diag);
/* How many were added, those that came again included. */
uint64_t sorter_added(const struct sorter *sorter);
/* How many runs went to the disk, 0 if all is in memory. */
size_t sorter_runs(const struct sorter *sorter);

#endif
