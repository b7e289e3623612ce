/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool stat: everything about one pool, or about the backend and what it has left. */
#include "commands.h"
#include "error.h"
#include "pool_columns.h"

#include <stdio.h>

struct stat_args {
	struct table_args table;
};

static const struct option_spec options[] = {
	RECORD_OPTIONS(struct stat_args, table),
	{0},
};

static void get_backend(const void *row, struct cell *cell)
{
	cell_text(cell, pinpool_backend_name(((const struct pinpool_ctx_info *)row)->backend));
}

static void get_location(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct pinpool_ctx_info *)row)->location);
}

static void get_page(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_ctx_info *)row)->page_size);
}

static void get_pools(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct pinpool_ctx_info *)row)->pools);
}

static void get_used(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_ctx_info *)row)->used_bytes);
}

static void get_free(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_ctx_info *)row)->free_bytes);
}

static void get_reserve(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_ctx_info *)row)->reserve_bytes);
}

static void get_limit(const void *row, struct cell *cell)
{
	uint64_t limit = ((const struct pinpool_ctx_info *)row)->limit_bytes;

	cell_bytes(cell, limit ? limit : PINPOOL_UNKNOWN);
}

static void get_user_limit(const void *row, struct cell *cell)
{
	uint64_t limit = ((const struct pinpool_ctx_info *)row)->limit_uid_bytes;

	cell_bytes(cell, limit ? limit : PINPOOL_UNKNOWN);
}

static void get_evicted(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct pinpool_ctx_info *)row)->evicted);
}

static void get_scrubbed(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct pinpool_ctx_info *)row)->pages_scrubbed);
}

static void get_quarantine(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_ctx_info *)row)->quarantine_bytes);
}

static void get_offers(const void *row, struct cell *cell)
{
	static const char *const words[] = {"on-demand", "resize", "numa", "eviction", "uring-read", "export"};
	uint64_t features = ((const struct pinpool_ctx_info *)row)->features;
	size_t i, length = 0;

	_Static_assert(PINPOOL_FEATURES_ALL == (1 << sizeof(words) / sizeof(words[0])) - 1, "a word for each bit");

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!(features >> i & 1))
			continue;
		length += snprintf(cell->buf + length, sizeof(cell->buf) - length, "%s%s", length ? "," : "", words[i]);
		cell->kind = CELL_TEXT;
	}
}

static const struct column host_columns[] = {
	{"BACKEND", "who owns the pages: module, hugetlbfs or shm", .get = get_backend},
	{"LOCATION", "where pools live", .get = get_location},
	{"PAGE", "size of a page of a new pool", .get = get_page},
	{"POOLS", "number of pools", .get = get_pools},
	{"USED", "bytes that pools hold", .get = get_used},
	{"FREE", "bytes that a new pool could take now", .get = get_free},
	{"RESERVE", "bytes set aside for pools, used or not", .get = get_reserve},
	{"LIMIT", "most bytes that pools together may hold", .get = get_limit},
	{"USERLIMIT", "most bytes that the pools of one user may hold", .get = get_user_limit},
	{"EVICTED", "pools that gave way to others", .get = get_evicted},
	{"SCRUBBED", "pages zeroed because their pool went", .get = get_scrubbed},
	{"QUARANTINE", "bytes of pools that are gone and that somebody still pins", .get = get_quarantine},
	{"OFFERS", "on-demand, resize, numa, eviction, uring-read, export: what this backend can do", .get = get_offers},
	{0},
};

static int stat_host(struct cli *cli, const struct table_args *args)
{
	struct pinpool_ctx_info info = {.size = sizeof(info)};
	int err = pinpool_ctx_get_info(cli->ctx, &info);

	if (err)
		return error_errno(cli, "backend", err);
	return record_print(cli, args, host_columns, &info);
}

static int stat_pool(struct cli *cli, const struct table_args *args, const char *name)
{
	struct pinpool_info info = {.size = sizeof(info)};
	struct pinpool_diag diag = {0};
	int err = pinpool_pool_stat(cli->ctx, name, &info, &diag);

	if (err)
		return error_diag(cli, err, &diag);
	return record_print(cli, args, pool_columns, &info);
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct stat_args *args = data;
	int status = cli_open(cli);

	if (status)
		return status;
	return count ? stat_pool(cli, &args->table, operands[0]) : stat_host(cli, &args->table);
}

const struct command command_stat = {
	.name = "stat",
	.operands = "[NAME]",
	.max_operands = 1,
	.summary = "show everything about one pool, or what this host has left for pools",
	.example = "  pinpool stat lite",
	.options = options,
	.columns = host_columns,
	.second_option = "NAME",
	.second_columns = pool_columns,
	.record = true,
	.args_size = sizeof(struct stat_args),
	.run = run,
};
