/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Vectors of the integer kernels, of one size for every instruction set. */
#ifndef PINPOOL_MATH_VECTORS_H
#define PINPOOL_MATH_VECTORS_H

#include <stdint.h>

/* Codes of weights, or of activations, which are signed. */
typedef uint8_t codes16 __attribute__((vector_size(16)));
typedef uint8_t codes32 __attribute__((vector_size(32)));
typedef uint16_t words16 __attribute__((vector_size(32)));
typedef uint64_t words2 __attribute__((vector_size(16)));
typedef int8_t signed8 __attribute__((vector_size(8)));
typedef int16_t weights16 __attribute__((vector_size(32)));
typedef int32_t sums8 __attribute__((vector_size(32)));
typedef float floats8 __attribute__((vector_size(32)));

#endif
