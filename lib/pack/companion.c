/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Companions by name: what they are called, whether they are what they say, lists of them, their end; see companion.h.
 */
#include "pack/companion.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "pool/names.h"

int pinpool_packings_name(const char *base, enum pinpool_isa isa, char name[PINPOOL_NAME_MAX + 1],
			  struct pinpool_diag *diag)
{
	const char *kernels = isa == PINPOOL_ISA_AUTO ? NULL : pinpool_isa_name(isa);

	if (pinpool_name_check(base))
		return diag_set(diag, -EINVAL, base ? base : "pool name", NULL, "not a name for a pool");
	if (!kernels)
		return diag_set(diag, -EINVAL, base, NULL, "packings are for one set of kernels, not for number %d",
				(int)isa);
	if (snprintf(name, PINPOOL_NAME_MAX + 1, "%s.%s", base, kernels) > PINPOOL_NAME_MAX) {
		diag_set(diag, -ENAMETOOLONG, base, NULL, "no room for .%s behind the name, %d characters in all",
			 kernels, PINPOOL_NAME_MAX);
		diag_change(diag, "a pool with packings has a name of at most %zu",
			    PINPOOL_NAME_MAX - 1 - strlen(kernels));
		return -ENAMETOOLONG;
	}
	return 0;
}

/* @name is @packed's base, a dot and its kernels. */
static bool says_its_name(const struct pinpool_packed *packed, const char *name)
{
	size_t length = strlen(packed->base);

	return !strncmp(name, packed->base, length) && name[length] == '.' && !strcmp(name + length + 1, packed->isa);
}

static int check_names(struct companion *companion, const char *name, struct pinpool_diag *diag)
{
	struct pinpool_packed packed = {.size = sizeof(packed)};

	companion->first.size = sizeof(companion->first);
	if (pinpool_catalog_packing(companion->catalog, 0, &companion->first))
		return diag_set(diag, -ENOENT, name, NULL, "a pool that holds no packings");
	for (size_t i = 0; !pinpool_catalog_packing(companion->catalog, i, &packed); i++)
		if (!says_its_name(&packed, name))
			return diag_set(diag, -EBADMSG, name, "remove the pool with pinpool rm",
					"holds packings of %s for %s, which is not what it is called", packed.base,
					packed.isa);
	return 0;
}

int companion_open(struct pinpool_ctx *ctx, const char *name, struct companion *companion, struct pinpool_diag *diag)
{
	int err;

	*companion = (struct companion){.info.size = sizeof(companion->info)};
	err = pinpool_pool_open(ctx, name, PINPOOL_OPEN_READ, &companion->pool, diag);
	if (err)
		return err;
	err = pinpool_pool_get_info(companion->pool, &companion->info);
	if (err)
		diag_errno(diag, err, name);
	if (!err)
		err = pinpool_catalog_open(companion->pool, &companion->catalog, diag);
	if (!err)
		err = check_names(companion, name, diag);
	if (err)
		companion_close(companion);
	return err;
}

void companion_close(struct companion *companion)
{
	pinpool_catalog_close(companion->catalog);
	pinpool_pool_close(companion->pool);
	*companion = (struct companion){0};
}

bool companion_is_of(const struct pinpool_packed *packed, const struct pinpool_info *base)
{
	if (packed->base_length != base->length)
		return false;
	/* The same weights loaded again are the same weights. */
	if (packed->base_digest_kind != PINPOOL_DIGEST_NONE)
		return packed->base_digest_kind == base->digest_kind &&
		       !memcmp(packed->base_digest, base->digest, sizeof(base->digest));
	/* Without a digest only the pool itself is, which is committed once. */
	return packed->base_committed_ns && packed->base_committed_ns == base->committed_ns;
}

int companion_check(const struct companion *companion, const struct pinpool_info *base, struct pinpool_diag *diag)
{
	const struct pinpool_packed *first = &companion->first;
	const char *name = companion->info.name;

	if (base->state != PINPOOL_STATE_READY)
		return diag_set(diag, -ENODATA, base->name, "wait until it is READY", "%s",
				pinpool_state_name(base->state));
	/* Whoever may make pools could otherwise put other weights beside those of somebody else. */
	if (companion->info.uid != base->uid && companion->info.uid != 0)
		return diag_set(diag, -EPERM, name, "have the owner pack it", "belongs to another user than %s does",
				base->name);
	if (first->version > PINPOOL_PACKING_VERSION)
		return diag_set(diag, -EOPNOTSUPP, name, "use a newer pinpool, or drop and pack again",
				"packings of version %u, this library knows %u", first->version,
				PINPOOL_PACKING_VERSION);
	if (first->version != PINPOOL_PACKING_VERSION)
		return diag_set(diag, -EOPNOTSUPP, name, "pack again", "packings of the older version %u",
				first->version);
	if (!companion_is_of(first, base))
		return diag_set(diag, -ESTALE, name, "pack again", "packings of weights that %s no longer holds",
				base->name);
	return 0;
}

int pinpool_packings_check(struct pinpool_ctx *ctx, const char *name, struct pinpool_diag *diag)
{
	struct pinpool_info base = {.size = sizeof(base)};
	struct companion companion;
	int err;

	err = companion_open(ctx, name, &companion, diag);
	if (err)
		return err;
	err = pinpool_pool_stat(ctx, companion.first.base, &base, diag);
	if (!err)
		err = companion_check(&companion, &base, diag);
	companion_close(&companion);
	return err;
}

/* Whether @name may be a companion, of @base if that is not NULL. */
static bool may_be_companion(const char *name, const char *base)
{
	const char *dot = strrchr(name, '.');

	return dot && (!base || ((size_t)(dot - name) == strlen(base) && !strncmp(name, base, (size_t)(dot - name))));
}

int pinpool_packings_list(struct pinpool_ctx *ctx, const char *base, char ***names, size_t *count)
{
	struct names found = {0};
	struct companion companion;
	size_t pools;
	char **all;
	int err;

	err = pinpool_pool_list(ctx, &all, &pools);
	if (err)
		return err;
	for (size_t i = 0; i < pools && !err; i++) {
		/* One that went away, or is none, or is closed to us, is not listed. */
		if (!may_be_companion(all[i], base) || companion_open(ctx, all[i], &companion, NULL))
			continue;
		err = names_add(&found, all[i]);
		companion_close(&companion);
	}
	if (!err)
		err = names_export(&found, names);
	if (!err)
		*count = found.count;
	names_free(&found);
	free(all);
	return err;
}

int pinpool_packings_drop(struct pinpool_ctx *ctx, const char *base, enum pinpool_isa isa, struct pinpool_diag *diag)
{
	struct pinpool_info info = {.size = sizeof(info)};
	struct companion companion;
	char name[PINPOOL_NAME_MAX + 1];
	int err;

	err = pinpool_packings_name(base, isa, name, diag);
	if (!err)
		err = pinpool_pool_stat(ctx, name, &info, diag);
	if (err == -ENOENT)
		return diag_set(diag, -ENOENT, base, "pinpool pack --list shows what there is", "no packings for %s",
				pinpool_isa_name(isa));
	if (err)
		return err;
	if (info.state == PINPOOL_STATE_LOADING)
		return diag_set(diag, -EBUSY, name, "wait until it is READY, or end who packs", "is being packed");
	if (info.state == PINPOOL_STATE_READY) {
		err = companion_open(ctx, name, &companion, diag);
		if (err)
			return err;
		companion_close(&companion);
	}
	return pinpool_pool_destroy(ctx, name, diag);
}
