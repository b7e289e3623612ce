/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Packing while a checkpoint streams gives what packing afterwards gives, and both pools or none: whatever goes wrong,
 * neither the weights nor the packings are there.
 */
#include <signal.h>

#include "pack_case.h"

#define EXPECT_LOAD_PACKED(err, path, load_opts, report, ...)                                                          \
	({                                                                                                             \
		PINPOOL_OPTS(pinpool_pack_opts, opts_, .math = self->math, ##__VA_ARGS__);                             \
                                                                                                                       \
		EXPECT_OK_OR(err, pinpool_load_packed(self->env.ctx, POOL, path, load_opts, &opts_, NULL, report,      \
						      &self->diag));                                                   \
	})

#define EXPECT_NOTHING()                                                                                               \
	do {                                                                                                           \
		EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));                                                       \
		EXPECT_EQ(-ENOENT, env_state(&self->env, self->name));                                                 \
	} while (0)

TEST_F(pack, packs_what_streams_on_every_path)
{
	for (int io = PINPOOL_IO_AUTO; io <= PINPOOL_IO_URING_CMD; io++) {
		PINPOOL_OPTS(pinpool_load_opts, opts, .io = (enum pinpool_io)io, .chunk_bytes = 65536,
			     .queue_depth = io & 1 ? 1 : 3);
		struct pinpool_pack_report report = {.size = sizeof(report)};
		PINPOOL_OPTS(pinpool_pack_opts, pack, .math = self->math);
		struct pinpool_packings *packings;
		struct pinpool_pool *pool;
		int err = pinpool_load_packed(self->env.ctx, POOL, self->file, &opts, &pack, NULL, &report, &self->diag);

		/* Where the kernel refuses it. */
		if (err == -EOPNOTSUPP && io != PINPOOL_IO_AUTO && io != PINPOOL_IO_PREAD) {
			EXPECT_NOTHING();
			continue;
		}
		ASSERT_EQ(0, err)
		{
			TH_LOG("path %d: %s: %s", io, self->diag.object, self->diag.cause);
		}
		EXPECT_EQ(3, report.tensors);
		EXPECT_EQ(60300 + 158620 + 6, report.bytes);
		EXPECT_STREQ(self->name, report.name);
		ASSERT_EQ(0, EXPECT_OK_OR(0, open_packings(&self->env, self->math, &pool, &packings, &self->diag)));
		for (size_t i = 0; i < 3; i++) {
			EXPECT_EQ(0, is_right(self->math, pool, packings, packable[i]))
			{
				TH_LOG("path %d: %s", io, packable[i]);
			}
		}
		pinpool_packings_close(packings);
		pinpool_pool_close(pool);
		ASSERT_EQ(0, pinpool_packings_drop(self->env.ctx, POOL, report.isa, NULL));
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	}
}

/* Digests of the pool and of each tensor go into the entries, as they do when it is packed afterwards. */
TEST_F(pack, says_the_same_as_packing_afterwards)
{
	struct pinpool_packed packed[2][3];
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;

	for (int after = 0; after < 2; after++) {
		if (after) {
			ASSERT_EQ(0, load(&self->env, self->file));
			EXPECT_PACK(0);
		} else {
			EXPECT_LOAD_PACKED(0, self->file, NULL, NULL);
		}
		ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, self->name, PINPOOL_OPEN_READ, &pool, NULL));
		ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
		ASSERT_EQ(3, pinpool_catalog_packing_count(catalog));
		for (size_t i = 0; i < 3; i++) {
			packed[after][i].size = sizeof(packed[after][i]);
			ASSERT_EQ(0, pinpool_catalog_packing(catalog, i, &packed[after][i]));
			/* Strings go with the catalog. */
			packed[after][i].tensor = packed[after][i].base = packed[after][i].isa = NULL;
			packed[after][i].data = NULL;
			EXPECT_TRUE(packed[after][i].has_digest);
			EXPECT_EQ(!after, !packed[after][i].base_committed_ns);
			packed[after][i].base_committed_ns = 0;
			EXPECT_EQ(PINPOOL_DIGEST_XXH3_128, packed[after][i].base_digest_kind);
		}
		pinpool_catalog_close(catalog);
		pinpool_pool_close(pool);
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, self->name, NULL));
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	}
	for (size_t i = 0; i < 3; i++) {
		EXPECT_EQ(0, memcmp(packed[0][i].digest, packed[1][i].digest, sizeof(packed[0][i].digest)));
		EXPECT_EQ(0, memcmp(packed[0][i].base_digest, packed[1][i].base_digest, sizeof(packed[0][i].digest)));
		EXPECT_EQ(packed[0][i].base_length, packed[1][i].base_length);
		EXPECT_EQ(packed[0][i].offset, packed[1][i].offset);
		EXPECT_EQ(packed[0][i].bytes, packed[1][i].bytes);
	}
}

TEST_F(pack, shards_are_packed_too)
{
	static const char index[] = "{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"}}";
	struct pinpool_packings *packings;
	struct pinpool_pool *pool;

	write_safetensors(in_folder(self->folder, "m-1.safetensors"),
			  "{\"a\":{\"dtype\":\"F32\",\"shape\":[100,50],\"data_offsets\":[0,20000]}}", 20000);
	write_safetensors(in_folder(self->folder, "m-2.safetensors"),
			  "{\"b\":{\"dtype\":\"F16\",\"shape\":[60,50],\"data_offsets\":[0,6000]}}", 6000);
	write_file(in_folder(self->folder, "model.safetensors.index.json"), index, sizeof(index) - 1);
	EXPECT_LOAD_PACKED(0, in_folder(self->folder, "model.safetensors.index.json"), NULL, NULL);
	ASSERT_EQ(0, EXPECT_OK_OR(0, open_packings(&self->env, self->math, &pool, &packings, &self->diag)));
	EXPECT_EQ(0, is_right(self->math, pool, packings, "a"));
	EXPECT_EQ(0, is_right(self->math, pool, packings, "b"));
	pinpool_packings_close(packings);
	pinpool_pool_close(pool);
}

static int give_up(void *arg, const struct pinpool_progress *progress)
{
	bool *late = arg;

	/* Early: at once. Late: when all of it was read and is being packed, or has been. */
	return !*late || progress->done == progress->total;
}

/* Nobody looks any more but who is about to publish. */
static int interrupt(void *arg, const struct pinpool_progress *progress)
{
	volatile int *cancel = arg;

	*cancel = progress->done == progress->total;
	return 0;
}

TEST_F(pack, a_load_that_fails_leaves_neither)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 4096);
	static const char *const unknown[] = {"unknown"};
	volatile int cancel = 1;
	bool late = false;
	PINPOOL_OPTS(pinpool_load_opts, progress, .progress = give_up, .progress_arg = &late);
	PINPOOL_OPTS(pinpool_load_opts, cancelled, .cancel = &cancel);
	PINPOOL_OPTS(pinpool_load_opts, interrupted, .progress = interrupt, .progress_arg = (void *)&cancel,
		     .cancel = &cancel);
	PINPOOL_OPTS(pinpool_load_opts, no_digest, .no_digest = true);
	PINPOOL_OPTS(pinpool_load_opts, small, .create = &create);
	struct pinpool_pool *pool;

	EXPECT_LOAD_PACKED(-ECANCELED, self->file, &cancelled, NULL);
	EXPECT_NOTHING();
	cancel = 0;
	EXPECT_LOAD_PACKED(-ECANCELED, self->file, &interrupted, NULL);
	EXPECT_NOTHING();
	late = true;
	EXPECT_LOAD_PACKED(-ECANCELED, self->file, &progress, NULL);
	EXPECT_NOTHING();
	/* Nothing would say which weights they are of. */
	EXPECT_LOAD_PACKED(-EINVAL, self->file, &no_digest, NULL);
	EXPECT_NOTHING();
	EXPECT_LOAD_PACKED(-ENOSPC, self->file, &small, NULL);
	EXPECT_NOTHING();
	EXPECT_LOAD_PACKED(-ENOENT, self->file, NULL, NULL, .tensors = unknown, .tensor_count = 1);
	EXPECT_NOTHING();
	EXPECT_LOAD_PACKED(-ENOENT, in_folder(self->folder, "nothing"), NULL, NULL);
	EXPECT_NOTHING();
	/* Somebody packs, if only by name. */
	ASSERT_EQ(0, env_create(&self->env, self->name, (1 << 20) / self->env.page + 1));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, self->name, PINPOOL_OPEN_WRITE, &pool, NULL));
	ASSERT_EQ(0, pinpool_pool_begin(pool, NULL));
	EXPECT_LOAD_PACKED(-EBUSY, self->file, NULL, NULL);
	EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, self->name));
	pinpool_pool_close(pool);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, self->name, NULL));

	EXPECT_LOAD_PACKED(0, self->file, NULL, NULL);
	EXPECT_LOAD_PACKED(-EEXIST, self->file, NULL, NULL);
	/* The ones there stay. */
	EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
}

/* Opens the file of the pool for writing, which forbids its commit. */
static int hold(void *arg, const struct pinpool_progress *progress)
{
	const struct pool_env *env = arg;

	if (progress->done == progress->total)
		open(in_folder(env->state, POOL), O_RDWR | O_CLOEXEC);
	return 0;
}

/* The weights are committed last: packings that were published by then are taken back. */
TEST_F(pack, packings_of_weights_that_are_refused_go)
{
	PINPOOL_OPTS(pinpool_load_opts, opts, .progress = hold, .progress_arg = &self->env);

	if (variant->backend != PINPOOL_BACKEND_SHM)
		SKIP(return, "one backend of which the file can be held is enough");
	/* One that was there, so that it goes because of what is in it. */
	ASSERT_EQ(0, env_create(&self->env, self->name, (1 << 20) / self->env.page + 1));
	EXPECT_LOAD_PACKED(-EBUSY, self->file, &opts, NULL);
	EXPECT_NOTHING();
}

/* Whoever sees the weights finds packings of them and never those of others. */
TEST_F(pack, old_packings_give_way)
{
	EXPECT_LOAD_PACKED(0, self->file, NULL, NULL);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	write_safetensors(self->file, HEADER " ", DATA);
	EXPECT_LOAD_PACKED(0, self->file, NULL, NULL);
	EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
}

static int stay(void *arg, const struct pinpool_progress *progress)
{
	int *pipe = arg;

	(void)progress;
	if (write(pipe[1], "", 1) != 1)
		_exit(1);
	pause();
	return 0;
}

TEST_F(pack, a_killed_load_publishes_neither)
{
	int fds[2], status;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(fds));
	pid = fork();
	if (!pid) {
		PINPOOL_OPTS(pinpool_load_opts, opts, .progress = stay, .progress_arg = fds);
		struct pool_env own = self->env;

		_exit(env_reopen(&own) || pinpool_load_packed(own.ctx, POOL, self->file, &opts, NULL, NULL, NULL, NULL));
	}
	ASSERT_EQ(1, read(fds[0], &byte, 1));
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, POOL));
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, self->name));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	/* Its ring may survive it for a moment. */
	for (int tries = 0; tries < 500 && env_state(&self->env, POOL) == PINPOOL_STATE_LOADING; tries++)
		env_sleep_ms(10);
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, POOL));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, self->name));
	EXPECT_LOAD_PACKED(0, self->file, NULL, NULL);
	EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
	close(fds[0]);
	close(fds[1]);
}

TEST_HARNESS_MAIN
