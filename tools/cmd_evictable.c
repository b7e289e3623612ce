/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool evictable: whether a pool may go when another needs its room, and in which order. */
#include "commands.h"
#include "error.h"
#include "pool_args.h"

struct evictable_args {
	bool off;
	int64_t priority;
};

static const struct option_spec options[] = {
	OPTION(0, "off", NULL, "let the pool stay, whoever needs room", OPTION_FLAG, struct evictable_args, off),
	OPTION(0, "priority", "N", "pools of lower priority go first; as it was if not given", OPTION_NUMBER,
	       struct evictable_args, priority, .min = INT32_MIN, .max = INT32_MAX),
	{0},
};

static int set(const struct evictable_args *args, struct pinpool_pool *pool, struct pinpool_diag *diag)
{
	struct pinpool_info info = {.size = sizeof(info)};
	int err = pinpool_pool_get_info(pool, &info);

	if (err)
		return err;
	if (args->priority != POOL_PRIORITY_NONE)
		info.priority = args->priority;
	return pinpool_pool_set_eviction(pool, !args->off, info.priority, diag);
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct evictable_args *args = data;
	struct pinpool_diag diag = {0};
	struct pinpool_pool *pool;
	int status, err;

	if (args->off && args->priority != POOL_PRIORITY_NONE)
		return error_usage(cli, "--priority", "leave one of them out", "only pools that may go have one");
	status = cli_open_pool(cli, operands[0], PINPOOL_OPEN_READ, &pool);
	if (status)
		return status;
	err = set(args, pool, &diag);
	pinpool_pool_close(pool);
	return err ? error_diag(cli, err, &diag) : STATUS_OK;
}

const struct command command_evictable = {
	.name = "evictable",
	.operands = "NAME",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "let a pool go when another needs its room, or stay",
	.example = "  pinpool evictable lite --priority 10",
	.options = options,
	.args_size = sizeof(struct evictable_args),
	.defaults = &(const struct evictable_args){.priority = POOL_PRIORITY_NONE},
	.run = run,
};
