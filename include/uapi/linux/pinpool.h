/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * pinpool: named, pinned, huge-page pools. The ABI between kmod/ and user space.
 *
 * Two kinds of device node:
 *
 *   /dev/pinpool/control   creates, destroys and counts pools
 *   /dev/pinpool/NAME      one pool: open, mmap, read, and the ioctls of a load
 *
 * The same facts, one value per file, are in /sys/class/pinpool/NAME/ and /sys/class/pinpool/control/. docs/abi.md says
 * how all of this may grow.
 */
#ifndef _UAPI_LINUX_PINPOOL_H
#define _UAPI_LINUX_PINPOOL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: General ioctl format
 *
 * Every ioctl takes a pointer to a struct whose first field is its size in bytes, set by the caller to the sizeof()
 * it was compiled with. An older kernel accepts a longer struct if the part it does not know is zero; a newer kernel
 * accepts a shorter one and takes the missing part as zero. Reserved fields must be zero. Results are written to
 * fields named out_*.
 *
 * Each errno means one thing:
 *
 *  - ENOTTY: the ioctl number itself is not supported on this node.
 *  - E2BIG: the struct is longer than this kernel knows and not zero in the part it does not know.
 *  - EOPNOTSUPP: a field is understood, its value (a flag, a page size, a digest kind) is not supported.
 *  - EINVAL: everything is understood and it is not correct: a size shorter than the oldest version of the struct, a
 *    reserved field that is not zero, a malformed name, a capacity of 0 or not a multiple of the page size, a NUMA
 *    node that does not exist or has no memory, a mode beyond 0666, a length beyond the capacity, a digest without a
 *    kind; mmap() beyond the capacity.
 *  - EFAULT: user memory could not be read or written. Nothing has changed.
 *  - ENOENT: no pool of that name.
 *  - EEXIST: a pool of that name exists.
 *  - EPERM: the caller may not do this: create without write access to the control node, give a pool to another user
 *    or to a group it is not in, or destroy somebody else's pool.
 *  - EACCES: open() without permission by owner and mode; mmap() with PROT_EXEC, private and writable, or writable
 *    on a file that is not the writer's.
 *  - ENOMEM: not enough huge pages (or kernel memory). Nothing was created.
 *  - ENOSPC: the module's limit (limit_mb), its number of pools, or a write past the capacity. Nothing was created.
 *  - EBUSY: a file is loading this pool; or begin or commit while somebody still holds its pages: a writable mapping
 *    (that of an aborted load included), a pin (registered buffer, O_DIRECT in flight), a write in progress; or a
 *    write, writable mmap, commit or abort of the writer while it commits in another thread.
 *  - EROFS: begin, commit, abort or write on a pool that is READY; its content does not change any more.
 *  - ENODATA: the pool is not READY, so there is nothing to read, map or seek to the end of yet, but for the writer.
 *  - EBADF: commit, abort or write on a file that did not begin the load; begin on a file not open for writing.
 *  - EINTR: a fatal signal ended the wait.
 */

#define PINPOOL_TYPE 0xB9

/*
 * Longest name, without the terminating NUL. A name is 1 to 63 of [A-Za-z0-9._-], does not begin with '.' or '-' and is
 * not "control".
 */
#define PINPOOL_NAME_MAX 63
#define PINPOOL_DIGEST_SIZE 16

/* Ioctl numbers carry no size: the size is in the struct. */
#define PINPOOL_IOC_MODULE_INFO _IO(PINPOOL_TYPE, 0x80) /* control */
#define PINPOOL_IOC_CREATE	_IO(PINPOOL_TYPE, 0x81) /* control */
#define PINPOOL_IOC_DESTROY	_IO(PINPOOL_TYPE, 0x82) /* control */
#define PINPOOL_IOC_POOL_INFO	_IO(PINPOOL_TYPE, 0x90) /* pool */
#define PINPOOL_IOC_BEGIN	_IO(PINPOOL_TYPE, 0x91) /* pool */
#define PINPOOL_IOC_COMMIT	_IO(PINPOOL_TYPE, 0x92) /* pool */
#define PINPOOL_IOC_ABORT	_IO(PINPOOL_TYPE, 0x93) /* pool */

/**
 * enum pinpool_state - life of a pool
 * @PINPOOL_STATE_EMPTY: nothing published, no writer
 * @PINPOOL_STATE_LOADING: one open file is writing; nobody else sees content
 * @PINPOOL_STATE_READY: published, read-only until the pool is destroyed
 *
 * EMPTY -> LOADING by PINPOOL_IOC_BEGIN, LOADING -> READY by PINPOOL_IOC_COMMIT, LOADING -> EMPTY by PINPOOL_IOC_ABORT
 * or when the last reference to the writer's open file goes (close, exit, kill).
 */
enum pinpool_state {
	PINPOOL_STATE_EMPTY = 0,
	PINPOOL_STATE_LOADING = 1,
	PINPOOL_STATE_READY = 2,
};

/**
 * enum pinpool_digest_kind - what the digest of a READY pool is a digest of
 * @PINPOOL_DIGEST_NONE: no digest was given
 * @PINPOOL_DIGEST_XXH3_128: XXH3-128, canonical (big-endian) byte order, seed 0, of the content [0, length)
 * @PINPOOL_DIGEST_XXH3_128_LIST: XXH3-128 of the XXH3-128 digests of the source files, in catalog order
 *
 * The kernel stores and shows the digest; it does not compute or check it.
 */
enum pinpool_digest_kind {
	PINPOOL_DIGEST_NONE = 0,
	PINPOOL_DIGEST_XXH3_128 = 1,
	PINPOOL_DIGEST_XXH3_128_LIST = 2,
};

/* Feature bits of struct pinpool_module_info. A bit is never reused. None is defined yet beyond the base ABI. */
#define PINPOOL_FEATURES_ALL 0ULL

/**
 * struct pinpool_module_info - PINPOOL_IOC_MODULE_INFO: what this module offers and has left
 * @size: sizeof(struct pinpool_module_info)
 * @flags: must be 0
 * @out_features: feature bits (PINPOOL_FEATURE_*)
 * @out_page_size: bytes of one huge page
 * @out_reserve_bytes: bytes the module took early, in use or not
 * @out_free_bytes: bytes of the reserve that no pool holds
 * @out_limit_bytes: most bytes that all pools together may hold, 0 for no limit
 * @out_used_bytes: bytes all pools hold, from the reserve or not
 * @out_pools: number of pools
 * @__reserved: 0
 *
 * Any file of the control node may ask. Since ABI 1.
 */
struct pinpool_module_info {
	__u32 size;
	__u32 flags;
	__aligned_u64 out_features;
	__aligned_u64 out_page_size;
	__aligned_u64 out_reserve_bytes;
	__aligned_u64 out_free_bytes;
	__aligned_u64 out_limit_bytes;
	__aligned_u64 out_used_bytes;
	__u32 out_pools;
	__u32 __reserved;
};

#define PINPOOL_NUMA_ANY (-1)
/* In @uid and @gid: the caller's own. */
#define PINPOOL_ID_CALLER 0xffffffffU

/**
 * struct pinpool_create - PINPOOL_IOC_CREATE: make an EMPTY pool with all its pages, or nothing
 * @size: sizeof(struct pinpool_create)
 * @flags: must be 0
 * @name: NUL-terminated, the rest of the array zero
 * @capacity: bytes, a multiple of @page_size, not 0
 * @page_size: bytes of one page of the pool, 2 MiB; 0 lets the module choose
 * @numa_node: node that all pages must come from, or PINPOOL_NUMA_ANY
 * @uid: owner of the node, in the caller's user namespace, or PINPOOL_ID_CALLER
 * @gid: group of the node, likewise
 * @mode: permission bits of the node, none beyond 0666; 0 means 0600
 * @__reserved: 0
 *
 * Needs a control file open for writing (the node is made with mode 0644, root:root; chmod and chgrp it to let others
 * create). Pages come from the reserve first, the others are charged to the caller's memory cgroup. /dev/pinpool/NAME
 * exists when the call returns. Since ABI 1.
 */
struct pinpool_create {
	__u32 size;
	__u32 flags;
	__u8 name[PINPOOL_NAME_MAX + 1];
	__aligned_u64 capacity;
	__aligned_u64 page_size;
	__s32 numa_node;
	__u32 uid;
	__u32 gid;
	__u32 mode;
	__aligned_u64 __reserved;
};

/**
 * struct pinpool_destroy - PINPOOL_IOC_DESTROY: remove a pool's name and give its pages back
 * @size: sizeof(struct pinpool_destroy)
 * @flags: must be 0
 * @name: NUL-terminated, the rest of the array zero
 *
 * For the pool's owner and for CAP_SYS_ADMIN, on any control file. The name and node go at once; pages that somebody
 * has open or mapped go, scrubbed, with the last user, as with a file. Never fails once permitted. Since ABI 1.
 */
struct pinpool_destroy {
	__u32 size;
	__u32 flags;
	__u8 name[PINPOOL_NAME_MAX + 1];
};

/**
 * struct pinpool_pool_info - PINPOOL_IOC_POOL_INFO: everything known of one pool, taken at one moment
 * @size: sizeof(struct pinpool_pool_info)
 * @flags: must be 0
 * @out_name: NUL-terminated name
 * @out_capacity: bytes reserved
 * @out_length: bytes published, 0 unless READY
 * @out_page_size: bytes of one page
 * @out_huge_pages: pages held now
 * @out_mappings: live mappings (VMAs)
 * @out_openers: open files
 * @out_faults: page faults served since creation
 * @out_bytes_written: bytes taken by write() since creation
 * @out_created_ns: creation, CLOCK_REALTIME nanoseconds
 * @out_committed_ns: commit, likewise, 0 unless READY
 * @out_digest: digest given at commit
 * @out_digest_kind: enum pinpool_digest_kind
 * @out_state: enum pinpool_state
 * @out_numa_node: the node bound to, or PINPOOL_NUMA_ANY
 * @out_uid: owner, in the caller's user namespace, overflow uid if it has none there
 * @out_gid: group, likewise
 * @out_mode: permission bits given at creation
 *
 * Any file of the pool may ask. Since ABI 1.
 */
struct pinpool_pool_info {
	__u32 size;
	__u32 flags;
	__u8 out_name[PINPOOL_NAME_MAX + 1];
	__aligned_u64 out_capacity;
	__aligned_u64 out_length;
	__aligned_u64 out_page_size;
	__aligned_u64 out_huge_pages;
	__aligned_u64 out_mappings;
	__aligned_u64 out_openers;
	__aligned_u64 out_faults;
	__aligned_u64 out_bytes_written;
	__aligned_u64 out_created_ns;
	__aligned_u64 out_committed_ns;
	__u8 out_digest[PINPOOL_DIGEST_SIZE];
	__u32 out_digest_kind;
	__u32 out_state;
	__s32 out_numa_node;
	__u32 out_uid;
	__u32 out_gid;
	__u32 out_mode;
};

/**
 * struct pinpool_begin - PINPOOL_IOC_BEGIN: become the pool's one writer
 * @size: sizeof(struct pinpool_begin)
 * @flags: must be 0
 *
 * EMPTY -> LOADING. The open file is the lock: while it lives and has not committed, it alone may write and map
 * writable. Every page reads as zero until written. Waits up to a second for I/O of an earlier writer that is still
 * in flight, then EBUSY. Since ABI 1.
 */
struct pinpool_begin {
	__u32 size;
	__u32 flags;
};

/**
 * struct pinpool_commit - PINPOOL_IOC_COMMIT: publish
 * @size: sizeof(struct pinpool_commit)
 * @flags: must be 0
 * @length: bytes of content, 1 to capacity; read() and SEEK_END stop here, mmap() reaches the capacity
 * @digest: the digest, zero if @digest_kind is PINPOOL_DIGEST_NONE
 * @digest_kind: enum pinpool_digest_kind
 * @__reserved: 0
 *
 * LOADING -> READY; wakes poll(). Refused with EBUSY, and the load goes on, while a writable mapping, a pin or a
 * write in progress exists: unmap and unregister buffers first. A mapping made without PROT_WRITE can never become
 * writable and does not count. Pages never touched are zeroed here. Since ABI 1.
 */
struct pinpool_commit {
	__u32 size;
	__u32 flags;
	__aligned_u64 length;
	__u8 digest[PINPOOL_DIGEST_SIZE];
	__u32 digest_kind;
	__u32 __reserved;
};

/**
 * struct pinpool_abort - PINPOOL_IOC_ABORT: give up the load
 * @size: sizeof(struct pinpool_abort)
 * @flags: must be 0
 *
 * LOADING -> EMPTY. The writer's mappings are emptied; touching one afterwards is SIGBUS. What was written is never
 * seen again. Since ABI 1.
 */
struct pinpool_abort {
	__u32 size;
	__u32 flags;
};

#endif /* _UAPI_LINUX_PINPOOL_H */
