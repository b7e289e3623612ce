/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Arguments of a matrix product: the checks. See product.h. */
#include "math/product.h"

#include <errno.h>
#include <inttypes.h>

#include "base/diag.h"
#include "base/opts.h"
#include "math/packing.h"

/* Lengths are in elements, of which @block each have @element bytes. */
struct matrix {
	const char *name;
	uintptr_t start;
	uint64_t rows;
	uint64_t columns;
	uint64_t stride;
	uint64_t block;
	uint64_t element;
	/* One past the last byte of the last row. */
	uintptr_t end;
};

/* Fills in the default of stride, and end. */
static int check_matrix(struct matrix *matrix, struct pinpool_diag *diag)
{
	uint64_t count, bytes;

	if (!matrix->start)
		return diag_set(diag, -EINVAL, matrix->name, NULL, "null pointer");
	if (!matrix->stride)
		matrix->stride = matrix->columns;
	if (matrix->stride < matrix->columns)
		return diag_set(diag, -EINVAL, matrix->name, "use 0 for rows without gaps",
				"rows of %" PRIu64 " elements overlap at a stride of %" PRIu64, matrix->columns,
				matrix->stride);
	if (matrix->columns % matrix->block || matrix->stride % matrix->block)
		return diag_set(diag, -EINVAL, matrix->name, NULL,
				"rows of %" PRIu64 " elements at a stride of %" PRIu64 " are no whole blocks of %" PRIu64,
				matrix->columns, matrix->stride, matrix->block);
	/* Kernels compute addresses in bytes: the whole extent must be a valid object size, PTRDIFF_MAX at most. */
	if (__builtin_mul_overflow(matrix->rows - 1, matrix->stride, &count) ||
	    __builtin_add_overflow(count, matrix->columns, &count) ||
	    __builtin_mul_overflow(count / matrix->block, matrix->element, &bytes) || bytes > PTRDIFF_MAX ||
	    __builtin_add_overflow(matrix->start, (uintptr_t)bytes, &matrix->end))
		return diag_set(diag, -EINVAL, matrix->name, NULL,
				"%" PRIu64 " rows at a stride of %" PRIu64 " elements overflow the address space",
				matrix->rows, matrix->stride);
	return 0;
}

static int check_aligned(const struct matrix *matrix, struct pinpool_diag *diag)
{
	if (matrix->start % matrix->element)
		return diag_set(diag, -EINVAL, matrix->name, NULL, "address is not a multiple of %" PRIu64,
				matrix->element);
	return 0;
}

static int check_apart(const struct matrix *y, const struct matrix *other, struct pinpool_diag *diag)
{
	if (y->start < other->end && other->start < y->end)
		return diag_set(diag, -EINVAL, y->name, "write the result elsewhere", "overlaps %s", other->name);
	return 0;
}

static int check_dimension(const char *name, uint64_t value, struct pinpool_diag *diag)
{
	/* Kernels round dimensions up to whole tiles. */
	if (!value || value > PTRDIFF_MAX)
		return diag_set(diag, -EINVAL, name, NULL, "a dimension of %" PRIu64, value);
	return 0;
}

static int check_weight(struct product *product, enum pinpool_dtype dtype, struct pinpool_diag *diag)
{
	const char *change = "use F32, BF16, F16, F8_E4M3, F8_E5M2, I8, Q8_0, Q4_0, Q4_K or Q6_K weights";
	const char *name = pinpool_dtype_name(dtype);

	product->weight = element_of(dtype);
	if (product->weight < ELEMENT_COUNT)
		return 0;
	if (!name)
		return diag_set(diag, -EOPNOTSUPP, "w", change, "%d is no element type", (int)dtype);
	return diag_set(diag, -EOPNOTSUPP, "w", change, "there is no matmul kernel for %s weights", name);
}

/* @dtype: 0 for f32. */
static int check_activations(enum element *out, const char *name, enum pinpool_dtype dtype, struct pinpool_diag *diag)
{
	const char *change = "use F32, BF16 or F16", *type = pinpool_dtype_name(dtype);

	*out = dtype ? element_of(dtype) : ELEMENT_F32;
	if (*out < ELEMENT_ACTIVATIONS)
		return 0;
	if (!type)
		return diag_set(diag, -EOPNOTSUPP, name, change, "%d is no element type", (int)dtype);
	return diag_set(diag, -EOPNOTSUPP, name, change, "%s is no type of activations", type);
}

int product_check_scales(const float *scales, enum pinpool_dtype dtype, struct pinpool_diag *diag)
{
	if (dtype == PINPOOL_DTYPE_I8 && !scales)
		return diag_set(diag, -EINVAL, "w_scales", "give a scale for each row of W", "null pointer");
	if (dtype != PINPOOL_DTYPE_I8 && scales)
		return diag_set(diag, -EINVAL, "w_scales", "only I8 has them", "scales for weights of type %s",
				pinpool_dtype_name(dtype));
	return 0;
}

/* The matrices of a product, as check_matrix() takes them. */
struct matrices {
	struct matrix x;
	struct matrix w;
	struct matrix y;
	struct matrix bias;
	struct matrix scales;
};

static int check_weights(struct matrices *all, const struct pinpool_matmul_args *a, const struct math_kernels *kernels,
			 struct pinpool_diag *diag)
{
	const struct pinpool_packing *packing = a->packing;
	int ret;

	if (!packing) {
		ret = product_check_scales(a->w_scales, a->w_dtype, diag);
		if (!ret && a->w_scales)
			ret = check_matrix(&all->scales, diag);
		if (!ret && a->w_scales)
			ret = check_aligned(&all->scales, diag);
		return ret ? ret : check_matrix(&all->w, diag);
	}
	if (!kernels)
		return diag_set(diag, -EOPNOTSUPP, "packing", "give W as it is", "no packing can be used here");
	ret = packing_check(packing, kernels, diag);
	if (ret)
		return ret;
	if (a->w || a->w_scales || a->ldw)
		return diag_set(diag, -EINVAL, "w", "leave w, w_scales and ldw empty", "weights beside a packing of them");
	if (packing->dtype != a->w_dtype || packing->n != a->n || packing->k != a->k)
		return diag_set(diag, -EINVAL, "packing", NULL,
				"a packing of %" PRIu64 " rows of %" PRIu64 " of type %s is not one of these weights",
				packing->n, packing->k, pinpool_dtype_name(packing->dtype));
	all->w = (struct matrix){ "packing", (uintptr_t)packing->data, 1, packing->bytes, 0, 1, 1, 0 };
	ret = check_matrix(&all->w, diag);
	if (ret)
		return ret;
	if (all->w.start % PINPOOL_PACKING_ALIGN)
		return diag_set(diag, -EINVAL, "packing", NULL, "address is not a multiple of %u", PINPOOL_PACKING_ALIGN);
	return 0;
}

static int check_coded(struct product *product, const struct matrix *y, const struct pinpool_matmul_args *a,
		       struct pinpool_diag *diag)
{
	struct coded *coded = &product->coded;
	int ret;

	if (a->w || a->w_dtype || a->w_scales || a->ldw || a->packing)
		return diag_set(diag, -EINVAL, "w", "leave w, w_dtype, w_scales, ldw and packing empty",
				"weights beside coded ones");
	ret = coded_check(coded, a->w_coded, a->n, a->k, diag);
	for (size_t i = 0; i < coded->array_count && !ret; i++) {
		const struct coded_array *array = &coded->arrays[i];
		struct matrix other = { .name = array->name, .start = array->start, .end = array->end };

		ret = check_apart(y, &other, diag);
	}
	return ret;
}

static int check_matrices(struct matrices *all, const struct pinpool_matmul_args *a, const struct math_kernels *kernels,
			  struct pinpool_diag *diag)
{
	int ret;

	if ((ret = check_matrix(&all->x, diag)) || (!a->w_coded && (ret = check_weights(all, a, kernels, diag))) ||
	    (ret = check_matrix(&all->y, diag)) || (ret = check_aligned(&all->x, diag)) ||
	    (ret = check_aligned(&all->y, diag)) || (ret = check_apart(&all->y, &all->x, diag)) ||
	    (!a->w_coded && (ret = check_apart(&all->y, &all->w, diag))))
		return ret;
	if (!a->w_coded && a->w_scales && (ret = check_apart(&all->y, &all->scales, diag)))
		return ret;
	if (a->bias && ((ret = check_matrix(&all->bias, diag)) || (ret = check_aligned(&all->bias, diag)) ||
			(ret = check_apart(&all->y, &all->bias, diag))))
		return ret;
	return 0;
}

int product_check(struct product *out, const struct pinpool_matmul_args *args, const struct math_kernels *kernels,
		  struct pinpool_diag *diag)
{
	struct pinpool_matmul_args a;
	struct product product = { 0 };
	struct matrices all;
	int ret;

	if (!args)
		return diag_set(diag, -EINVAL, "args", NULL, "null pointer");
	ret = opts_read(&a, sizeof(a), args);
	if (ret)
		return diag_set(diag, ret, "args", "set size to sizeof(struct pinpool_matmul_args)",
				ret == -E2BIG ? "has fields that this library does not know" : "size is not set");
	if (!a.w_coded)
		ret = check_weight(&product, a.w_dtype, diag);
	if (ret)
		return ret;
	if ((ret = check_activations(&product.x_element, "x", a.x_dtype, diag)) ||
	    (ret = check_activations(&product.y_element, "y", a.y_dtype, diag)))
		return ret;
	if ((ret = check_dimension("m", a.m, diag)) || (ret = check_dimension("n", a.n, diag)) ||
	    (ret = check_dimension("k", a.k, diag)))
		return ret;
	all = (struct matrices){
		.x = { "x", (uintptr_t)a.x, a.m, a.k, a.ldx, 1, elements[product.x_element].size, 0 },
		.w = { "w", (uintptr_t)a.w, a.n, a.k, a.ldw, elements[product.weight].block,
		       elements[product.weight].size, 0 },
		.y = { "y", (uintptr_t)a.y, a.m, a.n, a.ldy, 1, elements[product.y_element].size, 0 },
		.bias = { "bias", (uintptr_t)a.bias, 1, a.n, 0, 1, sizeof(float), 0 },
		.scales = { "w_scales", (uintptr_t)a.w_scales, 1, a.n, 0, 1, sizeof(float), 0 },
	};
	ret = check_matrices(&all, &a, kernels, diag);
	if (!ret && a.w_coded)
		ret = check_coded(&product, &all.y, &a, diag);
	if (ret)
		return ret;
	product.m = a.m;
	product.n = a.n;
	product.k = a.k;
	product.x = a.x;
	product.ldx = all.x.stride;
	product.w = a.w;
	product.ldw = a.packing || a.w_coded ? 0 : product_w_bytes(&product, all.w.stride);
	product.y = a.y;
	product.ldy = all.y.stride;
	product.bias = a.bias;
	product.packing = a.packing;
	product.w_scales = a.w_scales;
	if (a.packing && a.w_dtype == PINPOOL_DTYPE_I8)
		product.w_scales = a.packing->data;
	*out = product;
	return 0;
}
