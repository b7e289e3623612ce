// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * The engine alone, into plain memory and, where the module is, into a pool: every path brings the same bytes and
 * digests, faults are named and leave nothing in flight, and what the host forbids is fallen back from, or refused
 * where it was asked for by name.
 *
 * Faults come in between the library and the system: this program's own pread64() and functions of io_uring are found
 * before those of the C library and liburing, pass the call on, and change what comes back.
 */
#include "checkpoints.h"
#include "harness.h"
#include "pool/ctx.h"
#include "pool_env.h"
#include "stand_in.h"
#include "stream/stream.h"

#include <errno.h>
#include <liburing.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <xxhash.h>

/* How reads misbehave. */
static struct {
	int error; /* instead of the result, once every @every results */
	uint32_t shorten; /* results longer than this are cut to it, once every @every */
	unsigned int every;
	atomic_uint count;
	useconds_t delay; /* before each */
	uint64_t bad; /* byte of a file: what reads it by pread() gets @error; other results @error for every @every */
	unsigned int cancel_at; /* sets cancel at this result */
	int answer; /* to the command that asks whether there are commands */
	int no_large_entries; /* what a ring with them gets */
} fault;

static volatile int cancel;

static int misbehave(int res)
{
	if (fault.cancel_at && ++fault.count == fault.cancel_at)
		cancel = 1;
	if (res <= 0 || !fault.every || ++fault.count % fault.every)
		return res;
	if (fault.error)
		return fault.error;
	return fault.shorten && (uint32_t)res > fault.shorten ? (int)fault.shorten : res;
}

ssize_t pread64(int fd, void *buf, size_t bytes, off_t offset)
{
	ssize_t res = syscall(SYS_pread64, fd, buf, bytes, offset);
	int changed = res > 0 && !fault.bad ? misbehave((int)res) : (int)res;

	if (fault.bad && offset <= (off_t)fault.bad && offset + res > (off_t)fault.bad)
		changed = fault.error;
	usleep(fault.delay);
	if (changed < 0 && res > 0)
		errno = -changed;
	return changed < 0 ? -1 : changed;
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe_ptr, unsigned int wait_nr,
				     struct __kernel_timespec *ts, sigset_t *sigmask)
{
	struct io_uring_cqe *cqe;
	unsigned int head;
	int ret;

	ret = NEXT(io_uring_submit_and_wait_timeout)(ring, cqe_ptr, wait_nr, ts, sigmask);
	usleep(fault.delay);
	/* Each completion is looked at once: the engine takes all there are before it waits again. */
	io_uring_for_each_cqe(ring, head, cqe) cqe->res = misbehave(cqe->res);
	return ret;
}

/* Only that command is submitted without waiting. */
int io_uring_submit(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int ret;

	ret = NEXT(io_uring_submit)(ring);
	if (fault.answer && !io_uring_wait_cqe(ring, &cqe))
		cqe->res = fault.answer;
	return ret;
}

int io_uring_queue_init_params(unsigned int entries, struct io_uring *ring, struct io_uring_params *params)
{

	if (fault.no_large_entries && (params->flags & IORING_SETUP_SQE128))
		return fault.no_large_entries;
	return NEXT(io_uring_queue_init_params)(entries, ring, params);
}

#define MEMORY (24ull << 20)
#define FILES  3
#define SYSCTL "/proc/sys/kernel/io_uring_disabled"

struct log {
	char text[4096];
};

static void keep_log(void *arg, enum pinpool_log_level level, const char *msg)
{
	struct log *log = arg;
	size_t used = strlen(log->text);

	(void)level;
	snprintf(log->text + used, sizeof(log->text) - used, "%s\n", msg);
}

FIXTURE(stream)
{
	struct pool_env env;
	struct pinpool_pool *pool; /* @memory is its mapping, or NULL */
	bool registers; /* the kernel registers @memory */
	int stranger; /* what the engine takes for the file of a pool where there is none, or -1 */
	char folder[PATH_MAX];
	struct log log;
	struct pinpool_ctx ctx;
	struct pinpool_diag diag;
	struct pinpool_load_opts opts;
	struct stream_result result;
	uint8_t *memory;
	size_t count;
	struct source sources[FILES];
	struct stream_file files[FILES];
	struct stream_range ranges[FILES][4];
	int sysctl;
	bool disabled; /* io_uring, by us */
};

FIXTURE_VARIANT(stream)
{
	bool pool;
};

FIXTURE_VARIANT_ADD(stream, memory)
{
	.pool = false,
};

FIXTURE_VARIANT_ADD(stream, pool)
{
	.pool = true,
};

static bool can_register(void *memory)
{
	struct iovec iov = {.iov_base = memory, .iov_len = 4096};
	struct io_uring ring;
	bool can;

	if (io_uring_queue_init(1, &ring, 0))
		return false;
	can = !io_uring_register_buffers(&ring, &iov, 1);
	io_uring_queue_exit(&ring);
	return can;
}

FIXTURE_SETUP(stream)
{
	const char *why = variant->pool ? env_open(&self->env, PINPOOL_BACKEND_MODULE) : NULL;
	void *memory;

	if (why)
		SKIP(return, "%s", why);
	make_folder(self->folder);
	memset(&self->log, 0, sizeof(self->log));
	memset(&self->diag, 0, sizeof(self->diag));
	memset(&self->files, 0, sizeof(self->files));
	memset(&self->sources, 0, sizeof(self->sources));
	self->ctx = (struct pinpool_ctx){.log = keep_log, .log_arg = &self->log, .log_level = PINPOOL_LOG_DEBUG};
	self->opts = (struct pinpool_load_opts){.size = sizeof(self->opts)};
	self->count = 0;
	self->stranger = -1;
	self->pool = NULL;
	if (variant->pool) {
		ASSERT_EQ(0, env_create(&self->env, "stream", MEMORY / self->env.page));
		ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "stream", PINPOOL_OPEN_WRITE, &self->pool, NULL));
		ASSERT_EQ(0, pinpool_pool_begin(self->pool, NULL));
		ASSERT_EQ(0, pinpool_pool_map_writable(self->pool, &memory, NULL));
	} else {
		memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, memory);
	}
	self->memory = memory;
	self->registers = can_register(memory);
	memset(&fault, 0, sizeof(fault));
	alarm(120);
}

/* In the parent, whatever became of the test. */
FIXTURE_TEARDOWN_PARENT(stream)
{
	int fd;

	if (self->disabled) {
		fd = open(SYSCTL, O_WRONLY | O_CLOEXEC);
		write_all(fd, "0", 1);
		close(fd);
	}
	remove_folder(self->folder);
	if (variant->pool)
		env_clean(&self->env);
}

/* Whether a path can be had for this memory. */
static bool offered(const FIXTURE_DATA(stream) * self, enum pinpool_io io)
{
	switch (io) {
	case PINPOOL_IO_URING_FIXED:
		return self->registers;
	case PINPOOL_IO_URING_CMD:
		return self->pool;
	default:
		return true;
	}
}

/* Every path that can be had, one after the other. */
#define FOR_EACH_PATH(io)                                                                                              \
	for (enum pinpool_io io = PINPOOL_IO_URING_FIXED; io <= PINPOOL_IO_URING_CMD; io++)                            \
		if (offered(self, io))

/* The one that is taken where nobody says which. */
static enum pinpool_io best(const FIXTURE_DATA(stream) * self)
{
	if (self->pool)
		return PINPOOL_IO_URING_CMD;
	return self->registers ? PINPOOL_IO_URING_FIXED : PINPOOL_IO_URING;
}

/* Adds a file of @bytes behind those there are, with ranges that meet, that leave gaps and that are empty. */
static int add_file(struct __test_metadata *_metadata, FIXTURE_DATA(stream) * self, size_t bytes)
{
	size_t i = self->count++;
	struct stream_file *file = &self->files[i];
	struct stream_range *ranges = self->ranges[i];
	char name[16];

	snprintf(name, sizeof(name), "f%zu", i);
	write_pattern(in_folder(self->folder, name), i, bytes);
	file->source = &self->sources[i];
	if (i)
		file->offset = (self->files[i - 1].offset + self->sources[i - 1].size + 4095) & ~4095ull;
	file->ranges = ranges;
	file->range_count = 4;
	ranges[0] = (struct stream_range){.begin = bytes / 9, .end = bytes / 3};
	ranges[1] = (struct stream_range){.begin = bytes / 3, .end = bytes / 3};
	ranges[2] = (struct stream_range){.begin = bytes / 3, .end = bytes / 2};
	ranges[3] = (struct stream_range){.begin = bytes - bytes / 5, .end = bytes};
	return source_open(&self->sources[i], in_folder(self->folder, name), &self->diag);
}

static int run(FIXTURE_DATA(stream) * self)
{
	struct stream_job job = {
		.ctx = &self->ctx,
		.base = self->memory,
		.pool = self->pool ? pinpool_pool_fd(self->pool) : self->stranger,
		.capacity = MEMORY,
		.files = self->files,
		.count = self->count,
		.opts = &self->opts,
	};

	for (size_t i = 0; i < self->count; i++) {
		if (self->sources[i].direct_fd >= 0)
			close(self->sources[i].direct_fd);
		self->sources[i].direct_fd = -1;
	}
	memset(self->memory, 0xee,
	       self->count ? self->files[self->count - 1].offset + self->sources[self->count - 1].size + 8192 : 0);
	memset(&self->diag, 0, sizeof(self->diag));
	self->log.text[0] = '\0';
	return stream_run(&job, &self->result, &self->diag);
}

static bool digest_is(const uint8_t *data, size_t bytes, const uint8_t digest[PINPOOL_DIGEST_BYTES])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, bytes));
	return !memcmp(canonical.digest, digest, sizeof(canonical.digest));
}

/* Moves together what is in no range of @file, whose bytes @data are. Returns how many they are. */
static size_t keep_rest(uint8_t *data, size_t size, const struct stream_file *file)
{
	uint64_t from = 0;
	size_t kept = 0;

	for (size_t r = 0; r <= file->range_count; r++) {
		uint64_t to = r < file->range_count ? file->ranges[r].begin : size;

		memmove(data + kept, data + from, to - from);
		kept += to - from;
		from = r < file->range_count ? file->ranges[r].end : size;
	}
	return kept;
}

/* Bytes of every file, zeroes up to the next block, nothing beyond, and digests. */
static void check(struct __test_metadata *_metadata, FIXTURE_DATA(stream) * self)
{
	for (size_t i = 0; i < self->count; i++) {
		const struct stream_file *file = &self->files[i];
		uint64_t size = self->sources[i].size;
		uint8_t *want = make_pattern(i, 0, size);
		uint64_t at = file->offset + size;

		ASSERT_EQ(0, memcmp(want, self->memory + file->offset, size));
		for (; at % 4096; at++)
			ASSERT_EQ(0, self->memory[at]);
		if (i + 1 == self->count)
			ASSERT_EQ(0xee, self->memory[at]);
		if (!self->opts.no_digest) {
			EXPECT_TRUE(digest_is(want, size, file->digest));
			for (size_t r = 0; r < file->range_count; r++)
				EXPECT_TRUE(digest_is(want + file->ranges[r].begin,
						      file->ranges[r].end - file->ranges[r].begin,
						      file->ranges[r].digest));
			EXPECT_TRUE(digest_is(want, keep_rest(want, size, file), file->rest));
		}
		free(want);
	}
}

TEST_F(stream, every_path_brings_bytes_and_digests_of_every_size)
{
	static const size_t sizes[][FILES] = {
		{0, 0, 0},
		{1, 0, 1},
		{4095, 4096, 4097},
		{65535, 1, 65537},
		{131072, 4096, 65536},
		{3 << 20, (5 << 20) + 12345, 777},
	};
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (size_t i = 0; i < self->count; i++)
			source_close(&self->sources[i]);
		self->count = 0;
		for (size_t i = 0; i < FILES; i++)
			ASSERT_EQ(0, add_file(_metadata, self, sizes[s][i]));
		for (int way = 0; way < 30; way++) {
			self->opts.io = (enum pinpool_io)(way % 5);
			self->opts.buffered = way / 5 & 1;
			self->opts.chunk_bytes = way < 10 ? 0 : 65536;
			self->opts.queue_depth = way < 20 ? 0 : 2;
			self->opts.no_digest = way == 25;
			if (!offered(self, self->opts.io))
				continue;
			ASSERT_EQ(0, run(self))
			{
				TH_LOG("size set %zu, way %d: %s: %s", s, way, self->diag.object, self->diag.cause);
			}
			check(_metadata, self);
			EXPECT_EQ(self->opts.io ? self->opts.io : best(self), self->result.io);
		}
	}
}

/* Registered windows are 64 MiB and four at a time: files across a border, and far enough on to take a place again. */
TEST_F(stream, windows_of_memory_move_along)
{
	const uint64_t memory = 600ull << 20;
	uint8_t *small = self->memory;
	struct stream_job job = {
		.ctx = &self->ctx,
		.pool = -1,
		.capacity = memory,
		.files = self->files,
		.count = FILES,
		.opts = &self->opts,
	};

	if (variant->pool)
		SKIP(return, "windows are the same in a pool, which would have to be as large");
	ASSERT_EQ(0, add_file(_metadata, self, 1 << 20));
	ASSERT_EQ(0, add_file(_metadata, self, (3 << 20) + 1));
	ASSERT_EQ(0, add_file(_metadata, self, (3 << 20) + 4097));
	self->files[1].offset = (63ull << 20) + 4096;
	self->files[2].offset = (5 * 64ull << 20) - (2 << 20) + 8192;
	self->memory = mmap(NULL, memory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->memory);
	self->memory[self->files[2].offset + (3 << 20) + 8192] = 0xee;
	job.base = self->memory;
	self->opts.io = PINPOOL_IO_URING_FIXED;
	ASSERT_EQ(0, stream_run(&job, &self->result, &self->diag))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	check(_metadata, self);
	EXPECT_EQ(PINPOOL_IO_URING_FIXED, self->result.io);
	munmap(self->memory, memory);
	self->memory = small;
}

TEST_F(stream, results_cut_short_and_interrupted_reads_are_completed)
{
	static const struct {
		int error;
		uint32_t shorten;
	} kinds[] = {{0, 4096}, {0, 8191}, {0, 1}, {-EINTR, 0}, {-EAGAIN, 0}};

	ASSERT_EQ(0, add_file(_metadata, self, (3 << 20) + 5));
	ASSERT_EQ(0, add_file(_metadata, self, (2 << 20) + 4096));
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		FOR_EACH_PATH(io) {
			for (int buffered = 0; buffered < 2; buffered++) {
				memset(&fault, 0, sizeof(fault));
				fault.error = kinds[k].error;
				fault.shorten = kinds[k].shorten;
				fault.every = 3;
				self->opts.io = io;
				self->opts.buffered = buffered;
				self->opts.chunk_bytes = 65536;
				ASSERT_EQ(0, run(self))
				{
					TH_LOG("kind %zu, path %d: %s: %s", k, io, self->diag.object, self->diag.cause);
				}
				fault.every = 0;
				EXPECT_LT(10, fault.count);
				check(_metadata, self);
			}
		}
	}
}

TEST_F(stream, an_error_names_file_and_offset_and_waits_for_what_is_in_flight)
{
	char want[PATH_MAX + 64];
	uint8_t *before;
	uint64_t offset;

	ASSERT_EQ(0, add_file(_metadata, self, 1 << 20));
	ASSERT_EQ(0, add_file(_metadata, self, 8 << 20));
	before = malloc(MEMORY);
	FOR_EACH_PATH(io) {
		memset(&fault, 0, sizeof(fault));
		self->opts.io = io;
		self->opts.chunk_bytes = 65536;
		self->opts.queue_depth = 32;
		fault.error = -EIO;
		fault.every = 50;
		EXPECT_EQ(-EIO, run(self));
		memcpy(before, self->memory, MEMORY);
		fault.every = 0;
		/* Mostly of the second, unless something holds up a request of the first for long. */
		offset = UINT64_MAX;
		for (int i = 0; i < 2; i++) {
			snprintf(want, sizeof(want), "%s: offset %%lu", self->sources[i].path);
			if (sscanf(self->diag.object, want, &offset) == 1)
				EXPECT_GT(self->sources[i].size, offset);
		}
		EXPECT_EQ(0, offset % SOURCE_DIRECT_ALIGN)
		{
			TH_LOG("%s", self->diag.object);
		}
		EXPECT_STREQ("Input/output error", self->diag.cause);
		usleep(20000);
		EXPECT_EQ(0, memcmp(before, self->memory, MEMORY));
	}
	free(before);
}

/* Of the request only that block is bad. */
TEST_F(stream, an_error_names_the_block_and_the_tensor_that_it_is_in)
{
	char want[PATH_MAX + 64];
	size_t file;

	ASSERT_EQ(0, add_file(_metadata, self, 1 << 20));
	file = self->count - 1;
	self->ranges[file][0] = (struct stream_range){.begin = 100, .end = 20000, .name = "before"};
	self->ranges[file][1] = (struct stream_range){.begin = 20000, .end = 45056, .name = "middle"};
	self->ranges[file][2] = (struct stream_range){.begin = 45060, .end = 1 << 20, .name = "behind"};
	self->files[file].range_count = 3;
	FOR_EACH_PATH(io) {
		static const struct {
			uint64_t bad, offset;
			const char *cause;
		} cases[] = {
			{50, 0, "Input/output error"},
			{24576, 24576, "Input/output error, in tensor middle"},
			{36863, 32768, "Input/output error, in tensor middle"},
			{45057, 45056, "Input/output error"},
			{49152, 49152, "Input/output error, in tensor behind"},
		};

		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			memset(&fault, 0, sizeof(fault));
			fault.error = -EIO;
			fault.every = 1;
			fault.bad = cases[i].bad;
			self->opts.io = io;
			self->opts.buffered = true;
			self->opts.chunk_bytes = 65536;
			self->opts.queue_depth = 1;
			EXPECT_EQ(-EIO, run(self));
			snprintf(want, sizeof(want), "%s: offset %llu", self->sources[file].path,
				 (unsigned long long)cases[i].offset);
			EXPECT_STREQ(want, self->diag.object);
			EXPECT_STREQ(cases[i].cause, self->diag.cause);
		}
	}
	memset(&fault, 0, sizeof(fault));
}

TEST_F(stream, a_file_that_shrank_or_vanished_since_it_was_opened_is_stale)
{
	FOR_EACH_PATH(io) {
		for (int buffered = 0; buffered < 2; buffered++) {
			self->opts.io = io;
			self->opts.buffered = buffered;
			self->opts.chunk_bytes = 65536;
			ASSERT_EQ(0, add_file(_metadata, self, 8 << 20));
			ASSERT_EQ(0, truncate(self->sources[0].path, 100000));
			EXPECT_EQ(-ESTALE, run(self));
			EXPECT_TRUE(strstr(self->diag.cause, "shrank"));
			ASSERT_EQ(0, truncate(self->sources[0].path, 0));
			EXPECT_EQ(-ESTALE, run(self));
			source_close(&self->sources[0]);
			self->count = 0;
		}
	}
	ASSERT_EQ(0, add_file(_metadata, self, 8 << 20));
	self->opts.buffered = false;
	write_pattern(in_folder(self->folder, "other"), 1, 8 << 20);
	ASSERT_EQ(0, rename(in_folder(self->folder, "other"), self->sources[0].path));
	EXPECT_EQ(-ESTALE, run(self));
	EXPECT_TRUE(strstr(self->diag.cause, "replaced"));
}

/* Files of sysfs say 4096 bytes and have fewer, and know nothing of O_DIRECT. */
TEST_F(stream, a_file_that_ends_before_its_size_is_named)
{
	ASSERT_EQ(0, source_open(&self->sources[0], "/sys/kernel/uevent_seqnum", &self->diag));
	self->count = 1;
	self->files[0].source = &self->sources[0];
	FOR_EACH_PATH(io) {
		self->opts.io = io;
		EXPECT_EQ(-ENODATA, run(self));
		EXPECT_TRUE(strstr(self->diag.object, "/sys/kernel/uevent_seqnum: offset "));
		EXPECT_FALSE(self->result.direct);
		EXPECT_TRUE(strstr(self->log.text, "no O_DIRECT"));
	}
}

static int count_ticks(void *arg, const struct pinpool_progress *progress)
{
	uint64_t *ticks = arg;

	ticks[0]++;
	if (progress->done < ticks[1] || progress->done > progress->total)
		ticks[2]++;
	ticks[1] = progress->done;
	return ticks[0] == ticks[3];
}

TEST_F(stream, progress_rises_to_the_total_and_may_cancel)
{
	static uint64_t ticks[4];

	ASSERT_EQ(0, add_file(_metadata, self, 5 << 20));
	self->opts.progress = count_ticks;
	self->opts.progress_arg = ticks;
	FOR_EACH_PATH(io) {
		self->opts.io = io;
		memset(ticks, 0, sizeof(ticks));
		ASSERT_EQ(0, run(self));
		EXPECT_LE(1, ticks[0]);
		EXPECT_EQ(5 << 20, ticks[1]);
		EXPECT_EQ(0, ticks[2]);
		memset(ticks, 0, sizeof(ticks));
		ticks[3] = 1;
		EXPECT_EQ(-ECANCELED, run(self));
	}
}

TEST_F(stream, a_cancel_flag_ends_each_path)
{
	ASSERT_EQ(0, add_file(_metadata, self, 8 << 20));
	self->opts.cancel = &cancel;
	self->opts.chunk_bytes = 65536;
	self->opts.queue_depth = 1;
	FOR_EACH_PATH(io) {
		self->opts.io = io;
		memset(&fault, 0, sizeof(fault));
		fault.delay = 3000;
		fault.cancel_at = 10;
		cancel = 0;
		EXPECT_EQ(-ECANCELED, run(self));
		EXPECT_LE(9, self->result.requests);
		EXPECT_GT(128, self->result.requests);
		EXPECT_EQ(-ECANCELED, run(self));
		EXPECT_EQ(0, self->result.requests);
	}
}

/* From here on this process gets EPERM from io_uring_setup(), as in a container with the usual profile. */
static int forbid_io_uring(int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void check_fallback_to_threads(struct __test_metadata *_metadata, FIXTURE_DATA(stream) * self)
{
	self->opts.io = PINPOOL_IO_AUTO;
	ASSERT_EQ(0, run(self));
	check(_metadata, self);
	EXPECT_EQ(PINPOOL_IO_PREAD, self->result.io);
	EXPECT_TRUE(strstr(self->log.text, "reading with threads"));
	FOR_EACH_PATH(io) {
		if (io == PINPOOL_IO_PREAD)
			continue;
		self->opts.io = io;
		EXPECT_EQ(-EOPNOTSUPP, run(self));
		EXPECT_STREQ("io_uring", self->diag.object);
		EXPECT_NE('\0', self->diag.change[0]);
	}
}

TEST_F(stream, without_io_uring_threads_read_unless_it_was_forced)
{
	ASSERT_EQ(0, add_file(_metadata, self, (2 << 20) + 7));
	ASSERT_EQ(0, forbid_io_uring(EPERM));
	check_fallback_to_threads(_metadata, self);
}

TEST_F(stream, a_kernel_without_io_uring_is_the_same)
{
	ASSERT_EQ(0, add_file(_metadata, self, (2 << 20) + 7));
	ASSERT_EQ(0, forbid_io_uring(ENOSYS));
	check_fallback_to_threads(_metadata, self);
}

TEST_F(stream, io_uring_disabled_by_sysctl_is_the_same)
{
	char before = '\0';

	if (geteuid())
		SKIP(return, "needs root to set " SYSCTL);
	self->sysctl = open(SYSCTL, O_RDWR | O_CLOEXEC);
	if (self->sysctl < 0)
		SKIP(return, "this kernel has no " SYSCTL);
	ASSERT_EQ(0, add_file(_metadata, self, (2 << 20) + 7));
	/* Another run of this test must not take our setting for the host's. */
	ASSERT_EQ(0, flock(self->sysctl, LOCK_EX));
	ASSERT_EQ(1, pread(self->sysctl, &before, 1, 0));
	if (before != '0')
		SKIP(return, SYSCTL " is %c already", before);
	self->disabled = true;
	ASSERT_EQ(1, pwrite(self->sysctl, "2", 1, 0));
	check_fallback_to_threads(_metadata, self);
	ASSERT_EQ(1, pwrite(self->sysctl, "0", 1, 0));
	self->disabled = false;
}

TEST_F(stream, without_locked_memory_buffers_are_not_fixed_unless_that_was_forced)
{
	struct rlimit limit = {.rlim_cur = 65536, .rlim_max = 65536};

	ASSERT_EQ(0, add_file(_metadata, self, (2 << 20) + 7));
	/* Root is not held to the limit. */
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	if (!geteuid())
		ASSERT_EQ(0, seteuid(65534));
	self->opts.io = PINPOOL_IO_AUTO;
	ASSERT_EQ(0, run(self));
	check(_metadata, self);
	if (self->pool) {
		/* Commands lock none. */
		EXPECT_EQ(PINPOOL_IO_URING_CMD, self->result.io);
	} else {
		EXPECT_EQ(PINPOOL_IO_URING, self->result.io);
		EXPECT_TRUE(strstr(self->log.text, "without fixed buffers"));
		self->opts.io = PINPOOL_IO_URING_FIXED;
		EXPECT_EQ(-EOPNOTSUPP, run(self));
		EXPECT_TRUE(strstr(self->diag.change, "ulimit -l"));
	}
	if (!getuid())
		ASSERT_EQ(0, seteuid(0));
}

/* Forced, commands fail with such words; otherwise another way is taken, and the log says why. */
static void check_no_commands(struct __test_metadata *_metadata, FIXTURE_DATA(stream) * self, const char *cause,
			      const char *change)
{
	self->opts.io = PINPOOL_IO_URING_CMD;
	EXPECT_EQ(-EOPNOTSUPP, run(self));
	EXPECT_STREQ("io_uring", self->diag.object);
	EXPECT_TRUE(strstr(self->diag.cause, cause))
	{
		TH_LOG("%s", self->diag.cause);
	}
	EXPECT_TRUE(strstr(self->diag.change, change))
	{
		TH_LOG("%s", self->diag.change);
	}
	EXPECT_EQ(0, self->result.requests);
	self->opts.io = PINPOOL_IO_AUTO;
	ASSERT_EQ(0, run(self));
	check(_metadata, self);
	EXPECT_EQ(self->registers ? PINPOOL_IO_URING_FIXED : PINPOOL_IO_URING, self->result.io);
}

TEST_F(stream, there_are_no_commands_to_memory_that_is_no_pool)
{
	if (variant->pool)
		SKIP(return, "the memory is a pool");
	ASSERT_EQ(0, add_file(_metadata, self, (2 << 20) + 7));
	check_no_commands(_metadata, self, "not one of the kernel module", "use the kernel module");
	EXPECT_FALSE(strstr(self->log.text, "commands to the module"));
	/* What is taken for a pool and has no commands, as one of an older module. */
	self->stranger = memfd_create("stranger", MFD_CLOEXEC);
	ASSERT_LE(0, self->stranger);
	check_no_commands(_metadata, self, "Operation not supported", "newer version of the kernel module");
	EXPECT_TRUE(strstr(self->log.text, "without commands to the module"));
	close(self->stranger);
}

TEST_F(stream, commands_that_are_refused_are_done_without_unless_they_were_forced)
{
	if (!variant->pool)
		SKIP(return, "the memory is no pool");
	ASSERT_EQ(0, add_file(_metadata, self, (2 << 20) + 7));
	fault.answer = -ENOTTY;
	check_no_commands(_metadata, self, strerror(ENOTTY), "newer version of the kernel module");
	EXPECT_TRUE(strstr(self->log.text, "without commands to the module"));
	fault.answer = -EACCES;
	check_no_commands(_metadata, self, strerror(EACCES), "security policy");
	fault.answer = 0;
	fault.no_large_entries = -EINVAL;
	check_no_commands(_metadata, self, "setting up a ring", "");
	EXPECT_TRUE(strstr(self->log.text, "without commands to the module"));
}

/* The chunk is a page, so that pages are brought whole, and what goes beyond a file's end is not asked for. */
TEST_F(stream, commands_bring_whole_pages_and_count)
{
	struct pinpool_info before = {.size = sizeof(before)}, after = {.size = sizeof(after)};

	if (!variant->pool)
		SKIP(return, "the memory is no pool");
	ASSERT_EQ(0, add_file(_metadata, self, 8 << 20));
	ASSERT_EQ(0, add_file(_metadata, self, 4097));
	ASSERT_EQ(0, pinpool_pool_get_info(self->pool, &before));
	ASSERT_EQ(0, run(self));
	check(_metadata, self);
	EXPECT_EQ(5, self->result.requests);
	EXPECT_EQ(2 << 20, self->result.chunk_bytes);
	EXPECT_EQ(24, self->result.queue_depth);
	EXPECT_FALSE(self->result.fixed_files);
	ASSERT_EQ(0, pinpool_pool_get_info(self->pool, &after));
	EXPECT_EQ((8 << 20) + 4097, after.bytes_read - before.bytes_read);
}

TEST_HARNESS_MAIN
