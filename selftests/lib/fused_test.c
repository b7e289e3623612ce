// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Fused projections and experts for ranks: each rank has its share of every part, the catalog says which that is, and what
 * is not known to be cut rightly is refused.
 */
#define ENV_PAGES 16
#include "checkpoints.h"
#include "gguf_files.h"
#include "harness.h"
#include "pool_env.h"

#include <errno.h>
#include <pinpool/catalog.h>
#include <pinpool/load.h>

#define POOL "fused"

FIXTURE(fused)
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

FIXTURE_VARIANT(fused)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(fused, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(fused, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);

FIXTURE_SETUP(fused)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	make_folder(self->folder);
	snprintf(self->file, sizeof(self->file), "%s", in_folder(self->folder, "model.safetensors"));
	self->opts = (struct pinpool_load_opts){.size = sizeof(self->opts)};
	self->report = (struct pinpool_load_report){.size = sizeof(self->report)};
}

FIXTURE_TEARDOWN_PARENT(fused)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

static int load(FIXTURE_DATA(fused) * self, uint32_t rank, uint32_t ranks)
{
	int err;

	memset(&self->diag, 0, sizeof(self->diag));
	self->opts.rank = rank;
	self->opts.ranks = ranks;
	err = pinpool_load(self->env.ctx, POOL, self->file, &self->opts, &self->report, &self->diag);
	if (!err)
		err = pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &self->pool, NULL);
	return err ? err : pinpool_catalog_open(self->pool, &self->catalog, &self->diag);
}

static void unload(FIXTURE_DATA(fused) * self)
{
	pinpool_catalog_close(self->catalog);
	pinpool_pool_close(self->pool);
	pinpool_pool_destroy(self->env.ctx, POOL, NULL);
}

#define ASSERT_LOADS(rank, ranks)                                                                                      \
	ASSERT_EQ(0, load(self, rank, ranks))                                                                          \
	{                                                                                                              \
		TH_LOG("%s: %s (%s)", self->diag.object, self->diag.cause, self->diag.change);                         \
	}

#define EXPECT_REFUSES(ranks, object_, cause_)                                                                         \
	({                                                                                                             \
		EXPECT_EQ(-EINVAL, load(self, 0, ranks));                                                              \
		EXPECT_TRUE(strstr(self->diag.object, object_) && strstr(self->diag.cause, cause_))                    \
		{                                                                                                      \
			TH_LOG("%s: %s", self->diag.object, self->diag.cause);                                         \
		}                                                                                                      \
		EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));                                                       \
	})

/* A tensor of bytes, and the parts of one dimension of which each rank has its share. */
struct fused {
	const char *name;
	uint32_t ndim;
	uint64_t shape[3];
	uint32_t dim; /* that is cut */
	uint64_t parts[3]; /* none: it is whole */
};

/* Bytes of all that the file holds, by tensor. */
static uint8_t *copy(const struct pinpool_catalog *catalog, const char *name)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	uint8_t *bytes;

	if (pinpool_catalog_find(catalog, name, &tensor))
		return NULL;
	bytes = malloc(tensor.bytes);
	memcpy(bytes, tensor.data, tensor.bytes);
	return bytes;
}

/* What rank @rank of @ranks has of @fused, whose bytes are @whole. */
static void check(struct __test_metadata *_metadata, FIXTURE_DATA(fused) * self, const struct fused *fused,
		  const uint8_t *whole, uint32_t rank, uint32_t ranks)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	uint64_t outer = 1, inner = 1, at = 0, places = 0;
	uint32_t parts = 0;

	ASSERT_EQ(0, pinpool_catalog_find(self->catalog, fused->name, &tensor));
	for (uint32_t i = 0; i < fused->dim; i++)
		outer *= fused->shape[i];
	for (uint32_t i = fused->dim + 1; i < fused->ndim; i++)
		inner *= fused->shape[i];
	while (parts < 3 && fused->parts[parts])
		places += fused->parts[parts++] / ranks;
	ASSERT_EQ(parts > 0, tensor.sliced)
	{
		TH_LOG("%s", fused->name);
	}
	if (!parts)
		return;
	EXPECT_EQ(fused->dim, tensor.slice_dim);
	EXPECT_EQ(fused->shape[fused->dim], tensor.slice_extent);
	EXPECT_EQ(fused->parts[0] / ranks * rank, tensor.slice_begin);
	EXPECT_EQ(places, tensor.shape[fused->dim]);
	ASSERT_EQ(outer * places * inner, tensor.bytes);
	ASSERT_EQ(parts > 1 ? parts : 0, tensor.slice_range_count);
	for (uint64_t o = 0, used = 0; o < outer; o++) {
		at = 0;
		for (uint32_t i = 0; i < parts; i++) {
			uint64_t share = fused->parts[i] / ranks, begin = at + share * rank;

			if (parts > 1) {
				EXPECT_EQ(begin, tensor.slice_ranges[i].begin);
				EXPECT_EQ(share, tensor.slice_ranges[i].places);
			}
			ASSERT_EQ(0, memcmp(whole + (o * fused->shape[fused->dim] + begin) * inner,
					    (const uint8_t *)tensor.data + used, share * inner))
			{
				TH_LOG("%s: part %u", fused->name, i);
			}
			used += share * inner;
			at += fused->parts[i];
		}
	}
}

/* Every rank of two and of four, by every path. */
static void check_all(struct __test_metadata *_metadata, FIXTURE_DATA(fused) * self, const struct fused *all, size_t count)
{
	uint8_t **wholes = calloc(count, sizeof(*wholes));

	ASSERT_LOADS(0, 0);
	for (size_t i = 0; i < count; i++) {
		wholes[i] = copy(self->catalog, all[i].name);
		ASSERT_NE(NULL, wholes[i]);
	}
	unload(self);
	for (enum pinpool_io io = PINPOOL_IO_URING_FIXED; io <= PINPOOL_IO_PREAD; io++) {
		for (uint32_t rank = 0; rank < 6; rank++) {
			const uint32_t ranks = rank < 2 ? 2 : 4;
			int err;

			self->opts.io = io;
			err = load(self, rank < 2 ? rank : rank - 2, ranks);
			if (err == -EOPNOTSUPP && io != PINPOOL_IO_PREAD)
				break;
			ASSERT_EQ(0, err)
			{
				TH_LOG("%s: %s", self->diag.object, self->diag.cause);
			}
			for (size_t i = 0; i < count; i++)
				check(_metadata, self, &all[i], wholes[i], self->opts.rank, ranks);
			EXPECT_EQ(0, pinpool_verify(self->pool, NULL, NULL, NULL));
			unload(self);
		}
	}
	for (size_t i = 0; i < count; i++)
		free(wholes[i]);
	free(wholes);
}

static void write_tensors(const char *path, const struct fused *all, size_t count)
{
	char json[4096] = "{";
	uint64_t at = 0;

	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(json);
		uint64_t bytes = 1;

		used += (size_t)snprintf(json + used, sizeof(json) - used, "%s\"%s\":{\"dtype\":\"U8\",\"shape\":[",
					 i ? "," : "", all[i].name);
		for (uint32_t d = 0; d < all[i].ndim; d++) {
			bytes *= all[i].shape[d];
			used += (size_t)snprintf(json + used, sizeof(json) - used, "%s%llu", d ? "," : "",
						 (unsigned long long)all[i].shape[d]);
		}
		snprintf(json + used, sizeof(json) - used, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
			 (unsigned long long)(at + bytes));
		at += bytes;
	}
	strcat(json, "}");
	write_safetensors(path, json, at);
}

static void write_config(const char *folder, const char *json)
{
	write_file(in_folder(folder, "config.json"), json, strlen(json));
}

/* Rows that are longer and shorter than what is read at a time, weights and their bias. */
TEST_F(fused, gate_and_up_are_cut_each)
{
	static const struct fused all[] = {
		{"l.0.mlp.gate_up_proj.weight", 2, {16, 50001}, 0, {8, 8}},
		{"l.0.mlp.gate_up_proj.bias", 1, {16}, 0, {8, 8}},
		{"l.0.mlp.down_proj.weight", 2, {5, 8}, 1, {8}},
		{"l.1.mlp.gate_up_proj.weight", 2, {800, 3}, 0, {400, 400}},
	};

	write_tensors(self->file, all, ARRAY_SIZE(all));
	check_all(_metadata, self, all, ARRAY_SIZE(all));
	/* Even as a whole, but not each. */
	EXPECT_REFUSES(16, "gate_up_proj", "its 16 rows, of parts that are fused, do not divide by 16 ranks");
}

/* Four heads of queries for each of keys; as many of both. */
TEST_F(fused, queries_keys_and_values_are_cut_each)
{
	static const struct fused grouped[] = {
		{"l.0.self_attn.qkv_proj.weight", 2, {72, 20011}, 0, {48, 12, 12}},
		{"l.0.self_attn.qkv_proj.bias", 1, {72}, 0, {48, 12, 12}},
		{"l.0.self_attn.o_proj.weight", 2, {7, 48}, 1, {48}},
		{"l.1.self_attn.qkv_proj.weight", 2, {72, 5}, 0, {48, 12, 12}},
	};
	static const struct fused same[] = {{"l.0.self_attn.qkv_proj.weight", 2, {36, 11}, 0, {12, 12, 12}}};

	write_tensors(self->file, grouped, ARRAY_SIZE(grouped));
	write_config(self->folder, "{\"model_type\":\"phi3\",\"num_attention_heads\":16,\"num_key_value_heads\":4,\"hidden_size\":48}");
	check_all(_metadata, self, grouped, ARRAY_SIZE(grouped));
	/* What is read is what is taken, and the rest of its blocks. */
	ASSERT_LOADS(1, 4);
	EXPECT_LE(self->report.bytes, 72 / 4 * 20011 + 18 + 84 + 90 + 20 * 4096);
	unload(self);
	write_tensors(self->file, same, 1);
	write_config(self->folder, "{\"text_config\":{\"model_type\":\"phi3\",\"num_attention_heads\":4,\"head_dim\":3}}");
	check_all(_metadata, self, same, 1);
}

/* Heads that lie together are cut as one. */
TEST_F(fused, heads_that_lie_together_stay_together)
{
	static const struct fused neox[] = {{"h.0.attention.query_key_value.weight", 2, {36, 7}, 0, {36}}};
	static const struct fused falcon[] = {{"h.0.self_attention.query_key_value.weight", 2, {48, 7}, 0, {48}}};

	write_tensors(self->file, neox, 1);
	write_config(self->folder, "{\"model_type\":\"gpt_neox\",\"num_attention_heads\":4,\"hidden_size\":12}");
	check_all(_metadata, self, neox, 1);
	write_tensors(self->file, falcon, 1);
	write_config(self->folder, "{\"model_type\":\"falcon\",\"new_decoder_architecture\":true,\"num_attention_heads\":8,"
				   "\"num_kv_heads\":4,\"hidden_size\":24}");
	check_all(_metadata, self, falcon, 1);
	/* One key and one value for all. */
	write_config(self->folder, "{\"model_type\":\"falcon\",\"num_attention_heads\":14,\"hidden_size\":42}");
	EXPECT_REFUSES(2, "query_key_value", "the model's 1 heads of keys and values do not divide by 2 ranks");
}

/* Which has lost the dimension that counts it. */
static void write_one_expert(const char *path)
{
	struct gguf gguf = {0};

	put_head(&gguf, 3, 1, 0);
	put_matrix(&gguf, "blk.0.ffn_up_exps.weight", 4, 8, GGUF_I8, 0);
	put_padding(&gguf, 32);
	put_data(&gguf, 32);
	write_gguf(path, &gguf);
	free(gguf.bytes);
}

TEST_F(fused, what_is_not_known_is_refused)
{
	static const struct fused qkv[] = {{"l.0.self_attn.qkv_proj.weight", 2, {36, 11}, 0, {12, 12, 12}}};
	static const struct fused apart[] = {
		{"l.0.self_attn.q_proj.weight", 2, {48, 4}, 0, {48}},
		{"l.0.self_attn.k_proj.weight", 2, {12, 4}, 0, {12}},
	};
	static const struct fused experts[] = {{"l.0.mlp.experts.gate_up_proj", 3, {4, 8, 6}, 0, {0}}};
	static const struct fused stack[] = {{"l.0.switch_mlp.gate_proj.weight", 3, {4, 8, 6}, 0, {0}}};
	static const char *const rows[] = {"*qkv_proj*"};

	write_tensors(self->file, qkv, 1);
	EXPECT_REFUSES(2, "qkv_proj.weight", "how queries, keys and values lie in it is not known");
	EXPECT_NE(NULL, strstr(self->diag.change, "config.json"));
	write_config(self->folder, "{\"model_type\":\"codegen\",\"num_attention_heads\":4,\"hidden_size\":12}");
	EXPECT_REFUSES(2, "qkv_proj.weight", "not known of a model of type codegen");
	write_config(self->folder, "{\"model_type\":\"phi3\",\"hidden_size\":12}");
	EXPECT_REFUSES(2, "qkv_proj.weight", "not known of a model of type phi3");
	write_config(self->folder, "{\"model_type\":\"phi3\",\"num_attention_heads\":4,\"hidden_size\":16}");
	EXPECT_REFUSES(2, "qkv_proj.weight", "its 36 rows are not those of the model's 4 heads");
	write_config(self->folder, "{\"model_type\":\"phi3\",\"num_attention_heads\":4,\"hidden_size\":12}");
	EXPECT_REFUSES(3, "qkv_proj.weight", "the model's 4 heads of keys and values do not divide by 3 ranks");
	write_config(self->folder, "{\"model_type\":");
	EXPECT_EQ(-EBADMSG, load(self, 0, 2));
	EXPECT_NE(NULL, strstr(self->diag.object, "config.json"));
	/* Whoever says how it is to be cut has it so. */
	self->opts.rows = rows;
	self->opts.row_count = 1;
	ASSERT_LOADS(1, 3);
	unload(self);
	self->opts.row_count = 0;

	/* An even part of the rows would be half of a head. */
	write_tensors(self->file, apart, ARRAY_SIZE(apart));
	write_config(self->folder, "{\"num_attention_heads\":16,\"num_key_value_heads\":4,\"hidden_size\":48}");
	EXPECT_REFUSES(8, "k_proj", "the model's 4 heads of keys and values do not divide by 8 ranks");
	EXPECT_REFUSES(12, "q_proj", "the model's 16 heads of queries do not divide by 12 ranks");
	ASSERT_LOADS(3, 4);
	unload(self);

	write_tensors(self->file, experts, 1);
	EXPECT_REFUSES(2, "experts.gate_up_proj", "how such experts lie differs between models");
	write_tensors(self->file, stack, 1);
	EXPECT_REFUSES(2, "gate_proj", "has the name of one matrix, and 3 dimensions");
	snprintf(self->file, sizeof(self->file), "%s", in_folder(self->folder, "experts.gguf"));
	write_one_expert(self->file);
	EXPECT_REFUSES(2, "ffn_up_exps", "has the name of experts, and one matrix");
}

/* A loader that comes later gets the same slices, and no others. */
TEST_F(fused, slices_of_parts_are_attached_to)
{
	static const struct fused all[] = {{"l.0.self_attn.qkv_proj.weight", 2, {72, 2001}, 0, {48, 12, 12}}};

	write_tensors(self->file, all, 1);
	write_config(self->folder, "{\"model_type\":\"phi3\",\"num_attention_heads\":16,\"num_key_value_heads\":4,\"hidden_size\":48}");
	ASSERT_LOADS(1, 2);
	pinpool_catalog_close(self->catalog);
	pinpool_pool_close(self->pool);
	self->opts.attach = true;
	self->opts.attach_digest = true;
	ASSERT_LOADS(1, 2);
	EXPECT_TRUE(self->report.attached);
	EXPECT_EQ(-EEXIST, load(self, 0, 2));
	/* The same place, type, shape and first row; other ranges. */
	self->opts.attach_digest = false;
	unload(self);
	ASSERT_LOADS(0, 2);
	pinpool_catalog_close(self->catalog);
	pinpool_pool_close(self->pool);
	write_config(self->folder, "{\"model_type\":\"phi3\",\"num_attention_heads\":20,\"num_key_value_heads\":8,\"head_dim\":2}");
	EXPECT_EQ(-EEXIST, load(self, 0, 2));
	EXPECT_NE(NULL, strstr(self->diag.cause, "another selection"))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
}

static const struct fused in_gguf[] = {
	{"blk.0.attn_qkv.weight", 2, {24, 64}, 0, {16, 4, 4}},
	{"blk.0.ffn_up.weight", 2, {32, 8}, 0, {16, 16}},
	{"blk.0.ffn_down.weight", 2, {8, 16}, 1, {16}},
	{"blk.1.ffn_up.weight", 2, {16, 8}, 0, {16}},
	{"blk.1.ffn_gate_exps.weight", 3, {3, 8, 5}, 1, {8}},
	{"blk.1.ffn_up_exps.bias", 2, {3, 8}, 1, {8}},
	{"blk.1.ffn_down_exps.weight", 3, {3, 5, 8}, 2, {8}},
	{"blk.1.ffn_gate_up_exps.weight", 3, {3, 16, 5}, 1, {8, 8}},
	{"blk.1.ffn_gate_inp.weight", 2, {3, 8}, 0, {0}},
	{"blk.1.ffn_down_shexp.weight", 2, {3, 8}, 1, {8}},
};

/* GGUF says itself what heads a model has. @kv: how many of keys, or 0 for a list by layers. A head is one value. */
static void write_model(const char *path, uint32_t kv, uint32_t value_length)
{
	struct gguf gguf = {0};
	uint64_t at = 0;

	put_head(&gguf, 3, ARRAY_SIZE(in_gguf), 6);
	put_key_text(&gguf, "general.architecture", "phi3");
	put_key_u32(&gguf, "phi3.feed_forward_length", 16);
	put_key_u32(&gguf, "phi3.embedding_length", 16);
	put_key_u32(&gguf, "phi3.attention.head_count", 16);
	put_key_u32(&gguf, "phi3.attention.value_length", value_length);
	if (kv) {
		put_key_u32(&gguf, "phi3.attention.head_count_kv", kv);
	} else {
		put_key_array(&gguf, "phi3.attention.head_count_kv", PINPOOL_VALUE_U32, 1);
		put_u32(&gguf, 4);
	}
	for (size_t i = 0; i < ARRAY_SIZE(in_gguf); i++) {
		uint64_t bytes = 1;

		put_text(&gguf, in_gguf[i].name);
		put_u32(&gguf, in_gguf[i].ndim);
		for (uint32_t d = in_gguf[i].ndim; d-- > 0; bytes *= in_gguf[i].shape[d])
			put_u64(&gguf, in_gguf[i].shape[d]);
		put_u32(&gguf, GGUF_I8);
		put_u64(&gguf, at);
		at += (bytes + 31) / 32 * 32;
	}
	put_padding(&gguf, 32);
	put_data(&gguf, at);
	write_gguf(path, &gguf);
	free(gguf.bytes);
}

TEST_F(fused, in_gguf_parts_and_experts_are_cut_each)
{
	snprintf(self->file, sizeof(self->file), "%s", in_folder(self->folder, "model.gguf"));
	write_model(self->file, 4, 1);
	check_all(_metadata, self, in_gguf, ARRAY_SIZE(in_gguf));
	write_model(self->file, 0, 1);
	EXPECT_REFUSES(2, "attn_qkv", "how queries, keys and values lie in it is not known");
	/* Keys of one value, values of two. */
	write_model(self->file, 4, 2);
	EXPECT_REFUSES(2, "attn_qkv", "how queries, keys and values lie in it is not known");
}

TEST_HARNESS_MAIN
