/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Metrics by HTTP: libmicrohttpd in one thread of its own, which is the only one that uses the context while it runs.
 * GET and HEAD of /metrics are answered, nothing else is there.
 */
#ifndef PINPOOL_TOOLS_METRICS_SERVER_H
#define PINPOOL_TOOLS_METRICS_SERVER_H

#include <pinpool/pinpool.h>

struct metrics_server;

/*
 * @where is "PORT", which is of 127.0.0.1, "ADDRESS:PORT" or "[ADDRESS]:PORT", numbers all. Returns 0, -EINVAL (it is
 * none of these), or -errno with @diag.
 */
int metrics_server_begin(struct metrics_server **out, struct pinpool_ctx *ctx, const char *where,
			 struct pinpool_diag *diag);
void metrics_server_end(struct metrics_server *server);

#endif
