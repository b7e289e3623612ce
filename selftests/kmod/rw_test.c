// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * The file calls on a pool: read, pread, lseek, splice and sendfile see exactly [0, length); write and pwrite of the
 * writer put every byte where it belongs, from any source memory, and stop at the capacity.
 */
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "harness.h"
#include "kmod_test.h"

#define PAGES 4
#define BYTES (PAGES * HUGE)
/* A length that is no multiple of anything but 8. */
#define LENGTH (3 * HUGE + 5 * PAGE + 24)
#define SEED 21

FIXTURE(rw) {
	int reader; /* of pool "r", READY, LENGTH bytes of pattern SEED */
	int writer; /* of pool "w", LOADING */
	char *buf; /* BYTES, anonymous */
};

FIXTURE_SETUP(rw)
{
	int fd = pool_create_loading("r", BYTES);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_write_pattern(fd, SEED, 0, LENGTH));
	ASSERT_EQ(0, pool_commit(fd, LENGTH));
	close(fd);
	self->reader = pool_open("r", O_RDONLY);
	ASSERT_LE(0, self->reader);
	self->writer = pool_create_loading("w", BYTES);
	ASSERT_LE(0, self->writer);
	self->buf = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->buf);
}

FIXTURE_TEARDOWN(rw)
{
	munmap(self->buf, BYTES);
	close(self->reader);
	close(self->writer);
	pool_destroy("r");
	pool_destroy("w");
}

TEST_F(rw, read_from_begin_to_end)
{
	size_t at = 0;
	ssize_t n;

	/* Chunks that cross page and huge page boundaries at changing places. */
	for (size_t chunk = 1000; (n = read(self->reader, self->buf + at, chunk)) > 0; chunk = chunk * 3 % 500009 + 1)
		at += n;
	EXPECT_EQ(0, n);
	EXPECT_EQ(LENGTH, at);
	EXPECT_EQ(-1, pattern_differs(self->buf, LENGTH, SEED, 0));
	EXPECT_EQ(0, read(self->reader, self->buf, 1));
}

TEST_F(rw, pread_is_exact_and_ends_at_the_length)
{
	static const size_t at[] = { 0, 8, HUGE - 8, HUGE, HUGE + 8, 3 * HUGE - 16, LENGTH - 24 };

	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		EXPECT_EQ(24, pread(self->reader, self->buf, 24, at[i]));
		EXPECT_EQ(-1, pattern_differs(self->buf, 24, SEED, at[i]));
	}
	EXPECT_EQ(8, pread(self->reader, self->buf, 100, LENGTH - 8));
	EXPECT_EQ(-1, pattern_differs(self->buf, 8, SEED, LENGTH - 8));
	EXPECT_EQ(0, pread(self->reader, self->buf, 1, LENGTH));
	EXPECT_EQ(0, pread(self->reader, self->buf, 1, BYTES));
	EXPECT_EQ(0, pread(self->reader, self->buf, 1, INT64_MAX - 1));
	EXPECT_EQ(-EINVAL, result(pread(self->reader, self->buf, 1, -1)));
	EXPECT_EQ(0, pread(self->reader, self->buf, 0, 0));
	EXPECT_EQ(LENGTH, pread(self->reader, self->buf, BYTES, 0));
}

TEST_F(rw, preadv_scatters)
{
	struct iovec iov[] = { { self->buf, 8 }, { self->buf + PAGE, HUGE }, { self->buf + 2 * HUGE, 64 } };

	EXPECT_EQ(HUGE + 72, preadv(self->reader, iov, 3, HUGE - 16));
	EXPECT_EQ(-1, pattern_differs(self->buf, 8, SEED, HUGE - 16));
	EXPECT_EQ(-1, pattern_differs(self->buf + PAGE, HUGE, SEED, HUGE - 8));
	EXPECT_EQ(-1, pattern_differs(self->buf + 2 * HUGE, 64, SEED, 2 * HUGE - 8));
}

TEST_F(rw, read_into_memory_that_is_not_there)
{
	ASSERT_EQ(0, munmap(self->buf + PAGE, PAGE));
	EXPECT_EQ(-EFAULT, result(pread(self->reader, self->buf + PAGE, PAGE, 0)));
	/* Up to the hole, as with any file. */
	EXPECT_EQ(PAGE, pread(self->reader, self->buf, 2 * PAGE, 0));
	EXPECT_EQ(-1, pattern_differs(self->buf, PAGE, SEED, 0));
}

TEST_F(rw, lseek_finds_the_length)
{
	struct stat st;

	EXPECT_EQ(LENGTH, lseek(self->reader, 0, SEEK_END));
	EXPECT_EQ(0, read(self->reader, self->buf, 8));
	EXPECT_EQ(LENGTH - 16, lseek(self->reader, -16, SEEK_CUR));
	EXPECT_EQ(16, read(self->reader, self->buf, 64));
	EXPECT_EQ(-1, pattern_differs(self->buf, 16, SEED, LENGTH - 16));
	EXPECT_EQ(HUGE, lseek(self->reader, HUGE, SEEK_SET));
	EXPECT_EQ(8, read(self->reader, self->buf, 8));
	EXPECT_EQ(-1, pattern_differs(self->buf, 8, SEED, HUGE));
	EXPECT_EQ(-EINVAL, result(lseek(self->reader, -1, SEEK_SET)));
	EXPECT_EQ(-EINVAL, result(lseek(self->reader, -(off_t)LENGTH - 1, SEEK_END)));
	EXPECT_EQ(-EINVAL, result(lseek(self->reader, 0, 99)));
	EXPECT_EQ(0, fstat(self->reader, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
}

TEST_F(rw, splice_to_a_pipe)
{
	loff_t at = 0;
	int p[2];

	ASSERT_EQ(0, pipe(p));
	for (size_t have = 0; have < LENGTH;) {
		ssize_t n = splice(self->reader, &at, p[1], NULL, 1 << 20, 0), got;

		ASSERT_LT(0, n);
		for (ssize_t left = n; left; left -= got) {
			got = read(p[0], self->buf + have, left);
			ASSERT_LT(0, got);
			have += got;
		}
		ASSERT_EQ(have, at);
	}
	EXPECT_EQ(0, splice(self->reader, &at, p[1], NULL, PAGE, 0));
	EXPECT_EQ(-1, pattern_differs(self->buf, LENGTH, SEED, 0));
	close(p[0]);
	close(p[1]);
}

/* What is in a pipe holds pages of the pool; those live on when the pool goes, and are given back after that. */
TEST_F(rw, spliced_pages_outlive_the_pool)
{
	loff_t at = HUGE;
	ssize_t n;
	int p[2];

	ASSERT_EQ(0, pipe(p));
	n = splice(self->reader, &at, p[1], NULL, 4 * PAGE, 0);
	ASSERT_LT(0, n);
	close(self->reader);
	self->reader = -1;
	ASSERT_EQ(0, pool_destroy("r"));
	EXPECT_EQ(n, read(p[0], self->buf, n));
	/* The content or nothing: never another pool's. */
	if (nonzero_at(self->buf, n) != -1) {
		EXPECT_EQ(-1, pattern_differs(self->buf, n, SEED, HUGE));
	}
	close(p[0]);
	close(p[1]);
}

TEST_F(rw, sendfile_copies_a_pool_to_a_file)
{
	char path[] = "/tmp/pinpool.XXXXXX";
	int out = mkstemp(path);
	off_t at = 0;

	ASSERT_LE(0, out);
	unlink(path);
	while (at < (off_t)LENGTH) {
		ASSERT_LT(0, sendfile(out, self->reader, &at, LENGTH - at));
	}
	EXPECT_EQ(LENGTH, lseek(out, 0, SEEK_END));
	EXPECT_EQ(LENGTH, pread(out, self->buf, BYTES, 0));
	EXPECT_EQ(-1, pattern_differs(self->buf, LENGTH, SEED, 0));
	close(out);
}

/* The mapping of the writer shows what write() put there. */
TEST_F(rw, write_advances_and_every_byte_lands)
{
	struct pinpool_pool_info info;
	size_t at = 0;
	char *p;

	pattern_fill(self->buf, BYTES, 5, 0);
	for (size_t chunk = 1; at < BYTES; chunk = chunk * 5 % 700001 + 1) {
		size_t n = chunk < BYTES - at ? chunk : BYTES - at;

		ASSERT_EQ(n, write(self->writer, self->buf + at, n));
		at += n;
	}
	EXPECT_EQ(-ENOSPC, result(write(self->writer, "x", 1)));
	ASSERT_EQ(0, pool_info(self->writer, &info));
	EXPECT_EQ(BYTES, info.out_bytes_written);
	p = pool_map(self->writer, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, pattern_differs(p, BYTES, 5, 0));
	munmap(p, BYTES);
	EXPECT_EQ(0, pool_commit(self->writer, BYTES));
	EXPECT_EQ(BYTES, pread(self->writer, self->buf, BYTES, 0));
	EXPECT_EQ(-1, pattern_differs(self->buf, BYTES, 5, 0));
}

TEST_F(rw, pwrite_stops_at_the_capacity)
{
	pattern_fill(self->buf, BYTES, 6, 0);
	EXPECT_EQ(16, pwrite(self->writer, self->buf + BYTES - 16, 4096, BYTES - 16));
	EXPECT_EQ(-ENOSPC, result(pwrite(self->writer, self->buf, 1, BYTES)));
	EXPECT_EQ(-ENOSPC, result(pwrite(self->writer, self->buf, 1, BYTES + HUGE)));
	EXPECT_GT(0, result(pwrite(self->writer, self->buf, 1, INT64_MAX - 1)));
	EXPECT_EQ(-EINVAL, result(pwrite(self->writer, self->buf, 1, -1)));
	EXPECT_EQ(0, pwrite(self->writer, self->buf, 0, 0));
	EXPECT_EQ(16, pwrite(self->writer, self->buf + HUGE - 8, 16, HUGE - 8));
	ASSERT_EQ(0, pool_commit(self->writer, BYTES));
	EXPECT_EQ(BYTES, pread(self->writer, self->buf, BYTES, 0));
	EXPECT_EQ(-1, pattern_differs(self->buf + BYTES - 16, 16, 6, BYTES - 16));
	EXPECT_EQ(-1, pattern_differs(self->buf + HUGE - 8, 16, 6, HUGE - 8));
	EXPECT_EQ(-1, nonzero_at(self->buf, HUGE - 8));
	EXPECT_EQ(-1, nonzero_at(self->buf + HUGE + 8, BYTES - HUGE - 24));
}

TEST_F(rw, pwritev_gathers)
{
	struct iovec iov[] = { { self->buf, 8 }, { self->buf + PAGE, HUGE }, { self->buf + 2 * HUGE, 64 } };

	pattern_fill(self->buf, 8, 7, HUGE - 16);
	pattern_fill(self->buf + PAGE, HUGE, 7, HUGE - 8);
	pattern_fill(self->buf + 2 * HUGE, 64, 7, 2 * HUGE - 8);
	EXPECT_EQ(HUGE + 72, pwritev(self->writer, iov, 3, HUGE - 16));
	ASSERT_EQ(0, pool_commit(self->writer, BYTES));
	EXPECT_EQ(HUGE + 72, pread(self->writer, self->buf, HUGE + 72, HUGE - 16));
	EXPECT_EQ(-1, pattern_differs(self->buf, HUGE + 72, 7, HUGE - 16));
}

/* The source lies in the pool itself and has not been faulted in: the copy must fault while it holds its locks. */
TEST_F(rw, write_from_the_pools_own_mapping)
{
	char *p = pool_map(self->writer, BYTES, PROT_READ | PROT_WRITE);

	ASSERT_NE(MAP_FAILED, p);
	pattern_fill(p, HUGE, 8, 0);
	ASSERT_EQ(0, madvise(p, BYTES, MADV_DONTNEED));
	EXPECT_EQ(HUGE, pwrite(self->writer, p, HUGE, 2 * HUGE));
	EXPECT_EQ(-1, pattern_differs(p + 2 * HUGE, HUGE, 8, 0));
	/* From a page to itself, and onto itself with a shift. */
	ASSERT_EQ(0, madvise(p, BYTES, MADV_DONTNEED));
	EXPECT_EQ(HUGE, pwrite(self->writer, p, HUGE, 0));
	EXPECT_EQ(-1, pattern_differs(p, HUGE, 8, 0));
	/* From a part that nobody has touched: zeros. */
	EXPECT_EQ(PAGE, pwrite(self->writer, p + 3 * HUGE, PAGE, 2 * HUGE));
	EXPECT_EQ(-1, nonzero_at(p + 2 * HUGE, PAGE));
	EXPECT_EQ(-1, pattern_differs(p + 2 * HUGE + PAGE, HUGE - PAGE, 8, PAGE));
	munmap(p, BYTES);
}

TEST_F(rw, write_from_another_pools_mapping)
{
	char *p = pool_map(self->reader, BYTES, PROT_READ), *q;

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(LENGTH, pwrite(self->writer, p, LENGTH, 0));
	munmap(p, BYTES);
	q = pool_map(self->writer, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(-1, pattern_differs(q, LENGTH, SEED, 0));
	munmap(q, BYTES);
}

TEST_F(rw, write_from_memory_that_is_not_there)
{
	struct pinpool_pool_info info;
	char *p;
	long n;

	pattern_fill(self->buf, BYTES, 9, 0);
	ASSERT_EQ(0, munmap(self->buf + PAGE, PAGE));
	EXPECT_EQ(-EFAULT, result(pwrite(self->writer, self->buf + PAGE, PAGE, 0)));
	n = result(pwrite(self->writer, self->buf, 2 * PAGE, 0));
	/* Up to the hole or not at all; what was not taken is not counted and reads as zero. */
	EXPECT_TRUE(n == (long)PAGE || n == -EFAULT) TH_LOG("pwrite: %ld", n);
	ASSERT_EQ(0, pool_info(self->writer, &info));
	EXPECT_EQ(n > 0 ? n : 0, info.out_bytes_written);
	p = pool_map(self->writer, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	if (n > 0) {
		EXPECT_EQ(-1, pattern_differs(p, n, 9, 0));
	}
	EXPECT_EQ(-1, nonzero_at(p + PAGE, BYTES - PAGE));
	munmap(p, BYTES);
}

/* A source that goes away while it is copied: other threads cannot make the writer wait for ever or crash. */
TEST_F(rw, write_from_a_file_mapping_that_is_truncated)
{
	char path[] = "/tmp/pinpool.XXXXXX";
	int file = mkstemp(path);
	char *p;

	ASSERT_LE(0, file);
	unlink(path);
	ASSERT_EQ(0, ftruncate(file, HUGE));
	p = mmap(NULL, HUGE, PROT_READ, MAP_SHARED, file, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, ftruncate(file, PAGE));
	EXPECT_GE((long)PAGE, result(pwrite(self->writer, p, HUGE, 0)));
	EXPECT_EQ(-EFAULT, result(pwrite(self->writer, p + PAGE, PAGE, 0)));
	EXPECT_EQ(PINPOOL_STATE_LOADING, pool_state(self->writer));
	munmap(p, HUGE);
	close(file);
}

TEST_HARNESS_MAIN
