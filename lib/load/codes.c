/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Coded tensors of a load: what their headers say, once they have landed, against what their files promised. */
#include "base/diag.h"
#include "codec/blob.h"
#include "load/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Products read the arrays in place, of which the widest elements have so many bytes. */
#define PLACE_ALIGN 8u

static bool same(const struct blob *blob, const struct pinpool_tensor *tensor)
{
	return blob->coded.kind == tensor->coded && blob->dtype == tensor->plain_dtype &&
	       blob->ndim == tensor->plain_ndim &&
	       !memcmp(blob->shape, tensor->plain_shape, blob->ndim * sizeof(*blob->shape));
}

static int check(struct plan *plan, size_t index, const char *base, struct pinpool_diag *diag)
{
	struct pinpool_tensor *tensor = &plan->tensors[index];
	char object[512];
	struct blob blob;
	int err;

	snprintf(object, sizeof(object), "%s: tensor %s", plan->sources[tensor->source].path, tensor->name);
	if (tensor->offset % PLACE_ALIGN)
		return diag_set(diag, -EBADMSG, object, "compress the checkpoint again",
				"its code does not lie at a multiple of %u bytes", PLACE_ALIGN);
	err = blob_read(&blob, base + tensor->offset, tensor->bytes, object, diag);
	if (err)
		return err;
	if (!same(&blob, tensor))
		return diag_set(diag, -EBADMSG, object, "compress the checkpoint again",
				"its code is of another kind, type or shape than its file says");
	tensor->coded_error = blob.error;
	catalog_writer_tensor_error(plan->catalog, index, blob.error);
	return 0;
}

int plan_check_codes(struct plan *plan, const char *base, struct pinpool_diag *diag)
{
	int err = 0;

	for (size_t i = 0; i < plan->tensor_count && !err; i++)
		if (plan->tensors[i].coded)
			err = check(plan, i, base, diag);
	return err;
}
