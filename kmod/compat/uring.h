/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a driver sees of io_uring, as on a current kernel. For the one source that implements commands; the rules are
 * those of compat.h.
 */
#ifndef PINPOOL_COMPAT_URING_H
#define PINPOOL_COMPAT_URING_H

/* "io_uring/cmd: move io_uring_cmd to its own header". Delete when the oldest is 6.8. */
#ifdef PINPOOL_HAVE_URING_CMD_H
#include <linux/io_uring/cmd.h>
#include <linux/io_uring_types.h>
#else
#include <linux/io_uring.h>
#endif

/*
 * The bytes of the command in its submission entry. "io_uring/cmd: expose the whole sqe"; before, there was a pointer
 * to them. Delete when the oldest is 6.6, which is before the header moved.
 *
 * "io_uring/uring_cmd: unconditionally copy SQEs at prep time". Before, a command that gave -EAGAIN was copied for the
 * worker that issues it again, but from 6.10 on the worker was shown the entry, which may be that of another command by
 * then. The headers do not show it, so that goes by what came with it and soon after. Delete when the oldest is 6.15.
 */
static inline const void *uring_cmd_area(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
#ifdef PINPOOL_HAVE_URING_CMD_H
#ifndef PINPOOL_HAVE_URING_CMD_COPIED
	struct io_kiocb *req = cmd_to_io_kiocb(cmd);

	if (!(issue_flags & IO_URING_F_NONBLOCK) && (req->flags & REQ_F_ASYNC_DATA))
		return ((const struct io_uring_sqe *)req->async_data)->cmd;
#endif
	return cmd->sqe->cmd;
#else
	return cmd->cmd;
#endif
}

/* "io_uring: add support for IORING_SETUP_CQE_MIXED" took away the second result. Delete when the oldest is 6.18. */
#ifndef PINPOOL_HAVE_URING_CMD_DONE32
#define io_uring_cmd_done(cmd, ret, issue_flags) io_uring_cmd_done(cmd, ret, 0, issue_flags)
#endif

/*
 * Defines @name, a callback for io_uring_cmd_complete_in_task() that calls @end(cmd, issue_flags). "io_uring: avoid
 * double indirect call in task work dispatch" changed what it gets. Delete when the oldest is 6.19.
 */
#ifdef PINPOOL_HAVE_URING_CMD_FROM_TW
#define URING_TASK_WORK(name, end)							\
	static void name(struct io_tw_req req, io_tw_token_t token)			\
	{										\
		end(io_uring_cmd_from_tw(req), IO_URING_CMD_TASK_WORK_ISSUE_FLAGS);	\
	}
#else
#define URING_TASK_WORK(name, end)							\
	static void name(struct io_uring_cmd *cmd, unsigned int issue_flags)		\
	{										\
		end(cmd, issue_flags);							\
	}
#endif

#endif /* PINPOOL_COMPAT_URING_H */
