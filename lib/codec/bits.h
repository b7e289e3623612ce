/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Numbers of any width packed without gaps, lowest bit first: bit i of a range is bit i % 8 of its byte i / 8. Read
 * anywhere, written as a stream.
 */
#ifndef PINPOOL_CODEC_BITS_H
#define PINPOOL_CODEC_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error bits are read in words, and lie in the order of little-endian ones
#endif

/* bits_peek() reads whole words, from the byte that holds the first bit on. */
#define BITS_PEEK_BYTES 16

/* Bytes to read from; whoever made it has seen that they are there. */
struct bits {
	const uint8_t *bytes;
	uint64_t size; /* in bytes */
};

/* Bits that @value takes; 0 takes none. */
static inline unsigned int bits_width(uint64_t value)
{
	return value ? 64 - (unsigned int)__builtin_clzll(value) : 0;
}

/* @width at most 64. */
static inline uint64_t bits_mask(unsigned int width)
{
	return width ? ~(uint64_t)0 >> (64 - width) : 0;
}

static inline uint64_t bits_load(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* Ones of @word; without the instruction the compiler would call a function. */
static inline unsigned int bits_ones(uint64_t word)
{
#if defined(__POPCNT__) || !defined(__x86_64__)
	return (unsigned int)__builtin_popcountll(word);
#else
	word -= word >> 1 & 0x5555555555555555u;
	word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
	return ((word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u >> 56;
#endif
}

/* For callers that know that BITS_PEEK_BYTES from the first bit's byte on are there; @width at most 64. */
static inline uint64_t bits_peek(const uint8_t *bytes, uint64_t bit, unsigned int width)
{
	const uint8_t *from = bytes + bit / 8;
	unsigned int shift = bit % 8;

	/* Always both words, for a branch would be guessed wrong; two shifts, since one by 64 is none. */
	return (bits_load(from) >> shift | bits_load(from + 8) << 1 << (63 - shift)) & bits_mask(width);
}

/* True if bits_peek() may be used for all of the bits from @bit to before @end. */
static inline bool bits_have(const struct bits *bits, uint64_t bit, uint64_t end)
{
	return bit <= end && end / 8 <= bits->size && bits->size - end / 8 >= BITS_PEEK_BYTES;
}

/* False: not there. @width at most 64. */
bool bits_get(const struct bits *bits, uint64_t bit, unsigned int width, uint64_t *value);

/* Where the one number @rank (from 0) of @word is; there must be one. Without a branch, on all bytes at once. */
static inline unsigned int bits_select(uint64_t word, unsigned int rank)
{
	const uint64_t low = 0x0101010101010101u, high = low << 7;
	uint64_t sums, byte;
	unsigned int at;

	/* Ones up to and in each byte. */
	sums = word - (word >> 1 & 0x5555555555555555u);
	sums = (sums & 0x3333333333333333u) + (sums >> 2 & 0x3333333333333333u);
	sums = ((sums + (sums >> 4)) & 0x0f0f0f0f0f0f0f0fu) * low;
	/* Bytes up to which there are too few. At most 64 each, so no byte borrows from the next. */
	at = 8 * (unsigned int)(((~((sums | high) - (rank + 1) * low) & high) >> 7) * low >> 56);
	rank -= (unsigned int)(sums << 8 >> at) & 0xff;
	/* The same of the bits of that byte, each of which gets a byte. */
	byte = (((word >> at & 0xff) * low & 0x8040201008040201u) + ~high) >> 7 & low;
	sums = byte * low;
	return at + (unsigned int)(((~((sums | high) - (rank + 1) * low) & high) >> 7) * low >> 56);
}

/* Returns 0 or -errno. */
typedef int (*bits_append_fn)(void *arg, const void *bytes, size_t count);

/* Begin with append and arg alone set. An error of append stays, and nothing is appended any more. */
struct bits_writer {
	bits_append_fn append;
	void *arg;
	uint64_t bit; /* of the next number */
	int err;
	unsigned int held; /* bits of @word */
	uint64_t word;
	size_t used; /* bytes of @buffer */
	uint8_t buffer[4096];
};

/* Bits of @value above @width, at most 64, must be zero. */
void bits_put(struct bits_writer *writer, uint64_t value, unsigned int width);
/* On with zeros to the next multiple of @bytes, at most 64. */
void bits_align(struct bits_writer *writer, unsigned int bytes);
/* Hands out what is held, the last byte filled with zeros. Returns 0 or the first error. */
int bits_flush(struct bits_writer *writer);

#endif
