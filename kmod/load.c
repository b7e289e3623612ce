// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a pool's content: EMPTY -> LOADING -> READY, and back from LOADING to EMPTY.
 *
 * What must hold: while READY nobody can write a page, by any way, ever again; a load never shows or keeps a byte of an
 * earlier one; whoever writes does so as the one file in pool->writer. So a load begins only when nobody can still
 * write (no writable mapping or export, no write() under way, no pin), and commits only then. Nobody can keep an importer
 * from looking at what was exported to it, so no load begins while there is an export of the one before. Nobody uses a
 * page that a smaller capacity cuts off. Begin, commit, abort and resize drop the lock for their long parts and keep
 * others out by pool->changing.
 */
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>

#include "pinpool.h"
#include "trace.h"

/* An io_uring of a dead writer is torn down by a worker and holds its pins until then. */
#define BEGIN_SETTLE HZ
/* Direct I/O releases its pages after it has reported completion. */
#define COMMIT_SETTLE (HZ / 10)

/* Nobody may be between here and load_change_end() but its caller. */
static void load_change_begin(struct pinpool_pool *pool)
{
	lockdep_assert_held(&pool->lock);

	pool->changing = true;
	mutex_unlock(&pool->lock);
}

static void load_change_end(struct pinpool_pool *pool)
{
	mutex_lock(&pool->lock);
	pool->changing = false;
}

/* Writes in progress. Whoever sees none sees what they wrote. */
static int load_writes(struct pinpool_pool *pool)
{
	return atomic_read_acquire(&pool->writes);
}

static void load_set_state(struct pinpool_pool *pool, enum pinpool_state state, struct file *writer)
{
	lockdep_assert_held(&pool->lock);

	/* Whoever sees READY without the lock sees the length and the content. */
	smp_store_release(&pool->state, state);
	/* Whoever sees the writer gone sees READY, if that is why: pinpool_load_visible(). */
	smp_store_release(&pool->writer, writer);
}

/**
 * pinpool_load_begin - EMPTY -> LOADING
 * @pool: the pool
 * @file: a file of it, from now on the writer
 *
 * Return: 0, -EBADF, -EROFS, -EBUSY or -EINTR.
 */
int pinpool_load_begin(struct pinpool_pool *pool, struct file *file)
{
	unsigned long deadline = jiffies + BEGIN_SETTLE;
	long left;
	int err;

	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	if (pool->state != PINPOOL_STATE_EMPTY || pool->changing || pool->writable || pool->exports) {
		err = pool->state == PINPOOL_STATE_READY ? -EROFS : -EBUSY;
		mutex_unlock(&pool->lock);
		return err;
	}
	load_change_begin(pool);

	/* Calls that began before an abort. They get no successors while the pool is EMPTY. */
	left = wait_event_killable_timeout(pool->wait, !READ_ONCE(pool->reads) && !load_writes(pool), BEGIN_SETTLE);
	if (left <= 0)
		err = left ? -EINTR : -EBUSY;
	else
		err = pinpool_pages_settle(&pool->pages, 0, pool->inode->i_mapping, deadline);
	if (!err)
		pinpool_pages_forget(&pool->pages);

	load_change_end(pool);
	if (!err)
		load_set_state(pool, PINPOOL_STATE_LOADING, file);
	mutex_unlock(&pool->lock);
	wake_up_all(&pool->wait);
	return err;
}

/* Whether @file may commit or abort now. */
static int load_check_writer(struct pinpool_pool *pool, struct file *file)
{
	lockdep_assert_held(&pool->lock);

	if (pool->state == PINPOOL_STATE_READY)
		return -EROFS;
	if (pool->writer != file)
		return -EBADF;
	if (pool->changing)
		return -EBUSY;
	return 0;
}

/**
 * pinpool_load_commit - LOADING -> READY
 * @pool: the pool
 * @file: the writer
 * @commit: length and digest, checked by the caller but for the capacity
 *
 * On error the load goes on.
 *
 * Return: 0, -EBADF, -EROFS, -EBUSY, -EINVAL or -EINTR.
 */
int pinpool_load_commit(struct pinpool_pool *pool, struct file *file, const struct pinpool_commit *commit)
{
	int err;

	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	err = load_check_writer(pool, file);
	if (!err && commit->length > pool->capacity)
		err = -EINVAL;
	/*
	 * Counted here and not by mapping_deny_writable(), which on older kernels takes every shared mapping of a file
	 * opened for writing for writable, and would have to stay denied and so refuse those for good.
	 */
	if (!err && (pool->writable || load_writes(pool)))
		err = -EBUSY;
	if (err) {
		mutex_unlock(&pool->lock);
		return err;
	}
	load_change_begin(pool);

	err = pinpool_pages_settle(&pool->pages, 0, pool->inode->i_mapping, jiffies + COMMIT_SETTLE);
	if (!err)
		err = pinpool_pages_zero(&pool->pages);

	load_change_end(pool);
	if (!err) {
		pool->length = commit->length;
		pool->digest_kind = commit->digest_kind;
		memcpy(pool->digest, commit->digest, sizeof(pool->digest));
		pool->committed_ns = ktime_get_real_ns();
		load_set_state(pool, PINPOOL_STATE_READY, NULL);
	}
	mutex_unlock(&pool->lock);
	wake_up_all(&pool->wait);
	return err;
}

/* Empties the mappings for an abort. The pool is not EMPTY before they are: whoever sees that may begin. */
static void load_hide(struct pinpool_pool *pool)
{
	load_set_state(pool, PINPOOL_STATE_LOADING, NULL);
	load_change_begin(pool);

	pinpool_pages_unmap(&pool->pages, pool->inode->i_mapping);

	load_change_end(pool);
}

/**
 * pinpool_load_abort - LOADING -> EMPTY
 * @pool: the pool
 * @file: the writer
 *
 * When it is interrupted the load goes on.
 *
 * Return: 0, -EBADF, -EROFS, -EBUSY or -EINTR.
 */
int pinpool_load_abort(struct pinpool_pool *pool, struct file *file)
{
	int err;

	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	err = load_check_writer(pool, file);
	if (err) {
		mutex_unlock(&pool->lock);
		return err;
	}
	load_change_begin(pool);

	/* A file that is read into the pool keeps pages locked as long as it likes, and what follows takes every lock. */
	err = wait_event_killable(pool->wait, !load_writes(pool)) ? -EINTR : 0;

	load_change_end(pool);
	if (!err) {
		load_hide(pool);
		load_set_state(pool, PINPOOL_STATE_EMPTY, NULL);
	}
	mutex_unlock(&pool->lock);
	wake_up_all(&pool->wait);
	return err;
}

/* Whether @file may resize now, to @capacity. */
static int load_check_resize(struct pinpool_pool *pool, struct file *file, u64 capacity)
{
	lockdep_assert_held(&pool->lock);

	if (pool->state == PINPOOL_STATE_READY)
		return -EROFS;
	if (pool->changing || (pool->writer && pool->writer != file))
		return -EBUSY;
	if (capacity < pool->capacity && (pool->mappings || pool->exports || pool->reads || load_writes(pool)))
		return -EBUSY;
	return 0;
}

/**
 * pinpool_load_resize - change the capacity
 * @pool: the pool
 * @file: a file of it open for writing, the writer while LOADING
 * @capacity: bytes, a multiple of PINPOOL_PAGE_SIZE
 *
 * All or nothing.
 *
 * Return: 0, -EBADF, -EROFS, -EBUSY, -ENOSPC, -EDQUOT, -ENOMEM or -EINTR.
 */
int pinpool_load_resize(struct pinpool_pool *pool, struct file *file, u64 capacity)
{
	struct pinpool_shortage shortage = PINPOOL_SHORTAGE_INIT;
	int err;

	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	err = load_check_resize(pool, file, capacity);
	if (err) {
		mutex_unlock(&pool->lock);
		return err;
	}
	pool->shrinking = capacity < pool->capacity;
	load_change_begin(pool);

	do {
		err = pinpool_pages_resize(&pool->pages, capacity >> PINPOOL_PAGE_SHIFT, pool->inode->i_mapping,
					   &shortage);
	} while (err && pinpool_pool_make_room(pool, err, &shortage));

	load_change_end(pool);
	pool->shrinking = false;
	if (!err)
		WRITE_ONCE(pool->capacity, capacity);
	mutex_unlock(&pool->lock);
	wake_up_all(&pool->wait);
	return err;
}

/**
 * pinpool_load_file_closed - the last reference to a file has gone; if it was the writer, so has its load
 * @pool: the pool
 * @file: the file
 *
 * No mapping and no call of the file is left, each would hold it. Pins of its I/O may be: begin waits for those. So may
 * mappings of exports.
 */
void pinpool_load_file_closed(struct pinpool_pool *pool, struct file *file)
{
	bool aborted;

	mutex_lock(&pool->lock);
	pool->openers--;
	pool->last_used_ns = ktime_get_ns();
	aborted = pool->writer == file;
	if (aborted && pool->mappings)
		load_hide(pool);
	if (aborted)
		load_set_state(pool, PINPOOL_STATE_EMPTY, NULL);
	mutex_unlock(&pool->lock);
	if (!aborted)
		return;
	wake_up_all(&pool->wait);
	trace_pinpool_abort(pool, true, 0);
}

/**
 * pinpool_load_visible - whether a file may see the content now
 * @pool: the pool
 * @file: a file of it
 *
 * Takes no lock. For an answer that stays true the caller holds the pool's lock or a folio's (see
 * pinpool_pages_unmap()).
 *
 * Return: true if it may.
 */
bool pinpool_load_visible(struct pinpool_pool *pool, struct file *file)
{
	/* In this order: commit stores READY before it clears the writer. */
	return smp_load_acquire(&pool->writer) == file || smp_load_acquire(&pool->state) == PINPOOL_STATE_READY;
}

/**
 * pinpool_load_read_begin - a read() starts
 * @pool: the pool
 * @file: the file read
 * @end: receives where the content ends
 *
 * Return: 1 if pinpool_load_read_end() must follow, 0 if not (READY: nothing can change any more), -ENODATA, -EBUSY
 * or -EINTR.
 */
int pinpool_load_read_begin(struct pinpool_pool *pool, struct file *file, u64 *end)
{
	int ret;

	/* Pairs with load_set_state(): the length is stored. */
	if (smp_load_acquire(&pool->state) == PINPOOL_STATE_READY) {
		*end = pool->length;
		return 0;
	}

	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	if (pool->state == PINPOOL_STATE_READY) {
		*end = pool->length;
		ret = 0;
	} else if (pool->writer == file && pool->shrinking) {
		ret = -EBUSY;
	} else if (pool->writer == file) {
		*end = pool->capacity;
		pool->reads++;
		ret = 1;
	} else {
		ret = -ENODATA;
	}
	mutex_unlock(&pool->lock);
	return ret;
}

/**
 * pinpool_load_read_end - a read() of the writer ends
 * @pool: the pool
 */
void pinpool_load_read_end(struct pinpool_pool *pool)
{
	mutex_lock(&pool->lock);
	pool->reads--;
	mutex_unlock(&pool->lock);
	wake_up_all(&pool->wait);
}

/**
 * pinpool_load_write_begin - a write() starts, or a read of a file into the pool
 * @pool: the pool
 * @file: the file written
 * @capacity: receives where the write has to end; the pool does not shrink before pinpool_load_write_end()
 *
 * Return: 0, -EBADF, -EROFS, -EBUSY or -EINTR.
 */
int pinpool_load_write_begin(struct pinpool_pool *pool, struct file *file, u64 *capacity)
{
	int err;

	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	err = load_check_writer(pool, file);
	if (!err) {
		*capacity = pool->capacity;
		atomic_inc(&pool->writes);
	}
	mutex_unlock(&pool->lock);
	return err;
}

/**
 * pinpool_load_write_end - it ends
 * @pool: the pool
 *
 * In any context: I/O ends in interrupts.
 */
void pinpool_load_write_end(struct pinpool_pool *pool)
{
	/* Pairs with load_writes(). */
	atomic_dec_return_release(&pool->writes);
	wake_up_all(&pool->wait);
}

/**
 * pinpool_load_export_begin - an export is about to be made
 * @pool: the pool
 * @file: the file it is asked for on
 * @export: what is asked for; receives who may see it
 *
 * Return: 0 if pinpool_load_export_end() must follow, -EBADF, -EINVAL, -ENODATA, -EACCES, -EBUSY or -EINTR.
 */
int pinpool_load_export_begin(struct pinpool_pool *pool, struct file *file, struct pinpool_dmabuf *export)
{
	int err = 0;

	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	if (export->offset > pool->capacity || export->length > pool->capacity - export->offset)
		err = -EINVAL;
	else if (!pinpool_load_visible(pool, file))
		err = -ENODATA;
	else if (export->writable && pool->writer != file)
		err = -EACCES;
	else if (export->writable ? pool->changing : pool->shrinking)
		err = -EBUSY;
	if (!err) {
		export->viewer = pool->writer;
		pool->exports++;
		pool->writable += export->writable;
	}
	mutex_unlock(&pool->lock);
	return err;
}

/**
 * pinpool_load_export_end - it is gone
 * @pool: the pool
 * @writable: whether it was writable
 */
void pinpool_load_export_end(struct pinpool_pool *pool, bool writable)
{
	mutex_lock(&pool->lock);
	pool->exports--;
	pool->writable -= writable;
	pool->last_used_ns = ktime_get_ns();
	mutex_unlock(&pool->lock);
}
