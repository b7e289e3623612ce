// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where huge pages come from and where they go: the reserve that the module took at load, else the page allocator.
 *
 * A page of the reserve carries &reserve in folio->private for as long as the module lives and returns here; any other
 * page returns to the page allocator. A page that somebody outside still holds when its pool goes (a pin by I/O in
 * flight) waits in the quarantine, unscrubbed and unused, until it is let go.
 */
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "pinpool.h"

#define QUARANTINE_PERIOD (HZ / 4)

/**
 * struct pinpool_reserve - the pages of the module
 * @lock: guards everything below
 * @free: pages in no pool, linked by folio->lru, one list per node
 * @nr: pages taken at load, wherever they are now
 * @nr_free: pages on @free
 * @quarantine: pages given back while somebody held them
 */
struct pinpool_reserve {
	spinlock_t lock; /* leaf: nothing else is taken under it */
	struct list_head *free;
	unsigned long nr;
	unsigned long nr_free;
	struct list_head quarantine;
};

static struct pinpool_reserve reserve = {
	.lock = __SPIN_LOCK_UNLOCKED(reserve.lock),
	.quarantine = LIST_HEAD_INIT(reserve.quarantine),
};

static void quarantine_check(struct work_struct *work);
static DECLARE_DELAYED_WORK(quarantine_work, quarantine_check);

/**
 * pinpool_folio_alloc - one huge page from the page allocator
 * @gfp: flags to add
 * @nid: the node it must come from, or NUMA_NO_NODE
 *
 * Not movable, so it is neither migrated nor reclaimed. Reclaims and compacts, but kills nobody for it and says
 * nothing when it fails.
 *
 * Return: the page or NULL.
 */
struct folio *pinpool_folio_alloc(gfp_t gfp, int nid)
{
	struct folio *folio;

	gfp |= GFP_USER | __GFP_NOWARN | __GFP_RETRY_MAYFAIL;
	if (nid == NUMA_NO_NODE)
		folio = folio_alloc(gfp, PINPOOL_PAGE_ORDER);
	else
		folio = __folio_alloc_node(gfp | __GFP_THISNODE, PINPOOL_PAGE_ORDER, nid);
	return folio;
}

static void reserve_add(struct folio *folio)
{
	lockdep_assert_held(&reserve.lock);

	list_add(&folio->lru, &reserve.free[folio_nid(folio)]);
	reserve.nr_free++;
}

static struct folio *reserve_remove(int nid)
{
	struct folio *folio;

	lockdep_assert_held(&reserve.lock);

	folio = list_first_entry_or_null(&reserve.free[nid], struct folio, lru);
	if (folio) {
		list_del_init(&folio->lru);
		reserve.nr_free--;
	}
	return folio;
}

/**
 * pinpool_reserve_take - one page of the reserve
 * @nid: the node it must come from, or NUMA_NO_NODE
 *
 * Return: the page or NULL.
 */
struct folio *pinpool_reserve_take(int nid)
{
	struct folio *folio = NULL;
	int n;

	spin_lock(&reserve.lock);
	if (nid != NUMA_NO_NODE) {
		folio = reserve_remove(nid);
	} else if (reserve.nr_free) {
		folio = reserve_remove(numa_mem_id());
		for (n = 0; !folio && n < nr_node_ids; n++)
			folio = reserve_remove(n);
	}
	spin_unlock(&reserve.lock);
	return folio;
}

/**
 * pinpool_folio_give_back - return a page to where it came from, scrubbed
 * @folio: a page that only the caller holds
 */
void pinpool_folio_give_back(struct folio *folio)
{
	pinpool_page_scrub(folio);
	if (folio_get_private(folio) != &reserve) {
		folio_put(folio);
		return;
	}
	spin_lock(&reserve.lock);
	reserve_add(folio);
	spin_unlock(&reserve.lock);
}

/**
 * pinpool_folio_quarantine - return a page that somebody else still holds
 * @folio: the page
 */
void pinpool_folio_quarantine(struct folio *folio)
{
	spin_lock(&reserve.lock);
	list_add_tail(&folio->lru, &reserve.quarantine);
	spin_unlock(&reserve.lock);
	queue_delayed_work(system_unbound_wq, &quarantine_work, QUARANTINE_PERIOD);
}

static void quarantine_check(struct work_struct *work)
{
	struct folio *folio, *next;
	LIST_HEAD(held);
	bool again;

	spin_lock(&reserve.lock);
	list_splice_init(&reserve.quarantine, &held);
	spin_unlock(&reserve.lock);

	list_for_each_entry_safe(folio, next, &held, lru) {
		if (pinpool_page_settled(folio)) {
			list_del_init(&folio->lru);
			pinpool_folio_give_back(folio);
		}
	}

	spin_lock(&reserve.lock);
	list_splice(&held, &reserve.quarantine);
	again = !list_empty(&reserve.quarantine);
	spin_unlock(&reserve.lock);
	if (again)
		queue_delayed_work(system_unbound_wq, &quarantine_work, QUARANTINE_PERIOD);
}

/**
 * pinpool_reserve_bytes - how large the reserve is
 *
 * Return: bytes taken at load, in use or not.
 */
u64 pinpool_reserve_bytes(void)
{
	return (u64)reserve.nr << PINPOOL_PAGE_SHIFT;
}

/**
 * pinpool_reserve_free_bytes - what is left of the reserve
 *
 * Return: bytes that no pool holds.
 */
u64 pinpool_reserve_free_bytes(void)
{
	return (u64)READ_ONCE(reserve.nr_free) << PINPOOL_PAGE_SHIFT;
}

static void reserve_put_list(struct list_head *list)
{
	struct folio *folio, *next;

	list_for_each_entry_safe(folio, next, list, lru) {
		list_del_init(&folio->lru);
		folio_change_private(folio, NULL);
		folio_put(folio);
		cond_resched();
	}
}

/**
 * pinpool_reserve_init - take the reserve, all of it or nothing
 * @megabytes: its size, rounded up to whole pages
 *
 * Return: 0, -ENOMEM or -EINTR.
 */
int __init pinpool_reserve_init(unsigned long megabytes)
{
	unsigned long wanted = DIV_ROUND_UP(megabytes, PINPOOL_PAGE_SIZE >> 20);
	unsigned long available = (unsigned long)max(si_mem_available(), 0L) >> PINPOOL_PAGE_ORDER;
	int err = -ENOMEM;
	int n;

	/* As in pinpool_pages_alloc(). */
	if (wanted > available) {
		pr_err("pinpool: reserve_mb=%lu: memory is available for %lu of %lu huge pages\n", megabytes,
		       available, wanted);
		return -ENOMEM;
	}

	reserve.free = kcalloc(nr_node_ids, sizeof(*reserve.free), GFP_KERNEL);
	if (!reserve.free)
		return -ENOMEM;
	for (n = 0; n < nr_node_ids; n++)
		INIT_LIST_HEAD(&reserve.free[n]);

	for (; reserve.nr < wanted; reserve.nr++) {
		struct folio *folio = pinpool_folio_alloc(0, NUMA_NO_NODE);

		if (fatal_signal_pending(current))
			err = -EINTR;
		if (!folio || err == -EINTR) {
			pr_err("pinpool: reserve_mb=%lu: got %lu of %lu huge pages\n", megabytes, reserve.nr, wanted);
			if (folio)
				folio_put(folio);
			goto err_pages;
		}
		folio_change_private(folio, &reserve);
		spin_lock(&reserve.lock);
		reserve_add(folio);
		spin_unlock(&reserve.lock);
		cond_resched();
	}
	return 0;

err_pages:
	pinpool_reserve_exit();
	return err;
}

/**
 * pinpool_reserve_exit - give the reserve back
 *
 * No pool exists any more. What is still in quarantine is let go as it is: the memory is freed by whoever holds it.
 */
void pinpool_reserve_exit(void)
{
	int n;

	cancel_delayed_work_sync(&quarantine_work);
	reserve_put_list(&reserve.quarantine);
	for (n = 0; n < nr_node_ids; n++)
		reserve_put_list(&reserve.free[n]);
	kfree(reserve.free);
}
