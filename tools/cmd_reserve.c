/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool reserve: the huge pages set aside for pools on each NUMA node, shown or changed. */
#include "commands.h"
#include "error.h"
#include "size.h"
#include "table.h"

#include <errno.h>
#include <stdlib.h>

struct reserve_args {
	struct table_args table;
};

static const struct option_spec options[] = {
	TABLE_OPTIONS(struct reserve_args, table),
	{0},
};

static void get_node(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct pinpool_reserve *)row)->node);
}

static void get_reserve(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_reserve *)row)->reserve_bytes);
}

static void get_free(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_reserve *)row)->free_bytes);
}

static const struct column reserve_columns[] = {
	{"NODE", "number of the NUMA node", .right = true, .get = get_node},
	{"RESERVE", "bytes set aside, used or not", .right = true, .get = get_reserve},
	{"FREE", "bytes of them that nobody holds", .right = true, .get = get_free},
	{0},
};

static int list(struct cli *cli, struct table *table)
{
	struct pinpool_reserve reserve = {.size = sizeof(reserve)};
	struct pinpool_diag diag = {0};
	size_t i;
	int err;

	for (i = 0; !(err = pinpool_reserve_get(cli->ctx, i, &reserve, &diag)); i++)
		if (table_add(table, &reserve))
			return error_errno(cli, NULL, ENOMEM);
	return err == -ENOENT ? table_print(table) : error_diag(cli, err, &diag);
}

static int show(struct cli *cli, const struct table_args *args)
{
	struct table *table;
	int status;

	status = table_new(&table, cli, args, reserve_columns, "nodes");
	if (status)
		return status;
	status = cli_open(cli);
	if (!status)
		status = list(cli, table);
	table_free(table);
	return status;
}

static int set(struct cli *cli, char **operands)
{
	struct pinpool_diag diag = {0};
	unsigned long node;
	uint64_t bytes;
	int status, err;
	char *end;

	errno = 0;
	node = strtoul(operands[0], &end, 10);
	if (operands[0][0] < '0' || operands[0][0] > '9' || *end || errno || node > INT32_MAX)
		return error_usage(cli, "NODE", "a number, as pinpool reserve lists them", "'%s' is not a NUMA node",
				   operands[0]);
	if (size_parse(operands[1], &bytes))
		return error_usage(cli, "SIZE", SIZE_WORDS, "'%s' is not a size", operands[1]);
	status = cli_open(cli);
	if (status)
		return status;
	err = pinpool_reserve_set(cli->ctx, node, bytes, &diag);
	return err ? error_diag(cli, err, &diag) : STATUS_OK;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct reserve_args *args = data;

	if (count == 1)
		return error_usage(cli, NULL, NULL, "SIZE is missing");
	return count ? set(cli, operands) : show(cli, &args->table);
}

const struct command command_reserve = {
	.name = "reserve",
	.operands = "[NODE SIZE]",
	.max_operands = 2,
	.summary = "list or change what each NUMA node sets aside for pools",
	.example = "  pinpool reserve",
	.options = options,
	.columns = reserve_columns,
	.args_size = sizeof(struct reserve_args),
	.run = run,
};
