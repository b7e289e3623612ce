/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Reading the metadata in a catalog: checked whole when the catalog is opened, found by key afterwards. */
#include <errno.h>
#include <string.h>

#include "base/opts.h"
#include "base/utf8.h"
#include "pool/catalog_internal.h"
#include "pool/catalog_rules.h"
#include "pool/value.h"

/* All that is said of a value; its key and offset are good. */
static struct pinpool_metadata read_metadata(const struct pinpool_catalog *catalog, const struct catalog_metadata *from)
{
	struct pinpool_metadata result = {
		.size = sizeof(result),
		.key = string(catalog, &from->key),
		.type = (enum pinpool_value_type)from->type,
		.element = (enum pinpool_value_type)from->element,
		.count = from->count,
		.data = catalog->sections[CATALOG_VALUES].at + from->offset,
		.bytes = from->bytes,
		.source = from->source,
	};

	return result;
}

static int check_value(const struct pinpool_catalog *catalog, const struct catalog_metadata *from, const char *pool,
		       struct pinpool_diag *diag)
{
	struct pinpool_metadata metadata;

	if (!string_is_good(catalog, &from->key) || !utf8_is_valid(string(catalog, &from->key), from->key.bytes))
		return refuse(diag, pool, "a key of metadata is no string of UTF-8");
	if (from->type >= PINPOOL_VALUE_COUNT || from->element >= PINPOOL_VALUE_COUNT)
		return newer(diag, pool);
	if (from->source >= catalog->sections[CATALOG_SOURCES].count)
		return refuse(diag, pool, "metadata comes from no source");
	if (!catalog_range_within(from->offset, from->bytes, catalog->sections[CATALOG_VALUES].count) ||
	    from->offset % CATALOG_VALUE_ALIGN)
		return refuse(diag, pool, "a value of metadata lies outside of it");
	metadata = read_metadata(catalog, from);
	if (!value_is_sound(&metadata))
		return refuse(diag, pool, "a value of metadata is none of its type");
	return 0;
}

/* Below zero if @a comes before @b. */
static int compare(const struct pinpool_catalog *catalog, const struct catalog_metadata *a,
		   const struct catalog_metadata *b)
{
	int order = strcmp(string(catalog, &a->key), string(catalog, &b->key));

	return order ? order : a->source < b->source ? -1 : a->source > b->source;
}

int catalog_check_metadata(const struct pinpool_catalog *catalog, const char *pool, struct pinpool_diag *diag)
{
	const struct catalog_metadata *before = NULL;
	int err;

	for (size_t i = 0; i < catalog->sections[CATALOG_METADATA].count; i++) {
		const struct catalog_metadata *metadata = entry(catalog, CATALOG_METADATA, i);

		err = check_value(catalog, metadata, pool, diag);
		if (err)
			return err;
		if (before && compare(catalog, before, metadata) >= 0)
			return refuse(diag, pool, "metadata is not in order, or is there twice");
		before = metadata;
	}
	return 0;
}

size_t pinpool_catalog_metadata_count(const struct pinpool_catalog *catalog)
{
	return catalog->sections[CATALOG_METADATA].count;
}

int pinpool_catalog_metadata(const struct pinpool_catalog *catalog, size_t index, struct pinpool_metadata *metadata)
{
	struct pinpool_metadata result;

	if (index >= catalog->sections[CATALOG_METADATA].count)
		return -ENOENT;
	result = read_metadata(catalog, entry(catalog, CATALOG_METADATA, index));
	return opts_write(metadata, &result, sizeof(result));
}

int pinpool_catalog_find_metadata(const struct pinpool_catalog *catalog, const char *key,
				  struct pinpool_metadata *metadata)
{
	size_t low = 0, high = catalog->sections[CATALOG_METADATA].count;
	const struct catalog_metadata *at;

	/* The first that is not before the key. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		at = entry(catalog, CATALOG_METADATA, middle);
		if (strcmp(string(catalog, &at->key), key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == catalog->sections[CATALOG_METADATA].count)
		return -ENOENT;
	at = entry(catalog, CATALOG_METADATA, low);
	return strcmp(string(catalog, &at->key), key) ? -ENOENT : pinpool_catalog_metadata(catalog, low, metadata);
}
