/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A short list of numbers in order, equal ones allowed, in about two bits more than the logarithm of their mean
 * distance each, by Elias and Fano: what low bits tell stands as it is, of the rest the steps are in unary. Any of them
 * is read without the others. The list ends on a byte; its length is known from elsewhere.
 */
#ifndef PINPOOL_CODEC_ASCENDING_H
#define PINPOOL_CODEC_ASCENDING_H

#include "codec/bits.h"
#include "codec/bytes.h"

#include <stdint.h>

#define ASCENDING_MAX 256

struct ascending {
	uint64_t first;
	struct bits low;
	struct bits high;
	unsigned int low_bits; /* of each number */
	unsigned int count;
};

/* Appends @count numbers, 1 to ASCENDING_MAX. Returns 0 or -ENOMEM. */
int ascending_write(const uint64_t *numbers, unsigned int count, struct bytes *bytes);
/* Opens in place a list of @count numbers that begins at @at. Returns its end, or NULL (damaged). */
const unsigned char *ascending_open(struct ascending *list, const unsigned char *at, const unsigned char *end,
				    unsigned int count);
/*
 * Number @index of the list. Returns 0, or -EBADMSG where there is none; those of a damaged list may be wrong, and not
 * in order.
 */
int ascending_get(const struct ascending *list, unsigned int index, uint64_t *number);

#endif
