// SPDX-License-Identifier: GPL-2.0-only
/*
 * An importer of dma-bufs for tests. Its device has no IOMMU and does its "DMA" with the processor, at the addresses
 * that it was given and nowhere else.
 */
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pinpool_importer.h"

MODULE_INFO(import_ns, "DMA_BUF");

static_assert(IMPORTER_BIDIRECTIONAL == (int)DMA_BIDIRECTIONAL);
static_assert(IMPORTER_TO_DEVICE == (int)DMA_TO_DEVICE);
static_assert(IMPORTER_FROM_DEVICE == (int)DMA_FROM_DEVICE);

static struct platform_device *device;

/**
 * struct importer - what one open file has imported
 * @lock: guards the rest
 * @dmabuf: the dma-buf, or NULL
 * @attachment: to @device, or NULL
 * @table: where its bytes are for @device
 * @direction: what @device may do
 * @address: where it is in the kernel, or NULL
 */
struct importer {
	struct mutex lock;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attachment;
	struct sg_table *table;
	enum dma_data_direction direction;
	struct iosys_map address;
};

/* Takes the dma-buf behind @fd. On an error of what follows importer_put() goes back. */
static int importer_get(struct importer *importer, int fd)
{
	struct dma_buf *dmabuf;

	if (importer->dmabuf)
		return -EBUSY;
	dmabuf = dma_buf_get(fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	importer->dmabuf = dmabuf;
	return 0;
}

static void importer_put(struct importer *importer)
{
	if (importer->table)
		dma_buf_unmap_attachment_unlocked(importer->attachment, importer->table, importer->direction);
	if (importer->attachment)
		dma_buf_detach(importer->dmabuf, importer->attachment);
	if (!iosys_map_is_null(&importer->address))
		dma_buf_vunmap_unlocked(importer->dmabuf, &importer->address);
	if (importer->dmabuf)
		dma_buf_put(importer->dmabuf);
	importer->table = NULL;
	importer->attachment = NULL;
	importer->dmabuf = NULL;
	iosys_map_clear(&importer->address);
}

static int importer_map(struct importer *importer, struct importer_map *arg)
{
	struct dma_buf_attachment *attachment;
	struct scatterlist *sg;
	struct sg_table *table;
	int i, err;

	if (arg->direction > IMPORTER_FROM_DEVICE)
		return -EINVAL;
	err = importer_get(importer, arg->fd);
	if (err)
		return err;
	dma_set_max_seg_size(&device->dev, arg->max_segment ?: UINT_MAX);
	attachment = dma_buf_attach(importer->dmabuf, &device->dev);
	if (IS_ERR(attachment)) {
		importer_put(importer);
		return PTR_ERR(attachment);
	}
	importer->attachment = attachment;
	importer->direction = (enum dma_data_direction)arg->direction;
	table = dma_buf_map_attachment_unlocked(attachment, importer->direction);
	if (IS_ERR(table)) {
		importer_put(importer);
		return PTR_ERR(table);
	}
	importer->table = table;
	arg->out_pieces = 0;
	arg->out_largest = 0;
	for_each_sgtable_dma_sg(table, sg, i) {
		arg->out_pieces++;
		arg->out_largest = max_t(u32, arg->out_largest, sg_dma_len(sg));
	}
	return 0;
}

static int importer_vmap(struct importer *importer, int fd)
{
	int err = importer_get(importer, fd);

	if (err)
		return err;
	err = dma_buf_vmap_unlocked(importer->dmabuf, &importer->address);
	if (err)
		importer_put(importer);
	return err;
}

static long importer_ioctl(struct file *file, unsigned int number, unsigned long arg)
{
	struct importer *importer = file->private_data;
	struct importer_map map;
	int err;

	switch (number) {
	case IMPORTER_MAP:
		if (copy_from_user(&map, (void __user *)arg, sizeof(map)))
			return -EFAULT;
		mutex_lock(&importer->lock);
		err = importer_map(importer, &map);
		mutex_unlock(&importer->lock);
		if (!err && copy_to_user((void __user *)arg, &map, sizeof(map)))
			return -EFAULT;
		return err;
	case IMPORTER_VMAP:
		mutex_lock(&importer->lock);
		err = importer_vmap(importer, arg);
		mutex_unlock(&importer->lock);
		return err;
	case IMPORTER_HOLD:
		mutex_lock(&importer->lock);
		err = importer_get(importer, arg);
		mutex_unlock(&importer->lock);
		return err;
	default:
		return -ENOTTY;
	}
}

/* Where the byte at @pos is, and how many follow it in one piece. NULL beyond the end. */
static void *importer_find(struct importer *importer, loff_t pos, size_t *span)
{
	struct scatterlist *sg;
	int i;

	if (!iosys_map_is_null(&importer->address)) {
		/* Page by page: what one allows says nothing about the next. */
		*span = PAGE_SIZE - (pos & ~PAGE_MASK);
		return pos < importer->dmabuf->size ? importer->address.vaddr + pos : NULL;
	}
	if (!importer->table)
		return NULL;
	for_each_sgtable_dma_sg(importer->table, sg, i) {
		if (pos < sg_dma_len(sg)) {
			*span = sg_dma_len(sg) - pos;
			return phys_to_virt(dma_to_phys(&device->dev, sg_dma_address(sg))) + pos;
		}
		pos -= sg_dma_len(sg);
	}
	return NULL;
}

static bool importer_may_write(struct importer *importer, void *address)
{
	unsigned int level;
	pte_t *pte;

	if (importer->table)
		return importer->direction != DMA_TO_DEVICE;
	pte = lookup_address((unsigned long)address, &level);
	return pte && pte_write(*pte);
}

static ssize_t importer_copy(struct file *file, char __user *buffer, size_t count, loff_t *pos, bool write)
{
	struct importer *importer = file->private_data;
	ssize_t done = 0, err = 0;

	mutex_lock(&importer->lock);
	while (count && !err) {
		size_t span, left;
		void *address = importer_find(importer, *pos, &span);

		if (!address)
			break;
		span = min(span, count);
		if (write && !importer_may_write(importer, address)) {
			err = -EROFS;
			break;
		}
		left = write ? copy_from_user(address, buffer, span) : copy_to_user(buffer, address, span);
		if (left)
			err = -EFAULT;
		span -= left;
		buffer += span;
		count -= span;
		*pos += span;
		done += span;
	}
	mutex_unlock(&importer->lock);
	return done ?: err;
}

static ssize_t importer_read(struct file *file, char __user *buffer, size_t count, loff_t *pos)
{
	return importer_copy(file, buffer, count, pos, false);
}

static ssize_t importer_write(struct file *file, const char __user *buffer, size_t count, loff_t *pos)
{
	return importer_copy(file, (char __user *)buffer, count, pos, true);
}

static int importer_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct importer *importer = file->private_data;

	return importer->dmabuf ? dma_buf_mmap(importer->dmabuf, vma, vma->vm_pgoff) : -ENODATA;
}

static int importer_open(struct inode *inode, struct file *file)
{
	struct importer *importer = kzalloc(sizeof(*importer), GFP_KERNEL);

	if (!importer)
		return -ENOMEM;
	mutex_init(&importer->lock);
	file->private_data = importer;
	return 0;
}

static int importer_release(struct inode *inode, struct file *file)
{
	struct importer *importer = file->private_data;

	importer_put(importer);
	kfree(importer);
	return 0;
}

static const struct file_operations importer_fops = {
	.owner = THIS_MODULE,
	.open = importer_open,
	.release = importer_release,
	.read = importer_read,
	.write = importer_write,
	.llseek = default_llseek,
	.mmap = importer_mmap,
	.unlocked_ioctl = importer_ioctl,
};

static struct miscdevice importer_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pinpool_importer",
	.fops = &importer_fops,
};

static int __init importer_init(void)
{
	int err;

	device = platform_device_register_simple("pinpool_importer", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	err = dma_coerce_mask_and_coherent(&device->dev, DMA_BIT_MASK(64));
	if (!err)
		err = misc_register(&importer_misc);
	if (err)
		platform_device_unregister(device);
	return err;
}

static void __exit importer_exit(void)
{
	misc_deregister(&importer_misc);
	platform_device_unregister(device);
}

module_init(importer_init);
module_exit(importer_exit);

MODULE_DESCRIPTION("Importer of dma-bufs for the tests of pinpool");
MODULE_AUTHOR("pinpool contributors");
MODULE_LICENSE("GPL");
