/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A load with somebody beside it who works on the bytes as they land, and publishes what he made of them together with
 * them: after the last byte, before anybody sees the weights.
 */
#ifndef PINPOOL_LOAD_FOLLOW_H
#define PINPOOL_LOAD_FOLLOW_H

#include "load/plan.h"

/**
 * struct load_follower - who works beside a load
 * @arg: first argument of all that follow
 * @begin: the pool is LOADING, mapped at @base, and nothing is in it; calling thread
 * @landed: everything below @end, counted from the start of the pool, is in its place. Called by a thread of the
 *	engine, which it must not hold up, and only if digests are made
 * @publish: all of it is there, with its digests in the plan; @commit is what the pool will be committed with next. No
 *	call of @landed runs any more. Calling thread
 * @stop: the load failed; when this returns, nothing reads the pool any more, which goes next. Calling thread
 *
 * What @begin and @publish refuse ends the load with that error. A load that attaches calls none of them.
 */
struct load_follower {
	void *arg;
	int (*begin)(void *arg, struct pinpool_pool *pool, const struct plan *plan, const void *base,
		     struct pinpool_diag *diag);
	void (*landed)(void *arg, uint64_t end);
	int (*publish)(void *arg, const struct plan *plan, const struct pinpool_commit_opts *commit,
		       struct pinpool_diag *diag);
	void (*stop)(void *arg);
};

/* pinpool_load() with a follower, or NULL. */
int load_followed(struct pinpool_ctx *ctx, const char *name, const char *path, const struct pinpool_load_opts *opts,
		  const struct load_follower *follower, struct pinpool_load_report *report, struct pinpool_diag *diag);

#endif
