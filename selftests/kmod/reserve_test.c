// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * The reserve, of pages that the module takes at load or when sysfs says so, node by node, from which pools are cut first
 * and to which they return; limit_mb caps what all pools hold. Each test loads the module anew.
 */
#include "harness.h"
#include "kmod_test.h"

#define MIB (1UL << 20)

FIXTURE(reserve) {
	int unused;
};

FIXTURE_SETUP(reserve)
{
	ASSERT_EQ(0, module_unload());
}

FIXTURE_TEARDOWN(reserve)
{
	pool_destroy("a");
	pool_destroy("b");
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, module_load(""));
}

#define EXPECT_COUNTS(_reserve, _free, _used, _pools)                                                                  \
	do {                                                                                                           \
		struct pinpool_module_info _info;                                                                      \
		ASSERT_EQ(0, module_info(&_info));                                                                     \
		EXPECT_EQ(_reserve, _info.out_reserve_bytes);                                                          \
		EXPECT_EQ(_free, _info.out_free_bytes);                                                                \
		EXPECT_EQ(_used, _info.out_used_bytes);                                                                \
		EXPECT_EQ(_pools, _info.out_pools);                                                                    \
	} while (0)

TEST_F(reserve, no_parameters_no_reserve_no_limit)
{
	struct pinpool_module_info info;

	ASSERT_EQ(0, module_load(""));
	ASSERT_EQ(0, module_info(&info));
	EXPECT_EQ(0, info.out_limit_bytes);
	EXPECT_EQ(0, info.out_features & ~PINPOOL_FEATURES_ALL);
	EXPECT_COUNTS(0, 0, 0, 0);
}

TEST_F(reserve, pools_are_cut_from_it_and_return_to_it)
{
	ASSERT_EQ(0, module_load("reserve_mb=16"));
	EXPECT_COUNTS(16 * MIB, 16 * MIB, 0, 0);
	ASSERT_EQ(0, pool_create("a", 4 * MIB));
	EXPECT_COUNTS(16 * MIB, 12 * MIB, 4 * MIB, 1);
	ASSERT_EQ(0, pool_create("b", 12 * MIB));
	EXPECT_COUNTS(16 * MIB, 0, 16 * MIB, 2);
	ASSERT_EQ(0, pool_destroy("a"));
	EXPECT_COUNTS(16 * MIB, 4 * MIB, 12 * MIB, 1);
	ASSERT_EQ(0, pool_destroy("b"));
	EXPECT_COUNTS(16 * MIB, 16 * MIB, 0, 0);
}

TEST_F(reserve, a_pool_larger_than_it_takes_the_rest_elsewhere)
{
	ASSERT_EQ(0, module_load("reserve_mb=16"));
	ASSERT_EQ(0, pool_create("a", 24 * MIB));
	EXPECT_COUNTS(16 * MIB, 0, 24 * MIB, 1);
	ASSERT_EQ(0, pool_destroy("a"));
	EXPECT_COUNTS(16 * MIB, 16 * MIB, 0, 0);
}

TEST_F_TIMEOUT(reserve, a_pool_that_fails_gives_its_part_back, 120)
{
	ASSERT_EQ(0, module_load("reserve_mb=16"));
	EXPECT_EQ(-ENOMEM, pool_create("a", 1UL << 40));
	EXPECT_EQ(-ENOMEM, pool_create("a", 3072 * MIB));
	EXPECT_COUNTS(16 * MIB, 16 * MIB, 0, 0);
}

/* Content of a pool must not be seen in a pool that is cut from the same pages. */
TEST_F(reserve, pages_come_back_clean)
{
	ASSERT_EQ(0, module_load("reserve_mb=16"));
	for (int round = 0; round < 8; round++) {
		int fd;
		char *p;

		ASSERT_EQ(0, pool_create_ready("a", 16 * MIB, round + 1));
		EXPECT_COUNTS(16 * MIB, 0, 16 * MIB, 1);
		ASSERT_EQ(0, pool_destroy("a"));
		fd = pool_create_loading("b", 16 * MIB);
		ASSERT_LE(0, fd);
		EXPECT_COUNTS(16 * MIB, 0, 16 * MIB, 1);
		p = pool_map(fd, 16 * MIB, PROT_READ);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(-1, nonzero_at(p, 16 * MIB));
		munmap(p, 16 * MIB);
		close(fd);
		ASSERT_EQ(0, pool_destroy("b"));
	}
}

TEST_F(reserve, pages_in_use_return_with_the_last_user)
{
	int fd;

	ASSERT_EQ(0, module_load("reserve_mb=16"));
	ASSERT_EQ(0, pool_create_ready("a", 4 * MIB, 1));
	fd = pool_open("a", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_destroy("a"));
	EXPECT_COUNTS(16 * MIB, 12 * MIB, 4 * MIB, 0);
	close(fd);
	EXPECT_COUNTS(16 * MIB, 16 * MIB, 0, 0);
}

TEST_F(reserve, limit_caps_all_pools_together)
{
	struct pinpool_module_info info;

	ASSERT_EQ(0, module_load("limit_mb=8"));
	ASSERT_EQ(0, module_info(&info));
	EXPECT_EQ(8 * MIB, info.out_limit_bytes);
	EXPECT_EQ(-ENOSPC, pool_create("a", 10 * MIB));
	EXPECT_EQ(-ENOSPC, pool_create("a", UINT64_MAX - HUGE + 1));
	ASSERT_EQ(0, pool_create("a", 6 * MIB));
	EXPECT_EQ(-ENOSPC, pool_create("b", 4 * MIB));
	EXPECT_COUNTS(0, 0, 6 * MIB, 1);
	ASSERT_EQ(0, pool_create("b", 2 * MIB));
	ASSERT_EQ(0, pool_destroy("a"));
	ASSERT_EQ(0, pool_create("a", 6 * MIB));
	EXPECT_COUNTS(0, 0, 8 * MIB, 2);
}

/* Pages that a destroyed pool still holds for its users count: they are not free. */
TEST_F(reserve, limit_counts_destroyed_pools_that_are_still_open)
{
	int fd;

	ASSERT_EQ(0, module_load("limit_mb=8"));
	ASSERT_EQ(0, pool_create("a", 8 * MIB));
	fd = pool_open("a", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_destroy("a"));
	EXPECT_EQ(-ENOSPC, pool_create("a", 2 * MIB));
	close(fd);
	EXPECT_EQ(0, pool_create("a", 8 * MIB));
}

TEST_F_TIMEOUT(reserve, limit_holds_against_many_creators, 60)
{
	pid_t pid[8];
	int made = 0;

	ASSERT_EQ(0, module_load("limit_mb=8"));
	for (int i = 0; i < 8; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			char name[8];

			snprintf(name, sizeof(name), "r%d", i);
			_exit(pool_create(name, 4 * MIB) == 0);
		}
	}
	for (int i = 0; i < 8; i++) {
		int status;

		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		made += WEXITSTATUS(status);
	}
	EXPECT_EQ(2, made);
	EXPECT_COUNTS(0, 0, 8 * MIB, 2);
	for (int i = 0; i < 8; i++) {
		char name[8];

		snprintf(name, sizeof(name), "r%d", i);
		pool_destroy(name);
	}
}

/* Reserve and free bytes of a node, from its folder in sysfs. */
static unsigned long long node_file(int nid, const char *file)
{
	char path[128], buf[64];

	snprintf(path, sizeof(path), "/sys/class/pinpool/control/node%d/%s", nid, file);
	return file_read(path, buf, sizeof(buf)) < 0 ? ~0ULL : strtoull(buf, NULL, 10);
}

static int node_set(int nid, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/class/pinpool/control/node%d/reserve", nid);
	return file_write(path, text);
}

#define EXPECT_NODE(_nid, _reserve, _free)                                                                             \
	do {                                                                                                           \
		EXPECT_EQ(_reserve, node_file(_nid, "reserve")) TH_LOG("node %d", _nid);                               \
		EXPECT_EQ(_free, node_file(_nid, "free")) TH_LOG("node %d", _nid);                                     \
	} while (0)

TEST_F(reserve, one_value_is_spread_over_the_nodes)
{
	ASSERT_EQ(0, module_load("reserve_mb=16"));
	EXPECT_NODE(0, 8 * MIB, 8 * MIB);
	EXPECT_NODE(1, 8 * MIB, 8 * MIB);
	EXPECT_COUNTS(16 * MIB, 16 * MIB, 0, 0);
}

TEST_F(reserve, several_values_are_one_for_each_node)
{
	ASSERT_EQ(0, module_load("reserve_mb=4,10"));
	EXPECT_NODE(0, 4 * MIB, 4 * MIB);
	EXPECT_NODE(1, 10 * MIB, 10 * MIB);
	ASSERT_EQ(0, module_unload());
	/* Rounded up to pages, each for itself. */
	ASSERT_EQ(0, module_load("reserve_mb=0,3"));
	EXPECT_NODE(0, 0, 0);
	EXPECT_NODE(1, 4 * MIB, 4 * MIB);
}

TEST_F(reserve, a_reserve_that_cannot_be_is_refused)
{
	EXPECT_EQ(-EINVAL, module_load("reserve_mb=2,2,2"));
	EXPECT_EQ(-ENOMEM, module_load("reserve_mb=1048576"));
	EXPECT_EQ(-ENOMEM, module_load("reserve_mb=18446744073709551615"));
	EXPECT_EQ(-ENOMEM, module_load("reserve_mb=2,18446744073709551615"));
	/* More than one node has, less than both. */
	EXPECT_EQ(-ENOMEM, module_load("reserve_mb=0,1100"));
	ASSERT_EQ(0, module_load("reserve_mb=0,0,0"));
	EXPECT_COUNTS(0, 0, 0, 0);
}

TEST_F(reserve, grows_and_shrinks_while_it_runs)
{
	ASSERT_EQ(0, module_load(""));
	ASSERT_EQ(0, node_set(1, "8388608"));
	EXPECT_NODE(1, 8 * MIB, 8 * MIB);
	EXPECT_NODE(0, 0, 0);
	ASSERT_EQ(0, node_set(0, "4M\n"));
	EXPECT_COUNTS(12 * MIB, 12 * MIB, 0, 0);
	ASSERT_EQ(0, node_set(1, "2M"));
	EXPECT_NODE(1, 2 * MIB, 2 * MIB);
	ASSERT_EQ(0, node_set(1, "0"));
	ASSERT_EQ(0, node_set(0, "0"));
	EXPECT_COUNTS(0, 0, 0, 0);
}

/* Live pools keep their pages: what a lower target does not cover goes with the pool, or stays if the target rises. */
TEST_F(reserve, shrinking_does_not_touch_live_pools)
{
	int fd;

	ASSERT_EQ(0, module_load("reserve_mb=0,16"));
	ASSERT_EQ(0, pool_create_ready("a", 12 * MIB, 3));
	EXPECT_NODE(1, 16 * MIB, 4 * MIB);
	ASSERT_EQ(0, node_set(1, "2M"));
	EXPECT_NODE(1, 12 * MIB, 0);
	fd = pool_open("a", O_RDONLY);
	ASSERT_LE(0, fd);
	{
		char *p = pool_map(fd, 12 * MIB, PROT_READ);

		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(-1, pattern_differs(p, 12 * MIB, 3, 0));
		munmap(p, 12 * MIB);
	}
	close(fd);
	ASSERT_EQ(0, pool_destroy("a"));
	EXPECT_NODE(1, 2 * MIB, 2 * MIB);

	ASSERT_EQ(0, node_set(1, "16M"));
	ASSERT_EQ(0, pool_create("a", 16 * MIB));
	ASSERT_EQ(0, node_set(1, "0"));
	EXPECT_NODE(1, 16 * MIB, 0);
	ASSERT_EQ(0, node_set(1, "16M"));
	EXPECT_NODE(1, 16 * MIB, 0);
	ASSERT_EQ(0, pool_destroy("a"));
	EXPECT_NODE(1, 16 * MIB, 16 * MIB);
}

TEST_F(reserve, growth_that_fails_changes_nothing)
{
	static const char *const bad[] = { "", "x", "1", "2097151", "-2097152", "2M x", "2M,2M", "0x", "4097" };

	ASSERT_EQ(0, module_load("reserve_mb=4,4"));
	EXPECT_EQ(-ENOMEM, node_set(1, "1T"));
	/* More than the node has, less than the machine. */
	EXPECT_EQ(-ENOMEM, node_set(1, "1100M"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_EQ(*bad[i] ? -EINVAL : 0, node_set(1, bad[i])) TH_LOG("%s", bad[i]);
	}
	EXPECT_NODE(1, 4 * MIB, 4 * MIB);
	EXPECT_NODE(0, 4 * MIB, 4 * MIB);
}

static int set_without_cap(void *arg)
{
	/* Root of the files, as in a container, but not of the machine. */
	struct { uint32_t version; int pid; } header = { 0x20080522, 0 };
	struct { uint32_t effective, permitted, inheritable; } none[2] = { { 0 }, { 0 } };

	if (syscall(SYS_capset, &header, none))
		return 255;
	return -node_set(1, "0");
}

TEST_F(reserve, takes_a_capability)
{
	ASSERT_EQ(0, module_load("reserve_mb=4,4"));
	EXPECT_EQ(EPERM, in_child(set_without_cap, NULL));
	EXPECT_NODE(1, 4 * MIB, 4 * MIB);
}

static int resize_and_use(void *arg)
{
	bool resizer = arg;

	for (int i = 0; i < 60; i++) {
		if (resizer) {
			if (node_set(1, i % 3 == 0 ? "0" : i % 3 == 1 ? "8M" : "16M"))
				return 1;
		} else {
			if (pool_create_ready("a", 6 * MIB, i + 1) || pool_destroy("a"))
				return 2;
		}
	}
	return 0;
}

/* Pages that come and go while the target does: none is lost, none counted twice. */
TEST_F_TIMEOUT(reserve, resized_beside_pools_that_come_and_go, 120)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, module_load("reserve_mb=0,8"));
	pid = fork();
	if (pid == 0)
		_exit(resize_and_use((void *)1));
	EXPECT_EQ(0, in_child(resize_and_use, NULL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_NODE(1, 16 * MIB, 16 * MIB);
	EXPECT_COUNTS(16 * MIB, 16 * MIB, 0, 0);
}

TEST_HARNESS_MAIN
