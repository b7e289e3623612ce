// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Loads from file to published pool, on small pages and on huge ones: what arrives, what is said of it, and that
 * nothing is left of a load that failed, was cancelled or was killed.
 */
#define ENV_PAGES 60
#include "checkpoints.h"
#include "harness.h"
#include "pool_env.h"

#include <errno.h>
#include <pinpool/catalog.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <xxhash.h>

#define POOL "load-test"

FIXTURE(load)
{
	struct pool_env env;
	struct pinpool_diag diag;
	char folder[PATH_MAX];
	char file[PATH_MAX];
};

FIXTURE_VARIANT(load)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(load, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(load, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);
POOL_VARIANT(load, module, PINPOOL_BACKEND_MODULE);

FIXTURE_SETUP(load)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	make_folder(self->folder);
	snprintf(self->file, sizeof(self->file), "%s", in_folder(self->folder, "model.safetensors"));
}

FIXTURE_TEARDOWN_PARENT(load)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

#define HEADER                                                                                                         \
	"{\"__metadata__\":{\"format\":\"pt\"},"                                                                       \
	"\"w\":{\"dtype\":\"BF16\",\"shape\":[300,1111],\"data_offsets\":[0,666600]},"                                 \
	"\"b\":{\"dtype\":\"F32\",\"shape\":[77],\"data_offsets\":[666600,666908]},"                                   \
	"\"none\":{\"dtype\":\"F64\",\"shape\":[4,0],\"data_offsets\":[666908,666908]},"                               \
	"\"s\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[666908,666916]}}"
#define DATA 666916

static void xxh(const void *data, size_t bytes, uint8_t out[PINPOOL_DIGEST_BYTES])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, bytes));
	memcpy(out, canonical.digest, sizeof(canonical.digest));
}

static uint8_t *read_file(const char *path, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *data;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	data = malloc((size_t)st.st_size + 1);
	*bytes = (size_t)read(fd, data, (size_t)st.st_size);
	close(fd);
	return data;
}

#define EXPECT_LOAD(err, path, opts, report)                                                                           \
	({                                                                                                             \
		int got_ = pinpool_load(self->env.ctx, POOL, path, opts, report, &self->diag);                         \
		EXPECT_EQ(err, got_)                                                                                   \
		{                                                                                                      \
			TH_LOG("%s: %s (%s)", self->diag.object, self->diag.cause, self->diag.change);                 \
		}                                                                                                      \
		got_;                                                                                                  \
	})

TEST_F(load, content_catalog_and_digests_are_those_of_the_file)
{
	struct pinpool_load_report report = {.size = sizeof(report)};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_source source = {.size = sizeof(source)};
	struct pinpool_info info = {.size = sizeof(info)};
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;
	const void *base;
	struct stat st;
	uint8_t *file;
	size_t bytes;

	write_safetensors(self->file, HEADER, DATA);
	file = read_file(self->file, &bytes);
	ASSERT_NE(NULL, file);
	ASSERT_EQ(0, EXPECT_LOAD(0, self->file, NULL, &report));
	xxh(file, bytes, digest);
	EXPECT_EQ(bytes, report.bytes);
	EXPECT_EQ(1, report.files);
	EXPECT_EQ(4, report.tensors);
	EXPECT_GT(report.create_ns, 0);
	EXPECT_GT(report.elapsed_ns, 0);
	EXPECT_NE(PINPOOL_IO_AUTO, report.io);
	EXPECT_EQ(PINPOOL_DIGEST_XXH3_128, report.digest_kind);
	EXPECT_EQ(0, memcmp(digest, report.digest, sizeof(digest)));

	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &pool, NULL));
	ASSERT_EQ(0, pinpool_pool_get_info(pool, &info));
	EXPECT_EQ(PINPOOL_STATE_READY, info.state);
	EXPECT_EQ(bytes, info.length);
	EXPECT_EQ(PINPOOL_DIGEST_XXH3_128, info.digest_kind);
	EXPECT_EQ(0, memcmp(digest, info.digest, sizeof(digest)));
	ASSERT_EQ(0, pinpool_pool_map(pool, &base, NULL));
	EXPECT_EQ(0, memcmp(base, file, bytes));

	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	ASSERT_EQ(1, pinpool_catalog_source_count(catalog));
	ASSERT_EQ(0, pinpool_catalog_source(catalog, 0, &source));
	ASSERT_EQ(0, stat(self->file, &st));
	EXPECT_STREQ(self->file, source.path);
	EXPECT_STREQ("safetensors", source.format);
	EXPECT_EQ(bytes, source.bytes);
	EXPECT_EQ(st.st_ino, source.inode);
	EXPECT_EQ((uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec, source.mtime_ns);
	ASSERT_TRUE(source.has_digest);
	EXPECT_EQ(0, memcmp(digest, source.digest, sizeof(digest)));

	ASSERT_EQ(4, pinpool_catalog_tensor_count(catalog));
	for (size_t i = 0; i < 4; i++) {
		ASSERT_EQ(0, pinpool_catalog_tensor(catalog, i, &tensor));
		EXPECT_EQ(0, memcmp(tensor.data, file + tensor.offset, tensor.bytes));
		ASSERT_TRUE(tensor.has_digest);
		xxh(file + tensor.offset, tensor.bytes, digest);
		EXPECT_EQ(0, memcmp(digest, tensor.digest, sizeof(digest)));
	}
	ASSERT_EQ(0, pinpool_catalog_find(catalog, "w", &tensor));
	EXPECT_EQ(PINPOOL_DTYPE_BF16, tensor.dtype);
	EXPECT_EQ(2, tensor.ndim);
	EXPECT_EQ(1111, tensor.shape[1]);
	EXPECT_EQ(8 + strlen(HEADER), tensor.offset);
	ASSERT_EQ(0, pinpool_catalog_find(catalog, "none", &tensor));
	EXPECT_EQ(0, tensor.bytes);
	ASSERT_EQ(0, pinpool_catalog_find(catalog, "s", &tensor));
	EXPECT_EQ(0, tensor.ndim);
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
	free(file);
}

/* Three shards, the middle one of whole blocks, and their index. */
static void write_sharded(const char *folder)
{
	static const struct {
		const char *file;
		const char *header;
		size_t data;
	} shards[] = {
		{"m-1.safetensors", "{\"a\":{\"dtype\":\"U8\",\"shape\":[100001],\"data_offsets\":[0,100001]}}",
		 100001},
		{"m-2.safetensors", "{\"b\":{\"dtype\":\"U8\",\"shape\":[12288],\"data_offsets\":[0,12288]}}", 12288},
		{"m-3.safetensors", "{\"c\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}", 3},
	};
	static const char index[] =
		"{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\",\"c\":\"m-3.safetensors\"}}";
	char header[4089];

	for (size_t i = 0; i < 3; i++) {
		if (i != 1) {
			write_safetensors(in_folder(folder, shards[i].file), shards[i].header, shards[i].data);
			continue;
		}
		memset(header, ' ', sizeof(header));
		memcpy(header, shards[i].header, strlen(shards[i].header));
		write_safetensors_raw(in_folder(folder, shards[i].file), 4088, header, 4088, shards[i].data);
	}
	write_file(in_folder(folder, "model.safetensors.index.json"), index, sizeof(index) - 1);
}

TEST_F(load, shards_lie_one_after_another_on_block_boundaries)
{
	struct pinpool_load_report report = {.size = sizeof(report)};
	struct pinpool_source source = {.size = sizeof(source)};
	struct pinpool_info info = {.size = sizeof(info)};
	uint8_t digests[3][PINPOOL_DIGEST_BYTES], list[PINPOOL_DIGEST_BYTES];
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;
	uint64_t next = 0;
	const void *base;
	uint8_t *file;
	size_t bytes;

	write_sharded(self->folder);
	ASSERT_EQ(0, EXPECT_LOAD(0, self->folder, NULL, &report));
	EXPECT_EQ(3, report.files);
	EXPECT_EQ(3, report.tensors);
	EXPECT_EQ(PINPOOL_DIGEST_XXH3_128_LIST, report.digest_kind);
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &pool, NULL));
	ASSERT_EQ(0, pinpool_pool_map(pool, &base, NULL));
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	ASSERT_EQ(3, pinpool_catalog_source_count(catalog));
	for (size_t i = 0; i < 3; i++) {
		ASSERT_EQ(0, pinpool_catalog_source(catalog, i, &source));
		file = read_file(source.path, &bytes);
		ASSERT_NE(NULL, file);
		EXPECT_EQ(next, source.offset);
		EXPECT_EQ(bytes, source.bytes);
		EXPECT_EQ(0, memcmp((const char *)base + next, file, bytes));
		xxh(file, bytes, digests[i]);
		EXPECT_EQ(0, memcmp(digests[i], source.digest, sizeof(digests[i])));
		free(file);
		for (next += bytes; next % 4096 && i < 2; next++)
			EXPECT_EQ(0, ((const char *)base)[next]);
	}
	xxh(digests, sizeof(digests), list);
	EXPECT_EQ(0, memcmp(list, report.digest, sizeof(list)));
	ASSERT_EQ(0, pinpool_pool_get_info(pool, &info));
	EXPECT_EQ(next, info.length);
	EXPECT_EQ(PINPOOL_DIGEST_XXH3_128_LIST, info.digest_kind);
	EXPECT_EQ(0, memcmp(list, info.digest, sizeof(list)));
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

TEST_F(load, every_path_and_size_gives_the_same_digest)
{
	struct pinpool_load_report report = {.size = sizeof(report)};
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	uint8_t *file;
	size_t bytes;

	write_safetensors(self->file, HEADER, DATA);
	file = read_file(self->file, &bytes);
	xxh(file, bytes, digest);
	free(file);
	for (int io = PINPOOL_IO_AUTO; io <= PINPOOL_IO_URING_CMD; io++) {
		for (int buffered = 0; buffered < 2; buffered++) {
			PINPOOL_OPTS(pinpool_load_opts, opts, .io = (enum pinpool_io)io, .buffered = buffered,
				     .chunk_bytes = io & 1 ? 65536 : 0, .queue_depth = buffered ? 1 : 0);
			int err = pinpool_load(self->env.ctx, POOL, self->file, &opts, &report, &self->diag);

			/* Where the kernel refuses it; the paths themselves are tested in stream_test. */
			if (err == -EOPNOTSUPP && io != PINPOOL_IO_AUTO && io != PINPOOL_IO_PREAD &&
			    (io != PINPOOL_IO_URING_CMD || variant->backend != PINPOOL_BACKEND_MODULE))
				continue;
			ASSERT_EQ(0, err)
			{
				TH_LOG("path %d: %s: %s", io, self->diag.object, self->diag.cause);
			}
			EXPECT_TRUE(!io || io == (int)report.io);
			EXPECT_EQ(buffered || (io & 1) ? PINPOOL_TUNING_GIVEN : PINPOOL_TUNING_DEFAULT, report.tuning);
			EXPECT_FALSE(report.iopoll || report.sqpoll);
			EXPECT_EQ(0, memcmp(digest, report.digest, sizeof(digest)));
			EXPECT_FALSE(buffered && report.direct);
			ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
		}
	}
}

TEST_F(load, commands_to_the_module_need_one_of_its_pools)
{
	struct pinpool_load_report report = {.size = sizeof(report)};
	PINPOOL_OPTS(pinpool_load_opts, opts, .io = PINPOOL_IO_URING_CMD);
	const bool module = variant->backend == PINPOOL_BACKEND_MODULE;

	write_safetensors(self->file, HEADER, DATA);
	EXPECT_LOAD(module ? 0 : -EOPNOTSUPP, self->file, &opts, &report);
	EXPECT_EQ(module ? PINPOOL_IO_URING_CMD : PINPOOL_IO_AUTO, report.io);
	EXPECT_EQ(module ? PINPOOL_STATE_READY : -ENOENT, env_state(&self->env, POOL));
	EXPECT_EQ(!module, !!strstr(self->diag.cause, "not one of the kernel module"));
	EXPECT_EQ(!module, !strcmp(self->diag.change, "use the kernel module"));
}

static struct pinpool_info *seen_by_others;

static int look(struct pool_env *env)
{
	int err = env_reopen(env);

	return err ? err : pinpool_pool_stat(env->ctx, POOL, seen_by_others, NULL);
}

/* Where commands are the way that is taken, only what they do not bring whole is zeroed: the page of the catalog. */
TEST_F(load, commands_bring_pages_that_nobody_zeroes)
{
	const size_t header = 4096, bytes = 8 << 20;
	const enum pinpool_io ios[] = {PINPOOL_IO_AUTO, PINPOOL_IO_URING, PINPOOL_IO_PREAD};
	struct pinpool_load_report report = {.size = sizeof(report)};
	struct pinpool_info info = {.size = sizeof(info)};
	char json[4089], tensor[128];

	if (variant->backend != PINPOOL_BACKEND_MODULE)
		SKIP(return, "only the module counts pages that it zeroes");
	snprintf(tensor, sizeof(tensor), "{\"a\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}",
		 bytes - header, bytes - header);
	snprintf(json, sizeof(json), "%-4088s", tensor);
	write_safetensors(self->file, json, bytes - header);
	seen_by_others = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, seen_by_others);
	for (size_t i = 0; i < sizeof(ios) / sizeof(ios[0]); i++) {
		PINPOOL_OPTS(pinpool_load_opts, opts, .io = ios[i]);
		const bool commands = ios[i] == PINPOOL_IO_AUTO;

		EXPECT_LOAD(0, self->file, &opts, &report);
		EXPECT_EQ(commands ? PINPOOL_IO_URING_CMD : ios[i], report.io);
		EXPECT_TRUE(report.direct);
		ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, POOL, &info, NULL));
		EXPECT_EQ(5, info.huge_pages);
		EXPECT_EQ(commands ? 1 : 5, info.pages_zeroed);
		EXPECT_EQ(commands ? bytes : 0, info.bytes_read);
		/* Also to who may not open it, and so asks sysfs. */
		seen_by_others->size = sizeof(info);
		ASSERT_EQ(0, env_child(look, &self->env, true));
		EXPECT_EQ(info.bytes_read, seen_by_others->bytes_read);
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	}
}

/* Pages that are not whole chunks are zeroed by workers, to which each command goes, while its entry is used again. */
TEST_F(load, commands_that_workers_carry_out_are_the_right_ones)
{
	const size_t data = 5 << 20;
	struct pinpool_load_report report = {.size = sizeof(report)};
	PINPOOL_OPTS(pinpool_load_opts, opts, .io = PINPOOL_IO_URING_CMD, .chunk_bytes = 65536);
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	size_t bytes;
	uint8_t *file;

	if (variant->backend != PINPOOL_BACKEND_MODULE)
		SKIP(return, "there are no commands");
	write_safetensors(self->file, "{\"a\":{\"dtype\":\"U8\",\"shape\":[5242880],\"data_offsets\":[0,5242880]}}",
			  data);
	file = read_file(self->file, &bytes);
	xxh(file, bytes, digest);
	free(file);
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, EXPECT_LOAD(0, self->file, &opts, &report));
		EXPECT_EQ(0, memcmp(digest, report.digest, sizeof(digest)));
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	}
}

#define CONTROL "/dev/pinpool/control"

static const char *path_for_others;

static int load_with_commands(struct pool_env *env)
{
	PINPOOL_OPTS(pinpool_load_opts, opts, .io = PINPOOL_IO_URING_CMD);
	int err = env_reopen(env);

	return err ? err : pinpool_load(env->ctx, POOL, path_for_others, &opts, NULL, NULL);
}

TEST_F(load, who_may_not_ask_the_module_what_it_offers_finds_out)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 4 << 20, .owner = true, .uid = ENV_NOBODY,
		     .gid = ENV_NOBODY);

	if (variant->backend != PINPOOL_BACKEND_MODULE)
		SKIP(return, "there is no control node to ask");
	write_safetensors(self->file, HEADER, DATA);
	path_for_others = self->file;
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, POOL, &create, NULL));
	ASSERT_EQ(0, chmod(CONTROL, 0600));
	EXPECT_EQ(0, env_child(load_with_commands, &self->env, true));
	EXPECT_EQ(0, chmod(CONTROL, 0664));
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, POOL));
}

TEST_F(load, without_digests_none_is_claimed)
{
	struct pinpool_load_report report = {.size = sizeof(report)};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	PINPOOL_OPTS(pinpool_load_opts, opts, .no_digest = true);
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;

	write_safetensors(self->file, HEADER, DATA);
	ASSERT_EQ(0, EXPECT_LOAD(0, self->file, &opts, &report));
	EXPECT_EQ(PINPOOL_DIGEST_NONE, report.digest_kind);
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &pool, NULL));
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	ASSERT_EQ(0, pinpool_catalog_find(catalog, "w", &tensor));
	EXPECT_FALSE(tensor.has_digest);
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

TEST_F(load, a_checkpoint_of_only_a_header_is_loaded)
{
	write_safetensors(self->file, "{}      ", 0);
	EXPECT_LOAD(0, self->file, NULL, NULL);
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, POOL));
}

TEST_F(load, bad_input_leaves_no_pool_and_an_old_one_empty)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 4 << 20);
	static const struct {
		const char *json;
		size_t data;
		int err;
	} bad[] = {
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]}}", 8, -EBADMSG},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]}}", 10, -EBADMSG},
		{"{\"a\":1}", 0, -EBADMSG},
		{"nonsense", 0, -EBADMSG},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_safetensors(self->file, bad[i].json, bad[i].data);
		EXPECT_LOAD(bad[i].err, self->file, NULL, NULL);
		EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
	}
	EXPECT_LOAD(-ENOENT, "/nonexistent/x.safetensors", NULL, NULL);
	ASSERT_EQ(0, mkdir(in_folder(self->folder, "empty"), 0755));
	EXPECT_LOAD(-ENOENT, in_folder(self->folder, "empty"), NULL, NULL);
	EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
	write_safetensors(self->file, HEADER, DATA);
	EXPECT_EQ(-EINVAL, pinpool_load(self->env.ctx, "../x", self->file, NULL, NULL, &self->diag));
	EXPECT_EQ(-EINVAL, pinpool_load(self->env.ctx, "", self->file, NULL, NULL, &self->diag));

	write_safetensors(self->file, bad[0].json, bad[0].data);
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, POOL, &create, NULL));
	EXPECT_LOAD(-EBADMSG, self->file, NULL, NULL);
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, POOL));
}

TEST_F(load, options_out_of_range_are_refused_and_leave_nothing)
{
	static const struct pinpool_load_opts bad[] = {
		{.size = sizeof(bad[0]), .chunk_bytes = 32768},	    {.size = sizeof(bad[0]), .chunk_bytes = 65537},
		{.size = sizeof(bad[0]), .chunk_bytes = 32 << 20},  {.size = sizeof(bad[0]), .queue_depth = 1025},
		{.size = sizeof(bad[0]), .io = (enum pinpool_io)5},
	};

	write_safetensors(self->file, HEADER, DATA);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EXPECT_LOAD(-EINVAL, self->file, &bad[i], NULL);
		EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
	}
}

TEST_F(load, a_pool_that_exists_is_used_if_empty_and_large_enough)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 4 << 20);
	struct pinpool_load_report report = {.size = sizeof(report)};

	write_safetensors(self->file, HEADER, DATA);
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, POOL, &create, NULL));
	EXPECT_LOAD(0, self->file, NULL, &report);
	EXPECT_EQ(0, report.create_ns);
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, POOL));

	/* READY: as it was. */
	EXPECT_LOAD(-EEXIST, self->file, NULL, NULL);
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, POOL));
}

TEST_F(load, a_pool_that_is_too_small_stays_empty)
{
	const size_t data = 3 << 20;
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 2 << 20);
	PINPOOL_OPTS(pinpool_load_opts, opts, .create = &create);

	write_safetensors(self->file, "{\"a\":{\"dtype\":\"U8\",\"shape\":[3145728],\"data_offsets\":[0,3145728]}}",
			  data);
	EXPECT_LOAD(-ENOSPC, self->file, &opts, NULL);
	EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, POOL, &create, NULL));
	EXPECT_LOAD(-ENOSPC, self->file, NULL, NULL);
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, POOL));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	create.capacity = 6 << 20;
	EXPECT_LOAD(0, self->file, &opts, NULL);
}

TEST_F(load, a_pool_in_loading_is_left_to_its_writer)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 4 << 20);
	struct pinpool_pool *pool;

	write_safetensors(self->file, HEADER, DATA);
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, POOL, &create, NULL));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_WRITE, &pool, NULL));
	ASSERT_EQ(0, pinpool_pool_begin(pool, NULL));
	EXPECT_LOAD(-EBUSY, self->file, NULL, NULL);
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, POOL));
	pinpool_pool_close(pool);
	EXPECT_LOAD(0, self->file, NULL, NULL);
}

/* What a progress function does to the file at the last moment before the load looks at it again. */
struct meddler {
	const char *path;
	int how;
	uint64_t last;
};

static int meddle(void *arg, const struct pinpool_progress *progress)
{
	struct meddler *meddler = arg;
	char other[PATH_MAX + 8];

	meddler->last = progress->done;
	if (progress->done < progress->total)
		return 0;
	switch (meddler->how) {
	case 0:
		return truncate(meddler->path, 4096);
	case 1:
		return truncate(meddler->path, 1 << 20);
	case 2: {
		int fd = open(meddler->path, O_WRONLY | O_CLOEXEC);

		write_all(fd, "\xff", 1);
		return close(fd);
	}
	case 3:
		snprintf(other, sizeof(other), "%s.new", meddler->path);
		write_safetensors(other, HEADER, DATA);
		return rename(other, meddler->path);
	case 4:
		return unlink(meddler->path);
	}
	return 1;
}

TEST_F(load, a_file_that_changes_during_the_load_fails_it)
{
	static const char *const said[] = {"shrank", "grew", "written", "replaced", "replaced"};
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct meddler meddler = {.path = self->file};
	PINPOOL_OPTS(pinpool_load_opts, opts, .progress = meddle, .progress_arg = &meddler);

	for (meddler.how = 0; meddler.how < 5; meddler.how++) {
		write_safetensors(self->file, HEADER, DATA);
		/* A file of today may be written to without its coarse time changing. */
		ASSERT_EQ(0, utimensat(AT_FDCWD, self->file, old, 0));
		EXPECT_LOAD(-ESTALE, self->file, &opts, NULL);
		EXPECT_TRUE(strstr(self->diag.cause, said[meddler.how]))
		{
			TH_LOG("%d: %s", meddler.how, self->diag.cause);
		}
		EXPECT_EQ(0, strcmp(self->file, self->diag.object));
		EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
	}
}

TEST_F(load, a_cancelled_load_leaves_nothing)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 4 << 20);
	struct meddler meddler = {.path = self->file, .how = 5};
	PINPOOL_OPTS(pinpool_load_opts, by_progress, .progress = meddle, .progress_arg = &meddler);
	static const volatile int set = 1;
	PINPOOL_OPTS(pinpool_load_opts, by_flag, .cancel = &set);

	write_safetensors(self->file, HEADER, DATA);
	EXPECT_LOAD(-ECANCELED, self->file, &by_progress, NULL);
	EXPECT_EQ(8 + strlen(HEADER) + DATA, meddler.last);
	EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
	EXPECT_LOAD(-ECANCELED, self->file, &by_flag, NULL);
	EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, POOL, &create, NULL));
	EXPECT_LOAD(-ECANCELED, self->file, &by_flag, NULL);
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, POOL));
	EXPECT_LOAD(0, self->file, NULL, NULL);
}

static const uint8_t *attach_file;

/* Finds the tensors though the file is gone. */
static int attach_and_check(struct pool_env *env)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;

	if (env_reopen(env) || pinpool_pool_open(env->ctx, POOL, PINPOOL_OPEN_READ, &pool, NULL) ||
	    pinpool_catalog_open(pool, &catalog, NULL))
		return -1;
	if (pinpool_catalog_find(catalog, "w", &tensor) ||
	    memcmp(tensor.data, attach_file + tensor.offset, tensor.bytes))
		return -2;
	return pinpool_catalog_find(catalog, "W", &tensor) == -ENOENT ? 0 : -3;
}

TEST_F(load, a_second_process_finds_the_tensors_without_the_file)
{
	size_t bytes;

	write_safetensors(self->file, HEADER, DATA);
	attach_file = read_file(self->file, &bytes);
	ASSERT_NE(NULL, attach_file);
	ASSERT_EQ(0, EXPECT_LOAD(0, self->file, NULL, NULL));
	ASSERT_EQ(0, unlink(self->file));
	EXPECT_EQ(0, env_child(attach_and_check, &self->env, false));
}

static long anonymous_kib(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	long kib = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %ld kB", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

static int note_memory(void *arg, const struct pinpool_progress *progress)
{
	long now = anonymous_kib();
	long *most = arg;

	if (now > *most)
		*most = now;
	return 0;
}

TEST_F(load, memory_beyond_the_pool_stays_small)
{
	long before = anonymous_kib(), most = 0;
	PINPOOL_OPTS(pinpool_load_opts, opts, .progress = note_memory, .progress_arg = &most);
	const size_t data = 96 << 20;
	char *json;

	if ((self->env.backend == PINPOOL_BACKEND_MODULE))
		SKIP(return, "too much for the memory of the VM");
	ASSERT_LT(0,
		  asprintf(&json, "{\"a\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}", data, data));
	write_safetensors(self->file, json, 0);
	ASSERT_EQ(0, truncate(self->file, (off_t)(8 + strlen(json) + data)));
	EXPECT_LOAD(0, self->file, &opts, NULL);
	EXPECT_LT(0, most);
	EXPECT_GT(64 << 10, most - before)
	{
		TH_LOG("%ld KiB before, %ld during", before, most);
	}
	free(json);
}

TEST_F(load, a_killed_loader_leaves_an_empty_pool_or_none)
{
	const size_t data = 24 << 20;
	const int rounds = (self->env.backend == PINPOOL_BACKEND_MODULE) ? 12 : 40;
	struct timespec start, end;
	int killed = 0, status;
	long whole_us = LONG_MAX, took_us, wait_us;
	char *json;
	pid_t pid;

	ASSERT_LT(0,
		  asprintf(&json, "{\"a\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}", data, data));
	write_safetensors(self->file, json, data);
	free(json);
	/* The whole takes so long at best; points of death are spread over it. */
	for (int i = 0; i < 3; i++) {
		clock_gettime(CLOCK_MONOTONIC, &start);
		ASSERT_EQ(0, EXPECT_LOAD(0, self->file, NULL, NULL));
		clock_gettime(CLOCK_MONOTONIC, &end);
		took_us = (end.tv_sec - start.tv_sec) * 1000000 + (end.tv_nsec - start.tv_nsec) / 1000;
		whole_us = took_us < whole_us ? took_us : whole_us;
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	}

	for (int i = 0; i < rounds; i++) {
		int state;

		pid = fork();
		if (!pid) {
			struct pool_env own = self->env;

			if (env_reopen(&own))
				_exit(1);
			_exit(pinpool_load(own.ctx, POOL, self->file, NULL, NULL, NULL) ? 2 : 0);
		}
		wait_us = whole_us * i / rounds;
		usleep((useconds_t)wait_us);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		killed += WIFSIGNALED(status);
		/* The kernel ends reads in flight after the process. */
		state = env_state(&self->env, POOL);
		for (int ms = 0; state == PINPOOL_STATE_LOADING && ms < 10000; ms++) {
			env_sleep_ms(1);
			state = env_state(&self->env, POOL);
		}
		if (WIFSIGNALED(status)) {
			EXPECT_NE(PINPOOL_STATE_LOADING, state)
			{
				TH_LOG("killed after %ld us", wait_us);
			}
		} else {
			EXPECT_EQ(0, WEXITSTATUS(status));
		}
		/* Killed between commit and exit: complete. */
		if (state == PINPOOL_STATE_READY) {
			ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
		} else {
			EXPECT_TRUE(state == -ENOENT || state == PINPOOL_STATE_EMPTY);
		}
		ASSERT_EQ(0, EXPECT_LOAD(0, self->file, NULL, NULL));
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	}
	EXPECT_LT(rounds / 8, killed);
}

/* PINPOOL_TEST_SAFETENSORS=FILE: a real one, where somebody has it. */
TEST_F(load, a_real_checkpoint_given_by_the_environment_is_loaded)
{
	const char *path = getenv("PINPOOL_TEST_SAFETENSORS");
	struct pinpool_load_report report = {.size = sizeof(report)};
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	uint8_t *file;
	size_t bytes;

	if (!path)
		SKIP(return, "PINPOOL_TEST_SAFETENSORS is not set");
	ASSERT_EQ(0, EXPECT_LOAD(0, path, NULL, &report));
	file = read_file(path, &bytes);
	xxh(file, bytes, digest);
	EXPECT_EQ(0, memcmp(digest, report.digest, sizeof(digest)));
	EXPECT_LT(0, report.tensors);
	free(file);
}

TEST_HARNESS_MAIN
