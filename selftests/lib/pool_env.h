/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A backend of its own for each test: a state directory, a hugetlbfs mount in a mount namespace of its own, huge pages
 * added to the host's for as long as the test runs. The same test bodies run on every backend; one that this host or
 * user cannot have is a skip that says why.
 */
#ifndef SELFTESTS_POOL_ENV_H
#define SELFTESTS_POOL_ENV_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pinpool/pinpool.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENV_HUGE (2UL << 20)
#define ENV_NR_HUGEPAGES "/proc/sys/vm/nr_hugepages"
/* Enough for what any one test holds at a time; a test that needs more says so before it includes this. */
#ifndef ENV_PAGES
#define ENV_PAGES 24
#endif
/* A user that is nobody's owner. */
#define ENV_NOBODY 65534

/* Lies in memory shared with the parent of the test, which cleans up even after a crash. */
struct pool_env {
	enum pinpool_backend backend;
	struct pinpool_ctx *ctx;
	struct pinpool_ctx_opts opts;
	uint64_t page; /* bytes of one page of a new pool */
	long pages_added;
	char state[64];
	char huge[64];
};

static inline long env_nr_hugepages(void)
{
	FILE *file = fopen(ENV_NR_HUGEPAGES, "re");
	long pages = -1;

	if (file) {
		if (fscanf(file, "%ld", &pages) != 1)
			pages = -1;
		fclose(file);
	}
	return pages;
}

/* Adds (or takes away) so many pages. Returns how many it became. */
static inline long env_add_hugepages(long pages)
{
	long before = env_nr_hugepages();
	FILE *file = fopen(ENV_NR_HUGEPAGES, "we");

	if (!file)
		return 0;
	fprintf(file, "%ld", before + pages);
	fclose(file);
	return env_nr_hugepages() - before;
}

static inline const char *env_make_dirs(struct pool_env *env)
{
	strcpy(env->state, "/dev/shm/pinpool-test-XXXXXX");
	if (!mkdtemp(env->state) || chmod(env->state, 01777))
		return "no directory on tmpfs can be made";
	env->opts.state_dir = env->state;
	if (env->backend != PINPOOL_BACKEND_HUGETLBFS)
		return NULL;
	if (geteuid())
		return "not root: cannot mount hugetlbfs";
	strcpy(env->huge, "/tmp/pinpool-test-XXXXXX");
	if (!mkdtemp(env->huge))
		return "no directory in /tmp can be made";
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return "no mount namespace can be made";
	if (mount("none", env->huge, "hugetlbfs", 0, "pagesize=2M,mode=1777"))
		return "hugetlbfs cannot be mounted";
	env->opts.hugetlbfs_dir = env->huge;
	env->pages_added = env_add_hugepages(ENV_PAGES);
	return env->pages_added < ENV_PAGES ? "too few huge pages can be added" : NULL;
}

/* Number of directory entries, -1 if it cannot be read. */
static inline int env_count_files(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	int count = 0;

	if (!dir)
		return -1;
	while ((entry = readdir(dir)))
		count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(dir);
	return count;
}

/* Files of pools, whole or not, wherever the backend keeps them. */
static inline int env_files(const struct pool_env *env)
{
	if (env->backend == PINPOOL_BACKEND_MODULE)
		return env_count_files("/dev/pinpool") - 1;
	return env_count_files(env->state) + (env->huge[0] ? env_count_files(env->huge) : 0);
}

static inline void env_remove_dir(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(path);
}

/* In the parent of the test: the test is dead, and with it its mounts and its context. */
static inline void env_clean(struct pool_env *env)
{
	PINPOOL_OPTS(pinpool_ctx_opts, opts, .backend = PINPOOL_BACKEND_MODULE);
	struct pinpool_ctx *ctx;
	char **names;
	size_t count;

	if (env->state[0])
		env_remove_dir(env->state);
	if (env->huge[0]) {
		umount(env->huge);
		rmdir(env->huge);
	}
	if (env->pages_added > 0)
		env_add_hugepages(-env->pages_added);
	if (env->backend != PINPOOL_BACKEND_MODULE || pinpool_ctx_new(&ctx, &opts, NULL))
		return;
	if (!pinpool_pool_list(ctx, &names, &count)) {
		for (size_t i = 0; i < count; i++)
			pinpool_pool_destroy(ctx, names[i], NULL);
		free(names);
	}
	pinpool_ctx_unref(ctx);
}

/* Opens env->ctx. Returns NULL, or why this backend is not here. */
static inline const char *env_open(struct pool_env *env, enum pinpool_backend backend)
{
	struct pinpool_ctx_info info = { .size = sizeof(info) };
	const char *why;

	env->backend = backend;
	env->opts.size = sizeof(env->opts);
	env->opts.backend = backend;
	if (backend == PINPOOL_BACKEND_MODULE && access("/dev/pinpool/control", F_OK))
		return "the kernel module is not loaded";
	why = env_make_dirs(env);
	if (!why && (pinpool_ctx_new(&env->ctx, &env->opts, NULL) || pinpool_ctx_get_info(env->ctx, &info)))
		why = "the backend does not open";
	/* A test that is skipped in its setup is not torn down. */
	if (why)
		env_clean(env);
	env->page = info.page_size;
	return why;
}

static inline int env_create(struct pool_env *env, const char *name, uint64_t pages)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = pages * env->page);

	return pinpool_pool_create(env->ctx, name, &opts, NULL);
}

static inline int env_commit(struct pinpool_pool *pool, uint64_t length)
{
	PINPOOL_OPTS(pinpool_commit_opts, opts, .length = length);

	return pinpool_pool_commit(pool, &opts, NULL);
}

/* State of a pool by name, or -errno. */
static inline int env_state(struct pool_env *env, const char *name)
{
	struct pinpool_info info = { .size = sizeof(info) };
	int err = pinpool_pool_stat(env->ctx, name, &info, NULL);

	return err ? err : (int)info.state;
}

/* Creates @name, fills all of it with @byte, commits all of it. */
static inline int env_make_ready(struct pool_env *env, const char *name, uint64_t pages, int byte)
{
	struct pinpool_pool *pool;
	size_t bytes;
	void *addr;
	int err;

	err = env_create(env, name, pages);
	if (err)
		return err;
	err = pinpool_pool_open(env->ctx, name, PINPOOL_OPEN_WRITE, &pool, NULL);
	if (err)
		return err;
	err = pinpool_pool_begin(pool, NULL);
	if (!err)
		err = pinpool_pool_map_writable(pool, &addr, &bytes);
	if (!err) {
		memset(addr, byte, bytes);
		err = env_commit(pool, bytes);
	}
	pinpool_pool_close(pool);
	return err;
}

static inline bool env_all_bytes(const void *addr, size_t bytes, int byte)
{
	const unsigned char *at = addr;

	return !bytes || (at[0] == byte && !memcmp(at, at + 1, bytes - 1));
}

/* Runs @fn in a child, as user ENV_NOBODY if @unprivileged. Returns what it returns (-errno from 0 to -255 survives). */
static inline int env_child(int (*fn)(struct pool_env *env), struct pool_env *env, bool unprivileged)
{
	/* @env is shared with the child, which may open a context of its own. */
	struct pool_env own = *env;
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (unprivileged && (setgroups(0, NULL) || setgid(ENV_NOBODY) || setuid(ENV_NOBODY)))
			_exit(255);
		_exit(-fn(&own));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -1000 - WTERMSIG(status);
}

/* A context of this process's own, as another program would have. */
static inline int env_reopen(struct pool_env *env)
{
	return pinpool_ctx_new(&env->ctx, &env->opts, NULL);
}

static inline void env_sleep_ms(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static inline int64_t env_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The fixture @name with self->env, once per backend. */
#define POOL_FIXTURE(name)                                                                                             \
	FIXTURE(name)                                                                                                  \
	{                                                                                                              \
		struct pool_env env;                                                                                   \
	};                                                                                                             \
	FIXTURE_VARIANT(name)                                                                                          \
	{                                                                                                              \
		enum pinpool_backend backend;                                                                          \
	};                                                                                                             \
	FIXTURE_SETUP(name)                                                                                            \
	{                                                                                                              \
		const char *why = env_open(&self->env, variant->backend);                                              \
                                                                                                                       \
		if (why)                                                                                               \
			SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);                   \
	}                                                                                                              \
	FIXTURE_TEARDOWN_PARENT(name)                                                                                  \
	{                                                                                                              \
		env_clean(&self->env);                                                                                 \
	}

#define POOL_VARIANT(name, variant_name, kind)                                                                         \
	FIXTURE_VARIANT_ADD(name, variant_name)                                                                        \
	{                                                                                                              \
		.backend = kind                                                                                        \
	}

#define POOL_FIXTURE_FILES(name)                                                                                       \
	POOL_FIXTURE(name);                                                                                            \
	POOL_VARIANT(name, shm, PINPOOL_BACKEND_SHM);                                                                  \
	POOL_VARIANT(name, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS)

#define POOL_FIXTURE_ALL(name)                                                                                         \
	POOL_FIXTURE_FILES(name);                                                                                      \
	POOL_VARIANT(name, module, PINPOOL_BACKEND_MODULE)

#endif
