// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* What a catalog says of coded tensors, and what of that is not believed. */
#include "catalog_damage.h"

#include <math.h>

#define LENGTH 4096

POOL_FIXTURE_FILES(codes);

static const uint64_t bytes_a[] = {448}, bytes_b[] = {640}, shape_a[] = {4, 8}, shape_b[] = {6, 2, 5};

static const struct pinpool_tensor tensor_a = {
	.name = "a",
	.dtype = PINPOOL_DTYPE_U8,
	.ndim = 1,
	.shape = bytes_a,
	.offset = 1024,
	.bytes = 448,
	.coded = PINPOOL_CODED_SPARSE,
	.plain_dtype = PINPOOL_DTYPE_F32,
	.plain_ndim = 2,
	.plain_shape = shape_a,
	.plain_bytes = 128,
};

static const struct pinpool_tensor tensor_b = {
	.name = "b",
	.dtype = PINPOOL_DTYPE_U8,
	.ndim = 1,
	.shape = bytes_b,
	.offset = 64,
	.bytes = 640,
	.coded = PINPOOL_CODED_EXPONENTS,
	.plain_dtype = PINPOOL_DTYPE_BF16,
	.plain_ndim = 3,
	.plain_shape = shape_b,
	.plain_bytes = 120,
	.coded_error = 0.5,
};

/* In the order of their offsets "b" is the first; the error of "a" becomes known last. */
static struct catalog_writer *make_writer(void)
{
	const struct pinpool_source source = {.path = "/w", .format = "f", .bytes = LENGTH, .file_bytes = LENGTH};
	struct catalog_writer *writer;
	const char *duplicate;

	if (catalog_writer_new(&writer) || catalog_writer_add_source(writer, &source) != 0 ||
	    catalog_writer_add_tensor(writer, &tensor_a) != 0 || catalog_writer_add_tensor(writer, &tensor_b) != 1 ||
	    catalog_writer_seal(writer, &duplicate))
		return NULL;
	catalog_writer_tensor_error(writer, 0, 0.25);
	return writer;
}

TEST_F(codes, are_read_as_they_were_written)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
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
	EXPECT_EQ(PINPOOL_DTYPE_U8, tensor.dtype);
	EXPECT_EQ(448, tensor.shape[0]);
	EXPECT_EQ(PINPOOL_CODED_SPARSE, tensor.coded);
	EXPECT_EQ(PINPOOL_DTYPE_F32, tensor.plain_dtype);
	EXPECT_EQ(2, tensor.plain_ndim);
	EXPECT_EQ(8, tensor.plain_shape[1]);
	EXPECT_EQ(128, tensor.plain_bytes);
	EXPECT_EQ(0.25, tensor.coded_error);
	ASSERT_EQ(0, pinpool_catalog_tensor(catalog, 0, &tensor));
	EXPECT_STREQ("b", tensor.name);
	EXPECT_EQ(PINPOOL_CODED_EXPONENTS, tensor.coded);
	EXPECT_EQ(3, tensor.plain_ndim);
	EXPECT_EQ(5, tensor.plain_shape[2]);
	EXPECT_EQ(0.5, tensor.coded_error);
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

TEST(writer_refuses_codes_of_no_matrix)
{
	static const uint64_t two[] = {224, 2};
	struct catalog_writer *writer = make_writer();
	struct pinpool_tensor tensor = tensor_a;

	ASSERT_NE(NULL, writer);
	tensor.name = "c";
	tensor.plain_bytes = 127;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor.plain_bytes = 128;
	tensor.coded_error = NAN;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor.coded_error = -1;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor.coded_error = 0;
	tensor.plain_ndim = 1;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor.plain_ndim = 2;
	tensor.dtype = PINPOOL_DTYPE_I8;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor.dtype = PINPOOL_DTYPE_U8;
	tensor.ndim = 2;
	tensor.shape = two;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	catalog_writer_free(writer);
}

/* clang-format off */
static void lie_unordered(struct catalog_code *c) { c[0].tensor = 1; c[1].tensor = 0; }
static void lie_twice(struct catalog_code *c) { c[1].tensor = 0; }
static void lie_of_no_tensor(struct catalog_code *c) { c[1].tensor = 2; }
static void lie_no_kind(struct catalog_code *c) { c[0].kind = 0; }
static void lie_dimensions(struct catalog_code *c) { c[0].ndim = 17; }
static void lie_one_dimension(struct catalog_code *c) { c[0].ndim = 1; }
static void lie_outside(struct catalog_code *c) { c[0].extents = 5; }
static void lie_wraps(struct catalog_code *c) { c[0].extents = UINT64_MAX; }
static void lie_bytes(struct catalog_code *c) { c[0].bytes++; }
static void lie_error(struct catalog_code *c) { c[0].error = -0.5; }
static void lie_infinite(struct catalog_code *c) { c[0].error = INFINITY; }
/* clang-format on */

TEST_F(codes, that_cannot_be_are_refused)
{
	static void (*const lies[])(struct catalog_code *) = {
		lie_unordered,	   lie_twice,	lie_of_no_tensor, lie_no_kind, lie_dimensions, lie_one_dimension,
		lie_outside, lie_wraps, lie_bytes,	  lie_error,   lie_infinite};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
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
		lies[i]((struct catalog_code *)(at + section_of(at, CATALOG_CODES)->offset));
		sum(base, capacity);
		EXPECT_EQ(-EBADMSG, pinpool_catalog_open(pool, &catalog, &diag))
		{
			TH_LOG("lie %zu", i);
		}
		memcpy(at, saved, bytes);
	}
	/* A type that is not known here is of a newer library. */
	((struct catalog_code *)(at + section_of(at, CATALOG_CODES)->offset))->dtype = PINPOOL_DTYPE_COUNT;
	sum(base, capacity);
	EXPECT_EQ(-EOPNOTSUPP, pinpool_catalog_open(pool, &catalog, &diag));
	memcpy(at, saved, bytes);
	/* Who does not know this section finds bytes. */
	EXPECT_EQ(0, section_of(at, CATALOG_CODES)->flags);
	section_of(at, CATALOG_CODES)->type = 77;
	sum(base, capacity);
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, &diag));
	ASSERT_EQ(0, pinpool_catalog_find(catalog, "a", &tensor));
	EXPECT_EQ(0, tensor.coded);
	EXPECT_EQ(448, tensor.bytes);
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

TEST_HARNESS_MAIN
