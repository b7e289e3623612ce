// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Tensors as they land: told of in order, waited for by name and by rows, computed on before anything is published, and
 * valid until their user says that he is done, however the load ends.
 */
#define ENV_PAGES 60
#include "checkpoints.h"
#include "harness.h"
#include "pool_env.h"

#include <errno.h>
#include <pinpool/pinpool.h>
#include <pthread.h>
#include <stdatomic.h>
#include <xxhash.h>

#define POOL "load-landed"

/* "a" and the first rows of "w" lie in the first chunk, "none" and "end" in the last. */
#define CHUNK 65536
#define ROW   4096
#define ROWS  100
#define HEADER                                                                                                         \
	"{\"a\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[0,32]},"                                            \
	"\"w\":{\"dtype\":\"BF16\",\"shape\":[100,2048],\"data_offsets\":[32,409632]},"                                \
	"\"s\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[409632,409640]},"                                     \
	"\"none\":{\"dtype\":\"F64\",\"shape\":[4,0],\"data_offsets\":[409640,409640]}}"
#define DATA 409640

FIXTURE(landed)
{
	struct pool_env env;
	struct pinpool_diag diag;
	char folder[PATH_MAX];
	char file[PATH_MAX];
	uint8_t *bytes; /* of the file, from the first tensor on */
};

FIXTURE_VARIANT(landed)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(landed, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(landed, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);
POOL_VARIANT(landed, module, PINPOOL_BACKEND_MODULE);

FIXTURE_SETUP(landed)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	make_folder(self->folder);
	snprintf(self->file, sizeof(self->file), "%s", in_folder(self->folder, "model.safetensors"));
	write_safetensors(self->file, HEADER, DATA);
	self->bytes = make_pattern(strlen(HEADER), 8 + strlen(HEADER), DATA);
	alarm(60);
}

FIXTURE_TEARDOWN_PARENT(landed)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

static bool digest_is(const void *data, size_t bytes, const uint8_t digest[PINPOOL_DIGEST_BYTES])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, bytes));
	return !memcmp(canonical.digest, digest, sizeof(canonical.digest));
}

/* What was told of, and what was wrong with it. */
struct told {
	struct pool_env *env;
	const uint8_t *bytes;
	bool digests;
	char names[64];
	const char *wrong;
};

static void note(void *arg, const struct pinpool_tensor *tensor)
{
	struct told *told = arg;
	const uint8_t *want = told->bytes + (tensor->offset - 8 - strlen(HEADER));

	strcat(told->names, tensor->name);
	strcat(told->names, " ");
	if (memcmp(tensor->data, want, tensor->bytes))
		told->wrong = "other bytes";
	if (tensor->has_digest != told->digests)
		told->wrong = "with a digest where none is, or without";
	if (told->digests && !digest_is(want, tensor->bytes, tensor->digest))
		told->wrong = "another digest";
	if (env_state(told->env, POOL) != PINPOOL_STATE_LOADING)
		told->wrong = "not before the commit";
}

TEST_F(landed, each_tensor_is_told_of_once_in_order_with_its_digest_or_without)
{
	for (int io = PINPOOL_IO_AUTO; io <= PINPOOL_IO_URING_CMD; io++) {
		for (int no_digest = 0; no_digest < 2; no_digest++) {
			struct told told = {.env = &self->env, .bytes = self->bytes, .digests = !no_digest};
			PINPOOL_OPTS(pinpool_load_opts, opts, .io = (enum pinpool_io)io, .chunk_bytes = CHUNK,
				     .no_digest = no_digest, .landed = note, .landed_arg = &told);
			int err = pinpool_load(self->env.ctx, POOL, self->file, &opts, NULL, &self->diag);

			/* Where the kernel refuses it. */
			if (err == -EOPNOTSUPP && io != PINPOOL_IO_AUTO && io != PINPOOL_IO_PREAD)
				continue;
			ASSERT_EQ(0, err);
			EXPECT_STREQ("a w s none ", told.names);
			EXPECT_EQ(NULL, told.wrong)
			{
				TH_LOG("path %d: %s", io, told.wrong);
			}
			ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
		}
	}
}

TEST_F(landed, a_tensor_without_bytes_in_a_file_of_none_has_a_digest)
{
	struct told told = {.env = &self->env, .bytes = self->bytes, .digests = true};
	PINPOOL_OPTS(pinpool_load_opts, opts, .landed = note, .landed_arg = &told);

	write_safetensors(self->file, "{\"x\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0);
	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, self->file, &opts, NULL, &self->diag));
	EXPECT_STREQ("x ", told.names);
	EXPECT_EQ(NULL, told.wrong);
}

TEST_F(landed, tensors_of_all_shards_and_packings_beside_them)
{
	static const char index[] = "{\"weight_map\":{\"p\":\"m-1.safetensors\",\"q\":\"m-2.safetensors\"}}";
	struct told told = {.env = &self->env};
	PINPOOL_OPTS(pinpool_load_opts, opts, .landed = note, .landed_arg = &told);
	struct pinpool_pack_report report = {.size = sizeof(report)};

	write_safetensors(in_folder(self->folder, "m-1.safetensors"),
			  "{\"p\":{\"dtype\":\"F32\",\"shape\":[100,50],\"data_offsets\":[0,20000]}}", 20000);
	write_safetensors(in_folder(self->folder, "m-2.safetensors"),
			  "{\"q\":{\"dtype\":\"F16\",\"shape\":[60,50],\"data_offsets\":[0,6000]}}", 6000);
	write_file(in_folder(self->folder, "x.safetensors.index.json"), index, sizeof(index) - 1);
	/* Its bytes are not those of the other file: only names count. */
	told.bytes = calloc(1, 1 << 20);
	ASSERT_EQ(0, pinpool_load_packed(self->env.ctx, POOL, in_folder(self->folder, "x.safetensors.index.json"),
					 &opts, NULL, NULL, &report, &self->diag));
	EXPECT_STREQ("p q ", told.names);
	EXPECT_EQ(2, report.tensors);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, report.name, NULL));
}

/* Holds the load up at a tensor until it is told to go on. */
struct gate {
	const char *at;
	atomic_bool reached;
	atomic_bool open;
};

static void hold_up(void *arg, const struct pinpool_tensor *tensor)
{
	struct gate *gate = arg;

	if (strcmp(tensor->name, gate->at))
		return;
	gate->reached = true;
	while (!gate->open)
		usleep(1000);
}

#define START(loading, ...)                                                                                            \
	do {                                                                                                           \
		PINPOOL_OPTS(pinpool_load_opts, opts_, .chunk_bytes = CHUNK, ##__VA_ARGS__);                           \
		ASSERT_EQ(0, pinpool_load_start(self->env.ctx, POOL, self->file, &opts_, &(loading), &self->diag));    \
	} while (0)

TEST_F(landed, rows_and_tensors_are_waited_for_while_the_rest_is_on_its_way)
{
	struct pinpool_load_report report = {.size = sizeof(report)};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	const uint64_t rows = (CHUNK - 8 - strlen(HEADER) - 32) / ROW;
	struct gate gate = {.at = "a"};
	struct pinpool_loading *loading;
	int64_t before;

	START(loading, .landed = hold_up, .landed_arg = &gate);
	ASSERT_EQ(0, pinpool_load_wait_tensor(loading, "a", -1, &tensor));
	EXPECT_EQ(0, memcmp(self->bytes, tensor.data, 32));
	EXPECT_TRUE(tensor.has_digest);
	EXPECT_TRUE(digest_is(self->bytes, 32, tensor.digest));
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, POOL));

	/* Those in the first chunk are there, and no more. */
	ASSERT_EQ(0, pinpool_load_wait_rows(loading, "w", rows, -1, &tensor));
	EXPECT_EQ(0, memcmp(self->bytes + 32, tensor.data, rows * ROW));
	EXPECT_EQ(ROWS, tensor.shape[0]);
	EXPECT_FALSE(tensor.has_digest);
	EXPECT_EQ(0, pinpool_load_wait_rows(loading, "w", 0, 0, NULL));
	before = env_now_ms();
	EXPECT_EQ(-ETIMEDOUT, pinpool_load_wait_rows(loading, "w", rows + 1, 30, &tensor));
	EXPECT_LE(29, env_now_ms() - before);
	EXPECT_EQ(-ETIMEDOUT, pinpool_load_wait_tensor(loading, "w", 0, &tensor));
	EXPECT_EQ(-EINVAL, pinpool_load_wait_rows(loading, "w", ROWS + 1, -1, &tensor));
	EXPECT_EQ(-ENOENT, pinpool_load_wait_tensor(loading, "W", -1, &tensor));
	EXPECT_EQ(-ENOENT, pinpool_load_wait_rows(loading, "", 0, -1, &tensor));
	tensor.size = 0;
	EXPECT_EQ(-EINVAL, pinpool_load_wait_tensor(loading, "a", -1, &tensor));
	tensor.size = sizeof(tensor);

	gate.open = true;
	ASSERT_EQ(0, pinpool_load_wait_rows(loading, "w", ROWS, -1, &tensor));
	EXPECT_TRUE(digest_is(self->bytes + 32, ROWS * ROW, tensor.digest));
	ASSERT_EQ(0, pinpool_load_wait_rows(loading, "s", 1, -1, &tensor));
	EXPECT_EQ(0, memcmp(self->bytes + DATA - 8, tensor.data, 8));
	ASSERT_EQ(0, pinpool_load_wait_tensor(loading, "none", -1, &tensor));
	EXPECT_EQ(0, tensor.bytes);
	/* All of it is there, and nobody else sees it before it is asked for. */
	env_sleep_ms(20);
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, POOL));
	ASSERT_EQ(0, pinpool_load_wait_tensor(loading, "w", 0, &tensor));
	EXPECT_EQ(0, memcmp(self->bytes + 32, tensor.data, ROWS * ROW));
	ASSERT_EQ(0, pinpool_load_finish(loading, &report, &self->diag));
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, POOL));
	EXPECT_EQ(8 + strlen(HEADER) + DATA, report.bytes);
	EXPECT_EQ(4, report.tensors);
}

TEST_F(landed, without_digests_rows_are_waited_for_too)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_loading *loading;

	START(loading, .no_digest = true);
	ASSERT_EQ(0, pinpool_load_wait_tensor(loading, "w", -1, &tensor));
	EXPECT_EQ(0, memcmp(self->bytes + 32, tensor.data, ROWS * ROW));
	EXPECT_FALSE(tensor.has_digest);
	EXPECT_EQ(0, pinpool_load_finish(loading, NULL, &self->diag));
}

struct waiter {
	pthread_t thread;
	struct pinpool_loading *loading;
	const char *name;
	int err;
};

static void *wait_main(void *arg)
{
	struct waiter *waiter = arg;
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};

	waiter->err = pinpool_load_wait_tensor(waiter->loading, waiter->name, -1, &tensor);
	return NULL;
}

TEST_F(landed, a_cancelled_load_wakes_who_waits_and_keeps_what_landed)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct gate gate = {.at = "a"};
	struct pinpool_loading *loading;
	struct waiter waiters[3];

	START(loading, .landed = hold_up, .landed_arg = &gate);
	ASSERT_EQ(0, pinpool_load_wait_tensor(loading, "a", -1, &tensor));
	for (int i = 0; i < 3; i++) {
		waiters[i] = (struct waiter){.loading = loading, .name = i ? "w" : "s"};
		ASSERT_EQ(0, pthread_create(&waiters[i].thread, NULL, wait_main, &waiters[i]));
	}
	while (!gate.reached)
		usleep(1000);
	pinpool_load_cancel(loading);
	/* The engine may have read all of it, and what it has not digested yet comes too late. */
	gate.open = true;
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, pthread_join(waiters[i].thread, NULL));
		EXPECT_EQ(-ECANCELED, waiters[i].err);
	}
	EXPECT_EQ(-ECANCELED, pinpool_load_wait_tensor(loading, "w", -1, &tensor));
	/* What landed is there until its user is done. */
	ASSERT_EQ(0, pinpool_load_wait_tensor(loading, "a", 0, &tensor));
	env_sleep_ms(20);
	EXPECT_EQ(0, memcmp(self->bytes, tensor.data, 32));
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, POOL));
	EXPECT_EQ(-ECANCELED, pinpool_load_finish(loading, NULL, &self->diag));
	EXPECT_STREQ("Operation canceled", self->diag.cause);
	EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
}

TEST_F(landed, cancelled_when_all_is_there_it_is_not_published)
{
	struct pinpool_loading *loading;

	START(loading);
	ASSERT_EQ(0, pinpool_load_wait_tensor(loading, "none", -1, NULL));
	pinpool_load_cancel(loading);
	EXPECT_EQ(-ECANCELED, pinpool_load_finish(loading, NULL, &self->diag));
	EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
}

static int count_calls(void *arg, const struct pinpool_progress *progress)
{
	(*(int *)arg)++;
	return 0;
}

TEST_F(landed, the_callers_own_progress_and_cancel_count)
{
	struct pinpool_loading *loading;
	volatile int cancel = 0;
	int calls = 0;

	START(loading, .progress = count_calls, .progress_arg = &calls, .cancel = &cancel);
	EXPECT_EQ(0, pinpool_load_finish(loading, NULL, &self->diag));
	EXPECT_LT(0, calls);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	cancel = 1;
	START(loading, .progress = count_calls, .progress_arg = &calls, .cancel = &cancel);
	EXPECT_EQ(-ECANCELED, pinpool_load_finish(loading, NULL, &self->diag));
	EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
}

TEST_F(landed, a_load_that_fails_tells_who_waits_and_who_finishes)
{
	PINPOOL_OPTS(pinpool_load_opts, unknown);
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 4096);
	struct {
		struct pinpool_load_opts opts;
		size_t more;
	} longer = {.opts.size = sizeof(longer), .more = 1};
	struct pinpool_loading *loading;

	/* No checkpoint. */
	ASSERT_EQ(0, unlink(self->file));
	START(loading);
	EXPECT_EQ(-ENOENT, pinpool_load_wait_tensor(loading, "a", -1, NULL));
	EXPECT_EQ(-ENOENT, pinpool_load_finish(loading, NULL, &self->diag));
	EXPECT_STREQ(self->file, self->diag.object);
	/* No room; the options are copied. */
	write_safetensors(self->file, HEADER, DATA);
	START(loading, .create = &create);
	create.capacity = 0;
	EXPECT_EQ(-ENOSPC, pinpool_load_wait_rows(loading, "w", 1, -1, NULL));
	EXPECT_EQ(-ENOSPC, pinpool_load_finish(loading, NULL, &self->diag));
	EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
	/* Options that are refused at once. */
	EXPECT_EQ(-E2BIG, pinpool_load_start(self->env.ctx, POOL, self->file, &longer.opts, &loading, &self->diag));
	unknown.create = (const struct pinpool_create_opts *)&longer;
	EXPECT_EQ(-E2BIG, pinpool_load_start(self->env.ctx, POOL, self->file, &unknown, &loading, &self->diag));
	EXPECT_EQ(-EINVAL, pinpool_load_start(self->env.ctx, POOL, NULL, NULL, &loading, &self->diag));
}

/* Cut off below the engine while the first chunks are held up. */
TEST_F(landed, a_file_that_shrinks_meanwhile_fails_it_after_some_landed)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct gate gate = {.at = "a"};
	struct pinpool_loading *loading;

	START(loading, .landed = hold_up, .landed_arg = &gate);
	ASSERT_EQ(0, pinpool_load_wait_tensor(loading, "a", -1, &tensor));
	ASSERT_EQ(0, truncate(self->file, 4096));
	gate.open = true;
	/* All of it may have been read before; then the last look finds out. */
	EXPECT_EQ(-ESTALE, pinpool_load_finish(loading, NULL, &self->diag));
	EXPECT_TRUE(strstr(self->diag.cause, "shrank"));
	EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
}

TEST_F(landed, a_product_begins_on_rows_that_are_there)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_loading *loading;
	struct pinpool_math *math;
	float x[2048], *y, *want;

	ASSERT_EQ(0, pinpool_math_new(&math, NULL, NULL));
	for (int i = 0; i < 2048; i++)
		x[i] = (float)(i % 7) - 3;
	/* Patterns may be NaN: as integers, each row is finite. */
	y = calloc(ROWS, sizeof(*y));
	want = calloc(ROWS, sizeof(*want));
	START(loading);
	for (uint64_t first = 0; first < ROWS; first += 20) {
		PINPOOL_OPTS(pinpool_matmul_args, args, .m = 1, .n = 20, .k = 1024, .x = x, .w_dtype = PINPOOL_DTYPE_I8,
			     .ldw = ROW, .y = y + first);
		float scales[20];

		for (int i = 0; i < 20; i++)
			scales[i] = 1;
		args.w_scales = scales;
		ASSERT_EQ(0, pinpool_load_wait_rows(loading, "w", first + 20, -1, &tensor));
		args.w = (const char *)tensor.data + first * ROW;
		ASSERT_EQ(0, pinpool_matmul(math, &args, &self->diag));
		args.w = self->bytes + 32 + first * ROW;
		args.y = want + first;
		ASSERT_EQ(0, pinpool_matmul(math, &args, &self->diag));
	}
	EXPECT_EQ(0, pinpool_load_finish(loading, NULL, &self->diag));
	EXPECT_EQ(0, memcmp(want, y, ROWS * sizeof(*y)));
	EXPECT_NE(0, y[ROWS - 1]);
	pinpool_math_free(math);
}

TEST_HARNESS_MAIN
