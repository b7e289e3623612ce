// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* How far a load is: what its caller is told, and what those see who watch the pool. */
#define ENV_PAGES 30
#include "checkpoints.h"
#include "harness.h"
#include "pool_env.h"

#include <errno.h>

#define POOL "load-progress"
#define DATA (8u << 20)
#define HEADER "{\"w\":{\"dtype\":\"U8\",\"shape\":[8388608],\"data_offsets\":[0,8388608]}}"
#define BYTES (8 + strlen(HEADER) + DATA)

FIXTURE(progress)
{
	struct pool_env env;
	char folder[PATH_MAX];
	char file[PATH_MAX];
};

FIXTURE_VARIANT(progress)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(progress, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(progress, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);
POOL_VARIANT(progress, module, PINPOOL_BACKEND_MODULE);

FIXTURE_SETUP(progress)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	make_folder(self->folder);
	snprintf(self->file, sizeof(self->file), "%s", in_folder(self->folder, "model.safetensors"));
	write_safetensors(self->file, HEADER, DATA);
}

FIXTURE_TEARDOWN_PARENT(progress)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

/* What a watcher saw at the first call, and at the last. */
struct watch {
	struct pool_env *env;
	struct pinpool_info first, last;
	uint64_t told;
	unsigned int calls;
	unsigned int cancel_at; /* that call, if not 0 */
	long sleep_ms;
};

static int watch(void *arg, const struct pinpool_progress *progress)
{
	struct watch *watch = arg;

	watch->last.size = sizeof(watch->last);
	if (pinpool_pool_stat(watch->env->ctx, POOL, &watch->last, NULL))
		return -1;
	if (!watch->calls++) {
		watch->first = watch->last;
		watch->told = progress->done;
	}
	if (watch->sleep_ms)
		env_sleep_ms(watch->sleep_ms);
	return watch->calls == watch->cancel_at;
}

TEST_F(progress, whoever_watches_a_pool_sees_how_far_its_load_is)
{
	struct watch seen = { .env = &self->env };
	PINPOOL_OPTS(pinpool_load_opts, opts, .progress = watch, .progress_arg = &seen);
	struct pinpool_info info = { .size = sizeof(info) };

	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, self->file, &opts, NULL, NULL));
	ASSERT_GE(seen.calls, 1);
	EXPECT_EQ(PINPOOL_STATE_LOADING, seen.first.state);
	if (variant->backend == PINPOOL_BACKEND_MODULE) {
		/* It counts for itself, and is not told the end. */
		EXPECT_EQ(seen.last.capacity, seen.last.load_total);
		EXPECT_EQ(BYTES, seen.last.loaded);
	} else {
		EXPECT_EQ(BYTES, seen.first.load_total);
		EXPECT_EQ(seen.told, seen.first.loaded);
	}
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, POOL, &info, NULL));
	EXPECT_EQ(PINPOOL_UNKNOWN, info.loaded);
	EXPECT_EQ(PINPOOL_UNKNOWN, info.load_total);
}

TEST_F(progress, what_a_load_that_was_given_up_had_said_counts_no_more)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 12 << 20);
	struct watch seen = { .env = &self->env, .cancel_at = 1 };
	PINPOOL_OPTS(pinpool_load_opts, opts, .progress = watch, .progress_arg = &seen);
	struct pinpool_info info = { .size = sizeof(info) };
	struct pinpool_pool *pool;

	if (variant->backend == PINPOOL_BACKEND_MODULE)
		SKIP(return, "the module's counts are of all loads so far");
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, POOL, &create, NULL));
	ASSERT_EQ(-ECANCELED, pinpool_load(self->env.ctx, POOL, self->file, &opts, NULL, NULL));
	EXPECT_EQ(BYTES, seen.first.load_total);
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, POOL, &info, NULL));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, info.state);
	EXPECT_EQ(PINPOOL_UNKNOWN, info.loaded);
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_WRITE, &pool, NULL));
	ASSERT_EQ(0, pinpool_pool_begin(pool, NULL));
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, POOL, &info, NULL));
	EXPECT_EQ(PINPOOL_STATE_LOADING, info.state);
	EXPECT_EQ(PINPOOL_UNKNOWN, info.loaded);
	EXPECT_EQ(PINPOOL_UNKNOWN, info.load_total);
	pinpool_pool_close(pool);
}

/* Flips a bit of the last word of the sidecar, which is the sum of the progress. */
static int spoil(void *arg, const struct pinpool_progress *progress)
{
	struct watch *seen = arg;
	char path[160];
	uint64_t sum;
	off_t at;
	int fd;

	snprintf(path, sizeof(path), "%s/" POOL ":shm", seen->env->state);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	at = lseek(fd, -(off_t)sizeof(sum), SEEK_END);
	if (at < 0 || pread(fd, &sum, sizeof(sum), at) != sizeof(sum))
		return -1;
	sum ^= 1;
	if (pwrite(fd, &sum, sizeof(sum), at) != sizeof(sum))
		return -1;
	close(fd);
	return watch(arg, progress);
}

TEST_F(progress, what_was_torn_is_not_believed)
{
	struct watch seen = { .env = &self->env };
	PINPOOL_OPTS(pinpool_load_opts, opts, .progress = spoil, .progress_arg = &seen);

	if (variant->backend != PINPOOL_BACKEND_SHM)
		SKIP(return, "one backend will do");
	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, self->file, &opts, NULL, NULL));
	ASSERT_GE(seen.calls, 1);
	EXPECT_EQ(PINPOOL_STATE_LOADING, seen.first.state);
	EXPECT_EQ(PINPOOL_UNKNOWN, seen.first.loaded);
	EXPECT_EQ(PINPOOL_UNKNOWN, seen.first.load_total);
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, POOL));
}

/* A caller that takes longer than the interval is called after every chunk, 128 of them; by default once in 100 ms. */
TEST_F(progress, it_is_told_as_often_as_was_asked_for)
{
	struct watch seen = { .env = &self->env, .sleep_ms = 2 };
	PINPOOL_OPTS(pinpool_load_opts, opts, .io = PINPOOL_IO_URING, .buffered = true, .chunk_bytes = 64 << 10,
		     .queue_depth = 1, .progress = watch, .progress_arg = &seen, .progress_interval_ns = 1000000);
	unsigned int often;
	int err;

	err = pinpool_load(self->env.ctx, POOL, self->file, &opts, NULL, NULL);
	if (err == -EOPNOTSUPP)
		SKIP(return, "no io_uring here");
	ASSERT_EQ(0, err);
	often = seen.calls;
	EXPECT_GE(often, 10);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	seen.calls = 0;
	opts.progress_interval_ns = 0;
	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, self->file, &opts, NULL, NULL));
	EXPECT_LT(seen.calls, often);
}

TEST_F(progress, an_interval_out_of_range_is_refused_and_leaves_nothing)
{
	static const uint64_t wrong[] = { 1, 999999, 100000001, UINT64_MAX };
	struct pinpool_diag diag;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		PINPOOL_OPTS(pinpool_load_opts, opts, .progress_interval_ns = wrong[i]);

		EXPECT_EQ(-EINVAL, pinpool_load(self->env.ctx, POOL, self->file, &opts, NULL, &diag));
		EXPECT_EQ(0, strcmp("progress interval", diag.object));
		EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
	}
}

TEST_HARNESS_MAIN
