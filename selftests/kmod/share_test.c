// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * A pool among processes: files that are inherited or passed keep their rights and the load they began; mappings that
 * are inherited count; and a process that knows only the name gets the bytes back after the loader is gone.
 */
#include <poll.h>

#include "harness.h"
#include "kmod_test.h"

#define PAGES 4
#define BYTES (PAGES * HUGE)
#define SEED 41

FIXTURE(share) {
	int socket[2];
};

FIXTURE_SETUP(share)
{
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, self->socket));
}

FIXTURE_TEARDOWN(share)
{
	close(self->socket[0]);
	close(self->socket[1]);
	pool_destroy("s");
}

/* Opens by name, maps, compares everything. 0 if all is as @SEED says. */
static int attach_and_verify(void *arg)
{
	struct pinpool_pool_info info;
	int fd = pool_open("s", O_RDONLY);
	char *p;

	if (fd < 0 || pool_info(fd, &info) || info.out_state != PINPOOL_STATE_READY || info.out_length != BYTES)
		return 1;
	p = pool_map(fd, BYTES, PROT_READ);
	if (p == MAP_FAILED)
		return 2;
	if (pattern_differs(p, BYTES, SEED, 0) != -1)
		return 3;
	/* Descriptor first: the mapping alone is enough. */
	close(fd);
	return pattern_differs(p, BYTES, SEED, 0) == -1 ? 0 : 4;
}

static int load_and_leave(void *arg)
{
	return pool_create_ready("s", BYTES, SEED) ? 1 : 0;
}

TEST_F(share, the_pool_outlives_its_loader)
{
	ASSERT_EQ(0, in_child(load_and_leave, NULL));
	EXPECT_EQ(0, in_child(attach_and_verify, NULL));
	EXPECT_EQ(0, in_child(attach_and_verify, NULL));
}

TEST_F(share, openers_and_mappings_follow_the_processes)
{
	struct pinpool_pool_info info;
	int fd, status, up[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, in_child(load_and_leave, NULL));
	fd = pool_open("s", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pipe(up));
	pid = fork();
	if (pid == 0) {
		int own = pool_open("s", O_RDONLY);

		if (pool_map(own, BYTES, PROT_READ) == MAP_FAILED || pool_map(own, HUGE, PROT_READ) == MAP_FAILED)
			_exit(1);
		if (write(up[1], "", 1) != 1)
			_exit(2);
		pause();
	}
	ASSERT_EQ(1, read(up[0], &c, 1));
	ASSERT_EQ(0, pool_info(fd, &info));
	EXPECT_EQ(2, info.out_openers);
	EXPECT_EQ(2, info.out_mappings);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, pool_info(fd, &info));
	EXPECT_EQ(1, info.out_openers);
	EXPECT_EQ(0, info.out_mappings);
	close(fd);
	close(up[0]);
	close(up[1]);
}

static int write_and_commit(void *arg)
{
	int fd = *(int *)arg;

	return pool_write_pattern(fd, SEED, 0, BYTES) ? 1 : pool_commit(fd, BYTES) ? 2 : 0;
}

TEST_F(share, a_forked_child_finishes_the_load)
{
	int fd = pool_create_loading("s", BYTES);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, in_child(write_and_commit, &fd));
	close(fd);
	EXPECT_EQ(0, in_child(attach_and_verify, NULL));
}

static int exit_at_once(void *arg)
{
	return 0;
}

static int begin_by_name(void *arg)
{
	int fd = pool_open("s", O_RDWR);

	return -pool_begin(fd);
}

TEST_F(share, a_child_that_exits_does_not_abort_its_parents_load)
{
	int fd = pool_create_loading("s", BYTES);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, in_child(exit_at_once, NULL));
	EXPECT_EQ(PINPOOL_STATE_LOADING, pool_state(fd));
	EXPECT_EQ(EBUSY, in_child(begin_by_name, NULL));
	EXPECT_EQ(0, write_and_commit(&fd));
	close(fd);
}

/* The other way round: the parent's descriptor goes, the child's copy holds the load, and its death ends it. */
TEST_F(share, a_child_holds_the_load_until_it_dies)
{
	int fd = pool_create_loading("s", BYTES), status;
	pid_t pid;

	ASSERT_LE(0, fd);
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	close(fd);
	EXPECT_EQ(EBUSY, in_child(begin_by_name, NULL));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, in_child(begin_by_name, NULL));
}

TEST_F(share, an_inherited_writable_mapping_forbids_commit)
{
	int fd = pool_create_loading("s", BYTES), status, go[2];
	char *p;
	pid_t pid;

	ASSERT_LE(0, fd);
	p = pool_map(fd, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	pattern_fill(p, HUGE, SEED, 0);
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (pid == 0) {
		char c;

		/* What the parent wrote is seen, what the child writes is shared. */
		if (pattern_differs(p, HUGE, SEED, 0) != -1)
			_exit(1);
		pattern_fill(p + HUGE, BYTES - HUGE, SEED, HUGE);
		close(go[1]);
		_exit(read(go[0], &c, 1) == 0 ? 0 : 2);
	}
	munmap(p, BYTES);
	EXPECT_EQ(-EBUSY, pool_commit(fd, BYTES));
	close(go[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(0, pool_commit(fd, BYTES));
	close(go[0]);
	close(fd);
	EXPECT_EQ(0, in_child(attach_and_verify, NULL));
}

/* A passed descriptor is a permission: the receiver may not even open the node. */
static int receive_and_verify(void *arg)
{
	int fd;
	char *p;

	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		return 1;
	if (pool_open("s", O_RDONLY) != -EACCES)
		return 2;
	fd = receive_fd(*(int *)arg);
	if (fd < 0)
		return 3;
	p = pool_map(fd, BYTES, PROT_READ);
	if (p == MAP_FAILED)
		return 4;
	return pattern_differs(p, BYTES, SEED, 0) == -1 ? 0 : 5;
}

TEST_F(share, a_passed_reader)
{
	int fd;

	ASSERT_EQ(0, in_child(load_and_leave, NULL));
	fd = pool_open("s", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, send_fd(self->socket[0], fd));
	close(fd);
	EXPECT_EQ(0, in_child(receive_and_verify, &self->socket[1]));
}

/* Who has only the descriptor learns of the commit, and reads. */
static int receive_and_wait(void *arg)
{
	struct pollfd p = { .events = POLLIN };
	char *map;

	p.fd = receive_fd(*(int *)arg);
	if (p.fd < 0)
		return 1;
	if (poll(&p, 1, 10000) != 1 || p.revents != POLLIN)
		return 2;
	map = pool_map(p.fd, BYTES, PROT_READ);
	if (map == MAP_FAILED)
		return 3;
	return pattern_differs(map, BYTES, SEED, 0) == -1 ? 0 : 4;
}

TEST_F(share, a_passed_reader_is_woken_by_commit)
{
	int fd = pool_create_loading("s", BYTES), reader, status;
	pid_t pid;

	ASSERT_LE(0, fd);
	reader = pool_open("s", O_RDONLY);
	ASSERT_LE(0, reader);
	pid = fork();
	if (pid == 0) {
		close(fd);
		_exit(receive_and_wait(&self->socket[1]));
	}
	ASSERT_EQ(0, send_fd(self->socket[0], reader));
	close(reader);
	sleep_us(100000);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_EQ(0, write_and_commit(&fd));
	close(fd);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

static int receive_and_commit(void *arg)
{
	int fd = receive_fd(*(int *)arg);

	return fd < 0 ? 9 : write_and_commit(&fd);
}

TEST_F(share, a_passed_writer_is_still_the_writer)
{
	int fd = pool_create_loading("s", BYTES);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, send_fd(self->socket[0], fd));
	close(fd);
	/* In the socket's queue, held by nobody. */
	EXPECT_EQ(EBUSY, in_child(begin_by_name, NULL));
	EXPECT_EQ(0, in_child(receive_and_commit, &self->socket[1]));
	EXPECT_EQ(0, in_child(attach_and_verify, NULL));
}

TEST_F(share, a_writer_lost_in_a_socket_is_aborted)
{
	int fd = pool_create_loading("s", BYTES);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, send_fd(self->socket[0], fd));
	close(fd);
	EXPECT_EQ(EBUSY, in_child(begin_by_name, NULL));
	close(self->socket[0]);
	close(self->socket[1]);
	EXPECT_EQ(0, in_child(begin_by_name, NULL));
}

/* /proc/self/fd/N opens the node again: the lock is the open file, not the node. */
TEST_F(share, descriptors_reopened_through_proc_are_new_files)
{
	int fd = pool_create_loading("s", BYTES), again;
	char path[64];

	ASSERT_LE(0, fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, again);
	EXPECT_EQ(-EBUSY, pool_begin(again));
	EXPECT_EQ(-EBADF, result(write(again, "x", 1)));
	EXPECT_EQ(-EBADF, pool_commit(again, 1));
	EXPECT_EQ(1, write(fd, "x", 1));
	close(again);
	EXPECT_EQ(PINPOOL_STATE_LOADING, pool_state(fd));
	close(fd);
}

TEST_HARNESS_MAIN
