/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* How a new pool shall be made: the options that create and load share. */
#ifndef PINPOOL_TOOLS_POOL_ARGS_H
#define PINPOOL_TOOLS_POOL_ARGS_H

#include "cli.h"

struct pool_args {
	mode_t mode;
	const char *owner;
	const char *group;
	int64_t node; /* -1 for any */
};

#define POOL_ARGS_DEFAULT                                                                                              \
	{                                                                                                              \
		.node = -1                                                                                             \
	}

/* Lines of a table of options for the struct pool_args called @member in @type. */
/* clang-format off */
#define POOL_OPTIONS(type, member)                                                                                    \
	OPTION(0, "mode", "MODE", "permission bits of the new pool, octal; 0600 if not given", OPTION_MODE, type,      \
	       member.mode),                                                                                           \
	OPTION(0, "owner", "USER", "owner of the new pool, a name or a number", OPTION_TEXT, type, member.owner),      \
	OPTION(0, "group", "GROUP", "group of the new pool, a name or a number", OPTION_TEXT, type, member.group),     \
	OPTION(0, "node", "N", "take every page of the new pool from this NUMA node", OPTION_NUMBER, type,             \
	       member.node, .min = 0, .max = 1023)
/* clang-format on */

/* Fills everything but the capacity. Returns STATUS_OK, or an exit status after an error line. */
int pool_args_apply(struct cli *cli, const struct pool_args *args, struct pinpool_create_opts *opts);

#endif
