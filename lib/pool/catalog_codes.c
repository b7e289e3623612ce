/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Reading what a catalog says of coded tensors: checked when it is opened, found by tensor afterwards. */
#include "pool/catalog_internal.h"

/* What @from says; its extents are there. */
static void read_code(const struct pinpool_catalog *catalog, const struct catalog_code *from,
		      struct pinpool_tensor *tensor)
{
	tensor->coded = (enum pinpool_coded_kind)from->kind;
	tensor->plain_dtype = (enum pinpool_dtype)from->dtype;
	tensor->plain_ndim = from->ndim;
	tensor->plain_shape = entry(catalog, CATALOG_EXTENTS, from->extents);
	tensor->plain_bytes = from->bytes;
	tensor->coded_error = from->error;
}

static int check_code(const struct pinpool_catalog *catalog, const struct catalog_code *code, const char *pool,
		      struct pinpool_diag *diag)
{
	const struct catalog_tensor *from = entry(catalog, CATALOG_TENSORS, code->tensor);
	struct pinpool_tensor tensor = {
		.dtype = (enum pinpool_dtype)from->dtype,
		.ndim = from->ndim,
		.sliced = catalog_entry_about(catalog, CATALOG_SLICES, code->tensor) ||
			  catalog_entry_about(catalog, CATALOG_FUSED, code->tensor),
	};

	if (code->dtype >= PINPOOL_DTYPE_COUNT)
		return newer(diag, pool);
	if (!code->kind || code->ndim > PINPOOL_NDIM_MAX ||
	    !catalog_range_within(code->extents, code->ndim, catalog->sections[CATALOG_EXTENTS].count))
		return refuse(diag, pool, "a code has no kind, or a shape outside of it");
	read_code(catalog, code, &tensor);
	if (!catalog_code_is_sound(&tensor))
		return refuse(diag, pool, "a code is of no matrix, or of a tensor that is none of bytes");
	return 0;
}

int catalog_check_codes(const struct pinpool_catalog *catalog, const char *pool, struct pinpool_diag *diag)
{
	uint64_t next = 0;
	int err;

	for (size_t i = 0; i < catalog->sections[CATALOG_CODES].count; i++) {
		const struct catalog_code *code = entry(catalog, CATALOG_CODES, i);

		if (code->tensor < next || code->tensor >= catalog->sections[CATALOG_TENSORS].count)
			return refuse(diag, pool, "a code is of no tensor, or not in order");
		err = check_code(catalog, code, pool, diag);
		if (err)
			return err;
		next = (uint64_t)code->tensor + 1;
	}
	return 0;
}

void catalog_read_code(const struct pinpool_catalog *catalog, size_t index, struct pinpool_tensor *tensor)
{
	const struct catalog_code *code = catalog_entry_about(catalog, CATALOG_CODES, index);

	if (code)
		read_code(catalog, code, tensor);
}
