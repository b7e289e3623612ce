/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * XXH3-128 with its result in canonical byte order (what xxh128sum prints). The dispatch header makes XXH3_128bits_*
 * choose the widest vectors of this CPU at run time; elsewhere they are what the library was built with.
 */
#ifndef PINPOOL_STREAM_DIGEST_H
#define PINPOOL_STREAM_DIGEST_H

#include <pinpool/common.h>
#include <string.h>
#include <xxhash.h>
#ifdef __x86_64__
#include <xxh_x86dispatch.h>
#endif

_Static_assert(sizeof(XXH128_canonical_t) == PINPOOL_DIGEST_BYTES, "digests are XXH3-128");

static inline void digest_store(XXH128_hash_t hash, uint8_t out[PINPOOL_DIGEST_BYTES])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, hash);
	memcpy(out, canonical.digest, sizeof(canonical.digest));
}

/* What was fed to @state so far. */
static inline void digest_final(const XXH3_state_t *state, uint8_t out[PINPOOL_DIGEST_BYTES])
{
	digest_store(XXH3_128bits_digest(state), out);
}

/* PINPOOL_DIGEST_XXH3_128_LIST: digest of @count digests one after another. */
static inline void digest_of_list(const uint8_t (*digests)[PINPOOL_DIGEST_BYTES], size_t count,
				  uint8_t out[PINPOOL_DIGEST_BYTES])
{
	digest_store(XXH3_128bits(digests, count * PINPOOL_DIGEST_BYTES), out);
}

#endif
