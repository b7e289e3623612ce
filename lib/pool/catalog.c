/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Reading a catalog. It is copied out of the pool first and everything is checked in the copy, so that nobody can
 * change it between the check and the use; after that no access needs a check of its own.
 */
#include <pinpool/catalog.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/diag.h"
#include "base/opts.h"
#include "base/utf8.h"
#include "pool/backend.h"
#include "pool/catalog_internal.h"
#include "pool/catalog_rules.h"
#include "pool/populate.h"

/* More sections than any version will have; bounds the walk over the table. */
#define SECTIONS_MAX 1024

static const uint64_t *shape(const struct pinpool_catalog *catalog, const struct catalog_tensor *tensor)
{
	return entry(catalog, CATALOG_EXTENTS, tensor->extents);
}

static bool all_zero(const char *at, size_t bytes)
{
	return !bytes || (!*at && !memcmp(at, at + 1, bytes - 1));
}

/* Finds the catalog behind @info->length, whose pages are there then. -ENOENT if there is none. */
static int read_footer(const char *base, const struct pinpool_info *info, struct catalog_footer *footer,
		       struct pinpool_diag *diag)
{
	char bytes[CATALOG_FOOTER_BYTES];
	uint64_t end = info->capacity - CATALOG_FOOTER_BYTES;

	if (info->capacity < CATALOG_FOOTER_BYTES || info->length > end)
		goto no_catalog;
	if (info->on_demand && populate_read(base + end, sizeof(bytes)))
		return populate_failed(info->name, diag);
	memcpy(bytes, base + end, sizeof(bytes));
	if (all_zero(bytes, sizeof(bytes)))
		goto no_catalog;
	memcpy(footer, bytes, sizeof(*footer));
	if (memcmp(footer->magic, CATALOG_FOOTER_MAGIC, sizeof(footer->magic)))
		return refuse(diag, info->name, "no footer at the end of the pool");
	if (footer->footer_bytes < sizeof(*footer) || footer->footer_bytes > sizeof(bytes) ||
	    footer->checksum != XXH3_64bits(footer, offsetof(struct catalog_footer, checksum)) ||
	    !all_zero(bytes + footer->footer_bytes, sizeof(bytes) - footer->footer_bytes))
		return refuse(diag, info->name, "the footer does not match its checksum");
	if (footer->version > CATALOG_VERSION)
		return newer(diag, info->name);
	if (footer->version != CATALOG_VERSION || footer->footer_bytes != sizeof(*footer))
		return refuse(diag, info->name, "a footer of no known version");
	if (footer->catalog_offset < info->length || footer->catalog_offset % CATALOG_ALIGN ||
	    !catalog_range_within(footer->catalog_offset, footer->catalog_bytes, end) ||
	    footer->catalog_bytes > CATALOG_BYTES_MAX || footer->catalog_bytes < sizeof(struct catalog_header))
		return refuse(diag, info->name, "it does not lie between the content and the footer");
	if (info->on_demand && populate_read(base + footer->catalog_offset, footer->catalog_bytes))
		return populate_failed(info->name, diag);
	return 0;

no_catalog:
	return diag_set(diag, -ENOENT, info->name, "make the pool with pinpool load", "a pool without a catalog");
}

static int copy_catalog(struct pinpool_catalog *catalog, const struct pinpool_info *info, struct pinpool_diag *diag)
{
	struct catalog_footer footer;
	XXH128_canonical_t digest;
	int err;

	err = read_footer(catalog->content, info, &footer, diag);
	if (err)
		return err;
	catalog->size = footer.catalog_bytes;
	catalog->bytes =
		aligned_alloc(CATALOG_ALIGN, (catalog->size + CATALOG_ALIGN - 1) / CATALOG_ALIGN * CATALOG_ALIGN);
	if (!catalog->bytes)
		return diag_errno(diag, -ENOMEM, info->name);
	memcpy(catalog->bytes, catalog->content + footer.catalog_offset, catalog->size);
	XXH128_canonicalFromHash(&digest, XXH3_128bits(catalog->bytes, catalog->size));
	if (memcmp(digest.digest, footer.digest, sizeof(footer.digest)))
		return refuse(diag, info->name, "it does not match its digest");
	return 0;
}

/* Bytes of an entry that this version knows, by type. */
static const size_t entry_sizes[CATALOG_SECTION_TYPES] = {
	[CATALOG_TENSORS] = sizeof(struct catalog_tensor),
	[CATALOG_NAME_ORDER] = sizeof(uint32_t),
	[CATALOG_EXTENTS] = sizeof(uint64_t),
	[CATALOG_SOURCES] = sizeof(struct catalog_source),
	[CATALOG_STRINGS] = 1,
	[CATALOG_PACKINGS] = sizeof(struct catalog_packing),
	[CATALOG_METADATA] = sizeof(struct catalog_metadata),
	[CATALOG_VALUES] = 1,
	[CATALOG_SHA256] = sizeof(struct catalog_sha256),
	[CATALOG_RESTS] = sizeof(struct catalog_rest),
	[CATALOG_SLICES] = sizeof(struct catalog_slice),
	[CATALOG_PARTS] = sizeof(struct catalog_part),
	[CATALOG_FUSED] = sizeof(struct catalog_fused),
	[CATALOG_CODES] = sizeof(struct catalog_code),
};

static int check_section(struct pinpool_catalog *catalog, const struct catalog_section *section, size_t table_end,
			 const char *pool, struct pinpool_diag *diag)
{
	struct section *known;

	if (!catalog_range_within(section->offset, section->bytes, catalog->size) || section->offset < table_end ||
	    section->offset % CATALOG_ALIGN)
		return refuse(diag, pool, "a section lies outside of it");
	if (section->type >= CATALOG_SECTION_TYPES || !entry_sizes[section->type]) {
		if (section->flags & CATALOG_SECTION_REQUIRED)
			return newer(diag, pool);
		return 0;
	}
	known = &catalog->sections[section->type];
	if (known->at)
		return refuse(diag, pool, "a section appears twice");
	/* Arrays of plain numbers and bytes are read as such; only structs may grow, and they keep their alignment. */
	if (entry_sizes[section->type] <= sizeof(uint64_t)
		    ? section->entry_bytes != entry_sizes[section->type]
		    : section->entry_bytes < entry_sizes[section->type] || section->entry_bytes % sizeof(uint64_t))
		return refuse(diag, pool, "entries of a section have an impossible size");
	if ((uint64_t)section->entry_bytes * section->entry_count != section->bytes)
		return refuse(diag, pool, "a section is not as long as its entries");
	known->at = catalog->bytes + section->offset;
	known->stride = section->entry_bytes;
	known->count = section->entry_count;
	return 0;
}

static int check_sections(struct pinpool_catalog *catalog, const char *pool, struct pinpool_diag *diag)
{
	struct catalog_section section;
	struct catalog_header header;
	size_t table_end;
	int err;

	memcpy(&header, catalog->bytes, sizeof(header));
	if (memcmp(header.magic, CATALOG_MAGIC, sizeof(header.magic)))
		return refuse(diag, pool, "no header");
	if (header.version > CATALOG_VERSION)
		return newer(diag, pool);
	if (header.version != CATALOG_VERSION || header.header_bytes < sizeof(header) ||
	    header.header_bytes > catalog->size || header.header_bytes % sizeof(uint64_t) ||
	    header.bytes != catalog->size || header.section_bytes < sizeof(section) ||
	    header.section_bytes > catalog->size || header.section_count > SECTIONS_MAX)
		return refuse(diag, pool, "an impossible header");
	if (header.content_bytes != catalog->length)
		return refuse(diag, pool, "it describes content of another length");
	if (!catalog_range_within(header.header_bytes, (uint64_t)header.section_bytes * header.section_count,
				  catalog->size))
		return refuse(diag, pool, "the table of sections lies outside of it");
	table_end = header.header_bytes + (size_t)header.section_bytes * header.section_count;

	for (size_t i = 0; i < header.section_count; i++) {
		memcpy(&section, catalog->bytes + header.header_bytes + i * header.section_bytes, sizeof(section));
		err = check_section(catalog, &section, table_end, pool, diag);
		if (err)
			return err;
	}
	for (size_t i = 1; i < CATALOG_PACKINGS; i++)
		if (!catalog->sections[i].at)
			return refuse(diag, pool, "a section is missing");
	if (!catalog->sections[CATALOG_METADATA].at != !catalog->sections[CATALOG_VALUES].at)
		return refuse(diag, pool, "a section is missing");
	return 0;
}

static int check_sources(const struct pinpool_catalog *catalog, const char *pool, struct pinpool_diag *diag)
{
	for (size_t i = 0; i < catalog->sections[CATALOG_SOURCES].count; i++) {
		const struct catalog_source *source = entry(catalog, CATALOG_SOURCES, i);

		if (!string_is_good(catalog, &source->path) || !string_is_good(catalog, &source->format))
			return refuse(diag, pool, "a source's path or format is no string");
		if (!catalog_range_within(source->offset, source->bytes, catalog->length))
			return refuse(diag, pool, "a source lies outside the content");
	}
	return 0;
}

static int check_tensor(const struct pinpool_catalog *catalog, const struct catalog_tensor *tensor, const char *pool,
			struct pinpool_diag *diag)
{
	const struct catalog_source *source;

	if (!string_is_good(catalog, &tensor->name) ||
	    !utf8_is_valid(string(catalog, &tensor->name), tensor->name.bytes))
		return refuse(diag, pool, "a tensor's name is no string of UTF-8");
	if (tensor->dtype >= PINPOOL_DTYPE_COUNT)
		return newer(diag, pool);
	if (tensor->ndim > PINPOOL_NDIM_MAX ||
	    !catalog_range_within(tensor->extents, tensor->ndim, catalog->sections[CATALOG_EXTENTS].count))
		return refuse(diag, pool, "a tensor's shape lies outside of it");
	if (!catalog_shape_fills((enum pinpool_dtype)tensor->dtype, tensor->ndim, shape(catalog, tensor),
				 tensor->bytes))
		return refuse(diag, pool, "a tensor's type and shape do not make its length");
	if (tensor->source >= catalog->sections[CATALOG_SOURCES].count)
		return refuse(diag, pool, "a tensor comes from no source");
	source = entry(catalog, CATALOG_SOURCES, tensor->source);
	/* And so inside the content, too. */
	if (tensor->offset < source->offset ||
	    !catalog_range_within(tensor->offset - source->offset, tensor->bytes, source->bytes))
		return refuse(diag, pool, "a tensor lies outside its source");
	return 0;
}

static const struct catalog_tensor *tensor_by_name(const struct pinpool_catalog *catalog, size_t index)
{
	return entry(catalog, CATALOG_TENSORS, *(const uint32_t *)entry(catalog, CATALOG_NAME_ORDER, index));
}

static int check_tensors(const struct pinpool_catalog *catalog, const char *pool, struct pinpool_diag *diag)
{
	size_t count = catalog->sections[CATALOG_TENSORS].count;
	uint64_t offset = 0;
	int err;

	for (size_t i = 0; i < count; i++) {
		const struct catalog_tensor *tensor = entry(catalog, CATALOG_TENSORS, i);

		err = check_tensor(catalog, tensor, pool, diag);
		if (err)
			return err;
		if (tensor->offset < offset)
			return refuse(diag, pool, "tensors are not in order of their offset");
		offset = tensor->offset;
	}
	if (catalog->sections[CATALOG_NAME_ORDER].count != count)
		return refuse(diag, pool, "not every tensor has its place in the order of names");
	for (size_t i = 0; i < count; i++)
		if (*(const uint32_t *)entry(catalog, CATALOG_NAME_ORDER, i) >= count)
			return refuse(diag, pool, "a name belongs to no tensor");
	/* Strictly ascending means that no name, and so no tensor, is there twice. */
	for (size_t i = 1; i < count; i++)
		if (strcmp(string(catalog, &tensor_by_name(catalog, i - 1)->name),
			   string(catalog, &tensor_by_name(catalog, i)->name)) >= 0)
			return refuse(diag, pool, "names are not in order, or one is there twice");
	return 0;
}

static int check_parts(const struct pinpool_catalog *catalog, const char *pool, struct pinpool_diag *diag)
{
	uint64_t next = 0;

	for (size_t i = 0; i < catalog->sections[CATALOG_PARTS].count; i++) {
		const struct catalog_part *part = entry(catalog, CATALOG_PARTS, i);

		if (part->source < next || part->source >= catalog->sections[CATALOG_SOURCES].count)
			return refuse(diag, pool, "a part is of no source, or not in order");
		next = (uint64_t)part->source + 1;
	}
	return 0;
}

/* All that is said of a packing; strings and offsets are good. */
static struct pinpool_packed read_packing(const struct pinpool_catalog *catalog, const struct catalog_packing *from)
{
	struct pinpool_packed result = {
		.size = sizeof(result),
		.tensor = string(catalog, &from->tensor),
		.base = string(catalog, &from->base),
		.isa = string(catalog, &from->isa),
		.dtype = (enum pinpool_dtype)from->dtype,
		.version = from->version,
		.n = from->n,
		.k = from->k,
		.panel_rows = from->panel_rows,
		.offset = from->offset,
		.bytes = from->bytes,
		.data = catalog->content + from->offset,
		.has_digest = from->flags & CATALOG_HAS_DIGEST,
		.base_length = from->base_length,
		.base_committed_ns = from->base_committed_ns,
		.base_digest_kind = (enum pinpool_digest_kind)from->base_digest_kind,
	};

	memcpy(result.digest, from->digest, sizeof(result.digest));
	memcpy(result.base_digest, from->base_digest, sizeof(result.base_digest));
	return result;
}

static int check_packing(const struct pinpool_catalog *catalog, const struct catalog_packing *from, const char *pool,
			 struct pinpool_diag *diag)
{
	struct pinpool_packed packed;

	if (!string_is_good(catalog, &from->tensor) ||
	    !utf8_is_valid(string(catalog, &from->tensor), from->tensor.bytes))
		return refuse(diag, pool, "the name of a packed tensor is no string of UTF-8");
	if (!string_is_good(catalog, &from->base) || pinpool_name_check(string(catalog, &from->base)))
		return refuse(diag, pool, "the pool that a packing was made of has no name");
	if (!string_is_good(catalog, &from->isa))
		return refuse(diag, pool, "the kernels of a packing are no string");
	if (from->dtype >= PINPOOL_DTYPE_COUNT)
		return newer(diag, pool);
	if (!catalog_range_within(from->offset, from->bytes, catalog->length))
		return refuse(diag, pool, "a packing lies outside the content");
	packed = read_packing(catalog, from);
	if (!catalog_packing_is_sound(&packed))
		return refuse(diag, pool, "a packing has impossible numbers");
	return 0;
}

static int check_packings(const struct pinpool_catalog *catalog, const char *pool, struct pinpool_diag *diag)
{
	const struct catalog_packing *before = NULL;
	int err;

	for (size_t i = 0; i < catalog->sections[CATALOG_PACKINGS].count; i++) {
		const struct catalog_packing *packing = entry(catalog, CATALOG_PACKINGS, i);

		err = check_packing(catalog, packing, pool, diag);
		if (err)
			return err;
		if (before && strcmp(string(catalog, &before->tensor), string(catalog, &packing->tensor)) >= 0)
			return refuse(diag, pool, "packings are not in order, or one is there twice");
		before = packing;
	}
	return 0;
}

/* Sections with an entry for each of other things have just that many. */
static int check_counts(const struct pinpool_catalog *catalog, const char *pool, struct pinpool_diag *diag)
{
	const struct section *sections = catalog->sections;
	size_t sources = sections[CATALOG_SOURCES].count;

	if (sections[CATALOG_SHA256].at && sections[CATALOG_SHA256].count != sections[CATALOG_TENSORS].count + sources)
		return refuse(diag, pool, "there is not one SHA-256 for each tensor and source");
	if (sections[CATALOG_RESTS].at && sections[CATALOG_RESTS].count != sources)
		return refuse(diag, pool, "there is not one rest for each source");
	return 0;
}

int pinpool_catalog_open(struct pinpool_pool *pool, struct pinpool_catalog **out, struct pinpool_diag *diag)
{
	struct pinpool_info info = {.size = sizeof(info)};
	struct pinpool_catalog *catalog;
	const void *content;
	int err;

	err = pinpool_pool_get_info(pool, &info);
	if (err)
		return diag_errno(diag, err, pool->name);
	if (info.state != PINPOOL_STATE_READY)
		return diag_set(diag, -ENODATA, pool->name, "wait until it is READY", "%s",
				pinpool_state_name(info.state));
	err = pinpool_pool_map(pool, &content, NULL);
	if (err)
		return diag_errno(diag, err, pool->name);
	catalog = calloc(1, sizeof(*catalog));
	if (!catalog)
		return diag_errno(diag, -ENOMEM, pool->name);
	catalog->content = content;
	catalog->length = info.length;
	err = copy_catalog(catalog, &info, diag);
	if (!err)
		err = check_sections(catalog, pool->name, diag);
	if (!err)
		err = check_sources(catalog, pool->name, diag);
	if (!err)
		err = check_tensors(catalog, pool->name, diag);
	if (!err)
		err = catalog_check_slices(catalog, pool->name, diag);
	if (!err)
		err = check_parts(catalog, pool->name, diag);
	if (!err)
		err = catalog_check_codes(catalog, pool->name, diag);
	if (!err)
		err = check_packings(catalog, pool->name, diag);
	if (!err)
		err = catalog_check_metadata(catalog, pool->name, diag);
	if (!err)
		err = check_counts(catalog, pool->name, diag);
	if (err) {
		pinpool_catalog_close(catalog);
		return err;
	}
	*out = catalog;
	return 0;
}

void pinpool_catalog_close(struct pinpool_catalog *catalog)
{
	if (!catalog)
		return;
	free(catalog->bytes);
	free(catalog);
}

/* SHA-256 of a tensor, or of a source behind all of them. False, and nothing stored, if it is not known. */
static bool read_sha256(const struct pinpool_catalog *catalog, size_t index, uint8_t out[PINPOOL_SHA256_BYTES])
{
	const struct catalog_sha256 *from;

	if (!catalog->sections[CATALOG_SHA256].at)
		return false;
	from = entry(catalog, CATALOG_SHA256, index);
	if (!(from->flags & CATALOG_HAS_DIGEST))
		return false;
	memcpy(out, from->digest, sizeof(from->digest));
	return true;
}

static int export_tensor(const struct pinpool_catalog *catalog, size_t index, struct pinpool_tensor *tensor)
{
	const struct catalog_tensor *from = entry(catalog, CATALOG_TENSORS, index);
	struct pinpool_tensor result = {
		.size = sizeof(result),
		.name = string(catalog, &from->name),
		.dtype = (enum pinpool_dtype)from->dtype,
		.ndim = from->ndim,
		.shape = shape(catalog, from),
		.offset = from->offset,
		.bytes = from->bytes,
		.data = catalog->content + from->offset,
		.source = from->source,
		.has_digest = from->flags & CATALOG_HAS_DIGEST,
	};

	catalog_read_slice(catalog, index, &result);
	catalog_read_code(catalog, index, &result);
	memcpy(result.digest, from->digest, sizeof(result.digest));
	result.has_sha256 = read_sha256(catalog, index, result.sha256);
	return opts_write(tensor, &result, sizeof(result));
}

size_t pinpool_catalog_tensor_count(const struct pinpool_catalog *catalog)
{
	return catalog->sections[CATALOG_TENSORS].count;
}

int pinpool_catalog_tensor(const struct pinpool_catalog *catalog, size_t index, struct pinpool_tensor *tensor)
{
	if (index >= catalog->sections[CATALOG_TENSORS].count)
		return -ENOENT;
	return export_tensor(catalog, index, tensor);
}

int pinpool_catalog_find(const struct pinpool_catalog *catalog, const char *name, struct pinpool_tensor *tensor)
{
	size_t low = 0, high = catalog->sections[CATALOG_TENSORS].count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct catalog_tensor *at = tensor_by_name(catalog, middle);
		int order = strcmp(name, string(catalog, &at->name));

		if (!order)
			return export_tensor(catalog, *(const uint32_t *)entry(catalog, CATALOG_NAME_ORDER, middle),
					     tensor);
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -ENOENT;
}

size_t pinpool_catalog_source_count(const struct pinpool_catalog *catalog)
{
	return catalog->sections[CATALOG_SOURCES].count;
}

int pinpool_catalog_source(const struct pinpool_catalog *catalog, size_t index, struct pinpool_source *source)
{
	struct pinpool_source result = {.size = sizeof(result)};
	const struct catalog_source *from;
	const struct catalog_rest *rest;
	const struct catalog_part *part;

	if (index >= catalog->sections[CATALOG_SOURCES].count)
		return -ENOENT;
	from = entry(catalog, CATALOG_SOURCES, index);
	part = catalog_entry_about(catalog, CATALOG_PARTS, index);
	result.path = string(catalog, &from->path);
	result.format = string(catalog, &from->format);
	result.offset = from->offset;
	result.bytes = from->bytes;
	result.inode = from->inode;
	result.mtime_ns = from->mtime_ns;
	result.has_digest = from->flags & CATALOG_HAS_DIGEST;
	result.part = part;
	result.file_bytes = part ? part->bytes : from->bytes;
	memcpy(result.digest, from->digest, sizeof(result.digest));
	result.has_sha256 = read_sha256(catalog, catalog->sections[CATALOG_TENSORS].count + index, result.sha256);
	if (catalog->sections[CATALOG_RESTS].at) {
		rest = entry(catalog, CATALOG_RESTS, index);
		result.has_rest_digest = rest->flags & CATALOG_HAS_DIGEST;
		memcpy(result.rest_digest, rest->digest, sizeof(result.rest_digest));
	}
	return opts_write(source, &result, sizeof(result));
}

size_t pinpool_catalog_packing_count(const struct pinpool_catalog *catalog)
{
	return catalog->sections[CATALOG_PACKINGS].count;
}

int pinpool_catalog_packing(const struct pinpool_catalog *catalog, size_t index, struct pinpool_packed *packed)
{
	struct pinpool_packed result;

	if (index >= catalog->sections[CATALOG_PACKINGS].count)
		return -ENOENT;
	result = read_packing(catalog, entry(catalog, CATALOG_PACKINGS, index));
	return opts_write(packed, &result, sizeof(result));
}

int pinpool_catalog_find_packing(const struct pinpool_catalog *catalog, const char *tensor,
				 struct pinpool_packed *packed)
{
	size_t low = 0, high = catalog->sections[CATALOG_PACKINGS].count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct catalog_packing *at = entry(catalog, CATALOG_PACKINGS, middle);
		int order = strcmp(tensor, string(catalog, &at->tensor));

		if (!order)
			return pinpool_catalog_packing(catalog, middle, packed);
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -ENOENT;
}
