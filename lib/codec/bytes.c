/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* An array of bytes that grows; see bytes.h. */
#include "codec/bytes.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int bytes_reserve(struct bytes *bytes, size_t more)
{
	size_t room = bytes->room ? bytes->room : 256;
	char *data;

	if (more > SIZE_MAX / 2 - BYTES_SLACK || bytes->count > SIZE_MAX / 2 - BYTES_SLACK - more)
		return -ENOMEM;
	if (bytes->data && bytes->count + more + BYTES_SLACK <= bytes->room)
		return 0;
	while (room < bytes->count + more + BYTES_SLACK)
		room += room / 2;
	data = realloc(bytes->data, room);
	if (!data)
		return -ENOMEM;
	bytes->data = data;
	bytes->room = room;
	return 0;
}

int bytes_append(struct bytes *bytes, const void *data, size_t count)
{
	int err = bytes_reserve(bytes, count);

	if (err)
		return err;
	if (count)
		memcpy(bytes->data + bytes->count, data, count);
	bytes->count += count;
	return 0;
}

int bytes_append_to(void *arg, const void *data, size_t count)
{
	return bytes_append(arg, data, count);
}

void bytes_free(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){0};
}
