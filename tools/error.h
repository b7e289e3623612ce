/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Error lines: "pinpool: load: model.safetensors: cause (what to change)", always exactly one line on standard error.
 */
#ifndef PINPOOL_TOOLS_ERROR_H
#define PINPOOL_TOOLS_ERROR_H

#include "cli.h"

/* A call of the library failed with @err. Returns STATUS_FAILED. */
int error_diag(const struct cli *cli, int err, const struct pinpool_diag *diag);

/* @object and @change may be NULL. Returns STATUS_FAILED. */
int error_line(const struct cli *cli, const char *object, const char *change, const char *cause_fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same for a wrong command line, with a pointer to --help where @change is NULL. Returns STATUS_USAGE. */
int error_usage(const struct cli *cli, const char *object, const char *change, const char *cause_fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* @err is positive or negative. Returns STATUS_FAILED. */
int error_errno(const struct cli *cli, const char *object, int err);

/* A message of the library; a pinpool_log_fn whose @arg is the struct cli. */
void error_log(void *arg, enum pinpool_log_level level, const char *msg);

#endif
