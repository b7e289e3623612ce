/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Where a compressed checkpoint goes: a file in the making, or a pool that holds what the file would, with the catalog
 * that a load of it would write. The content's digest is made as it passes by.
 */
#include "base/clock.h"
#include "base/diag.h"
#include "compress/compression.h"
#include "format/safetensors_codes.h"
#include "load/output.h"
#include "pool/catalog_writer.h"
#include "pool/populate.h"
#include "pool/take.h"
#include "stream/digest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Bytes between two looks at cancel. */
#define STEP_BYTES (16u << 20)
/* Of a file; less the umask. */
#define MODE	   0666

struct sink {
	struct pinpool_compression *c;
	uint64_t length;
	/* A file. */
	struct output output;
	struct output_pace pace;
	/* A pool. */
	struct take take;
	bool published;
	char *base;
	size_t capacity;
	uint64_t need; /* capacity */
	uint64_t at;
	struct catalog_writer *writer;
	XXH3_state_t *state;
};

static int add_metadata(struct sink *sink, const struct pinpool_tensor *tensors)
{
	int err;
	json_t *metadata = safetensors_write_codes(sink->c->metadata, tensors, sink->c->count, &err), *value;
	const char *key;

	json_object_foreach(metadata, key, value)
	{
		const struct pinpool_metadata entry = {
			.size = sizeof(entry),
			.key = key,
			.type = PINPOOL_VALUE_STRING,
			.element = PINPOOL_VALUE_STRING,
			.count = 1,
			.data = json_string_value(value),
			.bytes = json_string_length(value),
		};

		if (!err)
			err = catalog_writer_add_metadata(sink->writer, &entry);
	}
	json_decref(metadata);
	return err;
}

/* The file that the pool is, as pinpool_save() writes it. */
static int add_source(struct sink *sink)
{
	struct pinpool_source source = {.size = sizeof(source), .format = "safetensors", .bytes = sink->length};
	char path[PINPOOL_NAME_MAX + sizeof(".safetensors")];
	int ret;

	snprintf(path, sizeof(path), "%s.safetensors", sink->c->to);
	source.path = path;
	source.file_bytes = sink->length;
	ret = catalog_writer_add_source(sink->writer, &source);
	return ret < 0 ? ret : 0;
}

static int make_catalog(struct sink *sink)
{
	const struct pinpool_compression *c = sink->c;
	struct pinpool_tensor *tensors = calloc(c->count + 1, sizeof(*tensors));
	uint64_t at = c->header_bytes;
	const char *duplicate;
	int ret = tensors ? catalog_writer_new(&sink->writer) : -ENOMEM;

	if (!ret)
		ret = add_source(sink);
	for (size_t i = 0; i < c->count && ret >= 0; i++) {
		tensors[i] = c->order[i]->out;
		tensors[i].source = 0;
		tensors[i].offset = at;
		tensors[i].has_digest = tensors[i].has_sha256 = tensors[i].sliced = false;
		at += tensors[i].bytes;
		ret = catalog_writer_add_tensor(sink->writer, &tensors[i]);
	}
	if (ret >= 0)
		ret = add_metadata(sink, tensors);
	if (!ret) {
		catalog_writer_want_rests(sink->writer);
		ret = catalog_writer_seal(sink->writer, &duplicate);
	}
	free(tensors);
	return ret;
}

static int too_small(const struct sink *sink, uint64_t capacity, struct pinpool_diag *diag)
{
	diag_set(diag, -ENOSPC, sink->c->to, NULL,
		 "the pool holds %" PRIu64 " bytes, the codes and their catalog need %" PRIu64, capacity, sink->need);
	diag_change(diag, "give a capacity of at least %" PRIu64, sink->need);
	return -ENOSPC;
}

/* The pool, LOADING and mapped. */
static int take_pool(struct sink *sink, struct pinpool_diag *diag)
{
	void *base;
	int err;

	sink->take = (struct take){
		.ctx = sink->c->ctx, .name = sink->c->to, .create = sink->c->opts.create, .need = sink->need};
	err = take_begin(&sink->take, diag);
	if (sink->take.small)
		return too_small(sink, sink->take.small, diag);
	if (err)
		return err;
	err = pinpool_pool_map_writable(sink->take.pool, &base, &sink->capacity);
	if (err)
		return diag_errno(diag, err, sink->c->to);
	sink->base = base;
	return sink->capacity < sink->need ? too_small(sink, sink->capacity, diag) : 0;
}

static int open_pool(struct sink *sink, struct pinpool_diag *diag)
{
	int err = make_catalog(sink);

	if (err)
		return diag_errno(diag, err, sink->c->to);
	sink->need = catalog_writer_capacity(sink->writer, sink->length);
	sink->state = XXH3_createState();
	if (!sink->state)
		return diag_errno(diag, -ENOMEM, sink->c->to);
	XXH3_128bits_reset(sink->state);
	return take_pool(sink, diag);
}

int sink_open(struct pinpool_compression *c, struct sink **out, struct pinpool_diag *diag)
{
	struct sink *sink = calloc(1, sizeof(*sink));
	int err;

	if (!sink)
		return diag_errno(diag, -ENOMEM, c->to);
	sink->c = c;
	sink->length = c->header_bytes + c->after;
	/* Progress is told by tensor; here only cancel is looked at. */
	sink->pace = (struct output_pace){.cancel = c->opts.cancel, .start_ns = clock_now_ns(), .total = sink->length};
	if (c->to_file) {
		err = output_check(c->to, c->opts.force, diag);
		if (!err)
			err = output_open(&sink->output, c->to, c->pool ? c->info.mode & MODE : MODE, sink->length,
					  diag);
	} else {
		err = open_pool(sink, diag);
	}
	if (err) {
		sink_close(sink);
		return err;
	}
	*out = sink;
	return 0;
}

/* Into the pool, whose pages come first: one on demand may have none. */
static int put(struct sink *sink, const char *from, uint64_t bytes, struct pinpool_diag *diag)
{
	for (uint64_t step; bytes; bytes -= step, from += step, sink->at += step) {
		char *to = sink->base + sink->at;

		step = bytes < STEP_BYTES ? bytes : STEP_BYTES;
		if (compression_canceled(sink->c))
			return diag_errno(diag, -ECANCELED, sink->c->to);
		if (populate_write(to, step))
			return populate_failed(sink->c->to, diag);
		memcpy(to, from, step);
		XXH3_128bits_update(sink->state, to, step);
	}
	return 0;
}

int sink_write(struct sink *sink, const void *data, uint64_t bytes, struct pinpool_diag *diag)
{
	if (sink->c->to_file)
		return output_write(&sink->output, data, bytes, &sink->pace, diag);
	return put(sink, data, bytes, diag);
}

void sink_tensor(struct sink *sink, size_t index, const void *data, uint64_t bytes)
{
	uint8_t digest[PINPOOL_DIGEST_BYTES];

	if (sink->c->to_file)
		return;
	digest_store(XXH3_128bits(data, bytes), digest);
	catalog_writer_tensor_digest(sink->writer, index, digest);
}

static int publish_pool(struct sink *sink, struct pinpool_diag *diag)
{
	PINPOOL_OPTS(pinpool_commit_opts, commit, .length = sink->length, .digest_kind = PINPOOL_DIGEST_XXH3_128);
	uint64_t catalog = sink->need - sink->length;
	uint8_t rest[PINPOOL_DIGEST_BYTES];
	int err;

	digest_final(sink->state, commit.digest);
	/* What belongs to no tensor is the header. */
	digest_store(XXH3_128bits(sink->c->header, sink->c->header_bytes), rest);
	catalog_writer_source_digest(sink->writer, 0, commit.digest);
	catalog_writer_source_rest(sink->writer, 0, rest);
	if (populate_write(sink->base + sink->capacity - catalog, catalog))
		return populate_failed(sink->c->to, diag);
	err = catalog_writer_write(sink->writer, sink->base, sink->capacity, sink->length);
	if (err)
		return diag_errno(diag, err, sink->c->to);
	err = pinpool_pool_commit(sink->take.pool, &commit, diag);
	sink->published = !err;
	return err;
}

int sink_publish(struct sink *sink, struct pinpool_diag *diag)
{
	int err;

	if (!sink->c->to_file)
		return publish_pool(sink, diag);
	err = output_finish(&sink->output, diag);
	if (!err)
		err = output_publish(&sink->output, sink->c->opts.force, diag);
	return err ? err : output_sync_folder(sink->c->to, diag);
}

void sink_close(struct sink *sink)
{
	if (!sink)
		return;
	output_close(&sink->output, false);
	if (sink->published)
		pinpool_pool_close(sink->take.pool);
	else
		take_give_up(&sink->take, "codes");
	catalog_writer_free(sink->writer);
	XXH3_freeState(sink->state);
	free(sink);
}
