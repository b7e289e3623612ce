// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Who pays: what pools hold counts for their creator's user id (limit_uid_mb) and his memory cgroup, whoever touches;
 * at a limit there is an errno, everything is as before, and all of it comes back in the end.
 */
#include <sys/mount.h>
#include <sys/stat.h>

#include "harness.h"
#include "kmod_test.h"

#define MIB    (1UL << 20)
#define ALICE  1001
#define BOB    1002
#define CGROUP "/sys/fs/cgroup/pinpool-test"

static unsigned long used(void)
{
	struct pinpool_module_info info;

	return module_info(&info) ? ~0UL : info.out_used_bytes;
}

FIXTURE(limit) {
	int unused;
};

FIXTURE_SETUP(limit)
{
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load("limit_uid_mb=8"));
	ASSERT_EQ(0, chmod("/dev/pinpool/control", 0666));
}

FIXTURE_TEARDOWN(limit)
{
	pool_destroy("a");
	pool_destroy("b");
	pool_destroy("c");
	EXPECT_EQ(0, used());
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, module_load(""));
}

/* As @uid: one call after the other, the number of the first that does not say what it should. */
static int alice_fills_her_share(void *arg)
{
	int fd;

	if (become(ALICE))
		return 255;
	if (pool_create("a", 6 * MIB))
		return 1;
	if (pool_create("b", 4 * MIB) != -EDQUOT)
		return 2;
	if (pool_create("b", 2 * MIB))
		return 3;
	if (pool_create("c", 2 * MIB) != -EDQUOT)
		return 4;
	fd = pool_open("b", O_RDWR);
	if (fd < 0 || pool_resize(fd, 4 * MIB) != -EDQUOT)
		return 5;
	/* A pool that is gone but open still holds its pages. */
	if (pool_destroy("b") || pool_create("c", 2 * MIB) != -EDQUOT)
		return 6;
	close(fd);
	if (pool_create("c", 2 * MIB))
		return 7;
	return 0;
}

static int bob_has_his_own(void *arg)
{
	if (become(BOB))
		return 255;
	return pool_create("b", 8 * MIB) ? 1 : pool_create("bb", 2 * MIB) != -EDQUOT ? 2 : pool_destroy("b");
}

TEST_F(limit, each_user_has_a_share)
{
	struct pinpool_module_info info;

	EXPECT_EQ(0, in_child(alice_fills_her_share, NULL));
	EXPECT_EQ(0, in_child(bob_has_his_own, NULL));
	EXPECT_EQ(8 * MIB, used());
	ASSERT_EQ(0, module_info(&info));
	EXPECT_EQ(8 * MIB, info.out_limit_uid_bytes);
}

/* CAP_SYS_RESOURCE, and root's pools are no burden to root. */
TEST_F(limit, who_may_exceed_it_does)
{
	EXPECT_EQ(0, pool_create("a", 32 * MIB));
	EXPECT_EQ(32 * MIB, used());
}

static int alice_on_demand(void *arg)
{
	int fd;

	if (become(ALICE))
		return 255;
	if (pool_create_flags("a", 32 * MIB, PINPOOL_CREATE_ON_DEMAND))
		return 1;
	fd = pool_open_loading("a");
	if (fd < 0 || pool_write_pattern(fd, 1, 0, 8 * MIB))
		return 2;
	if (result(pwrite(fd, "x", 1, 8 * MIB)) != -EDQUOT)
		return 3;
	return pool_commit(fd, 32 * MIB) ? 4 : 0;
}

/* The pool is Alice's, so she pays for what root touches, and root is refused when she cannot. */
TEST_F(limit, the_creator_pays_for_what_others_touch)
{
	char *p;
	int fd;

	EXPECT_EQ(0, in_child(alice_on_demand, NULL));
	EXPECT_EQ(8 * MIB, used());
	fd = pool_open("a", O_RDONLY);
	ASSERT_LE(0, fd);
	p = pool_map(fd, 32 * MIB, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-EFAULT, result(madvise(p + 16 * MIB, HUGE, MADV_POPULATE_READ)));
	ASSERT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_uid_mb", "10"));
	EXPECT_EQ(0, madvise(p + 16 * MIB, HUGE, MADV_POPULATE_READ));
	EXPECT_EQ(10 * MIB, used());
	munmap(p, 32 * MIB);
	close(fd);
}

/* Lowered below what is held, it takes nothing away and lets nothing be added. */
TEST_F(limit, lowered_below_what_is_held)
{
	EXPECT_EQ(0, in_child(alice_fills_her_share, NULL));
	ASSERT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_uid_mb", "2"));
	EXPECT_EQ(8 * MIB, used());
	EXPECT_EQ(0, pool_destroy("a"));
	EXPECT_EQ(2 * MIB, used());
}

FIXTURE(memcg) {
	char procs[128];
};

FIXTURE_SETUP(memcg)
{
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load("reserve_mb=16"));
	ASSERT_TRUE(!mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL) || errno == EBUSY);
	ASSERT_EQ(0, file_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory"));
	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	ASSERT_EQ(0, file_write(CGROUP "/memory.max", "64M"));
}

FIXTURE_TEARDOWN(memcg)
{
	pool_destroy("a");
	pool_destroy("b");
	pool_destroy("c");
	/* Those that were killed leave it when they are reaped. */
	for (int i = 0; i < 100 && rmdir(CGROUP) && errno == EBUSY; i++)
		sleep_us(10000);
	EXPECT_EQ(-1, access(CGROUP, F_OK));
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, module_load(""));
}

/* MiB that the group is charged. */
static unsigned long charged(void)
{
	char buf[64];

	return file_read(CGROUP "/memory.current", buf, sizeof(buf)) < 0 ? ~0UL : strtoul(buf, NULL, 10) >> 20;
}

static unsigned long oom_kills(void)
{
	char buf[512], *p;

	if (file_read(CGROUP "/memory.events", buf, sizeof(buf)) < 0)
		return ~0UL;
	p = strstr(buf, "oom_kill ");
	return p ? strtoul(p + strlen("oom_kill "), NULL, 10) : ~0UL;
}

/* Runs as a member of the group. */
static int in_group(int (*fn)(void *))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(file_write(CGROUP "/cgroup.procs", "0") ? 255 : fn(NULL));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 255;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int create_within(void *arg)
{
	/* 16 of the reserve, 32 charged. */
	return pool_create("a", 48 * MIB) ? 1 : 0;
}

static int create_beyond(void *arg)
{
	if (pool_create("b", 80 * MIB) != -ENOMEM)
		return 1;
	return charged() > 40 ? 2 : 0;
}

TEST_F_TIMEOUT(memcg, charged_but_for_the_reserve, 120)
{
	EXPECT_EQ(0, in_group(create_within));
	EXPECT_LE(32, charged());
	EXPECT_GT(40, charged());
	EXPECT_EQ(0, in_group(create_beyond));
	/* An errno, and nobody is killed for it. */
	EXPECT_EQ(0, oom_kills());
	/* The pool outlives its creator and goes on paying. */
	EXPECT_LE(32, charged());
	EXPECT_EQ(0, pool_destroy("a"));
	EXPECT_GT(8, charged());
}

static int create_on_demand(void *arg)
{
	int fd;

	if (pool_create_flags("c", 128 * MIB, PINPOOL_CREATE_ON_DEMAND))
		return 1;
	fd = pool_open_loading("c");
	return fd < 0 ? 2 : pool_commit(fd, 128 * MIB) ? 3 : 0;
}

/* Whoever touches, the creator's group pays; when it cannot, the toucher is refused and stays alive. */
TEST_F_TIMEOUT(memcg, touches_are_charged_to_the_creator, 120)
{
	struct pinpool_pool_info info;
	unsigned long pages;
	char *p;
	int fd;

	EXPECT_EQ(0, in_group(create_on_demand));
	EXPECT_GT(8, charged());
	fd = pool_open("c", O_RDONLY);
	ASSERT_LE(0, fd);
	p = pool_map(fd, 128 * MIB, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, madvise(p, 48 * MIB, MADV_POPULATE_READ));
	EXPECT_LE(32, charged());
	EXPECT_GT(40, charged());
	EXPECT_EQ(-EFAULT, result(madvise(p, 128 * MIB, MADV_POPULATE_READ)));
	EXPECT_EQ(0, oom_kills());
	ASSERT_EQ(0, pool_info(fd, &info));
	pages = info.out_huge_pages;
	EXPECT_LE(64 * MIB, pages * HUGE);
	EXPECT_GE(80 * MIB, pages * HUGE);
	EXPECT_LE(1, info.out_failed_allocs);
	ASSERT_EQ(0, file_write(CGROUP "/memory.max", "max"));
	EXPECT_EQ(0, madvise(p, 128 * MIB, MADV_POPULATE_READ));
	munmap(p, 128 * MIB);
	close(fd);
	EXPECT_EQ(0, pool_destroy("c"));
	EXPECT_GT(8, charged());
}

/* A group that is removed while its pool lives: what it held goes up the tree, nothing is lost or left. */
TEST_F_TIMEOUT(memcg, the_group_may_go_first, 120)
{
	char *p;
	int fd;

	EXPECT_EQ(0, in_group(create_on_demand));
	ASSERT_EQ(0, rmdir(CGROUP));
	fd = pool_open("c", O_RDONLY);
	ASSERT_LE(0, fd);
	p = pool_map(fd, 32 * MIB, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, madvise(p, 32 * MIB, MADV_POPULATE_READ));
	munmap(p, 32 * MIB);
	close(fd);
	EXPECT_EQ(0, pool_destroy("c"));
}

TEST_HARNESS_MAIN
