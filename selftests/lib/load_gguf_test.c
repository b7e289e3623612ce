// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * GGUF files from disk to published pool: the bytes are the file's, tensors and metadata are found by name, a product reads
 * the blocks where they lie, and a file that breaks a rule leaves nothing.
 */
#include "gguf_files.h"
#include "harness.h"
#include "pool_env.h"

#include <math.h>
#include <pinpool/catalog.h>
#include <pinpool/load.h>
#include <pinpool/math.h>
#include <xxhash.h>

#define POOL "load-test"

FIXTURE(load)
{
	struct pool_env env;
	struct pinpool_diag diag;
	char folder[PATH_MAX];
	struct gguf file;
	struct pinpool_pool *pool;
	struct pinpool_catalog *catalog;
};

FIXTURE_VARIANT(load)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(load, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(load, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);
POOL_VARIANT(load, module, PINPOOL_BACKEND_MODULE);

FIXTURE_SETUP(load)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	make_folder(self->folder);
}

FIXTURE_TEARDOWN_PARENT(load)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

/* Loads @name of the folder and opens what came of it. */
static int load(FIXTURE_DATA(load) * self, const char *name)
{
	int err = pinpool_load(self->env.ctx, POOL, in_folder(self->folder, name), NULL, NULL, &self->diag);

	if (!err)
		err = pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &self->pool, &self->diag);
	return err ? err : pinpool_catalog_open(self->pool, &self->catalog, &self->diag);
}

static void unload(FIXTURE_DATA(load) * self)
{
	pinpool_catalog_close(self->catalog);
	pinpool_pool_close(self->pool);
	pinpool_pool_destroy(self->env.ctx, POOL, NULL);
}

#define ROWS	64
#define COLUMNS 256
/* A block of Q8_0 has 32 values. */
#define BLOCKS	(ROWS * COLUMNS / 32)

/* Two matrices with the same values, as Q8_0 and as F32, a gap between them and bytes behind the last. */
static void put_model(struct gguf *file, float *values)
{
	put_head(file, 3, 2, 4);
	put_key_text(file, "general.architecture", "llama");
	put_key_u32(file, "general.alignment", 64);
	put_key_u32(file, "llama.block_count", 22);
	put_key_array(file, "tokens", PINPOOL_VALUE_STRING, 2);
	put_text(file, "<s>");
	put_text(file, "</s>");
	put_matrix(file, "f32", ROWS, COLUMNS, GGUF_F32, 34 * BLOCKS + 1024);
	put_matrix(file, "q8", ROWS, COLUMNS, GGUF_Q8_0, 0);
	put_padding(file, 64);
	for (size_t block = 0; block < BLOCKS; block++) {
		/* Powers of two from 2^-8 on, as f16. */
		uint16_t scale = (uint16_t)((7 + block % 4) << 10);

		put(file, &scale, sizeof(scale));
		for (size_t i = 0; i < 32; i++) {
			int8_t code = (int8_t)(pattern_at(3, 32 * block + i) | 1);

			put(file, &code, sizeof(code));
			values[32 * block + i] = ldexpf(code, (int)(block % 4) - 8);
		}
	}
	put_data(file, 1024);
	put(file, values, ROWS * COLUMNS * sizeof(*values));
	put_data(file, 100);
}

TEST_F(load, a_file_is_an_image_with_tensors_and_metadata)
{
	struct pinpool_metadata value = {.size = sizeof(value)}, element = value;
	struct pinpool_tensor q8 = {.size = sizeof(q8)}, f32 = q8;
	struct pinpool_source source = {.size = sizeof(source)};
	struct pinpool_info info = {.size = sizeof(info)};
	float *values = malloc(ROWS * COLUMNS * sizeof(*values));
	XXH128_canonical_t digest;
	const void *base;
	int64_t number;
	const char *text;
	size_t bytes;

	put_model(&self->file, values);
	write_gguf(in_folder(self->folder, "m.gguf"), &self->file);
	ASSERT_EQ(0, load(self, "m.gguf"))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	ASSERT_EQ(0, pinpool_pool_get_info(self->pool, &info));
	ASSERT_EQ(self->file.size, info.length);
	ASSERT_EQ(0, pinpool_pool_map(self->pool, &base, NULL));
	EXPECT_EQ(0, memcmp(base, self->file.bytes, self->file.size));
	XXH128_canonicalFromHash(&digest, XXH3_128bits(self->file.bytes, self->file.size));
	EXPECT_EQ(0, memcmp(digest.digest, info.digest, sizeof(info.digest)));
	ASSERT_EQ(0, pinpool_catalog_source(self->catalog, 0, &source));
	EXPECT_STREQ("gguf", source.format);

	ASSERT_EQ(0, pinpool_catalog_find(self->catalog, "q8", &q8));
	EXPECT_EQ(PINPOOL_DTYPE_Q8_0, q8.dtype);
	EXPECT_EQ(34 * BLOCKS, q8.bytes);
	EXPECT_EQ(0, q8.offset % 64);
	/* Its bytes only, not those of the gap. */
	XXH128_canonicalFromHash(&digest, XXH3_128bits(q8.data, q8.bytes));
	EXPECT_TRUE(q8.has_digest && !memcmp(digest.digest, q8.digest, sizeof(q8.digest)));
	ASSERT_EQ(0, pinpool_catalog_find(self->catalog, "f32", &f32));
	ASSERT_EQ(ROWS * COLUMNS * sizeof(*values), f32.bytes);
	EXPECT_EQ(0, memcmp(values, f32.data, f32.bytes));
	XXH128_canonicalFromHash(&digest, XXH3_128bits(f32.data, f32.bytes));
	EXPECT_TRUE(f32.has_digest && !memcmp(digest.digest, f32.digest, sizeof(f32.digest)));

	EXPECT_EQ(4, pinpool_catalog_metadata_count(self->catalog));
	ASSERT_EQ(0, pinpool_catalog_find_metadata(self->catalog, "general.architecture", &value));
	ASSERT_EQ(0, pinpool_metadata_string(&value, &text, &bytes));
	EXPECT_TRUE(bytes == 5 && !memcmp(text, "llama", 5));
	ASSERT_EQ(0, pinpool_catalog_find_metadata(self->catalog, "llama.block_count", &value));
	ASSERT_EQ(0, pinpool_metadata_integer(&value, &number));
	EXPECT_EQ(22, number);
	ASSERT_EQ(0, pinpool_catalog_find_metadata(self->catalog, "tokens", &value));
	ASSERT_EQ(0, pinpool_metadata_next(&value, &element));
	ASSERT_EQ(0, pinpool_metadata_next(&value, &element));
	EXPECT_TRUE(element.bytes == 4 && !memcmp(element.data, "</s>", 4));
	EXPECT_EQ(0, pinpool_verify(self->pool, NULL, NULL, &self->diag));
	unload(self);
	free(values);
}

TEST_F(load, a_product_reads_the_blocks_where_they_lie)
{
	float *values = malloc(ROWS * COLUMNS * sizeof(*values)), x[3 * COLUMNS], y[3 * ROWS], want[3 * ROWS];
	PINPOOL_OPTS(pinpool_matmul_args, args, .m = 3, .n = ROWS, .k = COLUMNS, .x = x, .y = want);
	PINPOOL_OPTS(pinpool_math_opts, opts, .threads = 1);
	struct pinpool_tensor q8 = {.size = sizeof(q8)}, f32 = q8;
	struct pinpool_math *math;

	put_model(&self->file, values);
	write_gguf(in_folder(self->folder, "m.gguf"), &self->file);
	ASSERT_EQ(0, load(self, "m.gguf"));
	ASSERT_EQ(0, pinpool_catalog_find(self->catalog, "q8", &q8));
	ASSERT_EQ(0, pinpool_catalog_find(self->catalog, "f32", &f32));
	/* Activations that 8 bits hold: one of 127 in each run, so that they are met as they are. */
	for (size_t i = 0; i < 3 * COLUMNS; i++)
		x[i] = i % 32 ? (float)(int)(pattern_at(5, i) % 255) - 127 : 127;
	args.w = f32.data;
	args.w_dtype = f32.dtype;
	ASSERT_EQ(0, pinpool_matmul_reference(&args, &self->diag));
	args.w = q8.data;
	args.w_dtype = q8.dtype;
	args.y = y;
	ASSERT_EQ(0, pinpool_math_new(&math, &opts, &self->diag));
	ASSERT_EQ(0, pinpool_matmul(math, &args, &self->diag));
	pinpool_math_free(math);
	for (size_t i = 0; i < 3 * ROWS; i++) {
		double magnitudes = 0;

		for (size_t j = 0; j < COLUMNS; j++)
			magnitudes += fabs((double)x[i / ROWS * COLUMNS + j] * values[i % ROWS * COLUMNS + j]);
		EXPECT_LE(fabs((double)y[i] - want[i]), 1e-5 * magnitudes);
	}
	unload(self);
	free(values);
}

TEST_F(load, parts_become_one_pool)
{
	struct pinpool_metadata value = {.size = sizeof(value)};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_source source = {.size = sizeof(source)};
	int64_t number;
	char name[32];

	for (unsigned int i = 0; i < 3; i++) {
		put_part(&self->file, i, 3, 3, "m");
		snprintf(name, sizeof(name), "m-%05u-of-00003.gguf", i + 1);
		write_gguf(in_folder(self->folder, name), &self->file);
	}
	ASSERT_EQ(0, load(self, "m-00002-of-00003.gguf"));
	ASSERT_EQ(3, pinpool_catalog_source_count(self->catalog));
	EXPECT_EQ(3, pinpool_catalog_tensor_count(self->catalog));
	for (unsigned int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "m.%u", i);
		ASSERT_EQ(0, pinpool_catalog_find(self->catalog, name, &tensor));
		EXPECT_EQ(i, tensor.source);
		ASSERT_EQ(0, pinpool_catalog_source(self->catalog, i, &source));
		EXPECT_EQ(0, source.offset % 4096);
		for (size_t byte = 0; byte < tensor.bytes; byte++)
			EXPECT_EQ(pattern_at(7, tensor.offset - source.offset + byte), ((const uint8_t *)tensor.data)[byte]);
	}
	/* Each part says which it is; by key the first part answers. */
	EXPECT_EQ(11, pinpool_catalog_metadata_count(self->catalog));
	ASSERT_EQ(0, pinpool_catalog_find_metadata(self->catalog, "split.no", &value));
	ASSERT_EQ(0, pinpool_metadata_integer(&value, &number));
	EXPECT_EQ(0, number);
	EXPECT_EQ(0, value.source);
	EXPECT_EQ(0, pinpool_verify(self->pool, NULL, NULL, &self->diag));
	unload(self);
}

TEST_F(load, a_file_that_breaks_a_rule_leaves_nothing)
{
	int files = env_files(&self->env);

	put_head(&self->file, 3, 1, 0);
	put_matrix(&self->file, "w", 4, 33, GGUF_Q8_0, 0);
	put_data(&self->file, 4096);
	write_gguf(in_folder(self->folder, "bad.gguf"), &self->file);
	EXPECT_EQ(-EBADMSG, load(self, "bad.gguf"));
	EXPECT_NE(NULL, strstr(self->diag.object, "tensor w"));
	EXPECT_EQ(-ENOENT, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &self->pool, NULL));
	EXPECT_EQ(files, env_files(&self->env));
	/* Two parts with a tensor of the same name. */
	put_part(&self->file, 0, 2, 2, "m");
	write_gguf(in_folder(self->folder, "m-00001-of-00002.gguf"), &self->file);
	put_head(&self->file, 3, 1, 3);
	put_key_u32(&self->file, "split.no", 1);
	put_key_u32(&self->file, "split.count", 2);
	put_key_u32(&self->file, "split.tensors.count", 2);
	put_matrix(&self->file, "m.0", 2, 4, GGUF_F32, 0);
	put_padding(&self->file, 32);
	put_data(&self->file, 32);
	write_gguf(in_folder(self->folder, "m-00002-of-00002.gguf"), &self->file);
	EXPECT_EQ(-EBADMSG, load(self, "m-00001-of-00002.gguf"));
	EXPECT_NE(NULL, strstr(self->diag.cause, "two files hold a tensor m.0"));
	EXPECT_EQ(files, env_files(&self->env));
}

TEST_F(load, metadata_of_safetensors_is_kept)
{
	static const char json[] = "{\"__metadata__\":{\"format\":\"pt\",\"\":\"\\u00f6\"},"
				   "\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}";
	struct pinpool_metadata value = {.size = sizeof(value)};
	const char *text;
	size_t bytes;

	write_safetensors(in_folder(self->folder, "m.safetensors"), json, 4);
	ASSERT_EQ(0, load(self, "m.safetensors"));
	ASSERT_EQ(2, pinpool_catalog_metadata_count(self->catalog));
	ASSERT_EQ(0, pinpool_catalog_find_metadata(self->catalog, "format", &value));
	ASSERT_EQ(0, pinpool_metadata_string(&value, &text, &bytes));
	EXPECT_TRUE(bytes == 2 && !memcmp(text, "pt", 2));
	ASSERT_EQ(0, pinpool_catalog_find_metadata(self->catalog, "", &value));
	ASSERT_EQ(0, pinpool_metadata_string(&value, &text, &bytes));
	EXPECT_TRUE(bytes == 2 && !memcmp(text, "\xc3\xb6", 2));
	unload(self);
}

TEST_HARNESS_MAIN
