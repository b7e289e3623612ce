/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The last step of a build: sections become a READY pool, all of them or nothing. */
#ifndef PINPOOL_KG_PUBLISH_H
#define PINPOOL_KG_PUBLISH_H

#include "kg/input.h"
#include "kg/layout.h"
#include "kg/spill.h"

/**
 * struct publish - what is published, and how
 * @ctx: where
 * @name: of the pool
 * @create: how it is made, or NULL
 * @inputs: what it was made of
 * @count: number of @inputs
 * @header: first section
 * @sections: the others
 * @tell: called now and then with the bytes that were copied and their number; not 0 cancels
 * @arg: first argument of @tell
 * @length: receives the bytes of the content
 */
struct publish {
	struct pinpool_ctx *ctx;
	const char *name;
	const struct pinpool_create_opts *create;
	const struct input *inputs;
	size_t count;
	const struct kg_header *header;
	const struct spill *sections;
	int (*tell)(void *arg, uint64_t done, uint64_t total);
	void *arg;
	uint64_t length;
};

/* Whether a pool of this name could be filled, before hours of work. Returns 0, -EEXIST, -EBUSY, -EINVAL, ... */
int publish_possible(struct pinpool_ctx *ctx, const char *name, struct pinpool_diag *diag);
/* Returns 0, -EEXIST, -EBUSY, -ENOSPC (too small), -ECANCELED, what creating and opening give. */
int publish_graph(struct publish *publish, struct pinpool_diag *diag);

#endif
