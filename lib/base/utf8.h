/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Well-formed UTF-8, as the Unicode standard's table 3-7 defines it. */
#ifndef PINPOOL_BASE_UTF8_H
#define PINPOOL_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* No overlong forms, no surrogates, nothing beyond U+10FFFF. NUL is a character like others. */
bool utf8_is_valid(const char *text, size_t bytes);

#endif
