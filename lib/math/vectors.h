/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Vectors of the integer kernels, of one size for every instruction set. */
#ifndef PINPOOL_MATH_VECTORS_H
#define PINPOOL_MATH_VECTORS_H

#include <stdint.h>
#include <string.h>

/* Codes of weights, or of activations, which are signed. */
typedef uint8_t codes16 __attribute__((vector_size(16)));
typedef uint8_t codes32 __attribute__((vector_size(32)));
typedef uint16_t words16 __attribute__((vector_size(32)));
typedef uint64_t words2 __attribute__((vector_size(16)));
typedef int8_t signed8 __attribute__((vector_size(8)));
typedef int16_t weights16 __attribute__((vector_size(32)));
typedef int32_t sums8 __attribute__((vector_size(32)));
typedef float floats8 __attribute__((vector_size(32)));

/* From any address. */
static inline codes16 codes16_load(const void *src)
{
	codes16 codes;

	memcpy(&codes, src, sizeof(codes));
	return codes;
}

static inline codes32 codes32_load(const void *src)
{
	codes32 codes;

	memcpy(&codes, src, sizeof(codes));
	return codes;
}

static inline sums8 sums8_load(const void *src)
{
	sums8 sums;

	memcpy(&sums, src, sizeof(sums));
	return sums;
}

static inline floats8 floats8_load(const void *src)
{
	floats8 values;

	memcpy(&values, src, sizeof(values));
	return values;
}

/* 32 sums, of 4 vectors, as signed bytes, into which they fit. */
static inline codes32 sums8_bytes(const sums8 *sums)
{
	signed8 bytes[4];
	codes32 codes;

	for (int i = 0; i < 4; i++)
		bytes[i] = __builtin_convertvector(sums[i], signed8);
	memcpy(&codes, bytes, sizeof(codes));
	return codes;
}

/*
 * Which of the first of four lanes goes to each of four, of which those with a bit of a mask get one, in order; 4 to those
 * that get none.
 */
static const int32_t expand_four[16][4] = {
	{ 4, 4, 4, 4 }, { 0, 4, 4, 4 }, { 4, 0, 4, 4 }, { 0, 1, 4, 4 }, { 4, 4, 0, 4 }, { 0, 4, 1, 4 },
	{ 4, 0, 1, 4 }, { 0, 1, 2, 4 }, { 4, 4, 4, 0 }, { 0, 4, 4, 1 }, { 4, 0, 4, 1 }, { 0, 1, 4, 2 },
	{ 4, 4, 0, 1 }, { 0, 4, 1, 2 }, { 4, 0, 1, 2 }, { 0, 1, 2, 3 },
};

#endif
