/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What to measure, as people write it: lists of words with commas between. */
#ifndef PINPOOL_TOOLS_BENCH_SHAPES_H
#define PINPOOL_TOOLS_BENCH_SHAPES_H

#include <pinpool/dtype.h>

struct bench_shape {
	uint64_t n;
	uint64_t k;
};

/* Most words of a list. */
#define BENCH_LIST_MAX 32

/*
 * Each takes the whole text, of 1 to BENCH_LIST_MAX words, into arrays of so many. Returns how many there are, or 0 if
 * the text is not what it should be.
 */

/* "4096x4096,11008x4096": N and K, each 1 to 2^32 - 1. */
unsigned int bench_shapes_parse(const char *text, struct bench_shape *shapes);
/* "1,4,16": each 1 to @max. */
unsigned int bench_numbers_parse(const char *text, uint64_t max, uint64_t *numbers);
/* "f32,q4_k": types that products take, in letters of either case. */
unsigned int bench_types_parse(const char *text, enum pinpool_dtype *types);
/* Which of @words, an array that ends with NULL, as bits. */
unsigned int bench_words_parse(const char *text, const char *const *words);

/* The name of a type in small letters. @buf has 16 bytes. Returns @buf. */
const char *bench_type_name(enum pinpool_dtype dtype, char *buf);

#endif
