// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of one pool: a table of huge pages in pool order, filled at creation or page by page on demand.
 *
 * Who looks a page up does so under RCU; a page that has a place in the table keeps it until the pool shrinks or goes,
 * and neither happens while anybody may use one: see pinpool_pages_resize(). So a page found stays good after the RCU
 * read side. Places are filled and tables replaced under @lock.
 *
 * Whether a page still holds bytes of an earlier load, or of whoever had the memory before, is the uptodate flag of its
 * folio (page.c). It changes only under the folio lock, which a page fault keeps until the page is mapped; so two first
 * touches make one zeroing, and who has taken every folio lock once has waited for every earlier fault.
 *
 * Nothing here knows states or files.
 */
#include <linux/jiffies.h>
#include <linux/memcontrol.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "pinpool.h"

/* How long freeing waits for pins of a process that just died before it leaves their pages to the quarantine. */
#define PAGES_FREE_SETTLE (HZ / 10)

static struct pinpool_slots *slots_alloc(unsigned long nr)
{
	struct pinpool_slots *slots;

	/* More than the machine has will never come, so no kernel memory is spent on places for it. */
	if (nr > totalram_pages() >> PINPOOL_PAGE_ORDER)
		return NULL;
	slots = kvzalloc(struct_size(slots, folios, nr), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (slots)
		slots->nr = nr;
	return slots;
}

/* The table, for who may change it or keeps others from doing so. */
static struct pinpool_slots *pages_slots(const struct pinpool_pages *pages)
{
	return rcu_dereference_protected(pages->slots, true);
}

/* From the reserve, else from the page allocator and charged to the pool's memory cgroup. */
static struct folio *page_take_from(const struct pinpool_pages *pages, int nid)
{
	struct folio *folio = pinpool_reserve_take(nid);
	struct mem_cgroup *before;

	if (folio)
		return folio;
	before = set_active_memcg(pages->memcg);
	folio = pinpool_page_alloc(__GFP_ACCOUNT, nid);
	set_active_memcg(before);
	return folio;
}

static struct folio *page_take(const struct pinpool_pages *pages, unsigned long index)
{
	int nid = pinpool_place_node(&pages->place, index);
	struct folio *folio = page_take_from(pages, nid);

	if (!folio && !pinpool_place_strict(&pages->place))
		folio = page_take_from(pages, NUMA_NO_NODE);
	/* finish_fault() maps a huge page only where its index says it ends within the file. */
	if (folio)
		folio->index = index << PINPOOL_PAGE_ORDER;
	return folio;
}

/* A page more, or less. */
static void pages_add(struct pinpool_pages *pages, struct folio *folio, unsigned long index, int by)
{
	int nid = pinpool_place_node(&pages->place, index);

	lockdep_assert_held(&pages->lock);

	WRITE_ONCE(pages->nr_held, pages->nr_held + by);
	if (nid != NUMA_NO_NODE && folio_nid(folio) != nid)
		pages->nr_fallback += by;
}

/* Gives a page its place. Who looks it up sees all that was done to it before. */
static void page_place(struct pinpool_pages *pages, struct pinpool_slots *slots, unsigned long index,
		       struct folio *folio)
{
	pages_add(pages, folio, index, 1);
	/* Pairs with pinpool_pages_find(). */
	smp_store_release(&slots->folios[index], folio);
}

/*
 * Takes a page out of the pool and off its bill; one that is pinned (I/O of a dead process in flight) cannot be scrubbed
 * yet, and is on the bill until then.
 */
static void page_leave(struct pinpool_pages *pages, struct folio *folio, unsigned long index, unsigned long deadline)
{
	mutex_lock(&pages->lock);
	pages_add(pages, folio, index, -1);
	mutex_unlock(&pages->lock);
	while (!pinpool_page_settled(folio) && time_before(jiffies, deadline))
		schedule_timeout_uninterruptible(1);
	pages->nr_charged--;
	if (pinpool_page_settled(folio)) {
		pinpool_page_give_back(folio);
		pinpool_account_uncharge(pages->account, PINPOOL_PAGE_SIZE);
	} else {
		pinpool_quarantine(folio, pages->account);
	}
	cond_resched();
}

/**
 * pinpool_pages_init - no memory yet
 * @pages: the pages; place and on_demand are set
 * @account: who is charged, from now on owned by @pages
 *
 * The memory cgroup of the caller is charged for what the pool takes from the page allocator, now and later.
 */
void pinpool_pages_init(struct pinpool_pages *pages, struct pinpool_account *account)
{
	mutex_init(&pages->lock);
	pages->account = account;
	pages->memcg = get_mem_cgroup_from_mm(current->mm);
}

/* No page was to be had for place @index: from where, and for how many places behind it that holds. */
static void pages_tell_shortage(const struct pinpool_pages *pages, const struct pinpool_slots *slots,
				unsigned long index, struct pinpool_shortage *shortage)
{
	int nid = pinpool_place_node(&pages->place, index);
	unsigned long i;

	shortage->nid = pinpool_place_strict(&pages->place) ? nid : NUMA_NO_NODE;
	shortage->nr = 0;
	for (i = index; i < slots->nr; i++)
		if (!slots->folios[i] && pinpool_place_node(&pages->place, i) == nid)
			shortage->nr++;
}

/* A request that cannot succeed must not first push everybody else's memory out. */
static int pages_within_reach(unsigned long nr, struct pinpool_shortage *shortage)
{
	unsigned long reach = (pinpool_reserve_free_bytes() >> PINPOOL_PAGE_SHIFT) + pinpool_pages_available();

	if (nr <= reach)
		return 0;
	shortage->nid = NUMA_NO_NODE;
	shortage->nr = nr - reach;
	return -ENOMEM;
}

/* Fills the places from @first on of a table that nobody else fills. What is there already stays. */
static int pages_fill_from(struct pinpool_pages *pages, struct pinpool_slots *slots, unsigned long first,
			   struct pinpool_shortage *shortage)
{
	unsigned long i;

	for (i = first; i < slots->nr; i++) {
		struct folio *folio;

		if (slots->folios[i])
			continue;
		if (fatal_signal_pending(current))
			return -EINTR;
		folio = page_take(pages, i);
		if (!folio && fatal_signal_pending(current))
			return -EINTR;
		if (!folio) {
			pages_tell_shortage(pages, slots, i, shortage);
			return -ENOMEM;
		}
		mutex_lock(&pages->lock);
		page_place(pages, slots, i, folio);
		mutex_unlock(&pages->lock);
		cond_resched();
	}
	return 0;
}

/* Charges for @nr pages before memory is spent on them. */
static int pages_charge(struct pinpool_pages *pages, unsigned long nr, struct pinpool_shortage *shortage)
{
	int err = pinpool_account_charge(pages->account, (u64)nr << PINPOOL_PAGE_SHIFT);

	if (!err)
		pages->nr_charged += nr;
	shortage->nr = nr;
	return err;
}

static void pages_uncharge(struct pinpool_pages *pages, unsigned long nr)
{
	pinpool_account_uncharge(pages->account, (u64)nr << PINPOOL_PAGE_SHIFT);
	pages->nr_charged -= nr;
}

/**
 * pinpool_pages_fill - the table, and every place its page if the pool is not on demand
 * @pages: the pages of a pool that nobody can reach yet
 * @nr: how many there may be
 * @shortage: receives what is missing when it fails for want of room
 *
 * What it got stays when it fails: once there is room it may be called again.
 *
 * Return: 0, -ENOSPC, -EDQUOT, -ENOMEM or -EINTR.
 */
int pinpool_pages_fill(struct pinpool_pages *pages, unsigned long nr, struct pinpool_shortage *shortage)
{
	int err;

	if (!pages->on_demand && !pages->nr_charged) {
		err = pages_charge(pages, nr, shortage);
		if (err)
			return err;
	}
	shortage->nr = ULONG_MAX;
	if (!pages_slots(pages))
		rcu_assign_pointer(pages->slots, slots_alloc(nr));
	if (!pages_slots(pages))
		return -ENOMEM;
	if (pages->on_demand)
		return 0;
	err = pages_within_reach(nr - pages->nr_held, shortage);
	if (err)
		return err;
	return pages_fill_from(pages, pages_slots(pages), 0, shortage);
}

/* The page at a place that had none, by a first touch or write. */
static struct folio *page_on_demand(struct pinpool_pages *pages, unsigned long index)
{
	struct folio *folio, *other = NULL;
	struct pinpool_slots *slots;
	int err;

	err = pinpool_account_charge(pages->account, PINPOOL_PAGE_SIZE);
	if (err)
		return ERR_PTR(err);
	folio = page_take(pages, index);
	if (!folio) {
		pinpool_account_uncharge(pages->account, PINPOOL_PAGE_SIZE);
		return ERR_PTR(fatal_signal_pending(current) ? -EINTR : -ENOMEM);
	}

	mutex_lock(&pages->lock);
	slots = pages_slots(pages);
	other = slots->folios[index];
	if (!other) {
		pages->nr_charged++;
		page_place(pages, slots, index, folio);
	}
	mutex_unlock(&pages->lock);

	if (other) {
		/* Somebody else was first. */
		pinpool_page_give_back(folio);
		pinpool_account_uncharge(pages->account, PINPOOL_PAGE_SIZE);
	}
	return other ?: folio;
}

/**
 * pinpool_pages_get - the page at a place, which gets one if it has none
 * @pages: the pages
 * @index: the place, within the table; the caller keeps the pool from shrinking
 *
 * May sleep and reclaim memory.
 *
 * Return: the page, or -ENOSPC, -EDQUOT, -ENOMEM or -EINTR as an error pointer.
 */
struct folio *pinpool_pages_get(struct pinpool_pages *pages, unsigned long index)
{
	struct folio *folio = pinpool_pages_find(pages, index);

	if (folio)
		return folio;
	folio = page_on_demand(pages, index);
	if (IS_ERR(folio) && PTR_ERR(folio) != -EINTR)
		atomic64_inc(&pages->nr_failed);
	return folio;
}

/**
 * pinpool_pages_get_now - the page at a place, for who does not wait for one
 * @pages: the pages
 * @index: the place
 *
 * Return: the page, or -EAGAIN as an error pointer.
 */
struct folio *pinpool_pages_get_now(struct pinpool_pages *pages, unsigned long index)
{
	return pinpool_pages_find(pages, index) ?: ERR_PTR(-EAGAIN);
}

/**
 * pinpool_pages_zero_one - make a page fit to be seen by the load that runs
 * @pages: the pool's pages
 * @folio: one of them, locked
 *
 * Return: whether it had to be cleared.
 */
bool pinpool_pages_zero_one(struct pinpool_pages *pages, struct folio *folio)
{
	bool cleared = pinpool_page_zero(folio);

	if (cleared)
		atomic64_inc(&pages->nr_zeroed);
	return cleared;
}

/**
 * pinpool_pages_prepare - the same for a page that is not locked
 * @pages: the pool's pages
 * @folio: one of them
 * @may_block: whether to wait for it
 *
 * Return: 0, -EAGAIN or -EINTR.
 */
int pinpool_pages_prepare(struct pinpool_pages *pages, struct folio *folio, bool may_block)
{
	int err;

	if (folio_test_uptodate(folio))
		return 0;
	err = pinpool_page_lock(folio, may_block);
	if (err)
		return err;
	pinpool_pages_zero_one(pages, folio);
	folio_unlock(folio);
	return 0;
}

/**
 * pinpool_pages_free - give all pages back, scrubbed, and the table
 * @pages: the pages; nothing maps them any more and nobody can reach them
 *
 * Never fails.
 */
void pinpool_pages_free(struct pinpool_pages *pages)
{
	struct pinpool_slots *slots = pages_slots(pages);
	unsigned long deadline = jiffies + PAGES_FREE_SETTLE;
	unsigned long i;

	if (!pages->account)
		return;
	for (i = 0; slots && i < slots->nr; i++)
		if (slots->folios[i])
			page_leave(pages, slots->folios[i], i, deadline);
	kvfree(slots);
	/* For pages that it never got. */
	pages_uncharge(pages, pages->nr_charged);
	pinpool_account_put(pages->account);
	mem_cgroup_put(pages->memcg);
}

/**
 * pinpool_pages_zero - zero every page that this load has not touched
 * @pages: the pages
 *
 * What is done stays done when it is interrupted. Places without a page read as zero anyway.
 *
 * Return: 0 or -EINTR.
 */
int pinpool_pages_zero(struct pinpool_pages *pages)
{
	unsigned long i, nr = pinpool_pages_nr(pages);

	for (i = 0; i < nr; i++) {
		struct folio *folio = pinpool_pages_find(pages, i);

		if (fatal_signal_pending(current) || (folio && pinpool_pages_prepare(pages, folio, true)))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/**
 * pinpool_pages_forget - let the next load see none of this one's bytes
 * @pages: the pages; settled, so that nobody writes them
 */
void pinpool_pages_forget(struct pinpool_pages *pages)
{
	unsigned long i, nr = pinpool_pages_nr(pages);

	for (i = 0; i < nr; i++) {
		struct folio *folio = pinpool_pages_find(pages, i);

		if (folio)
			folio_clear_uptodate(folio);
		cond_resched();
	}
}

/* Waits until nobody but the pool holds a page. */
static int page_settle(struct folio *folio, struct address_space *mapping, unsigned long deadline)
{
	for (;;) {
		bool settled;

		if (folio_lock_killable(folio))
			return -EINTR;
		if (!pinpool_page_settled(folio))
			unmap_mapping_pages(mapping, folio->index, folio_nr_pages(folio), false);
		settled = pinpool_page_settled(folio);
		folio_unlock(folio);
		if (settled)
			return 0;
		if (time_after_eq(jiffies, deadline))
			return -EBUSY;
		schedule_timeout_killable(1);
		if (fatal_signal_pending(current))
			return -EINTR;
	}
}

/**
 * pinpool_pages_settle - wait until nobody but the pool holds a page
 * @pages: the pages
 * @first: the first place to look at; all behind it are, too
 * @mapping: where they are mapped
 * @deadline: jiffies at which to give up
 *
 * Mappings that exist are emptied to see whether more than they hold a page: with the folio locked no fault can map it
 * again, so its reference count is exact. They fault their pages in again afterwards, if they still may. Whoever calls
 * has seen to it that no new writable mapping can appear, so a page found settled gets no new writer.
 *
 * Return: 0, -EBUSY or -EINTR.
 */
int pinpool_pages_settle(struct pinpool_pages *pages, unsigned long first, struct address_space *mapping,
			 unsigned long deadline)
{
	unsigned long i, nr = pinpool_pages_nr(pages);
	int err;

	for (i = first; i < nr; i++) {
		struct folio *folio = pinpool_pages_find(pages, i);

		err = folio ? page_settle(folio, mapping, deadline) : 0;
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

/**
 * pinpool_pages_unmap - take the pages out of every mapping
 * @pages: the pages
 * @mapping: where they are mapped
 *
 * The caller has made new faults fail; faults that passed its check before are waited for.
 */
void pinpool_pages_unmap(struct pinpool_pages *pages, struct address_space *mapping)
{
	unsigned long i, nr = pinpool_pages_nr(pages);

	for (i = 0; i < nr; i++) {
		struct folio *folio = pinpool_pages_find(pages, i);

		if (folio) {
			folio_lock(folio);
			folio_unlock(folio);
		}
		cond_resched();
	}
	unmap_mapping_range(mapping, 0, 0, 1);
}

/* Puts a table in the place of another that it has the pages of, as many as both have places for. */
static struct pinpool_slots *slots_replace(struct pinpool_pages *pages, struct pinpool_slots *slots)
{
	struct pinpool_slots *before;

	mutex_lock(&pages->lock);
	before = pages_slots(pages);
	memcpy(slots->folios, before->folios, sizeof(slots->folios[0]) * min(slots->nr, before->nr));
	rcu_assign_pointer(pages->slots, slots);
	mutex_unlock(&pages->lock);
	return before;
}

/* Pages may be found, and places within the old table be filled, all the while. */
static int pages_grow(struct pinpool_pages *pages, unsigned long nr, struct pinpool_shortage *shortage)
{
	unsigned long first = pinpool_pages_nr(pages), more = pages->on_demand ? 0 : nr - first, i;
	struct pinpool_slots *slots;
	int err;

	err = pages_charge(pages, more, shortage);
	if (err)
		return err;
	shortage->nr = ULONG_MAX;
	slots = slots_alloc(nr);
	if (!slots) {
		err = -ENOMEM;
		goto err_charge;
	}
	if (more) {
		err = pages_within_reach(more, shortage);
		if (!err)
			err = pages_fill_from(pages, slots, first, shortage);
		if (err)
			goto err_pages;
	}
	kvfree_rcu(slots_replace(pages, slots), rcu);
	return 0;

err_pages:
	for (i = first; i < nr; i++) {
		if (slots->folios[i]) {
			page_leave(pages, slots->folios[i], i, jiffies);
			more--;
		}
	}
	kvfree(slots);
err_charge:
	pages_uncharge(pages, more);
	return err;
}

/* Nobody uses a page that goes, but for pins, which are found; whoever looked one up to count it is waited for. */
static int pages_shrink(struct pinpool_pages *pages, unsigned long nr, struct address_space *mapping)
{
	struct pinpool_slots *slots, *before;
	unsigned long i;
	int err;

	slots = slots_alloc(nr);
	if (!slots)
		return -ENOMEM;
	err = pinpool_pages_settle(pages, nr, mapping, jiffies);
	if (err) {
		kvfree(slots);
		return err;
	}
	before = slots_replace(pages, slots);
	synchronize_rcu();
	for (i = nr; i < before->nr; i++)
		if (before->folios[i])
			page_leave(pages, before->folios[i], i, jiffies);
	kvfree(before);
	return 0;
}

/**
 * pinpool_pages_resize - grow or shrink, all of it or nothing
 * @pages: the pages
 * @nr: how many there may be
 * @mapping: where they are mapped
 * @shortage: receives what is missing when it fails for want of room
 *
 * One call at a time. Shrinking: the caller keeps everybody from using a page beyond @nr; pins are found.
 *
 * Return: 0, -ENOSPC, -EDQUOT, -ENOMEM, -EBUSY or -EINTR.
 */
int pinpool_pages_resize(struct pinpool_pages *pages, unsigned long nr, struct address_space *mapping,
			 struct pinpool_shortage *shortage)
{
	if (nr < pinpool_pages_nr(pages))
		return pages_shrink(pages, nr, mapping);
	return pages_grow(pages, nr, shortage);
}

/**
 * pinpool_pages_on_node - how many pages come from a node
 * @pages: the pages
 * @nid: the node
 *
 * Return: their number.
 */
unsigned long pinpool_pages_on_node(struct pinpool_pages *pages, int nid)
{
	unsigned long nr = 0, i;
	struct pinpool_slots *slots;

	rcu_read_lock();
	slots = rcu_dereference(pages->slots);
	for (i = 0; i < slots->nr; i++) {
		struct folio *folio = READ_ONCE(slots->folios[i]);

		nr += folio && folio_nid(folio) == nid;
	}
	rcu_read_unlock();
	return nr;
}
