/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The small text files of /proc and /sys: one value, or "Key: value" lines. */
#ifndef PINPOOL_BASE_SYSFILE_H
#define PINPOOL_BASE_SYSFILE_H

#include <stddef.h>
#include <stdint.h>

/* First @size - 1 bytes of the file, NUL-terminated, trailing newline removed. Returns their number or -errno. */
int sysfile_read(const char *path, char *buf, size_t size);
/* A decimal number, alone in its file. Returns 0 or -errno, -EBADMSG if it is not one. */
int sysfile_read_u64(const char *path, uint64_t *value);
/* The number behind "@key" in a file like /proc/meminfo, whatever stands before the key. Returns 0, -ENOENT, -errno. */
int sysfile_read_key(const char *path, const char *key, uint64_t *value);
/* Writes a decimal number in one piece. Returns 0 or what the file said, -errno. */
int sysfile_write_u64(const char *path, uint64_t value);

#endif
