/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The context: one backend, chosen once, and where messages go. Nothing in it changes after pinpool_ctx_new(), so that
 * any number of threads may use it; whoever keeps a pointer holds a reference.
 */
#ifndef PINPOOL_POOL_CTX_H
#define PINPOOL_POOL_CTX_H

#include <pinpool/common.h>
#include <stdatomic.h>

struct backend_ops;

struct pinpool_ctx {
	atomic_uint refs;
	const struct backend_ops *ops;
	void *store; /* the backend's own, made by ops->open, given back by ops->close */
	pinpool_log_fn log;
	void *log_arg;
	enum pinpool_log_level log_level;
};

/* One message to the log function of the context, if it wants that level. */
void ctx_log(const struct pinpool_ctx *ctx, enum pinpool_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
