/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pinpool: what its files share.
 *
 * Who knows what: page.c, pages.c, place.c, reserve.c, quarantine.c and account.c know memory and no states; pool.c knows
 * names and lifetimes, evict.c who gives way; load.c owns the state machine; node.c, map.c, uring.c and sysfs.c show one
 * pool to user space, export.c to devices, and control.c the module; ioctl.c unmarshals.
 *
 * Locks, outermost first: mmap_lock, pools_lock (pool.c), pool->lock, folio locks in the order of the pool; then leaves.
 * User memory is never touched under any but the first: it may be a mapping of the very pool. A folio may stay locked
 * until some file has been read (uring.c), so it is waited for killably, or where no read can be in progress.
 */
#ifndef PINPOOL_H
#define PINPOOL_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/pinpool.h>
#include <linux/rcupdate.h>
#include <linux/uidgid.h>
#include <linux/wait.h>

#define PINPOOL_PAGE_ORDER HPAGE_PMD_ORDER
#define PINPOOL_PAGE_SIZE  HPAGE_PMD_SIZE
#define PINPOOL_PAGE_SHIFT HPAGE_PMD_SHIFT

/* Minor 0 is the control node, pools have the others. */
#define PINPOOL_CONTROL_MINOR 0
#define PINPOOL_MAX_POOLS     4096

/* What folio->private says of a page of ours, see page.c. */
#define PINPOOL_PAGE_RESERVED BIT(0) /* belongs to the reserve */
#define PINPOOL_PAGE_ZERO     BIT(1) /* all its bytes are zero */
#define PINPOOL_PAGE_HELD     BIT(2) /* has held bytes of the pool it is in, so it is scrubbed before it leaves */
#define PINPOOL_PAGE_FACTS    GENMASK(2, 0)

struct pinpool_account;

unsigned long pinpool_pages_available(void);
struct folio *pinpool_page_alloc(gfp_t gfp, int nid);
void pinpool_page_free(struct folio *folio);
void pinpool_page_set_reserved(struct folio *folio, bool reserved);
bool pinpool_page_reserved(struct folio *folio);
bool pinpool_page_settled(struct folio *folio);
bool pinpool_page_zero(struct folio *folio);
void pinpool_page_lend(struct folio *folio);
void pinpool_page_filled(struct folio *folio, size_t bytes);
int pinpool_page_lock(struct folio *folio, bool may_block);
ssize_t pinpool_page_overwrite(struct folio *folio, struct iov_iter *from, bool may_block);
void pinpool_page_scrub(struct folio *folio);
void pinpool_page_set_account(struct folio *folio, struct pinpool_account *account);
struct pinpool_account *pinpool_page_account(struct folio *folio);
u64 pinpool_pages_scrubbed(void);

struct folio *pinpool_reserve_take(int nid);
void pinpool_page_give_back(struct folio *folio);
int pinpool_reserve_set(int nid, unsigned long target);
u64 pinpool_reserve_node_bytes(int nid);
u64 pinpool_reserve_node_free_bytes(int nid);
u64 pinpool_reserve_bytes(void);
u64 pinpool_reserve_free_bytes(void);
int pinpool_reserve_init(const unsigned long *megabytes, int nr);
void pinpool_reserve_exit(void);

void pinpool_quarantine(struct folio *folio, struct pinpool_account *account);
u64 pinpool_quarantine_bytes(void);
void pinpool_quarantine_exit(void);

struct pinpool_account *pinpool_account_get(kuid_t uid, bool limited);
void pinpool_account_hold(struct pinpool_account *account);
void pinpool_account_put(struct pinpool_account *account);
int pinpool_account_charge(struct pinpool_account *account, u64 bytes);
void pinpool_account_uncharge(struct pinpool_account *account, u64 bytes);
u64 pinpool_account_missing(struct pinpool_account *account, u64 bytes, int limit);
u64 pinpool_used_bytes(void);

/**
 * struct pinpool_place - where the pages of a pool come from
 * @policy: enum pinpool_numa_policy
 * @node: node bound to or preferred, or NUMA_NO_NODE
 * @nodes: nodes that are interleaved, bit n for node n
 */
struct pinpool_place {
	u32 policy;
	int node;
	u64 nodes;
};

int pinpool_place_init(struct pinpool_place *place, const struct pinpool_create *create);
int pinpool_place_node(const struct pinpool_place *place, unsigned long index);
bool pinpool_place_strict(const struct pinpool_place *place);

/**
 * struct pinpool_slots - the places of a pool's pages
 * @rcu: for freeing
 * @nr: number of places
 * @folios: the pages, folios of PINPOOL_PAGE_ORDER, each with the one reference that the pool holds; NULL where there is
 *	none yet
 */
struct pinpool_slots {
	struct rcu_head rcu;
	unsigned long nr;
	struct folio *folios[];
};

/**
 * struct pinpool_pages - the memory of one pool
 * @place: where pages come from
 * @on_demand: pages come when they are needed
 * @account: is charged for the pages
 * @memcg: is charged for those that do not come from the reserve
 * @lock: guards the filling of places, the replacing of @slots, @nr_held and @nr_fallback; a leaf
 * @slots: the table
 * @nr_held: pages there are; read without the lock as well
 * @nr_charged: pages charged to @account
 * @nr_fallback: pages of another node than wanted
 * @nr_zeroed: pages cleared because this pool touched them
 * @nr_failed: touches and writes that found no page
 */
struct pinpool_pages {
	struct pinpool_place place;
	bool on_demand;
	struct pinpool_account *account;
	struct mem_cgroup *memcg;
	struct mutex lock;
	struct pinpool_slots __rcu *slots;
	unsigned long nr_held;
	unsigned long nr_charged;
	unsigned long nr_fallback;
	atomic64_t nr_zeroed;
	atomic64_t nr_failed;
};

/**
 * struct pinpool_shortage - what was missing when pages could not be had
 * @nid: the node they have to come from, or NUMA_NO_NODE
 * @nr: pages; ULONG_MAX if it was not pages
 * @nr_before: what was missing the time before; ULONG_MAX at first
 */
struct pinpool_shortage {
	int nid;
	unsigned long nr;
	unsigned long nr_before;
};

#define PINPOOL_SHORTAGE_INIT { .nid = NUMA_NO_NODE, .nr = ULONG_MAX, .nr_before = ULONG_MAX }

void pinpool_pages_init(struct pinpool_pages *pages, struct pinpool_account *account);
int pinpool_pages_fill(struct pinpool_pages *pages, unsigned long nr, struct pinpool_shortage *shortage);
struct folio *pinpool_pages_get(struct pinpool_pages *pages, unsigned long index);
struct folio *pinpool_pages_get_now(struct pinpool_pages *pages, unsigned long index);
bool pinpool_pages_zero_one(struct pinpool_pages *pages, struct folio *folio);
int pinpool_pages_prepare(struct pinpool_pages *pages, struct folio *folio, bool may_block);
void pinpool_pages_free(struct pinpool_pages *pages);
int pinpool_pages_zero(struct pinpool_pages *pages);
void pinpool_pages_forget(struct pinpool_pages *pages);
int pinpool_pages_settle(struct pinpool_pages *pages, unsigned long first, struct address_space *mapping,
			 unsigned long deadline);
void pinpool_pages_unmap(struct pinpool_pages *pages, struct address_space *mapping);
int pinpool_pages_resize(struct pinpool_pages *pages, unsigned long nr, struct address_space *mapping,
			 struct pinpool_shortage *shortage);
unsigned long pinpool_pages_on_node(struct pinpool_pages *pages, int nid);

/**
 * pinpool_pages_nr - how many places there are
 * @pages: the pages
 *
 * Return: their number.
 */
static inline unsigned long pinpool_pages_nr(struct pinpool_pages *pages)
{
	unsigned long nr;

	rcu_read_lock();
	nr = rcu_dereference(pages->slots)->nr;
	rcu_read_unlock();
	return nr;
}

/* The page at a place of a table that stays. */
static inline struct folio *pinpool_slots_find(struct pinpool_slots *slots, unsigned long index)
{
	if (index >= slots->nr)
		return NULL;
	/* Users choose the place, so not beyond the table by speculation either. */
	index = array_index_nospec(index, slots->nr);
	/* Pairs with page_place(). */
	return smp_load_acquire(&slots->folios[index]);
}

/**
 * pinpool_pages_find - the page at a place
 * @pages: the pages
 * @index: the place
 *
 * Return: the page, or NULL if there is none, or no such place.
 */
static inline struct folio *pinpool_pages_find(struct pinpool_pages *pages, unsigned long index)
{
	struct folio *folio;

	rcu_read_lock();
	folio = pinpool_slots_find(rcu_dereference(pages->slots), index);
	rcu_read_unlock();
	return folio;
}

/**
 * pinpool_pages_find_final - the same where the caller knows that the pages will not be resized any more
 * @pages: the pages
 * @index: the place
 *
 * Return: the page, or NULL if there is none, or no such place.
 */
static inline struct folio *pinpool_pages_find_final(struct pinpool_pages *pages, unsigned long index)
{
	return pinpool_slots_find(rcu_dereference_protected(pages->slots, true), index);
}

/**
 * struct pinpool_pool - one pool
 * @dev: node and sysfs folder; its reference count is the pool's
 * @uid: owner: may destroy it, and owns the node at first
 * @gid: group of the node at first
 * @mode: permission bits of the node at first
 * @created_ns: CLOCK_REALTIME
 * @inode: gives the files of this pool an address space
 * @pages: its memory
 * @live: it has a name and a node; under pools_lock
 * @faults: page faults served
 * @bytes_written: bytes taken by write()
 * @bytes_read: bytes read into it from files, by uring.c
 * @writes: write() calls and reads of uring.c in progress; they begin under @lock and end anywhere
 * @wait: woken when the state changes, when the pool is destroyed and when a read or write of the writer ends
 * @lock: serialises everything below
 * @state: read without the lock as well; READY is terminal and published with release semantics
 * @writer: the file that loads it, NULL unless LOADING; compared, never followed, so no reference is held. Read without
 *	the lock by the page fault
 * @changing: begin, commit, abort or resize is at work with the lock dropped; nobody else may start one, write or map
 *	writable
 * @shrinking: and it is a resize that takes pages away: nobody may start to use any
 * @destroyed: its name is gone
 * @capacity: bytes; read without the lock as well, by who keeps the pool from shrinking or checks again
 * @reads: read() calls of the writer in progress
 * @mappings: VMAs
 * @writable: those of @mappings and @exports that are or may become writable
 * @exports: dma-bufs
 * @openers: open files
 * @evictable: may be destroyed for want of room while READY and not open
 * @priority: of lower priority first
 * @last_used_ns: when it was last opened, closed or committed, CLOCK_MONOTONIC
 * @length: bytes published
 * @committed_ns: CLOCK_REALTIME
 * @digest_kind: enum pinpool_digest_kind
 * @digest: as given at commit
 */
struct pinpool_pool {
	struct device dev;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
	u64 created_ns;
	struct inode *inode;
	struct pinpool_pages pages;
	bool live;
	atomic64_t faults;
	atomic64_t bytes_written;
	atomic64_t bytes_read;
	atomic_t writes;
	wait_queue_head_t wait;

	struct mutex lock; /* guards the rest */
	enum pinpool_state state;
	struct file *writer;
	bool changing;
	bool shrinking;
	bool destroyed;
	u64 capacity;
	unsigned int reads;
	u64 mappings;
	u64 writable;
	u64 exports;
	u64 openers;
	bool evictable;
	s32 priority;
	u64 last_used_ns;
	u64 length;
	u64 committed_ns;
	u32 digest_kind;
	u8 digest[PINPOOL_DIGEST_SIZE];
};

/**
 * struct pinpool_params - what a pool is made from, checked by the caller
 * @name: NUL-terminated
 * @capacity: bytes, a multiple of PINPOOL_PAGE_SIZE
 * @place: where its pages come from
 * @uid: owner
 * @gid: group
 * @mode: permission bits
 * @on_demand: pages come when they are needed
 * @evictable: see struct pinpool_pool
 * @priority: likewise
 */
struct pinpool_params {
	const char *name;
	u64 capacity;
	struct pinpool_place place;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
	bool on_demand;
	bool evictable;
	s32 priority;
};

int pinpool_pool_create(const struct pinpool_params *params);
int pinpool_pool_destroy(const char *name);
bool pinpool_pool_make_room(struct pinpool_pool *pool, int err, struct pinpool_shortage *shortage);
struct pinpool_pool *pinpool_pool_open(unsigned int minor);
void pinpool_pool_get(struct pinpool_pool *pool);
void pinpool_pool_put(struct pinpool_pool *pool);
int pinpool_pool_set_eviction(struct pinpool_pool *pool, bool evictable, s32 priority);
void pinpool_pool_info(struct pinpool_pool *pool, struct pinpool_pool_info *info);
void pinpool_module_info(struct pinpool_module_info *info);

int pinpool_load_begin(struct pinpool_pool *pool, struct file *file);
int pinpool_load_commit(struct pinpool_pool *pool, struct file *file, const struct pinpool_commit *commit);
int pinpool_load_abort(struct pinpool_pool *pool, struct file *file);
int pinpool_load_resize(struct pinpool_pool *pool, struct file *file, u64 capacity);
void pinpool_load_file_closed(struct pinpool_pool *pool, struct file *file);
bool pinpool_load_visible(struct pinpool_pool *pool, struct file *file);
int pinpool_load_read_begin(struct pinpool_pool *pool, struct file *file, u64 *end);
void pinpool_load_read_end(struct pinpool_pool *pool);
int pinpool_load_write_begin(struct pinpool_pool *pool, struct file *file, u64 *capacity);
void pinpool_load_write_end(struct pinpool_pool *pool);

/**
 * struct pinpool_dmabuf - a range of a pool that others import
 * @pool: the pool, referenced
 * @viewer: the writer's file if the pool was LOADING, else NULL; compared, never followed. No other file is the writer
 *	while this lives, since no load begins
 * @offset: first byte, a multiple of PAGE_SIZE
 * @length: bytes, likewise
 * @writable: whether anybody may write through it
 * @lock: guards @maps
 * @maps: devices that have it mapped
 */
struct pinpool_dmabuf {
	struct pinpool_pool *pool;
	struct file *viewer;
	u64 offset;
	u64 length;
	bool writable;
	struct mutex lock; /* a leaf */
	struct list_head maps;
};

int pinpool_load_export_begin(struct pinpool_pool *pool, struct file *file, struct pinpool_dmabuf *export);
void pinpool_load_export_end(struct pinpool_pool *pool, bool writable);

int pinpool_mmap(struct file *file, struct vm_area_struct *vma);
int pinpool_mmap_export(struct pinpool_dmabuf *export, struct vm_area_struct *vma);

/* The one place that knows whether this kernel has dma-bufs; without them the call is one that does not exist. */
#ifdef CONFIG_DMA_SHARED_BUFFER
#define PINPOOL_FEATURES PINPOOL_FEATURES_ALL
struct file *pinpool_export(struct pinpool_pool *pool, struct file *file, const struct pinpool_export *export,
			    bool write);
#else
#define PINPOOL_FEATURES (PINPOOL_FEATURES_ALL & ~PINPOOL_FEATURE_EXPORT)
static inline struct file *pinpool_export(struct pinpool_pool *pool, struct file *file,
					  const struct pinpool_export *export, bool write)
{
	return ERR_PTR(-ENOTTY);
}
#endif

struct io_uring_cmd;
int pinpool_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);
int pinpool_uring_init(void);
void pinpool_uring_exit(void);

/**
 * struct pinpool_ucmd - one ioctl call
 * @file: the file it was made on
 * @cmd: the struct of the call in kernel memory; fields that the caller did not know are zero
 * @new_file: a file that the call has made, or NULL. It becomes the caller's when the call can no longer fail, and goes
 *	if it does
 * @new_fd: the descriptor reserved for it
 */
struct pinpool_ucmd {
	struct file *file;
	void *cmd;
	struct file *new_file;
	int new_fd;
};

/**
 * struct pinpool_ioctl_op - one row of a node's ioctl table
 * @number: the ioctl number
 * @size: size of the struct as this module knows it
 * @min_size: size of its oldest version
 * @reply: the struct has results, copy it back
 * @execute: the call; sees no user memory
 */
struct pinpool_ioctl_op {
	unsigned int number;
	size_t size;
	size_t min_size;
	bool reply;
	int (*execute)(struct pinpool_ucmd *ucmd);
};

#define PINPOOL_IOCTL_OP(_number, _execute, _struct, _last, _reply)					\
	{												\
		.number = (_number),									\
		.size = sizeof(struct _struct) + BUILD_BUG_ON_ZERO(offsetof(struct _struct, size) != 0) +	\
			BUILD_BUG_ON_ZERO(sizeof(struct _struct) > sizeof(union pinpool_ioctl_buffer)),	\
		.min_size = offsetofend(struct _struct, _last),						\
		.reply = (_reply),									\
		.execute = (_execute),									\
	}

/* Room for the struct of any call. */
union pinpool_ioctl_buffer {
	struct pinpool_module_info module_info;
	struct pinpool_create create;
	struct pinpool_destroy destroy;
	struct pinpool_pool_info pool_info;
	struct pinpool_begin begin;
	struct pinpool_commit commit;
	struct pinpool_abort abort;
	struct pinpool_resize resize;
	struct pinpool_eviction eviction;
	struct pinpool_export export;
};

long pinpool_ioctl(struct file *file, const struct pinpool_ioctl_op *ops, size_t nr_ops, unsigned int number,
		   unsigned long arg);

struct inode *pinpool_inode_new(void);
void pinpool_inode_empty(struct inode *inode);
void pinpool_inode_free(struct inode *inode);

extern struct class pinpool_class;
extern dev_t pinpool_devt;
extern const struct attribute_group *pinpool_pool_groups[];
extern const struct attribute_group pinpool_control_group;

const char *pinpool_state_name(u32 state);
const struct attribute_group **pinpool_sysfs_control_groups(void);
void pinpool_sysfs_control_groups_free(void);

int pinpool_node_init(void);
void pinpool_node_exit(void);
int pinpool_control_init(void);
void pinpool_control_exit(void);
u64 pinpool_limit_bytes(void);
u64 pinpool_limit_uid_bytes(void);

#endif /* PINPOOL_H */
