// SPDX-License-Identifier: GPL-2.0-only
/*
 * dma-bufs: a range of a pool for devices and other subsystems.
 *
 * What must hold: an export keeps the pool, so its pages, and keeps the pool from shrinking and from giving way; it
 * keeps neither the file that made it nor that file's load. Its pages are there and fit to be seen from the beginning.
 * It is writable or read-only for its life. The counts in load.c do the rest: no commit while a writable one lives, no
 * begin while any does, so that an importer, whom nobody can stop, sees and writes the one load that it was made for.
 *
 * No reference on a page is held: a page with one is a pin, for which commit waits.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fcntl.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "pinpool.h"
#include "trace.h"

/* What MODULE_IMPORT_NS() says, which took a bare word before Linux 6.13 and takes a string since. */
MODULE_INFO(import_ns, "DMA_BUF");

/**
 * struct export_map - an export as one device sees it
 * @node: in pinpool_dmabuf.maps
 * @dev: the device
 * @direction: what it may do
 * @table: where the range is for it
 */
struct export_map {
	struct list_head node;
	struct device *dev;
	enum dma_data_direction direction;
	struct sg_table table;
};

/* The small page at a place in the pool that an export covers. */
static struct page *export_page(const struct pinpool_dmabuf *export, u64 pos)
{
	struct folio *folio = pinpool_pages_find(&export->pool->pages, pos >> PINPOOL_PAGE_SHIFT);

	return folio_page(folio, (pos & (PINPOOL_PAGE_SIZE - 1)) >> PAGE_SHIFT);
}

/* Lists the range in pieces as large as huge pages and the device allow. */
static int export_fill_table(const struct pinpool_dmabuf *export, struct device *dev, struct sg_table *table)
{
	size_t piece = rounddown_pow_of_two(clamp_t(size_t, dma_get_max_seg_size(dev), PAGE_SIZE, PINPOOL_PAGE_SIZE));
	u64 pos = export->offset, end = export->offset + export->length;
	struct scatterlist *sg;
	int err;

	err = sg_alloc_table(table, (round_up(end, piece) - round_down(pos, piece)) / piece, GFP_KERNEL);
	if (err)
		return err;
	for (sg = table->sgl; pos < end; sg = sg_next(sg)) {
		size_t length = min(round_down(pos, piece) + piece, end) - pos;

		sg_set_page(sg, export_page(export, pos), length, 0);
		pos += length;
	}
	return 0;
}

static struct sg_table *export_map(struct dma_buf_attachment *attachment, enum dma_data_direction direction)
{
	struct pinpool_dmabuf *export = attachment->dmabuf->priv;
	struct export_map *map;
	int err;

	if (!export->writable && direction != DMA_TO_DEVICE)
		return ERR_PTR(-EACCES);
	map = kzalloc(sizeof(*map), GFP_KERNEL);
	if (!map)
		return ERR_PTR(-ENOMEM);
	map->dev = attachment->dev;
	map->direction = direction;
	err = export_fill_table(export, map->dev, &map->table);
	if (err)
		goto err_free;
	err = dma_map_sgtable(map->dev, &map->table, direction, 0);
	if (err)
		goto err_table;

	mutex_lock(&export->lock);
	list_add(&map->node, &export->maps);
	mutex_unlock(&export->lock);
	return &map->table;

err_table:
	sg_free_table(&map->table);
err_free:
	kfree(map);
	return ERR_PTR(err);
}

static void export_unmap(struct dma_buf_attachment *attachment, struct sg_table *table,
			 enum dma_data_direction direction)
{
	struct pinpool_dmabuf *export = attachment->dmabuf->priv;
	struct export_map *map = container_of(table, struct export_map, table);

	mutex_lock(&export->lock);
	list_del(&map->node);
	mutex_unlock(&export->lock);
	dma_unmap_sgtable(map->dev, table, map->direction, 0);
	sg_free_table(table);
	kfree(map);
}

/* For devices whose view of memory is not the processor's: those get the latter's here, and give it theirs. */
static int export_begin_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction direction)
{
	struct pinpool_dmabuf *export = dmabuf->priv;
	struct export_map *map;

	mutex_lock(&export->lock);
	list_for_each_entry(map, &export->maps, node)
		dma_sync_sgtable_for_cpu(map->dev, &map->table, map->direction);
	mutex_unlock(&export->lock);
	return 0;
}

static int export_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction direction)
{
	struct pinpool_dmabuf *export = dmabuf->priv;
	struct export_map *map;

	mutex_lock(&export->lock);
	list_for_each_entry(map, &export->maps, node)
		dma_sync_sgtable_for_device(map->dev, &map->table, map->direction);
	mutex_unlock(&export->lock);
	return 0;
}

static int export_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	return pinpool_mmap_export(dmabuf->priv, vma);
}

static int export_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	const struct pinpool_dmabuf *export = dmabuf->priv;
	unsigned int nr = export->length >> PAGE_SHIFT, i;
	struct page **pages;
	void *address;

	pages = kvmalloc_array(nr, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		pages[i] = export_page(export, export->offset + ((u64)i << PAGE_SHIFT));
	address = vmap(pages, nr, VM_MAP, export->writable ? PAGE_KERNEL : PAGE_KERNEL_RO);
	kvfree(pages);
	if (!address)
		return -ENOMEM;
	iosys_map_set_vaddr(map, address);
	return 0;
}

static void export_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	vunmap(map->vaddr);
}

static void export_end(struct pinpool_dmabuf *export)
{
	pinpool_load_export_end(export->pool, export->writable);
	pinpool_pool_put(export->pool);
	kfree(export);
}

static void export_release(struct dma_buf *dmabuf)
{
	export_end(dmabuf->priv);
}

static const struct dma_buf_ops export_ops = {
	.map_dma_buf = export_map,
	.unmap_dma_buf = export_unmap,
	.begin_cpu_access = export_begin_cpu_access,
	.end_cpu_access = export_end_cpu_access,
	.mmap = export_mmap,
	.vmap = export_vmap,
	.vunmap = export_vunmap,
	.release = export_release,
};

/* Every page of the range, fit to be seen. */
static int export_prepare(const struct pinpool_dmabuf *export)
{
	struct pinpool_pages *pages = &export->pool->pages;
	unsigned long last = (export->offset + export->length - 1) >> PINPOOL_PAGE_SHIFT, i;

	for (i = export->offset >> PINPOOL_PAGE_SHIFT; i <= last; i++) {
		struct folio *folio = pinpool_pages_get(pages, i);

		if (IS_ERR(folio))
			return PTR_ERR(folio);
		if (fatal_signal_pending(current) || pinpool_pages_prepare(pages, folio, true))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/**
 * pinpool_export - make a dma-buf of a range of a pool
 * @pool: the pool
 * @file: a file of it
 * @export: the range, checked by the caller but for the capacity
 * @write: make it writable
 *
 * Return: the file of the dma-buf, or -EBADF, -EINVAL, -ENODATA, -EACCES, -EBUSY, -ENOSPC, -EDQUOT, -ENOMEM, -ENFILE or
 * -EINTR as an error pointer.
 */
struct file *pinpool_export(struct pinpool_pool *pool, struct file *file, const struct pinpool_export *export,
			    bool write)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct pinpool_dmabuf *new;
	struct dma_buf *dmabuf;
	int err;

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return ERR_PTR(-ENOMEM);
	new->pool = pool;
	new->offset = export->offset;
	new->length = export->length;
	new->writable = write;
	mutex_init(&new->lock);
	INIT_LIST_HEAD(&new->maps);

	err = pinpool_load_export_begin(pool, file, new);
	if (err) {
		kfree(new);
		return ERR_PTR(err);
	}
	/* From here on export_end() undoes all. */
	pinpool_pool_get(pool);
	err = export_prepare(new);
	if (err)
		goto err_end;

	info.ops = &export_ops;
	info.size = new->length;
	info.flags = write ? O_RDWR : O_RDONLY;
	info.priv = new;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		err = PTR_ERR(dmabuf);
		goto err_end;
	}
	/* Its mappings are of the pool: found where the pool's are, and as large as the inode allows. See inode.c. */
	dmabuf->file->f_mapping = pool->inode->i_mapping;
	return dmabuf->file;

err_end:
	export_end(new);
	return ERR_PTR(err);
}
