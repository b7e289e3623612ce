// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * What the library takes the machine for: caches, cores, nodes, affinity, quotas of cgroups. Machines that this one is
 * not are made with hwloc's own HWLOC_SYNTHETIC, cgroups from files in a folder that stands for /, and one for real.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pinpool/math.h>

#include "harness.h"
#include "math/quota.h"
#include "math/topology.h"

static struct topology read_topology(struct __test_metadata *_metadata)
{
	struct topology topology;

	ASSERT_EQ(0, topology_read(&topology));
	return topology;
}

/* As sysfs has them for the first processor, 0 if there is none. */
static size_t sysfs_cache(int level)
{
	for (int index = 0; index < 8; index++) {
		char path[128], type[16];
		size_t kib;
		FILE *file;
		int found;

		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/level", index);
		file = fopen(path, "r");
		if (!file)
			return 0;
		if (fscanf(file, "%d", &found) != 1)
			found = 0;
		fclose(file);
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/type", index);
		file = fopen(path, "r");
		if (!file || fscanf(file, "%15s", type) != 1)
			type[0] = 'I';
		fclose(file);
		if (found != level || type[0] == 'I')
			continue;
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
		file = fopen(path, "r");
		if (!file || fscanf(file, "%zuK", &kib) != 1)
			kib = 0;
		fclose(file);
		return kib << 10;
	}
	return 0;
}

TEST(caches_are_plausible_and_the_machines_own)
{
	struct topology topology = read_topology(_metadata);
	size_t l1 = sysfs_cache(1);

	TH_LOG("%zu, %zu and %zu KiB", topology.cache.l1 >> 10, topology.cache.l2 >> 10, topology.cache.l3 >> 10);
	EXPECT_LE(16 << 10, topology.cache.l1);
	EXPECT_GE(128 << 10, topology.cache.l1);
	EXPECT_LE(128 << 10, topology.cache.l2);
	EXPECT_GE(4 << 20, topology.cache.l2);
	EXPECT_LE(4 << 20, topology.cache.l3);
	EXPECT_GE(64 << 20, topology.cache.l3);
	/* Of processors of several kinds the first may not be the one with the smallest. */
	if (l1 >= 16 << 10 && l1 <= 128 << 10) {
		EXPECT_GE(l1, topology.cache.l1);
	} else {
		TH_LOG("sysfs has no first cache within bounds");
	}
	topology_free(&topology);
}

TEST(caches_of_a_machine_that_is_described)
{
	struct topology topology;

	setenv("HWLOC_SYNTHETIC", "l3:2(size=20MiB) l2:1(size=2MiB) l1d:1(size=48KiB) core:2 pu:1", 1);
	topology = read_topology(_metadata);
	EXPECT_EQ(48 << 10 >> 1, topology.cache.l1);
	EXPECT_EQ(1 << 20, topology.cache.l2);
	EXPECT_EQ(20 << 20, topology.cache.l3);
	topology_free(&topology);
	setenv("HWLOC_SYNTHETIC", "l3:1(size=400MiB) l2:1(size=64MiB) l1d:1(size=1MiB) core:1 pu:2", 1);
	topology = read_topology(_metadata);
	EXPECT_EQ(128 << 10, topology.cache.l1);
	EXPECT_EQ(4 << 20, topology.cache.l2);
	EXPECT_EQ(64 << 20, topology.cache.l3);
	topology_free(&topology);
	setenv("HWLOC_SYNTHETIC", "l3:1(size=1MiB) l2:1(size=64KiB) l1d:1(size=4KiB) core:1 pu:2", 1);
	topology = read_topology(_metadata);
	EXPECT_EQ(16 << 10, topology.cache.l1);
	EXPECT_EQ(128 << 10, topology.cache.l2);
	EXPECT_EQ(4 << 20, topology.cache.l3);
	topology_free(&topology);
}

TEST(processors_are_those_of_the_affinity)
{
	struct topology topology = read_topology(_metadata);
	cpu_set_t set, one;
	int cpu = 0;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(set), &set));
	EXPECT_EQ(CPU_COUNT(&set), topology.count);
	EXPECT_LE(topology.cores, topology.count);
	for (unsigned int i = 0; i < topology.count; i++)
		EXPECT_TRUE(CPU_ISSET(topology.processors[i].cpu, &set));
	topology_free(&topology);

	while (!CPU_ISSET(cpu, &set))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	topology = read_topology(_metadata);
	ASSERT_EQ(1, topology.count);
	EXPECT_EQ(cpu, topology.processors[0].cpu);
	EXPECT_EQ(1, topology.cores);
	EXPECT_EQ(1, topology_default_threads(&topology));
	topology_free(&topology);
}

/* Binds to processors 0 and 1, which every described machine below has. */
static bool bind_to_two(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	CPU_SET(1, &set);
	return !sched_setaffinity(0, sizeof(set), &set) && !sched_getaffinity(0, sizeof(set), &set) &&
	       CPU_COUNT(&set) == 2;
}

TEST(two_processors_of_one_core_are_one_thread)
{
	struct topology topology;
	cpu_set_t set;

	if (!bind_to_two())
		SKIP(return, "processors 0 and 1 are not both there");
	setenv("HWLOC_SYNTHETIC", "core:1 pu:2", 1);
	topology = read_topology(_metadata);
	EXPECT_EQ(2, topology.count);
	EXPECT_EQ(1, topology.cores);
	EXPECT_EQ(0, topology.processors[0].sibling);
	EXPECT_EQ(1, topology.processors[1].sibling);
	topology.quota = QUOTA_NONE;
	EXPECT_EQ(1, topology_default_threads(&topology));
	/* Pinned to the core, so to either of its processors. */
	CPU_ZERO(&set);
	CPU_SET(1, &set);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(set), &set));
	ASSERT_EQ(0, topology_pin(&topology, &topology.processors[0], pthread_self()));
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(set), &set));
	EXPECT_TRUE(CPU_ISSET(0, &set) && CPU_ISSET(1, &set));
	topology_free(&topology);
}

TEST(without_hwloc_every_processor_is_a_core)
{
	struct topology topology;
	cpu_set_t set;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(set), &set));
	/* Sources of its knowledge: from here on none. */
	setenv("HWLOC_COMPONENTS", "stop", 1);
	topology = read_topology(_metadata);
	EXPECT_EQ(CPU_COUNT(&set), topology.count);
	EXPECT_EQ(topology.count, topology.cores);
	for (unsigned int i = 0; i < topology.count; i++)
		EXPECT_EQ(0, topology.processors[i].node);
	EXPECT_LE(16 << 10, topology.cache.l1);
	EXPECT_LE(128 << 10, topology.cache.l2);
	EXPECT_LE(4 << 20, topology.cache.l3);
	topology_free(&topology);
}

TEST(places_are_by_node_from_the_callers_own)
{
	struct processor *places;
	struct topology topology;
	cpu_set_t one;

	if (!bind_to_two())
		SKIP(return, "processors 0 and 1 are not both there");
	setenv("HWLOC_SYNTHETIC", "node:2 core:1 pu:1", 1);
	for (int home = 0; home < 2; home++) {
		int before;

		do {
			/* Goes there, and may then run on both again, but seldom does at once. */
			CPU_ZERO(&one);
			CPU_SET(home, &one);
			ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
			ASSERT_TRUE(bind_to_two());
			before = sched_getcpu();
			topology = read_topology(_metadata);
			if (before == home && sched_getcpu() == home)
				break;
			topology_free(&topology);
		} while (true);
		ASSERT_EQ(2, topology.count);
		EXPECT_EQ(2, topology.cores);
		EXPECT_EQ(home, topology.processors[0].cpu);
		EXPECT_EQ(home, topology.processors[0].node);
		EXPECT_EQ(!home, topology.processors[1].node);
		places = topology_places(&topology, 5);
		ASSERT_NE(NULL, places);
		for (unsigned int i = 0; i < 5; i++)
			EXPECT_EQ(i < 3 ? home : !home, places[i].cpu);
		free(places);
		topology_free(&topology);
	}
}

FIXTURE(quota)
{
	char root[64];
};

FIXTURE_SETUP(quota)
{
	strcpy(self->root, "/tmp/pinpool-quota.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->root));
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	return remove(path);
}

FIXTURE_TEARDOWN(quota)
{
	nftw(self->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file below the root, making its folders. */
static void put(struct __test_metadata *_metadata, FIXTURE_DATA(quota) * self, const char *name, const char *text)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s%s", self->root, name);
	for (char *slash = strchr(path + strlen(self->root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		ASSERT_TRUE(!mkdir(path, 0777) || errno == EEXIST);
		*slash = '/';
	}
	file = fopen(path, "w");
	ASSERT_NE(NULL, file);
	fputs(text, file);
	fclose(file);
}

#define PUT(name, text) put(_metadata, self, name, text)

TEST_F(quota, nothing_to_read_is_none)
{
	EXPECT_EQ(QUOTA_NONE, quota_processors(self->root));
	PUT("/proc/self/cgroup", "0::/a\nnonsense\n7:nonsense\n");
	EXPECT_EQ(QUOTA_NONE, quota_processors(self->root));
	PUT("/proc/self/mountinfo", "nonsense\n1 2 0:3 / /sys/fs/cgroup rw - \n1 2 0:3 / /cg rw - cgroup2 none rw\n");
	EXPECT_EQ(QUOTA_NONE, quota_processors(self->root));
	PUT("/cg/a/cpu.max", "");
	EXPECT_EQ(QUOTA_NONE, quota_processors(self->root));
	PUT("/cg/a/cpu.max", "max 100000\n");
	EXPECT_EQ(QUOTA_NONE, quota_processors(self->root));
	PUT("/cg/a/cpu.max", "100000\n");
	EXPECT_EQ(QUOTA_NONE, quota_processors(self->root));
	PUT("/cg/a/cpu.max", "100000 0\n");
	EXPECT_EQ(QUOTA_NONE, quota_processors(self->root));
	PUT("/cg/a/cpu.max", "4294967297 1\n");
	EXPECT_EQ(QUOTA_NONE, quota_processors(self->root));
}

TEST_F(quota, second_version_every_level_counts)
{
	PUT("/proc/self/cgroup", "0::/a/b/c\n");
	PUT("/proc/self/mountinfo", "20 1 0:9 / / rw - ext4 /dev/sda rw\n"
				    "25 20 0:5 / /sys/fs/cgroup rw shared:4 master:2 - cgroup2 none rw,nsdelegate\n");
	PUT("/sys/fs/cgroup/a/b/c/cpu.max", "350000 100000\n");
	EXPECT_EQ(4, quota_processors(self->root));
	PUT("/sys/fs/cgroup/a/b/c/cpu.max", "300000 100000\n");
	EXPECT_EQ(3, quota_processors(self->root));
	PUT("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	EXPECT_EQ(3, quota_processors(self->root));
	PUT("/sys/fs/cgroup/a/cpu.max", "100001 100000\n");
	EXPECT_EQ(2, quota_processors(self->root));
	PUT("/sys/fs/cgroup/cpu.max", "1000 100000\n");
	EXPECT_EQ(1, quota_processors(self->root));
	/* More above is no more here. */
	PUT("/sys/fs/cgroup/cpu.max", "900000 100000\n");
	EXPECT_EQ(2, quota_processors(self->root));
	/* A neighbour's is not ours. */
	PUT("/sys/fs/cgroup/cpu.max", "max 100000\n");
	PUT("/sys/fs/cgroup/a/bb/cpu.max", "1000 100000\n");
	EXPECT_EQ(2, quota_processors(self->root));
}

TEST_F(quota, first_version_every_level_counts)
{
	PUT("/proc/self/cgroup", "9:cpuset:/s\n4:cpuacct,cpu:/a/b\n1:name=systemd:/x\n0::/\n");
	PUT("/proc/self/mountinfo", "30 25 0:26 / /cg/cpuset rw - cgroup cgroup rw,cpuset\n"
				    "31 25 0:27 / /cg/my\\040cpu rw - cgroup cgroup rw,cpuacct,cpu\n");
	PUT("/cg/my cpu/a/b/cpu.cfs_quota_us", "-1\n");
	PUT("/cg/my cpu/a/b/cpu.cfs_period_us", "100000\n");
	/* Neither our cgroup for other things, nor of other things one of the same name. */
	PUT("/cg/my cpu/s/cpu.cfs_quota_us", "1\n");
	PUT("/cg/my cpu/s/cpu.cfs_period_us", "1\n");
	PUT("/cg/cpuset/a/b/cpu.cfs_quota_us", "1\n");
	PUT("/cg/cpuset/a/b/cpu.cfs_period_us", "1\n");
	EXPECT_EQ(QUOTA_NONE, quota_processors(self->root));
	PUT("/cg/my cpu/a/b/cpu.cfs_quota_us", "250000\n");
	EXPECT_EQ(3, quota_processors(self->root));
	PUT("/cg/my cpu/a/cpu.cfs_quota_us", "150000\n");
	EXPECT_EQ(3, quota_processors(self->root));
	PUT("/cg/my cpu/a/cpu.cfs_period_us", "100000\n");
	EXPECT_EQ(2, quota_processors(self->root));
	PUT("/cg/my cpu/cpu.cfs_quota_us", "1000\n");
	PUT("/cg/my cpu/cpu.cfs_period_us", "1000\n");
	EXPECT_EQ(1, quota_processors(self->root));
}

TEST_F(quota, what_is_mounted_may_be_a_part)
{
	PUT("/proc/self/cgroup", "0::/pods/one/two\n");
	PUT("/proc/self/mountinfo", "25 20 0:5 /pods/one /cg rw - cgroup2 cgroup2 rw\n"
				    "26 20 0:5 /pods/on /other rw - cgroup2 cgroup2 rw\n"
				    "27 20 0:5 /machines /another rw - cgroup2 cgroup2 rw\n");
	PUT("/cg/two/cpu.max", "500 100\n");
	PUT("/cg/pods/one/two/cpu.max", "100 100\n");
	PUT("/other/cpu.max", "100 100\n");
	PUT("/othere/two/cpu.max", "100 100\n");
	PUT("/another/cpu.max", "100 100\n");
	EXPECT_EQ(5, quota_processors(self->root));
	PUT("/cg/cpu.max", "200 100\n");
	EXPECT_EQ(2, quota_processors(self->root));
}

TEST_F(quota, a_cgroup_outside_of_the_namespace_is_not_followed)
{
	PUT("/proc/self/cgroup", "0::/../else\n");
	PUT("/proc/self/mountinfo", "25 20 0:5 / /mnt/cg rw - cgroup2 cgroup2 rw\n");
	PUT("/mnt/else/cpu.max", "100 100\n");
	PUT("/mnt/cpu.max", "200 100\n");
	PUT("/mnt/cg/cpu.max", "300 100\n");
	EXPECT_EQ(3, quota_processors(self->root));
}

/* Writes @text to @name in @folder. Returns 0 or -errno. */
static int write_to(const char *folder, const char *name, const char *text)
{
	char path[256];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static bool has_cpu_controller(const char *folder, const char *name)
{
	char path[256], word[32];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "r");
	while (file && fscanf(file, "%31s", word) == 1)
		found |= !strcmp(word, "cpu");
	if (file)
		fclose(file);
	return found;
}

static void check_threads(struct __test_metadata *_metadata, unsigned int quota)
{
	struct topology topology = read_topology(_metadata);
	struct pinpool_math *math;

	EXPECT_EQ(quota, topology.quota);
	ASSERT_EQ(0, pinpool_math_new(&math, NULL, NULL));
	EXPECT_EQ(topology.cores < quota ? topology.cores : quota, pinpool_math_threads(math));
	pinpool_math_free(math);
	topology_free(&topology);
}

/* Mounted where only this process sees it, so that it does not matter what this system mounts where. */
TEST(a_cgroup_with_less_than_the_machine)
{
	char top[] = "/tmp/pinpool-cgroup.XXXXXX", group[64];
	unsigned int above;
	bool v2, enabled = false;
	int moved;

	if (geteuid())
		SKIP(return, "needs root to make a cgroup");
	ASSERT_NE(NULL, mkdtemp(top));
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		rmdir(top);
		SKIP(return, "cannot mount here: %s", strerror(errno));
	}
	v2 = !mount("none", top, "cgroup2", 0, NULL);
	if (v2 && !has_cpu_controller(top, "cgroup.controllers")) {
		umount(top);
		v2 = false;
	}
	if (!v2 && mount("none", top, "cgroup", 0, "cpu") && mount("none", top, "cgroup", 0, "cpu,cpuacct")) {
		rmdir(top);
		SKIP(return, "no cpu controller: %s", strerror(errno));
	}
	if (v2 && !has_cpu_controller(top, "cgroup.subtree_control"))
		enabled = !write_to(top, "cgroup.subtree_control", "+cpu");
	snprintf(group, sizeof(group), "%s/pinpool-test-%d", top, getpid());
	ASSERT_EQ(0, mkdir(group, 0755));
	moved = write_to(group, "cgroup.procs", "0");
	EXPECT_EQ(0, moved);
	if (!moved) {
		/* The period is 100000 from the start. */
		const char *name = v2 ? "cpu.max" : "cpu.cfs_quota_us";

		TH_LOG("version %d", v2 ? 2 : 1);
		above = quota_processors("");
		EXPECT_EQ(0, write_to(group, name, "50000"));
		check_threads(_metadata, 1);
		EXPECT_EQ(0, write_to(group, name, "150000"));
		check_threads(_metadata, above < 2 ? above : 2);
		EXPECT_EQ(0, write_to(top, "cgroup.procs", "0"));
	}
	EXPECT_EQ(0, rmdir(group));
	if (enabled)
		write_to(top, "cgroup.subtree_control", "-cpu");
	umount(top);
	rmdir(top);
}

TEST_HARNESS_MAIN
