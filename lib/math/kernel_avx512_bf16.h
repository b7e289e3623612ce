/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Products of bf16 with bf16; see kernel_avx512_bf16.c. */
#ifndef PINPOOL_MATH_KERNEL_AVX512_BF16_H
#define PINPOOL_MATH_KERNEL_AVX512_BF16_H

#include "math/kernel.h"

/* As struct panel_type has them, of activations that are bf16 in f32. */
void pack_x_pairs_avx512_bf16(void *panel, const float *x, size_t ldx, size_t rows, size_t height, size_t k);
void tile_pairs_avx512_bf16(const struct tile_args *args);
/* As struct math_kernels has them. */
void order_pairs_avx512_bf16(float *dst, const float *x, size_t k);
void dot_exponent_pairs_avx512_bf16(const struct dot_coded_args *args);

#endif
