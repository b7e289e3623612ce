// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools as objects: names, minors, the module's limit, lifetimes.
 *
 * A pool is in @pools from the moment its name is taken to the moment its node is gone, so that two creators of one
 * name never meet in sysfs. It is live, which is to say that it can be opened and destroyed, only when its memory is
 * there. Open files hold references (mappings hold files), and exports do; the memory goes with the last.
 */
#include <linux/cred.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/xarray.h>

#include "abi_assert.h"
#include "pinpool.h"
#include "trace.h"

static_assert(PINPOOL_NUMA_ANY == NUMA_NO_NODE);

/* Guards what follows, and @live of every pool. */
static DEFINE_MUTEX(pools_lock);
static DEFINE_XARRAY_ALLOC1(pools);
static u32 next_minor;
static unsigned int nr_names;
static unsigned int nr_live;
static u64 nr_evicted;

static void pool_release(struct device *dev)
{
	struct pinpool_pool *pool = container_of(dev, struct pinpool_pool, dev);
	struct inode *inode = pool->inode;

	if (inode)
		pinpool_inode_empty(inode);
	pinpool_pages_free(&pool->pages);
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

/* The name and a minor, before any memory is spent on a pool that cannot be. */
static int pool_take_name(struct pinpool_pool *pool)
{
	u32 minor;
	int err;

	mutex_lock(&pools_lock);
	if (pool_find(dev_name(&pool->dev))) {
		err = -EEXIST;
		goto out_unlock;
	}
	if (nr_names == PINPOOL_MAX_POOLS) {
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

/* Whether the caller may do with a pool what its owner may. */
static bool pool_owned(const struct pinpool_pool *pool)
{
	return uid_eq(pool->uid, current_fsuid()) || capable(CAP_SYS_ADMIN);
}

/* All the memory a new pool needs at once. Others give way if that helps. */
static int pool_take_memory(struct pinpool_pool *pool)
{
	struct pinpool_shortage shortage = PINPOOL_SHORTAGE_INIT;
	struct pinpool_account *account;
	int err;

	account = pinpool_account_get(current_fsuid(), !capable(CAP_SYS_RESOURCE));
	if (!account)
		return -ENOMEM;
	pinpool_pages_init(&pool->pages, account);
	do {
		err = pinpool_pages_fill(&pool->pages, pool->capacity >> PINPOOL_PAGE_SHIFT, &shortage);
	} while (err && pinpool_pool_make_room(pool, err, &shortage));
	return err;
}

/**
 * pinpool_pool_create - make an EMPTY pool with all its pages, or nothing
 * @params: what it shall be
 *
 * Return: 0, -EEXIST, -ENOSPC, -EDQUOT, -ENOMEM or -EINTR.
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
	pool->pages.place = params->place;
	pool->pages.on_demand = params->on_demand;
	pool->evictable = params->evictable;
	pool->priority = params->priority;
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
	err = pool_take_memory(pool);
	if (err)
		goto err_name;
	inode = pinpool_inode_new();
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

/* Takes the name and the node of a live pool. pool_forget() must follow. */
static void pool_unlink(struct pinpool_pool *pool)
{
	lockdep_assert_held(&pools_lock);

	pool->live = false;
	nr_live--;
	device_del(&pool->dev);
	pool_drop_name(pool);
}

/* Tells who has an unlinked pool open, and lets go of it; with nobody left its pages are back when this returns. */
static void pool_forget(struct pinpool_pool *pool)
{
	mutex_lock(&pool->lock);
	WRITE_ONCE(pool->destroyed, true);
	mutex_unlock(&pool->lock);
	wake_up_all(&pool->wait);
	pinpool_pool_put(pool);
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
	int err = 0;

	mutex_lock(&pools_lock);
	pool = pool_find(name);
	if (!pool || !pool->live)
		err = -ENOENT;
	else if (!pool_owned(pool))
		err = -EPERM;
	else
		pool_unlink(pool);
	mutex_unlock(&pools_lock);
	if (!err)
		pool_forget(pool);
	return err;
}

/**
 * pinpool_pool_open - the live pool behind a node, opened once more
 * @minor: of the node
 *
 * Return: the pool, for pinpool_load_file_closed() and pinpool_pool_put(), or NULL.
 */
struct pinpool_pool *pinpool_pool_open(unsigned int minor)
{
	struct pinpool_pool *pool;

	mutex_lock(&pools_lock);
	pool = xa_load(&pools, minor);
	if (pool && pool->live) {
		get_device(&pool->dev);
		/* Under pools_lock: what has been opened does not give way. */
		mutex_lock(&pool->lock);
		pool->openers++;
		pool->last_used_ns = ktime_get_ns();
		mutex_unlock(&pool->lock);
	} else {
		pool = NULL;
	}
	mutex_unlock(&pools_lock);
	return pool;
}

/**
 * pinpool_pool_get - one more reference
 * @pool: the pool, for pinpool_pool_put()
 */
void pinpool_pool_get(struct pinpool_pool *pool)
{
	get_device(&pool->dev);
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
 * pinpool_pool_set_eviction - say whether and when a pool gives way
 * @pool: the pool
 * @evictable: whether it may
 * @priority: of lower priority first
 *
 * Return: 0, -EPERM or -EINTR.
 */
int pinpool_pool_set_eviction(struct pinpool_pool *pool, bool evictable, s32 priority)
{
	if (!pool_owned(pool))
		return -EPERM;
	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	pool->evictable = evictable;
	pool->priority = priority;
	mutex_unlock(&pool->lock);
	return 0;
}

/**
 * struct pool_need - what room is needed for
 * @account: whose room, or NULL for anybody's
 * @nid: where pages must come free, or NUMA_NO_NODE
 * @nr: pages
 */
struct pool_need {
	const struct pinpool_account *account;
	int nid;
	unsigned long nr;
};

/* Pages that come free for @need if @pool gives way; 0 if it may not. */
static unsigned long pool_would_give(struct pinpool_pool *pool, const struct pool_need *need)
{
	bool may;

	lockdep_assert_held(&pools_lock);

	mutex_lock(&pool->lock);
	may = pool->live && pool->evictable && pool->state == PINPOOL_STATE_READY && !pool->openers &&
	      !pool->exports;
	mutex_unlock(&pool->lock);
	if (!may || (need->account && need->account != pool->pages.account))
		return 0;
	return need->nid == NUMA_NO_NODE ? READ_ONCE(pool->pages.nr_held) :
					   pinpool_pages_on_node(&pool->pages, need->nid);
}

static bool pool_gives_way_before(const struct pinpool_pool *a, const struct pinpool_pool *b)
{
	return a->priority != b->priority ? a->priority < b->priority : a->last_used_ns < b->last_used_ns;
}

/* Evicts one pool, if all that may give way together are enough. */
static bool pool_evict(const struct pool_need *need)
{
	struct pinpool_pool *pool, *first = NULL;
	unsigned long minor, gives, sum = 0;

	mutex_lock(&pools_lock);
	xa_for_each(&pools, minor, pool) {
		gives = pool_would_give(pool, need);
		sum += gives;
		if (gives && (!first || pool_gives_way_before(pool, first)))
			first = pool;
	}
	if (sum < need->nr)
		first = NULL;
	if (first) {
		pool_unlink(first);
		nr_evicted++;
	}
	mutex_unlock(&pools_lock);
	if (first) {
		trace_pinpool_evict(first);
		pool_forget(first);
	}
	return first;
}

/**
 * pinpool_pool_make_room - let a pool give way to another
 * @pool: which needs room
 * @err: what its pages said: -ENOSPC, -EDQUOT, -ENOMEM
 * @shortage: and of what there was too little
 *
 * Nobody gives way in vain: not if all that may are not enough together, and not if the last that did was no help (a
 * memory cgroup at its limit gains nothing by what others give).
 *
 * Return: whether one has, so that it is worth another try.
 */
bool pinpool_pool_make_room(struct pinpool_pool *pool, int err, struct pinpool_shortage *shortage)
{
	struct pool_need need = { .nid = NUMA_NO_NODE };
	u64 bytes;

	switch (err) {
	case -EDQUOT:
		need.account = pool->pages.account;
		fallthrough;
	case -ENOSPC:
		bytes = pinpool_account_missing(pool->pages.account, (u64)shortage->nr << PINPOOL_PAGE_SHIFT, err);
		if (bytes == U64_MAX)
			return false;
		/* Somebody has made room meanwhile. */
		if (!bytes)
			return true;
		need.nr = DIV_ROUND_UP_ULL(bytes, PINPOOL_PAGE_SIZE);
		break;
	case -ENOMEM:
		if (shortage->nr >= shortage->nr_before)
			return false;
		shortage->nr_before = shortage->nr;
		need.nid = shortage->nid;
		need.nr = shortage->nr;
		break;
	default:
		return false;
	}
	return pool_evict(&need);
}

/**
 * pinpool_pool_info - everything known of a pool, taken at one moment, but what its node knows
 * @pool: the pool
 * @info: receives it; @size and @flags are left alone, so are owner, group and mode
 */
void pinpool_pool_info(struct pinpool_pool *pool, struct pinpool_pool_info *info)
{
	struct pinpool_pages *pages = &pool->pages;

	strscpy_pad(info->out_name, dev_name(&pool->dev), sizeof(info->out_name));
	info->out_page_size = PINPOOL_PAGE_SIZE;
	info->out_created_ns = pool->created_ns;
	info->out_numa_node = pages->place.node;
	info->out_numa_policy = pages->place.policy;
	info->__reserved = 0;
	info->out_numa_nodes = pages->place.nodes;

	mutex_lock(&pool->lock);
	info->out_capacity = pool->capacity;
	info->out_flags = (pages->on_demand ? PINPOOL_CREATE_ON_DEMAND : 0) |
			  (pool->evictable ? PINPOOL_CREATE_EVICTABLE : 0);
	info->out_priority = pool->priority;
	info->out_state = pool->state;
	info->out_length = pool->length;
	info->out_mappings = pool->mappings;
	info->out_openers = pool->openers;
	info->out_exports = pool->exports;
	info->out_committed_ns = pool->committed_ns;
	info->out_digest_kind = pool->digest_kind;
	memcpy(info->out_digest, pool->digest, sizeof(info->out_digest));
	/* Below, not before: who sees a state or a capacity sees the pages it came with. */
	mutex_lock(&pages->lock);
	info->out_huge_pages = pages->nr_held;
	info->out_numa_fallback = pages->nr_fallback;
	mutex_unlock(&pages->lock);
	info->out_pages_zeroed = atomic64_read(&pages->nr_zeroed);
	info->out_failed_allocs = atomic64_read(&pages->nr_failed);
	info->out_faults = atomic64_read(&pool->faults);
	info->out_bytes_written = atomic64_read(&pool->bytes_written);
	info->out_bytes_read = atomic64_read(&pool->bytes_read);
	mutex_unlock(&pool->lock);
}

/**
 * pinpool_module_info - what the module has and has left
 * @info: receives it; @size and @flags are left alone
 */
void pinpool_module_info(struct pinpool_module_info *info)
{
	info->out_features = PINPOOL_FEATURES;
	info->out_page_size = PINPOOL_PAGE_SIZE;
	info->out_reserve_bytes = pinpool_reserve_bytes();
	info->out_free_bytes = pinpool_reserve_free_bytes();
	info->out_limit_bytes = pinpool_limit_bytes();
	info->out_limit_uid_bytes = pinpool_limit_uid_bytes();
	info->out_used_bytes = pinpool_used_bytes();
	info->out_pages_scrubbed = pinpool_pages_scrubbed();
	info->out_quarantine_bytes = pinpool_quarantine_bytes();

	mutex_lock(&pools_lock);
	info->out_pools = nr_live;
	info->out_evicted = nr_evicted;
	mutex_unlock(&pools_lock);
	info->__reserved = 0;
}
