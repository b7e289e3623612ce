/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* All pages of a pool without the module, taken at creation from the NUMA nodes asked for. */
#ifndef PINPOOL_POOL_FILE_FILL_H
#define PINPOOL_POOL_FILE_FILL_H

#include "pool/file_store.h"

/*
 * What this backend can do of what is asked for. Fills in the nodes that interleaving without any means. Returns 0,
 * -EOPNOTSUPP or -EINVAL.
 */
int file_fill_check(const struct file_store *store, struct pool_create *create, struct pinpool_diag *diag);
/*
 * fallocate() of the whole file, signals or not. Returns 0 or -errno, explained by its name; pages taken before a
 * failure stay the file's.
 */
int file_fill(struct file_store *store, int fd, const struct pool_create *create, struct pinpool_diag *diag);
/* The one node that all pages must come from, -1 if there is none such. */
int32_t file_fill_strict_node(const struct pool_create *create);

#endif
