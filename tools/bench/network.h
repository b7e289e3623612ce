/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The weights of a transformer in a pool: random ones in a pool of their own, or those of a checkpoint. */
#ifndef PINPOOL_TOOLS_BENCH_NETWORK_H
#define PINPOOL_TOOLS_BENCH_NETWORK_H

#include "bench/model.h"

#include <pinpool/pack.h>
#include <pinpool/pinpool.h>

/* Matrices of a layer, in the order in which they are used; the head follows after the last layer. */
enum bench_role {
	BENCH_Q,
	BENCH_K,
	BENCH_V,
	BENCH_O,
	BENCH_GATE,
	BENCH_UP,
	BENCH_DOWN,
	BENCH_LAYER_ROLES,
	BENCH_HEAD = BENCH_LAYER_ROLES,
	BENCH_ROLES,
};

struct bench_weight {
	enum pinpool_dtype dtype;
	uint64_t n;
	uint64_t k;
	uint64_t bytes; /* as a checkpoint has it */
	/* As it lies in a checkpoint, or NULL and a packing. */
	const void *data;
	const float *scales; /* of rows, for I8 */
	struct pinpool_packing packing; /* without data if there is none */
	/* Rows to compare products with, from @first to the last; NULL if this matrix is not compared. */
	const void *sample;
	const float *sample_scales;
	uint64_t first;
};

struct bench_network {
	struct bench_model model;
	size_t count;
	struct bench_weight *weights; /* layer after layer, then the head */
	uint64_t bytes; /* of all of them */
	struct pinpool_pool *pool;
	struct pinpool_catalog *catalog; /* NULL for random weights */
	struct pinpool_packings *packings; /* of @pool; NULL if none are used */
	struct pinpool_diag unused; /* why packings that are there are not used; no cause if there are none */
	size_t unpacked; /* matrices without a packing */
	void **samples; /* owned, of packed weights: each its rows and their scales */
};

/*
 * Makes a pool on the backend of @ctx and fills it; packed for the kernels of @packer, unless that is NULL. Its name is
 * gone when this returns, and so are its pages once it is closed, whatever ends this process. Returns 0, -ECANCELED
 * once *@interrupted, -EINVAL (no whole blocks, too large), or what the pool gave.
 */
int bench_network_random(struct bench_network *network, struct pinpool_ctx *ctx, const struct bench_model *model,
			 enum pinpool_dtype dtype, struct pinpool_math *packer, const volatile int *interrupted,
			 struct pinpool_diag *diag);

/*
 * Finds them in a READY pool by the names that checkpoints give them, and packings of them for the kernels of @math,
 * which outlives the network; as they lie if that is NULL. Not to have a packing is no failure. Returns 0, -ENOENT,
 * -EINVAL, or what finding them gave.
 */
int bench_network_find(struct bench_network *network, struct pinpool_ctx *ctx, const struct bench_model *model,
		       const char *pool, const struct pinpool_math *math, struct pinpool_diag *diag);

/* Zeroed is fine. */
void bench_network_close(struct bench_network *network);

#endif
