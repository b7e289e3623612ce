/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Packings: how large, whether they fit, and making them. See packing.h. */
#include "math/packing.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/diag.h"
#include "math/context.h"

static int check_dimension(const char *name, uint64_t value, struct pinpool_diag *diag)
{
	if (!value || value > PTRDIFF_MAX)
		return diag_set(diag, -EINVAL, name, NULL, "a dimension of %" PRIu64, value);
	return 0;
}

/* Fills in what follows from type, n and k. */
static int describe(struct pinpool_packing *packing, const struct math_kernels *kernels, struct pinpool_diag *diag)
{
	enum element element = element_of(packing->dtype);
	const struct panel_type *type;
	uint64_t bytes, units;
	int ret;

	if (element == ELEMENT_COUNT)
		return diag_set(diag, -EOPNOTSUPP, "packing", NULL, "there is no matmul kernel for weights of type %s",
				pinpool_dtype_name(packing->dtype) ? pinpool_dtype_name(packing->dtype) : "?");
	if ((ret = check_dimension("n", packing->n, diag)) || (ret = check_dimension("k", packing->k, diag)))
		return ret;
	if (packing->k % elements[element].block)
		return diag_set(diag, -EINVAL, "k", NULL, "rows of %" PRIu64 " elements are no whole blocks of %zu",
				packing->k, elements[element].block);
	type = &kernels->packed[element];
	/* So that nothing below overflows: a panel, then all of them, and the scales of rows. */
	units = packing->k / type->values + 1;
	if (__builtin_mul_overflow(units, type->bytes + PINPOOL_PACKING_ALIGN, &bytes) ||
	    __builtin_mul_overflow(packing->n / type->nr + 1, bytes, &bytes) ||
	    __builtin_add_overflow(bytes, (packing->n + type->nr) * sizeof(float) + PINPOOL_PACKING_ALIGN, &bytes) ||
	    bytes > PTRDIFF_MAX)
		return diag_set(diag, -EINVAL, "packing", NULL, "%" PRIu64 " rows of %" PRIu64 " overflow the address space",
				packing->n, packing->k);
	packing->isa = kernels->isa;
	packing->version = PINPOOL_PACKING_VERSION;
	packing->panel_rows = type->nr;
	packing->bytes = packing_head_bytes(packing) +
			 (packing->n + type->nr - 1) / type->nr * packing_panel_bytes(type, packing->k);
	return 0;
}

int pinpool_packing_describe(const struct pinpool_math *math, enum pinpool_dtype dtype, uint64_t n, uint64_t k,
			     struct pinpool_packing *packing, struct pinpool_diag *diag)
{
	struct pinpool_packing out = { .size = sizeof(out), .dtype = dtype, .n = n, .k = k };
	int ret;

	if (!math || !packing)
		return diag_set(diag, -EINVAL, math ? "packing" : "math", NULL, "null pointer");
	if (packing->size != sizeof(*packing))
		return diag_set(diag, -EINVAL, "packing", "set size to sizeof(struct pinpool_packing)",
				"a size of %zu", packing->size);
	ret = describe(&out, math->kernels, diag);
	if (!ret)
		*packing = out;
	return ret;
}

int packing_check(const struct pinpool_packing *packing, const struct math_kernels *kernels, struct pinpool_diag *diag)
{
	struct pinpool_packing mine = { .size = sizeof(mine), .dtype = packing->dtype, .n = packing->n, .k = packing->k };
	const char *name = pinpool_isa_name(packing->isa);
	int ret;

	if (packing->size != sizeof(*packing))
		return diag_set(diag, -EINVAL, "packing", "set size to sizeof(struct pinpool_packing)",
				"a size of %zu", packing->size);
	if (packing->isa != kernels->isa)
		return diag_set(diag, -EOPNOTSUPP, "packing", "make one for these kernels, or use W as it is",
				"it is for %s kernels, this context has %s", name ? name : "unknown",
				pinpool_isa_name(kernels->isa));
	if (packing->version != PINPOOL_PACKING_VERSION)
		return diag_set(diag, -EOPNOTSUPP, "packing", "make it again, or use W as it is",
				"it is of version %" PRIu32 ", this library knows %u", packing->version,
				PINPOOL_PACKING_VERSION);
	ret = describe(&mine, kernels, diag);
	if (ret)
		return ret;
	if (packing->panel_rows != mine.panel_rows || packing->bytes != mine.bytes)
		return diag_set(diag, -EINVAL, "packing", NULL, "its %" PRIu64 " bytes are not those of such a packing",
				packing->bytes);
	return 0;
}

/* Bytes of a panel that are made in the first cache before they go out. */
#define PART_BYTES 16384

struct rows {
	const struct math_kernels *kernels;
	const struct panel_type *type;
	const struct element_type *element;
	const struct pinpool_packing *packing;
	const unsigned char *w;
	size_t ldw;
	unsigned char *panels; /* of the first row */
	size_t count;
};

/* The processor does not follow so many rows side by side. */
static void fetch_rows(const unsigned char *w, size_t ldw, size_t rows, size_t bytes)
{
	for (size_t row = 0; row < rows; row++)
		for (size_t line = 0; line < bytes; line += 64)
			__builtin_prefetch(w + row * ldw + line, 0, 2);
}

static void pack_unit(void *arg, size_t unit, unsigned int thread)
{
	const struct rows *rows = arg;
	const struct panel_type *type = rows->type;
	size_t k = rows->packing->k, row = unit * type->nr, bytes = packing_panel_bytes(type, k);
	size_t used = packing_values_bytes(type, k), step = PART_BYTES / type->bytes * type->values;
	_Alignas(64) unsigned char part[PART_BYTES];
	unsigned char *panel = rows->panels + unit * bytes;
	size_t count = min(type->nr, rows->count - row);

	/* Nobody reads it soon: it is not to take the place of what they do read, nor is it read before it is written. */
	for (size_t at = 0; at < k; at += step) {
		const unsigned char *w = rows->w + row * rows->ldw + element_bytes(rows->element, at);
		size_t values = min(step, k - at), next = at + values;

		type->pack_w(part, w, rows->ldw, count, values);
		fetch_rows(w + element_bytes(rows->element, values), rows->ldw, count,
			   element_bytes(rows->element, min(step, k - next)));
		rows->kernels->stream_out(panel + packing_values_bytes(type, at), part,
					  packing_values_bytes(type, values));
	}
	/* The same weights give the same bytes. */
	memset(panel + used, 0, bytes - used);
}

/* What is behind the last row's scale is zero. */
static void store_scales(const struct rows *rows, size_t first, const float *scales, float *all)
{
	size_t end = first + rows->count;

	memcpy(all + first, scales, rows->count * sizeof(float));
	if (end == rows->packing->n)
		memset(all + end, 0, packing_head_bytes(rows->packing) - end * sizeof(float));
}

int pinpool_packing_rows(struct pinpool_math *math, const struct pinpool_packing *packing, uint64_t first, uint64_t count,
			 const void *w, uint64_t ldw, const float *scales, void *data, struct pinpool_diag *diag)
{
	const struct element_type *element;
	struct rows rows;
	int ret;

	if (!math || !packing || !w || !data)
		return diag_set(diag, -EINVAL, !math ? "math" : !packing ? "packing" : !w ? "w" : "data", NULL,
				"null pointer");
	ret = packing_check(packing, math->kernels, diag);
	if (ret)
		return ret;
	element = &elements[element_of(packing->dtype)];
	if ((uintptr_t)data % PINPOOL_PACKING_ALIGN)
		return diag_set(diag, -EINVAL, "data", NULL, "address is not a multiple of %u", PINPOOL_PACKING_ALIGN);
	if (first > packing->n || !count || count > packing->n - first || first % packing->panel_rows ||
	    (count % packing->panel_rows && first + count != packing->n))
		return diag_set(diag, -EINVAL, "rows", "give whole panels, or what is left",
				"%" PRIu64 " from %" PRIu64 " on, of %" PRIu64 " in panels of %" PRIu64, count, first,
				packing->n, packing->panel_rows);
	ret = product_check_scales(scales, packing->dtype, diag);
	if (ret)
		return ret;
	if (!ldw)
		ldw = packing->k;
	if (ldw < packing->k || ldw % element->block || ldw > PTRDIFF_MAX / element->size / packing->n)
		return diag_set(diag, -EINVAL, "ldw", "use 0 for rows without gaps",
				"a stride of %" PRIu64 " elements for rows of %" PRIu64, ldw, packing->k);
	rows = (struct rows){
		.kernels = math->kernels,
		.type = &math->kernels->packed[element_of(packing->dtype)],
		.packing = packing,
		.element = element,
		.w = w,
		.ldw = element_bytes(element, ldw),
		.count = count,
	};
	rows.panels = (unsigned char *)data + packing_head_bytes(packing) +
		      first / packing->panel_rows * packing_panel_bytes(rows.type, packing->k);
	if (scales)
		store_scales(&rows, first, scales, data);
	team_run(math->team, pack_unit, &rows, (count - 1) / packing->panel_rows + 1);
	return 0;
}
