/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Few values that stand for many (k-means in one dimension). Values are counted in bins, which are as fine as bf16; a
 * bin has the sum of what its values have beyond that, as an integer, so that neither order nor threads change the
 * result.
 */
#ifndef PINPOOL_CODEC_MEANS_H
#define PINPOOL_CODEC_MEANS_H

#include "codec/weights.h"

struct means;

/* NULL: no memory. */
struct means *means_new(void);
void means_free(struct means *means);
void means_clear(struct means *means);
/* Bits of f32. */
void means_add(struct means *means, const uint32_t *bits, uint64_t count);
/* Adds what @other has. */
void means_merge(struct means *means, const struct means *other);
/* @values of them in ascending order, the last ones 0 if fewer will do. False if there is an infinity or a NaN. */
bool means_make(struct means *means, uint32_t values, float *out);
/* Number of the nearest one, of two as near the lower. After means_make(). */
unsigned char means_nearest(const struct means *means, uint32_t bits);

#endif
