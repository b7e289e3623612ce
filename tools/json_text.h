/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Strings for JSON, out of bytes that may be no UTF-8. */
#ifndef PINPOOL_TOOLS_JSON_TEXT_H
#define PINPOOL_TOOLS_JSON_TEXT_H

#include <jansson.h>

/* Bytes that are not UTF-8 (paths and values may have any) become U+FFFD, one each. NULL without memory. */
json_t *json_text(const char *text, size_t bytes);
/* With its quotes, for free(). NULL likewise. */
char *json_text_dump(const char *text);

#endif
