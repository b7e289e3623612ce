/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Values of metadata for people, shortened, and for JSON, whole. */
#ifndef PINPOOL_TOOLS_METADATA_H
#define PINPOOL_TOOLS_METADATA_H

#include <jansson.h>
#include <pinpool/metadata.h>

/* Bytes of a buffer that holds any text of the following. */
#define METADATA_TEXT_MAX 80

/* A value, or as much of it as fits and "..."; an array as [1, 2, ...]. Returns @buf, of METADATA_TEXT_MAX bytes. */
const char *metadata_text(const struct pinpool_metadata *value, char *buf);
/*
 * All of it: a string, a number, a bool, or an array of them. Numbers that JSON cannot hold become null (not finite) or
 * a string (over 2^63). NULL without memory.
 */
json_t *metadata_json(const struct pinpool_metadata *value);

#endif
