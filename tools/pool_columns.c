/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What ls and stat show of a pool. */
#include "pool_columns.h"
#include "digest.h"
#include "node_list.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>

static void get_name(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct pinpool_info *)row)->name);
}

static void get_state(const void *row, struct cell *cell)
{
	cell_text(cell, pinpool_state_name(((const struct pinpool_info *)row)->state));
}

static void get_capacity(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_info *)row)->capacity);
}

static void get_length(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_info *)row)->length);
}

static void get_page(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_info *)row)->page_size);
}

static void get_huge(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct pinpool_info *)row)->huge_pages);
}

static void get_node(const void *row, struct cell *cell)
{
	const struct pinpool_info *info = row;

	cell_count(cell, info->numa_node < 0 ? PINPOOL_UNKNOWN : (uint64_t)info->numa_node);
}

/* As --numa takes it; "-" where any node will do. */
static void get_numa(const void *row, struct cell *cell)
{
	const struct pinpool_info *info = row;
	char nodes[128];

	cell->kind = CELL_TEXT;
	switch (info->numa_policy) {
	case PINPOOL_NUMA_BIND:
		snprintf(cell->buf, sizeof(cell->buf), "bind:%d", info->numa_node);
		if (info->numa_node < 0)
			cell->kind = CELL_NONE;
		return;
	case PINPOOL_NUMA_PREFER:
		snprintf(cell->buf, sizeof(cell->buf), "prefer:%d", info->numa_node);
		return;
	case PINPOOL_NUMA_INTERLEAVE:
		snprintf(cell->buf, sizeof(cell->buf), "interleave:%s", node_list_text(info->numa_nodes, nodes));
		return;
	}
	cell->kind = CELL_NONE;
}

static void get_fallback(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct pinpool_info *)row)->numa_fallback);
}

static void get_on_demand(const void *row, struct cell *cell)
{
	cell_flag(cell, ((const struct pinpool_info *)row)->on_demand);
}

static void get_evictable(const void *row, struct cell *cell)
{
	cell_flag(cell, ((const struct pinpool_info *)row)->evictable);
}

static void get_priority(const void *row, struct cell *cell)
{
	cell_signed(cell, ((const struct pinpool_info *)row)->priority);
}

static void get_zeroed(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct pinpool_info *)row)->pages_zeroed);
}

static void get_failed(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct pinpool_info *)row)->failed_allocs);
}

static void get_exports(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct pinpool_info *)row)->exports);
}

static void get_backend(const void *row, struct cell *cell)
{
	cell_text(cell, pinpool_backend_name(((const struct pinpool_info *)row)->backend));
}

static void get_owner(const void *row, struct cell *cell)
{
	const struct pinpool_info *info = row;
	const struct passwd *user = getpwuid(info->uid);

	cell->kind = CELL_TEXT;
	if (user)
		snprintf(cell->buf, sizeof(cell->buf), "%s", user->pw_name);
	else
		snprintf(cell->buf, sizeof(cell->buf), "%u", info->uid);
}

static void get_group(const void *row, struct cell *cell)
{
	const struct pinpool_info *info = row;
	const struct group *group = getgrgid(info->gid);

	cell->kind = CELL_TEXT;
	if (group)
		snprintf(cell->buf, sizeof(cell->buf), "%s", group->gr_name);
	else
		snprintf(cell->buf, sizeof(cell->buf), "%u", info->gid);
}

static void get_mode(const void *row, struct cell *cell)
{
	cell->kind = CELL_TEXT;
	snprintf(cell->buf, sizeof(cell->buf), "%04o", ((const struct pinpool_info *)row)->mode);
}

static void get_created(const void *row, struct cell *cell)
{
	cell_time(cell, ((const struct pinpool_info *)row)->created_ns);
}

static void get_committed(const void *row, struct cell *cell)
{
	cell_time(cell, ((const struct pinpool_info *)row)->committed_ns);
}

static void get_mappings(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct pinpool_info *)row)->mappings);
}

static void get_openers(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct pinpool_info *)row)->openers);
}

static void get_faults(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct pinpool_info *)row)->faults);
}

static void get_written(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_info *)row)->bytes_written);
}

static void get_read(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_info *)row)->bytes_read);
}

static void get_digest_kind(const void *row, struct cell *cell)
{
	cell_text(cell, digest_kind_name(((const struct pinpool_info *)row)->digest_kind));
}

static void get_digest(const void *row, struct cell *cell)
{
	const struct pinpool_info *info = row;

	cell_digest(cell, info->digest_kind != PINPOOL_DIGEST_NONE, info->digest);
}

const struct column pool_columns[] = {
	{"NAME", "name of the pool", .get = get_name},
	{"STATE", "EMPTY, LOADING or READY", .get = get_state},
	{"CAPACITY", "bytes reserved", .right = true, .get = get_capacity},
	{"LENGTH", "bytes published, 0 unless READY", .right = true, .get = get_length},
	{"PAGE", "size of a page", .right = true, .get = get_page},
	{"HUGE", "huge pages held", .right = true, .extra = true, .get = get_huge},
	{"DEMAND", "pages come with the first touch or write", .extra = true, .get = get_on_demand},
	{"NUMA", "where pages come from, as --numa says it; - for anywhere", .extra = true, .get = get_numa},
	{"NODE", "NUMA node that the pool is bound to or prefers", .right = true, .extra = true, .get = get_node},
	{"FALLBACK", "pages from another node than the one preferred", .right = true, .extra = true,
	 .get = get_fallback},
	{"EVICTABLE", "may go when another pool needs its room", .extra = true, .get = get_evictable},
	{"PRIORITY", "evictable pools of lower priority go first", .right = true, .extra = true, .get = get_priority},
	{"BACKEND", "who owns the pages: module, hugetlbfs or shm", .get = get_backend},
	{"OWNER", "user who owns the pool", .get = get_owner},
	{"GROUP", "group of the pool", .extra = true, .get = get_group},
	{"MODE", "permission bits", .get = get_mode},
	{"CREATED", "when it was made; nanoseconds since 1970 in JSON", .get = get_created},
	{"COMMITTED", "when it became READY; likewise", .extra = true, .get = get_committed},
	{"MAPPINGS", "live mappings", .right = true, .extra = true, .get = get_mappings},
	{"OPENERS", "open files", .right = true, .extra = true, .get = get_openers},
	{"FAULTS", "page faults served", .right = true, .extra = true, .get = get_faults},
	{"ZEROED", "pages zeroed because the pool touched them", .right = true, .extra = true, .get = get_zeroed},
	{"FAILED", "touches and writes that found no page", .right = true, .extra = true, .get = get_failed},
	{"EXPORTS", "live dma-bufs", .right = true, .extra = true, .get = get_exports},
	{"WRITTEN", "bytes taken by write(2)", .right = true, .extra = true, .get = get_written},
	{"READ", "bytes that the module read into it from files by itself", .right = true, .extra = true,
	 .get = get_read},
	{"DIGESTED", "what the digest is of: xxh3-128 the content, xxh3-128-list the digests of its files",
	 .extra = true, .get = get_digest_kind},
	{"DIGEST", "digest given at commit", .extra = true, .get = get_digest},
	{0},
};
