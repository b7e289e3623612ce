/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Catalogs: what the writer wrote is what a reader finds, on every backend; and whatever else the bytes say, by
 * accident or by intent with right checksums, is refused or harmless. Damage is done through the data file, behind the
 * library.
 */
#include <xxhash.h>

#include "harness.h"
#include "pool/catalog_layout.h"
#include "pool/catalog_writer.h"
#include "pool_env.h"

#define LENGTH	       4096
/* Behind the last byte of the content: the catalog's page and the footer's. */
#define SMALL_CAPACITY (LENGTH + 8192)

static const uint8_t digest_a[PINPOOL_DIGEST_BYTES] = {0xaa, 1, 2, 3};
static const uint8_t digest_b[PINPOOL_DIGEST_BYTES] = {0xbb, 9, 8, 7};

static const struct {
	const char *name;
	enum pinpool_dtype dtype;
	uint32_t ndim;
	uint64_t shape[PINPOOL_NDIM_MAX];
	uint64_t offset;
	uint64_t bytes;
	uint32_t source;
} tensors[] = {
	{"z.last", PINPOOL_DTYPE_BF16, 2, {8, 16}, 2048, 256, 1},
	{"layer.0.weight", PINPOOL_DTYPE_F32, 2, {10, 20}, 101, 800, 0},
	{"layer.0.bias", PINPOOL_DTYPE_F32, 1, {20}, 901, 80, 0},
	{"empty", PINPOOL_DTYPE_I64, 3, {3, 0, UINT64_MAX}, 901, 0, 0},
	{"scalar", PINPOOL_DTYPE_F64, 0, {0}, 2304, 8, 1},
	{"gr\xc3\xb6\xc3\x9f"
	 "e",
	 PINPOOL_DTYPE_F4,
	 1,
	 {4},
	 2312,
	 2,
	 1},
	{"six", PINPOOL_DTYPE_F6_E2M3, 1, {4}, 2314, 3, 1},
	{"", PINPOOL_DTYPE_BOOL, 16, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5}, 2317, 5, 1},
};

#define TENSORS (sizeof(tensors) / sizeof(tensors[0]))

static int add_tensor(struct catalog_writer *writer, size_t i)
{
	struct pinpool_tensor tensor = {
		.size = sizeof(tensor),
		.name = tensors[i].name,
		.dtype = tensors[i].dtype,
		.ndim = tensors[i].ndim,
		.shape = tensors[i].shape,
		.offset = tensors[i].offset,
		.bytes = tensors[i].bytes,
		.source = tensors[i].source,
	};

	return catalog_writer_add_tensor(writer, &tensor);
}

/* Not in the order of their names. */
static const struct pinpool_packed packings[] = {
	{.tensor = "layer.1",
	 .base = "llama",
	 .isa = "avx2",
	 .version = 1,
	 .dtype = PINPOOL_DTYPE_BF16,
	 .n = 3,
	 .k = 5,
	 .panel_rows = 16,
	 .offset = 128,
	 .bytes = 192,
	 .base_length = 77,
	 .base_committed_ns = 1700000000123456789},
	{.tensor = "layer.0",
	 .base = "llama",
	 .isa = "of a newer library",
	 .version = UINT32_MAX,
	 .dtype = PINPOOL_DTYPE_Q4_K,
	 .n = UINT64_MAX,
	 .k = 512,
	 .panel_rows = 1,
	 .bytes = 1,
	 .has_digest = true,
	 .digest = {0xcc, 4},
	 .base_digest_kind = PINPOOL_DIGEST_XXH3_128_LIST,
	 .base_digest = {0xdd, 5}},
	{.tensor = "m",
	 .base = "a",
	 .isa = "",
	 .dtype = PINPOOL_DTYPE_F32,
	 .n = 1,
	 .k = 1,
	 .panel_rows = 1,
	 .offset = 4032,
	 .bytes = 64},
};

#define PACKINGS (sizeof(packings) / sizeof(packings[0]))

static struct catalog_writer *make_writer(bool packed)
{
	struct pinpool_source first = {
		.path = "/models/a-1.safetensors",
		.format = "safetensors",
		.offset = 0,
		.bytes = 1000,
		.inode = 12,
		.mtime_ns = 1700000000123456789,
	};
	struct pinpool_source second = {
		.path = "/models/\xff no utf8",
		.format = "safetensors",
		.offset = 2048,
		.bytes = 2048,
		.inode = UINT64_MAX,
		.has_digest = true,
	};
	struct catalog_writer *writer;
	const char *duplicate;

	memcpy(second.digest, digest_b, sizeof(digest_b));
	if (catalog_writer_new(&writer) || catalog_writer_add_source(writer, &first) != 0 ||
	    catalog_writer_add_source(writer, &second) != 1)
		return NULL;
	for (size_t i = 0; i < TENSORS; i++)
		if (add_tensor(writer, i) != (int)i)
			return NULL;
	for (size_t i = 0; i < PACKINGS && packed; i++)
		if (catalog_writer_add_packing(writer, &packings[i]))
			return NULL;
	if (catalog_writer_seal(writer, &duplicate))
		return NULL;
	/* Digests come after the seal, when the bytes have been read. */
	catalog_writer_source_digest(writer, 0, digest_a);
	catalog_writer_tensor_digest(writer, 1, digest_b);
	return writer;
}

/* A READY pool "model" with the catalog of make_writer(), opened for reading. */
static struct pinpool_pool *make_pool(struct pool_env *env, bool packed)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = SMALL_CAPACITY);
	struct catalog_writer *writer = make_writer(packed);
	struct pinpool_pool *pool = NULL;
	size_t bytes;
	void *addr;
	int err;

	if (!writer || pinpool_pool_create(env->ctx, "model", &opts, NULL) ||
	    pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL))
		return NULL;
	err = pinpool_pool_begin(pool, NULL);
	if (!err)
		err = pinpool_pool_map_writable(pool, &addr, &bytes);
	if (!err) {
		for (size_t i = 0; i < LENGTH; i++)
			((unsigned char *)addr)[i] = (unsigned char)(i * 7);
		err = catalog_writer_write(writer, addr, bytes, LENGTH);
	}
	if (!err)
		err = env_commit(pool, LENGTH);
	catalog_writer_free(writer);
	pinpool_pool_close(pool);
	if (err || pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_READ, &pool, NULL))
		return NULL;
	return pool;
}

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
	}
	for (size_t i = 0; i < TENSORS; i++) {
		ASSERT_EQ(0, pinpool_catalog_tensor(catalog, i, &tensor));
		EXPECT_LE(offset, tensor.offset);
		offset = tensor.offset;
	}
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
	ASSERT_EQ(0, pinpool_catalog_source(catalog, 1, &source));
	EXPECT_STREQ("/models/\xff no utf8", source.path);
	EXPECT_EQ(2048, source.offset);
	EXPECT_TRUE(source.has_digest && !memcmp(source.digest, digest_b, sizeof(digest_b)));
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

POOL_FIXTURE_FILES(damage);

/* The pool's file from behind: writable, although READY. Needs the owner, who may change its mode. */
static char *map_behind(struct pool_env *env, uint64_t *capacity)
{
	struct stat st;
	char path[128];
	char *base;
	int fd;

	snprintf(path, sizeof(path), "%s/model", env->huge[0] ? env->huge : env->state);
	if (chmod(path, 0600))
		return NULL;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return NULL;
	base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	*capacity = (uint64_t)st.st_size;
	return base == MAP_FAILED ? NULL : base;
}

static struct catalog_footer *footer_of(char *base, uint64_t capacity)
{
	return (struct catalog_footer *)(base + capacity - CATALOG_FOOTER_BYTES);
}

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

/* What somebody does who wants the reader to believe it. */
static void sum(char *base, uint64_t capacity)
{
	struct catalog_footer *footer = footer_of(base, capacity);
	XXH128_canonical_t digest;

	XXH128_canonicalFromHash(&digest, XXH3_128bits(base + footer->catalog_offset, footer->catalog_bytes));
	memcpy(footer->digest, digest.digest, sizeof(footer->digest));
	footer->checksum = XXH3_64bits(footer, offsetof(struct catalog_footer, checksum));
}

/* Reads all that an accepted catalog leads to. False if any of it is outside. */
static bool use(const struct pinpool_catalog *catalog)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)}, found = tensor;
	struct pinpool_source source = {.size = sizeof(source)};
	struct pinpool_packed packed = {.size = sizeof(packed)};
	uint64_t extents = 0;

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
	/* Keeps the reads of shapes. */
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
	EXPECT_LT(accepted, refused);
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
	return parts;
}

static void swap_names(struct parts p)
{
	uint32_t first = p.names[0];

	p.names[0] = p.names[1];
	p.names[1] = first;
}

/* One lie each, otherwise true, with right sums. */
/* clang-format off */
static void lie_version(struct parts p) { p.header->version++; }
static void lie_version_zero(struct parts p) { p.header->version = 0; }
static void lie_length(struct parts p) { p.header->content_bytes--; }
static void lie_bytes(struct parts p) { p.header->bytes -= 64; }
static void lie_header_bytes(struct parts p) { p.header->header_bytes = UINT32_MAX; }
static void lie_section_count(struct parts p) { p.header->section_count = 1025; }
static void lie_section_missing(struct parts p) { p.header->section_count -= 2; }
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
	/* No packings, no section for them: older readers find what they know. The table has room up to the first one. */
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
