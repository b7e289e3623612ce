/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool resize: another capacity for a pool that is not READY. */
#include "commands.h"
#include "error.h"
#include "size.h"

static const struct option_spec options[] = {
	{0},
};

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	struct pinpool_diag diag = {0};
	struct pinpool_pool *pool;
	uint64_t capacity;
	int status, err;

	if (size_parse(operands[1], &capacity) || !capacity)
		return error_usage(cli, "SIZE", SIZE_WORDS, "'%s' is not a size", operands[1]);
	status = cli_open_pool(cli, operands[0], PINPOOL_OPEN_WRITE, &pool);
	if (status)
		return status;
	err = pinpool_pool_resize(pool, capacity, &diag);
	pinpool_pool_close(pool);
	return err ? error_diag(cli, err, &diag) : STATUS_OK;
}

const struct command command_resize = {
	.name = "resize",
	.operands = "NAME SIZE",
	.min_operands = 2,
	.max_operands = 2,
	.summary = "grow or shrink a pool that is not READY",
	.example = "  pinpool resize llama 32G",
	.options = options,
	/* No arguments of its own; one byte, so that there is something to allocate. */
	.args_size = 1,
	.run = run,
};
