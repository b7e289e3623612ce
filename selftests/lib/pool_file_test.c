/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Pools without the module: sidecars that lie, files in the way, other users, too few pages, what is left in the files.
 */
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <xxhash.h>

#include "harness.h"
#include "pool/sidecar.h"
#include "pool_env.h"

POOL_FIXTURE_FILES(file);

static const char *data_path(struct pool_env *env)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/model", env->huge[0] ? env->huge : env->state);
	return path;
}

/* The one file in the state directory that belongs to "model" and is not its data. */
static const char *sidecar_path(struct pool_env *env)
{
	static char path[400];
	struct dirent *entry;
	DIR *dir = opendir(env->state);

	path[0] = '\0';
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "model:", 6))
			snprintf(path, sizeof(path), "%s/%s", env->state, entry->d_name);
	if (dir)
		closedir(dir);
	return path;
}

static int read_sidecar(struct pool_env *env, struct sidecar *record)
{
	int fd = open(sidecar_path(env), O_RDONLY | O_CLOEXEC);
	ssize_t n = pread(fd, record, sizeof(*record), 0);

	close(fd);
	return n == sizeof(*record) ? 0 : -1;
}

static int write_sidecar(struct pool_env *env, struct sidecar *record, bool sum)
{
	int fd = open(sidecar_path(env), O_RDWR | O_CLOEXEC);
	ssize_t n;

	if (sum)
		record->checksum = XXH3_64bits(record, offsetof(struct sidecar, checksum));
	n = pwrite(fd, record, sizeof(*record), 0);
	close(fd);
	return n == sizeof(*record) ? 0 : -1;
}

/* What everybody says of a pool that is not to be trusted: @err, not listed, its name taken, removable. */
static bool is_refused(struct pool_env *env, int err)
{
	struct pinpool_pool *pool;
	char **names;
	size_t count = 9;

	if (pinpool_pool_list(env->ctx, &names, &count))
		return false;
	free(names);
	return env_state(env, "model") == err && !count && env_create(env, "model", 1) == -EEXIST &&
	       pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_READ, &pool, NULL) == err;
}

TEST_F(file, damaged_sidecar_is_refused_and_can_be_removed)
{
	struct sidecar good, bad;

	ASSERT_EQ(0, env_make_ready(&self->env, "model", 1, 1));
	ASSERT_EQ(0, read_sidecar(&self->env, &good));
	for (size_t byte = 0; byte < sizeof(good); byte += 5) {
		bad = good;
		((char *)&bad)[byte] ^= 0x10;
		ASSERT_EQ(0, write_sidecar(&self->env, &bad, false));
		ASSERT_EQ(-EBADMSG,
			  env_state(&self->env, "model") == -EOPNOTSUPP ? -EBADMSG : env_state(&self->env, "model"))
		{
			TH_LOG("byte %zu", byte);
		}
	}
	EXPECT_TRUE(is_refused(&self->env, -EBADMSG));
	ASSERT_EQ(0, truncate(sidecar_path(&self->env), 100));
	EXPECT_TRUE(is_refused(&self->env, -EBADMSG));
	EXPECT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	EXPECT_EQ(0, env_files(&self->env));
}

/* One lie each, with a right checksum. */
/* clang-format off */
static void lie_name(struct sidecar *s) { s->name[0] = 'M'; }
static void lie_state(struct sidecar *s) { s->state = 3; }
static void lie_capacity(struct sidecar *s) { s->capacity *= 2; }
static void lie_no_capacity(struct sidecar *s) { s->capacity = 0; }
static void lie_huge_capacity(struct sidecar *s) { s->capacity = -(uint64_t)s->page_size; }
static void lie_length(struct sidecar *s) { s->length = s->capacity + 1; }
static void lie_no_length(struct sidecar *s) { s->length = 0; }
static void lie_length_of_empty(struct sidecar *s) { s->state = PINPOOL_STATE_EMPTY; }
static void lie_page(struct sidecar *s) { s->page_size = 0; }
static void lie_mode(struct sidecar *s) { s->mode = 04666; }
static void lie_digest(struct sidecar *s) { s->digest_kind = 3; }
static void lie_bytes(struct sidecar *s) { s->bytes = 0; }
static void lie_policy(struct sidecar *s) { s->numa_policy = 3; }
static void lie_on_demand(struct sidecar *s) { s->on_demand = 2; }
/* clang-format on */

TEST_F(file, sidecar_that_makes_no_sense_is_refused)
{
	static void (*const lies[])(struct sidecar *) = {
		lie_name, lie_state,	 lie_capacity,	      lie_no_capacity, lie_huge_capacity, lie_length,
		lie_page, lie_no_length, lie_length_of_empty, lie_mode,	       lie_digest,	  lie_bytes,
		lie_policy, lie_on_demand,
	};
	struct sidecar good, bad;

	ASSERT_EQ(0, env_make_ready(&self->env, "model", 1, 1));
	ASSERT_EQ(0, read_sidecar(&self->env, &good));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		bad = good;
		lies[i](&bad);
		ASSERT_EQ(0, write_sidecar(&self->env, &bad, true));
		EXPECT_TRUE(is_refused(&self->env, -EBADMSG))
		{
			TH_LOG("lie %zu: %d", i, env_state(&self->env, "model"));
		}
	}
	bad = good;
	bad.version--;
	ASSERT_EQ(0, write_sidecar(&self->env, &bad, true));
	EXPECT_TRUE(is_refused(&self->env, -EOPNOTSUPP));
	bad.version += 2;
	ASSERT_EQ(0, write_sidecar(&self->env, &bad, true));
	EXPECT_TRUE(is_refused(&self->env, -EOPNOTSUPP));
	ASSERT_EQ(0, write_sidecar(&self->env, &good, true));
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, "model"));
}

TEST_F(file, sidecar_of_another_data_file_is_a_leftover)
{
	struct sidecar record;

	ASSERT_EQ(0, env_make_ready(&self->env, "model", 1, 1));
	ASSERT_EQ(0, read_sidecar(&self->env, &record));
	record.data_ino++;
	ASSERT_EQ(0, write_sidecar(&self->env, &record, true));
	EXPECT_EQ(-ENOENT, env_state(&self->env, "model"));
	/* The data file is somebody's, for all that is known, and stays. */
	EXPECT_EQ(-ENOENT, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	EXPECT_EQ(0, access(data_path(&self->env), F_OK));
	EXPECT_STREQ("", sidecar_path(&self->env));
	EXPECT_EQ(-EEXIST, env_create(&self->env, "model", 1));
	ASSERT_EQ(0, unlink(data_path(&self->env)));
	EXPECT_EQ(0, env_create(&self->env, "model", 1));
}

TEST_F(file, sidecar_of_another_owner_is_not_trusted)
{
	if (geteuid())
		SKIP(return, "not root: cannot give files away");
	ASSERT_EQ(0, env_make_ready(&self->env, "model", 1, 1));
	ASSERT_EQ(0, chown(sidecar_path(&self->env), ENV_NOBODY, -1));
	EXPECT_TRUE(is_refused(&self->env, -EBADMSG));
	ASSERT_EQ(0, chown(sidecar_path(&self->env), 0, -1));
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, "model"));
}

TEST_F(file, second_names_are_not_trusted)
{
	char other[200];

	ASSERT_EQ(0, env_make_ready(&self->env, "model", 1, 1));
	snprintf(other, sizeof(other), "%s.other", data_path(&self->env));
	ASSERT_EQ(0, link(data_path(&self->env), other));
	EXPECT_TRUE(is_refused(&self->env, -EBADMSG));
	ASSERT_EQ(0, unlink(other));
	snprintf(other, sizeof(other), "%s/other", self->env.state);
	ASSERT_EQ(0, link(sidecar_path(&self->env), other));
	EXPECT_TRUE(is_refused(&self->env, -EBADMSG));
	ASSERT_EQ(0, unlink(other));
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, "model"));
}

TEST_F(file, links_and_fifos_in_place_of_a_sidecar_are_refused)
{
	char target[128], path[400];

	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	snprintf(path, sizeof(path), "%s", sidecar_path(&self->env));
	snprintf(target, sizeof(target), "%s/target", self->env.state);
	/* A perfect sidecar, if it were followed. */
	ASSERT_EQ(0, rename(path, target));
	ASSERT_EQ(0, symlink(target, path));
	EXPECT_TRUE(is_refused(&self->env, -EBADMSG));
	EXPECT_EQ(-EBADMSG, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	EXPECT_EQ(0, access(target, F_OK));
	ASSERT_EQ(0, unlink(path));
	/* Opened without O_NONBLOCK this would wait for ever. */
	ASSERT_EQ(0, mkfifo(path, 0666));
	EXPECT_TRUE(is_refused(&self->env, -EBADMSG));
	EXPECT_EQ(-EBADMSG, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	ASSERT_EQ(0, unlink(path));
	unlink(target);
}

TEST_F(file, file_that_is_no_pool_is_left_alone)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 1);
	struct pinpool_diag diag = {0};
	int fd;

	fd = open(data_path(&self->env), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(-EEXIST, pinpool_pool_create(self->env.ctx, "model", &opts, &diag));
	EXPECT_NE(NULL, strstr(diag.object, "/model"));
	EXPECT_EQ(1, env_files(&self->env));
	EXPECT_EQ(-ENOENT, pinpool_pool_destroy(self->env.ctx, "model", &diag));
	EXPECT_NE(NULL, strstr(diag.change, "rm "));
	EXPECT_EQ(-ENOENT, env_state(&self->env, "model"));
	EXPECT_EQ(0, access(data_path(&self->env), F_OK));
	EXPECT_EQ(1, env_files(&self->env));
}

TEST_F(file, mode_is_read_only_exactly_while_ready)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 1, .mode = 0660);
	struct pinpool_info info = {.size = sizeof(info)};
	struct pinpool_pool *pool;
	struct stat st;

	umask(077);
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, "model", &opts, NULL));
	ASSERT_EQ(0, stat(data_path(&self->env), &st));
	EXPECT_EQ(0660, st.st_mode & 07777);
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL));
	ASSERT_EQ(0, pinpool_pool_begin(pool, NULL));
	ASSERT_EQ(0, env_commit(pool, 1));
	ASSERT_EQ(0, stat(data_path(&self->env), &st));
	EXPECT_EQ(0440, st.st_mode & 07777);
	ASSERT_EQ(0, pinpool_pool_get_info(pool, &info));
	EXPECT_EQ(0660, info.mode);
	pinpool_pool_close(pool);
	opts.mode = 0755;
	EXPECT_EQ(-EINVAL, pinpool_pool_create(self->env.ctx, "other", &opts, NULL));
}

static int load(struct pool_env *env)
{
	struct pinpool_pool *pool;
	int err = env_reopen(env);

	if (!err)
		err = pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL);
	if (!err)
		err = pinpool_pool_begin(pool, NULL);
	return err ? err : env_commit(pool, 1);
}

/* A commit that is killed between mode and record leaves this; root would not notice the mode. */
TEST_F(file, owner_begins_again_where_a_commit_had_made_the_file_read_only)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 1, .owner = true, .uid = ENV_NOBODY, .gid = ENV_NOBODY);

	if (geteuid())
		SKIP(return, "not root: cannot become another user");
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, "model", &opts, NULL));
	ASSERT_EQ(0, chmod(data_path(&self->env), 0400));
	EXPECT_EQ(0, env_child(load, &self->env, true));
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, "model"));
}

TEST_F(file, begin_is_refused_while_a_stranger_has_the_file_open_for_writing)
{
	struct pinpool_pool *pool;
	int fd;

	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL));
	fd = open(data_path(&self->env), O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	if (fcntl(fd, F_SETLEASE, F_WRLCK) && errno == EINVAL) {
		close(fd);
		pinpool_pool_close(pool);
		SKIP(return, "this kernel has no leases on this file system, so strangers cannot be seen");
	}
	fcntl(fd, F_SETLEASE, F_UNLCK);
	EXPECT_EQ(-EBUSY, pinpool_pool_begin(pool, NULL));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, "model"));
	close(fd);
	EXPECT_EQ(0, pinpool_pool_begin(pool, NULL));
	pinpool_pool_close(pool);
}

TEST_F(file, strangers_read_lock_holds_up_a_writer_and_forges_no_state)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	struct pinpool_pool *pool;
	int fd;

	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL));
	fd = open(sidecar_path(&self->env), O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(0, fcntl(fd, F_OFD_SETLK, &lock));
	EXPECT_EQ(-EBUSY, pinpool_pool_begin(pool, NULL));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, "model"));
	close(fd);
	EXPECT_EQ(0, pinpool_pool_begin(pool, NULL));
	pinpool_pool_close(pool);
}

/* Pages that somebody took out of the file are back, and zero, before a writer maps it. */
TEST_F(file, pages_taken_away_are_there_again_for_the_next_writer)
{
	struct pinpool_pool *pool;
	struct stat st;
	size_t bytes;
	void *addr;
	int fd;

	ASSERT_EQ(0, env_create(&self->env, "model", 4));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL));
	ASSERT_EQ(0, pinpool_pool_begin(pool, NULL));
	ASSERT_EQ(0, pinpool_pool_map_writable(pool, &addr, &bytes));
	memset(addr, 1, bytes);
	ASSERT_EQ(0, pinpool_pool_abort(pool));
	fd = open(data_path(&self->env), O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)self->env.page,
			       (off_t)self->env.page));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(3 * self->env.page, st.st_blocks * 512);
	close(fd);
	ASSERT_EQ(0, pinpool_pool_begin(pool, NULL));
	ASSERT_EQ(0, fstat(pinpool_pool_fd(pool), &st));
	EXPECT_EQ(4 * self->env.page, st.st_blocks * 512);
	ASSERT_EQ(0, pinpool_pool_map_writable(pool, &addr, &bytes));
	EXPECT_TRUE(env_all_bytes(addr, bytes, 0));
	pinpool_pool_close(pool);
}

TEST_F(file, pages_come_from_the_node_asked_for)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = self->env.page, .numa_node = 1);
	struct pinpool_info info = {.size = sizeof(info)};
	unsigned long nodes[17] = {0};
	int err, policy = -1;

	err = pinpool_pool_create(self->env.ctx, "model", &opts, NULL);
	if (err == -EOPNOTSUPP)
		SKIP(return, "this kernel or sandbox does not let a thread choose a node");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, "model", &info, NULL));
	EXPECT_EQ(0, info.numa_node);
	/* The thread is as it was. */
	ASSERT_EQ(0, syscall(SYS_get_mempolicy, &policy, nodes, 1025L, 0L, 0L));
	EXPECT_EQ(MPOL_DEFAULT, policy);
	opts.numa_node = 1000;
	EXPECT_EQ(-EINVAL, pinpool_pool_create(self->env.ctx, "other", &opts, NULL));
	opts.numa_node = 5000;
	EXPECT_EQ(-EINVAL, pinpool_pool_create(self->env.ctx, "other", &opts, NULL));
}

FIXTURE(pages)
{
	struct pool_env env;
};

FIXTURE_SETUP(pages)
{
	const char *why = env_open(&self->env, PINPOOL_BACKEND_HUGETLBFS);

	if (why)
		SKIP(return, "backend hugetlbfs: %s", why);
}

FIXTURE_TEARDOWN_PARENT(pages)
{
	env_clean(&self->env);
}

static uint64_t free_pages(struct pool_env *env)
{
	struct pinpool_ctx_info info = {.size = sizeof(info)};

	return pinpool_ctx_get_info(env->ctx, &info) ? 0 : info.free_bytes / ENV_HUGE;
}

TEST_F(pages, too_few_are_counted_and_the_command_that_adds_them_is_exact)
{
	uint64_t free_before = free_pages(&self->env), want = free_before + 3;
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = want * ENV_HUGE);
	struct pinpool_diag diag = {0};
	char expected[128];
	long before;

	before = env_nr_hugepages();
	ASSERT_EQ(-ENOMEM, pinpool_pool_create(self->env.ctx, "model", &opts, &diag));
	if (free_pages(&self->env) != free_before || env_nr_hugepages() != before)
		SKIP(return, "others use huge pages now");
	EXPECT_EQ(0, env_files(&self->env));
	snprintf(expected, sizeof(expected), "%llu huge pages of 2 MiB needed, %llu free", (unsigned long long)want,
		 (unsigned long long)free_before);
	EXPECT_STREQ(expected, diag.cause);
	snprintf(expected, sizeof(expected), "echo %ld > /proc/sys/vm/nr_hugepages", before + 3);
	EXPECT_STREQ(expected, diag.change);
	ASSERT_EQ(0, system(diag.change));
	self->env.pages_added += env_nr_hugepages() - before;
	/* Every page of the host is in this pool: whatever needed one more would fail here. */
	ASSERT_EQ(0, env_make_ready(&self->env, "model", want, 0x31));
	EXPECT_EQ(0, free_pages(&self->env));
	EXPECT_EQ(-ENOMEM, env_create(&self->env, "other", 1));
	EXPECT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	EXPECT_EQ(want, free_pages(&self->env));
}

TEST_F(pages, limit_of_the_mount_is_told_apart_from_too_few)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 3 * ENV_HUGE);
	PINPOOL_OPTS(pinpool_ctx_opts, ctx_opts, .backend = PINPOOL_BACKEND_HUGETLBFS, .state_dir = self->env.state,
		     .hugetlbfs_dir = self->env.huge);
	struct pinpool_ctx_info info = {.size = sizeof(info)};
	struct pinpool_diag diag = {0};
	struct pinpool_ctx *ctx;

	ASSERT_EQ(0, mount("none", self->env.huge, "hugetlbfs", 0, "pagesize=2M,size=4M,mode=1777"));
	ASSERT_EQ(0, pinpool_ctx_new(&ctx, &ctx_opts, NULL));
	ASSERT_EQ(0, pinpool_ctx_get_info(ctx, &info));
	EXPECT_EQ(2 * ENV_HUGE, info.limit_bytes);
	EXPECT_GE(2 * ENV_HUGE, info.free_bytes);
	EXPECT_EQ(-ENOSPC, pinpool_pool_create(ctx, "model", &opts, &diag));
	EXPECT_NE(NULL, strstr(diag.cause, "size="));
	opts.capacity = 2 * ENV_HUGE;
	EXPECT_EQ(0, pinpool_pool_create(ctx, "model", &opts, NULL));
	EXPECT_EQ(0, pinpool_pool_destroy(ctx, "model", NULL));
	pinpool_ctx_unref(ctx);
	umount(self->env.huge);
}

/* Scrubbing a file with a hole, with no page left to fill it, would be SIGBUS. */
TEST_F(pages, page_that_cannot_be_replaced_fails_begin)
{
	struct pinpool_diag diag = {0};
	struct pinpool_pool *pool;
	size_t bytes;
	void *addr;
	int fd;

	ASSERT_EQ(0, env_create(&self->env, "model", 2));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL));
	ASSERT_EQ(0, pinpool_pool_begin(pool, NULL));
	ASSERT_EQ(0, pinpool_pool_map_writable(pool, &addr, &bytes));
	ASSERT_EQ(0, pinpool_pool_abort(pool));
	fd = open(data_path(&self->env), O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, ENV_HUGE));
	close(fd);
	if (env_create(&self->env, "filler", free_pages(&self->env)) || free_pages(&self->env))
		SKIP(return, "others use huge pages now");
	EXPECT_EQ(-ENOMEM, pinpool_pool_begin(pool, &diag));
	EXPECT_NE(NULL, strstr(diag.change, "nr_hugepages"));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, "model"));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "filler", NULL));
	EXPECT_EQ(0, pinpool_pool_begin(pool, NULL));
	pinpool_pool_close(pool);
}

/* Two data directories share a state directory and know nothing of each other. */
TEST_F(pages, same_name_on_two_mounts_is_two_pools)
{
	PINPOOL_OPTS(pinpool_ctx_opts, opts, .backend = PINPOOL_BACKEND_HUGETLBFS, .state_dir = self->env.state);
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 1);
	char second[96];
	struct pinpool_ctx *ctx;
	char **names;
	size_t count;

	snprintf(second, sizeof(second), "%s/second", self->env.huge);
	ASSERT_EQ(0, mkdir(second, 0755));
	opts.hugetlbfs_dir = second;
	ASSERT_EQ(0, pinpool_ctx_new(&ctx, &opts, NULL));
	ASSERT_EQ(0, env_make_ready(&self->env, "model", 1, 1));
	EXPECT_EQ(0, pinpool_pool_create(ctx, "model", &create, NULL));
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, "model"));
	ASSERT_EQ(0, pinpool_pool_list(ctx, &names, &count));
	EXPECT_EQ(1, count);
	free(names);
	EXPECT_EQ(0, pinpool_pool_destroy(ctx, "model", NULL));
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, "model"));
	pinpool_ctx_unref(ctx);
	rmdir(second);
}

FIXTURE(tmpfs)
{
	struct pool_env env;
};

FIXTURE_SETUP(tmpfs)
{
	const char *why = env_open(&self->env, PINPOOL_BACKEND_SHM);

	if (why)
		SKIP(return, "backend shm: %s", why);
}

FIXTURE_TEARDOWN_PARENT(tmpfs)
{
	env_clean(&self->env);
}

TEST_F(tmpfs, more_than_memory_is_refused_before_it_hurts)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 1ULL << 50);
	struct pinpool_diag diag = {0};

	EXPECT_EQ(-ENOMEM, pinpool_pool_create(self->env.ctx, "model", &opts, &diag));
	EXPECT_NE(NULL, strstr(diag.cause, "available"));
	EXPECT_EQ(0, env_files(&self->env));
}

TEST_F(tmpfs, limit_of_the_mount_is_told_with_the_size_that_would_do)
{
	PINPOOL_OPTS(pinpool_ctx_opts, opts, .backend = PINPOOL_BACKEND_SHM, .state_dir = self->env.state);
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 2 << 20);
	struct pinpool_diag diag = {0};
	struct pinpool_ctx *ctx;
	char size[32];

	if (geteuid() || unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		SKIP(return, "no mount namespace can be made");
	ASSERT_EQ(0, mount("none", self->env.state, "tmpfs", 0, "size=1M,mode=1777"));
	ASSERT_EQ(0, pinpool_ctx_new(&ctx, &opts, NULL));
	EXPECT_EQ(-ENOSPC, pinpool_pool_create(ctx, "model", &create, &diag));
	EXPECT_NE(NULL, strstr(diag.change, "remount,size="));
	EXPECT_EQ(0, env_count_files(self->env.state));
	ASSERT_EQ(1, sscanf(diag.change, "mount -o remount,%31s", size));
	ASSERT_EQ(0, mount("none", self->env.state, "tmpfs", MS_REMOUNT, size));
	EXPECT_EQ(0, pinpool_pool_create(ctx, "model", &create, NULL))
	{
		TH_LOG("%s", diag.change);
	}
	pinpool_ctx_unref(ctx);
}

TEST_HARNESS_MAIN
