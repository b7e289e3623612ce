// SPDX-License-Identifier: GPL-2.0-only
/*
 * One inode per pool on a small pseudo filesystem. The core maps a huge page whole only if the file's address space
 * belongs to an inode whose size covers it, and the inode of a device node has no size; so a pool's files get this
 * one's address space. Its size covers any pool: what there is to map is known by the pool alone.
 *
 * The mount lives only while pools do. It pins the module: one that pinned it from load on could never be unloaded.
 */
#include <linux/fs_context.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#include "compat/huge.h"
#include "pinpool.h"

#define PINPOOL_FS_MAGIC 0x70696e70 /* "pinp" */

static struct vfsmount *fs_mount;
static int fs_pins;

static int fs_init_context(struct fs_context *fc)
{
	return init_pseudo(fc, PINPOOL_FS_MAGIC) ? 0 : -ENOMEM;
}

static struct file_system_type fs_type = {
	.name = "pinpool",
	.owner = THIS_MODULE,
	.init_fs_context = fs_init_context,
	.kill_sb = kill_anon_super,
};

/**
 * pinpool_inode_new - an inode for a pool
 *
 * Return: the inode, for pinpool_inode_free(), or an error pointer.
 */
struct inode *pinpool_inode_new(void)
{
	struct inode *inode;
	int err;

	err = simple_pin_fs(&fs_type, &fs_mount, &fs_pins);
	if (err)
		return ERR_PTR(err);
	inode = alloc_anon_inode(fs_mount->mnt_sb);
	if (IS_ERR(inode)) {
		simple_release_fs(&fs_mount, &fs_pins);
		return inode;
	}
	i_size_write(inode, MAX_LFS_FILESIZE);
	huge_inode_init(inode);
	return inode;
}

/**
 * pinpool_inode_empty - the pool's pages are about to go
 * @inode: the inode; nothing maps them any more
 */
void pinpool_inode_empty(struct inode *inode)
{
	huge_inode_empty(inode);
}

/**
 * pinpool_inode_free - undo pinpool_inode_new()
 * @inode: the inode; no file uses its address space any more
 */
void pinpool_inode_free(struct inode *inode)
{
	iput(inode);
	simple_release_fs(&fs_mount, &fs_pins);
}
