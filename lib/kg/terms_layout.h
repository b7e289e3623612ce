/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A dictionary's bytes, as docs/terms.md describes them: what the writer writes and the reader checks. All numbers are
 * little-endian.
 *
 * The terms of a column are in groups of BLOCKS_PER_GROUP blocks of 2^block_bits terms each; the last may have fewer. A
 *group of a column of values is the list of its numbers (codec/ascending.h). One of a column of texts begins with a
 *byte that says what it is:
 *
 * GROUP_COMPACT, GROUP_WIDE
 *	A byte w of 1, 2, 4 or 8; for each block but the first where it begins, w bytes, counted from the first block;
 *blocks. A term is what it has in common with another, and a tail: the first of a block with the first of the group,
 *others with the one before, the first of all with nothing. In a wide group the numbers of common bytes and of the
 *tail's bytes are two varints. In a compact one they are a byte, 4 bits each: upper ones how many bytes of the other
 *end where this one departs from it, lower ones the tail's bytes; 15 is 15 and a varint that follows, the upper one's
 *first. If the column has symbols, the tail is codes of them.
 *
 * GROUP_NUMBERS
 *	All texts begin alike and end with up to 18 digits: a varint, that many bytes they begin with; a byte, the most
 *digits d; a byte, the bits b of a length; the list of the digits as numbers, filled up with zeros on the right to d;
 *how many digits are such filling, b bits each.
 */
#ifndef PINPOOL_KG_TERMS_LAYOUT_H
#define PINPOOL_KG_TERMS_LAYOUT_H

#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "dictionaries are read in place: this needs a little-endian host"
#endif

#define TERMS_MAGIC   "PINPTRM\n"
#define TERMS_VERSION 1

#define BLOCKS_PER_GROUP 16U
/* Names are short and much like their neighbours, texts are neither. */
#define NAME_BLOCK_BITS	 4U
#define TEXT_BLOCK_BITS	 3U
#define VALUE_BLOCK_BITS 4U
#define BLOCK_BITS_MAX	 4U
#define GROUP_TERMS_MAX	 (BLOCKS_PER_GROUP << BLOCK_BITS_MAX)

enum group_form {
	GROUP_COMPACT,
	GROUP_WIDE,
	GROUP_NUMBERS,
};

#define GROUP_DIGITS_MAX 18U
#define COMPACT_MORE	 15U

/* At the start of TERMS_COLUMNS; entries follow. */
struct terms_header {
	char magic[8];
	uint32_t version;
	uint32_t columns;
	uint64_t terms;
	uint64_t groups; /* TERMS_GROUPS has one entry more: where the last one ends */
};

/* In strict order of @column; terms and groups of one are right behind those of the one before. */
struct terms_column_entry {
	uint32_t column; /* first byte of its keys */
	uint32_t block_bits;
	uint64_t count;
	uint64_t symbols; /* offset of the table in TERMS_SYMBOLS, a multiple of 8 */
	uint64_t symbols_bytes; /* 0: tails are as they are */
};

_Static_assert(sizeof(struct terms_header) == 32, "layout of dictionaries");
_Static_assert(sizeof(struct terms_column_entry) == 32, "layout of dictionaries");

#endif
