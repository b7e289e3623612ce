/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The product as its definition says, in double: what the kernels are tested against. */
#include <fenv.h>

#include "math/product.h"

static double dot(const struct product *p, size_t row_x, size_t row_w)
{
	const struct element_type *x = &elements[p->x_element], *w = &elements[p->weight];
	const unsigned char *src_x = (const unsigned char *)p->x + row_x * p->ldx * x->size;
	const unsigned char *src_w = p->w + row_w * p->ldw;
	double sum = 0;
	float values[ELEMENT_BLOCK_MAX], activation;

	for (size_t l = 0; l < p->k; l += w->block, src_w += w->size) {
		w->widen(values, src_w);
		for (size_t i = 0; i < w->block; i++, src_x += x->size) {
			x->widen(&activation, src_x);
			sum += (double)activation * (double)values[i];
		}
	}
	if (p->w_scales)
		sum *= p->w_scales[row_w];
	return p->bias ? sum + p->bias[row_w] : sum;
}

int pinpool_matmul_reference(const struct pinpool_matmul_args *args, struct pinpool_diag *diag)
{
	const struct element_type *y;
	struct product p;
	fenv_t caller;
	int ret;

	ret = product_check(&p, args, NULL, diag);
	if (ret)
		return ret;
	y = &elements[p.y_element];
	fegetenv(&caller);
	fesetenv(FE_DFL_ENV);
	for (size_t i = 0; i < p.m; i++)
		for (size_t j = 0; j < p.n; j++)
			y->store((unsigned char *)p.y + (i * p.ldy + j) * y->size, (float)dot(&p, i, j));
	fesetenv(&caller);
	return 0;
}
