/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Numbers of any size as 1 to 10 bytes, 7 bits each, the lowest first; the last byte has no high bit. */
#ifndef PINPOOL_CODEC_VARINT_H
#define PINPOOL_CODEC_VARINT_H

#include <stdint.h>

#define VARINT_BYTES_MAX 10

/* Returns the end of what was written. */
static inline unsigned char *varint_put(unsigned char *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (unsigned char)(value | 0x80);
		value >>= 7;
	}
	*at++ = (unsigned char)value;
	return at;
}

/* Returns the end of what was read, or NULL where there is no number before @end. */
static inline const unsigned char *varint_get(const unsigned char *at, const unsigned char *end, uint64_t *value)
{
	unsigned int shift = 0;

	*value = 0;
	while (at < end && shift < 64) {
		*value |= (uint64_t)(*at & 0x7f) << shift;
		if (!(*at++ & 0x80))
			return at;
		shift += 7;
	}
	return NULL;
}

#endif
