/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * One value of a narrower type as f32, exactly: subnormals, infinities and NaN included. Sources may be misaligned.
 *
 * The fp8 types are those of the OCP 8-bit Floating Point Specification 1.0: E5M2 is the upper half of an f16; E4M3 has
 * no infinities, and its largest magnitude but for the NaN is 448.
 */
#ifndef PINPOOL_MATH_WIDEN_H
#define PINPOOL_MATH_WIDEN_H

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

static inline float f16_from_bits(uint32_t half)
{
	uint32_t sign, magnitude;

	sign = (half & 0x8000) << 16;
	magnitude = half & 0x7fff;
	if (magnitude >= 0x7c00)
		return f32_from_bits(sign | 0x7f800000 | magnitude << 13);
	if (magnitude >= 0x0400)
		return f32_from_bits(sign | (magnitude + ((127 - 15) << 10)) << 13);
	return sign ? -0x1p-24f * (float)magnitude : 0x1p-24f * (float)magnitude;
}

static inline float f16_load(const void *src)
{
	uint16_t half;

	memcpy(&half, src, sizeof(half));
	return f16_from_bits(half);
}

static inline float f8_e5m2_load(const void *src)
{
	return f16_from_bits((uint32_t) * (const unsigned char *)src << 8);
}

/* The exponent's bias is less by 8 than that of f16, whose lower bits the magnitude fills. */
#define F8_E4M3_SCALE 0x1p8f
#define F8_E4M3_NAN   0x7f

static inline float f8_e4m3_load(const void *src)
{
	uint32_t byte = *(const unsigned char *)src, magnitude = byte & 0x7f;

	if (magnitude == F8_E4M3_NAN)
		return f32_from_bits(byte << 24 | 0x7fc00000);
	return F8_E4M3_SCALE * f16_from_bits((byte & 0x80) << 8 | magnitude << 7);
}

#endif
