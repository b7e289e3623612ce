/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * pinpool: named, pinned, huge-page pools. The ABI between kmod/ and user space.
 *
 * Two kinds of device node:
 *
 *   /dev/pinpool/control   creates, destroys and counts pools
 *   /dev/pinpool/NAME      one pool: open, mmap, read, the ioctls of a load, and io_uring commands
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
 * The command of an IORING_OP_URING_CMD keeps the same rules for the struct that it has in its entry. It has the 80
 * bytes of a ring with IORING_SETUP_SQE128; what of them is beyond the struct's size is not looked at.
 *
 * Each errno means one thing:
 *
 *  - ENOTTY: the number of the ioctl or command itself is not supported on this node.
 *  - E2BIG: the struct is longer than this kernel knows and not zero in the part it does not know.
 *  - EOPNOTSUPP: a field is understood, its value (a flag, a page size, a digest kind) is not supported.
 *  - EINVAL: everything is understood and it is not correct: a size shorter than the oldest version of the struct, a
 *    reserved field that is not zero, a malformed name, a capacity of 0 or not a multiple of the page size, a NUMA
 *    node that does not exist or has no memory, nodes that do not go with the policy, a mode beyond 0666, a length
 *    beyond the capacity, a digest without a kind; mmap() beyond the capacity; a range to export that is empty, not of
 *    whole 4 KiB pages, or reaches beyond the capacity; a command on a ring without IORING_SETUP_SQE128 or with a size
 *    beyond its entry, a range to read that is empty, wraps, ends beyond LLONG_MAX or the capacity, or a source that is
 *    neither a regular file nor a block device (any pool, the same one included) or refuses the range (an O_DIRECT read
 *    that is not aligned).
 *  - EFAULT: user memory could not be read or written. Nothing has changed.
 *  - ENOENT: no pool of that name.
 *  - EEXIST: a pool of that name exists.
 *  - EPERM: the caller may not do this: create without write access to the control node, give a pool to another user
 *    or to a group it is not in, destroy somebody else's pool or say whether it gives way.
 *  - EACCES: open() without permission by owner and mode; mmap() with PROT_EXEC, private and writable, or writable
 *    on a file that is not the writer's; a writable export of a READY pool, and writing through a read-only one by
 *    any way.
 *  - ENOMEM: not enough huge pages (or kernel memory), or the memory cgroup of the pool's creator is at its limit.
 *    Nothing was created, grown or, from the page in question on, written. Touching a mapping is SIGBUS instead.
 *  - ENOSPC: the module's limit (limit_mb), its number of pools, or a write past the capacity. As above.
 *  - EDQUOT: the limit of what pools of one user may hold (limit_uid_mb). As above.
 *  - EBUSY: a file is loading this pool; or begin or commit while somebody still holds its pages: a writable mapping
 *    (that of an aborted load included), a writable export (after an abort any export), a pin (registered buffer,
 *    O_DIRECT in flight), a write in progress; or a write, writable mmap or export, commit, abort or resize of the
 *    writer while it commits, aborts or resizes in another thread; or shrinking while the pool is mapped, exported, read
 *    or written, or a page that would go is pinned. Reading a file into a pool is a write in progress, and refused where
 *    a write is.
 *  - EROFS: begin, commit, abort, resize or write on a pool that is READY; its content does not change any more.
 *  - ENODATA: the pool is not READY, so there is nothing to read, map, export or seek to the end of yet, but for the
 *    writer.
 *  - EBADF: commit, abort or write on a file that did not begin the load; begin or resize on a file not open for
 *    writing; export on a file not open for reading; a source that is not open, or not open for reading.
 *  - EMFILE, ENFILE: no descriptor is left for the caller, no open file for the system.
 *  - EISDIR: the source is a directory.
 *  - ESPIPE: the source is a pipe, a FIFO or a socket.
 *  - EAGAIN: a write with RWF_NOWAIT would have had to wait for a page: one that an on-demand pool does not have yet, or
 *    that a file is being read into. Or the source of a read would have had to wait for what was submitted without
 *    IOSQE_ASYNC, and found out when it had begun; with that flag it waits. Rare: what would wait is moved to a worker of
 *    io_uring otherwise.
 *  - EINTR: a fatal signal ended the wait.
 *
 * What reading a source gives besides, EIO for one, is passed on.
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
#define PINPOOL_IOC_RESIZE	_IO(PINPOOL_TYPE, 0x94) /* pool */
#define PINPOOL_IOC_EVICTION	_IO(PINPOOL_TYPE, 0x95) /* pool */
#define PINPOOL_IOC_EXPORT	_IO(PINPOOL_TYPE, 0x96) /* pool */

/* Commands of IORING_OP_URING_CMD: this in sqe->cmd_op, the struct in sqe->cmd. */
#define PINPOOL_URING_READ _IO(PINPOOL_TYPE, 0xA0) /* pool */

/**
 * enum pinpool_state - life of a pool
 * @PINPOOL_STATE_EMPTY: nothing published, no writer
 * @PINPOOL_STATE_LOADING: one open file is writing; nobody else sees content
 * @PINPOOL_STATE_READY: published, read-only until the pool is destroyed
 *
 * EMPTY -> LOADING by PINPOOL_IOC_BEGIN, LOADING -> READY by PINPOOL_IOC_COMMIT, LOADING -> EMPTY by PINPOOL_IOC_ABORT
 * or when the last reference to the writer's open file goes (close, exit, kill).
 *
 * poll() says EPOLLIN while READY, EPOLLHUP once the pool is destroyed, and EPOLLOUT to whom another state would be of no
 * use for writing: to everybody while EMPTY, to the writer while LOADING, and while READY, which is for good, to files
 * open for writing.
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

/* Feature bits of struct pinpool_module_info: what there is beyond the base ABI. A bit is never reused. */
#define PINPOOL_FEATURE_ON_DEMAND (1ULL << 0) /* PINPOOL_CREATE_ON_DEMAND */
#define PINPOOL_FEATURE_RESIZE	  (1ULL << 1) /* PINPOOL_IOC_RESIZE */
#define PINPOOL_FEATURE_NUMA	  (1ULL << 2) /* numa_policy and numa_nodes of struct pinpool_create */
#define PINPOOL_FEATURE_EVICTION  (1ULL << 3) /* PINPOOL_CREATE_EVICTABLE, PINPOOL_IOC_EVICTION */
#define PINPOOL_FEATURE_URING_READ (1ULL << 4) /* PINPOOL_URING_READ */
#define PINPOOL_FEATURE_EXPORT	  (1ULL << 5) /* PINPOOL_IOC_EXPORT */
/* Those that this header knows. */
#define PINPOOL_FEATURES_ALL                                                                   \
	(PINPOOL_FEATURE_ON_DEMAND | PINPOOL_FEATURE_RESIZE | PINPOOL_FEATURE_NUMA |           \
	 PINPOOL_FEATURE_EVICTION | PINPOOL_FEATURE_URING_READ | PINPOOL_FEATURE_EXPORT)

/**
 * struct pinpool_module_info - PINPOOL_IOC_MODULE_INFO: what this module offers and has left
 * @size: sizeof(struct pinpool_module_info)
 * @flags: must be 0
 * @out_features: feature bits (PINPOOL_FEATURE_*)
 * @out_page_size: bytes of one huge page
 * @out_reserve_bytes: bytes the module took early, in use or not
 * @out_free_bytes: bytes of the reserve that no pool holds
 * @out_limit_bytes: most bytes that all pools together may hold, 0 for no limit
 * @out_used_bytes: bytes all pools hold, from the reserve or not, and those in the quarantine
 * @out_pools: number of pools
 * @__reserved: 0
 * @out_limit_uid_bytes: most bytes that all pools of one user may hold, 0 for no limit
 * @out_evicted: pools that have given way since the module was loaded
 * @out_pages_scrubbed: pages zeroed since then because their pool went
 * @out_quarantine_bytes: bytes of pools that are gone, not given back yet because somebody still pins them
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
	__aligned_u64 out_limit_uid_bytes;
	__aligned_u64 out_evicted;
	__aligned_u64 out_pages_scrubbed;
	__aligned_u64 out_quarantine_bytes;
};

#define PINPOOL_NUMA_ANY (-1)

/**
 * enum pinpool_numa_policy - which nodes the pages of a pool come from
 * @PINPOOL_NUMA_BIND: all from numa_node; from any if that is PINPOOL_NUMA_ANY
 * @PINPOOL_NUMA_PREFER: from numa_node as long as it has pages, then from the others; how many did is counted
 * @PINPOOL_NUMA_INTERLEAVE: page i from the node at place i modulo the number of nodes in numa_nodes; numa_node is
 *	PINPOOL_NUMA_ANY
 *
 * A page that may come from one node only and does not find room there is -ENOMEM.
 */
enum pinpool_numa_policy {
	PINPOOL_NUMA_BIND = 0,
	PINPOOL_NUMA_PREFER = 1,
	PINPOOL_NUMA_INTERLEAVE = 2,
};

/*
 * Pages come with the first touch or write, up to the capacity; without this all are there when creation returns. They
 * are charged to the creator's memory cgroup, whoever touches. What was never touched reads as zero.
 */
#define PINPOOL_CREATE_ON_DEMAND (1U << 0)
/*
 * READY and open nowhere, the pool may be destroyed when the creation or growth of another needs its room: the lowest
 * priority first, of equal ones the least recently used.
 */
#define PINPOOL_CREATE_EVICTABLE (1U << 1)

/* In @uid and @gid: the caller's own. */
#define PINPOOL_ID_CALLER 0xffffffffU

/**
 * struct pinpool_create - PINPOOL_IOC_CREATE: make an EMPTY pool with all its pages, or nothing
 * @size: sizeof(struct pinpool_create)
 * @flags: PINPOOL_CREATE_*
 * @name: NUL-terminated, the rest of the array zero
 * @capacity: bytes, a multiple of @page_size, not 0
 * @page_size: bytes of one page of the pool, 2 MiB; 0 lets the module choose
 * @numa_node: node that the policy is about, or PINPOOL_NUMA_ANY
 * @uid: owner of the pool, and of its node at first, in the caller's user namespace, or PINPOOL_ID_CALLER
 * @gid: group of the node at first, likewise
 * @mode: permission bits of the node at first, none beyond 0666; 0 means 0600
 * @__reserved: 0
 * @numa_policy: enum pinpool_numa_policy
 * @priority: evictable pools of lower priority give way first
 * @numa_nodes: bit n for node n, for PINPOOL_NUMA_INTERLEAVE; 0 means all that have memory
 *
 * Needs a control file open for writing (the node is made with mode 0664, root:root: chgrp alone lets a group create).
 * Pages come from the reserve first, the others are charged to the caller's memory cgroup. What the pool holds counts
 * for the caller's user id, unless he has CAP_SYS_RESOURCE, and for the module. /dev/pinpool/NAME exists when the call
 * returns. Who may use the pool is the node's owner and mode from then on; its owner changes them with chmod and chgrp.
 * Since ABI 1.
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
	__u32 numa_policy;
	__s32 priority;
	__aligned_u64 numa_nodes;
};

/**
 * struct pinpool_destroy - PINPOOL_IOC_DESTROY: remove a pool's name and give its pages back
 * @size: sizeof(struct pinpool_destroy)
 * @flags: must be 0
 * @name: NUL-terminated, the rest of the array zero
 *
 * For the pool's owner (the uid of its creation, whatever became of its node's) and for CAP_SYS_ADMIN, on any control
 * file. The name and node go at once; pages that somebody
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
 * @out_huge_pages: pages held now; while the pool is resized they come and go before the capacity changes
 * @out_mappings: live mappings (VMAs)
 * @out_openers: open files
 * @out_faults: page faults served since creation
 * @out_bytes_written: bytes taken by write() since creation
 * @out_created_ns: creation, CLOCK_REALTIME nanoseconds
 * @out_committed_ns: commit, likewise, 0 unless READY
 * @out_digest: digest given at commit
 * @out_digest_kind: enum pinpool_digest_kind
 * @out_state: enum pinpool_state
 * @out_numa_node: numa_node of struct pinpool_create
 * @out_uid: present owner of the node, in the caller's user namespace, overflow uid if it has none there; root's once
 *	the pool is destroyed, for devtmpfs takes a node from its owner before it removes it
 * @out_gid: present group of the node, likewise
 * @out_mode: present permission bits of the node; 0 once the pool is destroyed
 * @out_flags: PINPOOL_CREATE_* of the pool; what PINPOOL_IOC_EVICTION said last
 * @out_priority: likewise
 * @out_numa_policy: enum pinpool_numa_policy
 * @__reserved: 0
 * @out_numa_nodes: nodes that are interleaved, 0 with another policy
 * @out_numa_fallback: pages that come from another node than PINPOOL_NUMA_PREFER asked for
 * @out_pages_zeroed: pages zeroed because this pool touched them: once in a load, and not those that were zero already
 *	or are overwritten whole
 * @out_failed_allocs: touches and writes that found no page for an on-demand pool
 * @out_exports: live dma-bufs of PINPOOL_IOC_EXPORT
 * @out_bytes_read: bytes read into it from files by PINPOOL_URING_READ since creation
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
	__u32 out_flags;
	__s32 out_priority;
	__u32 out_numa_policy;
	__u32 __reserved;
	__aligned_u64 out_numa_nodes;
	__aligned_u64 out_numa_fallback;
	__aligned_u64 out_pages_zeroed;
	__aligned_u64 out_failed_allocs;
	__aligned_u64 out_exports;
	__aligned_u64 out_bytes_read;
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
 * LOADING -> EMPTY. Waits for writes in progress, however long those take; a fatal signal ends the wait, and the load
 * goes on. The writer's mappings are emptied; touching one afterwards is SIGBUS. What was written is never seen again.
 * Since ABI 1.
 */
struct pinpool_abort {
	__u32 size;
	__u32 flags;
};

/**
 * struct pinpool_resize - PINPOOL_IOC_RESIZE: grow or shrink a pool that is not READY
 * @size: sizeof(struct pinpool_resize)
 * @flags: must be 0
 * @capacity: the new capacity in bytes, a multiple of the page size, not 0
 *
 * For a file open for writing while EMPTY, for the writer while LOADING. All or nothing: a pool that is not on demand
 * gets all its new pages, another only the room for them. What is added reads as zero, what is cut off is scrubbed.
 * Since PINPOOL_FEATURE_RESIZE.
 */
struct pinpool_resize {
	__u32 size;
	__u32 flags;
	__aligned_u64 capacity;
};

/**
 * struct pinpool_eviction - PINPOOL_IOC_EVICTION: whether and when a pool gives way
 * @size: sizeof(struct pinpool_eviction)
 * @flags: must be 0
 * @evictable: 0 or 1, as PINPOOL_CREATE_EVICTABLE
 * @priority: evictable pools of lower priority give way first
 *
 * For the pool's owner, as in struct pinpool_destroy, and for CAP_SYS_ADMIN. Since PINPOOL_FEATURE_EVICTION.
 */
struct pinpool_eviction {
	__u32 size;
	__u32 flags;
	__u32 evictable;
	__s32 priority;
};

/**
 * struct pinpool_export - PINPOOL_IOC_EXPORT: a dma-buf of a range of the pool, for devices and other subsystems
 * @size: sizeof(struct pinpool_export)
 * @flags: must be 0
 * @offset: first byte, a multiple of 4096
 * @length: bytes, a multiple of 4096, not 0, at most 8 TiB
 * @fd_flags: O_RDONLY or O_RDWR, and O_CLOEXEC, as in open()
 * @out_fd: the descriptor of the dma-buf
 *
 * Of a READY pool for any file open for reading, and read-only; of one that is LOADING for the writer, who may have it
 * writable. Read-only means for everybody who ever gets it: devices read it (DMA_TO_DEVICE), mappings and the kernel's
 * own are read-only. Pages that an on-demand pool lacks in the range are added; when the call fails, those it got stay,
 * as after a touch.
 *
 * The dma-buf keeps the pages, not the name, not the writer's file and not its load. While one that is writable lives
 * the load cannot be committed; one that is read-only stands in nobody's way, and is one of the READY pool afterwards.
 * If the load is aborted its mappings are emptied and touching one is SIGBUS; who has it mapped for a device may go on,
 * but no load can begin before it is closed, so it never shows, nor changes, a byte of another load.
 *
 * A mapping is of whole huge pages where its address is congruent to the place in the pool modulo 2 MiB. mmap() of a
 * dma-buf does not choose such an address by itself: reserve room and use MAP_FIXED. Since PINPOOL_FEATURE_EXPORT; that
 * bit is missing, and the call ENOTTY, on a kernel without CONFIG_DMA_SHARED_BUFFER.
 */
struct pinpool_export {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 length;
	__u32 fd_flags;
	__s32 out_fd;
};

/**
 * struct pinpool_uring_read - PINPOOL_URING_READ: read a range of a file into a range of the pool
 * @size: sizeof(struct pinpool_uring_read)
 * @flags: must be 0
 * @fd: the source, open for reading: a regular file or a block device. The caller's plain descriptor, not one that is
 *	registered with the ring. It is looked up when the read starts, which may be a moment after it was submitted:
 *	keep it open until the end. Open with O_DIRECT it is read past the page cache, which wants the alignments
 *	that any such read wants, of @file_offset, @pool_offset and @length
 * @__reserved: 0
 * @file_offset: first byte in the source
 * @pool_offset: where it goes
 * @length: bytes, not 0
 *
 * By IORING_OP_URING_CMD on the file of the writer. Needs no mapping, and holds no pages longer than it takes. The
 * result in the CQE is the number of bytes read or -errno; it is short at the end of the source and wherever read(2)
 * may be, and no more than 2 GiB - 4 KiB. A pool on demand gets no pages beyond the end of a source that says its size.
 *
 * A huge page that is read into whole and was not touched in this load is not zeroed first. Until the read ends
 * everybody else who wants that page waits, and read() of it gives zeros. What did not come is zero in such a page; in
 * others it is as before, or as the device left it.
 *
 * A read in flight keeps the writer's file open, and commit refused. IORING_OP_ASYNC_CANCEL and a ring that is closed
 * cancel reads that no worker has begun; a process that is killed also ends those that wait for a page or in the source's
 * file system. What a device is at work on ends by itself. All of this is as with the kernel's own reads.
 * Since PINPOOL_FEATURE_URING_READ.
 */
struct pinpool_uring_read {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 __reserved;
	__aligned_u64 file_offset;
	__aligned_u64 pool_offset;
	__aligned_u64 length;
};

#endif /* _UAPI_LINUX_PINPOOL_H */
