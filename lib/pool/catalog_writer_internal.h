/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* A catalog in the making, for the files that make it. */
#ifndef PINPOOL_POOL_CATALOG_WRITER_INTERNAL_H
#define PINPOOL_POOL_CATALOG_WRITER_INTERNAL_H

#include "pool/catalog_layout.h"
#include "pool/catalog_table.h"
#include "pool/catalog_writer.h"

struct catalog_writer {
	struct table sources; /* struct catalog_source */
	struct table tensors; /* struct catalog_tensor */
	struct table extents; /* uint64_t */
	struct table strings; /* char */
	struct table packings; /* struct catalog_packing */
	struct table metadata; /* struct catalog_metadata */
	struct table values; /* char */
	bool want_sha256;
	bool want_rests;
	struct catalog_sha256 *sha256; /* of tensors, then of sources; from seal on, if wanted */
	struct catalog_rest *rests;
	struct table slices; /* struct catalog_slice, of tensors by index */
	struct table fused; /* struct catalog_fused, likewise */
	struct table parts; /* struct catalog_part */
	struct table codes; /* struct catalog_code, of tensors by index, in that order */
	uint32_t *by_offset;
	uint32_t *by_name;
};

#endif
