/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Refusals of the kernel module put into words: what was missing, and what the user can change. */
#ifndef PINPOOL_POOL_MODULE_ERROR_H
#define PINPOOL_POOL_MODULE_ERROR_H

#include <pinpool/pool.h>

#define MODULE_NODES   "/dev/pinpool"
#define MODULE_CONTROL MODULE_NODES "/control"
#define MODULE_PARAMS  "/sys/module/pinpool/parameters"

/* An ioctl. Returns 0 or -errno. */
int module_call(int fd, unsigned long number, void *arg);

/* -EACCES or -EPERM on a node: who may. Returns @err. */
int module_no_permission(int err, const char *path, struct pinpool_diag *diag);

/*
 * -ENOMEM, -ENOSPC or -EDQUOT: a pool called @name needs @bytes more, all from @node unless that is negative. @control
 * is a file of the control node, or negative. Returns @err.
 */
int module_no_room(int err, int control, const char *name, uint64_t bytes, uint64_t page_size, int32_t node,
		   struct pinpool_diag *diag);

/* The module is older than what is asked for. Returns -EOPNOTSUPP. */
int module_too_old(const char *name, const char *what, struct pinpool_diag *diag);

#endif
