/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Headers of safetensors files: made for tensors of a pool, and recognised in one. */
#ifndef PINPOOL_FORMAT_SAFETENSORS_WRITER_H
#define PINPOOL_FORMAT_SAFETENSORS_WRITER_H

#include <jansson.h>
#include <pinpool/catalog.h>

/*
 * The order in which the format's reference lays tensors out: wider types first, so that each lies at a multiple of
 * its element's width, then by name. Codes come before all others. For qsort() of struct pinpool_tensor.
 */
int safetensors_order(const void *left, const void *right);

/*
 * Makes the header of a file that has @tensors one after the other: its length and the JSON, padded to a multiple of 8,
 * or of 64 with codes among them. @metadata: an object, or NULL; what there is to say of codes is put in. The caller
 * frees *@out. Returns 0, -EOPNOTSUPP (a type or name that the format has not, by name), -EOVERFLOW (longer than the
 * format allows), -ENOMEM.
 */
int safetensors_make_header(const struct pinpool_tensor *tensors, size_t count, json_t *metadata, char **out,
			    size_t *bytes, struct pinpool_diag *diag);

/*
 * Whether @source, which lies at @data, is a whole safetensors file with the @count tensors that the catalog has of it,
 * which are in order of offset: then its header for json_decref(), else NULL.
 */
json_t *safetensors_find_header(const struct pinpool_source *source, const void *data,
				const struct pinpool_tensor *tensors, size_t count);

#endif
