/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A code for many short texts of one sort: a table of symbols, strings of up to 16 bytes that are frequent in them, and
 * texts as one or two bytes a symbol. Each text is read alone. Equal texts have equal codes, the same samples make the
 * same table.
 *
 * A table is bytes in one piece, which a reader uses in place: struct symbols_header, an entry of 4 bytes for each
 * symbol, the symbols' text. Code bytes below header.singles are symbols; from there to 254 they are symbols with the
 * byte that follows; 255 stands before a byte that is itself.
 */
#ifndef PINPOOL_CODEC_SYMBOLS_H
#define PINPOOL_CODEC_SYMBOLS_H

#include "codec/bytes.h"

#include <stdint.h>

#define SYMBOL_BYTES   16
#define SYMBOLS_MAX    16384U
#define SYMBOLS_ESCAPE 255

struct symbols_header {
	uint32_t count; /* symbols, SYMBOLS_MAX at most */
	uint32_t singles; /* codes of one byte, SYMBOLS_ESCAPE at most */
	uint32_t text_bytes; /* SYMBOL_BYTES zeros follow */
	uint32_t reserved;
};

/* An open table. */
struct symbols {
	const uint32_t *entries; /* where in the text << 4 | bytes - 1 */
	const char *text;
	uint32_t count;
	uint32_t singles;
};

/* One of the texts that a table is made for. */
struct symbols_sample {
	const char *text;
	size_t bytes;
};

/*
 * Makes a table of up to @most symbols that suits @samples, which stand for @share times as many texts: a symbol is in
 * the table if it saves more than it takes there. Appends it to @table, a multiple of 8 bytes. Returns 0 or -ENOMEM.
 */
int symbols_train(const struct symbols_sample *samples, size_t count, uint32_t most, double share, struct bytes *table);

/* Checks a table, aligned to 4, and opens it in place. Returns 0 or -EBADMSG. */
int symbols_open(struct symbols *symbols, const void *table, size_t bytes);

/*
 * Appends the text of @codes to @text, or its beginning: at least @most bytes of it, if there are so many. Returns 0,
 * -ENOMEM, or -EBADMSG (no codes of this table).
 */
int symbols_decode(const struct symbols *symbols, const void *codes, size_t bytes, size_t most, struct bytes *text);

struct symbols_encoder;

/* @symbols must stay. Returns 0 or -ENOMEM. */
int symbols_encoder_new(struct symbols_encoder **out, const struct symbols *symbols);
void symbols_encoder_free(struct symbols_encoder *encoder);
/* Appends the shortest code of @text to @codes; texts of more than a few KiB are coded in pieces. Returns 0 or -ENOMEM.
 */
int symbols_encode(struct symbols_encoder *encoder, const void *text, size_t bytes, struct bytes *codes);

#endif
