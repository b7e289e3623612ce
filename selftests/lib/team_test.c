// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Teams by themselves: every unit once, ranges in order, who steals from whom, pins, what workers have of their own.
 * Machines are made up: a topology is only a table.
 */
#include <dirent.h>
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "harness.h"
#include "math/quota.h"
#include "math/range.h"
#include "team_case.h"

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

TEST(every_unit_runs_once)
{
	static const unsigned int threads[] = { 1, 2, 3, 8 };
	static const size_t units[] = { 0, 1, 2, 3, 7, 8,
					9, 100, 1000, RANGE_UNITS, RANGE_UNITS + 1, 2 * RANGE_UNITS + 5 };

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

/* Workers of all teams; a sanitizer may have a thread as well. */
static size_t count_workers(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	size_t count = 0;

	while (tasks && (task = readdir(tasks))) {
		char path[512], name[16] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", task->d_name);
		file = fopen(path, "r");
		count += file && fscanf(file, "%15s", name) == 1 && !strcmp(name, "pinpool-math");
		if (file)
			fclose(file);
	}
	if (tasks)
		closedir(tasks);
	return count;
}

TEST(a_processor_that_is_gone_matters_to_those_who_insist)
{
	struct team_opts opts = { .threads = 2, .pin = PINPOOL_PIN_ON };
	struct topology topology = made_up(_metadata, 2, 2);
	struct team *team = NULL;

	topology.processors[1].cpu = CPU_SETSIZE - 1;
	EXPECT_EQ(-EINVAL, team_new(&team, &opts, &topology));
	EXPECT_EQ(NULL, team);
	/* The kernel lists a thread for a moment after it was joined. */
	for (double end = now() + PATIENCE; count_workers() && now() < end;)
		usleep(1000);
	EXPECT_EQ(0, count_workers());
	opts.pin = PINPOOL_PIN_AUTO;
	ASSERT_EQ(0, team_new(&team, &opts, &topology));
	EXPECT_EQ(1, count_workers());
	EXPECT_EQ(0, count_wrong(_metadata, team, 1000));
	team_free(team);
	topology_free(&topology);
}

static double cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void no_unit(void *arg, size_t unit, unsigned int thread)
{
}

/*
 * Seconds that WAKES short pieces of work take 8 threads, with time in between to look for more in vain; on so many
 * processors, as the table says, and with so much quota. Idle afterwards they take none.
 */
enum { WAKES = 30, WOKEN = 7 };

static double waking_time(struct __test_metadata *_metadata, unsigned int processors, unsigned int quota)
{
	struct team_opts opts = { .threads = WOKEN + 1, .pin = PINPOOL_PIN_OFF };
	struct topology topology = made_up(_metadata, processors, processors);
	double before, after, idle;
	struct team *team;

	topology.quota = quota;
	ASSERT_EQ(0, team_new(&team, &opts, &topology));
	topology_free(&topology);
	before = cpu_time();
	for (int i = 0; i < WAKES; i++) {
		team_run(team, no_unit, NULL, WOKEN + 1);
		usleep(1000);
	}
	after = cpu_time();
	usleep(50000);
	idle = cpu_time() - after;
	/* One who is awake would have all of it. */
	EXPECT_GT(0.025, idle);
	team_free(team);
	return after - before;
}

/* What 500 looks of each of them take, each time. */
static double looking_time(void)
{
	_Atomic uint32_t word = 0;
	double start = cpu_time();

	for (int i = 0; i < 500 * WAKES * WOKEN && !atomic_load(&word); i++) {
#if defined(__x86_64__)
		__builtin_ia32_pause();
#endif
	}
	return cpu_time() - start;
}

/* Whoever is woken looks for more work before it sleeps: unless there are not processors, or not time, for all. */
TEST(nobody_looks_for_work_where_threads_are_more_than_can_run)
{
	bool less = false, least = false;

	/* What else the processor does meanwhile counts as well, so that one of many times may tell. */
	for (int i = 0; i < 20 && !(less && least); i++) {
		double looks = looking_time(), all = waking_time(_metadata, WOKEN + 1, QUOTA_NONE);

		less |= waking_time(_metadata, WOKEN, QUOTA_NONE) + looks / 2 < all;
		least |= waking_time(_metadata, WOKEN + 1, WOKEN) + looks / 2 < all;
	}
	EXPECT_TRUE(less);
	EXPECT_TRUE(least);
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
