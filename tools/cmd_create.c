/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool create: an EMPTY pool, with all of its pages or on demand. */
#include "commands.h"
#include "error.h"
#include "pool_args.h"
#include "size.h"

struct create_args {
	struct pool_args pool;
};

static const struct option_spec options[] = {
	POOL_OPTIONS(struct create_args, pool),
	{0},
};

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	PINPOOL_OPTS(pinpool_create_opts, opts);
	const struct create_args *args = data;
	struct pinpool_diag diag = {0};
	int status, err;

	if (size_parse(operands[1], &opts.capacity) || !opts.capacity)
		return error_usage(cli, "SIZE", SIZE_WORDS, "'%s' is not a size", operands[1]);
	status = pool_args_apply(cli, &args->pool, &opts);
	if (!status)
		status = cli_open(cli);
	if (status)
		return status;
	err = pinpool_pool_create(cli->ctx, operands[0], &opts, &diag);
	return err ? error_diag(cli, err, &diag) : STATUS_OK;
}

const struct command command_create = {
	.name = "create",
	.operands = "NAME SIZE",
	.min_operands = 2,
	.max_operands = 2,
	.summary = "make an empty pool, with all of its pages or on demand",
	.example = "  pinpool create llama 16G --mode 0640",
	.options = options,
	.args_size = sizeof(struct create_args),
	.defaults = &(const struct create_args){.pool = POOL_ARGS_DEFAULT},
	.run = run,
};
