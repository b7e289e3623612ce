// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Checkpoints streamed through less memory than they have: every row once, in order, in one piece and right, whatever
 * is held meanwhile; what goes wrong is said and leaves no pool in LOADING.
 */
#define ENV_PAGES 40
#include "checkpoints.h"
#include "harness.h"
#include "pool_env.h"

#include <errno.h>
#include <pinpool/pinpool.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <xxhash.h>

#define WINDOW (2u << 20)
#define CHUNK  65536u

/* The read of this many bytes' place and beyond fails, while it is not 0. */
static atomic_ulong fail_from;
/* Reads within a MiB from here on take their time, while it is not 0. */
static atomic_ulong slow_from;

ssize_t pread64(int fd, void *buf, size_t bytes, off_t offset)
{
	if (fail_from && (unsigned long)offset >= fail_from) {
		errno = EIO;
		return -1;
	}
	if (slow_from && (unsigned long)offset >= slow_from && (unsigned long)offset < slow_from + (1 << 20))
		usleep(20000);
	return syscall(SYS_pread64, fd, buf, bytes, offset);
}

/* Rows of odd sizes; more bytes in all than the window has; a row that is most of it; some without bytes. */
static const struct {
	const char *name;
	const char *dtype;
	const char *shape;
	uint64_t rows;
	uint64_t row_bytes;
} tensors[] = {
	{"odd", "U8", "[1000,1501]", 1000, 1501},
	{"none", "F32", "[0,7]", 0, 28},
	{"large", "F32", "[3,300000]", 3, 1200000},
	{"scalar", "F64", "[]", 1, 8},
	{"vector", "BF16", "[77]", 77, 2},
	{"bits", "F4", "[3,3,2]", 3, 3},
	{"half", "F4", "[2,3,1]", 1, 3},
	{"last", "I8", "[40,51200]", 40, 51200},
};
#define TENSORS (sizeof(tensors) / sizeof(tensors[0]))

FIXTURE(window)
{
	struct pool_env env;
	struct pinpool_diag diag;
	char folder[PATH_MAX];
	char file[PATH_MAX];
	uint8_t *bytes; /* of the file */
	uint64_t size;
	uint64_t at[TENSORS]; /* places in the file */
	struct pinpool_window *window;
};

FIXTURE_VARIANT(window)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(window, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(window, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);
POOL_VARIANT(window, module, PINPOOL_BACKEND_MODULE);

FIXTURE_SETUP(window)
{
	const char *why = env_open(&self->env, variant->backend);
	char json[2048] = "{";
	uint64_t data = 0;

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	make_folder(self->folder);
	snprintf(self->file, sizeof(self->file), "%s", in_folder(self->folder, "model.safetensors"));
	for (size_t i = 0; i < TENSORS; i++) {
		uint64_t bytes = tensors[i].rows * tensors[i].row_bytes;

		self->at[i] = data;
		sprintf(json + strlen(json), "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%llu,%llu]}",
			i ? "," : "", tensors[i].name, tensors[i].dtype, tensors[i].shape, (unsigned long long)data,
			(unsigned long long)(data + bytes));
		data += bytes;
	}
	strcat(json, "}");
	write_safetensors(self->file, json, data);
	self->size = 8 + strlen(json) + data;
	self->bytes = make_pattern(strlen(json), 0, self->size);
	for (int i = 0; i < 8; i++)
		self->bytes[i] = (uint8_t)(strlen(json) >> 8 * i);
	memcpy(self->bytes + 8, json, strlen(json));
	for (size_t i = 0; i < TENSORS; i++)
		self->at[i] += 8 + strlen(json);
	self->window = NULL;
	memset(&self->diag, 0, sizeof(self->diag));
	alarm(120);
}

FIXTURE_TEARDOWN_PARENT(window)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

#define OPEN(err, ...)                                                                                                 \
	({                                                                                                             \
		PINPOOL_OPTS(pinpool_window_opts, opts_, .bytes = WINDOW, .chunk_bytes = CHUNK, ##__VA_ARGS__);        \
		int got_ = pinpool_window_open(self->env.ctx, self->file, &opts_, &self->window, &self->diag);         \
		ASSERT_EQ(err, got_)                                                                                   \
		{                                                                                                      \
			TH_LOG("%s: %s (%s)", self->diag.object, self->diag.cause, self->diag.change);                 \
		}                                                                                                      \
		got_;                                                                                                  \
	})

#define NEXT(block)                                                                                                    \
	({                                                                                                             \
		(block)->size = sizeof(*(block));                                                                      \
		pinpool_window_next(self->window, block, &self->diag);                                                 \
	})

static bool digest_is(const void *data, size_t bytes, const uint8_t digest[PINPOOL_DIGEST_BYTES])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, bytes));
	return !memcmp(canonical.digest, digest, sizeof(canonical.digest));
}

static bool is_right(const FIXTURE_DATA(window) * self, const struct pinpool_window_block *block)
{
	size_t i = 0;

	while (strcmp(tensors[i].name, block->name))
		i++;
	return block->row_bytes == tensors[i].row_bytes && block->row + block->rows <= tensors[i].rows &&
	       !memcmp(block->data, self->bytes + self->at[i] + block->row * block->row_bytes,
		       block->rows * block->row_bytes);
}

/* A whole pass, each block released before the next. Returns how many there were that the end of the ring lies in. */
static int pass(struct __test_metadata *_metadata, FIXTURE_DATA(window) * self)
{
	struct pinpool_window_block block;
	const char *base = NULL;
	uint64_t row = 0;
	size_t tensor = 0;
	int wraps = 0, got;

	while ((got = NEXT(&block)) == 1) {
		/* Those that have no bytes do not come. */
		while (row == tensors[tensor].rows) {
			tensor++;
			row = 0;
		}
		ASSERT_EQ(tensor, block.tensor);
		ASSERT_EQ(row, block.row);
		ASSERT_LT(0, block.rows);
		ASSERT_TRUE(is_right(self, &block))
		{
			const uint8_t *want = self->bytes + self->at[block.tensor] + block.row * block.row_bytes;
			const uint8_t *is = block.data;
			uint64_t i = 0, n = 0;

			while (is[i] == want[i])
				i++;
			for (uint64_t j = i; j < block.rows * block.row_bytes; j++)
				n += is[j] != want[j];
			TH_LOG("%s, row %lu of %lu: %lu bytes are wrong from %lu on, line %lu", block.name, block.row,
			       block.rows, n, i, self->at[block.tensor] + block.row * block.row_bytes + i);
		}
		if (!base)
			base = (const char *)block.data - self->at[0];
		wraps += (const char *)block.data + block.rows * block.row_bytes > base + WINDOW;
		row += block.rows;
		ASSERT_EQ(0, pinpool_window_release(self->window, &block));
	}
	ASSERT_EQ(0, got)
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	EXPECT_EQ(TENSORS - 1, tensor);
	EXPECT_EQ(tensors[tensor].rows, row);
	return wraps;
}

TEST_F(window, every_row_comes_once_in_order_and_in_one_piece_on_every_path)
{
	struct pinpool_window_stats stats = {.size = sizeof(stats)};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};

	for (int way = 0; way < 10; way++) {
		PINPOOL_OPTS(pinpool_window_opts, opts, .bytes = WINDOW, .io = (enum pinpool_io)(way / 2),
			     .chunk_bytes = way & 1 ? CHUNK : 0, .digest = !(way & 1), .buffered = way % 3 == 2,
			     .block_bytes = way % 3 ? 0 : 1);
		int err = pinpool_window_open(self->env.ctx, self->file, &opts, &self->window, &self->diag);
		int wraps = 0;

		ASSERT_EQ(0, err);
		/* Where the kernel refuses a path, the first block says so. */
		if (opts.io > PINPOOL_IO_URING_FIXED - 1 && opts.io != PINPOOL_IO_PREAD) {
			struct pinpool_window_block block;

			err = NEXT(&block);
			if (err == -EOPNOTSUPP) {
				EXPECT_NE('\0', self->diag.cause[0]);
				pinpool_window_close(self->window);
				continue;
			}
			ASSERT_EQ(1, err);
			ASSERT_EQ(0, pinpool_window_release(self->window, &block));
			ASSERT_EQ(0, pinpool_window_rewind(self->window, &self->diag));
		}
		for (int i = 0; i < 2; i++) {
			ASSERT_EQ(0, i ? pinpool_window_rewind(self->window, &self->diag) : 0);
			wraps += pass(_metadata, self);
		}
		EXPECT_LT(0, wraps);
		ASSERT_EQ(0, pinpool_window_get_stats(self->window, &stats));
		EXPECT_LE(2 * self->size, stats.bytes);
		EXPECT_EQ(WINDOW, stats.window_bytes);
		EXPECT_LE(2, stats.passes);
		EXPECT_LT(10, stats.blocks);
		ASSERT_EQ(TENSORS, pinpool_window_tensor_count(self->window));
		for (size_t i = 0; i < TENSORS; i++) {
			ASSERT_EQ(0, pinpool_window_tensor(self->window, i, &tensor));
			EXPECT_STREQ(tensors[i].name, tensor.name);
			EXPECT_EQ(self->at[i], tensor.offset);
			EXPECT_EQ(opts.digest, tensor.has_digest);
			if (opts.digest)
				EXPECT_TRUE(digest_is(self->bytes + self->at[i], tensor.bytes, tensor.digest));
		}
		EXPECT_EQ(-ENOENT, pinpool_window_tensor(self->window, TENSORS, &tensor));
		pinpool_window_close(self->window);
	}
}

TEST_F(window, tensors_that_are_named_come_in_that_order_and_nothing_else_is_read)
{
	static const char *const wanted[] = {"last", "scalar", "bits", "odd"};
	static const char *const unknown[] = {"odd", "even"};
	struct pinpool_window_stats stats = {.size = sizeof(stats)};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_window_block block;
	uint64_t rows[4] = {0}, bytes = 0;
	int got;

	OPEN(0, .tensors = wanted, .tensor_count = 4, .digest = true);
	while ((got = NEXT(&block)) == 1) {
		EXPECT_STREQ(wanted[block.tensor], block.name);
		EXPECT_EQ(rows[block.tensor], block.row);
		ASSERT_TRUE(is_right(self, &block));
		rows[block.tensor] += block.rows;
		bytes += block.rows * block.row_bytes;
		ASSERT_EQ(0, pinpool_window_release(self->window, &block));
	}
	EXPECT_EQ(0, got);
	EXPECT_EQ(40, rows[0]);
	EXPECT_EQ(1, rows[1]);
	EXPECT_EQ(3, rows[2]);
	EXPECT_EQ(1000, rows[3]);
	ASSERT_EQ(0, pinpool_window_tensor(self->window, 0, &tensor));
	EXPECT_TRUE(digest_is(self->bytes + self->at[7], tensor.bytes, tensor.digest));
	ASSERT_EQ(0, pinpool_window_get_stats(self->window, &stats));
	/* And the rest of the blocks that they lie in. */
	EXPECT_GE(bytes + 4 * 8192, stats.bytes);
	pinpool_window_close(self->window);
	OPEN(-ENOENT, .tensors = unknown, .tensor_count = 2);
	EXPECT_STREQ("even", self->diag.object);
}

TEST_F(window, a_row_larger_than_the_window_says_what_is_needed)
{
	const uint64_t row = 2200000;
	unsigned long long needed;
	struct pinpool_window_block block;
	char json[128];

	snprintf(json, sizeof(json), "{\"t\":{\"dtype\":\"U8\",\"shape\":[2,%llu],\"data_offsets\":[0,%llu]}}",
		 (unsigned long long)row, (unsigned long long)row * 2);
	write_safetensors(self->file, json, row * 2);
	OPEN(-ENOSPC, .name = "small");
	EXPECT_STREQ("t", self->diag.object);
	ASSERT_EQ(1, sscanf(self->diag.change, "use a window of at least %llu bytes", &needed));
	EXPECT_EQ(-ENOENT, env_state(&self->env, "small"));
	OPEN(0, .bytes = needed, .chunk_bytes = 0);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(1, NEXT(&block));
		EXPECT_EQ(i, block.row);
		EXPECT_EQ(0, pinpool_window_release(self->window, &block));
	}
	EXPECT_EQ(0, NEXT(&block));
	pinpool_window_close(self->window);
	/* A chunk that leaves no room, and one that does not divide it. */
	OPEN(-EINVAL, .chunk_bytes = WINDOW);
	OPEN(-EINVAL, .chunk_bytes = WINDOW * 2);
	OPEN(-EINVAL, .bytes = UINT64_MAX);
	OPEN(-EINVAL, .name = "../x", .bytes = needed, .chunk_bytes = 0);
}

/* What nobody waits for is not overwritten either before it has landed, with more in flight than the window has. */
TEST_F(window, a_header_larger_than_the_window_goes_by)
{
	static const char text[] = "{\"t\":{\"dtype\":\"U8\",\"shape\":[300000],\"data_offsets\":[0,300000]}}";
	const size_t header = 5 << 20, data = 300000;
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_window_block block;
	char *json = malloc(header + 1);
	uint8_t *want = make_pattern(header, 8 + header, data);
	int got;

	memset(json, ' ', header);
	memcpy(json, text, strlen(text));
	write_safetensors_raw(self->file, header, json, header, data);
	/* Where the tensor goes, too, which is read meanwhile if anything lets it. */
	slow_from = 3 << 20;
	OPEN(0, .io = PINPOOL_IO_PREAD, .queue_depth = 128, .digest = true);
	while ((got = NEXT(&block)) == 1) {
		ASSERT_EQ(0, memcmp(want + block.row, block.data, block.rows));
		ASSERT_EQ(0, pinpool_window_release(self->window, &block));
	}
	ASSERT_EQ(0, got);
	ASSERT_EQ(0, pinpool_window_tensor(self->window, 0, &tensor));
	ASSERT_TRUE(digest_is(want, data, tensor.digest));
	pinpool_window_close(self->window);
	free(want);
	free(json);
}

TEST_F(window, blocks_are_held_until_it_is_full_and_stay_as_they_are)
{
	static const char *const wanted[] = {"last", "odd"};
	struct pinpool_window_stats stats = {.size = sizeof(stats)};
	struct pinpool_window_block blocks[64], block;
	int count = 0, got;

	OPEN(0, .tensors = wanted, .tensor_count = 2);
	while (count < 64 && (got = NEXT(&blocks[count])) == 1)
		count++;
	ASSERT_EQ(-EBUSY, got);
	/* An eighth of the window each, and a chunk that is not taken. */
	EXPECT_LT(5, count);
	EXPECT_GT(10, count);
	EXPECT_EQ(-EBUSY, NEXT(&block));
	EXPECT_EQ(-EBUSY, pinpool_window_rewind(self->window, &self->diag));
	env_sleep_ms(250);
	for (int i = 0; i < count; i++)
		EXPECT_TRUE(is_right(self, &blocks[i]));
	/* One in the middle is no room, the first is. */
	ASSERT_EQ(0, pinpool_window_release(self->window, &blocks[2]));
	EXPECT_EQ(-EINVAL, pinpool_window_release(self->window, &blocks[2]));
	EXPECT_EQ(-EBUSY, NEXT(&block));
	ASSERT_EQ(0, pinpool_window_release(self->window, &blocks[0]));
	ASSERT_EQ(1, NEXT(&block));
	EXPECT_TRUE(is_right(self, &block));
	for (int i = 1; i < count; i++) {
		EXPECT_TRUE(is_right(self, &blocks[i]));
		EXPECT_EQ(i == 2 ? -EINVAL : 0, pinpool_window_release(self->window, &blocks[i]));
	}
	ASSERT_EQ(0, pinpool_window_release(self->window, &block));
	ASSERT_EQ(0, pinpool_window_get_stats(self->window, &stats));
	EXPECT_LT(0, stats.waits_caller_ns);
	while ((got = NEXT(&block)) == 1)
		ASSERT_EQ(0, pinpool_window_release(self->window, &block));
	EXPECT_EQ(0, got);
	ASSERT_EQ(0, pinpool_window_rewind(self->window, &self->diag));
	ASSERT_EQ(1, NEXT(&block));
	EXPECT_TRUE(is_right(self, &block));
	pinpool_window_close(self->window);
}

struct worker {
	pthread_t thread;
	FIXTURE_DATA(window) * self;
	uint64_t rows;
	int got;
	bool wrong;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	FIXTURE_DATA(window) *self = worker->self;
	struct pinpool_window_block block = {.size = sizeof(block)};

	while ((worker->got = pinpool_window_next(self->window, &block, NULL)) == 1 || worker->got == -EBUSY) {
		if (worker->got == -EBUSY) {
			usleep(100);
			continue;
		}
		worker->wrong = worker->wrong || !is_right(self, &block);
		worker->rows += block.rows;
		pinpool_window_release(self->window, &block);
	}
	return NULL;
}

TEST_F(window, several_threads_share_a_pass)
{
	struct worker workers[4];
	uint64_t rows = 0;

	OPEN(0, .block_bytes = 20000);
	for (int i = 0; i < 4; i++) {
		workers[i] = (struct worker){.self = self};
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, pthread_join(workers[i].thread, NULL));
		EXPECT_EQ(0, workers[i].got);
		EXPECT_FALSE(workers[i].wrong);
		rows += workers[i].rows;
	}
	EXPECT_EQ(1000 + 3 + 1 + 77 + 3 + 1 + 40, rows);
	pinpool_window_close(self->window);
}

TEST_F(window, what_goes_wrong_in_the_middle_ends_the_pass_and_not_the_window)
{
	struct pinpool_window_block block;
	volatile int cancel = 0;
	int got;

	for (int how = 0; how < 2; how++) {
		OPEN(0, .io = PINPOOL_IO_PREAD, .cancel = &cancel, .block_bytes = CHUNK);
		ASSERT_EQ(1, NEXT(&block));
		if (how)
			cancel = 1;
		else
			fail_from = 3 << 20;
		env_sleep_ms(250);
		ASSERT_EQ(0, pinpool_window_release(self->window, &block));
		while ((got = NEXT(&block)) == 1)
			ASSERT_EQ(0, pinpool_window_release(self->window, &block));
		EXPECT_EQ(how ? -ECANCELED : -EIO, got);
		if (!how)
			EXPECT_EQ(0, strncmp(self->file, self->diag.object, strlen(self->file)));
		/* Nothing comes after it. */
		EXPECT_EQ(got, NEXT(&block));
		fail_from = 0;
		cancel = 0;
		ASSERT_EQ(0, pinpool_window_rewind(self->window, &self->diag));
		pass(_metadata, self);
		pinpool_window_close(self->window);
	}
}

TEST_F(window, a_file_that_changes_meanwhile_is_found_out)
{
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct pinpool_window_block block;
	int fd, got;

	for (int how = 0; how < 2; how++) {
		write_file(self->file, self->bytes, self->size);
		ASSERT_EQ(0, utimensat(AT_FDCWD, self->file, old, 0));
		OPEN(0);
		ASSERT_EQ(1, NEXT(&block));
		fd = open(self->file, O_WRONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		/* Cut off far behind what is read at first; or a byte written that is what it was. */
		ASSERT_EQ(how, how ? (int)pwrite(fd, self->bytes, 1, 0) : ftruncate(fd, (off_t)self->size - 100000));
		close(fd);
		ASSERT_EQ(0, pinpool_window_release(self->window, &block));
		while ((got = NEXT(&block)) == 1)
			ASSERT_EQ(0, pinpool_window_release(self->window, &block));
		EXPECT_EQ(-ESTALE, got);
		EXPECT_TRUE(strstr(self->diag.cause, how ? "was written to" : "shrank"));
		pinpool_window_close(self->window);
	}
}

TEST_F(window, another_digest_than_in_the_first_pass_names_the_tensor)
{
	struct timespec times[2];
	struct pinpool_window_block block;
	struct stat st;
	int fd, got;

	OPEN(0, .digest = true);
	pass(_metadata, self);
	/* As if nothing had written to it. */
	ASSERT_EQ(0, stat(self->file, &st));
	fd = open(self->file, O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(1, pwrite(fd, &(uint8_t){(uint8_t)~self->bytes[self->at[4]]}, 1, (off_t)self->at[4]));
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	ASSERT_EQ(0, futimens(fd, times));
	close(fd);
	ASSERT_EQ(0, pinpool_window_rewind(self->window, &self->diag));
	while ((got = NEXT(&block)) == 1)
		ASSERT_EQ(0, pinpool_window_release(self->window, &block));
	EXPECT_EQ(-ESTALE, got);
	EXPECT_STREQ(self->file, self->diag.object);
	EXPECT_TRUE(strstr(self->diag.cause, "tensor vector"));
	pinpool_window_close(self->window);
}

TEST_F(window, rows_are_gathered_by_number)
{
	static const uint64_t ids[] = {999, 0, 1, 2, 500, 999, 1, 3, 700, 703};
	struct pinpool_window_stats stats = {.size = sizeof(stats)};
	const size_t count = sizeof(ids) / sizeof(ids[0]);
	uint64_t bad[] = {5, 1000, 7};
	uint8_t out[10 * 1501];
	uint64_t *all = calloc(1000, sizeof(*all));
	uint8_t *whole = calloc(1000, 1501);

	OPEN(0);
	ASSERT_EQ(0, pinpool_window_gather(self->window, "odd", ids, count, out, &self->diag));
	for (size_t i = 0; i < count; i++)
		EXPECT_EQ(0, memcmp(out + i * 1501, self->bytes + self->at[0] + ids[i] * 1501, 1501));
	/* 0 to 3 in one read, 700 to 703 in another, 500 and 999 alone. */
	ASSERT_EQ(0, pinpool_window_get_stats(self->window, &stats));
	EXPECT_EQ((4 + 4 + 1 + 1) * 1501, stats.gather_bytes);
	/* All of them, backwards: more than one read takes. */
	for (uint64_t i = 0; i < 1000; i++)
		all[i] = 999 - i;
	ASSERT_EQ(0, pinpool_window_gather(self->window, "odd", all, 1000, whole, &self->diag));
	for (uint64_t i = 0; i < 1000; i++)
		ASSERT_EQ(0, memcmp(whole + i * 1501, self->bytes + self->at[0] + all[i] * 1501, 1501));
	/* Of other shapes. */
	ASSERT_EQ(0, pinpool_window_gather(self->window, "vector", (uint64_t[]){76, 3}, 2, out, &self->diag));
	EXPECT_EQ(0, memcmp(out, self->bytes + self->at[4] + 152, 2));
	EXPECT_EQ(0, memcmp(out + 2, self->bytes + self->at[4] + 6, 2));
	ASSERT_EQ(0, pinpool_window_gather(self->window, "scalar", (uint64_t[]){0}, 1, out, &self->diag));
	EXPECT_EQ(0, memcmp(out, self->bytes + self->at[3], 8));
	EXPECT_EQ(0, pinpool_window_gather(self->window, "none", NULL, 0, NULL, &self->diag));

	EXPECT_EQ(-EINVAL, pinpool_window_gather(self->window, "odd", bad, 3, out, &self->diag));
	EXPECT_STREQ("odd", self->diag.object);
	EXPECT_STREQ("id 1000 at place 1 is beyond its 1000 rows", self->diag.cause);
	bad[1] = UINT64_MAX;
	EXPECT_EQ(-EINVAL, pinpool_window_gather(self->window, "odd", bad, 3, out, &self->diag));
	EXPECT_EQ(-EINVAL, pinpool_window_gather(self->window, "none", (uint64_t[]){0}, 1, out, &self->diag));
	EXPECT_EQ(-ENOENT, pinpool_window_gather(self->window, "Odd", ids, 1, out, &self->diag));
	/* Beside a pass. */
	pass(_metadata, self);
	ASSERT_EQ(0, truncate(self->file, (off_t)self->at[0] + 1501 * 10));
	EXPECT_EQ(-ENODATA, pinpool_window_gather(self->window, "odd", (uint64_t[]){500}, 1, out, &self->diag));
	EXPECT_EQ(-ESTALE, pinpool_window_gather(self->window, "odd", (uint64_t[]){5}, 1, out, &self->diag));
	pinpool_window_close(self->window);
}

/* Nothing of the bytes is NaN as integers. */
TEST_F(window, products_with_what_streams_are_those_with_what_lies_in_memory)
{
	const uint64_t m = 3, n = 40, k = 51200, i = 7;
	float *x = calloc(m * k, sizeof(*x)), *y = calloc(m * (n + 2), sizeof(*y)),
	      *want = calloc(m * (n + 2), sizeof(*want));
	float scales[40], bias[40];
	PINPOOL_OPTS(pinpool_matmul_args, args, .m = m, .x = x, .y = y, .ldy = n + 2, .bias = bias, .w_scales = scales);
	struct pinpool_matmul_args whole;
	struct pinpool_window_block block;
	struct pinpool_math *math;

	ASSERT_EQ(0, pinpool_math_new(&math, NULL, NULL));
	for (uint64_t j = 0; j < m * k; j++)
		x[j] = (float)(j % 11) - 5;
	for (uint64_t j = 0; j < n; j++) {
		scales[j] = 1 + (float)j;
		bias[j] = (float)j * 1000;
	}
	whole = args;
	whole.n = n;
	whole.k = k;
	whole.w = self->bytes + self->at[i];
	whole.w_dtype = PINPOOL_DTYPE_I8;
	whole.y = want;
	ASSERT_EQ(0, pinpool_matmul(math, &whole, &self->diag));

	OPEN(0);
	ASSERT_EQ(0, pinpool_window_matmul(self->window, math, "last", &args, &self->diag))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	EXPECT_EQ(0, memcmp(want, y, m * (n + 2) * sizeof(*y)));
	EXPECT_EQ(0, NEXT(&block));
	EXPECT_EQ(-ENOENT, pinpool_window_matmul(self->window, math, "last", &args, &self->diag));
	EXPECT_EQ(-ENOENT, pinpool_window_matmul(self->window, math, NULL, &args, &self->diag));
	/* The next, once more, and what it cannot be. */
	ASSERT_EQ(0, pinpool_window_rewind(self->window, &self->diag));
	EXPECT_EQ(-EOPNOTSUPP, pinpool_window_matmul(self->window, math, NULL, &args, &self->diag));
	EXPECT_STREQ("odd", self->diag.object);
	EXPECT_EQ(-EINVAL, pinpool_window_matmul(self->window, math, "scalar", &args, &self->diag));
	args.n = n + 1;
	EXPECT_EQ(-EINVAL, pinpool_window_matmul(self->window, math, "last", &args, &self->diag));
	args.n = n;
	args.k = k;
	EXPECT_EQ(-EINVAL, pinpool_window_matmul(self->window, math, NULL, &whole, &self->diag));
	memset(y, 0, m * (n + 2) * sizeof(*y));
	ASSERT_EQ(0, pinpool_window_matmul(self->window, math, NULL, &args, &self->diag));
	EXPECT_EQ(0, memcmp(want, y, m * (n + 2) * sizeof(*y)));
	/* Rows that were handed out are missing. */
	ASSERT_EQ(0, pinpool_window_rewind(self->window, &self->diag));
	ASSERT_EQ(1, NEXT(&block));
	EXPECT_EQ(-EBUSY, pinpool_window_matmul(self->window, math, "odd", &args, &self->diag));
	pinpool_window_close(self->window);
	pinpool_math_free(math);
}

TEST_F(window, the_pool_is_loading_meanwhile_and_empty_or_gone_afterwards)
{
	const int before = env_files(&self->env);
	struct pinpool_window_block block;
	struct pinpool_pool *pool;

	/* One that we make. */
	OPEN(0, .name = "win");
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, "win"));
	ASSERT_EQ(1, NEXT(&block));
	pinpool_window_close(self->window);
	EXPECT_EQ(-ENOENT, env_state(&self->env, "win"));
	/* One that is there; a longer one than is needed. */
	ASSERT_EQ(0, env_create(&self->env, "win", 3 * WINDOW / self->env.page));
	OPEN(0, .name = "win");
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, "win"));
	pass(_metadata, self);
	pinpool_window_close(self->window);
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, "win"));
	OPEN(-ENOSPC, .name = "win", .bytes = 4 * WINDOW);
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, "win"));
	/* One that is somebody else's, or weights. */
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "win", PINPOOL_OPEN_WRITE, &pool, NULL));
	ASSERT_EQ(0, pinpool_pool_begin(pool, NULL));
	OPEN(-EBUSY, .name = "win");
	ASSERT_EQ(0, env_commit(pool, 1));
	pinpool_pool_close(pool);
	OPEN(-EEXIST, .name = "win");
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, "win"));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "win", NULL));
	/* One without a name. */
	OPEN(0);
	EXPECT_EQ(before, env_files(&self->env));
	pass(_metadata, self);
	pinpool_window_close(self->window);
	EXPECT_EQ(before, env_files(&self->env));
}

TEST_F(window, a_killed_one_leaves_an_empty_pool_or_nothing)
{
	const int before = env_files(&self->env);
	int status, state, pipes[2];
	char byte;
	pid_t pid;

	ASSERT_EQ(0, env_create(&self->env, "win", WINDOW / self->env.page));
	for (int named = 0; named < 2; named++) {
		ASSERT_EQ(0, pipe(pipes));
		pid = fork();
		if (!pid) {
			PINPOOL_OPTS(pinpool_window_opts, opts, .name = named ? "win" : NULL, .bytes = WINDOW);
			struct pinpool_window_block block = {.size = sizeof(block)};
			struct pool_env own = self->env;
			struct pinpool_window *window;

			if (env_reopen(&own) || pinpool_window_open(own.ctx, self->file, &opts, &window, NULL))
				_exit(1);
			for (;;) {
				while (pinpool_window_next(window, &block, NULL) == 1)
					pinpool_window_release(window, &block);
				if (pinpool_window_rewind(window, NULL) || write(pipes[1], "", 1) < 0)
					_exit(2);
			}
		}
		close(pipes[1]);
		ASSERT_EQ(1, read(pipes[0], &byte, 1));
		EXPECT_EQ(named ? PINPOOL_STATE_LOADING : PINPOOL_STATE_EMPTY, env_state(&self->env, "win"));
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		close(pipes[0]);
		/* The kernel ends reads in flight after the process. */
		state = env_state(&self->env, "win");
		for (int ms = 0; state == PINPOOL_STATE_LOADING && ms < 10000; ms++) {
			env_sleep_ms(1);
			state = env_state(&self->env, "win");
		}
		EXPECT_EQ(PINPOOL_STATE_EMPTY, state);
	}
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "win", NULL));
	EXPECT_EQ(before, env_files(&self->env));
}

TEST_HARNESS_MAIN
