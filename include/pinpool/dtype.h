/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: element types
 *
 * The element types of the safetensors format and the block types of GGUF, with their names. Values are stored in
 * catalogs: append only.
 *
 * A block type stores a row in blocks of so many values each, which share scales; a row is whole blocks. All numbers
 * are little-endian, d and dmin are f16, and a value is computed in f32 as shown, exactly but for the difference in
 * Q4_K, which is rounded once:
 *
 *   Q8_0    32 values, 34 bytes: d, int8 q[32]; d * q[i]
 *   Q4_0    32 values, 18 bytes: d, 16 bytes of two values each, i in the lower and i + 16 in the upper half of byte i;
 *           d * (q - 8)
 *   Q4_K    256 values, 144 bytes: d, dmin, 12 bytes with a scale s and a minimum m of 6 bits for each group of 32, 128
 *           bytes with two groups in each 32, the even one in the lower halves; d * s * q - dmin * m. Of groups 0 to 3,
 *           s is the lower 6 bits of byte g and m those of byte g + 4; of the others, their lower 4 bits are the lower
 *           and the upper half of byte g + 4, their upper 2 the upper 2 of bytes g - 4 and g
 *   Q6_K    256 values, 210 bytes: lower 4 bits of q in 128 bytes, upper 2 in 64, int8 s[16] for each 16 values, d;
 *           d * s * (q - 32). For each half of 128 values: group g of its 4 has its lower bits in bytes 32 * (g % 2) on
 *           of 64, the lower halves if g < 2, and its upper ones in 32 bytes, at bit 2 * g
 *
 * The other block types of GGUF, from Q4_1 on, are held and described (values and bytes of a block); no product reads
 * them.
 */
#ifndef PINPOOL_DTYPE_H
#define PINPOOL_DTYPE_H

#include <pinpool/common.h>

#ifdef __cplusplus
extern "C" {
#endif

enum pinpool_dtype {
	PINPOOL_DTYPE_INVALID = 0,
	PINPOOL_DTYPE_BOOL = 1,
	PINPOOL_DTYPE_U8 = 2,
	PINPOOL_DTYPE_I8 = 3,
	PINPOOL_DTYPE_U16 = 4,
	PINPOOL_DTYPE_I16 = 5,
	PINPOOL_DTYPE_U32 = 6,
	PINPOOL_DTYPE_I32 = 7,
	PINPOOL_DTYPE_U64 = 8,
	PINPOOL_DTYPE_I64 = 9,
	PINPOOL_DTYPE_F16 = 10,
	PINPOOL_DTYPE_BF16 = 11,
	PINPOOL_DTYPE_F32 = 12,
	PINPOOL_DTYPE_F64 = 13,
	PINPOOL_DTYPE_F8_E4M3 = 14,
	PINPOOL_DTYPE_F8_E5M2 = 15,
	PINPOOL_DTYPE_F8_E8M0 = 16,
	PINPOOL_DTYPE_F6_E2M3 = 17,
	PINPOOL_DTYPE_F6_E3M2 = 18,
	PINPOOL_DTYPE_F4 = 19,
	PINPOOL_DTYPE_C64 = 20,
	PINPOOL_DTYPE_F8_E4M3FNUZ = 21,
	PINPOOL_DTYPE_F8_E5M2FNUZ = 22,
	PINPOOL_DTYPE_Q8_0 = 23,
	PINPOOL_DTYPE_Q4_0 = 24,
	PINPOOL_DTYPE_Q4_K = 25,
	PINPOOL_DTYPE_Q6_K = 26,
	PINPOOL_DTYPE_Q4_1 = 27,
	PINPOOL_DTYPE_Q5_0 = 28,
	PINPOOL_DTYPE_Q5_1 = 29,
	PINPOOL_DTYPE_Q8_1 = 30,
	PINPOOL_DTYPE_Q2_K = 31,
	PINPOOL_DTYPE_Q3_K = 32,
	PINPOOL_DTYPE_Q5_K = 33,
	PINPOOL_DTYPE_Q8_K = 34,
	PINPOOL_DTYPE_IQ2_XXS = 35,
	PINPOOL_DTYPE_IQ2_XS = 36,
	PINPOOL_DTYPE_IQ3_XXS = 37,
	PINPOOL_DTYPE_IQ1_S = 38,
	PINPOOL_DTYPE_IQ4_NL = 39,
	PINPOOL_DTYPE_IQ3_S = 40,
	PINPOOL_DTYPE_IQ2_S = 41,
	PINPOOL_DTYPE_IQ4_XS = 42,
	PINPOOL_DTYPE_IQ1_M = 43,
	PINPOOL_DTYPE_TQ1_0 = 44,
	PINPOOL_DTYPE_TQ2_0 = 45,
	PINPOOL_DTYPE_MXFP4 = 46,
	PINPOOL_DTYPE_NVFP4 = 47,
	PINPOOL_DTYPE_Q1_0 = 48,
	PINPOOL_DTYPE_Q2_0 = 49,
	PINPOOL_DTYPE_COUNT
};

/*
 * Bits of one element, 0 for a block type and for a value that is no type. Types narrower than a byte are packed; a tensor
 * fills whole bytes.
 */
PINPOOL_API unsigned int pinpool_dtype_bits(enum pinpool_dtype dtype);
/* Values in a block and bytes of a block; 0 for a type that is no block type. Since 0.1. */
PINPOOL_API unsigned int pinpool_dtype_block_values(enum pinpool_dtype dtype);
PINPOOL_API unsigned int pinpool_dtype_block_bytes(enum pinpool_dtype dtype);
/* Bytes of @count values, whole bytes and whole blocks; no overflow is looked for. Since 0.1. */
PINPOOL_API uint64_t pinpool_dtype_bytes(enum pinpool_dtype dtype, uint64_t count);
/* The format's name, e.g. "BF16"; NULL for a value that is no type. */
PINPOOL_API const char *pinpool_dtype_name(enum pinpool_dtype dtype);
/* The type of that name, PINPOOL_DTYPE_INVALID if there is none. */
PINPOOL_API enum pinpool_dtype pinpool_dtype_from_name(const char *name);

#ifdef __cplusplus
}
#endif
#endif
