/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Reading and writing structs that carry their own size, so that a program and a library of different ages agree.
 * The same rules as the kernel's copy_struct_from_user(): a missing tail is zero, an unknown tail must be zero.
 */
#ifndef PINPOOL_BASE_OPTS_H
#define PINPOOL_BASE_OPTS_H

#include <stddef.h>

/*
 * Copies options @src (NULL: all defaults) into @dst of @dst_size bytes. Both begin with a size_t size.
 * Returns 0, -EINVAL (size too small to hold itself), -E2BIG (unknown tail not zero).
 */
int opts_read(void *dst, size_t dst_size, const void *src);

/* Copies a result of @src_size bytes out to @dst, as much as the caller's size field says. Returns 0 or -EINVAL. */
int opts_write(void *dst, const void *src, size_t src_size);

#endif
