// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/class/pinpool/NAME/: the fields of POOL_INFO, one per file. /sys/class/pinpool/control/: those of MODULE_INFO.
 * The latter is a folder of its own because "control" is the one name that no pool can have.
 */
#include <linux/sysfs.h>

#include "pinpool.h"

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

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const char *const names[] = {
		[PINPOOL_STATE_EMPTY] = "empty",
		[PINPOOL_STATE_LOADING] = "loading",
		[PINPOOL_STATE_READY] = "ready",
	};
	struct pinpool_pool_info info;

	pool_info_of(dev, &info);
	return sysfs_emit(buf, "%s\n", names[info.out_state]);
}
static DEVICE_ATTR_RO(state);

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
	&dev_attr_digest.attr,
	&dev_attr_created.attr,
	&dev_attr_committed.attr,
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

static struct attribute *control_attrs[] = {
	&dev_attr_reserve.attr,
	&dev_attr_free.attr,
	&dev_attr_limit.attr,
	&dev_attr_used.attr,
	&dev_attr_pools.attr,
	NULL,
};

static const struct attribute_group control_group = {
	.attrs = control_attrs,
};

const struct attribute_group *pinpool_control_groups[] = {
	&control_group,
	NULL,
};
