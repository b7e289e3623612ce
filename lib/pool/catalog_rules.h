/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What must hold of a tensor, a source and a packing, asked by the writer of its caller and by the reader of a catalog.
 */
#ifndef PINPOOL_POOL_CATALOG_RULES_H
#define PINPOOL_POOL_CATALOG_RULES_H

#include <pinpool/catalog.h>

/* @offset and @bytes describe a range within [0, @limit). */
static inline bool catalog_range_within(uint64_t offset, uint64_t bytes, uint64_t limit)
{
	return offset <= limit && bytes <= limit - offset;
}

/* @bytes is what @ndim extents of @dtype take; elements narrower than a byte must fill whole bytes. */
bool catalog_shape_fills(enum pinpool_dtype dtype, uint32_t ndim, const uint64_t *shape, uint64_t bytes);

/* [@begin, @begin + extent of @dim) lies within @extent. */
bool catalog_slice_is_sound(uint32_t ndim, const uint64_t *shape, uint32_t dim, uint64_t begin, uint64_t extent);

/* The ranges ascend within @extent without touching each other's places, and are as many places as @dim has. */
bool catalog_ranges_are_sound(uint32_t ndim, const uint64_t *shape, uint32_t dim,
			      const struct pinpool_slice_range *ranges, uint32_t count, uint64_t extent);

/* Either of what is said of a slice; true of a tensor that is none. */
bool catalog_tensor_slice_is_sound(const struct pinpool_tensor *tensor);

/* What it was before it was coded is a matrix; bytes of its code have no shape of their own. */
bool catalog_code_is_sound(const struct pinpool_tensor *tensor);

/* Numbers of a packing that do not depend on the pool. Whether they are those of its kernels is theirs to say. */
bool catalog_packing_is_sound(const struct pinpool_packed *packed);

#endif
