// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Pools on demand: no page before the first touch or write, one for each huge page touched, zero where nothing was
 * written, and a clear end when there are no more: SIGBUS or an errno, counted, and the pool is as before.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <sys/uio.h>

#include "harness.h"
#include "kmod_test.h"

#define PAGES 8UL
#define BYTES (PAGES * HUGE)

FIXTURE(demand) {
	int fd;
};

FIXTURE_SETUP(demand)
{
	ASSERT_EQ(0, pool_create_flags("d", BYTES, PINPOOL_CREATE_ON_DEMAND));
	self->fd = pool_open("d", O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(demand)
{
	struct pinpool_module_info info;

	file_write(MODULE_SYSFS "/parameters/limit_mb", "0");
	close(self->fd);
	pool_destroy("d");
	ASSERT_EQ(0, module_info(&info));
	EXPECT_EQ(0, info.out_used_bytes);
}

#define EXPECT_HELD(_pages)                                                                                            \
	do {                                                                                                           \
		struct pinpool_module_info _module;                                                                    \
		struct pinpool_pool_info _info;                                                                        \
		ASSERT_EQ(0, pool_info(self->fd, &_info));                                                             \
		ASSERT_EQ(0, module_info(&_module));                                                                   \
		EXPECT_EQ(_pages, _info.out_huge_pages);                                                               \
		EXPECT_EQ((_pages) * HUGE, _module.out_used_bytes);                                                    \
		EXPECT_EQ(BYTES, _info.out_capacity);                                                                  \
	} while (0)

TEST_F(demand, holds_nothing_at_first)
{
	struct pinpool_pool_info info;

	EXPECT_HELD(0UL);
	ASSERT_EQ(0, pool_info(self->fd, &info));
	EXPECT_EQ(PINPOOL_CREATE_ON_DEMAND, info.out_flags);
}

TEST_F(demand, a_page_for_each_one_written)
{
	ASSERT_EQ(0, pool_begin(self->fd));
	EXPECT_HELD(0UL);
	ASSERT_EQ(1, pwrite(self->fd, "x", 1, 3 * HUGE + 5));
	EXPECT_HELD(1UL);
	ASSERT_EQ(1, pwrite(self->fd, "x", 1, 3 * HUGE + 6));
	EXPECT_HELD(1UL);
	ASSERT_EQ(2, pwrite(self->fd, "xy", 2, HUGE - 1));
	EXPECT_HELD(3UL);
}

TEST_F(demand, a_page_for_each_one_touched)
{
	struct pinpool_pool_info info;
	volatile char *p;

	ASSERT_EQ(0, pool_begin(self->fd));
	p = pool_map(self->fd, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, (void *)p);
	EXPECT_HELD(0UL);
	p[0] = 1;
	p[PAGE] = 1;
	EXPECT_EQ(0, p[5 * HUGE]);
	EXPECT_HELD(2UL);
	ASSERT_EQ(0, pool_info(self->fd, &info));
	EXPECT_EQ(2, info.out_faults);
	munmap((void *)p, BYTES);
}

TEST_F(demand, populate_takes_all)
{
	void *p;

	ASSERT_EQ(0, pool_begin(self->fd));
	p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, self->fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_HELD(PAGES);
	munmap(p, BYTES);
}

/* Reading does not make pages, and what nobody wrote is zero by every way, before and after commit. */
TEST_F(demand, holes_read_as_zero)
{
	static char buf[2 * HUGE] __attribute__((aligned(8)));
	char *p;

	ASSERT_EQ(0, pool_begin(self->fd));
	ASSERT_EQ(0, pool_write_pattern(self->fd, 1, 2 * HUGE, HUGE));
	memset(buf, 1, sizeof(buf));
	ASSERT_EQ((ssize_t)sizeof(buf), pread(self->fd, buf, sizeof(buf), HUGE));
	EXPECT_EQ(-1, nonzero_at(buf, HUGE));
	EXPECT_EQ(-1, pattern_differs(buf + HUGE, HUGE, 1, 2 * HUGE));
	EXPECT_HELD(1UL);
	ASSERT_EQ(0, pool_commit(self->fd, BYTES));
	EXPECT_HELD(1UL);
	memset(buf, 1, sizeof(buf));
	ASSERT_EQ((ssize_t)sizeof(buf), pread(self->fd, buf, sizeof(buf), 5 * HUGE));
	EXPECT_EQ(-1, nonzero_at(buf, sizeof(buf)));
	EXPECT_HELD(1UL);
	p = pool_map(self->fd, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, nonzero_at(p + 7 * HUGE, HUGE));
	EXPECT_EQ(-1, pattern_differs(p + 2 * HUGE, HUGE, 1, 2 * HUGE));
	EXPECT_HELD(2UL);
	munmap(p, BYTES);
}

static ssize_t write_now(int fd, char *buf, size_t bytes, off_t at)
{
	struct iovec iov = { buf, bytes };

	return result(pwritev2(fd, &iov, 1, at, RWF_NOWAIT));
}

/* What a write that may not wait does not find is neither made nor counted as missed. */
TEST_F(demand, a_write_that_may_not_wait)
{
	static char buf[2 * HUGE], back[PAGE];
	struct iovec iov = { back, PAGE };
	struct pinpool_pool_info info;

	memset(buf, 'x', sizeof(buf));
	ASSERT_EQ(0, pool_begin(self->fd));
	EXPECT_EQ(-EAGAIN, write_now(self->fd, buf, 1, HUGE));
	EXPECT_EQ(-EAGAIN, write_now(self->fd, buf, HUGE, HUGE));
	EXPECT_EQ(-ENOSPC, write_now(self->fd, buf, 1, BYTES));
	EXPECT_EQ(0, write_now(self->fd, buf, 0, 0));
	EXPECT_HELD(0UL);
	ASSERT_EQ(1, pwrite(self->fd, "y", 1, HUGE));
	EXPECT_HELD(1UL);
	EXPECT_EQ(1, write_now(self->fd, buf, 1, HUGE + 1));
	/* As far as there are pages. */
	EXPECT_EQ((ssize_t)HUGE - 2, write_now(self->fd, buf, 2 * HUGE, HUGE + 2));
	EXPECT_EQ(-EAGAIN, write_now(self->fd, buf, 2 * HUGE, HUGE - 1));
	EXPECT_HELD(1UL);
	ASSERT_EQ(0, pool_info(self->fd, &info));
	EXPECT_EQ(0, info.out_failed_allocs);
	EXPECT_EQ(HUGE, info.out_bytes_written);
	/* A page of an earlier load, to be cleared or overwritten, is there. */
	ASSERT_EQ(0, pool_abort(self->fd));
	EXPECT_EQ(-EBADF, write_now(self->fd, buf, 1, HUGE));
	ASSERT_EQ(0, pool_begin(self->fd));
	EXPECT_EQ(1, write_now(self->fd, buf, 1, HUGE));
	ASSERT_EQ(0, pool_abort(self->fd));
	ASSERT_EQ(0, pool_begin(self->fd));
	EXPECT_EQ((ssize_t)HUGE, write_now(self->fd, buf, HUGE, HUGE));
	/* A read waits for nothing: where there is no page it is zero. */
	EXPECT_EQ((ssize_t)PAGE, preadv2(self->fd, &iov, 1, 0, RWF_NOWAIT));
	EXPECT_EQ(-1, nonzero_at(back, PAGE));
	EXPECT_EQ((ssize_t)PAGE, preadv2(self->fd, &iov, 1, HUGE, RWF_NOWAIT));
	EXPECT_EQ(0, memcmp(back, buf, PAGE));
	EXPECT_HELD(1UL);
}

TEST_F(demand, no_more_by_limit_is_enospc_and_counted)
{
	struct pinpool_pool_info info;
	static char buf[2 * HUGE];

	ASSERT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_mb", "4"));
	ASSERT_EQ(0, pool_begin(self->fd));
	memset(buf, 'x', sizeof(buf));
	/* The page that is there is written, the write says how far it came. */
	ASSERT_EQ((ssize_t)HUGE, pwrite(self->fd, buf, HUGE, 0));
	EXPECT_EQ((ssize_t)HUGE, pwrite(self->fd, buf, HUGE, HUGE));
	EXPECT_EQ(-ENOSPC, result(pwrite(self->fd, buf, 1, 2 * HUGE)));
	EXPECT_EQ(1, pwrite(self->fd, buf, 2, 2 * HUGE - 1));
	EXPECT_HELD(2UL);
	ASSERT_EQ(0, pool_info(self->fd, &info));
	EXPECT_EQ(2, info.out_failed_allocs);
	ASSERT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_mb", "0"));
	EXPECT_EQ(1, pwrite(self->fd, buf, 1, 2 * HUGE));
}

TEST_F(demand, no_more_is_sigbus_for_the_toucher)
{
	struct pinpool_pool_info info;
	char *p;

	ASSERT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_mb", "2"));
	ASSERT_EQ(0, pool_begin(self->fd));
	p = pool_map(self->fd, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_FALSE(bus_at(p, true));
	EXPECT_TRUE(bus_at(p + HUGE, true));
	EXPECT_TRUE(bus_at(p + HUGE, false));
	/* In the kernel it is EFAULT, and comes to an end. */
	EXPECT_EQ(-EFAULT, result(getrandom(p + HUGE, 16, 0)));
	EXPECT_FALSE(bus_at(p + PAGE, true));
	EXPECT_HELD(1UL);
	ASSERT_EQ(0, pool_info(self->fd, &info));
	/* The kernel's copy may try more than once. */
	EXPECT_LE(3, info.out_failed_allocs);
	ASSERT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_mb", "0"));
	EXPECT_FALSE(bus_at(p + HUGE, true));
	munmap(p, BYTES);
}

/* Who may not see the content gets no page for looking. */
TEST_F(demand, no_page_for_who_may_not_see)
{
	char *p;

	ASSERT_EQ(0, pool_begin(self->fd));
	p = pool_map(self->fd, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, pool_abort(self->fd));
	EXPECT_TRUE(bus_at(p, false));
	EXPECT_HELD(0UL);
	munmap(p, BYTES);
}

/* An aborted load's pages stay with the pool; the next load sees none of their bytes. */
TEST_F(demand, the_next_load_sees_zero)
{
	static char buf[HUGE] __attribute__((aligned(8)));

	ASSERT_EQ(0, pool_begin(self->fd));
	ASSERT_EQ(0, pool_write_pattern(self->fd, 3, 0, HUGE));
	ASSERT_EQ(0, pool_abort(self->fd));
	ASSERT_EQ(0, pool_begin(self->fd));
	EXPECT_HELD(1UL);
	ASSERT_EQ((ssize_t)HUGE, pread(self->fd, buf, HUGE, 0));
	EXPECT_EQ(-1, nonzero_at(buf, HUGE));
}

#define TOUCHERS 4

struct touchers {
	char *pool;
	bool write;
	_Atomic size_t arrived;
	_Atomic uint64_t seen; /* any bit of any word that was read */
};

/* Every page at the same moment as the others: each meets a place that has none. */
static void *touch_together(void *arg)
{
	struct touchers *touchers = arg;

	for (size_t i = 0; i < PAGES; i++) {
		touchers->arrived++;
		while (touchers->arrived < (i + 1) * TOUCHERS)
			sched_yield();
		if (touchers->write)
			touchers->pool[i * HUGE + PAGE] = 1;
		else
			touchers->seen |= *(volatile uint64_t *)(touchers->pool + (i + 1) * HUGE - 8);
	}
	return NULL;
}

static int touch_by_many(struct touchers *touchers)
{
	pthread_t thread[TOUCHERS];

	for (int i = 0; i < TOUCHERS; i++)
		if (pthread_create(&thread[i], NULL, touch_together, touchers))
			abort();
	for (int i = 0; i < TOUCHERS; i++)
		pthread_join(thread[i], NULL);
	return munmap(touchers->pool, BYTES);
}

/* However many touch a page first, it is one page and charged once. */
TEST_F_TIMEOUT(demand, many_first_touches_make_one_page, 120)
{
	for (int round = 0; round < 8; round++) {
		struct touchers touchers = { .write = true };

		ASSERT_EQ(0, pool_begin(self->fd));
		touchers.pool = pool_map(self->fd, BYTES, PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, touchers.pool);
		ASSERT_EQ(0, touch_by_many(&touchers));
		EXPECT_HELD(PAGES);
		ASSERT_EQ(0, pool_abort(self->fd));
		ASSERT_EQ(0, pool_resize(self->fd, HUGE));
		ASSERT_EQ(0, pool_resize(self->fd, BYTES));
		EXPECT_HELD(1UL);
	}
}

#define PIPES	   64
#define PIPE_BYTES (1 << 20)

/* Leaves free memory that is not zero, and likely to be the next that is taken: as a pool's pages do, pipes' never move. */
static bool dirty_free_memory(void)
{
	static char ones[PIPE_BYTES];
	int pipes[PIPES][2], nr;
	bool full = true;

	memset(ones, 0xff, sizeof(ones));
	for (nr = 0; nr < PIPES && !pipe2(pipes[nr], O_CLOEXEC | O_NONBLOCK); nr++)
		full &= fcntl(pipes[nr][1], F_SETPIPE_SZ, PIPE_BYTES) == PIPE_BYTES &&
			write(pipes[nr][1], ones, PIPE_BYTES) == PIPE_BYTES;
	full &= nr == PIPES;
	while (nr--) {
		close(pipes[nr][0]);
		close(pipes[nr][1]);
	}
	return full;
}

/* Nobody sees a page that another one still clears. */
TEST_F_TIMEOUT(demand, many_first_touches_of_a_ready_pool_see_zero, 120)
{
	for (int round = 0; round < 8; round++) {
		struct touchers touchers = { .write = false };

		ASSERT_EQ(0, pool_begin(self->fd));
		ASSERT_EQ(0, pool_commit(self->fd, BYTES));
		ASSERT_TRUE(dirty_free_memory());
		touchers.pool = pool_map(self->fd, BYTES, PROT_READ);
		ASSERT_NE(MAP_FAILED, touchers.pool);
		ASSERT_EQ(0, touch_by_many(&touchers));
		EXPECT_EQ(0, touchers.seen);
		EXPECT_HELD(PAGES);
		close(self->fd);
		ASSERT_EQ(0, pool_destroy("d"));
		ASSERT_EQ(0, pool_create_flags("d", BYTES, PINPOOL_CREATE_ON_DEMAND));
		self->fd = pool_open("d", O_RDWR);
		ASSERT_LE(0, self->fd);
	}
}

static int touch_and_die(void *arg)
{
	int fd = pool_open("d", O_RDWR);
	char *p;

	if (fd < 0 || pool_begin(fd))
		return 1;
	p = pool_map(fd, BYTES, PROT_READ | PROT_WRITE);
	if (p == MAP_FAILED)
		return 2;
	for (size_t i = 0; i < PAGES; i++)
		p[i * HUGE + PAGE] = 1;
	return kill(getpid(), SIGKILL);
}

TEST_F(demand, a_killed_writer_leaves_its_pages_to_the_pool)
{
	EXPECT_EQ(128 + SIGKILL, in_child(touch_and_die, NULL));
	EXPECT_HELD(PAGES);
	EXPECT_EQ(0, pool_begin(self->fd));
}

/* More capacity than the machine has memory can never be used, and is not promised. */
TEST_F(demand, capacity_beyond_the_machine_is_enomem)
{
	EXPECT_EQ(-ENOMEM, pool_create_flags("d2", 1ULL << 40, PINPOOL_CREATE_ON_DEMAND));
	EXPECT_EQ(-ENOMEM, pool_create_flags("d2", 1ULL << 63, PINPOOL_CREATE_ON_DEMAND));
	EXPECT_EQ(-ENOMEM, pool_create_flags("d2", -HUGE, PINPOOL_CREATE_ON_DEMAND));
	EXPECT_EQ(-ENOENT, pool_destroy("d2"));
}

TEST_HARNESS_MAIN
