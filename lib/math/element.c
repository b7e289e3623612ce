/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The element types by their definitions. See element.h. */
#include "math/element.h"

#include <pinpool/math.h>

#include "math/convert.h"

const struct element_type elements[ELEMENT_COUNT] = {
	[ELEMENT_F32] = { PINPOOL_DTYPE_F32, 4, f32_load, f32_store },
	[ELEMENT_BF16] = { PINPOOL_DTYPE_BF16, 2, bf16_load, bf16_store },
	[ELEMENT_F16] = { PINPOOL_DTYPE_F16, 2, f16_load, f16_store },
	[ELEMENT_F8_E4M3] = { PINPOOL_DTYPE_F8_E4M3, 1, f8_e4m3_load, NULL },
	[ELEMENT_F8_E5M2] = { PINPOOL_DTYPE_F8_E5M2, 1, f8_e5m2_load, NULL },
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
