/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* A growing list of pool names, handed to the caller as one sorted allocation. */
#ifndef PINPOOL_POOL_NAMES_H
#define PINPOOL_POOL_NAMES_H

#include <pinpool/pool.h>

struct names {
	char (*at)[PINPOOL_NAME_MAX + 1];
	size_t count;
	size_t room;
};

/* @name is a valid pool name. Returns 0 or -ENOMEM. */
int names_add(struct names *names, const char *name);
/* Sorted array of pointers followed by what they point to; the caller frees it. Returns 0 or -ENOMEM. */
int names_export(struct names *names, char ***out);
void names_free(struct names *names);

#endif
