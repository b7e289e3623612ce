/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What a column's tails look like: an even sample of its groups, in bounded memory, and the symbols that suit it. */
#ifndef PINPOOL_KG_TERMS_SURVEY_H
#define PINPOOL_KG_TERMS_SURVEY_H

#include "kg/terms_group.h"

struct survey_tail {
	size_t begin; /* in the text */
	size_t bytes;
	uint64_t group;
};

struct terms_survey {
	struct bytes text;
	struct bytes tails; /* struct survey_tail */
	uint64_t groups; /* seen so far */
	uint64_t stride; /* one of so many is kept; a power of two */
	uint64_t bytes; /* of the tails of all groups */
};

/* Returns 0 or -ENOMEM. */
int terms_survey_add(struct terms_survey *survey, const struct terms_group *group);
/* Appends a table to @table, or nothing where it would not pay, and begins anew. Returns 0 or -ENOMEM. */
int terms_survey_end(struct terms_survey *survey, struct bytes *table);
void terms_survey_free(struct terms_survey *survey);

#endif
