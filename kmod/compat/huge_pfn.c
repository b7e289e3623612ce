// SPDX-License-Identifier: GPL-2.0-only
/*
 * A huge page mapped whole as device-dax maps its memory: the core asks .huge_fault for the files of an inode that is
 * IS_DAX, and vmf_insert_pfn_pmd() makes an entry that it neither counts in the page nor in the process.
 *
 * What must hold: a mapped page stays as long as there are mappings, which keep the pool, by their file; and no page of
 * such an inode is mapped whole in the ordinary way, because what the core undoes of an entry depends on the inode and
 * not on who made it. So .fault maps single pages of PAGE_SIZE, in the ordinary way. Pins work with either: the entries
 * are not special on these kernels, and VM_MIXEDMAP says that there is a page behind them.
 */
#include <linux/pagemap.h>
#include <linux/pfn_t.h>

#include "huge.h"

#ifndef CONFIG_FS_DAX
#error "pinpool needs a kernel with CONFIG_FS_DAX before 6.6"
#endif

/**
 * huge_inode_init - for an inode whose files will be mapped
 * @inode: the inode
 */
void huge_inode_init(struct inode *inode)
{
	inode->i_flags |= S_DAX;
}

/**
 * vmf_insert_folio_pmd - map a folio whole
 * @vmf: the fault, where the folio fits
 * @folio: the folio; the caller sees to it that it stays
 * @write: whether it is a write fault
 *
 * Return: VM_FAULT_NOPAGE, or what vmf_insert_pfn_pmd() has to complain of.
 */
vm_fault_t vmf_insert_folio_pmd(struct vm_fault *vmf, struct folio *folio, bool write)
{
	return vmf_insert_pfn_pmd(vmf, pfn_to_pfn_t(folio_pfn(folio)), write);
}

/**
 * huge_fault_finish - map one page for .fault
 * @vmf: the fault
 * @folio: the folio, locked; it comes unlocked
 * @page: the page of it
 *
 * Return: what .fault returns.
 */
vm_fault_t huge_fault_finish(struct vm_fault *vmf, struct folio *folio, struct page *page)
{
	vm_fault_t ret = vmf_insert_page(vmf->vma, vmf->address, page);

	folio_unlock(folio);
	return ret;
}
