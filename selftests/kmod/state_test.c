// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * EMPTY, LOADING, READY: what each state allows to the writer, to other files and to those who wait, and that what is
 * refused changes nothing.
 */
#include <poll.h>
#include <setjmp.h>
#include <sys/epoll.h>

#include "harness.h"
#include "kmod_test.h"

#define BYTES (2 * HUGE)

FIXTURE(state) {
	int fd; /* open for writing, nothing begun */
	int other; /* likewise, another open file */
	int reader; /* open for reading */
};

FIXTURE_SETUP(state)
{
	ASSERT_EQ(0, pool_create("s", BYTES));
	self->fd = pool_open("s", O_RDWR);
	self->other = pool_open("s", O_RDWR);
	self->reader = pool_open("s", O_RDONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->other);
	ASSERT_LE(0, self->reader);
}

FIXTURE_TEARDOWN(state)
{
	close(self->fd);
	close(self->other);
	close(self->reader);
	pool_destroy("s");
}

/* read(), pread() and mmap() say there is nothing yet. */
static void expect_nothing_to_see(struct __test_metadata *_metadata, int fd)
{
	char byte;

	EXPECT_EQ(-ENODATA, result(read(fd, &byte, 1)));
	EXPECT_EQ(-ENODATA, result(pread(fd, &byte, 1, 0)));
	EXPECT_EQ(MAP_FAILED, pool_map(fd, HUGE, PROT_READ));
	EXPECT_EQ(ENODATA, errno);
}

static void expect_not_the_writer(struct __test_metadata *_metadata, int fd)
{
	EXPECT_EQ(-EBADF, result(write(fd, "x", 1)));
	EXPECT_EQ(-EBADF, result(pwrite(fd, "x", 1, 0)));
	EXPECT_EQ(-EBADF, pool_commit(fd, 1));
	EXPECT_EQ(-EBADF, pool_abort(fd));
	EXPECT_EQ(MAP_FAILED, pool_map(fd, HUGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(state, empty)
{
	struct pinpool_pool_info info;

	EXPECT_EQ(PINPOOL_STATE_EMPTY, pool_state(self->fd));
	expect_nothing_to_see(_metadata, self->fd);
	expect_nothing_to_see(_metadata, self->reader);
	EXPECT_EQ(-EBADF, result(write(self->fd, "x", 1)));
	EXPECT_EQ(-EBADF, pool_commit(self->fd, 1));
	EXPECT_EQ(-EBADF, pool_abort(self->fd));
	EXPECT_EQ(-EBADF, pool_begin(self->reader));
	ASSERT_EQ(0, pool_info(self->fd, &info));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, info.out_state);
	EXPECT_EQ(0, info.out_length);
	EXPECT_EQ(0, info.out_committed_ns);
	EXPECT_EQ(0, info.out_bytes_written);
	EXPECT_EQ(3, info.out_openers);
	EXPECT_EQ(0, info.out_mappings);
}

TEST_F(state, loading_belongs_to_one_file)
{
	ASSERT_EQ(0, pool_begin(self->fd));
	EXPECT_EQ(PINPOOL_STATE_LOADING, pool_state(self->reader));
	EXPECT_EQ(-EBUSY, pool_begin(self->other));
	EXPECT_EQ(-EBUSY, pool_begin(self->fd));
	EXPECT_EQ(-EBADF, pool_begin(self->reader));
	expect_not_the_writer(_metadata, self->other);
	expect_nothing_to_see(_metadata, self->other);
	expect_nothing_to_see(_metadata, self->reader);
	EXPECT_EQ(5, write(self->fd, "hello", 5));
	EXPECT_EQ(PINPOOL_STATE_LOADING, pool_state(self->fd));
}

TEST_F(state, ready_does_not_change_any_more)
{
	char buf[8] = "";

	ASSERT_EQ(0, pool_begin(self->fd));
	ASSERT_EQ(5, write(self->fd, "hello", 5));
	ASSERT_EQ(0, pool_commit(self->fd, 5));
	EXPECT_EQ(PINPOOL_STATE_READY, pool_state(self->fd));
	for (int i = 0; i < 2; i++) {
		int fd = i ? self->other : self->fd;

		EXPECT_EQ(-EROFS, pool_begin(fd));
		EXPECT_EQ(-EROFS, result(pwrite(fd, "x", 1, 0)));
		EXPECT_GT(0, pool_commit(fd, 4));
		EXPECT_GT(0, pool_abort(fd));
		EXPECT_EQ(MAP_FAILED, pool_map(fd, HUGE, PROT_READ | PROT_WRITE));
		EXPECT_EQ(EACCES, errno);
	}
	EXPECT_EQ(PINPOOL_STATE_READY, pool_state(self->fd));
	EXPECT_EQ(5, pread(self->reader, buf, sizeof(buf), 0));
	EXPECT_STREQ("hello", buf);
}

TEST_F(state, commit_refuses_what_is_not_correct_and_the_load_goes_on)
{
	struct pinpool_commit c;

	ASSERT_EQ(0, pool_begin(self->fd));
	ASSERT_EQ(5, write(self->fd, "hello", 5));
	EXPECT_EQ(-EINVAL, pool_commit(self->fd, 0));
	EXPECT_EQ(-EINVAL, pool_commit(self->fd, BYTES + 1));
	EXPECT_EQ(-EINVAL, pool_commit(self->fd, UINT64_MAX));
	for (uint32_t kind = PINPOOL_DIGEST_XXH3_128_LIST + 1; kind; kind <<= 1) {
		c = (struct pinpool_commit){ .size = sizeof(c), .length = 5, .digest_kind = kind };
		EXPECT_EQ(-EOPNOTSUPP, result(ioctl(self->fd, PINPOOL_IOC_COMMIT, &c))) TH_LOG("digest kind %u", kind);
	}
	for (int i = 0; i < PINPOOL_DIGEST_SIZE; i++) {
		c = (struct pinpool_commit){ .size = sizeof(c), .length = 5, .digest_kind = PINPOOL_DIGEST_NONE };
		c.digest[i] = 1;
		EXPECT_EQ(-EINVAL, result(ioctl(self->fd, PINPOOL_IOC_COMMIT, &c))) TH_LOG("byte %d of no digest", i);
	}
	EXPECT_EQ(PINPOOL_STATE_LOADING, pool_state(self->fd));
	EXPECT_EQ(1, write(self->fd, "!", 1));
	EXPECT_EQ(0, pool_commit(self->fd, 6));
}

TEST_F(state, commit_publishes_length_and_digest)
{
	struct pinpool_commit c = { .size = sizeof(c), .length = BYTES, .digest_kind = PINPOOL_DIGEST_XXH3_128_LIST };
	struct pinpool_pool_info info;
	struct timespec now;

	for (int i = 0; i < PINPOOL_DIGEST_SIZE; i++)
		c.digest[i] = 0xf0 - i;
	ASSERT_EQ(0, pool_begin(self->fd));
	ASSERT_EQ(0, ioctl(self->fd, PINPOOL_IOC_COMMIT, &c));
	ASSERT_EQ(0, pool_info(self->reader, &info));
	ASSERT_EQ(0, clock_gettime(CLOCK_REALTIME, &now));
	EXPECT_EQ(BYTES, info.out_length);
	EXPECT_EQ(PINPOOL_DIGEST_XXH3_128_LIST, info.out_digest_kind);
	EXPECT_EQ(0, memcmp(c.digest, info.out_digest, PINPOOL_DIGEST_SIZE));
	EXPECT_LT(0, info.out_created_ns);
	EXPECT_LE(info.out_created_ns, info.out_committed_ns);
	EXPECT_LE(info.out_committed_ns, now.tv_sec * 1000000000ULL + now.tv_nsec);
	EXPECT_LT(now.tv_sec * 1000000000ULL - 60 * 1000000000ULL, info.out_committed_ns);
}

TEST_F(state, abort_leaves_empty_and_clean)
{
	struct pinpool_pool_info info;
	char *p;

	ASSERT_EQ(0, pool_begin(self->fd));
	ASSERT_EQ(0, pool_write_pattern(self->fd, 1, 0, BYTES));
	EXPECT_EQ(0, pool_abort(self->fd));
	EXPECT_EQ(-EBADF, pool_abort(self->fd));
	EXPECT_EQ(-EBADF, result(pwrite(self->fd, "x", 1, 0)));
	expect_nothing_to_see(_metadata, self->reader);
	ASSERT_EQ(0, pool_info(self->fd, &info));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, info.out_state);

	ASSERT_EQ(0, pool_begin(self->other));
	p = pool_map(self->other, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, nonzero_at(p, BYTES));
	munmap(p, BYTES);
	EXPECT_EQ(0, pool_commit(self->other, BYTES));
}

static sigjmp_buf after_signal;

static void on_signal(int sig)
{
	siglongjmp(after_signal, sig);
}

/* 0, or the signal that reading a byte ends in. Not in a child: that would begin with empty page tables. */
static int touch(const char *p)
{
	struct sigaction action = { .sa_handler = on_signal }, old;
	int sig;

	sigaction(SIGBUS, &action, &old);
	sig = sigsetjmp(after_signal, 1);
	if (!sig)
		*(volatile const char *)p;
	sigaction(SIGBUS, &old, NULL);
	return sig;
}

/* The writer's mapping outlives an abort as addresses only. */
TEST_F(state, abort_empties_the_writers_mapping)
{
	char *p;

	ASSERT_EQ(0, pool_begin(self->fd));
	p = pool_map(self->fd, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	pattern_fill(p, BYTES, 1, 0);
	EXPECT_EQ(0, touch(p));
	EXPECT_EQ(0, pool_abort(self->fd));
	EXPECT_EQ(SIGBUS, touch(p));
	EXPECT_EQ(SIGBUS, touch(p + BYTES - 1));
	/* It could become writable again, so nobody may load before it is gone. */
	EXPECT_EQ(-EBUSY, pool_begin(self->other));
	munmap(p, BYTES);
	EXPECT_EQ(0, pool_begin(self->other));
}

/* Nor does a read-only one, which the next load need not wait for, show anything of that load. */
TEST_F(state, an_aborted_writers_read_only_mapping_stays_empty)
{
	char *p;

	ASSERT_EQ(0, pool_begin(self->fd));
	p = pool_map(self->fd, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, touch(p));
	EXPECT_EQ(0, pool_abort(self->fd));
	EXPECT_EQ(SIGBUS, touch(p));
	ASSERT_EQ(0, pool_begin(self->other));
	ASSERT_EQ(0, pool_write_pattern(self->other, 2, 0, BYTES));
	EXPECT_EQ(SIGBUS, touch(p));
	ASSERT_EQ(0, pool_commit(self->other, BYTES));
	/* READY is for everybody. */
	EXPECT_EQ(0, touch(p));
	EXPECT_EQ(-1, pattern_differs(p, BYTES, 2, 0));
	munmap(p, BYTES);
}

TEST_F(state, closing_the_last_reference_aborts)
{
	int copy;

	ASSERT_EQ(0, pool_begin(self->fd));
	copy = dup(self->fd);
	ASSERT_LE(0, copy);
	close(self->fd);
	EXPECT_EQ(PINPOOL_STATE_LOADING, pool_state(self->reader));
	EXPECT_EQ(1, write(copy, "x", 1));
	close(copy);
	EXPECT_EQ(PINPOOL_STATE_EMPTY, pool_state(self->reader));
	EXPECT_EQ(0, pool_begin(self->other));
	self->fd = -1;
}

/* The mapping holds the file: closing the descriptor alone ends nothing. */
TEST_F(state, a_mapping_keeps_the_load_alive)
{
	char *p;

	ASSERT_EQ(0, pool_begin(self->fd));
	p = pool_map(self->fd, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(PINPOOL_STATE_LOADING, pool_state(self->reader));
	EXPECT_EQ(-EBUSY, pool_begin(self->other));
	p[BYTES - 1] = 1;
	munmap(p, BYTES);
	EXPECT_EQ(PINPOOL_STATE_EMPTY, pool_state(self->reader));
}

TEST_F(state, commit_is_refused_while_mapped_writable)
{
	char *p;

	ASSERT_EQ(0, pool_begin(self->fd));
	p = pool_map(self->fd, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	pattern_fill(p, BYTES, 7, 0);
	EXPECT_EQ(-EBUSY, pool_commit(self->fd, BYTES));
	/* A part of the mapping is a mapping. */
	munmap(p, BYTES - PAGE);
	EXPECT_EQ(-EBUSY, pool_commit(self->fd, BYTES));
	EXPECT_EQ(PINPOOL_STATE_LOADING, pool_state(self->fd));
	munmap(p + BYTES - PAGE, PAGE);
	EXPECT_EQ(0, pool_commit(self->fd, BYTES));
	p = pool_map(self->reader, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, pattern_differs(p, BYTES, 7, 0));
	munmap(p, BYTES);
}

/* Reading does not stand in the way of a commit, and is all that such a mapping can do later. */
TEST_F(state, a_writers_read_only_mapping_does_not_become_writable_after_commit)
{
	char *p;

	ASSERT_EQ(0, pool_begin(self->fd));
	ASSERT_EQ(0, pool_write_pattern(self->fd, 3, 0, BYTES));
	p = pool_map(self->fd, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, pattern_differs(p, BYTES, 3, 0));
	ASSERT_EQ(0, pool_commit(self->fd, BYTES));
	EXPECT_EQ(-EACCES, result(mprotect(p, BYTES, PROT_READ | PROT_WRITE)));
	EXPECT_EQ(-1, pattern_differs(p, BYTES, 3, 0));
	munmap(p, BYTES);
}

/* The same the other way round: writable, made read-only, commit, made writable again. */
TEST_F(state, mprotect_does_not_smuggle_a_writable_mapping_through_commit)
{
	char *p;
	int ret;

	ASSERT_EQ(0, pool_begin(self->fd));
	p = pool_map(self->fd, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	pattern_fill(p, BYTES, 4, 0);
	ASSERT_EQ(0, mprotect(p, BYTES, PROT_READ));
	ret = pool_commit(self->fd, BYTES);
	if (ret == 0) {
		EXPECT_EQ(-EACCES, result(mprotect(p, BYTES, PROT_READ | PROT_WRITE)));
	} else {
		EXPECT_EQ(-EBUSY, ret);
	}
	munmap(p, BYTES);
	if (ret) {
		EXPECT_EQ(0, pool_commit(self->fd, BYTES));
	}
}

TEST_F_TIMEOUT(state, one_of_many_writers_wins, 60)
{
	for (int round = 0; round < 10; round++) {
		pid_t pid[6];
		int go[2], won = 0;

		ASSERT_EQ(0, pipe(go));
		for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
			pid[i] = fork();
			if (pid[i] == 0) {
				int fd = pool_open("s", O_RDWR), ret;
				char c;

				close(go[1]);
				while (read(go[0], &c, 1) > 0)
					;
				ret = pool_begin(fd);
				if (ret == 0)
					sleep_us(200000);
				_exit(ret == 0 ? 1 : ret == -EBUSY ? 0 : 99);
			}
		}
		close(go[0]);
		close(go[1]);
		for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
			int status;

			ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
			won += WEXITSTATUS(status);
		}
		EXPECT_EQ(1, won);
	}
}

static short polled(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLRDNORM | POLLPRI };

	return poll(&p, 1, timeout_ms) < 0 ? POLLNVAL : p.revents;
}

TEST_F(state, poll_says_ready_only)
{
	EXPECT_EQ(0, polled(self->reader, 0));
	ASSERT_EQ(0, pool_begin(self->fd));
	EXPECT_EQ(0, polled(self->reader, 0));
	ASSERT_EQ(0, pool_abort(self->fd));
	EXPECT_EQ(0, polled(self->reader, 20));
	ASSERT_EQ(0, pool_begin(self->fd));
	ASSERT_EQ(0, pool_commit(self->fd, 1));
	EXPECT_EQ(POLLIN | POLLRDNORM, polled(self->reader, 0));
	EXPECT_EQ(POLLIN | POLLRDNORM, polled(self->other, 0));
}

/* Seconds until one of @events arrives: the child's exit status says which. */
static int wait_in_child(void *arg)
{
	return polled(*(int *)arg, 10000) & 0xff;
}

static pid_t waiter(int *fd)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(wait_in_child(fd));
	/* Long enough to be asleep in poll(); if it is not, the test still holds. */
	sleep_us(100000);
	return pid;
}

TEST_F(state, commit_wakes_pollers)
{
	int status;
	pid_t pid = waiter(&self->reader);

	ASSERT_EQ(0, pool_begin(self->fd));
	sleep_us(50000);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	ASSERT_EQ(0, pool_commit(self->fd, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ((POLLIN | POLLRDNORM) & 0xff, WEXITSTATUS(status));
}

TEST_F(state, abort_does_not_end_the_wait)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, pool_begin(self->fd));
	pid = waiter(&self->reader);
	ASSERT_EQ(0, pool_abort(self->fd));
	sleep_us(100000);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	ASSERT_EQ(0, pool_begin(self->other));
	ASSERT_EQ(0, pool_commit(self->other, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ((POLLIN | POLLRDNORM) & 0xff, WEXITSTATUS(status));
}

TEST_F(state, destroy_wakes_pollers_with_hangup)
{
	int status;
	pid_t pid = waiter(&self->reader);

	ASSERT_EQ(0, pool_destroy("s"));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WEXITSTATUS(status) & POLLHUP);
	EXPECT_FALSE(WEXITSTATUS(status) & POLLIN);
}

static short polled_all(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLRDNORM | POLLPRI | POLLOUT | POLLWRNORM | POLLWRBAND };

	return poll(&p, 1, 0) < 0 ? POLLNVAL : p.revents;
}

TEST_F(state, poll_says_what_can_be_done)
{
	const short can_write = POLLOUT | POLLWRNORM, can_read = POLLIN | POLLRDNORM;

	EXPECT_EQ(can_write, polled_all(self->reader));
	ASSERT_EQ(0, pool_begin(self->fd));
	EXPECT_EQ(0, polled_all(self->reader));
	EXPECT_EQ(can_write, polled_all(self->fd));
	EXPECT_EQ(0, polled_all(self->other));
	ASSERT_EQ(0, pool_abort(self->fd));
	EXPECT_EQ(can_write, polled_all(self->reader));
	ASSERT_EQ(0, pool_begin(self->fd));
	ASSERT_EQ(0, pool_destroy("s"));
	EXPECT_EQ(POLLHUP, polled_all(self->reader));
	/* It has no name any more, and goes on. */
	ASSERT_EQ(0, pool_commit(self->fd, 1));
	EXPECT_EQ(can_read | POLLHUP, polled_all(self->reader));
	/* Nobody will write it any more: no use to wait for that. */
	EXPECT_EQ(can_read | can_write | POLLHUP, polled_all(self->other));
	EXPECT_EQ(can_read | can_write | POLLHUP, polled_all(self->fd));
}

TEST_F(state, poll_of_an_empty_pool_that_is_destroyed)
{
	ASSERT_EQ(0, pool_destroy("s"));
	EXPECT_EQ(POLLOUT | POLLWRNORM | POLLHUP, polled_all(self->reader));
}

#define EDGES (EPOLLIN | EPOLLOUT)

/* Events since the last call, 0 for none within @timeout_ms. */
static uint32_t edge(int epoll, int timeout_ms)
{
	struct epoll_event got = { 0 };
	int n = epoll_wait(epoll, &got, 1, timeout_ms);

	return n < 0 ? ~0U : n ? got.events : 0;
}

/* Each transition is one edge for all who wait, and the calls that change nothing are none. */
TEST_F(state, epoll_edges_are_the_transitions)
{
	struct epoll_event event = { .events = EDGES | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC), status;
	pid_t pid;

	ASSERT_LE(0, epoll);
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->reader, &event));
	EXPECT_EQ(EPOLLOUT, edge(epoll, 0));
	EXPECT_EQ(0, edge(epoll, 0));
	EXPECT_EQ(-EBADF, pool_commit(self->fd, 1));
	EXPECT_EQ(0, edge(epoll, 0));

	/* EMPTY -> LOADING: nothing can be done now. */
	ASSERT_EQ(0, pool_begin(self->fd));
	EXPECT_EQ(0, edge(epoll, 0));
	EXPECT_EQ(-EBUSY, pool_begin(self->other));
	EXPECT_EQ(0, edge(epoll, 0));

	/* LOADING -> EMPTY: by abort, by close, by death. */
	ASSERT_EQ(0, pool_abort(self->fd));
	EXPECT_EQ(EPOLLOUT, edge(epoll, 5000));
	EXPECT_EQ(0, edge(epoll, 0));
	ASSERT_EQ(0, pool_begin(self->fd));
	EXPECT_EQ(0, edge(epoll, 0));
	close(self->fd);
	EXPECT_EQ(EPOLLOUT, edge(epoll, 5000));
	EXPECT_EQ(0, edge(epoll, 0));
	self->fd = pool_open("s", O_RDWR);
	ASSERT_LE(0, self->fd);
	pid = fork();
	if (pid == 0) {
		int fd = pool_open("s", O_RDWR);

		if (pool_begin(fd))
			_exit(1);
		for (;;)
			pause();
	}
	while (pool_state(self->reader) != PINPOOL_STATE_LOADING)
		sleep_us(1000);
	EXPECT_EQ(0, edge(epoll, 0));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(EPOLLOUT, edge(epoll, 5000));
	EXPECT_EQ(0, edge(epoll, 0));

	/* LOADING -> READY. */
	ASSERT_EQ(0, pool_begin(self->fd));
	EXPECT_EQ(0, edge(epoll, 0));
	ASSERT_EQ(0, pool_commit(self->fd, 1));
	EXPECT_EQ(EPOLLIN, edge(epoll, 5000));
	EXPECT_EQ(0, edge(epoll, 0));
	EXPECT_EQ(-EROFS, pool_begin(self->other));
	EXPECT_EQ(0, edge(epoll, 0));

	/* The name goes. */
	ASSERT_EQ(0, pool_destroy("s"));
	EXPECT_EQ(EPOLLIN | EPOLLHUP, edge(epoll, 5000));
	EXPECT_EQ(0, edge(epoll, 0));
	close(epoll);
}

TEST_HARNESS_MAIN
