/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Threads that share the units of one piece of work. */
#ifndef PINPOOL_MATH_TEAM_H
#define PINPOOL_MATH_TEAM_H

#include <stddef.h>

struct team;

/* @thread is below the team's count and names what a unit may keep to itself; the caller of team_run() is 0. */
typedef void (*team_fn)(void *arg, size_t unit, unsigned int thread);

/* @threads in all, the caller of team_run() included. Returns 0, -ENOMEM, -EAGAIN. */
int team_new(struct team **out, unsigned int threads);
void team_free(struct team *team);
unsigned int team_threads(const struct team *team);
/* Processors this process may run on, at least 1. */
unsigned int team_processors(void);
/* Runs units 0 to @units - 1, each once, in any order; returns when all are done. One call at a time. */
void team_run(struct team *team, team_fn fn, void *arg, size_t units);

#endif
