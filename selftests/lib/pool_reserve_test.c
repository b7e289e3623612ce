/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The reserve of each NUMA node: shown, grown, shrunk under a pool, refused. */
#include "harness.h"
#include "pool_env.h"

POOL_FIXTURE_ALL(reserve);

#define MIB (1ULL << 20)

static int get(struct pool_env *env, size_t index, struct pinpool_reserve *reserve)
{
	*reserve = (struct pinpool_reserve){.size = sizeof(*reserve)};
	return pinpool_reserve_get(env->ctx, index, reserve, NULL);
}

TEST_F(reserve, every_node_has_one)
{
	struct pinpool_ctx_info info = {.size = sizeof(info)};
	struct pinpool_reserve reserve;
	struct pinpool_diag diag = {0};
	uint64_t bytes = 0, left = 0;
	size_t nodes;
	int err;

	if (variant->backend == PINPOOL_BACKEND_SHM) {
		EXPECT_EQ(-EOPNOTSUPP, get(&self->env, 0, &reserve));
		EXPECT_EQ(-EOPNOTSUPP, pinpool_reserve_set(self->env.ctx, 0, 0, &diag));
		EXPECT_NE(NULL, strstr(diag.change, "kernel module or hugetlbfs"));
		return;
	}
	for (nodes = 0; !(err = get(&self->env, nodes, &reserve)); nodes++) {
		EXPECT_LE(reserve.free_bytes, reserve.reserve_bytes);
		bytes += reserve.reserve_bytes;
		left += reserve.free_bytes;
		EXPECT_LE(nodes, reserve.node);
	}
	EXPECT_EQ(-ENOENT, err);
	EXPECT_LT(0, nodes);
	ASSERT_EQ(0, pinpool_ctx_get_info(self->env.ctx, &info));
	EXPECT_EQ(info.reserve_bytes, bytes);
	EXPECT_EQ(info.free_bytes, left);
	/* As much as the caller has room for. */
	reserve = (struct pinpool_reserve){.size = offsetof(struct pinpool_reserve, free_bytes), .free_bytes = 77};
	ASSERT_EQ(0, pinpool_reserve_get(self->env.ctx, 0, &reserve, NULL));
	EXPECT_EQ(77, reserve.free_bytes);
	reserve.size = 0;
	EXPECT_EQ(-EINVAL, pinpool_reserve_get(self->env.ctx, 0, &reserve, NULL));
}

TEST_F(reserve, grows_and_shrinks_and_no_pool_notices)
{
	struct pinpool_reserve before, now;
	uint32_t node;

	if (variant->backend == PINPOOL_BACKEND_SHM)
		SKIP(return, "this backend has no reserve");
	ASSERT_EQ(0, get(&self->env, 0, &before));
	node = before.node;
	/* Rounded up to whole pages. */
	ASSERT_EQ(0, pinpool_reserve_set(self->env.ctx, node, before.reserve_bytes + 7 * MIB, NULL));
	ASSERT_EQ(0, get(&self->env, 0, &now));
	EXPECT_EQ(before.reserve_bytes + 8 * MIB, now.reserve_bytes);
	EXPECT_EQ(before.free_bytes + 8 * MIB, now.free_bytes);
	ASSERT_EQ(0, env_make_ready(&self->env, "model", now.free_bytes / self->env.page, 0x33));
	ASSERT_EQ(0, pinpool_reserve_set(self->env.ctx, node, before.reserve_bytes, NULL));
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, "model"));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	ASSERT_EQ(0, get(&self->env, 0, &now));
	EXPECT_EQ(before.reserve_bytes, now.reserve_bytes);
	EXPECT_EQ(before.free_bytes, now.free_bytes);
}

static int set_as_user(struct pool_env *env)
{
	struct pinpool_diag diag = {0};
	struct pinpool_reserve reserve;
	int err = env_reopen(env);

	if (!err)
		err = get(env, 0, &reserve);
	if (!err)
		err = pinpool_reserve_set(env->ctx, reserve.node, 0, &diag);
	return err == -EPERM && strcmp(diag.change, "become root") ? -EPROTO : err;
}

TEST_F(reserve, what_cannot_be_is_refused_and_changes_nothing)
{
	struct pinpool_diag diag = {0};
	struct pinpool_reserve before, now;

	if (variant->backend == PINPOOL_BACKEND_SHM)
		SKIP(return, "this backend has no reserve");
	ASSERT_EQ(0, get(&self->env, 0, &before));
	EXPECT_EQ(-ENOMEM, pinpool_reserve_set(self->env.ctx, before.node, 1ULL << 50, &diag));
	EXPECT_NE('\0', diag.change[0]);
	EXPECT_NE(0, pinpool_reserve_set(self->env.ctx, before.node, UINT64_MAX, &diag));
	EXPECT_EQ(-EINVAL, pinpool_reserve_set(self->env.ctx, 1023, 0, &diag));
	EXPECT_STREQ("node 1023", diag.object);
	EXPECT_EQ(-EINVAL, pinpool_reserve_set(self->env.ctx, UINT32_MAX, 0, &diag));
	EXPECT_EQ(-EPERM, env_child(set_as_user, &self->env, true));
	ASSERT_EQ(0, get(&self->env, 0, &now));
	EXPECT_EQ(before.reserve_bytes, now.reserve_bytes);
}

TEST_HARNESS_MAIN
