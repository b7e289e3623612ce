// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Module parameters: reserve_mb takes pages at load time, from which pools are cut first and to which they return;
 * limit_mb caps what all pools hold. Each test loads the module anew.
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
	EXPECT_EQ(-ENOMEM, pool_create("a", 2048 * MIB));
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

TEST_HARNESS_MAIN
