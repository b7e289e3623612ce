/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* One bf16 or f16 value as f32, exactly: subnormals, infinities and NaN included. Sources may be misaligned. */
#ifndef PINPOOL_MATH_HALF_H
#define PINPOOL_MATH_HALF_H

#include <stdint.h>
#include <string.h>

static inline float f32_load(const void *src)
{
	float value;

	memcpy(&value, src, sizeof(value));
	return value;
}

static inline float f32_from_bits(uint32_t bits)
{
	return f32_load(&bits);
}

static inline float bf16_load(const void *src)
{
	uint16_t half;

	memcpy(&half, src, sizeof(half));
	return f32_from_bits((uint32_t)half << 16);
}

static inline float f16_load(const void *src)
{
	uint32_t sign, magnitude;
	uint16_t half;

	memcpy(&half, src, sizeof(half));
	sign = (uint32_t)(half & 0x8000) << 16;
	magnitude = half & 0x7fff;
	if (magnitude >= 0x7c00)
		return f32_from_bits(sign | 0x7f800000 | magnitude << 13);
	if (magnitude >= 0x0400)
		return f32_from_bits(sign | (magnitude + ((127 - 15) << 10)) << 13);
	return sign ? -0x1p-24f * (float)magnitude : 0x1p-24f * (float)magnitude;
}

#endif
