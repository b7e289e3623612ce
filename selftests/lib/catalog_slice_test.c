// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* What a catalog says of slices and of parts of files, and what of that is not believed. */
#include "catalog_damage.h"

#define LENGTH 4096

POOL_FIXTURE_FILES(slice);

static const uint64_t shape_a[] = {4, 8}, shape_b[] = {6, 2};

static const struct pinpool_tensor tensor_a = {
	.name = "a",
	.dtype = PINPOOL_DTYPE_U8,
	.ndim = 2,
	.shape = shape_a,
	.offset = 200,
	.bytes = 32,
	.source = 1,
	.sliced = true,
	.slice_dim = 0,
	.slice_begin = 12,
	.slice_extent = 16,
};

static const struct pinpool_tensor tensor_b = {
	.name = "b",
	.dtype = PINPOOL_DTYPE_U8,
	.ndim = 2,
	.shape = shape_b,
	.offset = 100,
	.bytes = 12,
	.source = 1,
	.sliced = true,
	.slice_dim = 1,
	.slice_begin = 2,
	.slice_extent = 4,
};

/* Rows 1 to 2 and 5 to 7 of 8. */
static const struct pinpool_slice_range ranges_c[] = {{1, 1}, {5, 2}};
static const uint64_t shape_c[] = {3, 2};
static const struct pinpool_tensor tensor_c = {
	.name = "c",
	.dtype = PINPOOL_DTYPE_U8,
	.ndim = 2,
	.shape = shape_c,
	.offset = 300,
	.bytes = 6,
	.source = 1,
	.sliced = true,
	.slice_extent = 8,
	.slice_ranges = ranges_c,
	.slice_range_count = 2,
};

/* In the order of their offsets "b" is the first. */
static struct catalog_writer *make_writer(void)
{
	const struct pinpool_source whole = {.path = "/w", .format = "f", .bytes = 10, .file_bytes = 10};
	const struct pinpool_source part = {
		.path = "/p", .format = "f", .offset = 100, .bytes = 1000, .part = true, .file_bytes = 1ull << 40};
	struct catalog_writer *writer;
	const char *duplicate;

	if (catalog_writer_new(&writer) || catalog_writer_add_source(writer, &whole) != 0 ||
	    catalog_writer_add_source(writer, &part) != 1 || catalog_writer_add_tensor(writer, &tensor_a) != 0 ||
	    catalog_writer_add_tensor(writer, &tensor_b) != 1 || catalog_writer_add_tensor(writer, &tensor_c) != 2 ||
	    catalog_writer_seal(writer, &duplicate))
		return NULL;
	return writer;
}

TEST_F(slice, is_read_as_it_was_written)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_source source = {.size = sizeof(source)};
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;
	uint64_t capacity;
	char *base;

	pool = pool_of(&self->env, make_writer(), LENGTH);
	ASSERT_NE(NULL, pool);
	base = map_behind(&self->env, &capacity);
	ASSERT_NE(NULL, base);
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	ASSERT_EQ(0, pinpool_catalog_find(catalog, "a", &tensor));
	EXPECT_TRUE(tensor.sliced);
	EXPECT_EQ(0, tensor.slice_dim);
	EXPECT_EQ(12, tensor.slice_begin);
	EXPECT_EQ(16, tensor.slice_extent);
	ASSERT_EQ(0, pinpool_catalog_tensor(catalog, 0, &tensor));
	EXPECT_STREQ("b", tensor.name);
	EXPECT_TRUE(tensor.sliced);
	EXPECT_EQ(1, tensor.slice_dim);
	EXPECT_EQ(2, tensor.slice_begin);
	EXPECT_EQ(4, tensor.slice_extent);
	EXPECT_EQ(NULL, tensor.slice_ranges);
	ASSERT_EQ(0, pinpool_catalog_find(catalog, "c", &tensor));
	EXPECT_TRUE(tensor.sliced);
	EXPECT_EQ(0, tensor.slice_dim);
	EXPECT_EQ(1, tensor.slice_begin);
	EXPECT_EQ(8, tensor.slice_extent);
	ASSERT_EQ(2, tensor.slice_range_count);
	EXPECT_EQ(0, memcmp(ranges_c, tensor.slice_ranges, sizeof(ranges_c)));
	ASSERT_EQ(0, pinpool_catalog_source(catalog, 0, &source));
	EXPECT_FALSE(source.part);
	EXPECT_EQ(10, source.file_bytes);
	ASSERT_EQ(0, pinpool_catalog_source(catalog, 1, &source));
	EXPECT_TRUE(source.part);
	EXPECT_EQ(1000, source.bytes);
	EXPECT_EQ(1ull << 40, source.file_bytes);
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

TEST(writer_refuses_slices_outside_their_tensor)
{
	struct catalog_writer *writer = make_writer();
	struct pinpool_tensor tensor = tensor_a;

	ASSERT_NE(NULL, writer);
	tensor.name = "d";
	tensor.slice_dim = 2;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor.slice_dim = 0;
	tensor.slice_begin = 13;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor.slice_begin = UINT64_MAX;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor = tensor_c;
	tensor.name = "d";
	tensor.slice_extent = 6;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor.slice_extent = 8;
	tensor.slice_range_count = 1;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	catalog_writer_free(writer);
}

/* clang-format off */
static void lie_unordered(struct catalog_slice *s, struct catalog_part *p) { (void)p; s[0].tensor = 1; s[1].tensor = 0; }
static void lie_twice(struct catalog_slice *s, struct catalog_part *p) { (void)p; s[1].tensor = 0; }
static void lie_of_no_tensor(struct catalog_slice *s, struct catalog_part *p) { (void)p; s[1].tensor = 3; }
static void lie_dimension(struct catalog_slice *s, struct catalog_part *p) { (void)p; s[0].dim = 2; }
static void lie_outside(struct catalog_slice *s, struct catalog_part *p) { (void)p; s[0].begin++; }
static void lie_wraps(struct catalog_slice *s, struct catalog_part *p) { (void)p; s[0].begin = UINT64_MAX; }
static void lie_of_no_source(struct catalog_slice *s, struct catalog_part *p) { (void)s; p[0].source = 2; }
/* clang-format on */

TEST_F(slice, that_cannot_be_is_refused)
{
	static void (*const lies[])(struct catalog_slice *, struct catalog_part *) = {
		lie_unordered, lie_twice, lie_of_no_tensor, lie_dimension, lie_outside, lie_wraps, lie_of_no_source};
	struct pinpool_catalog *catalog;
	struct pinpool_diag diag;
	struct pinpool_pool *pool;
	char saved[8192], *base, *at;
	uint64_t capacity, bytes;

	pool = pool_of(&self->env, make_writer(), LENGTH);
	ASSERT_NE(NULL, pool);
	base = map_behind(&self->env, &capacity);
	ASSERT_NE(NULL, base);
	at = base + footer_of(base, capacity)->catalog_offset;
	bytes = footer_of(base, capacity)->catalog_bytes;
	ASSERT_LE(bytes, sizeof(saved));
	memcpy(saved, at, bytes);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		lies[i]((struct catalog_slice *)(at + section_of(at, CATALOG_SLICES)->offset),
			(struct catalog_part *)(at + section_of(at, CATALOG_PARTS)->offset));
		sum(base, capacity);
		EXPECT_EQ(-EBADMSG, pinpool_catalog_open(pool, &catalog, &diag))
		{
			TH_LOG("lie %zu", i);
		}
		memcpy(at, saved, bytes);
	}
	/* Who does not know these sections finds the tensors as they are here. */
	EXPECT_EQ(0, section_of(at, CATALOG_SLICES)->flags);
	EXPECT_EQ(0, section_of(at, CATALOG_PARTS)->flags);
	section_of(at, CATALOG_SLICES)->type = 77;
	section_of(at, CATALOG_PARTS)->type = 78;
	EXPECT_EQ(0, section_of(at, CATALOG_FUSED)->flags);
	section_of(at, CATALOG_FUSED)->type = 79;
	sum(base, capacity);
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, &diag));
	EXPECT_EQ(3, pinpool_catalog_tensor_count(catalog));
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

/* clang-format off */
static void lie_fused_of_no_tensor(struct catalog_fused *f, uint64_t *r) { (void)r; f->tensor = 3; }
static void lie_fused_of_a_slice(struct catalog_fused *f, uint64_t *r) { f->tensor = 1; r[1] = shape_a[0] - r[3]; }
static void lie_fused_dimension(struct catalog_fused *f, uint64_t *r) { (void)r; f->dim = 2; }
static void lie_fused_one_range(struct catalog_fused *f, uint64_t *r) { (void)r; f->count = 1; }
static void lie_fused_too_many(struct catalog_fused *f, uint64_t *r) { (void)r; f->count = UINT32_MAX; }
static void lie_fused_elsewhere(struct catalog_fused *f, uint64_t *r) { (void)r; f->ranges = UINT64_MAX; }
static void lie_fused_outside(struct catalog_fused *f, uint64_t *r) { (void)r; f->extent = 6; }
static void lie_fused_overlap(struct catalog_fused *f, uint64_t *r) { (void)f; r[0] = 5; }
static void lie_fused_more(struct catalog_fused *f, uint64_t *r) { (void)f; r[1]++; }
static void lie_fused_wraps(struct catalog_fused *f, uint64_t *r) { (void)f; r[3] = UINT64_MAX; }
/* clang-format on */

TEST_F(slice, of_fused_parts_that_cannot_be_is_refused)
{
	static void (*const lies[])(struct catalog_fused *, uint64_t *) = {
		lie_fused_of_no_tensor, lie_fused_of_a_slice, lie_fused_dimension, lie_fused_one_range,
		lie_fused_too_many,	lie_fused_elsewhere,  lie_fused_outside,   lie_fused_overlap,
		lie_fused_more,		lie_fused_wraps};
	struct pinpool_catalog *catalog;
	struct catalog_fused *fused;
	struct pinpool_diag diag;
	struct pinpool_pool *pool;
	char saved[8192], *base, *at;
	uint64_t capacity, bytes;

	pool = pool_of(&self->env, make_writer(), LENGTH);
	ASSERT_NE(NULL, pool);
	base = map_behind(&self->env, &capacity);
	ASSERT_NE(NULL, base);
	at = base + footer_of(base, capacity)->catalog_offset;
	bytes = footer_of(base, capacity)->catalog_bytes;
	ASSERT_LE(bytes, sizeof(saved));
	memcpy(saved, at, bytes);
	fused = (struct catalog_fused *)(at + section_of(at, CATALOG_FUSED)->offset);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		lies[i](fused, (uint64_t *)(at + section_of(at, CATALOG_EXTENTS)->offset) + fused->ranges);
		sum(base, capacity);
		EXPECT_EQ(-EBADMSG, pinpool_catalog_open(pool, &catalog, &diag))
		{
			TH_LOG("lie %zu", i);
		}
		memcpy(at, saved, bytes);
	}
	pinpool_pool_close(pool);
}

TEST_HARNESS_MAIN
