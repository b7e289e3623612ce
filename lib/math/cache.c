/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What the C library knows of the caches, within reason: hypervisors report none, or a whole socket's. See cache.h. */
#include "math/cache.h"

#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static size_t size_between(int name, size_t low, size_t high, size_t unknown)
{
	long size = sysconf(name);

	if (size <= 0)
		return unknown;
	return (size_t)size < low ? low : (size_t)size > high ? high : (size_t)size;
}

struct cache cache_sizes(void)
{
	return (struct cache){
		.l1 = size_between(_SC_LEVEL1_DCACHE_SIZE, 16 * KIB, 128 * KIB, 32 * KIB),
		.l2 = size_between(_SC_LEVEL2_CACHE_SIZE, 128 * KIB, 4 * MIB, 256 * KIB),
		.l3 = size_between(_SC_LEVEL3_CACHE_SIZE, 4 * MIB, 64 * MIB, 8 * MIB),
	};
}
