/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Well-formed UTF-8; see utf8.h. */
#include "base/utf8.h"

bool utf8_is_valid(const char *text, size_t bytes)
{
	const unsigned char *at = (const unsigned char *)text;
	const unsigned char *end = at + bytes;

	while (at < end) {
		unsigned char lead = *at++;
		/* Range of the second byte; the others are 80 to BF. */
		unsigned char low = 0x80, high = 0xbf;
		int more;

		if (lead < 0x80)
			continue;
		if (lead >= 0xc2 && lead <= 0xdf)
			more = 1;
		else if (lead >= 0xe0 && lead <= 0xef)
			more = 2;
		else if (lead >= 0xf0 && lead <= 0xf4)
			more = 3;
		else
			return false;
		if (lead == 0xe0)
			low = 0xa0;
		else if (lead == 0xed)
			high = 0x9f;
		else if (lead == 0xf0)
			low = 0x90;
		else if (lead == 0xf4)
			high = 0x8f;
		for (; more; more--, at++) {
			if (at == end || *at < low || *at > high)
				return false;
			low = 0x80;
			high = 0xbf;
		}
	}
	return true;
}
