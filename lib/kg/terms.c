/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Opening a dictionary in place, and its terms by ids and by keys; see terms.h. */
#include "kg/terms.h"
#include "base/diag.h"
#include "kg/terms_place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *terms_section_name(enum terms_section section)
{
	static const char *const names[TERMS_SECTIONS] = {"columns", "groups", "data", "symbols"};

	return (unsigned int)section < TERMS_SECTIONS ? names[section] : "unknown";
}

static int bad(struct pinpool_diag *diag, const char *cause)
{
	return diag_set(diag, -EBADMSG, NULL, NULL, "damaged dictionary: %s", cause);
}

/* The column behind @last, which is NULL for the first. Returns what is wrong, or NULL. */
static const char *open_column(struct terms *terms, const struct terms_column_entry *entry, const struct column *last,
			       struct column *column)
{
	const struct terms_bytes *symbols = &terms->sections[TERMS_SYMBOLS];
	uint64_t group_terms;

	if (entry->column < COLUMN_FIRST || entry->column >= COLUMN_END || (last && entry->column <= last->number))
		return "a column that there is not, or not in order";
	if (entry->block_bits > BLOCK_BITS_MAX)
		return "blocks of too many terms";
	*column = (struct column){
		.number = entry->column,
		.block_bits = entry->block_bits,
		.first = last ? last->first + last->count : 0,
		.count = entry->count,
		.group = last ? last->group + last->groups : 0,
		.symbols_bytes = entry->symbols_bytes,
	};
	group_terms = column_group_terms(column);
	column->groups = entry->count / group_terms + !!(entry->count % group_terms);
	if (!entry->count || entry->count > UINT64_MAX - column->first)
		return "a column without terms, or with too many";
	if (!entry->symbols_bytes)
		return NULL;
	if (column_is_values(column) || entry->symbols > symbols->bytes ||
	    entry->symbols_bytes > symbols->bytes - entry->symbols)
		return "symbols outside of their section";
	if (symbols_open(&column->symbols, (const char *)symbols->data + entry->symbols, entry->symbols_bytes))
		return "a table of symbols";
	return NULL;
}

static const char *open_sections(struct terms *terms)
{
	const struct terms_bytes *columns = &terms->sections[TERMS_COLUMNS];
	const struct terms_bytes *groups = &terms->sections[TERMS_GROUPS];
	const struct terms_column_entry *entries;
	uint64_t count = 0, group_count = 0;
	struct terms_header header;

	for (unsigned int i = 0; i < TERMS_SECTIONS; i++)
		if ((uintptr_t)terms->sections[i].data % 8)
			return "a section that is not aligned";
	if (columns->bytes < sizeof(header))
		return "no header";
	memcpy(&header, columns->data, sizeof(header));
	if (memcmp(header.magic, TERMS_MAGIC, sizeof(header.magic)) || header.version != TERMS_VERSION)
		return "not a dictionary of this version";
	if (header.columns > COLUMN_END || (columns->bytes - sizeof(header)) / sizeof(*entries) < header.columns)
		return "columns outside of their section";
	entries = (const struct terms_column_entry *)((const char *)columns->data + sizeof(header));
	for (unsigned int i = 0; i < header.columns; i++) {
		struct column *column = &terms->columns[i];
		const char *cause = open_column(terms, &entries[i], i ? column - 1 : NULL, column);

		if (cause)
			return cause;
		count = column->first + column->count;
		group_count = column->group + column->groups;
	}
	if (count != header.terms || group_count != header.groups)
		return "terms or groups that are not those of its columns";
	if (groups->bytes / sizeof(uint64_t) <= header.groups)
		return "groups outside of their section";
	terms->count = count;
	terms->column_count = header.columns;
	return NULL;
}

int terms_open(struct terms **out, const struct terms_bytes *sections, struct pinpool_diag *diag)
{
	struct terms *terms = calloc(1, sizeof(*terms));
	const char *cause;

	if (!terms)
		return diag_errno(diag, -ENOMEM, NULL);
	memcpy(terms->sections, sections, sizeof(terms->sections));
	cause = open_sections(terms);
	if (cause) {
		free(terms);
		return bad(diag, cause);
	}
	*out = terms;
	return 0;
}

void terms_close(struct terms *terms)
{
	free(terms);
}

uint64_t terms_count(const struct terms *terms)
{
	return terms->count;
}

unsigned int terms_column_count(const struct terms *terms)
{
	return terms->column_count;
}

int terms_column(const struct terms *terms, unsigned int index, struct terms_column_info *info)
{
	const uint64_t *begins = terms->sections[TERMS_GROUPS].data;
	const struct column *column = &terms->columns[index];

	if (index >= terms->column_count)
		return -ENOENT;
	*info = (struct terms_column_info){
		.name = column_name(column->number),
		.first = column->first,
		.count = column->count,
		.bytes = begins[column->group + column->groups] - begins[column->group] +
			 column->groups * sizeof(*begins) + column->symbols_bytes + sizeof(struct terms_column_entry),
		.symbols = column->symbols.count,
	};
	return 0;
}

int terms_get(const struct terms *terms, uint64_t id, struct bytes *text, struct term *term)
{
	const struct column *column = terms_column_of(terms, id);
	struct bytes key = {0};
	struct terms_place place;
	uint64_t local;
	int err;

	if (!column)
		return -ENOENT;
	local = id - column->first;
	err = place_enter(&place, terms, column, local / column_group_terms(column));
	if (err)
		return err;
	/* The text of a value lies in @text, that of others in their key. */
	err = place_read(&place, (unsigned int)(local % column_group_terms(column)),
			 column_is_values(column) ? &key : text);
	if (!err)
		err = column_is_values(column) ? term_from_key(key.data, key.count, text, term)
					       : term_from_key(text->data, text->count, NULL, term);
	bytes_free(&key);
	return err;
}

int terms_find_key(const struct terms *terms, const void *key, size_t bytes, uint64_t *id)
{
	const struct column *column;
	struct bytes scratch = {0};
	struct terms_place place;
	uint64_t local;
	int found;

	if (!bytes)
		return -EINVAL;
	column = terms_column_numbered(terms, *(const unsigned char *)key);
	if (!column)
		return -ENOENT;
	found = place_search(&place, terms, column, key, bytes, &scratch, &local);
	bytes_free(&scratch);
	if (found < 0)
		return found;
	*id = column->first + local;
	return found ? 0 : -ENOENT;
}

int terms_find(const struct terms *terms, const struct term *term, uint64_t *id)
{
	struct bytes key = {0};
	int err = term_to_key(term, &key);

	if (!err)
		err = terms_find_key(terms, key.data, key.count, id);
	bytes_free(&key);
	return err;
}

int terms_prefix(const struct terms *terms, const struct term *beginning, struct terms_range *range)
{
	struct bytes key = {0}, scratch = {0};
	const struct column *column;
	struct terms_place place;
	uint64_t first, end;
	int err = term_to_text_key(beginning, &key);

	*range = (struct terms_range){0};
	column = err ? NULL : terms_column_numbered(terms, (unsigned char)key.data[0]);
	if (!column)
		goto out;
	err = place_search(&place, terms, column, key.data, key.count, &scratch, &first);
	if (err < 0)
		goto out;
	/* The least key behind all that begin so, unless only its column's end is. */
	while (key.count > 1 && (unsigned char)key.data[key.count - 1] == 0xff)
		key.count--;
	end = column->count;
	if (key.count > 1) {
		key.data[key.count - 1]++;
		err = place_search(&place, terms, column, key.data, key.count, &scratch, &end);
	}
	if (err >= 0 && end >= first)
		*range = (struct terms_range){column->first + first, end - first};
	err = err < 0 ? err : end < first ? -EBADMSG : 0;
out:
	bytes_free(&key);
	bytes_free(&scratch);
	return err;
}
