/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Products with a tensor that streams by: each block of rows of W makes as many columns of Y. */
#include "base/diag.h"
#include "base/opts.h"
#include "window/window.h"

#include <errno.h>
#include <inttypes.h>

static int check_args(const struct window_tensor *tensor, struct pinpool_matmul_args *args, struct pinpool_diag *diag)
{
	const struct format_tensor *from = tensor->from;

	if (args->w || args->w_dtype || args->ldw || args->packing || args->w_coded)
		return diag_set(diag, -EINVAL, "pinpool_matmul_args", NULL, "the weights are those that stream by");
	if (from->ndim != 2)
		return diag_set(diag, -EINVAL, from->name, NULL, "a product takes a tensor [N,K], it has %u dimensions",
				from->ndim);
	if (!pinpool_matmul_takes(from->dtype))
		return diag_set(diag, -EOPNOTSUPP, from->name, NULL, "no kernel for type %s",
				pinpool_dtype_name(from->dtype));
	if ((args->n && args->n != from->shape[0]) || (args->k && args->k != from->shape[1]))
		return diag_set(diag, -EINVAL, from->name, NULL,
				"it is [%" PRIu64 ",%" PRIu64 "], the product says [%" PRIu64 ",%" PRIu64 "]",
				from->shape[0], from->shape[1], args->n, args->k);
	args->n = from->shape[0];
	args->k = from->shape[1];
	args->w_dtype = from->dtype;
	/* Of a whole row of Y, which no block has. */
	if (!args->ldy)
		args->ldy = args->n;
	if (!args->y || args->ldy < args->n)
		return diag_set(diag, -EINVAL, "y", NULL, "null, or a stride of less than a row");
	return 0;
}

static int multiply_block(struct pinpool_math *math, const struct pinpool_matmul_args *whole,
			  const struct pinpool_window_block *block, struct pinpool_diag *diag)
{
	uint64_t width = pinpool_dtype_bytes(whole->y_dtype ? whole->y_dtype : PINPOOL_DTYPE_F32, 1);
	struct pinpool_matmul_args args = *whole;

	args.n = block->rows;
	args.w = block->data;
	args.y = (char *)whole->y + block->row * width;
	args.bias = whole->bias ? whole->bias + block->row : NULL;
	args.w_scales = whole->w_scales ? whole->w_scales + block->row : NULL;
	return pinpool_matmul(math, &args, diag);
}

int pinpool_window_matmul(struct pinpool_window *window, struct pinpool_math *math, const char *tensor_name,
			  const struct pinpool_matmul_args *user_args, struct pinpool_diag *diag)
{
	struct pinpool_window_block block = {.size = sizeof(block)};
	const struct window_tensor *tensor;
	struct pinpool_matmul_args args;
	ssize_t index;
	int err;

	err = opts_read(&args, sizeof(args), user_args);
	if (err)
		return diag_set(diag, err, "pinpool_matmul_args", NULL, "options this library does not know");
	index = pass_find(window, tensor_name, diag);
	if (index < 0)
		return (int)index;
	tensor = &window->tensors[index];
	err = check_args(tensor, &args, diag);
	if (!err && !tensor->rows)
		err = diag_set(diag, -EINVAL, tensor->from->name, NULL, "it has no elements");
	for (uint64_t row = 0; !err && row < tensor->rows; row += block.rows) {
		err = pinpool_window_next(window, &block, diag);
		if (err < 0)
			return err;
		err = multiply_block(math, &args, &block, diag);
		pinpool_window_release(window, &block);
	}
	return err;
}
