/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* See watch.h. */
#include "watch.h"
#include "error.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds_of(clockid_t clock, uint64_t *ns)
{
	struct timespec now;

	clock_gettime(clock, &now);
	*ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	return (double)*ns * 1e-9;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct watched *)a)->info.name, ((const struct watched *)b)->info.name);
}

/* The pool as it was before; NULL if there was none, or another one of that name. */
static const struct watched *find_before(const struct watch *before, const struct watched *now)
{
	const struct watched *found = NULL;

	if (before->count)
		found = bsearch(now, before->pools, before->count, sizeof(*now), by_name);
	return found && found->info.created_ns == now->info.created_ns ? found : NULL;
}

static double per_second(uint64_t before, uint64_t now, double seconds)
{
	if (before == PINPOOL_UNKNOWN || now == PINPOOL_UNKNOWN || now < before || seconds <= 0)
		return NAN;
	return (double)(now - before) / seconds;
}

static void compare(struct watched *now, const struct watched *before, double seconds)
{
	const struct pinpool_info *info = &now->info;

	now->faults = now->failed = now->rate = now->done = now->left = NAN;
	if (info->loaded != PINPOOL_UNKNOWN && info->load_total)
		now->done = (double)info->loaded / (double)info->load_total;
	if (!before)
		return;
	now->faults = per_second(before->info.faults, info->faults, seconds);
	now->failed = per_second(before->info.failed_allocs, info->failed_allocs, seconds);
	now->rate = per_second(before->info.loaded, info->loaded, seconds);
	if (now->rate > 0)
		now->left = (double)(info->load_total - info->loaded) / now->rate;
}

/* One that went away since it was listed is not there. */
static int look_at(struct cli *cli, struct watch *now, const struct watch *before, char **names, size_t count)
{
	struct pinpool_diag diag = {0};
	size_t i;
	int err;

	for (i = 0; i < count; i++) {
		struct watched *pool = &now->pools[now->count];

		pool->info = (struct pinpool_info){.size = sizeof(pool->info)};
		err = pinpool_pool_stat(cli->ctx, names[i], &pool->info, &diag);
		if (err == -ENOENT)
			continue;
		if (err)
			return error_diag(cli, err, &diag);
		compare(pool, find_before(before, pool), now->at - before->at);
		now->count++;
	}
	return STATUS_OK;
}

int watch_look(struct cli *cli, struct watch *watch)
{
	struct watch now = {0};
	uint64_t unused;
	size_t count;
	char **names;
	int err, status;

	err = pinpool_pool_list(cli->ctx, &names, &count);
	if (err)
		return error_errno(cli, "list of pools", err);
	seconds_of(CLOCK_REALTIME, &now.time_ns);
	now.at = seconds_of(CLOCK_MONOTONIC, &unused);
	now.pools = calloc(count + 1, sizeof(*now.pools));
	status = now.pools ? look_at(cli, &now, watch, names, count) : error_errno(cli, NULL, ENOMEM);
	free(names);
	if (status) {
		watch_end(&now);
		return status;
	}
	watch_end(watch);
	*watch = now;
	return STATUS_OK;
}

void watch_end(struct watch *watch)
{
	free(watch->pools);
	*watch = (struct watch){0};
}
