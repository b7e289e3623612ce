/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Activations at random for products that are measured, in the type that they have, and the same values as f32. */
#ifndef PINPOOL_TOOLS_BENCH_ACTIVATIONS_H
#define PINPOOL_TOOLS_BENCH_ACTIVATIONS_H

#include "bench/limits.h"
#include "bench/memory.h"

struct bench_activations {
	enum pinpool_dtype dtype;
	struct bench_memory f32;
	struct bench_memory own; /* in @dtype; empty if that is f32 */
};

/* Types of activations by number, for options, ended by NULL. */
extern const char *const bench_activation_words[];
enum pinpool_dtype bench_activation_type(int word);

/* @count values of F32 or BF16. Returns 0 or -ENOMEM; whatever it returns, it is freed by bench_activations_free(). */
int bench_activations_new(struct bench_activations *activations, uint64_t count, enum pinpool_dtype dtype,
			  uint64_t seed);
void bench_activations_free(struct bench_activations *activations);
/* What a product of that type gets. */
const void *bench_activations_data(const struct bench_activations *activations);

/* To the nearest, ties to even; of finite values. */
uint16_t bench_to_bf16(float value);

/* The limit of what such a product computes. */
enum bench_limit bench_compute_limit(enum pinpool_dtype weights, enum pinpool_dtype activations);

#endif
