/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool ls: a table of all pools. */
#include "commands.h"
#include "error.h"
#include "pool_columns.h"

#include <errno.h>
#include <stdlib.h>

struct ls_args {
	struct table_args table;
};

static const struct option_spec options[] = {
	TABLE_OPTIONS(struct ls_args, table),
	{0},
};

/* One that went away since it was listed is no failure. */
static int add_pools(struct cli *cli, struct table *table, char **names, size_t count)
{
	struct pinpool_info info = {.size = sizeof(info)};
	struct pinpool_diag diag = {0};
	size_t i;
	int err;

	for (i = 0; i < count; i++) {
		err = pinpool_pool_stat(cli->ctx, names[i], &info, &diag);
		if (err == -ENOENT)
			continue;
		if (err)
			return error_diag(cli, err, &diag);
		if (table_add(table, &info))
			return error_errno(cli, NULL, ENOMEM);
	}
	return STATUS_OK;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct ls_args *args = data;
	struct table *table;
	char **names;
	size_t pools;
	int err, status;

	status = table_new(&table, cli, &args->table, pool_columns, "pools");
	if (status)
		return status;
	status = cli_open(cli);
	if (status)
		goto out;
	err = pinpool_pool_list(cli->ctx, &names, &pools);
	if (err) {
		status = error_errno(cli, "list of pools", err);
		goto out;
	}
	status = add_pools(cli, table, names, pools);
	free(names);
	if (!status)
		status = table_print(table);
out:
	table_free(table);
	return status;
}

const struct command command_ls = {
	.name = "ls",
	.operands = "",
	.max_operands = 0,
	.summary = "list pools",
	.example = "  pinpool ls -o NAME,STATE,LENGTH",
	.options = options,
	.columns = pool_columns,
	.args_size = sizeof(struct ls_args),
	.run = run,
};
