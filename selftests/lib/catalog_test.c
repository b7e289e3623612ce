/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Catalogs: what the writer wrote is what a reader finds, on every backend, and it writes nothing that a reader refuses. */
#include "catalog_case.h"

POOL_FIXTURE_ALL(catalog);

TEST_F(catalog, finds_every_tensor_as_it_was_written)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_source source = {.size = sizeof(source)};
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;
	const void *content;
	uint64_t offset = 0;

	pool = make_pool(&self->env, true);
	ASSERT_NE(NULL, pool);
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	ASSERT_EQ(0, pinpool_pool_map(pool, &content, NULL));
	ASSERT_EQ(TENSORS, pinpool_catalog_tensor_count(catalog));
	for (size_t i = 0; i < TENSORS; i++) {
		ASSERT_EQ(0, pinpool_catalog_find(catalog, tensors[i].name, &tensor))
		{
			TH_LOG("\"%s\"", tensors[i].name);
		}
		EXPECT_STREQ(tensors[i].name, tensor.name);
		EXPECT_EQ(tensors[i].dtype, tensor.dtype);
		EXPECT_EQ(tensors[i].ndim, tensor.ndim);
		EXPECT_EQ(0, memcmp(tensors[i].shape, tensor.shape, tensor.ndim * sizeof(uint64_t)));
		EXPECT_EQ(tensors[i].offset, tensor.offset);
		EXPECT_EQ(tensors[i].bytes, tensor.bytes);
		EXPECT_EQ(tensors[i].source, tensor.source);
		EXPECT_EQ((const char *)content + tensor.offset, tensor.data);
		EXPECT_EQ(i == 1, tensor.has_digest);
		EXPECT_EQ(i == 1, !memcmp(tensor.digest, digest_b, sizeof(digest_b)));
		EXPECT_EQ(i == 1, tensor.has_sha256);
		EXPECT_EQ(i == 1, !memcmp(tensor.sha256, sha_b, sizeof(sha_b)));
	}
	for (size_t i = 0; i < TENSORS; i++) {
		ASSERT_EQ(0, pinpool_catalog_tensor(catalog, i, &tensor));
		EXPECT_LE(offset, tensor.offset);
		offset = tensor.offset;
	}
	/* By number as by name. */
	ASSERT_EQ(0, pinpool_catalog_tensor(catalog, 0, &tensor));
	EXPECT_STREQ(tensors[1].name, tensor.name);
	EXPECT_TRUE(tensor.has_sha256 && !memcmp(tensor.sha256, sha_b, sizeof(sha_b)));
	EXPECT_EQ(-ENOENT, pinpool_catalog_tensor(catalog, TENSORS, &tensor));
	EXPECT_EQ(-ENOENT, pinpool_catalog_find(catalog, "layer.0", &tensor));
	EXPECT_EQ(-ENOENT, pinpool_catalog_find(catalog, "zz", &tensor));

	ASSERT_EQ(2, pinpool_catalog_source_count(catalog));
	ASSERT_EQ(0, pinpool_catalog_source(catalog, 0, &source));
	EXPECT_STREQ("/models/a-1.safetensors", source.path);
	EXPECT_STREQ("safetensors", source.format);
	EXPECT_EQ(1000, source.bytes);
	EXPECT_EQ(12, source.inode);
	EXPECT_EQ(1700000000123456789, source.mtime_ns);
	EXPECT_TRUE(source.has_digest && !memcmp(source.digest, digest_a, sizeof(digest_a)));
	EXPECT_FALSE(source.has_sha256);
	EXPECT_TRUE(source.has_rest_digest && !memcmp(source.rest_digest, digest_b, sizeof(digest_b)));
	ASSERT_EQ(0, pinpool_catalog_source(catalog, 1, &source));
	EXPECT_STREQ("/models/\xff no utf8", source.path);
	EXPECT_EQ(2048, source.offset);
	EXPECT_TRUE(source.has_digest && !memcmp(source.digest, digest_b, sizeof(digest_b)));
	EXPECT_TRUE(source.has_sha256 && !memcmp(source.sha256, sha_a, sizeof(sha_a)));
	EXPECT_FALSE(source.has_rest_digest);
	EXPECT_EQ(-ENOENT, pinpool_catalog_source(catalog, 2, &source));
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

static bool same_packing(const struct pinpool_packed *a, const struct pinpool_packed *b)
{
	return !strcmp(a->tensor, b->tensor) && !strcmp(a->base, b->base) && !strcmp(a->isa, b->isa) &&
	       a->version == b->version && a->dtype == b->dtype && a->n == b->n && a->k == b->k &&
	       a->panel_rows == b->panel_rows && a->offset == b->offset && a->bytes == b->bytes &&
	       a->has_digest == b->has_digest && !memcmp(a->digest, b->digest, sizeof(a->digest)) &&
	       a->base_length == b->base_length && a->base_committed_ns == b->base_committed_ns &&
	       a->base_digest_kind == b->base_digest_kind &&
	       !memcmp(a->base_digest, b->base_digest, sizeof(a->base_digest));
}

TEST_F(catalog, finds_every_packing_as_it_was_written)
{
	static const size_t order[] = {1, 0, 2};
	struct pinpool_packed packed = {.size = sizeof(packed)};
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;
	const void *content;

	pool = make_pool(&self->env, true);
	ASSERT_NE(NULL, pool);
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	ASSERT_EQ(0, pinpool_pool_map(pool, &content, NULL));
	ASSERT_EQ(PACKINGS, pinpool_catalog_packing_count(catalog));
	for (size_t i = 0; i < PACKINGS; i++) {
		ASSERT_EQ(0, pinpool_catalog_packing(catalog, i, &packed));
		EXPECT_TRUE(same_packing(&packings[order[i]], &packed))
		{
			TH_LOG("\"%s\"", packed.tensor);
		}
		EXPECT_EQ((const char *)content + packed.offset, packed.data);
		memset(&packed, 0, sizeof(packed));
		packed.size = sizeof(packed);
		ASSERT_EQ(0, pinpool_catalog_find_packing(catalog, packings[i].tensor, &packed));
		EXPECT_TRUE(same_packing(&packings[i], &packed));
	}
	EXPECT_EQ(-ENOENT, pinpool_catalog_packing(catalog, PACKINGS, &packed));
	EXPECT_EQ(-ENOENT, pinpool_catalog_find_packing(catalog, "layer.0.weight", &packed));
	packed.size = 1;
	EXPECT_EQ(-EINVAL, pinpool_catalog_packing(catalog, 0, &packed));
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

static bool same_value(const struct pinpool_metadata *a, const struct pinpool_metadata *b)
{
	return !strcmp(a->key, b->key) && a->type == b->type && a->element == b->element && a->count == b->count &&
	       a->bytes == b->bytes && !memcmp(a->data, b->data, a->bytes) && a->source == b->source;
}

TEST_F(catalog, finds_all_metadata_as_it_was_written)
{
	static const size_t order[] = {4, 6, 2, 1, 0, 5, 3};
	struct pinpool_metadata value = {.size = sizeof(value)};
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;

	pool = make_pool(&self->env, true);
	ASSERT_NE(NULL, pool);
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	ASSERT_EQ(METADATA, pinpool_catalog_metadata_count(catalog));
	for (size_t i = 0; i < METADATA; i++) {
		ASSERT_EQ(0, pinpool_catalog_metadata(catalog, i, &value));
		EXPECT_TRUE(same_value(&metadata[order[i]], &value))
		{
			TH_LOG("\"%s\"", value.key);
		}
		EXPECT_EQ(0, (uintptr_t)value.data % 8);
		memset(&value, 0, sizeof(value));
		value.size = sizeof(value);
		ASSERT_EQ(0, pinpool_catalog_find_metadata(catalog, metadata[i].key, &value));
		/* Of two with that key, the one of the first source. */
		EXPECT_TRUE(same_value(&metadata[i ? i : 1], &value));
	}
	EXPECT_EQ(-ENOENT, pinpool_catalog_metadata(catalog, METADATA, &value));
	EXPECT_EQ(-ENOENT, pinpool_catalog_find_metadata(catalog, "numbe", &value));
	EXPECT_EQ(-ENOENT, pinpool_catalog_find_metadata(catalog, "zz", &value));
	value.size = 1;
	EXPECT_EQ(-EINVAL, pinpool_catalog_metadata(catalog, 0, &value));
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

TEST_F(catalog, may_have_no_metadata)
{
	struct pinpool_metadata value = {.size = sizeof(value)};
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;

	pool = make_pool(&self->env, false);
	ASSERT_NE(NULL, pool);
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	EXPECT_EQ(0, pinpool_catalog_metadata_count(catalog));
	EXPECT_EQ(-ENOENT, pinpool_catalog_metadata(catalog, 0, &value));
	EXPECT_EQ(-ENOENT, pinpool_catalog_find_metadata(catalog, "number", &value));
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

TEST_F(catalog, is_absent_from_a_pool_without_one)
{
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;

	ASSERT_EQ(0, env_create(&self->env, "empty", 1));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "empty", PINPOOL_OPEN_WRITE, &pool, NULL));
	EXPECT_EQ(-ENODATA, pinpool_catalog_open(pool, &catalog, NULL));
	ASSERT_EQ(0, pinpool_pool_begin(pool, NULL));
	EXPECT_EQ(-ENODATA, pinpool_catalog_open(pool, &catalog, NULL));
	ASSERT_EQ(0, env_commit(pool, 1));
	EXPECT_EQ(-ENOENT, pinpool_catalog_open(pool, &catalog, NULL));
	pinpool_pool_close(pool);
	/* Content up to the last byte leaves no room for one, whatever it looks like. */
	ASSERT_EQ(0, env_make_ready(&self->env, "full", 1, 0x50));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "full", PINPOOL_OPEN_READ, &pool, NULL));
	EXPECT_EQ(-ENOENT, pinpool_catalog_open(pool, &catalog, NULL));
	pinpool_pool_close(pool);
}

TEST(writer_refuses_what_a_reader_would)
{
	static const uint64_t shape[] = {3, 5}, huge[] = {1ULL << 33, 1ULL << 33}, rows[] = {3, 512}, columns[] = {512, 3};
	struct pinpool_source source = {.path = "p", .format = "f", .offset = 100, .bytes = 1000};
	const struct pinpool_tensor good = {
		.name = "t", .dtype = PINPOOL_DTYPE_U8, .ndim = 2, .shape = shape, .offset = 100, .bytes = 15};
	struct catalog_writer *writer;
	struct pinpool_tensor tensor;
	const char *duplicate = NULL;
	char page[SMALL_CAPACITY];

	ASSERT_EQ(0, catalog_writer_new(&writer));
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &good));
	ASSERT_EQ(0, catalog_writer_add_source(writer, &source));
	tensor = good, tensor.name = "\xc0\xaf";
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor = good, tensor.bytes = 16;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor = good, tensor.dtype = PINPOOL_DTYPE_F4;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor = good, tensor.dtype = PINPOOL_DTYPE_INVALID, tensor.bytes = 0;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor = good, tensor.shape = huge, tensor.bytes = 0;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor = good, tensor.ndim = PINPOOL_NDIM_MAX + 1;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	/* Blocks: a row is whole ones, and they have as many bytes as they have. */
	tensor = good, tensor.name = "blocks", tensor.dtype = PINPOOL_DTYPE_Q4_K, tensor.shape = rows, tensor.bytes = 863;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor.shape = columns, tensor.bytes = 864;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor.ndim = 0, tensor.bytes = 144;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor = good, tensor.offset = 99;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor = good, tensor.offset = 1086;
	EXPECT_EQ(-EINVAL, catalog_writer_add_tensor(writer, &tensor));
	tensor.offset = 1085;
	EXPECT_EQ(0, catalog_writer_add_tensor(writer, &tensor));
	EXPECT_EQ(1, catalog_writer_add_tensor(writer, &good));
	tensor = good, tensor.name = "blocks", tensor.dtype = PINPOOL_DTYPE_Q4_K, tensor.shape = rows, tensor.bytes = 864;
	EXPECT_EQ(2, catalog_writer_add_tensor(writer, &tensor));
	EXPECT_EQ(-EEXIST, catalog_writer_seal(writer, &duplicate));
	EXPECT_STREQ("t", duplicate);
	catalog_writer_free(writer);

	writer = make_writer(true);
	ASSERT_NE(NULL, writer);
	/* A source and a packing reach to 4096. */
	EXPECT_EQ(-EINVAL, catalog_writer_write(writer, page, sizeof(page), LENGTH - 1));
	EXPECT_EQ(-ENOSPC, catalog_writer_write(writer, page, catalog_writer_capacity(writer, LENGTH) - 1, LENGTH));
	EXPECT_EQ(0, catalog_writer_write(writer, page, sizeof(page), LENGTH));
	catalog_writer_free(writer);
}

TEST(writer_refuses_packings_that_a_reader_would)
{
	const struct pinpool_packed good = packings[0];
	struct catalog_writer *writer;
	struct pinpool_packed packed;
	const char *duplicate = NULL;
	char page[SMALL_CAPACITY];

	ASSERT_EQ(0, catalog_writer_new(&writer));
	packed = good, packed.tensor = "\xc0\xaf";
	EXPECT_EQ(-EINVAL, catalog_writer_add_packing(writer, &packed));
	packed = good, packed.base = ".hidden";
	EXPECT_EQ(-EINVAL, catalog_writer_add_packing(writer, &packed));
	packed = good, packed.dtype = PINPOOL_DTYPE_INVALID;
	EXPECT_EQ(-EINVAL, catalog_writer_add_packing(writer, &packed));
	packed = good, packed.n = 0;
	EXPECT_EQ(-EINVAL, catalog_writer_add_packing(writer, &packed));
	packed = good, packed.k = 0;
	EXPECT_EQ(-EINVAL, catalog_writer_add_packing(writer, &packed));
	packed = good, packed.dtype = PINPOOL_DTYPE_Q8_0;
	EXPECT_EQ(-EINVAL, catalog_writer_add_packing(writer, &packed));
	packed = good, packed.panel_rows = 0;
	EXPECT_EQ(-EINVAL, catalog_writer_add_packing(writer, &packed));
	packed = good, packed.bytes = 0;
	EXPECT_EQ(-EINVAL, catalog_writer_add_packing(writer, &packed));
	packed = good, packed.offset = 32;
	EXPECT_EQ(-EINVAL, catalog_writer_add_packing(writer, &packed));
	packed = good, packed.offset = UINT64_MAX - 63;
	EXPECT_EQ(-EINVAL, catalog_writer_add_packing(writer, &packed));
	ASSERT_EQ(0, catalog_writer_add_packing(writer, &good));
	ASSERT_EQ(0, catalog_writer_seal(writer, &duplicate));
	/* It ends at 320. */
	EXPECT_EQ(-EINVAL, catalog_writer_write(writer, page, sizeof(page), 319));
	EXPECT_EQ(0, catalog_writer_write(writer, page, sizeof(page), 320));
	catalog_writer_free(writer);

	ASSERT_EQ(0, catalog_writer_new(&writer));
	ASSERT_EQ(0, catalog_writer_add_packing(writer, &good));
	ASSERT_EQ(0, catalog_writer_add_packing(writer, &packings[1]));
	ASSERT_EQ(0, catalog_writer_add_packing(writer, &good));
	EXPECT_EQ(-EEXIST, catalog_writer_seal(writer, &duplicate));
	EXPECT_STREQ("layer.1", duplicate);
	catalog_writer_free(writer);
}

TEST(writer_refuses_metadata_that_a_reader_would)
{
	struct pinpool_source source = {.path = "p", .format = "f", .bytes = 1000};
	const struct pinpool_metadata number = metadata[1], flags = metadata[2], strings = metadata[5], arrays = metadata[6];
	struct catalog_writer *writer;
	struct pinpool_metadata value;
	const char *duplicate = NULL;

	ASSERT_EQ(0, catalog_writer_new(&writer));
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &number));
	ASSERT_EQ(0, catalog_writer_add_source(writer, &source));
	value = number, value.source = 1;
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	value = number, value.key = "\xc0\xaf";
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	value = number, value.type = value.element = PINPOOL_VALUE_COUNT;
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	value = number, value.element = PINPOOL_VALUE_U8;
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	value = number, value.count = 0;
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	value = number, value.bytes = 0;
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	value = number, value.bytes = 2;
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	value = number, value.type = value.element = PINPOOL_VALUE_BOOL;
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	value = flags, value.count = 2;
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	value = flags, value.count = UINT64_MAX;
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	value = flags, value.element = PINPOOL_VALUE_COUNT;
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	value = flags, value.data = "\1\0\2";
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	value = strings, value.bytes--;
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	value = strings, value.count = 1;
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	value = arrays, value.count = 3;
	EXPECT_EQ(-EINVAL, catalog_writer_add_metadata(writer, &value));
	ASSERT_EQ(0, catalog_writer_add_metadata(writer, &number));
	ASSERT_EQ(0, catalog_writer_add_metadata(writer, &number));
	EXPECT_EQ(-EEXIST, catalog_writer_seal(writer, &duplicate));
	EXPECT_STREQ("number", duplicate);
	catalog_writer_free(writer);
}

/* Nothing is written into the content or beyond the capacity, at any capacity that is said to do. */
TEST(writer_stays_behind_the_content)
{
	struct catalog_writer *writer = make_writer(true);
	uint64_t capacity = catalog_writer_capacity(writer, LENGTH);
	char *page = malloc(capacity + 512 + 64);

	for (uint64_t extra = 0; extra < 512; extra++) {
		memset(page, 0x55, capacity + 512 + 64);
		ASSERT_EQ(0, catalog_writer_write(writer, page, capacity + extra, LENGTH));
		ASSERT_TRUE(env_all_bytes(page, LENGTH, 0x55));
		ASSERT_TRUE(env_all_bytes(page + capacity + extra, 64, 0x55));
	}
	free(page);
	catalog_writer_free(writer);
}

TEST_HARNESS_MAIN
