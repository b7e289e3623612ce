// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * PINPOOL_URING_READ of a source that does not answer: whoever waits for it can be killed, the pool stays usable, and
 * an answer that comes late is as good as any. A fanotify listener that is asked for permission and is silent stops a
 * read before it begins, a FUSE server that is silent stops it in the page cache.
 */
#include <linux/fuse.h>
#include <poll.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "harness.h"
#include "uring_cmd.h"

#define PAGES 4
#define BYTES (PAGES * HUGE)
#define SEED  91
/* Of an earlier load: what must never be seen again. */
#define FORMER 92
#define PATIENCE_US 20000000
/* So long nothing happens where nothing should. */
#define STILL_US 200000

FIXTURE(hang) {
	int source; /* O_DIRECT, BYTES of pattern SEED */
	int writer; /* of "h", LOADING; its pages hold pattern FORMER, untouched in this load */
	int gate; /* asked before anybody reads the source */
	int asked; /* the event's descriptor, -1 if none is open */
	char *buf;
};

FIXTURE_SETUP(hang)
{
	char path[64];
	int file;

	file = source_open(BYTES, SEED);
	ASSERT_LE(0, file);
	self->gate = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->gate) TH_LOG("fanotify: %s", strerror(errno));
	ASSERT_EQ(0, fanotify_mark(self->gate, FAN_MARK_ADD, FAN_ACCESS_PERM, file, NULL));
	/* Newer kernels ask only for files that are opened when there is a listener. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	self->source = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	ASSERT_LE(0, self->source);
	close(file);
	self->writer = pool_create_loading("h", BYTES);
	ASSERT_LE(0, self->writer);
	ASSERT_EQ(0, pool_write_pattern(self->writer, FORMER, 0, BYTES));
	ASSERT_EQ(0, pool_abort(self->writer));
	ASSERT_EQ(0, pool_begin(self->writer));
	self->asked = -1;
	self->buf = aligned_alloc(PAGE, BYTES);
	ASSERT_NE(NULL, self->buf);
}

FIXTURE_TEARDOWN(hang)
{
	free(self->buf);
	if (self->asked >= 0)
		close(self->asked);
	close(self->gate);
	close(self->writer);
	close(self->source);
	pool_destroy("h");
}

/* Waits until a read has come to the gate. */
static int gate_wait(FIXTURE_DATA(hang) * self)
{
	struct pollfd p = { .fd = self->gate, .events = POLLIN };
	struct fanotify_event_metadata event;

	if (poll(&p, 1, PATIENCE_US / 1000) != 1)
		return -ETIMEDOUT;
	if (read(self->gate, &event, sizeof(event)) != sizeof(event) || event.mask != FAN_ACCESS_PERM)
		return -EIO;
	self->asked = event.fd;
	return 0;
}

static int gate_answer(FIXTURE_DATA(hang) * self, unsigned int answer)
{
	struct fanotify_response response = { .fd = self->asked, .response = answer };
	int ret = write(self->gate, &response, sizeof(response)) == sizeof(response) ? 0 : -errno;

	close(self->asked);
	self->asked = -1;
	return ret;
}

/* A process that does one thing and ends with what came of it, 0 to 99, or as an errno. */
struct deed {
	int (*run)(const struct deed *deed);
	int pool;
	int source;
	unsigned int flags;
	char *map;
};

static int deed_read(const struct deed *deed)
{
	struct io_uring ring;
	int ret;

	if (ring_init(&ring, 4, 0))
		return 99;
	queue_read(&ring, deed->pool, deed->source, HUGE, HUGE, 2 * HUGE, deed->flags);
	ret = submit_one(&ring);
	return ret == 2 * HUGE ? 0 : ret < 0 ? -ret : 98;
}

static int deed_touch(const struct deed *deed)
{
	return deed->map[HUGE] ? 1 : 0;
}

static int deed_abort(const struct deed *deed)
{
	return -pool_abort(deed->pool);
}

static pid_t start(const struct deed *deed)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(deed->run(deed));
	return pid;
}

/* Status of a child that ends in time, or -1. */
static int ends(pid_t pid, long patience_us)
{
	int status;

	for (long us = 0; us <= patience_us; us += 10000) {
		pid_t ended = waitpid(pid, &status, WNOHANG);

		if (ended == pid)
			return status;
		if (ended < 0)
			return -1;
		sleep_us(10000);
	}
	return -1;
}

static bool dies(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	status = ends(pid, PATIENCE_US);
	return status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* Everybody who waits for a read that hangs, or for a page that it has locked, can be killed; then the pool is as new. */
static void everybody_dies(struct __test_metadata *_metadata, FIXTURE_DATA(hang) * self, unsigned int flags)
{
	struct deed reading = { deed_read, self->writer, self->source, flags };
	struct deed aborting = { deed_abort, self->writer };
	struct deed touching = { deed_touch, self->writer };
	struct pinpool_resize resize = { .size = sizeof(resize), .capacity = HUGE };
	pid_t reader, other;

	touching.map = pool_map(self->writer, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, (void *)touching.map);
	reader = start(&reading);
	ASSERT_EQ(0, gate_wait(self)) TH_LOG("status %x", ends(reader, 0));

	EXPECT_EQ(-EBUSY, pool_commit(self->writer, BYTES));
	/* read() waits for nothing: what has not come is zero. Nor do the pages around. */
	ASSERT_EQ(BYTES, pread(self->writer, self->buf, BYTES, 0));
	EXPECT_EQ(-1, nonzero_at(self->buf, BYTES));
	EXPECT_EQ(0, touching.map[0]);

	other = start(&touching);
	EXPECT_EQ(-1, ends(other, STILL_US));
	EXPECT_TRUE(dies(other));
	other = start(&aborting);
	EXPECT_EQ(-1, ends(other, STILL_US));
	EXPECT_EQ(-EBUSY, result(pwrite(self->writer, "x", 1, 0)));
	EXPECT_TRUE(dies(other));
	EXPECT_EQ(PINPOOL_STATE_LOADING, pool_state(self->writer));
	munmap(touching.map, BYTES);
	EXPECT_EQ(-EBUSY, result(ioctl(self->writer, PINPOOL_IOC_RESIZE, &resize)));

	EXPECT_TRUE(dies(reader));
	ASSERT_EQ(0, commit_in_time(self->writer, BYTES, PATIENCE_US));
	ASSERT_EQ(BYTES, pread(self->writer, self->buf, BYTES, 0));
	EXPECT_EQ(-1, nonzero_at(self->buf, BYTES));
}

TEST_F_TIMEOUT(hang, everybody_dies_who_waits_for_a_worker, 120)
{
	everybody_dies(_metadata, self, IOSQE_ASYNC);
}

/* The listener is asked in the call that submits, as for the kernel's own reads. */
TEST_F_TIMEOUT(hang, everybody_dies_who_waits_for_a_task, 120)
{
	everybody_dies(_metadata, self, 0);
}

TEST_F_TIMEOUT(hang, an_abort_waits_for_a_late_answer, 120)
{
	struct deed reading = { deed_read, self->writer, self->source, IOSQE_ASYNC };
	struct deed aborting = { deed_abort, self->writer };
	pid_t reader = start(&reading), other;

	ASSERT_EQ(0, gate_wait(self));
	other = start(&aborting);
	EXPECT_EQ(-1, ends(other, STILL_US));
	EXPECT_EQ(PINPOOL_STATE_LOADING, pool_state(self->writer));
	ASSERT_EQ(0, gate_answer(self, FAN_ALLOW));
	EXPECT_EQ(0, ends(reader, PATIENCE_US));
	EXPECT_EQ(0, ends(other, PATIENCE_US));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, pool_state(self->writer));
	ASSERT_EQ(0, pool_begin(self->writer));
	ASSERT_EQ(0, pool_commit(self->writer, BYTES));
	ASSERT_EQ(BYTES, pread(self->writer, self->buf, BYTES, 0));
	EXPECT_EQ(-1, nonzero_at(self->buf, BYTES));
}

/*
 * A write to a page that is being read into waits for it; whoever may not wait is told so at once, and a ring that tries
 * without waiting goes on meanwhile.
 */
TEST_F_TIMEOUT(hang, a_write_waits_for_the_page_or_says_so, 120)
{
	struct deed reading = { deed_read, self->writer, self->source, IOSQE_ASYNC };
	struct __kernel_timespec still = { .tv_nsec = STILL_US * 1000 };
	struct iovec part = { "x", 1 }, whole = { self->buf, HUGE };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	pid_t reader;

	memset(self->buf, 'y', HUGE);
	ASSERT_EQ(0, ring_init(&ring, 4, 0));
	reader = start(&reading);
	ASSERT_EQ(0, gate_wait(self));
	EXPECT_EQ(-EAGAIN, result(pwritev2(self->writer, &part, 1, HUGE, RWF_NOWAIT)));
	EXPECT_EQ(-EAGAIN, result(pwritev2(self->writer, &whole, 1, HUGE, RWF_NOWAIT)));
	EXPECT_EQ(1, pwritev2(self->writer, &part, 1, 0, RWF_NOWAIT));
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_write(sqe, self->writer, self->buf, HUGE, 2 * HUGE);
	ASSERT_EQ(1, io_uring_submit(&ring));
	EXPECT_EQ(-ETIME, io_uring_wait_cqe_timeout(&ring, &cqe, &still));
	/* The ring is free for others. */
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_write(sqe, self->writer, self->buf, HUGE, 3 * HUGE);
	EXPECT_EQ(HUGE, submit_one(&ring));

	ASSERT_EQ(0, gate_answer(self, FAN_ALLOW));
	EXPECT_EQ(0, ends(reader, PATIENCE_US));
	EXPECT_EQ(HUGE, ring_result(&ring));
	EXPECT_EQ(1, pwritev2(self->writer, &part, 1, HUGE, RWF_NOWAIT));
	io_uring_queue_exit(&ring);
}

/* The source's own errno, and pages as untouched as before. */
TEST_F(hang, a_refusal_is_passed_on)
{
	struct deed reading = { deed_read, self->writer, self->source, IOSQE_ASYNC };
	pid_t reader = start(&reading);

	ASSERT_EQ(0, gate_wait(self));
	ASSERT_EQ(0, gate_answer(self, FAN_DENY));
	EXPECT_EQ(EPERM << 8, ends(reader, PATIENCE_US));
	ASSERT_EQ(0, pool_commit(self->writer, BYTES));
	ASSERT_EQ(BYTES, pread(self->writer, self->buf, BYTES, 0));
	EXPECT_EQ(-1, nonzero_at(self->buf, BYTES));
}

TEST_F(hang, a_pool_destroyed_before_the_answer)
{
	struct deed reading = { deed_read, self->writer, self->source, IOSQE_ASYNC };
	pid_t reader = start(&reading);

	ASSERT_EQ(0, gate_wait(self));
	ASSERT_EQ(0, pool_destroy("h"));
	ASSERT_EQ(0, pool_create("h", BYTES));
	ASSERT_EQ(0, gate_answer(self, FAN_ALLOW));
	EXPECT_EQ(0, ends(reader, PATIENCE_US));
	ASSERT_EQ(BYTES, pread(self->writer, self->buf, BYTES, 0));
	EXPECT_EQ(-1, nonzero_at(self->buf, HUGE));
	EXPECT_EQ(-1, pattern_differs(self->buf + HUGE, 2 * HUGE, SEED, HUGE));
	EXPECT_EQ(-1, nonzero_at(self->buf + 3 * HUGE, HUGE));
}

/* A ring whose one worker is at a read of the first page, which hangs, and has one of the second to do then. */
static int start_two(FIXTURE_DATA(hang) * self, struct io_uring *ring)
{
	unsigned int workers[2] = { 1, 1 };

	if (ring_init(ring, 8, 0) || io_uring_register_iowq_max_workers(ring, workers))
		return -EIO;
	queue_read(ring, self->writer, self->source, 0, 0, HUGE, IOSQE_ASYNC);
	if (io_uring_submit(ring) != 1 || gate_wait(self))
		return -EIO;
	queue_read(ring, self->writer, self->source, HUGE, HUGE, HUGE, IOSQE_ASYNC);
	return io_uring_submit(ring) == 1 ? 0 : -EIO;
}

/* It waits for what has begun, and that alone. */
TEST_F(hang, a_ring_closed_before_the_answer)
{
	struct io_uring ring;

	ASSERT_EQ(0, start_two(self, &ring));
	io_uring_queue_exit(&ring);
	sleep_us(5 * STILL_US);
	EXPECT_EQ(-EBUSY, pool_commit(self->writer, BYTES));
	ASSERT_EQ(0, gate_answer(self, FAN_ALLOW));
	ASSERT_EQ(0, commit_in_time(self->writer, BYTES, PATIENCE_US));
	ASSERT_EQ(BYTES, pread(self->writer, self->buf, BYTES, 0));
	EXPECT_EQ(-1, pattern_differs(self->buf, HUGE, SEED, 0));
	EXPECT_EQ(-1, nonzero_at(self->buf + HUGE, BYTES - HUGE));
}

/* What a request to cancel says of the entry with @user_data. The others that end meanwhile are in @ended, by user_data. */
static int cancel(struct io_uring *ring, uint64_t user_data, int ended[2])
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;

	io_uring_prep_cancel64(sqe, user_data, 0);
	sqe->user_data = ~0ULL;
	if (io_uring_submit(ring) != 1)
		return -EIO;
	for (;;) {
		uint64_t which;
		int ret = io_uring_wait_cqe(ring, &cqe);

		if (ret)
			return ret;
		ret = cqe->res;
		which = cqe->user_data;
		io_uring_cqe_seen(ring, cqe);
		if (which == ~0ULL)
			return ret;
		ended[which / HUGE] = ret;
	}
}

/*
 * What no worker has begun is cancelled. What one has is not, and ends by itself: it is told so, as of a read of the
 * kernel's own that waits for the same.
 */
TEST_F_TIMEOUT(hang, a_request_to_cancel, 120)
{
	struct __kernel_timespec still = { .tv_nsec = STILL_US * 1000 };
	int ended[2] = { 1, 1 };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	ASSERT_EQ(0, start_two(self, &ring));
	EXPECT_EQ(0, cancel(&ring, HUGE, ended));
	EXPECT_EQ(-EALREADY, cancel(&ring, 0, ended));
	if (ended[1] == 1)
		ended[1] = ring_result(&ring);
	EXPECT_EQ(-ECANCELED, ended[1]);
	EXPECT_EQ(-ETIME, io_uring_wait_cqe_timeout(&ring, &cqe, &still));
	EXPECT_EQ(1, ended[0]);
	ASSERT_EQ(0, gate_answer(self, FAN_ALLOW));
	EXPECT_EQ(HUGE, ring_result(&ring));

	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read(sqe, self->source, self->buf, HUGE, 0);
	sqe->flags |= IOSQE_ASYNC;
	sqe->user_data = 0;
	ASSERT_EQ(1, io_uring_submit(&ring));
	ASSERT_EQ(0, gate_wait(self));
	EXPECT_EQ(-EALREADY, cancel(&ring, 0, ended));
	EXPECT_EQ(1, ended[0]);
	ASSERT_EQ(0, gate_answer(self, FAN_ALLOW));
	EXPECT_EQ(HUGE, ring_result(&ring));
	io_uring_queue_exit(&ring);
	ASSERT_EQ(0, commit_in_time(self->writer, BYTES, PATIENCE_US));
	ASSERT_EQ(BYTES, pread(self->writer, self->buf, BYTES, 0));
	EXPECT_EQ(-1, pattern_differs(self->buf, HUGE, SEED, 0));
	EXPECT_EQ(-1, nonzero_at(self->buf + HUGE, BYTES - HUGE));
}

/* A read that waits for a page which another one has locked; the other way round it would be a deadlock. */
TEST_F(hang, one_read_waits_for_another)
{
	struct deed reading = { deed_read, self->writer, self->source, IOSQE_ASYNC };
	pid_t reader, second;
	int unguarded;

	/* The same bytes, by a file of its own that nobody listens to. */
	unguarded = source_open(BYTES, SEED);
	ASSERT_LE(0, unguarded);
	reader = start(&reading);
	ASSERT_EQ(0, gate_wait(self));
	reading.source = unguarded;
	reading.flags = 0;
	second = start(&reading);
	EXPECT_EQ(-1, ends(second, STILL_US));
	ASSERT_EQ(0, gate_answer(self, FAN_DENY));
	EXPECT_EQ(EPERM << 8, ends(reader, PATIENCE_US));
	EXPECT_EQ(0, ends(second, PATIENCE_US));
	ASSERT_EQ(BYTES, pread(self->writer, self->buf, BYTES, 0));
	EXPECT_EQ(-1, pattern_differs(self->buf + HUGE, 2 * HUGE, SEED, HUGE));
	close(unguarded);
}

/* A file system with one file, "/f", that can be looked at and opened, and whose bytes never come. */
static void fuse_serve(int fd, int up)
{
	static char in[1 << 20];

	for (;;) {
		struct {
			struct fuse_out_header header;
			union {
				struct fuse_init_out init;
				struct fuse_entry_out entry;
				struct fuse_attr_out attr;
				struct fuse_open_out open;
			};
		} out = { 0 };
		struct fuse_in_header *request = (struct fuse_in_header *)in;
		struct fuse_attr *attr = NULL;
		size_t size = 0;

		if (read(fd, in, sizeof(in)) < (ssize_t)sizeof(*request))
			_exit(0);
		switch (request->opcode) {
		case FUSE_INIT:
			out.init.major = FUSE_KERNEL_VERSION;
			out.init.minor = FUSE_KERNEL_MINOR_VERSION;
			out.init.max_readahead = 128 << 10;
			out.init.flags = FUSE_ASYNC_READ;
			out.init.max_write = 128 << 10;
			size = sizeof(out.init);
			break;
		case FUSE_LOOKUP:
			out.entry.nodeid = 2;
			attr = &out.entry.attr;
			size = sizeof(out.entry);
			break;
		case FUSE_GETATTR:
			attr = &out.attr.attr;
			size = sizeof(out.attr);
			break;
		case FUSE_OPEN:
			size = sizeof(out.open);
			break;
		case FUSE_READ:
			if (write(up, "", 1) != 1)
				_exit(1);
			continue;
		case FUSE_FORGET:
		case FUSE_INTERRUPT:
			continue;
		case FUSE_RELEASE:
			break;
		default:
			out.header.error = -ENOSYS;
		}
		if (attr) {
			attr->ino = request->opcode == FUSE_LOOKUP ? 2 : request->nodeid;
			attr->mode = attr->ino == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
			attr->nlink = 1;
			attr->size = attr->ino == FUSE_ROOT_ID ? 0 : BYTES;
		}
		out.header.unique = request->unique;
		out.header.len = sizeof(out.header) + size;
		if (write(fd, &out, out.header.len) < 0)
			_exit(2);
	}
}

TEST_F_TIMEOUT(hang, a_file_system_that_is_silent, 120)
{
	struct deed reading = { deed_read, self->writer };
	struct deed touching = { deed_touch, self->writer };
	pid_t server, reader, other;
	char options[128], c;
	int fd, up[2];

	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "this kernel has FUSE as a module only");
	ASSERT_EQ(0, mkdir("/tmp/fuse", 0700));
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	ASSERT_EQ(0, mount("silent", "/tmp/fuse", "fuse", MS_NOSUID | MS_NODEV, options));
	ASSERT_EQ(0, pipe2(up, O_CLOEXEC));
	server = fork();
	if (server == 0)
		fuse_serve(fd, up[1]);
	close(fd);
	close(up[1]);
	reading.source = open("/tmp/fuse/f", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, reading.source);
	touching.map = pool_map(self->writer, BYTES, PROT_READ);
	ASSERT_NE(MAP_FAILED, (void *)touching.map);

	reader = start(&reading);
	ASSERT_EQ(1, read(up[0], &c, 1));
	EXPECT_EQ(-1, ends(reader, STILL_US));
	EXPECT_EQ(-EBUSY, pool_commit(self->writer, BYTES));
	other = start(&touching);
	EXPECT_EQ(-1, ends(other, STILL_US));
	EXPECT_TRUE(dies(reader));
	/* Nothing has come, and nothing holds the page any more. */
	EXPECT_EQ(0, ends(other, PATIENCE_US));
	munmap(touching.map, BYTES);
	ASSERT_EQ(0, commit_in_time(self->writer, BYTES, PATIENCE_US));
	ASSERT_EQ(BYTES, pread(self->writer, self->buf, BYTES, 0));
	EXPECT_EQ(-1, nonzero_at(self->buf, BYTES));

	EXPECT_TRUE(dies(server));
	close(reading.source);
	close(up[0]);
	EXPECT_EQ(0, umount2("/tmp/fuse", MNT_DETACH));
	rmdir("/tmp/fuse");
}

TEST_HARNESS_MAIN
