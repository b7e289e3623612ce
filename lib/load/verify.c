/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Verification: the content is digested again and compared with what was committed. Where the digests of files in the
 * catalog make the committed one, a file is compared tensor by tensor, side by side on all cores, and with it what is
 * in no tensor, so every byte is. A file's own digest would be one chain, for one core; it is made where there is
 * nothing else, and to say what the content is that differs.
 */
#include "base/clock.h"
#include "base/diag.h"
#include "base/opts.h"
#include "load/parts.h"
#include "stream/digest.h"
#include "stream/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct verify {
	const struct pinpool_verify_opts *opts;
	struct pinpool_info info;
	struct pinpool_catalog *catalog; /* or NULL */
	const char *base;
	unsigned int node; /* of the pool, as place_begin() takes it */
	uint64_t start_ns;
};

static struct parts make_parts(const struct verify *verify, const struct pinpool_verify_opts *opts)
{
	return (struct parts){
		.base = verify->base,
		.node = verify->node,
		.catalog = verify->catalog,
		.opts = opts,
		.start_ns = verify->start_ns,
	};
}

static int add_source(struct parts *parts, const struct pinpool_source *source, bool sha256)
{
	struct part part = {
		.file = source->path,
		.offset = source->offset,
		.end = source->offset + source->bytes,
		.bytes = source->bytes,
		.sha256 = sha256,
	};

	if (sha256)
		memcpy(part.expected, source->sha256, sizeof(source->sha256));
	else
		memcpy(part.expected, source->digest, sizeof(source->digest));
	return parts_add(parts, &part);
}

static int add_tensor(struct parts *parts, const struct pinpool_tensor *tensor, bool sha256)
{
	struct pinpool_source source = {.size = sizeof(source)};
	struct part part = {
		.tensor = tensor->name,
		.offset = tensor->offset,
		.end = tensor->offset + tensor->bytes,
		.bytes = tensor->bytes,
		.sha256 = sha256,
	};

	pinpool_catalog_source(parts->catalog, tensor->source, &source);
	part.file = source.path;
	if (sha256)
		memcpy(part.expected, tensor->sha256, sizeof(tensor->sha256));
	else
		memcpy(part.expected, tensor->digest, sizeof(tensor->digest));
	return parts_add(parts, &part);
}

/* What the committed digest is made of: all of the content, or each file in order. */
static int add_whole(struct parts *parts, const struct pinpool_info *info)
{
	const struct part content = {.file = info->name, .end = info->length, .bytes = info->length};
	struct pinpool_source source = {.size = sizeof(source)};
	int err = 0;

	if (info->digest_kind != PINPOOL_DIGEST_XXH3_128_LIST)
		return parts_add(parts, &content);
	for (size_t i = 0; !err && !pinpool_catalog_source(parts->catalog, i, &source); i++)
		err = add_source(parts, &source, false);
	return err;
}

/* The committed digest, as it would be of @parts, which add_whole() made. */
static int combine(const struct parts *parts, enum pinpool_digest_kind kind, uint8_t out[PINPOOL_DIGEST_BYTES])
{
	uint8_t(*digests)[PINPOOL_DIGEST_BYTES];

	if (kind != PINPOOL_DIGEST_XXH3_128_LIST) {
		memcpy(out, parts->at[0].digest, PINPOOL_DIGEST_BYTES);
		return 0;
	}
	digests = calloc(parts->count + 1, sizeof(*digests));
	if (!digests)
		return -ENOMEM;
	for (size_t i = 0; i < parts->count; i++)
		memcpy(digests[i], parts->at[i].digest, sizeof(digests[i]));
	digest_of_list((const uint8_t(*)[PINPOOL_DIGEST_BYTES])digests, parts->count, out);
	free(digests);
	return 0;
}

/* Digest of the content as it is. */
static int digest_whole(const struct verify *verify, const struct pinpool_verify_opts *opts,
			uint8_t out[PINPOOL_DIGEST_BYTES])
{
	struct parts parts = make_parts(verify, opts);
	int err;

	err = add_whole(&parts, &verify->info);
	if (!err)
		err = parts_digest(&parts);
	if (!err)
		err = combine(&parts, verify->info.digest_kind, out);
	parts_free(&parts);
	return err;
}

/* Whether the files' digests in the catalog make the committed one. Returns 1, 0, -ENOMEM. */
static int catalog_is_committed(const struct verify *verify)
{
	const struct pinpool_info *info = &verify->info;
	struct pinpool_source source = {.size = sizeof(source)};
	struct parts parts = make_parts(verify, verify->opts);
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	bool all = verify->catalog;
	int err = 0;

	for (size_t i = 0; all && !err && !pinpool_catalog_source(verify->catalog, i, &source); i++) {
		err = add_source(&parts, &source, false);
		all = source.has_digest;
		if (!err)
			memcpy(parts.at[i].digest, source.digest, sizeof(source.digest));
	}
	/* A digest of the content is that of its only file. */
	if (all && !err && info->digest_kind == PINPOOL_DIGEST_XXH3_128)
		all = parts.count == 1 && !source.offset && source.bytes == info->length;
	if (all && !err)
		err = combine(&parts, info->digest_kind, digest);
	if (all && !err)
		all = !memcmp(digest, info->digest, sizeof(digest));
	parts_free(&parts);
	return err ? err : all;
}

/* What is known of the tensors of each file, to choose by. */
struct split {
	size_t first;
	size_t last;
	uint64_t end;
	uint64_t bytes;
	bool whole; /* it has to be compared as one */
};

static int list_splits(const struct verify *verify, struct split **out)
{
	size_t count = pinpool_catalog_source_count(verify->catalog);
	struct split *splits = calloc(count + 1, sizeof(*splits));
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_source source = {.size = sizeof(source)};

	if (!splits)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		pinpool_catalog_source(verify->catalog, i, &source);
		splits[i].whole = !source.has_rest_digest;
	}
	for (size_t i = 0; !pinpool_catalog_tensor(verify->catalog, i, &tensor); i++) {
		struct split *split = &splits[tensor.source];

		if (!split->last)
			split->first = i;
		split->last = i + 1;
		split->bytes += tensor.bytes;
		/* Of tensors that overlap the rest would be another. */
		split->whole |= !tensor.has_digest || tensor.offset < split->end;
		split->end = tensor.offset + tensor.bytes;
	}
	*out = splits;
	return 0;
}

/* Every byte of every file once: tensors and rests, or files that cannot be split. */
static int add_split(struct parts *parts, const struct verify *verify)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_source source = {.size = sizeof(source)};
	struct split *splits;
	int err;

	err = list_splits(verify, &splits);
	if (err)
		return err;
	for (uint32_t i = 0; !err && !pinpool_catalog_source(verify->catalog, i, &source); i++) {
		struct part rest = {
			.file = source.path,
			.offset = source.offset,
			.end = source.offset + source.bytes,
			.bytes = source.bytes - splits[i].bytes,
			.rest = true,
			.first = splits[i].first,
			.last = splits[i].last,
			.source = i,
		};

		memcpy(rest.expected, source.rest_digest, sizeof(source.rest_digest));
		err = splits[i].whole ? add_source(parts, &source, false) : parts_add(parts, &rest);
	}
	for (size_t i = 0; !err && !pinpool_catalog_tensor(verify->catalog, i, &tensor); i++)
		if (!splits[tensor.source].whole)
			err = add_tensor(parts, &tensor, false);
	free(splits);
	return err;
}

/* All tensors and files with a digest, of that kind. */
static int add_known(struct parts *parts, const struct verify *verify, bool sha256)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_source source = {.size = sizeof(source)};
	int err = 0;

	for (size_t i = 0; !err && !pinpool_catalog_tensor(verify->catalog, i, &tensor); i++)
		if (sha256 ? tensor.has_sha256 : tensor.has_digest)
			err = add_tensor(parts, &tensor, sha256);
	for (size_t i = 0; !err && !pinpool_catalog_source(verify->catalog, i, &source); i++)
		if (sha256 ? source.has_sha256 : source.has_digest)
			err = add_source(parts, &source, sha256);
	return err;
}

/* The part to name of those that differ, NULL if none does: a tensor before a file, the first of them in the pool. */
static const struct part *find_different(const struct parts *parts)
{
	const struct part *found = NULL;

	for (size_t i = 0; i < parts->count; i++) {
		const struct part *part = &parts->at[i];

		if (part_is_equal(part))
			continue;
		if (!found || (part->tensor && !found->tensor) ||
		    (!part->tensor == !found->tensor && part->offset < found->offset))
			found = part;
	}
	return found;
}

/* @part is NULL if nobody knows which differs. */
static int refuse(const struct verify *verify, const struct part *part, struct pinpool_diag *diag)
{
	char object[512];

	snprintf(object, sizeof(object), "%s%s%s%s%s", verify->info.name, part ? ": " : "", part ? part->file : "",
		 part && part->tensor ? ": tensor " : "", part && part->tensor ? part->tensor : "");
	return diag_set(diag, -EBADMSG, object, "remove the pool and load it again",
			"the content is not what was committed: its %s differs",
			part && part->sha256 ? "SHA-256" : "digest");
}

/* What the catalog says of tensors, rests and files, and SHA-256 with it. */
static int verify_parts(struct verify *verify, struct parts *parts, struct pinpool_verify_report *result,
			struct pinpool_diag *diag)
{
	const struct pinpool_verify_opts quiet = {.size = sizeof(quiet), .cancel = verify->opts->cancel};
	const struct part *different;
	int err;

	err = parts_digest(parts);
	if (err)
		return diag_errno(diag, err, verify->info.name);
	different = find_different(parts);
	if (!different) {
		memcpy(result->digest, verify->info.digest, sizeof(result->digest));
		return 0;
	}
	err = digest_whole(verify, &quiet, result->digest);
	return err ? diag_errno(diag, err, verify->info.name) : refuse(verify, different, diag);
}

/* The content as one, and then, to name what differs, what the catalog knows. */
static int verify_whole(struct verify *verify, struct pinpool_verify_report *result, struct pinpool_diag *diag)
{
	const struct pinpool_verify_opts quiet = {.size = sizeof(quiet), .cancel = verify->opts->cancel};
	struct parts known = make_parts(verify, &quiet);
	int err;

	err = digest_whole(verify, verify->opts, result->digest);
	if (!err && !memcmp(result->digest, verify->info.digest, sizeof(result->digest)))
		return 0;
	if (!err && verify->catalog)
		err = add_known(&known, verify, false);
	if (!err)
		err = parts_digest(&known);
	err = err ? diag_errno(diag, err, verify->info.name) : refuse(verify, find_different(&known), diag);
	parts_free(&known);
	return err;
}

static int add_sha256(struct parts *parts, const struct verify *verify, uint64_t *count, struct pinpool_diag *diag)
{
	size_t before = parts->count;
	int err = 0;

	if (verify->catalog)
		err = add_known(parts, verify, true);
	if (err)
		return diag_errno(diag, err, verify->info.name);
	*count = parts->count - before;
	if (!*count)
		return diag_set(diag, -ENODATA, verify->info.name, "load it with SHA-256",
				"the pool was loaded without SHA-256");
	return 0;
}

static uint64_t content_bytes(const struct verify *verify)
{
	struct pinpool_source source = {.size = sizeof(source)};
	uint64_t bytes = 0;

	if (verify->info.digest_kind != PINPOOL_DIGEST_XXH3_128_LIST)
		return verify->info.length;
	for (size_t i = 0; !pinpool_catalog_source(verify->catalog, i, &source); i++)
		bytes += source.bytes;
	return bytes;
}

static int verify_content(struct verify *verify, struct pinpool_verify_report *result, struct pinpool_diag *diag)
{
	struct parts parts = make_parts(verify, verify->opts);
	int committed = catalog_is_committed(verify);
	int err = committed < 0 ? committed : 0;

	result->bytes = content_bytes(verify);
	if (committed > 0)
		err = add_split(&parts, verify);
	if (err)
		diag_errno(diag, err, verify->info.name);
	else if (verify->opts->sha256)
		err = add_sha256(&parts, verify, &result->sha256, diag);
	if (!err && !committed)
		err = verify_whole(verify, result, diag);
	if (!err && parts.count)
		err = verify_parts(verify, &parts, result, diag);
	parts_free(&parts);
	return err;
}

/* Map and catalog of a pool that has a digest to compare with. A pool need not have a catalog unless its digest is of
 * files. */
static int open_content(struct verify *verify, struct pinpool_pool *pool, struct pinpool_diag *diag)
{
	struct pinpool_info *info = &verify->info;
	const void *base;
	int err;

	info->size = sizeof(*info);
	err = pinpool_pool_get_info(pool, info);
	if (err)
		return diag_errno(diag, err, "pool");
	if (info->state != PINPOOL_STATE_READY)
		return diag_set(diag, -ENODATA, info->name, "load it first", "the pool is %s, not READY",
				pinpool_state_name(info->state));
	if (info->digest_kind == PINPOOL_DIGEST_NONE)
		return diag_set(diag, -ENODATA, info->name, "load it with digests",
				"the pool was committed without a digest");
	err = pinpool_pool_map(pool, &base, NULL);
	if (err)
		return diag_errno(diag, err, info->name);
	verify->base = base;
	verify->node = place_node(pool);
	err = pinpool_catalog_open(pool, &verify->catalog, diag);
	if (err == -ENOENT && info->digest_kind != PINPOOL_DIGEST_XXH3_128_LIST)
		return 0;
	return err;
}

int pinpool_verify(struct pinpool_pool *pool, const struct pinpool_verify_opts *user_opts,
		   struct pinpool_verify_report *report, struct pinpool_diag *diag)
{
	struct pinpool_verify_report result = {.size = sizeof(result)};
	struct pinpool_verify_opts opts;
	struct verify verify = {.opts = &opts};
	int err, bad_report;

	err = opts_read(&opts, sizeof(opts), user_opts);
	if (err)
		return diag_set(diag, err, "pinpool_verify_opts", NULL, "options this library does not know");
	err = open_content(&verify, pool, diag);
	if (err)
		return err;
	verify.start_ns = clock_now_ns();
	err = verify_content(&verify, &result, diag);
	result.elapsed_ns = clock_now_ns() - verify.start_ns;
	if (report && (!err || err == -EBADMSG)) {
		bad_report = opts_write(report, &result, sizeof(result));
		err = err ? err : bad_report;
	}
	pinpool_catalog_close(verify.catalog);
	return err;
}
