/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Where panels lie in a packing: for i8 the scales of all rows first, in whole panels; then the panels, one after the
 * other, each of all of K and at a multiple of PINPOOL_PACKING_ALIGN.
 */
#ifndef PINPOOL_MATH_PACKING_H
#define PINPOOL_MATH_PACKING_H

#include <pinpool/packing.h>

#include "math/kernel.h"

/* Of the first k values of a panel, whole units. */
static inline size_t packing_values_bytes(const struct panel_type *type, size_t k)
{
	return (k + type->values - 1) / type->values * type->bytes;
}

/* From one panel to the next. */
static inline size_t packing_panel_bytes(const struct panel_type *type, size_t k)
{
	size_t bytes = packing_values_bytes(type, k);

	return (bytes + PINPOOL_PACKING_ALIGN - 1) / PINPOOL_PACKING_ALIGN * PINPOOL_PACKING_ALIGN;
}

/* From the start to the first panel. */
static inline size_t packing_head_bytes(const struct pinpool_packing *packing)
{
	size_t bytes = (packing->n + packing->panel_rows - 1) / packing->panel_rows * packing->panel_rows * sizeof(float);

	if (packing->dtype != PINPOOL_DTYPE_I8)
		return 0;
	return (bytes + PINPOOL_PACKING_ALIGN - 1) / PINPOOL_PACKING_ALIGN * PINPOOL_PACKING_ALIGN;
}

static inline const unsigned char *packing_panel(const struct pinpool_packing *packing, const struct panel_type *type,
						 size_t panel)
{
	return (const unsigned char *)packing->data + packing_head_bytes(packing) +
	       panel * packing_panel_bytes(type, packing->k);
}

/* 0 if @packing is what the kernels read and describes itself rightly, else -EOPNOTSUPP or -EINVAL with a reason. */
int packing_check(const struct pinpool_packing *packing, const struct math_kernels *kernels, struct pinpool_diag *diag);

#endif
