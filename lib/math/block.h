/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The block types of GGUF, one block as f32. What the bytes mean stands in <pinpool/dtype.h>. */
#ifndef PINPOOL_MATH_BLOCK_H
#define PINPOOL_MATH_BLOCK_H

#include "math/convert.h"

/* Values that share one scale and one minimum, or two halves of such, in every block type. */
#define GROUP 32

#define Q8_0_CODES  2
#define Q4_0_CODES  2
#define Q4_K_SCALES 4
#define Q4_K_CODES  16
#define Q6_K_HIGH   128
#define Q6_K_SCALES 192
#define Q6_K_D	    208

/* The codes of the scale and the minimum of a group of Q4_K. */
static inline void q4_k_codes(const unsigned char *block, size_t group, uint8_t *scale, uint8_t *minimum)
{
	const unsigned char *s = block + Q4_K_SCALES;

	if (group < 4) {
		*scale = s[group] & 63;
		*minimum = s[group + 4] & 63;
	} else {
		*scale = (uint8_t)((s[group + 4] & 15u) | (s[group - 4] & 0xc0u) >> 2);
		*minimum = (uint8_t)(s[group + 4] >> 4 | (s[group] & 0xc0u) >> 2);
	}
}

/* Those of all groups, a byte each, the first one lowest. */
static inline void q4_k_all_codes(const unsigned char *block, uint64_t *scales, uint64_t *minima)
{
	uint32_t in[3];

	memcpy(in, block + Q4_K_SCALES, sizeof(in));
	*scales = (in[0] & 0x3f3f3f3f) | (uint64_t)((in[2] & 0x0f0f0f0f) | (in[0] & 0xc0c0c0c0) >> 2) << 32;
	*minima = (in[1] & 0x3f3f3f3f) | (uint64_t)((in[2] >> 4 & 0x0f0f0f0f) | (in[1] & 0xc0c0c0c0) >> 2) << 32;
}

static inline void q4_k_scales(const unsigned char *block, size_t group, float *scale, float *minimum)
{
	uint8_t scale_code, minimum_code;

	q4_k_codes(block, group, &scale_code, &minimum_code);
	*scale = f16_load(block) * (float)scale_code;
	*minimum = f16_load(block + 2) * (float)minimum_code;
}

static inline float q6_k_scale(const unsigned char *block, size_t value)
{
	return f16_load(block + Q6_K_D) * (float)(int8_t)block[Q6_K_SCALES + value / 16];
}

static inline void q8_0_widen(float *dst, const void *src)
{
	const unsigned char *block = src;

	for (size_t i = 0; i < GROUP; i++)
		dst[i] = f16_load(block) * (float)(int8_t)block[Q8_0_CODES + i];
}

static inline void q4_0_widen(float *dst, const void *src)
{
	const unsigned char *block = src;

	for (size_t i = 0; i < GROUP; i++) {
		uint32_t pair = block[Q4_0_CODES + i % 16];

		dst[i] = f16_load(block) * (float)((int)(i < 16 ? pair & 15 : pair >> 4) - 8);
	}
}

static inline void q4_k_widen(float *dst, const void *src)
{
	const unsigned char *block = src;

	for (size_t i = 0; i < 8 * GROUP; i++) {
		size_t group = i / GROUP;
		uint32_t pair = block[Q4_K_CODES + group / 2 * GROUP + i % GROUP];
		float scale, minimum;

		q4_k_scales(block, group, &scale, &minimum);
		dst[i] = scale * (float)(group % 2 ? pair >> 4 : pair & 15) - minimum;
	}
}

static inline void q6_k_widen(float *dst, const void *src)
{
	const unsigned char *block = src;

	for (size_t i = 0; i < 8 * GROUP; i++) {
		size_t half = i / 128, group = i / GROUP % 4, at = i % GROUP;
		uint32_t pair = block[half * 64 + group % 2 * GROUP + at];
		uint32_t high = block[Q6_K_HIGH + half * GROUP + at] >> (2 * group) & 3;

		dst[i] = q6_k_scale(block, i) * (float)((int)((group < 2 ? pair & 15 : pair >> 4) | high << 4) - 32);
	}
}

#endif
