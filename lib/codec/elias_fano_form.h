/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * How a block begins: its form, in EF_FORM_BITS bits. Up to EF_LOW_MAX it is the number of low bits; then come those of
 * all numbers but the first, then the high part: for each number as many zeros as its high bits are above those of the
 * one before, and a one. In a bitmap, bit i is a one if the first number plus i + 1 is in the block.
 *
 * The index is a record for each block, its first number and its place, and then a guide: for each value of the topmost
 * bits of a first number, one value after another, how many blocks begin below it. There are at most as many as blocks.
 */
#ifndef PINPOOL_CODEC_ELIAS_FANO_FORM_H
#define PINPOOL_CODEC_ELIAS_FANO_FORM_H

#include "codec/elias_fano.h"

#define EF_FORM_BITS 7
#define EF_LOW_MAX   62
#define EF_RUN	     64
#define EF_BITMAP    65

/* Bits of a number of blocks. */
static inline unsigned int ef_guide_width(const struct ef *ef)
{
	return bits_width(ef_blocks(ef->count));
}

/* The topmost bits that the guide goes by. */
static inline unsigned int ef_guide_bits(const struct ef *ef)
{
	unsigned int width = ef_guide_width(ef);

	return !width ? 0 : width - 1 < ef->key_bits ? width - 1 : ef->key_bits;
}

/* Values of the topmost bits, 0 among them. */
static inline uint64_t ef_guide_count(const struct ef *ef)
{
	return ef->count ? (uint64_t)1 << ef_guide_bits(ef) : 0;
}

#endif
