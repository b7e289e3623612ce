/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Threads sleep on `phase`, a counter that is odd while work may be taken. One that sees an odd value announces itself
 * in `inside`, looks again, and takes units until none is left. team_run() opens a phase, works too, closes it and
 * waits for those inside: so nobody waits for a thread that never woke, and `work` changes only when nobody reads it.
 * Announcing and looking, closing and waiting are sequentially consistent: of a thread that enters and a caller that
 * closes at the same moment, at least one sees the other.
 *
 * Every thread has a slot: 0 is the caller of team_run(), then come the workers, then those that joined. When a phase
 * opens each gets a range of units in the order of slots, awake or not. Who has done its own steals from the fullest
 * other.
 *
 * A thread that joins counts itself in `joined` before anything else and uncounts itself after everything else, so
 * team_free() waits for that.
 */
#include "math/team.h"

#include <errno.h>
#include <fenv.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "math/quota.h"
#include "math/range.h"

/* Looks at a word before sleeping on it: some 20 microseconds, the time a sleep and a wake-up take. */
#define SPIN_LOOKS 500

/* In `joined`: somebody waits for it to come down to this. */
#define AWAITED (1u << 31)

struct worker {
	struct team *team;
	pthread_t thread;
	unsigned int slot;
};

/* A line of its own: thieves look at it. */
struct slot {
	_Alignas(64) range_t range;
	_Atomic unsigned int node;
	/* Of slots to join: somebody has it. */
	atomic_bool taken;
	/* The caller's own: gets a range of the work at hand. */
	bool shares;
};

struct team {
	unsigned int threads;
	unsigned int slots;
	unsigned int started;
	unsigned int spin;
	pid_t owner;
	struct worker *workers;
	struct {
		team_fn fn;
		void *arg;
		size_t first;
	} work;
	/* On lines of their own: each is written by other threads at other times. */
	_Alignas(64) _Atomic uint32_t phase;
	_Atomic uint32_t sleepers;
	atomic_bool stop;
	atomic_bool closed;
	_Alignas(64) _Atomic uint32_t inside;
	atomic_bool waiting;
	_Atomic uint32_t joined;
	struct slot slot[];
};

static void relax(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
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

/* False: nobody has any. */
static bool steal(struct team *team, unsigned int thread)
{
	struct slot *own = &team->slot[thread];
	unsigned int node = atomic_load_explicit(&own->node, memory_order_relaxed);

	for (;;) {
		struct slot *fullest = NULL;
		uint32_t most = 0, first, end;

		for (unsigned int i = 0; i < team->slots; i++) {
			struct slot *slot = &team->slot[i];
			uint32_t left = range_left(&slot->range);

			/* Any of the same node before all others. */
			if (left && atomic_load_explicit(&slot->node, memory_order_relaxed) == node)
				left += RANGE_UNITS;
			if (left > most) {
				most = left;
				fullest = slot;
			}
		}
		if (!fullest)
			return false;
		if (range_steal(&fullest->range, &first, &end)) {
			range_set(&own->range, first, end);
			return true;
		}
	}
}

static void take_units(struct team *team, unsigned int thread)
{
	uint32_t unit;

	do
		while (range_take(&team->slot[thread].range, &unit))
			team->work.fn(team->work.arg, team->work.first + unit, thread);
	while (steal(team, thread));
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

/* Whoever sets @end changes the phase afterwards. */
static void serve(struct team *team, unsigned int thread, atomic_bool *end)
{
	for (;;) {
		uint32_t phase = atomic_load(&team->phase);

		if (atomic_load(end))
			return;
		if (phase & 1)
			enter_phase(team, phase, thread);
		await_phase(team, phase);
	}
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;

	/* The rounding and subnormals of a product are not those of whoever made the context. */
	fesetenv(FE_DFL_ENV);
	serve(worker->team, worker->slot, &worker->team->stop);
	return NULL;
}

/* By 1 opens or closes; by 2 only wakes. */
static void change_phase(struct team *team, uint32_t by)
{
	atomic_fetch_add(&team->phase, by);
	if (atomic_load(&team->sleepers))
		wake(&team->phase, INT_MAX);
}

static void await_others(struct team *team)
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

/* Nobody is inside. */
static void share_out(struct team *team, uint32_t units)
{
	uint64_t sharers = 0, sharer = 0;

	/* Whoever joins or leaves meanwhile changes who works, not what is shared out. */
	for (unsigned int i = 0; i < team->slots; i++) {
		team->slot[i].shares = i < team->threads || atomic_load(&team->slot[i].taken);
		sharers += team->slot[i].shares;
	}
	for (unsigned int i = 0; i < team->slots; i++) {
		uint64_t next = sharer + team->slot[i].shares;

		range_set(&team->slot[i].range, units * sharer / sharers, units * next / sharers);
		sharer = next;
	}
}

void team_run(struct team *team, team_fn fn, void *arg, size_t units)
{
	/* After fork() the others are in the parent only. */
	if (units <= 1 || !(team->started || atomic_load(&team->joined)) || team->owner != getpid()) {
		for (size_t unit = 0; unit < units; unit++)
			fn(arg, unit, 0);
		return;
	}
	team->work.fn = fn;
	team->work.arg = arg;
	for (size_t first = 0; first < units; first += RANGE_UNITS) {
		team->work.first = first;
		share_out(team, units - first < RANGE_UNITS ? units - first : RANGE_UNITS);
		change_phase(team, 1);
		take_units(team, 0);
		/* Closing wakes nobody: who still sleeps has missed nothing. */
		atomic_fetch_add(&team->phase, 1);
		await_others(team);
	}
}

unsigned int team_threads(const struct team *team)
{
	return team->slots;
}

unsigned int team_own_threads(const struct team *team)
{
	return team->threads;
}

/* Returns 0 or the error of the worker that could not be started or had to be pinned and could not. */
static int start_workers(struct team *team, const struct team_opts *opts, const struct topology *topology,
			 const struct processor *places)
{
	/*
	 * A team that fills the cores can be given one each. A smaller one is the system's to place: it knows what else
	 * runs, and other teams would be given the same cores.
	 */
	bool pin = opts->pin == PINPOOL_PIN_ON || (opts->pin == PINPOOL_PIN_AUTO && team->threads >= topology->cores &&
						   team->threads <= topology->count);
	sigset_t all, before;
	int ret = 0;

	/* Signals are for the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!ret && team->started < team->threads - 1) {
		struct worker *worker = &team->workers[team->started];

		*worker = (struct worker){ .team = team, .slot = team->started + 1 };
		ret = -pthread_create(&worker->thread, NULL, worker_main, worker);
		if (ret)
			break;
		team->started++;
		pthread_setname_np(worker->thread, "pinpool-math");
		if (pin)
			ret = topology_pin(topology, &places[worker->slot], worker->thread);
		if (opts->pin == PINPOOL_PIN_AUTO)
			ret = 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

static void stop_workers(struct team *team)
{
	atomic_store(&team->stop, true);
	change_phase(team, 2);
	for (unsigned int i = 0; i < team->started; i++)
		pthread_join(team->workers[i].thread, NULL);
}

int team_new(struct team **out, const struct team_opts *opts, const struct topology *topology)
{
	unsigned int slots = opts->threads + opts->joiners;
	struct processor *places = topology_places(topology, opts->threads);
	struct worker *workers = calloc(opts->threads, sizeof(*workers));
	struct team *team;
	void *memory;
	int ret;

	if (!places || !workers ||
	    posix_memalign(&memory, _Alignof(struct team), sizeof(struct team) + slots * sizeof(struct slot))) {
		ret = -ENOMEM;
		goto err_workers;
	}
	team = memory;
	*team = (struct team){ .threads = opts->threads, .slots = slots, .owner = getpid(), .workers = workers };
	/* Who looks without end takes time from those who work if there are not processors, or not time, for all. */
	team->spin = slots <= topology->count && slots <= topology->quota ? SPIN_LOOKS : 0;
	for (unsigned int i = 0; i < slots; i++)
		team->slot[i] = (struct slot){ .node = i < opts->threads ? places[i].node : 0 };
	ret = start_workers(team, opts, topology, places);
	if (ret)
		goto err_team;
	free(places);
	*out = team;
	return 0;

err_team:
	stop_workers(team);
	free(team);
err_workers:
	free(workers);
	free(places);
	return ret;
}

void team_free(struct team *team)
{
	/* After fork() the workers, and those who joined, are in the parent only. */
	if (team->owner == getpid()) {
		uint32_t joined;

		team_release(team);
		atomic_fetch_or(&team->joined, AWAITED);
		while ((joined = atomic_load(&team->joined)) != AWAITED)
			sleep_while(&team->joined, joined);
		stop_workers(team);
	}
	free(team->workers);
	free(team);
}

/* The number of a slot that is the caller's now, or 0. */
static unsigned int take_slot(struct team *team)
{
	for (unsigned int i = team->threads; i < team->slots; i++)
		if (!atomic_exchange(&team->slot[i].taken, true))
			return i;
	return 0;
}

static int work_until_closed(struct team *team)
{
	unsigned int slot, node = 0;
	fenv_t own;

	if (atomic_load(&team->closed))
		return 0;
	slot = take_slot(team);
	if (!slot)
		return -ENOSPC;
	getcpu(NULL, &node);
	atomic_store_explicit(&team->slot[slot].node, node, memory_order_relaxed);
	fegetenv(&own);
	fesetenv(FE_DFL_ENV);
	serve(team, slot, &team->closed);
	fesetenv(&own);
	atomic_store(&team->slot[slot].taken, false);
	return 0;
}

int team_join(struct team *team)
{
	int ret;

	if (team->owner != getpid())
		return -ECHILD;
	atomic_fetch_add(&team->joined, 1);
	ret = work_until_closed(team);
	/* From here on the team may be gone. Waking by an address that is nobody's any more does no harm. */
	if (atomic_fetch_sub(&team->joined, 1) == (AWAITED | 1))
		wake(&team->joined, 1);
	return ret;
}

void team_release(struct team *team)
{
	atomic_store(&team->closed, true);
	change_phase(team, 2);
}

void team_admit(struct team *team)
{
	atomic_store(&team->closed, false);
}
