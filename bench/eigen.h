/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Eigen's product of sparse rows with dense activations, for coded.c, which is C. */
#ifndef PINPOOL_BENCH_EIGEN_H
#define PINPOOL_BENCH_EIGEN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct eigen_product;

/* Rows as struct pinpool_coded has them, times @m rows of @x, which are copied in the order that Eigen is fast with. */
struct eigen_product *eigen_new(int n, int k, const uint64_t *starts, const uint32_t *columns, const void *values,
				const float *x, int m);
void eigen_run(struct eigen_product *product);
/* NULL is nothing. */
void eigen_free(struct eigen_product *product);

#ifdef __cplusplus
}
#endif
#endif
