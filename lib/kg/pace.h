/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* How far a build is, who wants to know it, and whether it is to go on. The caller's thread alone tells. */
#ifndef PINPOOL_KG_PACE_H
#define PINPOOL_KG_PACE_H

#include <pinpool/load.h>

/* What a build does, one after another. */
enum pace_phase { PACE_READ, PACE_NAMES, PACE_SORT, PACE_TRIPLES, PACE_PUBLISH, PACE_PHASES };

/**
 * struct pace - progress of one build
 * @name: of the pool
 * @progress: as in struct pinpool_kg_build_opts
 * @progress_arg: likewise
 * @cancel: likewise
 * @bytes: of all inputs, as far as it is known
 * @file: in work
 * @phase: in work
 * @start_ns: when it began, CLOCK_MONOTONIC
 * @told_ns: when it was told last
 */
struct pace {
	const char *name;
	pinpool_progress_fn progress;
	void *progress_arg;
	const volatile int *cancel;
	uint64_t bytes;
	const char *file;
	enum pace_phase phase;
	uint64_t start_ns;
	uint64_t told_ns;
};

/* @done of @total in this phase; a few times a second, or @always. Returns not 0 to end the build. */
int pace_tell(struct pace *pace, uint64_t done, uint64_t total, bool always);
/* Each phase is told of, however short it is. Returns 0 or -ECANCELED. */
int pace_begin(struct pace *pace, enum pace_phase phase, struct pinpool_diag *diag);
/* Now and then in a loop; @done is how often it went round. Returns 0 or -ECANCELED. */
int pace_look(struct pace *pace, uint64_t done, uint64_t total, struct pinpool_diag *diag);
/* Returns -ECANCELED. */
int pace_end(const struct pace *pace, struct pinpool_diag *diag);

#endif
