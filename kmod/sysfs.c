// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/class/pinpool/NAME/: the fields of POOL_INFO, one per file. /sys/class/pinpool/control/: those of MODULE_INFO.
 * The latter is a folder of its own because "control" is the one name that no pool can have. sysfs_node.c has the folders
 * of the NUMA nodes in it.
 */
#include <linux/bitmap.h>
#include <linux/sysfs.h>

#include "pinpool.h"

/**
 * pinpool_state_name - a state in a word, for people
 * @state: enum pinpool_state
 *
 * Return: a word that is part of the ABI.
 */
const char *pinpool_state_name(u32 state)
{
	static const char *const names[] = {
		[PINPOOL_STATE_EMPTY] = "empty",
		[PINPOOL_STATE_LOADING] = "loading",
		[PINPOOL_STATE_READY] = "ready",
	};

	return names[state];
}

static void pool_info_of(struct device *dev, struct pinpool_pool_info *info)
{
	pinpool_pool_info(container_of(dev, struct pinpool_pool, dev), info);
}

#define POOL_ATTR(_name, _format, _field)								\
	static ssize_t _name##_show(struct device *dev, struct device_attribute *attr, char *buf)	\
	{												\
		struct pinpool_pool_info info;								\
		pool_info_of(dev, &info);								\
		return sysfs_emit(buf, _format "\n", info._field);					\
	}												\
	static DEVICE_ATTR_RO(_name)

POOL_ATTR(capacity, "%llu", out_capacity);
POOL_ATTR(length, "%llu", out_length);
POOL_ATTR(page_size, "%llu", out_page_size);
POOL_ATTR(huge_pages, "%llu", out_huge_pages);
POOL_ATTR(numa_node, "%d", out_numa_node);
POOL_ATTR(mappings, "%llu", out_mappings);
POOL_ATTR(openers, "%llu", out_openers);
POOL_ATTR(faults, "%llu", out_faults);
POOL_ATTR(bytes_written, "%llu", out_bytes_written);
POOL_ATTR(created, "%llu", out_created_ns);
POOL_ATTR(committed, "%llu", out_committed_ns);
POOL_ATTR(priority, "%d", out_priority);
POOL_ATTR(numa_fallback, "%llu", out_numa_fallback);
POOL_ATTR(pages_zeroed, "%llu", out_pages_zeroed);
POOL_ATTR(failed_allocs, "%llu", out_failed_allocs);
POOL_ATTR(exports, "%llu", out_exports);
POOL_ATTR(bytes_read, "%llu", out_bytes_read);

#define POOL_FLAG_ATTR(_name, _flag)									\
	static ssize_t _name##_show(struct device *dev, struct device_attribute *attr, char *buf)	\
	{												\
		struct pinpool_pool_info info;								\
		pool_info_of(dev, &info);								\
		return sysfs_emit(buf, "%d\n", !!(info.out_flags & (_flag)));				\
	}												\
	static DEVICE_ATTR_RO(_name)

POOL_FLAG_ATTR(on_demand, PINPOOL_CREATE_ON_DEMAND);
POOL_FLAG_ATTR(evictable, PINPOOL_CREATE_EVICTABLE);

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct pinpool_pool_info info;

	pool_info_of(dev, &info);
	return sysfs_emit(buf, "%s\n", pinpool_state_name(info.out_state));
}
static DEVICE_ATTR_RO(state);

static ssize_t numa_policy_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const char *const names[] = {
		[PINPOOL_NUMA_BIND] = "bind",
		[PINPOOL_NUMA_PREFER] = "prefer",
		[PINPOOL_NUMA_INTERLEAVE] = "interleave",
	};
	struct pinpool_pool_info info;

	pool_info_of(dev, &info);
	return sysfs_emit(buf, "%s\n", names[info.out_numa_policy]);
}
static DEVICE_ATTR_RO(numa_policy);

/* As the kernel writes lists of nodes: 0-1,3. */
static ssize_t numa_nodes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	DECLARE_BITMAP(nodes, 64);
	struct pinpool_pool_info info;

	pool_info_of(dev, &info);
	bitmap_from_arr64(nodes, &info.out_numa_nodes, 64);
	return sysfs_emit(buf, "%*pbl\n", 64, nodes);
}
static DEVICE_ATTR_RO(numa_nodes);

static ssize_t digest_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const char *const names[] = {
		[PINPOOL_DIGEST_XXH3_128] = "xxh3-128",
		[PINPOOL_DIGEST_XXH3_128_LIST] = "xxh3-128-list",
	};
	struct pinpool_pool_info info;

	pool_info_of(dev, &info);
	if (info.out_digest_kind == PINPOOL_DIGEST_NONE)
		return sysfs_emit(buf, "none\n");
	return sysfs_emit(buf, "%s:%*phN\n", names[info.out_digest_kind], PINPOOL_DIGEST_SIZE, info.out_digest);
}
static DEVICE_ATTR_RO(digest);

static struct attribute *pool_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_capacity.attr,
	&dev_attr_length.attr,
	&dev_attr_page_size.attr,
	&dev_attr_huge_pages.attr,
	&dev_attr_numa_node.attr,
	&dev_attr_mappings.attr,
	&dev_attr_openers.attr,
	&dev_attr_faults.attr,
	&dev_attr_bytes_written.attr,
	&dev_attr_bytes_read.attr,
	&dev_attr_digest.attr,
	&dev_attr_created.attr,
	&dev_attr_committed.attr,
	&dev_attr_on_demand.attr,
	&dev_attr_evictable.attr,
	&dev_attr_priority.attr,
	&dev_attr_numa_policy.attr,
	&dev_attr_numa_nodes.attr,
	&dev_attr_numa_fallback.attr,
	&dev_attr_pages_zeroed.attr,
	&dev_attr_failed_allocs.attr,
	&dev_attr_exports.attr,
	NULL,
};

static const struct attribute_group pool_group = {
	.attrs = pool_attrs,
};

const struct attribute_group *pinpool_pool_groups[] = {
	&pool_group,
	NULL,
};

#define CONTROL_ATTR(_name, _format, _field)								\
	static ssize_t _name##_show(struct device *dev, struct device_attribute *attr, char *buf)	\
	{												\
		struct pinpool_module_info info;							\
		pinpool_module_info(&info);								\
		return sysfs_emit(buf, _format "\n", info._field);					\
	}												\
	static DEVICE_ATTR_RO(_name)

CONTROL_ATTR(reserve, "%llu", out_reserve_bytes);
CONTROL_ATTR(free, "%llu", out_free_bytes);
CONTROL_ATTR(limit, "%llu", out_limit_bytes);
CONTROL_ATTR(used, "%llu", out_used_bytes);
CONTROL_ATTR(pools, "%u", out_pools);
CONTROL_ATTR(limit_uid, "%llu", out_limit_uid_bytes);
CONTROL_ATTR(evicted, "%llu", out_evicted);
CONTROL_ATTR(pages_scrubbed, "%llu", out_pages_scrubbed);
CONTROL_ATTR(quarantine, "%llu", out_quarantine_bytes);

static struct attribute *control_attrs[] = {
	&dev_attr_reserve.attr,
	&dev_attr_free.attr,
	&dev_attr_limit.attr,
	&dev_attr_used.attr,
	&dev_attr_pools.attr,
	&dev_attr_limit_uid.attr,
	&dev_attr_evicted.attr,
	&dev_attr_pages_scrubbed.attr,
	&dev_attr_quarantine.attr,
	NULL,
};

/* What does not depend on the machine; sysfs_node.c adds the rest. */
const struct attribute_group pinpool_control_group = {
	.attrs = control_attrs,
};
