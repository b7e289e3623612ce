/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Options of a new pool; see pool_args.h. */
#include "pool_args.h"
#include "error.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

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

int pool_args_apply(struct cli *cli, const struct pool_args *args, struct pinpool_create_opts *opts)
{
	const struct passwd *user;
	const struct group *group;

	opts->mode = args->mode;
	opts->numa_node = args->node + 1;
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
