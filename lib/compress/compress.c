/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Doing what is planned: tensor by tensor, read, coded or decoded, compared with what was promised, written. What was
 * not as planned ends the call, and nothing is published.
 */
#include "base/clock.h"
#include "base/diag.h"
#include "base/opts.h"
#include "compress/compression.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int differs(const struct pinpool_compression *c, const struct item *item, const char *what,
		   struct pinpool_diag *diag)
{
	char object[512];

	return diag_set(diag, -EIO, item_object(c, item, object, sizeof(object)), "please report this",
			"its code is not what was planned: %s", what);
}

/* The code of @item, measured: one that is too far from the weights is refused. */
static int encode(struct pinpool_compression *c, struct item *item, const void *data, void **out,
		  struct pinpool_diag *diag)
{
	struct blob blob = item->blob;
	struct weights weights;
	double error;
	int err;

	item_weights(item, data, &weights);
	err = codes_encode(item->code, &weights, &c->team, &blob, out);
	if (err == -ERANGE)
		return differs(c, item, "the weights do not have its structure", diag);
	if (!err && compression_canceled(c))
		err = -ECANCELED;
	if (err)
		return diag_errno(diag, err, c->from);
	err = measure(&weights, &c->team, &blob.coded, &error, diag);
	if (!err && compression_canceled(c))
		err = diag_errno(diag, -ECANCELED, c->from);
	if (err)
		return err;
	if (error > item->error)
		return differs(c, item, error > c->opts.max_error ? "it exceeds the bound" : "another error", diag);
	if (blob.bytes != item->after)
		return differs(c, item, "another length", diag);
	blob.error = error;
	blob_seal(&blob, *out);
	return 0;
}

static int decode_item(struct pinpool_compression *c, const struct item *item, const void *data, void **out,
		       struct pinpool_diag *diag)
{
	const struct pinpool_tensor *tensor = &item->tensor;
	char object[512];
	struct blob blob;
	int err;

	item_object(c, item, object, sizeof(object));
	err = blob_read(&blob, data, tensor->bytes, object, diag);
	if (err)
		return err;
	if (blob.dtype != tensor->plain_dtype || blob.ndim != tensor->plain_ndim ||
	    memcmp(blob.shape, tensor->plain_shape, blob.ndim * sizeof(*blob.shape)))
		return diag_set(diag, -EBADMSG, object, NULL,
				"its code is of another type or shape than its file says");
	if (!blob_is_whole(&blob, data))
		return diag_set(diag, -EBADMSG, object, "fetch it again", "its code does not match its checksum");
	/* As nobody has to guess what a decoder makes of nonsense. */
	err = pinpool_coded_check(&blob.coded, blob.n, blob.k, diag);
	if (err)
		return err;
	blob.coded.flags = PINPOOL_CODED_CHECKED;
	*out = malloc(item->after);
	if (!*out)
		return diag_errno(diag, -ENOMEM, object);
	err = decode(&blob, &c->team, *out, diag);
	if (!err && compression_canceled(c))
		err = diag_errno(diag, -ECANCELED, c->from);
	return err;
}

static int write_item(struct pinpool_compression *c, struct sink *sink, size_t index, struct pinpool_diag *diag)
{
	struct item *item = c->order[index];
	void *owned = NULL, *made = NULL;
	const void *data;
	int err;

	err = weights_read(item, &data, &owned, diag);
	if (!err && item->deed == DEED_ENCODE)
		err = encode(c, item, data, &made, diag);
	if (!err && item->deed == DEED_DECODE)
		err = decode_item(c, item, data, &made, diag);
	if (!err)
		err = sink_write(sink, made ? made : data, item->after, diag);
	if (!err)
		sink_tensor(sink, index, made ? made : data, item->after);
	free(owned);
	free(made);
	return err;
}

static int write_all(struct pinpool_compression *c, struct sink *sink, struct pinpool_diag *diag)
{
	int err;

	err = sink_write(sink, c->header, c->header_bytes, diag);
	for (size_t i = 0; i < c->count && !err; i++) {
		const struct item *item = c->order[i];

		if (compression_tell(c, item, 0))
			return diag_errno(diag, -ECANCELED, c->from);
		err = write_item(c, sink, i, diag);
		if (!err && compression_tell(c, item, item->tensor.bytes))
			return diag_errno(diag, -ECANCELED, c->from);
	}
	return err ? err : weights_check(c, diag);
}

static int fill_report(const struct pinpool_compression *c, struct pinpool_compress_report *report)
{
	struct pinpool_compress_report result = {
		.size = sizeof(result),
		.bytes = c->bytes,
		.bytes_after = c->after,
		.written = c->header_bytes + c->after,
		.elapsed_ns = clock_now_ns() - c->start_ns,
		.tensors = (uint32_t)c->count,
	};

	for (size_t i = 0; i < c->count; i++)
		result.coded += !!c->items[i].out.coded;
	return opts_write(report, &result, sizeof(result));
}

int pinpool_compress(struct pinpool_compression *c, struct pinpool_compress_report *report, struct pinpool_diag *diag)
{
	struct sink *sink;
	int err;

	if (!c)
		return diag_set(diag, -EINVAL, "pinpool_compress", NULL, "null pointer");
	if (report && report->size < sizeof(report->size))
		return diag_set(diag, -EINVAL, "pinpool_compress_report", NULL, "its size is not set");
	c->start_ns = clock_now_ns();
	c->done = 0;
	err = sink_open(c, &sink, diag);
	if (err)
		return err;
	err = write_all(c, sink, diag);
	if (!err)
		err = sink_publish(sink, diag);
	sink_close(sink);
	return !err && report ? fill_report(c, report) : err;
}
