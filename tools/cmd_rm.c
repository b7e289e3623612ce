/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool rm: pools go by name, and what was packed of them; their pages go with the last user. */
#include "commands.h"
#include "error.h"

#include <errno.h>
#include <stdlib.h>

static const struct option_spec options[] = {
	{0},
};

/* What a killed pinpool pack left, as far as that is ours to remove. */
static void remove_left(struct cli *cli, const char *base)
{
	struct pinpool_info info = {.size = sizeof(info)};
	char name[PINPOOL_NAME_MAX + 1];
	int isa;

	for (isa = PINPOOL_ISA_AUTO + 1; isa < PINPOOL_ISA_COUNT; isa++)
		if (!pinpool_packings_name(base, isa, name, NULL) && !pinpool_pool_stat(cli->ctx, name, &info, NULL) &&
		    info.state == PINPOOL_STATE_EMPTY)
			pinpool_pool_destroy(cli->ctx, name, NULL);
}

/* What was packed of a pool is of no use without it. */
static int remove_packings(struct cli *cli, const char *base)
{
	struct pinpool_diag diag = {0};
	int err, status = STATUS_OK;
	size_t count, i;
	char **names;

	remove_left(cli, base);
	err = pinpool_packings_list(cli->ctx, base, &names, &count);
	if (err)
		return error_errno(cli, base, err);
	for (i = 0; i < count; i++) {
		err = pinpool_pool_destroy(cli->ctx, names[i], &diag);
		if (err && err != -ENOENT)
			status = error_diag(cli, err, &diag);
	}
	free(names);
	return status;
}

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
		if (!err)
			continue;
		status = error_diag(cli, err, &diag);
		operands[i] = NULL;
	}
	/* Afterwards, for they may have been named, too. */
	for (i = 0; i < count; i++)
		if (operands[i] && remove_packings(cli, operands[i]))
			status = STATUS_FAILED;
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
