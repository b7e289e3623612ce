// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Creation is all or nothing: a pool has all its pages, on the node and within the limits asked for, or there is no
 * pool, no node in /dev, and not a page less than before.
 */
#include <linux/mempolicy.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "harness.h"
#include "kmod_test.h"

/* The VM has two NUMA nodes of 1 GiB. */
#define NODES 2
#define NODE_BYTES (1UL << 30)

FIXTURE(create) {
	struct pinpool_module_info before;
};

FIXTURE_SETUP(create)
{
	ASSERT_EQ(0, module_info(&self->before));
}

FIXTURE_TEARDOWN(create)
{
	struct pinpool_module_info after;

	pool_destroy("c");
	EXPECT_EQ(0, module_info(&after));
	EXPECT_EQ(self->before.out_used_bytes, after.out_used_bytes);
	EXPECT_EQ(self->before.out_free_bytes, after.out_free_bytes);
	EXPECT_EQ(self->before.out_pools, after.out_pools);
	EXPECT_EQ(-1, access("/dev/pinpool/c", F_OK));
	EXPECT_EQ(-1, access("/sys/class/pinpool/c", F_OK));
}

TEST_F(create, capacity_is_whole_pages)
{
	static const uint64_t bad[] = { 0, 1, PAGE, HUGE - 1, HUGE + 1, HUGE + PAGE, 3 * HUGE - PAGE, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, pool_create("c", bad[i])) TH_LOG("capacity %#lx", (unsigned long)bad[i]);
	}
}

TEST_F_TIMEOUT(create, capacity_beyond_memory_is_enomem, 120)
{
	struct sysinfo si;

	ASSERT_EQ(0, sysinfo(&si));
	EXPECT_EQ(-ENOMEM, pool_create("c", 1ULL << 63));
	EXPECT_EQ(-ENOMEM, pool_create("c", UINT64_MAX - HUGE + 1));
	EXPECT_EQ(-ENOMEM, pool_create("c", 1ULL << 45));
	EXPECT_EQ(-ENOMEM, pool_create("c", (uint64_t)si.totalram * si.mem_unit / HUGE * HUGE + HUGE));
	/* What failed took nothing: most of the memory can be had. */
	EXPECT_EQ(0, pool_create("c", 512 * HUGE));
}

TEST_F(create, page_size_is_two_mib_or_the_modules_choice)
{
	static const uint64_t bad[] = { 1, PAGE, HUGE / 2, HUGE - 1, 2 * HUGE, 1UL << 30, UINT64_MAX };
	struct pinpool_create c;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		create_init(&c, "c", 1UL << 30);
		c.page_size = bad[i];
		EXPECT_EQ(-EOPNOTSUPP, create_as(&c)) TH_LOG("page size %#lx", (unsigned long)bad[i]);
	}
	create_init(&c, "c", HUGE);
	c.page_size = HUGE;
	EXPECT_EQ(0, create_as(&c));
	EXPECT_EQ(HUGE, self->before.out_page_size);
}

TEST_F(create, name_is_taken)
{
	struct pinpool_pool_info info;
	int fd;

	ASSERT_EQ(0, pool_create("c", 2 * HUGE));
	EXPECT_EQ(-EEXIST, pool_create("c", HUGE));
	fd = pool_open("c", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_info(fd, &info));
	EXPECT_EQ(2 * HUGE, info.out_capacity);
	EXPECT_EQ(2, info.out_huge_pages);
	close(fd);
}

TEST_F(create, mode_bits)
{
	static const struct {
		uint32_t asked, got;
	} good[] = { { 0, 0600 }, { 0600, 0600 }, { 0644, 0644 }, { 0666, 0666 }, { 0040, 0040 }, { 0440, 0440 } };
	static const uint32_t bad[] = { 01, 0111, 0700, 0777, 01600, 02600, 04600, 010600, 0100600, 0x80000000 };
	struct pinpool_create c;
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		create_init(&c, "c", HUGE);
		c.mode = bad[i];
		EXPECT_EQ(-EINVAL, create_as(&c)) TH_LOG("mode %#o", bad[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		create_init(&c, "c", HUGE);
		c.mode = good[i].asked;
		EXPECT_EQ(0, create_as(&c));
		ASSERT_EQ(0, stat("/dev/pinpool/c", &st));
		EXPECT_EQ(S_IFCHR | good[i].got, st.st_mode);
		EXPECT_EQ(0, st.st_uid);
		EXPECT_EQ(0, st.st_gid);
		EXPECT_EQ(0, pool_destroy("c"));
	}
}

TEST_F(create, node_that_does_not_exist)
{
	static const int32_t bad[] = { -2, NODES, 63, 1023, 1024, INT32_MAX, INT32_MIN };
	struct pinpool_create c;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		create_init(&c, "c", HUGE);
		c.numa_node = bad[i];
		EXPECT_EQ(-EINVAL, create_as(&c)) TH_LOG("node %d", bad[i]);
	}
}

TEST_F(create, every_page_is_on_the_node)
{
	const size_t pages = 8;

	for (int node = 0; node < NODES; node++) {
		void *addr[8];
		int status[8], fd;
		struct pinpool_create c;
		struct pinpool_pool_info info;
		char *p;

		create_init(&c, "c", pages * HUGE);
		c.numa_node = node;
		ASSERT_EQ(0, create_as(&c));
		fd = pool_open("c", O_RDWR);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, pool_info(fd, &info));
		EXPECT_EQ(node, info.out_numa_node);
		ASSERT_EQ(0, pool_begin(fd));
		p = pool_map(fd, pages * HUGE, PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, p);
		for (size_t i = 0; i < pages; i++) {
			addr[i] = p + i * HUGE;
			p[i * HUGE] = 1;
		}
		ASSERT_EQ(0, syscall(SYS_move_pages, 0, pages, addr, NULL, status, 0));
		for (size_t i = 0; i < pages; i++) {
			EXPECT_EQ(node, status[i]) TH_LOG("page %zu", i);
		}
		munmap(p, pages * HUGE);
		close(fd);
		ASSERT_EQ(0, pool_destroy("c"));
	}
}

TEST_F_TIMEOUT(create, a_full_node_does_not_borrow_from_the_other, 120)
{
	struct pinpool_create c;

	create_init(&c, "c", NODE_BYTES);
	c.numa_node = 1;
	EXPECT_EQ(-ENOMEM, create_as(&c));
}

static int control_is_read_only(void *arg)
{
	struct pinpool_create c;
	int control = control_open(O_RDONLY), ret;

	create_init(&c, "c", HUGE);
	ret = ioctl_create(control, &c);
	close(control);
	return -ret;
}

TEST_F(create, needs_a_control_file_open_for_writing)
{
	EXPECT_EQ(EPERM, in_child(control_is_read_only, NULL));
}

/* A struct in memory that cannot be written: results, if there were any, could not be given; nothing may be left. */
TEST_F(create, struct_in_read_only_memory)
{
	struct pinpool_create *c = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int control = control_open(O_RDWR), ret;

	ASSERT_NE(MAP_FAILED, c);
	create_init(c, "c", HUGE);
	ASSERT_EQ(0, mprotect(c, PAGE, PROT_READ));
	ret = ioctl_create(control, c);
	if (ret) {
		EXPECT_EQ(-EFAULT, ret);
		EXPECT_EQ(-ENOENT, pool_destroy("c"));
	}
	close(control);
}

/* A creator that is killed in the middle leaves a whole pool or none. */
TEST_F_TIMEOUT(create, killed_creator_leaves_all_or_nothing, 120)
{
	for (int i = 0; i < 20; i++) {
		struct pinpool_module_info info;
		pid_t pid = fork();
		int status, ret;

		if (pid == 0)
			_exit(-pool_create("c", 128 * HUGE));
		sleep_us(i * 2000);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ret = pool_destroy("c");
		EXPECT_TRUE(ret == 0 || ret == -ENOENT) TH_LOG("destroy: %d", ret);
		ASSERT_EQ(0, module_info(&info));
		EXPECT_EQ(self->before.out_used_bytes, info.out_used_bytes);
		EXPECT_EQ(self->before.out_pools, info.out_pools);
	}
}

TEST_HARNESS_MAIN
