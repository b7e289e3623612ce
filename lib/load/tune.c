/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The choice among settings; see tune.h. */
#include "load/tune.h"
#include "load/settings.h"
#include "pool/ctx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Beside the default. Commands ask for whole pages of the pool, or pages would have to be zeroed. */
static const struct stream_tuning for_memory[] = {
	{.chunk_bytes = 2u << 20, .queue_depth = 16},
	{.chunk_bytes = 4u << 20, .queue_depth = 32},
	{.chunk_bytes = 1u << 20, .queue_depth = 128},
	{.chunk_bytes = 512u << 10, .queue_depth = 64},
};
static const struct stream_tuning for_commands[] = {
	{.chunk_bytes = 4u << 20, .queue_depth = 8},
	{.chunk_bytes = 4u << 20, .queue_depth = 16},
	{.chunk_bytes = 2u << 20, .queue_depth = 32},
	{.chunk_bytes = 2u << 20, .queue_depth = 64},
};

#define SETTINGS (1 + sizeof(for_memory) / sizeof(for_memory[0]))
#define WAYS	 3 /* of the best of them: as it is, IOPOLL, SQPOLL */

_Static_assert(sizeof(for_memory) == sizeof(for_commands), "one number for both");

struct candidate {
	struct stream_tuning tuning;
	uint64_t ns[TUNE_ROUNDS];
	bool refused;
};

static bool has_ways(const struct tune *tune)
{
	return !tune->commands && (tune->device->polls || tune->processors >= TUNE_PROCESSORS);
}

/* The first one is not counted: it is the first to touch memory. */
static unsigned int trials(const struct tune *tune)
{
	return 1 + TUNE_ROUNDS * (SETTINGS + (has_ways(tune) ? WAYS : 0));
}

/* Bytes of one trial, 0 if the load is too short for any. */
static uint64_t trial_bytes(const struct tune *tune)
{
	uint64_t most = tune->bytes / TUNE_SHARE / trials(tune);

	if (most >= TUNE_BYTES_MAX)
		return TUNE_BYTES_MAX;
	return most >= TUNE_BYTES_MIN ? TUNE_BYTES_MIN : 0;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static uint64_t median(struct candidate *candidate)
{
	qsort(candidate->ns, TUNE_ROUNDS, sizeof(candidate->ns[0]), compare);
	return candidate->ns[TUNE_ROUNDS / 2];
}

static int try_one(const struct tune *tune, struct tune_trial *trial, struct candidate *candidate, unsigned int round)
{
	int err;

	trial->tuning = candidate->tuning;
	err = tune->measure(tune->arg, trial, &candidate->ns[round]);
	trial->index++;
	return err;
}

/* Moves the fastest of @all to the first place, if it is clearly faster than that one. Returns 0 or -errno. */
static int find_fastest(const struct tune *tune, struct tune_trial *trial, struct candidate *all, unsigned int count)
{
	unsigned int best = 0;
	uint64_t first;
	int err;

	for (unsigned int round = 0; round < TUNE_ROUNDS; round++) {
		for (unsigned int turn = 0; turn < count; turn++) {
			unsigned int i = round % 2 ? count - 1 - turn : turn;

			if (all[i].refused)
				continue;
			err = try_one(tune, trial, &all[i], round);
			all[i].refused = i && err == -EOPNOTSUPP;
			if (err && !all[i].refused)
				return err;
		}
	}
	first = median(&all[0]);
	for (unsigned int i = 1; i < count; i++)
		if (!all[i].refused && median(&all[i]) < median(&all[best]))
			best = i;
	if (median(&all[best]) <= first - first * TUNE_GAIN / 100)
		all[0] = all[best];
	return 0;
}

static int probe(const struct tune *tune, struct stream_tuning *tuning)
{
	const struct stream_tuning *more = tune->commands ? for_commands : for_memory;
	struct tune_trial trial = {.count = trials(tune), .bytes = trial_bytes(tune)};
	struct candidate all[SETTINGS] = {{.tuning = *tuning}}, ways[WAYS];
	unsigned int count = 1;
	int err;

	for (size_t i = 1; i < SETTINGS; i++)
		all[i].tuning = more[i - 1];
	err = try_one(tune, &trial, &all[0], 0);
	if (!err)
		err = find_fastest(tune, &trial, all, SETTINGS);
	if (!err && has_ways(tune)) {
		memset(ways, 0, sizeof(ways));
		ways[0].tuning = all[0].tuning;
		if (tune->device->polls) {
			ways[count].tuning = all[0].tuning;
			ways[count++].tuning.iopoll = true;
		}
		if (tune->processors >= TUNE_PROCESSORS) {
			ways[count].tuning = all[0].tuning;
			ways[count++].tuning.sqpoll = true;
		}
		err = find_fastest(tune, &trial, ways, count);
		all[0] = ways[0];
	}
	if (!err)
		*tuning = all[0].tuning;
	return err;
}

static void say(const struct tune *tune, const struct stream_tuning *tuning, const char *how)
{
	ctx_log(tune->ctx, PINPOOL_LOG_INFO, "settings of the device, %s: %u requests of %u KiB%s%s (%s)", how,
		tuning->queue_depth, tuning->chunk_bytes >> 10, tuning->iopoll ? ", IOPOLL" : "",
		tuning->sqpoll ? ", SQPOLL" : "", tune->device->key);
}

int tune_choose(const struct tune *tune, struct stream_tuning *tuning, enum pinpool_tuning *how)
{
	const char *way = tune->commands ? "commands" : "memory";
	struct stream_tuning found = stream_default(tune->commands);
	int err;

	*tuning = (struct stream_tuning){0};
	*how = PINPOOL_TUNING_DEFAULT;
	if (!settings_find(tune->device->key, way, tuning)) {
		/* What the device could then. */
		tuning->iopoll &= tune->device->polls && !tune->commands;
		tuning->sqpoll &= tune->processors >= TUNE_PROCESSORS && !tune->commands;
		*how = PINPOOL_TUNING_REMEMBERED;
		say(tune, tuning, "remembered");
		return 0;
	}
	*tuning = (struct stream_tuning){0};
	if (!tune->probe || !trial_bytes(tune))
		return 0;
	err = probe(tune, &found);
	if (err) {
		ctx_log(tune->ctx, PINPOOL_LOG_INFO, "settings of the device: not probed: %s", strerrordesc_np(-err));
		return err == -ECANCELED ? err : 0;
	}
	*tuning = found;
	*how = PINPOOL_TUNING_PROBED;
	say(tune, tuning, "probed");
	err = settings_keep(tune->device->key, way, tuning);
	if (err)
		ctx_log(tune->ctx, PINPOOL_LOG_INFO, "settings of the device: not remembered: %s",
			strerrordesc_np(-err));
	return 0;
}
