/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * One value of a narrower type as f32, exactly: subnormals, infinities and NaN included. And back: to the nearest, ties
 * to even, a NaN quiet and with the upper bits of its payload, as processors do it. In the default rounding mode.
 * Addresses may be misaligned.
 *
 * The fp8 types are those of the OCP 8-bit Floating Point Specification 1.0: E5M2 is the upper half of an f16; E4M3 has
 * no infinities, and its largest magnitude but for the NaN is 448.
 */
#ifndef PINPOOL_MATH_CONVERT_H
#define PINPOOL_MATH_CONVERT_H

#include <stdint.h>
#include <string.h>

static inline float f32_load(const void *src)
{
	float value;

	memcpy(&value, src, sizeof(value));
	return value;
}

static inline void f32_store(void *dst, float value)
{
	memcpy(dst, &value, sizeof(value));
}

static inline float f32_from_bits(uint32_t bits)
{
	return f32_load(&bits);
}

static inline uint32_t f32_to_bits(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
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

static inline void bf16_store(void *dst, float value)
{
	uint32_t bits = f32_to_bits(value);
	uint16_t half;

	if ((bits & 0x7fffffff) > 0x7f800000)
		half = (uint16_t)(bits >> 16 | 0x40);
	else
		half = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
	memcpy(dst, &half, sizeof(half));
}

static inline void f16_store(void *dst, float value)
{
	uint32_t bits = f32_to_bits(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff, rounded;
	uint16_t half;

	if (magnitude > 0x7f800000)
		rounded = 0x7e00 | (magnitude >> 13 & 0x03ff);
	else if (magnitude >= 0x477ff000) /* half a step above the largest, 65504 */
		rounded = 0x7c00;
	else if (magnitude >= 0x38800000)
		rounded = (magnitude + 0xfff + (magnitude >> 13 & 1) - ((127u - 15) << 23)) >> 13;
	else /* subnormal: in the sum a step is the least of f16 */
		rounded = f32_to_bits(f32_from_bits(magnitude) + 0.5f) - f32_to_bits(0.5f);
	half = (uint16_t)(sign | rounded);
	memcpy(dst, &half, sizeof(half));
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

static inline float i8_load(const void *src)
{
	return *(const int8_t *)src;
}

#endif
