/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The module's reserve; see module_reserve.h. */
#include "pool/module_reserve.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/sysfile.h"
#include "pool/module_error.h"
#include "pool/numa.h"

#define CONTROL_FOLDER "/sys/class/pinpool/control"
#define HUGE_PAGE      (2ULL << 20)

static const char *file_of(char *buf, size_t size, uint32_t node, const char *name)
{
	snprintf(buf, size, CONTROL_FOLDER "/node%u/%s", node, name);
	return buf;
}

static bool node_has_folder(uint32_t node)
{
	char path[96];

	return !access(file_of(path, sizeof(path), node, "reserve"), F_OK);
}

/* The number of the node at @index among those that have a folder; NUMA_NODES if there are not so many. */
static uint32_t node_at(size_t index)
{
	uint32_t node;

	for (node = 0; node < NUMA_NODES; node++)
		if (node_has_folder(node) && !index--)
			break;
	return node;
}

/* A module with one reserve for all nodes has no such folders at all. */
static int no_folder(struct pinpool_diag *diag)
{
	return node_at(0) == NUMA_NODES ? module_too_old("reserve", "a reserve for each NUMA node", diag) : 0;
}

int module_reserve_get(struct pinpool_ctx *ctx, size_t index, struct pinpool_reserve *reserve,
		       struct pinpool_diag *diag)
{
	uint32_t node = node_at(index);
	char path[96];
	int err;

	if (node == NUMA_NODES) {
		err = no_folder(diag);
		return err ? err : diag_set(diag, -ENOENT, "reserve", NULL, "no NUMA node at place %zu", index);
	}
	reserve->node = node;
	err = sysfile_read_u64(file_of(path, sizeof(path), node, "reserve"), &reserve->reserve_bytes);
	if (!err)
		err = sysfile_read_u64(file_of(path, sizeof(path), node, "free"), &reserve->free_bytes);
	return err ? diag_errno(diag, err, path) : 0;
}

int module_reserve_set(struct pinpool_ctx *ctx, uint32_t node, uint64_t bytes, struct pinpool_diag *diag)
{
	uint64_t pages = bytes / HUGE_PAGE + !!(bytes % HUGE_PAGE), before = 0;
	char path[96], object[32];
	int err;

	snprintf(object, sizeof(object), "node %u", node);
	if (!node_has_folder(node)) {
		err = no_folder(diag);
		return err ? err
			   : diag_set(diag, -EINVAL, object, "pinpool reserve lists those there are",
				      "no such NUMA node with memory");
	}
	if (pages > UINT64_MAX / HUGE_PAGE)
		return diag_set(diag, -EINVAL, object, NULL, "%llu bytes are beyond any memory",
				(unsigned long long)bytes);
	sysfile_read_u64(file_of(path, sizeof(path), node, "reserve"), &before);
	err = sysfile_write_u64(path, pages * HUGE_PAGE);
	switch (err) {
	case -EACCES:
	case -EPERM:
		return diag_set(diag, -EPERM, object, "become root", "only root may change the reserve");
	case -ENOMEM:
		return diag_set(diag, err, object,
				"free memory and compact it: echo 1 > /proc/sys/vm/compact_memory, or ask for less",
				"no memory for a reserve of %llu MiB, it has %llu MiB as before",
				(unsigned long long)(pages * HUGE_PAGE >> 20), (unsigned long long)(before >> 20));
	default:
		return err ? diag_errno(diag, err, object) : 0;
	}
}
