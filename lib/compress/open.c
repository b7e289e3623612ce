/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Coded tensors of a pool as products take them. */
#include "base/diag.h"
#include "base/opts.h"
#include "codec/blob.h"

#include <errno.h>
#include <pinpool/compress.h>

const char *pinpool_coded_kind_name(enum pinpool_coded_kind kind)
{
	return blob_kind_name(kind);
}

int pinpool_coded_open(const struct pinpool_tensor *tensor, struct pinpool_coded *coded, uint64_t *n, uint64_t *k,
		       struct pinpool_diag *diag)
{
	struct blob blob;
	int err;

	if (!tensor || !coded || !n || !k)
		return diag_set(diag, -EINVAL, "pinpool_coded_open", NULL, "null pointer");
	if (!tensor->coded)
		return diag_set(diag, -EINVAL, tensor->name, NULL, "is not coded");
	err = blob_read(&blob, tensor->data, tensor->bytes, tensor->name, diag);
	if (err)
		return err;
	*n = blob.n;
	*k = blob.k;
	return opts_write(coded, &blob.coded, sizeof(blob.coded));
}
