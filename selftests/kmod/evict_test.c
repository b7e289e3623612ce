// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Who gives way: pools marked evictable, READY and open nowhere, the lowest priority first and of equal ones the least
 * recently used, no more than needed and never in vain. The room is the module's limit, a user's, or memory itself.
 */
#include <poll.h>
#include <sys/stat.h>

#include "harness.h"
#include "kmod_test.h"

#define MIB   (1UL << 20)
#define EVICT PINPOOL_CREATE_EVICTABLE

static const char *const names[] = { "a", "b", "c", "d", "e", "new" };

/* A READY pool of 4 MiB. */
static int make(const char *name, uint32_t flags, int priority)
{
	struct pinpool_create c;
	int fd, ret;

	create_init(&c, name, 4 * MIB);
	c.flags = flags;
	c.priority = priority;
	ret = create_as(&c);
	if (ret)
		return ret;
	fd = pool_open_loading(name);
	if (fd < 0)
		return fd;
	ret = pool_write_pattern(fd, 1, 0, HUGE);
	ret = ret ? ret : pool_commit(fd, HUGE);
	close(fd);
	return ret;
}

/* The pools there are, as a string of their names. */
static const char *present(char buf[16])
{
	char *p = buf;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];

		snprintf(path, sizeof(path), "/dev/pinpool/%s", names[i]);
		if (!access(path, F_OK))
			p += sprintf(p, "%s", names[i]);
	}
	*p = 0;
	return buf;
}

#define EXPECT_PRESENT(_want)                                                                                          \
	do {                                                                                                           \
		char _buf[16];                                                                                         \
		EXPECT_STREQ(_want, present(_buf));                                                                    \
	} while (0)

static uint64_t evicted(void)
{
	struct pinpool_module_info info;

	return module_info(&info) ? ~0ULL : info.out_evicted;
}

FIXTURE(evict) {
	int unused;
};

FIXTURE_SETUP(evict)
{
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load("limit_mb=16"));
}

FIXTURE_TEARDOWN(evict)
{
	struct pinpool_module_info info;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		pool_destroy(names[i]);
	ASSERT_EQ(0, module_info(&info));
	EXPECT_EQ(0, info.out_used_bytes);
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, module_load(""));
}

TEST_F(evict, the_lowest_priority_first)
{
	ASSERT_EQ(0, make("a", EVICT, 3));
	ASSERT_EQ(0, make("b", EVICT, -5));
	ASSERT_EQ(0, make("c", EVICT, 0));
	ASSERT_EQ(0, make("d", EVICT, 7));
	ASSERT_EQ(0, pool_create("new", 4 * MIB));
	EXPECT_PRESENT("acdnew");
	EXPECT_EQ(1, evicted());
	ASSERT_EQ(0, pool_create("e", 8 * MIB));
	EXPECT_PRESENT("denew");
	EXPECT_EQ(3, evicted());
}

TEST_F(evict, of_equal_ones_the_least_recently_used)
{
	int fd;

	ASSERT_EQ(0, make("a", EVICT, 0));
	ASSERT_EQ(0, make("b", EVICT, 0));
	ASSERT_EQ(0, make("c", EVICT, 0));
	ASSERT_EQ(0, make("d", EVICT, 0));
	fd = pool_open("a", O_RDONLY);
	ASSERT_LE(0, fd);
	close(fd);
	ASSERT_EQ(0, pool_create("new", 4 * MIB));
	EXPECT_PRESENT("acdnew");
}

/* Not marked, not READY, open, mapped: each alone is enough to stay. */
TEST_F(evict, others_never)
{
	int empty, opened, mapped;
	char *p;

	ASSERT_EQ(0, make("a", 0, -9));
	ASSERT_EQ(0, pool_create_flags("b", 4 * MIB, EVICT));
	ASSERT_EQ(0, make("c", EVICT, -9));
	ASSERT_EQ(0, make("d", EVICT, -9));
	opened = pool_open("c", O_RDONLY);
	mapped = pool_open("d", O_RDONLY);
	ASSERT_LE(0, opened);
	ASSERT_LE(0, mapped);
	p = pool_map(mapped, HUGE, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	close(mapped);
	EXPECT_EQ(-ENOSPC, pool_create("new", 4 * MIB));
	EXPECT_PRESENT("abcd");

	empty = pool_open("b", O_RDWR);
	ASSERT_LE(0, empty);
	ASSERT_EQ(0, pool_begin(empty));
	EXPECT_EQ(-ENOSPC, pool_create("new", 4 * MIB));
	EXPECT_PRESENT("abcd");
	EXPECT_EQ(0, evicted());
	EXPECT_EQ(-1, pattern_differs(p, HUGE, 1, 0));

	munmap(p, HUGE);
	EXPECT_EQ(0, pool_create("new", 4 * MIB));
	EXPECT_PRESENT("abcnew");
	close(opened);
	close(empty);
}

TEST_F(evict, never_in_vain)
{
	ASSERT_EQ(0, make("a", EVICT, 0));
	ASSERT_EQ(0, make("b", EVICT, 0));
	ASSERT_EQ(0, make("c", 0, 0));
	EXPECT_EQ(-ENOSPC, pool_create("new", 14 * MIB));
	EXPECT_EQ(-ENOSPC, pool_create("new", 1UL << 40));
	EXPECT_PRESENT("abc");
	EXPECT_EQ(0, evicted());
	EXPECT_EQ(0, pool_create("new", 12 * MIB));
	EXPECT_PRESENT("cnew");
}

TEST_F(evict, no_more_than_needed)
{
	ASSERT_EQ(0, make("a", EVICT, 0));
	ASSERT_EQ(0, make("b", EVICT, 0));
	ASSERT_EQ(0, pool_create("new", 8 * MIB));
	EXPECT_PRESENT("abnew");
	ASSERT_EQ(0, pool_destroy("new"));
	ASSERT_EQ(0, pool_create("new", 10 * MIB));
	EXPECT_PRESENT("bnew");
}

TEST_F(evict, growth_needs_room_too)
{
	int fd;

	ASSERT_EQ(0, make("a", EVICT, 0));
	ASSERT_EQ(0, pool_create("new", 12 * MIB));
	fd = pool_open("new", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOSPC, pool_resize(fd, 18 * MIB));
	EXPECT_PRESENT("anew");
	ASSERT_EQ(0, pool_resize(fd, 14 * MIB));
	EXPECT_PRESENT("new");
	close(fd);
}

TEST_F(evict, set_and_taken_back)
{
	struct pinpool_pool_info info;
	int fd;

	ASSERT_EQ(0, make("a", 0, 0));
	ASSERT_EQ(0, make("b", EVICT, 1));
	fd = pool_open("a", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_set_eviction(fd, true, -3));
	ASSERT_EQ(0, pool_info(fd, &info));
	EXPECT_EQ(EVICT, info.out_flags);
	EXPECT_EQ(-3, info.out_priority);
	close(fd);
	fd = pool_open("b", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_set_eviction(fd, false, 0));
	ASSERT_EQ(0, pool_info(fd, &info));
	EXPECT_EQ(0, info.out_flags);
	close(fd);
	ASSERT_EQ(0, pool_create("new", 12 * MIB));
	EXPECT_PRESENT("bnew");
}

static int alice_marks_roots_pool(void *arg)
{
	int fd;

	if (become(1001))
		return 255;
	fd = pool_open("a", O_RDONLY);
	return fd < 0 ? 254 : -pool_set_eviction(fd, true, 0);
}

TEST_F(evict, is_for_the_owner_to_say)
{
	struct pinpool_create c;
	int fd;

	ASSERT_EQ(0, make("a", 0, 0));
	ASSERT_EQ(0, chmod("/dev/pinpool/a", 0644));
	EXPECT_EQ(EPERM, in_child(alice_marks_roots_pool, NULL));
	ASSERT_EQ(0, pool_destroy("a"));
	create_init(&c, "a", HUGE);
	c.uid = 1001;
	ASSERT_EQ(0, create_as(&c));
	EXPECT_EQ(0, in_child(alice_marks_roots_pool, NULL));
	/* And for root. */
	fd = pool_open("a", O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, pool_set_eviction(fd, false, 0));
	close(fd);
}

/* The name and the node are gone, and can be taken again. */
TEST_F(evict, the_name_is_free)
{
	ASSERT_EQ(0, make("a", EVICT, 0));
	ASSERT_EQ(0, make("b", 0, 0));
	ASSERT_EQ(0, make("c", 0, 0));
	ASSERT_EQ(0, make("d", 0, 0));
	/* Its own name is taken until it gives way, which it does not for one of the same name. */
	EXPECT_EQ(-EEXIST, pool_create("a", 4 * MIB));
	ASSERT_EQ(0, pool_create("new", 4 * MIB));
	EXPECT_EQ(-ENOENT, pool_open("a", O_RDONLY));
	EXPECT_EQ(-ENOENT, pool_destroy("a"));
	ASSERT_EQ(0, pool_destroy("new"));
	EXPECT_EQ(0, pool_create("a", 4 * MIB));
}

/* Only what the same user pays for helps when his share is used up. */
static int alice_needs_room(void *arg)
{
	if (become(1001))
		return 255;
	if (make("b", EVICT, 9) || make("c", 0, 0))
		return 1;
	if (pool_create("new", 4 * MIB))
		return 2;
	return pool_create("e", 4 * MIB) == -EDQUOT ? 0 : 3;
}

TEST_F(evict, a_users_share)
{
	ASSERT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_uid_mb", "8"));
	ASSERT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_mb", "0"));
	ASSERT_EQ(0, chmod("/dev/pinpool/control", 0666));
	ASSERT_EQ(0, make("a", EVICT, -9));
	EXPECT_EQ(0, in_child(alice_needs_room, NULL));
	EXPECT_PRESENT("acnew");
}

/* Memory of a node: a pool that has none of it is no help and stays. */
TEST_F(evict, memory_of_a_node)
{
	struct pinpool_create c;
	int fd;

	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load(""));
	create_init(&c, "a", 8 * MIB);
	c.flags = EVICT;
	c.priority = -9;
	c.numa_node = 0;
	ASSERT_EQ(0, create_as(&c));
	strcpy((char *)c.name, "b");
	c.priority = 9;
	c.numa_node = 1;
	ASSERT_EQ(0, create_as(&c));
	for (int i = 0; i < 2; i++) {
		fd = pool_open_loading(names[i]);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, pool_commit(fd, 1));
		close(fd);
	}
	/* Node 1 is filled to the last page by a pool that stays. */
	create_init(&c, "c", HUGE);
	c.numa_node = 1;
	ASSERT_EQ(0, create_as(&c));
	fd = pool_open("c", O_RDWR);
	ASSERT_LE(0, fd);
	for (uint64_t now = HUGE, step = 512 * MIB; step >= HUGE; step /= 2)
		while (evicted() == 0 && !pool_resize(fd, now + step))
			now += step;
	EXPECT_EQ(1, evicted());
	EXPECT_PRESENT("ac");
	close(fd);
}

static int create_and_destroy(void *arg)
{
	char name[8];

	snprintf(name, sizeof(name), "p%ld", (long)arg);
	for (int i = 0; i < 40; i++) {
		int ret = make(name, EVICT, i % 3);

		/* Another may have evicted it between commit and destroy, or before begin had it open. */
		if (ret && ret != -ENOSPC && ret != -ENOENT && ret != -ENXIO)
			return 1;
		ret = pool_destroy(name);
		if (ret && ret != -ENOENT)
			return 2;
	}
	return 0;
}

/* Creators that evict each other's pools: everyone ends, nothing is lost, and at the end everything is back. */
TEST_F_TIMEOUT(evict, many_at_once, 120)
{
	pid_t pid[6];

	for (long i = 0; i < 6; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(create_and_destroy((void *)i));
	}
	for (int i = 0; i < 6; i++) {
		int status;

		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
	}
}

TEST_HARNESS_MAIN
