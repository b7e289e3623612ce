/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Weights as f32 and back, by their bits alone: the processor's own conversions make a signalling NaN a quiet one, and
 * what comes back would not be what was there.
 */
#include "codec/weights.h"

#include <string.h>

const uint32_t weights_group_rows[WEIGHTS_GROUPS] = {0, 64, 8, 1};

const struct weights_block weights_blocks[WEIGHTS_BLOCKS] = {
	{1, 4}, {1, 8}, {1, 16}, {8, 1}, {8, 4}, {8, 8}, {8, 16},
};

bool weights_takes(enum pinpool_dtype dtype)
{
	return dtype == PINPOOL_DTYPE_F32 || dtype == PINPOOL_DTYPE_BF16 || dtype == PINPOOL_DTYPE_F16;
}

static uint32_t from_f16(uint16_t half)
{
	uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 0x3ff;
	float value;
	uint32_t bits;

	if (exponent == 31)
		return sign | 0x7f800000 | mantissa << 13;
	if (exponent)
		return sign | (exponent + 112) << 23 | mantissa << 13;
	/* Subnormal or zero: so many times 2^-24, which is exact. */
	value = (float)mantissa * 0x1p-24f;
	memcpy(&bits, &value, sizeof(bits));
	return sign | bits;
}

/* To the nearest, ties to even. */
static uint16_t to_f16(uint32_t bits)
{
	uint32_t sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff, half, lost, shift = 13;

	if (rest >= 0x7f800000)
		/* A NaN stays one, whatever is cut off of it. */
		return (uint16_t)(sign | 0x7c00 | (rest >> 13 & 0x3ff) |
				  (rest > 0x7f800000 && !(rest >> 13 & 0x3ff) ? 1 : 0));
	/* What rounds to a subnormal has its leading one made plain and is shifted further. */
	if (rest < 0x38800000) {
		shift = rest < 0x33000000 ? 31 : 126 - (rest >> 23);
		rest = (rest & 0x7fffff) | 0x800000;
		if (shift == 31)
			return (uint16_t)sign;
		half = rest >> shift;
	} else {
		half = (rest >> 13) - (112 << 10);
	}
	lost = rest & ((1u << shift) - 1);
	half += lost > 1u << (shift - 1) || (lost == 1u << (shift - 1) && (half & 1));
	return (uint16_t)(sign | (half > 0x7c00 ? 0x7c00 : half));
}

static uint16_t to_bf16(uint32_t bits)
{
	if ((bits & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(bits >> 16 | !(bits >> 16 & 0x7f));
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void weights_row(const struct weights *weights, uint64_t row, uint32_t *bits)
{
	const uint64_t k = weights->k;
	const unsigned char *at = (const unsigned char *)weights->data + row * k * weights_width(weights);
	uint16_t narrow;

	if (weights->dtype == PINPOOL_DTYPE_F32) {
		memcpy(bits, at, k * sizeof(*bits));
	} else if (weights->dtype == PINPOOL_DTYPE_BF16) {
		for (uint64_t i = 0; i < k; i++) {
			memcpy(&narrow, at + 2 * i, sizeof(narrow));
			bits[i] = (uint32_t)narrow << 16;
		}
	} else {
		for (uint64_t i = 0; i < k; i++) {
			memcpy(&narrow, at + 2 * i, sizeof(narrow));
			bits[i] = from_f16(narrow);
		}
	}
}

void weights_store(enum pinpool_dtype dtype, const uint32_t *bits, uint64_t count, void *out)
{
	unsigned char *to = out;
	uint16_t narrow;

	if (dtype == PINPOOL_DTYPE_F32) {
		memcpy(to, bits, count * sizeof(*bits));
		return;
	}
	for (uint64_t i = 0; i < count; i++) {
		narrow = dtype == PINPOOL_DTYPE_BF16 ? to_bf16(bits[i]) : to_f16(bits[i]);
		memcpy(to + 2 * i, &narrow, sizeof(narrow));
	}
}
