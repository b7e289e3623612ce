// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * What the engine does with settings of a device: chunk and depth where options do not say, rings that poll and rings
 * whose requests the kernel takes by itself, as far as kernel and device let it.
 *
 * Calls of liburing come here before they get to it: they note what a ring is to be, and refuse it, or make one that
 * does not poll and is taken for one that does, since few devices can.
 */
#include "checkpoints.h"
#include "harness.h"
#include "load/device.h"
#include "pool/ctx.h"
#include "stand_in.h"
#include "stream/stream.h"

#include <errno.h>
#include <liburing.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* Linux 6.12 has it. */
#define FEATURE_MIN_TIMEOUT (1u << 15)

#define MEMORY (8ull << 20)
#define BYTES  3000001u

static struct {
	unsigned int refuse; /* flags of rings that there are not */
	bool pretend; /* rings poll in name only, by a kernel that can */
	bool old; /* by one that loses reads */
	int answer; /* to what is asked of a ring that polls, in the place of a result */
	uint32_t shorten; /* every second read that is longer ends here */
	unsigned int flags; /* that the last ring was to have */
	unsigned int cpu; /* of the kernel's thread */
	unsigned int rings, asked;
	atomic_uint results, preads;
} seen;

ssize_t pread64(int fd, void *buf, size_t bytes, off_t offset)
{
	seen.preads++;
	return syscall(SYS_pread64, fd, buf, bytes, offset);
}

int io_uring_queue_init_params(unsigned int entries, struct io_uring *ring, struct io_uring_params *params)
{
	int ret;

	seen.flags = params->flags;
	seen.cpu = params->sq_thread_cpu;
	seen.rings++;
	if (params->flags & seen.refuse)
		return -EPERM;
	if (seen.pretend)
		params->flags &= ~IORING_SETUP_IOPOLL;
	ret = NEXT(io_uring_queue_init_params)(entries, ring, params);
	if (!ret && seen.pretend)
		ring->features |= FEATURE_MIN_TIMEOUT;
	if (!ret && seen.old)
		ring->features &= ~FEATURE_MIN_TIMEOUT;
	return ret;
}

int io_uring_submit(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int ret;

	ret = NEXT(io_uring_submit)(ring);
	seen.asked++;
	if (seen.answer && !io_uring_wait_cqe(ring, &cqe))
		cqe->res = seen.answer;
	return ret;
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe_ptr, unsigned int wait_nr,
				     struct __kernel_timespec *ts, sigset_t *sigmask)
{
	struct io_uring_cqe *cqe;
	unsigned int head;
	int ret;

	ret = NEXT(io_uring_submit_and_wait_timeout)(ring, cqe_ptr, wait_nr, ts, sigmask);
	io_uring_for_each_cqe(ring, head, cqe)
		if (seen.shorten && cqe->res > (int)seen.shorten && ++seen.results % 2)
			cqe->res = (int)seen.shorten;
	return ret;
}

FIXTURE(tuning)
{
	char folder[PATH_MAX];
	struct pinpool_ctx ctx;
	struct pinpool_diag diag;
	struct pinpool_load_opts opts;
	struct stream_tuning tuning;
	struct stream_result result;
	unsigned int node;
	struct source source;
	uint8_t *content;
	uint8_t *memory;
};

FIXTURE_SETUP(tuning)
{
	struct io_uring ring;

	if (io_uring_queue_init(1, &ring, 0))
		SKIP(return, "no io_uring here");
	io_uring_queue_exit(&ring);
	make_folder(self->folder);
	memset(&self->ctx, 0, sizeof(self->ctx));
	memset(&self->diag, 0, sizeof(self->diag));
	memset(&self->tuning, 0, sizeof(self->tuning));
	memset(&seen, 0, sizeof(seen));
	self->node = 0;
	self->opts = (struct pinpool_load_opts){.size = sizeof(self->opts), .io = PINPOOL_IO_URING};
	self->content = make_pattern(1, 0, BYTES);
	write_file(in_folder(self->folder, "f"), self->content, BYTES);
	ASSERT_EQ(0, source_open(&self->source, in_folder(self->folder, "f"), &self->diag));
	self->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->memory);
	alarm(60);
}

FIXTURE_TEARDOWN_PARENT(tuning)
{
	remove_folder(self->folder);
}

static int run(FIXTURE_DATA(tuning) * self)
{
	/* Columns beside the whole: they go through buffers. */
	struct stream_file files[] = {
		{.source = &self->source},
		{.source = &self->source, .offset = 4ull << 20, .width = 100, .stride = 1000, .end = 999100},
	};
	struct stream_job job = {
		.ctx = &self->ctx,
		.base = self->memory,
		.pool = -1,
		.capacity = MEMORY,
		.files = files,
		.count = 2,
		.opts = &self->opts,
		.tuning = self->tuning,
		.node = self->node,
	};

	if (self->source.direct_fd >= 0)
		close(self->source.direct_fd);
	self->source.direct_fd = -1;
	memset(self->memory, 0xee, MEMORY);
	seen.rings = seen.asked = 0;
	return stream_run(&job, &self->result, &self->diag);
}

#define CHECK_RUN()                                                                                                    \
	do {                                                                                                           \
		ASSERT_EQ(0, run(self))                                                                                \
		{                                                                                                      \
			TH_LOG("%s: %s", self->diag.object, self->diag.cause);                                         \
		}                                                                                                      \
		EXPECT_EQ(0, memcmp(self->memory, self->content, BYTES));                                              \
		for (size_t row = 0; row < 1000; row++)                                                                \
			ASSERT_EQ(0, memcmp(self->memory + (4 << 20) + row * 100, self->content + row * 1000, 100));   \
	} while (0)

TEST_F(tuning, it_says_what_options_do_not)
{
	self->tuning = (struct stream_tuning){.chunk_bytes = 256 << 10, .queue_depth = 5};
	CHECK_RUN();
	EXPECT_EQ(256 << 10, self->result.chunk_bytes);
	EXPECT_EQ(5, self->result.queue_depth);
	self->opts.chunk_bytes = 128 << 10;
	self->opts.queue_depth = 3;
	CHECK_RUN();
	EXPECT_EQ(128 << 10, self->result.chunk_bytes);
	EXPECT_EQ(3, self->result.queue_depth);
	self->opts.chunk_bytes = 0;
	self->opts.queue_depth = 0;
	self->tuning = (struct stream_tuning){0};
	CHECK_RUN();
	EXPECT_EQ(stream_default(false).chunk_bytes, self->result.chunk_bytes);
	EXPECT_EQ(stream_default(false).queue_depth, self->result.queue_depth);
	EXPECT_FALSE(self->result.iopoll || self->result.sqpoll);
	EXPECT_EQ(0, seen.flags & (IORING_SETUP_IOPOLL | IORING_SETUP_SQPOLL));
}

/* A depth for a ring would be as many threads. */
TEST_F(tuning, threads_take_no_depth_from_it)
{
	self->opts.io = PINPOOL_IO_PREAD;
	self->tuning = (struct stream_tuning){.chunk_bytes = 64 << 10, .queue_depth = 40, .iopoll = true, .sqpoll = true};
	CHECK_RUN();
	EXPECT_GT(10, self->result.queue_depth);
	EXPECT_FALSE(self->result.iopoll || self->result.sqpoll);
	EXPECT_EQ(0, seen.rings);
}

TEST_F(tuning, a_ring_polls_if_it_is_told_to)
{
	struct device device;

	self->tuning.iopoll = true;
	seen.pretend = true;
	CHECK_RUN();
	if (!self->result.direct)
		SKIP(return, "no O_DIRECT here");
	EXPECT_TRUE(self->result.iopoll);
	EXPECT_TRUE(seen.flags & IORING_SETUP_IOPOLL);
	EXPECT_EQ(1, seen.rings);
	if (device_find(&device, DEVICE_SYSFS, self->source.dev) || !device.polls)
		return;
	/* Whatever this host makes of it. */
	seen.pretend = false;
	CHECK_RUN();
}

TEST_F(tuning, kernels_that_lose_polled_reads_poll_for_none)
{
	self->tuning.iopoll = true;
	seen.pretend = seen.old = true;
	CHECK_RUN();
	EXPECT_FALSE(self->result.iopoll);
	EXPECT_FALSE(seen.flags & IORING_SETUP_IOPOLL);
	EXPECT_EQ(0, seen.asked);
}

/* Such a ring cannot read through the page cache what a short read left. */
TEST_F(tuning, a_ring_that_polls_leaves_the_rest_of_short_reads_to_others)
{
	unsigned int direct;

	self->tuning.iopoll = true;
	self->tuning.chunk_bytes = 64 << 10;
	seen.pretend = true;
	CHECK_RUN();
	if (!self->result.direct)
		SKIP(return, "no O_DIRECT here");
	direct = seen.preads;
	seen.preads = 0;
	seen.shorten = 5000;
	CHECK_RUN();
	EXPECT_TRUE(self->result.iopoll);
	EXPECT_LT(direct + 10, seen.preads);
}

TEST_F(tuning, a_device_that_is_not_polled_is_read_without)
{
	self->tuning.iopoll = true;
	seen.pretend = true;
	seen.answer = -EOPNOTSUPP;
	CHECK_RUN();
	if (!self->result.direct)
		SKIP(return, "no O_DIRECT here");
	EXPECT_EQ(1, seen.asked);
	EXPECT_EQ(2, seen.rings);
	EXPECT_FALSE(seen.flags & IORING_SETUP_IOPOLL);
	EXPECT_FALSE(self->result.iopoll);
}

TEST_F(tuning, what_goes_through_the_page_cache_is_not_polled_for)
{
	self->tuning.iopoll = true;
	self->opts.buffered = true;
	CHECK_RUN();
	EXPECT_FALSE(self->result.iopoll);
	EXPECT_EQ(0, seen.asked);
	EXPECT_FALSE(seen.flags & IORING_SETUP_IOPOLL);
}

TEST_F(tuning, the_kernel_takes_requests_by_itself)
{
	cpu_set_t set;

	self->tuning.sqpoll = true;
	CHECK_RUN();
	if (!self->result.sqpoll)
		SKIP(return, "no SQPOLL here");
	EXPECT_TRUE(seen.flags & IORING_SETUP_SQPOLL);
	EXPECT_FALSE(seen.flags & (IORING_SETUP_SQ_AFF | IORING_SETUP_DEFER_TASKRUN));
	if (access("/sys/devices/system/node/node0/cpulist", F_OK))
		return;
	self->node = 1;
	CHECK_RUN();
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(set), &set));
	EXPECT_TRUE(seen.flags & IORING_SETUP_SQ_AFF);
	EXPECT_TRUE(CPU_ISSET(seen.cpu, &set));
}

TEST_F(tuning, a_kernel_that_refuses_gets_a_plain_ring)
{
	for (int i = 0; i < 2; i++) {
		seen.refuse = i ? IORING_SETUP_SQPOLL : IORING_SETUP_IOPOLL;
		self->tuning.iopoll = self->tuning.sqpoll = true;
		CHECK_RUN();
		EXPECT_FALSE(self->result.sqpoll);
		EXPECT_FALSE(self->result.iopoll);
		EXPECT_FALSE(seen.flags & (IORING_SETUP_IOPOLL | IORING_SETUP_SQPOLL));
	}
}

TEST_HARNESS_MAIN
