// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * /proc/PID/fdinfo/FD of a pool's file: which pool, how it is, what the file is to it, and where its pages are.
 */
#include "harness.h"
#include "kmod_test.h"

#define BYTES (3 * HUGE)

FIXTURE(fdinfo) {
	int writer;
	int reader;
	char text[1024];
};

FIXTURE_SETUP(fdinfo)
{
	struct pinpool_create c;

	create_init(&c, "i", BYTES);
	c.numa_policy = PINPOOL_NUMA_INTERLEAVE;
	ASSERT_EQ(0, create_as(&c));
	self->writer = pool_open("i", O_RDWR);
	self->reader = pool_open("i", O_RDWR);
	ASSERT_LE(0, self->writer);
	ASSERT_LE(0, self->reader);
}

FIXTURE_TEARDOWN(fdinfo)
{
	close(self->writer);
	close(self->reader);
	pool_destroy("i");
}

/* Whether the fdinfo of @fd has the line "pinpool-@key:\t@value". */
static bool says(FIXTURE_DATA(fdinfo) * self, int fd, const char *key, const char *value)
{
	char path[64], line[128];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (file_read(path, self->text, sizeof(self->text) - 1) < 0)
		return false;
	strcat(self->text, "\n");
	snprintf(line, sizeof(line), "\npinpool-%s:\t%s\n", key, value);
	return strstr(self->text, line);
}

#define EXPECT_SAYS(_fd, _key, _value)                                                                                 \
	EXPECT_TRUE(says(self, _fd, _key, _value))                                                                     \
	{                                                                                                              \
		TH_LOG("%s: %s in:\n%s", _key, _value, self->text);                                                    \
	}

TEST_F(fdinfo, follows_a_pool_through_its_life)
{
	EXPECT_SAYS(self->writer, "name", "i");
	EXPECT_SAYS(self->writer, "state", "empty");
	EXPECT_SAYS(self->writer, "capacity", "6291456");
	EXPECT_SAYS(self->writer, "length", "0");
	EXPECT_SAYS(self->writer, "role", "reader");
	EXPECT_SAYS(self->writer, "pages-node0", "2");
	EXPECT_SAYS(self->writer, "pages-node1", "1");

	ASSERT_EQ(0, pool_begin(self->writer));
	EXPECT_SAYS(self->writer, "state", "loading");
	EXPECT_SAYS(self->writer, "role", "writer");
	EXPECT_SAYS(self->reader, "state", "loading");
	EXPECT_SAYS(self->reader, "role", "reader");

	ASSERT_EQ(0, pool_commit(self->writer, 12345));
	EXPECT_SAYS(self->writer, "state", "ready");
	EXPECT_SAYS(self->writer, "length", "12345");
	EXPECT_SAYS(self->writer, "role", "reader");
	ASSERT_EQ(0, pool_destroy("i"));
	EXPECT_SAYS(self->reader, "name", "i");
	EXPECT_SAYS(self->reader, "capacity", "6291456");
}

/* The file that is the writer, whoever has it. */
static int role_in_child(void *arg)
{
	FIXTURE_DATA(fdinfo) *self = arg;

	return says(self, self->writer, "role", "writer") ? 0 : 1;
}

TEST_F(fdinfo, a_writer_that_was_inherited_is_one)
{
	ASSERT_EQ(0, pool_begin(self->writer));
	EXPECT_EQ(0, in_child(role_in_child, self));
}

TEST_HARNESS_MAIN
