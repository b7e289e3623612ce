/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Failure reasons for people; see diag.h. */
#include "base/diag.h"

#include <stdio.h>
#include <string.h>

static void copy(char *dst, size_t size, const char *src)
{
	snprintf(dst, size, "%s", src ? src : "");
}

int diag_set(struct pinpool_diag *diag, int err, const char *object, const char *change, const char *cause_fmt, ...)
{
	va_list ap;

	if (!diag)
		return err;
	copy(diag->object, sizeof(diag->object), object);
	copy(diag->change, sizeof(diag->change), change);
	va_start(ap, cause_fmt);
	vsnprintf(diag->cause, sizeof(diag->cause), cause_fmt, ap);
	va_end(ap);
	return err;
}

void diag_change(struct pinpool_diag *diag, const char *fmt, ...)
{
	va_list ap;

	if (!diag)
		return;
	va_start(ap, fmt);
	vsnprintf(diag->change, sizeof(diag->change), fmt, ap);
	va_end(ap);
}

int diag_errno(struct pinpool_diag *diag, int err, const char *object)
{
	/* GNU strerror_r may return a static string; either way the result is copied at once. */
	char buf[128];

	return diag_set(diag, err, object, NULL, "%s", strerror_r(-err, buf, sizeof(buf)));
}
