/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Commands to the kernel module: the kernel reads the file into the pool by itself (PINPOOL_URING_READ). The mapping is
 * not needed for it, nothing is pinned or registered, and a page that one request covers whole is not zeroed before.
 *
 * Neither the pool's file nor the sources are registered with the ring: a command wants plain descriptors of sources,
 * and a ring that has the pool's file keeps it open, and the load with it, for a while after it was closed.
 */
#include "base/diag.h"
#include "stream/uring.h"

#include <errno.h>
#include <linux/pinpool.h>
#include <string.h>

_Static_assert(sizeof(struct pinpool_uring_read) <= 80, "an entry of 128 bytes has so many for a command");

static void write_entry(struct uring *uring, struct io_uring_sqe *sqe, int source, uint64_t from, uint64_t to,
			uint64_t length)
{
	struct pinpool_uring_read args = {
		.size = sizeof(args),
		.fd = source,
		.file_offset = from,
		.pool_offset = to,
		.length = length,
	};

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, uring->run->job->pool, NULL, 0, 0);
	sqe->cmd_op = PINPOOL_URING_READ;
	memcpy(sqe->cmd, &args, sizeof(args));
}

/* What the kernel says to a command without a source: -EBADF is the module's word for that, others did not reach it. */
static int ask(struct uring *uring)
{
	struct io_uring_cqe *cqe;
	int ret;

	write_entry(uring, io_uring_get_sqe(&uring->ring), -1, 0, 0, 1);
	ret = io_uring_submit(&uring->ring);
	if (ret < 0)
		return ret;
	do
		ret = io_uring_wait_cqe(&uring->ring, &cqe);
	while (ret == -EINTR);
	if (ret < 0)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&uring->ring, cqe);
	return ret;
}

static int begin(struct uring *uring, struct pinpool_diag *diag)
{
	int ret = ask(uring);

	if (ret == -EBADF)
		return 0;
	diag_set(diag, -EOPNOTSUPP, "io_uring", NULL, "a command to the pool: %s", strerrordesc_np(-ret));
	if (ret == -EOPNOTSUPP || ret == -ENOTTY)
		diag_change(diag, "load a newer version of the kernel module");
	if (ret == -EACCES || ret == -EPERM)
		diag_change(diag, "a security policy forbids it");
	return -EOPNOTSUPP;
}

static void queue(struct uring *uring, const struct flight *flight, struct io_uring_sqe *sqe, uint32_t bytes)
{
	const struct request *request = &flight->request;
	const struct source *source = uring->run->job->files[request->file].source;

	write_entry(uring, sqe, flight->direct ? source->direct_fd : source->fd,
		    request->offset + flight->done - flight->pad,
		    run_place(uring->run, request->memory) + flight->done - flight->pad, bytes);
}

const struct uring_method uring_command = {
	.ring_flags = IORING_SETUP_SQE128,
	.begin = begin,
	.queue = queue,
};
