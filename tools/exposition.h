/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What is known of a host's pools, in Prometheus' text format 0.0.4. What is not known is left out. */
#ifndef PINPOOL_TOOLS_EXPOSITION_H
#define PINPOOL_TOOLS_EXPOSITION_H

#include <pinpool/pinpool.h>

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* @text is for free(). Returns 0 or -errno. Several threads may call it if each has a context of its own. */
int exposition_make(struct pinpool_ctx *ctx, char **text, size_t *size, struct pinpool_diag *diag);

#endif
