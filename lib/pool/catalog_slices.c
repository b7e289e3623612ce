/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What a catalog says of tensors that are parts of those in the files: in one range, or in several of fused ones. */
#include "pool/catalog_internal.h"

_Static_assert(sizeof(struct pinpool_slice_range) == 2 * sizeof(uint64_t), "ranges are read in place");

const void *catalog_entry_about(const struct pinpool_catalog *catalog, enum catalog_section_type type, size_t number)
{
	size_t low = 0, high = catalog->sections[type].count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const uint32_t *at = entry(catalog, type, middle);

		if (*at == number)
			return at;
		if (*at > number)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static const struct pinpool_slice_range *ranges_of(const struct pinpool_catalog *catalog,
						   const struct catalog_fused *fused)
{
	return entry(catalog, CATALOG_EXTENTS, fused->ranges);
}

static int check_slice(const struct pinpool_catalog *catalog, const struct catalog_slice *slice, const char *pool,
		       struct pinpool_diag *diag)
{
	const struct catalog_tensor *tensor = entry(catalog, CATALOG_TENSORS, slice->tensor);
	const uint64_t *shape = entry(catalog, CATALOG_EXTENTS, tensor->extents);

	if (!catalog_slice_is_sound(tensor->ndim, shape, slice->dim, slice->begin, slice->extent))
		return refuse(diag, pool, "a slice lies outside its tensor");
	return 0;
}

static int check_fused(const struct pinpool_catalog *catalog, const struct catalog_fused *fused, const char *pool,
		       struct pinpool_diag *diag)
{
	const struct catalog_tensor *tensor = entry(catalog, CATALOG_TENSORS, fused->tensor);
	const uint64_t *shape = entry(catalog, CATALOG_EXTENTS, tensor->extents);

	if (!catalog_range_within(fused->ranges, 2 * (uint64_t)fused->count, catalog->sections[CATALOG_EXTENTS].count))
		return refuse(diag, pool, "ranges of a slice lie outside of it");
	if (!catalog_ranges_are_sound(tensor->ndim, shape, fused->dim, ranges_of(catalog, fused), fused->count,
				      fused->extent))
		return refuse(diag, pool, "ranges of a slice are none of its tensor");
	if (catalog_entry_about(catalog, CATALOG_SLICES, fused->tensor))
		return refuse(diag, pool, "a tensor is a slice twice");
	return 0;
}

int catalog_check_slices(const struct pinpool_catalog *catalog, const char *pool, struct pinpool_diag *diag)
{
	static const enum catalog_section_type types[] = {CATALOG_SLICES, CATALOG_FUSED};

	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
		uint64_t next = 0;

		for (size_t i = 0; i < catalog->sections[types[t]].count; i++) {
			const uint32_t *at = entry(catalog, types[t], i);
			int err;

			if (*at < next || *at >= catalog->sections[CATALOG_TENSORS].count)
				return refuse(diag, pool, "a slice is of no tensor, or not in order");
			if (types[t] == CATALOG_SLICES)
				err = check_slice(catalog, (const void *)at, pool, diag);
			else
				err = check_fused(catalog, (const void *)at, pool, diag);
			if (err)
				return err;
			next = (uint64_t)*at + 1;
		}
	}
	return 0;
}

void catalog_read_slice(const struct pinpool_catalog *catalog, size_t index, struct pinpool_tensor *tensor)
{
	const struct catalog_slice *slice = catalog_entry_about(catalog, CATALOG_SLICES, index);
	const struct catalog_fused *fused = catalog_entry_about(catalog, CATALOG_FUSED, index);

	tensor->sliced = slice || fused;
	if (slice) {
		tensor->slice_dim = slice->dim;
		tensor->slice_begin = slice->begin;
		tensor->slice_extent = slice->extent;
	}
	if (fused) {
		tensor->slice_dim = fused->dim;
		tensor->slice_ranges = ranges_of(catalog, fused);
		tensor->slice_range_count = fused->count;
		tensor->slice_begin = tensor->slice_ranges[0].begin;
		tensor->slice_extent = fused->extent;
	}
}
