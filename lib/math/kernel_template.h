/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The kernels of kernel.h written once over a vector type. A kernel_*.c file defines the vector, includes this file
 * once and so makes one table. It defines before:
 *
 *   NAME(op)            op with the instruction set's name appended
 *   KERNELS_ISA         enum pinpool_isa
 *   VL, vec             lanes of a vector of f32, a power of two
 *   REGISTERS           vectors that there are registers for
 *   MR, NV              rows of a tile and vectors in one of its rows; MR at most 14
 *   MR_BF16             rows of one with packed bf16, whose two operations want registers as well
 *   UNPACK_F16          panels of X from which on packed f16 is better widened first
 *   TILE_PANELS(m)      panels of W that a tile reads side by side for m rows of X, at most 4
 *   QUANT_ROWS, QUANT_PANELS(m), I8_PANELS(m), Q8_0_PANELS(m)    the same where codes meet: rows, at most 12, and panels
 *   DOT_ROWS(m)         rows of W that dot() reads side by side for m rows of X, at most 4
 *   STREAM_M            rows of X up to which W is better read as it lies than brought into panels, at most DOT_MOST
 *   v_zero v_set1 v_add v_mul v_fma(a, b, c) = a * b + c, v_sum (any fixed order)
 *   v_load v_store      VL floats at any address
 *   v_stream, v_stream_end    v_store past the caches, at a multiple of a vector's size; puts them before later stores
 *   v_load_part v_store_part    the first n lanes, n < VL; other lanes read as zero and memory past n is untouched
 *   v_load_TYPE v_load_TYPE_part    the same for every type of element.h whose elements stand alone, but for i8
 *   v_store_TYPE v_store_TYPE_part    the same for those of activations
 *   v_load_lower v_load_upper    the lower and the upper halves of VL words of 32 bits, as bf16
 *   v_store_halves v_store_bytes(dst, v, n)    the 16 or 8 bits from bit n on of each word, n a constant
 *   v_transpose(vec r[VL])
 *   what kernel_decode.h, kernel_integer.h, kernel_codebook.h and kernel_panel.h ask for
 *
 * A sum of VL or fewer products of padding is exactly zero because both factors of a padded lane are zero, so padding
 * along k cannot make a NaN of an infinity. Padded columns of a tile may hold anything: they are not stored.
 */
#include "math/kernel_common.h"

/* Values of k for which its rows stay in the first cache while they meet many rows of X; a multiple of VL. */
#define DOT_STRETCH 512

#define CONVERSIONS_OF(type, size)                                                                              \
	static void NAME(widen_##type)(float *dst, const void *src, size_t n)                                   \
	{                                                                                                       \
		const unsigned char *from = src;                                                                \
		size_t i = 0;                                                                                   \
                                                                                                                \
		for (; i + VL <= n; i += VL)                                                                    \
			v_store(dst + i, v_load_##type(from + i * (size)));                                     \
		if (i < n)                                                                                      \
			v_store_part(dst + i, v_load_##type##_part(from + i * (size), n - i), n - i);           \
	}                                                                                                       \
	static void NAME(narrow_##type)(void *dst, const float *src, const float *bias, size_t n)               \
	{                                                                                                       \
		unsigned char *to = dst;                                                                        \
		size_t i = 0;                                                                                   \
                                                                                                                \
		for (; i + VL <= n; i += VL) {                                                                  \
			vec v = v_load(src + i);                                                                \
                                                                                                                \
			v_store_##type(to + i * (size), bias ? v_add(v, v_load(bias + i)) : v);                 \
		}                                                                                               \
		if (i < n) {                                                                                    \
			vec v = v_load_part(src + i, n - i);                                                    \
                                                                                                                \
			v_store_##type##_part(to + i * (size), bias ? v_add(v, v_load_part(bias + i, n - i)) : v, \
					      n - i);                                                           \
		}                                                                                               \
	}

CONVERSIONS_OF(f32, 4)
CONVERSIONS_OF(bf16, 2)
CONVERSIONS_OF(f16, 2)

#include "math/kernel_stream.h"
#include "math/kernel_float.h"
#include "math/kernel_decode.h"
#include "math/kernel_coded.h"
#include "math/kernel_integer.h"
#include "math/kernel_sparse.h"
#include "math/kernel_codebook.h"
#include "math/kernel_panel.h"
#include "math/kernel_pack.h"

#if CODEBOOK_PANELS
#define TABLE_CODEBOOK .codebook = CODEBOOK, .pack_codebook = NAME(pack_codebook),
#else
#define TABLE_CODEBOOK
#endif
#if EXPONENTS_FUSED
#define TABLE_EXPONENTS .order_x = NAME(order_x),
#else
#define TABLE_EXPONENTS
#endif

/* What else there is comes last. */
#define TABLE(isa_, ...)                                                                                                \
	{                                                                                                               \
		.isa = (isa_), .dot_m = 4, .dot_rows = DOT_ROWS(1), .stream_m = STREAM_M,                               \
		.packed = {                                                                                             \
			[ELEMENT_F32] = PACKED(f32, MR, 1),                                                             \
			[ELEMENT_BF16] = PACKED(bf16, MR_BF16, 2),                                                      \
			[ELEMENT_F16] = UNPACKABLE(f16, 2, UNPACK_F16),                                                 \
			[ELEMENT_F8_E4M3] = UNPACKABLE(f8_e4m3, 4, 1),                                                  \
			[ELEMENT_F8_E5M2] = UNPACKABLE(f8_e5m2, 4, 1),                                                  \
			QUANT_PANELS_OF_ALL,                                                                            \
		},                                                                                                      \
		.fresh = {                                                                                              \
			[ELEMENT_F32] = PACKED(f32, MR, 1),                                                             \
			[ELEMENT_BF16] = WIDENED(bf16),                                                                 \
			[ELEMENT_F16] = WIDENED(f16),                                                                   \
			[ELEMENT_F8_E4M3] = WIDENED(f8_e4m3),                                                           \
			[ELEMENT_F8_E5M2] = WIDENED(f8_e5m2),                                                           \
			QUANT_PANELS_OF_ALL,                                                                            \
		},                                                                                                      \
		.dot = { NAME(dot_f32), NAME(dot_bf16), NAME(dot_f16), NAME(dot_f8_e4m3), NAME(dot_f8_e5m2) },           \
		.quantise = NAME(quantise),                                                                             \
		.dot_blocks = {                                                                                         \
			[ELEMENT_Q8_0] = NAME(dot_q8_0), [ELEMENT_Q4_0] = NAME(dot_q4_0),                               \
			[ELEMENT_Q4_K] = NAME(dot_q4_k), [ELEMENT_Q6_K] = NAME(dot_q6_k),                               \
		},                                                                                                      \
		.quantise_halves = NAME(quantise_halves), .dot_decoded = NAME(dot_decoded),                             \
		.dot_codebook = NAME(dot_codebook), .dot_sparse = NAME(dot_sparse),                                     \
		.dot_sparse_panel = NAME(dot_sparse_panel), .pack_decoded = NAME(pack_decoded),                         \
		.pack_sparse_x = NAME(pack_sparse_x), .stream_out = NAME(stream_out),                                   \
		.widen = { NAME(widen_f32), NAME(widen_bf16), NAME(widen_f16) },                                        \
		.narrow = { NAME(narrow_f32), NAME(narrow_bf16), NAME(narrow_f16) },                                    \
		TABLE_CODEBOOK TABLE_EXPONENTS __VA_ARGS__                                                              \
	}

const struct math_kernels NAME(kernels) = TABLE(KERNELS_ISA, );
