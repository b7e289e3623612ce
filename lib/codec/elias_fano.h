/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Sequences of numbers that never decrease, each number anywhere in reach: by its place, or as the first that is not
 * below another. Blocks of EF_BLOCK numbers lie in a stream of bits, which many sequences and other things may share;
 * an index has for each block its first number and where the block begins.
 *
 * A block has one of three forms, whatever is shortest: nothing (each number is one more than the one before), a
 * bitmap, or Elias-Fano: the low bits of each number as they are, of the high bits for each value how many numbers have
 * it, in unary. All of it counts from the block's first number, so a block is as short as its numbers are close
 * together.
 *
 * Readers trust nothing: what would lead out of the bits is -EBADMSG.
 */
#ifndef PINPOOL_CODEC_ELIAS_FANO_H
#define PINPOOL_CODEC_ELIAS_FANO_H

#include "codec/bits.h"

#define EF_BLOCK     128
/* Numbers are below it. */
#define EF_LIMIT     ((uint64_t)1 << 63)
/* Bits of the part of a block that is in unary or a bitmap, at most. */
#define EF_HIGH_BITS 512
/* Zeros that whoever made the stream leaves behind the last block and index in it: reads are of whole words. */
#define EF_PAD_BYTES (EF_HIGH_BITS / 8 + BITS_PEEK_BYTES)

/* Where a sequence is. */
struct ef {
	struct bits bits;
	uint64_t count;
	uint64_t index_bit;
	uint8_t key_bits; /* of a first number in the index */
	uint8_t place_bits; /* of a place in the index */
};

/* Numbers from some place on. May be copied. */
struct ef_cursor {
	struct ef ef;
	uint64_t block; /* that is open, and its first number */
	uint64_t base;
	uint64_t low_bit;
	uint64_t high_bit;
	uint64_t word; /* ones that are still to come of a word of the high part */
	uint32_t word_at; /* its first bit */
	uint8_t in_block; /* the next one's place in the block */
	uint8_t in_all;
	uint8_t form;
};

static inline uint64_t ef_blocks(uint64_t count)
{
	return count / EF_BLOCK + !!(count % EF_BLOCK);
}

/* The next one's place; the count if there is none. */
static inline uint64_t ef_at(const struct ef_cursor *cursor)
{
	return cursor->block * EF_BLOCK + cursor->in_block;
}

/* Whether the index is within the bits. The functions below want it so, and look at no number of it otherwise. */
bool ef_is_sound(const struct ef *ef);

/* Bits of the index. */
uint64_t ef_index_bits(const struct ef *ef);

/* Number @at. Returns 0, -EBADMSG, -ERANGE (there are fewer). */
int ef_get(const struct ef *ef, uint64_t at, uint64_t *key);

/* To number @at, which may be the count: then there is none. @ef may be the cursor's. Returns 0, -EBADMSG, -ERANGE. */
int ef_seek(struct ef_cursor *cursor, const struct ef *ef, uint64_t at);
/* To the first number that is @key or more, or behind the last. @ef may be the cursor's. Returns 0 or -EBADMSG. */
int ef_find(struct ef_cursor *cursor, const struct ef *ef, uint64_t key);
/* The same from where the cursor is; nothing that has been read may be @key or more. Returns 0 or -EBADMSG. */
int ef_skip(struct ef_cursor *cursor, uint64_t key);
/* Returns 1 (@key is the next one), 0 (no more) or -EBADMSG. */
int ef_next(struct ef_cursor *cursor, uint64_t *key);
/*
 * Up to @max more that are below @end, each less @base. Returns how many, fewer than @max only if the next is not below
 * @end or there is none; -EBADMSG.
 */
int64_t ef_read(struct ef_cursor *cursor, uint64_t base, uint64_t end, uint64_t *keys, size_t max);

/* A sequence in the making. Zeroed to begin with; many may put their blocks into the same stream by turns. */
struct ef_writer {
	uint64_t count;
	uint64_t last;
	uint64_t *index; /* of each block the first number, then the place */
	uint64_t room; /* blocks that @index has room for */
	uint64_t keys[EF_BLOCK];
};

/* Returns 0, -EINVAL (below the one before, or not below EF_LIMIT), -ENOMEM. Errors of @bits are found in it. */
int ef_put(struct ef_writer *writer, struct bits_writer *bits, uint64_t key);
/* The last block, if it is not full. Returns 0 or -ENOMEM. */
int ef_end(struct ef_writer *writer, struct bits_writer *bits);
/* After ef_end(): the index, and all of @ef but its bits. Bits and index want EF_PAD_BYTES behind them. */
void ef_put_index(const struct ef_writer *writer, struct bits_writer *bits, struct ef *ef);
void ef_writer_free(struct ef_writer *writer);

#endif
