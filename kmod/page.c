// SPDX-License-Identifier: GPL-2.0-only
/*
 * One huge page: what is known of its bytes, and when they are cleared.
 *
 * Three facts stand in folio->private (PINPOOL_PAGE_*). They change under the folio lock, or while nobody else can
 * reach the page. From them and the uptodate flag follows every clearing there is:
 *
 * - at the first touch of a load, unless the page is known to hold zeros or is about to be overwritten whole;
 * - when the page leaves its pool, if it has held bytes of it; from then on it is known to hold zeros.
 *
 * So a page of the reserve is cleared once for each pool it is in, and a page nobody touched is not cleared at all.
 *
 * A page in the quarantine has its account in the bits above.
 */
#include <linux/atomic.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "pinpool.h"

static atomic64_t pages_scrubbed;

static unsigned long page_facts(struct folio *folio)
{
	return (unsigned long)folio_get_private(folio) & PINPOOL_PAGE_FACTS;
}

static void page_set_facts(struct folio *folio, unsigned long facts)
{
	folio_change_private(folio, (void *)facts);
}

static void page_clear(struct folio *folio, size_t from)
{
	size_t offset;

	if (from & ~PAGE_MASK)
		memset(folio_address(folio) + from, 0, round_up(from, PAGE_SIZE) - from);
	for (offset = round_up(from, PAGE_SIZE); offset < folio_size(folio); offset += PAGE_SIZE)
		clear_highpage(folio_page(folio, offset >> PAGE_SHIFT));
	cond_resched();
}

/* From here on the page holds bytes of the load that runs. */
static void page_mark_held(struct folio *folio)
{
	pinpool_page_lend(folio);
	folio_mark_uptodate(folio);
}

/**
 * pinpool_pages_available - what the page allocator can give without pushing much else out of memory
 *
 * Return: huge pages.
 */
unsigned long pinpool_pages_available(void)
{
	return (unsigned long)max(si_mem_available(), 0L) >> PINPOOL_PAGE_ORDER;
}

/**
 * pinpool_page_alloc - one huge page from the page allocator
 * @gfp: flags to add
 * @nid: the node it must come from, or NUMA_NO_NODE
 *
 * Not movable, so it is neither migrated nor reclaimed. Reclaims and compacts, but kills nobody for it and says
 * nothing when it fails.
 *
 * Return: the page or NULL.
 */
struct folio *pinpool_page_alloc(gfp_t gfp, int nid)
{
	struct folio *folio;

	gfp |= GFP_USER | __GFP_NOWARN | __GFP_RETRY_MAYFAIL;
	if (nid == NUMA_NO_NODE)
		folio = folio_alloc(gfp, PINPOOL_PAGE_ORDER);
	else
		folio = __folio_alloc_node(gfp | __GFP_THISNODE, PINPOOL_PAGE_ORDER, nid);
	/* A kernel that is told to zero what it allocates has done it. */
	if (folio)
		page_set_facts(folio, want_init_on_alloc(gfp) ? PINPOOL_PAGE_ZERO : 0);
	return folio;
}

/**
 * pinpool_page_free - give a page to the page allocator
 * @folio: the page; whoever else holds it frees it in the end
 */
void pinpool_page_free(struct folio *folio)
{
	page_set_facts(folio, 0);
	folio_put(folio);
}

/**
 * pinpool_page_set_reserved - say whose a page is in the end
 * @folio: a page that nobody else has
 * @reserved: the reserve's, else the page allocator's
 */
void pinpool_page_set_reserved(struct folio *folio, bool reserved)
{
	unsigned long facts = page_facts(folio) & ~PINPOOL_PAGE_RESERVED;

	page_set_facts(folio, facts | (reserved ? PINPOOL_PAGE_RESERVED : 0));
}

/**
 * pinpool_page_reserved - whose a page is in the end
 * @folio: the page
 *
 * Return: true if the reserve's, false if the page allocator's.
 */
bool pinpool_page_reserved(struct folio *folio)
{
	return page_facts(folio) & PINPOOL_PAGE_RESERVED;
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
 * pinpool_page_zero - make a page fit to be seen by the load that runs
 * @folio: the page, locked
 *
 * Return: whether it had to be cleared.
 */
bool pinpool_page_zero(struct folio *folio)
{
	bool clear;

	VM_WARN_ON_FOLIO(!folio_test_locked(folio), folio);

	if (folio_test_uptodate(folio))
		return false;
	clear = !(page_facts(folio) & PINPOOL_PAGE_ZERO);
	if (clear)
		page_clear(folio, 0);
	page_mark_held(folio);
	return clear;
}

/**
 * pinpool_page_lend - a page is about to be written, by somebody who may stop anywhere
 * @folio: the page, locked
 *
 * It is not uptodate by that. In any context.
 */
void pinpool_page_lend(struct folio *folio)
{
	page_set_facts(folio, (page_facts(folio) & ~PINPOOL_PAGE_ZERO) | PINPOOL_PAGE_HELD);
}

/**
 * pinpool_page_filled - a page is about to be seen whose first bytes somebody has just written
 * @folio: the page, locked and not uptodate
 * @bytes: that many are written; the rest is cleared
 *
 * In any context if it is all of the page.
 */
void pinpool_page_filled(struct folio *folio, size_t bytes)
{
	VM_WARN_ON_FOLIO(!folio_test_locked(folio), folio);
	VM_WARN_ON_FOLIO(folio_test_uptodate(folio), folio);

	if (bytes < folio_size(folio) && !(page_facts(folio) & PINPOOL_PAGE_ZERO))
		page_clear(folio, bytes);
	page_mark_held(folio);
}

/**
 * pinpool_page_lock - lock a page
 * @folio: the page
 * @may_block: whether to wait for it; a read of a file into it may last as long as that file likes
 *
 * Return: 0, -EAGAIN or -EINTR.
 */
int pinpool_page_lock(struct folio *folio, bool may_block)
{
	if (folio_trylock(folio))
		return 0;
	if (!may_block)
		return -EAGAIN;
	return folio_lock_killable(folio) ? -EINTR : 0;
}

/**
 * pinpool_page_overwrite - fill a page from a write() without clearing it first
 * @folio: the page, not locked
 * @from: has bytes for all of the page
 * @may_block: whether to wait for the page
 *
 * User memory that is not there is not waited for under the lock: it may be a mapping of this very page. What did not
 * come is cleared, so the page is fit to be seen in any case, and the rest of the write goes on as for any other page.
 *
 * Return: bytes taken, -EAGAIN or -EINTR.
 */
ssize_t pinpool_page_overwrite(struct folio *folio, struct iov_iter *from, bool may_block)
{
	size_t copied = 0;
	int err;

	fault_in_iov_iter_readable(from, folio_size(folio));
	err = pinpool_page_lock(folio, may_block);
	if (err)
		return err;
	if (!folio_test_uptodate(folio)) {
		pagefault_disable();
		copied = copy_from_iter(folio_address(folio), folio_size(folio), from);
		pagefault_enable();
		pinpool_page_filled(folio, copied);
	}
	folio_unlock(folio);
	return copied;
}

/**
 * pinpool_page_scrub - forget the bytes of the pool the page was in
 * @folio: a page that nobody else has
 */
void pinpool_page_scrub(struct folio *folio)
{
	unsigned long facts = page_facts(folio);

	if (facts & PINPOOL_PAGE_HELD) {
		page_clear(folio, 0);
		page_set_facts(folio, (facts & ~PINPOOL_PAGE_HELD) | PINPOOL_PAGE_ZERO);
		atomic64_inc(&pages_scrubbed);
	}
	/* By a pin that was for writing. */
	folio_clear_dirty(folio);
	folio_clear_uptodate(folio);
}

/**
 * pinpool_page_set_account - say who pays for a page that is in no pool
 * @folio: the page; that is forgotten with the next change of its facts
 * @account: the account
 */
void pinpool_page_set_account(struct folio *folio, struct pinpool_account *account)
{
	WARN_ON_ONCE((unsigned long)account & PINPOOL_PAGE_FACTS);
	page_set_facts(folio, page_facts(folio) | (unsigned long)account);
}

/**
 * pinpool_page_account - who pays for a page that is in no pool
 * @folio: the page
 *
 * Return: the account.
 */
struct pinpool_account *pinpool_page_account(struct folio *folio)
{
	return (struct pinpool_account *)((unsigned long)folio_get_private(folio) & ~PINPOOL_PAGE_FACTS);
}

/**
 * pinpool_pages_scrubbed - how many pages were cleared because their pool went
 *
 * Return: pages since the module was loaded.
 */
u64 pinpool_pages_scrubbed(void)
{
	return atomic64_read(&pages_scrubbed);
}
