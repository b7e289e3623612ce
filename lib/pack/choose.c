/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Which tensors are packed, and where in the companion: one after the other, in the order in which they lie. */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "pack/pack.h"

/* Why a tensor cannot be packed, or NULL. */
static const char *obstacle(const struct pinpool_tensor *tensor)
{
	if (tensor->ndim != 2)
		return "it has not two dimensions";
	if (!tensor->shape[0] || !tensor->shape[1])
		return "it has no elements";
	if (tensor->dtype == PINPOOL_DTYPE_I8)
		return "its scales lie elsewhere";
	if (!pinpool_matmul_takes(tensor->dtype))
		return "there are no kernels for its type";
	return NULL;
}

/* Whether it is asked for. Marks the patterns that match; by its own name it must be possible. */
static int wanted(struct pack *pack, const struct pinpool_tensor *tensor, bool *wants, struct pinpool_diag *diag)
{
	const char *why = obstacle(tensor);

	*wants = !pack->opts.tensor_count && !why;
	for (size_t i = 0; i < pack->opts.tensor_count; i++) {
		const char *pattern = pack->opts.tensors[i];
		bool named = !strcmp(pattern, tensor->name);

		if (named && why)
			return diag_set(diag, -EOPNOTSUPP, tensor->name, NULL, "cannot be packed: %s, it is %s", why,
					pinpool_dtype_name(tensor->dtype));
		if (!why && (named || !fnmatch(pattern, tensor->name, 0)))
			*wants = pack->matched[i] = true;
	}
	return 0;
}

int pack_add(struct pack *pack, const struct pinpool_tensor *tensor, struct pinpool_diag *diag)
{
	struct pack_item item = {
		.name = tensor->name,
		.packing.size = sizeof(item.packing),
		.from = tensor->offset,
		.bytes = tensor->bytes,
		.number = pack->offered++,
		.has_digest = tensor->has_digest,
	};
	struct pack_item *items;
	bool wants;
	int err;

	memcpy(item.digest, tensor->digest, sizeof(item.digest));
	err = wanted(pack, tensor, &wants, diag);
	if (err || !wants)
		return err;
	err = pinpool_packing_describe(pack->math, tensor->dtype, tensor->shape[0], tensor->shape[1], &item.packing,
				       diag);
	if (err)
		return err;
	/* Room for twice as many whenever their number is a power of two. */
	if (!(pack->count & (pack->count - 1))) {
		items = realloc(pack->items, (pack->count ? 2 * pack->count : 1) * sizeof(*items));
		if (!items)
			return diag_errno(diag, -ENOMEM, pack->base);
		pack->items = items;
	}
	item.offset = (pack->length + PINPOOL_PACKING_ALIGN - 1) & ~(uint64_t)(PINPOOL_PACKING_ALIGN - 1);
	if (item.packing.bytes > INT64_MAX - item.offset)
		return diag_errno(diag, -EOVERFLOW, tensor->name);
	pack->length = item.offset + item.packing.bytes;
	pack->total += item.bytes;
	pack->items[pack->count++] = item;
	return 0;
}
