/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Tensors as they land; see landing.h. */
#include "load/landing.h"

#include <string.h>

struct pinpool_tensor landing_tensor(const struct landing *landing, size_t index, bool whole)
{
	struct pinpool_tensor out = landing->plan->tensors[index];

	out.data = landing->base + out.offset;
	out.has_digest = whole && landing->digests;
	if (out.has_digest)
		memcpy(out.digest, landing->plan->ranges[index].digest, sizeof(out.digest));
	return out;
}

void teller_landed(struct teller *teller, uint64_t end)
{
	const struct landing *landing = &teller->landing;

	while (teller->next < landing->plan->tensor_count && landing_end(landing, teller->next) <= end) {
		struct pinpool_tensor tensor = landing_tensor(landing, teller->next++, true);

		teller->opts->landed(teller->opts->landed_arg, &tensor);
	}
}
