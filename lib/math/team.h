/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Threads that share the units of one piece of work. */
#ifndef PINPOOL_MATH_TEAM_H
#define PINPOOL_MATH_TEAM_H

#include <pinpool/math.h>

#include "math/topology.h"

struct team;

/* @thread is below team_threads() and names what a unit may keep to itself; the caller of team_run() is 0. */
typedef void (*team_fn)(void *arg, size_t unit, unsigned int thread);

struct team_opts {
	/* The caller of team_run() and the workers. */
	unsigned int threads;
	/* Room for threads that join. */
	unsigned int joiners;
	enum pinpool_pin pin;
};

/* Returns 0, -ENOMEM, -EAGAIN; with PINPOOL_PIN_ON also why a worker cannot be pinned. */
int team_new(struct team **out, const struct team_opts *opts, const struct topology *topology);
/* Waits for the threads that have joined. */
void team_free(struct team *team);
/* Most threads that share work: the caller, the workers and those for which there is room to join. */
unsigned int team_threads(const struct team *team);
/* The caller and the workers. */
unsigned int team_own_threads(const struct team *team);
/*
 * Runs units 0 to @units - 1, each once, in any order; returns when all are done. One call at a time. Threads of one
 * node get units next to each other, from call to call the same, but for what others steal.
 */
void team_run(struct team *team, team_fn fn, void *arg, size_t units);

/* Works until team_release(). Returns 0, at once if that was before, -ENOSPC (no room), -ECHILD (a parent's team). */
int team_join(struct team *team);
/* Lets those who joined go, and closes the team for others. */
void team_release(struct team *team);
void team_admit(struct team *team);

#endif
