/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Sizes of the data caches that one thread may count on, in bytes. */
#ifndef PINPOOL_MATH_CACHE_H
#define PINPOOL_MATH_CACHE_H

#include <stddef.h>

struct cache {
	size_t l1;
	size_t l2;
	size_t l3;
};

struct cache cache_sizes(void);

#endif
