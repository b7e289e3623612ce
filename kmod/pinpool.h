/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pinpool: what its files share.
 *
 * Who knows what: pages.c and reserve.c know memory and no states; pool.c knows names and lifetimes; load.c owns the
 * state machine; node.c, map.c and sysfs.c show one pool to user space and control.c the module; ioctl.c unmarshals.
 *
 * Locks, outermost first: mmap_lock, pools_lock (pool.c), pool->lock, folio lock. User memory is never touched under
 * any of the last three: it may be a mapping of the very pool.
 */
#ifndef PINPOOL_H
#define PINPOOL_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pinpool.h>
#include <linux/uidgid.h>
#include <linux/wait.h>

#define PINPOOL_PAGE_ORDER HPAGE_PMD_ORDER
#define PINPOOL_PAGE_SIZE  HPAGE_PMD_SIZE
#define PINPOOL_PAGE_SHIFT HPAGE_PMD_SHIFT

/* Minor 0 is the control node, pools have the others. */
#define PINPOOL_CONTROL_MINOR 0
#define PINPOOL_MAX_POOLS     4096

/**
 * struct pinpool_pages - the memory of one pool
 * @folios: @nr folios of PINPOOL_PAGE_ORDER in pool order, each with the one reference that the pool holds
 * @nr: their number
 *
 * Flags of a folio, both changed under its lock:
 *
 * - uptodate: zeroed in this load, so that whatever it holds belongs to this load or is zero
 * - dirty: has held bytes of this pool, so that it is scrubbed before it serves anybody else
 *
 * folio->private tells where the folio goes in the end, see reserve.c.
 */
struct pinpool_pages {
	struct folio **folios;
	unsigned long nr;
};

int pinpool_pages_alloc(struct pinpool_pages *pages, unsigned long nr, int nid);
void pinpool_pages_free(struct pinpool_pages *pages);
void pinpool_page_zero(struct folio *folio);
int pinpool_page_prepare(struct folio *folio);
void pinpool_page_scrub(struct folio *folio);
bool pinpool_page_settled(struct folio *folio);
int pinpool_pages_zero(struct pinpool_pages *pages);
void pinpool_pages_forget(struct pinpool_pages *pages);
int pinpool_pages_settle(struct pinpool_pages *pages, struct address_space *mapping, unsigned long deadline);
void pinpool_pages_unmap(struct pinpool_pages *pages, struct address_space *mapping);

struct folio *pinpool_reserve_take(int nid);
struct folio *pinpool_folio_alloc(gfp_t gfp, int nid);
void pinpool_folio_give_back(struct folio *folio);
void pinpool_folio_quarantine(struct folio *folio);
u64 pinpool_reserve_bytes(void);
u64 pinpool_reserve_free_bytes(void);
int pinpool_reserve_init(unsigned long megabytes);
void pinpool_reserve_exit(void);

/**
 * struct pinpool_pool - one pool
 * @dev: node and sysfs folder; its reference count is the pool's
 * @capacity: bytes
 * @uid: owner of the node
 * @gid: group of the node
 * @mode: permission bits of the node
 * @numa_node: where its pages come from, or NUMA_NO_NODE
 * @created_ns: CLOCK_REALTIME
 * @inode: gives the files of this pool an address space of the right size
 * @pages: its memory
 * @charged: bytes it has of the module's limit; under pools_lock
 * @live: it has a name and a node; under pools_lock
 * @faults: page faults served
 * @wait: woken when the state changes, when the pool is destroyed and when a read or write of the writer ends
 * @lock: serialises everything below
 * @state: read without the lock as well; READY is terminal and published with release semantics
 * @writer: the file that loads it, NULL unless LOADING; compared, never followed, so no reference is held. Read without
 *	the lock by the page fault
 * @changing: begin, commit or abort is at work with the lock dropped; nobody else may start one, write or map writable
 * @destroyed: its name is gone
 * @reads: read() calls of the writer in progress
 * @writes: write() calls in progress
 * @mappings: VMAs
 * @writable: those of @mappings that are or may become writable
 * @openers: open files
 * @bytes_written: bytes taken by write()
 * @length: bytes published
 * @committed_ns: CLOCK_REALTIME
 * @digest_kind: enum pinpool_digest_kind
 * @digest: as given at commit
 */
struct pinpool_pool {
	struct device dev;
	u64 capacity;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
	int numa_node;
	u64 created_ns;
	struct inode *inode;
	struct pinpool_pages pages;
	u64 charged;
	bool live;
	atomic64_t faults;
	wait_queue_head_t wait;

	struct mutex lock; /* guards the rest */
	enum pinpool_state state;
	struct file *writer;
	bool changing;
	bool destroyed;
	unsigned int reads;
	unsigned int writes;
	u64 mappings;
	u64 writable;
	u64 openers;
	u64 bytes_written;
	u64 length;
	u64 committed_ns;
	u32 digest_kind;
	u8 digest[PINPOOL_DIGEST_SIZE];
};

/**
 * struct pinpool_params - what a pool is made from, checked by the caller
 * @name: NUL-terminated
 * @capacity: bytes, a multiple of PINPOOL_PAGE_SIZE
 * @numa_node: node or NUMA_NO_NODE
 * @uid: owner
 * @gid: group
 * @mode: permission bits
 */
struct pinpool_params {
	const char *name;
	u64 capacity;
	int numa_node;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
};

int pinpool_pool_create(const struct pinpool_params *params);
int pinpool_pool_destroy(const char *name);
struct pinpool_pool *pinpool_pool_get(unsigned int minor);
void pinpool_pool_put(struct pinpool_pool *pool);
void pinpool_pool_info(struct pinpool_pool *pool, struct pinpool_pool_info *info);
void pinpool_module_info(struct pinpool_module_info *info);

int pinpool_load_begin(struct pinpool_pool *pool, struct file *file);
int pinpool_load_commit(struct pinpool_pool *pool, struct file *file, const struct pinpool_commit *commit);
int pinpool_load_abort(struct pinpool_pool *pool, struct file *file);
void pinpool_load_file_closed(struct pinpool_pool *pool, struct file *file);
bool pinpool_load_visible(struct pinpool_pool *pool, struct file *file);
int pinpool_load_read_begin(struct pinpool_pool *pool, struct file *file, u64 *end);
void pinpool_load_read_end(struct pinpool_pool *pool);
int pinpool_load_write_begin(struct pinpool_pool *pool, struct file *file);
void pinpool_load_write_end(struct pinpool_pool *pool, size_t bytes);

int pinpool_mmap(struct file *file, struct vm_area_struct *vma);

/**
 * struct pinpool_ucmd - one ioctl call
 * @file: the file it was made on
 * @cmd: the struct of the call in kernel memory; fields that the caller did not know are zero
 */
struct pinpool_ucmd {
	struct file *file;
	void *cmd;
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
};

long pinpool_ioctl(struct file *file, const struct pinpool_ioctl_op *ops, size_t nr_ops, unsigned int number,
		   unsigned long arg);

struct inode *pinpool_inode_new(loff_t size);
void pinpool_inode_free(struct inode *inode);

extern struct class pinpool_class;
extern dev_t pinpool_devt;
extern const struct attribute_group *pinpool_pool_groups[];
extern const struct attribute_group *pinpool_control_groups[];

int pinpool_node_init(void);
void pinpool_node_exit(void);
int pinpool_control_init(void);
void pinpool_control_exit(void);
u64 pinpool_limit_bytes(void);

#endif /* PINPOOL_H */
