/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Workers sleep on `phase`, a counter that is odd while work may be taken. A worker that sees an odd value announces
 * itself in `inside`, looks again, and takes units until none is left. team_run() opens a phase, works too, closes it
 * and waits for those inside: so nobody waits for a worker that never woke, and `work` changes only when nobody reads
 * it. Announcing and looking, closing and waiting are sequentially consistent: of a worker that enters and a caller
 * that closes at the same moment, at least one sees the other.
 */
#include "math/team.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "math/environment.h"

/* Looks at a word before sleeping on it: some 20 microseconds, the time a sleep and a wake-up take. */
#define SPIN_LOOKS 500

struct worker {
	struct team *team;
	pthread_t thread;
	unsigned int index;
};

struct team {
	unsigned int threads;
	unsigned int started;
	unsigned int spin;
	pid_t owner;
	struct {
		team_fn fn;
		void *arg;
		size_t units;
	} work;
	/* On lines of their own: each is written by other threads at other times. */
	_Alignas(64) atomic_size_t next;
	_Alignas(64) _Atomic uint32_t phase;
	_Atomic uint32_t sleepers;
	atomic_bool stop;
	_Alignas(64) _Atomic uint32_t inside;
	atomic_bool waiting;
	struct worker workers[];
};

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Returns early for any reason or none; callers look again. */
static void sleep_while(_Atomic uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake(_Atomic uint32_t *word, int count)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static void take_units(struct team *team, unsigned int thread)
{
	for (;;) {
		size_t unit = atomic_fetch_add_explicit(&team->next, 1, memory_order_relaxed);

		if (unit >= team->work.units)
			return;
		team->work.fn(team->work.arg, unit, thread);
	}
}

static void enter_phase(struct team *team, uint32_t phase, unsigned int thread)
{
	atomic_fetch_add(&team->inside, 1);
	if (atomic_load(&team->phase) == phase)
		take_units(team, thread);
	if (atomic_fetch_sub(&team->inside, 1) == 1 && atomic_load(&team->waiting))
		wake(&team->inside, 1);
}

static void await_phase(struct team *team, uint32_t seen)
{
	for (unsigned int look = 0; look < team->spin; look++) {
		if (atomic_load_explicit(&team->phase, memory_order_relaxed) != seen)
			return;
		relax();
	}
	atomic_fetch_add(&team->sleepers, 1);
	while (atomic_load(&team->phase) == seen)
		sleep_while(&team->phase, seen);
	atomic_fetch_sub(&team->sleepers, 1);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct team *team = worker->team;
	uint32_t seen = 0;

	/* The rounding and subnormals of a product are not those of whoever made the context. */
	environment_set_default();
	for (;;) {
		await_phase(team, seen);
		seen = atomic_load(&team->phase);
		if (atomic_load(&team->stop))
			return NULL;
		if (seen & 1)
			enter_phase(team, seen, worker->index);
	}
}

static void change_phase(struct team *team)
{
	atomic_fetch_add(&team->phase, 1);
	if (atomic_load(&team->sleepers))
		wake(&team->phase, INT_MAX);
}

static void await_workers(struct team *team)
{
	uint32_t inside;

	for (unsigned int look = 0; look < team->spin; look++) {
		if (!atomic_load(&team->inside))
			return;
		relax();
	}
	atomic_store(&team->waiting, true);
	while ((inside = atomic_load(&team->inside)))
		sleep_while(&team->inside, inside);
	atomic_store(&team->waiting, false);
}

void team_run(struct team *team, team_fn fn, void *arg, size_t units)
{
	if (units <= 1 || !team->started) {
		for (size_t unit = 0; unit < units; unit++)
			fn(arg, unit, 0);
		return;
	}
	team->work.fn = fn;
	team->work.arg = arg;
	team->work.units = units;
	atomic_store_explicit(&team->next, 0, memory_order_relaxed);
	change_phase(team);
	take_units(team, 0);
	/* Closing wakes nobody: a worker that still sleeps has missed nothing. */
	atomic_fetch_add(&team->phase, 1);
	await_workers(team);
}

unsigned int team_threads(const struct team *team)
{
	return team->threads;
}

unsigned int team_processors(void)
{
	/* The kernel refuses a set smaller than its own, whose size it does not tell. */
	for (int bits = CPU_SETSIZE; bits <= 1 << 20; bits *= 2) {
		size_t size = CPU_ALLOC_SIZE(bits);
		cpu_set_t *set = CPU_ALLOC(bits);
		int count = 0;
		int ret;

		if (!set)
			break;
		ret = sched_getaffinity(0, size, set);
		if (!ret)
			count = CPU_COUNT_S(size, set);
		CPU_FREE(set);
		if (!ret)
			return count > 0 ? (unsigned int)count : 1;
	}
	return 1;
}

static void stop_workers(struct team *team)
{
	atomic_store(&team->stop, true);
	change_phase(team);
	for (unsigned int i = 0; i < team->started; i++)
		pthread_join(team->workers[i].thread, NULL);
}

int team_new(struct team **out, unsigned int threads)
{
	size_t size = sizeof(struct team) + (threads - 1) * sizeof(struct worker);
	sigset_t all, before;
	struct team *team;
	void *memory;
	int ret = 0;

	if (posix_memalign(&memory, _Alignof(struct team), size))
		return -ENOMEM;
	team = memory;
	*team = (struct team){ .threads = threads, .owner = getpid() };
	team->spin = threads <= team_processors() ? SPIN_LOOKS : 0;
	/* Signals are for the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned int i = 0; i < threads - 1; i++) {
		struct worker *worker = &team->workers[i];

		*worker = (struct worker){ .team = team, .index = i + 1 };
		ret = -pthread_create(&worker->thread, NULL, worker_main, worker);
		if (ret)
			break;
		pthread_setname_np(worker->thread, "pinpool-math");
		team->started++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret) {
		stop_workers(team);
		free(team);
		return ret;
	}
	*out = team;
	return 0;
}

void team_free(struct team *team)
{
	/* After fork() the workers are in the parent only. */
	if (team->owner == getpid())
		stop_workers(team);
	free(team);
}
