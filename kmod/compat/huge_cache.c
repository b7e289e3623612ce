// SPDX-License-Identifier: GPL-2.0-only
/*
 * A huge page mapped whole by way of the page cache: filemap_map_pages() does so with a folio that it finds in the
 * address space of the file. So a page is entered there by the first fault that finds it final.
 *
 * What must hold: an entry has no reference of its own, as the cache's entries have, so it is gone before the page may
 * go; and nothing may take the folio for one of the cache that it could write back, split or drop. It is not on a list
 * for that, never dirty by the address space, and not released.
 */
#include <linux/pagemap.h>

#include "huge.h"

/* Asked before a folio is split or dropped. */
static bool huge_release_folio(struct folio *folio, gfp_t gfp)
{
	return false;
}

static const struct address_space_operations huge_aops = {
	.dirty_folio = noop_dirty_folio,
	.release_folio = huge_release_folio,
};

/**
 * huge_inode_init - for an inode whose files will be mapped
 * @inode: the inode
 */
void huge_inode_init(struct inode *inode)
{
	inode->i_mapping->a_ops = &huge_aops;
	/* Without that it is asked for folios with private data of a file system only. */
	mapping_set_release_always(inode->i_mapping);
}

/**
 * huge_inode_empty - forget the folios
 * @inode: the inode; nothing maps its files any more
 */
void huge_inode_empty(struct inode *inode)
{
	struct address_space *mapping = inode->i_mapping;
	struct folio *folio;
	unsigned long index;

	xa_for_each(&mapping->i_pages, index, folio) {
		folio->mapping = NULL;
		xa_erase_irq(&mapping->i_pages, index);
		cond_resched();
	}
}

/* Enters a folio, unless somebody else has. */
static bool huge_enter(struct address_space *mapping, struct folio *folio)
{
	XA_STATE_ORDER(xas, &mapping->i_pages, folio->index, folio_order(folio));

	do {
		xas_lock_irq(&xas);
		if (!folio->mapping) {
			xas_store(&xas, folio);
			if (!xas_error(&xas))
				WRITE_ONCE(folio->mapping, mapping);
		}
		xas_unlock_irq(&xas);
	} while (xas_nomem(&xas, GFP_KERNEL));
	return !xas_error(&xas);
}

/**
 * vmf_insert_folio_pmd - map a folio whole
 * @vmf: the fault, where the folio fits
 * @folio: the folio, not locked, final, and the caller sees to it that it stays
 * @write: whether it is a write fault; there is none, since nobody maps a final page writable
 *
 * Return: VM_FAULT_NOPAGE, or VM_FAULT_FALLBACK if it has to be done by .fault: when there is no memory for an entry, or
 * somebody else has the folio locked.
 */
vm_fault_t vmf_insert_folio_pmd(struct vm_fault *vmf, struct folio *folio, bool write)
{
	struct address_space *mapping = vmf->vma->vm_file->f_mapping;

	if (!READ_ONCE(folio->mapping) && !huge_enter(mapping, folio))
		return VM_FAULT_FALLBACK;
	return filemap_map_pages(vmf, folio->index, folio->index) ?: VM_FAULT_FALLBACK;
}
