/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The types of weights that there are kernels for: each has one in every table of kernel.h. */
#ifndef PINPOOL_MATH_WEIGHT_H
#define PINPOOL_MATH_WEIGHT_H

#include <pinpool/dtype.h>

enum weight { WEIGHT_F32, WEIGHT_BF16, WEIGHT_F16, WEIGHT_F8_E4M3, WEIGHT_F8_E5M2, WEIGHT_COUNT };

struct weight_type {
	enum pinpool_dtype dtype;
	size_t size; /* bytes of one */
	float (*load)(const void *src); /* any alignment; exact */
};

extern const struct weight_type weight_types[WEIGHT_COUNT];

/* WEIGHT_COUNT if there is none. */
enum weight weight_of(enum pinpool_dtype dtype);

#endif
