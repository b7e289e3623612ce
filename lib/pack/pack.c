/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Packings in the making; see pack.h. The companion is nobody's but ours from pack_take() to its end. */
#include "pack/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/opts.h"
#include "pack/companion.h"
#include "pool/catalog_writer.h"
#include "pool/ctx.h"
#include "stream/place.h"

/* The node of the pool @base, plus 1, or the one that it will have; 0 if there is none. */
static unsigned int node_of(struct pinpool_ctx *ctx, const char *base, const struct pinpool_create_opts *user_create)
{
	struct pinpool_info info = {.size = sizeof(info)};
	struct pinpool_create_opts create;

	if (!pinpool_pool_stat(ctx, base, &info, NULL))
		return info.numa_node < 0 ? 0 : (unsigned int)info.numa_node + 1;
	if (!user_create || opts_read(&create, sizeof(create), user_create) ||
	    create.numa_policy == PINPOOL_NUMA_INTERLEAVE)
		return 0;
	return create.numa_node;
}

/* A context in the making. */
struct making {
	struct pinpool_math *math;
	struct pinpool_diag *diag;
	int err;
};

static void *making_main(void *arg)
{
	struct making *making = arg;

	making->err = pinpool_math_new(&making->math, NULL, making->diag);
	return NULL;
}

/* A context has threads where the thread that makes it may run, which is not to be the caller's choice here. */
static int make_math(struct pack *pack, unsigned int node, struct pinpool_diag *diag)
{
	struct making making = {.diag = diag};
	struct place place;
	pthread_t thread;
	int err;

	err = place_begin(&place, node);
	if (err)
		return diag_errno(diag, err, "packing threads");
	if (place.bound) {
		err = -place_start(&place, &thread, making_main, &making);
		if (err)
			making.err = diag_errno(diag, err, "packing threads");
		else
			pthread_join(thread, NULL);
	} else {
		making_main(&making);
	}
	place_end(&place);
	pack->math = making.math;
	return making.err;
}

int pack_begin(struct pack *pack, struct pinpool_ctx *ctx, const char *base, const struct pinpool_create_opts *create,
	       const struct pinpool_pack_opts *opts, struct pinpool_diag *diag)
{
	int err;

	*pack = (struct pack){.ctx = ctx, .base = base};
	err = opts_read(&pack->opts, sizeof(pack->opts), opts);
	if (err)
		return diag_set(diag, err, "pinpool_pack_opts", NULL, "options this library does not know");
	pack->math = pack->opts.math;
	if (!pack->math) {
		err = make_math(pack, node_of(ctx, base, create), diag);
		if (err)
			return err;
	}
	err = pinpool_packings_name(base, pinpool_math_isa(pack->math), pack->name, diag);
	if (!err) {
		pack->matched = calloc(pack->opts.tensor_count + 1, sizeof(*pack->matched));
		if (!pack->matched)
			err = diag_errno(diag, -ENOMEM, base);
	}
	if (err)
		pack_end(pack, err);
	return err;
}

/* The room that its catalog takes, or the catalog itself, without a word about the base where that is NULL. */
static int make_catalog(const struct pack *pack, const struct pack_base *base, struct catalog_writer **out,
			struct pinpool_diag *diag)
{
	struct catalog_writer *writer;
	const char *duplicate;
	int err;

	err = catalog_writer_new(&writer);
	if (err)
		return diag_errno(diag, err, pack->name);
	for (size_t i = 0; i < pack->count && !err; i++) {
		const struct pack_item *item = &pack->items[i];
		struct pinpool_packed packed = {
			.tensor = item->name,
			.base = pack->base,
			.isa = pinpool_isa_name(item->packing.isa),
			.version = item->packing.version,
			.dtype = item->packing.dtype,
			.n = item->packing.n,
			.k = item->packing.k,
			.panel_rows = item->packing.panel_rows,
			.offset = item->offset,
			.bytes = item->packing.bytes,
			.has_digest = item->has_digest,
		};

		memcpy(packed.digest, item->digest, sizeof(packed.digest));
		if (base) {
			packed.base_length = base->length;
			packed.base_committed_ns = base->committed_ns;
			packed.base_digest_kind = base->digest_kind;
			memcpy(packed.base_digest, base->digest, sizeof(packed.base_digest));
		}
		err = catalog_writer_add_packing(writer, &packed);
	}
	if (!err)
		err = catalog_writer_seal(writer, &duplicate);
	if (err) {
		catalog_writer_free(writer);
		return diag_errno(diag, err, pack->name);
	}
	*out = writer;
	return 0;
}

static int exists(const struct pack *pack, struct pinpool_diag *diag)
{
	diag_set(diag, -EEXIST, pack->name, NULL, "packings of these weights are there already");
	diag_change(diag, "pinpool pack --drop %s --isa %s removes them", pack->base,
		    pinpool_isa_name(pinpool_math_isa(pack->math)));
	return -EEXIST;
}

/* What the companion of @base is made as. */
static struct pinpool_create_opts create_opts(const struct pinpool_info *base, uint64_t capacity)
{
	/* Who reads the base reads it. Nobody but the owner writes: others could put into it what they like. */
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = capacity, .mode = (base->mode & 0444) | 0200,
		     .numa_node = (uint32_t)(base->numa_node + 1), .numa_policy = base->numa_policy,
		     .numa_nodes = base->numa_nodes, .evictable = base->evictable, .priority = base->priority,
		     .owner = base->uid != geteuid() || base->gid != getegid(), .uid = base->uid, .gid = base->gid);

	return opts;
}

/* An EMPTY pool is as if it had been made for this. */
static bool fits(const struct pinpool_info *left, const struct pinpool_info *base, uint64_t capacity)
{
	struct pinpool_create_opts want = create_opts(base, capacity);

	return left->capacity >= capacity && left->capacity - capacity < left->page_size && left->mode == want.mode &&
	       left->uid == base->uid && left->gid == base->gid && left->numa_node == base->numa_node &&
	       left->numa_policy == base->numa_policy && left->numa_nodes == base->numa_nodes &&
	       left->evictable == base->evictable && left->priority == base->priority && !left->on_demand;
}

static int destroy_old(struct pack *pack, struct pinpool_diag *diag)
{
	struct pinpool_diag why = {0};
	int err = pinpool_pool_destroy(pack->ctx, pack->name, &why);

	if (!err || err == -ENOENT)
		return 0;
	if (diag)
		*diag = why;
	return err;
}

/*
 * One who was killed left an EMPTY pool. It is filled if it is as one made now would be: those who pack at once do not
 * take away each other's. Else, of other weights or for other readers, it goes.
 */
static int replace_left(struct pack *pack, const struct pinpool_info *left, const struct pinpool_info *base,
			uint64_t capacity, struct pinpool_diag *diag)
{
	ctx_log(pack->ctx, PINPOOL_LOG_WARN, "%s: was left EMPTY by one that did not end, and is made anew",
		pack->name);
	return fits(left, base, capacity) ? 0 : destroy_old(pack, diag);
}

/* Takes away packings that nobody can use any more. What is of use, or no packing, has the name and keeps it. */
static int replace_old(struct pack *pack, const struct pinpool_info *base, uint64_t capacity, struct pinpool_diag *diag)
{
	struct pinpool_info info = {.size = sizeof(info)};
	struct pinpool_diag why = {0};
	struct companion old;
	bool useless = false;
	int err;

	/* What cannot be looked at shows below, when it is opened. */
	if (pinpool_pool_stat(pack->ctx, pack->name, &info, NULL) || info.state == PINPOOL_STATE_LOADING)
		return 0;
	if (info.state == PINPOOL_STATE_EMPTY)
		return replace_left(pack, &info, base, capacity, diag);
	err = companion_open(pack->ctx, pack->name, &old, diag);
	if (err == -ENOENT)
		return diag_set(diag, -EEXIST, pack->name, "remove that pool, or choose another name for the weights",
				"has the name that the packings would have, and holds none");
	if (err)
		return err;
	err = companion_check(&old, base, &why);
	if (err == -ESTALE || err == -ENODATA || (err == -EOPNOTSUPP && old.first.version < PINPOOL_PACKING_VERSION))
		useless = true;
	else if (!err)
		err = exists(pack, diag);
	else if (diag)
		*diag = why;
	companion_close(&old);
	if (!useless)
		return err;
	ctx_log(pack->ctx, PINPOOL_LOG_INFO, "%s: packings of other weights are replaced", pack->name);
	return destroy_old(pack, diag);
}

static int create(struct pack *pack, const struct pinpool_info *base, uint64_t capacity, struct pinpool_diag *diag)
{
	struct pinpool_create_opts opts = create_opts(base, capacity);
	uint64_t start = clock_now_ns();
	struct pinpool_diag why = {0};
	int err;

	err = pinpool_pool_create(pack->ctx, pack->name, &opts, &why);
	/* By somebody else since we looked; whether it can be used shows below. */
	if (err == -EEXIST)
		return 0;
	/* Packings of others would be believed by nobody. */
	if (err == -EPERM && opts.owner)
		return diag_set(diag, err, pack->base, "become that user, or root",
				"packed by its owner and by root only");
	if (err) {
		if (diag)
			*diag = why;
		return err;
	}
	pack->created = true;
	pack->create_ns = clock_now_ns() - start;
	return 0;
}

/* The companion, LOADING and mapped. */
static int take_pool(struct pack *pack, const struct pinpool_info *base, uint64_t capacity, struct pinpool_diag *diag)
{
	struct pinpool_diag why = {0};
	void *addr;
	int err;

	err = pinpool_pool_open(pack->ctx, pack->name, PINPOOL_OPEN_WRITE, &pack->pool, &why);
	if (err && err != -ENOENT && diag)
		*diag = why;
	if (err == -ENOENT) {
		err = create(pack, base, capacity, diag);
		if (!err)
			err = pinpool_pool_open(pack->ctx, pack->name, PINPOOL_OPEN_WRITE, &pack->pool, diag);
		/* Somebody else makes it, and has the name but no pool yet; or took ours away to make another. */
		if (err == -ENOENT) {
			pack->created = false;
			return diag_set(diag, -EBUSY, pack->name, "wait until it is READY", "is being packed");
		}
	}
	if (err)
		return err;
	err = pinpool_pool_begin(pack->pool, diag);
	/* Somebody else was faster, with the pool that we made, too: it is his now. */
	if (err == -EBUSY || err == -EROFS)
		pack->created = false;
	if (err == -EROFS)
		return exists(pack, diag);
	if (err)
		return err;
	err = pinpool_pool_map_writable(pack->pool, &addr, &pack->capacity);
	if (err)
		return diag_errno(diag, err, pack->name);
	pack->data = addr;
	if (pack->capacity < capacity)
		return diag_set(diag, -ENOSPC, pack->name, "remove that pool",
				"an EMPTY pool of %zu bytes, the packings need %llu", pack->capacity,
				(unsigned long long)capacity);
	return 0;
}

int pack_take(struct pack *pack, const struct pinpool_info *base, struct pinpool_diag *diag)
{
	struct catalog_writer *writer;
	uint64_t capacity;
	int err;

	for (size_t i = 0; i < pack->opts.tensor_count; i++)
		if (!pack->matched[i])
			return diag_set(diag, -ENOENT, pack->opts.tensors[i], "pinpool show lists the tensors",
					"%s holds no such tensor, or none that can be packed", pack->base);
	if (!pack->count)
		return diag_set(diag, -ENOENT, pack->base, NULL, "holds no tensor that can be packed");
	err = make_catalog(pack, NULL, &writer, diag);
	if (err)
		return err;
	capacity = catalog_writer_capacity(writer, pack->length);
	catalog_writer_free(writer);
	err = replace_old(pack, base, capacity, diag);
	if (!err)
		err = take_pool(pack, base, capacity, diag);
	pack->start_ns = clock_now_ns();
	return err;
}

int pack_rows(struct pack *pack, const struct pack_item *item, uint64_t first, uint64_t count, const void *weights,
	      struct pinpool_diag *diag)
{
	const char *rows = (const char *)weights + item->from + first * (item->bytes / item->packing.n);

	return pinpool_packing_rows(pack->math, &item->packing, first, count, rows, 0, NULL, pack->data + item->offset,
				    diag);
}

int pack_publish(struct pack *pack, const struct pack_base *base, struct pinpool_diag *diag)
{
	/* No digest: what it is made of has one, and it can be made again. */
	PINPOOL_OPTS(pinpool_commit_opts, commit, .length = pack->length);
	struct catalog_writer *writer;
	int err;

	err = make_catalog(pack, base, &writer, diag);
	if (err)
		return err;
	err = catalog_writer_write(writer, pack->data, pack->capacity, pack->length);
	catalog_writer_free(writer);
	if (err)
		return diag_errno(diag, err, pack->name);
	err = pinpool_pool_commit(pack->pool, &commit, diag);
	if (!err)
		pack->published = true;
	return err;
}

int pack_fill_report(const struct pack *pack, struct pinpool_pack_report *report)
{
	struct pinpool_pack_report result = {
		.size = sizeof(result),
		.isa = pinpool_math_isa(pack->math),
		.tensors = (uint32_t)pack->count,
		.bytes = pack->total,
		.create_ns = pack->create_ns,
		.elapsed_ns = clock_now_ns() - pack->start_ns,
	};

	if (!report)
		return 0;
	memcpy(result.name, pack->name, sizeof(result.name));
	for (size_t i = 0; i < pack->count; i++)
		result.packed_bytes += pack->items[i].packing.bytes;
	return opts_write(report, &result, sizeof(result));
}

/* Whether what has the name is the pool that we hold: a name may have changed hands meanwhile. */
static bool is_ours(const struct pack *pack)
{
	struct pinpool_info named = {.size = sizeof(named)}, held = {.size = sizeof(held)};

	return pack->pool && !pinpool_pool_stat(pack->ctx, pack->name, &named, NULL) &&
	       !pinpool_pool_get_info(pack->pool, &held) && named.created_ns == held.created_ns;
}

int pack_confirm(const struct pack *pack, struct pinpool_diag *diag)
{
	int err = pinpool_packings_check(pack->ctx, pack->name, NULL);

	if ((err == -ENOENT || err == -ENODATA || err == -ESTALE) && !is_ours(pack))
		return diag_set(diag, -ENOENT, pack->name, "pack again", "was removed while it was made");
	if (err == -ENOENT || err == -ENODATA || err == -ESTALE)
		return diag_set(diag, -ENOENT, pack->base, NULL, "was removed while it was packed");
	return 0;
}

void pack_end(struct pack *pack, int err)
{
	bool remove = err && (pack->created || pack->published) && is_ours(pack);

	if (err && pack->pool)
		pinpool_pool_abort(pack->pool);
	pinpool_pool_close(pack->pool);
	if (remove && pinpool_pool_destroy(pack->ctx, pack->name, NULL))
		ctx_log(pack->ctx, PINPOOL_LOG_WARN, "%s: the pool made for packings could not be removed", pack->name);
	free(pack->items);
	free(pack->matched);
	if (pack->math != pack->opts.math)
		pinpool_math_free(pack->math);
}
