/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Reproducible pseudo-random numbers: SplitMix64. */
#ifndef PINPOOL_TOOLS_RANDOM_H
#define PINPOOL_TOOLS_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* In [-1, 1), a multiple of 2^-23. */
static inline float random_float(uint64_t *state)
{
	return (float)(int64_t)(random_next(state) >> 40) * 0x1p-23f - 1.0f;
}

#endif
