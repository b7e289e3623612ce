/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * How a load reads from its device: as was found out before, or by trying a few settings in front of a load that is
 * long enough not to mind, or by the default. Nothing that fails here fails a load.
 */
#ifndef PINPOOL_LOAD_TUNE_H
#define PINPOOL_LOAD_TUNE_H

#include "load/device.h"
#include "stream/stream.h"

/* Bytes of a load that is long enough for settings to matter. */
#define TUNE_LOAD_MIN	(2ull << 30)
/* Settings are tried in so many rounds, in alternating order, and judged by their medians. */
#define TUNE_ROUNDS	3u
/* One must be faster by so much of the default's time, in percent. */
#define TUNE_GAIN	5u
/* All trials together read at most one in so many of the bytes of the load. */
#define TUNE_SHARE	20u
/* A trial reads so much at least and at most. */
#define TUNE_BYTES_MIN	(32u << 20)
#define TUNE_BYTES_MAX	(64u << 20)
/* A thread of the kernel's that never sleeps is no loss on a machine of so many processors. */
#define TUNE_PROCESSORS 8u

/**
 * struct tune_trial - one setting, tried once
 * @tuning: the setting
 * @index: number of the trial, from 0 on
 * @count: of the trials that there may be
 * @bytes: to read
 */
struct tune_trial {
	struct stream_tuning tuning;
	unsigned int index;
	unsigned int count;
	uint64_t bytes;
};

/**
 * struct tune - what there is to choose for
 * @ctx: where messages go
 * @device: the disk
 * @commands: reads are commands to the module, which have settings of their own
 * @bytes: of the load
 * @processors: that the load may use
 * @probe: settings may be tried
 * @measure: tries one: the time that it took, in nanoseconds. Returns 0, -EOPNOTSUPP (it does not work on this device),
 *	-ECANCELED, or why nothing can be tried here
 * @arg: its first argument
 */
struct tune {
	const struct pinpool_ctx *ctx;
	const struct device *device;
	bool commands;
	uint64_t bytes;
	unsigned int processors;
	bool probe;
	int (*measure)(void *arg, const struct tune_trial *trial, uint64_t *ns);
	void *arg;
};

/* Sets @tuning, and in @how where it is from. Returns 0 or -ECANCELED. */
int tune_choose(const struct tune *tune, struct stream_tuning *tuning, enum pinpool_tuning *how);

/*
 * The same for a load that is about to be run as @job; @probe: settings may be tried, in the memory of @job, of which
 * the load writes every byte. Sets @job->tuning. Returns 0 or -ECANCELED.
 */
int tune_job(struct stream_job *job, bool probe, enum pinpool_tuning *how);

#endif
