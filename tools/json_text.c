/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Text for JSON; see json_text.h. */
#include "json_text.h"

#include <stdlib.h>
#include <string.h>

json_t *json_text(const char *text)
{
	static const char replacement[] = "\xef\xbf\xbd";
	json_t *value = json_string(text), *one;
	size_t length, out = 0;
	char *fixed;

	if (value)
		return value;
	fixed = malloc(3 * strlen(text) + 1);
	if (!fixed)
		return NULL;
	while (*text) {
		/* A character is the shortest run that is UTF-8 by itself. */
		for (length = 1, one = NULL; length <= 4 && strnlen(text, length) == length; length++) {
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
	json_t *value = json_text(text);
	char *dump = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

	json_decref(value);
	return dump;
}
