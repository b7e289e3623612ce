/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Killed at any moment, raced from every side: a pool is whole, or EMPTY, or not there, and nothing is left over.
 *
 * A child does one thing under ptrace and is killed with SIGKILL at its nth stop at a system call, for every n until it
 * gets through. What others can see changes only at system calls, so that is every moment there is.
 */
#include <sys/ptrace.h>

#include "harness.h"
#include "pool_env.h"

POOL_FIXTURE_ALL(crash);

typedef int (*step_fn)(struct pool_env *env);

/* A child that will do @step, stopped before it has begun. 0, or -errno if it cannot be traced. */
static int start_stopped(step_fn step, const struct pool_env *env, pid_t *pid)
{
	struct pool_env own = *env;
	int status;

	*pid = fork();
	if (!*pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(EPERM);
		raise(SIGSTOP);
		_exit(-step(&own));
	}
	if (*pid < 0 || waitpid(*pid, &status, 0) != *pid)
		return -ECHILD;
	if (!WIFSTOPPED(status))
		return -WEXITSTATUS(status);
	return ptrace(PTRACE_SETOPTIONS, *pid, NULL, PTRACE_O_EXITKILL) ? -errno : 0;
}

/* Goes on to stop @n. 0, -ESRCH if the step came to its end before, -errno if it failed. */
static int go_to(pid_t pid, int n)
{
	int status;

	for (int stop = 0; stop < n; stop++) {
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
		if (waitpid(pid, &status, 0) != pid)
			return -ECHILD;
		if (WIFEXITED(status))
			return WEXITSTATUS(status) ? -WEXITSTATUS(status) : -ESRCH;
	}
	return 0;
}

static int stop_at(step_fn step, const struct pool_env *env, int n, pid_t *pid)
{
	int err = start_stopped(step, env, pid);

	return err ? err : go_to(*pid, n);
}

/* 1 if the child was killed at stop @n of @step, 0 if it came to its end before, -errno. */
static int kill_at(step_fn step, const struct pool_env *env, int n)
{
	int err, status;
	pid_t pid;

	err = stop_at(step, env, n, &pid);
	if (err)
		return err == -ESRCH ? 0 : err;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return 1;
}

/* Lets a stopped child go on to its end. Returns what its step returned. */
static int let_go(pid_t pid)
{
	int status;

	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -1000;
}

static int step_create(struct pool_env *env)
{
	return env_create(env, "model", 1);
}

TEST_F(crash, killed_maker_leaves_a_pool_or_nothing)
{
	int killed, state, seen[2] = {0};

	for (int n = 1; (killed = kill_at(step_create, &self->env, n)) == 1; n++) {
		state = env_state(&self->env, "model");
		ASSERT_TRUE(state == PINPOOL_STATE_EMPTY || state == -ENOENT)
		{
			TH_LOG("stop %d: state %d", n, state);
		}
		seen[state == PINPOOL_STATE_EMPTY]++;
		/* Whichever it is, the name works. */
		ASSERT_EQ(state == PINPOOL_STATE_EMPTY ? -EEXIST : 0, env_create(&self->env, "model", 1))
		{
			TH_LOG("stop %d", n);
		}
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
		ASSERT_EQ(0, env_files(&self->env));
	}
	ASSERT_EQ(0, killed);
	EXPECT_LT(0, seen[0]);
	EXPECT_LT(0, seen[1]);
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, "model"));
}

TEST_F(crash, listing_removes_what_a_killed_maker_left)
{
	char **names;
	size_t count;
	int killed, state;

	for (int n = 1; (killed = kill_at(step_create, &self->env, n)) == 1; n++) {
		ASSERT_EQ(0, pinpool_pool_list(self->env.ctx, &names, &count));
		state = env_state(&self->env, "model");
		ASSERT_EQ(state == PINPOOL_STATE_EMPTY ? 1 : 0, count);
		if (count)
			ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
		free(names);
		ASSERT_EQ(0, env_files(&self->env))
		{
			TH_LOG("stop %d", n);
		}
	}
	ASSERT_EQ(0, killed);
}

static int step_destroy(struct pool_env *env)
{
	return pinpool_pool_destroy(env->ctx, "model", NULL);
}

TEST_F(crash, killed_destroyer_leaves_the_pool_or_nothing)
{
	int killed, state, seen[2] = {0};

	for (int n = 1;; n++) {
		ASSERT_EQ(0, env_create(&self->env, "model", 1));
		killed = kill_at(step_destroy, &self->env, n);
		if (killed != 1)
			break;
		state = env_state(&self->env, "model");
		ASSERT_TRUE(state == PINPOOL_STATE_EMPTY || state == -ENOENT);
		seen[state == PINPOOL_STATE_EMPTY]++;
		ASSERT_EQ(state == PINPOOL_STATE_EMPTY ? 0 : -ENOENT,
			  pinpool_pool_destroy(self->env.ctx, "model", NULL));
		ASSERT_EQ(0, env_files(&self->env))
		{
			TH_LOG("stop %d", n);
		}
	}
	ASSERT_EQ(0, killed);
	EXPECT_LT(0, seen[0]);
	EXPECT_LT(0, seen[1]);
	EXPECT_EQ(0, env_files(&self->env));
}

static int step_load(struct pool_env *env)
{
	struct pinpool_pool *writer;
	size_t bytes;
	void *addr;
	int err;

	err = pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &writer, NULL);
	if (!err)
		err = pinpool_pool_begin(writer, NULL);
	if (!err)
		err = pinpool_pool_map_writable(writer, &addr, &bytes);
	if (err)
		return err;
	memset(addr, 0x77, bytes);
	err = env_commit(writer, bytes);
	pinpool_pool_close(writer);
	return err;
}

/* Loads again what a killed writer left EMPTY, and tells whether the new writer saw zeros. */
static int load_again(struct pool_env *env)
{
	struct pinpool_pool *writer;
	size_t bytes;
	void *addr;
	int err;

	err = pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &writer, NULL);
	if (err)
		return err;
	err = pinpool_pool_begin(writer, NULL);
	if (!err)
		err = pinpool_pool_map_writable(writer, &addr, &bytes);
	if (!err && !env_all_bytes(addr, bytes, 0))
		err = -EBADMSG;
	if (!err) {
		memset(addr, 0x77, bytes);
		err = env_commit(writer, bytes);
	}
	pinpool_pool_close(writer);
	return err;
}

TEST_F(crash, killed_writer_leaves_empty_or_ready_and_never_a_byte)
{
	int killed, state, seen[2] = {0};
	struct pinpool_pool *reader;
	const void *content;
	size_t bytes;

	for (int n = 1;; n++) {
		ASSERT_EQ(0, env_create(&self->env, "model", 1));
		killed = kill_at(step_load, &self->env, n);
		if (killed != 1)
			break;
		state = env_state(&self->env, "model");
		ASSERT_TRUE(state == PINPOOL_STATE_EMPTY || state == PINPOOL_STATE_READY)
		{
			TH_LOG("stop %d: state %d", n, state);
		}
		seen[state == PINPOOL_STATE_READY]++;
		if (state == PINPOOL_STATE_EMPTY)
			ASSERT_EQ(0, load_again(&self->env))
			{
				TH_LOG("stop %d", n);
			}
		ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "model", PINPOOL_OPEN_READ, &reader, NULL));
		ASSERT_EQ(0, pinpool_pool_map(reader, &content, &bytes));
		ASSERT_TRUE(env_all_bytes(content, bytes, 0x77));
		pinpool_pool_close(reader);
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
		ASSERT_EQ(0, env_files(&self->env));
	}
	ASSERT_EQ(0, killed);
	EXPECT_LT(0, seen[0]);
	EXPECT_LT(0, seen[1]);
}

/* The second begin of a dirty pool scrubs; that, too, can be killed. */
static int step_begin(struct pool_env *env)
{
	struct pinpool_pool *writer;
	int err = pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &writer, NULL);

	return err ? err : pinpool_pool_begin(writer, NULL);
}

static int step_dirty(struct pool_env *env)
{
	struct pinpool_pool *writer;
	size_t bytes;
	void *addr;
	int err;

	err = pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &writer, NULL);
	if (!err)
		err = pinpool_pool_begin(writer, NULL);
	if (!err)
		err = pinpool_pool_map_writable(writer, &addr, &bytes);
	if (!err)
		memset(addr, 0x13, bytes);
	return err;
}

TEST_F(crash, killed_scrub_is_done_again)
{
	int killed;

	for (int n = 1;; n++) {
		ASSERT_EQ(0, env_create(&self->env, "model", 1));
		ASSERT_EQ(0, env_child(step_dirty, &self->env, false));
		killed = kill_at(step_begin, &self->env, n);
		if (killed != 1)
			break;
		ASSERT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, "model"));
		ASSERT_EQ(0, load_again(&self->env));
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	}
	ASSERT_EQ(0, killed);
}

static int step_list(struct pool_env *env)
{
	char **names;
	size_t count;
	int err = pinpool_pool_list(env->ctx, &names, &count);

	if (!err)
		free(names);
	return err;
}

/* While one is half done with the name, somebody else does the same or the opposite, and then it goes on. */
TEST_F_TIMEOUT(crash, two_at_work_on_one_name_leave_a_pool_or_nothing, 200)
{
	static const struct {
		step_fn first;
		step_fn second;
		bool there; /* before */
	} pairs[] = {
		{step_create, step_create, false}, {step_create, step_destroy, false}, {step_create, step_list, false},
		{step_destroy, step_create, true}, {step_destroy, step_destroy, true}, {step_destroy, step_list, true},
	};
	int first, second, state;
	pid_t pid;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		for (int n = 1;; n++) {
			if (pairs[i].there)
				ASSERT_EQ(0, step_create(&self->env));
			first = stop_at(pairs[i].first, &self->env, n, &pid);
			if (first == -ESRCH)
				break;
			ASSERT_EQ(0, first);
			second = pairs[i].second(&self->env);
			first = let_go(pid);
			state = env_state(&self->env, "model");
			ASSERT_TRUE(state == PINPOOL_STATE_EMPTY || (state == -ENOENT && !env_files(&self->env)))
			{
				TH_LOG("pair %zu stop %d: %d, %d, state %d", i, n, first, second, state);
			}
			/* Of two makers one wins. */
			if (pairs[i].first == step_create && pairs[i].second == step_create)
				ASSERT_TRUE((!first && second == -EEXIST) || (first == -EEXIST && !second))
				{
					TH_LOG("stop %d: %d, %d", n, first, second);
				}
			/* Nobody is told that he made a pool that is not there, unless the other removed it. */
			if (state == -ENOENT)
				ASSERT_TRUE(first == -ENOENT || second == -ENOENT || pairs[i].first == step_destroy ||
					    pairs[i].second == step_destroy);
			if (!state)
				ASSERT_EQ(0, step_destroy(&self->env));
			ASSERT_EQ(0, env_files(&self->env));
		}
		step_destroy(&self->env);
	}
}

static int step_look(struct pool_env *env)
{
	return -env_state(env, "model");
}

TEST_F(crash, state_is_never_seen_to_go_back)
{
	struct pinpool_pool *writer;
	int err, seen;
	pid_t pid;

	for (int n = 1;; n++) {
		ASSERT_EQ(0, env_create(&self->env, "model", 1));
		/* Before the writer's file is there for it to inherit. */
		ASSERT_EQ(0, start_stopped(step_look, &self->env, &pid));
		ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "model", PINPOOL_OPEN_WRITE, &writer, NULL));
		ASSERT_EQ(0, pinpool_pool_begin(writer, NULL));
		err = go_to(pid, n);
		/* It came to its end, and saw LOADING. */
		if (err == -PINPOOL_STATE_LOADING)
			break;
		ASSERT_EQ(0, err);
		ASSERT_EQ(0, env_commit(writer, 1));
		seen = -let_go(pid);
		ASSERT_TRUE(seen == PINPOOL_STATE_LOADING || seen == PINPOOL_STATE_READY)
		{
			TH_LOG("stop %d: state %d", n, seen);
		}
		pinpool_pool_close(writer);
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	}
	pinpool_pool_close(writer);
}

/* As many processes as @fn is given numbers, all let go at once. Returns a bitmap of the errors they ended with. */
static uint64_t race(struct pool_env *env, int processes, int (*fn)(struct pool_env *env, int number), int results[])
{
	int start[2], status;
	uint64_t seen = 0;
	char byte;

	if (pipe(start))
		return ~0ULL;
	for (int i = 0; i < processes; i++) {
		struct pool_env own = *env;

		if (!fork()) {
			close(start[1]);
			/* End of file is the shot. */
			if (read(start[0], &byte, 1))
				_exit(99);
			_exit(-fn(&own, i));
		}
	}
	close(start[0]);
	close(start[1]);
	for (int i = 0; i < processes; i++) {
		if (wait(&status) < 0 || !WIFEXITED(status))
			return ~0ULL;
		seen |= 1ULL << (WEXITSTATUS(status) & 63);
		if (results)
			results[WEXITSTATUS(status) & 63]++;
	}
	return seen;
}

static int race_create(struct pool_env *env, int number)
{
	return env_create(env, "model", 1);
}

TEST_F(crash, one_of_many_makers_wins)
{
	for (int round = 0; round < 20; round++) {
		int results[64] = {0};

		ASSERT_EQ(1ULL << 0 | 1ULL << EEXIST, race(&self->env, 6, race_create, results));
		ASSERT_EQ(1, results[0]);
		ASSERT_EQ(5, results[EEXIST]);
		ASSERT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, "model"));
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
		ASSERT_EQ(0, env_files(&self->env));
	}
}

static int race_destroy(struct pool_env *env, int number)
{
	return pinpool_pool_destroy(env->ctx, "model", NULL);
}

TEST_F(crash, one_of_many_destroyers_wins)
{
	for (int round = 0; round < 20; round++) {
		int results[64] = {0};

		ASSERT_EQ(0, env_create(&self->env, "model", 1));
		ASSERT_EQ(1ULL << 0 | 1ULL << ENOENT, race(&self->env, 6, race_destroy, results));
		ASSERT_EQ(1, results[0]);
		ASSERT_EQ(0, env_files(&self->env));
	}
}

#define WRITERS 6

/* Shared by all writers of a race: how many have been refused. */
static _Atomic int *refused;

static int race_begin(struct pool_env *env, int number)
{
	struct pinpool_pool *writer;
	int err = pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &writer, NULL);

	if (!err)
		err = pinpool_pool_begin(writer, NULL);
	if (err)
		++*refused;
	/* The winner stays until the others have failed. */
	while (!err && *refused < WRITERS - 1)
		env_sleep_ms(1);
	return err;
}

TEST_F(crash, one_of_many_writers_wins)
{
	refused = mmap(NULL, sizeof(*refused), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int round = 0; round < 20; round++) {
		int results[64] = {0};

		*refused = 0;
		ASSERT_EQ(0, env_create(&self->env, "model", 1));
		ASSERT_EQ(1ULL << 0 | 1ULL << EBUSY, race(&self->env, WRITERS, race_begin, results));
		ASSERT_EQ(1, results[0]);
		ASSERT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, "model"));
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	}
}

/* Errors that a call may give when others do what they like with the same name; anything else is a bug. */
static bool expected(int err, const int *allowed)
{
	for (; *allowed; allowed++)
		if (err == -*allowed)
			return true;
	return !err;
}

static int use_if_ready(struct pinpool_pool *pool)
{
	struct pinpool_info info = {.size = sizeof(info)};
	const void *content;
	size_t bytes;

	if (pinpool_pool_get_info(pool, &info) || info.state != PINPOOL_STATE_READY)
		return 0;
	if (pinpool_pool_map(pool, &content, &bytes))
		return 61;
	return env_all_bytes(content, bytes, 0x66) ? 0 : 62;
}

static int race_everything(struct pool_env *env, int number)
{
	static const int create_errors[] = {EEXIST, ENOMEM, 0}, other_errors[] = {ENOENT, 0};
	static const int begin_errors[] = {EBUSY, EROFS, 0};
	unsigned int seed = (unsigned int)number + 1;
	struct pinpool_pool *pool;
	size_t bytes;
	void *addr;
	int err;

	for (int i = 0; i < 300; i++) {
		switch (rand_r(&seed) % 4) {
		case 0:
			err = env_create(env, "model", 1);
			if (!expected(err, create_errors))
				return -40;
			break;
		case 1:
			err = pinpool_pool_destroy(env->ctx, "model", NULL);
			if (!expected(err, other_errors))
				return -41;
			break;
		case 2:
			err = pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_READ, &pool, NULL);
			if (!expected(err, other_errors))
				return -42;
			if (err)
				break;
			err = use_if_ready(pool);
			pinpool_pool_close(pool);
			if (err)
				return -err;
			break;
		default:
			err = pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL);
			if (!expected(err, other_errors))
				return -43;
			if (err)
				break;
			err = pinpool_pool_begin(pool, NULL);
			if (!expected(err, begin_errors))
				return -44;
			if (!err && pinpool_pool_map_writable(pool, &addr, &bytes))
				return -45;
			if (!err && !env_all_bytes(addr, bytes, 0))
				return -46;
			if (!err) {
				memset(addr, 0x66, bytes);
				/* Half of the loads end without commit. */
				if (rand_r(&seed) % 2 && env_commit(pool, bytes))
					return -47;
			}
			pinpool_pool_close(pool);
		}
	}
	return 0;
}

TEST_F_TIMEOUT(crash, everybody_at_once_breaks_nothing, 120)
{
	int results[64] = {0};

	EXPECT_EQ(1, race(&self->env, 4, race_everything, results));
	for (int i = 1; i < 64; i++)
		if (results[i])
			TH_LOG("%d processes ended with %d", results[i], i);
	pinpool_pool_destroy(self->env.ctx, "model", NULL);
	EXPECT_EQ(0, env_files(&self->env));
}

TEST_HARNESS_MAIN
