/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Places in dictionaries; see terms_place.h. The forms of groups are told in terms_layout.h. */
#include "kg/terms_place.h"
#include "codec/varint.h"

#include <errno.h>
#include <string.h>

const struct column *terms_column_of(const struct terms *terms, uint64_t id)
{
	for (unsigned int i = 0; i < terms->column_count; i++)
		if (id - terms->columns[i].first < terms->columns[i].count)
			return &terms->columns[i];
	return NULL;
}

const struct column *terms_column_numbered(const struct terms *terms, unsigned int number)
{
	for (unsigned int i = 0; i < terms->column_count; i++)
		if (terms->columns[i].number == number)
			return &terms->columns[i];
	return NULL;
}

static int enter_front_coded(struct terms_place *place, const unsigned char *at)
{
	const unsigned int bits = place->column->block_bits;
	const unsigned int blocks = (place->count + (1U << bits) - 1) >> bits;

	if (at == place->end)
		return -EBADMSG;
	place->begin_bytes = *at++;
	if (place->begin_bytes != 1 && place->begin_bytes != 2 && place->begin_bytes != 4 && place->begin_bytes != 8)
		return -EBADMSG;
	if ((size_t)(place->end - at) < (size_t)(blocks - 1) * place->begin_bytes)
		return -EBADMSG;
	place->begins = at;
	place->blocks = at + (size_t)(blocks - 1) * place->begin_bytes;
	return 0;
}

static int enter_numbered(struct terms_place *place, const unsigned char *at)
{
	uint64_t prefix;

	at = varint_get(at, place->end, &prefix);
	if (!at || prefix > (size_t)(place->end - at) || (size_t)(place->end - at) - prefix < 2)
		return -EBADMSG;
	place->prefix = at;
	place->prefix_bytes = prefix;
	at += prefix;
	place->digits = at[0];
	place->filling_bits = at[1];
	/* So many bits as GROUP_DIGITS_MAX takes. */
	if (place->digits > GROUP_DIGITS_MAX || place->filling_bits > 5)
		return -EBADMSG;
	at = ascending_open(&place->list, at + 2, place->end, place->count);
	place->filling = (struct bits){at, ((uint64_t)place->count * place->filling_bits + 7) / 8};
	if (!at || place->filling.size > (size_t)(place->end - at))
		return -EBADMSG;
	place->at = at + place->filling.size;
	return 0;
}

int place_enter(struct terms_place *place, const struct terms *terms, const struct column *column, uint64_t group)
{
	const struct terms_bytes *data = &terms->sections[TERMS_DATA];
	const uint64_t *begins = (const uint64_t *)terms->sections[TERMS_GROUPS].data + column->group + group;
	const unsigned int most = column_group_terms(column);
	const unsigned char *at;

	if (begins[0] >= begins[1] || begins[1] > data->bytes)
		return -EBADMSG;
	at = (const unsigned char *)data->data + begins[0];
	place->terms = terms;
	place->column = column;
	place->group = group;
	place->count = group + 1 < column->groups ? most : (unsigned int)(column->count - group * most);
	place->end = (const unsigned char *)data->data + begins[1];
	if (column_is_values(column)) {
		place->at = ascending_open(&place->list, at, place->end, place->count);
		return place->at ? 0 : -EBADMSG;
	}
	place->form = *at++;
	switch (place->form) {
	case GROUP_COMPACT:
	case GROUP_WIDE:
		return enter_front_coded(place, at);
	case GROUP_NUMBERS:
		return enter_numbered(place, at);
	}
	return -EBADMSG;
}

/* A number whose first part is @head. */
static const unsigned char *read_rest(const unsigned char *at, const unsigned char *end, unsigned int head,
				      uint64_t *value)
{
	*value = head;
	if (head < COMPACT_MORE)
		return at;
	at = varint_get(at, end, value);
	if (at && *value > UINT64_MAX - COMPACT_MORE)
		return NULL;
	*value += COMPACT_MORE;
	return at;
}

/* What stands of a term in a block. */
struct entry {
	uint64_t common; /* bytes, of the start of the other one; in a compact group of its end, where they differ */
	uint64_t bytes; /* of the tail */
	const unsigned char *tail;
};

static int parse(const struct terms_place *place, const unsigned char *at, struct entry *entry)
{
	const unsigned char *end = place->end;

	if (place->form == GROUP_COMPACT) {
		unsigned int head;

		if (at == end)
			return -EBADMSG;
		head = *at++;
		at = read_rest(at, end, head >> 4, &entry->common);
		if (at)
			at = read_rest(at, end, head & 15, &entry->bytes);
	} else {
		at = varint_get(at, end, &entry->common);
		if (at)
			at = varint_get(at, end, &entry->bytes);
	}
	if (!at || entry->bytes > (size_t)(end - at))
		return -EBADMSG;
	entry->tail = at;
	return 0;
}

/* Replaces @key by the one of an entry that leans on it: all of it, or what @next, which leans on this one, needs of
 * it. */
static int apply(const struct terms_place *place, const struct entry *entry, const struct entry *next,
		 struct bytes *key)
{
	const uint64_t other = key->count - 1; /* without the column's number */
	uint64_t common = entry->common, most = UINT64_MAX;
	int err;

	if (common > other)
		return -EBADMSG;
	if (place->form == GROUP_COMPACT)
		common = other - common;
	else if (next)
		most = next->common > common ? next->common - common : 0;
	key->count = 1 + common;
	if (!place->column->symbols_bytes)
		return bytes_append(key, entry->tail, entry->bytes);
	err = symbols_decode(&place->column->symbols, entry->tail, entry->bytes, most, key);
	return !err && key->count > 1 + 2 * TERM_BYTES_MAX ? -EBADMSG : err;
}

static int start_key(const struct terms_place *place, struct bytes *key)
{
	const char column = (char)place->column->number;

	key->count = 0;
	return bytes_append(key, &column, 1);
}

static int read_front_coded(struct terms_place *place, unsigned int index, struct bytes *key)
{
	const unsigned int bits = place->column->block_bits, block = index >> bits;
	struct entry entry, next;
	uint64_t begin = 0;
	int err = start_key(place, key);

	if (!err)
		err = parse(place, place->blocks, &entry);
	if (!err && block) {
		memcpy(&begin, place->begins + (size_t)(block - 1) * place->begin_bytes, place->begin_bytes);
		if (begin > (size_t)(place->end - place->blocks))
			return -EBADMSG;
		err = parse(place, place->blocks + begin, &next);
		if (!err)
			err = apply(place, &entry, &next, key);
		entry = next;
	}
	for (unsigned int left = index & ((1U << bits) - 1); !err && left; left--) {
		err = parse(place, entry.tail + entry.bytes, &next);
		if (!err)
			err = apply(place, &entry, &next, key);
		entry = next;
	}
	if (err)
		return err;
	place->at = entry.tail + entry.bytes;
	return apply(place, &entry, NULL, key);
}

static int read_numbered(const struct terms_place *place, unsigned int index, struct bytes *key)
{
	const unsigned int bits = place->filling_bits;
	char digits[GROUP_DIGITS_MAX];
	uint64_t number, filling;
	int err = ascending_get(&place->list, index, &number);

	if (err || !bits_get(&place->filling, (uint64_t)index * bits, bits, &filling) || filling > place->digits)
		return -EBADMSG;
	for (unsigned int i = place->digits; i-- > 0; number /= 10) {
		/* A digit that is not there is 0. */
		if (i >= place->digits - filling && number % 10)
			return -EBADMSG;
		digits[i] = (char)('0' + number % 10);
	}
	if (number)
		return -EBADMSG;
	err = start_key(place, key);
	if (!err)
		err = bytes_append(key, place->prefix, place->prefix_bytes);
	return err ? err : bytes_append(key, digits, place->digits - filling);
}

static int read_listed(const struct terms_place *place, unsigned int index, struct bytes *key)
{
	uint64_t number;

	if (!column_is_values(place->column))
		return read_numbered(place, index, key);
	if (ascending_get(&place->list, index, &number))
		return -EBADMSG;
	return value_to_key(place->column->number, number, key);
}

static bool is_listed(const struct terms_place *place)
{
	return column_is_values(place->column) || place->form == GROUP_NUMBERS;
}

int place_read(struct terms_place *place, unsigned int index, struct bytes *key)
{
	place->index = index;
	return is_listed(place) ? read_listed(place, index, key) : read_front_coded(place, index, key);
}

int place_next(struct terms_place *place, struct bytes *key)
{
	const unsigned int next = place->index + 1;
	struct entry entry;
	int err;

	if (is_listed(place) || !(next & ((1U << place->column->block_bits) - 1)))
		return place_read(place, next, key);
	place->index = next;
	err = parse(place, place->at, &entry);
	if (err)
		return err;
	place->at = entry.tail + entry.bytes;
	return apply(place, &entry, NULL, key);
}

bool place_is_complete(const struct terms_place *place)
{
	return place->at == place->end;
}

/* What in [0, count) is searched: whether the key of a group's or block's first, or of a term, is behind @key. */
struct search {
	struct terms_place *place;
	const void *key;
	size_t bytes;
	struct bytes *scratch;
};

/* Order of the key that was read and the one that is searched. */
static int compare(const struct search *search)
{
	return term_key_compare(search->scratch->data, search->scratch->count, search->key, search->bytes);
}

/*
 * The last term of the group whose key is not behind, or the first: of those that are read without others, which in a
 * front-coded group are the first ones of blocks.
 */
static int search_group(const struct search *search, unsigned int *found)
{
	const unsigned int bits = is_listed(search->place) ? 0 : search->place->column->block_bits;
	unsigned int low = 0, high = (search->place->count + (1U << bits) - 1) >> bits;

	while (high - low > 1) {
		unsigned int middle = low + (high - low) / 2;
		int err = place_read(search->place, middle << bits, search->scratch);

		if (err)
			return err;
		if (compare(search) <= 0)
			low = middle;
		else
			high = middle;
	}
	*found = low << bits;
	return 0;
}

int place_search(struct terms_place *place, const struct terms *terms, const struct column *column, const void *key,
		 size_t bytes, struct bytes *scratch, uint64_t *found)
{
	const struct search search = {place, key, bytes, scratch};
	uint64_t low = 0, high = column->groups;
	unsigned int index = 0;
	int err, order;

	/* The last group whose first term is not behind the key, or 0. */
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		err = place_enter(place, terms, column, middle);
		if (!err)
			err = place_read(place, 0, scratch);
		if (err)
			return err;
		if (compare(&search) <= 0)
			low = middle;
		else
			high = middle;
	}
	err = place_enter(place, terms, column, low);
	if (!err)
		err = search_group(&search, &index);
	if (!err)
		err = place_read(place, index, scratch);
	while (!err) {
		order = compare(&search);
		*found = low * column_group_terms(column) + index;
		if (order >= 0)
			return order == 0;
		if (++index == place->count) {
			++*found;
			return 0;
		}
		err = place_next(place, scratch);
	}
	return err;
}
