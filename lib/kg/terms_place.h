/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * An open dictionary, and a place in it: the group of one column that is looked at, and the term there. Everything that
 * reads terms goes through here, and here is what keeps it within the sections.
 */
#ifndef PINPOOL_KG_TERMS_PLACE_H
#define PINPOOL_KG_TERMS_PLACE_H

#include "codec/ascending.h"
#include "codec/symbols.h"
#include "kg/term_key.h"
#include "kg/terms_layout.h"

struct column {
	unsigned int number;
	unsigned int block_bits;
	uint64_t first; /* id */
	uint64_t count;
	uint64_t group; /* number of its first */
	uint64_t groups;
	uint64_t symbols_bytes; /* 0: tails are as they are */
	struct symbols symbols;
};

struct terms {
	struct terms_bytes sections[TERMS_SECTIONS];
	uint64_t count;
	unsigned int column_count;
	struct column columns[COLUMN_END];
};

struct terms_place {
	const struct terms *terms;
	const struct column *column;
	uint64_t group; /* in the column */
	unsigned int count; /* terms of the group */
	unsigned int index; /* of the term that place_read() gave, in the group */
	enum group_form form;
	const unsigned char *end; /* of the group */
	/* Of front-coded ones: where blocks begin, and what follows the term. */
	const unsigned char *begins;
	unsigned int begin_bytes;
	const unsigned char *blocks;
	const unsigned char *at;
	/* Of lists, and of numbered names. */
	struct ascending list;
	const unsigned char *prefix;
	size_t prefix_bytes;
	unsigned int digits;
	unsigned int filling_bits;
	struct bits filling;
};

static inline unsigned int column_group_terms(const struct column *column)
{
	return BLOCKS_PER_GROUP << column->block_bits;
}

static inline bool column_is_values(const struct column *column)
{
	return column->number >= COLUMN_VALUES;
}

/* The column of an id, or NULL. */
const struct column *terms_column_of(const struct terms *terms, uint64_t id);
/* The column of this number, or NULL. */
const struct column *terms_column_numbered(const struct terms *terms, unsigned int number);

/* Enters a group, which the column must have. Returns 0 or -EBADMSG. */
int place_enter(struct terms_place *place, const struct terms *terms, const struct column *column, uint64_t group);
/* Reads the key of a term, which the group must have, into @key. Returns 0, -ENOMEM or -EBADMSG. */
int place_read(struct terms_place *place, unsigned int index, struct bytes *key);
/* From the key of the last one read in this group to that of the next, which the group must have. */
int place_next(struct terms_place *place, struct bytes *key);
/* Whether nothing is left in the group behind its last term, which is the one last read. */
bool place_is_complete(const struct terms_place *place);

/*
 * The first term of a column whose key is not before @key: its number in the column, which is the count where there is
 * none.
 * @scratch gets its key or another one. Returns 1 (it is equal), 0, -ENOMEM or -EBADMSG.
 */
int place_search(struct terms_place *place, const struct terms *terms, const struct column *column, const void *key,
		 size_t bytes, struct bytes *scratch, uint64_t *found);

#endif
