/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Files that another file names: always plain names in its own folder, so that a checkpoint leads nowhere else. */
#include "format/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool format_is_file_name(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

char *format_beside(const struct source *from, const char *name)
{
	const char *slash = strrchr(from->path, '/');
	int folder = slash ? (int)(slash + 1 - from->path) : 0;
	char *path;

	return asprintf(&path, "%.*s%s", folder, from->path, name) < 0 ? NULL : path;
}
