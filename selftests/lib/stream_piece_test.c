// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Pieces of files through the engine, into plain memory and, where the module is, into a pool: every path brings the
 * bytes that were asked for and no others, and reads no block that holds none of them.
 *
 * Short reads come in between the library and the system: see stream_test.c.
 */
#include "checkpoints.h"
#include "harness.h"
#include "pool/ctx.h"
#include "pool_env.h"
#include "stand_in.h"
#include "stream/stream.h"

#include <liburing.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <xxhash.h>

/* Every second result longer than this is cut to it; 0 for none. */
static uint32_t shorten;
static atomic_uint results;

static int cut(int res)
{
	return shorten && res > (int)shorten && ++results % 2 ? (int)shorten : res;
}

ssize_t pread64(int fd, void *buf, size_t bytes, off_t offset)
{
	return cut((int)syscall(SYS_pread64, fd, buf, bytes, offset));
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe_ptr, unsigned int wait_nr,
				     struct __kernel_timespec *ts, sigset_t *sigmask)
{
	struct io_uring_cqe *cqe;
	unsigned int head;
	int ret;

	ret = NEXT(io_uring_submit_and_wait_timeout)(ring, cqe_ptr, wait_nr, ts, sigmask);
	io_uring_for_each_cqe(ring, head, cqe) cqe->res = cut(cqe->res);
	return ret;
}

#define MEMORY	   (8ull << 20)
#define FILES	   2
#define FILE_BYTES 3000001u
#define PIECES	   8
#define UNTOUCHED  0xee

FIXTURE(piece)
{
	struct pool_env env;
	struct pinpool_pool *pool;
	char folder[PATH_MAX];
	struct pinpool_ctx ctx;
	struct pinpool_diag diag;
	struct pinpool_load_opts opts;
	struct stream_result result;
	uint8_t *memory;
	uint8_t *content[FILES];
	struct source sources[FILES];
	size_t count;
	struct stream_file files[PIECES];
	struct stream_range ranges[PIECES];
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	bool direct; /* the file system takes O_DIRECT */
};

FIXTURE_VARIANT(piece)
{
	bool pool;
};

FIXTURE_VARIANT_ADD(piece, memory)
{
	.pool = false,
};

FIXTURE_VARIANT_ADD(piece, pool)
{
	.pool = true,
};

FIXTURE_SETUP(piece)
{
	const char *why = variant->pool ? env_open(&self->env, PINPOOL_BACKEND_MODULE) : NULL;
	void *memory;

	if (why)
		SKIP(return, "%s", why);
	make_folder(self->folder);
	memset(&self->ctx, 0, sizeof(self->ctx));
	memset(&self->diag, 0, sizeof(self->diag));
	memset(self->files, 0, sizeof(self->files));
	memset(self->ranges, 0, sizeof(self->ranges));
	self->opts = (struct pinpool_load_opts){.size = sizeof(self->opts)};
	self->count = 0;
	self->pool = NULL;
	if (variant->pool) {
		ASSERT_EQ(0, env_create(&self->env, "piece", MEMORY / self->env.page));
		ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "piece", PINPOOL_OPEN_WRITE, &self->pool, NULL));
		ASSERT_EQ(0, pinpool_pool_begin(self->pool, NULL));
		ASSERT_EQ(0, pinpool_pool_map_writable(self->pool, &memory, NULL));
	} else {
		memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, memory);
	}
	self->memory = memory;
	for (int i = 0; i < FILES; i++) {
		const char *path = in_folder(self->folder, i ? "b" : "a");

		self->content[i] = make_pattern((uint64_t)i, 0, FILE_BYTES);
		write_file(path, self->content[i], FILE_BYTES);
		ASSERT_EQ(0, source_open(&self->sources[i], path, &self->diag));
	}
	shorten = 0;
	alarm(120);
}

FIXTURE_TEARDOWN_PARENT(piece)
{
	remove_folder(self->folder);
	if (variant->pool)
		env_clean(&self->env);
}

/* Behind the pieces there are, a block further on. Of @width and @stride, @rows. */
static void add(FIXTURE_DATA(piece) * self, size_t source, uint64_t begin, uint64_t end, uint64_t width,
		uint64_t stride)
{
	size_t i = self->count++;
	struct stream_file *file = &self->files[i];
	uint64_t at = i ? self->files[i - 1].offset + stream_file_bytes(&self->files[i - 1]) : 0;

	*file = (struct stream_file){
		.source = &self->sources[source],
		.begin = begin,
		.end = end,
		.width = width,
		.stride = stride,
		.ranges = &self->ranges[i],
		.range_count = 1,
	};
	file->offset = ((at + 4095) & ~4095ull) + 4096 + (width ? 0 : begin % 4096);
	self->ranges[i] = (struct stream_range){.begin = begin, .end = begin + stream_file_bytes(file)};
}

static void add_columns(FIXTURE_DATA(piece) * self, size_t source, uint64_t begin, uint64_t width, uint64_t stride,
			uint64_t rows)
{
	add(self, source, begin, begin + (rows - 1) * stride + width, width, stride);
}

static int run(FIXTURE_DATA(piece) * self)
{
	struct stream_job job = {
		.ctx = &self->ctx,
		.base = self->memory,
		.pool = self->pool ? pinpool_pool_fd(self->pool) : -1,
		.capacity = MEMORY,
		.files = self->files,
		.count = self->count,
		.opts = &self->opts,
		.content = self->digest,
	};

	for (int i = 0; i < FILES; i++) {
		if (self->sources[i].direct_fd >= 0)
			close(self->sources[i].direct_fd);
		self->sources[i].direct_fd = -1;
	}
	memset(self->memory, UNTOUCHED, MEMORY);
	/* Of a pool these are zero before a load. */
	for (size_t i = 0; i < self->count; i++) {
		uint64_t end = i ? self->files[i - 1].offset + stream_file_bytes(&self->files[i - 1]) : 0;

		memset(self->memory + end, 0, self->files[i].offset - end);
	}
	return stream_run(&job, &self->result, &self->diag);
}

static bool digest_is(const uint8_t *data, size_t bytes, const uint8_t digest[PINPOOL_DIGEST_BYTES])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, bytes));
	return !memcmp(canonical.digest, digest, sizeof(canonical.digest));
}

/* All of memory: each piece, zeroes before and between, nothing behind the last block; and digests. */
static void check(struct __test_metadata *_metadata, FIXTURE_DATA(piece) * self)
{
	uint64_t at = 0;

	for (size_t i = 0; i < self->count; i++) {
		const struct stream_file *file = &self->files[i];
		uint64_t bytes = stream_file_bytes(file), width = file->width ? file->width : bytes;
		const uint8_t *from = self->content[file->source - self->sources] + file->begin;

		ASSERT_TRUE(env_all_bytes(self->memory + at, file->offset - at, 0));
		for (at = file->offset; at < file->offset + bytes; at += width, from += file->stride)
			ASSERT_EQ(0, memcmp(from, self->memory + at, width))
			{
				TH_LOG("piece %zu, byte %llu", i, (unsigned long long)(at - file->offset));
			}
		EXPECT_TRUE(digest_is(self->memory + file->offset, bytes, self->ranges[i].digest));
	}
	EXPECT_TRUE(digest_is(self->memory, at, self->digest));
	ASSERT_TRUE(env_all_bytes(self->memory + at, -at % 4096, 0));
	at += -at % 4096;
	ASSERT_TRUE(env_all_bytes(self->memory + at, MEMORY - at, UNTOUCHED));
}

/* Pieces that lie in the file in another order than in memory, that meet, that end within a block and with the file. */
static void add_pieces(FIXTURE_DATA(piece) * self)
{
	add(self, 1, 2000000, 2700001, 0, 0);
	add(self, 0, 5, 4097, 0, 0);
	add_columns(self, 0, 77777, 100, 333, 5000);
	add(self, 1, 4095, 4096, 0, 0);
	add_columns(self, 1, 1001, 5000, 20000, 100);
	add_columns(self, 0, 3, 200000, 300000, 5);
	add(self, 0, 1 << 20, 3 << 19, 0, 0);
	add(self, 1, FILE_BYTES - 5001, 0, 0, 0);
}

/* A path that this host does not offer is left out, but not all of them. */
static bool runs(struct __test_metadata *_metadata, FIXTURE_DATA(piece) * self)
{
	int err = run(self);

	EXPECT_TRUE(!err || (err == -EOPNOTSUPP && self->opts.io != PINPOOL_IO_PREAD))
	{
		TH_LOG("%s: %s: %s", pinpool_io_name(self->opts.io), self->diag.object, self->diag.cause);
	}
	return !err;
}

TEST_F_TIMEOUT(piece, every_path_brings_them_to_their_places, 120)
{
	add_pieces(self);
	for (enum pinpool_io io = PINPOOL_IO_URING_FIXED; io <= PINPOOL_IO_URING_CMD; io++) {
		for (int way = 0; way < 3; way++) {
			self->opts.io = io;
			self->opts.buffered = way == 1;
			self->opts.chunk_bytes = way == 2 ? 64 << 10 : 0;
			if (!runs(_metadata, self))
				break;
			EXPECT_EQ(io, self->result.io);
			check(_metadata, self);
		}
	}
}

TEST_F_TIMEOUT(piece, short_reads_go_on, 120)
{
	static const uint32_t cuts[] = {100, 4096, 5000};

	add_pieces(self);
	for (enum pinpool_io io = PINPOOL_IO_URING_FIXED; io <= PINPOOL_IO_URING_CMD; io++) {
		for (size_t i = 0; i < 3; i++) {
			self->opts.io = io;
			shorten = cuts[i];
			if (!runs(_metadata, self))
				break;
			check(_metadata, self);
		}
	}
}

/* One block of eight in each row; then rows of which every block holds something. */
TEST_F(piece, blocks_that_hold_nothing_of_them_are_not_read)
{
	add_columns(self, 0, 4096 + 7, 100, 32768, 50);
	for (enum pinpool_io io = PINPOOL_IO_URING_FIXED; io <= PINPOOL_IO_URING_CMD; io++) {
		self->opts.io = io;
		if (!runs(_metadata, self))
			continue;
		check(_metadata, self);
		EXPECT_EQ(50, self->result.requests);
		EXPECT_EQ(self->result.direct ? 50 * 4096 : 50 * 100, self->result.bytes);
	}
	self->count = 0;
	add_columns(self, 1, 4096, 4096, 8192, 300);
	for (enum pinpool_io io = PINPOOL_IO_URING_FIXED; io <= PINPOOL_IO_URING_CMD; io++) {
		self->opts.io = io;
		if (!runs(_metadata, self))
			continue;
		check(_metadata, self);
		EXPECT_EQ(300 * 4096, self->result.bytes);
	}
	/* A row for each of these would be 3000 requests. */
	self->count = 0;
	add_columns(self, 1, 0, 500, 1000, 3000);
	self->opts.io = PINPOOL_IO_PREAD;
	ASSERT_TRUE(runs(_metadata, self));
	check(_metadata, self);
	EXPECT_LE(self->result.requests, FILE_BYTES / 100000);
}

TEST_F(piece, a_file_that_ends_within_one_is_named)
{
	add_columns(self, 0, 0, 1000, 100000, 30);
	self->opts.io = PINPOOL_IO_PREAD;
	ASSERT_EQ(0, truncate(in_folder(self->folder, "a"), 1500000));
	EXPECT_EQ(-ESTALE, run(self));
	EXPECT_STREQ(in_folder(self->folder, "a"), self->diag.object);
	EXPECT_STREQ("shrank during the load", self->diag.cause);
}

TEST_HARNESS_MAIN
