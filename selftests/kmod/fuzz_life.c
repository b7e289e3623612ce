// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Calls of the fuzzer: how files come and go, from one process to another too, and how processes end.
 */
#include <sys/file.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "fuzz_calls.h"

int64_t fuzz_open(struct fuzz_actor *a)
{
	static const int flags[] = { O_RDONLY,
				     O_RDONLY,
				     O_RDWR,
				     O_RDWR,
				     O_RDWR,
				     O_WRONLY,
				     O_RDWR | O_APPEND,
				     O_RDWR | O_NONBLOCK,
				     O_RDONLY | O_DIRECT,
				     O_RDWR | O_TRUNC };
	unsigned int which = fuzz_below(a, sizeof(flags) / sizeof(flags[0])), slot = fuzz_below(a, FUZZ_FDS);
	char name[8];
	int fd, ret;

	snprintf(name, sizeof(name), "fz%u", (unsigned int)fuzz_below(a, FUZZ_NAMES));
	fuzz_note(a, name[2] - '0', flags[which], slot);
	fd = pool_open(name, flags[which]);
	if (fd < 0)
		return fd;
	ret = result(dup3(fd, FUZZ_FD_FIRST + slot, O_CLOEXEC));
	close(fd);
	return ret;
}

int64_t fuzz_close(struct fuzz_actor *a)
{
	unsigned int slot = fuzz_below(a, FUZZ_FDS);

	fuzz_note(a, slot, 0, 0);
	return result(close(FUZZ_FD_FIRST + slot));
}

/* The same file in two slots. */
int64_t fuzz_dup(struct fuzz_actor *a)
{
	unsigned int from = fuzz_below(a, FUZZ_FDS), to = (from + 1 + fuzz_below(a, FUZZ_FDS - 1)) % FUZZ_FDS;

	fuzz_note(a, from, to, 0);
	return result(dup3(FUZZ_FD_FIRST + from, FUZZ_FD_FIRST + to, O_CLOEXEC));
}

/* What files can do that pools have no part in. */
int64_t fuzz_file_misc(struct fuzz_actor *a)
{
	int fd = FUZZ_FD_FIRST + fuzz_below(a, FUZZ_FDS), what = fuzz_below(a, 7);
	char path[32], text[512];

	fuzz_note(a, fd, what, 0);
	switch (what) {
	case 0:
		return result(ftruncate(fd, HUGE));
	case 1:
		return result(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HUGE));
	case 2:
		return result(fsync(fd));
	case 3:
		return result(flock(fd, LOCK_NB | (fuzz_one_in(a, 2) ? LOCK_EX : LOCK_UN)));
	case 4:
		return -posix_fadvise(fd, 0, HUGE, POSIX_FADV_DONTNEED);
	case 5:
		return result(readahead(fd, 0, HUGE));
	default:
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		return file_read(path, text, sizeof(text));
	}
}

union fd_message {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

/* To whoever looks into the mailbox. A file that lies there has no process. */
int64_t fuzz_send(struct fuzz_actor *a)
{
	int fd = FUZZ_FD_FIRST + fuzz_below(a, FUZZ_FDS);
	struct iovec vec = { "", 1 };
	union fd_message control = { 0 };
	struct msghdr msg = {
		.msg_iov = &vec, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	fuzz_note(a, fd, 0, 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return result(sendmsg(fuzz->mailbox[0], &msg, MSG_DONTWAIT));
}

int64_t fuzz_receive(struct fuzz_actor *a)
{
	unsigned int slot = fuzz_below(a, FUZZ_FDS);
	char byte;
	struct iovec vec = { &byte, 1 };
	union fd_message control;
	struct msghdr msg = {
		.msg_iov = &vec, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)
	};
	struct cmsghdr *c;
	int ret, fd;

	fuzz_note(a, slot, 0, 0);
	ret = result(recvmsg(fuzz->mailbox[1], &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
	if (ret < 0)
		return ret;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return FUZZ_SKIP;
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	ret = result(dup3(fd, FUZZ_FD_FIRST + slot, O_CLOEXEC));
	close(fd);
	return ret;
}

int64_t fuzz_die(struct fuzz_actor *a)
{
	fuzz_count(a, 0);
	return result(kill(getpid(), SIGKILL));
}

/* While the others of the process are anywhere. */
int64_t fuzz_exit(struct fuzz_actor *a)
{
	fuzz_count(a, 0);
	_exit(0);
}
