/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Panels of f32 and of types that become f32, and their products. A part of kernel_template.h. Panels of W hold, for
 * each k, NR values:
 *
 *   f32, and other types widened for use at once    NR floats for each k
 *   f16, fp8    NR of the type's values for each k
 *   bf16        for each two k, NR pairs: the first k's value is the lower half of a word of 32 bits
 *
 * so that a load and at most two operations make a vector of f32 of each. Values keep their bits.
 */

#define TILE_ALONE 2
#define TILE_FMA(x, w, sum) v_fma(x, w, sum)
#include "math/kernel_tile.h"

INLINE vec words_of_f32(const float *row, size_t count)
{
	return count == VL ? v_load(row) : v_load_part(row, count);
}

static void NAME(pack_x)(void *panel, const float *x, size_t ldx, size_t rows, size_t height, size_t k)
{
	pack_x_words(panel, x, ldx, rows, height, k, 1, words_of_f32);
}

INLINE void pack_widened(float *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k, size_t size,
			vec (*load)(const void *), vec (*load_part)(const void *, size_t))
{
	for (size_t v = 0; v < NV; v++) {
		size_t first = v * VL;
		size_t have = rows > first ? rows - first : 0;

		for (size_t p = 0; p < k; p += VL) {
			size_t left = k - p < VL ? k - p : VL;
			float *out = dst + p * NR + first;
			vec r[VL];

			UNROLL
			for (size_t i = 0; i < VL; i++) {
				const unsigned char *src = w + (first + i) * ldw + p * size;

				r[i] = i >= have ? v_zero() : left == VL ? load(src) : load_part(src, left);
			}
			v_transpose(r);
			for (size_t i = 0; i < left; i++)
				v_store(out + i * NR, r[i]);
		}
	}
}

/* Words of 32 bits, whatever they hold, of VL rows: r[i] receives word i of each row. At most @bytes of a row are read. */
INLINE void words_of_rows(vec r[VL], const unsigned char *w, size_t ldw, size_t rows, size_t bytes)
{
	UNROLL
	for (size_t i = 0; i < VL; i++) {
		const unsigned char *src = w + i * ldw;
		float part[VL] = { 0 };

		if (i >= rows) {
			r[i] = v_zero();
		} else if (bytes >= sizeof(part)) {
			r[i] = v_load(src);
		} else {
			memcpy(part, src, bytes);
			r[i] = v_load(part);
		}
	}
	v_transpose(r);
}

/* Puts a word of VL rows, which starts at k, where it belongs. */
typedef void (*place_fn)(unsigned char *dst, size_t k, size_t first, vec word);

INLINE void pack_words(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k, size_t size,
		       place_fn place)
{
	size_t in_word = sizeof(float) / size;

	for (size_t first = 0; first < NR; first += VL) {
		for (size_t p = 0; p < k; p += VL * in_word) {
			size_t left = k - p < VL * in_word ? k - p : VL * in_word;
			vec r[VL];

			words_of_rows(r, w + first * ldw + p * size, ldw, rows > first ? rows - first : 0, left * size);
			for (size_t i = 0; i * in_word < left; i++)
				place(dst, p + i * in_word, first, r[i]);
		}
	}
}

INLINE void place_bf16(unsigned char *dst, size_t k, size_t first, vec word)
{
	v_store(dst + (k / 2 * NR + first) * sizeof(float), word);
}

INLINE void place_f16(unsigned char *dst, size_t k, size_t first, vec word)
{
	v_store_halves(dst + (k * NR + first) * 2, word, 0);
	v_store_halves(dst + ((k + 1) * NR + first) * 2, word, 16);
}

INLINE void place_f8(unsigned char *dst, size_t k, size_t first, vec word)
{
	UNROLL
	for (size_t i = 0; i < 4; i++)
		v_store_bytes(dst + (k + i) * NR + first, word, 8 * (int)i);
}

#define UNIT_OF(type, size)                                                     \
	INLINE void unit_##type(vec b[NV], const unsigned char *w, size_t at)   \
	{                                                                       \
		UNROLL                                                          \
		for (size_t v = 0; v < NV; v++)                                 \
			b[v] = v_load_##type(w + (at * NR + v * VL) * (size));  \
	}

UNIT_OF(f32, 4)
UNIT_OF(f16, 2)
UNIT_OF(f8_e4m3, 1)
UNIT_OF(f8_e5m2, 1)

INLINE void unit_bf16(vec b[NV], const unsigned char *w, size_t at)
{
	UNROLL
	for (size_t v = 0; v < NV; v++)
		b[v] = at ? v_load_upper(w + v * VL * sizeof(float)) : v_load_lower(w + v * VL * sizeof(float));
}

TILE_OF(f32, 1, UNIT_BYTES)
TILE_OF(bf16, 2, UNIT_BYTES)
TILE_OF(f16, 2, UNIT_BYTES)
TILE_OF(f8_e4m3, 4, UNIT_BYTES)
TILE_OF(f8_e5m2, 4, UNIT_BYTES)

static void NAME(pack_f32)(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k)
{
	pack_widened((float *)dst, w, ldw, rows, k, 4, v_load, v_load_part);
}

#define PACK_OF(type, size, place)                                                                                      \
	static void NAME(pack_##type)(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows, size_t k)    \
	{                                                                                                               \
		pack_words(dst, w, ldw, rows, k, size, place);                                                          \
	}                                                                                                               \
	static void NAME(widen_panel_##type)(unsigned char *dst, const unsigned char *w, size_t ldw, size_t rows,       \
					     size_t k)                                                                  \
	{                                                                                                               \
		pack_widened((float *)dst, w, ldw, rows, k, size, v_load_##type, v_load_##type##_part);                 \
	}

/* Of a panel that keeps the type: so many values in a unit. */
#define UNPACK_OF(type, values)                                                                         \
	static void NAME(unpack_##type)(unsigned char *dst, const unsigned char *panel, size_t k)      \
	{                                                                                               \
		for (size_t p = 0; p < k; p++, dst += NR * sizeof(float)) {                             \
			vec b[NV];                                                                      \
                                                                                                        \
			unit_##type(b, panel + p / (values) * UNIT_BYTES, p % (values));                \
			UNROLL                                                                          \
			for (size_t v = 0; v < NV; v++)                                                 \
				v_store((float *)dst + v * VL, b[v]);                                   \
		}                                                                                       \
	}

UNPACK_OF(f16, 2)
UNPACK_OF(f8_e4m3, 4)
UNPACK_OF(f8_e5m2, 4)

PACK_OF(bf16, 2, place_bf16)
PACK_OF(f16, 2, place_f16)
PACK_OF(f8_e4m3, 1, place_f8)
PACK_OF(f8_e5m2, 1, place_f8)

/* Heights of panels with a kernel, for each number of rows. */
static const uint8_t NAME(heights)[] = { 0, 1, 2, 3, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14 };

#define FLOAT_PANELS(rows, values_, pack, unpack_, tile_)                                                       \
	{                                                                                                       \
		.mr = rows, .nr = NR, .values = (values_), .bytes = UNIT_BYTES, .x_bytes = sizeof(float),       \
		.heights = NAME(heights), .pack_x = NAME(pack_x), .pack_w = NAME(pack), .tile = NAME(tile_),    \
		unpack_                                                                                         \
	}
#define PACKED(type, rows, values)	 FLOAT_PANELS(rows, values, pack_##type, .unpack = NULL, tile_##type)
#define WIDENED(type)			 FLOAT_PANELS(MR, 1, widen_panel_##type, .unpack = NULL, tile_f32)
/* The more it takes to widen a value, the fewer panels of X are enough. */
#define UNPACKABLE(type, values, panels) \
	FLOAT_PANELS(MR, values, pack_##type, UNPACKED(type, panels), tile_##type)
#define UNPACKED(type, panels) .unpack = NAME(unpack_##type), .unpack_m = (panels) * MR
