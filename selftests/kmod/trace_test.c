// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Tracepoints: each event with its fields, for calls that succeed and for calls that are refused, read from an instance
 * of tracefs that nobody else writes to.
 */
#include <sys/stat.h>

#include "harness.h"
#include "kmod_test.h"

#define TRACING	 "/sys/kernel/tracing"
#define INSTANCE TRACING "/instances/pinpool_test"
#define BYTES	 (2 * HUGE)

FIXTURE(trace) {
	char events[64 << 10];
};

FIXTURE_SETUP(trace)
{
	ASSERT_EQ(0, access(TRACING "/events/pinpool/enable", F_OK));
	ASSERT_EQ(0, mkdir(INSTANCE, 0700));
	ASSERT_EQ(0, file_write(INSTANCE "/events/pinpool/enable", "1"));
}

FIXTURE_TEARDOWN(trace)
{
	pool_destroy("t");
	pool_destroy("u");
	EXPECT_EQ(0, file_write(INSTANCE "/events/pinpool/enable", "0"));
	EXPECT_EQ(0, rmdir(INSTANCE));
}

/* Events so far, oldest first, without the header; they are forgotten. */
static int events_take(FIXTURE_DATA(trace) * self)
{
	int ret = 0, n, fd = open(INSTANCE "/trace", O_RDWR | O_CLOEXEC);
	size_t length = 0;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, self->events + length, sizeof(self->events) - 1 - length)) > 0)
		length += n;
	self->events[length] = '\0';
	ret = result(n);
	close(fd);
	/* Opening for writing with truncation empties the buffer. */
	fd = open(INSTANCE "/trace", O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return ret;
}

/* How many lines end in exactly "EVENT: REST". */
static int count(const FIXTURE_DATA(trace) * self, const char *event, const char *rest)
{
	const char *p = self->events;
	char want[256];
	int n = 0;

	snprintf(want, sizeof(want), "%s: %s\n", event, rest);
	while ((p = strstr(p, want))) {
		n++;
		p++;
	}
	return n;
}

#define EXPECT_EVENT(_n, _event, _rest)                                                                                \
	EXPECT_EQ(_n, count(self, _event, _rest))                                                                      \
	{                                                                                                              \
		TH_LOG("%s: %s in:\n%s", _event, _rest, self->events);                                                 \
	}

TEST_F(trace, every_event_there_is)
{
	static const char *const names[] = { "create", "destroy", "evict", "fault", "load", "commit", "abort" };
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), TRACING "/events/pinpool/pinpool_%s/format", names[i]);
		EXPECT_EQ(0, access(path, F_OK)) TH_LOG("%s", path);
	}
}

TEST_F(trace, create_and_destroy)
{
	ASSERT_EQ(0, pool_create("t", BYTES));
	EXPECT_EQ(-EEXIST, pool_create("t", HUGE));
	ASSERT_EQ(0, pool_destroy("t"));
	EXPECT_EQ(-ENOENT, pool_destroy("t"));
	ASSERT_EQ(0, events_take(self));
	EXPECT_EVENT(1, "pinpool_create", "pool=t capacity=4194304 err=0");
	EXPECT_EVENT(1, "pinpool_create", "pool=t capacity=2097152 err=-17");
	EXPECT_EVENT(1, "pinpool_destroy", "pool=t err=0");
	EXPECT_EVENT(1, "pinpool_destroy", "pool=t err=-2");
}

TEST_F(trace, a_load_that_is_published)
{
	int fd, other;

	ASSERT_EQ(0, pool_create("t", BYTES));
	fd = pool_open_loading("t");
	ASSERT_LE(0, fd);
	other = pool_open("t", O_RDWR);
	ASSERT_LE(0, other);
	EXPECT_EQ(-EBUSY, pool_begin(other));
	EXPECT_EQ(-EINVAL, pool_commit(fd, BYTES + 1));
	EXPECT_EQ(0, pool_commit(fd, 5));
	EXPECT_EQ(-EROFS, pool_begin(other));
	ASSERT_EQ(0, events_take(self));
	EXPECT_EVENT(1, "pinpool_load", "pool=t state=loading err=0");
	EXPECT_EVENT(1, "pinpool_load", "pool=t state=loading err=-16");
	EXPECT_EVENT(1, "pinpool_load", "pool=t state=ready err=-30");
	EXPECT_EVENT(1, "pinpool_commit", "pool=t length=4194305 state=loading err=-22");
	EXPECT_EVENT(1, "pinpool_commit", "pool=t length=5 state=ready err=0");
	close(other);
	close(fd);
	ASSERT_EQ(0, events_take(self));
	EXPECT_EQ(NULL, strstr(self->events, "pinpool_abort"));
}

TEST_F(trace, a_load_that_is_given_up_and_one_whose_writer_goes)
{
	int fd;

	ASSERT_EQ(0, pool_create("t", BYTES));
	fd = pool_open_loading("t");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_abort(fd));
	EXPECT_EQ(-EBADF, pool_abort(fd));
	ASSERT_EQ(0, pool_begin(fd));
	close(fd);
	ASSERT_EQ(0, events_take(self));
	EXPECT_EVENT(1, "pinpool_abort", "pool=t closed=0 state=empty err=0");
	EXPECT_EVENT(1, "pinpool_abort", "pool=t closed=0 state=empty err=-9");
	EXPECT_EVENT(1, "pinpool_abort", "pool=t closed=1 state=empty err=0");
}

TEST_F(trace, faults)
{
	volatile char *p;
	int fd;

	ASSERT_EQ(0, pool_create("t", BYTES));
	fd = pool_open_loading("t");
	ASSERT_LE(0, fd);
	p = pool_map(fd, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, (void *)p);
	p[HUGE] = 1;
	ASSERT_EQ(0, events_take(self));
	EXPECT_EVENT(1, "pinpool_fault", "pool=t page=1 write=1 zeroed=1 err=0");
	EXPECT_EQ(0, p[0]);
	ASSERT_EQ(0, madvise((void *)p, BYTES, MADV_DONTNEED));
	EXPECT_EQ(1, p[HUGE]);
	ASSERT_EQ(0, events_take(self));
	EXPECT_EVENT(1, "pinpool_fault", "pool=t page=0 write=0 zeroed=1 err=0");
	EXPECT_EVENT(1, "pinpool_fault", "pool=t page=1 write=0 zeroed=0 err=0");

	ASSERT_EQ(0, pool_abort(fd));
	EXPECT_TRUE(bus_at(p, true));
	ASSERT_EQ(0, events_take(self));
	EXPECT_EVENT(1, "pinpool_fault", "pool=t page=0 write=1 zeroed=0 err=-61");
	munmap((void *)p, BYTES);
	close(fd);
}

TEST_F(trace, eviction)
{
	int fd, limit;

	ASSERT_EQ(0, pool_create_ready("t", BYTES, 1));
	fd = pool_open("t", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_set_eviction(fd, true, -7));
	close(fd);
	limit = file_write(MODULE_SYSFS "/parameters/limit_mb", "4");
	EXPECT_EQ(0, pool_create("u", HUGE));
	EXPECT_EQ(0, file_write(MODULE_SYSFS "/parameters/limit_mb", "0"));
	ASSERT_EQ(0, limit);
	ASSERT_EQ(0, events_take(self));
	EXPECT_EVENT(1, "pinpool_evict", "pool=t bytes=4194304 priority=-7");
	EXPECT_EVENT(1, "pinpool_create", "pool=u capacity=2097152 err=0");
}

TEST_HARNESS_MAIN
