/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Touching memory of a pool on demand without the risk of SIGBUS: the kernel gets the pages first, or says why not. */
#ifndef PINPOOL_POOL_POPULATE_H
#define PINPOOL_POOL_POPULATE_H

#include <pinpool/common.h>

/* [@addr, @addr + @bytes) of a mapping. Returns 0, or -ENOMEM if the pool found no page; nothing is explained. */
int populate_read(const void *addr, size_t bytes);
int populate_write(void *addr, size_t bytes);

/* The words for a pool on demand that found no page. Returns -ENOMEM. */
int populate_failed(const char *name, struct pinpool_diag *diag);

#endif
