/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Work for teams that shows who did what. Who must wait in it waits for an event, and fails after a while without it.
 * Include after harness.h.
 */
#ifndef PINPOOL_SELFTESTS_TEAM_CASE_H
#define PINPOOL_SELFTESTS_TEAM_CASE_H

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "math/team.h"

#define MAX_THREADS 16
/* Seconds after which an event will not come; a sanitizer's or an emulated machine's are long. */
#define PATIENCE 20

static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Waits until *@counter is at least @value; false if it takes longer than @seconds. */
static inline bool await_for(atomic_size_t *counter, size_t value, double seconds)
{
	double end = now() + seconds;

	while (atomic_load(counter) < value) {
		if (now() > end)
			return false;
		usleep(50);
	}
	return true;
}

static inline bool await(atomic_size_t *counter, size_t value)
{
	return await_for(counter, value, PATIENCE);
}

static inline struct team *team_of(struct __test_metadata *_metadata, unsigned int threads, unsigned int joiners)
{
	struct team_opts opts = { .threads = threads, .joiners = joiners, .pin = PINPOOL_PIN_OFF };
	struct topology topology;
	struct team *team;

	ASSERT_EQ(0, topology_read(&topology));
	ASSERT_EQ(0, team_new(&team, &opts, &topology));
	topology_free(&topology);
	EXPECT_EQ(threads, team_own_threads(team));
	EXPECT_EQ(threads + joiners, team_threads(team));
	return team;
}

struct count {
	atomic_uchar *times;
	atomic_size_t wrong;
	unsigned int threads;
};

static inline void count_unit(void *arg, size_t unit, unsigned int thread)
{
	struct count *count = arg;

	atomic_fetch_add_explicit(&count->times[unit], 1, memory_order_relaxed);
	if (thread >= count->threads)
		atomic_fetch_add(&count->wrong, 1);
}

/* How many units did not run exactly once. */
static inline size_t count_wrong(struct __test_metadata *_metadata, struct team *team, size_t units)
{
	struct count count = { .times = calloc(units + 1, 1), .threads = team_threads(team) };
	size_t wrong;

	ASSERT_NE(NULL, count.times);
	team_run(team, count_unit, &count, units);
	wrong = count.wrong;
	for (size_t i = 0; i < units; i++)
		wrong += count.times[i] != 1;
	free(count.times);
	return wrong;
}

/* Each thread waits in its first unit for all others, so nobody steals before all have begun. */
struct meeting {
	size_t threads;
	/* 0: PATIENCE. */
	double seconds;
	size_t first[MAX_THREADS];
	atomic_bool begun[MAX_THREADS];
	atomic_size_t arrived;
	atomic_size_t missed;
};

static inline void meet_unit(void *arg, size_t unit, unsigned int thread)
{
	struct meeting *meeting = arg;

	if (atomic_exchange(&meeting->begun[thread], true))
		return;
	meeting->first[thread] = unit;
	atomic_fetch_add(&meeting->arrived, 1);
	if (!await_for(&meeting->arrived, meeting->threads, meeting->seconds ? meeting->seconds : PATIENCE))
		atomic_fetch_add(&meeting->missed, 1);
}

#endif
