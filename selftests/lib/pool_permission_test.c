/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Owner and mode, the same on every backend, asked as another user. */
#include "harness.h"
#include "pool_env.h"

POOL_FIXTURE_ALL(permission);

static int make(struct pool_env *env, mode_t mode, bool give)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 1, .mode = mode, .owner = give, .uid = ENV_NOBODY,
		     .gid = ENV_NOBODY);

	return pinpool_pool_create(env->ctx, "model", &opts, NULL);
}

static int commit_one_byte(struct pinpool_pool *pool)
{
	int err = pinpool_pool_begin(pool, NULL);

	return err ? err : env_commit(pool, 1);
}

static int open_for_reading(struct pool_env *env)
{
	struct pinpool_diag diag = {0};
	struct pinpool_pool *pool;
	int err = env_reopen(env);

	if (!err)
		err = pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_READ, &pool, &diag);
	/* Whose it is, and what would help. */
	if (err == -EACCES && (!strstr(diag.cause, "root") || !strstr(diag.cause, "mode 0") || !diag.change[0]))
		return -EPROTO;
	return err;
}

static int open_for_writing(struct pool_env *env)
{
	struct pinpool_pool *pool;
	int err = env_reopen(env);

	return err ? err : pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL);
}

static int look(struct pool_env *env)
{
	struct pinpool_info info = {.size = sizeof(info)};
	char **names;
	size_t count;
	int err = env_reopen(env);

	if (!err)
		err = pinpool_pool_list(env->ctx, &names, &count);
	if (!err && (count != 1 || strcmp(names[0], "model")))
		err = -EPROTO;
	if (!err)
		err = pinpool_pool_stat(env->ctx, "model", &info, NULL);
	if (!err && (info.state != PINPOOL_STATE_READY || info.length != 1 || info.capacity != env->page || info.uid ||
		     info.mode != 0600 || info.digest_kind != PINPOOL_DIGEST_XXH3_128_LIST || info.digest[0] != 0xd1 ||
		     info.digest[15] != 0x5f || !info.created_ns || !info.committed_ns || info.numa_node != -1 ||
		     info.page_size != env->page))
		err = -EBADMSG;
	return err;
}

static int destroy(struct pool_env *env)
{
	struct pinpool_diag diag = {0};
	int err = env_reopen(env);

	if (!err)
		err = pinpool_pool_destroy(env->ctx, "model", &diag);
	return err == -EPERM && !diag.cause[0] ? -EPROTO : err;
}

static int load(struct pool_env *env)
{
	struct pinpool_pool *pool;
	int err = env_reopen(env);

	if (!err)
		err = pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL);
	return err ? err : commit_one_byte(pool);
}

TEST_F(permission, stranger_sees_a_private_pool_and_cannot_touch_it)
{
	PINPOOL_OPTS(pinpool_commit_opts, opts, .length = 1, .digest_kind = PINPOOL_DIGEST_XXH3_128_LIST);
	struct pinpool_pool *pool;

	if (geteuid())
		SKIP(return, "not root: cannot become another user");
	ASSERT_EQ(0, make(&self->env, 0600, false));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL));
	ASSERT_EQ(0, pinpool_pool_begin(pool, NULL));
	opts.digest[0] = 0xd1;
	opts.digest[15] = 0x5f;
	ASSERT_EQ(0, pinpool_pool_commit(pool, &opts, NULL));
	pinpool_pool_close(pool);

	EXPECT_EQ(-EACCES, env_child(open_for_reading, &self->env, true));
	EXPECT_EQ(-EACCES, env_child(open_for_writing, &self->env, true));
	EXPECT_EQ(-EPERM, env_child(destroy, &self->env, true));
	EXPECT_EQ(0, env_child(look, &self->env, true));
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, "model"));
}

TEST_F(permission, readers_by_mode_may_read_only)
{
	if (geteuid())
		SKIP(return, "not root: cannot become another user");
	ASSERT_EQ(0, make(&self->env, 0644, false));
	EXPECT_EQ(0, env_child(open_for_reading, &self->env, true));
	EXPECT_EQ(-EACCES, env_child(open_for_writing, &self->env, true));
	EXPECT_EQ(-EPERM, env_child(destroy, &self->env, true));
}

TEST_F(permission, owner_that_was_given_a_pool_loads_and_destroys_it)
{
	struct pinpool_info info = {.size = sizeof(info)};

	if (geteuid())
		SKIP(return, "not root: cannot give pools away");
	ASSERT_EQ(0, make(&self->env, 0600, true));
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, "model", &info, NULL));
	EXPECT_EQ(ENV_NOBODY, info.uid);
	EXPECT_EQ(ENV_NOBODY, info.gid);
	EXPECT_EQ(0, env_child(load, &self->env, true));
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, "model"));
	EXPECT_EQ(0, env_child(destroy, &self->env, true));
	EXPECT_EQ(0, env_files(&self->env));
}

static int give_to_root(struct pool_env *env)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 1, .owner = true);
	struct pinpool_diag diag = {0};
	int err = env_reopen(env);

	if (!err)
		err = pinpool_pool_create(env->ctx, "gift", &opts, &diag);
	return err == -EPERM && !diag.cause[0] ? -EPROTO : err;
}

TEST_F(permission, pools_are_not_given_away_by_just_anybody)
{
	if (geteuid())
		SKIP(return, "not root: cannot become another user");
	EXPECT_EQ(-EPERM, env_child(give_to_root, &self->env, true));
	EXPECT_EQ(0, env_files(&self->env));
}

TEST_HARNESS_MAIN
