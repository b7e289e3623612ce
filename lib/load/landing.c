/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Tensors as they land; see landing.h. */
#include "load/landing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int landing_make(struct landing *landing, const struct plan *plan, const void *base, bool digests)
{
	const struct checkpoint *checkpoint = &plan->checkpoint;
	size_t count = 0;

	for (size_t f = 0; f < checkpoint->count; f++)
		count += checkpoint->files[f].count;
	*landing = (struct landing){.plan = plan, .base = base, .digests = digests};
	landing->tensors = calloc(count + 1, sizeof(*landing->tensors));
	if (!landing->tensors)
		return -ENOMEM;
	for (size_t f = 0; f < checkpoint->count; f++) {
		const struct format_file *file = &checkpoint->files[f];

		for (size_t t = 0; t < file->count; t++)
			landing->tensors[landing->count++] = (struct landing_tensor){
				.from = &file->tensors[t],
				.range = &plan->files[f].ranges[t],
				.file = (uint32_t)f,
				.offset = plan->files[f].offset + file->tensors[t].begin,
			};
	}
	return 0;
}

void landing_free(struct landing *landing)
{
	free(landing->tensors);
	*landing = (struct landing){0};
}

struct pinpool_tensor landing_tensor(const struct landing *landing, size_t index, bool whole)
{
	const struct landing_tensor *tensor = &landing->tensors[index];
	const struct format_tensor *from = tensor->from;
	struct pinpool_tensor out = {
		.size = sizeof(out),
		.name = from->name,
		.dtype = from->dtype,
		.ndim = from->ndim,
		.shape = from->shape,
		.offset = tensor->offset,
		.bytes = from->end - from->begin,
		.data = landing->base + tensor->offset,
		.source = tensor->file,
		.has_digest = whole && landing->digests,
	};

	if (out.has_digest)
		memcpy(out.digest, tensor->range->digest, sizeof(out.digest));
	return out;
}

void teller_landed(struct teller *teller, uint64_t end)
{
	while (teller->next < teller->landing.count && landing_end(&teller->landing, teller->next) <= end) {
		struct pinpool_tensor tensor = landing_tensor(&teller->landing, teller->next++, true);

		teller->opts->landed(teller->opts->landed_arg, &tensor);
	}
}
