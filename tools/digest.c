/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Digests as text; see digest.h. */
#include "digest.h"

#include <stdio.h>

static const char *hex(const uint8_t *digest, size_t bytes, char *buf)
{
	size_t i;

	for (i = 0; i < bytes; i++)
		sprintf(buf + 2 * i, "%02x", digest[i]);
	return buf;
}

const char *digest_text(const uint8_t digest[PINPOOL_DIGEST_BYTES], char *buf)
{
	return hex(digest, PINPOOL_DIGEST_BYTES, buf);
}

const char *sha256_text(const uint8_t sha256[PINPOOL_SHA256_BYTES], char *buf)
{
	return hex(sha256, PINPOOL_SHA256_BYTES, buf);
}

const char *digest_kind_name(enum pinpool_digest_kind kind)
{
	switch (kind) {
	case PINPOOL_DIGEST_NONE:
		break;
	case PINPOOL_DIGEST_XXH3_128:
		return "xxh3-128";
	case PINPOOL_DIGEST_XXH3_128_LIST:
		return "xxh3-128-list";
	}
	return NULL;
}
