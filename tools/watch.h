/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* All pools again and again: what they are now, and how fast they changed since they were looked at before. */
#ifndef PINPOOL_TOOLS_WATCH_H
#define PINPOOL_TOOLS_WATCH_H

#include "cli.h"

struct watched {
	struct pinpool_info info;
	/* Per second, NAN where it is not known. */
	double faults;
	double failed; /* touches and writes that found no page */
	double rate; /* bytes loaded */
	double done; /* share of the load under way, NAN if there is none */
	double left; /* seconds until it ends at that rate, NAN if that cannot be said */
};

/* Zeroed before the first look. */
struct watch {
	struct watched *pools; /* by name */
	size_t count;
	double at; /* seconds of a clock that only goes forward */
	uint64_t time_ns; /* since 1970 */
};

/* Looks at the pools of @cli->ctx. Returns an exit status, after an error line if it is not STATUS_OK. */
int watch_look(struct cli *cli, struct watch *watch);
void watch_end(struct watch *watch);

#endif
