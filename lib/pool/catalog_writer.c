/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Building a catalog; see catalog_writer.h. Entries stay where add put them; seal makes two orders of their indices,
 * and write lays them out by those.
 */
#include "pool/catalog_writer.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/utf8.h"
#include "pool/catalog_rules.h"
#include "pool/catalog_writer_internal.h"
#include "pool/value.h"

int catalog_writer_new(struct catalog_writer **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void catalog_writer_free(struct catalog_writer *writer)
{
	if (!writer)
		return;
	free(writer->sources.at);
	free(writer->tensors.at);
	free(writer->extents.at);
	free(writer->strings.at);
	free(writer->packings.at);
	free(writer->metadata.at);
	free(writer->values.at);
	free(writer->sha256);
	free(writer->rests);
	free(writer->slices.at);
	free(writer->fused.at);
	free(writer->parts.at);
	free(writer->codes.at);
	free(writer->by_offset);
	free(writer->by_name);
	free(writer);
}

static int add_string(struct catalog_writer *writer, const char *text, struct catalog_string *string)
{
	size_t bytes = strlen(text);

	if (bytes >= UINT32_MAX)
		return -EOVERFLOW;
	string->offset = (uint32_t)writer->strings.count;
	string->bytes = (uint32_t)bytes;
	return table_add(&writer->strings, text, bytes + 1, 1);
}

int catalog_writer_add_source(struct catalog_writer *writer, const struct pinpool_source *source)
{
	struct catalog_source entry = {
		.offset = source->offset,
		.bytes = source->bytes,
		.inode = source->inode,
		.mtime_ns = source->mtime_ns,
		.flags = source->has_digest ? CATALOG_HAS_DIGEST : 0,
	};
	const struct catalog_part part = {
		.source = (uint32_t)writer->sources.count,
		.bytes = source->file_bytes,
	};
	int err;

	if (!catalog_range_within(source->offset, source->bytes, UINT64_MAX))
		return -EINVAL;
	if (source->has_digest)
		memcpy(entry.digest, source->digest, sizeof(entry.digest));
	err = add_string(writer, source->path, &entry.path);
	if (!err)
		err = add_string(writer, source->format, &entry.format);
	if (!err && source->part)
		err = table_add(&writer->parts, &part, 1, sizeof(part));
	if (!err)
		err = table_add(&writer->sources, &entry, 1, sizeof(entry));
	return err ? err : (int)writer->sources.count - 1;
}

static bool within_source(const struct catalog_source *source, uint64_t offset, uint64_t bytes)
{
	return offset >= source->offset && catalog_range_within(offset - source->offset, bytes, source->bytes);
}

/* Of the tensor that is added next, if it is one. */
static int add_slice(struct catalog_writer *writer, const struct pinpool_tensor *tensor)
{
	const struct catalog_slice slice = {
		.tensor = (uint32_t)writer->tensors.count,
		.dim = tensor->slice_dim,
		.begin = tensor->slice_begin,
		.extent = tensor->slice_extent,
	};
	const struct catalog_fused fused = {
		.tensor = slice.tensor,
		.dim = slice.dim,
		.extent = slice.extent,
		.ranges = writer->extents.count,
		.count = tensor->slice_range_count,
	};
	int err;

	if (!tensor->sliced)
		return 0;
	if (!tensor->slice_ranges)
		return table_add(&writer->slices, &slice, 1, sizeof(slice));
	err = table_add(&writer->extents, tensor->slice_ranges, 2 * (size_t)fused.count, sizeof(uint64_t));
	return err ? err : table_add(&writer->fused, &fused, 1, sizeof(fused));
}

/* Of the tensor that is added next. */
static int add_code(struct catalog_writer *writer, const struct pinpool_tensor *tensor)
{
	const struct catalog_code code = {
		.tensor = (uint32_t)writer->tensors.count,
		.kind = tensor->coded,
		.dtype = tensor->plain_dtype,
		.ndim = tensor->plain_ndim,
		.extents = writer->extents.count,
		.bytes = tensor->plain_bytes,
		.error = tensor->coded_error,
	};
	int err = table_add(&writer->extents, tensor->plain_shape, tensor->plain_ndim, sizeof(uint64_t));

	return err ? err : table_add(&writer->codes, &code, 1, sizeof(code));
}

int catalog_writer_add_tensor(struct catalog_writer *writer, const struct pinpool_tensor *tensor)
{
	const struct catalog_source *sources = writer->sources.at;
	struct catalog_tensor entry = {
		.dtype = tensor->dtype,
		.ndim = tensor->ndim,
		.extents = writer->extents.count,
		.offset = tensor->offset,
		.bytes = tensor->bytes,
		.source = tensor->source,
		.flags = tensor->has_digest ? CATALOG_HAS_DIGEST : 0,
	};
	int err;

	if (writer->tensors.count == INT_MAX)
		return -EOVERFLOW;
	if (!utf8_is_valid(tensor->name, strlen(tensor->name)) || tensor->source >= writer->sources.count ||
	    !catalog_shape_fills(tensor->dtype, tensor->ndim, tensor->shape, tensor->bytes) ||
	    !within_source(&sources[tensor->source], tensor->offset, tensor->bytes) ||
	    !catalog_tensor_slice_is_sound(tensor) || (tensor->coded && !catalog_code_is_sound(tensor)))
		return -EINVAL;
	if (tensor->has_digest)
		memcpy(entry.digest, tensor->digest, sizeof(entry.digest));
	err = add_string(writer, tensor->name, &entry.name);
	if (!err)
		err = table_add(&writer->extents, tensor->shape, tensor->ndim, sizeof(uint64_t));
	if (!err)
		err = add_slice(writer, tensor);
	if (!err && tensor->coded)
		err = add_code(writer, tensor);
	if (!err)
		err = table_add(&writer->tensors, &entry, 1, sizeof(entry));
	return err ? err : (int)writer->tensors.count - 1;
}

void catalog_writer_want_sha256(struct catalog_writer *writer)
{
	writer->want_sha256 = true;
}

void catalog_writer_want_rests(struct catalog_writer *writer)
{
	writer->want_rests = true;
}

int catalog_writer_add_packing(struct catalog_writer *writer, const struct pinpool_packed *packed)
{
	struct catalog_packing entry = {
		.dtype = packed->dtype,
		.version = packed->version,
		.n = packed->n,
		.k = packed->k,
		.panel_rows = packed->panel_rows,
		.offset = packed->offset,
		.bytes = packed->bytes,
		.base_length = packed->base_length,
		.base_committed_ns = packed->base_committed_ns,
		.flags = packed->has_digest ? CATALOG_HAS_DIGEST : 0,
		.base_digest_kind = packed->base_digest_kind,
	};
	int err;

	if (!utf8_is_valid(packed->tensor, strlen(packed->tensor)) || pinpool_name_check(packed->base) ||
	    !catalog_packing_is_sound(packed) || !catalog_range_within(packed->offset, packed->bytes, UINT64_MAX))
		return -EINVAL;
	if (packed->has_digest)
		memcpy(entry.digest, packed->digest, sizeof(entry.digest));
	if (packed->base_digest_kind != PINPOOL_DIGEST_NONE)
		memcpy(entry.base_digest, packed->base_digest, sizeof(entry.base_digest));
	err = add_string(writer, packed->tensor, &entry.tensor);
	if (!err)
		err = add_string(writer, packed->base, &entry.base);
	if (!err)
		err = add_string(writer, packed->isa, &entry.isa);
	return err ? err : table_add(&writer->packings, &entry, 1, sizeof(entry));
}

int catalog_writer_add_metadata(struct catalog_writer *writer, const struct pinpool_metadata *metadata)
{
	static const char zeros[CATALOG_VALUE_ALIGN];
	struct catalog_metadata entry = {
		.type = metadata->type,
		.element = metadata->element,
		.count = metadata->count,
		.offset = writer->values.count,
		.bytes = metadata->bytes,
		.source = metadata->source,
	};
	int err;

	if (!utf8_is_valid(metadata->key, strlen(metadata->key)) || metadata->source >= writer->sources.count ||
	    !value_is_sound(metadata))
		return -EINVAL;
	if (metadata->bytes > CATALOG_BYTES_MAX)
		return -EOVERFLOW;
	err = add_string(writer, metadata->key, &entry.key);
	if (!err)
		err = table_add(&writer->values, metadata->data, metadata->bytes, 1);
	if (!err)
		err = table_add(&writer->values, zeros, -metadata->bytes % CATALOG_VALUE_ALIGN, 1);
	return err ? err : table_add(&writer->metadata, &entry, 1, sizeof(entry));
}

static const struct catalog_tensor *tensor_at(const struct catalog_writer *writer, uint32_t index)
{
	return (const struct catalog_tensor *)writer->tensors.at + index;
}

static const char *name_at(const struct catalog_writer *writer, uint32_t index)
{
	return (const char *)writer->strings.at + tensor_at(writer, index)->name.offset;
}

static int compare_names(const void *a, const void *b, void *writer)
{
	return strcmp(name_at(writer, *(const uint32_t *)a), name_at(writer, *(const uint32_t *)b));
}

static int compare_offsets(const void *a, const void *b, void *writer)
{
	uint64_t x = tensor_at(writer, *(const uint32_t *)a)->offset;
	uint64_t y = tensor_at(writer, *(const uint32_t *)b)->offset;

	/* Empty tensors share an offset with their neighbour; any fixed order will do. */
	return x == y ? compare_names(a, b, writer) : x < y ? -1 : 1;
}

static const char *packing_name(const struct catalog_writer *writer, const struct catalog_packing *packing)
{
	return (const char *)writer->strings.at + packing->tensor.offset;
}

static int compare_packings(const void *a, const void *b, void *writer)
{
	return strcmp(packing_name(writer, a), packing_name(writer, b));
}

static const char *key_of(const struct catalog_writer *writer, const struct catalog_metadata *metadata)
{
	return (const char *)writer->strings.at + metadata->key.offset;
}

static int compare_metadata(const void *left, const void *right, void *writer)
{
	const struct catalog_metadata *a = left, *b = right;
	int order = strcmp(key_of(writer, a), key_of(writer, b));

	return order ? order : a->source < b->source ? -1 : a->source > b->source;
}

struct layout {
	struct catalog_section sections[CATALOG_SECTION_TYPES - 1]; /* in the order of their types */
	uint32_t count; /* of those that are there */
	uint64_t bytes;
};

static uint64_t align_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

static struct layout lay_out(const struct catalog_writer *writer)
{
	const uint32_t required = CATALOG_SECTION_REQUIRED;
	const size_t tensors = writer->tensors.count, sources = writer->sources.count;
	/* Without the others, a reader knows less and nothing wrong. */
	const struct {
		uint32_t type;
		uint32_t flags;
		bool always; /* also if it holds nothing */
		size_t size;
		size_t count;
	} contents[] = {
		{CATALOG_TENSORS, required, true, sizeof(struct catalog_tensor), tensors},
		{CATALOG_NAME_ORDER, required, true, sizeof(uint32_t), tensors},
		{CATALOG_EXTENTS, required, true, sizeof(uint64_t), writer->extents.count},
		{CATALOG_SOURCES, required, true, sizeof(struct catalog_source), sources},
		{CATALOG_STRINGS, required, true, 1, writer->strings.count},
		{CATALOG_PACKINGS, required, false, sizeof(struct catalog_packing), writer->packings.count},
		{CATALOG_METADATA, 0, false, sizeof(struct catalog_metadata), writer->metadata.count},
		{CATALOG_VALUES, 0, writer->metadata.count, 1, writer->values.count},
		{CATALOG_SHA256, 0, false, sizeof(struct catalog_sha256), writer->want_sha256 ? tensors + sources : 0},
		{CATALOG_RESTS, 0, false, sizeof(struct catalog_rest), writer->want_rests ? sources : 0},
		{CATALOG_SLICES, 0, false, sizeof(struct catalog_slice), writer->slices.count},
		{CATALOG_PARTS, 0, false, sizeof(struct catalog_part), writer->parts.count},
		{CATALOG_FUSED, 0, false, sizeof(struct catalog_fused), writer->fused.count},
		{CATALOG_CODES, 0, false, sizeof(struct catalog_code), writer->codes.count},
	};
	const size_t known = sizeof(contents) / sizeof(contents[0]);
	struct layout layout = {0};
	uint64_t at;

	_Static_assert(sizeof(contents) / sizeof(contents[0]) == CATALOG_SECTION_TYPES - 1,
		       "every section is laid out");
	for (size_t i = 0; i < known; i++)
		layout.count += contents[i].always || contents[i].count;
	at = sizeof(struct catalog_header) + layout.count * sizeof(layout.sections[0]);
	for (size_t i = 0, n = 0; i < known; i++) {
		if (!contents[i].always && !contents[i].count)
			continue;
		at = align_up(at, CATALOG_ALIGN);
		layout.sections[n] = (struct catalog_section){
			.type = contents[i].type,
			.flags = contents[i].flags,
			.offset = at,
			.bytes = contents[i].size * contents[i].count,
			.entry_bytes = (uint32_t)contents[i].size,
			.entry_count = (uint32_t)contents[i].count,
		};
		at += layout.sections[n++].bytes;
	}
	layout.bytes = at;
	return layout;
}

/* Where the content of a section goes in @catalog; nowhere if it is not there. */
static void *section_at(const struct layout *layout, enum catalog_section_type type, char *catalog)
{
	for (size_t i = 0; i < layout->count; i++)
		if (layout->sections[i].type == type)
			return catalog + layout->sections[i].offset;
	return NULL;
}

int catalog_writer_seal(struct catalog_writer *writer, const char **duplicate)
{
	struct catalog_packing *packings = writer->packings.at;
	struct catalog_metadata *metadata = writer->metadata.at;
	size_t count = writer->tensors.count;

	if (lay_out(writer).bytes > CATALOG_BYTES_MAX)
		return -EOVERFLOW;
	writer->by_offset = malloc((count + 1) * sizeof(uint32_t));
	writer->by_name = malloc((count + 1) * sizeof(uint32_t));
	if (!writer->by_offset || !writer->by_name)
		return -ENOMEM;
	if (writer->want_sha256) {
		writer->sha256 = calloc(count + writer->sources.count + 1, sizeof(*writer->sha256));
		if (!writer->sha256)
			return -ENOMEM;
	}
	if (writer->want_rests) {
		writer->rests = calloc(writer->sources.count + 1, sizeof(*writer->rests));
		if (!writer->rests)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++)
		writer->by_offset[i] = writer->by_name[i] = i;
	qsort_r(writer->by_offset, count, sizeof(uint32_t), compare_offsets, writer);
	qsort_r(writer->by_name, count, sizeof(uint32_t), compare_names, writer);
	for (size_t i = 1; i < count; i++) {
		if (!compare_names(&writer->by_name[i - 1], &writer->by_name[i], writer)) {
			*duplicate = name_at(writer, writer->by_name[i]);
			return -EEXIST;
		}
	}
	if (writer->packings.count)
		qsort_r(packings, writer->packings.count, sizeof(*packings), compare_packings, writer);
	for (size_t i = 1; i < writer->packings.count; i++) {
		if (!compare_packings(&packings[i - 1], &packings[i], writer)) {
			*duplicate = packing_name(writer, &packings[i]);
			return -EEXIST;
		}
	}
	if (writer->metadata.count)
		qsort_r(metadata, writer->metadata.count, sizeof(*metadata), compare_metadata, writer);
	for (size_t i = 1; i < writer->metadata.count; i++) {
		if (!compare_metadata(&metadata[i - 1], &metadata[i], writer)) {
			*duplicate = key_of(writer, &metadata[i]);
			return -EEXIST;
		}
	}
	return 0;
}

uint64_t catalog_writer_capacity(const struct catalog_writer *writer, uint64_t length)
{
	return align_up(length + lay_out(writer).bytes, CATALOG_ALIGN) + CATALOG_ALIGN + CATALOG_FOOTER_BYTES;
}

/* Entries about tensors begin with their numbers. */
static int compare_about(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Entries about tensors, by the numbers that these have at last. */
static void write_about(const struct table *table, size_t size, const uint32_t *position, void *to)
{
	for (size_t i = 0; i < table->count; i++) {
		uint32_t *entry = (uint32_t *)((char *)to + i * size);

		memcpy(entry, (const char *)table->at + i * size, size);
		*entry = position[*entry];
	}
	if (table->count)
		qsort(to, table->count, size, compare_about);
}

/* The tensors in order of offset, by name the numbers they have in that order, and what is said of them by these. */
static int write_tensors(const struct catalog_writer *writer, const struct layout *layout, char *catalog)
{
	struct catalog_tensor *tensors = section_at(layout, CATALOG_TENSORS, catalog);
	uint32_t *names = section_at(layout, CATALOG_NAME_ORDER, catalog);
	size_t count = writer->tensors.count;
	uint32_t *position = malloc((count + 1) * sizeof(uint32_t));

	if (!position)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		tensors[i] = *tensor_at(writer, writer->by_offset[i]);
		position[writer->by_offset[i]] = i;
	}
	for (size_t i = 0; i < count; i++)
		names[i] = position[writer->by_name[i]];
	write_about(&writer->slices, sizeof(struct catalog_slice), position,
		    section_at(layout, CATALOG_SLICES, catalog));
	write_about(&writer->fused, sizeof(struct catalog_fused), position, section_at(layout, CATALOG_FUSED, catalog));
	write_about(&writer->codes, sizeof(struct catalog_code), position, section_at(layout, CATALOG_CODES, catalog));
	free(position);
	return 0;
}

static void copy_table(void *to, const struct table *table, size_t size)
{
	if (table->count)
		memcpy(to, table->at, table->count * size);
}

/* In the order that the tensors have there, the sources behind them. */
static void write_sha256(const struct catalog_writer *writer, struct catalog_sha256 *to)
{
	size_t count = writer->tensors.count;

	for (size_t i = 0; i < count; i++)
		to[i] = writer->sha256[writer->by_offset[i]];
	if (writer->sources.count)
		memcpy(to + count, writer->sha256 + count, writer->sources.count * sizeof(*to));
}

static void copy_rests(const struct catalog_writer *writer, struct catalog_rest *to)
{
	if (writer->sources.count)
		memcpy(to, writer->rests, writer->sources.count * sizeof(*to));
}

static int build(const struct catalog_writer *writer, const struct layout *layout, uint64_t length, char *catalog)
{
	struct catalog_header header = {
		.version = CATALOG_VERSION,
		.header_bytes = sizeof(header),
		.bytes = layout->bytes,
		.content_bytes = length,
		.section_count = layout->count,
		.section_bytes = sizeof(struct catalog_section),
	};

	memcpy(header.magic, CATALOG_MAGIC, sizeof(header.magic));
	memcpy(catalog, &header, sizeof(header));
	memcpy(catalog + sizeof(header), layout->sections, layout->count * sizeof(layout->sections[0]));
	copy_table(section_at(layout, CATALOG_EXTENTS, catalog), &writer->extents, sizeof(uint64_t));
	copy_table(section_at(layout, CATALOG_SOURCES, catalog), &writer->sources, sizeof(struct catalog_source));
	copy_table(section_at(layout, CATALOG_STRINGS, catalog), &writer->strings, 1);
	copy_table(section_at(layout, CATALOG_PACKINGS, catalog), &writer->packings, sizeof(struct catalog_packing));
	copy_table(section_at(layout, CATALOG_METADATA, catalog), &writer->metadata, sizeof(struct catalog_metadata));
	copy_table(section_at(layout, CATALOG_VALUES, catalog), &writer->values, 1);
	if (writer->want_sha256)
		write_sha256(writer, section_at(layout, CATALOG_SHA256, catalog));
	if (writer->want_rests)
		copy_rests(writer, section_at(layout, CATALOG_RESTS, catalog));
	copy_table(section_at(layout, CATALOG_PARTS, catalog), &writer->parts, sizeof(struct catalog_part));
	return write_tensors(writer, layout, catalog);
}

int catalog_writer_write(const struct catalog_writer *writer, void *base, uint64_t capacity, uint64_t length)
{
	const struct catalog_source *sources = writer->sources.at;
	const struct catalog_packing *packings = writer->packings.at;
	struct layout layout = lay_out(writer);
	struct catalog_footer footer = {
		.version = CATALOG_VERSION,
		.footer_bytes = sizeof(footer),
		.catalog_bytes = layout.bytes,
	};
	XXH128_canonical_t digest;
	char *catalog, *end;
	int err;

	for (size_t i = 0; i < writer->sources.count; i++)
		if (!catalog_range_within(sources[i].offset, sources[i].bytes, length))
			return -EINVAL;
	for (size_t i = 0; i < writer->packings.count; i++)
		if (!catalog_range_within(packings[i].offset, packings[i].bytes, length))
			return -EINVAL;
	if (length > capacity || capacity < catalog_writer_capacity(writer, length))
		return -ENOSPC;
	footer.catalog_offset = (capacity - CATALOG_FOOTER_BYTES - layout.bytes) / CATALOG_ALIGN * CATALOG_ALIGN;

	/* Built beside the pool, so that the digest reads from cache and the pages are written once, in order. */
	catalog = calloc(1, layout.bytes);
	if (!catalog)
		return -ENOMEM;
	err = build(writer, &layout, length, catalog);
	if (!err) {
		XXH128_canonicalFromHash(&digest, XXH3_128bits(catalog, layout.bytes));
		memcpy(footer.magic, CATALOG_FOOTER_MAGIC, sizeof(footer.magic));
		memcpy(footer.digest, digest.digest, sizeof(footer.digest));
		footer.checksum = XXH3_64bits(&footer, offsetof(struct catalog_footer, checksum));
		memcpy((char *)base + footer.catalog_offset, catalog, layout.bytes);
		end = (char *)base + capacity - CATALOG_FOOTER_BYTES;
		memset(end, 0, CATALOG_FOOTER_BYTES);
		memcpy(end, &footer, sizeof(footer));
	}
	free(catalog);
	return err;
}
