/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A list of digests that a user has of a checkpoint, as xxh128sum and sha256sum print them: read before the load, which
 * computes what the list names, and compared before anything is published.
 */
#ifndef PINPOOL_LOAD_DIGESTS_H
#define PINPOOL_LOAD_DIGESTS_H

#include "load/plan.h"

struct digest_list;

/*
 * Reads the list at @path and asks @plan, which outlives the list, for the SHA-256 it names. What it says of files and
 * tensors that are not taken whole is not compared. @no_xxh3: the load makes none. Returns 0, -EBADMSG (a line that is
 * none, or that names nothing of the checkpoint), -EINVAL (a digest that the load does not make), -ENOMEM, or what
 * opening and reading gave.
 */
int digest_list_open(struct digest_list **out, const char *path, struct plan *plan, bool no_xxh3,
		     struct pinpool_diag *diag);
/* NULL is fine. */
void digest_list_free(struct digest_list *list);

/* After the stream. Returns 0 and how many are @equal, or -EBADMSG with what differs. */
int digest_list_compare(const struct digest_list *list, uint64_t *equal, struct pinpool_diag *diag);

#endif
