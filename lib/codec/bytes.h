/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* An array of bytes that grows. All zero is an empty one; whoever holds it frees it. Content beyond @count is rubbish.
 */
#ifndef PINPOOL_CODEC_BYTES_H
#define PINPOOL_CODEC_BYTES_H

#include <stddef.h>

struct bytes {
	char *data;
	size_t count;
	size_t room;
};

/* Makes room for @more bytes behind the content, and for BYTES_SLACK that decoders may overwrite. Returns 0 or -ENOMEM.
 */
#define BYTES_SLACK 32
int bytes_reserve(struct bytes *bytes, size_t more);
/* Appends. Returns 0 or -ENOMEM. */
int bytes_append(struct bytes *bytes, const void *data, size_t count);
/* The same for who hands out bytes, as bits_append_fn: @arg is the struct bytes. */
int bytes_append_to(void *arg, const void *data, size_t count);
/* Frees the memory; @bytes is an empty array again. */
void bytes_free(struct bytes *bytes);

#endif
