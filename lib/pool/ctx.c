/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Contexts: choosing a backend, once, and the log; see ctx.h. */
#include "pool/ctx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/opts.h"
#include "pool/backend.h"

/* In order of preference. */
static const struct backend_ops *const backends[] = {&backend_module, &backend_hugetlbfs, &backend_shm};

#define BACKENDS (sizeof(backends) / sizeof(backends[0]))

const char *pinpool_backend_name(enum pinpool_backend backend)
{
	switch (backend) {
	case PINPOOL_BACKEND_AUTO:
		return "auto";
	case PINPOOL_BACKEND_MODULE:
		return "module";
	case PINPOOL_BACKEND_HUGETLBFS:
		return "hugetlbfs";
	case PINPOOL_BACKEND_SHM:
		return "shm";
	}
	return NULL;
}

void ctx_log(const struct pinpool_ctx *ctx, enum pinpool_log_level level, const char *fmt, ...)
{
	char msg[1024];
	va_list ap;

	if (!ctx->log || level > ctx->log_level)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	ctx->log(ctx->log_arg, level, msg);
}

static const char *env(const char *name)
{
	const char *value = secure_getenv(name);

	return value && *value ? value : NULL;
}

static int backend_from_env(enum pinpool_backend *backend, struct pinpool_diag *diag)
{
	const char *value = env("PINPOOL_BACKEND");

	*backend = PINPOOL_BACKEND_AUTO;
	if (!value || !strcmp(value, pinpool_backend_name(PINPOOL_BACKEND_AUTO)))
		return 0;
	for (size_t i = 0; i < BACKENDS; i++) {
		*backend = backends[i]->kind;
		if (!strcmp(value, pinpool_backend_name(*backend)))
			return 0;
	}
	return diag_set(diag, -EINVAL, "PINPOOL_BACKEND", "set it to auto, module, hugetlbfs or shm",
			"no backend is named \"%s\"", value);
}

static int open_forced(struct pinpool_ctx *ctx, const struct pinpool_ctx_opts *opts, struct pinpool_diag *diag)
{
	for (size_t i = 0; i < BACKENDS; i++) {
		if (backends[i]->kind != opts->backend)
			continue;
		ctx->ops = backends[i];
		return ctx->ops->open(ctx, opts, diag);
	}
	return diag_set(diag, -EINVAL, "backend", NULL, "no backend has number %d", (int)opts->backend);
}

static int open_first(struct pinpool_ctx *ctx, const struct pinpool_ctx_opts *opts, struct pinpool_diag *diag)
{
	struct pinpool_diag why;
	int err = -ENODEV;

	for (size_t i = 0; i < BACKENDS; i++) {
		memset(&why, 0, sizeof(why));
		ctx->ops = backends[i];
		err = ctx->ops->open(ctx, opts, &why);
		if (!err)
			return 0;
		ctx_log(ctx, PINPOOL_LOG_INFO, "backend %s is not used: %s: %s", pinpool_backend_name(ctx->ops->kind),
			why.object, why.cause);
		if (err != -ENODEV && err != -EACCES && err != -EPERM)
			break;
	}
	if (diag)
		*diag = why;
	return err;
}

int pinpool_ctx_new(struct pinpool_ctx **out, const struct pinpool_ctx_opts *user_opts, struct pinpool_diag *diag)
{
	struct pinpool_ctx_opts opts;
	struct pinpool_ctx *ctx;
	int err;

	err = opts_read(&opts, sizeof(opts), user_opts);
	if (err)
		return diag_set(diag, err, "pinpool_ctx_opts", NULL, "options this library does not know");
	if (opts.backend == PINPOOL_BACKEND_AUTO) {
		err = backend_from_env(&opts.backend, diag);
		if (err)
			return err;
	}
	if (!opts.hugetlbfs_dir)
		opts.hugetlbfs_dir = env("PINPOOL_HUGETLBFS_DIR");
	if (!opts.state_dir)
		opts.state_dir = env("PINPOOL_STATE_DIR");

	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return diag_errno(diag, -ENOMEM, "context");
	atomic_init(&ctx->refs, 1);
	ctx->log = opts.log;
	ctx->log_arg = opts.log_arg;
	ctx->log_level = opts.log_level;

	err = opts.backend == PINPOOL_BACKEND_AUTO ? open_first(ctx, &opts, diag) : open_forced(ctx, &opts, diag);
	if (err) {
		free(ctx);
		return err;
	}
	ctx_log(ctx, PINPOOL_LOG_INFO, "backend %s", pinpool_backend_name(ctx->ops->kind));
	*out = ctx;
	return 0;
}

struct pinpool_ctx *pinpool_ctx_ref(struct pinpool_ctx *ctx)
{
	atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
	return ctx;
}

void pinpool_ctx_unref(struct pinpool_ctx *ctx)
{
	if (!ctx || atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) != 1)
		return;
	ctx->ops->close(ctx);
	free(ctx);
}

int pinpool_ctx_get_info(struct pinpool_ctx *ctx, struct pinpool_ctx_info *info)
{
	struct pinpool_ctx_info result = {
		.size = sizeof(result),
		.backend = ctx->ops->kind,
		.evicted = PINPOOL_UNKNOWN,
		.pages_scrubbed = PINPOOL_UNKNOWN,
		.quarantine_bytes = PINPOOL_UNKNOWN,
	};
	int err;

	err = ctx->ops->info(ctx, &result);
	if (err)
		return err;
	return opts_write(info, &result, sizeof(result));
}

static int no_reserve(const struct pinpool_ctx *ctx, struct pinpool_diag *diag)
{
	return diag_set(diag, -EOPNOTSUPP, "reserve", "use the kernel module or hugetlbfs", "the %s backend has none",
			pinpool_backend_name(ctx->ops->kind));
}

int pinpool_reserve_get(struct pinpool_ctx *ctx, size_t index, struct pinpool_reserve *reserve,
			struct pinpool_diag *diag)
{
	struct pinpool_reserve result = {.size = sizeof(result)};
	int err;

	if (!ctx->ops->reserve_get)
		return no_reserve(ctx, diag);
	err = ctx->ops->reserve_get(ctx, index, &result, diag);
	if (err)
		return err;
	return opts_write(reserve, &result, sizeof(result));
}

int pinpool_reserve_set(struct pinpool_ctx *ctx, uint32_t node, uint64_t bytes, struct pinpool_diag *diag)
{
	return ctx->ops->reserve_set ? ctx->ops->reserve_set(ctx, node, bytes, diag) : no_reserve(ctx, diag);
}
