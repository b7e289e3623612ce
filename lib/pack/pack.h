/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Packings in the making, from the choice of tensors to a published companion, whether the weights lie in a READY pool
 * or are still on their way. The order: pack_begin(), pack_add() for every tensor there is, pack_take(),
 * pack_rows() until all is packed, pack_publish(); pack_end() whatever happened.
 */
#ifndef PINPOOL_PACK_PACK_H
#define PINPOOL_PACK_PACK_H

#include <pinpool/pack.h>

/**
 * struct pack_item - one tensor to pack
 * @name: its name, the caller's
 * @packing: what its packing is
 * @from: bytes from the start of the base to the tensor
 * @bytes: length of the tensor
 * @offset: bytes from the start of the companion to the packing
 * @number: of the tensor, counting all that were offered
 * @has_digest: @digest is valid
 * @digest: of the tensor
 */
struct pack_item {
	const char *name;
	struct pinpool_packing packing;
	uint64_t from;
	uint64_t bytes;
	uint64_t offset;
	size_t number;
	bool has_digest;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
};

/* Which weights were packed, for the catalog. */
struct pack_base {
	uint64_t length;
	uint64_t committed_ns;
	enum pinpool_digest_kind digest_kind;
	const uint8_t *digest;
};

struct pack {
	struct pinpool_ctx *ctx;
	const char *base; /* name of the pool with the weights */
	struct pinpool_pack_opts opts;
	struct pinpool_math *math; /* opts.math, or our own */
	bool *matched; /* by pattern */
	struct pack_item *items; /* by ascending @from */
	size_t count;
	size_t offered;
	uint64_t total; /* bytes of the tensors */
	uint64_t length; /* of the companion's content */
	char name[PINPOOL_NAME_MAX + 1]; /* the companion */
	struct pinpool_pool *pool;
	bool created;
	bool published;
	char *data; /* the companion, mapped */
	size_t capacity;
	uint64_t create_ns;
	uint64_t start_ns;
};

/*
 * @base stays the caller's; @create is how it will be made if it is not there, or NULL. Threads of a context of our own
 * run on its node. Returns 0, -EINVAL, -E2BIG, -ENAMETOOLONG, -ENOMEM, and what making a context gives.
 */
int pack_begin(struct pack *pack, struct pinpool_ctx *ctx, const char *base, const struct pinpool_create_opts *create,
	       const struct pinpool_pack_opts *opts, struct pinpool_diag *diag);

/*
 * Offers a tensor, in order of offset; its name stays the caller's. Returns 0 whether it is to be packed or
 * not, -EOPNOTSUPP (it was named and cannot be), -ENOMEM.
 */
int pack_add(struct pack *pack, const struct pinpool_tensor *tensor, struct pinpool_diag *diag);

/*
 * After the last tensor: makes the companion, as @base is, LOADING and mapped. Returns 0, -ENOENT (a pattern that
 * matched nothing, or nothing to pack), -EEXIST, -EBUSY, and what creating and opening give.
 */
int pack_take(struct pack *pack, const struct pinpool_info *base, struct pinpool_diag *diag);

/* Packs @count rows of @item from row @first on; @weights is where the base is mapped. */
int pack_rows(struct pack *pack, const struct pack_item *item, uint64_t first, uint64_t count, const void *weights,
	      struct pinpool_diag *diag);

/* Writes the catalog and commits. */
int pack_publish(struct pack *pack, const struct pack_base *base, struct pinpool_diag *diag);

/*
 * After publishing: are the weights, and what was packed of them, still there by name? Who removes a pool looks for
 * packings afterwards, who packs looks for the pool: one of both sees the other. Returns 0 or -ENOENT.
 */
int pack_confirm(const struct pack *pack, struct pinpool_diag *diag);

/* Fills @report if it is not NULL. Returns 0 or -EINVAL (its size). */
int pack_fill_report(const struct pack *pack, struct pinpool_pack_report *report);

/* Gives everything back; with @err also what was made, published or not. */
void pack_end(struct pack *pack, int err);

#endif
