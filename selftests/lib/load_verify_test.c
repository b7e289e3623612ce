// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Verification finds what has changed in a published pool and names it. The bytes are changed behind the library's
 * back, which without the module any owner of the file can do; the module's pools cannot be changed at all.
 */
#include "checkpoints.h"
#include "harness.h"
#include "pool_env.h"

#include <errno.h>
#include <sys/mman.h>

#define POOL "verify-test"

FIXTURE(verify)
{
	struct pool_env env;
	struct pinpool_pool *pool;
	struct pinpool_info info;
	struct pinpool_verify_report report;
	struct pinpool_diag diag;
	char folder[PATH_MAX];
};

FIXTURE_VARIANT(verify)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(verify, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(verify, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);
POOL_VARIANT(verify, module, PINPOOL_BACKEND_MODULE);

FIXTURE_SETUP(verify)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	self->info.size = sizeof(self->info);
	self->report.size = sizeof(self->report);
	make_folder(self->folder);
}

FIXTURE_TEARDOWN_PARENT(verify)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

#define HEADER(first, second)                                                                                          \
	"{\"" first "\":{\"dtype\":\"U8\",\"shape\":[300000],\"data_offsets\":[0,300000]},"                            \
	"\"" second "\":{\"dtype\":\"U8\",\"shape\":[200000],\"data_offsets\":[300000,500000]}}"
#define DATA 500000

static int load_and_open(FIXTURE_DATA(verify) * self, const char *path, const struct pinpool_load_opts *opts)
{
	int err = pinpool_load(self->env.ctx, POOL, path, opts, NULL, &self->diag);

	if (!err)
		err = pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &self->pool, &self->diag);
	return err ? err : pinpool_pool_get_info(self->pool, &self->info);
}

static const char *write_single(FIXTURE_DATA(verify) * self)
{
	const char *path = in_folder(self->folder, "model.safetensors");

	write_safetensors(path, HEADER("one", "two"), DATA);
	return path;
}

static void write_sharded(FIXTURE_DATA(verify) * self)
{
	static const char index[] = "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"1.safetensors\","
				    "\"c\":\"2.safetensors\",\"d\":\"2.safetensors\"}}";

	write_safetensors(in_folder(self->folder, "1.safetensors"), HEADER("a", "b"), DATA);
	write_safetensors(in_folder(self->folder, "2.safetensors"), HEADER("c", "d"), DATA);
	write_file(in_folder(self->folder, "model.safetensors.index.json"), index, sizeof(index) - 1);
}

/* Flips a bit of the pool's file. */
static int flip(FIXTURE_DATA(verify) * self, uint64_t offset)
{
	char path[64];
	uint8_t *base;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", pinpool_pool_fd(self->pool));
	chmod(path, 0600);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	base = mmap(NULL, self->info.capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (base == MAP_FAILED)
		return -errno;
	base[offset] ^= 0x10;
	return munmap(base, self->info.capacity);
}

#define EXPECT_VERIFY(err, text)                                                                                       \
	do {                                                                                                           \
		EXPECT_EQ(err, pinpool_verify(self->pool, NULL, &self->report, &self->diag));                          \
		if (err)                                                                                               \
			EXPECT_TRUE(strstr(self->diag.object, text))                                                   \
			{                                                                                              \
				TH_LOG("%s: %s", self->diag.object, self->diag.cause);                                 \
			}                                                                                              \
	} while (0)

TEST_F(verify, an_untouched_pool_has_the_digest_it_was_committed_with)
{
	ASSERT_EQ(0, load_and_open(self, write_single(self), NULL));
	EXPECT_VERIFY(0, "");
	EXPECT_EQ(self->info.length, self->report.bytes);
	EXPECT_EQ(0, memcmp(self->info.digest, self->report.digest, PINPOOL_DIGEST_BYTES));
}

TEST_F(verify, a_flipped_bit_is_found_and_its_tensor_named)
{
	ASSERT_EQ(0, load_and_open(self, write_single(self), NULL));
	if ((self->env.backend == PINPOOL_BACKEND_MODULE))
		SKIP(return, "nobody can write to a READY pool of the module");
	ASSERT_EQ(0, flip(self, self->info.length - 1));
	EXPECT_VERIFY(-EBADMSG, "model.safetensors: tensor two");
	EXPECT_NE(0, memcmp(self->info.digest, self->report.digest, PINPOOL_DIGEST_BYTES));
	ASSERT_EQ(0, flip(self, self->info.length - 1));
	EXPECT_VERIFY(0, "");
	ASSERT_EQ(0, flip(self, self->info.length - 500000));
	EXPECT_VERIFY(-EBADMSG, "model.safetensors: tensor one");
	ASSERT_EQ(0, flip(self, self->info.length - 500000));
	ASSERT_EQ(0, flip(self, 8));
	EXPECT_VERIFY(-EBADMSG, "model.safetensors");
	EXPECT_FALSE(strstr(self->diag.object, ": tensor"));
}

TEST_F(verify, shards_are_verified_and_named)
{
	ASSERT_EQ(0, (write_sharded(self), load_and_open(self, self->folder, NULL)));
	EXPECT_VERIFY(0, "");
	EXPECT_EQ(0, memcmp(self->info.digest, self->report.digest, PINPOOL_DIGEST_BYTES));
	if ((self->env.backend == PINPOOL_BACKEND_MODULE))
		return;
	ASSERT_EQ(0, flip(self, self->info.length - 200001));
	EXPECT_VERIFY(-EBADMSG, "2.safetensors: tensor c");
	ASSERT_EQ(0, flip(self, self->info.length - 200001));
	ASSERT_EQ(0, flip(self, 3));
	EXPECT_VERIFY(-EBADMSG, "1.safetensors");
}

TEST_F(verify, a_damaged_catalog_is_not_believed)
{
	ASSERT_EQ(0, load_and_open(self, write_single(self), NULL));
	if ((self->env.backend == PINPOOL_BACKEND_MODULE))
		SKIP(return, "nobody can write to a READY pool of the module");
	ASSERT_EQ(0, flip(self, self->info.capacity - 1));
	EXPECT_NE(0, pinpool_verify(self->pool, NULL, &self->report, &self->diag));
}

TEST_F(verify, what_has_no_digest_cannot_be_verified)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 2 << 20);
	PINPOOL_OPTS(pinpool_load_opts, opts, .no_digest = true);

	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, POOL, &create, NULL));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &self->pool, NULL));
	EXPECT_VERIFY(-ENODATA, POOL);
	pinpool_pool_close(self->pool);
	self->pool = NULL;
	ASSERT_EQ(0, load_and_open(self, write_single(self), &opts));
	EXPECT_VERIFY(-ENODATA, POOL);
}

static int note_progress(void *arg, const struct pinpool_progress *progress)
{
	uint64_t *last = arg;

	last[0] = progress->done;
	last[1] = progress->total;
	return (int)last[2];
}

TEST_F(verify, progress_reaches_the_total_and_may_cancel)
{
	static uint64_t last[3];
	PINPOOL_OPTS(pinpool_verify_opts, opts, .progress = note_progress, .progress_arg = last);

	last[2] = 0;
	ASSERT_EQ(0, load_and_open(self, write_single(self), NULL));
	EXPECT_EQ(0, pinpool_verify(self->pool, &opts, &self->report, &self->diag));
	EXPECT_EQ(self->info.length, last[0]);
	EXPECT_EQ(self->info.length, last[1]);
	last[2] = 1;
	EXPECT_EQ(-ECANCELED, pinpool_verify(self->pool, &opts, &self->report, &self->diag));
}

/* A pool that somebody filled without a catalog, through the calls of pool.h alone. */
TEST_F(verify, a_pool_without_a_catalog_is_verified_as_a_whole)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 2 << 20);
	PINPOOL_OPTS(pinpool_commit_opts, commit, .length = 1, .digest_kind = PINPOOL_DIGEST_XXH3_128);
	/* XXH3-128 of one zero byte, as xxh128sum prints it. */
	static const uint8_t digest[PINPOOL_DIGEST_BYTES] = {0xa6, 0xcd, 0x5e, 0x93, 0x92, 0x00, 0x0f, 0x6a,
							     0xc4, 0x4b, 0xdf, 0xf4, 0x07, 0x4e, 0xec, 0xdb};
	void *base;

	memcpy(commit.digest, digest, sizeof(digest));
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, POOL, &create, NULL));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_WRITE, &self->pool, NULL));
	ASSERT_EQ(0, pinpool_pool_begin(self->pool, NULL));
	ASSERT_EQ(0, pinpool_pool_map_writable(self->pool, &base, NULL));
	ASSERT_EQ(0, pinpool_pool_commit(self->pool, &commit, NULL));
	pinpool_pool_close(self->pool);
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &self->pool, NULL));
	ASSERT_EQ(0, pinpool_pool_get_info(self->pool, &self->info));
	EXPECT_VERIFY(0, "");
	EXPECT_EQ(0, memcmp(digest, self->report.digest, sizeof(digest)));
	if ((self->env.backend == PINPOOL_BACKEND_MODULE))
		return;
	ASSERT_EQ(0, flip(self, 0));
	EXPECT_VERIFY(-EBADMSG, POOL);
}

TEST_HARNESS_MAIN
