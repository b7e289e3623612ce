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
