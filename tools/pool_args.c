/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Options of a new pool; see pool_args.h. */
#include "pool_args.h"
#include "error.h"
#include "node_list.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kernel's own limit. */
#define MAX_NODES 1024

/* Decimal digits only. (uid_t)-1 means "no change" to the kernel and is nobody. */
static bool parse_id(const char *text, unsigned int *id)
{
	unsigned long long value;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || value >= UINT32_MAX)
		return false;
	*id = value;
	return true;
}

#define POLICIES "bind:N, prefer:N, interleave, or interleave:LIST such as 0-1,3"

/* What stands behind @word in @text, which begins so; else NULL. */
static const char *behind(const char *text, const char *word)
{
	size_t length = strlen(word);

	return strncmp(text, word, length) ? NULL : text + length;
}

static bool parse_numa(const char *text, struct pinpool_create_opts *opts)
{
	unsigned int node;
	const char *rest;

	if (!strcmp(text, "interleave")) {
		opts->numa_policy = PINPOOL_NUMA_INTERLEAVE;
		return true;
	}
	rest = behind(text, "interleave:");
	if (rest) {
		opts->numa_policy = PINPOOL_NUMA_INTERLEAVE;
		return node_list_parse(rest, &opts->numa_nodes);
	}
	rest = behind(text, "prefer:");
	if (rest)
		opts->numa_policy = PINPOOL_NUMA_PREFER;
	else
		rest = behind(text, "bind:");
	if (!rest || !parse_id(rest, &node) || node >= MAX_NODES)
		return false;
	opts->numa_node = node + 1;
	return true;
}

static int apply_memory(struct cli *cli, const struct pool_args *args, struct pinpool_create_opts *opts)
{
	if (args->numa && !parse_numa(args->numa, opts))
		return error_usage(cli, "--numa", POLICIES, "'%s' is not a value it takes", args->numa);
	if (args->priority != POOL_PRIORITY_NONE && !args->evictable)
		return error_usage(cli, "--priority", "add --evictable", "only pools that may go have one");
	opts->on_demand = args->on_demand;
	opts->evictable = args->evictable;
	if (args->evictable && args->priority != POOL_PRIORITY_NONE)
		opts->priority = args->priority;
	return STATUS_OK;
}

int pool_args_apply(struct cli *cli, const struct pool_args *args, struct pinpool_create_opts *opts)
{
	const struct passwd *user;
	const struct group *group;
	int status;

	opts->mode = args->mode;
	status = apply_memory(cli, args, opts);
	if (status)
		return status;
	if (!args->owner && !args->group)
		return STATUS_OK;
	opts->owner = true;
	opts->uid = geteuid();
	opts->gid = getegid();
	if (args->owner && !parse_id(args->owner, &opts->uid)) {
		user = getpwnam(args->owner);
		if (!user)
			return error_usage(cli, "--owner", "getent passwd lists them", "no user '%s'", args->owner);
		opts->uid = user->pw_uid;
	}
	if (args->group && !parse_id(args->group, &opts->gid)) {
		group = getgrnam(args->group);
		if (!group)
			return error_usage(cli, "--group", "getent group lists them", "no group '%s'", args->group);
		opts->gid = group->gr_gid;
	}
	return STATUS_OK;
}
