// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Teams by themselves: every unit once, ranges in order, who steals from whom, threads that join, pins, forks. Machines are
 * made up: a topology is only a table. Who must wait here waits for an event, and fails after a while without it.
 */
#include <dirent.h>
#include <errno.h>
#include <fenv.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "math/quota.h"
#include "math/range.h"
#include "math/team.h"

#define MAX_THREADS 16
/* Seconds after which an event will not come; a sanitizer's or an emulated machine's are long. */
#define PATIENCE 20

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Waits until *@counter is at least @value; false if it takes longer than @seconds. */
static bool await_for(atomic_size_t *counter, size_t value, double seconds)
{
	double end = now() + seconds;

	while (atomic_load(counter) < value) {
		if (now() > end)
			return false;
		usleep(50);
	}
	return true;
}

static bool await(atomic_size_t *counter, size_t value)
{
	return await_for(counter, value, PATIENCE);
}

/* A processor that is there, as often as asked for, each time as another core; @per_node of them on each node. */
static struct topology made_up(struct __test_metadata *_metadata, unsigned int cores, unsigned int per_node)
{
	struct topology topology;

	ASSERT_EQ(0, topology_read(&topology));
	topology.processors = realloc(topology.processors, cores * sizeof(*topology.processors));
	ASSERT_NE(NULL, topology.processors);
	for (unsigned int i = 0; i < cores; i++)
		topology.processors[i] = (struct processor){
			.cpu = topology.processors[0].cpu,
			.core = i,
			.node = i / per_node,
			.core_turn = i,
			.node_turn = i / per_node,
		};
	topology.count = topology.cores = cores;
	topology.quota = QUOTA_NONE;
	return topology;
}

static struct team *team_of(struct __test_metadata *_metadata, unsigned int threads, unsigned int joiners)
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

TEST(ranges_are_taken_from_the_front_and_stolen_from_the_back)
{
	uint32_t unit, first, end;
	range_t range;

	range_set(&range, 10, 15);
	EXPECT_EQ(5, range_left(&range));
	ASSERT_TRUE(range_take(&range, &unit));
	EXPECT_EQ(10, unit);
	/* Half of 11 to 14. */
	ASSERT_TRUE(range_steal(&range, &first, &end));
	EXPECT_EQ(13, first);
	EXPECT_EQ(15, end);
	/* More than half of three, all of one. */
	range_set(&range, 11, 14);
	ASSERT_TRUE(range_steal(&range, &first, &end));
	EXPECT_EQ(12, first);
	EXPECT_EQ(14, end);
	ASSERT_TRUE(range_steal(&range, &first, &end));
	EXPECT_EQ(11, first);
	EXPECT_EQ(12, end);
	for (int i = 0; i < 3; i++) {
		EXPECT_FALSE(range_steal(&range, &first, &end));
		EXPECT_FALSE(range_take(&range, &unit));
		EXPECT_EQ(0, range_left(&range));
		/* However often somebody asks in vain, nothing is counted into the other half. */
		EXPECT_EQ(11, bounds_first(range));
	}
	range_set(&range, 0, RANGE_UNITS);
	EXPECT_EQ(RANGE_UNITS, range_left(&range));
}

struct count {
	atomic_uchar *times;
	atomic_size_t wrong;
	unsigned int threads;
};

static void count_unit(void *arg, size_t unit, unsigned int thread)
{
	struct count *count = arg;

	atomic_fetch_add_explicit(&count->times[unit], 1, memory_order_relaxed);
	if (thread >= count->threads)
		atomic_fetch_add(&count->wrong, 1);
}

/* How many units did not run exactly once. */
static size_t count_wrong(struct __test_metadata *_metadata, struct team *team, size_t units)
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

TEST(every_unit_runs_once)
{
	static const unsigned int threads[] = { 1, 2, 3, 8 };
	static const size_t units[] = { 0, 1, 2, 3, 7, 8, 9, 100, 1000, RANGE_UNITS, RANGE_UNITS + 1, 2 * RANGE_UNITS + 5 };

	for (size_t t = 0; t < ARRAY_SIZE(threads); t++) {
		struct team *team = team_of(_metadata, threads[t], t);

		for (size_t u = 0; u < ARRAY_SIZE(units); u++) {
			EXPECT_EQ(0, count_wrong(_metadata, team, units[u]))
			{
				TH_LOG("%zu units on %u threads", units[u], threads[t]);
			}
		}
		for (int i = 0; i < 2000; i++)
			ASSERT_EQ(0, count_wrong(_metadata, team, i % 50));
		team_free(team);
	}
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

static void meet_unit(void *arg, size_t unit, unsigned int thread)
{
	struct meeting *meeting = arg;

	if (atomic_exchange(&meeting->begun[thread], true))
		return;
	meeting->first[thread] = unit;
	atomic_fetch_add(&meeting->arrived, 1);
	if (!await_for(&meeting->arrived, meeting->threads, meeting->seconds ? meeting->seconds : PATIENCE))
		atomic_fetch_add(&meeting->missed, 1);
}

TEST(ranges_are_in_the_order_of_threads_from_call_to_call)
{
	struct team *team = team_of(_metadata, 4, 2);

	for (int call = 0; call < 20; call++) {
		struct meeting meeting = { .threads = 4 };

		team_run(team, meet_unit, &meeting, 42);
		ASSERT_EQ(0, meeting.missed);
		EXPECT_EQ(0, meeting.first[0]);
		EXPECT_EQ(10, meeting.first[1]);
		EXPECT_EQ(21, meeting.first[2]);
		EXPECT_EQ(31, meeting.first[3]);
	}
	team_free(team);
}

/*
 * Four threads with a hundred units each. When all have begun, thread 1 does half of its own and stops, 2 and 3 stop at
 * once, and 0 goes on: what it has when its own are done is stolen, and from whom tells where it looked.
 */
struct theft {
	struct meeting meeting;
	atomic_size_t half_done;
	atomic_size_t stolen;
	size_t from;
};

static void theft_unit(void *arg, size_t unit, unsigned int thread)
{
	struct theft *theft = arg;

	meet_unit(&theft->meeting, unit, thread);
	if (thread == 0) {
		if (unit >= 100 && !atomic_exchange(&theft->stolen, 1))
			theft->from = unit / 100;
		else if (unit == 99 && !await(&theft->half_done, 1))
			atomic_fetch_add(&theft->meeting.missed, 1);
		return;
	}
	if (thread == 1 && unit == 150)
		atomic_store(&theft->half_done, 1);
	if (thread > 1 || unit == 150)
		if (!await(&theft->stolen, 1))
			atomic_fetch_add(&theft->meeting.missed, 1);
}

TEST(steals_from_the_same_node_first_and_there_from_the_fullest)
{
	struct team_opts opts = { .threads = 4, .pin = PINPOOL_PIN_OFF };

	for (unsigned int per_node = 2; per_node <= 4; per_node += 2) {
		struct topology topology = made_up(_metadata, 4, per_node);
		struct theft theft = { .meeting.threads = 4 };
		struct team *team;

		ASSERT_EQ(0, team_new(&team, &opts, &topology));
		team_run(team, theft_unit, &theft, 400);
		ASSERT_EQ(0, theft.meeting.missed);
		if (per_node == 2) {
			EXPECT_EQ(1, theft.from);
		} else {
			EXPECT_LE(2, theft.from);
		}
		team_free(team);
		topology_free(&topology);
	}
}

/* Thread 1 stays in its first unit until all others are done, with one thread to do them. */
static void hold_unit(void *arg, size_t unit, unsigned int thread)
{
	struct meeting *meeting = arg;

	meet_unit(meeting, unit, thread);
	if (thread == 1 && !await(&meeting->arrived, 1000 + 1))
		atomic_fetch_add(&meeting->missed, 1);
	/* The two that met are counted already. */
	if (unit != meeting->first[thread])
		atomic_fetch_add(&meeting->arrived, 1);
}

TEST(a_thread_that_is_held_up_holds_up_one_unit)
{
	struct team *team = team_of(_metadata, 2, 0);
	struct meeting meeting = { .threads = 2 };

	team_run(team, hold_unit, &meeting, 1001);
	EXPECT_EQ(0, meeting.missed);
	EXPECT_EQ(1001, meeting.arrived);
	team_free(team);
}

static void own_unit(void *arg, size_t unit, unsigned int thread)
{
	sigset_t mask;

	meet_unit(arg, unit, thread);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	if (sigismember(&mask, SIGUSR1) != (thread > 0) || sigismember(&mask, SIGTERM) != (thread > 0))
		atomic_fetch_add(&((struct meeting *)arg)->missed, 1);
	if (fegetround() != (thread ? FE_TONEAREST : FE_UPWARD))
		atomic_fetch_add(&((struct meeting *)arg)->missed, 1);
}

TEST(signals_and_rounding_are_for_the_programs_threads)
{
	struct meeting meeting = { .threads = 3 };
	struct team *team;

	fesetround(FE_UPWARD);
	team = team_of(_metadata, 3, 0);
	team_run(team, own_unit, &meeting, 30);
	EXPECT_EQ(0, meeting.missed);
	team_free(team);
}

/* What sched_getaffinity() says inside each thread. */
struct masks {
	struct meeting meeting;
	int processors[MAX_THREADS];
};

static void affinity_unit(void *arg, size_t unit, unsigned int thread)
{
	struct masks *masks = arg;
	cpu_set_t set;

	meet_unit(&masks->meeting, unit, thread);
	masks->processors[thread] = sched_getaffinity(0, sizeof(set), &set) ? -1 : CPU_COUNT(&set);
}

static struct masks read_masks(struct __test_metadata *_metadata, struct topology *topology, unsigned int threads,
			       enum pinpool_pin pin)
{
	struct team_opts opts = { .threads = threads, .pin = pin };
	struct masks masks = { .meeting.threads = threads };
	struct team *team;

	ASSERT_EQ(0, team_new(&team, &opts, topology));
	team_run(team, affinity_unit, &masks, 100);
	EXPECT_EQ(0, masks.meeting.missed);
	team_free(team);
	return masks;
}

TEST(workers_are_pinned_if_they_fill_the_cores)
{
	struct topology topology = made_up(_metadata, 3, 3);
	cpu_set_t set;
	int all;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(set), &set));
	all = CPU_COUNT(&set);
	if (all < 2)
		SKIP(return, "one processor: pinned and not pinned look alike");
	/* The caller's is the program's own. */
	EXPECT_EQ(all, read_masks(_metadata, &topology, 3, PINPOOL_PIN_AUTO).processors[0]);
	EXPECT_EQ(1, read_masks(_metadata, &topology, 3, PINPOOL_PIN_AUTO).processors[2]);
	EXPECT_EQ(all, read_masks(_metadata, &topology, 3, PINPOOL_PIN_OFF).processors[2]);
	/* Fewer than cores, more than processors. */
	EXPECT_EQ(all, read_masks(_metadata, &topology, 2, PINPOOL_PIN_AUTO).processors[1]);
	EXPECT_EQ(all, read_masks(_metadata, &topology, 4, PINPOOL_PIN_AUTO).processors[3]);
	EXPECT_EQ(1, read_masks(_metadata, &topology, 2, PINPOOL_PIN_ON).processors[1]);
	EXPECT_EQ(1, read_masks(_metadata, &topology, 4, PINPOOL_PIN_ON).processors[3]);
	/* More than cores, no more than processors. */
	topology.cores = 2;
	EXPECT_EQ(1, read_masks(_metadata, &topology, 3, PINPOOL_PIN_AUTO).processors[2]);
	topology_free(&topology);
}

static size_t count_threads(void)
{
	size_t count = 0;
	DIR *tasks = opendir("/proc/self/task");

	while (tasks && readdir(tasks))
		count++;
	if (tasks)
		closedir(tasks);
	return count;
}

TEST(a_processor_that_is_gone_matters_to_those_who_insist)
{
	struct team_opts opts = { .threads = 2, .pin = PINPOOL_PIN_ON };
	struct topology topology = made_up(_metadata, 2, 2);
	struct team *team = NULL;
	size_t threads = count_threads();

	topology.processors[1].cpu = CPU_SETSIZE - 1;
	EXPECT_EQ(-EINVAL, team_new(&team, &opts, &topology));
	EXPECT_EQ(NULL, team);
	/* The kernel lists a thread for a moment after it was joined. */
	for (double end = now() + PATIENCE; count_threads() > threads && now() < end;)
		usleep(1000);
	EXPECT_EQ(threads, count_threads());
	opts.pin = PINPOOL_PIN_AUTO;
	ASSERT_EQ(0, team_new(&team, &opts, &topology));
	EXPECT_EQ(0, count_wrong(_metadata, team, 1000));
	team_free(team);
	topology_free(&topology);
}

struct joiner {
	struct team *team;
	pthread_t thread;
	atomic_size_t returned;
	int ret;
	int rounding;
};

static void *join(void *arg)
{
	struct joiner *joiner = arg;

	fesetround(FE_UPWARD);
	joiner->ret = team_join(joiner->team);
	joiner->rounding = fegetround();
	atomic_store(&joiner->returned, 1);
	return NULL;
}

static void joiner_start(struct __test_metadata *_metadata, struct joiner *joiner, struct team *team)
{
	*joiner = (struct joiner){ .team = team, .ret = 1 };
	ASSERT_EQ(0, pthread_create(&joiner->thread, NULL, join, joiner));
}

static void joiner_end(struct __test_metadata *_metadata, struct joiner *joiner, int ret)
{
	ASSERT_TRUE(await(&joiner->returned, 1));
	ASSERT_EQ(0, pthread_join(joiner->thread, NULL));
	EXPECT_EQ(ret, joiner->ret);
	EXPECT_EQ(FE_UPWARD, joiner->rounding);
}

struct rounding {
	struct meeting meeting;
	atomic_size_t wrong;
};

static void rounding_unit(void *arg, size_t unit, unsigned int thread)
{
	struct rounding *rounding = arg;

	meet_unit(&rounding->meeting, unit, thread);
	if (fegetround() != FE_TONEAREST)
		atomic_fetch_add(&rounding->wrong, 1);
}

/* Runs work until @threads have met in it: who has yet to join misses the first. */
static void run_until_met(struct __test_metadata *_metadata, struct team *team, size_t threads)
{
	double end = now() + PATIENCE;
	struct rounding rounding;

	do {
		ASSERT_GT(end, now());
		rounding = (struct rounding){ .meeting = { .threads = threads, .seconds = 0.02 } };
		team_run(team, rounding_unit, &rounding, 100);
		ASSERT_EQ(0, rounding.wrong);
	} while (rounding.meeting.missed);
}

TEST(threads_join_until_they_are_released)
{
	struct team *team = team_of(_metadata, 1, 2);
	struct joiner a, b, c;

	for (int round = 0; round < 3; round++) {
		joiner_start(_metadata, &a, team);
		joiner_start(_metadata, &b, team);
		run_until_met(_metadata, team, 3);
		/* Full. */
		joiner_start(_metadata, &c, team);
		joiner_end(_metadata, &c, -ENOSPC);
		EXPECT_EQ(0, a.returned);
		EXPECT_EQ(0, b.returned);
		team_release(team);
		joiner_end(_metadata, &a, 0);
		joiner_end(_metadata, &b, 0);
		/* Closed. */
		joiner_start(_metadata, &c, team);
		joiner_end(_metadata, &c, 0);
		EXPECT_EQ(0, count_wrong(_metadata, team, 1000));
		team_admit(team);
	}
	team_free(team);
}

/* Being freed lets them go; what they touch on their way out must still be there. */
TEST(workers_and_joined_threads_share)
{
	struct joiner joiners[3];

	/* So much that it is memory of its own, which is unmapped when it is freed. */
	ASSERT_EQ(1, mallopt(M_MMAP_THRESHOLD, 64 << 10));
	for (int round = 0; round < 50; round++) {
		unsigned int own = round % 2 ? 1 : 3;
		struct team *team = team_of(_metadata, own, 16 << 10);

		for (size_t i = 0; i < ARRAY_SIZE(joiners); i++)
			joiner_start(_metadata, &joiners[i], team);
		run_until_met(_metadata, team, own + 3);
		team_free(team);
		for (size_t i = 0; i < ARRAY_SIZE(joiners); i++)
			joiner_end(_metadata, &joiners[i], 0);
	}
}

TEST(without_room_nobody_joins)
{
	struct team *team = team_of(_metadata, 2, 0);

	EXPECT_EQ(-ENOSPC, team_join(team));
	team_release(team);
	EXPECT_EQ(0, team_join(team));
	EXPECT_EQ(0, count_wrong(_metadata, team, 100));
	team_free(team);
}

struct guest {
	struct team *team;
	atomic_bool *end;
	size_t visits;
	size_t refused;
};

static void *visit(void *arg)
{
	struct guest *guest = arg;

	while (!atomic_load(guest->end)) {
		int ret = team_join(guest->team);

		guest->visits++;
		guest->refused += ret == -ENOSPC;
		if (ret && ret != -ENOSPC)
			return guest;
	}
	return NULL;
}

static void *open_and_close(void *arg)
{
	struct guest *guest = arg;

	while (!atomic_load(guest->end)) {
		team_release(guest->team);
		guest->visits++;
		usleep(guest->visits % 3 * 50);
		team_admit(guest->team);
		usleep(100);
	}
	team_release(guest->team);
	return NULL;
}

/* Three want two places, are let in and out while work goes on. */
TEST(threads_come_and_go_during_work)
{
	struct team *team = team_of(_metadata, 2, 2);
	atomic_bool end = false;
	struct guest guests[4];
	pthread_t threads[4];
	void *ret;

	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		guests[i] = (struct guest){ .team = team, .end = &end };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, i ? visit : open_and_close, &guests[i]));
	}
	for (int i = 0; i < 20000; i++)
		ASSERT_EQ(0, count_wrong(_metadata, team, i % 100));
	atomic_store(&end, true);
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &ret));
		EXPECT_EQ(NULL, ret);
		EXPECT_LT(0, guests[i].visits);
	}
	team_free(team);
}

TEST(a_forked_child_is_alone)
{
	struct team *team = team_of(_metadata, 2, 1);
	struct joiner joiner;
	int status;
	pid_t pid;

	joiner_start(_metadata, &joiner, team);
	run_until_met(_metadata, team, 3);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int ret = count_wrong(_metadata, team, 1000) ? 1 : team_join(team) != -ECHILD ? 2 : 0;

		team_free(team);
		_exit(ret);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	run_until_met(_metadata, team, 3);
	team_free(team);
	joiner_end(_metadata, &joiner, 0);
}

/* What a child that is forked in the midst of work makes of threads that it has not. */
struct birth {
	struct meeting meeting;
	struct team *team;
	atomic_int pid;
};

static void sum_unit(void *arg, size_t unit, unsigned int thread)
{
	*(size_t *)arg += unit + (thread ? 1000 : 0);
}

static void fork_unit(void *arg, size_t unit, unsigned int thread)
{
	struct birth *birth = arg;
	size_t sum = 0;
	pid_t pid;

	meet_unit(&birth->meeting, unit, thread);
	if (thread != 1 || unit != birth->meeting.first[1])
		return;
	pid = fork();
	if (!pid) {
		alarm(PATIENCE);
		team_run(birth->team, sum_unit, &sum, 10);
		_exit(sum == 45 ? 0 : 1);
	}
	birth->pid = pid;
}

TEST(a_child_does_not_wait_for_threads_that_it_has_not)
{
	struct birth birth = { .meeting.threads = 2, .team = team_of(_metadata, 2, 0) };
	int status;

	team_run(birth.team, fork_unit, &birth, 100);
	ASSERT_EQ(0, birth.meeting.missed);
	ASSERT_LT(0, birth.pid);
	ASSERT_EQ(birth.pid, waitpid(birth.pid, &status, 0));
	EXPECT_EQ(0, status);
	team_free(birth.team);
}

TEST_HARNESS_MAIN
