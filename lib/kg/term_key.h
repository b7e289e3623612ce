/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * What a key is made of: the column's number, then
 *
 *	IRIs, blank nodes, names, strings	the text
 *	strings with a language, typed texts	tag or datatype, a NUL, the text
 *	values (term_values.h)			the number, 8 bytes, the highest first
 */
#ifndef PINPOOL_KG_TERM_KEY_H
#define PINPOOL_KG_TERM_KEY_H

#include "kg/term_values.h"
#include "kg/terms.h"

/* Numbers of columns; those of texts are a kind and 1. */
#define COLUMN_FIRST  1U
#define COLUMN_VALUES (COLUMN_FIRST + TERM_KINDS)
#define COLUMN_END    (COLUMN_VALUES + VALUE_FORMS)

/* Bytes of a value's number in its key. */
#define KEY_VALUE_BYTES 8

/* "IRIs", "strings", "integers", ... of a column's number. */
const char *column_name(unsigned int column);

/* The number whose bytes in a key begin at @number. */
static inline uint64_t key_value(const void *number)
{
	const unsigned char *at = number;
	uint64_t value = 0;

	for (unsigned int i = 0; i < KEY_VALUE_BYTES; i++)
		value = value << 8 | at[i];
	return value;
}

/* Replaces @key by the beginning that keys of this kind, extra and beginning of text have; no values. As term_to_key().
 */
int term_to_text_key(const struct term *term, struct bytes *key);
/* Replaces @key by that of a value. Returns 0 or -ENOMEM. */
int value_to_key(unsigned int column, uint64_t number, struct bytes *key);

#endif
