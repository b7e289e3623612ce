/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * How the values of metadata are encoded, in GGUF files and in catalogs alike: numbers as they are, little-endian; a
 * string as its bytes; an array as its elements one after the other, a string there with 8 bytes of length before it
 * and an array with 4 bytes of type and 8 of count. Whatever the bytes say, no look at them goes beyond them.
 */
#ifndef PINPOOL_POOL_VALUE_H
#define PINPOOL_POOL_VALUE_H

#include <pinpool/metadata.h>

/* Arrays within arrays, the outermost counted. */
#define VALUE_DEPTH_MAX 4

/**
 * struct value_scan - what a look at encoded bytes found
 * @bytes: that they take; or, if there are too few, that they need at least
 * @fault: which rule is broken, static
 * @fault_at: and where, counted from their start
 */
struct value_scan {
	uint64_t bytes;
	const char *fault;
	uint64_t fault_at;
};

/* Bytes of a number or a bool, 0 for other types and for what is no type. */
unsigned int value_width(enum pinpool_value_type type);

/*
 * Looks at a value of @type as an array holds it, of which @have bytes are at @data. Returns 0, -ENODATA (@scan->bytes
 * are needed at least, to be asked again), -EBADMSG.
 */
int value_scan(enum pinpool_value_type type, const void *data, uint64_t have, struct value_scan *scan);

/*
 * Whether @value is one: known types, @count right and @bytes what the encoding takes; @key and @source are not looked
 * at.
 */
bool value_is_sound(const struct pinpool_metadata *value);

#endif
