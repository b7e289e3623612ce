/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Groups of terms as they are written; see terms_group.h and terms_layout.h. */
#include "kg/terms_group.h"
#include "codec/ascending.h"
#include "codec/varint.h"
#include "kg/term_key.h"

#include <errno.h>
#include <string.h>

int terms_group_add(struct terms_group *group, const void *key, size_t bytes)
{
	int err = bytes_append(&group->keys, key, bytes);

	if (err)
		return err;
	group->ends[group->count++] = group->keys.count;
	return group->count == BLOCKS_PER_GROUP << group->block_bits;
}

static const char *text_of(const struct terms_group *group, unsigned int index, size_t *bytes)
{
	size_t begin = index ? group->ends[index - 1] : 0;

	*bytes = group->ends[index] - begin;
	return group->keys.data + begin;
}

static size_t common_bytes(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
	size_t most = a_bytes < b_bytes ? a_bytes : b_bytes, count = 0;

	while (count < most && a[count] == b[count])
		count++;
	return count;
}

static bool begins_block(const struct terms_group *group, unsigned int index)
{
	return !(index & ((1U << group->block_bits) - 1));
}

const char *terms_group_tail(const struct terms_group *group, unsigned int index, size_t *common, size_t *bytes)
{
	const char *text = text_of(group, index, bytes), *other;
	size_t other_bytes;

	*common = 0;
	if (index) {
		other = text_of(group, begins_block(group, index) ? 0 : index - 1, &other_bytes);
		*common = common_bytes(text, *bytes, other, other_bytes);
	}
	*bytes -= *common;
	return text + *common;
}

/* Bytes that all texts begin with. */
static size_t prefix_bytes(const struct terms_group *group)
{
	size_t first_bytes, last_bytes;
	const char *first = text_of(group, 0, &first_bytes);
	const char *last = text_of(group, group->count - 1, &last_bytes);

	return common_bytes(first, first_bytes, last, last_bytes);
}

bool terms_group_is_numbered(const struct terms_group *group)
{
	const size_t prefix = prefix_bytes(group);

	/* One alone would be its own prefix. */
	if (group->count < 2)
		return false;
	for (unsigned int i = 0; i < group->count; i++) {
		size_t bytes;
		const char *text = text_of(group, i, &bytes);

		if (bytes - prefix > GROUP_DIGITS_MAX)
			return false;
		for (size_t j = prefix; j < bytes; j++)
			if (text[j] < '0' || text[j] > '9')
				return false;
	}
	return true;
}

static int write_numbered(const struct terms_group *group, struct bytes *out)
{
	const size_t prefix = prefix_bytes(group);
	uint64_t numbers[GROUP_TERMS_MAX], filling[GROUP_TERMS_MAX], most_filling = 0;
	struct bits_writer writer = {.append = bytes_append_to, .arg = out};
	unsigned char head[VARINT_BYTES_MAX], shape[2];
	size_t digits = 0, bytes;
	int err;

	for (unsigned int i = 0; i < group->count; i++) {
		text_of(group, i, &bytes);
		if (bytes - prefix > digits)
			digits = bytes - prefix;
	}
	for (unsigned int i = 0; i < group->count; i++) {
		const char *text = text_of(group, i, &bytes);

		numbers[i] = 0;
		for (size_t j = prefix; j < prefix + digits; j++)
			numbers[i] = numbers[i] * 10 + (j < bytes ? (unsigned int)(text[j] - '0') : 0);
		filling[i] = prefix + digits - bytes;
		if (filling[i] > most_filling)
			most_filling = filling[i];
	}
	shape[0] = (unsigned char)digits;
	shape[1] = (unsigned char)bits_width(most_filling);
	err = bytes_append(out, &(char){GROUP_NUMBERS}, 1);
	if (!err)
		err = bytes_append(out, head, (size_t)(varint_put(head, prefix) - head));
	if (!err)
		err = bytes_append(out, group->keys.data, prefix);
	if (!err)
		err = bytes_append(out, shape, sizeof(shape));
	if (!err)
		err = ascending_write(numbers, group->count, out);
	for (unsigned int i = 0; !err && i < group->count; i++)
		bits_put(&writer, filling[i], shape[1]);
	return err ? err : bits_flush(&writer);
}

static int write_entry(const struct terms_group *group, unsigned int index, struct symbols_encoder *encoder,
		       bool compact, struct bytes *out)
{
	unsigned char head[1 + 2 * VARINT_BYTES_MAX], *at = head;
	struct bytes codes = {0};
	size_t common, bytes, other_bytes = 0;
	const char *tail = terms_group_tail(group, index, &common, &bytes);
	int err = 0;

	if (encoder) {
		err = symbols_encode(encoder, tail, bytes, &codes);
		tail = codes.data;
		bytes = codes.count;
	}
	if (compact) {
		size_t departs;

		if (index)
			text_of(group, begins_block(group, index) ? 0 : index - 1, &other_bytes);
		departs = other_bytes - common;
		*at++ = (unsigned char)((departs < COMPACT_MORE ? departs : COMPACT_MORE) << 4 |
					(bytes < COMPACT_MORE ? bytes : COMPACT_MORE));
		if (departs >= COMPACT_MORE)
			at = varint_put(at, departs - COMPACT_MORE);
		if (bytes >= COMPACT_MORE)
			at = varint_put(at, bytes - COMPACT_MORE);
	} else {
		at = varint_put(at, common);
		at = varint_put(at, bytes);
	}
	if (!err)
		err = bytes_append(out, head, (size_t)(at - head));
	if (!err)
		err = bytes_append(out, tail, bytes);
	bytes_free(&codes);
	return err;
}

static int write_front_coded(const struct terms_group *group, struct symbols_encoder *encoder, bool compact,
			     struct bytes *out)
{
	uint64_t begins[BLOCKS_PER_GROUP];
	struct bytes blocks = {0};
	unsigned int count = 0;
	char form[2] = {compact ? GROUP_COMPACT : GROUP_WIDE, 1};
	int err = 0;

	for (unsigned int i = 0; !err && i < group->count; i++) {
		if (begins_block(group, i))
			begins[count++] = blocks.count;
		err = write_entry(group, i, encoder, compact, &blocks);
	}
	while (!err && form[1] < 8 && begins[count - 1] >> (8 * form[1]))
		form[1] = (char)(form[1] * 2);
	if (!err)
		err = bytes_append(out, form, sizeof(form));
	for (unsigned int i = 1; !err && i < count; i++)
		err = bytes_append(out, &begins[i], (size_t)form[1]);
	if (!err)
		err = bytes_append(out, blocks.data, blocks.count);
	bytes_free(&blocks);
	return err;
}

int terms_group_write(const struct terms_group *group, struct symbols_encoder *encoder, bool compact, struct bytes *out)
{
	const size_t begin = out->count;
	size_t numbered;
	int err;

	if (!terms_group_is_numbered(group))
		return write_front_coded(group, encoder, compact, out);
	err = write_numbered(group, out);
	numbered = out->count - begin;
	if (!err)
		err = write_front_coded(group, encoder, compact, out);
	if (err)
		return err;
	if (out->count - begin - numbered < numbered)
		memmove(out->data + begin, out->data + begin + numbered, out->count - begin - numbered);
	else
		out->count = begin + 2 * numbered;
	out->count -= numbered;
	return 0;
}

int terms_group_write_values(const struct terms_group *group, struct bytes *out)
{
	uint64_t numbers[GROUP_TERMS_MAX];

	for (unsigned int i = 0; i < group->count; i++)
		numbers[i] = key_value(group->keys.data + (size_t)i * KEY_VALUE_BYTES);
	return ascending_write(numbers, group->count, out);
}
