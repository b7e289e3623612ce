/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The terms of one group while it is written: gathered, and then bytes. What a reader does with those is
 * terms_place.h's. */
#ifndef PINPOOL_KG_TERMS_GROUP_H
#define PINPOOL_KG_TERMS_GROUP_H

#include "codec/bytes.h"
#include "codec/symbols.h"
#include "kg/terms_layout.h"

#include <stdbool.h>

struct terms_group {
	struct bytes keys; /* without the column's number, one after another */
	size_t ends[GROUP_TERMS_MAX];
	unsigned int count;
	unsigned int block_bits;
};

/* Returns whether it is full with it, or -ENOMEM. */
int terms_group_add(struct terms_group *group, const void *key, size_t bytes);
static inline void terms_group_clear(struct terms_group *group, unsigned int block_bits)
{
	group->keys.count = 0;
	group->count = 0;
	group->block_bits = block_bits;
}

/* What term @index has not in common with the one that it leans on; @common: bytes that it has. */
const char *terms_group_tail(const struct terms_group *group, unsigned int index, size_t *common, size_t *bytes);
/* Whether it could be a GROUP_NUMBERS. */
bool terms_group_is_numbered(const struct terms_group *group);
/*
 * Appends the group's bytes to @out, in the form that takes fewest; @encoder may be NULL. @compact: the better form of
 * the other two. Returns 0 or -ENOMEM.
 */
int terms_group_write(const struct terms_group *group, struct symbols_encoder *encoder, bool compact,
		      struct bytes *out);
/* The same for keys of values. */
int terms_group_write_values(const struct terms_group *group, struct bytes *out);

#endif
