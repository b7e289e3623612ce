/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Tables of symbols and what their codes stand for; see symbols.h. */
#include "codec/symbols.h"

#include <errno.h>
#include <string.h>

/* Codes that are decoded between two looks at the room for text. */
#define PIECE 4096

int symbols_open(struct symbols *symbols, const void *table, size_t bytes)
{
	struct symbols_header header;
	uint64_t room;

	if (bytes < sizeof(header) || (uintptr_t)table % sizeof(uint32_t))
		return -EBADMSG;
	memcpy(&header, table, sizeof(header));
	/* Codes of two bytes must reach all the others. */
	if (header.count > SYMBOLS_MAX || header.singles > SYMBOLS_ESCAPE || header.reserved)
		return -EBADMSG;
	if (header.count > header.singles + (SYMBOLS_ESCAPE - header.singles) * 256)
		return -EBADMSG;
	room = sizeof(header) + (uint64_t)header.count * sizeof(uint32_t) + header.text_bytes + SYMBOL_BYTES;
	if (room > bytes)
		return -EBADMSG;
	*symbols = (struct symbols){
		.entries = (const uint32_t *)((const char *)table + sizeof(header)),
		.count = header.count,
		.singles = header.singles,
	};
	symbols->text = (const char *)(symbols->entries + header.count);
	/* So that decoding need not look at it. */
	for (uint32_t i = 0; i < header.count; i++)
		if ((symbols->entries[i] >> 4) + (symbols->entries[i] & 15) + 1 > header.text_bytes)
			return -EBADMSG;
	return 0;
}

int symbols_decode(const struct symbols *symbols, const void *codes, size_t bytes, size_t most, struct bytes *text)
{
	const uint32_t *entries = symbols->entries;
	const uint32_t count = symbols->count, singles = symbols->singles;
	const unsigned char *at = codes;
	const unsigned char *const end = at + bytes;

	while (at < end && most) {
		const unsigned char *stop = end - at > PIECE ? at + PIECE : end;
		char *out, *enough;

		if (bytes_reserve(text, (size_t)(stop - at) * SYMBOL_BYTES))
			return -ENOMEM;
		out = text->data + text->count;
		enough = out + (most < PIECE * SYMBOL_BYTES ? most : PIECE * SYMBOL_BYTES);
		while (at < stop && out < enough) {
			uint32_t code = *at;
			/* Of the last code the second byte is not there; it is looked at only where it counts. */
			uint32_t next = at + 1 < end ? at[1] : 0;
			uint32_t two = code >= singles;
			uint32_t symbol = two ? singles + ((code - singles) << 8) + next : code;

			if (__builtin_expect(two && at + 1 == end, 0))
				return -EBADMSG;
			at += 1 + two;
			if (__builtin_expect(symbol >= count, 0)) {
				if (code != SYMBOLS_ESCAPE)
					return -EBADMSG;
				*out++ = (char)next;
				continue;
			}
			memcpy(out, symbols->text + (entries[symbol] >> 4), SYMBOL_BYTES);
			out += (entries[symbol] & 15) + 1;
		}
		most -= (size_t)(out - text->data) - text->count < most ? (size_t)(out - text->data) - text->count
									: most;
		text->count = (size_t)(out - text->data);
	}
	return 0;
}
