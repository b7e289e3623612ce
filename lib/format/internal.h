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

/*
 * Reads the header of a file of which the source is open and nothing else is known; the file of that name has the
 * rules. What is in @file is closed by the caller in any case.
 */
typedef int (*format_read_fn)(struct format_file *file, struct pinpool_diag *diag);
int safetensors_read_header(struct format_file *file, struct pinpool_diag *diag);
int gguf_read_header(struct format_file *file, struct pinpool_diag *diag);
int npy_read_header(struct format_file *file, struct pinpool_diag *diag);
int npz_read_header(struct format_file *file, struct pinpool_diag *diag);
/* Opens @path and reads its header so. On failure @file is closed. */
int format_file_open(struct format_file *file, const char *path, format_read_fn read, struct pinpool_diag *diag);
void format_file_close(struct format_file *file);
/* Order of struct format_tensor for qsort(): by place, then by name. */
int format_by_place(const void *left, const void *right);

/* What a GGUF file begins with, which no other format does. */
#define GGUF_MAGIC "GGUF"

/* Whether the end of @name is that of a part of a split GGUF file; see gguf_split.c. */
bool gguf_split_is_part(const char *name);
/* Whether two names of parts are those of parts of the same file. */
bool gguf_split_same(const char *a, const char *b);
/* Opens all parts of the file that @path is one of. */
int gguf_split_open(struct checkpoint *checkpoint, const char *path, struct pinpool_diag *diag);
/* @file, opened alone, is all there is of it. Returns 0 or -EBADMSG. */
int gguf_split_is_whole(const struct format_file *file, struct pinpool_diag *diag);
/* Reads a raw description and opens the files it names; see raw.c for the rules. */
int raw_open(struct checkpoint *checkpoint, const char *path, struct pinpool_diag *diag);

/* Reads an index and opens the files it names; see index.c for the rules. */
int index_open(struct checkpoint *checkpoint, const char *path, struct pinpool_diag *diag);

/*
 * The array of .npy that [@begin, @end) of @source holds, header included, as tensor @name, whose place is that of its
 * elements. Returns 0, -EBADMSG, -EOPNOTSUPP (too many dimensions), -ENOMEM, -EIO, ... What is in @tensor is the
 * caller's in any case.
 */
int npy_parse(const struct source *source, uint64_t begin, uint64_t end, const char *name, struct format_tensor *tensor,
	      struct pinpool_diag *diag);

/* A broken rule of one tensor: "FILE: tensor NAME". Returns -EBADMSG. */
int format_bad(const struct source *source, const char *name, struct pinpool_diag *diag, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* A JSON integer that is not negative: no file is longer than 63 bits count. Returns 0, -EBADMSG. */
int format_get_count(const json_t *value, uint64_t *out);
/* Name and room for a shape, in a zeroed @tensor. Returns 0, -EBADMSG (no UTF-8), -EOPNOTSUPP, -ENOMEM. */
int format_new_tensor(const struct source *source, struct format_tensor *tensor, const char *name, size_t ndim,
		      struct pinpool_diag *diag);
/* Bytes that type, which is one, and shape ask for. Returns 0, -EBADMSG. */
int format_tensor_bytes(const struct source *source, const struct format_tensor *tensor, uint64_t *bytes,
			struct pinpool_diag *diag);
/* No two tensors of a sorted @file overlap; no two of @checkpoint share a name. Return 0, -EBADMSG, -ENOMEM. */
int format_check_apart(const struct format_file *file, struct pinpool_diag *diag);
int format_check_names(const struct checkpoint *checkpoint, struct pinpool_diag *diag);

/* What a file may call another one: a name without folders. */
bool format_is_file_name(const char *name);
/* Path of the file @name in the folder of @from; the caller frees it. NULL: no memory. */
char *format_beside(const struct source *from, const char *name);

/*
 * Parses [@offset, @offset + @bytes) of @source as one JSON object without duplicate keys. Returns 0, -EBADMSG with
 * the offset of the fault, -ENOMEM, -EIO, ...
 */
int format_read_json(const struct source *source, uint64_t offset, size_t bytes, json_t **out,
		     struct pinpool_diag *diag);

/* A name out of a file, shortened, control characters made visible: it may end up on a terminal. Returns @buf. */
const char *format_quote(char *buf, size_t size, const char *name);

#endif
