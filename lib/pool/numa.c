/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Binding a thread to a NUMA node; see numa.h. Three system calls are no reason to depend on libnuma. */
#include "pool/numa.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LONG_BITS (8 * sizeof(long))
/* The kernel takes one bit less than it is told. */
#define MASK_BITS (NUMA_NODES + 1)

int numa_bind_thread(int32_t node, struct numa_saved *saved)
{
	unsigned long nodes[NUMA_NODES / LONG_BITS] = {0};
	char path[64];

	if (node < 0 || node >= NUMA_NODES)
		return -EINVAL;
	memset(saved, 0, sizeof(*saved));
	if (syscall(SYS_get_mempolicy, &saved->policy, saved->nodes, (long)MASK_BITS, 0L, 0L))
		return errno == ENOSYS || errno == EPERM ? -EOPNOTSUPP : -errno;
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", node);
	if (access(path, F_OK))
		return -EINVAL;
	nodes[(size_t)node / LONG_BITS] = 1UL << ((size_t)node % LONG_BITS);
	if (syscall(SYS_set_mempolicy, MPOL_BIND, nodes, (long)MASK_BITS))
		return errno == ENOSYS || errno == EPERM ? -EOPNOTSUPP : -errno;
	return 0;
}

void numa_restore_thread(const struct numa_saved *saved)
{
	syscall(SYS_set_mempolicy, saved->policy, saved->nodes, (long)MASK_BITS);
}
