/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Terms that look like one that there is not: few edits (a byte more, less or other, two neighbours swapped) apart. Of
 * terms of the same column those around its place in the order are looked at, up to NEAR_TERMS of them.
 */
#include "kg/terms_place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NEAR_TERMS (1U << 18)
/* More edits than that make another term. */
#define NEAR_EDITS 3U
/* Longer ones are compared this far from where they differ. */
#define NEAR_BYTES 256U

struct candidate {
	unsigned int edits;
	uint64_t id;
};

/* Edits from @a to @b, or @most + 1 if there are more. */
static unsigned int count_edits(const char *a, size_t a_bytes, const char *b, size_t b_bytes, unsigned int most)
{
	unsigned int rows[3][NEAR_BYTES + 1];
	unsigned int *before = rows[0], *last = rows[1], *row = rows[2];
	unsigned int last_least = 0;

	while (a_bytes && b_bytes && *a == *b) {
		a++, b++;
		a_bytes--, b_bytes--;
	}
	while (a_bytes && b_bytes && a[a_bytes - 1] == b[b_bytes - 1])
		a_bytes--, b_bytes--;
	if (a_bytes > b_bytes + most || b_bytes > a_bytes + most || a_bytes > NEAR_BYTES || b_bytes > NEAR_BYTES)
		return most + 1;
	for (size_t j = 0; j <= b_bytes; j++)
		last[j] = (unsigned int)j;
	for (size_t i = 1; i <= a_bytes; i++) {
		unsigned int least = most + 1, *spare = before;

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= b_bytes; j++) {
			unsigned int edits = last[j - 1] + (a[i - 1] != b[j - 1]);

			if (last[j] + 1 < edits)
				edits = last[j] + 1;
			if (row[j - 1] + 1 < edits)
				edits = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < edits)
				edits = before[j - 2] + 1;
			row[j] = edits;
			if (edits < least)
				least = edits;
		}
		/* Nothing that follows has fewer: a swap is one more than two rows before. */
		if (least > most && last_least >= most)
			return most + 1;
		last_least = least;
		before = last;
		last = row;
		row = spare;
	}
	return last[b_bytes] <= most ? last[b_bytes] : most + 1;
}

/* Keeps @list in order of edits, then of ids. */
static unsigned int insert(struct candidate *list, unsigned int count, unsigned int max, struct candidate one)
{
	unsigned int at = count;

	if (count == max && (!max || list[max - 1].edits <= one.edits))
		return count;
	if (count == max)
		at--;
	else
		count++;
	for (; at && list[at - 1].edits > one.edits; at--)
		list[at] = list[at - 1];
	list[at] = one;
	return count;
}

int terms_near(const struct terms *terms, const struct term *term, uint64_t *ids, unsigned int max)
{
	struct bytes key = {0}, scratch = {0};
	struct candidate *list = calloc(max ? max : 1, sizeof(*list));
	/* A short name with many edits is any name. */
	const size_t third = term->bytes / 3;
	const unsigned int most = third < NEAR_EDITS ? (unsigned int)third : NEAR_EDITS;
	struct terms_cursor cursor = {0};
	const struct column *column;
	struct terms_place place;
	unsigned int count = 0;
	uint64_t at, end;
	struct term other;
	int err = list ? term_to_text_key(term, &key) : -ENOMEM;

	column = err ? NULL : terms_column_numbered(terms, (unsigned char)key.data[0]);
	if (!column)
		goto out;
	err = place_search(&place, terms, column, key.data, key.count, &scratch, &at);
	if (err < 0)
		goto out;
	end = column->count - at > NEAR_TERMS / 2 ? at + NEAR_TERMS / 2 : column->count;
	at = end > NEAR_TERMS ? end - NEAR_TERMS : 0;
	err = terms_cursor_begin(&cursor, terms, column->first + at);
	for (; !err && at < end; at++) {
		struct candidate one = {.id = column->first + at};
		const char *text = key.data + 1;
		size_t bytes = key.count - 1;

		err = terms_cursor_next(&cursor, &other);
		if (err < 0)
			break;
		err = 0;
		/* Tags and datatypes count like text. */
		one.edits = count_edits(text, bytes, cursor.key.data + 1, cursor.key.count - 1, most);
		if (one.edits <= most)
			count = insert(list, count, max, one);
	}
out:
	for (unsigned int i = 0; err >= 0 && i < count; i++)
		ids[i] = list[i].id;
	free(list);
	terms_cursor_end(&cursor);
	bytes_free(&key);
	bytes_free(&scratch);
	return err < 0 ? err : (int)count;
}
