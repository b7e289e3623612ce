// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * PINPOOL_URING_READ in flight, and what happens meanwhile: the ring, the file, the source or the process goes, the pool
 * is aborted or destroyed, somebody wants a page that is being read. Sources that do not answer are in
 * uring_cmd_hang_test.c.
 */
#include <pthread.h>

#include "harness.h"
#include "uring_cmd.h"

#define PAGES 8
#define BYTES (PAGES * HUGE)
#define DEPTH 16
#define SEED  81
/* Of an earlier load: what must never be seen again. */
#define FORMER 82
#define PATIENCE_US 20000000

FIXTURE(life) {
	int source; /* O_DIRECT, BYTES of pattern SEED */
	int writer; /* of "l", LOADING; its pages hold pattern FORMER, untouched in this load */
	int reader;
	char *map; /* the writer's mapping, not touched */
};

/* EMPTY -> LOADING, over what a load before has left. */
static int begin_over_former(int fd)
{
	int ret = pool_begin(fd);

	ret = ret ? ret : pool_write_pattern(fd, FORMER, 0, BYTES);
	ret = ret ? ret : pool_abort(fd);
	return ret ? ret : pool_begin(fd);
}

FIXTURE_SETUP(life)
{
	self->source = source_open(BYTES, SEED);
	ASSERT_LE(0, self->source);
	ASSERT_EQ(0, pool_create("l", BYTES));
	self->writer = pool_open("l", O_RDWR);
	ASSERT_LE(0, self->writer);
	ASSERT_EQ(0, begin_over_former(self->writer));
	self->reader = pool_open("l", O_RDONLY);
	ASSERT_LE(0, self->reader);
	self->map = pool_map(self->writer, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(life)
{
	if (self->map)
		munmap(self->map, BYTES);
	close(self->reader);
	if (self->writer >= 0)
		close(self->writer);
	close(self->source);
	pool_destroy("l");
}

static void unmap(FIXTURE_DATA(life) * self)
{
	munmap(self->map, BYTES);
	self->map = NULL;
}

/* Ends the load and begins another one over the former content, mapped like it. 0 or -errno. */
static int load_again(FIXTURE_DATA(life) * self)
{
	int ret = pool_abort(self->writer);

	if (ret)
		return ret;
	unmap(self);
	ret = begin_over_former(self->writer);
	if (ret)
		return ret;
	self->map = pool_map(self->writer, BYTES, PROT_READ | PROT_WRITE);
	return self->map == MAP_FAILED ? -errno : 0;
}

static bool state_in_time(int fd, int state)
{
	for (long us = 0; pool_state(fd) != state; us += 10000) {
		if (us >= PATIENCE_US)
			return false;
		sleep_us(10000);
	}
	return true;
}

/* A page is the source's or zeros; part of each if a read ended early. Of the former load there is nothing. */
static int wrong_words(const void *bytes)
{
	const uint64_t *word = bytes;
	int wrong = 0;

	for (size_t i = 0; i < BYTES / 8; i++)
		wrong += word[i] && word[i] != pattern_word(SEED, i);
	return wrong;
}

static void queue_pages(struct io_uring *ring, int pool, int source, unsigned int flags)
{
	for (int i = 0; i < PAGES; i++)
		queue_read(ring, pool, source, i * HUGE, i * HUGE, HUGE, flags);
}

TEST_F(life, a_ring_closed_with_reads_in_flight)
{
	for (int round = 0; round < 10; round++) {
		struct io_uring ring;

		ASSERT_EQ(0, ring_init(&ring, DEPTH, 0));
		queue_pages(&ring, self->writer, self->source, round % 2 ? IOSQE_ASYNC : 0);
		ASSERT_EQ(PAGES, io_uring_submit(&ring));
		sleep_us(round * 200);
		io_uring_queue_exit(&ring);
		/* Waits for those that the disk is at work on. */
		ASSERT_EQ(0, load_again(self));
	}
	for (int round = 0; round < 2; round++) {
		struct io_uring ring;

		ASSERT_EQ(0, ring_init(&ring, DEPTH, 0));
		queue_pages(&ring, self->writer, self->source, 0);
		ASSERT_EQ(PAGES, io_uring_submit(&ring));
		io_uring_queue_exit(&ring);
	}
	unmap(self);
	ASSERT_EQ(0, commit_in_time(self->writer, BYTES, PATIENCE_US));
	self->map = pool_map(self->reader, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, self->map);
	EXPECT_EQ(0, wrong_words(self->map));
}

/* Reads that somebody wants to cancel come whole or not at all, and each of them ends once. */
TEST_F(life, reads_that_are_cancelled)
{
	struct io_uring ring;

	ASSERT_EQ(0, ring_init(&ring, 2 * PAGES, 0));
	for (int round = 0; round < 20; round++) {
		int ends[PAGES] = { 0 }, cancelled = 0;

		queue_pages(&ring, self->writer, self->source, round % 2 ? IOSQE_ASYNC : 0);
		ASSERT_EQ(PAGES, io_uring_submit(&ring));
		for (int i = 0; i < PAGES; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

			io_uring_prep_cancel64(sqe, i * HUGE, 0);
			sqe->user_data = ~0ULL;
		}
		ASSERT_EQ(PAGES, io_uring_submit(&ring));
		for (int i = 0; i < 2 * PAGES; i++) {
			struct io_uring_cqe *cqe;

			ASSERT_EQ(0, io_uring_wait_cqe(&ring, &cqe));
			if (cqe->user_data == ~0ULL) {
				cancelled += cqe->res == 0;
			} else {
				EXPECT_TRUE(cqe->res == HUGE || cqe->res == -ECANCELED) TH_LOG("%d", cqe->res);
				cancelled -= cqe->res == -ECANCELED;
				ends[cqe->user_data / HUGE]++;
			}
			io_uring_cqe_seen(&ring, cqe);
		}
		/* One that a worker has just taken is cancelled too, though who asked is told -EALREADY. */
		EXPECT_GE(0, cancelled);
		for (int i = 0; i < PAGES; i++)
			EXPECT_EQ(1, ends[i]);
		EXPECT_EQ(0, wrong_words(self->map));
		ASSERT_EQ(0, load_again(self));
	}
	io_uring_queue_exit(&ring);
}

/* The thread that submitted runs nothing for the ring while it waits: whoever ends the read must not need it. */
TEST_F(life, whoever_submitted_wants_the_page)
{
	struct io_uring ring;
	char byte;

	ASSERT_EQ(0, ring_init(&ring, DEPTH, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN));
	queue_pages(&ring, self->writer, self->source, 0);
	ASSERT_EQ(PAGES, io_uring_submit(&ring));
	/* A fault on a page that is locked or was; write() of all of one likewise. */
	byte = self->map[3 * HUGE];
	EXPECT_TRUE(!byte || byte == (char)pattern_word(SEED, 3 * HUGE / 8));
	EXPECT_EQ(0, pool_write_pattern(self->writer, SEED, 5 * HUGE, HUGE));
	for (int i = 0; i < PAGES; i++)
		EXPECT_EQ(HUGE, ring_result(&ring));
	EXPECT_EQ(-1, pattern_differs(self->map, BYTES, SEED, 0));

	ASSERT_EQ(0, pool_abort(self->writer));
	unmap(self);
	ASSERT_EQ(0, begin_over_former(self->writer));
	queue_pages(&ring, self->writer, self->source, 0);
	ASSERT_EQ(PAGES, io_uring_submit(&ring));
	/* Nor does an abort need it, though it waits for every read. */
	EXPECT_EQ(0, pool_abort(self->writer));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, pool_state(self->reader));
	for (int i = 0; i < PAGES; i++) {
		int ret = ring_result(&ring);

		/* Those that had not begun find no load. */
		EXPECT_TRUE(ret == HUGE || ret == -EBADF || ret == -EBUSY) TH_LOG("%d", ret);
	}
	io_uring_queue_exit(&ring);
}

/*
 * A commit beside reads either finds one in flight and is refused, or comes before all that is still to be written: then
 * what it published is final. That one in flight is refused for certain is shown where reads hang.
 */
TEST_F(life, a_commit_beside_reads_is_refused_or_final)
{
	struct io_uring ring;

	unmap(self);
	ASSERT_EQ(0, ring_init(&ring, DEPTH, 0));
	for (int round = 0; round < 20; round++) {
		uint64_t at_once[PAGES], later[PAGES];
		int ret;

		queue_pages(&ring, self->writer, self->source, IOSQE_ASYNC);
		ASSERT_EQ(PAGES, io_uring_submit(&ring));
		ret = pool_commit(self->writer, BYTES);
		EXPECT_TRUE(ret == 0 || ret == -EBUSY) TH_LOG("%d", ret);
		for (int i = 0; !ret && i < PAGES; i++)
			ASSERT_EQ(8, pread(self->writer, &at_once[i], 8, i * HUGE + HUGE - 8));
		for (int i = 0; i < PAGES; i++) {
			int came = ring_result(&ring);

			EXPECT_TRUE(came == HUGE || (!ret && came == -EROFS) || came == -EBUSY) TH_LOG("%d", came);
		}
		if (ret)
			continue;
		for (int i = 0; i < PAGES; i++)
			ASSERT_EQ(8, pread(self->writer, &later[i], 8, i * HUGE + HUGE - 8));
		EXPECT_EQ(0, memcmp(at_once, later, sizeof(later)));
		close(self->writer);
		ASSERT_EQ(0, pool_destroy("l"));
		self->writer = pool_create_loading("l", BYTES);
		ASSERT_LE(0, self->writer);
	}
	EXPECT_EQ(0, pool_commit(self->writer, BYTES));
	io_uring_queue_exit(&ring);
}

/* A read keeps the file, and so the load, but no longer. */
TEST_F(life, the_writer_closed_with_reads_in_flight)
{
	struct io_uring ring;

	unmap(self);
	ASSERT_EQ(0, ring_init(&ring, DEPTH, 0));
	queue_pages(&ring, self->writer, self->source, IOSQE_ASYNC);
	ASSERT_EQ(PAGES, io_uring_submit(&ring));
	close(self->writer);
	for (int i = 0; i < PAGES; i++)
		EXPECT_EQ(HUGE, ring_result(&ring));
	ASSERT_TRUE(state_in_time(self->reader, PINPOOL_STATE_EMPTY));
	self->writer = pool_open("l", O_RDWR);
	ASSERT_LE(0, self->writer);
	EXPECT_EQ(0, pool_begin(self->writer));
	EXPECT_EQ(0, pool_commit(self->writer, BYTES));
	self->map = pool_map(self->reader, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, self->map);
	EXPECT_EQ(-1, nonzero_at(self->map, BYTES));
	io_uring_queue_exit(&ring);
}

TEST_F(life, a_source_closed_before_it_is_looked_up)
{
	struct io_uring ring;

	ASSERT_EQ(0, ring_init(&ring, DEPTH, 0));
	for (int round = 0; round < 20; round++) {
		int source = source_open(HUGE, SEED), ret;

		ASSERT_LE(0, source);
		queue_read(&ring, self->writer, source, 0, 0, HUGE, IOSQE_ASYNC);
		ASSERT_EQ(1, io_uring_submit(&ring));
		close(source);
		ret = ring_result(&ring);
		EXPECT_TRUE(ret == HUGE || ret == -EBADF) TH_LOG("%d", ret);
	}
	io_uring_queue_exit(&ring);
}

TEST_F(life, a_pool_destroyed_with_reads_in_flight)
{
	struct io_uring ring;

	ASSERT_EQ(0, ring_init(&ring, DEPTH, 0));
	queue_pages(&ring, self->writer, self->source, IOSQE_ASYNC);
	ASSERT_EQ(PAGES, io_uring_submit(&ring));
	ASSERT_EQ(0, pool_destroy("l"));
	for (int i = 0; i < PAGES; i++)
		EXPECT_EQ(HUGE, ring_result(&ring));
	/* As with a file whose name is gone. */
	EXPECT_EQ(-1, pattern_differs(self->map, BYTES, SEED, 0));
	/* And with the very last user. */
	queue_pages(&ring, self->writer, self->source, IOSQE_ASYNC);
	ASSERT_EQ(PAGES, io_uring_submit(&ring));
	unmap(self);
	close(self->writer);
	self->writer = -1;
	close(self->reader);
	self->reader = -1;
	io_uring_queue_exit(&ring);
	ASSERT_EQ(0, pool_create("l", BYTES));
}

struct share {
	int pool;
	int source;
	unsigned int seed;
	int failed;
};

/* All pages in an order of its own, whole ones and pairs of halves, with others at the same. */
static void *read_share(void *arg)
{
	struct share *share = arg;
	struct io_uring ring;

	if (ring_init(&ring, DEPTH, 0))
		return arg;
	for (int i = 0; i < 60 && !share->failed; i++) {
		uint64_t from = rand_r(&share->seed) % (2 * PAGES - 4) * (HUGE / 2);
		uint64_t length = (1 + rand_r(&share->seed) % 4) * (HUGE / 2);
		int ret;

		queue_read(&ring, share->pool, share->source, from, from, length, i % 3 ? 0 : IOSQE_ASYNC);
		ret = submit_one(&ring);
		if (ret != (int)length)
			share->failed = ret ?: -EIO;
	}
	io_uring_queue_exit(&ring);
	return NULL;
}

TEST_F_TIMEOUT(life, threads_read_the_same_pages, 300)
{
	for (int round = 0; round < 4; round++) {
		struct share shares[4];
		pthread_t threads[4];
		char path[64];
		int cached;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", self->source);
		cached = open(path, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, cached);
		for (int i = 0; i < 4; i++) {
			shares[i] = (struct share){ self->writer, i % 2 ? cached : self->source, round * 10 + i };
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, read_share, &shares[i]));
		}
		for (int i = 0; i < 4; i++) {
			void *failed;

			pthread_join(threads[i], &failed);
			EXPECT_EQ(NULL, failed);
			EXPECT_EQ(0, shares[i].failed);
		}
		close(cached);
		EXPECT_EQ(0, wrong_words(self->map));
		ASSERT_EQ(0, load_again(self));
	}
}

/* A loader that loads for ever. It has begun when it says so. */
static void victim(int source, int up)
{
	int fd = pool_open("l", O_RDWR), in_flight = 0;
	struct io_uring ring;
	uint64_t at = 0;

	if (fd < 0 || pool_begin(fd) || ring_init(&ring, DEPTH, 0) || write(up, "", 1) != 1)
		_exit(2);
	for (;;) {
		for (; in_flight < DEPTH; in_flight++) {
			queue_read(&ring, fd, source, at, at, HUGE, in_flight % 2 ? IOSQE_ASYNC : 0);
			at = (at + HUGE) % BYTES;
		}
		io_uring_submit(&ring);
		if (ring_result(&ring) != HUGE)
			_exit(3);
		in_flight--;
	}
}

/* Pid of a process that loads. */
static pid_t start_victim(int source)
{
	int up[2];
	pid_t pid;
	char c;

	if (pipe(up))
		return -errno;
	pid = fork();
	if (pid == 0)
		victim(source, up[1]);
	close(up[1]);
	if (read(up[0], &c, 1) != 1)
		pid = -EIO;
	close(up[0]);
	return pid;
}

TEST_F_TIMEOUT(life, kill_with_reads_in_flight, 300)
{
	char *buf = malloc(BYTES);

	ASSERT_NE(NULL, buf);
	unmap(self);
	close(self->writer);
	self->writer = -1;
	for (int round = 0; round < 15; round++) {
		int status, fd;
		pid_t pid = start_victim(self->source);

		ASSERT_LT(0, pid);
		sleep_us(1 + round * round * 300);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status)) TH_LOG("the victim ended by itself: %d", WEXITSTATUS(status));
		/* The last of its reads lets go of the file. */
		ASSERT_TRUE(state_in_time(self->reader, PINPOOL_STATE_EMPTY));
		fd = pool_open("l", O_RDWR);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, pool_begin(fd));
		ASSERT_EQ(BYTES, pread(fd, buf, BYTES, 0));
		EXPECT_EQ(-1, nonzero_at(buf, BYTES));
		sleep_us(20000);
		EXPECT_EQ(1, pwrite(fd, "", 1, 0));
		EXPECT_EQ(1, pwrite(fd, "", 1, BYTES - 1));
		ASSERT_EQ(BYTES, pread(fd, buf, BYTES, 0));
		EXPECT_EQ(-1, nonzero_at(buf, BYTES));
		close(fd);
	}
	free(buf);
}

TEST_F_TIMEOUT(life, destroyed_and_killed_with_reads_in_flight, 120)
{
	unmap(self);
	close(self->writer);
	self->writer = -1;
	for (int round = 0; round < 8; round++) {
		pid_t pid = start_victim(self->source);
		int status;

		ASSERT_LT(0, pid);
		sleep_us(round * 3000);
		ASSERT_EQ(0, pool_destroy("l"));
		close(self->reader);
		ASSERT_EQ(0, pool_create("l", BYTES));
		self->reader = pool_open("l", O_RDONLY);
		ASSERT_EQ(PINPOOL_STATE_EMPTY, pool_state(self->reader));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
}

TEST_HARNESS_MAIN
