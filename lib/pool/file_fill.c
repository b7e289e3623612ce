/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The pages of a pool without the module; see file_fill.h. */
#include "pool/file_fill.h"

#include <errno.h>
#include <fcntl.h>

#include "base/diag.h"
#include "pool/numa.h"

int file_fill_check(const struct file_store *store, struct pool_create *create, struct pinpool_diag *diag)
{
	bool placed = create->numa_policy != PINPOOL_NUMA_BIND || create->numa_node >= 0;
	uint64_t memory;

	if (create->evictable || create->priority)
		return diag_set(diag, -EOPNOTSUPP, create->name, "use the kernel module",
				"the %s backend does not offer eviction", pinpool_backend_name(store->ctx->ops->kind));
	if (create->on_demand && !(store->features & PINPOOL_FEATURE_ON_DEMAND))
		return diag_set(diag, -EOPNOTSUPP, create->name, "use the kernel module or hugetlbfs",
				"no pools on demand on tmpfs: when memory is short the kernel kills a process");
	if (create->on_demand && placed)
		return diag_set(
			diag, -EOPNOTSUPP, create->name, "use the kernel module",
			"on hugetlbfs pages on demand come from where the thread that touches them may take them");
	if (create->numa_policy != PINPOOL_NUMA_INTERLEAVE)
		return 0;
	if (numa_nodes_with_memory(&memory))
		return diag_set(diag, -EOPNOTSUPP, create->name, "name one node, or none",
				"this host does not say which NUMA nodes it has");
	if (create->numa_nodes & ~memory)
		return diag_set(diag, -EINVAL, create->name, NULL, "NUMA node %d does not exist or has no memory",
				__builtin_ctzll(create->numa_nodes & ~memory));
	if (!create->numa_nodes)
		create->numa_nodes = memory;
	return 0;
}

/*
 * fallocate() gives up at any signal, and at things that only look like one (a tracer that lets go, completions of an
 * io_uring); tmpfs also gives back what it had. Steps of this size keep what is done.
 */
#define FILL_STEP (64ULL << 20)

static int fill_range(int fd, uint64_t at, uint64_t bytes)
{
	uint64_t end = at + bytes, step;

	while (at < end) {
		step = end - at < FILL_STEP ? end - at : FILL_STEP;
		if (!fallocate(fd, 0, (off_t)at, (off_t)step))
			at += step;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* Page i from the node at place i modulo their number, and from no other: as the kernel module does. */
static int fill_interleaved(struct file_store *store, int fd, const struct pool_create *create)
{
	uint64_t nodes = create->numa_nodes;
	int err = 0;

	for (uint64_t at = 0; !err && at < create->capacity; at += store->page_size) {
		err = numa_set_thread(__builtin_ctzll(nodes), false);
		if (!err)
			err = fill_range(fd, at, store->page_size);
		nodes &= nodes - 1;
		if (!nodes)
			nodes = create->numa_nodes;
	}
	return err;
}

static int explained(int err, const struct pool_create *create, struct pinpool_diag *diag)
{
	return err ? diag_errno(diag, err, create->name) : 0;
}

int32_t file_fill_strict_node(const struct pool_create *create)
{
	return create->numa_policy == PINPOOL_NUMA_BIND ? create->numa_node : -1;
}

int file_fill(struct file_store *store, int fd, const struct pool_create *create, struct pinpool_diag *diag)
{
	struct numa_saved saved;
	int err;

	if (create->numa_policy == PINPOOL_NUMA_BIND && create->numa_node < 0)
		return explained(fill_range(fd, 0, create->capacity), create, diag);
	err = numa_save_thread(&saved);
	if (err)
		return diag_set(diag, err, create->name, "leave the choice of NUMA nodes to the kernel",
				"this kernel or sandbox does not let a thread choose NUMA nodes");
	if (create->numa_policy == PINPOOL_NUMA_INTERLEAVE) {
		err = explained(fill_interleaved(store, fd, create), create, diag);
	} else {
		err = numa_set_thread(create->numa_node, create->numa_policy == PINPOOL_NUMA_PREFER);
		if (err)
			diag_set(diag, err, create->name, NULL, "pages of NUMA node %d cannot be asked for",
				 create->numa_node);
		else
			err = explained(fill_range(fd, 0, create->capacity), create, diag);
	}
	numa_restore_thread(&saved);
	return err;
}
