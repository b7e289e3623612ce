/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How .huge_fault maps a huge page whole. "mm/huge_memory: add vmf_insert_folio_pmd()" made that one call. Before, the
 * core does it behind .fault, at the price of a page table for each fault, which it clears and throws away. What saves
 * that is huge_cache.c since "mm: remove enum page_entry_size", and huge_pfn.c before that. Delete huge_pfn.c when the
 * oldest is 6.6, and the rest of it when it is 6.15.
 */
#ifndef PINPOOL_COMPAT_HUGE_H
#define PINPOOL_COMPAT_HUGE_H

#include <linux/fs.h>
#include <linux/huge_mm.h>
#include <linux/mm.h>

/* What .huge_fault is told of the size that would fit. */
#ifdef PINPOOL_HUGE_BY_PFN
#define huge_fault_order enum page_entry_size
#define HUGE_FAULT_PMD	 PE_SIZE_PMD
#else
#define huge_fault_order unsigned int
#define HUGE_FAULT_PMD	 HPAGE_PMD_ORDER
#endif

/* Whether vmf_insert_folio_pmd() takes a folio that is locked. */
#ifdef PINPOOL_HUGE_BY_CACHE
#define HUGE_FAULT_LOCKED false
#else
#define HUGE_FAULT_LOCKED true
#endif

/* Flags that a mapping needs besides. */
#ifdef PINPOOL_HUGE_BY_PFN
#define HUGE_VM_FLAGS VM_MIXEDMAP
#else
#define HUGE_VM_FLAGS VM_NONE
#endif

#if defined(PINPOOL_HUGE_BY_CACHE) || defined(PINPOOL_HUGE_BY_PFN)
vm_fault_t vmf_insert_folio_pmd(struct vm_fault *vmf, struct folio *folio, bool write);
/* An inode whose files will be mapped. */
void huge_inode_init(struct inode *inode);
#else
static inline void huge_inode_init(struct inode *inode)
{
}
#endif

/* Nothing maps the files of an inode any more, and what was mapped goes. */
#ifdef PINPOOL_HUGE_BY_CACHE
void huge_inode_empty(struct inode *inode);
#else
static inline void huge_inode_empty(struct inode *inode)
{
}
#endif

/* What .fault returns for a page of a folio that is locked and comes unlocked. */
#ifdef PINPOOL_HUGE_BY_PFN
vm_fault_t huge_fault_finish(struct vm_fault *vmf, struct folio *folio, struct page *page);
#else
static inline vm_fault_t huge_fault_finish(struct vm_fault *vmf, struct folio *folio, struct page *page)
{
	/* The core maps the whole folio if it can, and unlocks it. */
	folio_get(folio);
	vmf->page = page;
	return VM_FAULT_LOCKED;
}
#endif

#endif /* PINPOOL_COMPAT_HUGE_H */
