/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Shared by the files of lib/format. */
#ifndef PINPOOL_FORMAT_INTERNAL_H
#define PINPOOL_FORMAT_INTERNAL_H

#include "format/format.h"

#include <jansson.h>

/* Header of a safetensors file, from the format's reference implementation; also the most that an index may have. */
#define FORMAT_JSON_MAX	 100000000u
/* Enough of a name to know the tensor by, in a message. */
#define FORMAT_QUOTE_MAX 160

/* Opens @path and reads its header; see safetensors.c for the rules. */
int safetensors_open(struct format_file *file, const char *path, struct pinpool_diag *diag);
void format_file_close(struct format_file *file);

/* Reads an index and opens the files it names; see index.c for the rules. */
int index_open(struct checkpoint *checkpoint, const char *path, struct pinpool_diag *diag);

/*
 * Parses [@offset, @offset + @bytes) of @source as one JSON object without duplicate keys. Returns 0, -EBADMSG with
 * the offset of the fault, -ENOMEM, -EIO, ...
 */
int format_read_json(const struct source *source, uint64_t offset, size_t bytes, json_t **out,
		     struct pinpool_diag *diag);

/* A name out of a file, shortened, control characters made visible: it may end up on a terminal. Returns @buf. */
const char *format_quote(char *buf, size_t size, const char *name);

#endif
