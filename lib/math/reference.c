/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The product as its definition says, in double: what the kernels are tested against. */
#include <fenv.h>

#include "math/product.h"

int pinpool_matmul_reference(const struct pinpool_matmul_args *args, struct pinpool_diag *diag)
{
	float (*load)(const void *src);
	struct product p;
	fenv_t caller;
	int ret;

	ret = product_check(&p, args, diag);
	if (ret)
		return ret;
	load = weight_types[p.weight].load;
	fegetenv(&caller);
	fesetenv(FE_DFL_ENV);
	for (size_t i = 0; i < p.m; i++) {
		for (size_t j = 0; j < p.n; j++) {
			const unsigned char *row = p.w + j * p.ldw;
			double sum = 0;

			for (size_t l = 0; l < p.k; l++)
				sum += (double)p.x[i * p.ldx + l] * (double)load(row + l * p.w_size);
			p.y[i * p.ldy + j] = (float)sum;
		}
	}
	fesetenv(&caller);
	return 0;
}
