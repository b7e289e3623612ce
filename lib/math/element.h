/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The element types that kernels read. All are types of weights; the first are of activations and results, too. */
#ifndef PINPOOL_MATH_ELEMENT_H
#define PINPOOL_MATH_ELEMENT_H

#include <pinpool/dtype.h>

enum element {
	ELEMENT_F32,
	ELEMENT_BF16,
	ELEMENT_F16,
	ELEMENT_ACTIVATIONS,
	ELEMENT_F8_E4M3 = ELEMENT_ACTIVATIONS,
	ELEMENT_F8_E5M2,
	ELEMENT_I8, /* times a scale for each row */
	ELEMENT_Q8_0,
	ELEMENT_Q4_0,
	ELEMENT_Q4_K,
	ELEMENT_Q6_K,
	ELEMENT_COUNT
};

/* Most values of a block of any type. */
#define ELEMENT_BLOCK_MAX 256

/* By its definition: widening is exact, narrowing goes to the nearest, ties to even. Addresses may be misaligned. */
struct element_type {
	enum pinpool_dtype dtype;
	size_t block; /* values that are stored as a whole: 1, or those of a block type */
	size_t size; /* bytes of them */
	size_t run; /* activations that share a scale where they meet codes, 0 for floats */
	void (*widen)(float *dst, const void *src); /* one block */
	void (*store)(void *dst, float value); /* of activations */
};

extern const struct element_type elements[ELEMENT_COUNT];

/* Bytes of @k values, whole blocks. */
static inline size_t element_bytes(const struct element_type *element, size_t k)
{
	return k / element->block * element->size;
}

/* ELEMENT_COUNT if there is none. */
enum element element_of(enum pinpool_dtype dtype);

#endif
