/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The product as its definition says, in double: what the kernels are tested against. */
#include <fenv.h>

#include "math/product.h"

int pinpool_matmul_reference(const struct pinpool_matmul_args *args, struct pinpool_diag *diag)
{
	const struct element_type *x, *y;
	float (*load)(const void *src);
	struct product p;
	fenv_t caller;
	int ret;

	ret = product_check(&p, args, diag);
	if (ret)
		return ret;
	load = elements[p.weight].load;
	x = &elements[p.x_element];
	y = &elements[p.y_element];
	fegetenv(&caller);
	fesetenv(FE_DFL_ENV);
	for (size_t i = 0; i < p.m; i++) {
		const unsigned char *row_x = (const unsigned char *)p.x + i * p.ldx * x->size;
		unsigned char *row_y = (unsigned char *)p.y + i * p.ldy * y->size;

		for (size_t j = 0; j < p.n; j++) {
			const unsigned char *row_w = p.w + j * p.ldw;
			double sum = p.bias ? p.bias[j] : 0;

			for (size_t l = 0; l < p.k; l++)
				sum += (double)x->load(row_x + l * x->size) * (double)load(row_w + l * p.w_size);
			y->store(row_y + j * y->size, (float)sum);
		}
	}
	fesetenv(&caller);
	return 0;
}
