/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Contexts: which backend is chosen and why, what is refused, the log, references. */
#include "harness.h"
#include "pool_env.h"

FIXTURE(ctx)
{
	struct pool_env env;
};

FIXTURE_SETUP(ctx)
{
	const char *why;

	unsetenv("PINPOOL_BACKEND");
	unsetenv("PINPOOL_HUGETLBFS_DIR");
	unsetenv("PINPOOL_STATE_DIR");
	why = env_open(&self->env, PINPOOL_BACKEND_SHM);
	if (why)
		SKIP(return, "%s", why);
}

FIXTURE_TEARDOWN_PARENT(ctx)
{
	env_clean(&self->env);
}

static enum pinpool_backend backend_of(struct pinpool_ctx *ctx)
{
	struct pinpool_ctx_info info = {.size = sizeof(info)};

	return pinpool_ctx_get_info(ctx, &info) ? PINPOOL_BACKEND_AUTO : info.backend;
}

TEST_F(ctx, environment_forces_a_backend_unless_options_do)
{
	PINPOOL_OPTS(pinpool_ctx_opts, opts, .state_dir = self->env.state);
	struct pinpool_diag diag = {0};
	struct pinpool_ctx *ctx;

	setenv("PINPOOL_BACKEND", "shm", 1);
	ASSERT_EQ(0, pinpool_ctx_new(&ctx, &opts, NULL));
	EXPECT_EQ(PINPOOL_BACKEND_SHM, backend_of(ctx));
	pinpool_ctx_unref(ctx);
	setenv("PINPOOL_BACKEND", "disk", 1);
	EXPECT_EQ(-EINVAL, pinpool_ctx_new(&ctx, &opts, &diag));
	EXPECT_STREQ("PINPOOL_BACKEND", diag.object);
	EXPECT_NE(NULL, strstr(diag.cause, "disk"));
	opts.backend = PINPOOL_BACKEND_SHM;
	ASSERT_EQ(0, pinpool_ctx_new(&ctx, &opts, NULL));
	pinpool_ctx_unref(ctx);
	setenv("PINPOOL_BACKEND", "auto", 1);
	setenv("PINPOOL_STATE_DIR", self->env.state, 1);
	ASSERT_EQ(0, pinpool_ctx_new(&ctx, NULL, NULL));
	pinpool_ctx_unref(ctx);
}

TEST_F(ctx, directories_come_from_the_environment_unless_options_name_them)
{
	PINPOOL_OPTS(pinpool_ctx_opts, opts, .backend = PINPOOL_BACKEND_SHM);
	struct pinpool_ctx_info info = {.size = sizeof(info)};
	char other[128];
	struct pinpool_ctx *ctx;

	snprintf(other, sizeof(other), "%s/deeper", self->env.state);
	setenv("PINPOOL_STATE_DIR", other, 1);
	ASSERT_EQ(0, pinpool_ctx_new(&ctx, &opts, NULL));
	ASSERT_EQ(0, pinpool_ctx_get_info(ctx, &info));
	EXPECT_STREQ(other, info.location);
	pinpool_ctx_unref(ctx);
	opts.state_dir = self->env.state;
	ASSERT_EQ(0, pinpool_ctx_new(&ctx, &opts, NULL));
	ASSERT_EQ(0, pinpool_ctx_get_info(ctx, &info));
	EXPECT_STREQ(self->env.state, info.location);
	pinpool_ctx_unref(ctx);
	rmdir(other);
}

TEST_F(ctx, forced_backend_that_is_not_there_fails)
{
	PINPOOL_OPTS(pinpool_ctx_opts, opts, .backend = PINPOOL_BACKEND_MODULE, .state_dir = self->env.state);
	struct pinpool_diag diag = {0};
	struct pinpool_ctx *ctx = NULL;

	if (!access("/dev/pinpool/control", F_OK))
		SKIP(return, "the kernel module is loaded");
	EXPECT_EQ(-ENODEV, pinpool_ctx_new(&ctx, &opts, &diag));
	EXPECT_NE(NULL, strstr(diag.change, "insmod"));
	EXPECT_EQ(NULL, ctx);
}

TEST_F(ctx, unusable_directories_are_refused)
{
	PINPOOL_OPTS(pinpool_ctx_opts, opts, .backend = PINPOOL_BACKEND_SHM);
	struct pinpool_diag diag = {0};
	struct pinpool_ctx *ctx;
	char path[128];

	/* Not tmpfs. */
	opts.state_dir = "/sys/kernel";
	EXPECT_EQ(-EINVAL, pinpool_ctx_new(&ctx, &opts, &diag));
	EXPECT_NE('\0', diag.change[0]);
	opts.state_dir = "/dev/shm/no/such/place";
	EXPECT_EQ(-ENOENT, pinpool_ctx_new(&ctx, &opts, NULL));
	/* A link where the directory should be, as somebody else could put it into /dev/shm. */
	snprintf(path, sizeof(path), "%s/link", self->env.state);
	ASSERT_EQ(0, symlink(self->env.state, path));
	opts.state_dir = path;
	EXPECT_NE(0, pinpool_ctx_new(&ctx, &opts, NULL));
	unlink(path);
	/* Anybody could remove anybody's files. */
	snprintf(path, sizeof(path), "%s/open", self->env.state);
	ASSERT_EQ(0, mkdir(path, 0777));
	ASSERT_EQ(0, chmod(path, 0777));
	EXPECT_EQ(-EPERM, pinpool_ctx_new(&ctx, &opts, &diag));
	EXPECT_NE(NULL, strstr(diag.change, "chmod +t"));
	rmdir(path);
	/* Not hugetlbfs. */
	opts.backend = PINPOOL_BACKEND_HUGETLBFS;
	opts.state_dir = self->env.state;
	opts.hugetlbfs_dir = "/dev/shm";
	EXPECT_EQ(-EINVAL, pinpool_ctx_new(&ctx, &opts, NULL));
	/* Named by the user and wrong is an error, not a reason to take another backend. */
	opts.backend = PINPOOL_BACKEND_AUTO;
	if (access("/dev/pinpool/control", F_OK))
		EXPECT_EQ(-EINVAL, pinpool_ctx_new(&ctx, &opts, NULL));
}

TEST_F(ctx, state_directory_is_made_for_everybody)
{
	PINPOOL_OPTS(pinpool_ctx_opts, opts, .backend = PINPOOL_BACKEND_SHM);
	struct pinpool_ctx *ctx;
	struct stat st;
	char path[128];

	snprintf(path, sizeof(path), "%s/new", self->env.state);
	opts.state_dir = path;
	umask(077);
	ASSERT_EQ(0, pinpool_ctx_new(&ctx, &opts, NULL));
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(01777, st.st_mode & 07777);
	pinpool_ctx_unref(ctx);
	rmdir(path);
}

struct log {
	int count[PINPOOL_LOG_DEBUG + 1];
	char last[256];
};

static void keep(void *arg, enum pinpool_log_level level, const char *msg)
{
	struct log *log = arg;

	log->count[level]++;
	snprintf(log->last, sizeof(log->last), "%s", msg);
}

TEST_F(ctx, log_tells_the_choice_at_the_level_asked_for)
{
	struct log log = {0};
	PINPOOL_OPTS(pinpool_ctx_opts, opts, .backend = PINPOOL_BACKEND_SHM, .state_dir = self->env.state, .log = keep,
		     .log_arg = &log, .log_level = PINPOOL_LOG_INFO);
	struct pinpool_ctx *ctx;

	ASSERT_EQ(0, pinpool_ctx_new(&ctx, &opts, NULL));
	EXPECT_EQ(1, log.count[PINPOOL_LOG_INFO]);
	EXPECT_STREQ("backend shm", log.last);
	pinpool_ctx_unref(ctx);
	opts.log_level = PINPOOL_LOG_WARN;
	ASSERT_EQ(0, pinpool_ctx_new(&ctx, &opts, NULL));
	EXPECT_EQ(1, log.count[PINPOOL_LOG_INFO]);
	pinpool_ctx_unref(ctx);
}

TEST_F(ctx, open_pool_keeps_its_context)
{
	struct pinpool_info info = {.size = sizeof(info)};
	struct pinpool_pool *pool;

	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL));
	EXPECT_EQ(self->env.ctx, pinpool_ctx_ref(self->env.ctx));
	pinpool_ctx_unref(self->env.ctx);
	pinpool_ctx_unref(self->env.ctx);
	EXPECT_EQ(0, pinpool_pool_begin(pool, NULL));
	EXPECT_EQ(0, env_commit(pool, 1));
	EXPECT_EQ(0, pinpool_pool_get_info(pool, &info));
	pinpool_pool_close(pool);
	pinpool_ctx_unref(NULL);
	pinpool_pool_close(NULL);
}

TEST_F(ctx, options_of_another_age_are_understood)
{
	struct {
		struct pinpool_ctx_opts known;
		uint64_t unknown;
	} newer = {.known = {.size = sizeof(newer), .backend = PINPOOL_BACKEND_SHM, .state_dir = self->env.state}};
	struct pinpool_ctx *ctx;

	ASSERT_EQ(0, pinpool_ctx_new(&ctx, &newer.known, NULL));
	pinpool_ctx_unref(ctx);
	newer.unknown = 1;
	EXPECT_EQ(-E2BIG, pinpool_ctx_new(&ctx, &newer.known, NULL));
	newer.known.size = 0;
	EXPECT_EQ(-EINVAL, pinpool_ctx_new(&ctx, &newer.known, NULL));
	newer.known = (struct pinpool_ctx_opts){.size = sizeof(newer.known), .backend = (enum pinpool_backend)9};
	EXPECT_EQ(-EINVAL, pinpool_ctx_new(&ctx, &newer.known, NULL));
}

FIXTURE(probe)
{
	struct pool_env env;
};

FIXTURE_SETUP(probe)
{
	const char *why = env_open(&self->env, PINPOOL_BACKEND_HUGETLBFS);

	unsetenv("PINPOOL_BACKEND");
	if (why)
		SKIP(return, "backend hugetlbfs: %s", why);
	if (!access("/dev/pinpool/control", F_OK))
		SKIP(return, "the kernel module is loaded");
}

FIXTURE_TEARDOWN_PARENT(probe)
{
	env_clean(&self->env);
}

TEST_F(probe, finds_a_hugetlbfs_mount_and_makes_a_folder_there)
{
	PINPOOL_OPTS(pinpool_ctx_opts, opts, .state_dir = self->env.state);
	struct pinpool_ctx_info info = {.size = sizeof(info)};
	struct pinpool_ctx *ctx;
	struct stat st;

	ASSERT_EQ(0, pinpool_ctx_new(&ctx, &opts, NULL));
	ASSERT_EQ(0, pinpool_ctx_get_info(ctx, &info));
	EXPECT_EQ(PINPOOL_BACKEND_HUGETLBFS, info.backend);
	EXPECT_EQ(ENV_HUGE, info.page_size);
	EXPECT_LE(ENV_PAGES * ENV_HUGE, info.reserve_bytes);
	ASSERT_NE(NULL, strstr(info.location, "/pinpool"));
	ASSERT_EQ(0, stat(info.location, &st));
	EXPECT_EQ(01777, st.st_mode & 07777);
	pinpool_ctx_unref(ctx);
	/* Only what this test made. */
	if (!strncmp(info.location, self->env.huge, strlen(self->env.huge)))
		rmdir(info.location);
}

TEST_F(probe, takes_tmpfs_where_no_huge_page_is_set_aside)
{
	PINPOOL_OPTS(pinpool_ctx_opts, opts, .state_dir = self->env.state);
	struct pinpool_ctx *ctx;

	if (env_nr_hugepages() != self->env.pages_added)
		SKIP(return, "others use huge pages now");
	self->env.pages_added += env_add_hugepages(-self->env.pages_added);
	ASSERT_EQ(0, pinpool_ctx_new(&ctx, &opts, NULL));
	EXPECT_EQ(PINPOOL_BACKEND_SHM, backend_of(ctx));
	pinpool_ctx_unref(ctx);
	/* Who insists gets it, and is told at creation what is missing. */
	opts.backend = PINPOOL_BACKEND_HUGETLBFS;
	ASSERT_EQ(0, pinpool_ctx_new(&ctx, &opts, NULL));
	pinpool_ctx_unref(ctx);
}

TEST(backends_and_states_have_names)
{
	EXPECT_STREQ("auto", pinpool_backend_name(PINPOOL_BACKEND_AUTO));
	EXPECT_STREQ("module", pinpool_backend_name(PINPOOL_BACKEND_MODULE));
	EXPECT_STREQ("hugetlbfs", pinpool_backend_name(PINPOOL_BACKEND_HUGETLBFS));
	EXPECT_STREQ("shm", pinpool_backend_name(PINPOOL_BACKEND_SHM));
	EXPECT_EQ(NULL, pinpool_backend_name((enum pinpool_backend)4));
	EXPECT_STREQ("EMPTY", pinpool_state_name(PINPOOL_STATE_EMPTY));
	EXPECT_STREQ("LOADING", pinpool_state_name(PINPOOL_STATE_LOADING));
	EXPECT_STREQ("READY", pinpool_state_name(PINPOOL_STATE_READY));
	EXPECT_EQ(NULL, pinpool_state_name((enum pinpool_state)3));
}

TEST_HARNESS_MAIN
