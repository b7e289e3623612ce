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
 * @landed: everything below @end, counted from the start of the pool, is in its place, and digested if digests are
 *	made. Called by a thread of the engine, in order; what it takes holds up digests. Or NULL
 * @publish: all of it is there, with its digests in the plan; @commit is what the pool will be committed with next. No
 *	call of @landed runs any more. Calling thread. Or NULL
 * @stop: the load failed with @err; when this returns, nothing reads the pool any more, which goes next. Calling
 *	thread, also if @begin was never called. Or NULL
 * @next: another who follows, or NULL; called after this one
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
	void (*stop)(void *arg, int err);
	const struct load_follower *next;
};

/* pinpool_load() with a list of followers, or NULL. Who pinpool_load_opts.landed names comes after them. */
int load_followed(struct pinpool_ctx *ctx, const char *name, const char *path, const struct pinpool_load_opts *opts,
		  const struct load_follower *followers, struct pinpool_load_report *report, struct pinpool_diag *diag);

#endif
