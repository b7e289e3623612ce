/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What is compressed: tensors of a READY pool, where they lie, or of a checkpoint's files, read one at a time. */
#include "base/diag.h"
#include "compress/compression.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Only these say strings that a file of this format may say. */
#define FORMAT "safetensors"

static int add_items(struct pinpool_compression *c, size_t count)
{
	c->items = calloc(count + 1, sizeof(*c->items));
	return c->items ? 0 : -ENOMEM;
}

/* One string of metadata; where two files differ about a key, nothing is said. */
static int add_string(struct pinpool_compression *c, const char *key, const char *text, size_t bytes)
{
	json_t *string = json_stringn(text, bytes), *before;

	if (!c->metadata)
		c->metadata = json_object();
	if (!string || !c->metadata) {
		json_decref(string);
		/* No text at all, as a file of this format cannot have it. */
		return c->metadata ? 0 : -ENOMEM;
	}
	before = json_object_get(c->metadata, key);
	if (before && !json_equal(before, string)) {
		json_decref(string);
		string = json_null();
	}
	return json_object_set_new(c->metadata, key, string) ? -ENOMEM : 0;
}

static void drop_differing(struct pinpool_compression *c)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(c->metadata, next, key, value)
	{
		if (json_is_null(value))
			json_object_del(c->metadata, key);
	}
}

static int list_pool(struct pinpool_compression *c)
{
	struct pinpool_source source = {.size = sizeof(source)};
	struct pinpool_metadata metadata = {.size = sizeof(metadata)};
	int err;

	err = add_items(c, pinpool_catalog_tensor_count(c->catalog));
	if (err)
		return err;
	for (;; c->count++) {
		struct item *item = &c->items[c->count];

		item->tensor.size = sizeof(item->tensor);
		if (pinpool_catalog_tensor(c->catalog, c->count, &item->tensor))
			break;
	}
	for (size_t i = 0; !err && !pinpool_catalog_metadata(c->catalog, i, &metadata); i++)
		if (!pinpool_catalog_source(c->catalog, metadata.source, &source) && !strcmp(source.format, FORMAT))
			err = add_string(c, metadata.key, metadata.data, metadata.bytes);
	return err;
}

static void set_item(struct item *item, const struct format_file *file, const struct format_tensor *from)
{
	item->file = file;
	item->begin = from->begin;
	item->tensor = (struct pinpool_tensor){
		.size = sizeof(item->tensor),
		.name = from->name,
		.dtype = from->dtype,
		.ndim = from->ndim,
		.shape = from->shape,
		.bytes = from->end - from->begin,
	};
	if (from->code) {
		item->tensor.coded = from->code->kind;
		item->tensor.plain_dtype = from->code->dtype;
		item->tensor.plain_ndim = from->code->ndim;
		item->tensor.plain_shape = from->code->shape;
		item->tensor.plain_bytes = from->code->bytes;
	}
}

static int list_checkpoint(struct pinpool_compression *c)
{
	size_t count = 0;
	int err;

	for (size_t f = 0; f < c->checkpoint.count; f++)
		count += c->checkpoint.files[f].count;
	err = add_items(c, count);
	for (size_t f = 0; f < c->checkpoint.count && !err; f++) {
		const struct format_file *file = &c->checkpoint.files[f];

		for (size_t i = 0; i < file->count; i++)
			set_item(&c->items[c->count++], file, &file->tensors[i]);
		for (size_t i = 0; i < file->metadata_count && !err && !strcmp(file->format, FORMAT); i++)
			err = add_string(c, file->metadata[i].key, file->metadata[i].data, file->metadata[i].bytes);
	}
	return err;
}

/* A pool of that name, if the name can be one. Returns -ENOENT if there is none. */
static int open_pool(struct pinpool_compression *c, struct pinpool_diag *diag)
{
	struct pinpool_diag why = {0};
	int err;

	if (pinpool_name_check(c->from))
		return -ENOENT;
	err = pinpool_pool_open(c->ctx, c->from, PINPOOL_OPEN_READ, &c->pool, &why);
	if (err) {
		if (diag)
			*diag = why;
		return err;
	}
	c->info.size = sizeof(c->info);
	err = pinpool_pool_get_info(c->pool, &c->info);
	return err ? diag_errno(diag, err, c->from) : pinpool_catalog_open(c->pool, &c->catalog, diag);
}

int weights_open(struct pinpool_compression *c, struct pinpool_diag *diag)
{
	int err = open_pool(c, diag);

	if (err && (err != -ENOENT || c->pool))
		return err;
	if (err)
		err = checkpoint_open(&c->checkpoint, c->from, diag);
	if (err == -ENOENT && !strchr(c->from, '/'))
		return diag_set(diag, err, c->from, "pinpool ls lists the pools", "no such pool, and no such file");
	if (err)
		return err;
	err = c->pool ? list_pool(c) : list_checkpoint(c);
	if (err)
		return diag_errno(diag, err, c->from);
	drop_differing(c);
	return 0;
}

void weights_close(struct pinpool_compression *c)
{
	json_decref(c->metadata);
	free(c->items);
	pinpool_catalog_close(c->catalog);
	pinpool_pool_close(c->pool);
	checkpoint_close(&c->checkpoint);
}

int weights_read(const struct item *item, const void **data, void **owned, struct pinpool_diag *diag)
{
	int err;

	*owned = NULL;
	*data = item->tensor.data;
	if (!item->file)
		return 0;
	*data = *owned = aligned_alloc(BLOB_ALIGN, (item->tensor.bytes / BLOB_ALIGN + 1) * BLOB_ALIGN);
	if (!*owned)
		return diag_errno(diag, -ENOMEM, item->tensor.name);
	err = source_read(&item->file->source, *owned, item->tensor.bytes, item->begin, diag);
	if (err) {
		free(*owned);
		*owned = NULL;
	}
	return err;
}

int weights_check(const struct pinpool_compression *c, struct pinpool_diag *diag)
{
	int err = 0;

	for (size_t i = 0; i < c->checkpoint.count && !err; i++)
		err = source_check(&c->checkpoint.files[i].source, diag);
	return err;
}
