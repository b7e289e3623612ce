/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* NUMA policies of pools without the module: where the pages are, and that the thread is as it was. */
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "harness.h"
#include "pool_env.h"

POOL_FIXTURE_FILES(numa);

/* The nodes with memory, as in the mask of the ABI; there are few here. */
static uint64_t nodes_with_memory(void)
{
	uint64_t nodes = 0;
	char path[64];

	for (int node = 0; node < 64; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
		if (!access(path, F_OK))
			nodes |= 1ULL << node;
	}
	return nodes;
}

/* The node that the page at @addr comes from, -errno. */
static int node_of(const void *addr)
{
	int node = -1;

	if (syscall(SYS_get_mempolicy, &node, NULL, 0L, addr, (long)(MPOL_F_NODE | MPOL_F_ADDR)))
		return -errno;
	return node;
}

static int policy_of_thread(void)
{
	unsigned long nodes[17] = {0};
	int policy = -1;

	return syscall(SYS_get_mempolicy, &policy, nodes, 1025L, 0L, 0L) ? -errno : policy;
}

/* Whether page i of READY pool "model" comes from @wanted(i). */
static bool pages_come_from(struct pool_env *env, int (*wanted)(uint64_t index))
{
	struct pinpool_pool *pool;
	const char *content;
	bool right = true;
	size_t bytes;

	if (pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL))
		return false;
	if (pinpool_pool_begin(pool, NULL) || env_commit(pool, 1) ||
	    pinpool_pool_map(pool, (const void **)&content, &bytes))
		right = false;
	for (uint64_t i = 0; right && i < bytes / env->page; i++) {
		/* The page is there; the mapping has it after a touch. */
		*(volatile const char *)(content + i * env->page);
		right = node_of(content + i * env->page) == wanted(i);
	}
	pinpool_pool_close(pool);
	return right;
}

static int last_node(uint64_t index)
{
	return 63 - __builtin_clzll(nodes_with_memory());
}

static int in_turn(uint64_t index)
{
	uint64_t all = nodes_with_memory(), nodes = all;

	for (uint64_t skip = index % (uint64_t)__builtin_popcountll(all); skip; skip--)
		nodes &= nodes - 1;
	return __builtin_ctzll(nodes);
}

TEST_F(numa, pages_come_from_where_they_shall)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 5 * self->env.page);
	struct pinpool_info info = {.size = sizeof(info)};
	int err;

	opts.numa_node = (uint32_t)last_node(0) + 1;
	err = pinpool_pool_create(self->env.ctx, "model", &opts, NULL);
	if (err == -EOPNOTSUPP)
		SKIP(return, "this kernel or sandbox does not let a thread choose a node");
	ASSERT_EQ(0, err);
	EXPECT_TRUE(pages_come_from(&self->env, last_node));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));

	opts.numa_policy = PINPOOL_NUMA_PREFER;
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, "model", &opts, NULL));
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, "model", &info, NULL));
	EXPECT_EQ(PINPOOL_NUMA_PREFER, info.numa_policy);
	EXPECT_EQ(last_node(0), info.numa_node);
	EXPECT_EQ(PINPOOL_UNKNOWN, info.numa_fallback);
	EXPECT_TRUE(pages_come_from(&self->env, last_node));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));

	opts.numa_policy = PINPOOL_NUMA_INTERLEAVE;
	opts.numa_node = 0;
	for (int named = 0; named < 2; named++) {
		opts.numa_nodes = named ? nodes_with_memory() : 0;
		ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, "model", &opts, NULL));
		ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, "model", &info, NULL));
		EXPECT_EQ(PINPOOL_NUMA_INTERLEAVE, info.numa_policy);
		EXPECT_EQ(nodes_with_memory(), info.numa_nodes);
		EXPECT_EQ(-1, info.numa_node);
		EXPECT_TRUE(pages_come_from(&self->env, in_turn));
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	}
	EXPECT_EQ(MPOL_DEFAULT, policy_of_thread());
}

TEST_F(numa, a_node_without_pages_is_named)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .numa_policy = PINPOOL_NUMA_INTERLEAVE);
	struct pinpool_diag diag = {0};

	if (variant->backend != PINPOOL_BACKEND_HUGETLBFS)
		SKIP(return, "more than tmpfs has of a node is more than a test should take");
	opts.capacity = 1ULL << 40;
	EXPECT_EQ(-ENOMEM, pinpool_pool_create(self->env.ctx, "model", &opts, &diag));
	EXPECT_NE(NULL, strstr(diag.cause, "on node "));
	EXPECT_NE(NULL, strstr(diag.change, "/sys/devices/system/node/node"));
	EXPECT_EQ(MPOL_DEFAULT, policy_of_thread());
	EXPECT_EQ(0, env_files(&self->env));
}

TEST_F(numa, what_makes_no_sense_is_refused)
{
	static const struct {
		enum pinpool_numa_policy policy;
		uint32_t node;
		uint64_t nodes;
		int err;
	} bad[] = {
		{PINPOOL_NUMA_BIND, 0, 1, -EINVAL},
		{PINPOOL_NUMA_BIND, 1024, 0, -EINVAL},
		{PINPOOL_NUMA_BIND, UINT32_MAX, 0, -EINVAL},
		{PINPOOL_NUMA_PREFER, 0, 0, -EINVAL},
		{PINPOOL_NUMA_PREFER, 1, 1, -EINVAL},
		{PINPOOL_NUMA_PREFER, 1024, 0, -EINVAL},
		{PINPOOL_NUMA_INTERLEAVE, 1, 0, -EINVAL},
		{PINPOOL_NUMA_INTERLEAVE, 0, 1ULL << 63, -EINVAL},
		{(enum pinpool_numa_policy)3, 0, 0, -EOPNOTSUPP},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 1, .numa_policy = bad[i].policy,
			     .numa_node = bad[i].node, .numa_nodes = bad[i].nodes);
		struct pinpool_diag diag = {0};

		EXPECT_EQ(bad[i].err, pinpool_pool_create(self->env.ctx, "model", &opts, &diag))
		{
			TH_LOG("case %zu", i);
		}
		EXPECT_NE('\0', diag.cause[0]);
	}
	EXPECT_EQ(0, env_files(&self->env));
}

/* Whoever touches them decides where pages come from, so nothing else is promised. */
TEST_F(numa, not_for_pages_on_demand)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 1, .on_demand = true, .numa_node = 1);
	struct pinpool_diag diag = {0};

	EXPECT_EQ(-EOPNOTSUPP, pinpool_pool_create(self->env.ctx, "model", &opts, &diag));
	EXPECT_NE(NULL, strstr(diag.change, "kernel module"));
	opts.numa_node = 0;
	opts.numa_policy = PINPOOL_NUMA_INTERLEAVE;
	EXPECT_EQ(-EOPNOTSUPP, pinpool_pool_create(self->env.ctx, "model", &opts, &diag));
}

TEST_HARNESS_MAIN
