// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools as objects: names, minors, the module's limit, lifetimes.
 *
 * A pool is in @pools from the moment its name is taken to the moment its node is gone, so that two creators of one
 * name never meet in sysfs. It is live, which is to say that it can be opened and destroyed, only when its memory is
 * there. Open files hold references (mappings hold files); the memory goes with the last.
 */
#include <linux/cred.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/xarray.h>

#include "abi_assert.h"
#include "pinpool.h"

static_assert(PINPOOL_NUMA_ANY == NUMA_NO_NODE);

/* Guards what follows, and @live and @charged of every pool. */
static DEFINE_MUTEX(pools_lock);
static DEFINE_XARRAY_ALLOC1(pools);
static u32 next_minor;
static unsigned int nr_names;
static unsigned int nr_live;
static u64 used_bytes;

static void pool_release(struct device *dev)
{
	struct pinpool_pool *pool = container_of(dev, struct pinpool_pool, dev);
	struct inode *inode = pool->inode;

	pinpool_pages_free(&pool->pages);
	mutex_lock(&pools_lock);
	used_bytes -= pool->charged;
	mutex_unlock(&pools_lock);
	kfree(pool);
	/* Last: it lets go of the module. */
	if (inode)
		pinpool_inode_free(inode);
}

/*
 * The core asks with null pointers when it removes the node, and says nothing if it gets no answer: the node would stay
 * and stand in the way of the next pool of that name. So the answer does not fail.
 */
static char *pool_devnode(devnode_const struct device *dev, umode_t *mode, kuid_t *uid, kgid_t *gid)
{
	const struct pinpool_pool *pool = container_of(dev, struct pinpool_pool, dev);

	if (mode)
		*mode = pool->mode;
	if (uid)
		*uid = pool->uid;
	if (gid)
		*gid = pool->gid;
	return kasprintf(GFP_KERNEL | __GFP_NOFAIL, "pinpool/%s", dev_name(dev));
}

static const struct device_type pool_type = {
	.name = "pinpool",
	.groups = pinpool_pool_groups,
	.devnode = pool_devnode,
	.release = pool_release,
};

static struct pinpool_pool *pool_find(const char *name)
{
	struct pinpool_pool *pool;
	unsigned long minor;

	lockdep_assert_held(&pools_lock);

	xa_for_each(&pools, minor, pool)
		if (!strcmp(dev_name(&pool->dev), name))
			return pool;
	return NULL;
}

static bool pool_exceeds_limit(u64 capacity)
{
	u64 limit = pinpool_limit_bytes();

	lockdep_assert_held(&pools_lock);

	return limit && (capacity > limit || used_bytes > limit - capacity);
}

/* The name, a minor and a share of the limit, before any memory is spent on a pool that cannot be. */
static int pool_take_name(struct pinpool_pool *pool)
{
	u32 minor;
	int err;

	mutex_lock(&pools_lock);
	if (pool_find(dev_name(&pool->dev))) {
		err = -EEXIST;
		goto out_unlock;
	}
	if (nr_names == PINPOOL_MAX_POOLS || pool_exceeds_limit(pool->capacity)) {
		err = -ENOSPC;
		goto out_unlock;
	}
	/* Minors go round: who opens the node of a pool that is just going must not get another pool by its number. */
	err = xa_alloc_cyclic(&pools, &minor, pool, XA_LIMIT(PINPOOL_CONTROL_MINOR + 1, MINORMASK), &next_minor,
			      GFP_KERNEL);
	if (err < 0)
		goto out_unlock;
	err = 0;
	pool->dev.devt = MKDEV(MAJOR(pinpool_devt), minor);
	pool->charged = pool->capacity;
	used_bytes += pool->charged;
	nr_names++;

out_unlock:
	mutex_unlock(&pools_lock);
	return err;
}

static void pool_drop_name(struct pinpool_pool *pool)
{
	lockdep_assert_held(&pools_lock);

	xa_erase(&pools, MINOR(pool->dev.devt));
	nr_names--;
}

/* From here on the pool can be opened: everything it needs is there. */
static int pool_publish(struct pinpool_pool *pool)
{
	int err;

	mutex_lock(&pools_lock);
	pool->live = true;
	err = device_add(&pool->dev);
	if (err)
		pool->live = false;
	else
		nr_live++;
	mutex_unlock(&pools_lock);
	return err;
}

/**
 * pinpool_pool_create - make an EMPTY pool with all its pages, or nothing
 * @params: what it shall be
 *
 * Return: 0, -EEXIST, -ENOSPC, -ENOMEM or -EINTR.
 */
int pinpool_pool_create(const struct pinpool_params *params)
{
	struct pinpool_pool *pool;
	struct inode *inode;
	int err;

	pool = kzalloc(sizeof(*pool), GFP_KERNEL_ACCOUNT);
	if (!pool)
		return -ENOMEM;
	pool->capacity = params->capacity;
	pool->uid = params->uid;
	pool->gid = params->gid;
	pool->mode = params->mode;
	pool->numa_node = params->numa_node;
	pool->created_ns = ktime_get_real_ns();
	init_waitqueue_head(&pool->wait);
	mutex_init(&pool->lock);

	device_initialize(&pool->dev);
	pool->dev.class = &pinpool_class;
	pool->dev.type = &pool_type;
	err = dev_set_name(&pool->dev, "%s", params->name);
	if (err)
		goto err_put;

	err = pool_take_name(pool);
	if (err)
		goto err_put;
	err = pinpool_pages_alloc(&pool->pages, pool->capacity >> PINPOOL_PAGE_SHIFT, pool->numa_node);
	if (err)
		goto err_name;
	inode = pinpool_inode_new(pool->capacity);
	if (IS_ERR(inode)) {
		err = PTR_ERR(inode);
		goto err_name;
	}
	pool->inode = inode;
	err = pool_publish(pool);
	if (err)
		goto err_name;
	return 0;

err_name:
	mutex_lock(&pools_lock);
	pool_drop_name(pool);
	mutex_unlock(&pools_lock);
err_put:
	/* pool_release() frees whatever the pool has got so far. */
	put_device(&pool->dev);
	return err;
}

/**
 * pinpool_pool_destroy - remove a pool's name and node
 * @name: which
 *
 * For its owner and for CAP_SYS_ADMIN. Files that are open go on as files of an unlinked name do.
 *
 * Return: 0, -ENOENT or -EPERM.
 */
int pinpool_pool_destroy(const char *name)
{
	struct pinpool_pool *pool;

	mutex_lock(&pools_lock);
	pool = pool_find(name);
	if (!pool || !pool->live) {
		mutex_unlock(&pools_lock);
		return -ENOENT;
	}
	if (!uid_eq(pool->uid, current_fsuid()) && !capable(CAP_SYS_ADMIN)) {
		mutex_unlock(&pools_lock);
		return -EPERM;
	}
	pool->live = false;
	nr_live--;
	device_del(&pool->dev);
	pool_drop_name(pool);
	mutex_unlock(&pools_lock);

	mutex_lock(&pool->lock);
	WRITE_ONCE(pool->destroyed, true);
	mutex_unlock(&pool->lock);
	wake_up_all(&pool->wait);
	pinpool_pool_put(pool);
	return 0;
}

/**
 * pinpool_pool_get - the live pool behind a node
 * @minor: of the node
 *
 * Return: the pool, for pinpool_pool_put(), or NULL.
 */
struct pinpool_pool *pinpool_pool_get(unsigned int minor)
{
	struct pinpool_pool *pool;

	mutex_lock(&pools_lock);
	pool = xa_load(&pools, minor);
	if (pool && pool->live)
		get_device(&pool->dev);
	else
		pool = NULL;
	mutex_unlock(&pools_lock);
	return pool;
}

/**
 * pinpool_pool_put - give a reference back; with the last one the pages go
 * @pool: the pool
 */
void pinpool_pool_put(struct pinpool_pool *pool)
{
	might_sleep();
	put_device(&pool->dev);
}

/**
 * pinpool_pool_info - everything known of a pool, taken at one moment
 * @pool: the pool
 * @info: receives it; @size and @flags are left alone
 */
void pinpool_pool_info(struct pinpool_pool *pool, struct pinpool_pool_info *info)
{
	struct user_namespace *ns = current_user_ns();

	strscpy_pad(info->out_name, dev_name(&pool->dev), sizeof(info->out_name));
	info->out_capacity = pool->capacity;
	info->out_page_size = PINPOOL_PAGE_SIZE;
	info->out_huge_pages = pool->pages.nr;
	info->out_created_ns = pool->created_ns;
	info->out_numa_node = pool->numa_node;
	info->out_uid = from_kuid_munged(ns, pool->uid);
	info->out_gid = from_kgid_munged(ns, pool->gid);
	info->out_mode = pool->mode;
	info->out_faults = atomic64_read(&pool->faults);

	mutex_lock(&pool->lock);
	info->out_state = pool->state;
	info->out_length = pool->length;
	info->out_mappings = pool->mappings;
	info->out_openers = pool->openers;
	info->out_bytes_written = pool->bytes_written;
	info->out_committed_ns = pool->committed_ns;
	info->out_digest_kind = pool->digest_kind;
	memcpy(info->out_digest, pool->digest, sizeof(info->out_digest));
	mutex_unlock(&pool->lock);
}

/**
 * pinpool_module_info - what the module has and has left
 * @info: receives it; @size and @flags are left alone
 */
void pinpool_module_info(struct pinpool_module_info *info)
{
	info->out_features = PINPOOL_FEATURES_ALL;
	info->out_page_size = PINPOOL_PAGE_SIZE;
	info->out_reserve_bytes = pinpool_reserve_bytes();
	info->out_free_bytes = pinpool_reserve_free_bytes();
	info->out_limit_bytes = pinpool_limit_bytes();

	mutex_lock(&pools_lock);
	info->out_used_bytes = used_bytes;
	info->out_pools = nr_live;
	mutex_unlock(&pools_lock);
	info->__reserved = 0;
}
