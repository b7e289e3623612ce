/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The progress bar: one line on standard error, redrawn in place, only where that is a terminal. */
#ifndef PINPOOL_TOOLS_PROGRESS_H
#define PINPOOL_TOOLS_PROGRESS_H

#include <pinpool/pinpool.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on;
	bool drawn;
	const char *label;
	/* Of the last redraw, for the rate since. */
	uint64_t ns;
	uint64_t done;
	double rate; /* bytes per second, smoothed; 0 before it is known */
};

/* @label stays the caller's. @quiet: never draw. */
void progress_begin(struct progress *progress, const char *label, bool quiet);

/* A pinpool_progress_fn whose @arg is the struct progress. Never cancels. */
int progress_draw(void *arg, const struct pinpool_progress *now);

/* Takes the bar away, so that other lines can follow. */
void progress_end(struct progress *progress);

#endif
