/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Publishing a graph; see publish.h. The pool is nobody's but ours from take_pool() to its commit or its end. */
#include "kg/publish.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "pool/catalog_writer.h"
#include "pool/populate.h"
#include "pool/take.h"
#include "stream/digest.h"

/* Bytes between two looks at whether to go on. */
#define STEP_BYTES (4u << 20)

/* What is made on the way. */
struct work {
	struct publish *publish;
	struct catalog_writer *catalog;
	int tensors[KG_SECTIONS + 1]; /* of the header, then of the sections */
	uint64_t offsets[KG_SECTIONS + 1];
	uint64_t bytes[KG_SECTIONS + 1];
	uint64_t capacity; /* that is needed */
	struct take take;
	char *base;
	size_t mapped;
	struct pinpool_commit_opts commit;
};

const char *kg_section_name(unsigned int section, char name[KG_NAME_BYTES])
{
	static const char *const graph[] = {[GRAPH_DATA] = "data", [GRAPH_DIRECTORY] = "directory"};

	if (section >= KG_TRIPLES)
		snprintf(name, KG_NAME_BYTES, "triples.%s", graph[section - KG_TRIPLES]);
	else if (section >= KG_PREDICATES)
		snprintf(name, KG_NAME_BYTES, "predicates.%s", terms_section_name(section - KG_PREDICATES));
	else
		snprintf(name, KG_NAME_BYTES, "nodes.%s", terms_section_name(section - KG_NODES));
	return name;
}

static int is_ready(const char *name, struct pinpool_diag *diag)
{
	return diag_set(diag, -EEXIST, name, "choose another name, or remove the pool first",
			"a pool of this name is READY");
}

int publish_possible(struct pinpool_ctx *ctx, const char *name, struct pinpool_diag *diag)
{
	struct pinpool_info info = {.size = sizeof(info)};

	if (pinpool_name_check(name))
		return diag_set(diag, -EINVAL, name, "use 1 to 63 of letters, digits, '.', '_' and '-'",
				"is no pool name");
	/* What cannot be looked at shows when it is opened. */
	if (pinpool_pool_stat(ctx, name, &info, NULL))
		return 0;
	if (info.state == PINPOOL_STATE_READY)
		return is_ready(name, diag);
	if (info.state == PINPOOL_STATE_LOADING)
		return diag_set(diag, -EBUSY, name, "wait until it is READY", "is being filled");
	return 0;
}

static int add_source(struct work *work, const struct input *input, uint64_t length)
{
	/* Nothing of the file lies in the pool as it was, so all of the content is of all of them. */
	struct pinpool_source source = {
		.path = !strcmp(input->path, "-") ? "/dev/stdin" : input->path,
		.format = input_format_name(input->format),
		.bytes = length,
		.inode = input->inode,
		.mtime_ns = input->mtime_ns,
		.part = true,
		.file_bytes = input->bytes,
	};
	char *path = realpath(source.path, NULL);
	int err;

	if (path)
		source.path = path;
	err = catalog_writer_add_source(work->catalog, &source);
	free(path);
	return err < 0 ? err : 0;
}

static int add_section(struct work *work, unsigned int index)
{
	char name[KG_NAME_BYTES] = KG_HEADER_NAME;
	struct pinpool_tensor tensor = {
		.name = index ? kg_section_name(index - 1, name) : name,
		.dtype = PINPOOL_DTYPE_U8,
		.ndim = 1,
		.shape = &work->bytes[index],
		.offset = work->offsets[index],
		.bytes = work->bytes[index],
	};

	work->tensors[index] = catalog_writer_add_tensor(work->catalog, &tensor);
	return work->tensors[index] < 0 ? work->tensors[index] : 0;
}

/* Where everything will lie. */
static int plan(struct work *work)
{
	const struct publish *publish = work->publish;
	const char *duplicate;
	uint64_t end = 0;
	int err;

	for (unsigned int i = 0; i <= KG_SECTIONS; i++) {
		work->offsets[i] = end + -end % KG_ALIGN;
		work->bytes[i] = i ? spill_bytes(&publish->sections[i - 1]) : sizeof(*publish->header);
		end = work->offsets[i] + work->bytes[i];
	}
	work->publish->length = end;
	err = catalog_writer_new(&work->catalog);
	for (size_t i = 0; i < publish->count && !err; i++)
		err = add_source(work, &publish->inputs[i], end);
	for (unsigned int i = 0; i <= KG_SECTIONS && !err; i++)
		err = add_section(work, i);
	if (!err)
		err = catalog_writer_seal(work->catalog, &duplicate);
	if (!err)
		work->capacity = catalog_writer_capacity(work->catalog, end);
	return err;
}

static int too_small(const struct work *work, uint64_t capacity, struct pinpool_diag *diag)
{
	diag_set(diag, -ENOSPC, work->publish->name, NULL,
		 "a pool of %" PRIu64 " bytes is too small for the graph and its catalog, which need %" PRIu64,
		 capacity, work->capacity);
	diag_change(diag, "give a capacity of at least %" PRIu64, work->capacity);
	return -ENOSPC;
}

/* The pool, LOADING and mapped. */
static int take_pool(struct work *work, struct pinpool_diag *diag)
{
	void *base;
	int err;

	work->take.need = work->capacity;
	err = take_begin(&work->take, diag);
	if (work->take.small)
		return too_small(work, work->take.small, diag);
	if (err)
		return err;
	err = pinpool_pool_map_writable(work->take.pool, &base, &work->mapped);
	if (err)
		return diag_errno(diag, err, work->publish->name);
	work->base = base;
	return work->mapped < work->capacity ? too_small(work, work->mapped, diag) : 0;
}

/* One section to its place. */
static int copy_section(struct work *work, unsigned int index, uint64_t *done, struct pinpool_diag *diag)
{
	const struct publish *publish = work->publish;
	char *to = work->base + work->offsets[index];
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	int err = 0;

	if (!index)
		memcpy(to, publish->header, sizeof(*publish->header));
	for (uint64_t at = 0; index && at < work->bytes[index] && !err;) {
		uint64_t step = work->bytes[index] - at;

		if (step > STEP_BYTES)
			step = STEP_BYTES;
		err = spill_copy(&publish->sections[index - 1], at, to + at, (size_t)step, diag);
		at += step;
		*done += step;
		if (!err && publish->tell(publish->arg, *done, publish->length))
			err = diag_errno(diag, -ECANCELED, publish->name);
	}
	if (err)
		return err;
	digest_store(XXH3_128bits(to, work->bytes[index]), digest);
	catalog_writer_tensor_digest(work->catalog, (size_t)work->tensors[index], digest);
	return 0;
}

static int fill(struct work *work, struct pinpool_diag *diag)
{
	const struct publish *publish = work->publish;
	uint64_t done = 0;
	int err = 0;

	/* A pool on demand gets its pages now, or the reason why not. */
	if (populate_write(work->base, publish->length) ||
	    populate_write(work->base + work->mapped - (work->capacity - publish->length),
			   work->capacity - publish->length))
		return populate_failed(publish->name, diag);
	for (unsigned int i = 0; i <= KG_SECTIONS && !err; i++)
		err = copy_section(work, i, &done, diag);
	if (err)
		return err;
	err = catalog_writer_write(work->catalog, work->base, work->mapped, publish->length);
	if (err)
		return diag_errno(diag, err, publish->name);
	work->commit = (struct pinpool_commit_opts){
		.size = sizeof(work->commit),
		.length = publish->length,
		.digest_kind = PINPOOL_DIGEST_XXH3_128,
	};
	digest_store(XXH3_128bits(work->base, publish->length), work->commit.digest);
	return pinpool_pool_commit(work->take.pool, &work->commit, diag);
}

int publish_graph(struct publish *publish, struct pinpool_diag *diag)
{
	struct work work = {
		.publish = publish,
		.take = {.ctx = publish->ctx, .name = publish->name, .create = publish->create},
	};
	int err;

	err = plan(&work);
	if (err)
		diag_errno(diag, err, publish->name);
	if (!err)
		err = take_pool(&work, diag);
	if (!err)
		err = fill(&work, diag);
	if (err)
		take_give_up(&work.take, "the graph");
	else
		pinpool_pool_close(work.take.pool);
	catalog_writer_free(work.catalog);
	return err;
}
