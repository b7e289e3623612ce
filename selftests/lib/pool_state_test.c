/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The life of a pool, the same on every backend: names, states, one writer, waiting, sealing, a second process. */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/time.h>

#include "harness.h"
#include "pool_env.h"

POOL_FIXTURE_ALL(pool);

static struct pinpool_pool *open_pool(struct pool_env *env, const char *name, enum pinpool_open_mode mode)
{
	struct pinpool_pool *pool = NULL;

	pinpool_pool_open(env->ctx, name, mode, &pool, NULL);
	return pool;
}

TEST_F(pool, goes_from_empty_to_loading_to_ready)
{
	static const uint8_t digest[PINPOOL_DIGEST_BYTES] = {1, 2, 3, 250, 251, 252};
	PINPOOL_OPTS(pinpool_commit_opts, commit, .digest_kind = PINPOOL_DIGEST_XXH3_128);
	struct pinpool_info info = {.size = sizeof(info)};
	struct pinpool_pool *reader, *writer;
	const void *content;
	size_t bytes;
	void *addr;

	ASSERT_EQ(0, env_create(&self->env, "model", 2));
	writer = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	reader = open_pool(&self->env, "model", PINPOOL_OPEN_READ);
	ASSERT_TRUE(writer && reader);
	ASSERT_EQ(0, pinpool_pool_get_info(reader, &info));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, info.state);
	EXPECT_EQ(2 * self->env.page, info.capacity);
	EXPECT_EQ(0, info.length);
	EXPECT_EQ(0, info.committed_ns);
	EXPECT_EQ(-ENODATA, pinpool_pool_map(reader, &content, &bytes));
	EXPECT_EQ(-EBADF, pinpool_pool_map_writable(writer, &addr, &bytes));

	ASSERT_EQ(0, pinpool_pool_begin(writer, NULL));
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, "model"));
	ASSERT_EQ(0, pinpool_pool_get_info(writer, &info));
	EXPECT_EQ(PINPOOL_STATE_LOADING, info.state);
	EXPECT_EQ(-ENODATA, pinpool_pool_map(reader, &content, &bytes));
	EXPECT_EQ(-ENODATA, pinpool_pool_map(writer, &content, &bytes));
	ASSERT_EQ(0, pinpool_pool_map_writable(writer, &addr, &bytes));
	EXPECT_EQ(2 * self->env.page, bytes);
	EXPECT_EQ(0, (uintptr_t)addr % self->env.page);
	EXPECT_TRUE(env_all_bytes(addr, bytes, 0));
	memset(addr, 0x5a, bytes);

	commit.length = bytes - 100;
	memcpy(commit.digest, digest, sizeof(digest));
	ASSERT_EQ(0, pinpool_pool_commit(writer, &commit, NULL));
	ASSERT_EQ(0, pinpool_pool_get_info(reader, &info));
	EXPECT_EQ(PINPOOL_STATE_READY, info.state);
	EXPECT_EQ(commit.length, info.length);
	EXPECT_EQ(PINPOOL_DIGEST_XXH3_128, info.digest_kind);
	EXPECT_EQ(0, memcmp(info.digest, digest, sizeof(digest)));
	EXPECT_LE(info.created_ns, info.committed_ns);
	EXPECT_LT(0, info.created_ns);
	ASSERT_EQ(0, pinpool_pool_map(reader, &content, &bytes));
	EXPECT_TRUE(env_all_bytes(content, bytes, 0x5a));
	/* The writer is a reader now. */
	ASSERT_EQ(0, pinpool_pool_map(writer, &content, NULL));
	EXPECT_TRUE(env_all_bytes(content, bytes, 0x5a));
	EXPECT_EQ(-EBADF, env_commit(writer, 1));
	EXPECT_EQ(-EBADF, pinpool_pool_abort(writer));
	EXPECT_EQ(-EROFS, pinpool_pool_begin(writer, NULL));
	pinpool_pool_close(writer);
	pinpool_pool_close(reader);
	EXPECT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	EXPECT_EQ(0, env_files(&self->env));
}

TEST_F(pool, aborted_load_leaves_empty_and_the_next_writer_sees_zeros)
{
	struct pinpool_pool *writer;
	size_t bytes;
	void *addr;

	ASSERT_EQ(0, env_create(&self->env, "model", 2));
	writer = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, pinpool_pool_begin(writer, NULL));
		ASSERT_EQ(0, pinpool_pool_map_writable(writer, &addr, &bytes));
		EXPECT_TRUE(env_all_bytes(addr, bytes, 0));
		memset(addr, 0xff, bytes);
		ASSERT_EQ(0, pinpool_pool_abort(writer));
		EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, "model"));
		EXPECT_EQ(-EBADF, pinpool_pool_map_writable(writer, &addr, &bytes));
	}
	pinpool_pool_close(writer);
}

TEST_F(pool, closing_the_writer_without_commit_leaves_empty)
{
	struct pinpool_pool *writer;
	size_t bytes;
	void *addr;

	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	writer = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	ASSERT_EQ(0, pinpool_pool_begin(writer, NULL));
	ASSERT_EQ(0, pinpool_pool_map_writable(writer, &addr, &bytes));
	memset(addr, 0xff, bytes);
	pinpool_pool_close(writer);
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, "model"));

	writer = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	ASSERT_EQ(0, pinpool_pool_begin(writer, NULL));
	ASSERT_EQ(0, pinpool_pool_map_writable(writer, &addr, &bytes));
	EXPECT_TRUE(env_all_bytes(addr, bytes, 0));
	pinpool_pool_close(writer);
}

static int begin_once(struct pool_env *env)
{
	struct pinpool_pool *pool;
	int err = env_reopen(env);

	if (!err)
		err = pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL);
	return err ? err : pinpool_pool_begin(pool, NULL);
}

TEST_F(pool, has_one_writer_at_a_time)
{
	struct pinpool_pool *first, *second;

	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	first = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	second = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	ASSERT_EQ(0, pinpool_pool_begin(first, NULL));
	EXPECT_EQ(-EBUSY, pinpool_pool_begin(first, NULL));
	EXPECT_EQ(-EBUSY, pinpool_pool_begin(second, NULL));
	EXPECT_EQ(-EBADF, env_commit(second, 1));
	EXPECT_EQ(-EBADF, pinpool_pool_abort(second));
	EXPECT_EQ(-EBUSY, env_child(begin_once, &self->env, false));
	/* None of the refused ones has taken anything from the first. */
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, "model"));
	ASSERT_EQ(0, pinpool_pool_abort(first));
	EXPECT_EQ(0, env_child(begin_once, &self->env, false));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, "model"));
	EXPECT_EQ(0, pinpool_pool_begin(second, NULL));
	EXPECT_EQ(0, env_commit(second, 1));
	EXPECT_EQ(-EROFS, env_child(begin_once, &self->env, false));
	pinpool_pool_close(first);
	pinpool_pool_close(second);
}

TEST_F(pool, refuses_what_is_not_a_name)
{
	static const char *const bad[] = {"",	".",   "..",  "a/b",  "/a",	  ".hidden",
					  "-f", "a b", "a:b", "a\nb", "\xc3\xa9", "control"};
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 1);
	struct pinpool_info info = {.size = sizeof(info)};
	char name[PINPOOL_NAME_MAX + 2];
	struct pinpool_pool *pool;
	struct pinpool_diag diag;

	memset(name, 'n', sizeof(name));
	name[PINPOOL_NAME_MAX] = '\0';
	EXPECT_EQ(0, pinpool_name_check(name));
	EXPECT_EQ(0, env_create(&self->env, name, 1));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, name));
	EXPECT_EQ(0, pinpool_pool_destroy(self->env.ctx, name, NULL));
	name[PINPOOL_NAME_MAX] = 'n';
	name[PINPOOL_NAME_MAX + 1] = '\0';
	for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		const char *at = i < sizeof(bad) / sizeof(bad[0]) ? bad[i] : name;

		EXPECT_EQ(-EINVAL, pinpool_name_check(at))
		{
			TH_LOG("\"%s\"", at);
		}
		memset(&diag, 0, sizeof(diag));
		EXPECT_EQ(-EINVAL, pinpool_pool_create(self->env.ctx, at, &opts, &diag));
		EXPECT_NE('\0', diag.change[0]);
		EXPECT_EQ(-EINVAL, pinpool_pool_destroy(self->env.ctx, at, NULL));
		EXPECT_EQ(-EINVAL, pinpool_pool_open(self->env.ctx, at, PINPOOL_OPEN_READ, &pool, NULL));
		EXPECT_EQ(-EINVAL, pinpool_pool_stat(self->env.ctx, at, &info, NULL));
	}
	EXPECT_EQ(-EINVAL, pinpool_name_check(NULL));
	EXPECT_EQ(0, env_files(&self->env));
}

TEST_F(pool, names_are_unique_and_listed_in_order)
{
	static const char *const names[] = {"b", "a.1", "Z_9", "a-1"};
	static const char *const sorted[] = {"Z_9", "a-1", "a.1", "b"};
	struct pinpool_diag diag = {0};
	char **list;
	size_t count;

	ASSERT_EQ(0, pinpool_pool_list(self->env.ctx, &list, &count));
	EXPECT_EQ(0, count);
	free(list);
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, env_create(&self->env, names[i], 1));
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 1);
	EXPECT_EQ(-EEXIST, pinpool_pool_create(self->env.ctx, "b", &opts, &diag));
	EXPECT_NE(NULL, strstr(diag.change, "pinpool rm b"));
	ASSERT_EQ(0, pinpool_pool_list(self->env.ctx, &list, &count));
	ASSERT_EQ(4, count);
	for (int i = 0; i < 4; i++)
		EXPECT_STREQ(sorted[i], list[i]);
	free(list);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(0, pinpool_pool_destroy(self->env.ctx, names[i], NULL));
	EXPECT_EQ(-ENOENT, pinpool_pool_destroy(self->env.ctx, "b", NULL));
	EXPECT_EQ(-ENOENT, env_state(&self->env, "b"));
	EXPECT_EQ(0, env_files(&self->env));
}

TEST_F(pool, capacity_is_rounded_up_to_pages_and_bounded)
{
	PINPOOL_OPTS(pinpool_create_opts, opts);
	struct pinpool_info info = {.size = sizeof(info)};

	EXPECT_EQ(-EINVAL, pinpool_pool_create(self->env.ctx, "none", &opts, NULL));
	EXPECT_EQ(-EINVAL, pinpool_pool_create(self->env.ctx, "none", NULL, NULL));
	opts.capacity = UINT64_MAX;
	EXPECT_EQ(-EINVAL, pinpool_pool_create(self->env.ctx, "none", &opts, NULL));
	opts.capacity = INT64_MAX;
	EXPECT_EQ(-EINVAL, pinpool_pool_create(self->env.ctx, "none", &opts, NULL));
	opts.capacity = self->env.page + 1;
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, "two", &opts, NULL));
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, "two", &info, NULL));
	EXPECT_EQ(2 * self->env.page, info.capacity);
	EXPECT_EQ(self->env.page, info.page_size);
	EXPECT_EQ(self->env.backend, info.backend);
	EXPECT_EQ(self->env.page > 65536 ? 2 : 0, info.huge_pages);
}

TEST_F(pool, commit_checks_length_and_digest_kind)
{
	PINPOOL_OPTS(pinpool_commit_opts, opts);
	struct pinpool_pool *writer;

	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	writer = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	EXPECT_EQ(-EBADF, env_commit(writer, 1));
	ASSERT_EQ(0, pinpool_pool_begin(writer, NULL));
	EXPECT_EQ(-EINVAL, env_commit(writer, 0));
	EXPECT_EQ(-EINVAL, env_commit(writer, self->env.page + 1));
	opts.length = 1;
	opts.digest_kind = (enum pinpool_digest_kind)77;
	EXPECT_EQ(-EOPNOTSUPP, pinpool_pool_commit(writer, &opts, NULL));
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, "model"));
	EXPECT_EQ(0, env_commit(writer, self->env.page));
	pinpool_pool_close(writer);
}

TEST_F(pool, opened_for_reading_does_not_write)
{
	struct pinpool_pool *reader;
	size_t bytes;
	void *addr;

	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	reader = open_pool(&self->env, "model", PINPOOL_OPEN_READ);
	EXPECT_EQ(-EBADF, pinpool_pool_begin(reader, NULL));
	EXPECT_EQ(-EBADF, pinpool_pool_map_writable(reader, &addr, &bytes));
	EXPECT_EQ(-1, pwrite(pinpool_pool_fd(reader), "x", 1, 0));
	pinpool_pool_close(reader);
	EXPECT_EQ(-EINVAL, pinpool_pool_open(self->env.ctx, "model", (enum pinpool_open_mode)2, &reader, NULL));
}

TEST_F(pool, ready_content_cannot_be_written)
{
	struct pinpool_pool *reader;
	const void *content;
	size_t bytes;
	int fd;

	ASSERT_EQ(0, env_make_ready(&self->env, "model", 1, 7));
	reader = open_pool(&self->env, "model", PINPOOL_OPEN_READ);
	ASSERT_EQ(0, pinpool_pool_map(reader, &content, &bytes));
	EXPECT_EQ(-1, mprotect((void *)content, bytes, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	fd = pinpool_pool_fd(reader);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	EXPECT_EQ(-1, pwrite(fd, "x", 1, 0));
	pinpool_pool_close(reader);
	/* Nor by a handle that might have written. */
	reader = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	ASSERT_NE(NULL, reader);
	EXPECT_EQ(-EROFS, pinpool_pool_begin(reader, NULL));
	fd = pinpool_pool_fd(reader);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	EXPECT_EQ(-1, pwrite(fd, "x", 1, 0));
	pinpool_pool_close(reader);
}

static int touch_after_commit(struct pool_env *env)
{
	struct pinpool_pool *writer;
	size_t bytes;
	void *addr;
	int err = env_reopen(env);

	if (!err)
		err = pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &writer, NULL);
	if (!err)
		err = pinpool_pool_begin(writer, NULL);
	if (!err)
		err = pinpool_pool_map_writable(writer, &addr, &bytes);
	if (!err)
		err = env_commit(writer, bytes);
	/* A sanitizer would make a report of it. */
	signal(SIGSEGV, SIG_DFL);
	if (!err)
		*(volatile char *)addr = 1;
	return err;
}

TEST_F(pool, writable_mapping_dies_with_commit)
{
	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	EXPECT_EQ(-1000 - SIGSEGV, env_child(touch_after_commit, &self->env, false));
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, "model"));
}

static int attach(struct pool_env *env)
{
	struct pinpool_pool *reader;
	const void *content;
	size_t bytes;
	int err = env_reopen(env);

	if (!err)
		err = pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_READ, &reader, NULL);
	if (!err)
		err = pinpool_pool_wait(reader, 0);
	if (!err)
		err = pinpool_pool_map(reader, &content, &bytes);
	if (err)
		return err;
	return bytes == 3 * env->page && env_all_bytes(content, bytes, 0x42) ? 0 : -EBADMSG;
}

TEST_F(pool, is_found_by_a_second_process)
{
	ASSERT_EQ(0, env_make_ready(&self->env, "model", 3, 0x42));
	pinpool_ctx_unref(self->env.ctx);
	EXPECT_EQ(0, env_child(attach, &self->env, false));
}

TEST_F(pool, content_outlives_its_name_for_those_who_have_it)
{
	struct pinpool_pool *reader;
	const void *content;
	size_t bytes;

	ASSERT_EQ(0, env_make_ready(&self->env, "model", 1, 0x42));
	reader = open_pool(&self->env, "model", PINPOOL_OPEN_READ);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	EXPECT_EQ(-ENOENT, env_state(&self->env, "model"));
	/* The name is free for another pool at once. */
	EXPECT_EQ(0, env_make_ready(&self->env, "model", 1, 0x17));
	ASSERT_EQ(0, pinpool_pool_map(reader, &content, &bytes));
	EXPECT_TRUE(env_all_bytes(content, bytes, 0x42));
	pinpool_pool_close(reader);
}

TEST_F(pool, destroyed_under_its_writer_is_gone_with_him)
{
	struct pinpool_pool *writer;
	size_t bytes;
	void *addr;

	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	writer = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	ASSERT_EQ(0, pinpool_pool_begin(writer, NULL));
	ASSERT_EQ(0, pinpool_pool_map_writable(writer, &addr, &bytes));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	memset(addr, 1, bytes);
	EXPECT_EQ(0, env_files(&self->env));
	pinpool_pool_close(writer);
	EXPECT_EQ(-ENOENT, env_state(&self->env, "model"));
}

TEST_F(pool, commit_is_refused_while_another_process_may_write)
{
	struct pinpool_pool *writer;
	const void *content;
	size_t bytes;
	void *addr;
	int status;
	pid_t pid;

	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	writer = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	ASSERT_EQ(0, pinpool_pool_begin(writer, NULL));
	ASSERT_EQ(0, pinpool_pool_map_writable(writer, &addr, &bytes));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	ASSERT_LT(0, pid);
	EXPECT_EQ(-EBUSY, env_commit(writer, bytes));
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, "model"));
	/* The load goes on. */
	ASSERT_EQ(0, pinpool_pool_map_writable(writer, &addr, &bytes));
	memset(addr, 3, bytes);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, env_commit(writer, bytes));
	ASSERT_EQ(0, pinpool_pool_map(writer, &content, &bytes));
	EXPECT_TRUE(env_all_bytes(content, bytes, 3));
	pinpool_pool_close(writer);
}

TEST_F(pool, load_lives_as_long_as_any_process_has_the_writers_file)
{
	struct pinpool_pool *other, *writer;
	int status;
	pid_t pid;

	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	writer = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	ASSERT_EQ(0, pinpool_pool_begin(writer, NULL));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	ASSERT_LT(0, pid);
	pinpool_pool_close(writer);
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, "model"));
	other = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	EXPECT_EQ(-EBUSY, pinpool_pool_begin(other, NULL));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, "model"));
	EXPECT_EQ(0, pinpool_pool_begin(other, NULL));
	pinpool_pool_close(other);
}

static void *commit_later(void *arg)
{
	env_sleep_ms(100);
	return (void *)(intptr_t)env_commit(arg, 1);
}

TEST_F(pool, wait_ends_with_the_commit)
{
	struct pinpool_pool *reader, *writer;
	pthread_t thread;
	int64_t start;
	void *result;

	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	writer = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	reader = open_pool(&self->env, "model", PINPOOL_OPEN_READ);
	EXPECT_EQ(-ETIMEDOUT, pinpool_pool_wait(reader, 0));
	start = env_now_ms();
	EXPECT_EQ(-ETIMEDOUT, pinpool_pool_wait(reader, 50));
	EXPECT_LE(50, env_now_ms() - start);
	ASSERT_EQ(0, pinpool_pool_begin(writer, NULL));
	EXPECT_EQ(-ETIMEDOUT, pinpool_pool_wait(reader, 10));
	ASSERT_EQ(0, pthread_create(&thread, NULL, commit_later, writer));
	EXPECT_EQ(0, pinpool_pool_wait(reader, -1));
	pthread_join(thread, &result);
	EXPECT_EQ(0, (intptr_t)result);
	EXPECT_EQ(0, pinpool_pool_wait(reader, 0));
	pinpool_pool_close(reader);
	pinpool_pool_close(writer);
}

static void *destroy_later(void *env)
{
	env_sleep_ms(100);
	return (void *)(intptr_t)pinpool_pool_destroy(((struct pool_env *)env)->ctx, "model", NULL);
}

TEST_F(pool, wait_ends_when_the_pool_is_destroyed)
{
	struct pinpool_pool *reader;
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	reader = open_pool(&self->env, "model", PINPOOL_OPEN_READ);
	ASSERT_EQ(0, pthread_create(&thread, NULL, destroy_later, &self->env));
	EXPECT_EQ(-ENOENT, pinpool_pool_wait(reader, 10000));
	pthread_join(thread, &result);
	EXPECT_EQ(0, (intptr_t)result);
	EXPECT_EQ(-ENOENT, pinpool_pool_wait(reader, 10000));
	pinpool_pool_close(reader);
}

static void on_alarm(int signal)
{
}

TEST_F(pool, wait_ends_with_a_signal)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval timer = {.it_value.tv_usec = 50000};
	struct pinpool_pool *reader;

	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	reader = open_pool(&self->env, "model", PINPOOL_OPEN_READ);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	EXPECT_EQ(-EINTR, pinpool_pool_wait(reader, 10000));
	pinpool_pool_close(reader);
}

TEST_F(pool, structs_of_another_age_are_understood)
{
	struct {
		struct pinpool_create_opts known;
		uint64_t unknown;
	} newer = {.known = {.size = sizeof(newer), .capacity = 1}};
	struct {
		size_t size;
		uint64_t capacity;
	} older = {.size = sizeof(older), .capacity = 1};
	struct {
		struct pinpool_info known;
		uint64_t unknown;
	} info = {.known = {.size = sizeof(info)}, .unknown = 5};
	struct pinpool_info prefix;
	size_t cut = offsetof(struct pinpool_info, state);

	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, "older", (const void *)&older, NULL));
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, "newer", &newer.known, NULL));
	newer.unknown = 1;
	EXPECT_EQ(-E2BIG, pinpool_pool_create(self->env.ctx, "newest", &newer.known, NULL));
	older.size = 4;
	EXPECT_EQ(-EINVAL, pinpool_pool_create(self->env.ctx, "oldest", (const void *)&older, NULL));

	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, "older", &info.known, NULL));
	EXPECT_EQ(0, info.unknown);
	EXPECT_EQ(sizeof(info), info.known.size);
	memset(&prefix, 0xee, sizeof(prefix));
	prefix.size = cut;
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, "older", &prefix, NULL));
	EXPECT_STREQ("older", prefix.name);
	EXPECT_TRUE(env_all_bytes((char *)&prefix + cut, sizeof(prefix) - cut, 0xee));
	prefix.size = 0;
	EXPECT_EQ(-EINVAL, pinpool_pool_stat(self->env.ctx, "older", &prefix, NULL));
}

TEST_F(pool, context_counts_pools_and_bytes)
{
	struct pinpool_ctx_info before = {.size = sizeof(before)}, info = before;

	ASSERT_EQ(0, pinpool_ctx_get_info(self->env.ctx, &before));
	EXPECT_EQ(self->env.backend, before.backend);
	EXPECT_EQ(0, before.pools);
	EXPECT_EQ(0, before.used_bytes);
	EXPECT_NE('\0', before.location[0]);
	ASSERT_EQ(0, env_create(&self->env, "one", 1));
	ASSERT_EQ(0, env_create(&self->env, "three", 3));
	ASSERT_EQ(0, pinpool_ctx_get_info(self->env.ctx, &info));
	EXPECT_EQ(2, info.pools);
	EXPECT_EQ(4 * self->env.page, info.used_bytes);
}

TEST_HARNESS_MAIN
