// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/pinpool/control: creates, destroys and counts pools.
 *
 * Who may open it is up to its owner, group and mode, 0664 root:root at first: anybody may count pools and destroy his
 * own, who may write it may also create. So chgrp is all it takes to let a group create.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "pinpool.h"
#include "trace.h"

#define CONTROL_NAME "control"

/* Whether a name of an ioctl is one: see PINPOOL_NAME_MAX. */
static bool control_name_valid(const u8 name[PINPOOL_NAME_MAX + 1])
{
	size_t length = strnlen(name, PINPOOL_NAME_MAX + 1);
	size_t i;

	if (!length || length > PINPOOL_NAME_MAX || memchr_inv(name + length, 0, PINPOOL_NAME_MAX + 1 - length))
		return false;
	if (name[0] == '.' || name[0] == '-' || !strcmp(name, CONTROL_NAME))
		return false;
	for (i = 0; i < length; i++)
		if (!isascii(name[i]) || !(isalnum(name[i]) || strchr("._-", name[i])))
			return false;
	return true;
}

static int control_info(struct pinpool_ucmd *ucmd)
{
	struct pinpool_module_info *info = ucmd->cmd;

	if (info->flags)
		return -EOPNOTSUPP;
	pinpool_module_info(info);
	return 0;
}

/* A pool is given away as a file is: to oneself and one's groups, beyond that with CAP_CHOWN. */
static int control_owner(const struct pinpool_create *create, struct pinpool_params *params)
{
	params->uid = current_fsuid();
	params->gid = current_fsgid();

	if (create->uid != PINPOOL_ID_CALLER) {
		params->uid = make_kuid(current_user_ns(), create->uid);
		if (!uid_valid(params->uid))
			return -EINVAL;
		if (!uid_eq(params->uid, current_fsuid()) && !capable(CAP_CHOWN))
			return -EPERM;
	}
	if (create->gid != PINPOOL_ID_CALLER) {
		params->gid = make_kgid(current_user_ns(), create->gid);
		if (!gid_valid(params->gid))
			return -EINVAL;
		if (!in_group_p(params->gid) && !capable(CAP_CHOWN))
			return -EPERM;
	}
	return 0;
}

static int control_create(struct pinpool_ucmd *ucmd)
{
	const struct pinpool_create *create = ucmd->cmd;
	struct pinpool_params params = {
		.name = create->name,
		.capacity = create->capacity,
		.mode = create->mode ?: 0600,
		.on_demand = create->flags & PINPOOL_CREATE_ON_DEMAND,
		.evictable = create->flags & PINPOOL_CREATE_EVICTABLE,
		.priority = create->priority,
	};
	int err;

	if (!(ucmd->file->f_mode & FMODE_WRITE))
		return -EPERM;
	if ((create->flags & ~(PINPOOL_CREATE_ON_DEMAND | PINPOOL_CREATE_EVICTABLE)) ||
	    (create->page_size && create->page_size != PINPOOL_PAGE_SIZE))
		return -EOPNOTSUPP;
	if (create->__reserved || !control_name_valid(create->name) || (create->mode & ~0666))
		return -EINVAL;
	if (!create->capacity || !IS_ALIGNED(create->capacity, PINPOOL_PAGE_SIZE))
		return -EINVAL;
	err = pinpool_place_init(&params.place, create);
	if (err)
		return err;
	err = control_owner(create, &params);
	if (err)
		return err;
	err = pinpool_pool_create(&params);
	trace_pinpool_create(&params, err);
	return err;
}

static int control_destroy(struct pinpool_ucmd *ucmd)
{
	const struct pinpool_destroy *destroy = ucmd->cmd;
	int err;

	if (destroy->flags)
		return -EOPNOTSUPP;
	if (!control_name_valid(destroy->name))
		return -EINVAL;
	err = pinpool_pool_destroy(destroy->name);
	trace_pinpool_destroy(destroy->name, err);
	return err;
}

static const struct pinpool_ioctl_op control_ioctl_ops[] = {
	PINPOOL_IOCTL_OP(PINPOOL_IOC_MODULE_INFO, control_info, pinpool_module_info, __reserved, true),
	PINPOOL_IOCTL_OP(PINPOOL_IOC_CREATE, control_create, pinpool_create, __reserved, false),
	PINPOOL_IOCTL_OP(PINPOOL_IOC_DESTROY, control_destroy, pinpool_destroy, name, false),
};

static long control_ioctl(struct file *file, unsigned int number, unsigned long arg)
{
	return pinpool_ioctl(file, control_ioctl_ops, ARRAY_SIZE(control_ioctl_ops), number, arg);
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = control_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static char *control_devnode(devnode_const struct device *dev, umode_t *mode, kuid_t *uid, kgid_t *gid)
{
	if (mode)
		*mode = 0664;
	return kasprintf(GFP_KERNEL, "pinpool/%s", dev_name(dev));
}

static void control_release(struct device *dev)
{
	kfree(dev);
}

static const struct device_type control_type = {
	.name = "pinpool_control",
	.devnode = control_devnode,
	.release = control_release,
};

static struct cdev control_cdev;
static struct device *control_device;

/**
 * pinpool_control_init - make the control node; from here on pools may come
 *
 * Return: 0 or -errno.
 */
int __init pinpool_control_init(void)
{
	dev_t devt = pinpool_devt + PINPOOL_CONTROL_MINOR;
	int err;

	control_device = kzalloc(sizeof(*control_device), GFP_KERNEL);
	if (!control_device)
		return -ENOMEM;
	device_initialize(control_device);
	control_device->class = &pinpool_class;
	control_device->type = &control_type;
	control_device->devt = devt;
	err = dev_set_name(control_device, CONTROL_NAME);
	if (err)
		goto err_device;
	control_device->groups = pinpool_sysfs_control_groups();
	if (!control_device->groups) {
		err = -ENOMEM;
		goto err_device;
	}

	cdev_init(&control_cdev, &control_fops);
	control_cdev.owner = THIS_MODULE;
	err = cdev_add(&control_cdev, devt, 1);
	if (err)
		goto err_groups;
	err = device_add(control_device);
	if (err)
		goto err_cdev;
	return 0;

err_cdev:
	cdev_del(&control_cdev);
err_groups:
	pinpool_sysfs_control_groups_free();
err_device:
	put_device(control_device);
	return err;
}

/**
 * pinpool_control_exit - undo pinpool_control_init()
 */
void pinpool_control_exit(void)
{
	device_unregister(control_device);
	cdev_del(&control_cdev);
	pinpool_sysfs_control_groups_free();
}
