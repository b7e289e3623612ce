/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Weights of any type that products take, at random: finite, of both signs and many magnitudes. */
#ifndef PINPOOL_TOOLS_BENCH_WEIGHTS_H
#define PINPOOL_TOOLS_BENCH_WEIGHTS_H

#include <pinpool/dtype.h>

struct bench_filler {
	enum pinpool_dtype dtype;
	unsigned char *tile; /* weights that are handed out again and again, from another place each time */
	uint64_t state;
};

/* For a type that pinpool_matmul_takes(). The same @seed gives the same weights. Returns 0, -EOPNOTSUPP or -ENOMEM. */
int bench_filler_new(struct bench_filler *filler, enum pinpool_dtype dtype, uint64_t seed);
void bench_filler_free(struct bench_filler *filler);

/* The next @count weights; whole blocks. */
void bench_fill(struct bench_filler *filler, void *to, uint64_t count);
/* Scales of @count rows, for PINPOOL_DTYPE_I8. */
void bench_fill_scales(struct bench_filler *filler, float *to, uint64_t count);

#endif
