/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Which tensors of a safetensors file are coded: strings of its __metadata__, "pinpool.coded": "1" and, for each of
 * them, "pinpool.coded.NAME": "KIND DTYPE [EXTENT, ...]", what it was before. The bytes are a U8 tensor
 * (docs/compression.md).
 */
#ifndef PINPOOL_FORMAT_SAFETENSORS_CODES_H
#define PINPOOL_FORMAT_SAFETENSORS_CODES_H

#include "format/format.h"

#include <jansson.h>

/*
 * Marks the tensors of @file that its metadata, an object of strings or NULL, says are coded. Returns 0, -EBADMSG (what
 * it says cannot be), -EOPNOTSUPP (a newer way to say it, or a kind or type that is not known), -ENOMEM.
 */
int safetensors_read_codes(struct format_file *file, const json_t *metadata, struct pinpool_diag *diag);

/*
 * @metadata (or NULL) without what it says of codes, and with that of @tensors: a new reference, or NULL if there is
 * nothing to say; *@err is 0 or -ENOMEM.
 */
json_t *safetensors_write_codes(json_t *metadata, const struct pinpool_tensor *tensors, size_t count, int *err);

#endif
