/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Digests as text. */
#ifndef PINPOOL_TOOLS_DIGEST_H
#define PINPOOL_TOOLS_DIGEST_H

#include <pinpool/pinpool.h>

#define DIGEST_TEXT_MAX (2 * PINPOOL_DIGEST_BYTES + 1)

/* Lower-case hex into @buf of DIGEST_TEXT_MAX bytes. Returns @buf. */
const char *digest_text(const uint8_t digest[PINPOOL_DIGEST_BYTES], char *buf);

#define SHA256_TEXT_MAX (2 * PINPOOL_SHA256_BYTES + 1)

/* Likewise, into @buf of SHA256_TEXT_MAX bytes. */
const char *sha256_text(const uint8_t sha256[PINPOOL_SHA256_BYTES], char *buf);

/* "xxh3-128", "xxh3-128-list"; NULL for none. */
const char *digest_kind_name(enum pinpool_digest_kind kind);

#endif
