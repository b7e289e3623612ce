/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Finding packings for a product. What is handed out is of the tensor that the pool holds now, for the kernels of the
 * context, and as long as these kernels will read: everything else is an error that says what it is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/opts.h"
#include "pack/companion.h"
#include "pool/backend.h"

struct pinpool_packings {
	const struct pinpool_math *math;
	struct pinpool_info base; /* the pool that holds the weights */
	struct pinpool_catalog *catalog; /* its */
	struct companion companion;
};

/* There are none for the kernels of @math; are there for others? */
static int none(struct pinpool_pool *pool, enum pinpool_isa isa, struct pinpool_diag *diag)
{
	struct pinpool_info info = {.size = sizeof(info)};
	char name[PINPOOL_NAME_MAX + 1];

	for (int other = PINPOOL_ISA_AUTO + 1; other < PINPOOL_ISA_COUNT; other++)
		if (!pinpool_packings_name(pool->name, (enum pinpool_isa)other, name, NULL) &&
		    !pinpool_pool_stat(pool->ctx, name, &info, NULL) && info.state == PINPOOL_STATE_READY)
			return diag_set(diag, -EOPNOTSUPP, pool->name, "make them with pinpool pack",
					"has packings for %s and none for %s",
					pinpool_isa_name((enum pinpool_isa)other), pinpool_isa_name(isa));
	return diag_set(diag, -ENOENT, pool->name, "make them with pinpool pack", "has no packings");
}

static int open_companion(struct pinpool_packings *packings, struct pinpool_pool *pool, struct pinpool_diag *diag)
{
	enum pinpool_isa isa = pinpool_math_isa(packings->math);
	struct pinpool_info info = {.size = sizeof(info)};
	char name[PINPOOL_NAME_MAX + 1];
	int err;

	err = pinpool_packings_name(pool->name, isa, name, diag);
	/* A name with no room for another behind it has none. */
	if (err == -ENAMETOOLONG)
		return none(pool, isa, diag);
	if (!err && pinpool_pool_stat(pool->ctx, name, &info, NULL) == -ENOENT)
		return none(pool, isa, diag);
	if (!err)
		err = companion_open(pool->ctx, name, &packings->companion, diag);
	if (!err)
		err = companion_check(&packings->companion, &packings->base, diag);
	return err;
}

int pinpool_packings_open(struct pinpool_pool *pool, const struct pinpool_math *math, struct pinpool_packings **out,
			  struct pinpool_diag *diag)
{
	struct pinpool_packings *packings = calloc(1, sizeof(*packings));
	int err;

	if (!packings)
		return diag_errno(diag, -ENOMEM, pool->name);
	packings->math = math;
	packings->base.size = sizeof(packings->base);
	err = pinpool_pool_get_info(pool, &packings->base);
	if (err)
		diag_errno(diag, err, pool->name);
	/* Also says -ENODATA of a pool that is not READY. */
	if (!err)
		err = pinpool_catalog_open(pool, &packings->catalog, diag);
	if (!err)
		err = open_companion(packings, pool, diag);
	if (err) {
		pinpool_packings_close(packings);
		return err;
	}
	*out = packings;
	return 0;
}

void pinpool_packings_close(struct pinpool_packings *packings)
{
	if (!packings)
		return;
	companion_close(&packings->companion);
	pinpool_catalog_close(packings->catalog);
	free(packings);
}

/* Is @packed of the tensor of that name that the pool holds? */
static int check_tensor(const struct pinpool_packings *packings, const struct pinpool_packed *packed,
			struct pinpool_diag *diag)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};

	if (!companion_is_of(packed, &packings->base) ||
	    pinpool_catalog_find(packings->catalog, packed->tensor, &tensor) || tensor.dtype != packed->dtype ||
	    tensor.ndim != 2 || tensor.shape[0] != packed->n || tensor.shape[1] != packed->k ||
	    (tensor.has_digest && packed->has_digest && memcmp(tensor.digest, packed->digest, sizeof(tensor.digest))))
		return diag_set(diag, -ESTALE, packings->companion.info.name, "pack again",
				"the packing of %s is of another tensor than %s holds", packed->tensor,
				packings->base.name);
	return 0;
}

int pinpool_packings_find(const struct pinpool_packings *packings, const char *tensor, struct pinpool_packing *packing,
			  struct pinpool_diag *diag)
{
	struct pinpool_packing result = {.size = sizeof(result)};
	struct pinpool_packed packed = {.size = sizeof(packed)};
	const char *name = packings->companion.info.name;
	int err;

	err = pinpool_catalog_find_packing(packings->companion.catalog, tensor, &packed);
	if (err)
		return diag_set(diag, err, name, "pinpool pack --list shows those that were", "%s was not packed",
				tensor);
	if (packed.version != PINPOOL_PACKING_VERSION)
		return diag_set(diag, -EOPNOTSUPP, name, "pack again", "the packing of %s has version %u", tensor,
				packed.version);
	err = check_tensor(packings, &packed, diag);
	if (!err)
		err = pinpool_packing_describe(packings->math, packed.dtype, packed.n, packed.k, &result, diag);
	if (err)
		return err;
	if (result.panel_rows != packed.panel_rows || result.bytes != packed.bytes)
		return diag_set(diag, -EBADMSG, name, "drop and pack again",
				"the packing of %s is not as its version says", tensor);
	result.data = packed.data;
	return opts_write(packing, &result, sizeof(result));
}
