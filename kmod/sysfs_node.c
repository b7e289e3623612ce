// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/class/pinpool/control/nodeN/: the reserve of each NUMA node that has memory, and the one thing that sysfs
 * changes:
 *
 *   reserve  bytes of the reserve; written, the bytes it shall have (a multiple of the page size; 512M and the like do)
 *   free     bytes of it that no pool holds
 *
 * The folders are made once, with the control device; memory that comes to a node without any later has no reserve.
 */
#include <linux/capability.h>
#include <linux/kernel.h>
#include <linux/nodemask.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "pinpool.h"

enum { NODE_RESERVE, NODE_FREE, NODE_NR_ATTRS };

/**
 * struct node_folder - the folder of one node
 * @nid: the node
 * @name: of the folder
 * @group: the folder
 * @files: what is in it
 * @attrs: likewise, as @group wants it
 */
struct node_folder {
	int nid;
	char name[16];
	struct attribute_group group;
	struct dev_ext_attribute files[NODE_NR_ATTRS];
	struct attribute *attrs[NODE_NR_ATTRS + 1];
};

static struct node_folder *folders;
static const struct attribute_group **groups;

static int attr_node(struct device_attribute *attr)
{
	const struct node_folder *folder = container_of(attr, struct dev_ext_attribute, attr)->var;

	return folder->nid;
}

static ssize_t reserve_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", pinpool_reserve_node_bytes(attr_node(attr)));
}

static ssize_t reserve_store(struct device *dev, struct device_attribute *attr, const char *buf, size_t count)
{
	unsigned long long bytes;
	char *end;
	int err;

	/* A container's root is root of this folder. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	bytes = memparse(buf, &end);
	if (end == buf || strcmp(skip_spaces(end), "") || !IS_ALIGNED(bytes, PINPOOL_PAGE_SIZE))
		return -EINVAL;
	err = pinpool_reserve_set(attr_node(attr), bytes >> PINPOOL_PAGE_SHIFT);
	return err ?: count;
}

static ssize_t free_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", pinpool_reserve_node_free_bytes(attr_node(attr)));
}

static const struct device_attribute node_attrs[NODE_NR_ATTRS] = {
	[NODE_RESERVE] = __ATTR_RW(reserve),
	[NODE_FREE] = __ATTR_RO(free),
};

static void folder_init(struct node_folder *folder, int nid)
{
	int i;

	folder->nid = nid;
	snprintf(folder->name, sizeof(folder->name), "node%d", nid);
	for (i = 0; i < NODE_NR_ATTRS; i++) {
		folder->files[i] = (struct dev_ext_attribute){ node_attrs[i], folder };
		sysfs_attr_init(&folder->files[i].attr.attr);
		folder->attrs[i] = &folder->files[i].attr.attr;
	}
	folder->group = (struct attribute_group){ .name = folder->name, .attrs = folder->attrs };
}

/**
 * pinpool_sysfs_control_groups - what the control device shows
 *
 * Return: the groups, to be freed by pinpool_sysfs_control_groups_free() once the device is gone, or NULL.
 */
const struct attribute_group **__init pinpool_sysfs_control_groups(void)
{
	int nr = num_node_state(N_MEMORY), nid, i = 0;

	folders = kcalloc(nr, sizeof(*folders), GFP_KERNEL);
	groups = kcalloc(nr + 2, sizeof(*groups), GFP_KERNEL);
	if (!folders || !groups) {
		pinpool_sysfs_control_groups_free();
		return NULL;
	}
	groups[0] = &pinpool_control_group;
	for_each_node_state(nid, N_MEMORY) {
		if (i == nr)
			break;
		folder_init(&folders[i], nid);
		groups[1 + i] = &folders[i].group;
		i++;
	}
	return groups;
}

/**
 * pinpool_sysfs_control_groups_free - undo pinpool_sysfs_control_groups()
 */
void pinpool_sysfs_control_groups_free(void)
{
	kfree(groups);
	kfree(folders);
}
