/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* How a new pool shall be made: the options that create and load share. */
#ifndef PINPOOL_TOOLS_POOL_ARGS_H
#define PINPOOL_TOOLS_POOL_ARGS_H

#include "cli.h"

struct pool_args {
	mode_t mode;
	const char *owner;
	const char *group;
	const char *numa;
	bool on_demand;
	bool evictable;
	int64_t priority;
};

/* No priority that can be given, so that it shows whether one was. */
#define POOL_PRIORITY_NONE INT64_MIN

#define POOL_ARGS_DEFAULT                                                                                              \
	{                                                                                                              \
		.priority = POOL_PRIORITY_NONE                                                                         \
	}

/* Lines of a table of options for the struct pool_args called @member in @type. */
/* clang-format off */
#define POOL_OPTIONS(type, member)                                                                                    \
	OPTION(0, "mode", "MODE", "permission bits of the new pool, octal; 0600 if not given", OPTION_MODE, type,      \
	       member.mode),                                                                                           \
	OPTION(0, "owner", "USER", "owner of the new pool, a name or a number", OPTION_TEXT, type, member.owner),      \
	OPTION(0, "group", "GROUP", "group of the new pool, a name or a number", OPTION_TEXT, type, member.group),     \
	OPTION(0, "numa", "POLICY", "where pages come from: bind:N, prefer:N, interleave, interleave:0-1",             \
	       OPTION_TEXT, type, member.numa),                                                                        \
	OPTION(0, "on-demand", NULL, "take pages with the first touch or write, not now", OPTION_FLAG, type,           \
	       member.on_demand),                                                                                      \
	OPTION(0, "evictable", NULL, "let the pool go when another needs its room", OPTION_FLAG, type,                 \
	       member.evictable),                                                                                      \
	OPTION(0, "priority", "N", "evictable pools of lower priority go first; 0 if not given", OPTION_NUMBER, type,  \
	       member.priority, .min = INT32_MIN, .max = INT32_MAX)
/* clang-format on */

/* Fills everything but the capacity. Returns STATUS_OK, or an exit status after an error line. */
int pool_args_apply(struct cli *cli, const struct pool_args *args, struct pinpool_create_opts *opts);

#endif
