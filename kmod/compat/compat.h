/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernels this module builds for. Only this folder may test for them; this file is included
 * before every source, which then reads like code of a current kernel. Each shim names the change that made it needed
 * and the oldest supported kernel at which it goes.
 */
#ifndef PINPOOL_COMPAT_H
#define PINPOOL_COMPAT_H

#include <linux/device.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "pinpool needs Linux 6.1 or later"
#endif
#ifndef CONFIG_TRANSPARENT_HUGEPAGE
#error "pinpool needs a kernel with CONFIG_TRANSPARENT_HUGEPAGE"
#endif

/* "mm: introduce vma->vm_flags wrapper functions". Delete when the oldest is 6.3. */
#ifndef PINPOOL_HAVE_VM_FLAGS_SET
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	mmap_assert_write_locked(vma->vm_mm);
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	mmap_assert_write_locked(vma->vm_mm);
	vma->vm_flags &= ~flags;
}
#endif

/*
 * The splice_read that calls ->read_iter() on pages of its own. "splice: Rename direct_splice_read() to
 * copy_splice_read()"; before, generic_file_splice_read() did it. Delete when the oldest is 6.5.
 */
#ifndef PINPOOL_HAVE_COPY_SPLICE_READ
#define copy_splice_read generic_file_splice_read
#endif

/*
 * The qualifier of the device that device_type.devnode() gets. "driver core: make struct device_type.devnode() take a
 * const *". Delete when the oldest is 6.3.
 */
#ifdef PINPOOL_HAVE_CONST_DEVNODE
#define devnode_const const
#else
#define devnode_const
#endif

/*
 * Faults under the lock of the mapping alone, which .map_pages asks for: "mm: handle read faults under the VMA lock".
 * Kernels without that lock would call it in vain. Delete when the oldest is 6.7.
 */
#ifdef PINPOOL_HAVE_FAULT_FLAG_VMA_LOCK
#define vm_ops_map_pages(function) .map_pages = (function),
#else
#define vm_ops_map_pages(function)
#endif

/*
 * For the importer of the tests. "dma-buf: Move dma_buf_vmap() to dynamic locking specification" gave these names to
 * functions that took the lock themselves before. Delete when the oldest is 6.2.
 */
#ifndef PINPOOL_HAVE_DMA_BUF_VMAP_UNLOCKED
#define dma_buf_vmap_unlocked	dma_buf_vmap
#define dma_buf_vunmap_unlocked dma_buf_vunmap
#endif

#endif /* PINPOOL_COMPAT_H */
