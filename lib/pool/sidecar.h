/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The sidecar: what the kernel module would know of a pool, kept beside the data file by the backends without it.
 *
 * One record of fixed size at the start of a small file on tmpfs. The inode lives as long as the pool, so locks and
 * watches on it mean the pool; changes are written in place with one pwrite() inside one page, which a kill cannot
 * split, and a reader that meets a write under way sees a wrong checksum and reads again.
 *
 * Two locks, each one byte, owned by an open file description and so gone with the last process that has it:
 *
 *  - LOCK_WRITER is held from begin to commit or abort. A record that says LOADING means EMPTY to everybody while
 *    nobody holds it: the writer has died, and what it left is scrubbed by the next begin.
 *  - LOCK_NAME is held by whoever links or unlinks the names of a pool. A sidecar without its data file is a pool in
 *    the making while somebody holds it, and a leftover otherwise.
 *
 * Behind the record a loader leaves how far it is, a few times a second. That is no state: it counts only beside the
 * record of the load that it names, and whoever finds it torn or of another load knows nothing.
 *
 * Anybody may read a sidecar, so that pinpool_pool_stat() works for pools the caller may not open. The price is that
 * anybody may also take a read lock and so hold up a writer; nobody can forge a state or see content that way.
 */
#ifndef PINPOOL_POOL_SIDECAR_H
#define PINPOOL_POOL_SIDECAR_H

#include <pinpool/pool.h>

/* Host byte order: the file never leaves the memory of this host. */
struct sidecar {
	char magic[8];
	uint32_t version;
	uint32_t bytes; /* of this struct */
	uint64_t generation; /* one more with every write */
	char name[PINPOOL_NAME_MAX + 1];
	uint64_t data_dev; /* the data file that this record is about */
	uint64_t data_ino;
	uint64_t capacity;
	uint64_t length;
	uint64_t page_size;
	uint64_t created_ns;
	uint64_t committed_ns;
	uint32_t state; /* enum pinpool_state; LOADING counts only while LOCK_WRITER is held */
	uint32_t dirty; /* the data file may hold bytes of a load that was not committed */
	int32_t numa_node;
	uint32_t mode;
	uint32_t digest_kind;
	uint32_t numa_policy; /* enum pinpool_numa_policy */
	uint64_t numa_nodes;
	uint32_t on_demand;
	uint32_t reserved;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	uint64_t checksum; /* XXH3-64 of all before it */
};

_Static_assert(sizeof(struct sidecar) == 208, "the sidecar has no holes");

/* How far a load is, at SIDECAR_PROGRESS_AT of the file. */
struct sidecar_progress {
	uint64_t generation; /* of the record that says LOADING */
	uint64_t loaded; /* bytes */
	uint64_t total; /* likewise */
	uint64_t checksum; /* XXH3-64 of all before it */
};

#define SIDECAR_PROGRESS_AT sizeof(struct sidecar)

_Static_assert(sizeof(struct sidecar_progress) == 32, "nor has the progress");

enum sidecar_lock {
	LOCK_WRITER = 0,
	LOCK_NAME = 1,
};

/* Magic, version and size; everything else zero. */
void sidecar_init(struct sidecar *record);
/*
 * Reads and checks the record in @fd of the pool @name. Returns 0, -EBADMSG (damaged, or of another name),
 * -EOPNOTSUPP (another version), -errno.
 */
int sidecar_read(int fd, const char *name, struct sidecar *record);
/* Counts the generation, sums and writes. The caller holds the lock that the change needs. */
int sidecar_write(int fd, struct sidecar *record);
/* The same, and @record->state says EMPTY for LOADING without a live writer. */
int sidecar_read_state(int fd, const char *name, struct sidecar *record);
/* How far the load of @record is, which says LOADING; PINPOOL_UNKNOWN if nobody says. */
void sidecar_read_progress(int fd, const struct sidecar *record, uint64_t *loaded, uint64_t *total);
/* For the holder of LOCK_WRITER, about the load that began with the record @generation. Returns 0 or -errno. */
int sidecar_write_progress(int fd, uint64_t generation, uint64_t loaded, uint64_t total);

/* Returns 0, -EBUSY if somebody else has it. */
int sidecar_try_lock(int fd, enum sidecar_lock lock);
/* Waits up to a second: holders of LOCK_NAME do a few system calls and let go. Returns 0, -EBUSY. */
int sidecar_lock(int fd, enum sidecar_lock lock);
void sidecar_unlock(int fd, enum sidecar_lock lock);
/* 1 if another open file description holds it for writing, 0 if not, -errno. */
int sidecar_is_locked(int fd, enum sidecar_lock lock);

#endif
