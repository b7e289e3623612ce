// SPDX-License-Identifier: GPL-2.0-only
/*
 * pinpool: named, pinned, huge-page pools. Parameters, load and unload.
 */
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/numa.h>

#include "pinpool.h"

static unsigned long reserve_mb[MAX_NUMNODES];
static int nr_reserve_mb;
module_param_array(reserve_mb, ulong, &nr_reserve_mb, 0444);
MODULE_PARM_DESC(reserve_mb, "MiB of huge pages to take at load: for all nodes, or one number for each (default 0)");

static unsigned long limit_mb;
module_param(limit_mb, ulong, 0644);
MODULE_PARM_DESC(limit_mb, "MiB that all pools together may hold, from the reserve or not (default 0: no limit)");

static unsigned long limit_uid_mb;
module_param(limit_uid_mb, ulong, 0644);
MODULE_PARM_DESC(limit_uid_mb, "MiB that the pools of one user without CAP_SYS_RESOURCE may hold (default 0: no limit)");

struct class pinpool_class = {
	.name = "pinpool",
};

dev_t pinpool_devt;

/* Bytes of a limit in MiB; more than there are numbers for is the most there is. */
static u64 limit_bytes(unsigned long megabytes)
{
	return min_t(u64, megabytes, U64_MAX >> 20) << 20;
}

/**
 * pinpool_limit_bytes - most bytes that all pools together may hold
 *
 * Return: bytes, 0 for no limit.
 */
u64 pinpool_limit_bytes(void)
{
	return limit_bytes(READ_ONCE(limit_mb));
}

/**
 * pinpool_limit_uid_bytes - most bytes that the pools of one user may hold
 *
 * Return: bytes, 0 for no limit.
 */
u64 pinpool_limit_uid_bytes(void)
{
	return limit_bytes(READ_ONCE(limit_uid_mb));
}

static int __init pinpool_init(void)
{
	int err;

	err = pinpool_reserve_init(reserve_mb, nr_reserve_mb);
	if (err)
		return err;
	err = alloc_chrdev_region(&pinpool_devt, 0, MINORMASK + 1, "pinpool");
	if (err)
		goto err_reserve;
	err = class_register(&pinpool_class);
	if (err)
		goto err_region;
	err = pinpool_uring_init();
	if (err)
		goto err_class;
	err = pinpool_node_init();
	if (err)
		goto err_uring;
	err = pinpool_control_init();
	if (err)
		goto err_node;
	return 0;

err_node:
	pinpool_node_exit();
err_uring:
	pinpool_uring_exit();
err_class:
	class_unregister(&pinpool_class);
err_region:
	unregister_chrdev_region(pinpool_devt, MINORMASK + 1);
err_reserve:
	pinpool_reserve_exit();
	return err;
}

/* No pool is left: each pins the module. */
static void __exit pinpool_exit(void)
{
	pinpool_control_exit();
	pinpool_node_exit();
	pinpool_uring_exit();
	class_unregister(&pinpool_class);
	unregister_chrdev_region(pinpool_devt, MINORMASK + 1);
	pinpool_quarantine_exit();
	pinpool_reserve_exit();
}

module_init(pinpool_init);
module_exit(pinpool_exit);

MODULE_DESCRIPTION("Named, pinned, huge-page pools of model weights");
MODULE_AUTHOR("pinpool contributors");
MODULE_VERSION(PINPOOL_VERSION);
MODULE_LICENSE("GPL");
