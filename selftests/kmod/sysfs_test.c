// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * sysfs says what the ioctls say: one value per file, for each pool and for the module, in every state.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "harness.h"
#include "kmod_test.h"

#define PAGES 4
#define BYTES (PAGES * HUGE)
#define POOL_FILES 23

FIXTURE(sysfs) {
	int fd;
};

FIXTURE_SETUP(sysfs)
{
	ASSERT_EQ(0, pool_create("y", BYTES));
	self->fd = pool_open("y", O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(sysfs)
{
	close(self->fd);
	pool_destroy("y");
}

/* Content of /sys/class/pinpool/@folder/@file in @buf; a string that is no value if it cannot be read. */
static const char *attribute(const char *folder, const char *file, char buf[256])
{
	char path[256];
	int n;

	snprintf(path, sizeof(path), "/sys/class/pinpool/%s/%s", folder, file);
	n = file_read(path, buf, 256);
	if (n < 0) {
		snprintf(buf, 256, "(error %d)", -n);
	} else if (strchr(buf, '\n')) {
		snprintf(buf, 256, "(several lines)");
	}
	return buf;
}

#define EXPECT_ATTRIBUTE(_folder, _file, _format, ...)                                                                 \
	do {                                                                                                           \
		char _want[256], _buf[256];                                                                            \
		snprintf(_want, sizeof(_want), _format, ##__VA_ARGS__);                                                \
		EXPECT_STREQ(_want, attribute(_folder, _file, _buf)) TH_LOG("%s/%s", _folder, _file);                  \
	} while (0)

static void expect_as_info(struct __test_metadata *_metadata, int fd)
{
	static const char *const states[] = { "empty", "loading", "ready" };
	static const char *const policies[] = { "bind", "prefer", "interleave" };
	static const char *const kinds[] = { "none", "xxh3-128:", "xxh3-128-list:" };
	char digest[2 * PINPOOL_DIGEST_SIZE + 1] = "";
	struct pinpool_pool_info info;

	ASSERT_EQ(0, pool_info(fd, &info));
	ASSERT_LE(info.out_state, 2);
	ASSERT_LE(info.out_digest_kind, 2);
	for (int i = 0; info.out_digest_kind && i < PINPOOL_DIGEST_SIZE; i++)
		sprintf(digest + 2 * i, "%02x", info.out_digest[i]);
	EXPECT_ATTRIBUTE("y", "state", "%s", states[info.out_state]);
	EXPECT_ATTRIBUTE("y", "capacity", "%llu", info.out_capacity);
	EXPECT_ATTRIBUTE("y", "length", "%llu", info.out_length);
	EXPECT_ATTRIBUTE("y", "page_size", "%llu", info.out_page_size);
	EXPECT_ATTRIBUTE("y", "huge_pages", "%llu", info.out_huge_pages);
	EXPECT_ATTRIBUTE("y", "numa_node", "%d", info.out_numa_node);
	EXPECT_ATTRIBUTE("y", "mappings", "%llu", info.out_mappings);
	EXPECT_ATTRIBUTE("y", "openers", "%llu", info.out_openers);
	EXPECT_ATTRIBUTE("y", "faults", "%llu", info.out_faults);
	EXPECT_ATTRIBUTE("y", "bytes_written", "%llu", info.out_bytes_written);
	EXPECT_ATTRIBUTE("y", "bytes_read", "%llu", info.out_bytes_read);
	EXPECT_ATTRIBUTE("y", "created", "%llu", info.out_created_ns);
	EXPECT_ATTRIBUTE("y", "committed", "%llu", info.out_committed_ns);
	EXPECT_ATTRIBUTE("y", "on_demand", "%d", !!(info.out_flags & PINPOOL_CREATE_ON_DEMAND));
	EXPECT_ATTRIBUTE("y", "evictable", "%d", !!(info.out_flags & PINPOOL_CREATE_EVICTABLE));
	EXPECT_ATTRIBUTE("y", "priority", "%d", info.out_priority);
	EXPECT_ATTRIBUTE("y", "numa_policy", "%s", policies[info.out_numa_policy]);
	EXPECT_ATTRIBUTE("y", "numa_nodes", "%s", info.out_numa_nodes == 3 ? "0-1" : "");
	EXPECT_ATTRIBUTE("y", "numa_fallback", "%llu", info.out_numa_fallback);
	EXPECT_ATTRIBUTE("y", "pages_zeroed", "%llu", info.out_pages_zeroed);
	EXPECT_ATTRIBUTE("y", "failed_allocs", "%llu", info.out_failed_allocs);
	EXPECT_ATTRIBUTE("y", "exports", "%llu", info.out_exports);
	EXPECT_ATTRIBUTE("y", "digest", "%s%s", kinds[info.out_digest_kind], digest);
}

TEST_F(sysfs, attributes_follow_a_pool_through_its_life)
{
	struct pinpool_commit c = { .size = sizeof(c), .length = HUGE + 5, .digest_kind = PINPOOL_DIGEST_XXH3_128 };
	struct pinpool_pool_info info;
	char *p;

	for (int i = 0; i < PINPOOL_DIGEST_SIZE; i++)
		c.digest[i] = i * 17;
	expect_as_info(_metadata, self->fd);
	EXPECT_ATTRIBUTE("y", "state", "empty");
	ASSERT_EQ(0, pool_begin(self->fd));
	ASSERT_EQ(3, write(self->fd, "abc", 3));
	p = pool_map(self->fd, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	p[2 * HUGE] = 1;
	expect_as_info(_metadata, self->fd);
	EXPECT_ATTRIBUTE("y", "state", "loading");
	EXPECT_ATTRIBUTE("y", "mappings", "1");
	EXPECT_ATTRIBUTE("y", "faults", "1");
	EXPECT_ATTRIBUTE("y", "bytes_written", "3");
	EXPECT_ATTRIBUTE("y", "length", "0");
	EXPECT_ATTRIBUTE("y", "digest", "none");
	munmap(p, BYTES);
	ASSERT_EQ(0, ioctl(self->fd, PINPOOL_IOC_COMMIT, &c));
	expect_as_info(_metadata, self->fd);
	EXPECT_ATTRIBUTE("y", "state", "ready");
	EXPECT_ATTRIBUTE("y", "length", "%lu", HUGE + 5);
	EXPECT_ATTRIBUTE("y", "capacity", "%lu", BYTES);
	EXPECT_ATTRIBUTE("y", "huge_pages", "%d", PAGES);
	EXPECT_ATTRIBUTE("y", "numa_node", "-1");
	EXPECT_ATTRIBUTE("y", "digest", "xxh3-128:00112233445566778899aabbccddeeff");
	ASSERT_EQ(0, pool_info(self->fd, &info));
	EXPECT_EQ(1, info.out_openers);
}

TEST_F(sysfs, module_wide)
{
	struct pinpool_module_info info;

	ASSERT_EQ(0, module_info(&info));
	EXPECT_ATTRIBUTE("control", "reserve", "%llu", info.out_reserve_bytes);
	EXPECT_ATTRIBUTE("control", "free", "%llu", info.out_free_bytes);
	EXPECT_ATTRIBUTE("control", "limit", "%llu", info.out_limit_bytes);
	EXPECT_ATTRIBUTE("control", "used", "%llu", info.out_used_bytes);
	EXPECT_ATTRIBUTE("control", "pools", "%u", info.out_pools);
	EXPECT_ATTRIBUTE("control", "limit_uid", "%llu", info.out_limit_uid_bytes);
	EXPECT_ATTRIBUTE("control", "evicted", "%llu", info.out_evicted);
	EXPECT_ATTRIBUTE("control", "pages_scrubbed", "%llu", info.out_pages_scrubbed);
	EXPECT_ATTRIBUTE("control", "quarantine", "%llu", info.out_quarantine_bytes);
	EXPECT_EQ(BYTES, info.out_used_bytes);
	EXPECT_EQ(1, info.out_pools);
}

/* Nothing to write, nothing that only root could read, and no file that this test does not know. */
TEST_F(sysfs, files_are_read_only_and_all_known)
{
	int files = 0;
	struct dirent *e;
	DIR *dir = opendir("/sys/class/pinpool/y");

	ASSERT_NE(NULL, dir);
	while ((e = readdir(dir))) {
		struct stat st;

		/* The driver core's own: dev, power/, subsystem, uevent. */
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode) ||
		    !strcmp(e->d_name, "dev") || !strcmp(e->d_name, "uevent")) {
			continue;
		}
		files++;
		EXPECT_EQ(0444, st.st_mode & 07777) TH_LOG("%s", e->d_name);
	}
	closedir(dir);
	EXPECT_EQ(POOL_FILES, files);
}

/* A file of sysfs that was open when the pool went says so; nothing hangs. */
TEST_F(sysfs, a_file_kept_open_across_destroy)
{
	int fd = open("/sys/class/pinpool/y/state", O_RDONLY | O_CLOEXEC);
	char buf[16];

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_destroy("y"));
	EXPECT_EQ(-ENODEV, result(read(fd, buf, sizeof(buf))));
	close(fd);
}

TEST_HARNESS_MAIN
