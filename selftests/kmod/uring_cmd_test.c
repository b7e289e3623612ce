// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * PINPOOL_URING_READ: what comes into the pool, what does not, and every way to be refused. Its lifetimes are in
 * uring_cmd_life_test.c.
 */
#include <linux/fs.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "harness.h"
#include "uring_cmd.h"

#define PAGES 8
#define BYTES (PAGES * HUGE)
#define DEPTH 16
#define SEED  71
/* Of an earlier load: what must never be seen again. */
#define FORMER 72

FIXTURE(read) {
	int direct; /* O_DIRECT, BYTES of pattern SEED */
	int cached; /* the same through the page cache */
	int writer; /* of "r", LOADING; its pages hold pattern FORMER, untouched in this load */
	char *bytes; /* room for what the pool has */
	struct io_uring ring;
};

/* The same file once more. */
static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return result(open(path, flags | O_CLOEXEC));
}

/* An odd number of bytes of pattern SEED. */
static int odd_source(size_t bytes, int flags)
{
	int fd = source_open((bytes + 8) & -8, SEED), other;

	if (fd < 0)
		return fd;
	other = reopen(fd, O_RDWR);
	if (other < 0 || ftruncate(other, bytes))
		return -EIO;
	close(other);
	other = reopen(fd, flags);
	close(fd);
	return other;
}

FIXTURE_SETUP(read)
{
	self->direct = source_open(BYTES, SEED);
	ASSERT_LE(0, self->direct);
	self->cached = reopen(self->direct, O_RDONLY);
	ASSERT_LE(0, self->cached);
	self->writer = pool_create_loading("r", BYTES);
	ASSERT_LE(0, self->writer);
	ASSERT_EQ(0, pool_write_pattern(self->writer, FORMER, 0, BYTES));
	ASSERT_EQ(0, pool_abort(self->writer));
	ASSERT_EQ(0, pool_begin(self->writer));
	self->bytes = malloc(BYTES);
	ASSERT_NE(NULL, self->bytes);
	ASSERT_EQ(0, ring_init(&self->ring, DEPTH, 0));
}

FIXTURE_TEARDOWN(read)
{
	io_uring_queue_exit(&self->ring);
	free(self->bytes);
	close(self->writer);
	close(self->cached);
	close(self->direct);
	pool_destroy("r");
}

/* Publishes the pool; what a reader finds in it is in self->bytes. */
static void publish(struct __test_metadata *_metadata, FIXTURE_DATA(read) * self)
{
	int fd;

	ASSERT_EQ(0, pool_commit(self->writer, BYTES));
	fd = pool_open("r", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(BYTES, pread(fd, self->bytes, BYTES, 0));
	close(fd);
}

/* [@to, @to + @length) of the pool is the source from @from on, byte by byte. */
static bool holds_source(const char *bytes, uint64_t from, uint64_t to, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		uint64_t word = pattern_word(SEED, (from + i) / 8);

		if (bytes[to + i] != ((char *)&word)[(from + i) % 8])
			return false;
	}
	return true;
}

static bool all_zero(const char *bytes, size_t from, size_t to)
{
	while (from < to && !bytes[from])
		from++;
	return from == to;
}

struct how {
	const char *name;
	bool direct;
	size_t chunk;
	unsigned int flags;
};

static const struct how hows[] = {
	{ "direct, whole pages", true, HUGE, 0 },
	{ "direct, whole pages, by a worker", true, HUGE, IOSQE_ASYNC },
	{ "direct, parts of pages", true, 256 << 10, 0 },
	{ "direct, several pages and a part", true, 2 * HUGE + 512, 0 },
	{ "cached, whole pages", false, HUGE, 0 },
	{ "cached, by a worker", false, HUGE, IOSQE_ASYNC },
	{ "cached, odd parts", false, 100003, 0 },
	{ "cached, everything", false, BYTES, 0 },
	{ "direct, everything", true, BYTES, 0 },
};

/* DEPTH at a time. */
static void read_all(struct __test_metadata *_metadata, FIXTURE_DATA(read) * self, const struct how *how)
{
	uint64_t queued = 0, done = 0;
	int in_flight = 0;

	while (done < BYTES) {
		for (; in_flight < DEPTH && queued < BYTES; in_flight++) {
			uint64_t n = BYTES - queued < how->chunk ? BYTES - queued : how->chunk;

			queue_read(&self->ring, self->writer, how->direct ? self->direct : self->cached, queued, queued,
				   n, how->flags);
			queued += n;
		}
		ASSERT_LE(0, io_uring_submit(&self->ring));
		while (in_flight) {
			int ret = ring_result(&self->ring);

			ASSERT_LT(0, ret) TH_LOG("%s: %s", how->name, strerror(-ret));
			done += ret;
			in_flight--;
		}
	}
	EXPECT_EQ(BYTES, done);
}

TEST_F(read, every_byte_comes_whatever_the_way)
{
	for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++) {
		struct pinpool_pool_info before, after;

		ASSERT_EQ(0, pool_info(self->writer, &before));
		read_all(_metadata, self, &hows[i]);
		ASSERT_EQ(0, pool_info(self->writer, &after));
		EXPECT_EQ(before.out_bytes_read + BYTES, after.out_bytes_read);
		EXPECT_EQ(before.out_bytes_written, after.out_bytes_written);
		EXPECT_EQ(BYTES, pread(self->writer, self->bytes, BYTES, 0));
		EXPECT_EQ(-1, pattern_differs(self->bytes, BYTES, SEED, 0)) TH_LOG("%s", hows[i].name);
		ASSERT_EQ(0, pool_write_pattern(self->writer, FORMER, 0, BYTES));
		ASSERT_EQ(0, pool_abort(self->writer));
		ASSERT_EQ(0, pool_begin(self->writer));
	}
}

/* The point of it all. */
TEST_F(read, a_page_read_whole_is_not_zeroed_and_one_read_in_part_is_once)
{
	struct pinpool_pool_info before, after;

	ASSERT_EQ(0, pool_info(self->writer, &before));
	read_all(_metadata, self, &hows[0]);
	ASSERT_EQ(0, pool_info(self->writer, &after));
	EXPECT_EQ(before.out_pages_zeroed, after.out_pages_zeroed);
	EXPECT_EQ(0, after.out_faults);
	ASSERT_EQ(0, pool_abort(self->writer));
	ASSERT_EQ(0, pool_begin(self->writer));
	read_all(_metadata, self, &hows[2]);
	ASSERT_EQ(0, pool_info(self->writer, &after));
	EXPECT_EQ(before.out_pages_zeroed + PAGES, after.out_pages_zeroed);
	publish(_metadata, self);
	EXPECT_EQ(-1, pattern_differs(self->bytes, BYTES, SEED, 0));
}

/* Against a model in memory: random places of the file to random places of the pool, over and over each other. */
TEST_F(read, ranges_anywhere)
{
	char *model = calloc(1, BYTES);

	ASSERT_NE(NULL, model);
	srandom(1);
	for (int i = 0; i < 200; i++) {
		bool direct = random() % 2;
		uint64_t align = direct ? 512 : 1, from, to, length;
		int ret;

		length = (random() % (i % 4 ? 300000 : 5000000) + 512) & -align;
		from = random() % (BYTES - length) & -align;
		to = random() % (BYTES - length) & -align;
		ret = read_one(&self->ring, self->writer, direct ? self->direct : self->cached, from, to, length);
		ASSERT_EQ((int)length, ret) TH_LOG("%d: %s", i, strerror(-ret));
		ASSERT_EQ((ssize_t)length, pread(self->cached, model + to, length, from));
	}
	publish(_metadata, self);
	EXPECT_EQ(0, memcmp(model, self->bytes, BYTES));
	free(model);
}

/* A file that ends early: what it has, zeros behind it, and nothing of what the pages held before. */
static void short_read(struct __test_metadata *_metadata, FIXTURE_DATA(read) * self, int flags, size_t size,
		       unsigned int entry_flags)
{
	int source = odd_source(size, flags);

	ASSERT_LE(0, source);
	queue_read(&self->ring, self->writer, source, 0, HUGE, 6 * HUGE, entry_flags);
	ASSERT_EQ((int)size, submit_one(&self->ring));
	/* Twice at the end. */
	EXPECT_EQ(0, read_one(&self->ring, self->writer, source, (size + 4095) & -4096, 7 * HUGE, HUGE));
	publish(_metadata, self);
	EXPECT_TRUE(all_zero(self->bytes, 0, HUGE));
	EXPECT_TRUE(holds_source(self->bytes, 0, HUGE, size));
	EXPECT_TRUE(all_zero(self->bytes, HUGE + size, BYTES));
	close(source);
}

TEST_F(read, a_short_file_through_the_page_cache_leaves_zeros)
{
	short_read(_metadata, self, O_RDONLY, 2 * HUGE + 12345, 0);
}

TEST_F(read, a_short_file_past_the_page_cache_leaves_zeros)
{
	short_read(_metadata, self, O_RDONLY | O_DIRECT, 2 * HUGE + 12345, 0);
}

TEST_F(read, a_short_file_read_by_a_worker_leaves_zeros)
{
	short_read(_metadata, self, O_RDONLY | O_DIRECT, 3 * HUGE - 1, IOSQE_ASYNC);
}

TEST_F(read, a_short_file_that_ends_with_a_page_leaves_zeros)
{
	short_read(_metadata, self, O_RDONLY | O_DIRECT, 2 * HUGE, 0);
}

static void *keep_truncating(void *arg)
{
	int fd = *(int *)arg;

	for (int i = 0; i < 40; i++) {
		if (ftruncate(fd, i % 2 ? BYTES : HUGE + 4096))
			return (void *)1;
		sleep_us(500);
	}
	return NULL;
}

/* Its bytes, or the zeros that truncation leaves in it, or nothing; and never what the pages held before. */
TEST_F(read, a_file_truncated_meanwhile_shows_nothing_else)
{
	int file = reopen(self->direct, O_RDWR);
	const uint64_t *word = (uint64_t *)self->bytes;
	pthread_t thread;
	void *failed;
	int wrong = 0;

	ASSERT_LE(0, file);
	for (int round = 0; round < 4; round++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, keep_truncating, &file));
		for (int i = 0; i < PAGES; i++)
			queue_read(&self->ring, self->writer, round % 2 ? self->cached : self->direct, i * HUGE,
				   i * HUGE, HUGE, 0);
		ASSERT_EQ(PAGES, io_uring_submit(&self->ring));
		for (int i = 0; i < PAGES; i++)
			EXPECT_LE(0, ring_result(&self->ring));
		pthread_join(thread, &failed);
		EXPECT_EQ(NULL, failed);
	}
	publish(_metadata, self);
	for (size_t i = 0; i < BYTES / 8; i++)
		wrong += word[i] && word[i] != pattern_word(SEED, i);
	EXPECT_EQ(0, wrong);
	close(file);
}

static int read_args(FIXTURE_DATA(read) * self, const struct pinpool_uring_read *r)
{
	queue_args(&self->ring, self->writer, r);
	return submit_one(&self->ring);
}

/* The command with one change after the other; @self->cached as source, one page. */
#define ARGS(...)                                                                                                      \
	(&(struct pinpool_uring_read){                                                                                 \
		.size = sizeof(struct pinpool_uring_read), .fd = self->cached, .length = HUGE, ##__VA_ARGS__ })

TEST_F(read, ranges_that_are_none)
{
	EXPECT_EQ(HUGE, read_args(self, ARGS()));
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.length = 0)));
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.length = BYTES + 1)));
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.length = UINT64_MAX)));
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.length = INT64_MAX)));
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.pool_offset = BYTES)));
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.pool_offset = BYTES - HUGE + 1)));
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.pool_offset = INT64_MAX)));
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.pool_offset = INT64_MAX - HUGE)));
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.pool_offset = -HUGE)));
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.file_offset = -1ULL)));
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.file_offset = 1ULL << 63)));
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.file_offset = INT64_MAX - HUGE + 1)));
	/* The largest that is one is beyond the end of the file. */
	EXPECT_EQ(0, read_args(self, ARGS(.file_offset = INT64_MAX - HUGE)));
	EXPECT_EQ(HUGE, read_args(self, ARGS(.pool_offset = BYTES - HUGE)));
	EXPECT_EQ(1, read_args(self, ARGS(.pool_offset = BYTES - 1, .length = 1)));
	/* What the file system cannot do past the page cache. */
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.fd = self->direct, .file_offset = 3)));
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.fd = self->direct, .pool_offset = 3)));
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.fd = self->direct, .length = 5)));
	publish(_metadata, self);
	EXPECT_EQ(-1, pattern_differs(self->bytes, HUGE, SEED, 0));
	EXPECT_TRUE(all_zero(self->bytes, HUGE, BYTES - HUGE));
}

TEST_F(read, sizes_and_unknown_bits)
{
	unsigned char area[AREA];
	const size_t known = sizeof(struct pinpool_uring_read);

	for (uint32_t size = 0; size <= AREA + 1; size++) {
		int want = size < known || size > AREA ? -EINVAL : HUGE;

		memset(area, 0, sizeof(area));
		memcpy(area, ARGS(), known);
		memcpy(area, &size, 4);
		queue_bytes(&self->ring, self->writer, PINPOOL_URING_READ, area, size < known ? known : AREA);
		EXPECT_EQ(want, submit_one(&self->ring)) TH_LOG("size %u", size);
	}
	for (int bit = 7; bit < 32; bit++) {
		EXPECT_EQ(-EINVAL, read_args(self, ARGS(.size = known | 1U << bit))) TH_LOG("size bit %d", bit);
	}
	for (int bit = 0; bit < 32; bit++) {
		EXPECT_EQ(-EOPNOTSUPP, read_args(self, ARGS(.flags = 1U << bit))) TH_LOG("flag bit %d", bit);
		EXPECT_EQ(-EINVAL, read_args(self, ARGS(.__reserved = 1U << bit))) TH_LOG("reserved bit %d", bit);
	}
	/* Bytes that the struct has and this module does not know. Beyond the struct nobody looks: 0xee, see above. */
	for (size_t i = known; i < AREA; i++) {
		uint32_t size = i + 1;

		memset(area, 0, sizeof(area));
		memcpy(area, ARGS(), known);
		memcpy(area, &size, 4);
		area[i] = 1;
		queue_bytes(&self->ring, self->writer, PINPOOL_URING_READ, area, size);
		EXPECT_EQ(-E2BIG, submit_one(&self->ring)) TH_LOG("byte %zu", i);
		size = i;
		memcpy(area, &size, 4);
		queue_bytes(&self->ring, self->writer, PINPOOL_URING_READ, area, AREA);
		EXPECT_EQ(size < known ? -EINVAL : HUGE, submit_one(&self->ring)) TH_LOG("beyond %zu", i);
	}
}

TEST_F(read, other_commands_and_other_rings)
{
	struct io_uring small, polled;
	struct io_uring_sqe *sqe;
	int control = control_open(O_RDWR), ret;

	for (unsigned int op = 0; op < 0x10000; op += 97) {
		queue_bytes(&self->ring, self->writer, op, ARGS(), sizeof(struct pinpool_uring_read));
		EXPECT_EQ(-ENOTTY, submit_one(&self->ring)) TH_LOG("command %#x", op);
	}
	queue_bytes(&self->ring, self->writer, PINPOOL_IOC_COMMIT, ARGS(), sizeof(struct pinpool_uring_read));
	EXPECT_EQ(-ENOTTY, submit_one(&self->ring));
	/* The number as a kernel with a struct in it would make it. */
	queue_bytes(&self->ring, self->writer, _IOW(PINPOOL_TYPE, 0xA0, struct pinpool_uring_read), ARGS(),
		    sizeof(struct pinpool_uring_read));
	EXPECT_EQ(-ENOTTY, submit_one(&self->ring));
	queue_args(&self->ring, control, ARGS());
	EXPECT_EQ(-EOPNOTSUPP, submit_one(&self->ring));
	close(control);

	ASSERT_EQ(0, io_uring_queue_init(4, &small, 0));
	sqe = io_uring_get_sqe(&small);
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, self->writer, NULL, 0, 0);
	sqe->cmd_op = PINPOOL_URING_READ;
	memcpy(sqe->cmd, ARGS(), 16);
	EXPECT_EQ(-EINVAL, submit_one(&small));
	io_uring_queue_exit(&small);

	/* Nothing can be polled for. A kernel that lets other requests into such a ring, and tells them apart, may read. */
	ASSERT_EQ(0, ring_init(&polled, 4, IORING_SETUP_IOPOLL));
	queue_args(&polled, self->writer, ARGS());
	ret = submit_one(&polled);
	EXPECT_TRUE(ret == -EOPNOTSUPP || ret == HUGE)
	{
		TH_LOG("%d", ret);
	}
	io_uring_queue_exit(&polled);
}

TEST_F(read, sources_that_are_none)
{
	int fds[2], socks[2], pool, other, fd, path;

	EXPECT_EQ(-EBADF, read_args(self, ARGS(.fd = -1)));
	EXPECT_EQ(-EBADF, read_args(self, ARGS(.fd = 1000)));
	EXPECT_EQ(-EBADF, read_args(self, ARGS(.fd = INT32_MIN)));
	fd = reopen(self->cached, O_RDONLY);
	close(fd);
	EXPECT_EQ(-EBADF, read_args(self, ARGS(.fd = fd)));
	fd = reopen(self->cached, O_WRONLY);
	EXPECT_EQ(-EBADF, read_args(self, ARGS(.fd = fd)));
	close(fd);
	path = open("/", O_PATH | O_CLOEXEC);
	EXPECT_EQ(-EBADF, read_args(self, ARGS(.fd = path)));
	close(path);

	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT_EQ(-EISDIR, read_args(self, ARGS(.fd = fd)));
	close(fd);
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	ASSERT_EQ(1, write(fds[1], "x", 1));
	EXPECT_EQ(-ESPIPE, read_args(self, ARGS(.fd = fds[0], .length = 1)));
	EXPECT_EQ(-EBADF, read_args(self, ARGS(.fd = fds[1])));
	close(fds[0]);
	close(fds[1]);
	ASSERT_EQ(0, mkfifo("/tmp/fifo", 0600));
	fd = open("/tmp/fifo", O_RDWR | O_CLOEXEC);
	EXPECT_EQ(-ESPIPE, read_args(self, ARGS(.fd = fd)));
	close(fd);
	unlink("/tmp/fifo");
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks));
	EXPECT_EQ(-ESPIPE, read_args(self, ARGS(.fd = socks[0])));
	close(socks[0]);
	close(socks[1]);

	/* The pool itself, by its writer and by another file; another pool, and one that is READY. */
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.fd = self->writer)));
	pool = pool_open("r", O_RDWR);
	ASSERT_LE(0, pool);
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.fd = pool)));
	close(pool);
	ASSERT_EQ(0, pool_create_ready("other", HUGE, SEED));
	other = pool_open("other", O_RDONLY);
	ASSERT_LE(0, other);
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.fd = other)));
	close(other);
	pool_destroy("other");
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.fd = self->ring.ring_fd)));

	fd = control_open(O_RDWR);
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.fd = fd)));
	close(fd);
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.fd = fd)));
	close(fd);
	fd = epoll_create1(EPOLL_CLOEXEC);
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.fd = fd)));
	close(fd);
	fd = eventfd(1, EFD_CLOEXEC);
	EXPECT_EQ(-EINVAL, read_args(self, ARGS(.fd = fd, .length = 8)));
	close(fd);

	publish(_metadata, self);
	EXPECT_TRUE(all_zero(self->bytes, 0, BYTES));
}

TEST_F(read, other_sources_that_are_some)
{
	char first[4096];
	int disk = open("/dev/nvme0n1", O_RDONLY | O_CLOEXEC), memory = memfd_create("source", MFD_CLOEXEC), proc;

	ASSERT_LE(0, disk);
	EXPECT_EQ(4096, read_args(self, ARGS(.fd = disk, .file_offset = 1024, .pool_offset = 5 * HUGE, .length = 4096)));
	ASSERT_EQ(4096, pread(disk, first, 4096, 1024));
	close(disk);
	ASSERT_LE(0, memory);
	ASSERT_EQ(9, write(memory, "from tmpf", 9));
	EXPECT_EQ(9, read_args(self, ARGS(.fd = memory)));
	close(memory);
	proc = open("/proc/sys/kernel/ostype", O_RDONLY | O_CLOEXEC);
	EXPECT_EQ(6, read_args(self, ARGS(.fd = proc, .pool_offset = HUGE)));
	close(proc);
	/* And the pool's own file from the ring's table. */
	ASSERT_EQ(0, io_uring_register_files(&self->ring, &self->writer, 1));
	queue_read(&self->ring, 0, self->direct, 0, 6 * HUGE, HUGE, IOSQE_FIXED_FILE);
	EXPECT_EQ(HUGE, submit_one(&self->ring));
	publish(_metadata, self);
	EXPECT_EQ(0, memcmp(self->bytes, "from tmpf", 10));
	EXPECT_EQ(0, memcmp(self->bytes + HUGE, "Linux\n", 7));
	EXPECT_EQ(0, memcmp(self->bytes + 5 * HUGE, first, 4096));
	EXPECT_EQ(-1, pattern_differs(self->bytes + 6 * HUGE, HUGE, SEED, 0));
}

TEST_F(read, only_the_writer_while_it_loads)
{
	int other = pool_open("r", O_RDWR), reader = pool_open("r", O_RDONLY);

	ASSERT_LE(0, other);
	ASSERT_LE(0, reader);
	EXPECT_EQ(-EBADF, read_one(&self->ring, other, self->cached, 0, 0, HUGE));
	EXPECT_EQ(-EBADF, read_one(&self->ring, reader, self->cached, 0, 0, HUGE));
	EXPECT_EQ(-EBADF, read_one(&self->ring, reader, self->direct, 0, 0, HUGE));
	ASSERT_EQ(0, pool_abort(self->writer));
	EXPECT_EQ(-EBADF, read_one(&self->ring, self->writer, self->cached, 0, 0, HUGE));
	ASSERT_EQ(0, pool_begin(self->writer));
	EXPECT_EQ(HUGE, read_one(&self->ring, self->writer, self->cached, 0, 0, HUGE));
	publish(_metadata, self);
	EXPECT_EQ(-EROFS, read_one(&self->ring, self->writer, self->cached, HUGE, 0, HUGE));
	EXPECT_EQ(-EROFS, read_one(&self->ring, other, self->direct, HUGE, 0, HUGE));
	close(other);
	close(reader);
	EXPECT_EQ(-1, pattern_differs(self->bytes, HUGE, SEED, 0));
	EXPECT_TRUE(all_zero(self->bytes, HUGE, BYTES));
}

/* Pages come with the read, from a worker, and as many as there may be. */
TEST_F(read, on_demand_pages_come_with_the_read)
{
	struct pinpool_create c;
	struct pinpool_pool_info info;
	struct pinpool_module_info module;
	char limit[32], before[32];
	int fd, param;

	create_init(&c, "demand", BYTES);
	c.flags = PINPOOL_CREATE_ON_DEMAND;
	ASSERT_EQ(0, create_as(&c));
	fd = pool_open("demand", O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_begin(fd));
	EXPECT_EQ(2 * HUGE, read_one(&self->ring, fd, self->direct, HUGE, HUGE, 2 * HUGE));
	EXPECT_EQ(100, read_one(&self->ring, fd, self->cached, 5 * HUGE, 5 * HUGE, 100));
	ASSERT_EQ(0, pool_info(fd, &info));
	EXPECT_EQ(3, info.out_huge_pages);

	ASSERT_EQ(0, module_info(&module));
	ASSERT_LT(0, file_read(MODULE_SYSFS "/parameters/limit_mb", before, sizeof(before)));
	snprintf(limit, sizeof(limit), "%llu", (unsigned long long)module.out_used_bytes >> 20);
	param = open(MODULE_SYSFS "/parameters/limit_mb", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, param);
	ASSERT_LT(0, write(param, limit, strlen(limit)));
	EXPECT_EQ(-ENOSPC, read_one(&self->ring, fd, self->direct, 6 * HUGE, 6 * HUGE, HUGE));
	EXPECT_EQ(HUGE, read_one(&self->ring, fd, self->direct, 5 * HUGE, 5 * HUGE, HUGE));
	ASSERT_LT(0, pwrite(param, before, strlen(before), 0));
	close(param);
	EXPECT_EQ(HUGE, read_one(&self->ring, fd, self->direct, 6 * HUGE, 6 * HUGE, HUGE));

	ASSERT_EQ(BYTES, pread(fd, self->bytes, BYTES, 0));
	EXPECT_TRUE(all_zero(self->bytes, 0, HUGE));
	EXPECT_EQ(-1, pattern_differs(self->bytes + HUGE, 2 * HUGE, SEED, HUGE));
	EXPECT_TRUE(all_zero(self->bytes, 3 * HUGE, 5 * HUGE));
	EXPECT_EQ(-1, pattern_differs(self->bytes + 5 * HUGE, 2 * HUGE, SEED, 5 * HUGE));
	EXPECT_TRUE(all_zero(self->bytes, 7 * HUGE, BYTES));
	close(fd);
	pool_destroy("demand");
}

/* No page for what the source does not have, wherever the range lies and ends. */
TEST_F(read, on_demand_pages_as_far_as_the_source_reaches)
{
	const int flags[] = { O_RDONLY, O_RDONLY | O_DIRECT };
	struct pinpool_pool_info info;
	int fd, disk, source;
	uint64_t size;

	disk = open("/dev/nvme0n1", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, disk);
	ASSERT_EQ(0, ioctl(disk, BLKGETSIZE64, &size));
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		ASSERT_EQ(0, pool_create_flags("demand", BYTES, PINPOOL_CREATE_ON_DEMAND));
		fd = pool_open("demand", O_RDWR);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, pool_begin(fd));
		source = odd_source(HUGE + 12345, flags[i]);
		ASSERT_LE(0, source);
		EXPECT_EQ(HUGE + 12345, read_one(&self->ring, fd, source, 0, HUGE / 2, 7 * HUGE));
		ASSERT_EQ(0, pool_info(fd, &info));
		EXPECT_EQ(2, info.out_huge_pages);
		/* To the byte, and from the end on. */
		EXPECT_EQ(HUGE + 12345 - 4096, read_one(&self->ring, fd, source, 4096, 3 * HUGE - 4096, 2 * HUGE + 8192));
		EXPECT_EQ(0, read_one(&self->ring, fd, source, 4 * HUGE, 3 * HUGE, 4 * HUGE));
		EXPECT_EQ(0, read_one(&self->ring, fd, source, 4 * HUGE, 4 * HUGE - 512, 2 * HUGE));
		EXPECT_EQ(4096, read_one(&self->ring, fd, disk, size - 4096, 3 * HUGE, 4 * HUGE));
		ASSERT_EQ(0, pool_info(fd, &info));
		EXPECT_EQ(5, info.out_huge_pages);
		close(source);
		close(fd);
		pool_destroy("demand");
	}
	close(disk);
}

/*
 * Asked for more than one read may be, of a source that does not say how much it has: cut to that, of which a limit
 * leaves just so many pages. What there is comes.
 */
TEST_F(read, no_more_at_once_than_a_read_may_be)
{
	const uint64_t most = 1024, capacity = (most + 16) * HUGE;
	struct pinpool_module_info module;
	struct pinpool_pool_info info;
	char limit[32], text[256];
	ssize_t n;
	int fd, proc;

	ASSERT_EQ(0, pool_create_flags("demand", capacity, PINPOOL_CREATE_ON_DEMAND));
	fd = pool_open("demand", O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_begin(fd));
	proc = open("/proc/version", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, proc);
	n = read(proc, text, sizeof(text));
	ASSERT_LT(0, n);
	ASSERT_EQ(0, module_info(&module));
	snprintf(limit, sizeof(limit), "%llu", (unsigned long long)(module.out_used_bytes + most * HUGE) >> 20);
	ASSERT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_mb", limit));
	EXPECT_EQ(n, read_one(&self->ring, fd, proc, 0, 0, capacity));
	ASSERT_EQ(0, pool_info(fd, &info));
	EXPECT_EQ(most, info.out_huge_pages);
	ASSERT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_mb", "0"));
	close(proc);
	close(fd);
	pool_destroy("demand");
}

TEST_F(read, the_module_says_that_it_can)
{
	struct pinpool_module_info info;

	ASSERT_EQ(0, module_info(&info));
	EXPECT_TRUE(info.out_features & PINPOOL_FEATURE_URING_READ);
}

TEST_HARNESS_MAIN
