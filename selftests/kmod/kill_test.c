// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * kill -9 of a writer, at every stage of a load: the pool is EMPTY as soon as the process is gone, the next writer
 * sees zeros and goes on seeing them, and nothing half-written was READY at any time.
 */
#include <liburing.h>

#include "harness.h"
#include "kmod_test.h"

#define PAGES 8
#define BYTES (PAGES * HUGE)
#define CHUNK (256UL << 10)
#define DEPTH 16
#define SEED 51

FIXTURE(kill) {
	int reader;
	int source; /* O_DIRECT, BYTES of pattern SEED */
};

FIXTURE_SETUP(kill)
{
	self->source = source_open(BYTES, SEED);
	ASSERT_LE(0, self->source);
	ASSERT_EQ(0, pool_create("k", BYTES));
	self->reader = pool_open("k", O_RDONLY);
	ASSERT_LE(0, self->reader);
}

FIXTURE_TEARDOWN(kill)
{
	close(self->reader);
	close(self->source);
	pool_destroy("k");
}

/* A writer that says when it has come to its point and stays there, or works on for ever. */
struct victim {
	void (*work)(const struct victim *v);
	int source;
	int up;
	bool registered;
	bool ready; /* the load is committed before the kill */
};

static void there(const struct victim *v)
{
	if (write(v->up, "", 1) != 1)
		_exit(3);
}

static int writer_begin(void)
{
	int fd = pool_open("k", O_RDWR);

	if (fd < 0 || pool_begin(fd))
		_exit(4);
	return fd;
}

static void *writer_map(int fd)
{
	void *p = pool_map(fd, BYTES, PROT_READ | PROT_WRITE);

	if (p == MAP_FAILED)
		_exit(5);
	return p;
}

static void stop_before_begin(const struct victim *v)
{
	int fd = pool_open("k", O_RDWR);

	there(v);
	pause();
	close(fd);
}

static void stop_after_begin(const struct victim *v)
{
	writer_begin();
	there(v);
	pause();
}

static void stop_after_write(const struct victim *v)
{
	int fd = writer_begin();

	if (pool_write_pattern(fd, SEED, 0, BYTES))
		_exit(6);
	there(v);
	pause();
}

static void stop_mapped(const struct victim *v)
{
	pattern_fill(writer_map(writer_begin()), BYTES, SEED, 0);
	there(v);
	pause();
}

static void stop_after_refused_commit(const struct victim *v)
{
	int fd = writer_begin();

	pattern_fill(writer_map(fd), BYTES, SEED, 0);
	if (pool_commit(fd, BYTES) != -EBUSY)
		_exit(7);
	there(v);
	pause();
}

static void stop_after_commit(const struct victim *v)
{
	int fd = writer_begin();

	if (pool_write_pattern(fd, SEED, 0, BYTES) || pool_commit(fd, BYTES))
		_exit(8);
	there(v);
	pause();
}

static void keep_writing(const struct victim *v)
{
	int fd = writer_begin();

	there(v);
	for (;;)
		pool_write_pattern(fd, SEED, 0, BYTES);
}

static void keep_storing(const struct victim *v)
{
	void *p = writer_map(writer_begin());

	there(v);
	for (;;)
		pattern_fill(p, BYTES, SEED, 0);
}

/* Faults, too, at any moment. */
static void keep_mapping(const struct victim *v)
{
	int fd = writer_begin();

	there(v);
	for (;;) {
		void *p = writer_map(fd);

		pattern_fill(p, BYTES, SEED, 0);
		munmap(p, BYTES);
	}
}

static void keep_beginning(const struct victim *v)
{
	int fd = writer_begin();

	there(v);
	for (;;) {
		if (pool_write_pattern(fd, SEED, HUGE, HUGE) || pool_abort(fd) || pool_begin(fd))
			_exit(9);
	}
}

static void keep_streaming(const struct victim *v)
{
	int fd = writer_begin();
	char *p = writer_map(fd);
	struct iovec iov = { p, BYTES };
	struct io_uring ring;
	bool fixed;
	size_t at = 0;

	if (io_uring_queue_init(DEPTH, &ring, 0))
		_exit(10);
	/* Where the kernel does not register such memory (6.1) the reads are plain ones, which pin for their time. */
	fixed = v->registered && io_uring_register_buffers(&ring, &iov, 1) == 0;
	there(v);
	for (;;) {
		struct io_uring_sqe *sqe;
		struct io_uring_cqe *cqe;

		while ((sqe = io_uring_get_sqe(&ring))) {
			if (fixed) {
				io_uring_prep_read_fixed(sqe, v->source, p + at, CHUNK, at, 0);
			} else {
				io_uring_prep_read(sqe, v->source, p + at, CHUNK, at);
			}
			at = (at + CHUNK) % BYTES;
		}
		io_uring_submit_and_wait(&ring, 1);
		while (io_uring_peek_cqe(&ring, &cqe) == 0)
			io_uring_cqe_seen(&ring, cqe);
	}
}

/* Begins, waiting for pins of the dead to go, and returns the writer's file or -errno. */
static int next_writer(void)
{
	int fd = pool_open("k", O_RDWR), ret, tries = 0;

	if (fd < 0)
		return fd;
	while ((ret = pool_begin(fd)) == -EBUSY && tries++ < 100)
		sleep_us(50000);
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

static void kill_and_look(struct __test_metadata *_metadata, FIXTURE_DATA(kill) * self, struct victim v, long delay_us)
{
	int up[2], status, fd;
	pid_t pid;
	char *p, c;

	v.source = self->source;
	ASSERT_EQ(0, pipe(up));
	v.up = up[1];
	pid = fork();
	if (pid == 0) {
		v.work(&v);
		_exit(1);
	}
	close(up[1]);
	ASSERT_EQ(1, read(up[0], &c, 1));
	close(up[0]);
	sleep_us(delay_us);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status)) TH_LOG("the victim ended by itself: %d", WEXITSTATUS(status));

	if (v.ready) {
		ASSERT_EQ(PINPOOL_STATE_READY, pool_state(self->reader));
		p = pool_map(self->reader, BYTES, PROT_READ);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(-1, pattern_differs(p, BYTES, SEED, 0));
		munmap(p, BYTES);
		return;
	}
	ASSERT_EQ(PINPOOL_STATE_EMPTY, pool_state(self->reader));
	EXPECT_EQ(-ENODATA, result(pread(self->reader, &c, 1, 0)));

	fd = next_writer();
	ASSERT_LE(0, fd);
	p = pool_map(fd, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, nonzero_at(p, BYTES));
	/* I/O of the dead that lands late would land here. */
	sleep_us(20000);
	EXPECT_EQ(-1, nonzero_at(p, BYTES));
	munmap(p, BYTES);
	close(fd);
}

#define KILL(_name, ...)                                                                                               \
	TEST_F(kill, _name)                                                                                            \
	{                                                                                                              \
		kill_and_look(_metadata, self, (struct victim){ __VA_ARGS__ }, 0);                                     \
	}

KILL(before_begin, .work = stop_before_begin)
KILL(after_begin, .work = stop_after_begin)
KILL(after_write, .work = stop_after_write)
KILL(mapped, .work = stop_mapped)
KILL(after_a_refused_commit, .work = stop_after_refused_commit)
KILL(after_commit_stays_ready, .work = stop_after_commit, .ready = true)

/* Many times, each a little later. */
#define KILL_MANY(_name, ...)                                                                                          \
	TEST_F_TIMEOUT(kill, _name, 180)                                                                               \
	{                                                                                                              \
		for (int i = 0; i < 15; i++) {                                                                         \
			kill_and_look(_metadata, self, (struct victim){ __VA_ARGS__ }, 1 + i * i * 300);               \
		}                                                                                                      \
	}

KILL_MANY(while_writing, .work = keep_writing)
KILL_MANY(while_storing, .work = keep_storing)
KILL_MANY(while_mapping, .work = keep_mapping)
KILL_MANY(while_beginning_and_aborting, .work = keep_beginning)
KILL_MANY(while_streaming, .work = keep_streaming)
KILL_MANY(while_streaming_to_registered_buffers, .work = keep_streaming, .registered = true)

/* The pool goes first, then its writer, with I/O in flight all the time. */
TEST_F_TIMEOUT(kill, destroyed_while_streaming, 120)
{
	for (int i = 0; i < 8; i++) {
		struct victim v = { .source = self->source, .registered = i & 1 };
		int up[2], status;
		pid_t pid;
		char c;

		ASSERT_EQ(0, pipe(up));
		v.up = up[1];
		pid = fork();
		if (pid == 0)
			keep_streaming(&v);
		close(up[1]);
		ASSERT_EQ(1, read(up[0], &c, 1));
		close(up[0]);
		sleep_us(i * 3000);
		ASSERT_EQ(0, pool_destroy("k"));
		sleep_us(20000);
		/* The name is free at once; the new pool is another one. */
		ASSERT_EQ(0, pool_create("k", BYTES));
		close(self->reader);
		self->reader = pool_open("k", O_RDONLY);
		ASSERT_EQ(PINPOOL_STATE_EMPTY, pool_state(self->reader));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
}

TEST_HARNESS_MAIN
