// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files read into a pool by the kernel itself: IORING_OP_URING_CMD on the writer's file.
 *
 * A page that a read covers whole and that this load has not touched is not cleared: it stays locked until the read
 * ends, so that nobody sees it, and then either all of it has come or what has not is cleared. Whatever others wait for,
 * those locks and the count of writes, is let go of where the read ends, in an interrupt mostly, and not in the task that
 * submitted it: that one may be waiting for the very page. It is told afterwards.
 *
 * What may block (a source that cannot be asked not to, a page that is locked or not there yet or must be cleared) is
 * refused with -EAGAIN at first, and io_uring asks again from a worker. Nothing is kept in between, since it may as well
 * not ask again.
 *
 * So there is nothing to cancel but what io_uring cancels by itself: it drops what no worker has begun, and a worker dies
 * with its process, since it waits killably here and in the source's file system. A command that is queued here is I/O
 * that a device is at work on, which nobody can call back: io_uring_cmd_mark_cancelable() would be of no use.
 */
#include <linux/bitmap.h>
#include <linux/bvec.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#include "compat/uring.h"
#include "pinpool.h"

/* The part of a 128 byte entry that belongs to the command. */
#define URING_AREA_SIZE 80
/* Places that one read touches at most, which the kernel limits to MAX_RW_COUNT bytes: as many, and one for its ends. */
#define URING_MAX_PAGES ((MAX_RW_COUNT >> PINPOOL_PAGE_SHIFT) + 2)

/**
 * struct uring_read - one read in flight
 * @kiocb: its state below, with the source's file
 * @cmd: whom to tell; holds the file of the pool
 * @pool: the pool, LOADING and counted as written
 * @offset: first byte in the pool
 * @length: bytes asked for
 * @result: bytes that came, or -errno
 * @holders: who submits, until it has, and what ends the read; the last of them goes on
 * @work: for clearing when the read ended in an interrupt
 * @nr: places that it touches
 * @locked: which of them are locked, and not cleared
 * @bvecs: one for each
 */
struct uring_read {
	struct kiocb kiocb;
	struct io_uring_cmd *cmd;
	struct pinpool_pool *pool;
	u64 offset;
	size_t length;
	ssize_t result;
	refcount_t holders;
	struct work_struct work;
	unsigned int nr;
	DECLARE_BITMAP(locked, URING_MAX_PAGES);
	struct bio_vec bvecs[];
};

/* What a command keeps of it in the meantime. */
struct uring_pdu {
	struct uring_read *read;
};

/* Not the system's: module exit waits for the last of it. */
static struct workqueue_struct *uring_wq;

static struct uring_pdu *uring_pdu(struct io_uring_cmd *cmd)
{
	BUILD_BUG_ON(sizeof(struct uring_pdu) > sizeof(cmd->pdu));

	return (struct uring_pdu *)cmd->pdu;
}

static struct folio *uring_folio(struct uring_read *read, unsigned int i)
{
	return page_folio(read->bvecs[i].bv_page);
}

/* How many bytes of place @i have come. */
static size_t uring_came(const struct uring_read *read, unsigned int i)
{
	u64 begin = (read->offset & ~(PINPOOL_PAGE_SIZE - 1)) + ((u64)i << PINPOOL_PAGE_SHIFT);
	u64 end = read->offset + max_t(ssize_t, read->result, 0);

	return clamp_t(s64, end - begin, 0, PINPOOL_PAGE_SIZE);
}

/* The place whose page has come in part and must not be seen so, or none: @nr. */
static unsigned int uring_torn(const struct uring_read *read)
{
	unsigned int i;

	for_each_set_bit(i, read->locked, read->nr)
		if (uring_came(read, i) % PINPOOL_PAGE_SIZE)
			return i;
	return read->nr;
}

/* From here on the pages are anybody's. Pages of which nothing came are as untouched as before. */
static void uring_let_go(struct uring_read *read)
{
	unsigned int i;

	for_each_set_bit(i, read->locked, read->nr) {
		size_t came = uring_came(read, i);

		if (came)
			pinpool_page_filled(uring_folio(read, i), came);
		folio_unlock(uring_folio(read, i));
	}
	if (read->result > 0)
		atomic64_add(read->result, &read->pool->bytes_read);
	pinpool_load_write_end(read->pool);
}

static void uring_free(struct uring_read *read)
{
	fput(read->kiocb.ki_filp);
	kfree(read);
}

/* In the task that submitted, or in place of it when that is gone. */
static void uring_tell(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct uring_read *read = uring_pdu(cmd)->read;
	ssize_t result = read->result;

	/* Before: who is told that the read has ended may expect to unmount its source. */
	uring_free(read);
	io_uring_cmd_done(cmd, result, issue_flags);
}
URING_TASK_WORK(uring_tell_in_task, uring_tell)

static void uring_end(struct uring_read *read)
{
	struct io_uring_cmd *cmd = read->cmd;

	uring_let_go(read);
	uring_pdu(cmd)->read = read;
	io_uring_cmd_complete_in_task(cmd, uring_tell_in_task);
}

static void uring_end_work(struct work_struct *work)
{
	uring_end(container_of(work, struct uring_read, work));
}

/* The errnos that restart a system call mean nothing here, as for the kernel's own reads. */
static ssize_t uring_result(ssize_t ret)
{
	switch (ret) {
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
	case -ERESTART_RESTARTBLOCK:
		return -EINTR;
	default:
		return ret;
	}
}

/* The end of a read that did not end in the call that started it. In any context. */
static void uring_complete(struct kiocb *kiocb, long ret)
{
	struct uring_read *read = container_of(kiocb, struct uring_read, kiocb);

	read->result = uring_result(ret);
	if (!refcount_dec_and_test(&read->holders))
		return;
	if (uring_torn(read) < read->nr)
		queue_work(uring_wq, &read->work);
	else
		uring_end(read);
}

/* Makes a page of the pool fit to be read into: locked, or known to hold nothing but what this load may see. */
static int uring_take_page(struct uring_read *read, unsigned int i, bool may_block)
{
	struct folio *folio = uring_folio(read, i);
	int err;

	if (folio_test_uptodate(folio))
		return 0;
	if (read->bvecs[i].bv_len < PINPOOL_PAGE_SIZE)
		return may_block ? pinpool_pages_prepare(&read->pool->pages, folio, true) : -EAGAIN;
	err = pinpool_page_lock(folio, may_block);
	if (err)
		return err;
	if (folio_test_uptodate(folio)) {
		folio_unlock(folio);
		return 0;
	}
	pinpool_page_lend(folio);
	__set_bit(i, read->locked);
	return 0;
}

/* The page at a place, which gets one if there is none yet. */
static struct folio *uring_get_page(struct pinpool_pool *pool, unsigned long index, bool may_block)
{
	if (may_block)
		return pinpool_pages_get(&pool->pages, index);
	return pinpool_pages_get_now(&pool->pages, index);
}

/* One after another as they lie in the pool, so that two reads never wait for each other. */
static int uring_take_pages(struct uring_read *read, bool may_block)
{
	size_t left = read->length;
	u64 offset = read->offset;
	int err;

	for (; left; read->nr++) {
		size_t within = offset & (PINPOOL_PAGE_SIZE - 1);
		size_t span = min_t(size_t, left, PINPOOL_PAGE_SIZE - within);
		struct folio *folio = uring_get_page(read->pool, offset >> PINPOOL_PAGE_SHIFT, may_block);

		if (IS_ERR(folio))
			return PTR_ERR(folio);
		read->bvecs[read->nr] = (struct bio_vec){
			.bv_page = folio_page(folio, 0),
			.bv_offset = within,
			.bv_len = span,
		};
		err = uring_take_page(read, read->nr, may_block);
		if (err)
			return err;
		offset += span;
		left -= span;
	}
	return 0;
}

/* Returns -EIOCBQUEUED if the end is told later, else what the read gave. */
static ssize_t uring_submit(struct uring_read *read, struct file *source, loff_t pos, bool may_block)
{
	struct iov_iter iter;
	ssize_t ret;

	init_sync_kiocb(&read->kiocb, source);
	read->kiocb.ki_complete = uring_complete;
	read->kiocb.ki_pos = pos;
	if (!may_block)
		read->kiocb.ki_flags |= IOCB_NOWAIT;
	iov_iter_bvec(&iter, ITER_DEST, read->bvecs, read->nr, read->length);
	refcount_set(&read->holders, 2);
	ret = vfs_iocb_iter_read(source, &read->kiocb, &iter);
	if (ret != -EIOCBQUEUED) {
		read->result = uring_result(ret);
		return read->result;
	}
	/* It may have ended already: what must not wait and would have to is refused that way, too. */
	return refcount_dec_and_test(&read->holders) ? read->result : -EIOCBQUEUED;
}

/*
 * How much of what is asked for is tried: not more pages of the pool than the source has bytes for, since one that is
 * on demand would get them for nothing, and whole ones, since a read past the page cache wants its alignment. A file may
 * say 0 and have more, as those of procfs do, or grow meanwhile: a read may be short, and who wants the rest comes again.
 */
static size_t uring_length(const struct pinpool_uring_read *args, struct file *source)
{
	loff_t size = i_size_read(source->f_mapping->host);
	u64 length = min_t(u64, args->length, MAX_RW_COUNT);
	u64 has, reach;

	if (!size)
		return length;
	has = max_t(s64, size - (s64)args->file_offset, 1);
	reach = round_up(args->pool_offset % PINPOOL_PAGE_SIZE + has, PINPOOL_PAGE_SIZE);
	return min_t(u64, length, reach - args->pool_offset % PINPOOL_PAGE_SIZE);
}

/* The source and the count as a writer are let go of in any case. */
static ssize_t uring_start(struct io_uring_cmd *cmd, struct pinpool_pool *pool, struct file *source,
			   const struct pinpool_uring_read *args, bool may_block)
{
	size_t length = uring_length(args, source);
	unsigned int nr = DIV_ROUND_UP((args->pool_offset & (PINPOOL_PAGE_SIZE - 1)) + length, PINPOOL_PAGE_SIZE);
	struct uring_read *read;
	ssize_t ret;

	read = kzalloc(struct_size(read, bvecs, nr), GFP_KERNEL_ACCOUNT);
	if (!read) {
		pinpool_load_write_end(pool);
		fput(source);
		return -ENOMEM;
	}
	read->cmd = cmd;
	read->pool = pool;
	read->offset = args->pool_offset;
	read->length = length;
	read->kiocb.ki_filp = source;
	INIT_WORK(&read->work, uring_end_work);

	ret = uring_take_pages(read, may_block);
	if (!ret)
		ret = uring_submit(read, source, args->file_offset, may_block);
	if (ret == -EIOCBQUEUED)
		return ret;
	read->result = ret;
	uring_let_go(read);
	uring_free(read);
	return ret;
}

/* Not more than a copy that others cannot change is ever looked at. */
static int uring_copy_args(struct io_uring_cmd *cmd, unsigned int issue_flags, struct pinpool_uring_read *args)
{
	u8 area[URING_AREA_SIZE];
	u32 size;

	BUILD_BUG_ON(sizeof(*args) > sizeof(area));

	memcpy(area, uring_cmd_area(cmd, issue_flags), sizeof(area));
	barrier();
	memcpy(&size, area, sizeof(size));
	if (size < offsetofend(struct pinpool_uring_read, length) || size > sizeof(area))
		return -EINVAL;
	if (size > sizeof(*args) && memchr_inv(area + sizeof(*args), 0, size - sizeof(*args)))
		return -E2BIG;
	memcpy(args, area, sizeof(*args));
	return 0;
}

static int uring_check_args(const struct pinpool_uring_read *args)
{
	if (args->flags)
		return -EOPNOTSUPP;
	if (args->__reserved || !args->length)
		return -EINVAL;
	if (args->file_offset > LLONG_MAX || args->length > LLONG_MAX - args->file_offset)
		return -EINVAL;
	if (args->pool_offset > LLONG_MAX || args->length > LLONG_MAX - args->pool_offset)
		return -EINVAL;
	return 0;
}

/* Whether a file is one that a range can be read of. */
static int uring_check_source(struct file *source)
{
	umode_t mode = file_inode(source)->i_mode;

	if (!(source->f_mode & FMODE_READ))
		return -EBADF;
	if (S_ISDIR(mode))
		return -EISDIR;
	if (S_ISFIFO(mode) || S_ISSOCK(mode))
		return -ESPIPE;
	/* Newer kernels say of an eventfd and the like that they are regular. None of those has an offset. */
	if ((!S_ISREG(mode) && !S_ISBLK(mode)) || !(source->f_mode & FMODE_PREAD))
		return -EINVAL;
	return 0;
}

/* Whether reading it can be tried without waiting. The page cache cannot: to copy megabytes is to wait. */
static bool uring_may_try(struct file *source)
{
	return (source->f_flags & O_DIRECT) && (source->f_mode & FMODE_NOWAIT);
}

static ssize_t uring_read(struct io_uring_cmd *cmd, const struct pinpool_uring_read *args, bool may_block)
{
	struct pinpool_pool *pool = cmd->file->private_data;
	struct file *source;
	u64 capacity;
	ssize_t ret;

	source = fget(args->fd);
	if (!source)
		return -EBADF;
	ret = uring_check_source(source);
	if (!ret)
		ret = pinpool_load_write_begin(pool, cmd->file, &capacity);
	if (ret)
		goto err_source;
	if (args->pool_offset > capacity || args->length > capacity - args->pool_offset) {
		ret = -EINVAL;
		goto err_write;
	}
	if (!may_block && !uring_may_try(source)) {
		ret = -EAGAIN;
		goto err_write;
	}
	return uring_start(cmd, pool, source, args, may_block);

err_write:
	pinpool_load_write_end(pool);
err_source:
	fput(source);
	return ret;
}

/**
 * pinpool_uring_cmd - one command on a file of a pool
 * @cmd: the command
 * @issue_flags: how it is issued
 *
 * Return: an errno of the contract, -EAGAIN to be asked again where it may block, or -EIOCBQUEUED if the command has
 * ended or will.
 */
int pinpool_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct pinpool_uring_read args;
	ssize_t ret;
	int err;

	if (cmd->cmd_op != PINPOOL_URING_READ)
		return -ENOTTY;
	/* Nothing here can be polled for, and not every kernel looks. */
	if (issue_flags & IO_URING_F_IOPOLL)
		return -EOPNOTSUPP;
	if (!(issue_flags & IO_URING_F_SQE128))
		return -EINVAL;
	err = uring_copy_args(cmd, issue_flags, &args);
	if (!err)
		err = uring_check_args(&args);
	if (err)
		return err;
	ret = uring_read(cmd, &args, !(issue_flags & IO_URING_F_NONBLOCK));
	if (ret < 0)
		return ret;
	/* Not returned: Linux 6.1 loses a command that a worker has issued and that returns more than 0. */
	io_uring_cmd_done(cmd, ret, issue_flags);
	return -EIOCBQUEUED;
}

/**
 * pinpool_uring_init - make commands possible
 *
 * Return: 0 or -ENOMEM.
 */
int __init pinpool_uring_init(void)
{
	uring_wq = alloc_workqueue("pinpool", WQ_UNBOUND, 0);
	return uring_wq ? 0 : -ENOMEM;
}

/**
 * pinpool_uring_exit - undo pinpool_uring_init()
 *
 * Also waits until code of the module that ended a read has been left.
 */
void pinpool_uring_exit(void)
{
	destroy_workqueue(uring_wq);
}
