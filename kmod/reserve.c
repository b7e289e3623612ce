// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reserve: huge pages that the module took early, node by node, and from which pools are cut first.
 *
 * A page of the reserve is marked so (page.c), in a pool or not, and returns here. Each node has a target, which is
 * what was asked for, and owns as many pages as that, or more while pools hold what a lower target no longer covers:
 * those leave the reserve when their pool goes. Live pools never notice.
 */
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "pinpool.h"

/**
 * struct reserve_node - the reserve of one node
 * @free: pages in no pool, linked by folio->lru
 * @nr_free: pages on @free
 * @nr: pages owned, wherever they are now
 * @target: pages asked for
 */
struct reserve_node {
	struct list_head free;
	unsigned long nr_free;
	unsigned long nr;
	unsigned long target;
};

static DEFINE_MUTEX(resize_lock); /* one change of a target at a time */
static DEFINE_SPINLOCK(reserve_lock); /* guards what follows; a leaf */
static struct reserve_node *reserve; /* nr_node_ids of them */
static unsigned long nr_free_total;

static void reserve_put(struct folio *folio)
{
	struct reserve_node *node = &reserve[folio_nid(folio)];

	lockdep_assert_held(&reserve_lock);

	list_add(&folio->lru, &node->free);
	node->nr_free++;
	WRITE_ONCE(nr_free_total, nr_free_total + 1);
}

static struct folio *reserve_get(struct reserve_node *node)
{
	struct folio *folio;

	lockdep_assert_held(&reserve_lock);

	folio = list_first_entry_or_null(&node->free, struct folio, lru);
	if (folio) {
		list_del_init(&folio->lru);
		node->nr_free--;
		WRITE_ONCE(nr_free_total, nr_free_total - 1);
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

	spin_lock(&reserve_lock);
	if (nid != NUMA_NO_NODE) {
		folio = reserve_get(&reserve[nid]);
	} else if (nr_free_total) {
		folio = reserve_get(&reserve[numa_mem_id()]);
		for (n = 0; !folio && n < nr_node_ids; n++)
			folio = reserve_get(&reserve[n]);
	}
	spin_unlock(&reserve_lock);
	return folio;
}

/**
 * pinpool_page_give_back - return a page to where it came from, scrubbed
 * @folio: a page that only the caller holds
 */
void pinpool_page_give_back(struct folio *folio)
{
	struct reserve_node *node = &reserve[folio_nid(folio)];
	bool keep = pinpool_page_reserved(folio);

	pinpool_page_scrub(folio);
	if (keep) {
		spin_lock(&reserve_lock);
		keep = node->nr <= node->target;
		if (keep)
			reserve_put(folio);
		else
			node->nr--;
		spin_unlock(&reserve_lock);
	}
	if (!keep)
		pinpool_page_free(folio);
}

/* One more page for the reserve, or -ENOMEM or -EINTR. */
static int reserve_grow(int nid)
{
	struct folio *folio;

	if (fatal_signal_pending(current))
		return -EINTR;
	folio = pinpool_page_alloc(0, nid);
	if (!folio)
		return -ENOMEM;
	pinpool_page_set_reserved(folio, true);
	spin_lock(&reserve_lock);
	reserve[nid].nr++;
	reserve_put(folio);
	spin_unlock(&reserve_lock);
	cond_resched();
	return 0;
}

/* Pages beyond the target go, as far as no pool has them. */
static void reserve_trim(struct reserve_node *node)
{
	struct folio *folio;

	do {
		folio = NULL;
		spin_lock(&reserve_lock);
		if (node->nr > node->target)
			folio = reserve_get(node);
		if (folio)
			node->nr--;
		spin_unlock(&reserve_lock);
		if (folio)
			pinpool_page_free(folio);
		cond_resched();
	} while (folio);
}

static void reserve_set_target(struct reserve_node *node, unsigned long target)
{
	spin_lock(&reserve_lock);
	node->target = target;
	spin_unlock(&reserve_lock);
}

/**
 * pinpool_reserve_set - change the reserve of a node
 * @nid: a node with memory
 * @target: pages it shall have
 *
 * Growing is all or nothing. Shrinking frees what no pool has at once and the rest when its pool goes.
 *
 * Return: 0, -ENOMEM or -EINTR.
 */
int pinpool_reserve_set(int nid, unsigned long target)
{
	struct reserve_node *node = &reserve[nid];
	unsigned long before;
	int err = 0;

	if (mutex_lock_killable(&resize_lock))
		return -EINTR;
	before = node->target;
	if (target > READ_ONCE(node->nr) && target - READ_ONCE(node->nr) > pinpool_pages_available()) {
		err = -ENOMEM;
		goto out_unlock;
	}
	/* First, so that pages that come back meanwhile stay. */
	reserve_set_target(node, target);
	while (!err && READ_ONCE(node->nr) < target)
		err = reserve_grow(nid);
	if (err)
		reserve_set_target(node, before);
	reserve_trim(node);

out_unlock:
	mutex_unlock(&resize_lock);
	return err;
}

/**
 * pinpool_reserve_node_bytes - how large the reserve of a node is
 * @nid: the node
 *
 * Return: bytes asked for, or held by pools beyond that.
 */
u64 pinpool_reserve_node_bytes(int nid)
{
	return (u64)READ_ONCE(reserve[nid].nr) << PINPOOL_PAGE_SHIFT;
}

/**
 * pinpool_reserve_node_free_bytes - what is left of the reserve of a node
 * @nid: the node
 *
 * Return: bytes that no pool holds.
 */
u64 pinpool_reserve_node_free_bytes(int nid)
{
	return (u64)READ_ONCE(reserve[nid].nr_free) << PINPOOL_PAGE_SHIFT;
}

/**
 * pinpool_reserve_bytes - how large the reserve is
 *
 * Return: bytes of all nodes.
 */
u64 pinpool_reserve_bytes(void)
{
	u64 bytes = 0;
	int n;

	for (n = 0; n < nr_node_ids; n++)
		bytes += pinpool_reserve_node_bytes(n);
	return bytes;
}

/**
 * pinpool_reserve_free_bytes - what is left of the reserve
 *
 * Return: bytes of all nodes that no pool holds.
 */
u64 pinpool_reserve_free_bytes(void)
{
	return (u64)READ_ONCE(nr_free_total) << PINPOOL_PAGE_SHIFT;
}

static unsigned long __init pages_of(unsigned long megabytes)
{
	unsigned long per_page = PINPOOL_PAGE_SIZE >> 20;

	return megabytes / per_page + !!(megabytes % per_page);
}

/* Node by node, as much as was asked of each. */
static int __init reserve_fill_nodes(const unsigned long *megabytes, int nr)
{
	int n, err = 0;

	for (n = 0; n < nr && !err; n++) {
		if (megabytes[n] && (n >= nr_node_ids || !node_state(n, N_MEMORY))) {
			pr_err("pinpool: reserve_mb: there is no node %d with memory\n", n);
			return -EINVAL;
		}
		while (!err && n < nr_node_ids && reserve[n].nr < pages_of(megabytes[n]))
			err = reserve_grow(n);
		if (err)
			pr_err("pinpool: reserve_mb: node %d: got %lu of %lu huge pages\n", n, reserve[n].nr,
			       pages_of(megabytes[n]));
	}
	return err;
}

/* Round the nodes that have memory; one that has no more is passed over. */
static int __init reserve_fill_total(unsigned long megabytes)
{
	unsigned long wanted = pages_of(megabytes), got = 0;
	nodemask_t left = node_states[N_MEMORY];
	int err = -ENOMEM;

	while (got < wanted && !nodes_empty(left)) {
		int n;

		for_each_node_mask(n, left) {
			if (got == wanted)
				break;
			err = reserve_grow(n);
			if (err == -EINTR)
				return err;
			if (err)
				node_clear(n, left);
			else
				got++;
		}
	}
	if (got == wanted)
		return 0;
	pr_err("pinpool: reserve_mb=%lu: got %lu of %lu huge pages\n", megabytes, got, wanted);
	return err;
}

/**
 * pinpool_reserve_init - take the reserve, all of it or nothing
 * @megabytes: one value: its size, spread over the nodes; several: the size for each node from 0 on. Rounded up to
 *	whole pages
 * @nr: number of values
 *
 * Return: 0, -EINVAL, -ENOMEM or -EINTR.
 */
int __init pinpool_reserve_init(const unsigned long *megabytes, int nr)
{
	unsigned long left = pinpool_pages_available();
	int n, err;

	/* What cannot succeed must not first push everybody else's memory out. */
	for (n = 0; n < nr; n++) {
		if (pages_of(megabytes[n]) > left) {
			pr_err("pinpool: reserve_mb: no memory is available for %lu huge pages more\n",
			       pages_of(megabytes[n]));
			return -ENOMEM;
		}
		left -= pages_of(megabytes[n]);
	}

	reserve = kcalloc(nr_node_ids, sizeof(*reserve), GFP_KERNEL);
	if (!reserve)
		return -ENOMEM;
	for (n = 0; n < nr_node_ids; n++)
		INIT_LIST_HEAD(&reserve[n].free);

	err = nr > 1 ? reserve_fill_nodes(megabytes, nr) : reserve_fill_total(nr ? megabytes[0] : 0);
	if (err) {
		pinpool_reserve_exit();
		return err;
	}
	for (n = 0; n < nr_node_ids; n++)
		reserve[n].target = reserve[n].nr;
	return 0;
}

/**
 * pinpool_reserve_exit - give the reserve back
 *
 * No pool exists any more.
 */
void pinpool_reserve_exit(void)
{
	int n;

	for (n = 0; n < nr_node_ids; n++) {
		reserve_set_target(&reserve[n], 0);
		reserve_trim(&reserve[n]);
	}
	kfree(reserve);
}
