/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Short lists of numbers in order; see ascending.h. */
#include "codec/ascending.h"
#include "codec/varint.h"

#include <errno.h>
#include <string.h>

uint64_t ascending_bits(const unsigned char *data, size_t bytes, uint64_t at, unsigned int count)
{
	size_t byte = at / 8;
	unsigned int shift = at % 8;
	uint64_t word = 0, more = 0;

	if (!count || byte >= bytes)
		return 0;
	if (bytes - byte >= sizeof(word))
		memcpy(&word, data + byte, sizeof(word));
	else
		for (size_t i = byte; i < bytes; i++)
			word |= (uint64_t)data[i] << (8 * (i - byte));
	word >>= shift;
	if (shift && count > 64 - shift && bytes - byte > sizeof(word))
		more = (uint64_t)data[byte + sizeof(word)] << (64 - shift);
	word |= more;
	return count < 64 ? word & ((1ULL << count) - 1) : word;
}

int ascending_bits_append(const uint64_t *values, unsigned int count, unsigned int width, struct bytes *bytes)
{
	const size_t size = ((size_t)count * width + 7) / 8;
	unsigned char *out;

	if (bytes_reserve(bytes, size))
		return -ENOMEM;
	out = (unsigned char *)bytes->data + bytes->count;
	memset(out, 0, size);
	for (unsigned int i = 0; i < count; i++)
		for (unsigned int bit = 0; bit < width; bit++)
			if (values[i] >> bit & 1)
				out[((size_t)i * width + bit) / 8] |=
					(unsigned char)(1U << (((size_t)i * width + bit) % 8));
	bytes->count += size;
	return 0;
}

int ascending_write(const uint64_t *numbers, unsigned int count, struct bytes *bytes)
{
	const uint64_t range = numbers[count - 1] - numbers[0];
	unsigned char head[VARINT_BYTES_MAX + 2], *at;
	uint64_t low[ASCENDING_MAX], steps;
	unsigned char high[3 * ASCENDING_MAX / 8 + 1];
	unsigned int low_bits = 0;

	/* The mean distance's logarithm, so that there are fewer than two steps for each number. */
	while (low_bits < 63 && range >> low_bits >= 2ULL * count)
		low_bits++;
	steps = range >> low_bits;
	memset(high, 0, sizeof(high));
	for (unsigned int i = 0; i < count; i++) {
		uint64_t number = numbers[i] - numbers[0];
		uint64_t bit = (number >> low_bits) + i;

		low[i] = low_bits ? number & ((1ULL << low_bits) - 1) : 0;
		high[bit / 8] |= (unsigned char)(1U << bit % 8);
	}
	at = varint_put(head, numbers[0]);
	*at++ = (unsigned char)low_bits;
	*at++ = (unsigned char)((steps + count + 7) / 8);
	if (bytes_append(bytes, head, (size_t)(at - head)) || ascending_bits_append(low, count, low_bits, bytes) ||
	    bytes_append(bytes, high, (size_t)(steps + count + 7) / 8))
		return -ENOMEM;
	return 0;
}

const unsigned char *ascending_open(struct ascending *list, const unsigned char *at, const unsigned char *end,
				    unsigned int count)
{
	size_t low_bytes;

	at = varint_get(at, end, &list->first);
	if (!at || end - at < 2 || at[0] > 63)
		return NULL;
	list->low_bits = at[0];
	list->high_bytes = at[1];
	list->count = count;
	low_bytes = ((size_t)count * list->low_bits + 7) / 8;
	at += 2;
	if ((size_t)(end - at) < low_bytes + list->high_bytes)
		return NULL;
	list->low = at;
	list->high = at + low_bytes;
	return list->high + list->high_bytes;
}

/* Set bits: the processor that this is compiled for may not have an instruction for it. */
static unsigned int ones_of(uint64_t word)
{
	word -= word >> 1 & 0x5555555555555555ULL;
	word = (word & 0x3333333333333333ULL) + (word >> 2 & 0x3333333333333333ULL);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return (unsigned int)(word * 0x0101010101010101ULL >> 56);
}

int ascending_get(const struct ascending *list, unsigned int index, uint64_t *number)
{
	const size_t low_bytes = (size_t)(list->high - list->low);
	unsigned int left = index, ones;
	uint64_t word, bit;
	size_t at = 0;

	/* The step behind as many numbers as stand before this one. */
	for (;; at += sizeof(word), left -= ones) {
		if (index >= list->count || at >= list->high_bytes)
			return -EBADMSG;
		word = ascending_bits(list->high, list->high_bytes, at * 8, 64);
		ones = ones_of(word);
		if (left < ones)
			break;
	}
	while (left--)
		word &= word - 1;
	bit = at * 8 + (unsigned int)__builtin_ctzll(word);
	*number = list->first + ((bit - index) << list->low_bits) +
		  ascending_bits(list->low, low_bytes, (uint64_t)index * list->low_bits, list->low_bits);
	return 0;
}
