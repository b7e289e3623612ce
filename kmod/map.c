// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of a pool: ordinary pages, one fault per huge page, never executable, never private and writable.
 *
 * A mapping is writable for its life or never: one made without PROT_WRITE cannot get it later. So the count of those
 * with VM_MAYWRITE, kept under the pool's lock, is exact, and begin and commit trust it.
 */
#include <linux/pagemap.h>

#include "pinpool.h"
#include "trace.h"

static void map_count(struct pinpool_pool *pool, const struct vm_area_struct *vma, int by)
{
	lockdep_assert_held(&pool->lock);

	pool->mappings += by;
	if (vma->vm_flags & VM_MAYWRITE)
		pool->writable += by;
}

/* A copy by fork, a split or a move. */
static void map_open(struct vm_area_struct *vma)
{
	struct pinpool_pool *pool = vma->vm_file->private_data;

	mutex_lock(&pool->lock);
	map_count(pool, vma, 1);
	mutex_unlock(&pool->lock);
}

static void map_close(struct vm_area_struct *vma)
{
	struct pinpool_pool *pool = vma->vm_file->private_data;

	mutex_lock(&pool->lock);
	map_count(pool, vma, -1);
	mutex_unlock(&pool->lock);
}

/* The page that @file may see at a place now, locked and fit to be seen, or an error pointer. */
static struct folio *map_page(struct pinpool_pool *pool, struct file *file, unsigned long index, bool *zeroed)
{
	struct folio *folio;

	/* Nobody gets a page for what he may not see. */
	if (!pinpool_load_visible(pool, file))
		return ERR_PTR(-ENODATA);
	folio = pinpool_pages_get(&pool->pages, index);
	if (IS_ERR(folio))
		return folio;
	if (folio_lock_killable(folio))
		return ERR_PTR(-EINTR);
	/* After the lock: an abort that waits for the lock has made this false. */
	if (!pinpool_load_visible(pool, file)) {
		folio_unlock(folio);
		return ERR_PTR(-ENODATA);
	}
	*zeroed = pinpool_pages_zero_one(&pool->pages, folio);
	return folio;
}

static vm_fault_t map_fault(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_file;
	struct pinpool_pool *pool = file->private_data;
	unsigned long index = vmf->pgoff >> PINPOOL_PAGE_ORDER;
	bool zeroed = false;
	struct folio *folio;

	folio = map_page(pool, file, index, &zeroed);
	trace_pinpool_fault(pool, index, vmf->flags & FAULT_FLAG_WRITE, zeroed, PTR_ERR_OR_ZERO(folio));
	/* Not VM_FAULT_NOPAGE: a fault of the kernel itself, in copy_from_user(), would come back for ever. */
	if (IS_ERR(folio))
		return VM_FAULT_SIGBUS;
	atomic64_inc(&pool->faults);

	/* The core maps the whole folio if the mapping allows, and unlocks it then. */
	folio_get(folio);
	vmf->page = folio_page(folio, vmf->pgoff & ((1UL << PINPOOL_PAGE_ORDER) - 1));
	return VM_FAULT_LOCKED;
}

static const struct vm_operations_struct map_vm_ops = {
	.open = map_open,
	.close = map_close,
	.fault = map_fault,
};

/* Whether @file may be mapped now, [@first, @first + @nr) of PAGE_SIZE, and writable if @write. */
static int map_permitted(struct pinpool_pool *pool, struct file *file, unsigned long first, unsigned long nr,
			 bool write)
{
	unsigned long pages = pool->capacity >> PAGE_SHIFT;

	lockdep_assert_held(&pool->lock);

	if (first > pages || nr > pages - first)
		return -EINVAL;
	if (!write && !pinpool_load_visible(pool, file))
		return -ENODATA;
	if (!write)
		return pool->shrinking ? -EBUSY : 0;
	if (pool->writer != file)
		return -EACCES;
	return pool->changing ? -EBUSY : 0;
}

/**
 * pinpool_mmap - map a pool
 * @file: a file of the pool
 * @vma: what is asked for
 *
 * Return: 0, -EACCES, -EINVAL, -ENODATA, -EBUSY or -EINTR.
 */
int pinpool_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct pinpool_pool *pool = file->private_data;
	bool write = vma->vm_flags & VM_WRITE;
	int err;

	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	if (write && !(vma->vm_flags & VM_MAYSHARE))
		return -EACCES;

	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	err = map_permitted(pool, file, vma->vm_pgoff, vma_pages(vma), write);
	if (!err) {
		vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
		vm_flags_clear(vma, VM_MAYEXEC | (write ? 0 : VM_MAYWRITE));
		vma->vm_ops = &map_vm_ops;
		map_count(pool, vma, 1);
	}
	mutex_unlock(&pool->lock);
	return err;
}
