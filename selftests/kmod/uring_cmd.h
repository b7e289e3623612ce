/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * PINPOOL_URING_READ for the tests: rings that can, entries that ask, results. A ring is given back with
 * io_uring_queue_exit().
 */
#ifndef SELFTESTS_KMOD_URING_CMD_H
#define SELFTESTS_KMOD_URING_CMD_H

#include <liburing.h>

#include "kmod_test.h"

/* What an entry of 128 bytes has for a command. */
#define AREA 80

static inline int ring_init(struct io_uring *ring, unsigned int depth, unsigned int flags)
{
	return io_uring_queue_init(depth, ring, IORING_SETUP_SQE128 | flags);
}

/* A command with any @bytes in its area; the rest of it is what no command may look at. The entry, for its flags. */
static inline struct io_uring_sqe *queue_bytes(struct io_uring *ring, int pool, unsigned int op, const void *bytes,
					       size_t n)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, pool, NULL, 0, 0);
	sqe->cmd_op = op;
	memset(sqe->cmd, 0xee, AREA);
	memcpy(sqe->cmd, bytes, n);
	return sqe;
}

static inline struct io_uring_sqe *queue_args(struct io_uring *ring, int pool, const struct pinpool_uring_read *r)
{
	return queue_bytes(ring, pool, PINPOOL_URING_READ, r, sizeof(*r));
}

/* @length bytes of @source at @from to place @to of the pool. @flags of the entry: IOSQE_*. */
static inline void queue_read(struct io_uring *ring, int pool, int source, uint64_t from, uint64_t to, uint64_t length,
			      unsigned int flags)
{
	struct pinpool_uring_read r = {
		.size = sizeof(r),
		.fd = source,
		.file_offset = from,
		.pool_offset = to,
		.length = length,
	};
	struct io_uring_sqe *sqe = queue_args(ring, pool, &r);

	sqe->flags = flags;
	sqe->user_data = to;
}

/* Commits @length bytes once nothing is in flight any more, and gives up after @patience_us. 0 or -errno. */
static inline int commit_in_time(int fd, uint64_t length, long patience_us)
{
	int ret = -EBUSY;

	for (long us = 0; ret == -EBUSY && us < patience_us; us += 10000) {
		ret = pool_commit(fd, length);
		if (ret == -EBUSY)
			sleep_us(10000);
	}
	return ret;
}

/* The result of the next command to end. */
static inline int ring_result(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int ret = io_uring_wait_cqe(ring, &cqe);

	if (ret < 0)
		return -1000 + ret;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

static inline int submit_one(struct io_uring *ring)
{
	int ret = io_uring_submit(ring);

	return ret == 1 ? ring_result(ring) : -1000 + ret;
}

static inline int read_one(struct io_uring *ring, int pool, int source, uint64_t from, uint64_t to, uint64_t length)
{
	queue_read(ring, pool, source, from, to, length, 0);
	return submit_one(ring);
}

#endif
