/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: element types
 *
 * The element types of the safetensors format, with its names. Values are stored in catalogs: append only.
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
	PINPOOL_DTYPE_COUNT
};

/* Bits of one element, 0 for a value that is no type. Types narrower than a byte are packed; a tensor fills whole bytes. */
PINPOOL_API unsigned int pinpool_dtype_bits(enum pinpool_dtype dtype);
/* The format's name, e.g. "BF16"; NULL for a value that is no type. */
PINPOOL_API const char *pinpool_dtype_name(enum pinpool_dtype dtype);
/* The type of that name, PINPOOL_DTYPE_INVALID if there is none. */
PINPOOL_API enum pinpool_dtype pinpool_dtype_from_name(const char *name);

#ifdef __cplusplus
}
#endif
#endif
