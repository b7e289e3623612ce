/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Packings that must not be used or made: of pools in the wrong state, for other kernels, of another version, by
 * another user, by two at once, by somebody who was killed.
 */
#include "pack_case.h"
#include "pool/catalog_writer.h"

TEST_F(pack, a_pool_that_is_not_ready_is_refused)
{
	struct pinpool_pool *pool;

	EXPECT_PACK(-ENOENT);
	ASSERT_EQ(0, env_create(&self->env, POOL, 1));
	EXPECT_PACK(-ENODATA);
	EXPECT_OK_OR(-ENODATA, try_packings(&self->env, self->math, &self->diag));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	ASSERT_EQ(0, load(&self->env, self->file));

	/* What a killed one left is of no use to anybody, then being packed by somebody, then made anew. */
	ASSERT_EQ(0, env_create(&self->env, self->name, 1));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, self->name));
	EXPECT_OK_OR(-ENODATA, try_packings(&self->env, self->math, &self->diag));
	EXPECT_OK_OR(0, pinpool_packings_drop(self->env.ctx, POOL, pinpool_math_isa(self->math), &self->diag));
	EXPECT_EQ(-ENOENT, env_state(&self->env, self->name));
	ASSERT_EQ(0, env_create(&self->env, self->name, (1 << 20) / self->env.page + 1));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, self->name, PINPOOL_OPEN_WRITE, &pool, NULL));
	ASSERT_EQ(0, pinpool_pool_begin(pool, NULL));
	EXPECT_PACK(-EBUSY);
	EXPECT_OK_OR(-ENODATA, try_packings(&self->env, self->math, &self->diag));
	EXPECT_OK_OR(-EBUSY,
		     pinpool_packings_drop(self->env.ctx, POOL, pinpool_math_isa(self->math), &self->diag));
	pinpool_pool_close(pool);
	EXPECT_PACK(0);
	EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
}

/* A READY pool called self->name that holds @packed, as its catalog says, of what POOL holds. */
static int forge(struct pool_env *env, const char *name, struct pinpool_packed packed, uid_t uid)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 1 << 20, .owner = uid != geteuid(), .uid = uid);
	struct pinpool_info base = {.size = sizeof(base)};
	struct catalog_writer *writer;
	struct pinpool_pool *pool;
	const char *duplicate;
	size_t capacity;
	void *addr;
	int err;

	err = pinpool_pool_stat(env->ctx, POOL, &base, NULL);
	if (err)
		return err;
	if (!packed.base_length)
		packed.base_length = base.length;
	packed.base_digest_kind = base.digest_kind;
	memcpy(packed.base_digest, base.digest, sizeof(packed.base_digest));
	err = catalog_writer_new(&writer);
	if (!err)
		err = catalog_writer_add_packing(writer, &packed);
	if (!err)
		err = catalog_writer_seal(writer, &duplicate);
	if (!err)
		err = pinpool_pool_create(env->ctx, name, &create, NULL);
	if (!err)
		err = pinpool_pool_open(env->ctx, name, PINPOOL_OPEN_WRITE, &pool, NULL);
	if (err)
		return err;
	err = pinpool_pool_begin(pool, NULL);
	if (!err)
		err = pinpool_pool_map_writable(pool, &addr, &capacity);
	if (!err)
		err = catalog_writer_write(writer, addr, capacity, packed.offset + packed.bytes);
	if (!err)
		err = env_commit(pool, packed.offset + packed.bytes);
	catalog_writer_free(writer);
	pinpool_pool_close(pool);
	return err;
}

TEST_F(pack, what_is_no_packing_of_this_tensor_is_refused)
{
	struct pinpool_packing packing = {.size = sizeof(packing)};
	struct pinpool_packed good = {.tensor = "w.f32", .base = POOL, .dtype = PINPOOL_DTYPE_F32, .n = 201, .k = 75};
	struct pinpool_packings *packings;
	struct pinpool_packed bad;
	struct pinpool_pool *pool;

	ASSERT_EQ(0, load(&self->env, self->file));
	ASSERT_EQ(0, pinpool_packing_describe(self->math, good.dtype, good.n, good.k, &packing, NULL));
	good.isa = pinpool_isa_name(packing.isa);
	good.version = packing.version;
	good.panel_rows = packing.panel_rows;
	good.bytes = packing.bytes;

/* Makes a pool of @bad; opening it, and then finding the tensor, gives these. */
#define EXPECT_FORGED(open_err, find_err, uid)                                                                         \
	do {                                                                                                           \
		ASSERT_EQ(0, forge(&self->env, self->name, bad, uid));                                                 \
		EXPECT_OK_OR(open_err, open_packings(&self->env, self->math, &pool, &packings, &self->diag));          \
		if (!(open_err))                                                                                       \
			EXPECT_OK_OR(find_err, pinpool_packings_find(packings, "w.f32", &packing, &self->diag));       \
		EXPECT_OK_OR(open_err, pinpool_packings_check(self->env.ctx, self->name, &self->diag));                \
		pinpool_packings_close(packings);                                                                      \
		pinpool_pool_close(pool);                                                                              \
	} while (0)
#define REMOVE_FORGED() ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, self->name, NULL))

	bad = good;
	EXPECT_FORGED(0, 0, geteuid());
	EXPECT_PACK(-EEXIST);
	REMOVE_FORGED();
	bad = good, bad.n = 202;
	EXPECT_FORGED(0, -ESTALE, geteuid());
	REMOVE_FORGED();
	bad = good, bad.k = 74;
	EXPECT_FORGED(0, -ESTALE, geteuid());
	REMOVE_FORGED();
	bad = good, bad.dtype = PINPOOL_DTYPE_BF16;
	EXPECT_FORGED(0, -ESTALE, geteuid());
	REMOVE_FORGED();
	bad = good, bad.has_digest = true;
	EXPECT_FORGED(0, -ESTALE, geteuid());
	REMOVE_FORGED();
	bad = good, bad.panel_rows++;
	EXPECT_FORGED(0, -EBADMSG, geteuid());
	REMOVE_FORGED();
	bad = good, bad.bytes--;
	EXPECT_FORGED(0, -EBADMSG, geteuid());
	REMOVE_FORGED();
	bad = good, bad.base_length = 1;
	EXPECT_FORGED(-ESTALE, 0, geteuid());
	REMOVE_FORGED();
	/* Says that it is another's. */
	bad = good, bad.base = "another";
	EXPECT_FORGED(-EBADMSG, 0, geteuid());
	EXPECT_PACK(-EBADMSG);
	REMOVE_FORGED();
	bad = good, bad.isa = "neon3";
	EXPECT_FORGED(-EBADMSG, 0, geteuid());
	REMOVE_FORGED();
	/* A newer library made it, which is no reason to remove it; of what is older nothing can be made. */
	bad = good, bad.version++;
	EXPECT_FORGED(-EOPNOTSUPP, 0, geteuid());
	EXPECT_PACK(-EOPNOTSUPP);
	REMOVE_FORGED();
	bad = good, bad.version--;
	EXPECT_FORGED(-EOPNOTSUPP, 0, geteuid());
	EXPECT_PACK(0);
	EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
	REMOVE_FORGED();
	if (!geteuid()) {
		bad = good;
		EXPECT_FORGED(-EPERM, 0, ENV_NOBODY);
		EXPECT_PACK(-EPERM);
		REMOVE_FORGED();
	}
	/* What holds no packings keeps its name. */
	ASSERT_EQ(0, env_make_ready(&self->env, self->name, 1, 1));
	EXPECT_PACK(-EEXIST);
	EXPECT_OK_OR(-ENOENT, try_packings(&self->env, self->math, &self->diag));
	EXPECT_OK_OR(-ENOENT, pinpool_packings_drop(self->env.ctx, POOL, packing.isa, &self->diag));
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, self->name));
}

static int pack_reopened(struct pool_env *env)
{
	int err = env_reopen(env);

	return err ? err : pinpool_pack(env->ctx, POOL, NULL, NULL, NULL);
}

TEST_F(pack, only_owner_and_root_pack)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .mode = 0644);
	PINPOOL_OPTS(pinpool_load_opts, opts, .create = &create);
	struct pinpool_info info = {.size = sizeof(info)};

	if (geteuid())
		SKIP(return, "needs root to be somebody else");
	if (variant->backend == PINPOOL_BACKEND_MODULE)
		ASSERT_EQ(0, chmod("/dev/pinpool/control", 0666));
	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, self->file, &opts, NULL, NULL));
	EXPECT_EQ(-EPERM, env_child(pack_reopened, &self->env, true));
	EXPECT_EQ(-ENOENT, env_state(&self->env, self->name));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));

	create.owner = true;
	create.uid = ENV_NOBODY;
	create.gid = ENV_NOBODY;
	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, self->file, &opts, NULL, NULL));
	EXPECT_EQ(0, env_child(pack_reopened, &self->env, true));
	EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
	ASSERT_EQ(0, pinpool_packings_drop(self->env.ctx, POOL, pinpool_math_isa(self->math), NULL));
	/* Root makes them for the owner. */
	EXPECT_PACK(0);
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, self->name, &info, NULL));
	EXPECT_EQ(ENV_NOBODY, info.uid);
	EXPECT_EQ(ENV_NOBODY, info.gid);
	EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
	if (variant->backend == PINPOOL_BACKEND_MODULE)
		ASSERT_EQ(0, chmod("/dev/pinpool/control", 0664));
}

/* Tells the parent that it is in the middle, and stays there. */
static int stay(void *arg, const struct pinpool_progress *progress)
{
	int *pipe = arg;

	if (!progress->done)
		return 0;
	if (write(pipe[1], "", 1) != 1)
		_exit(1);
	pause();
	return 0;
}

TEST_F(pack, a_killed_one_publishes_nothing)
{
	int fds[2], status;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, load(&self->env, self->file));
	ASSERT_EQ(0, pipe(fds));
	pid = fork();
	if (!pid) {
		PINPOOL_OPTS(pinpool_pack_opts, opts, .progress = stay, .progress_arg = fds);
		struct pool_env own = self->env;

		_exit(env_reopen(&own) || pinpool_pack(own.ctx, POOL, &opts, NULL, NULL));
	}
	ASSERT_EQ(1, read(fds[0], &byte, 1));
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, self->name));
	/* Two at once: one makes them. */
	EXPECT_PACK(-EBUSY);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, self->name));
	EXPECT_OK_OR(-ENODATA, try_packings(&self->env, self->math, &self->diag));
	EXPECT_PACK(0);
	EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
	close(fds[0]);
	close(fds[1]);
}

TEST_F(pack, what_was_left_is_made_anew_as_the_weights_are_now)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .mode = 0666);
	struct pinpool_info info = {.size = sizeof(info)};

	ASSERT_EQ(0, load(&self->env, self->file));
	EXPECT_PACK(0);
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, self->name, &info, NULL));
	create.capacity = info.capacity;
	EXPECT_OK_OR(0, pinpool_packings_drop(self->env.ctx, POOL, pinpool_math_isa(self->math), &self->diag));

	/* For readers that the weights have not any more, and too large. */
	for (int i = 0; i < 2; i++, create.mode = 0600, create.capacity += 8 << 20) {
		ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, self->name, &create, NULL));
		EXPECT_PACK(0);
		EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
		info.mode = 0;
		ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, self->name, &info, NULL));
		EXPECT_EQ(0600, info.mode);
		EXPECT_GT(create.capacity + 1 - i, info.capacity);
		EXPECT_OK_OR(0, pinpool_packings_drop(self->env.ctx, POOL, pinpool_math_isa(self->math), &self->diag));
	}
}

/* Removes a pool by name once something is done, and gives the name to another, EMPTY. */
struct removal {
	struct pool_env *env;
	const char *name;
	bool again;
	bool done;
};

static int remove_pool(void *arg, const struct pinpool_progress *progress)
{
	struct removal *removal = arg;

	if (removal->done || !progress->done)
		return 0;
	removal->done = true;
	if (pinpool_pool_destroy(removal->env->ctx, removal->name, NULL))
		return -ECHILD;
	return removal->again ? env_create(removal->env, removal->name, 1) : 0;
}

TEST_F(pack, removed_in_the_midst_is_not_published)
{
	struct removal removal = {.env = &self->env, .name = POOL};

	ASSERT_EQ(0, load(&self->env, self->file));
	EXPECT_PACK(-ENOENT, .progress = remove_pool, .progress_arg = &removal);
	EXPECT_NE(NULL, strstr(self->diag.cause, "removed"));
	EXPECT_EQ(-ENOENT, env_state(&self->env, self->name));

	ASSERT_EQ(0, load(&self->env, self->file));
	removal = (struct removal){.env = &self->env, .name = self->name};
	EXPECT_PACK(-ENOENT, .progress = remove_pool, .progress_arg = &removal);
	EXPECT_EQ(-ENOENT, env_state(&self->env, self->name));

	/* What has the name then is not ours to remove. */
	removal = (struct removal){.env = &self->env, .name = self->name, .again = true};
	EXPECT_PACK(-ENOENT, .progress = remove_pool, .progress_arg = &removal);
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, self->name));
}

TEST_F(pack, of_many_at_once_one_makes_them)
{
	enum { MANY = 4, ROUNDS = 5 };
	int status, made, others, odd = 0;
	struct pool_env own;
	pid_t pids[MANY];

	ASSERT_EQ(0, load(&self->env, self->file));
	for (int round = 0; round < ROUNDS; round++) {
		made = others = 0;
		for (int i = 0; i < MANY; i++) {
			/* What self points to is shared with the child. */
			own = self->env;
			pids[i] = fork();
			if (!pids[i])
				_exit(-pack_reopened(&own));
		}
		for (int i = 0; i < MANY; i++) {
			ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
			made += status == 0;
			if (WIFEXITED(status) && (WEXITSTATUS(status) == EBUSY || WEXITSTATUS(status) == EEXIST))
				others++;
			else if (status)
				odd = status;
		}
		EXPECT_EQ(1, made);
		EXPECT_EQ(MANY - 1, others)
		{
			TH_LOG("round %d: the last one that did not ended with status %x", round, odd);
		}
		EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
		EXPECT_OK_OR(0, pinpool_packings_drop(self->env.ctx, POOL, pinpool_math_isa(self->math), &self->diag));
	}
}

TEST_HARNESS_MAIN
