/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Sizes as people write and read them: powers of 1024. */
#ifndef PINPOOL_TOOLS_SIZE_H
#define PINPOOL_TOOLS_SIZE_H

#include <stddef.h>
#include <stdint.h>

#define SIZE_TEXT_MAX 32
/* What size_parse() takes, for messages. */
#define SIZE_WORDS    "bytes, or a size such as 512M, 1.5G, 4GiB"

/* "28.5M", "4G", "512B"; one decimal where there is a rest. @buf has SIZE_TEXT_MAX bytes. Returns @buf. */
const char *size_short(uint64_t bytes, char *buf);

/* "28.5 MiB", "512 bytes". Returns @buf. */
const char *size_long(uint64_t bytes, char *buf);

/* "4096", "512M", "1.5G", "2MiB". A part of a byte is dropped. Returns 0, -EINVAL or -ERANGE. */
int size_parse(const char *text, uint64_t *bytes);

#endif
