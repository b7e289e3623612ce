/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Filling struct pinpool_diag. Every function takes NULL for @diag and returns its error, so a failure is one line. */
#ifndef PINPOOL_BASE_DIAG_H
#define PINPOOL_BASE_DIAG_H

#include <pinpool/common.h>

/* Sets all three strings; @change may be NULL. Returns @err, which is negative. */
int diag_set(struct pinpool_diag *diag, int err, const char *object, const char *change, const char *cause_fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* Replaces what the user can change, for a caller that knows more. */
void diag_change(struct pinpool_diag *diag, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* cause = strerror(-err). Returns @err. */
int diag_errno(struct pinpool_diag *diag, int err, const char *object);

#endif
