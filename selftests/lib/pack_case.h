/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* A checkpoint with tensors that can be packed and some that cannot, on every backend, and packings looked at closely. */
#ifndef SELFTESTS_PACK_CASE_H
#define SELFTESTS_PACK_CASE_H

#include "checkpoints.h"
#include "harness.h"
#include "pool_env.h"

#define POOL "pack-test"

FIXTURE(pack)
{
	struct pool_env env;
	struct pinpool_diag diag;
	struct pinpool_math *math;
	char folder[PATH_MAX];
	char file[PATH_MAX];
	char name[PINPOOL_NAME_MAX + 1]; /* of the packings */
};

FIXTURE_VARIANT(pack)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(pack, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(pack, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);
POOL_VARIANT(pack, module, PINPOOL_BACKEND_MODULE);

/* Lengths so that no row begins where a panel, a chunk or a vector does. */
#define HEADER                                                                                                         \
	"{\"w.f32\":{\"dtype\":\"F32\",\"shape\":[201,75],\"data_offsets\":[0,60300]},"                                \
	"\"bias\":{\"dtype\":\"F32\",\"shape\":[201],\"data_offsets\":[60300,61104]},"                                 \
	"\"w.bf16\":{\"dtype\":\"BF16\",\"shape\":[77,1030],\"data_offsets\":[61104,219724]},"                         \
	"\"v.f16\":{\"dtype\":\"F16\",\"shape\":[1,3],\"data_offsets\":[219724,219730]},"                              \
	"\"i8\":{\"dtype\":\"I8\",\"shape\":[2,3],\"data_offsets\":[219730,219736]},"                                  \
	"\"none\":{\"dtype\":\"F32\",\"shape\":[0,4],\"data_offsets\":[219736,219736]},"                               \
	"\"i32\":{\"dtype\":\"I32\",\"shape\":[2,2],\"data_offsets\":[219736,219752]}}"
#define DATA 219752

static const char *const packable[] = {"w.f32", "w.bf16", "v.f16"};

FIXTURE_SETUP(pack)
{
	const char *why = env_open(&self->env, variant->backend);
	PINPOOL_OPTS(pinpool_math_opts, opts, .threads = 2);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	make_folder(self->folder);
	snprintf(self->file, sizeof(self->file), "%s", in_folder(self->folder, "model.safetensors"));
	write_safetensors(self->file, HEADER, DATA);
	ASSERT_EQ(0, pinpool_math_new(&self->math, &opts, NULL));
	ASSERT_EQ(0, pinpool_packings_name(POOL, pinpool_math_isa(self->math), self->name, NULL));
}

FIXTURE_TEARDOWN_PARENT(pack)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

#define EXPECT_OK_OR(err, call)                                                                                        \
	({                                                                                                             \
		int got_;                                                                                              \
                                                                                                                       \
		memset(&self->diag, 0, sizeof(self->diag));                                                            \
		got_ = (call);                                                                                         \
		EXPECT_EQ(err, got_)                                                                                   \
		{                                                                                                      \
			TH_LOG("%s: %s (%s)", self->diag.object, self->diag.cause, self->diag.change);                 \
		}                                                                                                      \
		/* Every failure says why. */                                                                          \
		EXPECT_EQ(got_ < 0, self->diag.cause[0] != '\0');                                                      \
		got_;                                                                                                  \
	})

#define EXPECT_PACK(err, ...)                                                                                          \
	({                                                                                                             \
		PINPOOL_OPTS(pinpool_pack_opts, opts_, .math = self->math, ##__VA_ARGS__);                             \
                                                                                                                       \
		EXPECT_OK_OR(err, pinpool_pack(self->env.ctx, POOL, &opts_, NULL, &self->diag));                       \
	})

static inline int load(struct pool_env *env, const char *path)
{
	return pinpool_load(env->ctx, POOL, path, NULL, NULL, NULL);
}

/* Opens the pool and its packings. Returns what the latter gives; *@pool is to be closed in any case. */
static inline int open_packings(struct pool_env *env, const struct pinpool_math *math, struct pinpool_pool **pool,
			 struct pinpool_packings **packings, struct pinpool_diag *diag)
{
	int err;

	*packings = NULL;
	*pool = NULL;
	err = pinpool_pool_open(env->ctx, POOL, PINPOOL_OPEN_READ, pool, diag);
	return err ? err : pinpool_packings_open(*pool, math, packings, diag);
}

/* Whether packings can be opened, without using them. */
static inline int try_packings(struct pool_env *env, const struct pinpool_math *math, struct pinpool_diag *diag)
{
	struct pinpool_packings *packings;
	struct pinpool_pool *pool;
	int err = open_packings(env, math, &pool, &packings, diag);

	pinpool_packings_close(packings);
	pinpool_pool_close(pool);
	return err;
}

/* The packing of @tensor is what the kernels make of the tensor by themselves. Returns 0 or -errno. */
static inline int is_right(struct pinpool_math *math, struct pinpool_pool *pool, const struct pinpool_packings *packings,
		    const char *name)
{
	struct pinpool_packing packing = {.size = sizeof(packing)}, want = packing;
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_catalog *catalog;
	void *data;
	int err;

	err = pinpool_catalog_open(pool, &catalog, NULL);
	if (err)
		return err;
	err = pinpool_catalog_find(catalog, name, &tensor);
	if (!err)
		err = pinpool_packings_find(packings, name, &packing, NULL);
	if (!err)
		err = pinpool_packing_describe(math, tensor.dtype, tensor.shape[0], tensor.shape[1], &want, NULL);
	if (err)
		goto out;
	err = -EILSEQ;
	if (packing.isa != want.isa || packing.version != want.version || packing.dtype != want.dtype ||
	    packing.n != want.n || packing.k != want.k || packing.panel_rows != want.panel_rows ||
	    packing.bytes != want.bytes || (uintptr_t)packing.data % PINPOOL_PACKING_ALIGN)
		goto out;
	data = aligned_alloc(PINPOOL_PACKING_ALIGN, (want.bytes + 63) / 64 * 64);
	memset(data, 0, want.bytes);
	err = pinpool_packing_rows(math, &want, 0, want.n, tensor.data, 0, NULL, data, NULL);
	if (!err && memcmp(data, packing.data, want.bytes))
		err = -EILSEQ;
	free(data);
out:
	pinpool_catalog_close(catalog);
	return err;
}

#endif
