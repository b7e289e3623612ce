/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Terms one after another, and a look at all of them; see terms.h. */
#include "base/diag.h"
#include "base/utf8.h"
#include "kg/terms_place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int terms_cursor_begin(struct terms_cursor *cursor, const struct terms *terms, uint64_t first)
{
	*cursor = (struct terms_cursor){.terms = terms, .next = first};
	if (first > terms->count)
		return -ENOENT;
	cursor->place = calloc(1, sizeof(*cursor->place));
	return cursor->place ? 0 : -ENOMEM;
}

void terms_cursor_end(struct terms_cursor *cursor)
{
	bytes_free(&cursor->key);
	bytes_free(&cursor->text);
	free(cursor->place);
	*cursor = (struct terms_cursor){0};
}

int terms_cursor_next(struct terms_cursor *cursor, struct term *term)
{
	struct terms_place *place = cursor->place;
	int err = 0;

	if (cursor->next == cursor->terms->count)
		return 0;
	if (place->column && place->index + 1 < place->count) {
		err = place_next(place, &cursor->key);
	} else {
		const struct column *column = terms_column_of(cursor->terms, cursor->next);
		const uint64_t local = cursor->next - column->first;

		err = place_enter(place, cursor->terms, column, local / column_group_terms(column));
		if (!err)
			err = place_read(place, (unsigned int)(local % column_group_terms(column)), &cursor->key);
	}
	if (!err)
		err = term_from_key(cursor->key.data, cursor->key.count, &cursor->text, term);
	/* What failed is not gone on from. */
	if (err)
		place->column = NULL;
	else
		cursor->next++;
	return err ? err : 1;
}

static int wrong(struct pinpool_diag *diag, uint64_t id, const char *what)
{
	return diag_set(diag, -EBADMSG, NULL, NULL, "damaged dictionary: term %" PRIu64 ": %s", id, what);
}

/* All that a group may have wrong without a term that cannot be read: what lies between its blocks, and behind them. */
static bool group_is_whole(const struct terms_place *place)
{
	const unsigned int bits = place->column->block_bits;
	uint64_t begin = 0;

	if (place->index + 1 == place->count)
		return place_is_complete(place);
	if (column_is_values(place->column) || place->form == GROUP_NUMBERS || (place->index + 1) & ((1U << bits) - 1))
		return true;
	memcpy(&begin, place->begins + (size_t)(place->index >> bits) * place->begin_bytes, place->begin_bytes);
	return begin == (uint64_t)(place->at - place->blocks);
}

int terms_check(const struct terms *terms, struct pinpool_diag *diag)
{
	const struct terms_bytes *groups = &terms->sections[TERMS_GROUPS];
	const uint64_t *begins = groups->data;
	const struct column *last_column = terms->column_count ? &terms->columns[terms->column_count - 1] : NULL;
	const uint64_t group_count = last_column ? last_column->group + last_column->groups : 0;
	struct terms_cursor cursor;
	struct bytes last = {0};
	struct term term;
	int err;

	/* The sections' ends may be filled up. */
	if (begins[0] || begins[group_count] > terms->sections[TERMS_DATA].bytes)
		return diag_set(diag, -EBADMSG, NULL, NULL, "damaged dictionary: groups outside of their data");
	err = terms_cursor_begin(&cursor, terms, 0);
	while (!err) {
		const uint64_t id = cursor.next;

		err = terms_cursor_next(&cursor, &term);
		if (err == -EBADMSG)
			wrong(diag, id, "cannot be read");
		if (err <= 0)
			break;
		err = 0;
		if (last.count && term_key_compare(last.data, last.count, cursor.key.data, cursor.key.count) >= 0)
			err = wrong(diag, id, "not in order");
		else if (!utf8_is_valid(term.text, term.bytes) ||
			 (term.extra_bytes && !utf8_is_valid(term.extra, term.extra_bytes)))
			err = wrong(diag, id, "not UTF-8");
		else if (!group_is_whole(cursor.place))
			err = wrong(diag, id, "its group is not what follows from its terms");
		last.count = 0;
		if (!err)
			err = bytes_append(&last, cursor.key.data, cursor.key.count);
	}
	if (err == -ENOMEM)
		diag_errno(diag, err, NULL);
	bytes_free(&last);
	terms_cursor_end(&cursor);
	return err;
}
