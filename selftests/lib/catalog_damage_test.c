/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Catalogs that are not as they were written: whatever else the bytes say, by accident or by intent with right
 * checksums, is refused or harmless. Damage is done through the data file, behind the library.
 */
#include "catalog_case.h"
#include "catalog_damage.h"

POOL_FIXTURE_FILES(damage);

TEST_F(damage, every_flipped_bit_is_refused)
{
	struct catalog_footer *footer;
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;
	uint64_t capacity;
	char *base;

	pool = make_pool(&self->env, true);
	ASSERT_NE(NULL, pool);
	base = map_behind(&self->env, &capacity);
	ASSERT_NE(NULL, base);
	footer = footer_of(base, capacity);
	for (uint64_t bit = 0; bit < footer->catalog_bytes * 8; bit++) {
		char *at = base + footer->catalog_offset + bit / 8;

		*at ^= (char)(1 << bit % 8);
		ASSERT_EQ(-EBADMSG, pinpool_catalog_open(pool, &catalog, NULL))
		{
			TH_LOG("catalog bit %llu", (unsigned long long)bit);
		}
		*at ^= (char)(1 << bit % 8);
	}
	for (uint64_t bit = 0; bit < CATALOG_FOOTER_BYTES * 8; bit += bit < 8 * sizeof(*footer) ? 1 : 7) {
		char *at = (char *)footer + bit / 8;

		*at ^= (char)(1 << bit % 8);
		ASSERT_EQ(-EBADMSG, pinpool_catalog_open(pool, &catalog, NULL))
		{
			TH_LOG("footer bit %llu", (unsigned long long)bit);
		}
		*at ^= (char)(1 << bit % 8);
	}
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

/* Reads all that an accepted catalog leads to. False if any of it is outside. */
static bool use(const struct pinpool_catalog *catalog)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)}, found = tensor;
	struct pinpool_source source = {.size = sizeof(source)};
	struct pinpool_packed packed = {.size = sizeof(packed)};
	struct pinpool_metadata value = {.size = sizeof(value)}, element = value;
	uint64_t extents = 0, left;

	for (size_t i = 0; i < pinpool_catalog_tensor_count(catalog); i++) {
		if (pinpool_catalog_tensor(catalog, i, &tensor) || pinpool_catalog_find(catalog, tensor.name, &found) ||
		    found.name != tensor.name || tensor.offset + tensor.bytes > LENGTH || tensor.bytes > LENGTH ||
		    tensor.ndim > PINPOOL_NDIM_MAX || pinpool_catalog_source(catalog, tensor.source, &source))
			return false;
		for (uint32_t dim = 0; dim < tensor.ndim; dim++)
			extents += tensor.shape[dim];
	}
	for (size_t i = 0; i < pinpool_catalog_source_count(catalog); i++)
		if (pinpool_catalog_source(catalog, i, &source) || source.offset + source.bytes > LENGTH ||
		    strlen(source.path) + strlen(source.format) > LENGTH)
			return false;
	for (size_t i = 0; i < pinpool_catalog_packing_count(catalog); i++)
		if (pinpool_catalog_packing(catalog, i, &packed) ||
		    pinpool_catalog_find_packing(catalog, packed.tensor, &packed) || packed.offset + packed.bytes > LENGTH ||
		    packed.bytes > LENGTH || !packed.n || !packed.k || !packed.panel_rows ||
		    strlen(packed.base) + strlen(packed.isa) > LENGTH)
			return false;
	for (size_t i = 0; i < pinpool_catalog_metadata_count(catalog); i++) {
		if (pinpool_catalog_metadata(catalog, i, &value) || pinpool_catalog_source(catalog, value.source, &source) ||
		    pinpool_catalog_find_metadata(catalog, value.key, &element) || strcmp(element.key, value.key) ||
		    value.bytes > LENGTH)
			return false;
		for (uint64_t byte = 0; byte < value.bytes; byte++)
			extents += ((const unsigned char *)value.data)[byte];
		if (value.type != PINPOOL_VALUE_ARRAY)
			continue;
		element.data = NULL;
		for (left = value.count; !pinpool_metadata_next(&value, &element); left--)
			if (!left || (const char *)element.data < (const char *)value.data || element.bytes > value.bytes)
				return false;
		if (left)
			return false;
	}
	/* Keeps the reads of shapes and values. */
	return extents || true;
}

TEST_F_TIMEOUT(damage, every_word_set_to_a_bad_value_is_refused_or_harmless, 120)
{
	static const uint64_t values[] = {
		0,	    1,		2,	    7,		 63,	    64,		4095,
		0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, INT64_MAX, 1ULL << 63, UINT64_MAX - 63,
		UINT64_MAX};
	unsigned int accepted = 0, refused = 0;
	struct catalog_footer *footer, whole;
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;
	char saved[SMALL_CAPACITY];
	uint64_t capacity;
	char *base, *at;
	int err;

	pool = make_pool(&self->env, true);
	ASSERT_NE(NULL, pool);
	base = map_behind(&self->env, &capacity);
	ASSERT_NE(NULL, base);
	footer = footer_of(base, capacity);
	whole = *footer;
	at = base + whole.catalog_offset;
	ASSERT_LE(whole.catalog_bytes, sizeof(saved));
	memcpy(saved, at, whole.catalog_bytes);
	for (uint64_t word = 0; word + 4 <= whole.catalog_bytes + sizeof(whole); word += 4) {
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			size_t width = word % 8 ? 4 : 8;

			/* Behind the catalog's words come the footer's; its sums are made anew either way. */
			if (word + width <= whole.catalog_bytes)
				memcpy(at + word, &values[i], width);
			else if (word >= whole.catalog_bytes)
				memcpy((char *)footer + (word - whole.catalog_bytes), &values[i], 4);
			if (footer->catalog_offset == whole.catalog_offset && footer->catalog_bytes <= sizeof(saved))
				sum(base, capacity);
			else
				footer->checksum = XXH3_64bits(footer, offsetof(struct catalog_footer, checksum));
			err = pinpool_catalog_open(pool, &catalog, NULL);
			ASSERT_TRUE(!err || err == -EBADMSG || err == -EOPNOTSUPP)
			{
				TH_LOG("word %llu value %llx: %d", (unsigned long long)word,
				       (unsigned long long)values[i], err);
			}
			if (!err) {
				ASSERT_TRUE(use(catalog))
				{
					TH_LOG("word %llu value %llx", (unsigned long long)word,
					       (unsigned long long)values[i]);
				}
				pinpool_catalog_close(catalog);
				accepted++;
			} else {
				refused++;
			}
			memcpy(at, saved, whole.catalog_bytes);
			*footer = whole;
		}
	}
	TH_LOG("%u accepted, %u refused", accepted, refused);
	/* Digests and times, most of what there is, may have any value. */
	EXPECT_LT(accepted, 2 * refused);
	pinpool_pool_close(pool);
}

struct parts {
	struct catalog_header *header;
	struct catalog_section *sections; /* by type - 1 */
	struct catalog_tensor *tensors;
	uint32_t *names;
	uint64_t *extents;
	struct catalog_source *sources;
	char *strings;
	struct catalog_packing *packings;
	struct catalog_metadata *metadata; /* "", arrays, flags, number twice, strings, text */
	char *values;
};

static struct parts parts_of(char *base, uint64_t capacity)
{
	char *at = base + footer_of(base, capacity)->catalog_offset;
	struct parts parts = {.header = (void *)at};

	parts.sections = (void *)(at + parts.header->header_bytes);
	parts.tensors = (void *)(at + parts.sections[CATALOG_TENSORS - 1].offset);
	parts.names = (void *)(at + parts.sections[CATALOG_NAME_ORDER - 1].offset);
	parts.extents = (void *)(at + parts.sections[CATALOG_EXTENTS - 1].offset);
	parts.sources = (void *)(at + parts.sections[CATALOG_SOURCES - 1].offset);
	parts.strings = at + parts.sections[CATALOG_STRINGS - 1].offset;
	parts.packings = (void *)(at + parts.sections[CATALOG_PACKINGS - 1].offset);
	parts.metadata = (void *)(at + parts.sections[CATALOG_METADATA - 1].offset);
	parts.values = at + parts.sections[CATALOG_VALUES - 1].offset;
	return parts;
}

static void swap_names(struct parts p)
{
	uint32_t first = p.names[0];

	p.names[0] = p.names[1];
	p.names[1] = first;
}

static void lose_entry(struct catalog_section *section)
{
	section->entry_count--;
	section->bytes -= section->entry_bytes;
}

/* One lie each, otherwise true, with right sums. */
/* clang-format off */
static void lie_version(struct parts p) { p.header->version++; }
static void lie_version_zero(struct parts p) { p.header->version = 0; }
static void lie_length(struct parts p) { p.header->content_bytes--; }
static void lie_bytes(struct parts p) { p.header->bytes -= 64; }
static void lie_header_bytes(struct parts p) { p.header->header_bytes = UINT32_MAX; }
static void lie_section_count(struct parts p) { p.header->section_count = 1025; }
static void lie_section_missing(struct parts p) { p.header->section_count = 4; }
static void lie_values_missing(struct parts p) { p.sections[CATALOG_VALUES - 1].type = 99, p.sections[CATALOG_VALUES - 1].flags = 0; }
static void lie_metadata_missing(struct parts p) { p.sections[CATALOG_METADATA - 1].type = 99, p.sections[CATALOG_METADATA - 1].flags = 0; }
static void lie_section_twice(struct parts p) { p.sections[1] = p.sections[0]; }
static void lie_section_unknown(struct parts p) { p.sections[1].type = 99; }
static void lie_section_outside(struct parts p) { p.sections[0].offset = p.header->bytes / 64 * 64 + 64; }
static void lie_section_wraps(struct parts p) { p.sections[0].offset = UINT64_MAX - 63; }
static void lie_section_on_table(struct parts p) { p.sections[0].offset = 0; }
static void lie_section_short(struct parts p) { p.sections[0].bytes -= 8; }
static void lie_section_count_wraps(struct parts p) { p.sections[2].entry_count = 1U << 31; }
static void lie_entry_zero(struct parts p) { p.sections[0].entry_bytes = 0, p.sections[0].bytes = 0; }
static void lie_name_outside(struct parts p) { p.tensors[0].name.offset = UINT32_MAX; }
static void lie_name_long(struct parts p) { p.tensors[0].name.bytes++; }
static void lie_name_with_nul(struct parts p) { p.strings[p.tensors[0].name.offset + 2] = '\0'; }
static void lie_name_unended(struct parts p) { p.strings[p.tensors[0].name.offset + p.tensors[0].name.bytes] = 'x'; }
static void lie_name_no_utf8(struct parts p) { p.strings[p.tensors[0].name.offset] = '\xff'; }
static void lie_names_swapped(struct parts p) { swap_names(p); }
static void lie_name_twice(struct parts p) { p.names[1] = p.names[0]; }
static void lie_name_of_nothing(struct parts p) { p.names[0] = TENSORS; }
static void lie_two_same_names(struct parts p) { p.tensors[1].name = p.tensors[0].name; }
static void lie_dtype_none(struct parts p) { p.tensors[0].dtype = PINPOOL_DTYPE_INVALID; }
static void lie_dtype_new(struct parts p) { p.tensors[0].dtype = PINPOOL_DTYPE_COUNT; }
static void lie_dtype_wide(struct parts p) { p.tensors[0].dtype = PINPOOL_DTYPE_F64; }
static void lie_ndim(struct parts p) { p.tensors[0].ndim = PINPOOL_NDIM_MAX + 1; }
static void lie_extents_outside(struct parts p) { p.tensors[0].extents = UINT64_MAX; }
static void lie_extent(struct parts p) { p.extents[p.tensors[0].extents]++; }
static void lie_product_overflows(struct parts p) { p.extents[p.tensors[0].extents] = 1ULL << 62; }
static void lie_tensor_outside(struct parts p) { p.tensors[0].offset = LENGTH; }
static void lie_tensor_wraps(struct parts p) { p.tensors[0].offset = UINT64_MAX; }
static void lie_tensors_unordered(struct parts p) { p.tensors[0].offset = 100, p.tensors[1].offset = 50; }
static void lie_tensor_before_source(struct parts p) { p.tensors[TENSORS - 1].offset = 2047; }
static void lie_source_none(struct parts p) { p.tensors[0].source = 2; }
static void lie_source_outside(struct parts p) { p.sources[1].bytes = LENGTH; }
static void lie_source_wraps(struct parts p) { p.sources[0].offset = UINT64_MAX; }
static void lie_path_outside(struct parts p) { p.sources[0].path.offset = UINT32_MAX - 1; }
static void lie_packing_name_outside(struct parts p) { p.packings[0].tensor.offset = UINT32_MAX; }
static void lie_packing_name_no_utf8(struct parts p) { p.strings[p.packings[0].tensor.offset] = '\xff'; }
static void lie_packing_base_outside(struct parts p) { p.packings[0].base.bytes++; }
static void lie_packing_base_no_name(struct parts p) { p.strings[p.packings[0].base.offset] = '/'; }
static void lie_packing_isa_outside(struct parts p) { p.packings[0].isa.offset = UINT32_MAX; }
static void lie_packing_dtype_none(struct parts p) { p.packings[0].dtype = PINPOOL_DTYPE_INVALID; }
static void lie_packing_dtype_new(struct parts p) { p.packings[0].dtype = PINPOOL_DTYPE_COUNT; }
static void lie_packing_part_of_a_block(struct parts p) { p.packings[0].k++; }
static void lie_packing_no_rows(struct parts p) { p.packings[0].n = 0; }
static void lie_packing_no_columns(struct parts p) { p.packings[0].k = 0; }
static void lie_packing_no_panel(struct parts p) { p.packings[0].panel_rows = 0; }
static void lie_packing_empty(struct parts p) { p.packings[0].bytes = 0; }
static void lie_packing_misaligned(struct parts p) { p.packings[1].offset += 32; }
static void lie_packing_outside(struct parts p) { p.packings[2].bytes++; }
static void lie_packing_wraps(struct parts p) { p.packings[2].offset = UINT64_MAX - 63; }
static void lie_packings_unordered(struct parts p) { p.packings[0].tensor = p.packings[2].tensor; }
static void lie_packing_twice(struct parts p) { p.packings[1].tensor = p.packings[0].tensor; }
static void lie_key_outside(struct parts p) { p.metadata[0].key.offset = UINT32_MAX; }
static void lie_key_no_utf8(struct parts p) { p.strings[p.metadata[1].key.offset] = '\xff'; }
static void lie_value_type_new(struct parts p) { p.metadata[3].type = p.metadata[3].element = PINPOOL_VALUE_COUNT; }
static void lie_value_type_other(struct parts p) { p.metadata[3].type = PINPOOL_VALUE_BOOL; }
static void lie_value_element_other(struct parts p) { p.metadata[3].element = PINPOOL_VALUE_U8; }
static void lie_value_not_once(struct parts p) { p.metadata[3].count = 2; }
static void lie_value_element_new(struct parts p) { p.metadata[2].element = PINPOOL_VALUE_COUNT; }
static void lie_value_element_wide(struct parts p) { p.metadata[2].element = PINPOOL_VALUE_U16; }
static void lie_value_count(struct parts p) { p.metadata[2].count++; }
static void lie_value_count_wraps(struct parts p) { p.metadata[5].count = UINT64_MAX; }
static void lie_value_source_none(struct parts p) { p.metadata[3].source = 2; }
static void lie_value_outside(struct parts p) { p.metadata[3].offset = p.sections[7].bytes; }
static void lie_value_wraps(struct parts p) { p.metadata[3].offset = UINT64_MAX - 7; }
static void lie_value_misaligned(struct parts p) { p.metadata[0].offset += 4; }
static void lie_value_long(struct parts p) { p.metadata[3].bytes++; }
static void lie_value_no_bool(struct parts p) { p.values[p.metadata[2].offset] = 2; }
static void lie_value_string_long(struct parts p) { p.values[p.metadata[5].offset]++; }
static void lie_value_string_wraps(struct parts p) { memset(p.values + p.metadata[5].offset, 0xff, 8); }
static void lie_value_array_of_none(struct parts p) { p.values[p.metadata[1].offset] = 13; }
static void lie_value_array_long(struct parts p) { p.values[p.metadata[1].offset + 4]++; }
static void lie_keys_unordered(struct parts p) { p.metadata[0].key = p.metadata[6].key; }
static void lie_key_twice(struct parts p) { p.metadata[4].source = p.metadata[3].source; }
static void lie_sha256_short(struct parts p) { lose_entry(&p.sections[CATALOG_SHA256 - 1]); }
static void lie_sha256_narrow(struct parts p) { p.sections[CATALOG_SHA256 - 1].entry_bytes = 32; }
static void lie_rests_short(struct parts p) { lose_entry(&p.sections[CATALOG_RESTS - 1]); }
static void lie_rests_outside(struct parts p) { p.sections[CATALOG_RESTS - 1].offset = (p.header->bytes + 63) / 64 * 64; }
/* clang-format on */

#define LIE(name, err)                                                                                                 \
	{                                                                                                              \
#name, lie_##name, err                                                                                 \
	}

TEST_F(damage, lies_with_right_sums_are_refused)
{
	static const struct {
		const char *name;
		void (*lie)(struct parts parts);
		int err;
	} lies[] = {
		LIE(version, -EOPNOTSUPP),
		LIE(version_zero, -EBADMSG),
		LIE(length, -EBADMSG),
		LIE(bytes, -EBADMSG),
		LIE(header_bytes, -EBADMSG),
		LIE(section_count, -EBADMSG),
		LIE(section_missing, -EBADMSG),
		LIE(section_twice, -EBADMSG),
		LIE(section_unknown, -EOPNOTSUPP),
		LIE(section_outside, -EBADMSG),
		LIE(section_wraps, -EBADMSG),
		LIE(section_on_table, -EBADMSG),
		LIE(section_short, -EBADMSG),
		LIE(section_count_wraps, -EBADMSG),
		LIE(entry_zero, -EBADMSG),
		LIE(name_outside, -EBADMSG),
		LIE(name_long, -EBADMSG),
		LIE(name_with_nul, -EBADMSG),
		LIE(name_unended, -EBADMSG),
		LIE(name_no_utf8, -EBADMSG),
		LIE(names_swapped, -EBADMSG),
		LIE(name_twice, -EBADMSG),
		LIE(name_of_nothing, -EBADMSG),
		LIE(two_same_names, -EBADMSG),
		LIE(dtype_none, -EBADMSG),
		LIE(dtype_new, -EOPNOTSUPP),
		LIE(dtype_wide, -EBADMSG),
		LIE(ndim, -EBADMSG),
		LIE(extents_outside, -EBADMSG),
		LIE(extent, -EBADMSG),
		LIE(product_overflows, -EBADMSG),
		LIE(tensor_outside, -EBADMSG),
		LIE(tensor_wraps, -EBADMSG),
		LIE(tensors_unordered, -EBADMSG),
		LIE(tensor_before_source, -EBADMSG),
		LIE(source_none, -EBADMSG),
		LIE(source_outside, -EBADMSG),
		LIE(source_wraps, -EBADMSG),
		LIE(path_outside, -EBADMSG),
		LIE(packing_name_outside, -EBADMSG),
		LIE(packing_name_no_utf8, -EBADMSG),
		LIE(packing_base_outside, -EBADMSG),
		LIE(packing_base_no_name, -EBADMSG),
		LIE(packing_isa_outside, -EBADMSG),
		LIE(packing_dtype_none, -EBADMSG),
		LIE(packing_dtype_new, -EOPNOTSUPP),
		LIE(packing_part_of_a_block, -EBADMSG),
		LIE(packing_no_rows, -EBADMSG),
		LIE(packing_no_columns, -EBADMSG),
		LIE(packing_no_panel, -EBADMSG),
		LIE(packing_empty, -EBADMSG),
		LIE(packing_misaligned, -EBADMSG),
		LIE(packing_outside, -EBADMSG),
		LIE(packing_wraps, -EBADMSG),
		LIE(packings_unordered, -EBADMSG),
		LIE(packing_twice, -EBADMSG),
		LIE(values_missing, -EBADMSG),
		LIE(metadata_missing, -EBADMSG),
		LIE(key_outside, -EBADMSG),
		LIE(key_no_utf8, -EBADMSG),
		LIE(value_type_new, -EOPNOTSUPP),
		LIE(value_type_other, -EBADMSG),
		LIE(value_element_other, -EBADMSG),
		LIE(value_not_once, -EBADMSG),
		LIE(value_element_new, -EOPNOTSUPP),
		LIE(value_element_wide, -EBADMSG),
		LIE(value_count, -EBADMSG),
		LIE(value_count_wraps, -EBADMSG),
		LIE(value_source_none, -EBADMSG),
		LIE(value_outside, -EBADMSG),
		LIE(value_wraps, -EBADMSG),
		LIE(value_misaligned, -EBADMSG),
		LIE(value_long, -EBADMSG),
		LIE(value_no_bool, -EBADMSG),
		LIE(value_string_long, -EBADMSG),
		LIE(value_string_wraps, -EBADMSG),
		LIE(value_array_of_none, -EBADMSG),
		LIE(value_array_long, -EBADMSG),
		LIE(keys_unordered, -EBADMSG),
		LIE(key_twice, -EBADMSG),
		LIE(sha256_short, -EBADMSG),
		LIE(sha256_narrow, -EBADMSG),
		LIE(rests_short, -EBADMSG),
		LIE(rests_outside, -EBADMSG),
	};
	struct catalog_footer *footer, whole;
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;
	char saved[SMALL_CAPACITY];
	struct pinpool_diag diag;
	uint64_t capacity;
	char *base;

	pool = make_pool(&self->env, true);
	ASSERT_NE(NULL, pool);
	base = map_behind(&self->env, &capacity);
	ASSERT_NE(NULL, base);
	footer = footer_of(base, capacity);
	whole = *footer;
	memcpy(saved, base + whole.catalog_offset, whole.catalog_bytes);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		lies[i].lie(parts_of(base, capacity));
		sum(base, capacity);
		memset(&diag, 0, sizeof(diag));
		EXPECT_EQ(lies[i].err, pinpool_catalog_open(pool, &catalog, &diag))
		{
			TH_LOG("%s: %s", lies[i].name, diag.cause);
		}
		EXPECT_NE('\0', diag.cause[0]);
		memcpy(base + whole.catalog_offset, saved, whole.catalog_bytes);
		*footer = whole;
	}
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

/* A later version may add a section, which this one skips, and lengthen the entries of the section table. */
TEST_F(damage, unknown_section_is_skipped_unless_required)
{
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;
	struct parts parts;
	uint64_t capacity;
	char *base;

	pool = make_pool(&self->env, false);
	ASSERT_NE(NULL, pool);
	base = map_behind(&self->env, &capacity);
	ASSERT_NE(NULL, base);
	parts = parts_of(base, capacity);
	/* No packings, SHA-256 or rests, no sections for them: older readers find what they know. The table has room up to the first one. */
	ASSERT_EQ(5, parts.header->section_count);
	ASSERT_LE(sizeof(*parts.header) + 6 * sizeof(*parts.sections), parts.sections[0].offset);
	parts.header->section_count = 6;
	parts.sections[5] = (struct catalog_section){.type = 77, .offset = parts.sections[4].offset, .bytes = 1};
	sum(base, capacity);
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	EXPECT_TRUE(use(catalog));
	pinpool_catalog_close(catalog);
	parts.sections[5].flags = CATALOG_SECTION_REQUIRED;
	sum(base, capacity);
	EXPECT_EQ(-EOPNOTSUPP, pinpool_catalog_open(pool, &catalog, NULL));
	/* Skipped or not, it lies behind the table; and a known one is there once. */
	parts.sections[5].flags = 0;
	parts.sections[5].offset = 0;
	sum(base, capacity);
	EXPECT_EQ(-EBADMSG, pinpool_catalog_open(pool, &catalog, NULL));
	parts.sections[5] = parts.sections[0];
	sum(base, capacity);
	EXPECT_EQ(-EBADMSG, pinpool_catalog_open(pool, &catalog, NULL));
	pinpool_pool_close(pool);
}

/* Whoever owns the file can change it at any time; a catalog that is open does not notice. */
TEST_F(damage, open_catalog_does_not_depend_on_the_file)
{
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;
	uint64_t capacity;
	char *base;

	pool = make_pool(&self->env, true);
	ASSERT_NE(NULL, pool);
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	base = map_behind(&self->env, &capacity);
	ASSERT_NE(NULL, base);
	memset(base + LENGTH, 0xff, capacity - LENGTH);
	EXPECT_EQ(TENSORS, pinpool_catalog_tensor_count(catalog));
	EXPECT_TRUE(use(catalog));
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

TEST_HARNESS_MAIN
