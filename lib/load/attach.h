/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The same checkpoint asked for twice is loaded once: who comes later waits for the load that runs and takes what it
 * published, if that is what he asked for. Nothing of the pool is changed here.
 */
#ifndef PINPOOL_LOAD_ATTACH_H
#define PINPOOL_LOAD_ATTACH_H

#include "load/plan.h"

/**
 * struct attach - one attempt
 * @ctx: where pools are
 * @name: the pool
 * @plan: what would be loaded
 * @opts: how; cancel and progress are kept up
 * @start_ns: CLOCK_MONOTONIC, for progress
 * @info: of the pool that was attached to
 */
struct attach {
	struct pinpool_ctx *ctx;
	const char *name;
	const struct plan *plan;
	const struct pinpool_load_opts *opts;
	uint64_t start_ns;
	struct pinpool_info info;
};

/*
 * Waits as long as somebody loads the pool. Returns 0: it is READY and holds what @plan says, with the same digests
 * where that is asked for, and @plan has its digests if the user has a list; -EAGAIN: it is EMPTY; -ENOENT: there is
 * none; -EEXIST: it is READY and holds something else,
 * @diag says what differs; -ECANCELED, and what opening and reading give.
 */
int attach_try(struct attach *attach, struct pinpool_diag *diag);

/* Sleeps a moment, with cancel and progress. Returns 0 or -ECANCELED. */
int attach_sleep(const struct attach *attach, struct pinpool_diag *diag);

#endif
