/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The product as its definition says, in double: what the kernels are tested against. */
#include <fenv.h>

#include "math/environment.h"
#include "math/product.h"

static double x_at(const struct product *p, size_t row, size_t column)
{
	const struct element_type *x = &elements[p->x_element];
	float activation;

	x->widen(&activation, (const unsigned char *)p->x + (row * p->ldx + column) * x->size);
	return activation;
}

static double dot_decoded(const struct product *p, size_t row_x, size_t row_w)
{
	double sum = 0;

	for (size_t first = 0; first < p->k; first += CODED_STEP) {
		size_t end = p->k - first < CODED_STEP ? p->k : first + CODED_STEP;
		float values[CODED_STEP];

		coded_decode(values, &p->coded, row_w, p->k, first, end);
		for (size_t l = first; l < end; l++)
			sum += x_at(p, row_x, l) * (double)values[l - first];
	}
	return sum;
}

/* Of what is stored, whether that is columns or blocks. */
static double dot_sparse(const struct product *p, size_t row_x, size_t row_w)
{
	const struct coded *w = &p->coded;
	size_t row = row_w / w->block_rows;
	double sum = 0;

	for (uint64_t i = w->starts[row]; i < w->starts[row + 1]; i++) {
		size_t first = w->columns[i] * w->block_columns;
		float values[CODED_STEP];

		coded_decode(values, w, row_w, p->k, first, first + w->block_columns);
		for (size_t c = 0; c < w->block_columns; c++)
			sum += x_at(p, row_x, first + c) * (double)values[c];
	}
	return sum;
}

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
	return sum;
}

int pinpool_matmul_reference(const struct pinpool_matmul_args *args, struct pinpool_diag *diag)
{
	double (*sum)(const struct product *p, size_t row_x, size_t row_w) = dot;
	const struct element_type *y;
	struct product p;
	fenv_t caller;
	int ret;

	ret = product_check(&p, args, NULL, diag);
	if (ret)
		return ret;
	y = &elements[p.y_element];
	if (p.coded.kind)
		sum = coded_is_sparse(&p.coded) ? dot_sparse : dot_decoded;
	fegetenv(&caller);
	environment_set_default();
	for (size_t i = 0; i < p.m; i++) {
		for (size_t j = 0; j < p.n; j++) {
			double value = sum(&p, i, j);

			if (p.bias)
				value += p.bias[j];
			y->store((unsigned char *)p.y + (i * p.ldy + j) * y->size, (float)value);
		}
	}
	fesetenv(&caller);
	return 0;
}
