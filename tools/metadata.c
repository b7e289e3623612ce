/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Values of metadata as text and JSON; see metadata.h. */
#include "metadata.h"
#include "json_text.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text that grows up to METADATA_TEXT_MAX bytes, room for its end and brackets kept. */
struct text {
	char *buf;
	size_t length;
	bool cut;
};

/* Of a number with all its digits. */
#define REAL_TEXT_MAX 32
/* What is left for the inside of brackets that are open. */
#define TEXT_ROOM     (METADATA_TEXT_MAX - 16)

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text->length += vsnprintf(text->buf + text->length, METADATA_TEXT_MAX - text->length, fmt, ap);
	va_end(ap);
}

/* As much of a string as has room, to the end of a character. The table makes other control characters visible. */
static void add_string(struct text *text, const char *string, size_t bytes)
{
	size_t room = text->length < TEXT_ROOM ? TEXT_ROOM - text->length : 0, i;

	for (i = 0; i < bytes && room >= 2; i++, room--) {
		if (string[i]) {
			add(text, "%c", string[i]);
		} else {
			add(text, "\\0");
			room--;
		}
	}
	if (i == bytes)
		return;
	for (; i && (string[i] & 0xc0) == 0x80; i--)
		text->length--;
	add(text, "...");
	text->cut = true;
}

static void add_value(struct text *text, const struct pinpool_metadata *value, bool quoted);

static void add_array(struct text *text, const struct pinpool_metadata *array)
{
	struct pinpool_metadata element = {.size = sizeof(element)};
	bool first = true;

	add(text, "[");
	while (!text->cut && !pinpool_metadata_next(array, &element)) {
		if (!first)
			add(text, ", ");
		first = false;
		/* The longest number has 24 characters. */
		if (text->length + 24 > TEXT_ROOM) {
			add(text, "...");
			text->cut = true;
			break;
		}
		add_value(text, &element, true);
	}
	add(text, "]");
}

/* With the fewest digits that give it back, 0.1 of either width as 0.1; @buf has REAL_TEXT_MAX bytes. */
static const char *real_text(const struct pinpool_metadata *value, double real, char *buf)
{
	const bool narrow = value->type == PINPOOL_VALUE_F32;
	int digits;

	for (digits = 1; digits <= (narrow ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG); digits++) {
		snprintf(buf, REAL_TEXT_MAX, "%.*g", digits, real);
		if (narrow ? strtof(buf, NULL) == (float)real : strtod(buf, NULL) == real)
			break;
	}
	return buf;
}

/* A number over INT64_MAX. */
static uint64_t get_large(const struct pinpool_metadata *value)
{
	uint64_t large;

	memcpy(&large, value->data, sizeof(large));
	return large;
}

static void add_value(struct text *text, const struct pinpool_metadata *value, bool quoted)
{
	char digits[REAL_TEXT_MAX];
	const char *string;
	int64_t integer;
	size_t bytes;
	double real;

	if (value->type == PINPOOL_VALUE_ARRAY) {
		add_array(text, value);
	} else if (!pinpool_metadata_string(value, &string, &bytes)) {
		if (quoted)
			add(text, "\"");
		add_string(text, string, bytes);
		if (quoted)
			add(text, "\"");
	} else if (!pinpool_metadata_real(value, &real)) {
		add(text, "%s", real_text(value, real, digits));
	} else if (pinpool_metadata_integer(value, &integer)) {
		add(text, "%" PRIu64, get_large(value));
	} else if (value->type == PINPOOL_VALUE_BOOL) {
		add(text, "%s", integer ? "true" : "false");
	} else {
		add(text, "%" PRId64, integer);
	}
}

const char *metadata_text(const struct pinpool_metadata *value, char *buf)
{
	struct text text = {.buf = buf};

	buf[0] = '\0';
	add_value(&text, value, false);
	return buf;
}

static json_t *array_json(const struct pinpool_metadata *array)
{
	struct pinpool_metadata element = {.size = sizeof(element)};
	json_t *json = json_array();

	while (json && !pinpool_metadata_next(array, &element)) {
		if (json_array_append_new(json, metadata_json(&element))) {
			json_decref(json);
			return NULL;
		}
	}
	return json;
}

json_t *metadata_json(const struct pinpool_metadata *value)
{
	const char *string;
	int64_t integer;
	char digits[REAL_TEXT_MAX];
	size_t bytes;
	double real;

	if (value->type == PINPOOL_VALUE_ARRAY)
		return array_json(value);
	if (!pinpool_metadata_string(value, &string, &bytes))
		return json_text(string, bytes);
	if (!pinpool_metadata_real(value, &real))
		return isfinite(real) ? json_real(strtod(real_text(value, real, digits), NULL)) : json_null();
	if (pinpool_metadata_integer(value, &integer)) {
		sprintf(digits, "%" PRIu64, get_large(value));
		return json_string(digits);
	}
	return value->type == PINPOOL_VALUE_BOOL ? json_boolean(integer) : json_integer(integer);
}
