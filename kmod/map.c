// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of a pool: ordinary pages, one fault per huge page, never executable, never private and writable.
 *
 * A mapping is writable for its life or never: one made without PROT_WRITE cannot get it later. So the count of those
 * with VM_MAYWRITE, kept under the pool's lock, is exact, and begin and commit trust it.
 *
 * A mapping is of a file of the pool, or of the file of an export; of the latter it has the export in vm_private_data.
 * Either way its offset is one in the pool.
 */
#include <linux/pagemap.h>

#include "compat/huge.h"
#include "pinpool.h"
#include "trace.h"

static struct pinpool_pool *map_pool(const struct vm_area_struct *vma)
{
	const struct pinpool_dmabuf *export = vma->vm_private_data;

	return export ? export->pool : vma->vm_file->private_data;
}

/* Whose eyes look through it. */
static struct file *map_viewer(const struct vm_area_struct *vma)
{
	const struct pinpool_dmabuf *export = vma->vm_private_data;

	return export ? export->viewer : vma->vm_file;
}

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
	struct pinpool_pool *pool = map_pool(vma);

	mutex_lock(&pool->lock);
	map_count(pool, vma, 1);
	mutex_unlock(&pool->lock);
}

static void map_close(struct vm_area_struct *vma)
{
	struct pinpool_pool *pool = map_pool(vma);

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

/*
 * The page at a place of a READY pool, or NULL if it is not READY or the page is not there and fit to be seen yet. Such
 * a page stays so, and in its place, as long as there are mappings: no lock is needed to map it.
 */
static struct folio *map_final_page(struct pinpool_pool *pool, unsigned long index)
{
	struct folio *folio;

	/* Whoever sees READY sees the content, and the size it has for good. */
	if (smp_load_acquire(&pool->state) != PINPOOL_STATE_READY)
		return NULL;
	folio = pinpool_pages_find_final(&pool->pages, index);
	return folio && folio_test_uptodate(folio) ? folio : NULL;
}

/* Inline in each kind of fault: 24 instructions less of 2,480. */
static __always_inline void map_count_fault(struct pinpool_pool *pool, const struct vm_fault *vmf, bool zeroed,
					    int err)
{
	trace_pinpool_fault(pool, vmf->pgoff >> PINPOOL_PAGE_ORDER, vmf->flags & FAULT_FLAG_WRITE, zeroed, err);
	if (!err)
		atomic64_inc(&pool->faults);
}

/* The same as map_page() for a fault, counted. */
static struct folio *map_page_for_fault(struct vm_fault *vmf)
{
	struct pinpool_pool *pool = map_pool(vmf->vma);
	bool zeroed = false;
	struct folio *folio;

	folio = map_page(pool, map_viewer(vmf->vma), vmf->pgoff >> PINPOOL_PAGE_ORDER, &zeroed);
	map_count_fault(pool, vmf, zeroed, PTR_ERR_OR_ZERO(folio));
	return folio;
}

/* Not VM_FAULT_NOPAGE: a fault of the kernel itself, in copy_from_user(), would come back for ever. */
#define MAP_FAULT_ERROR VM_FAULT_SIGBUS

/* Where the core has to find out itself how much it can map. */
static vm_fault_t map_fault(struct vm_fault *vmf)
{
	struct folio *folio = map_page_for_fault(vmf);

	if (IS_ERR(folio))
		return MAP_FAULT_ERROR;
	return huge_fault_finish(vmf, folio, folio_page(folio, vmf->pgoff & ((1UL << PINPOOL_PAGE_ORDER) - 1)));
}

/* Where a whole page fits: without the page table that the core gets ready for .fault and throws away. */
static vm_fault_t map_huge_fault(struct vm_fault *vmf, huge_fault_order order)
{
	unsigned long start = ALIGN_DOWN(vmf->address, PINPOOL_PAGE_SIZE);
	struct vm_area_struct *vma = vmf->vma;
	struct pinpool_pool *pool = map_pool(vma);
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	struct folio *folio;
	vm_fault_t ret;

	if (order != HUGE_FAULT_PMD || start < vma->vm_start || vma->vm_end - start < PINPOOL_PAGE_SIZE ||
	    !IS_ALIGNED((vma->vm_start >> PAGE_SHIFT) - vma->vm_pgoff, 1UL << PINPOOL_PAGE_ORDER))
		return VM_FAULT_FALLBACK;
	folio = map_final_page(pool, vmf->pgoff >> PINPOOL_PAGE_ORDER);
	if (folio) {
		ret = vmf_insert_folio_pmd(vmf, folio, write);
		/* Else .fault counts it. */
		if (ret == VM_FAULT_NOPAGE)
			map_count_fault(pool, vmf, false, 0);
		return ret;
	}
	if (!HUGE_FAULT_LOCKED)
		return VM_FAULT_FALLBACK;
	folio = map_page_for_fault(vmf);
	if (IS_ERR(folio))
		return MAP_FAULT_ERROR;
	ret = vmf_insert_folio_pmd(vmf, folio, write);
	folio_unlock(folio);
	return ret;
}

/*
 * Nothing is mapped around a fault. But where this is, the core takes it that .fault does well without mmap_lock, and it
 * does: what it uses of the mapping stays as it is. Where this is not, the core drops the mapping's own lock for mmap_lock
 * and comes once more, in each fault.
 */
static vm_fault_t __maybe_unused map_pages(struct vm_fault *vmf, pgoff_t first, pgoff_t last)
{
	return 0;
}

static const struct vm_operations_struct map_vm_ops = {
	.open = map_open,
	.close = map_close,
	.fault = map_fault,
	.huge_fault = map_huge_fault,
	vm_ops_map_pages(map_pages)
};

/* Whether @viewer may map [@first, @first + @nr) of PAGE_SIZE now, and writable if @write. */
static int map_permitted(struct pinpool_pool *pool, struct file *viewer, unsigned long first, unsigned long nr,
			 bool write)
{
	unsigned long pages = pool->capacity >> PAGE_SHIFT;

	lockdep_assert_held(&pool->lock);

	if (first > pages || nr > pages - first)
		return -EINVAL;
	if (!write && !pinpool_load_visible(pool, viewer))
		return -ENODATA;
	if (!write)
		return pool->shrinking ? -EBUSY : 0;
	if (pool->writer != viewer)
		return -EACCES;
	return pool->changing ? -EBUSY : 0;
}

/* What there is to do for a file of the pool and for an export. @vma says which: see map_pool(). */
static int map_set_up(struct vm_area_struct *vma)
{
	struct pinpool_pool *pool = map_pool(vma);
	bool write = vma->vm_flags & VM_WRITE;
	int err;

	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	if (write && !(vma->vm_flags & VM_MAYSHARE))
		return -EACCES;

	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	err = map_permitted(pool, map_viewer(vma), vma->vm_pgoff, vma_pages(vma), write);
	if (!err) {
		vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP | HUGE_VM_FLAGS);
		vm_flags_clear(vma, VM_MAYEXEC | (write ? 0 : VM_MAYWRITE));
		vma->vm_ops = &map_vm_ops;
		map_count(pool, vma, 1);
	}
	mutex_unlock(&pool->lock);
	return err;
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
	return map_set_up(vma);
}

/**
 * pinpool_mmap_export - map an export
 * @export: the export
 * @vma: what is asked for, of the file of its dma-buf and within its length
 *
 * Return: 0, -EACCES, -ENODATA, -EBUSY or -EINTR.
 */
int pinpool_mmap_export(struct pinpool_dmabuf *export, struct vm_area_struct *vma)
{
	/* An importer may map it in the place of a file of its own, whose mode says nothing. */
	if ((vma->vm_flags & VM_WRITE) && !export->writable)
		return -EACCES;
	vma->vm_private_data = export;
	/* The core maps a page whole where the offset in the mapping is congruent to the one in the pool. */
	vma->vm_pgoff += export->offset >> PAGE_SHIFT;
	return map_set_up(vma);
}
