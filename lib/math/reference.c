/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The product as its definition says, in double: what the kernels are tested against. */
#include <fenv.h>

#include "math/half.h"
#include "math/product.h"

static double weight(const struct product *p, size_t row, size_t column)
{
	const unsigned char *src = p->w + row * p->ldw + column * p->w_size;

	switch (p->weight) {
	case WEIGHT_BF16:
		return bf16_load(src);
	case WEIGHT_F16:
		return f16_load(src);
	default:
		return f32_load(src);
	}
}

int pinpool_matmul_reference(const struct pinpool_matmul_args *args, struct pinpool_diag *diag)
{
	struct product p;
	fenv_t caller;
	int ret;

	ret = product_check(&p, args, diag);
	if (ret)
		return ret;
	fegetenv(&caller);
	fesetenv(FE_DFL_ENV);
	for (size_t i = 0; i < p.m; i++) {
		for (size_t j = 0; j < p.n; j++) {
			double sum = 0;

			for (size_t l = 0; l < p.k; l++)
				sum += (double)p.x[i * p.ldx + l] * weight(&p, j, l);
			p.y[i * p.ldy + j] = (float)sum;
		}
	}
	fesetenv(&caller);
	return 0;
}
