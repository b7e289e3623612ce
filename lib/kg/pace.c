/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* How far a build is; see pace.h. Inputs are read in the first half of it; what follows is told in their bytes, too. */
#include "kg/pace.h"

#include <errno.h>

#include "base/clock.h"
#include "base/diag.h"

#define TELL_NS 100000000u
/* Of a loop, between two looks. */
#define STEPS	65536u

static const struct {
	const char *name;
	unsigned int share; /* of all, in hundredths */
} phases[PACE_PHASES] = {
	[PACE_READ] = {"reading", 50},	  [PACE_NAMES] = {"names", 15},	      [PACE_SORT] = {"sorting", 15},
	[PACE_TRIPLES] = {"triples", 15}, [PACE_PUBLISH] = {"publishing", 5},
};

int pace_tell(struct pace *pace, uint64_t done, uint64_t total, bool always)
{
	uint64_t now = clock_now_ns();
	struct pinpool_progress progress = {
		/* A pipe's bytes are known when they were read. */
		.total = 2 * pace->bytes,	    .elapsed_ns = now - pace->start_ns, .file = pace->file,
		.tensor = phases[pace->phase].name, .tensor_index = pace->phase,	.tensors = PACE_PHASES,
	};
	double share = total ? (double)done / (double)total * phases[pace->phase].share : 0;

	if (pace->cancel && *pace->cancel)
		return -ECANCELED;
	if (!pace->progress || (!always && now - pace->told_ns < TELL_NS))
		return 0;
	pace->told_ns = now;
	for (unsigned int i = 0; i < pace->phase; i++)
		share += phases[i].share;
	progress.done = (uint64_t)((double)progress.total * share / 100);
	return pace->progress(pace->progress_arg, &progress);
}

int pace_end(const struct pace *pace, struct pinpool_diag *diag)
{
	return diag_errno(diag, -ECANCELED, pace->name);
}

int pace_begin(struct pace *pace, enum pace_phase phase, struct pinpool_diag *diag)
{
	pace->phase = phase;
	return pace_tell(pace, 0, 1, true) ? pace_end(pace, diag) : 0;
}

int pace_look(struct pace *pace, uint64_t done, uint64_t total, struct pinpool_diag *diag)
{
	return done % STEPS || !pace_tell(pace, done, total, false) ? 0 : pace_end(pace, diag);
}
