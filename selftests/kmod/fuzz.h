/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The fuzzer of the ABI. FUZZ_PROCS processes of FUZZ_THREADS threads make calls at random on a few pools that all of
 * them share by name, by fork and by fd passing; they die and are killed in the middle and are started again.
 *
 * fuzz_test.c starts, kills and judges; fuzz_actor.c is one thread and its process; fuzz_content.c knows whose each
 * word in a pool is; fuzz_ioctl.c, fuzz_io.c, fuzz_command.c, fuzz_map.c and fuzz_life.c make the calls; fuzz_calls.c
 * is the table of them: a new call is one row there.
 *
 * What a thread calls, with which arguments, is a function of the seed, the thread, how many lives its process has had
 * and the number of the call, and of nothing that happens: the same seed makes the same calls. What they meet is up to
 * the scheduler.
 */
#ifndef SELFTESTS_KMOD_FUZZ_H
#define SELFTESTS_KMOD_FUZZ_H

#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>

#include "kmod_test.h"

#define FUZZ_PROCS   4
#define FUZZ_THREADS 3
/* Who makes calls: the threads of each process, and one child that they fork. Each owns its part of every page. */
#define FUZZ_ACTORS  (FUZZ_PROCS * (FUZZ_THREADS + 1))
#define FUZZ_NAMES   6
#define FUZZ_PAGES   4 /* huge pages of a pool that are used */

/* Descriptors by number, so that one that is closed and used all the same is never something else's. */
#define FUZZ_FD_FIRST	   100
#define FUZZ_FDS	   12
#define FUZZ_WRITERS	   3 /* the first of them: where files that load are put, and looked for */
#define FUZZ_KEEP_FIRST	   120 /* files of mappings, to ask them about their pool */
#define FUZZ_EXPORT_FIRST  140 /* dma-bufs that are kept for a while */
#define FUZZ_EXPORTS	   4
#define FUZZ_PRIVATE_FIRST 200

/* Mappings at fixed addresses far from where the kernel puts others: nothing else is ever hit through one. */
#define FUZZ_MAPS	6
#define FUZZ_MAP_ARENA	0x100000000000UL
#define FUZZ_MAP_STRIDE (2 * FUZZ_PAGES * HUGE)

#define FUZZ_BUFFER    (2 * HUGE) /* of a thread; the page behind it is not mapped */
#define FUZZ_LOG       12
#define FUZZ_MAX_ROWS  128
#define FUZZ_MAX_ERRNO 134
#define FUZZ_CLAIMS    256
#define FUZZ_CURRENT   1024

/* user_data of what a thread's ring has to do, once at a time. */
#define FUZZ_RING_IO	 1
#define FUZZ_RING_CANCEL 2

/* Not a call: there was nothing to make it on. */
#define FUZZ_SKIP INT64_MIN

struct fuzz_actor;

/**
 * struct fuzz_call - one row of the table
 * @name: for people
 * @weight: how often, relative to the others
 * @execute: makes the call; a value >= 0, -errno or FUZZ_SKIP
 * @errors: what it may say, ended by 0
 * @never: why none of these calls can succeed; NULL: some have to, or the row tests nothing
 * @if_can: the call whose ENOSYS or EOPNOTSUPP says that this kernel cannot, or NULL: every kernel can
 */
struct fuzz_call {
	const char *name;
	unsigned int weight;
	int64_t (*execute)(struct fuzz_actor *a);
	const int *errors;
	const char *never;
	int64_t (*if_can)(struct fuzz_actor *a);
};

extern const struct fuzz_call fuzz_calls[];
extern const unsigned int fuzz_nr_calls;

/* One call as it is remembered. */
struct fuzz_entry {
	uint64_t number;
	int64_t arg[4];
	int64_t ret;
	int row;
	bool done;
};

/* A write of a pattern. Times are ticks of struct fuzz_shared. */
struct fuzz_write {
	_Atomic uint64_t key; /* the pool */
	_Atomic uint64_t begun;
	_Atomic uint64_t ended; /* 0: not that we know */
};

/* A load. Its number is in the digest of its commit. */
struct fuzz_load {
	_Atomic uint64_t key;
	_Atomic uint64_t begun; /* before the call */
	_Atomic uint64_t committed; /* after the call; 0: not that we know */
};

/* What all processes see of one actor. */
struct fuzz_record {
	_Atomic uint64_t life;
	_Atomic uint64_t number; /* of the call it makes */
	_Atomic uint64_t writing; /* its write in progress, or 0 */
	_Atomic bool writing_outlives; /* and it may go on when the process is gone */
	struct fuzz_entry log[FUZZ_LOG];
};

struct fuzz_shared {
	uint64_t seed;
	uint64_t limit; /* calls */
	uint64_t max_ids; /* of writes and loads */
	_Atomic bool stop;
	_Atomic uint64_t calls;
	_Atomic uint64_t tick;
	_Atomic uint64_t nr_writes;
	_Atomic uint64_t nr_loads;
	_Atomic uint64_t words_verified;
	_Atomic int failed; /* actor + 1 */
	char failure[512];
	/* For each pool a bit per actor: low half, it writes parts of a page that are its own; high half, all of it. */
	_Atomic uint64_t claims[FUZZ_CLAIMS];
	_Atomic uint64_t current[FUZZ_CURRENT]; /* the last load that began, by pool */
	_Atomic uint64_t row_ok[FUZZ_MAX_ROWS];
	_Atomic uint64_t row_errors[FUZZ_MAX_ROWS][FUZZ_MAX_ERRNO];
	struct fuzz_record actors[FUZZ_ACTORS];
	int mailbox[2];
	struct fuzz_write *writes;
	struct fuzz_load *loads;
};

extern struct fuzz_shared *fuzz;

/* A mapping that the threads of a process share. Its address is fixed by its number. */
struct fuzz_map {
	pthread_rwlock_t lock; /* only tried. For writing: another pool comes here; for reading: its words are used */
	size_t length; /* 0: none */
	uint64_t offset;
	uint64_t key;
	uint64_t load; /* of the READY pool, or 0 */
	bool ready; /* the pool was READY when it was mapped */
	bool writable;
	bool on_demand;
	bool readable;
	bool kept; /* its file is open as FUZZ_KEEP_FIRST + number */
};

/* What the threads of one process share. */
struct fuzz_process {
	unsigned int index;
	uint64_t life;
	bool root;
	bool forked; /* this is a child of a thread */
	uint64_t features; /* of the module */
	int control[2]; /* read only, and for writing */
	int epoll;
	int directory;
	_Atomic pid_t child;
	struct fuzz_map maps[FUZZ_MAPS];
	uint32_t racy[256]; /* an argument that other threads scribble on while it is used */
};

/* The buffer that a ring has registered: part of a mapping as it was then. */
struct fuzz_fixed {
	char *address;
	size_t length;
	uint64_t offset;
	uint64_t key;
};

struct fuzz_actor {
	unsigned int id; /* among FUZZ_ACTORS */
	struct fuzz_process *proc;
	struct fuzz_record *record;
	struct fuzz_entry *entry;
	uint64_t random;
	uint64_t number;
	char *buffer;
	int pipe[2];
	int source; /* a file: O_DIRECT */
	int cached; /* the same file through the page cache */
	struct io_uring ring;
	bool ring_ok;
	unsigned int flight; /* completions of its ring that are to come: before the next call, if it is left at that */
	int64_t flight_most; /* what its I/O in flight may give; -1: an error */
	int claims[2];
	unsigned int nr_claims;
	uint64_t write;
	struct fuzz_fixed fixed;
};

/**
 * struct fuzz_file - a file of a pool that is the caller's own for one call
 * @fd: the descriptor
 * @may_write: it is open for writing
 * @key: the pool
 * @load: READY: the load that was committed, 0 if it did not say
 * @info: all of it
 */
struct fuzz_file {
	int fd;
	bool may_write;
	uint64_t key;
	uint64_t load;
	struct pinpool_pool_info info;
};

/* Where a pattern goes, or went. */
struct fuzz_region {
	uint64_t offset;
	size_t length;
};

/* fuzz_actor.c */
uint64_t fuzz_mix(uint64_t a, uint64_t b);
uint64_t fuzz_random(struct fuzz_actor *a);
uint64_t fuzz_below(struct fuzz_actor *a, uint64_t n);
bool fuzz_one_in(struct fuzz_actor *a, unsigned int n);
void fuzz_note(struct fuzz_actor *a, int64_t x, int64_t y, int64_t z);
void fuzz_fail(struct fuzz_actor *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
int fuzz_copy_words(void *to, const void *from, size_t bytes);
bool fuzz_ring_get(struct fuzz_actor *a);
void fuzz_ring_submit(struct fuzz_actor *a, unsigned int nr, int64_t most);
int64_t fuzz_ring_wait(struct fuzz_actor *a);
void fuzz_ring_drop(struct fuzz_actor *a);
void fuzz_count(struct fuzz_actor *a, int64_t ret);
void fuzz_step(struct fuzz_actor *a);
void fuzz_process_run(unsigned int index, uint64_t life);
int64_t fuzz_fork(struct fuzz_actor *a);

/* fuzz_content.c */
uint64_t fuzz_tick(void);
void fuzz_identify(struct fuzz_actor *a, struct fuzz_file *f);
int fuzz_file_get(struct fuzz_actor *a, struct fuzz_file *f, bool writer);
bool fuzz_write_begin(struct fuzz_actor *a, uint64_t key, uint64_t capacity, bool whole, struct fuzz_region *r);
void fuzz_write_end(struct fuzz_actor *a);
void fuzz_write_leave(struct fuzz_actor *a);
void fuzz_verify(struct fuzz_actor *a, uint64_t key, uint64_t load, const void *words, uint64_t offset, size_t bytes);
uint64_t fuzz_current_load(uint64_t key);
void fuzz_reaped(unsigned int id);
bool fuzz_claim(struct fuzz_actor *a, uint64_t key, uint64_t page, bool whole);
void fuzz_unclaim(struct fuzz_actor *a);

static inline char *fuzz_map_address(unsigned int slot)
{
	return (char *)FUZZ_MAP_ARENA + slot * FUZZ_MAP_STRIDE;
}

#endif
