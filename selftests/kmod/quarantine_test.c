// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Pages that somebody outside still holds when their pool goes: here a pipe, which vmsplice() gave references to the
 * first page of a pool's mapping. They wait, with their bytes, charged to whom the pool was, and serve nobody; let go,
 * they return to where they came from, scrubbed. Each test loads the module anew.
 */
#include "harness.h"
#include "kmod_test.h"

#include <sys/stat.h>
#include <sys/uio.h>

#define MIB   (1UL << 20)
#define ALICE 1001
#define SEED  77
/* The quarantine looks every quarter of a second. */
#define WAIT_US 20000
#define WAITS	500

FIXTURE(quarantine) {
	int pipe[2];
	int other[2];
};

FIXTURE_SETUP(quarantine)
{
	ASSERT_EQ(0, pipe2(self->pipe, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(self->other, O_CLOEXEC));
	ASSERT_EQ(0, module_unload());
}

FIXTURE_TEARDOWN(quarantine)
{
	for (int i = 0; i < 2; i++) {
		close(self->pipe[i]);
		close(self->other[i]);
	}
	pool_destroy("a");
	pool_destroy("b");
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, module_load(""));
}

/* A pool that is gone, but for its first page, which the pipe holds @bytes of. 0 or -errno. */
static int leave_in_pipe(const char *name, size_t capacity, unsigned int seed, int pipe, size_t bytes)
{
	struct iovec iov = { .iov_len = bytes };
	void *map;
	int fd, ret = pool_create_ready(name, capacity, seed);

	if (ret)
		return ret;
	fd = pool_open(name, O_RDONLY);
	if (fd < 0)
		return fd;
	map = pool_map(fd, capacity, PROT_READ);
	close(fd);
	if (map == MAP_FAILED)
		return -ENOMEM;
	iov.iov_base = map;
	ret = vmsplice(pipe, &iov, 1, 0) == (ssize_t)bytes ? 0 : -EIO;
	munmap(map, capacity);
	return ret ? ret : pool_destroy(name);
}

/* Whether so many bytes come to be in the quarantine. */
static bool becomes(uint64_t bytes)
{
	struct pinpool_module_info info;

	for (int i = 0; i < WAITS; i++) {
		if (module_info(&info))
			return false;
		if (info.out_quarantine_bytes == bytes)
			return true;
		sleep_us(WAIT_US);
	}
	return false;
}

TEST_F(quarantine, it_returns_scrubbed)
{
	struct pinpool_module_info info;
	uint64_t scrubbed;
	char bytes[PAGE];
	char *map;
	int fd;

	ASSERT_EQ(0, module_load("reserve_mb=0,4"));
	ASSERT_EQ(0, leave_in_pipe("a", 2 * HUGE, SEED, self->pipe[1], PAGE));
	ASSERT_EQ(0, module_info(&info));
	EXPECT_EQ(HUGE, info.out_quarantine_bytes);
	EXPECT_EQ(HUGE, info.out_used_bytes);
	EXPECT_EQ(HUGE, info.out_free_bytes);
	EXPECT_EQ(0, info.out_pools);
	scrubbed = info.out_pages_scrubbed;

	/* Not for anybody else, and not forgotten while it is seen. */
	ASSERT_EQ(0, pool_create_ready("b", 2 * HUGE, SEED + 1));
	ASSERT_EQ(PAGE, read(self->pipe[0], bytes, PAGE));
	EXPECT_EQ(-1, pattern_differs(bytes, PAGE, SEED, 0));
	ASSERT_EQ(0, pool_destroy("b"));

	ASSERT_TRUE(becomes(0));
	ASSERT_EQ(0, module_info(&info));
	EXPECT_EQ(0, info.out_used_bytes);
	EXPECT_EQ(2 * HUGE, info.out_free_bytes);
	EXPECT_EQ(scrubbed + 3, info.out_pages_scrubbed);

	/* Whoever has it next finds nothing. */
	ASSERT_EQ(0, pool_create("b", 2 * HUGE));
	fd = pool_open_loading("b");
	ASSERT_LE(0, fd);
	map = pool_map(fd, 2 * HUGE, PROT_READ);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, nonzero_at(map, 2 * HUGE));
	munmap(map, 2 * HUGE);
	close(fd);
}

TEST_F(quarantine, each_leaves_when_it_is_let_go)
{
	struct pinpool_module_info info;
	char bytes[PAGE];

	ASSERT_EQ(0, module_load(""));
	ASSERT_EQ(0, leave_in_pipe("a", HUGE, SEED, self->pipe[1], PAGE));
	ASSERT_EQ(0, leave_in_pipe("a", HUGE, SEED + 1, self->other[1], 2 * PAGE));
	ASSERT_TRUE(becomes(2 * HUGE));
	ASSERT_EQ(PAGE, read(self->pipe[0], bytes, PAGE));
	EXPECT_TRUE(becomes(HUGE));
	/* One of two references is not enough. */
	ASSERT_EQ(PAGE, read(self->other[0], bytes, PAGE));
	sleep_us(600000);
	ASSERT_EQ(0, module_info(&info));
	EXPECT_EQ(HUGE, info.out_quarantine_bytes);
	ASSERT_EQ(PAGE, read(self->other[0], bytes, PAGE));
	EXPECT_EQ(-1, pattern_differs(bytes, PAGE, SEED + 1, PAGE));
	EXPECT_TRUE(becomes(0));
}

static int alice_leaves_a_page(void *arg)
{
	int *pipe = arg;

	if (become(ALICE))
		return 255;
	if (leave_in_pipe("a", 2 * HUGE, SEED, pipe[1], PAGE))
		return 1;
	if (pool_create("a", 4 * HUGE) != -EDQUOT)
		return 2;
	/* The other page is hers again. */
	return pool_create("a", 3 * HUGE) ? 3 : pool_destroy("a") ? 4 : 0;
}

static int alice_has_all(void *arg)
{
	if (become(ALICE))
		return 255;
	return pool_create("a", 4 * HUGE) ? 1 : pool_destroy("a") ? 2 : 0;
}

TEST_F(quarantine, it_counts_for_its_user)
{
	char byte;

	ASSERT_EQ(0, module_load("limit_uid_mb=8"));
	ASSERT_EQ(0, chmod("/dev/pinpool/control", 0666));
	EXPECT_EQ(0, in_child(alice_leaves_a_page, self->pipe));
	ASSERT_EQ(1, read(self->pipe[0], &byte, 1));
	EXPECT_TRUE(becomes(HUGE));
	close(self->pipe[0]);
	close(self->pipe[1]);
	EXPECT_TRUE(becomes(0));
	EXPECT_EQ(0, in_child(alice_has_all, NULL));
	ASSERT_EQ(0, pipe2(self->pipe, O_CLOEXEC));
}

TEST_F(quarantine, it_counts_for_the_module)
{
	char bytes[PAGE];

	ASSERT_EQ(0, module_load("limit_mb=4"));
	ASSERT_EQ(0, leave_in_pipe("a", 2 * HUGE, SEED, self->pipe[1], PAGE));
	EXPECT_EQ(-ENOSPC, pool_create("b", 2 * HUGE));
	EXPECT_EQ(0, pool_create("b", HUGE));
	ASSERT_EQ(0, pool_destroy("b"));
	ASSERT_EQ(PAGE, read(self->pipe[0], bytes, PAGE));
	ASSERT_TRUE(becomes(0));
	EXPECT_EQ(0, pool_create("b", 2 * HUGE));
}

/* A page that is the reserve's while the reserve has shrunk is freed. */
TEST_F(quarantine, the_reserve_shrinks_meanwhile)
{
	struct pinpool_module_info info;
	char bytes[PAGE];

	ASSERT_EQ(0, module_load("reserve_mb=0,4"));
	ASSERT_EQ(0, leave_in_pipe("a", 2 * HUGE, SEED, self->pipe[1], PAGE));
	ASSERT_EQ(0, file_write("/sys/class/pinpool/control/node1/reserve", "0"));
	ASSERT_EQ(PAGE, read(self->pipe[0], bytes, PAGE));
	EXPECT_EQ(-1, pattern_differs(bytes, PAGE, SEED, 0));
	ASSERT_TRUE(becomes(0));
	ASSERT_EQ(0, module_info(&info));
	EXPECT_EQ(0, info.out_reserve_bytes);
	EXPECT_EQ(0, info.out_free_bytes);
	EXPECT_EQ(0, info.out_used_bytes);
}

TEST_F(quarantine, the_module_goes_first)
{
	char bytes[PAGE];

	ASSERT_EQ(0, module_load("reserve_mb=0,4"));
	ASSERT_EQ(0, leave_in_pipe("a", 2 * HUGE, SEED, self->pipe[1], PAGE));
	ASSERT_TRUE(becomes(HUGE));
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(PAGE, read(self->pipe[0], bytes, PAGE));
	EXPECT_EQ(-1, pattern_differs(bytes, PAGE, SEED, 0));
	ASSERT_EQ(0, module_load(""));
}

TEST_HARNESS_MAIN
