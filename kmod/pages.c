// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages of one pool: taken all or none, zeroed lazily and once per load, scrubbed before anybody else gets them.
 *
 * Whether a page still holds bytes of an earlier load, or of whoever had the memory before, is one flag of its folio
 * (see struct pinpool_pages). It changes only under the folio lock, which a page fault keeps until the page is mapped;
 * so two first touches make one zeroing, and who has taken every folio lock once has waited for every earlier fault.
 *
 * Nothing here knows states or files.
 */
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "pinpool.h"

/* How long freeing waits for pins of a process that just died before it leaves their pages to the quarantine. */
#define PAGES_FREE_SETTLE (HZ / 10)

static void page_clear(struct folio *folio)
{
	long i;

	for (i = 0; i < folio_nr_pages(folio); i++)
		clear_highpage(folio_page(folio, i));
	cond_resched();
}

/**
 * pinpool_page_zero - make a page fit to be seen by the load that runs
 * @folio: the page, locked
 */
void pinpool_page_zero(struct folio *folio)
{
	VM_WARN_ON_FOLIO(!folio_test_locked(folio), folio);

	if (folio_test_uptodate(folio))
		return;
	page_clear(folio);
	folio_set_dirty(folio);
	folio_mark_uptodate(folio);
}

/**
 * pinpool_page_prepare - the same for a page that is not locked
 * @folio: the page
 *
 * Return: 0 or -EINTR.
 */
int pinpool_page_prepare(struct folio *folio)
{
	if (folio_test_uptodate(folio))
		return 0;
	if (folio_lock_killable(folio))
		return -EINTR;
	pinpool_page_zero(folio);
	folio_unlock(folio);
	return 0;
}

/**
 * pinpool_page_scrub - forget the bytes of the pool the page was in
 * @folio: a page that nobody else has
 */
void pinpool_page_scrub(struct folio *folio)
{
	if (folio_test_dirty(folio))
		page_clear(folio);
	folio_clear_dirty(folio);
	folio_clear_uptodate(folio);
}

/**
 * pinpool_page_settled - whether only its owner holds a page
 * @folio: the page
 *
 * Mappings, pins and any other reference count.
 *
 * Return: true if it does.
 */
bool pinpool_page_settled(struct folio *folio)
{
	return folio_ref_count(folio) == 1;
}

/**
 * pinpool_pages_alloc - take all pages of a pool
 * @pages: receives them
 * @nr: how many
 * @nid: the node they must come from, or NUMA_NO_NODE
 *
 * From the reserve first; the others are charged to the caller's memory cgroup. On error @pages holds what was taken,
 * for pinpool_pages_free().
 *
 * Return: 0, -ENOMEM or -EINTR.
 */
int pinpool_pages_alloc(struct pinpool_pages *pages, unsigned long nr, int nid)
{
	unsigned long within_reach;

	/* A request that cannot succeed must not first push everybody else's memory out. */
	within_reach = (pinpool_reserve_free_bytes() >> PINPOOL_PAGE_SHIFT) +
		       ((unsigned long)max(si_mem_available(), 0L) >> PINPOOL_PAGE_ORDER);
	if (nr > within_reach)
		return -ENOMEM;

	pages->folios = kvcalloc(nr, sizeof(*pages->folios), GFP_KERNEL_ACCOUNT);
	if (!pages->folios)
		return -ENOMEM;

	for (pages->nr = 0; pages->nr < nr; pages->nr++) {
		struct folio *folio = pinpool_reserve_take(nid);

		if (!folio)
			folio = pinpool_folio_alloc(__GFP_ACCOUNT, nid);
		if (!folio)
			return fatal_signal_pending(current) ? -EINTR : -ENOMEM;
		/* finish_fault() maps a huge page only where its index says it ends within the file. */
		folio->index = pages->nr << PINPOOL_PAGE_ORDER;
		pages->folios[pages->nr] = folio;
		if (fatal_signal_pending(current)) {
			pages->nr++;
			return -EINTR;
		}
		cond_resched();
	}
	return 0;
}

/**
 * pinpool_pages_free - give all pages back, scrubbed
 * @pages: the pages; nothing maps them any more and nobody can reach them
 *
 * Pages still pinned (I/O of a dead process in flight) cannot be scrubbed and go to the quarantine. Never fails.
 */
void pinpool_pages_free(struct pinpool_pages *pages)
{
	unsigned long deadline = jiffies + PAGES_FREE_SETTLE;
	unsigned long i;

	for (i = 0; i < pages->nr; i++) {
		struct folio *folio = pages->folios[i];

		while (!pinpool_page_settled(folio) && time_before(jiffies, deadline))
			schedule_timeout_uninterruptible(1);
		if (pinpool_page_settled(folio))
			pinpool_folio_give_back(folio);
		else
			pinpool_folio_quarantine(folio);
		cond_resched();
	}
	kvfree(pages->folios);
	pages->folios = NULL;
	pages->nr = 0;
}

/**
 * pinpool_pages_zero - zero every page that this load has not touched
 * @pages: the pages
 *
 * What is done stays done when it is interrupted.
 *
 * Return: 0 or -EINTR.
 */
int pinpool_pages_zero(struct pinpool_pages *pages)
{
	unsigned long i;

	for (i = 0; i < pages->nr; i++) {
		if (fatal_signal_pending(current) || pinpool_page_prepare(pages->folios[i]))
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
	unsigned long i;

	for (i = 0; i < pages->nr; i++) {
		folio_clear_uptodate(pages->folios[i]);
		cond_resched();
	}
}

/**
 * pinpool_pages_settle - wait until nobody but the pool holds a page
 * @pages: the pages
 * @mapping: where they are mapped
 * @deadline: jiffies at which to give up
 *
 * Mappings that exist are emptied to see whether more than they hold a page: with the folio locked no fault can map it
 * again, so its reference count is exact. They fault their pages in again afterwards, if they still may. Whoever calls
 * has seen to it that no new writable mapping can appear, so a page found settled gets no new writer.
 *
 * Return: 0, -EBUSY or -EINTR.
 */
int pinpool_pages_settle(struct pinpool_pages *pages, struct address_space *mapping, unsigned long deadline)
{
	unsigned long i;

	for (i = 0; i < pages->nr; i++) {
		struct folio *folio = pages->folios[i];

		for (;;) {
			bool settled;

			if (folio_lock_killable(folio))
				return -EINTR;
			if (!pinpool_page_settled(folio))
				unmap_mapping_pages(mapping, folio->index, folio_nr_pages(folio), false);
			settled = pinpool_page_settled(folio);
			folio_unlock(folio);
			if (settled)
				break;
			if (time_after_eq(jiffies, deadline))
				return -EBUSY;
			schedule_timeout_killable(1);
			if (fatal_signal_pending(current))
				return -EINTR;
		}
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
	unsigned long i;

	for (i = 0; i < pages->nr; i++) {
		folio_lock(pages->folios[i]);
		folio_unlock(pages->folios[i]);
		cond_resched();
	}
	unmap_mapping_range(mapping, 0, 0, 1);
}
