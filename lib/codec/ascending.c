/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Short lists of numbers in order; see ascending.h. */
#include "codec/ascending.h"
#include "codec/varint.h"

#include <errno.h>

int ascending_write(const uint64_t *numbers, unsigned int count, struct bytes *bytes)
{
	const uint64_t range = numbers[count - 1] - numbers[0];
	struct bits_writer low = {.append = bytes_append_to, .arg = bytes}, high = low;
	unsigned char head[VARINT_BYTES_MAX + 2], *at;
	unsigned int low_bits = 0;
	uint64_t step = 0;
	int err;

	/* About the mean distance's logarithm, so that there are fewer than two steps for each number. */
	while (range >> low_bits >= 2ULL * count)
		low_bits++;
	at = varint_put(head, numbers[0]);
	*at++ = (unsigned char)low_bits;
	*at++ = (unsigned char)(((range >> low_bits) + count + 7) / 8);
	err = bytes_append(bytes, head, (size_t)(at - head));
	if (err)
		return err;
	for (unsigned int i = 0; i < count; i++)
		bits_put(&low, (numbers[i] - numbers[0]) & bits_mask(low_bits), low_bits);
	err = bits_flush(&low);
	if (err)
		return err;
	for (unsigned int i = 0; i < count; i++) {
		for (; step < (numbers[i] - numbers[0]) >> low_bits; step++)
			bits_put(&high, 0, 1);
		bits_put(&high, 1, 1);
	}
	return bits_flush(&high);
}

const unsigned char *ascending_open(struct ascending *list, const unsigned char *at, const unsigned char *end,
				    unsigned int count)
{
	at = varint_get(at, end, &list->first);
	if (!at || end - at < 2 || at[0] > 63)
		return NULL;
	list->count = count;
	list->low_bits = at[0];
	list->low.size = ((uint64_t)count * list->low_bits + 7) / 8;
	list->high.size = at[1];
	at += 2;
	if ((size_t)(end - at) < list->low.size + list->high.size)
		return NULL;
	list->low.bytes = at;
	list->high.bytes = at + list->low.size;
	return list->high.bytes + list->high.size;
}

/* The word from byte @at on, filled up with zeros. */
static uint64_t load_word(const struct bits *bits, uint64_t at)
{
	uint64_t word = 0;

	if (bits->size - at >= sizeof(word))
		return bits_load(bits->bytes + at);
	for (unsigned int i = 0; i < bits->size - at; i++)
		word |= (uint64_t)bits->bytes[at + i] << (8 * i);
	return word;
}

int ascending_get(const struct ascending *list, unsigned int index, uint64_t *number)
{
	unsigned int left = index, ones;
	uint64_t word, steps, low;

	if (index >= list->count || !bits_get(&list->low, (uint64_t)index * list->low_bits, list->low_bits, &low))
		return -EBADMSG;
	/* The one behind as many others as there are numbers before this. */
	for (uint64_t at = 0; at < list->high.size; at += sizeof(word), left -= ones) {
		word = load_word(&list->high, at);
		ones = bits_ones(word);
		if (left >= ones)
			continue;
		steps = at * 8 + bits_select(word, left) - index;
		*number = list->first + (steps << list->low_bits) + low;
		return 0;
	}
	return -EBADMSG;
}
