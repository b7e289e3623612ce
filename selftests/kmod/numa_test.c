// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Pages come from the nodes that were asked for. The VM has two, of a GiB each; where a page lies is asked of
 * move_pages(), not of the module.
 */
#include "harness.h"
#include "kmod_test.h"

#define PAGES 8UL
#define NODES 2
#define MIB   (1UL << 20)

/* Nodes of the pages of a READY pool, by the core's account; -errno where there is none. 0 or -errno. */
static int nodes_of(const char *name, unsigned long pages, int node[])
{
	int fd = pool_open(name, O_RDONLY), ret = 0;
	void *at[64];
	char *p;

	if (fd < 0)
		return fd;
	p = pool_map(fd, pages * HUGE, PROT_READ);
	close(fd);
	if (p == MAP_FAILED)
		return -errno;
	for (unsigned long i = 0; i < pages; i++) {
		at[i] = p + i * HUGE;
		ret |= *(volatile char *)at[i] & 0;
	}
	ret = result(syscall(SYS_move_pages, 0, pages, at, NULL, node, 0));
	munmap(p, pages * HUGE);
	return ret;
}

/* A READY pool; create's errno, or that of what follows. */
static int create_ready(struct pinpool_create *c)
{
	int ret = create_as(c), fd;

	if (ret)
		return ret;
	fd = pool_open_loading((char *)c->name);
	if (fd < 0)
		return fd;
	ret = pool_commit(fd, 1);
	close(fd);
	return ret;
}

FIXTURE(numa) {
	struct pinpool_create c;
	int node[64];
};

FIXTURE_VARIANT(numa) {
	const char *params;
	uint32_t flags;
};

/* clang-format off */
FIXTURE_VARIANT_ADD(numa, page_allocator) { .params = "", .flags = 0 };
FIXTURE_VARIANT_ADD(numa, on_demand) { .params = "", .flags = PINPOOL_CREATE_ON_DEMAND };
FIXTURE_VARIANT_ADD(numa, reserve) { .params = "reserve_mb=32,32", .flags = 0 };
/* clang-format on */

FIXTURE_SETUP(numa)
{
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load(variant->params));
	create_init(&self->c, "n", PAGES * HUGE);
	self->c.flags = variant->flags;
}

FIXTURE_TEARDOWN(numa)
{
	pool_destroy("n");
	pool_destroy("hog");
	EXPECT_EQ(0, module_unload());
	EXPECT_EQ(0, module_load(""));
}

TEST_F(numa, bind)
{
	for (int nid = 0; nid < NODES; nid++) {
		self->c.numa_node = nid;
		ASSERT_EQ(0, create_ready(&self->c));
		ASSERT_EQ(0, nodes_of("n", PAGES, self->node));
		for (unsigned long i = 0; i < PAGES; i++) {
			EXPECT_EQ(nid, self->node[i]) TH_LOG("page %lu", i);
		}
		ASSERT_EQ(0, pool_destroy("n"));
	}
}

TEST_F(numa, interleave_over_all)
{
	struct pinpool_pool_info info;
	int fd;

	self->c.numa_policy = PINPOOL_NUMA_INTERLEAVE;
	ASSERT_EQ(0, create_ready(&self->c));
	ASSERT_EQ(0, nodes_of("n", PAGES, self->node));
	for (unsigned long i = 0; i < PAGES; i++) {
		EXPECT_EQ(i % NODES, self->node[i]) TH_LOG("page %lu", i);
	}
	fd = pool_open("n", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_info(fd, &info));
	EXPECT_EQ(PINPOOL_NUMA_INTERLEAVE, info.out_numa_policy);
	EXPECT_EQ(3, info.out_numa_nodes);
	EXPECT_EQ(PINPOOL_NUMA_ANY, info.out_numa_node);
	EXPECT_EQ(0, info.out_numa_fallback);
	close(fd);
}

/* In the order of the set, whichever page is touched first. */
TEST_F(numa, interleave_over_a_set)
{
	self->c.numa_policy = PINPOOL_NUMA_INTERLEAVE;
	self->c.numa_nodes = 1ULL << 1;
	ASSERT_EQ(0, create_ready(&self->c));
	ASSERT_EQ(0, nodes_of("n", PAGES, self->node));
	for (unsigned long i = 0; i < PAGES; i++) {
		EXPECT_EQ(1, self->node[i]) TH_LOG("page %lu", i);
	}
}

TEST_F(numa, prefer_takes_the_node_while_it_has_room)
{
	struct pinpool_pool_info info;
	int fd;

	self->c.numa_policy = PINPOOL_NUMA_PREFER;
	self->c.numa_node = 1;
	ASSERT_EQ(0, create_ready(&self->c));
	ASSERT_EQ(0, nodes_of("n", PAGES, self->node));
	for (unsigned long i = 0; i < PAGES; i++) {
		EXPECT_EQ(1, self->node[i]) TH_LOG("page %lu", i);
	}
	fd = pool_open("n", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_info(fd, &info));
	EXPECT_EQ(0, info.out_numa_fallback);
	EXPECT_EQ(PINPOOL_NUMA_PREFER, info.out_numa_policy);
	EXPECT_EQ(1, info.out_numa_node);
	close(fd);
}

/* Huge pages free on a node, by the page allocator's account and the reserve's. */
static unsigned long free_mib(int nid)
{
	char path[128], buf[8192], *p;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", nid);
	if (file_read(path, buf, sizeof(buf)) < 0)
		return 0;
	p = strstr(buf, "MemFree:");
	return p ? strtoul(p + strlen("MemFree:"), NULL, 10) >> 10 : 0;
}

/* Takes what node @nid has, in pools that get smaller, until not one page is left. The pool "hog" holds it. */
static int exhaust(int nid)
{
	struct pinpool_create c;
	unsigned long size = free_mib(nid) * MIB & ~(HUGE - 1);
	int fd, ret;

	create_init(&c, "hog", HUGE);
	c.numa_node = nid;
	ret = create_as(&c);
	if (ret)
		return ret;
	fd = pool_open("hog", O_RDWR);
	if (fd < 0)
		return fd;
	/* As far as it goes, in steps that get smaller. */
	for (uint64_t now = HUGE; size >= HUGE; size = size / 2 & ~(HUGE - 1))
		while (!pool_resize(fd, now + size))
			now += size;
	close(fd);
	return 0;
}

TEST_F_TIMEOUT(numa, a_full_node_is_enomem_or_falls_back_and_says_so, 300)
{
	struct pinpool_pool_info info;
	unsigned long elsewhere = 0;
	int fd;

	ASSERT_EQ(0, exhaust(1));
	self->c.numa_node = 1;
	if (variant->flags) {
		char *p;

		ASSERT_EQ(0, create_as(&self->c));
		fd = pool_open_loading("n");
		ASSERT_LE(0, fd);
		EXPECT_EQ(-ENOMEM, result(pwrite(fd, "x", 1, 0)));
		p = pool_map(fd, HUGE, PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(-EFAULT, result(madvise(p, HUGE, MADV_POPULATE_WRITE)));
		munmap(p, HUGE);
		ASSERT_EQ(0, pool_info(fd, &info));
		EXPECT_EQ(0, info.out_huge_pages);
		EXPECT_LE(2, info.out_failed_allocs);
		close(fd);
		ASSERT_EQ(0, pool_destroy("n"));
	} else {
		EXPECT_EQ(-ENOMEM, create_as(&self->c));
	}
	self->c.numa_policy = PINPOOL_NUMA_PREFER;
	ASSERT_EQ(0, create_ready(&self->c));
	ASSERT_EQ(0, nodes_of("n", PAGES, self->node));
	for (unsigned long i = 0; i < PAGES; i++)
		elsewhere += self->node[i] == 0;
	EXPECT_LT(0, elsewhere);
	fd = pool_open("n", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_info(fd, &info));
	EXPECT_EQ(elsewhere, info.out_numa_fallback);
	close(fd);
}

TEST_F(numa, what_does_not_go_together_is_einval)
{
	static const struct {
		uint32_t policy;
		int32_t node;
		uint64_t nodes;
		int err;
	} cases[] = {
		{ PINPOOL_NUMA_BIND, -1, 1, -EINVAL },
		{ PINPOOL_NUMA_BIND, 0, 1, -EINVAL },
		{ PINPOOL_NUMA_BIND, 2, 0, -EINVAL },
		{ PINPOOL_NUMA_BIND, 1 << 20, 0, -EINVAL },
		{ PINPOOL_NUMA_BIND, INT32_MAX, 0, -EINVAL },
		{ PINPOOL_NUMA_BIND, -2, 0, -EINVAL },
		{ PINPOOL_NUMA_BIND, INT32_MIN, 0, -EINVAL },
		{ PINPOOL_NUMA_PREFER, -1, 0, -EINVAL },
		{ PINPOOL_NUMA_PREFER, 5, 0, -EINVAL },
		{ PINPOOL_NUMA_PREFER, 0, 1, -EINVAL },
		{ PINPOOL_NUMA_INTERLEAVE, 0, 0, -EINVAL },
		{ PINPOOL_NUMA_INTERLEAVE, -1, 4, -EINVAL },
		{ PINPOOL_NUMA_INTERLEAVE, -1, 7, -EINVAL },
		{ PINPOOL_NUMA_INTERLEAVE, -1, 1ULL << 63, -EINVAL },
		{ 3, -1, 0, -EOPNOTSUPP },
		{ UINT32_MAX, -1, 0, -EOPNOTSUPP },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		self->c.numa_policy = cases[i].policy;
		self->c.numa_node = cases[i].node;
		self->c.numa_nodes = cases[i].nodes;
		EXPECT_EQ(cases[i].err, create_as(&self->c)) TH_LOG("case %zu", i);
	}
	EXPECT_EQ(-ENOENT, pool_destroy("n"));
}

TEST_HARNESS_MAIN
