/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* See activations.h. All contestants meet the same values: where ours are of less than f32, so are theirs. */
#include "bench/activations.h"
#include "random.h"

#include <string.h>

const char *const bench_activation_words[] = {"f32", "bf16", NULL};

enum pinpool_dtype bench_activation_type(int word)
{
	return word ? PINPOOL_DTYPE_BF16 : PINPOOL_DTYPE_F32;
}

uint16_t bench_to_bf16(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

static float from_bf16(uint16_t half)
{
	uint32_t bits = (uint32_t)half << 16;
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

int bench_activations_new(struct bench_activations *activations, uint64_t count, enum pinpool_dtype dtype,
			  uint64_t seed)
{
	float *values;
	uint64_t i;
	int err;

	*activations = (struct bench_activations){.dtype = dtype};
	err = bench_memory_new(&activations->f32, count * sizeof(float));
	if (!err && dtype == PINPOOL_DTYPE_BF16)
		err = bench_memory_new(&activations->own, count * sizeof(uint16_t));
	if (err)
		return err;
	values = activations->f32.data;
	for (i = 0; i < count; i++) {
		values[i] = random_float(&seed);
		if (dtype == PINPOOL_DTYPE_F32)
			continue;
		((uint16_t *)activations->own.data)[i] = bench_to_bf16(values[i]);
		values[i] = from_bf16(bench_to_bf16(values[i]));
	}
	return 0;
}

void bench_activations_free(struct bench_activations *activations)
{
	bench_memory_free(&activations->f32);
	bench_memory_free(&activations->own);
}

const void *bench_activations_data(const struct bench_activations *activations)
{
	return activations->dtype == PINPOOL_DTYPE_F32 ? activations->f32.data : activations->own.data;
}

enum bench_limit bench_compute_limit(enum pinpool_dtype weights, enum pinpool_dtype activations)
{
	if (pinpool_matmul_run(weights))
		return BENCH_INT8;
	return weights == PINPOOL_DTYPE_BF16 && activations == PINPOOL_DTYPE_BF16 ? BENCH_BF16 : BENCH_FMA;
}
