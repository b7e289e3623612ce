// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Compressed checkpoints: the code that is chosen, the way through files and pools and back, bounds that hold, and what
 * is refused and leaves nothing.
 */
#define ENV_PAGES 40
#include "checkpoints.h"
#include "harness.h"
#include "pool_env.h"
#include "weights_case.h"

#include <errno.h>
#include <pinpool/compress.h>

#define POOL "compress-test"

FIXTURE(compress)
{
	struct pool_env env;
	struct pinpool_diag diag;
	char folder[PATH_MAX];
};

FIXTURE_VARIANT(compress)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(compress, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(compress, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);

/* One tensor of the checkpoint, and the code that it should get. */
struct entry {
	const char *name;
	enum structure structure;
	enum pinpool_dtype dtype;
	uint32_t ndim;
	uint64_t shape[3];
	const char *code;
	enum pinpool_coded_kind kind;
};

/* In the order of the format's reference, so that what comes back is the same file. */
static const struct entry entries[] = {
	{ "a.blocks", BLOCKS, PINPOOL_DTYPE_F32, 2, { 64, 256 }, "blocks", PINPOOL_CODED_BLOCKS },
	{ "b.conv", FEW, PINPOOL_DTYPE_F32, 3, { 32, 8, 16 }, "dictionary16", PINPOOL_CODED_DICTIONARY },
	{ "c.bias", FEW, PINPOOL_DTYPE_F32, 1, { 512 }, "", 0 },
	{ "d.empty", FEW, PINPOOL_DTYPE_F32, 2, { 0, 8 }, "", 0 },
	{ "e.many", MANY, PINPOOL_DTYPE_F32, 2, { 64, 480 }, "dictionary256", PINPOOL_CODED_DICTIONARY },
	{ "f.fours", FOURS, PINPOOL_DTYPE_F32, 2, { 64, 256 }, "structured", PINPOOL_CODED_STRUCTURED },
	{ "g.dense", NORMAL, PINPOOL_DTYPE_F32, 2, { 64, 256 }, "", 0 },
	{ "h.strange", STRANGE, PINPOOL_DTYPE_F32, 2, { 64, 64 }, "dictionary16", PINPOOL_CODED_DICTIONARY },
	{ "i.rows", FEW_OF_ROW, PINPOOL_DTYPE_F32, 2, { 256, 512 }, "dictionary16", PINPOOL_CODED_DICTIONARY },
	{ "j.half", HALF, PINPOOL_DTYPE_F16, 2, { 64, 512 }, "bitmask", PINPOOL_CODED_BITMASK },
	{ "k.lossless", NORMAL, PINPOOL_DTYPE_BF16, 2, { 128, 512 }, "exponents", PINPOOL_CODED_EXPONENTS },
	{ "l.sparse", SPARSE, PINPOOL_DTYPE_F16, 2, { 64, 512 }, "sparse", PINPOOL_CODED_SPARSE },
};

#define ENTRIES (sizeof(entries) / sizeof(entries[0]))

static uint64_t rows_of(const struct entry *entry)
{
	return entry->shape[0];
}

static uint64_t columns_of(const struct entry *entry)
{
	uint64_t columns = 1;

	for (uint32_t i = 1; i < entry->ndim; i++)
		columns *= entry->shape[i];
	return columns;
}

/* The checkpoint, as FOLDER/m.safetensors. */
static const char *make_checkpoint(const char *folder)
{
	char header[4096] = "{\"__metadata__\":{\"format\":\"pt\"}";
	const char *path = in_folder(folder, "m.safetensors");
	size_t at = strlen(header), begin = 0;
	FILE *file = fopen(path, "we");
	uint64_t length;

	for (size_t i = 0; i < ENTRIES; i++) {
		const struct entry *e = &entries[i];
		size_t bytes = rows_of(e) * columns_of(e) * pinpool_dtype_bits(e->dtype) / 8;

		at += (size_t)sprintf(header + at, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", e->name,
				      pinpool_dtype_name(e->dtype));
		for (uint32_t d = 0; d < e->ndim; d++)
			at += (size_t)sprintf(header + at, d ? ",%d" : "%d", (int)e->shape[d]);
		at += (size_t)sprintf(header + at, "],\"data_offsets\":[%zu,%zu]}", begin, begin + bytes);
		begin += bytes;
	}
	header[at++] = '}';
	while (at % 8)
		header[at++] = ' ';
	length = at;
	fwrite(&length, 8, 1, file);
	fwrite(header, 1, at, file);
	for (size_t i = 0; i < ENTRIES; i++) {
		const struct entry *e = &entries[i];
		void *data = case_matrix(e->structure, e->dtype, rows_of(e), columns_of(e));

		fwrite(data, pinpool_dtype_bits(e->dtype) / 8, rows_of(e) * columns_of(e), file);
		free(data);
	}
	fclose(file);
	return path;
}

FIXTURE_SETUP(compress)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	make_folder(self->folder);
	make_checkpoint(self->folder);
}

FIXTURE_TEARDOWN_PARENT(compress)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

#define SELF FIXTURE_DATA(compress) *self

static int compress(SELF, const char *from, const char *to, const struct pinpool_compress_opts *opts)
{
	struct pinpool_compression *plan;
	int err = pinpool_compress_plan(self->env.ctx, from, to, opts, &plan, &self->diag);

	if (err)
		return err;
	err = pinpool_compress(plan, NULL, &self->diag);
	pinpool_compress_free(plan);
	return err;
}

#define FILE_OF(name) in_folder(self->folder, name)
#define COMPRESS(from, to, opts)                                                                                       \
	ASSERT_EQ(0, compress(self, from, to, opts))                                                                   \
	{                                                                                                              \
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);                                                 \
	}

static unsigned char *slurp(const char *path, size_t *bytes)
{
	unsigned char *data;
	struct stat st;
	FILE *file = fopen(path, "re");

	if (!file || fstat(fileno(file), &st))
		return NULL;
	*bytes = (size_t)st.st_size;
	data = malloc(*bytes + 1);
	*bytes = fread(data, 1, *bytes, file);
	fclose(file);
	return data;
}

static bool same_files(const char *a, const char *b)
{
	size_t a_bytes = 0, b_bytes = 0;
	unsigned char *x = slurp(a, &a_bytes), *y = slurp(b, &b_bytes);
	bool same = x && y && a_bytes == b_bytes && !memcmp(x, y, a_bytes);

	free(x);
	free(y);
	return same;
}

/* Nothing is there but the checkpoint. */
#define EXPECT_NOTHING_LEFT()                                                                                          \
	do {                                                                                                           \
		EXPECT_EQ(0, env_files(&self->env));                                                                   \
		EXPECT_EQ(1, env_count_files(self->folder));                                                           \
	} while (0)

TEST_F(compress, plans_the_smallest_code)
{
	struct pinpool_compress_tensor tensor = { .size = sizeof(tensor) };
	struct pinpool_compression *plan;

	ASSERT_EQ(0, pinpool_compress_plan(self->env.ctx, FILE_OF("m.safetensors"), POOL, NULL, &plan, &self->diag));
	ASSERT_EQ(ENTRIES, pinpool_compress_count(plan));
	for (size_t i = 0; i < ENTRIES; i++) {
		ASSERT_EQ(0, pinpool_compress_tensor(plan, i, &tensor));
		EXPECT_STREQ(entries[i].name, tensor.name);
		EXPECT_STREQ(entries[i].code, tensor.code);
		EXPECT_EQ(entries[i].kind, tensor.coded);
		EXPECT_EQ(0, tensor.error);
		EXPECT_EQ(!entries[i].kind, !!*tensor.note);
		EXPECT_EQ(!!entries[i].kind, tensor.bytes_after < tensor.bytes);
		EXPECT_LE(tensor.bytes_after, tensor.bytes);
	}
	EXPECT_EQ(-ENOENT, pinpool_compress_tensor(plan, ENTRIES, &tensor));
	pinpool_compress_free(plan);
	EXPECT_NOTHING_LEFT();
}

/* Rows of a tensor in the pool are those of the checkpoint, bit for bit, and multiply like them. */
static void compare(struct __test_metadata *_metadata, struct pinpool_catalog *catalog, const struct entry *e)
{
	struct pinpool_tensor tensor = { .size = sizeof(tensor) };
	struct pinpool_coded coded = { .size = sizeof(coded) };
	uint64_t n, k, rows = rows_of(e), columns = columns_of(e);
	void *plain = case_matrix(e->structure, e->dtype, rows, columns);
	struct weights weights = { .data = plain, .dtype = e->dtype, .n = rows, .k = columns };
	uint32_t *should = malloc((columns + 1) * 4), *is = malloc((columns + 1) * 4);

	ASSERT_EQ(0, pinpool_catalog_find(catalog, e->name, &tensor));
	ASSERT_EQ(e->kind, tensor.coded);
	if (!e->kind) {
		EXPECT_EQ(e->dtype, tensor.dtype);
		EXPECT_EQ(0, memcmp(plain, tensor.data, tensor.bytes));
	} else {
		EXPECT_EQ(PINPOOL_DTYPE_U8, tensor.dtype);
		EXPECT_EQ(0, tensor.offset % 64);
		EXPECT_EQ(e->dtype, tensor.plain_dtype);
		EXPECT_EQ(e->ndim, tensor.plain_ndim);
		EXPECT_EQ(0, memcmp(e->shape, tensor.plain_shape, e->ndim * sizeof(*e->shape)));
		EXPECT_EQ(rows * columns * pinpool_dtype_bits(e->dtype) / 8, tensor.plain_bytes);
		ASSERT_EQ(0, pinpool_coded_open(&tensor, &coded, &n, &k, NULL));
		ASSERT_EQ(rows, n);
		ASSERT_EQ(columns, k);
		ASSERT_EQ(0, pinpool_coded_check(&coded, n, k, NULL));
		for (uint64_t row = 0; row < n; row++) {
			weights_row(&weights, row, should);
			ASSERT_EQ(0, pinpool_coded_row((float *)is, &coded, n, k, row, 0, k, NULL));
			ASSERT_EQ(0, memcmp(is, should, k * 4));
		}
	}
	free(plain);
	free(should);
	free(is);
}

static void compare_pool(struct __test_metadata *_metadata, SELF)
{
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;

	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &pool, NULL));
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, &self->diag));
	for (size_t i = 0; i < ENTRIES; i++)
		compare(_metadata, catalog, &entries[i]);
	EXPECT_EQ(0, pinpool_verify(pool, NULL, NULL, &self->diag));
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

TEST_F(compress, into_a_pool_and_back)
{
	PINPOOL_OPTS(pinpool_compress_opts, back, .decompress = true);
	struct pinpool_pool *pool;

	COMPRESS(FILE_OF("m.safetensors"), POOL, NULL);
	compare_pool(_metadata, self);
	COMPRESS(POOL, FILE_OF("back.safetensors"), &back);
	EXPECT_TRUE(same_files(FILE_OF("m.safetensors"), FILE_OF("back.safetensors")));
	/* The pool is the file that would have been made, and is saved as that. */
	COMPRESS(FILE_OF("m.safetensors"), FILE_OF("c.safetensors"), NULL);
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &pool, NULL));
	ASSERT_EQ(0, pinpool_save(pool, FILE_OF("saved.safetensors"), NULL, NULL, &self->diag));
	EXPECT_TRUE(same_files(FILE_OF("c.safetensors"), FILE_OF("saved.safetensors")));
	pinpool_pool_close(pool);
}

TEST_F(compress, a_file_is_loaded_like_any_other)
{
	PINPOOL_OPTS(pinpool_compress_opts, back, .decompress = true);

	COMPRESS(FILE_OF("m.safetensors"), FILE_OF("c.safetensors"), NULL);
	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, FILE_OF("c.safetensors"), NULL, NULL, &self->diag));
	compare_pool(_metadata, self);
	COMPRESS(FILE_OF("c.safetensors"), FILE_OF("back.safetensors"), &back);
	EXPECT_TRUE(same_files(FILE_OF("m.safetensors"), FILE_OF("back.safetensors")));
	/* What is coded already stays as it is. */
	COMPRESS(POOL, FILE_OF("again.safetensors"), NULL);
	EXPECT_TRUE(same_files(FILE_OF("c.safetensors"), FILE_OF("again.safetensors")));
}

TEST_F(compress, a_product_is_that_of_the_weights)
{
	struct pinpool_tensor tensor = { .size = sizeof(tensor) };
	struct pinpool_coded coded = { .size = sizeof(coded) };
	struct pinpool_catalog *catalog;
	struct pinpool_math *math;
	struct pinpool_pool *pool;
	uint64_t n, k, state = 7;
	float x[512], is[128], should[128];
	void *plain = case_matrix(NORMAL, PINPOOL_DTYPE_BF16, 128, 512);

	COMPRESS(FILE_OF("m.safetensors"), POOL, NULL);
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &pool, NULL));
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	ASSERT_EQ(0, pinpool_catalog_find(catalog, "k.lossless", &tensor));
	ASSERT_EQ(0, pinpool_coded_open(&tensor, &coded, &n, &k, NULL));
	for (int i = 0; i < 512; i++)
		x[i] = case_normal(&state);
	ASSERT_EQ(0, pinpool_math_new(&math, NULL, NULL));
	{
		PINPOOL_OPTS(pinpool_matmul_args, args, .m = 1, .n = n, .k = k, .x = x, .w_coded = &coded, .y = is);
		PINPOOL_OPTS(pinpool_matmul_args, reference, .m = 1, .n = n, .k = k, .x = x, .w = plain,
			     .w_dtype = PINPOOL_DTYPE_BF16, .y = should);

		ASSERT_EQ(0, pinpool_matmul(math, &args, &self->diag));
		ASSERT_EQ(0, pinpool_matmul_reference(&reference, NULL));
	}
	for (int i = 0; i < 128; i++)
		EXPECT_LE(fabsf(is[i] - should[i]), 1e-4f);
	pinpool_math_free(math);
	/* One that is not coded is none of these. */
	ASSERT_EQ(0, pinpool_catalog_find(catalog, "g.dense", &tensor));
	EXPECT_EQ(-EINVAL, pinpool_coded_open(&tensor, &coded, &n, &k, NULL));
	free(plain);
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

TEST_F(compress, an_error_beyond_the_bound_is_refused)
{
	static const char *const only[] = { "g.dense" };
	PINPOOL_OPTS(pinpool_compress_opts, opts, .max_error = 0.05, .code = "means16", .tensors = only,
		     .tensor_count = 1);
	struct pinpool_compress_tensor planned = { .size = sizeof(planned) };
	struct pinpool_tensor tensor = { .size = sizeof(tensor) };
	struct pinpool_compression *plan;
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;

	/* 16 values for each row are not nearer than some 0.08. */
	ASSERT_EQ(0, pinpool_compress_plan(self->env.ctx, FILE_OF("m.safetensors"), POOL, &opts, &plan, &self->diag));
	ASSERT_EQ(0, pinpool_compress_tensor(plan, 6, &planned));
	EXPECT_EQ(0, planned.coded);
	EXPECT_EQ(0, strncmp("error 0.0", planned.note, 9));
	EXPECT_GT(strtod(planned.note + strlen("error "), NULL), 0.05);
	ASSERT_EQ(0, pinpool_compress_tensor(plan, 1, &planned));
	EXPECT_STREQ("not chosen", planned.note);
	ASSERT_EQ(0, pinpool_compress(plan, NULL, &self->diag));
	pinpool_compress_free(plan);
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &pool, NULL));
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	ASSERT_EQ(0, pinpool_catalog_find(catalog, "g.dense", &tensor));
	EXPECT_EQ(PINPOOL_DTYPE_F32, tensor.dtype);
	EXPECT_EQ(0, tensor.coded);
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));

	opts.max_error = 0.12;
	COMPRESS(FILE_OF("m.safetensors"), POOL, &opts);
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &pool, NULL));
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	ASSERT_EQ(0, pinpool_catalog_find(catalog, "g.dense", &tensor));
	EXPECT_EQ(PINPOOL_CODED_DICTIONARY, tensor.coded);
	EXPECT_GT(tensor.coded_error, 0.05);
	EXPECT_LE(tensor.coded_error, 0.12);
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

/* A larger error makes it smaller, and never touches what has no number for an error. */
TEST_F(compress, an_allowed_error_is_used)
{
	static const struct {
		double error;
		const char *dense;
	} cases[] = { { 0.008, "means256" }, { 0.1, "means16" }, { 0.4, "product4" }, { 0.8, "product8" } };
	uint64_t before = UINT64_MAX;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		PINPOOL_OPTS(pinpool_compress_opts, opts, .max_error = cases[i].error);
		struct pinpool_compress_report report = { .size = sizeof(report) };
		struct pinpool_compress_tensor tensor = { .size = sizeof(tensor) };
		struct pinpool_compression *plan;

		ASSERT_EQ(0, pinpool_compress_plan(self->env.ctx, FILE_OF("m.safetensors"), POOL, &opts, &plan,
						   &self->diag));
		for (size_t t = 0; t < ENTRIES; t++) {
			ASSERT_EQ(0, pinpool_compress_tensor(plan, t, &tensor));
			EXPECT_LE(tensor.error, cases[i].error);
			if (!strcmp(tensor.name, "g.dense") && cases[i].error < 0.2)
				EXPECT_STREQ(cases[i].dense, tensor.code);
			if (!strcmp(tensor.name, "g.dense") && cases[i].error > 0.2)
				EXPECT_EQ(PINPOOL_CODED_PRODUCT, tensor.coded);
			if (!strcmp(tensor.name, "h.strange"))
				EXPECT_STREQ("dictionary16", tensor.code);
		}
		ASSERT_EQ(0, pinpool_compress(plan, &report, &self->diag));
		EXPECT_LE(report.bytes_after, before);
		EXPECT_EQ(ENTRIES, report.tensors);
		EXPECT_EQ(10, report.coded);
		before = report.bytes_after;
		pinpool_compress_free(plan);
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	}
}

/* Replaces the first @from in the header of a file by @to, which is as long. */
static void replace(struct __test_metadata *_metadata, const char *path, const char *from, const char *to)
{
	size_t bytes;
	unsigned char *data = slurp(path, &bytes), *at;

	ASSERT_NE(NULL, data);
	at = memmem(data, bytes, from, strlen(from));
	ASSERT_NE(NULL, at)
	{
		TH_LOG("%s is not there", from);
	}
	memcpy(at, to, strlen(to));
	write_file(path, data, bytes);
	free(data);
}

TEST_F(compress, metadata_that_lies_is_refused)
{
	static const struct {
		const char *from;
		const char *to;
		int err;
		const char *object;
	} lies[] = {
		{ "exponents BF16 [128, 512]", "exponents BF16 [512, 128]", -EBADMSG, "k.lossless" },
		{ "exponents BF16 [128, 512]", "exponents BF16 [128, 51 ]", -EBADMSG, "k.lossless" },
		{ "exponents BF16 [128, 512]", "exponents F166 [128, 512]", -EOPNOTSUPP, "k.lossless" },
		{ "exponents BF16 [128, 512]", "exponence BF16 [128, 512]", -EOPNOTSUPP, "k.lossless" },
		{ "exponents BF16 [128, 512]", "structure BF16 [128, 512]", -EOPNOTSUPP, "k.lossless" },
		{ "bitmask F16 [64, 512]", "bitmask F16 [512, 64]", -EBADMSG, "j.half" },
		{ "pinpool.coded.j.half", "pinpool.coded.j.hall", -EBADMSG, "j.hall" },
		{ "pinpool.coded.j.half", "pinpool.coded.g.dens", -EBADMSG, "g.dens" },
		{ "\"pinpool.coded\":\"1\"", "\"pinpool.coded\":\"2\"", -EOPNOTSUPP, "c.safetensors" },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		PINPOOL_OPTS(pinpool_compress_opts, opts, .force = true);

		COMPRESS(FILE_OF("m.safetensors"), FILE_OF("c.safetensors"), &opts);
		replace(_metadata, FILE_OF("c.safetensors"), lies[i].from, lies[i].to);
		EXPECT_EQ(lies[i].err,
			  pinpool_load(self->env.ctx, POOL, FILE_OF("c.safetensors"), NULL, NULL, &self->diag));
		EXPECT_NE(NULL, strstr(self->diag.object, lies[i].object))
		{
			TH_LOG("%s: %s: %s", lies[i].to, self->diag.object, self->diag.cause);
		}
		EXPECT_EQ(0, env_files(&self->env));
	}
}

TEST_F(compress, a_damaged_code_is_refused)
{
	PINPOOL_OPTS(pinpool_compress_opts, back, .decompress = true);
	const char *path = FILE_OF("c.safetensors");
	unsigned char *data, *at;
	size_t bytes;

	COMPRESS(FILE_OF("m.safetensors"), path, NULL);
	data = slurp(path, &bytes);
	at = memmem(data, bytes, "PINPCOD\n", 8);
	ASSERT_NE(NULL, at);
	/* Its header: nothing is published. */
	at[100] ^= 1;
	write_file(path, data, bytes);
	EXPECT_EQ(-EBADMSG, pinpool_load(self->env.ctx, POOL, path, NULL, NULL, &self->diag));
	EXPECT_NE(NULL, strstr(self->diag.object, "tensor a.blocks"));
	EXPECT_EQ(0, env_files(&self->env));
	EXPECT_EQ(-EBADMSG, compress(self, path, FILE_OF("back.safetensors"), &back));
	EXPECT_NE(0, access(FILE_OF("back.safetensors"), F_OK));
	/* Behind it: who decodes finds out. */
	at[100] ^= 1;
	at[1000] ^= 1;
	write_file(path, data, bytes);
	EXPECT_EQ(-EBADMSG, compress(self, path, FILE_OF("back.safetensors"), &back));
	EXPECT_NE(NULL, strstr(self->diag.object, "tensor a.blocks"));
	EXPECT_NE(0, access(FILE_OF("back.safetensors"), F_OK));
	free(data);
}

static int stop_after(void *arg, const struct pinpool_progress *progress)
{
	return --*(int *)arg < 0;
}

TEST_F(compress, canceled_it_leaves_nothing)
{
	static const volatile int now = 1;
	PINPOOL_OPTS(pinpool_compress_opts, opts, .cancel = &now);
	int calls;

	EXPECT_EQ(-ECANCELED, compress(self, FILE_OF("m.safetensors"), POOL, &opts));
	EXPECT_NOTHING_LEFT();
	opts = (struct pinpool_compress_opts){ .size = sizeof(opts), .progress = stop_after, .progress_arg = &calls };
	for (int last = 0; last < 4 * (int)ENTRIES; last += 7) {
		calls = last;
		ASSERT_EQ(-ECANCELED, compress(self, FILE_OF("m.safetensors"), POOL, &opts));
		EXPECT_NOTHING_LEFT();
		calls = last;
		ASSERT_EQ(-ECANCELED, compress(self, FILE_OF("m.safetensors"), FILE_OF("c.safetensors"), &opts));
		EXPECT_NOTHING_LEFT();
	}
}

TEST_F(compress, a_pool_too_small_says_what_is_needed)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 4096);
	PINPOOL_OPTS(pinpool_compress_opts, opts, .create = &create);
	struct pinpool_info info = { .size = sizeof(info) };
	unsigned long long need = 0;

	EXPECT_EQ(-ENOSPC, compress(self, FILE_OF("m.safetensors"), POOL, &opts));
	EXPECT_EQ(1, sscanf(self->diag.change, "give a capacity of at least %llu", &need));
	EXPECT_NOTHING_LEFT();
	create.capacity = need;
	COMPRESS(FILE_OF("m.safetensors"), POOL, &opts);
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, POOL, &info, NULL));
	EXPECT_EQ(PINPOOL_STATE_READY, info.state);
}

TEST_F(compress, what_is_there_stays)
{
	PINPOOL_OPTS(pinpool_compress_opts, force, .force = true);
	struct pinpool_pool *pool;

	write_file(FILE_OF("c.safetensors"), "x", 1);
	EXPECT_EQ(-EEXIST, compress(self, FILE_OF("m.safetensors"), FILE_OF("c.safetensors"), NULL));
	COMPRESS(FILE_OF("m.safetensors"), FILE_OF("c.safetensors"), &force);
	COMPRESS(FILE_OF("m.safetensors"), POOL, NULL);
	EXPECT_EQ(-EEXIST, compress(self, FILE_OF("m.safetensors"), POOL, NULL));
	compare_pool(_metadata, self);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	/* Somebody else is loading it: it is his. */
	ASSERT_EQ(0, env_create(&self->env, POOL, 2));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_WRITE, &pool, NULL));
	ASSERT_EQ(0, pinpool_pool_begin(pool, NULL));
	EXPECT_EQ(-EBUSY, compress(self, FILE_OF("m.safetensors"), POOL, NULL));
	EXPECT_EQ(PINPOOL_STATE_LOADING, env_state(&self->env, POOL));
	pinpool_pool_abort(pool);
	pinpool_pool_close(pool);
}

TEST_F(compress, options_that_make_no_sense)
{
	static const char *const none[] = { "nothing*" };
	PINPOOL_OPTS(pinpool_compress_opts, opts, .max_error = NAN);
	const char *path = FILE_OF("m.safetensors");

	EXPECT_EQ(-EINVAL, compress(self, path, POOL, &opts));
	opts.max_error = -1;
	EXPECT_EQ(-EINVAL, compress(self, path, POOL, &opts));
	opts.max_error = 0;
	opts.code = "morse";
	EXPECT_EQ(-EINVAL, compress(self, path, POOL, &opts));
	EXPECT_STREQ("morse", self->diag.object);
	/* Loses bits, and none may be lost. */
	opts.code = "means16";
	EXPECT_EQ(-EINVAL, compress(self, path, POOL, &opts));
	opts.code = "sparse";
	opts.decompress = true;
	EXPECT_EQ(-EINVAL, compress(self, path, POOL, &opts));
	opts = (struct pinpool_compress_opts){ .size = sizeof(opts), .tensors = none, .tensor_count = 1 };
	EXPECT_EQ(-ENOENT, compress(self, path, POOL, &opts));
	EXPECT_STREQ("nothing*", self->diag.object);
	EXPECT_EQ(-ENOENT, compress(self, "no-such", POOL, NULL));
	EXPECT_EQ(-EINVAL, compress(self, path, "no name", NULL));
	EXPECT_NOTHING_LEFT();
}

TEST_F(compress, a_part_of_a_code_means_nothing)
{
	static const char *const rows[] = { "k.lossless" };
	PINPOOL_OPTS(pinpool_load_opts, opts, .ranks = 2, .rows = rows, .row_count = 1);

	COMPRESS(FILE_OF("m.safetensors"), FILE_OF("c.safetensors"), NULL);
	EXPECT_EQ(-EINVAL, pinpool_load(self->env.ctx, POOL, FILE_OF("c.safetensors"), &opts, NULL, &self->diag));
	EXPECT_NE(NULL, strstr(self->diag.object, "k.lossless"));
	EXPECT_EQ(0, env_files(&self->env));
}

/* A selection is a new file, which says of its own tensors how they are coded and nothing of the others. */
TEST_F(compress, some_of_it_is_saved)
{
	static const char *const some[] = { "[gjk]*" };
	PINPOOL_OPTS(pinpool_save_opts, opts, .tensors = some, .tensor_count = 1);
	struct pinpool_tensor tensor = { .size = sizeof(tensor) };
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;

	COMPRESS(FILE_OF("m.safetensors"), POOL, NULL);
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &pool, NULL));
	ASSERT_EQ(0, pinpool_save(pool, FILE_OF("some.safetensors"), &opts, NULL, &self->diag));
	pinpool_pool_close(pool);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, FILE_OF("some.safetensors"), NULL, NULL, &self->diag))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &pool, NULL));
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	EXPECT_EQ(3, pinpool_catalog_tensor_count(catalog));
	compare(_metadata, catalog, &entries[6]);
	compare(_metadata, catalog, &entries[9]);
	compare(_metadata, catalog, &entries[10]);
	/* A selection of a load likewise; codes stay where products can read them. */
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	COMPRESS(FILE_OF("m.safetensors"), FILE_OF("c.safetensors"), NULL);
	{
		PINPOOL_OPTS(pinpool_load_opts, load, .tensors = some, .tensor_count = 1);

		ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, FILE_OF("c.safetensors"), &load, NULL, &self->diag));
	}
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &pool, NULL));
	ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
	compare(_metadata, catalog, &entries[10]);
	ASSERT_EQ(0, pinpool_catalog_find(catalog, "k.lossless", &tensor));
	EXPECT_EQ(0, tensor.offset % 64);
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
}

/* A checkpoint of your own, by its path: all of it comes back. */
TEST_F(compress, real_weights)
{
	PINPOOL_OPTS(pinpool_compress_opts, back, .decompress = true);
	const char *path = getenv("PINPOOL_TEST_CHECKPOINT");

	if (!path)
		SKIP(return, "PINPOOL_TEST_CHECKPOINT names no checkpoint");
	COMPRESS(path, FILE_OF("c.safetensors"), NULL);
	COMPRESS(FILE_OF("c.safetensors"), FILE_OF("back.safetensors"), &back);
	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, FILE_OF("back.safetensors"), NULL, NULL, &self->diag));
	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL "-2", path, NULL, NULL, &self->diag));
	{
		struct pinpool_tensor is = { .size = sizeof(is) }, should = { .size = sizeof(should) };
		struct pinpool_catalog *a, *b;
		struct pinpool_pool *x, *y;

		ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &x, NULL));
		ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, POOL "-2", PINPOOL_OPEN_READ, &y, NULL));
		ASSERT_EQ(0, pinpool_catalog_open(x, &a, NULL));
		ASSERT_EQ(0, pinpool_catalog_open(y, &b, NULL));
		for (size_t i = 0; !pinpool_catalog_tensor(b, i, &should); i++) {
			ASSERT_EQ(0, pinpool_catalog_find(a, should.name, &is));
			EXPECT_EQ(0, memcmp(should.digest, is.digest, sizeof(is.digest)));
		}
	}
}

TEST_HARNESS_MAIN
