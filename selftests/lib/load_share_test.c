// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * The same checkpoint asked for by several at once: one loads, the others wait and take what he published; when he dies
 * or fails, one of them loads. What holds something else is refused with what differs.
 */
#define ENV_PAGES 16
#include "checkpoints.h"
#include "harness.h"
#include "pool_env.h"

#include <errno.h>
#include <pinpool/load.h>
#include <pinpool/pack.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define POOL	"load-share"
#define LOADERS 4
#define WAIT_MS 60000

/* One process that loads, as its parent sees it. */
struct loader {
	pid_t pid;
	atomic_int hold; /* it stays where it reports progress */
	atomic_int stop; /* it is told to give up there */
	atomic_int ticks; /* times that it reported */
	atomic_int err;
	atomic_int attached;
	atomic_int ended;
};

FIXTURE(share)
{
	struct pool_env env;
	struct pinpool_diag diag;
	struct pinpool_load_opts opts;
	struct pinpool_load_report report;
	struct loader *loaders;
	char folder[PATH_MAX];
	char file[PATH_MAX];
};

FIXTURE_VARIANT(share)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(share, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(share, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);
POOL_VARIANT(share, module, PINPOOL_BACKEND_MODULE);

#define HEADER                                                                                                         \
	"{\"a\":{\"dtype\":\"F32\",\"shape\":[100,64],\"data_offsets\":[0,25600]},"                                    \
	"\"b\":{\"dtype\":\"F32\",\"shape\":[64],\"data_offsets\":[25600,25856]}}"
#define DATA 25856

FIXTURE_SETUP(share)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	make_folder(self->folder);
	snprintf(self->file, sizeof(self->file), "%s", in_folder(self->folder, "model.safetensors"));
	write_safetensors(self->file, HEADER, DATA);
	self->opts = (struct pinpool_load_opts){.size = sizeof(self->opts), .attach = true};
	self->report = (struct pinpool_load_report){.size = sizeof(self->report)};
	self->loaders = mmap(NULL, LOADERS * sizeof(*self->loaders), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			     -1, 0);
	ASSERT_NE(MAP_FAILED, self->loaders);
}

FIXTURE_TEARDOWN_PARENT(share)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

static int load(FIXTURE_DATA(share) * self, const char *path)
{
	memset(&self->diag, 0, sizeof(self->diag));
	return pinpool_load(self->env.ctx, POOL, path, &self->opts, &self->report, &self->diag);
}

#define EXPECT_LOADS(path, attached_)                                                                                  \
	({                                                                                                             \
		EXPECT_EQ(0, load(self, path))                                                                         \
		{                                                                                                      \
			TH_LOG("%s: %s (%s)", self->diag.object, self->diag.cause, self->diag.change);                 \
		}                                                                                                      \
		EXPECT_EQ(attached_, self->report.attached);                                                           \
	})

#define EXPECT_DIFFERS(path, what)                                                                                     \
	({                                                                                                             \
		EXPECT_EQ(-EEXIST, load(self, path));                                                                  \
		EXPECT_STREQ(POOL, self->diag.object);                                                                 \
		EXPECT_NE(NULL, strstr(self->diag.cause, what))                                                        \
		{                                                                                                      \
			TH_LOG("%s: %s", self->diag.object, self->diag.cause);                                         \
		}                                                                                                      \
		EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, POOL));                                           \
	})

TEST_F(share, who_comes_later_reads_nothing)
{
	struct pinpool_info before = {.size = sizeof(before)}, after = before;
	uint8_t digest[PINPOOL_DIGEST_BYTES];

	EXPECT_LOADS(self->file, false);
	memcpy(digest, self->report.digest, sizeof(digest));
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, POOL, &before, NULL));
	for (int with_digest = 0; with_digest < 2; with_digest++) {
		self->opts.attach_digest = with_digest;
		EXPECT_LOADS(self->file, true);
		EXPECT_EQ(0, self->report.bytes);
		EXPECT_EQ(0, self->report.requests);
		EXPECT_EQ(2, self->report.tensors);
		EXPECT_EQ(1, self->report.files);
		EXPECT_EQ(PINPOOL_DIGEST_XXH3_128, self->report.digest_kind);
		EXPECT_EQ(0, memcmp(digest, self->report.digest, sizeof(digest)));
	}
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, POOL, &after, NULL));
	EXPECT_EQ(before.committed_ns, after.committed_ns);
	EXPECT_EQ(before.created_ns, after.created_ns);
	self->opts.attach = false;
	EXPECT_DIFFERS(self->file, "READY");
}

static void set_mtime(const char *path, const struct timespec *mtime)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, *mtime};

	utimensat(AT_FDCWD, path, times, 0);
}

TEST_F(share, what_differs_is_named)
{
	const char *other = in_folder(self->folder, "other.safetensors");
	struct timespec later;
	struct stat st;
	int fd;

	EXPECT_LOADS(self->file, false);
	ASSERT_EQ(0, stat(self->file, &st));
	ASSERT_EQ(0, link(self->file, other));
	EXPECT_DIFFERS(other, "path");
	ASSERT_EQ(0, unlink(other));
	later = st.st_mtim;
	later.tv_sec++;
	set_mtime(self->file, &later);
	EXPECT_DIFFERS(self->file, "mtime");
	set_mtime(self->file, &st.st_mtim);
	EXPECT_LOADS(self->file, true);
	/* Another content with the time of before: only the digest tells. */
	fd = open(self->file, O_WRONLY | O_CLOEXEC);
	ASSERT_EQ(1, pwrite(fd, "!", 1, st.st_size - 1));
	close(fd);
	set_mtime(self->file, &st.st_mtim);
	EXPECT_LOADS(self->file, true);
	self->opts.attach_digest = true;
	EXPECT_DIFFERS(self->file, "digest");
	self->opts.attach_digest = false;
	write_safetensors(other, HEADER, DATA);
	set_mtime(other, &st.st_mtim);
	ASSERT_EQ(0, rename(other, self->file));
	EXPECT_DIFFERS(self->file, "inode");
	/* The same inode with another size. */
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	EXPECT_LOADS(self->file, false);
	write_safetensors(self->file, HEADER " ", DATA);
	EXPECT_DIFFERS(self->file, "size");
}

TEST_F(share, another_selection_is_something_else)
{
	static const char *const a[] = {"a"}, *const b[] = {"b"};
	struct stat st;
	int fd;

	EXPECT_LOADS(self->file, false);
	self->opts.tensors = a;
	self->opts.tensor_count = 1;
	EXPECT_DIFFERS(self->file, "selection");
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	self->opts.ranks = 4;
	self->opts.rank = 1;
	self->opts.columns = a;
	self->opts.column_count = 1;
	EXPECT_LOADS(self->file, false);
	self->opts.attach_digest = true;
	EXPECT_LOADS(self->file, true);
	self->opts.rank = 2;
	EXPECT_DIFFERS(self->file, "tensor a");
	self->opts.rank = 1;
	self->opts.column_count = 0;
	self->opts.rows = a;
	self->opts.row_count = 1;
	EXPECT_DIFFERS(self->file, "selection");
	self->opts.row_count = 0;
	self->opts.column_count = 1;
	self->opts.tensors = b;
	self->opts.columns = b;
	EXPECT_DIFFERS(self->file, "selection");
	self->opts.tensors = a;
	self->opts.columns = a;
	/* A byte of another rank is not compared, one of this rank is. */
	ASSERT_EQ(0, stat(self->file, &st));
	fd = open(self->file, O_WRONLY | O_CLOEXEC);
	ASSERT_EQ(1, pwrite(fd, "!", 1, 8 + strlen(HEADER) + 256 * 10));
	set_mtime(self->file, &st.st_mtim);
	EXPECT_LOADS(self->file, true);
	ASSERT_EQ(1, pwrite(fd, "!", 1, 8 + strlen(HEADER) + 256 * 10 + 64));
	set_mtime(self->file, &st.st_mtim);
	EXPECT_DIFFERS(self->file, "digest of tensor a");
	close(fd);
}

TEST_F(share, what_is_no_checkpoint_or_has_no_digest_is_something_else)
{
	ASSERT_EQ(0, env_make_ready(&self->env, POOL, 1, 0));
	EXPECT_DIFFERS(self->file, "catalog");
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	self->opts.no_digest = true;
	EXPECT_LOADS(self->file, false);
	EXPECT_LOADS(self->file, true);
	self->opts.attach_digest = true;
	EXPECT_DIFFERS(self->file, "without digests");
}

static int on_progress(void *arg, const struct pinpool_progress *progress)
{
	struct loader *loader = arg;

	(void)progress;
	loader->ticks++;
	while (loader->hold && !loader->stop)
		env_sleep_ms(5);
	return loader->stop;
}

/* A process that loads. With @hold it stays in the middle, its pool LOADING. */
static void start(FIXTURE_DATA(share) * self, int number, bool hold)
{
	struct loader *loader = &self->loaders[number];
	struct pinpool_load_report report = {.size = sizeof(report)};
	struct pinpool_load_opts opts = self->opts;
	struct pool_env env = self->env;
	pid_t pid;

	memset(loader, 0, sizeof(*loader));
	loader->hold = hold;
	pid = fork();
	if (pid) {
		loader->pid = pid;
		return;
	}
	alarm(WAIT_MS / 1000);
	opts.progress = on_progress;
	opts.progress_arg = loader;
	loader->err = env_reopen(&env);
	if (!loader->err)
		loader->err = pinpool_load(env.ctx, POOL, self->file, &opts, &report, NULL);
	loader->attached = report.attached;
	loader->ended = 1;
	_exit(0);
}

/* Until it has reported so many times. */
static bool wait_ticks(struct loader *loader, int ticks)
{
	for (int64_t end = env_now_ms() + WAIT_MS; loader->ticks < ticks && env_now_ms() < end && !loader->ended;)
		env_sleep_ms(5);
	return loader->ticks >= ticks;
}

static void join(struct loader *loader)
{
	waitpid(loader->pid, NULL, 0);
}

TEST_F_TIMEOUT(share, of_many_at_once_one_loads, 120)
{
	int loaded = 0;

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < LOADERS; i++)
			start(self, i, false);
		loaded = 0;
		for (int i = 0; i < LOADERS; i++) {
			join(&self->loaders[i]);
			EXPECT_EQ(1, self->loaders[i].ended);
			EXPECT_EQ(0, self->loaders[i].err);
			loaded += !self->loaders[i].attached;
		}
		EXPECT_EQ(1, loaded);
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	}
}

TEST_F_TIMEOUT(share, who_waits_takes_over_when_the_loader_is_killed, 120)
{
	start(self, 0, true);
	ASSERT_TRUE(wait_ticks(&self->loaders[0], 1));
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, POOL));
	start(self, 1, false);
	start(self, 2, false);
	/* They wait, and say so a few times a second. */
	EXPECT_TRUE(wait_ticks(&self->loaders[1], 3));
	EXPECT_TRUE(wait_ticks(&self->loaders[2], 3));
	EXPECT_FALSE(self->loaders[1].ended || self->loaders[2].ended);
	kill(self->loaders[0].pid, SIGKILL);
	for (int i = 0; i < 3; i++)
		join(&self->loaders[i]);
	EXPECT_EQ(0, self->loaders[0].ended);
	for (int i = 1; i < 3; i++) {
		EXPECT_EQ(1, self->loaders[i].ended);
		EXPECT_EQ(0, self->loaders[i].err);
	}
	EXPECT_EQ(1, self->loaders[1].attached + self->loaders[2].attached);
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, POOL));
}

/* It removes the pool that it made; whoever waits makes another. */
TEST_F_TIMEOUT(share, who_waits_takes_over_when_the_loader_gives_up, 120)
{
	start(self, 0, true);
	ASSERT_TRUE(wait_ticks(&self->loaders[0], 1));
	start(self, 1, false);
	EXPECT_TRUE(wait_ticks(&self->loaders[1], 2));
	self->loaders[0].stop = 1;
	join(&self->loaders[0]);
	join(&self->loaders[1]);
	EXPECT_EQ(-ECANCELED, self->loaders[0].err);
	EXPECT_EQ(0, self->loaders[1].err);
	EXPECT_EQ(0, self->loaders[1].attached);
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, POOL));
	EXPECT_LOADS(self->file, true);
}

/* The loader fails with it, whoever has seen the new file loads that. */
TEST_F_TIMEOUT(share, a_file_that_is_replaced_meanwhile_is_loaded_anew, 120)
{
	start(self, 0, true);
	ASSERT_TRUE(wait_ticks(&self->loaders[0], 1));
	write_safetensors(in_folder(self->folder, "new"), HEADER, DATA);
	ASSERT_EQ(0, rename(in_folder(self->folder, "new"), self->file));
	start(self, 1, false);
	EXPECT_TRUE(wait_ticks(&self->loaders[1], 2));
	self->loaders[0].hold = 0;
	join(&self->loaders[0]);
	join(&self->loaders[1]);
	EXPECT_EQ(-ESTALE, self->loaders[0].err);
	EXPECT_EQ(0, self->loaders[1].err);
	EXPECT_EQ(0, self->loaders[1].attached);
	EXPECT_LOADS(self->file, true);
}

TEST_F_TIMEOUT(share, waiting_can_be_cancelled_and_is_asked_for, 120)
{
	static volatile int cancel = 1;

	start(self, 0, true);
	ASSERT_TRUE(wait_ticks(&self->loaders[0], 1));
	start(self, 1, false);
	EXPECT_TRUE(wait_ticks(&self->loaders[1], 1));
	self->loaders[1].stop = 1;
	join(&self->loaders[1]);
	EXPECT_EQ(-ECANCELED, self->loaders[1].err);
	self->opts.cancel = &cancel;
	EXPECT_EQ(-ECANCELED, load(self, self->file));
	self->opts.cancel = NULL;
	self->opts.attach = false;
	EXPECT_EQ(-EBUSY, load(self, self->file));
	/* He who loads does not notice. */
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, POOL));
	self->loaders[0].hold = 0;
	join(&self->loaders[0]);
	EXPECT_EQ(0, self->loaders[0].err);
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, POOL));
}

TEST_F(share, packings_are_made_once_or_afterwards)
{
	struct pinpool_pack_report packed = {.size = sizeof(packed)};
	struct pinpool_info before = {.size = sizeof(before)}, after = before;

	EXPECT_LOADS(self->file, false);
	for (int round = 0; round < 2; round++) {
		ASSERT_EQ(0, pinpool_load_packed(self->env.ctx, POOL, self->file, &self->opts, NULL, &self->report,
						 &packed, &self->diag))
		{
			TH_LOG("%s: %s", self->diag.object, self->diag.cause);
		}
		EXPECT_TRUE(self->report.attached);
		ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, packed.name, &after, NULL));
		EXPECT_EQ(PINPOOL_STATE_READY, after.state);
		if (round)
			EXPECT_EQ(before.committed_ns, after.committed_ns);
		before = after;
	}
}

TEST_HARNESS_MAIN
