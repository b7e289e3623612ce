/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Going through a matrix row by row, by many threads. */
#ifndef PINPOOL_CODEC_ROWS_H
#define PINPOOL_CODEC_ROWS_H

#include "codec/weights.h"

/* Rows of one unit: those that may share a dictionary or a row of blocks are in one. */
#define ROWS_UNIT 64u

/* One row as weights_row() gives it; rows of a unit come in their order, from one thread. */
typedef void (*rows_fn)(void *arg, uint64_t row, const uint32_t *bits, unsigned int thread);

/* Returns 0 or -ENOMEM. */
int rows_run(const struct weights *weights, const struct codec_team *team, rows_fn fn, void *arg);

/* @counts, of @rows and one more place, become where each begins, and in the last all of them together. */
void rows_add_up(uint64_t *counts, uint64_t rows);

#endif
