/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* How long things take. */
#ifndef PINPOOL_BASE_CLOCK_H
#define PINPOOL_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC, in nanoseconds. */
static inline uint64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
