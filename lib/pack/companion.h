/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Companions: the pools that hold packings of another one, their base. A companion is called BASE.ISA and every entry
 * of its catalog says the same; whoever asks for one and finds something else has found none.
 */
#ifndef PINPOOL_PACK_COMPANION_H
#define PINPOOL_PACK_COMPANION_H

#include <pinpool/pack.h>

struct companion {
	struct pinpool_pool *pool;
	struct pinpool_catalog *catalog;
	struct pinpool_info info;
	struct pinpool_packed first; /* of its packings, of which there is at least one */
};

/*
 * Opens the pool @name and its catalog. Returns 0, -ENOENT (no such pool, or one that holds no packings), -EBADMSG
 * (packings of a pool or for kernels that its name does not say), or what opening the pool or the catalog gives.
 */
int companion_open(struct pinpool_ctx *ctx, const char *name, struct companion *companion, struct pinpool_diag *diag);
void companion_close(struct companion *companion);

/* Whether @packed is of what a READY pool @base holds. */
bool companion_is_of(const struct pinpool_packed *packed, const struct pinpool_info *base);

/*
 * Whether this library can use them with what @base holds, for kernels that have their name. Returns 0, -ENODATA,
 * -EPERM, -EOPNOTSUPP, -ESTALE.
 */
int companion_check(const struct companion *companion, const struct pinpool_info *base, struct pinpool_diag *diag);

#endif
