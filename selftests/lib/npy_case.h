/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Arrays of .npy for tests, as numpy writes them but for what a test wants wrong. */
#ifndef SELFTESTS_NPY_CASE_H
#define SELFTESTS_NPY_CASE_H

#include "checkpoints.h"

/*
 * Magic, version @major.0, @header after as many blanks and a newline as make a multiple of 64, @bytes of pattern.
 * Returns the length, in @to, which has room for it.
 */
static inline size_t make_npy(uint8_t *to, uint8_t major, const char *header, size_t bytes)
{
	size_t start = major == 1 ? 10 : 12, n = start + strlen(header), padded = (n + 64) / 64 * 64;

	memcpy(to, "\x93NUMPY", 6);
	to[6] = major;
	to[7] = 0;
	for (size_t i = 8; i < start; i++)
		to[i] = (uint8_t)((padded - start) >> 8 * (i - 8));
	memcpy(to + start, header, strlen(header));
	memset(to + n, ' ', padded - n);
	to[padded - 1] = '\n';
	for (size_t i = 0; i < bytes; i++)
		to[padded + i] = pattern_at(major, padded + i);
	return padded + bytes;
}

#define NPY_HEADER(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }"

#endif
