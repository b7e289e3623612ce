/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The element types by their definitions. See element.h. */
#include "math/element.h"

#include <errno.h>
#include <pinpool/math.h>

#include "math/block.h"
#include "math/convert.h"

#define WIDEN_ONE(type)                                         \
	static void type##_widen(float *dst, const void *src)   \
	{                                                       \
		*dst = type##_load(src);                        \
	}

WIDEN_ONE(f32)
WIDEN_ONE(bf16)
WIDEN_ONE(f16)
WIDEN_ONE(f8_e4m3)
WIDEN_ONE(f8_e5m2)
WIDEN_ONE(i8)

const struct element_type elements[ELEMENT_COUNT] = {
	[ELEMENT_F32] = { PINPOOL_DTYPE_F32, 1, 4, 0, f32_widen, f32_store },
	[ELEMENT_BF16] = { PINPOOL_DTYPE_BF16, 1, 2, 0, bf16_widen, bf16_store },
	[ELEMENT_F16] = { PINPOOL_DTYPE_F16, 1, 2, 0, f16_widen, f16_store },
	[ELEMENT_F8_E4M3] = { PINPOOL_DTYPE_F8_E4M3, 1, 1, 0, f8_e4m3_widen, NULL },
	[ELEMENT_F8_E5M2] = { PINPOOL_DTYPE_F8_E5M2, 1, 1, 0, f8_e5m2_widen, NULL },
	[ELEMENT_I8] = { PINPOOL_DTYPE_I8, 1, 1, 256, i8_widen, NULL },
	[ELEMENT_Q8_0] = { PINPOOL_DTYPE_Q8_0, 32, 34, 32, q8_0_widen, NULL },
	[ELEMENT_Q4_0] = { PINPOOL_DTYPE_Q4_0, 32, 18, 32, q4_0_widen, NULL },
	[ELEMENT_Q4_K] = { PINPOOL_DTYPE_Q4_K, 256, 144, 256, q4_k_widen, NULL },
	[ELEMENT_Q6_K] = { PINPOOL_DTYPE_Q6_K, 256, 210, 256, q6_k_widen, NULL },
};

enum element element_of(enum pinpool_dtype dtype)
{
	enum element element = 0;

	while (element < ELEMENT_COUNT && elements[element].dtype != dtype)
		element++;
	return element;
}

bool pinpool_matmul_takes(enum pinpool_dtype dtype)
{
	return element_of(dtype) < ELEMENT_COUNT;
}

uint64_t pinpool_matmul_run(enum pinpool_dtype dtype)
{
	enum element element = element_of(dtype);

	return element < ELEMENT_COUNT ? elements[element].run : 0;
}

int pinpool_matmul_weights(enum pinpool_dtype dtype, const void *row, float *values, uint64_t k)
{
	const unsigned char *src = row;
	enum element element = element_of(dtype);

	if (element == ELEMENT_COUNT)
		return -EOPNOTSUPP;
	if (!row || !values || k % elements[element].block)
		return -EINVAL;
	for (; k; k -= elements[element].block) {
		elements[element].widen(values, src);
		values += elements[element].block;
		src += elements[element].size;
	}
	return 0;
}
