/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Pools on a hugetlbfs mount with 2 MiB pages. fallocate() takes every page at creation, so nothing is promised that is
 * not there: a mapping made later can neither fail for want of pages nor end in SIGBUS. A pool on demand is a file with
 * holes, mapped without setting pages aside: there a touch may end so. The huge pages of the host are the reserve.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/sysfile.h"
#include "pool/file_fill.h"
#include "pool/file_pool.h"
#include "pool/numa.h"

#define PAGE_BYTES (2UL << 20)
#define HOST_PAGES "/sys/kernel/mm/hugepages/hugepages-2048kB"
#define HOST_KNOB  HOST_PAGES "/nr_hugepages"
#define PROC_KNOB  "/proc/sys/vm/nr_hugepages"

/* Huge pages of the host or of one node, in pages. */
struct page_counts {
	uint64_t total; /* free, in use and surplus */
	uint64_t available; /* free and promised to nobody */
	uint64_t surplus; /* above what nr_hugepages asks for */
	uint64_t overcommit; /* surplus pages the host allows, 0 for a node */
};

static int read_count(const char *dir, const char *name, uint64_t *value)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return sysfile_read_u64(path, value);
}

static const char *counts_dir(char *buf, size_t size, int32_t node)
{
	if (node < 0)
		snprintf(buf, size, "%s", HOST_PAGES);
	else
		snprintf(buf, size, "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB", node);
	return buf;
}

static int read_counts(int32_t node, struct page_counts *counts)
{
	uint64_t reserved = 0;
	char dir[96];
	int err;

	memset(counts, 0, sizeof(*counts));
	counts_dir(dir, sizeof(dir), node);
	err = read_count(dir, "nr_hugepages", &counts->total);
	if (!err)
		err = read_count(dir, "free_hugepages", &counts->available);
	if (!err)
		err = read_count(dir, "surplus_hugepages", &counts->surplus);
	if (!err && node < 0)
		err = read_count(dir, "resv_hugepages", &reserved);
	if (!err && node < 0)
		err = read_count(dir, "nr_overcommit_hugepages", &counts->overcommit);
	counts->available -= reserved < counts->available ? reserved : counts->available;
	return err;
}

static uint64_t pages_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : (uint64_t)st.st_blocks * 512 / PAGE_BYTES;
}

/* The node that ran out: the one all pages come from, or of several the one that has least; -1 if any would do. */
static int32_t scarce_node(const struct pool_create *create)
{
	uint64_t nodes = create->numa_policy == PINPOOL_NUMA_INTERLEAVE ? create->numa_nodes : 0, least = UINT64_MAX;
	int32_t scarce = file_fill_strict_node(create);
	struct page_counts counts;

	for (; nodes; nodes &= nodes - 1) {
		if (read_counts(__builtin_ctzll(nodes), &counts) || counts.available >= least)
			continue;
		least = counts.available;
		scarce = __builtin_ctzll(nodes);
	}
	return scarce;
}

/* fallocate() found too few pages: which limit it met, and the command that moves it. */
static int explain(struct file_store *store, int fd, const struct pool_create *create, struct pinpool_diag *diag)
{
	int32_t node = scarce_node(create);
	uint64_t wanted = create->capacity / PAGE_BYTES, held = pages_of(fd), share, missing = wanted - held;
	struct page_counts counts;
	uint64_t default_kib = 0;
	struct statfs fs;
	char knob[128];

	if (!fstatfs(fd, &fs) && fs.f_blocks > 0 && (uint64_t)fs.f_bavail < missing)
		return diag_set(
			diag, -ENOSPC, store->data_path,
			"mount hugetlbfs with a larger size= and name a directory there with PINPOOL_HUGETLBFS_DIR",
			"%llu huge pages of 2 MiB needed, %llu free of the %llu that the mount's size= allows",
			(unsigned long long)(missing + held), (unsigned long long)(fs.f_bavail + held),
			(unsigned long long)fs.f_blocks);
	/* From here on about the node alone. */
	if (create->numa_policy == PINPOOL_NUMA_INTERLEAVE) {
		share = (uint64_t)__builtin_popcountll(create->numa_nodes);
		wanted = (wanted + share - 1) / share;
		held /= share;
		missing = wanted - held;
	}
	if (read_counts(node, &counts))
		return diag_set(diag, -ENOMEM, create->name, NULL, "too few huge pages of 2 MiB");
	if (counts.available >= missing)
		return diag_set(diag, -ENOSPC, create->name, "raise hugetlb.2MB.max of the control group",
				"%llu huge pages are free, but this control group may not have %llu",
				(unsigned long long)counts.available, (unsigned long long)(missing + held));
	missing -= counts.available;
	if (node < 0)
		diag_set(diag, -ENOMEM, create->name, NULL, "%llu huge pages of 2 MiB needed, %llu free",
			 (unsigned long long)wanted, (unsigned long long)(counts.available + held));
	else
		diag_set(diag, -ENOMEM, create->name, NULL,
			 "%llu huge pages of 2 MiB needed on node %d, %llu free there", (unsigned long long)wanted,
			 node, (unsigned long long)(counts.available + held));
	/* The short knob of the host is for the default huge page size. */
	sysfile_read_key("/proc/meminfo", "Hugepagesize", &default_kib);
	counts_dir(knob, sizeof(knob), node);
	if (node < 0 && default_kib == PAGE_BYTES >> 10)
		snprintf(knob, sizeof(knob), "%s", PROC_KNOB);
	else
		strncat(knob, "/nr_hugepages", sizeof(knob) - strlen(knob) - 1);
	diag_change(diag, "echo %llu > %s", (unsigned long long)(counts.total - counts.surplus + missing), knob);
	return -ENOMEM;
}

static int allocate(struct file_store *store, int fd, const struct pool_create *create, struct pinpool_diag *diag)
{
	int err = file_fill(store, fd, create, diag);

	return err == -ENOSPC || err == -ENOMEM ? explain(store, fd, create, diag) : err;
}

/* On hugetlbfs, with pages of 2 MiB. */
static bool fits(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == HUGETLBFS_MAGIC && fs.f_bsize == PAGE_BYTES;
}

/* mountinfo writes space, tab, newline and backslash as three octal digits. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] && text[3]) {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* The first mount point of this mount namespace that fits. */
static int find_mount(char *path, size_t size)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;
	int err = -ENODEV;

	if (!file)
		return -errno;
	while (err && getline(&line, &room, file) > 0) {
		char *type = strstr(line, " - hugetlbfs ");
		char *save, *field = NULL;

		if (!type)
			continue;
		*type = '\0';
		/* Mount id, parent, device, root, mount point. */
		for (int i = 0; i < 5; i++)
			field = strtok_r(i ? NULL : line, " ", &save);
		if (!field)
			continue;
		unescape(field);
		if (fits(field) && (size_t)snprintf(path, size, "%s", field) < size)
			err = 0;
	}
	free(line);
	fclose(file);
	return err;
}

static int open_data_dir(struct file_store *store, const struct pinpool_ctx_opts *opts, struct pinpool_diag *diag)
{
	const char *given = opts->hugetlbfs_dir;
	struct page_counts counts;
	char mount[240];
	int err;

	if (given) {
		if (!fits(given))
			return diag_set(diag, -EINVAL, given, "mount -t hugetlbfs -o pagesize=2M none DIR",
					"not a directory on hugetlbfs with pages of 2 MiB");
		if ((size_t)snprintf(store->data_path, sizeof(store->data_path), "%s", given) >=
		    sizeof(store->data_path))
			return diag_errno(diag, -ENAMETOOLONG, given);
		return file_store_open_dir(store->data_path, false, &store->data_dir, diag);
	}
	err = find_mount(mount, sizeof(mount));
	if (err)
		return diag_set(diag, err, "hugetlbfs",
				"mkdir -p /dev/hugepages && mount -t hugetlbfs none /dev/hugepages",
				"no mount with pages of 2 MiB");
	/* Somebody who insists gets the command that adds pages; somebody who does not gets a backend that works. */
	if (opts->backend == PINPOOL_BACKEND_AUTO && !read_counts(-1, &counts) && !counts.total && !counts.overcommit)
		return diag_set(diag, -ENODEV, mount, "echo N > " PROC_KNOB, "this host has no huge pages set aside");
	snprintf(store->data_path, sizeof(store->data_path), "%s/pinpool", mount);
	return file_store_open_dir(store->data_path, true, &store->data_dir, diag);
}

static int hugetlbfs_open(struct pinpool_ctx *ctx, const struct pinpool_ctx_opts *opts, struct pinpool_diag *diag)
{
	struct file_store *store = calloc(1, sizeof(*store));
	struct stat st;
	int err;

	if (!store)
		return diag_errno(diag, -ENOMEM, "hugetlbfs");
	store->ctx = ctx;
	store->page_size = PAGE_BYTES;
	store->features = PINPOOL_FEATURE_ON_DEMAND | PINPOOL_FEATURE_NUMA;
	store->allocate = allocate;
	err = open_data_dir(store, opts, diag);
	if (err)
		goto err_store;
	if (fstat(store->data_dir, &st)) {
		err = diag_errno(diag, -errno, store->data_path);
		goto err_data_dir;
	}
	snprintf(store->tag, sizeof(store->tag), "hugetlbfs-%llx-%llx", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	err = file_store_open_state(store, opts, diag);
	if (err)
		goto err_data_dir;
	ctx->store = store;
	return 0;

err_data_dir:
	close(store->data_dir);
err_store:
	free(store);
	return err;
}

static int hugetlbfs_info(struct pinpool_ctx *ctx, struct pinpool_ctx_info *info)
{
	struct file_store *store = ctx->store;
	struct page_counts counts;
	struct statfs fs;
	int err;

	err = read_counts(-1, &counts);
	if (err)
		return err;
	if (fstatfs(store->data_dir, &fs))
		return -errno;
	info->page_size = PAGE_BYTES;
	info->features = store->features;
	info->reserve_bytes = counts.total * PAGE_BYTES;
	info->free_bytes = counts.available * PAGE_BYTES;
	/* A mount without size= says 0 blocks. */
	if (fs.f_blocks > 0) {
		info->limit_bytes = (uint64_t)fs.f_blocks * PAGE_BYTES;
		if (info->free_bytes > (uint64_t)fs.f_bavail * PAGE_BYTES)
			info->free_bytes = (uint64_t)fs.f_bavail * PAGE_BYTES;
	}
	snprintf(info->location, sizeof(info->location), "%s", store->data_path);
	return file_store_used(store, &info->used_bytes, &info->pools);
}

/* The node at @index among those with huge pages of this size, or -ENOENT. */
static int32_t node_at(size_t index)
{
	uint64_t nodes;

	if (numa_nodes_with_memory(&nodes))
		return -ENOENT;
	for (; nodes && index; index--)
		nodes &= nodes - 1;
	return nodes ? __builtin_ctzll(nodes) : -ENOENT;
}

static int hugetlbfs_reserve_get(struct pinpool_ctx *ctx, size_t index, struct pinpool_reserve *reserve,
				 struct pinpool_diag *diag)
{
	int32_t node = node_at(index);
	struct page_counts counts;
	int err;

	if (node < 0)
		return diag_set(diag, -ENOENT, "reserve", NULL, "no NUMA node at place %zu", index);
	err = read_counts(node, &counts);
	if (err)
		return diag_errno(diag, err, "reserve");
	reserve->node = (uint32_t)node;
	reserve->reserve_bytes = counts.total * PAGE_BYTES;
	reserve->free_bytes = counts.available * PAGE_BYTES;
	return 0;
}

/* What cannot succeed must not first push everybody else's memory out. */
static bool within_reach(uint64_t pages)
{
	uint64_t available;

	return sysfile_read_key("/proc/meminfo", "MemAvailable", &available) || pages <= (available << 10) / PAGE_BYTES;
}

/* The kernel takes as many pages as it finds; here it is all or nothing. */
static int hugetlbfs_reserve_set(struct pinpool_ctx *ctx, uint32_t node, uint64_t bytes, struct pinpool_diag *diag)
{
	uint64_t pages = bytes / PAGE_BYTES + !!(bytes % PAGE_BYTES), before;
	char dir[96], path[128], object[32];
	struct page_counts counts;
	int err;

	snprintf(object, sizeof(object), "node %u", node);
	if (node >= NUMA_NODES || read_counts((int32_t)node, &counts))
		return diag_set(diag, -EINVAL, object, "pinpool reserve lists those there are",
				"no such NUMA node with memory");
	before = counts.total - counts.surplus;
	snprintf(path, sizeof(path), "%s/nr_hugepages", counts_dir(dir, sizeof(dir), (int32_t)node));
	if (pages > before && !within_reach(pages - before))
		return diag_set(diag, -ENOMEM, object, "ask for less",
				"no memory is available for %llu huge pages more",
				(unsigned long long)(pages - before));
	err = sysfile_write_u64(path, pages);
	if (err == -EACCES || err == -EPERM || err == -EROFS)
		return diag_set(diag, -EPERM, object, "become root", "only root may change nr_hugepages");
	if (!err)
		err = read_counts((int32_t)node, &counts);
	if (err)
		return diag_errno(diag, err, object);
	if (pages <= before || counts.total - counts.surplus >= pages)
		return 0;
	sysfile_write_u64(path, before);
	return diag_set(diag, -ENOMEM, object,
			"free memory and compact it: echo 1 > /proc/sys/vm/compact_memory, or ask for less",
			"memory for %llu of %llu huge pages of 2 MiB, it has %llu as before",
			(unsigned long long)(counts.total - counts.surplus), (unsigned long long)pages,
			(unsigned long long)before);
}

const struct backend_ops backend_hugetlbfs = {
	.kind = PINPOOL_BACKEND_HUGETLBFS,
	.open = hugetlbfs_open,
	.close = file_store_close,
	.info = hugetlbfs_info,
	.reserve_get = hugetlbfs_reserve_get,
	.reserve_set = hugetlbfs_reserve_set,
	.create = file_store_create,
	.destroy = file_store_destroy,
	.stat = file_store_stat,
	.list = file_store_list,
	.pool_open = file_pool_open,
	.pool_close = file_pool_close,
	.pool_info = file_pool_info,
	.pool_begin = file_pool_begin,
	.pool_commit = file_pool_commit,
	.pool_abort = file_pool_abort,
	.pool_wait = file_pool_wait,
	.pool_progress = file_pool_progress,
};
