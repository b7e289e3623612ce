/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Terms and their keys; see terms.h and term_key.h. */
#include "kg/term_key.h"

#include <errno.h>
#include <string.h>

#define XSD_STRING "http://www.w3.org/2001/XMLSchema#string"

const char *term_kind_name(enum term_kind kind)
{
	static const char *const names[TERM_KINDS] = {
		"IRI", "blank node", "name", "string", "string with a language", "typed literal",
	};

	return (unsigned int)kind < TERM_KINDS ? names[kind] : "unknown";
}

const char *column_name(unsigned int column)
{
	static const char *const texts[TERM_KINDS] = {
		"IRIs", "blank nodes", "names", "strings", "strings with a language", "typed literals",
	};
	static const char *const values[] = {"integers", "dates", "local times", "times", "decimals"};

	if (column < COLUMN_FIRST || column >= COLUMN_END)
		return "unknown";
	if (column < COLUMN_VALUES)
		return texts[column - COLUMN_FIRST];
	return values[column - COLUMN_VALUES < VALUE_DECIMAL ? column - COLUMN_VALUES : VALUE_DECIMAL];
}

int term_key_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
	int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);

	return order ? order : a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

static bool has_extra(enum term_kind kind)
{
	return kind == TERM_LANG || kind == TERM_TYPED;
}

/* Whether a key may have such a text and extra. */
static bool fits(const struct term *term)
{
	if ((unsigned int)term->kind >= TERM_KINDS)
		return false;
	if (has_extra(term->kind))
		return term->extra_bytes && !memchr(term->extra, 0, term->extra_bytes);
	return term->kind == TERM_STRING || !term->bytes || !memchr(term->text, 0, term->bytes);
}

int term_to_text_key(const struct term *term, struct bytes *key)
{
	const char column = (char)(COLUMN_FIRST + term->kind);
	int err;

	if (!fits(term))
		return -EINVAL;
	if (term->bytes > TERM_BYTES_MAX || (has_extra(term->kind) && term->extra_bytes > TERM_BYTES_MAX - term->bytes))
		return -E2BIG;
	key->count = 0;
	err = bytes_append(key, &column, 1);
	if (!err && has_extra(term->kind)) {
		err = bytes_append(key, term->extra, term->extra_bytes);
		if (!err)
			err = bytes_append(key, "", 1);
	}
	return err ? err : bytes_append(key, term->text, term->bytes);
}

int value_to_key(unsigned int column, uint64_t number, struct bytes *key)
{
	unsigned char bytes[1 + KEY_VALUE_BYTES];

	bytes[0] = (unsigned char)column;
	for (unsigned int i = KEY_VALUE_BYTES; i; i--, number >>= 8)
		bytes[i] = (unsigned char)number;
	key->count = 0;
	return bytes_append(key, bytes, sizeof(bytes));
}

int term_to_key(const struct term *term, struct bytes *key)
{
	unsigned int form;
	uint64_t number;

	if (term->kind == TERM_TYPED) {
		struct term string = {.kind = TERM_STRING, .text = term->text, .bytes = term->bytes};

		if (term->extra_bytes == strlen(XSD_STRING) && !memcmp(term->extra, XSD_STRING, term->extra_bytes))
			return term_to_text_key(&string, key);
		if (value_from_text(term->extra, term->extra_bytes, term->text, term->bytes, &form, &number))
			return value_to_key(COLUMN_VALUES + form, number, key);
	}
	return term_to_text_key(term, key);
}

int term_from_key(const void *key, size_t bytes, struct bytes *text, struct term *term)
{
	const char *at = key;
	unsigned int column, form;

	if (bytes < 1)
		return -EBADMSG;
	column = (unsigned char)*at;
	if (column < COLUMN_FIRST || column >= COLUMN_END)
		return -EBADMSG;
	if (column < COLUMN_VALUES) {
		*term = (struct term){.kind = column - COLUMN_FIRST, .text = at + 1, .bytes = bytes - 1};
		if (has_extra(term->kind)) {
			const char *nul = memchr(term->text, 0, term->bytes);

			if (!nul)
				return -EBADMSG;
			term->extra = term->text;
			term->extra_bytes = (size_t)(nul - term->extra);
			term->text = nul + 1;
			term->bytes -= term->extra_bytes + 1;
		}
		return fits(term) ? 0 : -EBADMSG;
	}
	if (bytes != 1 + KEY_VALUE_BYTES)
		return -EBADMSG;
	form = column - COLUMN_VALUES;
	text->count = 0;
	if (bytes_reserve(text, VALUE_BYTES_MAX))
		return -ENOMEM;
	text->count = value_to_text(form, key_value(at + 1), text->data);
	if (!text->count)
		return -EBADMSG;
	*term = (struct term){
		.kind = TERM_TYPED,
		.text = text->data,
		.bytes = text->count,
		.extra = value_datatype(form),
		.extra_bytes = strlen(value_datatype(form)),
	};
	return 0;
}
