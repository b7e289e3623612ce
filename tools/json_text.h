/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Text of any bytes as a string of JSON: those that are not UTF-8 (paths may have any) become U+FFFD, one each. */
#ifndef PINPOOL_TOOLS_JSON_TEXT_H
#define PINPOOL_TOOLS_JSON_TEXT_H

#include <jansson.h>

/* NULL if there is no memory. */
json_t *json_text(const char *text);
/* With its quotes, for free(). NULL likewise. */
char *json_text_dump(const char *text);

#endif
