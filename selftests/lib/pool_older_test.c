/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The module as it was before its first feature: the ioctls of this program go through one of its own, which answers as
 * that module did. What it does not know is refused with a reason; everything else works.
 */
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "harness.h"
#include "pool_env.h"

POOL_FIXTURE(older);
POOL_VARIANT(older, module, PINPOOL_BACKEND_MODULE);

/* What the structs ended with then. */
#define OLD_INFO   offsetof(struct pinpool_module_info, out_limit_uid_bytes)
#define OLD_CREATE offsetof(struct pinpool_create, numa_policy)
#define OLD_POOL   offsetof(struct pinpool_pool_info, out_flags)

static bool tail_is_zero(const void *arg, size_t known)
{
	uint32_t size;

	memcpy(&size, arg, sizeof(size));
	return size <= known || env_all_bytes((const char *)arg + known, size - known, 0);
}

static int old_info(int fd, unsigned long number, void *arg, size_t known)
{
	char reply[sizeof(struct pinpool_pool_info)] = {0};
	uint32_t size;
	int ret;

	memcpy(&size, arg, sizeof(size));
	memcpy(reply, arg, sizeof(size));
	ret = (int)syscall(SYS_ioctl, fd, number, reply);
	if (!ret)
		memcpy(arg, reply, size < known ? size : known);
	return ret;
}

int ioctl(int fd, unsigned long number, ...)
{
	struct pinpool_create *create;
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, number);
	arg = va_arg(ap, void *);
	va_end(ap);
	switch (number) {
	case PINPOOL_IOC_MODULE_INFO:
		ret = old_info(fd, number, arg, OLD_INFO);
		((struct pinpool_module_info *)arg)->out_features = 0;
		return ret;
	case PINPOOL_IOC_POOL_INFO:
		return old_info(fd, number, arg, OLD_POOL);
	case PINPOOL_IOC_CREATE:
		create = arg;
		errno = create->flags ? EOPNOTSUPP : tail_is_zero(arg, OLD_CREATE) ? 0 : E2BIG;
		return errno ? -1 : (int)syscall(SYS_ioctl, fd, number, arg);
	case PINPOOL_IOC_RESIZE:
	case PINPOOL_IOC_EVICTION:
		errno = ENOTTY;
		return -1;
	}
	return (int)syscall(SYS_ioctl, fd, number, arg);
}

TEST_F(older, what_it_does_not_offer_is_refused_with_a_reason)
{
	struct pinpool_create_opts wishes[] = {
		{.on_demand = true},
		{.evictable = true},
		{.priority = 1},
		{.numa_policy = PINPOOL_NUMA_PREFER, .numa_node = 1},
		{.numa_policy = PINPOOL_NUMA_INTERLEAVE},
		{.numa_policy = PINPOOL_NUMA_INTERLEAVE, .numa_nodes = 1},
	};
	struct pinpool_pool *pool;

	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		struct pinpool_diag diag = {0};

		wishes[i].size = sizeof(wishes[i]);
		wishes[i].capacity = self->env.page;
		EXPECT_EQ(-EOPNOTSUPP, pinpool_pool_create(self->env.ctx, "model", &wishes[i], &diag))
		{
			TH_LOG("wish %zu: %s", i, diag.cause);
		}
		EXPECT_NE(NULL, strstr(diag.cause, "does not offer"));
		EXPECT_STREQ("load a newer one", diag.change);
	}
	ASSERT_EQ(0, env_create(&self->env, "model", 1));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "model", PINPOOL_OPEN_WRITE, &pool, NULL));
	EXPECT_EQ(-EOPNOTSUPP, pinpool_pool_resize(pool, 2 * self->env.page, NULL));
	EXPECT_EQ(-EOPNOTSUPP, pinpool_pool_set_eviction(pool, true, 0, NULL));
	pinpool_pool_close(pool);
}

/* Our own entries would reach the module of today, so it is the missing bit alone that keeps the library from them. */
TEST_F(older, a_load_goes_another_way_than_by_commands)
{
	struct pinpool_load_report report = {.size = sizeof(report)};
	PINPOOL_OPTS(pinpool_load_opts, opts, .io = PINPOOL_IO_URING_CMD);
	struct pinpool_diag diag = {0};
	char path[] = "/tmp/older-XXXXXX";
	int fd = mkstemp(path);

	ASSERT_LE(0, fd);
	ASSERT_EQ(10, write(fd, "\2\0\0\0\0\0\0\0{}", 10));
	close(fd);
	EXPECT_EQ(-EOPNOTSUPP, pinpool_load(self->env.ctx, "model", path, &opts, &report, &diag));
	EXPECT_NE(NULL, strstr(diag.cause, "does not offer"));
	EXPECT_STREQ("load a newer one", diag.change);
	EXPECT_EQ(-ENOENT, env_state(&self->env, "model"));
	opts.io = PINPOOL_IO_AUTO;
	EXPECT_EQ(0, pinpool_load(self->env.ctx, "model", path, &opts, &report, &diag))
	{
		TH_LOG("%s: %s", diag.object, diag.cause);
	}
	EXPECT_NE(PINPOOL_IO_URING_CMD, report.io);
	unlink(path);
}

TEST_F(older, everything_else_works)
{
	PINPOOL_OPTS(pinpool_create_opts, opts, .capacity = 2 * self->env.page, .numa_node = 1);
	struct pinpool_ctx_info host = {.size = sizeof(host)};
	struct pinpool_info info = {.size = sizeof(info)};

	ASSERT_EQ(0, env_make_ready(&self->env, "model", 2, 0x44));
	ASSERT_EQ(0, pinpool_pool_stat(self->env.ctx, "model", &info, NULL));
	EXPECT_EQ(PINPOOL_STATE_READY, info.state);
	EXPECT_FALSE(info.on_demand || info.evictable);
	EXPECT_EQ(PINPOOL_NUMA_BIND, info.numa_policy);
	/* One node for all pages was there from the start. */
	ASSERT_EQ(0, pinpool_pool_create(self->env.ctx, "bound", &opts, NULL));
	ASSERT_EQ(0, pinpool_ctx_get_info(self->env.ctx, &host));
	EXPECT_EQ(4 * self->env.page, host.used_bytes);
	EXPECT_EQ(0, host.features);
	EXPECT_EQ(PINPOOL_UNKNOWN, host.evicted);
	EXPECT_EQ(PINPOOL_UNKNOWN, host.quarantine_bytes);
	EXPECT_EQ(0, host.limit_uid_bytes);
}

TEST_HARNESS_MAIN
