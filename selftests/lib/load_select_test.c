// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Selections: tensors by name, slices for ranks and the order of layers. What arrives is what the files hold of it, the
 * catalog says what it is, no more than its blocks is read, and a cut that is not even is refused.
 */
#define ENV_PAGES 16
#include "checkpoints.h"
#include "harness.h"
#include "load/select.h"
#include "pool_env.h"

#include <errno.h>
#include <pinpool/catalog.h>
#include <pinpool/load.h>
#include <pinpool/pack.h>
#include <xxhash.h>

#define POOL "load-select"

FIXTURE(select)
{
	struct pool_env env;
	struct pinpool_diag diag;
	struct pinpool_load_opts opts;
	struct pinpool_load_report report;
	struct pinpool_pool *pool;
	struct pinpool_catalog *catalog;
	char folder[PATH_MAX];
	char file[PATH_MAX];
};

FIXTURE_VARIANT(select)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(select, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(select, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);
POOL_VARIANT(select, module, PINPOOL_BACKEND_MODULE);

FIXTURE_SETUP(select)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	make_folder(self->folder);
	snprintf(self->file, sizeof(self->file), "%s", in_folder(self->folder, "model.safetensors"));
	self->opts = (struct pinpool_load_opts){.size = sizeof(self->opts)};
	self->report = (struct pinpool_load_report){.size = sizeof(self->report)};
	self->pool = NULL;
	self->catalog = NULL;
}

FIXTURE_TEARDOWN_PARENT(select)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

/* A checkpoint in the making. */
static struct {
	char json[8192];
	size_t bytes;
} header;

static void add(const char *name, const char *dtype, const char *shape, size_t bytes)
{
	size_t used = strlen(header.json);

	snprintf(header.json + used, sizeof(header.json) - used,
		 "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", used ? ',' : '{', name, dtype,
		 shape, header.bytes, header.bytes + bytes);
	header.bytes += bytes;
}

static void write_model(const char *path)
{
	strcat(header.json, "}");
	write_safetensors(path, header.json, header.bytes);
	memset(&header, 0, sizeof(header));
}

/* Loads, opens pool and catalog. */
static int load(FIXTURE_DATA(select) * self, const char *name, const char *path)
{
	int err;

	memset(&self->diag, 0, sizeof(self->diag));
	err = pinpool_load(self->env.ctx, name, path, &self->opts, &self->report, &self->diag);
	if (!err)
		err = pinpool_pool_open(self->env.ctx, name, PINPOOL_OPEN_READ, &self->pool, NULL);
	return err ? err : pinpool_catalog_open(self->pool, &self->catalog, &self->diag);
}

static void unload(FIXTURE_DATA(select) * self, const char *name)
{
	pinpool_catalog_close(self->catalog);
	pinpool_pool_close(self->pool);
	pinpool_pool_destroy(self->env.ctx, name, NULL);
	self->catalog = NULL;
	self->pool = NULL;
}

#define ASSERT_LOADS(name, path)                                                                                       \
	ASSERT_EQ(0, load(self, name, path))                                                                           \
	{                                                                                                              \
		TH_LOG("%s: %s (%s)", self->diag.object, self->diag.cause, self->diag.change);                         \
	}

#define EXPECT_REFUSES(err, object_, cause_)                                                                           \
	({                                                                                                             \
		EXPECT_EQ(err, load(self, POOL, self->file));                                                          \
		EXPECT_NE(NULL, strstr(self->diag.object, object_))                                                    \
		{                                                                                                      \
			TH_LOG("%s: %s", self->diag.object, self->diag.cause);                                         \
		}                                                                                                      \
		EXPECT_NE(NULL, strstr(self->diag.cause, cause_))                                                      \
		{                                                                                                      \
			TH_LOG("%s: %s", self->diag.object, self->diag.cause);                                         \
		}                                                                                                      \
		EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));                                                       \
	})

static bool digest_is(const void *data, size_t bytes, const uint8_t digest[PINPOOL_DIGEST_BYTES])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, bytes));
	return !memcmp(canonical.digest, digest, sizeof(canonical.digest));
}

/* All of the pool: the digest it was committed with, which a verification finds again, and those of the tensors. */
static void check_digests(struct __test_metadata *_metadata, FIXTURE_DATA(select) * self)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_info info = {.size = sizeof(info)};
	const void *base;

	ASSERT_EQ(0, pinpool_pool_get_info(self->pool, &info));
	ASSERT_EQ(0, pinpool_pool_map(self->pool, &base, NULL));
	EXPECT_EQ(PINPOOL_DIGEST_XXH3_128, info.digest_kind);
	EXPECT_TRUE(digest_is(base, info.length, info.digest));
	EXPECT_EQ(0, pinpool_verify(self->pool, NULL, NULL, NULL));
	for (size_t i = 0; !pinpool_catalog_tensor(self->catalog, i, &tensor); i++)
		EXPECT_TRUE(tensor.has_digest && digest_is(tensor.data, tensor.bytes, tensor.digest));
}

/* A tensor of the whole checkpoint, its bytes the caller's. */
struct whole {
	uint64_t shape[4];
	uint64_t bytes;
	uint8_t *data;
};

static struct whole copy_whole(const struct pinpool_catalog *catalog, const char *name)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct whole whole = {0};

	if (pinpool_catalog_find(catalog, name, &tensor))
		return whole;
	memcpy(whole.shape, tensor.shape, tensor.ndim * sizeof(*tensor.shape));
	whole.bytes = tensor.bytes;
	whole.data = malloc(tensor.bytes + 1);
	memcpy(whole.data, tensor.data, tensor.bytes);
	return whole;
}

/* Every width of an element, by rows and by columns; by rows also where a row has three dimensions behind it. */
static const struct {
	const char *dtype;
	const char *shape;
	size_t bytes;
	uint64_t extents[3];
	unsigned int bits;
} widths[] = {
	{"F4", "12,24", 144, {12, 24}, 4},	 {"F6_E2M3", "12,16", 144, {12, 16}, 6},
	{"U8", "300,1111", 333300, {300, 1111}, 8}, {"BF16", "36,5000", 360000, {36, 5000}, 16},
	{"F32", "24,3,40", 11520, {24, 3, 40}, 32},	 {"F64", "600,40", 192000, {600, 40}, 64},
};

#define WIDTHS (sizeof(widths) / sizeof(widths[0]))

static void write_widths(const char *path)
{
	char name[32];

	for (size_t i = 0; i < WIDTHS; i++) {
		snprintf(name, sizeof(name), "w%zu", i);
		add(name, widths[i].dtype, widths[i].shape, widths[i].bytes);
	}
	add("none", "F32", "0,8", 0);
	write_model(path);
}

/* Puts the slices of all ranks together again. */
static void check_slices(struct __test_metadata *_metadata, FIXTURE_DATA(select) * self, const struct whole *wholes,
			 uint32_t rank, uint32_t ranks, bool rows)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	char name[32];

	for (size_t i = 0; i < WIDTHS; i++) {
		const uint32_t ndim = widths[i].extents[2] ? 3 : 2, dim = rows ? 0 : ndim - 1;
		const uint64_t share = widths[i].extents[dim] / ranks;
		uint64_t width, outer = 1;

		snprintf(name, sizeof(name), "w%zu", i);
		if (!rows && widths[i].bits == 8)
			continue; /* 1111 columns are left whole */
		ASSERT_EQ(0, pinpool_catalog_find(self->catalog, name, &tensor));
		ASSERT_TRUE(tensor.sliced);
		EXPECT_EQ(dim, tensor.slice_dim);
		EXPECT_EQ(rank * share, tensor.slice_begin);
		EXPECT_EQ(widths[i].extents[dim], tensor.slice_extent);
		EXPECT_EQ(share, tensor.shape[dim]);
		EXPECT_EQ(wholes[i].bytes / ranks, tensor.bytes);
		for (uint32_t d = 0; d < dim; d++)
			outer *= widths[i].extents[d];
		width = wholes[i].bytes / outer / ranks;
		for (uint64_t o = 0; o < outer; o++)
			ASSERT_EQ(0, memcmp(wholes[i].data + o * width * ranks + rank * width,
					    (const uint8_t *)tensor.data + o * width, width));
	}
}

TEST_F_TIMEOUT(select, slices_of_every_width_make_the_whole_by_every_path, 120)
{
	static const char *const rows[] = {"w*"}, *const columns[] = {"w[!2]"};
	struct whole wholes[WIDTHS];
	char name[32];

	write_widths(self->file);
	ASSERT_LOADS(POOL, self->file);
	for (size_t i = 0; i < WIDTHS; i++) {
		snprintf(name, sizeof(name), "w%zu", i);
		wholes[i] = copy_whole(self->catalog, name);
		ASSERT_NE(NULL, wholes[i].data);
	}
	unload(self, POOL);
	for (enum pinpool_io io = PINPOOL_IO_URING_FIXED; io <= PINPOOL_IO_URING_CMD; io++) {
		for (uint32_t rank = 0; rank < 8; rank++) {
			int err;

			self->opts = (struct pinpool_load_opts){
				.size = sizeof(self->opts),
				.io = io,
				.rank = rank / 2,
				.ranks = 4,
				.rows = rows,
				.row_count = rank % 2,
				.columns = columns,
				.column_count = !(rank % 2),
			};
			err = load(self, POOL, self->file);
			if (err == -EOPNOTSUPP && io != PINPOOL_IO_PREAD)
				break;
			ASSERT_EQ(0, err)
			{
				TH_LOG("%s: %s", self->diag.object, self->diag.cause);
			}
			EXPECT_EQ(io, self->report.io);
			EXPECT_EQ(WIDTHS + 1, self->report.tensors);
			check_slices(_metadata, self, wholes, rank / 2, 4, rank % 2);
			check_digests(_metadata, self);
			unload(self, POOL);
		}
	}
	for (size_t i = 0; i < WIDTHS; i++)
		free(wholes[i].data);
}

TEST_F(select, by_name_only_what_is_named_is_read)
{
	static const char *const names[] = {"big.1", "small.*"};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_source source = {.size = sizeof(source)};
	struct stat st;
	size_t at;

	add("big.0", "U8", "1000000", 1000000);
	add("big.1", "U8", "50001", 50001);
	add("small.0", "U8", "100", 100);
	add("none", "U8", "0", 0);
	add("big.2", "U8", "1000000", 1000000);
	add("small.1", "U8", "7", 7);
	at = 8 + strlen(header.json) + 1;
	write_model(self->file);
	ASSERT_EQ(0, stat(self->file, &st));
	self->opts.tensors = names;
	self->opts.tensor_count = 2;
	ASSERT_LOADS(POOL, self->file);
	EXPECT_EQ(3, pinpool_catalog_tensor_count(self->catalog));
	EXPECT_EQ(3, self->report.tensors);
	EXPECT_EQ(1, self->report.files);
	/* Two pieces: big.1 with small.0, and small.1; each with the rest of two blocks at most. */
	EXPECT_GE(self->report.bytes, 50001 + 100 + 7);
	EXPECT_LE(self->report.bytes, 50001 + 100 + 7 + 4 * 4096);
	ASSERT_EQ(0, pinpool_catalog_find(self->catalog, "big.1", &tensor));
	EXPECT_FALSE(tensor.sliced);
	EXPECT_EQ((at + 1000000) % 4096, tensor.offset % 4096);
	for (size_t i = 0; i < tensor.bytes; i++)
		ASSERT_EQ(pattern_at(at - 8, at + 1000000 + i), ((const uint8_t *)tensor.data)[i]);
	ASSERT_EQ(0, pinpool_catalog_find(self->catalog, "small.1", &tensor));
	EXPECT_EQ(pattern_at(at - 8, (size_t)st.st_size - 1), ((const uint8_t *)tensor.data)[6]);
	ASSERT_EQ(1, pinpool_catalog_source_count(self->catalog));
	ASSERT_EQ(0, pinpool_catalog_source(self->catalog, 0, &source));
	EXPECT_TRUE(source.part);
	EXPECT_FALSE(source.has_digest);
	EXPECT_EQ(st.st_size, source.file_bytes);
	EXPECT_EQ(st.st_ino, source.inode);
	check_digests(_metadata, self);
	unload(self, POOL);
}

TEST_F(select, of_columns_only_their_blocks_are_read)
{
	static const char *const columns[] = {"m"};

	add("m", "F32", "64,16384", 4 << 20);
	write_model(self->file);
	self->opts.ranks = 8;
	self->opts.rank = 3;
	self->opts.columns = columns;
	self->opts.column_count = 1;
	ASSERT_LOADS(POOL, self->file);
	EXPECT_GE(self->report.bytes, (4 << 20) / 8);
	EXPECT_LE(self->report.bytes, (4 << 20) / 8 + 64 * 2 * 4096);
	check_digests(_metadata, self);
	unload(self, POOL);
}

/* All of every file, in order, is an image, whichever way it was asked for. */
TEST_F(select, everything_is_the_file_unchanged)
{
	static const char *const all[] = {"*"};
	struct pinpool_source source = {.size = sizeof(source)};
	struct stat st;

	add("b", "U8", "5000", 5000);
	add("a", "U8", "7", 7);
	write_model(self->file);
	ASSERT_EQ(0, stat(self->file, &st));
	self->opts.tensors = all;
	self->opts.tensor_count = 1;
	ASSERT_LOADS(POOL, self->file);
	ASSERT_EQ(0, pinpool_catalog_source(self->catalog, 0, &source));
	EXPECT_FALSE(source.part);
	EXPECT_TRUE(source.has_digest);
	EXPECT_EQ(st.st_size, source.bytes);
	EXPECT_EQ(st.st_size, source.file_bytes);
	EXPECT_EQ(st.st_size, self->report.bytes);
	unload(self, POOL);
}

static void write_shards(const char *folder)
{
	add("lm_head.weight", "BF16", "16,8", 256);
	add("model.layers.10.self_attn.q_proj.weight", "BF16", "8,8", 128);
	add("model.layers.10.self_attn.q_proj.bias", "BF16", "8", 16);
	add("model.layers.2.mlp.down_proj.weight", "BF16", "8,16", 256);
	write_model(in_folder(folder, "s-1.safetensors"));
	add("model.norm.weight", "BF16", "8", 16);
	add("model.layers.10.self_attn.o_proj.bias", "BF16", "8", 16);
	add("model.layers.2.self_attn.o_proj.weight", "BF16", "8,8", 128);
	add("model.layers.2.input_layernorm.weight", "BF16", "8", 16);
	add("blk.7.attn_q_norm.weight", "BF16", "9", 18);
	add("model.embed_tokens.weight", "BF16", "16,8", 256);
	write_model(in_folder(folder, "s-2.safetensors"));
	write_file(in_folder(folder, "model.safetensors.index.json"),
#define ENTRY(name, shard) "\"" name "\":\"s-" #shard ".safetensors\""
		   "{\"weight_map\":{" ENTRY("lm_head.weight", 1) "," ENTRY("model.layers.10.self_attn.q_proj.weight", 1) ","
		   ENTRY("model.layers.10.self_attn.q_proj.bias", 1) "," ENTRY("model.layers.2.mlp.down_proj.weight", 1) ","
		   ENTRY("model.norm.weight", 2) "," ENTRY("model.layers.10.self_attn.o_proj.bias", 2) ","
		   ENTRY("model.layers.2.self_attn.o_proj.weight", 2) "," ENTRY("model.layers.2.input_layernorm.weight", 2)
		   "," ENTRY("blk.7.attn_q_norm.weight", 2) "," ENTRY("model.embed_tokens.weight", 2) "}}",
		   strlen("{\"weight_map\":{" ENTRY("lm_head.weight", 1) ","
			  ENTRY("model.layers.10.self_attn.q_proj.weight", 1) ","
			  ENTRY("model.layers.10.self_attn.q_proj.bias", 1) "," ENTRY("model.layers.2.mlp.down_proj.weight", 1)
			  "," ENTRY("model.norm.weight", 2) "," ENTRY("model.layers.10.self_attn.o_proj.bias", 2) ","
			  ENTRY("model.layers.2.self_attn.o_proj.weight", 2) ","
			  ENTRY("model.layers.2.input_layernorm.weight", 2) "," ENTRY("blk.7.attn_q_norm.weight", 2) ","
			  ENTRY("model.embed_tokens.weight", 2) "}}"));
}

TEST_F(select, layers_come_in_order_across_shards_and_known_names_are_cut)
{
	static const struct {
		const char *name;
		int dim; /* that is cut, or -1 */
	} order[] = {
		{"model.embed_tokens.weight", 0},
		{"model.layers.2.mlp.down_proj.weight", 1},
		{"model.layers.2.self_attn.o_proj.weight", 1},
		{"model.layers.2.input_layernorm.weight", -1},
		{"blk.7.attn_q_norm.weight", -1},
		{"model.layers.10.self_attn.q_proj.weight", 0},
		{"model.layers.10.self_attn.q_proj.bias", 0},
		{"model.layers.10.self_attn.o_proj.bias", -1},
		{"lm_head.weight", 0},
		{"model.norm.weight", -1},
	};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_source source = {.size = sizeof(source)};

	write_shards(self->folder);
	for (uint32_t ranks = 0; ranks <= 2; ranks++) {
		self->opts.order = PINPOOL_LOAD_ORDER_LAYER;
		self->opts.ranks = ranks;
		self->opts.rank = ranks ? ranks - 1 : 0;
		ASSERT_LOADS(POOL, self->folder);
		ASSERT_EQ(10, pinpool_catalog_tensor_count(self->catalog));
		for (size_t i = 0; i < 10; i++) {
			ASSERT_EQ(0, pinpool_catalog_tensor(self->catalog, i, &tensor));
			EXPECT_STREQ(order[i].name, tensor.name);
			EXPECT_EQ(ranks == 2 && order[i].dim >= 0, tensor.sliced);
			if (tensor.sliced)
				EXPECT_EQ((uint32_t)order[i].dim, tensor.slice_dim);
		}
		/* The first tensor is of the second shard. */
		ASSERT_EQ(2, pinpool_catalog_source_count(self->catalog));
		ASSERT_EQ(0, pinpool_catalog_source(self->catalog, 0, &source));
		EXPECT_NE(NULL, strstr(source.path, "/s-2.safetensors"));
		EXPECT_EQ(2, self->report.files);
		check_digests(_metadata, self);
		unload(self, POOL);
	}
}

/* A pool on demand has no page where a slice is copied to until somebody asks for it. */
TEST_F(select, slices_go_into_a_pool_on_demand)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .on_demand = true);
	static const char *const columns[] = {"m"};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};

	if (variant->backend == PINPOOL_BACKEND_SHM)
		SKIP(return, "no pools on demand on shm");
	add("m", "U8", "3000,100", 300000);
	write_model(self->file);
	self->opts.create = &create;
	self->opts.ranks = 10;
	self->opts.columns = columns;
	self->opts.column_count = 1;
	ASSERT_LOADS(POOL, self->file);
	ASSERT_EQ(0, pinpool_catalog_find(self->catalog, "m", &tensor));
	EXPECT_EQ(30000, tensor.bytes);
	check_digests(_metadata, self);
	unload(self, POOL);
}

TEST_F(select, slices_are_packed_on_the_way)
{
	static const char *const columns[] = {"m"};
	struct pinpool_pack_report packed = {.size = sizeof(packed)};

	add("x", "U8", "5", 5);
	add("m", "F32", "64,128", 32768);
	write_model(self->file);
	self->opts.ranks = 2;
	self->opts.rank = 1;
	self->opts.columns = columns;
	self->opts.column_count = 1;
	ASSERT_EQ(0, pinpool_load_packed(self->env.ctx, POOL, self->file, &self->opts, NULL, &self->report, &packed,
					 &self->diag))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	EXPECT_EQ(1, packed.tensors);
}

TEST_F(select, what_cannot_be_is_refused)
{
	static const char *const nothing[] = {"m", "gone.*"}, *const m[] = {"m"}, *const s[] = {"s"}, *const h[] = {"h"},
			  *const empty[] = {"none"};

	add("m", "U8", "10,6", 60);
	add("h", "F4", "4,6", 12);
	add("s", "F32", "", 4);
	add("none", "F32", "0", 0);
	write_model(self->file);
#define OPTS(...) self->opts = (struct pinpool_load_opts){.size = sizeof(self->opts), ##__VA_ARGS__}
	OPTS(.tensors = nothing, .tensor_count = 2);
	EXPECT_REFUSES(-ENOENT, "gone.*", "no tensor");
	OPTS(.ranks = 2, .rows = nothing, .row_count = 2);
	EXPECT_REFUSES(-ENOENT, "gone.*", "no tensor");
	OPTS(.ranks = 2, .columns = nothing, .column_count = 2);
	EXPECT_REFUSES(-ENOENT, "gone.*", "no tensor");
	OPTS(.ranks = 3, .rows = m, .row_count = 1);
	EXPECT_REFUSES(-EINVAL, "tensor m", "10 rows do not divide by 3 ranks");
	OPTS(.ranks = 4, .columns = m, .column_count = 1);
	EXPECT_REFUSES(-EINVAL, "tensor m", "6 columns do not divide by 4 ranks");
	OPTS(.ranks = 2, .columns = m, .column_count = 1, .rows = m, .row_count = 1);
	EXPECT_REFUSES(-EINVAL, "tensor m", "by rows and by columns");
	OPTS(.ranks = 2, .columns = h, .column_count = 1);
	EXPECT_REFUSES(-EINVAL, "tensor h", "inside a byte");
	OPTS(.ranks = 2, .rows = s, .row_count = 1);
	EXPECT_REFUSES(-EINVAL, "tensor s", "no dimension");
	OPTS(.ranks = 2);
	EXPECT_REFUSES(-EINVAL, "ranks", "no tensor has a name");
	OPTS(.ranks = 2, .rank = 2, .rows = m, .row_count = 1);
	EXPECT_REFUSES(-EINVAL, "rank 2", "there are 2 ranks");
	OPTS(.rows = m, .row_count = 1);
	EXPECT_REFUSES(-EINVAL, "ranks", "one of several ranks");
	OPTS(.rank = 1);
	EXPECT_REFUSES(-EINVAL, "ranks", "one of several ranks");
	OPTS(.order = 2);
	EXPECT_REFUSES(-EINVAL, "order", "no order has number 2");
	OPTS(.tensors = empty, .tensor_count = 1);
	EXPECT_REFUSES(-EINVAL, "selection", "no bytes");
}

/* safetensors has no block types. */
TEST(blocks_of_values_are_not_cut)
{
	static const char *const names[] = {"q"};
	uint64_t shape[] = {6, 256};
	struct format_tensor tensor = {
		.name = (char *)"q",
		.dtype = PINPOOL_DTYPE_Q8_0,
		.ndim = 2,
		.shape = shape,
		.begin = 100,
		.end = 100 + 6 * 8 * 34,
	};
	struct format_file file = {.source = {.path = (char *)"file"}, .tensors = &tensor, .count = 1};
	const struct checkpoint checkpoint = {.files = &file, .count = 1};
	struct pinpool_load_opts rows = {.ranks = 3, .rank = 1, .rows = names, .row_count = 1};
	struct pinpool_load_opts columns = {.ranks = 4, .rank = 3, .columns = names, .column_count = 1};
	struct pinpool_diag diag = {0};
	struct selection selection;

	ASSERT_EQ(0, select_tensors(&selection, &checkpoint, &rows, &diag));
	EXPECT_EQ(100 + 2 * 8 * 34, selection.tensors[0].begin);
	EXPECT_EQ(100 + 4 * 8 * 34, selection.tensors[0].end);
	EXPECT_EQ(0, selection.tensors[0].width);
	selection_free(&selection);
	ASSERT_EQ(0, select_tensors(&selection, &checkpoint, &columns, &diag));
	EXPECT_EQ(100 + 6 * 34, selection.tensors[0].begin);
	EXPECT_EQ(100 + 6 * 8 * 34, selection.tensors[0].end);
	EXPECT_EQ(2 * 34, selection.tensors[0].width);
	EXPECT_EQ(8 * 34, selection.tensors[0].stride);
	selection_free(&selection);
	columns.ranks = 16;
	EXPECT_EQ(-EINVAL, select_tensors(&selection, &checkpoint, &columns, &diag));
	EXPECT_STREQ("file: tensor q", diag.object);
	EXPECT_STREQ("the cut falls inside a block of values", diag.cause);
	/* A row of blocks is cut in them, too. */
	tensor.ndim = 1;
	shape[0] = 6 * 256;
	rows.ranks = 64;
	EXPECT_EQ(-EINVAL, select_tensors(&selection, &checkpoint, &rows, &diag));
	EXPECT_STREQ("the cut falls inside a block of values", diag.cause);
}

TEST_HARNESS_MAIN
