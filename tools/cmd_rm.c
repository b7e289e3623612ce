/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool rm: pools go by name; their pages go with the last user. */
#include "commands.h"
#include "error.h"

static const struct option_spec options[] = {
	{0},
};

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	int i, err, status;

	status = cli_open(cli);
	if (status)
		return status;
	/* As rm(1): one that cannot go does not save the others. */
	for (i = 0; i < count; i++) {
		struct pinpool_diag diag = {0};

		err = pinpool_pool_destroy(cli->ctx, operands[i], &diag);
		if (err)
			status = error_diag(cli, err, &diag);
	}
	return status;
}

const struct command command_rm = {
	.name = "rm",
	.operands = "NAME...",
	.min_operands = 1,
	.max_operands = -1,
	.summary = "remove pools",
	.example = "  pinpool rm lite llama",
	.options = options,
	/* No arguments of its own; one byte, so that there is something to allocate. */
	.args_size = 1,
	.run = run,
};
