// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who holds how much: the bytes of all pools against the module's limit, and those of one user's against the limit for
 * each. An account is a user's; it exists as long as a pool of his does, or a page that waits in the quarantine. Bytes
 * are charged before memory is taken for them. A limit that is lowered below what is held takes nothing away and lets
 * nothing be added.
 */
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "pinpool.h"

/**
 * struct pinpool_account - what the pools of one user hold
 * @link: in @accounts
 * @uid: the user that created them
 * @limited: whether the limit for each user holds for him; who may exceed it has an account of his own kind
 * @users: pools and pages in the quarantine
 * @bytes: what they hold
 */
struct pinpool_account {
	struct list_head link;
	kuid_t uid;
	bool limited;
	u64 users;
	u64 bytes;
};

static DEFINE_SPINLOCK(account_lock); /* guards what follows; a leaf */
static LIST_HEAD(accounts);
static u64 used_bytes;

static struct pinpool_account *account_find(kuid_t uid, bool limited)
{
	struct pinpool_account *account;

	lockdep_assert_held(&account_lock);

	list_for_each_entry(account, &accounts, link)
		if (uid_eq(account->uid, uid) && account->limited == limited)
			return account;
	return NULL;
}

/**
 * pinpool_account_get - the account of a user, for one pool
 * @uid: the user
 * @limited: whether the limit for each user holds for the pool
 *
 * Return: the account, for pinpool_account_put(), or NULL.
 */
struct pinpool_account *pinpool_account_get(kuid_t uid, bool limited)
{
	struct pinpool_account *account, *fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);

	if (!fresh)
		return NULL;
	fresh->uid = uid;
	fresh->limited = limited;

	spin_lock(&account_lock);
	account = account_find(uid, limited);
	if (!account) {
		account = fresh;
		fresh = NULL;
		list_add(&account->link, &accounts);
	}
	account->users++;
	spin_unlock(&account_lock);
	kfree(fresh);
	return account;
}

/**
 * pinpool_account_hold - one more user of an account
 * @account: the account, for pinpool_account_put() once more
 */
void pinpool_account_hold(struct pinpool_account *account)
{
	spin_lock(&account_lock);
	account->users++;
	spin_unlock(&account_lock);
}

/**
 * pinpool_account_put - a user of an account goes
 * @account: the account
 */
void pinpool_account_put(struct pinpool_account *account)
{
	spin_lock(&account_lock);
	if (--account->users) {
		account = NULL;
	} else {
		WARN_ON_ONCE(account->bytes);
		list_del(&account->link);
	}
	spin_unlock(&account_lock);
	kfree(account);
}

static bool exceeds(u64 used, u64 more, u64 limit)
{
	return limit && more && (more > limit || used > limit - more);
}

/**
 * pinpool_account_charge - a pool is going to hold more
 * @account: its account
 * @bytes: how much
 *
 * Return: 0, -ENOSPC by the module's limit or -EDQUOT by the user's.
 */
int pinpool_account_charge(struct pinpool_account *account, u64 bytes)
{
	int err = 0;

	spin_lock(&account_lock);
	if (exceeds(used_bytes, bytes, pinpool_limit_bytes())) {
		err = -ENOSPC;
	} else if (account->limited && exceeds(account->bytes, bytes, pinpool_limit_uid_bytes())) {
		err = -EDQUOT;
	} else {
		used_bytes += bytes;
		account->bytes += bytes;
	}
	spin_unlock(&account_lock);
	return err;
}

/**
 * pinpool_account_uncharge - a pool holds less
 * @account: its account
 * @bytes: how much less
 */
void pinpool_account_uncharge(struct pinpool_account *account, u64 bytes)
{
	spin_lock(&account_lock);
	used_bytes -= bytes;
	account->bytes -= bytes;
	spin_unlock(&account_lock);
}

/**
 * pinpool_account_missing - how much must go before more fits
 * @account: the account to be charged
 * @bytes: what it shall be charged
 * @limit: -ENOSPC for the module's limit, -EDQUOT for the user's
 *
 * Return: bytes; U64_MAX if they never fit.
 */
u64 pinpool_account_missing(struct pinpool_account *account, u64 bytes, int limit)
{
	u64 most = limit == -EDQUOT ? pinpool_limit_uid_bytes() : pinpool_limit_bytes();
	u64 used, missing = 0;

	spin_lock(&account_lock);
	used = limit == -EDQUOT ? account->bytes : used_bytes;
	if (most && bytes > most)
		missing = U64_MAX;
	else if (exceeds(used, bytes, most))
		missing = used - (most - bytes);
	spin_unlock(&account_lock);
	return missing;
}

/**
 * pinpool_used_bytes - what all pools hold, and what is left of those that are gone
 *
 * Return: bytes.
 */
u64 pinpool_used_bytes(void)
{
	u64 bytes;

	spin_lock(&account_lock);
	bytes = used_bytes;
	spin_unlock(&account_lock);
	return bytes;
}
