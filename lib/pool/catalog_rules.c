/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What must hold of a tensor and of a packing; see catalog_rules.h. */
#include "pool/catalog_rules.h"
#include "pool/catalog_layout.h"

#include <math.h>

bool catalog_shape_fills(enum pinpool_dtype dtype, uint32_t ndim, const uint64_t *shape, uint64_t bytes)
{
	uint64_t values = pinpool_dtype_block_values(dtype);
	uint64_t bits = values ? pinpool_dtype_block_bytes(dtype) * 8ULL : pinpool_dtype_bits(dtype);
	bool empty = false;

	if (!bits || ndim > PINPOOL_NDIM_MAX || (values && !ndim))
		return false;
	/* An extent of zero makes the tensor empty however large the others are. */
	for (uint32_t i = 0; i < ndim; i++)
		empty |= !shape[i];
	if (empty)
		return !bytes;
	/* A row is whole blocks. */
	if (values && shape[ndim - 1] % values)
		return false;
	for (uint32_t i = 0; i < ndim; i++)
		if (__builtin_mul_overflow(bits, values && i == ndim - 1 ? shape[i] / values : shape[i], &bits))
			return false;
	return bits % 8 == 0 && bits / 8 == bytes;
}

bool catalog_slice_is_sound(uint32_t ndim, const uint64_t *shape, uint32_t dim, uint64_t begin, uint64_t extent)
{
	return dim < ndim && catalog_range_within(begin, shape[dim], extent);
}

bool catalog_ranges_are_sound(uint32_t ndim, const uint64_t *shape, uint32_t dim,
			      const struct pinpool_slice_range *ranges, uint32_t count, uint64_t extent)
{
	uint64_t end = 0, places = 0;

	if (dim >= ndim || count < 2)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (ranges[i].begin < end || !catalog_range_within(ranges[i].begin, ranges[i].places, extent))
			return false;
		end = ranges[i].begin + ranges[i].places;
		places += ranges[i].places;
	}
	return places == shape[dim];
}

bool catalog_tensor_slice_is_sound(const struct pinpool_tensor *tensor)
{
	if (!tensor->sliced)
		return true;
	if (tensor->slice_ranges)
		return catalog_ranges_are_sound(tensor->ndim, tensor->shape, tensor->slice_dim, tensor->slice_ranges,
						tensor->slice_range_count, tensor->slice_extent);
	return catalog_slice_is_sound(tensor->ndim, tensor->shape, tensor->slice_dim, tensor->slice_begin,
				      tensor->slice_extent);
}

bool catalog_code_is_sound(const struct pinpool_tensor *tensor)
{
	return tensor->dtype == PINPOOL_DTYPE_U8 && tensor->ndim == 1 && !tensor->sliced && tensor->plain_ndim >= 2 &&
	       tensor->plain_bytes && tensor->coded_error >= 0 && isfinite(tensor->coded_error) &&
	       catalog_shape_fills(tensor->plain_dtype, tensor->plain_ndim, tensor->plain_shape, tensor->plain_bytes);
}

bool catalog_packing_is_sound(const struct pinpool_packed *packed)
{
	uint64_t values = pinpool_dtype_block_values(packed->dtype);

	if (!values && !pinpool_dtype_bits(packed->dtype))
		return false;
	return packed->n && packed->k && packed->panel_rows && packed->bytes && packed->offset % CATALOG_ALIGN == 0 &&
	       (!values || packed->k % values == 0);
}
