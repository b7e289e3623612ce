// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/pinpool/NAME: what a file of a pool does.
 */
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/nodemask.h>
#include <linux/pagemap.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "pinpool.h"
#include "trace.h"

static int node_open(struct inode *inode, struct file *file)
{
	struct pinpool_pool *pool = pinpool_pool_open(iminor(inode));

	if (!pool)
		return -ENXIO;
	file->private_data = pool;
	file->f_mapping = pool->inode->i_mapping;
	/*
	 * read() waits for nothing, and write() for a page at most, which it does not if it is told so: the pool's lock is
	 * held by nobody who waits. What they cannot do now they refuse.
	 */
	file->f_mode |= FMODE_NOWAIT;
	return 0;
}

static int node_release(struct inode *inode, struct file *file)
{
	struct pinpool_pool *pool = file->private_data;

	pinpool_load_file_closed(pool, file);
	pinpool_pool_put(pool);
	return 0;
}

/* What of an I/O at @pos lies in one page. */
static size_t node_span(u64 pos, u64 end, size_t count)
{
	size_t offset = pos & (PINPOOL_PAGE_SIZE - 1);

	return min3(count, (size_t)PINPOOL_PAGE_SIZE - offset, (size_t)min_t(u64, end - pos, SIZE_MAX));
}

static void *node_address(struct folio *folio, u64 pos)
{
	return folio_address(folio) + (pos & (PINPOOL_PAGE_SIZE - 1));
}

static ssize_t node_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *file = iocb->ki_filp;
	struct pinpool_pool *pool = file->private_data;
	ssize_t done = 0;
	int loading;
	u64 end;

	loading = pinpool_load_read_begin(pool, file, &end);
	if (loading < 0)
		return loading;

	while (iov_iter_count(to) && iocb->ki_pos < end) {
		size_t span = node_span(iocb->ki_pos, end, iov_iter_count(to)), copied;
		struct folio *folio = pinpool_pages_find(&pool->pages, iocb->ki_pos >> PINPOOL_PAGE_SHIFT);

		/* A page that this load has not touched still holds somebody else's bytes. */
		if (folio && folio_test_uptodate(folio))
			copied = copy_to_iter(node_address(folio, iocb->ki_pos), span, to);
		else
			copied = iov_iter_zero(span, to);
		iocb->ki_pos += copied;
		done += copied;
		if (copied < span) {
			done = done ?: -EFAULT;
			break;
		}
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}

	if (loading)
		pinpool_load_read_end(pool);
	return done;
}

/* Bytes taken of a write that lies in one page; 0 if user memory ended the copy before the first. */
static ssize_t node_write_page(struct pinpool_pool *pool, u64 pos, size_t span, struct iov_iter *from, bool may_block)
{
	unsigned long index = pos >> PINPOOL_PAGE_SHIFT;
	struct folio *folio;
	int err;

	folio = may_block ? pinpool_pages_get(&pool->pages, index) : pinpool_pages_get_now(&pool->pages, index);
	if (IS_ERR(folio))
		return PTR_ERR(folio);
	if (span == PINPOOL_PAGE_SIZE && !folio_test_uptodate(folio)) {
		ssize_t copied = pinpool_page_overwrite(folio, from, may_block);

		if (copied)
			return copied;
	}
	err = pinpool_pages_prepare(&pool->pages, folio, may_block);
	return err ?: copy_from_iter(node_address(folio, pos), span, from);
}

static ssize_t node_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct file *file = iocb->ki_filp;
	struct pinpool_pool *pool = file->private_data;
	ssize_t done = 0, copied = 0;
	u64 capacity;
	int err;

	err = pinpool_load_write_begin(pool, file, &capacity);
	if (err)
		return err;
	if (iov_iter_count(from) && iocb->ki_pos >= capacity)
		copied = -ENOSPC;

	while (iov_iter_count(from) && iocb->ki_pos < capacity) {
		size_t span = node_span(iocb->ki_pos, capacity, iov_iter_count(from));

		copied = node_write_page(pool, iocb->ki_pos, span, from, !(iocb->ki_flags & IOCB_NOWAIT));
		if (!copied)
			copied = -EFAULT;
		if (copied < 0)
			break;
		iocb->ki_pos += copied;
		done += copied;
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}

	atomic64_add(done, &pool->bytes_written);
	pinpool_load_write_end(pool);
	return done ?: min_t(ssize_t, copied, 0);
}

static loff_t node_llseek(struct file *file, loff_t offset, int whence)
{
	struct pinpool_pool *pool = file->private_data;
	u64 end;
	int loading;

	/* Where the end is depends on who asks. */
	loading = pinpool_load_read_begin(pool, file, &end);
	if (loading > 0)
		pinpool_load_read_end(pool);
	if (loading < 0) {
		if (whence != SEEK_SET && whence != SEEK_CUR)
			return loading;
		end = 0;
	}
	return generic_file_llseek_size(file, offset, whence, MAX_LFS_FILESIZE, end);
}

/*
 * Writable is who has no other state to wait for: who can begin or write now, or never again. It says nothing of pages,
 * which is what a write may have to wait for. So io_uring, which asks here when a write said -EAGAIN, tries a few times
 * and then lets a worker wait; if it were not told writable it would wait for another state, the end of the very load.
 */
static bool node_writable(struct pinpool_pool *pool, struct file *file, enum pinpool_state state)
{
	switch (state) {
	case PINPOOL_STATE_EMPTY:
		return true;
	case PINPOOL_STATE_LOADING:
		return READ_ONCE(pool->writer) == file;
	case PINPOOL_STATE_READY:
		return file->f_mode & FMODE_WRITE;
	}
	return false;
}

static __poll_t node_poll(struct file *file, poll_table *wait)
{
	struct pinpool_pool *pool = file->private_data;
	enum pinpool_state state;
	__poll_t events = 0;

	poll_wait(file, &pool->wait, wait);
	/* Who is told READY and reads sees the content. */
	state = smp_load_acquire(&pool->state);
	if (state == PINPOOL_STATE_READY)
		events |= EPOLLIN | EPOLLRDNORM;
	if (node_writable(pool, file, state))
		events |= EPOLLOUT | EPOLLWRNORM;
	if (READ_ONCE(pool->destroyed))
		events |= EPOLLHUP;
	return events;
}

static int node_ioctl_info(struct pinpool_ucmd *ucmd)
{
	const struct inode *node = file_inode(ucmd->file);
	struct pinpool_pool_info *info = ucmd->cmd;

	if (info->flags)
		return -EOPNOTSUPP;
	pinpool_pool_info(ucmd->file->private_data, info);
	/* Of the node that was opened, as it is now: who may use a pool is changed there, by chown() and chmod(). */
	info->out_uid = from_kuid_munged(current_user_ns(), node->i_uid);
	info->out_gid = from_kgid_munged(current_user_ns(), node->i_gid);
	info->out_mode = READ_ONCE(node->i_mode) & 0777;
	return 0;
}

static int node_ioctl_begin(struct pinpool_ucmd *ucmd)
{
	struct pinpool_pool *pool = ucmd->file->private_data;
	const struct pinpool_begin *begin = ucmd->cmd;
	int err;

	if (begin->flags)
		return -EOPNOTSUPP;
	err = pinpool_load_begin(pool, ucmd->file);
	trace_pinpool_load(pool, err);
	return err;
}

static int node_ioctl_commit(struct pinpool_ucmd *ucmd)
{
	struct pinpool_pool *pool = ucmd->file->private_data;
	const struct pinpool_commit *commit = ucmd->cmd;
	int err;

	if (commit->flags || commit->digest_kind > PINPOOL_DIGEST_XXH3_128_LIST)
		return -EOPNOTSUPP;
	if (commit->__reserved || !commit->length)
		return -EINVAL;
	if (commit->digest_kind == PINPOOL_DIGEST_NONE && memchr_inv(commit->digest, 0, sizeof(commit->digest)))
		return -EINVAL;
	err = pinpool_load_commit(pool, ucmd->file, commit);
	trace_pinpool_commit(pool, commit->length, err);
	return err;
}

static int node_ioctl_abort(struct pinpool_ucmd *ucmd)
{
	struct pinpool_pool *pool = ucmd->file->private_data;
	const struct pinpool_abort *abort = ucmd->cmd;
	int err;

	if (abort->flags)
		return -EOPNOTSUPP;
	err = pinpool_load_abort(pool, ucmd->file);
	trace_pinpool_abort(pool, false, err);
	return err;
}

static int node_ioctl_resize(struct pinpool_ucmd *ucmd)
{
	const struct pinpool_resize *resize = ucmd->cmd;

	if (resize->flags)
		return -EOPNOTSUPP;
	if (!resize->capacity || !IS_ALIGNED(resize->capacity, PINPOOL_PAGE_SIZE))
		return -EINVAL;
	return pinpool_load_resize(ucmd->file->private_data, ucmd->file, resize->capacity);
}

static int node_ioctl_eviction(struct pinpool_ucmd *ucmd)
{
	const struct pinpool_eviction *eviction = ucmd->cmd;

	if (eviction->flags || eviction->evictable > 1)
		return -EOPNOTSUPP;
	return pinpool_pool_set_eviction(ucmd->file->private_data, eviction->evictable, eviction->priority);
}

static int node_ioctl_export(struct pinpool_ucmd *ucmd)
{
	struct pinpool_pool *pool = ucmd->file->private_data;
	struct pinpool_export *export = ucmd->cmd;
	struct file *file;
	int fd;

	if (export->flags || (export->fd_flags & ~(O_RDWR | O_CLOEXEC)))
		return -EOPNOTSUPP;
	if (!export->length || !PAGE_ALIGNED(export->offset | export->length) ||
	    export->length >> PAGE_SHIFT > INT_MAX)
		return -EINVAL;
	fd = get_unused_fd_flags(export->fd_flags & O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = pinpool_export(pool, ucmd->file, export, export->fd_flags & O_RDWR);
	trace_pinpool_export(pool, export, PTR_ERR_OR_ZERO(file));
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	export->out_fd = fd;
	ucmd->new_fd = fd;
	ucmd->new_file = file;
	return 0;
}

static const struct pinpool_ioctl_op node_ioctl_ops[] = {
	PINPOOL_IOCTL_OP(PINPOOL_IOC_POOL_INFO, node_ioctl_info, pinpool_pool_info, out_mode, true),
	PINPOOL_IOCTL_OP(PINPOOL_IOC_BEGIN, node_ioctl_begin, pinpool_begin, flags, false),
	PINPOOL_IOCTL_OP(PINPOOL_IOC_COMMIT, node_ioctl_commit, pinpool_commit, __reserved, false),
	PINPOOL_IOCTL_OP(PINPOOL_IOC_ABORT, node_ioctl_abort, pinpool_abort, flags, false),
	PINPOOL_IOCTL_OP(PINPOOL_IOC_RESIZE, node_ioctl_resize, pinpool_resize, capacity, false),
	PINPOOL_IOCTL_OP(PINPOOL_IOC_EVICTION, node_ioctl_eviction, pinpool_eviction, priority, false),
	PINPOOL_IOCTL_OP(PINPOOL_IOC_EXPORT, node_ioctl_export, pinpool_export, out_fd, true),
};

static long node_ioctl(struct file *file, unsigned int number, unsigned long arg)
{
	return pinpool_ioctl(file, node_ioctl_ops, ARRAY_SIZE(node_ioctl_ops), number, arg);
}

static void node_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct pinpool_pool *pool = file->private_data;
	struct pinpool_pool_info info;
	int nid;

	pinpool_pool_info(pool, &info);
	seq_printf(seq, "pinpool-name:\t%s\n", info.out_name);
	seq_printf(seq, "pinpool-state:\t%s\n", pinpool_state_name(info.out_state));
	seq_printf(seq, "pinpool-capacity:\t%llu\n", info.out_capacity);
	seq_printf(seq, "pinpool-length:\t%llu\n", info.out_length);
	seq_printf(seq, "pinpool-role:\t%s\n", READ_ONCE(pool->writer) == file ? "writer" : "reader");
	for_each_node_state(nid, N_MEMORY)
		seq_printf(seq, "pinpool-pages-node%d:\t%lu\n", nid, pinpool_pages_on_node(&pool->pages, nid));
}

static const struct file_operations node_fops = {
	.owner = THIS_MODULE,
	.open = node_open,
	.release = node_release,
	.read_iter = node_read_iter,
	.write_iter = node_write_iter,
	/* Copies: a page in a pipe would outlive the pool, and be a reference that commit must refuse. */
	.splice_read = copy_splice_read,
	.splice_write = iter_file_splice_write,
	.llseek = node_llseek,
	.poll = node_poll,
	.mmap = pinpool_mmap,
	.get_unmapped_area = thp_get_unmapped_area,
	.unlocked_ioctl = node_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = node_show_fdinfo,
	.uring_cmd = pinpool_uring_cmd,
};

static struct cdev node_cdev;

/**
 * pinpool_node_init - make the minors of pools openable
 *
 * Return: 0 or -errno.
 */
int __init pinpool_node_init(void)
{
	cdev_init(&node_cdev, &node_fops);
	node_cdev.owner = THIS_MODULE;
	return cdev_add(&node_cdev, pinpool_devt + PINPOOL_CONTROL_MINOR + 1, MINORMASK - PINPOOL_CONTROL_MINOR);
}

/**
 * pinpool_node_exit - undo pinpool_node_init()
 */
void pinpool_node_exit(void)
{
	cdev_del(&node_cdev);
}
