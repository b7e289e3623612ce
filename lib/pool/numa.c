/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* NUMA nodes of file pages; see numa.h. Three system calls are no reason to depend on libnuma. */
#include "pool/numa.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sysfile.h"

#define LONG_BITS (8 * sizeof(long))
/* The kernel takes one bit less than it is told. */
#define MASK_BITS (NUMA_NODES + 1)
#define NODES_DIR "/sys/devices/system/node"

static int failed(void)
{
	return errno == ENOSYS || errno == EPERM ? -EOPNOTSUPP : -errno;
}

int numa_save_thread(struct numa_saved *saved)
{
	memset(saved, 0, sizeof(*saved));
	return syscall(SYS_get_mempolicy, &saved->policy, saved->nodes, (long)MASK_BITS, 0L, 0L) ? failed() : 0;
}

int numa_set_thread(int32_t node, bool prefer)
{
	unsigned long nodes[NUMA_NODES / LONG_BITS] = {0};
	char path[64];

	if (node < 0 || node >= NUMA_NODES)
		return -EINVAL;
	snprintf(path, sizeof(path), NODES_DIR "/node%d", node);
	if (access(path, F_OK))
		return -EINVAL;
	nodes[(size_t)node / LONG_BITS] = 1UL << ((size_t)node % LONG_BITS);
	return syscall(SYS_set_mempolicy, prefer ? MPOL_PREFERRED : MPOL_BIND, nodes, (long)MASK_BITS) ? failed() : 0;
}

void numa_restore_thread(const struct numa_saved *saved)
{
	syscall(SYS_set_mempolicy, saved->policy, saved->nodes, (long)MASK_BITS);
}

int numa_nodes_with_memory(uint64_t *nodes)
{
	char text[1024];

	if (sysfile_read(NODES_DIR "/has_memory", text, sizeof(text)) < 0 || numa_parse_nodes(text, nodes))
		return -EOPNOTSUPP;
	return 0;
}

int numa_parse_nodes(const char *text, uint64_t *nodes)
{
	unsigned long first, last;
	char *end;

	*nodes = 0;
	while (*text) {
		if (*text < '0' || *text > '9')
			return -EBADMSG;
		first = last = strtoul(text, &end, 10);
		if (*end == '-' && end[1] >= '0' && end[1] <= '9')
			last = strtoul(end + 1, &end, 10);
		if (last < first || last >= NUMA_NODES || (*end && *end != ','))
			return -EBADMSG;
		for (; first <= last && first < 64; first++)
			*nodes |= 1ULL << first;
		text = *end ? end + 1 : end;
	}
	return 0;
}
