/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The types of weights by their definitions. See weight.h. */
#include "math/weight.h"

#include <pinpool/math.h>

#include "math/widen.h"

const struct weight_type weight_types[WEIGHT_COUNT] = {
	[WEIGHT_F32] = { PINPOOL_DTYPE_F32, 4, f32_load },
	[WEIGHT_BF16] = { PINPOOL_DTYPE_BF16, 2, bf16_load },
	[WEIGHT_F16] = { PINPOOL_DTYPE_F16, 2, f16_load },
	[WEIGHT_F8_E4M3] = { PINPOOL_DTYPE_F8_E4M3, 1, f8_e4m3_load },
	[WEIGHT_F8_E5M2] = { PINPOOL_DTYPE_F8_E5M2, 1, f8_e5m2_load },
};

enum weight weight_of(enum pinpool_dtype dtype)
{
	enum weight weight = 0;

	while (weight < WEIGHT_COUNT && weight_types[weight].dtype != dtype)
		weight++;
	return weight;
}

bool pinpool_matmul_takes(enum pinpool_dtype dtype)
{
	return weight_of(dtype) < WEIGHT_COUNT;
}
