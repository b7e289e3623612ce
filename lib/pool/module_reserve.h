/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The module's reserve, node by node: /sys/class/pinpool/control/nodeN/. Operations of struct backend_ops. */
#ifndef PINPOOL_POOL_MODULE_RESERVE_H
#define PINPOOL_POOL_MODULE_RESERVE_H

#include <pinpool/common.h>

int module_reserve_get(struct pinpool_ctx *ctx, size_t index, struct pinpool_reserve *reserve,
		       struct pinpool_diag *diag);
int module_reserve_set(struct pinpool_ctx *ctx, uint32_t node, uint64_t bytes, struct pinpool_diag *diag);

#endif
