// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages whose pool is gone and that somebody outside still holds, by a pin of I/O in flight say. They wait here,
 * unscrubbed, unused and charged to whom the pool was, until they are let go, and return to where they came from then.
 */
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "pinpool.h"

#define QUARANTINE_PERIOD (HZ / 4)

static DEFINE_SPINLOCK(quarantine_lock); /* guards what follows; a leaf */
static LIST_HEAD(quarantine);
static unsigned long nr_quarantined;

static void quarantine_check(struct work_struct *work);
static DECLARE_DELAYED_WORK(quarantine_work, quarantine_check);

/**
 * pinpool_quarantine - take over a page that somebody else still holds
 * @folio: the page
 * @account: is charged for it and stays so
 */
void pinpool_quarantine(struct folio *folio, struct pinpool_account *account)
{
	pinpool_account_hold(account);
	pinpool_page_set_account(folio, account);
	spin_lock(&quarantine_lock);
	list_add_tail(&folio->lru, &quarantine);
	nr_quarantined++;
	spin_unlock(&quarantine_lock);
	queue_delayed_work(system_unbound_wq, &quarantine_work, QUARANTINE_PERIOD);
}

static void quarantine_uncharge(struct pinpool_account *account)
{
	pinpool_account_uncharge(account, PINPOOL_PAGE_SIZE);
	pinpool_account_put(account);
}

static void quarantine_check(struct work_struct *work)
{
	struct pinpool_account *account;
	struct folio *folio, *next;
	unsigned long nr_left = 0;
	LIST_HEAD(held);

	spin_lock(&quarantine_lock);
	list_splice_init(&quarantine, &held);
	spin_unlock(&quarantine_lock);

	list_for_each_entry_safe(folio, next, &held, lru) {
		if (pinpool_page_settled(folio)) {
			list_del_init(&folio->lru);
			account = pinpool_page_account(folio);
			pinpool_page_give_back(folio);
			quarantine_uncharge(account);
			nr_left++;
		}
	}

	spin_lock(&quarantine_lock);
	list_splice(&held, &quarantine);
	nr_quarantined -= nr_left;
	nr_left = nr_quarantined;
	spin_unlock(&quarantine_lock);
	if (nr_left)
		queue_delayed_work(system_unbound_wq, &quarantine_work, QUARANTINE_PERIOD);
}

/**
 * pinpool_quarantine_bytes - what waits
 *
 * Return: bytes.
 */
u64 pinpool_quarantine_bytes(void)
{
	return (u64)READ_ONCE(nr_quarantined) << PINPOOL_PAGE_SHIFT;
}

/**
 * pinpool_quarantine_exit - let everything go as it is
 *
 * No pool exists any more. The memory is freed by whoever holds it.
 */
void pinpool_quarantine_exit(void)
{
	struct folio *folio, *next;

	cancel_delayed_work_sync(&quarantine_work);
	list_for_each_entry_safe(folio, next, &quarantine, lru) {
		list_del_init(&folio->lru);
		quarantine_uncharge(pinpool_page_account(folio));
		pinpool_page_free(folio);
		cond_resched();
	}
}
