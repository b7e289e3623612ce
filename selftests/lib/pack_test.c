/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Packings in pools: what was made is what the kernels would have made for themselves, of the tensors that were chosen,
 * and is found by whoever holds the same weights.
 */
#include "pack_case.h"
#include "pool/catalog_writer.h"

/* The same tensors, and a header that is longer by one. */
#define OTHER_DATA HEADER " "

TEST_F(pack, every_tensor_with_kernels_is_packed_once_for_all)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .mode = 0660, .evictable = variant->backend == PINPOOL_BACKEND_MODULE,
		     .priority = variant->backend == PINPOOL_BACKEND_MODULE ? 3 : 0);
	PINPOOL_OPTS(pinpool_load_opts, load_opts, .create = &create);
	PINPOOL_OPTS(pinpool_pack_opts, opts, .math = self->math);
	struct pinpool_pack_report report = {.size = sizeof(report)};
	struct pinpool_packing packing = {.size = sizeof(packing)};
	struct pinpool_info info = {.size = sizeof(info)};
	struct pinpool_packings *packings;
	struct pinpool_pool *pool;
	uint64_t packed = 0;
	char **names;
	size_t count;

	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, self->file, &load_opts, NULL, NULL));
	EXPECT_OK_OR(-ENOENT, try_packings(&self->env, self->math, &self->diag));
	EXPECT_OK_OR(0, pinpool_pack(self->env.ctx, POOL, &opts, &report, &self->diag));
	EXPECT_STREQ(self->name, report.name);
	EXPECT_EQ(pinpool_math_isa(self->math), report.isa);
	EXPECT_EQ(3, report.tensors);
	EXPECT_EQ(60300 + 158620 + 6, report.bytes);
	EXPECT_GT(report.create_ns, 0);
	EXPECT_GT(report.elapsed_ns, 0);

	ASSERT_EQ(0, EXPECT_OK_OR(0, open_packings(&self->env, self->math, &pool, &packings, &self->diag)));
	for (size_t i = 0; i < 3; i++) {
		EXPECT_EQ(0, is_right(self->math, pool, packings, packable[i]))
		{
			TH_LOG("%s", packable[i]);
		}
		EXPECT_EQ(0, pinpool_packings_find(packings, packable[i], &packing, NULL));
		packed += packing.bytes;
	}
	EXPECT_EQ(packed, report.packed_bytes);
	EXPECT_OK_OR(-ENOENT, pinpool_packings_find(packings, "bias", &packing, &self->diag));
	packing.size = 1;
	EXPECT_EQ(-EINVAL, pinpool_packings_find(packings, "w.f32", &packing, NULL));

	/* As the pool is, but for who may write. */
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, self->name, &info, NULL));
	EXPECT_EQ(0640, info.mode);
	EXPECT_EQ(geteuid(), info.uid);
	EXPECT_EQ(create.evictable, info.evictable);
	EXPECT_EQ(create.priority, info.priority);

	EXPECT_PACK(-EEXIST);
	ASSERT_EQ(0, pinpool_packings_list(self->env.ctx, POOL, &names, &count));
	EXPECT_EQ(1, count);
	EXPECT_STREQ(self->name, names[0]);
	free(names);
	ASSERT_EQ(0, pinpool_packings_list(self->env.ctx, "pack", &names, &count));
	EXPECT_EQ(0, count);
	free(names);
	EXPECT_OK_OR(0, pinpool_packings_check(self->env.ctx, self->name, &self->diag));
	EXPECT_OK_OR(-ENOENT, pinpool_packings_check(self->env.ctx, POOL, &self->diag));

	/* Who uses them keeps them. */
	EXPECT_OK_OR(0, pinpool_packings_drop(self->env.ctx, POOL, report.isa, &self->diag));
	EXPECT_EQ(0, is_right(self->math, pool, packings, "w.f32"));
	EXPECT_OK_OR(-ENOENT, pinpool_packings_drop(self->env.ctx, POOL, report.isa, &self->diag));
	EXPECT_EQ(-ENOENT, env_state(&self->env, self->name));
	pinpool_packings_close(packings);
	pinpool_pool_close(pool);
}

TEST_F(pack, packings_multiply)
{
	const uint64_t m = 5, n = 201, k = 75;
	float *x = calloc(m * k, sizeof(*x)), *y = calloc(2 * m * n, sizeof(*y));
	struct pinpool_packing packing = {.size = sizeof(packing)};
	PINPOOL_OPTS(pinpool_matmul_args, args, .m = m, .n = n, .k = k, .x = x, .y = y, .w_dtype = PINPOOL_DTYPE_F32,
		     .packing = &packing);
	struct pinpool_packings *packings;
	struct pinpool_pool *pool;
	float *file = calloc(n * k, sizeof(*file)), sum;

	/* Products of small integers are exact. */
	for (uint64_t i = 0; i < m * k; i++)
		x[i] = (float)(i % 7) - 3;
	for (uint64_t i = 0; i < n * k; i++)
		file[i] = (float)(i % 11) - 5;
	write_safetensors(self->file, HEADER, DATA);
	{
		FILE *out = fopen(self->file, "r+e");

		ASSERT_NE(NULL, out);
		ASSERT_EQ(0, fseek(out, 8 + (long)strlen(HEADER), SEEK_SET));
		ASSERT_EQ(n * k, fwrite(file, sizeof(*file), n * k, out));
		fclose(out);
	}
	ASSERT_EQ(0, load(&self->env, self->file));
	EXPECT_PACK(0);
	ASSERT_EQ(0, open_packings(&self->env, self->math, &pool, &packings, NULL));
	ASSERT_EQ(0, pinpool_packings_find(packings, "w.f32", &packing, NULL));
	EXPECT_OK_OR(0, pinpool_matmul(self->math, &args, &self->diag));
	for (uint64_t i = 0; i < m; i++) {
		for (uint64_t j = 0; j < n; j++) {
			sum = 0;
			for (uint64_t t = 0; t < k; t++)
				sum += x[i * k + t] * file[j * k + t];
			ASSERT_EQ(sum, y[i * n + j]);
		}
	}
	pinpool_packings_close(packings);
	pinpool_pool_close(pool);
	free(file);
	free(x);
	free(y);
}

/* A READY pool with one tensor of blocks, which no checkpoint of this format has. */
static int make_blocks(struct pool_env *env, enum pinpool_dtype dtype, uint64_t n, uint64_t k)
{
	const uint64_t bytes = n * pinpool_dtype_bytes(dtype, k), length = 7 + bytes;
	const struct pinpool_source source = {.path = "/blocks", .format = "none", .bytes = length};
	const uint64_t shape[] = {n, k};
	const struct pinpool_tensor tensor = {
		.name = "blocks", .dtype = dtype, .ndim = 2, .shape = shape, .offset = 7, .bytes = bytes};
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = length + 16384);
	struct catalog_writer *writer;
	struct pinpool_pool *pool;
	const char *duplicate;
	size_t capacity;
	uint8_t *data;
	void *addr;
	int err;

	if (catalog_writer_new(&writer) || catalog_writer_add_source(writer, &source) ||
	    catalog_writer_add_tensor(writer, &tensor) || catalog_writer_seal(writer, &duplicate) ||
	    pinpool_pool_create(env->ctx, POOL, &create, NULL) ||
	    pinpool_pool_open(env->ctx, POOL, PINPOOL_OPEN_WRITE, &pool, NULL))
		return -ECHILD;
	err = pinpool_pool_begin(pool, NULL);
	if (!err)
		err = pinpool_pool_map_writable(pool, &addr, &capacity);
	if (!err) {
		data = make_pattern(dtype, 0, length);
		memcpy(addr, data, length);
		free(data);
		err = catalog_writer_write(writer, addr, capacity, length);
	}
	if (!err)
		err = env_commit(pool, length);
	catalog_writer_free(writer);
	pinpool_pool_close(pool);
	return err;
}

TEST_F(pack, blocks_are_packed_too)
{
	static const enum pinpool_dtype types[] = {PINPOOL_DTYPE_Q8_0, PINPOOL_DTYPE_Q4_0, PINPOOL_DTYPE_Q4_K,
						   PINPOOL_DTYPE_Q6_K};
	struct pinpool_packings *packings;
	struct pinpool_pool *pool;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		ASSERT_EQ(0, make_blocks(&self->env, types[i], 75, 512));
		EXPECT_PACK(0);
		ASSERT_EQ(0, EXPECT_OK_OR(0, open_packings(&self->env, self->math, &pool, &packings, &self->diag)));
		EXPECT_EQ(0, is_right(self->math, pool, packings, "blocks"))
		{
			TH_LOG("%s", pinpool_dtype_name(types[i]));
		}
		pinpool_packings_close(packings);
		pinpool_pool_close(pool);
		ASSERT_EQ(0, pinpool_packings_drop(self->env.ctx, POOL, pinpool_math_isa(self->math), NULL));
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	}
}

TEST_F(pack, names_and_patterns_choose)
{
	static const struct {
		const char *tensors[2];
		int err;
		const char *packed;
	} cases[] = {
		{{"w.bf16"}, 0, "w.bf16"},
		{{"w.*", "v.f16"}, 0, "v.f16 w.bf16 w.f32"},
		{{"*", "w.f32"}, 0, "v.f16 w.bf16 w.f32"},
		{{"[vx].*"}, 0, "v.f16"},
		{{"w.f32", "nothing*"}, -ENOENT, NULL},
		/* Matches, but nothing that could be packed. */
		{{"b*"}, -ENOENT, NULL},
		{{"bias"}, -EOPNOTSUPP, NULL},
		{{"w.f32", "i32"}, -EOPNOTSUPP, NULL},
		{{"i8"}, -EOPNOTSUPP, NULL},
		{{"none"}, -EOPNOTSUPP, NULL},
	};
	struct pinpool_packed packed = {.size = sizeof(packed)};
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;
	char found[64];

	ASSERT_EQ(0, load(&self->env, self->file));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (EXPECT_PACK(cases[i].err, .tensors = cases[i].tensors,
				.tensor_count = cases[i].tensors[1] ? 2 : 1)) {
			EXPECT_EQ(-ENOENT, env_state(&self->env, self->name));
			continue;
		}
		found[0] = '\0';
		ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, self->name, PINPOOL_OPEN_READ, &pool, NULL));
		ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
		for (size_t t = 0; !pinpool_catalog_packing(catalog, t, &packed); t++)
			snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%s", t ? " " : "",
				 packed.tensor);
		EXPECT_STREQ(cases[i].packed, found);
		pinpool_catalog_close(catalog);
		pinpool_pool_close(pool);
		ASSERT_EQ(0, pinpool_packings_drop(self->env.ctx, POOL, pinpool_math_isa(self->math), NULL));
	}
}

TEST_F(pack, other_weights_are_never_taken_for_those_that_were_packed)
{
	const char *other = in_folder(self->folder, "other.safetensors");
	struct pinpool_info info = {.size = sizeof(info)};
	uint64_t length;

	write_safetensors(other, OTHER_DATA, DATA - 1);
	ASSERT_EQ(0, truncate(other, 8 + strlen(OTHER_DATA) + DATA));
	ASSERT_EQ(0, load(&self->env, self->file));
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, POOL, &info, NULL));
	length = info.length;
	EXPECT_PACK(0);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	EXPECT_OK_OR(-ENOENT, pinpool_packings_check(self->env.ctx, self->name, &self->diag));
	/* The same weights are the same weights. */
	ASSERT_EQ(0, load(&self->env, self->file));
	EXPECT_OK_OR(0, pinpool_packings_check(self->env.ctx, self->name, &self->diag));
	EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));

	write_safetensors(self->file, HEADER, DATA);
	{
		FILE *out = fopen(self->file, "r+e");

		/* One bit of one weight. */
		ASSERT_NE(NULL, out);
		ASSERT_EQ(0, fseek(out, 8 + (long)strlen(HEADER) + 1000, SEEK_SET));
		ASSERT_NE(EOF, fputc(pattern_at(strlen(HEADER), 8 + strlen(HEADER) + 1000) ^ 1, out));
		fclose(out);
	}
	ASSERT_EQ(0, load(&self->env, self->file));
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, POOL, &info, NULL));
	EXPECT_EQ(length, info.length);
	EXPECT_OK_OR(-ESTALE, pinpool_packings_check(self->env.ctx, self->name, &self->diag));
	EXPECT_OK_OR(-ESTALE, try_packings(&self->env, self->math, &self->diag));
	/* Packing again replaces them. */
	EXPECT_PACK(0);
	EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	ASSERT_EQ(0, load(&self->env, other));
	EXPECT_OK_OR(-ESTALE, try_packings(&self->env, self->math, &self->diag));
}

TEST_F(pack, without_digests_a_pool_is_only_itself)
{
	PINPOOL_OPTS(pinpool_load_opts, opts, .no_digest = true);

	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, self->file, &opts, NULL, NULL));
	EXPECT_PACK(0);
	EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, self->file, &opts, NULL, NULL));
	EXPECT_OK_OR(-ESTALE, try_packings(&self->env, self->math, &self->diag));
}

TEST_F(pack, other_kernels_make_their_own)
{
	PINPOOL_OPTS(pinpool_math_opts, opts, .threads = 1, .isa = PINPOOL_ISA_PORTABLE);
	struct pinpool_math *portable;
	char name[PINPOOL_NAME_MAX + 1];

	if (pinpool_math_isa(self->math) == PINPOOL_ISA_PORTABLE)
		SKIP(return, "this processor has no other kernels");
	ASSERT_EQ(0, pinpool_math_new(&portable, &opts, NULL));
	ASSERT_EQ(0, load(&self->env, self->file));
	EXPECT_PACK(0, .math = portable);
	EXPECT_OK_OR(-EOPNOTSUPP, try_packings(&self->env, self->math, &self->diag));
	EXPECT_NE(NULL, strstr(self->diag.cause, "portable"));
	EXPECT_PACK(0);
	EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
	EXPECT_OK_OR(0, try_packings(&self->env, portable, &self->diag));
	/* One goes, the other stays. */
	EXPECT_OK_OR(0, pinpool_packings_drop(self->env.ctx, POOL, PINPOOL_ISA_PORTABLE, &self->diag));
	EXPECT_OK_OR(0, try_packings(&self->env, self->math, &self->diag));
	ASSERT_EQ(0, pinpool_packings_name(POOL, PINPOOL_ISA_PORTABLE, name, NULL));
	EXPECT_STREQ(POOL ".portable", name);
	pinpool_math_free(portable);
}

TEST_F(pack, names_have_to_leave_room)
{
	char name[PINPOOL_NAME_MAX + 2], out[PINPOOL_NAME_MAX + 1];

	memset(name, 'a', sizeof(name));
	name[PINPOOL_NAME_MAX - strlen(".avx2")] = '\0';
	EXPECT_OK_OR(0, pinpool_packings_name(name, PINPOOL_ISA_AVX2, out, &self->diag));
	EXPECT_EQ(PINPOOL_NAME_MAX, strlen(out));
	EXPECT_OK_OR(-ENAMETOOLONG, pinpool_packings_name(name, PINPOOL_ISA_AVX512, out, &self->diag));
	EXPECT_OK_OR(-EINVAL, pinpool_packings_name(name, PINPOOL_ISA_AUTO, out, &self->diag));
	EXPECT_OK_OR(-EINVAL, pinpool_packings_name(name, PINPOOL_ISA_COUNT, out, &self->diag));
	EXPECT_OK_OR(-EINVAL, pinpool_packings_name(".a", PINPOOL_ISA_AVX2, out, &self->diag));
	EXPECT_OK_OR(-EINVAL, pinpool_packings_name(NULL, PINPOOL_ISA_AVX2, out, &self->diag));

	/* A pool with such a name multiplies as it is, and says what would help. */
	memset(name, 'a', sizeof(name));
	name[PINPOOL_NAME_MAX] = '\0';
	ASSERT_EQ(0, pinpool_load(self->env.ctx, name, self->file, NULL, NULL, NULL));
	EXPECT_OK_OR(-ENAMETOOLONG, pinpool_pack(self->env.ctx, name, NULL, NULL, &self->diag));
	{
		struct pinpool_packings *packings;
		struct pinpool_pool *pool;

		ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, name, PINPOOL_OPEN_READ, &pool, NULL));
		EXPECT_OK_OR(-ENOENT, pinpool_packings_open(pool, self->math, &packings, &self->diag));
		pinpool_pool_close(pool);
	}
}

static int give_up(void *arg, const struct pinpool_progress *progress)
{
	uint64_t *calls = arg;

	/* In the middle, with something done. */
	return ++*calls > 1 && progress->done > 0;
}

TEST_F(pack, cancelled_leaves_nothing)
{
	volatile int cancel = 1;
	uint64_t calls = 0;

	ASSERT_EQ(0, load(&self->env, self->file));
	EXPECT_PACK(-ECANCELED, .progress = give_up, .progress_arg = &calls);
	EXPECT_EQ(2, calls);
	EXPECT_EQ(-ENOENT, env_state(&self->env, self->name));
	EXPECT_PACK(-ECANCELED, .cancel = &cancel);
	EXPECT_EQ(-ENOENT, env_state(&self->env, self->name));
	/* Nor does what somebody else left, which it has taken. */
	ASSERT_EQ(0, env_create(&self->env, self->name, (8 << 20) / self->env.page));
	EXPECT_PACK(-ECANCELED, .cancel = &cancel);
	EXPECT_EQ(-ENOENT, env_state(&self->env, self->name));
}

TEST_HARNESS_MAIN
