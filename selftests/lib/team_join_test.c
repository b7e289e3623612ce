// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Threads that join a team: they work, are let go, find no room or a closed team, come and go during work. */
#include <errno.h>
#include <fenv.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>

#include "harness.h"
#include "team_case.h"

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

	/* So much that it is memory of its own, which is unmapped when it is freed. Sanitizers see it in other ways. */
	mallopt(M_MMAP_THRESHOLD, 64 << 10);
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

TEST_HARNESS_MAIN
