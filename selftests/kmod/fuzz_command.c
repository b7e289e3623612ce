// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Calls of the fuzzer: PINPOOL_URING_READ, files read into pools by the kernel itself. What is read is a pattern of the
 * actor's (fuzz_content.c), which goes through a file of its own, so that whose each word is can be told as ever. A
 * read may go on when its actor is gone.
 */
#include "fuzz.h"
#include "fuzz_calls.h"
#include "uring_cmd.h"

/* How a pattern is read. */
struct command {
	uint64_t from; /* where it lies in the file */
	unsigned int eighths; /* how much of it: the file ends there */
	bool direct;
	bool async;
};

static struct command command_choose(struct fuzz_actor *a)
{
	struct command c = { .from = fuzz_below(a, 3) * PAGE, .eighths = fuzz_one_in(a, 4) ? fuzz_below(a, 8) : 8 };

	c.direct = fuzz_one_in(a, 2);
	c.async = fuzz_one_in(a, 2);
	return c;
}

static bool command_can(struct fuzz_actor *a)
{
	return (a->proc->features & PINPOOL_FEATURE_URING_READ) && fuzz_ring_get(a);
}

/* The file, of nothing but a pattern. Past the page cache, so that nothing has to be written back, or through it. */
static bool source_fill(struct fuzz_actor *a, const struct command *c, size_t bytes)
{
	int fd = c->direct && !(bytes % PAGE) ? a->source : a->cached;

	return !ftruncate(fd, 0) && !ftruncate(fd, c->from + bytes) &&
	       pwrite(fd, a->buffer, bytes, c->from) == (ssize_t)bytes;
}

/* Submits the reading of a whole region, for fuzz_ring_wait(). */
static void command_submit(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r,
			   const struct command *c)
{
	bool may = f->may_write && f->info.out_state != PINPOOL_STATE_READY;
	size_t bytes = r->length / 8 * c->eighths / 8 * 8;
	struct pinpool_uring_read read = {
		.size = sizeof(read),
		.fd = c->direct ? a->source : a->cached,
		.file_offset = c->from,
		.pool_offset = r->offset,
		.length = r->length,
	};
	struct io_uring_sqe *sqe;

	if (!source_fill(a, c, bytes))
		fuzz_fail(a, "a file of %zu bytes: %m", bytes);
	sqe = queue_args(&a->ring, f->fd, &read);
	sqe->flags = c->async ? IOSQE_ASYNC : 0;
	sqe->user_data = FUZZ_RING_IO;
	a->record->writing_outlives = true;
	fuzz_ring_submit(a, 1, may ? (int64_t)bytes : -1);
}

/* Submits its cancellation, a moment later: it may have begun or ended. */
static void command_cancel(struct fuzz_actor *a, unsigned int later_us)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&a->ring);

	io_uring_prep_cancel64(sqe, FUZZ_RING_IO, 0);
	sqe->user_data = FUZZ_RING_CANCEL;
	if (later_us)
		sleep_us(later_us);
	fuzz_ring_submit(a, 1, a->flight_most);
}

/* One read of a region of some pool. @leaves: it is left in flight. */
static int64_t command_by(struct fuzz_actor *a, bool cancels, bool leaves)
{
	unsigned int later_us = fuzz_one_in(a, 2) ? fuzz_below(a, 1000) : 0;
	struct command c = command_choose(a);
	bool whole = fuzz_one_in(a, 8);
	int64_t ret = FUZZ_SKIP;
	struct fuzz_region r;
	struct fuzz_file f;

	if (!command_can(a) || fuzz_file_get(a, &f, true))
		return FUZZ_SKIP;
	if (fuzz_write_begin(a, f.key, f.info.out_capacity, whole, &r)) {
		command_submit(a, &f, &r, &c);
		if (cancels)
			command_cancel(a, later_us);
		ret = leaves ? 0 : fuzz_ring_wait(a);
		if (!leaves)
			fuzz_write_end(a);
	}
	close(f.fd);
	return ret;
}

int64_t fuzz_uring_cmd(struct fuzz_actor *a)
{
	return command_by(a, false, false);
}

int64_t fuzz_uring_cmd_cancel(struct fuzz_actor *a)
{
	return command_by(a, true, false);
}

/* What happens to it while it is in flight: its process dies, its ring is closed, its file is cut short, or nothing. */
int64_t fuzz_uring_cmd_leave(struct fuzz_actor *a)
{
	unsigned int what = fuzz_below(a, 16);
	int64_t ret = command_by(a, false, true);

	if (ret)
		return ret;
	a->entry->arg[3] = what;
	if (what == 0)
		return fuzz_die(a);
	if (what <= 3)
		fuzz_ring_drop(a);
	else if (what <= 6 && ftruncate(a->cached, 0))
		fuzz_fail(a, "a file does not become shorter: %m");
	return 0;
}

/* One part of a load (fuzz_ioctl.c), or -EOPNOTSUPP if this is no way to do it. */
int fuzz_command_load(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r)
{
	struct command c = command_choose(a);

	if (!command_can(a))
		return -EOPNOTSUPP;
	c.direct = c.direct && !(r->offset % PAGE) && !(r->length % PAGE);
	command_submit(a, f, r, &c);
	return fuzz_ring_wait(a);
}

/* One thing wrong with a command, and what has to be said of it, whatever the state; 0: any error will do. */
static int command_spoil(struct fuzz_actor *a, const struct fuzz_file *f, struct pinpool_uring_read *r,
			 unsigned int *op)
{
	uint32_t random = fuzz_random(a);

	switch (fuzz_below(a, 17)) {
	case 0:
		r->size = random % sizeof(*r);
		return -EINVAL;
	case 1: /* what is behind it is not zero */
		r->size += 1 + random % (AREA - sizeof(*r));
		return -E2BIG;
	case 2:
		r->size = AREA + 1 + random % 1024;
		return -EINVAL;
	case 3:
		r->flags = 1U << random % 32;
		return -EOPNOTSUPP;
	case 4:
		r->__reserved = 1U << random % 32;
		return -EINVAL;
	case 5:
		r->length = 0;
		return -EINVAL;
	case 6:
		r->file_offset = INT64_MAX - random % r->length;
		r->length++;
		return -EINVAL;
	case 7:
		r->pool_offset = INT64_MAX - random % r->length;
		r->length++;
		return -EINVAL;
	case 8:
		r->fd = -1 - (int)(random % 1024);
		return -EBADF;
	case 9: /* the end that is written */
		r->fd = a->pipe[1];
		return -EBADF;
	case 10:
		r->fd = a->pipe[0];
		return -ESPIPE;
	case 11:
		r->fd = fuzz->mailbox[random % 2];
		return -ESPIPE;
	case 12:
		r->fd = a->proc->directory;
		return -EISDIR;
	case 13:
		r->fd = a->proc->control[0];
		return -EINVAL;
	case 14:
		*op = _IO(PINPOOL_TYPE, random % 0xA0);
		return -ENOTTY;
	case 15: /* itself */
		r->fd = f->fd;
		return (fcntl(f->fd, F_GETFL) & O_ACCMODE) == O_WRONLY ? -EBADF : -EINVAL;
	default:
		r->pool_offset = (uint64_t)random << 24 | 1ULL << 60;
		return 0;
	}
}

int64_t fuzz_uring_cmd_bad(struct fuzz_actor *a)
{
	struct pinpool_uring_read read = { .size = sizeof(read), .fd = a->cached, .length = PAGE };
	bool async = fuzz_one_in(a, 2);
	unsigned int op = PINPOOL_URING_READ;
	struct io_uring_sqe *sqe;
	struct fuzz_file f;
	int64_t ret;
	int wrong;

	if (!command_can(a) || fuzz_file_get(a, &f, true))
		return FUZZ_SKIP;
	wrong = command_spoil(a, &f, &read, &op);
	fuzz_note(a, wrong, read.fd, async);
	sqe = queue_bytes(&a->ring, f.fd, op, &read, sizeof(read));
	sqe->flags = async ? IOSQE_ASYNC : 0;
	sqe->user_data = FUZZ_RING_IO;
	fuzz_ring_submit(a, 1, -1);
	ret = fuzz_ring_wait(a);
	if (wrong && ret != wrong)
		fuzz_fail(a, "a wrong command is %lld, not %d", (long long)ret, wrong);
	close(f.fd);
	return ret;
}
