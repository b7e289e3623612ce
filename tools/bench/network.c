/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * See network.h. Matrices lie one after the other, each at a multiple of a page, with its scales before the next.
 * Packed ones are made part by part, as a load makes them, from weights that are nowhere whole; of the first layer and
 * the head the last part is kept, with which products are compared.
 */
#include "bench/network.h"
#include "bench/weights.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SEED = 3,
	ALIGNMENT = 4096,
	/* Of weights that are made at a time, about. */
	PART_BYTES = 8 << 20,
};

static const char *const layer_names[BENCH_LAYER_ROLES] = {
	[BENCH_Q] = "self_attn.q_proj", [BENCH_K] = "self_attn.k_proj", [BENCH_V] = "self_attn.v_proj",
	[BENCH_O] = "self_attn.o_proj", [BENCH_GATE] = "mlp.gate_proj", [BENCH_UP] = "mlp.up_proj",
	[BENCH_DOWN] = "mlp.down_proj",
};

static int fail(struct pinpool_diag *diag, int err, const char *object, const char *cause, const char *change)
{
	snprintf(diag->object, sizeof(diag->object), "%s", object);
	snprintf(diag->cause, sizeof(diag->cause), "%s", cause);
	snprintf(diag->change, sizeof(diag->change), "%s", change);
	return err;
}

/* Dimensions have at most 20 bits, so a product of two of them does not overflow. */
static void shape_of(const struct bench_model *model, enum bench_role role, uint64_t *n, uint64_t *k)
{
	*k = model->hidden;
	switch (role) {
	case BENCH_Q:
		*n = model->heads * model->head_dim;
		break;
	case BENCH_K:
	case BENCH_V:
		*n = model->kv_heads * model->head_dim;
		break;
	case BENCH_O:
		*n = model->hidden;
		*k = model->heads * model->head_dim;
		break;
	case BENCH_GATE:
	case BENCH_UP:
		*n = model->intermediate;
		break;
	case BENCH_DOWN:
		*n = model->hidden;
		*k = model->intermediate;
		break;
	case BENCH_HEAD:
	case BENCH_ROLES:
		*n = model->vocabulary;
		break;
	}
}

static enum bench_role role_of(const struct bench_network *network, size_t index)
{
	return index + 1 == network->count ? BENCH_HEAD : (enum bench_role)(index % BENCH_LAYER_ROLES);
}

static int begin(struct bench_network *network, const struct bench_model *model, struct pinpool_diag *diag)
{
	size_t i;

	*network = (struct bench_network){.model = *model, .count = model->layers * BENCH_LAYER_ROLES + 1};
	*diag = (struct pinpool_diag){0};
	network->weights = calloc(network->count, sizeof(*network->weights));
	network->samples = calloc(network->count, sizeof(*network->samples));
	if (!network->weights || !network->samples)
		return -ENOMEM;
	for (i = 0; i < network->count; i++)
		shape_of(model, role_of(network, i), &network->weights[i].n, &network->weights[i].k);
	return 0;
}

/* Where each matrix begins is in @offsets; *@end: where the last one ends. */
static int lay_out(struct bench_network *network, enum pinpool_dtype dtype, const struct pinpool_math *packer,
		   uint64_t *offsets, uint64_t *end, struct pinpool_diag *diag)
{
	unsigned int block = pinpool_dtype_block_values(dtype);
	char cause[128], change[64];
	uint64_t at = 0;
	size_t i;
	int err;

	for (i = 0; i < network->count; i++) {
		struct bench_weight *weight = &network->weights[i];
		uint64_t values;

		if (block && weight->k % block) {
			snprintf(cause, sizeof(cause), "rows of %llu values are no whole blocks of %s",
				 (unsigned long long)weight->k, pinpool_dtype_name(dtype));
			snprintf(change, sizeof(change), "it takes multiples of %u", block);
			return fail(diag, -EINVAL, "model", cause, change);
		}
		if (__builtin_mul_overflow(weight->n, weight->k, &values) || values > UINT64_MAX / 64 ||
		    at > UINT64_MAX / 2)
			return fail(diag, -EINVAL, "model", "is larger than any memory", "");
		weight->dtype = dtype;
		weight->bytes = pinpool_dtype_bytes(dtype, values);
		network->bytes += weight->bytes;
		weight->packing.size = sizeof(weight->packing);
		err = packer ? pinpool_packing_describe(packer, dtype, weight->n, weight->k, &weight->packing, diag)
			     : 0;
		if (err)
			return err;
		offsets[i] = at;
		if (packer)
			at += weight->packing.bytes;
		else
			at += weight->bytes + (dtype == PINPOOL_DTYPE_I8 ? (weight->n + 16) * sizeof(float) : 0);
		at = (at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	}
	*end = at;
	return 0;
}

/* Where the scales of a matrix lie, behind it. */
static void *scales_of(const struct bench_weight *weight, char *data)
{
	return weight->dtype == PINPOOL_DTYPE_I8 ? data + (weight->bytes + 63) / 64 * 64 : NULL;
}

/* Is this matrix of those that are compared? */
static bool is_sampled(const struct bench_network *network, size_t index)
{
	return index < BENCH_LAYER_ROLES || index + 1 == network->count;
}

/* Weights as they lie in a checkpoint. */
static void fill_plain(struct bench_network *network, size_t index, struct bench_filler *filler, char *to)
{
	struct bench_weight *weight = &network->weights[index];
	float *scales = scales_of(weight, to);

	bench_fill(filler, to, weight->n * weight->k);
	if (scales)
		bench_fill_scales(filler, scales, weight->n);
}

/* Packs a matrix part by part, and keeps the last part of one that is compared. */
static int fill_packed(struct bench_network *network, size_t index, struct bench_filler *filler,
		       struct pinpool_math *packer, char *to, struct pinpool_diag *diag)
{
	struct bench_weight *weight = &network->weights[index];
	uint64_t row_bytes = pinpool_dtype_bytes(weight->dtype, weight->k), panel = weight->packing.panel_rows;
	uint64_t part = (PART_BYTES / row_bytes / panel + 1) * panel, first, count = 0;
	float *scales = NULL;
	char *rows;
	int err = 0;

	if (part > weight->n)
		part = weight->n;
	/* The scales come first, because they want to be aligned. */
	rows = malloc(part * (sizeof(float) + row_bytes));
	if (!rows)
		return -ENOMEM;
	if (weight->dtype == PINPOOL_DTYPE_I8)
		scales = (float *)rows;
	for (first = 0; first < weight->n && !err; first += count) {
		count = weight->n - first < part ? weight->n - first : part;
		bench_fill(filler, rows + part * sizeof(float), count * weight->k);
		if (scales)
			bench_fill_scales(filler, scales, count);
		err = pinpool_packing_rows(packer, &weight->packing, first, count, rows + part * sizeof(float), 0,
					   scales, to, diag);
	}
	if (err || !is_sampled(network, index)) {
		free(rows);
		return err;
	}
	network->samples[index] = rows;
	weight->sample = rows + part * sizeof(float);
	weight->sample_scales = scales;
	weight->first = weight->n - count;
	return 0;
}

static int fill(struct bench_network *network, struct pinpool_math *packer, const uint64_t *offsets, char *base,
		const volatile int *interrupted, struct pinpool_diag *diag)
{
	struct bench_filler filler;
	int err = bench_filler_new(&filler, network->weights[0].dtype, SEED);
	size_t i;

	for (i = 0; i < network->count && !err; i++) {
		if (packer)
			err = fill_packed(network, i, &filler, packer, base + offsets[i], diag);
		else
			fill_plain(network, i, &filler, base + offsets[i]);
		if (!err && *interrupted)
			err = -ECANCELED;
	}
	bench_filler_free(&filler);
	return err;
}

/* Says where everything is, in the mapping that products read. */
static void find_weights(struct bench_network *network, bool packed, const uint64_t *offsets, const char *base)
{
	size_t i;

	for (i = 0; i < network->count; i++) {
		struct bench_weight *weight = &network->weights[i];

		if (packed) {
			weight->packing.data = base + offsets[i];
			continue;
		}
		network->unpacked++;
		weight->data = base + offsets[i];
		weight->scales = scales_of(weight, (char *)base + offsets[i]);
		weight->sample = weight->data;
		weight->sample_scales = weight->scales;
	}
}

/* EMPTY to READY. */
static int publish(struct bench_network *network, struct pinpool_math *packer, const uint64_t *offsets, uint64_t length,
		   const volatile int *interrupted, struct pinpool_diag *diag)
{
	PINPOOL_OPTS(pinpool_commit_opts, commit, .length = length, .digest_kind = PINPOOL_DIGEST_NONE);
	void *base;
	int err;

	err = pinpool_pool_begin(network->pool, diag);
	if (!err)
		err = pinpool_pool_map_writable(network->pool, &base, NULL);
	if (!err)
		err = fill(network, packer, offsets, base, interrupted, diag);
	return err ? err : pinpool_pool_commit(network->pool, &commit, diag);
}

static int fill_pool(struct bench_network *network, struct pinpool_ctx *ctx, struct pinpool_math *packer,
		     const uint64_t *offsets, uint64_t length, const volatile int *interrupted,
		     struct pinpool_diag *diag)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = length);
	const void *base = NULL;
	char name[48];
	int err;

	snprintf(name, sizeof(name), "bench-decode-%ld", (long)getpid());
	err = pinpool_pool_create(ctx, name, &create, diag);
	if (err)
		return err;
	err = pinpool_pool_open(ctx, name, PINPOOL_OPEN_WRITE, &network->pool, diag);
	if (!err)
		err = publish(network, packer, offsets, length, interrupted, diag);
	if (!err)
		err = pinpool_pool_map(network->pool, &base, NULL);
	if (err) {
		struct pinpool_diag ignored;

		/* One that was not published has to be closed before its name can go. */
		pinpool_pool_close(network->pool);
		network->pool = NULL;
		pinpool_pool_destroy(ctx, name, &ignored);
		return err;
	}
	find_weights(network, packer, offsets, base);
	return pinpool_pool_destroy(ctx, name, diag);
}

int bench_network_random(struct bench_network *network, struct pinpool_ctx *ctx, const struct bench_model *model,
			 enum pinpool_dtype dtype, struct pinpool_math *packer, const volatile int *interrupted,
			 struct pinpool_diag *diag)
{
	uint64_t *offsets, length;
	int err;

	err = begin(network, model, diag);
	if (err)
		return err;
	offsets = calloc(network->count, sizeof(*offsets));
	err = offsets ? lay_out(network, dtype, packer, offsets, &length, diag) : -ENOMEM;
	if (!err)
		err = fill_pool(network, ctx, packer, offsets, length, interrupted, diag);
	free(offsets);
	return err;
}

/* Looks for packings. Not to have any is no failure, but those that cannot be used are worth a word. */
static void open_packings(struct bench_network *network, const struct pinpool_math *math)
{
	if (math && pinpool_packings_open(network->pool, math, &network->packings, &network->unused) == -ENOENT)
		network->unused.cause[0] = '\0';
}

/* Takes the packing of matrix @index if there is one, otherwise the tensor itself. */
static void choose(struct bench_network *network, size_t index, const struct pinpool_tensor *tensor)
{
	struct bench_weight *weight = &network->weights[index];

	weight->packing.size = sizeof(weight->packing);
	if (network->packings &&
	    !pinpool_packings_find(network->packings, tensor->name, &weight->packing, &network->unused))
		return;
	weight->data = tensor->data;
	network->unpacked++;
}

/* Takes one tensor of the catalog as matrix @index. */
static int find_one(struct bench_network *network, size_t index, const char *name, struct pinpool_diag *diag)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct bench_weight *weight = &network->weights[index];
	char change[128];
	int err = pinpool_catalog_find(network->catalog, name, &tensor);

	if (err)
		return fail(diag, err, name, "no such tensor",
			    "--pool takes the checkpoint of the model that --shape names");
	if (tensor.ndim != 2 || tensor.shape[0] != weight->n || tensor.shape[1] != weight->k) {
		snprintf(change, sizeof(change), "the model has [%llu,%llu]", (unsigned long long)weight->n,
			 (unsigned long long)weight->k);
		return fail(diag, -EINVAL, name, "has another shape", change);
	}
	/* Scales of I8 are nowhere in a checkpoint that all agree on. */
	if (!pinpool_matmul_takes(tensor.dtype) || tensor.dtype == PINPOOL_DTYPE_I8)
		return fail(diag, -EINVAL, name, "products do not take its type", pinpool_dtype_name(tensor.dtype));
	weight->dtype = tensor.dtype;
	weight->bytes = tensor.bytes;
	weight->sample = tensor.data;
	choose(network, index, &tensor);
	network->bytes += tensor.bytes;
	return 0;
}

int bench_network_find(struct bench_network *network, struct pinpool_ctx *ctx, const struct bench_model *model,
		       const char *pool, const struct pinpool_math *math, struct pinpool_diag *diag)
{
	char name[96];
	size_t i;
	int err;

	err = begin(network, model, diag);
	if (!err)
		err = pinpool_pool_open(ctx, pool, PINPOOL_OPEN_READ, &network->pool, diag);
	if (!err)
		err = pinpool_catalog_open(network->pool, &network->catalog, diag);
	if (!err)
		open_packings(network, math);
	for (i = 0; i + 1 < network->count && !err; i++) {
		snprintf(name, sizeof(name), "model.layers.%zu.%s.weight", i / BENCH_LAYER_ROLES,
			 layer_names[i % BENCH_LAYER_ROLES]);
		err = find_one(network, i, name, diag);
	}
	/* A head that is tied to the embeddings is stored once, as those. */
	if (!err)
		err = find_one(network, i, model->tied ? "model.embed_tokens.weight" : "lm_head.weight", diag);
	return err;
}

void bench_network_close(struct bench_network *network)
{
	size_t i;

	pinpool_packings_close(network->packings);
	pinpool_catalog_close(network->catalog);
	pinpool_pool_close(network->pool);
	for (i = 0; network->samples && i < network->count; i++)
		free(network->samples[i]);
	free(network->samples);
	free(network->weights);
	*network = (struct bench_network){0};
}
