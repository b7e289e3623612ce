// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Calls of the fuzzer: reading and writing pools by every call that there is for it.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "fuzz.h"
#include "fuzz_calls.h"

#define PIPE_BYTES (16 * PAGE)

/* What a write may have done: nothing on a READY pool, and no more than was asked for. */
static void write_judge(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r, int64_t ret)
{
	if (f->info.out_state == PINPOOL_STATE_READY && ret >= 0)
		fuzz_fail(a, "%lld bytes written to a READY pool", (long long)ret);
	if (!f->may_write && ret != -EBADF)
		fuzz_fail(a, "write to a file that is not open for writing: %lld", (long long)ret);
	if (ret > (int64_t)r->length)
		fuzz_fail(a, "%lld bytes of %zu written", (long long)ret, r->length);
}

static int64_t write_by(struct fuzz_actor *a, bool whole,
			int64_t (*write)(struct fuzz_actor *, const struct fuzz_file *, const struct fuzz_region *))
{
	struct fuzz_region r;
	struct fuzz_file f;
	int64_t ret = FUZZ_SKIP;

	if (fuzz_file_get(a, &f, true))
		return FUZZ_SKIP;
	if (fuzz_write_begin(a, f.key, f.info.out_capacity, whole, &r)) {
		ret = write(a, &f, &r);
		write_judge(a, &f, &r, ret);
		fuzz_write_end(a);
	}
	close(f.fd);
	return ret;
}

static int64_t by_pwrite(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r)
{
	return result(pwrite(f->fd, a->buffer, r->length, r->offset));
}

int64_t fuzz_pwrite(struct fuzz_actor *a)
{
	return write_by(a, false, by_pwrite);
}

int64_t fuzz_pwrite_page(struct fuzz_actor *a)
{
	return write_by(a, true, by_pwrite);
}

/* The last part of the user's memory is not there: what was copied before it counts. */
static int64_t by_pwrite_short(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r)
{
	size_t there = r->length / 2 & ~7UL;
	char *at = a->buffer + FUZZ_BUFFER - there;

	memmove(at, a->buffer, there);
	return result(pwrite(f->fd, at, r->length, r->offset));
}

int64_t fuzz_pwrite_fault(struct fuzz_actor *a)
{
	return write_by(a, fuzz_one_in(a, 8), by_pwrite_short);
}

static int64_t by_pwritev(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r)
{
	size_t cut = r->length / 8 / 3 * 8;
	struct iovec parts[] = {
		{ a->buffer, cut },
		{ NULL, 0 },
		{ a->buffer + cut, r->length - cut },
	};

	return result(pwritev(f->fd, parts, 3, r->offset));
}

int64_t fuzz_pwritev(struct fuzz_actor *a)
{
	return write_by(a, fuzz_one_in(a, 16), by_pwritev);
}

static void pipe_drain(struct fuzz_actor *a)
{
	while (read(a->pipe[0], a->buffer, PIPE_BYTES) > 0)
		;
}

static int64_t by_splice(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r)
{
	off_t offset = r->offset;
	int64_t ret;

	if (write(a->pipe[1], a->buffer, r->length) != (ssize_t)r->length)
		return -EAGAIN;
	ret = result(splice(a->pipe[0], NULL, f->fd, &offset, r->length, SPLICE_F_NONBLOCK));
	pipe_drain(a);
	return ret;
}

int64_t fuzz_splice_in(struct fuzz_actor *a)
{
	/* Before there is a pattern in the buffer. */
	pipe_drain(a);
	return write_by(a, false, by_splice);
}

/* The user's memory is the pool itself, at the very place that is written. */
static int64_t by_copying_itself(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r)
{
	void *map = mmap(NULL, HUGE + PAGE, PROT_READ, MAP_SHARED, f->fd, r->offset & ~(PAGE - 1));
	int64_t ret;

	if (map == MAP_FAILED)
		return by_pwrite(a, f, r);
	ret = result(pwrite(f->fd, (char *)map + r->offset % PAGE, r->length, r->offset));
	munmap(map, HUGE + PAGE);
	return ret;
}

int64_t fuzz_write_itself(struct fuzz_actor *a)
{
	return write_by(a, fuzz_one_in(a, 4), by_copying_itself);
}

/* By a worker of the ring, asynchronous. */
static int64_t by_uring(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&a->ring);

	io_uring_prep_write(sqe, f->fd, a->buffer, r->length, r->offset);
	sqe->flags |= IOSQE_ASYNC;
	sqe->user_data = FUZZ_RING_IO;
	a->record->writing_outlives = true;
	fuzz_ring_submit(a, 1, r->length);
	return fuzz_ring_wait(a);
}

int64_t fuzz_uring_write(struct fuzz_actor *a)
{
	return fuzz_ring_get(a) ? write_by(a, fuzz_one_in(a, 8), by_uring) : FUZZ_SKIP;
}

/**
 * read_begin - choose what to read
 * @a: who
 * @f: the file; the whole content if it is READY, else the actor's own part of a page, which nobody writes meanwhile
 * @most: bytes
 * @r: receives it
 *
 * Return: false if there is none; else fuzz_unclaim() must follow.
 */
static bool read_begin(struct fuzz_actor *a, const struct fuzz_file *f, size_t most, struct fuzz_region *r)
{
	uint64_t page = fuzz_below(a, FUZZ_PAGES), part = fuzz_below(a, HUGE / PAGE / FUZZ_ACTORS);
	uint64_t at = fuzz_below(a, (FUZZ_PAGES * HUGE + PAGE) / 8), bytes = 8 + fuzz_below(a, most / 8) * 8;

	if (f->info.out_state == PINPOOL_STATE_READY) {
		r->offset = at * 8;
		r->length = bytes;
	} else {
		r->offset = page * HUGE + (part * FUZZ_ACTORS + a->id) * PAGE;
		r->length = PAGE;
	}
	fuzz_note(a, r->offset, r->length, f->info.out_state);
	return f->info.out_state == PINPOOL_STATE_READY || fuzz_claim(a, f->key, page, false);
}

/* What was read, and how much: from a READY pool exactly what there is. */
static void read_judge(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r, int64_t ret,
		       bool all)
{
	uint64_t left = r->offset < f->info.out_length ? f->info.out_length - r->offset : 0;
	bool readable = (fcntl(f->fd, F_GETFL) & O_ACCMODE) != O_WRONLY;

	if (all && readable && f->info.out_state == PINPOOL_STATE_READY &&
	    ret != (int64_t)(left < r->length ? left : r->length))
		fuzz_fail(a, "%lld bytes of %zu read at %llu of a READY pool of %llu", (long long)ret, r->length,
			  (unsigned long long)r->offset, (unsigned long long)f->info.out_length);
	if (ret > 0)
		fuzz_verify(a, f->key, f->load, a->buffer, r->offset, ret);
}

static int64_t read_by(struct fuzz_actor *a, size_t most, bool all,
		       int64_t (*read)(struct fuzz_actor *, const struct fuzz_file *, const struct fuzz_region *))
{
	struct fuzz_region r;
	struct fuzz_file f;
	int64_t ret = FUZZ_SKIP;

	if (fuzz_file_get(a, &f, false))
		return FUZZ_SKIP;
	if (read_begin(a, &f, most, &r)) {
		ret = read(a, &f, &r);
		read_judge(a, &f, &r, ret, all);
		fuzz_unclaim(a);
	}
	close(f.fd);
	return ret;
}

static int64_t by_pread(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r)
{
	return result(pread(f->fd, a->buffer, r->length, r->offset));
}

int64_t fuzz_pread(struct fuzz_actor *a)
{
	return read_by(a, 4 * PAGE, true, by_pread);
}

int64_t fuzz_pread_page(struct fuzz_actor *a)
{
	return read_by(a, FUZZ_BUFFER - 8, true, by_pread);
}

static int64_t by_preadv(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r)
{
	size_t cut = r->length / 8 / 2 * 8;
	struct iovec parts[] = {
		{ a->buffer, cut },
		{ a->buffer + cut, r->length - cut },
	};

	return result(preadv(f->fd, parts, 2, r->offset));
}

int64_t fuzz_preadv(struct fuzz_actor *a)
{
	return read_by(a, 16 * PAGE, true, by_preadv);
}

static int64_t by_uring_read(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&a->ring);

	io_uring_prep_read(sqe, f->fd, a->buffer, r->length, r->offset);
	sqe->user_data = FUZZ_RING_IO;
	fuzz_ring_submit(a, 1, r->length);
	return fuzz_ring_wait(a);
}

int64_t fuzz_uring_read(struct fuzz_actor *a)
{
	return fuzz_ring_get(a) ? read_by(a, 4 * PAGE, true, by_uring_read) : FUZZ_SKIP;
}

static int64_t pipe_take(struct fuzz_actor *a, int64_t bytes)
{
	return bytes > 0 ? result(read(a->pipe[0], a->buffer, bytes)) : bytes;
}

static int64_t by_splice_out(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r)
{
	off_t offset = r->offset;

	return pipe_take(a, result(splice(f->fd, &offset, a->pipe[1], NULL, r->length, SPLICE_F_NONBLOCK)));
}

int64_t fuzz_splice_out(struct fuzz_actor *a)
{
	pipe_drain(a);
	return read_by(a, PIPE_BYTES, false, by_splice_out);
}

static int64_t by_sendfile(struct fuzz_actor *a, const struct fuzz_file *f, const struct fuzz_region *r)
{
	off_t offset = r->offset;

	return pipe_take(a, result(sendfile(a->pipe[1], f->fd, &offset, r->length)));
}

int64_t fuzz_sendfile(struct fuzz_actor *a)
{
	pipe_drain(a);
	return read_by(a, PIPE_BYTES, false, by_sendfile);
}

/* Into a mapping that cannot be written: not a byte may come. */
int64_t fuzz_pread_into_map(struct fuzz_actor *a)
{
	unsigned int slot = fuzz_below(a, FUZZ_MAPS);
	uint64_t offset = fuzz_below(a, FUZZ_PAGES * HUGE / 8) * 8;
	struct fuzz_map *m = &a->proc->maps[slot];
	int64_t ret = FUZZ_SKIP;
	struct fuzz_file f;

	if (fuzz_file_get(a, &f, false))
		return FUZZ_SKIP;
	fuzz_note(a, slot, offset, f.info.out_state);
	if (!pthread_rwlock_tryrdlock(&m->lock)) {
		if (!m->writable)
			ret = result(pread(f.fd, fuzz_map_address(slot) + offset, PAGE, 0));
		pthread_rwlock_unlock(&m->lock);
	}
	if (ret > 0)
		fuzz_fail(a, "%lld bytes read into a mapping that cannot be written", (long long)ret);
	close(f.fd);
	return ret;
}

int64_t fuzz_lseek(struct fuzz_actor *a)
{
	int slot = FUZZ_FD_FIRST + fuzz_below(a, FUZZ_FDS), whence = fuzz_below(a, 6);
	off_t offset = (const off_t[]){ 0, 8, -1, HUGE, INT64_MAX, INT64_MIN }[fuzz_below(a, 6)];

	fuzz_note(a, slot, offset, whence);
	return result(lseek(slot, offset, whence));
}

int64_t fuzz_poll(struct fuzz_actor *a)
{
	struct fuzz_file f;
	struct pollfd p = { .events = POLLIN | POLLOUT };
	int wait = fuzz_one_in(a, 4), ret;

	if (fuzz_file_get(a, &f, false))
		return FUZZ_SKIP;
	p.fd = f.fd;
	ret = result(poll(&p, 1, wait));
	fuzz_note(a, f.info.out_state, wait, p.revents);
	if (f.info.out_state == PINPOOL_STATE_READY && !(ret == 1 && p.revents & POLLIN))
		fuzz_fail(a, "poll of a READY pool: %d, %x", ret, p.revents);
	if ((p.revents & POLLIN) && !ret)
		fuzz_fail(a, "poll says %x and %d", p.revents, ret);
	close(f.fd);
	return ret;
}

int64_t fuzz_epoll(struct fuzz_actor *a)
{
	int slot = FUZZ_FD_FIRST + fuzz_below(a, FUZZ_FDS), what = fuzz_below(a, 4);
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | (fuzz_one_in(a, 2) ? EPOLLET : 0), .data.fd = slot };

	fuzz_note(a, slot, what, 0);
	if (what == 0)
		return result(epoll_wait(a->proc->epoll, &e, 1, 0));
	return result(epoll_ctl(a->proc->epoll, what == 1 ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, slot, &e));
}

/* A mapping that is written while @a holds it: the address of what fuzz_write_begin() chooses, or NULL. */
static char *map_write_begin(struct fuzz_actor *a, unsigned int slot, bool whole, struct fuzz_region *r)
{
	struct fuzz_map *m = &a->proc->maps[slot];

	if (pthread_rwlock_tryrdlock(&m->lock))
		return NULL;
	if (!m->writable || !m->length || !fuzz_write_begin(a, m->key, m->offset + m->length, whole, r))
		goto err_lock;
	if (r->offset < m->offset || r->offset + r->length > m->offset + m->length)
		goto err_write;
	return fuzz_map_address(slot) + (r->offset - m->offset);

err_write:
	fuzz_write_end(a);
err_lock:
	pthread_rwlock_unlock(&m->lock);
	return NULL;
}

/* O_DIRECT from a disk into a mapping. */
int64_t fuzz_direct(struct fuzz_actor *a)
{
	unsigned int slot = fuzz_below(a, FUZZ_MAPS);
	bool whole = fuzz_one_in(a, 16);
	struct fuzz_region r;
	int64_t ret = -EINVAL;
	char *to;

	to = map_write_begin(a, slot, whole, &r);
	if (!to)
		return FUZZ_SKIP;
	/* What is no whole sector is refused by the file system. */
	if (pwrite(a->source, a->buffer, r.length, 0) == (ssize_t)r.length)
		ret = result(pread(a->source, to, r.length, 0));
	fuzz_write_end(a);
	pthread_rwlock_unlock(&a->proc->maps[slot].lock);
	return ret;
}

/* Pins a page of a pool that @a loads, through a mapping that is gone at once. */
static int64_t register_of_file(struct fuzz_actor *a)
{
	struct iovec vec = { .iov_len = HUGE };
	struct fuzz_file f;
	int64_t ret;

	if (fuzz_file_get(a, &f, true))
		return FUZZ_SKIP;
	fuzz_note(a, f.info.out_name[2] - '0', f.key, f.info.out_state);
	vec.iov_base = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, f.fd, 0);
	if (vec.iov_base == MAP_FAILED) {
		ret = -errno;
	} else {
		ret = io_uring_register_buffers(&a->ring, &vec, 1);
		munmap(vec.iov_base, HUGE);
	}
	if (!ret)
		a->fixed = (struct fuzz_fixed){ vec.iov_base, HUGE, 0, f.key };
	close(f.fd);
	return ret;
}

/* Pins pages until they are unregistered, or the process goes. */
int64_t fuzz_uring_register(struct fuzz_actor *a)
{
	unsigned int slot = fuzz_below(a, FUZZ_MAPS);
	struct fuzz_map *m = &a->proc->maps[slot];
	struct iovec vec = { fuzz_map_address(slot) + fuzz_one_in(a, 4) * HUGE, PAGE << fuzz_below(a, 10) };
	bool of_file = fuzz_one_in(a, 2);
	int64_t ret = FUZZ_SKIP;

	if (!fuzz_ring_get(a))
		return FUZZ_SKIP;
	if (of_file)
		return register_of_file(a);
	if (pthread_rwlock_tryrdlock(&m->lock))
		return FUZZ_SKIP;
	fuzz_note(a, slot, (uintptr_t)vec.iov_base, vec.iov_len);
	if (m->length) {
		ret = io_uring_register_buffers(&a->ring, &vec, 1);
		if (!ret)
			a->fixed = (struct fuzz_fixed){ vec.iov_base, vec.iov_len,
							m->offset + ((char *)vec.iov_base - fuzz_map_address(slot)),
							m->key };
		if (!ret && !m->writable)
			fuzz_fail(a, "a mapping that cannot be written is registered as a buffer");
	}
	pthread_rwlock_unlock(&m->lock);
	return ret;
}

int64_t fuzz_uring_unregister(struct fuzz_actor *a)
{
	a->fixed.length = 0;
	return a->ring_ok ? io_uring_unregister_buffers(&a->ring) : FUZZ_SKIP;
}

static int64_t uring_from_disk(struct fuzz_actor *a, char *to, size_t length, bool fixed, bool waits)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&a->ring);

	if (pwrite(a->source, a->buffer, length, 0) != (ssize_t)length) {
		/* Not a whole sector. */
		io_uring_prep_nop(sqe);
		waits = true;
	} else if (fixed) {
		io_uring_prep_read_fixed(sqe, a->source, to, length, 0, 0);
	} else {
		io_uring_prep_read(sqe, a->source, to, length, 0);
	}
	sqe->user_data = FUZZ_RING_IO;
	a->record->writing_outlives = true;
	fuzz_ring_submit(a, 1, length);
	return waits ? fuzz_ring_wait(a) : 0;
}

/* From a disk by the ring into a mapping. It may be in flight when the process dies. */
int64_t fuzz_uring_direct(struct fuzz_actor *a)
{
	unsigned int slot = fuzz_below(a, FUZZ_MAPS);
	bool waits = fuzz_one_in(a, 2);
	struct fuzz_region r;
	int64_t ret;
	char *to;

	if (!fuzz_ring_get(a))
		return FUZZ_SKIP;
	to = map_write_begin(a, slot, false, &r);
	if (!to)
		return FUZZ_SKIP;
	ret = uring_from_disk(a, to, r.length, false, waits);
	if (!a->flight)
		fuzz_write_end(a);
	pthread_rwlock_unlock(&a->proc->maps[slot].lock);
	return ret;
}

/* The same into pages that were registered, whatever has become of the mapping. */
int64_t fuzz_uring_fixed(struct fuzz_actor *a)
{
	bool waits = fuzz_one_in(a, 2);
	struct fuzz_region r;
	int64_t ret = FUZZ_SKIP;

	if (!a->fixed.length || !fuzz_write_begin(a, a->fixed.key, (a->fixed.offset / HUGE + 1) * HUGE, false, &r))
		return FUZZ_SKIP;
	if (r.offset >= a->fixed.offset && r.offset + r.length <= a->fixed.offset + a->fixed.length)
		ret = uring_from_disk(a, a->fixed.address + (r.offset - a->fixed.offset), r.length, true, waits);
	if (!a->flight)
		fuzz_write_end(a);
	return ret;
}
