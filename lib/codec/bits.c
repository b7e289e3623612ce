// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Numbers packed without gaps: what is too long, or too rare, to stand in a header. */
#include "codec/bits.h"

bool bits_get(const struct bits *bits, uint64_t bit, unsigned int width, uint64_t *value)
{
	uint8_t tail[BITS_PEEK_BYTES] = {0};
	uint64_t first = bit / 8;

	if (first > bits->size || (bits->size - first < BITS_PEEK_BYTES && (bits->size - first) * 8 < bit % 8 + width))
		return false;
	if (bits->size - first >= BITS_PEEK_BYTES) {
		*value = bits_peek(bits->bytes, bit, width);
		return true;
	}
	memcpy(tail, bits->bytes + first, bits->size - first);
	*value = bits_peek(tail, bit % 8, width);
	return true;
}

unsigned int bits_select(uint64_t word, unsigned int rank)
{
	const uint64_t low = 0x0101010101010101u, high = low << 7;
	uint64_t sums, ranks = (rank + 1) * low;
	unsigned int at, before;

	/* Ones up to and in each byte, all at once. */
	sums = word - (word >> 1 & 0x5555555555555555u);
	sums = (sums & 0x3333333333333333u) + (sums >> 2 & 0x3333333333333333u);
	sums = ((sums + (sums >> 4)) & 0x0f0f0f0f0f0f0f0fu) * low;
	/* Bytes whose sum falls short of the rank. At most 64 each, so no byte borrows from the next. */
	at = 8 * bits_ones(~((sums | high) - ranks) & high);
	before = at ? sums >> (at - 8) & 0xff : 0;
	for (word = word >> at & 0xff; before < rank; before++)
		word &= word - 1;
	return at + (unsigned int)__builtin_ctzll(word);
}

static void put_out(struct bits_writer *writer)
{
	if (!writer->err && writer->used)
		writer->err = writer->append(writer->arg, writer->buffer, writer->used);
	writer->used = 0;
}

static void put_word(struct bits_writer *writer, uint64_t word, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++) {
		if (writer->used == sizeof(writer->buffer))
			put_out(writer);
		writer->buffer[writer->used++] = word >> (8 * i);
	}
}

void bits_put(struct bits_writer *writer, uint64_t value, unsigned int width)
{
	unsigned int room = 64 - writer->held;

	writer->bit += width;
	writer->word |= value << writer->held;
	if (width < room) {
		writer->held += width;
		return;
	}
	put_word(writer, writer->word, 8);
	writer->held = width - room;
	writer->word = room < 64 ? value >> room : 0;
}

void bits_align(struct bits_writer *writer, unsigned int bytes)
{
	uint64_t odd = writer->bit % (8 * bytes);

	for (uint64_t left = odd ? 8 * bytes - odd : 0, some; left; left -= some) {
		some = left < 64 ? left : 64;
		bits_put(writer, 0, some);
	}
}

int bits_flush(struct bits_writer *writer)
{
	put_word(writer, writer->word, (writer->held + 7) / 8);
	put_out(writer);
	writer->bit = (writer->bit + 7) / 8 * 8;
	writer->word = 0;
	writer->held = 0;
	return writer->err;
}
