// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * O_DIRECT from a disk into the writer's mapping: the way weights are loaded. Plain reads everywhere, fixed buffers
 * where the kernel registers such memory, and commit that waits for neither: it refuses while a buffer is pinned.
 */
#include <liburing.h>
#include <sys/utsname.h>

#include "harness.h"
#include "kmod_test.h"

#define PAGES 8
#define BYTES (PAGES * HUGE)
#define CHUNK (512UL << 10)
#define DEPTH 8
#define SEED 31

FIXTURE(uring) {
	int source; /* O_DIRECT, BYTES of pattern SEED on a real file system */
	int writer;
	char *map;
	struct io_uring ring;
};

FIXTURE_SETUP(uring)
{
	self->source = source_open(BYTES, SEED);
	ASSERT_LE(0, self->source);
	self->writer = pool_create_loading("u", BYTES);
	ASSERT_LE(0, self->writer);
	self->map = pool_map(self->writer, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->map);
	ASSERT_EQ(0, io_uring_queue_init(DEPTH, &self->ring, 0));
}

FIXTURE_TEARDOWN(uring)
{
	io_uring_queue_exit(&self->ring);
	munmap(self->map, BYTES);
	close(self->writer);
	close(self->source);
	pool_destroy("u");
}

/* Reads the source into the mapping, DEPTH chunks at a time. 0 or -errno. */
static int stream(FIXTURE_DATA(uring) * self, bool fixed)
{
	size_t submitted = 0, done = 0;
	int in_flight = 0;

	while (done < BYTES) {
		struct io_uring_cqe *cqe;
		int ret;

		while (in_flight < DEPTH && submitted < BYTES) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);

			if (fixed) {
				io_uring_prep_read_fixed(sqe, self->source, self->map + submitted, CHUNK, submitted, 0);
			} else {
				io_uring_prep_read(sqe, self->source, self->map + submitted, CHUNK, submitted);
			}
			submitted += CHUNK;
			in_flight++;
		}
		ret = io_uring_submit_and_wait(&self->ring, 1);
		if (ret < 0)
			return ret;
		ret = io_uring_wait_cqe(&self->ring, &cqe);
		if (ret < 0)
			return ret;
		if (cqe->res != (int)CHUNK)
			return cqe->res < 0 ? cqe->res : -EIO;
		io_uring_cqe_seen(&self->ring, cqe);
		in_flight--;
		done += CHUNK;
	}
	return 0;
}

static void publish_and_verify(struct __test_metadata *_metadata, FIXTURE_DATA(uring) * self)
{
	char *p;
	int fd;

	EXPECT_EQ(-1, pattern_differs(self->map, BYTES, SEED, 0));
	EXPECT_EQ(-EBUSY, pool_commit(self->writer, BYTES));
	munmap(self->map, BYTES);
	ASSERT_EQ(0, pool_commit(self->writer, BYTES));
	fd = pool_open("u", O_RDONLY);
	ASSERT_LE(0, fd);
	p = pool_map(fd, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
	munmap(p, BYTES);
	close(fd);
}

TEST_F(uring, direct_reads_land_in_the_pool)
{
	ASSERT_EQ(0, stream(self, false));
	publish_and_verify(_metadata, self);
}

TEST_F(uring, preadv_lands_in_the_pool)
{
	for (size_t at = 0; at < BYTES; at += 2 * HUGE) {
		ASSERT_EQ(2 * HUGE, pread(self->source, self->map + at, 2 * HUGE, at));
	}
	publish_and_verify(_metadata, self);
}

/* A piece that is aligned to the disk's blocks and to nothing else. */
TEST_F(uring, direct_read_across_huge_pages_at_odd_places)
{
	ASSERT_EQ(HUGE, pread(self->source, self->map + HUGE - 512, HUGE, HUGE - 512));
	EXPECT_EQ(-1, nonzero_at(self->map, HUGE - 512));
	EXPECT_EQ(-1, pattern_differs(self->map + HUGE - 512, HUGE, SEED, HUGE - 512));
	EXPECT_EQ(-1, nonzero_at(self->map + 2 * HUGE - 512, BYTES - 2 * HUGE + 512));
}

/* 0, or -EOPNOTSUPP on a kernel that refuses file memory that is neither hugetlb nor shmem: 6.1. */
static int register_map(FIXTURE_DATA(uring) * self)
{
	struct iovec iov = { self->map, BYTES };

	return io_uring_register_buffers(&self->ring, &iov, 1);
}

static bool kernel_registers_file_memory(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	uname(&u);
	sscanf(u.release, "%d.%d", &major, &minor);
	return major > 6 || (major == 6 && minor >= 12);
}

TEST_F(uring, fixed_buffers_or_a_clear_no)
{
	int ret = register_map(self);

	if (!kernel_registers_file_memory()) {
		EXPECT_EQ(-EOPNOTSUPP, ret);
		ASSERT_EQ(0, stream(self, false));
	} else {
		ASSERT_EQ(0, ret);
		ASSERT_EQ(0, stream(self, true));
		EXPECT_EQ(0, io_uring_unregister_buffers(&self->ring));
	}
	publish_and_verify(_metadata, self);
}

/* Without the mapping the pin alone must be enough for a no: a READ_FIXED could still write through it. */
TEST_F(uring, commit_is_refused_while_a_buffer_is_registered)
{
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int ret = register_map(self), tries = 0;

	if (!kernel_registers_file_memory()) {
		EXPECT_EQ(-EOPNOTSUPP, ret);
		return;
	}
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, munmap(self->map, BYTES));
	EXPECT_EQ(-EBUSY, pool_commit(self->writer, BYTES));
	EXPECT_EQ(PINPOOL_STATE_LOADING, pool_state(self->writer));
	/* It really could have written. */
	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_read_fixed(sqe, self->source, self->map + HUGE, CHUNK, HUGE, 0);
	ASSERT_EQ(1, io_uring_submit_and_wait(&self->ring, 1));
	ASSERT_EQ(0, io_uring_wait_cqe(&self->ring, &cqe));
	EXPECT_EQ(CHUNK, cqe->res);
	io_uring_cqe_seen(&self->ring, cqe);
	ASSERT_EQ(0, io_uring_unregister_buffers(&self->ring));
	/* The kernel may drop the pins a moment later. */
	while ((ret = pool_commit(self->writer, BYTES)) == -EBUSY && tries++ < 1000)
		sleep_us(10000);
	ASSERT_EQ(0, ret);
	self->map = pool_map(self->writer, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, self->map);
	EXPECT_EQ(-1, pattern_differs(self->map + HUGE, CHUNK, SEED, HUGE));
	EXPECT_EQ(-1, nonzero_at(self->map, HUGE));
}

/* The same pin after the load was given up: nobody may begin on pages that somebody can still write to. */
TEST_F(uring, begin_is_refused_while_an_old_buffer_is_registered)
{
	int ret = register_map(self), tries = 0;

	if (!kernel_registers_file_memory()) {
		EXPECT_EQ(-EOPNOTSUPP, ret);
		return;
	}
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, pool_abort(self->writer));
	ASSERT_EQ(0, munmap(self->map, BYTES));
	EXPECT_EQ(-EBUSY, pool_begin(self->writer));
	ASSERT_EQ(0, io_uring_unregister_buffers(&self->ring));
	while ((ret = pool_begin(self->writer)) == -EBUSY && tries++ < 1000)
		sleep_us(10000);
	ASSERT_EQ(0, ret);
	self->map = pool_map(self->writer, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->map);
	EXPECT_EQ(-1, nonzero_at(self->map, BYTES));
}

/* READY pages are a source for writes like any: O_DIRECT out of the mapping, to disk. */
TEST_F(uring, direct_write_from_a_ready_pool)
{
	char path[] = "/mnt/sink.XXXXXX", *p, *back = malloc(BYTES);
	int sink;

	ASSERT_NE(NULL, back);
	ASSERT_EQ(0, stream(self, false));
	munmap(self->map, BYTES);
	ASSERT_EQ(0, pool_commit(self->writer, BYTES));
	p = pool_map(self->writer, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	sink = mkstemp(path);
	ASSERT_LE(0, sink);
	ASSERT_EQ(0, fcntl(sink, F_SETFL, O_DIRECT));
	EXPECT_EQ(BYTES, pwrite(sink, p, BYTES, 0));
	ASSERT_EQ(0, fcntl(sink, F_SETFL, 0));
	EXPECT_EQ(BYTES, pread(sink, back, BYTES, 0));
	EXPECT_EQ(-1, pattern_differs(back, BYTES, SEED, 0));
	/* And the other way is refused. */
	EXPECT_EQ(-EFAULT, result(pread(self->source, p, HUGE, 0)));
	munmap(p, BYTES);
	close(sink);
	unlink(path);
	free(back);
}

/* What the next entry to end says, or -ETIME if none does. */
static int ring_end(struct io_uring *ring)
{
	struct __kernel_timespec limit = { .tv_sec = 10 };
	struct io_uring_cqe *cqe;
	int ret = io_uring_wait_cqe_timeout(ring, &cqe, &limit);

	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

/* What a read or write by the ring says. */
static int by_ring(struct io_uring *ring, int fd, bool writes, unsigned int flags)
{
	static char buf[PAGE];
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	int ret;

	if (writes)
		io_uring_prep_write(sqe, fd, buf, sizeof(buf), 0);
	else
		io_uring_prep_read(sqe, fd, buf, sizeof(buf), 0);
	sqe->flags |= flags;
	ret = io_uring_submit(ring);
	return ret == 1 ? ring_end(ring) : ret;
}

/* A ring asks poll() before it reads or writes, and waits for what poll() does not say. */
TEST_F(uring, reads_and_writes_as_read_and_write_do)
{
	static const unsigned int ways[] = { 0, IOSQE_ASYNC };
	int other = pool_open("u", O_RDWR);

	ASSERT_LE(0, other);
	munmap(self->map, BYTES);
	self->map = MAP_FAILED;
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(PAGE, by_ring(&self->ring, self->writer, true, ways[i]));
		EXPECT_EQ(PAGE, by_ring(&self->ring, self->writer, false, ways[i]));
		EXPECT_EQ(-EBADF, by_ring(&self->ring, other, true, ways[i]));
		EXPECT_EQ(-ENODATA, by_ring(&self->ring, other, false, ways[i]));
	}
	ASSERT_EQ(0, pool_abort(self->writer));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(-EBADF, by_ring(&self->ring, other, true, ways[i]));
		EXPECT_EQ(-ENODATA, by_ring(&self->ring, other, false, ways[i]));
	}
	ASSERT_EQ(0, pool_begin(self->writer));
	ASSERT_EQ(0, pool_commit(self->writer, BYTES));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(-EROFS, by_ring(&self->ring, other, true, ways[i]));
		EXPECT_EQ(PAGE, by_ring(&self->ring, other, false, ways[i]));
	}
	close(other);
}

/*
 * Writes that have to wait for their pages, by rings of each kind that tries without waiting at first: they end, by a
 * worker, and wait for no event. One that may not wait at all says so.
 */
TEST_F(uring, writes_that_have_to_wait_for_pages)
{
	static const unsigned int kinds[] = {
		0,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		IORING_SETUP_SQPOLL,
	};
	static char buf[PAGE];

	memset(buf, 'x', sizeof(buf));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct pinpool_pool_info info;
		struct io_uring_sqe *sqe;
		struct io_uring ring;
		int fd;

		ASSERT_EQ(0, io_uring_queue_init(DEPTH, &ring, kinds[i]));
		ASSERT_EQ(0, pool_create_flags("o", BYTES, PINPOOL_CREATE_ON_DEMAND));
		fd = pool_open_loading("o");
		ASSERT_LE(0, fd);
		sqe = io_uring_get_sqe(&ring);
		io_uring_prep_write(sqe, fd, buf, PAGE, HUGE);
		sqe->rw_flags = RWF_NOWAIT;
		ASSERT_EQ(1, io_uring_submit(&ring));
		EXPECT_EQ(-EAGAIN, ring_end(&ring)) TH_LOG("kind %zu", i);
		ASSERT_EQ(0, pool_info(fd, &info));
		EXPECT_EQ(0, info.out_huge_pages);
		for (int k = 0; k < PAGES; k++) {
			sqe = io_uring_get_sqe(&ring);
			io_uring_prep_write(sqe, fd, buf, PAGE, k * HUGE);
			sqe->flags |= k % 2 ? IOSQE_ASYNC : 0;
		}
		ASSERT_EQ(PAGES, io_uring_submit(&ring));
		for (int k = 0; k < PAGES; k++)
			EXPECT_EQ(PAGE, ring_end(&ring)) TH_LOG("kind %zu", i);
		ASSERT_EQ(0, pool_info(fd, &info));
		EXPECT_EQ(PAGES, info.out_huge_pages);
		EXPECT_EQ(PAGES * PAGE, info.out_bytes_written);
		io_uring_queue_exit(&ring);
		close(fd);
		ASSERT_EQ(0, pool_destroy("o"));
	}
}

TEST_HARNESS_MAIN
