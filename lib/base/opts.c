/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Structs that carry their own size; see opts.h. */
#include "base/opts.h"

#include <errno.h>
#include <string.h>

int opts_read(void *dst, size_t dst_size, const void *src)
{
	const unsigned char *bytes = src;
	size_t size;

	memset(dst, 0, dst_size);
	if (src) {
		memcpy(&size, src, sizeof(size));
		if (size < sizeof(size))
			return -EINVAL;
		for (size_t i = dst_size; i < size; i++)
			if (bytes[i])
				return -E2BIG;
		memcpy(dst, src, size < dst_size ? size : dst_size);
	}
	memcpy(dst, &dst_size, sizeof(dst_size));
	return 0;
}

int opts_write(void *dst, const void *src, size_t src_size)
{
	size_t size;

	memcpy(&size, dst, sizeof(size));
	if (size < sizeof(size))
		return -EINVAL;
	if (size > src_size)
		memset((char *)dst + src_size, 0, size - src_size);
	else
		src_size = size;
	memcpy((char *)dst + sizeof(size), (const char *)src + sizeof(size), src_size - sizeof(size));
	return 0;
}
