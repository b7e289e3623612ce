/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Memory of pools beyond all of it at creation: on demand, another capacity, giving way. Each backend does it or says
 * who does.
 */
#include "checkpoints.h"
#include "harness.h"
#include "pool_env.h"

#define PARAMETERS "/sys/module/pinpool/parameters"
#define PAGES	   8

FIXTURE(memory)
{
	struct pool_env env;
	struct pinpool_diag diag;
	char folder[PATH_MAX];
};

FIXTURE_VARIANT(memory)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(memory, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(memory, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);
POOL_VARIANT(memory, module, PINPOOL_BACKEND_MODULE);

FIXTURE_SETUP(memory)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	make_folder(self->folder);
}

static bool set_limit(const char *name, uint64_t mib)
{
	char path[96], text[32];
	int fd, length = snprintf(text, sizeof(text), "%llu", (unsigned long long)mib);
	bool set;

	snprintf(path, sizeof(path), PARAMETERS "/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	set = fd >= 0 && write(fd, text, (size_t)length) == length;
	close(fd);
	return set;
}

FIXTURE_TEARDOWN_PARENT(memory)
{
	if (variant->backend == PINPOOL_BACKEND_MODULE) {
		set_limit("limit_mb", 0);
		set_limit("limit_uid_mb", 0);
	}
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

/* Of a pool that is there. */
static struct pinpool_info info_of(struct pool_env *env, const char *name)
{
	struct pinpool_info info = {.size = sizeof(info)};

	if (pinpool_pool_stat(env->ctx, name, &info, NULL))
		memset(&info, 0xff, sizeof(info));
	return info;
}

static struct pinpool_ctx_info host(struct pool_env *env)
{
	struct pinpool_ctx_info info = {.size = sizeof(info)};

	pinpool_ctx_get_info(env->ctx, &info);
	return info;
}

static int create_on_demand(struct pool_env *env, const char *name, uint64_t pages, struct pinpool_diag *diag)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = pages * env->page, .on_demand = true);

	return pinpool_pool_create(env->ctx, name, &opts, diag);
}

/* From here on the backend has @pages left for new pools and touches, and no more. */
static bool leave(struct pool_env *env, uint64_t pages)
{
	struct pinpool_ctx_info info = host(env);

	if (env->backend == PINPOOL_BACKEND_MODULE)
		return set_limit("limit_mb", (info.used_bytes + pages * env->page) >> 20);
	return !env_create(env, "filler", info.free_bytes / env->page - pages);
}

static struct pinpool_pool *open_pool(struct pool_env *env, const char *name, enum pinpool_open_mode mode)
{
	struct pinpool_pool *pool = NULL;

	pinpool_pool_open(env->ctx, name, mode, &pool, NULL);
	return pool;
}

static struct pinpool_pool *begin(struct pool_env *env, const char *name)
{
	struct pinpool_pool *pool = open_pool(env, name, PINPOOL_OPEN_WRITE);

	if (pool && pinpool_pool_begin(pool, NULL)) {
		pinpool_pool_close(pool);
		pool = NULL;
	}
	return pool;
}

TEST_F(memory, pages_on_demand_come_with_the_first_touch)
{
	struct pinpool_pool *pool;
	struct pinpool_info info;
	const void *content;
	size_t bytes;
	void *addr;
	int err;

	err = create_on_demand(&self->env, "model", PAGES, &self->diag);
	if (variant->backend == PINPOOL_BACKEND_SHM) {
		EXPECT_EQ(-EOPNOTSUPP, err);
		EXPECT_NE(NULL, strstr(self->diag.cause, "tmpfs"));
		EXPECT_NE(NULL, strstr(self->diag.change, "kernel module or hugetlbfs"));
		EXPECT_EQ(0, env_files(&self->env));
		return;
	}
	ASSERT_EQ(0, err);
	info = info_of(&self->env, "model");
	EXPECT_TRUE(info.on_demand);
	EXPECT_EQ(PAGES * self->env.page, info.capacity);
	EXPECT_EQ(0, info.huge_pages);
	EXPECT_EQ(0, host(&self->env).used_bytes);
	/* The second load sees nothing of the first, which is given up. */
	for (int i = 0; i < 2; i++) {
		pool = begin(&self->env, "model");
		ASSERT_NE(NULL, pool);
		ASSERT_EQ(0, pinpool_pool_map_writable(pool, &addr, &bytes));
		ASSERT_EQ(PAGES * self->env.page, bytes);
		EXPECT_EQ(0, ((char *)addr)[5 * self->env.page]);
		memset((char *)addr + 5 * self->env.page, 0x5a, 2 * self->env.page);
		EXPECT_EQ(2, info_of(&self->env, "model").huge_pages);
		EXPECT_EQ(2 * self->env.page, host(&self->env).used_bytes);
		if (!i)
			pinpool_pool_close(pool);
	}
	ASSERT_EQ(0, env_commit(pool, bytes));
	ASSERT_EQ(0, pinpool_pool_map(pool, &content, &bytes));
	EXPECT_TRUE(env_all_bytes(content, 5 * self->env.page, 0));
	EXPECT_TRUE(env_all_bytes((const char *)content + 5 * self->env.page, 2 * self->env.page, 0x5a));
	EXPECT_TRUE(env_all_bytes((const char *)content + 7 * self->env.page, self->env.page, 0));
	pinpool_pool_close(pool);
	EXPECT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	EXPECT_EQ(0, host(&self->env).used_bytes);
}

/* Touches one page more than there are. */
static int touch_too_many(struct pool_env *env)
{
	struct pinpool_pool *pool;
	size_t bytes;
	void *addr;

	if (env_reopen(env))
		return -EPROTO;
	pool = begin(env, "model");
	if (!pool || pinpool_pool_map_writable(pool, &addr, &bytes))
		return -EPROTO;
	memset(addr, 1, 3 * env->page);
	return 0;
}

TEST_F(memory, a_touch_that_finds_no_page_is_sigbus)
{
	struct pinpool_info info;

	if (variant->backend == PINPOOL_BACKEND_SHM)
		SKIP(return, "no pools on demand on this backend");
	ASSERT_EQ(0, create_on_demand(&self->env, "model", PAGES, NULL));
	ASSERT_TRUE(leave(&self->env, 2));
	EXPECT_EQ(-1000 - SIGBUS, env_child(touch_too_many, &self->env, false));
	info = info_of(&self->env, "model");
	EXPECT_EQ(PINPOOL_STATE_EMPTY, info.state);
	EXPECT_EQ(2, info.huge_pages);
	EXPECT_EQ(variant->backend == PINPOOL_BACKEND_MODULE ? 1 : PINPOOL_UNKNOWN, info.failed_allocs);
}

/* A checkpoint of so many MiB and a little. */
static const char *checkpoint(const char *folder, size_t mib)
{
	const char *path = in_folder(folder, "model.safetensors");
	size_t bytes = mib << 20;
	char json[128];

	snprintf(json, sizeof(json), "{\"w\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}", bytes,
		 bytes);
	write_safetensors(path, json, bytes);
	return path;
}

TEST_F(memory, a_load_takes_the_pages_that_it_needs_and_no_more)
{
	static const enum pinpool_io ios[] = {PINPOOL_IO_AUTO, PINPOOL_IO_URING, PINPOOL_IO_PREAD};
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;

	if (variant->backend == PINPOOL_BACKEND_SHM)
		SKIP(return, "no pools on demand on this backend");
	for (size_t i = 0; i < sizeof(ios) / sizeof(ios[0]); i++) {
		PINPOOL_OPTS(pinpool_load_opts, opts, .io = ios[i]);

		ASSERT_EQ(0, create_on_demand(&self->env, "model", 100 * PAGES, NULL));
		ASSERT_EQ(0,
			  pinpool_load(self->env.ctx, "model", checkpoint(self->folder, 4), &opts, NULL, &self->diag))
		{
			TH_LOG("%s: %s", self->diag.object, self->diag.cause);
		}
		/* Three for the file, one for the catalog at the end. */
		EXPECT_EQ(4, info_of(&self->env, "model").huge_pages);
		pool = open_pool(&self->env, "model", PINPOOL_OPEN_READ);
		ASSERT_EQ(0, pinpool_catalog_open(pool, &catalog, NULL));
		EXPECT_EQ(1, pinpool_catalog_tensor_count(catalog));
		pinpool_catalog_close(catalog);
		pinpool_pool_close(pool);
		EXPECT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	}
}

TEST_F(memory, a_load_that_finds_no_page_says_so)
{
	static const enum pinpool_io ios[] = {PINPOOL_IO_AUTO, PINPOOL_IO_URING, PINPOOL_IO_PREAD};

	if (variant->backend == PINPOOL_BACKEND_SHM)
		SKIP(return, "no pools on demand on this backend");
	ASSERT_EQ(0, create_on_demand(&self->env, "model", PAGES, NULL));
	/* For the content but not for the catalog, and not for the content either. */
	for (uint64_t pages = 3; pages; pages--) {
		ASSERT_TRUE(leave(&self->env, pages));
		for (size_t i = 0; i < sizeof(ios) / sizeof(ios[0]); i++) {
			PINPOOL_OPTS(pinpool_load_opts, opts, .io = ios[i]);

			memset(&self->diag, 0, sizeof(self->diag));
			EXPECT_EQ(-ENOMEM, pinpool_load(self->env.ctx, "model", checkpoint(self->folder, 4), &opts,
							NULL, &self->diag))
			{
				TH_LOG("%llu pages: %s: %s", (unsigned long long)pages, self->diag.object,
				       self->diag.cause);
			}
			EXPECT_STREQ("model", self->diag.object);
			EXPECT_NE(NULL, strstr(self->diag.cause, "on demand"));
			EXPECT_NE('\0', self->diag.change[0]);
			EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, "model"));
		}
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
		if (variant->backend == PINPOOL_BACKEND_HUGETLBFS)
			ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "filler", NULL));
		ASSERT_EQ(0, create_on_demand(&self->env, "model", PAGES, NULL));
	}
}

/* Somebody commits without a catalog; looking for one touches the last page. */
TEST_F(memory, looking_for_a_catalog_where_no_page_is_left_is_an_error)
{
	struct pinpool_catalog *catalog;
	struct pinpool_pool *pool;

	if (variant->backend == PINPOOL_BACKEND_SHM)
		SKIP(return, "no pools on demand on this backend");
	ASSERT_EQ(0, create_on_demand(&self->env, "model", PAGES, NULL));
	pool = begin(&self->env, "model");
	ASSERT_NE(NULL, pool);
	ASSERT_EQ(0, env_commit(pool, 1));
	ASSERT_TRUE(leave(&self->env, variant->backend == PINPOOL_BACKEND_MODULE ? 1 : 0));
	if (variant->backend == PINPOOL_BACKEND_MODULE)
		ASSERT_EQ(0, env_create(&self->env, "filler", 1));
	EXPECT_EQ(-ENOMEM, pinpool_catalog_open(pool, &catalog, &self->diag));
	EXPECT_NE(NULL, strstr(self->diag.cause, "on demand"));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "filler", NULL));
	EXPECT_EQ(-ENOENT, pinpool_catalog_open(pool, &catalog, &self->diag));
	pinpool_pool_close(pool);
}

TEST_F(memory, another_capacity)
{
	struct pinpool_pool *pool, *early, *reader;
	const void *content;
	size_t bytes;
	void *addr;

	ASSERT_EQ(0, env_create(&self->env, "model", 2));
	pool = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	reader = open_pool(&self->env, "model", PINPOOL_OPEN_READ);
	early = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	ASSERT_TRUE(pool && reader && early);
	if (variant->backend != PINPOOL_BACKEND_MODULE) {
		EXPECT_EQ(-EOPNOTSUPP, pinpool_pool_resize(pool, 3 * self->env.page, &self->diag));
		EXPECT_NE(NULL, strstr(self->diag.change, "kernel module"));
		EXPECT_EQ(2 * self->env.page, info_of(&self->env, "model").capacity);
		return;
	}
	EXPECT_EQ(-EBADF, pinpool_pool_resize(reader, 3 * self->env.page, &self->diag));
	EXPECT_EQ(-EINVAL, pinpool_pool_resize(pool, 0, &self->diag));
	EXPECT_EQ(-EINVAL, pinpool_pool_resize(pool, UINT64_MAX, &self->diag));
	/* Rounded up. */
	ASSERT_EQ(0, pinpool_pool_resize(pool, 2 * self->env.page + 1, &self->diag));
	EXPECT_EQ(3 * self->env.page, info_of(&self->env, "model").capacity);
	EXPECT_EQ(3, info_of(&self->env, "model").huge_pages);

	/* Who opened it before sees what it is now. */
	ASSERT_EQ(0, pinpool_pool_begin(early, NULL));
	ASSERT_EQ(0, pinpool_pool_map_writable(early, &addr, &bytes));
	EXPECT_EQ(3 * self->env.page, bytes);
	memset(addr, 0x11, bytes);
	EXPECT_EQ(-EBUSY, pinpool_pool_resize(pool, 4 * self->env.page, &self->diag));
	EXPECT_NE('\0', self->diag.change[0]);
	/* The writer's own mapping is undone. */
	ASSERT_EQ(0, pinpool_pool_resize(early, self->env.page, &self->diag));
	ASSERT_EQ(0, pinpool_pool_resize(early, 5 * self->env.page, &self->diag));
	ASSERT_EQ(0, pinpool_pool_map_writable(early, &addr, &bytes));
	EXPECT_EQ(5 * self->env.page, bytes);
	EXPECT_TRUE(env_all_bytes(addr, self->env.page, 0x11));
	EXPECT_TRUE(env_all_bytes((char *)addr + self->env.page, 4 * self->env.page, 0));
	ASSERT_EQ(0, env_commit(early, 5 * self->env.page));
	EXPECT_EQ(-EROFS, pinpool_pool_resize(early, self->env.page, &self->diag));
	EXPECT_NE(NULL, strstr(self->diag.cause, "READY"));
	ASSERT_EQ(0, pinpool_pool_map(reader, &content, &bytes));
	EXPECT_EQ(5 * self->env.page, bytes);
	EXPECT_TRUE(env_all_bytes(content, self->env.page, 0x11));
	pinpool_pool_close(pool);
	pinpool_pool_close(reader);
	pinpool_pool_close(early);
}

static int create_as_user(struct pool_env *env)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 3 * env->page);
	struct pinpool_diag diag = {0};
	int err = env_reopen(env);

	if (!err)
		err = pinpool_pool_create(env->ctx, "theirs", &opts, &diag);
	return err == -EDQUOT && !strstr(diag.change, "limit_uid_mb") ? -EPROTO : err;
}

TEST_F(memory, limits_are_named_and_what_raises_them)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 2 * self->env.page);
	struct pinpool_pool *pool;

	if (variant->backend != PINPOOL_BACKEND_MODULE)
		SKIP(return, "limits of the module");
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, "model", &opts, NULL));
	ASSERT_TRUE(set_limit("limit_mb", 6));
	EXPECT_EQ(6 << 20, host(&self->env).limit_bytes);
	EXPECT_EQ(-ENOSPC, pinpool_pool_create(self->env.ctx, "other", &opts, &self->diag));
	EXPECT_NE(NULL, strstr(self->diag.change, "limit_mb"));
	pool = open_pool(&self->env, "model", PINPOOL_OPEN_WRITE);
	memset(&self->diag, 0, sizeof(self->diag));
	EXPECT_EQ(-ENOSPC, pinpool_pool_resize(pool, 4 * self->env.page, &self->diag));
	EXPECT_NE(NULL, strstr(self->diag.change, "limit_mb"));
	EXPECT_NE(NULL, strstr(self->diag.cause, "4 MiB needed"));
	EXPECT_EQ(2 * self->env.page, info_of(&self->env, "model").capacity);
	ASSERT_TRUE(set_limit("limit_mb", 0));
	EXPECT_EQ(-ENOMEM, pinpool_pool_resize(pool, 1ULL << 45, &self->diag));
	EXPECT_NE(NULL, strstr(self->diag.change, "pinpool reserve"));
	pinpool_pool_close(pool);

	ASSERT_TRUE(set_limit("limit_uid_mb", 4));
	EXPECT_EQ(4 << 20, host(&self->env).limit_uid_bytes);
	ASSERT_EQ(0, chmod("/dev/pinpool/control", 0666));
	EXPECT_EQ(-EDQUOT, env_child(create_as_user, &self->env, true));
	ASSERT_TRUE(set_limit("limit_uid_mb", 6));
	EXPECT_EQ(0, env_child(create_as_user, &self->env, true));
	ASSERT_EQ(0, chmod("/dev/pinpool/control", 0644));
}

static int evict_as_user(struct pool_env *env)
{
	struct pinpool_diag diag = {0};
	struct pinpool_pool *pool;
	int err = env_reopen(env);

	if (!err)
		err = pinpool_pool_open(env->ctx, "model", PINPOOL_OPEN_READ, &pool, NULL);
	if (!err)
		err = pinpool_pool_set_eviction(pool, true, 0, &diag);
	return err == -EPERM && !strstr(diag.cause, "owner root") ? -EPROTO : err;
}

TEST_F(memory, a_pool_that_may_gives_way)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = self->env.page, .evictable = true, .priority = -7,
		     .mode = 0644);
	struct pinpool_pool *pool;
	struct pinpool_info info;
	uint64_t scrubbed;
	int err;

	err = pinpool_pool_create(self->env.ctx, "model", &opts, &self->diag);
	if (variant->backend != PINPOOL_BACKEND_MODULE) {
		EXPECT_EQ(-EOPNOTSUPP, err);
		EXPECT_NE(NULL, strstr(self->diag.change, "kernel module"));
		opts.evictable = false;
		EXPECT_EQ(-EOPNOTSUPP, pinpool_pool_create(self->env.ctx, "model", &opts, NULL));
		ASSERT_EQ(0, env_create(&self->env, "model", 1));
		pool = open_pool(&self->env, "model", PINPOOL_OPEN_READ);
		EXPECT_EQ(-EOPNOTSUPP, pinpool_pool_set_eviction(pool, true, 0, &self->diag));
		EXPECT_NE(NULL, strstr(self->diag.change, "kernel module"));
		EXPECT_FALSE(info_of(&self->env, "model").evictable);
		EXPECT_EQ(PINPOOL_UNKNOWN, host(&self->env).evicted);
		return;
	}
	ASSERT_EQ(0, err);
	info = info_of(&self->env, "model");
	EXPECT_TRUE(info.evictable);
	EXPECT_EQ(-7, info.priority);
	pool = begin(&self->env, "model");
	ASSERT_NE(NULL, pool);
	ASSERT_EQ(0, env_commit(pool, 1));
	EXPECT_EQ(-EPERM, env_child(evict_as_user, &self->env, true));
	ASSERT_EQ(0, pinpool_pool_set_eviction(pool, false, 9, &self->diag));
	info = info_of(&self->env, "model");
	EXPECT_FALSE(info.evictable);
	EXPECT_EQ(9, info.priority);
	ASSERT_TRUE(set_limit("limit_mb", 2));
	ASSERT_EQ(0, pinpool_pool_set_eviction(pool, true, 9, &self->diag));
	/* Open, so it stays. */
	EXPECT_EQ(-ENOSPC, env_create(&self->env, "other", 1));
	pinpool_pool_close(pool);
	EXPECT_EQ(0, host(&self->env).evicted);
	scrubbed = host(&self->env).pages_scrubbed;
	EXPECT_EQ(0, env_create(&self->env, "other", 1));
	EXPECT_EQ(-ENOENT, env_state(&self->env, "model"));
	EXPECT_EQ(1, host(&self->env).evicted);
	EXPECT_EQ(scrubbed + 1, host(&self->env).pages_scrubbed);
	EXPECT_EQ(0, host(&self->env).quarantine_bytes);
}

TEST_F(memory, who_only_looks_at_a_pool_does_not_use_it)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = self->env.page, .evictable = true);
	static const char *const names[] = { "first", "second" };
	struct pinpool_pool *pool;

	if (variant->backend != PINPOOL_BACKEND_MODULE)
		SKIP(return, "no pool gives way here");
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, names[i], &opts, &self->diag));
		pool = begin(&self->env, names[i]);
		ASSERT_NE(NULL, pool);
		ASSERT_EQ(0, env_commit(pool, 1));
		pinpool_pool_close(pool);
	}
	EXPECT_EQ(0, info_of(&self->env, "first").openers);
	ASSERT_TRUE(set_limit("limit_mb", 4));
	EXPECT_EQ(0, env_create(&self->env, "other", 1));
	EXPECT_EQ(-ENOENT, env_state(&self->env, "first"));
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, "second"));
}

/* Shared with the child. */
static struct pinpool_info *seen;

static int look(struct pool_env *env)
{
	int err = env_reopen(env);

	if (!err)
		*seen = info_of(env, "model");
	return err;
}

/* With the module one comes from sysfs and the other from an ioctl. */
TEST_F(memory, who_may_not_open_a_pool_sees_the_same_of_it)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 3 * self->env.page);
	bool module = variant->backend == PINPOOL_BACKEND_MODULE;
	struct pinpool_pool *pool;
	struct pinpool_info info;
	size_t bytes;
	void *addr;

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)seen);
	for (int i = 0; i < 2; i++) {
		opts.on_demand = opts.evictable = module && !i;
		opts.priority = module ? -7 : 0;
		opts.numa_policy = i ? PINPOOL_NUMA_PREFER : PINPOOL_NUMA_INTERLEAVE;
		opts.numa_node = i ? 1 : 0;
		ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, "model", &opts, &self->diag))
		{
			TH_LOG("%s", self->diag.cause);
		}
		pool = begin(&self->env, "model");
		ASSERT_EQ(0, pinpool_pool_map_writable(pool, &addr, &bytes));
		memset(addr, 1, self->env.page);
		pinpool_pool_close(pool);
		info = info_of(&self->env, "model");
		EXPECT_EQ(opts.numa_policy, info.numa_policy);
		EXPECT_EQ(i, !info.numa_nodes);
		ASSERT_EQ(0, env_child(look, &self->env, true));
		EXPECT_EQ(info.on_demand, seen->on_demand);
		EXPECT_EQ(info.evictable, seen->evictable);
		EXPECT_EQ(info.priority, seen->priority);
		EXPECT_EQ(info.huge_pages, seen->huge_pages);
		EXPECT_EQ(info.numa_policy, seen->numa_policy);
		EXPECT_EQ(info.numa_node, seen->numa_node);
		EXPECT_EQ(info.numa_nodes, seen->numa_nodes);
		EXPECT_EQ(info.numa_fallback, seen->numa_fallback);
		EXPECT_EQ(info.pages_zeroed, seen->pages_zeroed);
		EXPECT_EQ(info.failed_allocs, seen->failed_allocs);
		EXPECT_EQ(info.exports, seen->exports);
		EXPECT_EQ(info.bytes_read, seen->bytes_read);
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, "model", NULL));
	}
}

TEST_F(memory, a_backend_says_what_it_offers)
{
	uint64_t features = host(&self->env).features;

	switch (variant->backend) {
	case PINPOOL_BACKEND_MODULE:
		EXPECT_EQ(PINPOOL_FEATURE_ON_DEMAND | PINPOOL_FEATURE_RESIZE | PINPOOL_FEATURE_NUMA |
				  PINPOOL_FEATURE_EVICTION | PINPOOL_FEATURE_URING_READ,
			  features & 31);
		break;
	case PINPOOL_BACKEND_HUGETLBFS:
		EXPECT_EQ(PINPOOL_FEATURE_ON_DEMAND | PINPOOL_FEATURE_NUMA, features);
		break;
	default:
		EXPECT_EQ(PINPOOL_FEATURE_NUMA, features);
	}
}

TEST_HARNESS_MAIN
