/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Strings for JSON; see json_text.h. */
#include "json_text.h"

#include <stdlib.h>
#include <string.h>

json_t *json_text(const char *text, size_t bytes)
{
	static const char replacement[] = "\xef\xbf\xbd";
	json_t *value = json_stringn(text, bytes), *one;
	const char *end = text + bytes;
	size_t length, out = 0;
	char *fixed;

	if (value)
		return value;
	fixed = malloc(3 * bytes + 1);
	if (!fixed)
		return NULL;
	while (text < end) {
		/* A character is the shortest run that is UTF-8 by itself. */
		for (length = 1, one = NULL; length <= 4 && length <= (size_t)(end - text); length++) {
			one = json_stringn(text, length);
			if (one)
				break;
		}
		if (one) {
			memcpy(fixed + out, text, length);
			out += length;
			text += length;
		} else {
			memcpy(fixed + out, replacement, 3);
			out += 3;
			text++;
		}
		json_decref(one);
	}
	value = json_stringn(fixed, out);
	free(fixed);
	return value;
}

char *json_text_dump(const char *text)
{
	json_t *value = json_text(text, strlen(text));
	char *dump = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

	json_decref(value);
	return dump;
}
