/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Taking a pool to fill it: one that is EMPTY, or a new one. Whoever else is faster has it, the pool that was made for
 * it, too; what was taken and not published is removed if it was made here, else EMPTY again.
 */
#ifndef PINPOOL_POOL_TAKE_H
#define PINPOOL_POOL_TAKE_H

#include <pinpool/pool.h>

struct take {
	struct pinpool_ctx *ctx;
	const char *name;
	const struct pinpool_create_opts *create; /* or NULL; a capacity of 0 is @need */
	uint64_t need; /* bytes of capacity */

	struct pinpool_pool *pool;
	bool created;
	uint64_t create_ns;
	uint64_t small; /* a capacity that was asked for and is less than @need, else 0 */
};

/*
 * The pool is LOADING. Returns 0, -ENOSPC (with @small: the caller has the words), -EEXIST (READY), -EBUSY, and what
 * creating and opening give. After a failure take_give_up() is still owed.
 */
int take_begin(struct take *take, struct pinpool_diag *diag);
/* Unless it was published. @made_for: what a pool that cannot be removed is left over of. */
void take_give_up(struct take *take, const char *made_for);

#endif
