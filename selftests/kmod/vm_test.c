// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * What the other tests find in the VM: two NUMA nodes with memory, memory cgroups below the root, tracepoints. Without
 * these they would fail, or test less than they say, for a reason that has nothing to do with the module.
 */
#include <sys/stat.h>

#include "harness.h"
#include "kmod_test.h"

#define NODE "/sys/devices/system/node/"

TEST(both_nodes_have_memory_and_a_cpu)
{
	char text[64];

	ASSERT_LT(0, file_read(NODE "has_memory", text, sizeof(text)));
	EXPECT_STREQ("0-1", text);
	ASSERT_LT(0, file_read(NODE "has_cpu", text, sizeof(text)));
	EXPECT_STREQ("0-1", text);
	for (int node = 0; node < 2; node++) {
		char path[64], meminfo[4096];
		unsigned long kib = 0;
		const char *total;

		snprintf(path, sizeof(path), NODE "node%d/meminfo", node);
		ASSERT_LT(0, file_read(path, meminfo, sizeof(meminfo)));
		total = strstr(meminfo, "MemTotal:");
		ASSERT_NE(NULL, total);
		ASSERT_EQ(1, sscanf(total, "MemTotal: %lu kB", &kib));
		EXPECT_LT(512UL << 10, kib);
	}
}

TEST(memory_cgroups_count_and_limit)
{
	char text[64];

	ASSERT_EQ(0, mkdir("/sys/fs/cgroup/vm_test", 0755));
	EXPECT_LT(0, file_read("/sys/fs/cgroup/vm_test/memory.current", text, sizeof(text)));
	EXPECT_LT(0, file_read("/sys/fs/cgroup/vm_test/memory.max", text, sizeof(text)));
	EXPECT_STREQ("max", text);
	EXPECT_EQ(0, rmdir("/sys/fs/cgroup/vm_test"));
}

TEST(tracepoints_can_be_read)
{
	char text[64];

	ASSERT_LT(0, file_read("/sys/kernel/tracing/events/enable", text, sizeof(text)));
	EXPECT_LT(0, file_read("/sys/kernel/tracing/tracing_on", text, sizeof(text)));
	EXPECT_STREQ("1", text);
}

TEST_HARNESS_MAIN
