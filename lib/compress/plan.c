/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The plan of a compression: every tensor is looked at, none is written; its header is what the file will begin with.
 */
#include "base/clock.h"
#include "base/diag.h"
#include "base/opts.h"
#include "compress/compression.h"
#include "format/safetensors_writer.h"
#include "load/output.h"
#include "math/context.h"

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX ".safetensors"

const char *item_object(const struct pinpool_compression *c, const struct item *item, char *buf, size_t size)
{
	snprintf(buf, size, "%s: tensor %s", c->from, item->tensor.name);
	return buf;
}

bool item_weights(const struct item *item, const void *data, struct weights *weights)
{
	*weights = (struct weights){.data = data, .dtype = item->tensor.dtype};
	return weights_takes(weights->dtype) &&
	       blob_matrix(item->tensor.ndim, item->tensor.shape, &weights->n, &weights->k);
}

bool compression_canceled(struct pinpool_compression *c)
{
	if (c->opts.cancel && *c->opts.cancel)
		c->canceled = 1;
	return c->canceled;
}

int compression_tell(struct pinpool_compression *c, const struct item *item, uint64_t bytes)
{
	const struct pinpool_progress progress = {
		.done = c->done += bytes,
		.total = c->total,
		.elapsed_ns = clock_now_ns() - c->start_ns,
		.file = c->from,
		.tensor = item ? item->tensor.name : NULL,
		.tensor_index = item ? (uint64_t)(item - c->items) : c->count,
		.tensors = c->count,
	};

	if (c->opts.progress && c->opts.progress(c->opts.progress_arg, &progress))
		c->canceled = 1;
	return compression_canceled(c) ? -ECANCELED : 0;
}

/* One unit of the team, unless somebody wants it to end: what comes of it is not used then. */
struct canceling {
	struct pinpool_compression *c;
	codec_unit_fn fn;
	void *arg;
};

static void run_unit(void *arg, size_t unit, unsigned int thread)
{
	const struct canceling *canceling = arg;

	if (!compression_canceled(canceling->c))
		canceling->fn(canceling->arg, unit, thread);
}

static void run_team(void *arg, codec_unit_fn fn, void *fn_arg, size_t units)
{
	struct canceling canceling = {arg, fn, fn_arg};

	team_run(canceling.c->math->team, run_unit, &canceling, units);
}

static int make_team(struct pinpool_compression *c, struct pinpool_diag *diag)
{
	int err;

	c->math = c->opts.math;
	if (!c->math) {
		err = pinpool_math_new(&c->math, NULL, diag);
		if (err)
			return err;
	}
	c->team = (struct codec_team){.threads = team_threads(c->math->team), .arg = c, .run = run_team};
	return 0;
}

static int check_opts(const struct pinpool_compress_opts *opts, struct pinpool_diag *diag)
{
	if (!(opts->max_error >= 0) || !isfinite(opts->max_error))
		return diag_set(diag, -EINVAL, "max_error", "such as 0.01, or 0 for every bit", "%g is no bound",
				opts->max_error);
	if (opts->code && codes_find(opts->code) == codes_count())
		return diag_set(diag, -EINVAL, opts->code, "docs/compression.md lists them", "no such code");
	if (opts->code && !codes_is_exact(codes_find(opts->code)) && !(opts->max_error > 0))
		return diag_set(diag, -EINVAL, opts->code, "allow an error",
				"loses bits, and every bit shall come back");
	if (opts->decompress && (opts->code || opts->max_error > 0))
		return diag_set(diag, -EINVAL, "decompress", "leave code and error out",
				"the way back chooses nothing");
	return 0;
}

static bool is_file(const char *to)
{
	size_t length = strlen(to), suffix = strlen(SUFFIX);

	return strchr(to, '/') || (length > suffix && !strcmp(to + length - suffix, SUFFIX));
}

/* What can be said of it before hours of work. */
static int check_to(struct pinpool_compression *c, struct pinpool_diag *diag)
{
	struct pinpool_info info = {.size = sizeof(info)};
	int err;

	c->to_file = is_file(c->to);
	if (c->to_file)
		return output_check(c->to, c->opts.force, diag);
	err = pinpool_name_check(c->to);
	if (err)
		return diag_set(diag, err, c->to, "use 1 to 63 of letters, digits, '.', '_' and '-'",
				"is no pool name");
	if (!pinpool_pool_stat(c->ctx, c->to, &info, NULL) && info.state == PINPOOL_STATE_READY)
		return diag_set(diag, -EEXIST, c->to, "choose another name, or remove the pool first",
				"a pool of this name is READY");
	return 0;
}

static bool match(const struct pinpool_compression *c, const char *name, bool *used)
{
	bool any = !c->opts.tensor_count;

	for (size_t i = 0; i < c->opts.tensor_count; i++) {
		/* A name may have a bracket in it. */
		if (strcmp(c->opts.tensors[i], name) && fnmatch(c->opts.tensors[i], name, 0))
			continue;
		used[i] = true;
		any = true;
	}
	return any;
}

/* What becomes of a tensor that is coded, or stays as it is. */
static void plan_coded(struct pinpool_compression *c, struct item *item)
{
	if (!item->tensor.coded)
		return;
	item->error = item->tensor.coded_error;
	if (c->opts.decompress) {
		item->deed = DEED_DECODE;
		item->after = item->tensor.plain_bytes;
	} else {
		snprintf(item->note, sizeof(item->note), "coded already");
	}
}

static int plan_item(struct pinpool_compression *c, struct item *item, bool chosen, struct pinpool_diag *diag)
{
	const void *data;
	void *owned;
	int err;

	item->after = item->tensor.bytes;
	if (!chosen)
		snprintf(item->note, sizeof(item->note), "not chosen");
	else
		plan_coded(c, item);
	if (!chosen || item->tensor.coded || c->opts.decompress)
		return 0;
	err = weights_read(item, &data, &owned, diag);
	if (err)
		return err;
	err = choose(c, item, data, diag);
	free(owned);
	return err;
}

static int plan_items(struct pinpool_compression *c, struct pinpool_diag *diag)
{
	bool *used = calloc(c->opts.tensor_count + 1, sizeof(*used));
	int err = 0;

	if (!used)
		return diag_errno(diag, -ENOMEM, c->from);
	for (size_t i = 0; i < c->count; i++)
		match(c, c->items[i].tensor.name, used);
	for (size_t i = 0; i < c->opts.tensor_count && !err; i++)
		if (!used[i])
			err = diag_set(diag, -ENOENT, c->opts.tensors[i], "give a name or a pattern of names",
				       "no tensor of %s has such a name", c->from);
	for (size_t i = 0; i < c->count && !err; i++) {
		struct item *item = &c->items[i];

		err = compression_tell(c, item, 0);
		if (!err)
			err = plan_item(c, item, match(c, item->tensor.name, used), diag);
		if (!err)
			err = compression_tell(c, item, item->tensor.bytes);
		if (err == -ECANCELED || err == -ENOMEM)
			diag_errno(diag, err, c->from);
	}
	free(used);
	return err;
}

static void set_out(struct item *item)
{
	item->out = item->tensor;
	item->out.bytes = item->after;
	if (item->deed == DEED_KEEP)
		return;
	item->out.coded = 0;
	if (item->deed == DEED_DECODE) {
		item->out.dtype = item->tensor.plain_dtype;
		item->out.ndim = item->tensor.plain_ndim;
		item->out.shape = item->tensor.plain_shape;
		return;
	}
	item->out.dtype = PINPOOL_DTYPE_U8;
	item->out.ndim = 1;
	item->out.shape = &item->after;
	item->out.coded = item->blob.coded.kind;
	item->out.plain_dtype = item->tensor.dtype;
	item->out.plain_ndim = item->tensor.ndim;
	item->out.plain_shape = item->tensor.shape;
	item->out.plain_bytes = item->tensor.bytes;
	item->out.coded_error = item->error;
}

static int by_order(const void *left, const void *right)
{
	return safetensors_order(&(*(struct item *const *)left)->out, &(*(struct item *const *)right)->out);
}

/* The order in which tensors are written, and the header before them. */
static int make_header(struct pinpool_compression *c, struct pinpool_diag *diag)
{
	struct pinpool_tensor *tensors = calloc(c->count + 1, sizeof(*tensors));
	int err;

	c->order = calloc(c->count + 1, sizeof(struct item *));
	if (!tensors || !c->order) {
		free(tensors);
		return diag_errno(diag, -ENOMEM, c->from);
	}
	for (size_t i = 0; i < c->count; i++) {
		c->order[i] = &c->items[i];
		set_out(c->order[i]);
		c->after += c->order[i]->after;
	}
	qsort(c->order, c->count, sizeof(struct item *), by_order);
	for (size_t i = 0; i < c->count; i++)
		tensors[i] = c->order[i]->out;
	err = safetensors_make_header(tensors, c->count, c->metadata, &c->header, &c->header_bytes, diag);
	free(tensors);
	return err;
}

static int plan(struct pinpool_compression *c, struct pinpool_diag *diag)
{
	int err;

	err = check_opts(&c->opts, diag);
	if (!err)
		err = check_to(c, diag);
	if (!err)
		err = weights_open(c, diag);
	if (!err)
		err = make_team(c, diag);
	if (err)
		return err;
	for (size_t i = 0; i < c->count; i++)
		c->bytes += c->items[i].tensor.bytes;
	c->total = c->bytes;
	err = plan_items(c, diag);
	if (!err)
		err = weights_check(c, diag);
	return err ? err : make_header(c, diag);
}

int pinpool_compress_plan(struct pinpool_ctx *ctx, const char *from, const char *to,
			  const struct pinpool_compress_opts *opts, struct pinpool_compression **out,
			  struct pinpool_diag *diag)
{
	struct pinpool_compression *c;
	int err;

	if (!ctx || !from || !to || !out)
		return diag_set(diag, -EINVAL, "pinpool_compress_plan", NULL, "null pointer");
	c = calloc(1, sizeof(*c));
	if (!c)
		return diag_errno(diag, -ENOMEM, from);
	c->ctx = pinpool_ctx_ref(ctx);
	c->from = strdup(from);
	c->to = strdup(to);
	c->start_ns = clock_now_ns();
	err = opts_read(&c->opts, sizeof(c->opts), opts);
	if (err)
		diag_set(diag, err, "pinpool_compress_opts", NULL, "options this library does not know");
	else if (!c->from || !c->to)
		err = diag_errno(diag, -ENOMEM, from);
	else
		err = plan(c, diag);
	if (err) {
		pinpool_compress_free(c);
		return err;
	}
	*out = c;
	return 0;
}

void pinpool_compress_free(struct pinpool_compression *c)
{
	if (!c)
		return;
	weights_close(c);
	if (c->math != c->opts.math)
		pinpool_math_free(c->math);
	free(c->header);
	free(c->order);
	free(c->from);
	free(c->to);
	pinpool_ctx_unref(c->ctx);
	free(c);
}

size_t pinpool_compress_count(const struct pinpool_compression *c)
{
	return c->count;
}

int pinpool_compress_tensor(const struct pinpool_compression *c, size_t index, struct pinpool_compress_tensor *tensor)
{
	struct pinpool_compress_tensor result = {.size = sizeof(result)};
	const struct item *item;
	bool coded;

	if (index >= c->count)
		return -ENOENT;
	item = &c->items[index];
	coded = item->tensor.coded;
	result.name = item->tensor.name;
	result.dtype = coded ? item->tensor.plain_dtype : item->tensor.dtype;
	result.ndim = coded ? item->tensor.plain_ndim : item->tensor.ndim;
	result.shape = coded ? item->tensor.plain_shape : item->tensor.shape;
	result.bytes = item->tensor.bytes;
	result.bytes_after = item->after;
	result.coded = item->out.coded;
	result.error = item->error;
	result.analysed = item->analysed;
	if (item->analysed) {
		double values = (double)(item->tensor.bytes / (pinpool_dtype_bits(item->tensor.dtype) / 8));

		result.density = (double)item->stats.stored / values;
		result.distinct = item->stats.distinct[WEIGHTS_GROUP_ALL];
		result.entropy = item->stats.entropy;
	}
	if (item->deed == DEED_ENCODE)
		snprintf(result.code, sizeof(result.code), "%s", codes_name(item->code));
	else if (item->out.coded)
		snprintf(result.code, sizeof(result.code), "%s", pinpool_coded_kind_name(item->out.coded));
	memcpy(result.note, item->note, sizeof(result.note));
	return opts_write(tensor, &result, sizeof(result));
}
