/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What the kernel module tells everybody of a pool: its folder in /sys/class/pinpool, and the owner of its node. */
#ifndef PINPOOL_POOL_MODULE_SYSFS_H
#define PINPOOL_POOL_MODULE_SYSFS_H

#include <pinpool/pool.h>

/* The attributes are read one after the other, so a change may fall between two. Returns 0, -ENOENT, -EBADMSG, -errno. */
int module_sysfs_info(const char *name, struct pinpool_info *info);
/* How far a load is, out of the other fields. */
void module_fill_loaded(struct pinpool_info *info);

#endif
