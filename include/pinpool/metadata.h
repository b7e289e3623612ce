/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/**
 * DOC: metadata
 *
 * What checkpoint files say beside their tensors, kept in the catalog: keys and values of a GGUF file, the strings of
 * safetensors' "__metadata__". Found by <pinpool/catalog.h>, which has checked it; read by the calls below, none of which
 * looks beyond @bytes. They may be called from several threads at once.
 */
#ifndef PINPOOL_METADATA_H
#define PINPOOL_METADATA_H

#include <pinpool/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Types of a value, with the numbers that GGUF gives them. Stored in catalogs: append only. */
enum pinpool_value_type {
	PINPOOL_VALUE_U8 = 0,
	PINPOOL_VALUE_I8 = 1,
	PINPOOL_VALUE_U16 = 2,
	PINPOOL_VALUE_I16 = 3,
	PINPOOL_VALUE_U32 = 4,
	PINPOOL_VALUE_I32 = 5,
	PINPOOL_VALUE_F32 = 6,
	PINPOOL_VALUE_BOOL = 7, /* one byte, 0 or 1 */
	PINPOOL_VALUE_STRING = 8, /* any bytes, as a rule UTF-8 */
	PINPOOL_VALUE_ARRAY = 9,
	PINPOOL_VALUE_U64 = 10,
	PINPOOL_VALUE_I64 = 11,
	PINPOOL_VALUE_F64 = 12,
	PINPOOL_VALUE_COUNT
};

/**
 * struct pinpool_metadata - one value, and the key that it belongs to
 * @size: sizeof(struct pinpool_metadata), set by the caller
 * @key: its key, UTF-8
 * @type: of the value
 * @element: of its elements, if it is an array; otherwise @type
 * @count: its elements, if it is an array; otherwise 1
 * @data: the value, little-endian; aligned to 8 bytes, unless it is an element of an array. Of a string its bytes,
 *	without NUL; of an array its elements one after the other, where a string has its length (8 bytes) before it and
 *	an array the type (4) and number (8) of its elements
 * @bytes: length of @data
 * @source: index of the file it came from
 *
 * Pointers live as long as the catalog.
 */
struct pinpool_metadata {
	size_t size;
	const char *key;
	enum pinpool_value_type type;
	enum pinpool_value_type element;
	uint64_t count;
	const void *data;
	uint64_t bytes;
	uint32_t source;
};

/* "u8", "string", "array", ...; NULL for a value that is no type. Since 0.1. */
PINPOOL_API const char *pinpool_value_type_name(enum pinpool_value_type type);

/* The bytes of a string, without a NUL behind them. Return: 0, -EINVAL (no string). Since 0.1. */
PINPOOL_API int pinpool_metadata_string(const struct pinpool_metadata *value, const char **text, size_t *bytes);
/* Any type of integer, or a bool. Return: 0, -EINVAL (none), -ERANGE (over INT64_MAX). Since 0.1. */
PINPOOL_API int pinpool_metadata_integer(const struct pinpool_metadata *value, int64_t *number);
/* F32 or F64. Return: 0, -EINVAL (neither). Since 0.1. */
PINPOOL_API int pinpool_metadata_real(const struct pinpool_metadata *value, double *number);

/**
 * pinpool_metadata_next - walk through an array
 * @array: the array
 * @element: the element before, or one whose data is NULL for the first; receives the next. Its size is set by the
 *	caller, its key and source are those of @array
 *
 * A step takes no longer far into the array than at its start. Return: 0, -ENOENT (there are no more), -EINVAL (no array, or @element is not of
 * it). Since 0.1.
 */
PINPOOL_API int pinpool_metadata_next(const struct pinpool_metadata *array, struct pinpool_metadata *element);

#ifdef __cplusplus
}
#endif
#endif
