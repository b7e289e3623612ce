/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Shared by the readers with io_uring: the ring with its requests in flight (uring.c), and the two ways to write its
 * entries: reads into the mapping (uring_memory.c), commands to the module (uring_command.c).
 */
#ifndef PINPOOL_STREAM_URING_H
#define PINPOOL_STREAM_URING_H

#include "stream/internal.h"

#include <liburing.h>

/* Registered memory is a few windows of it at a time; see uring_memory.c. */
#define URING_WINDOWS 4u

/* A request in flight. */
struct flight {
	struct request request;
	uint32_t done; /* bytes of it */
	uint32_t pad; /* bytes before them that the read in work asks for, too, to begin at a block */
	bool direct;
	bool fixed; /* counted in users of its window */
	bool async; /* the kernel could not do it without blocking */
	uint64_t began; /* for the trace */
};

struct uring;

/**
 * struct uring_method - how the entries of a ring are written
 * @ring_flags: IORING_SETUP_* that they need
 * @begin: after the ring is set up. Returns 0, or -EOPNOTSUPP with the reason in @diag: it does not work here
 * @enter: makes ready what @flight needs, or NULL. False: not now, later, when others have ended
 * @queue: fills @sqe with a read of @bytes of what is missing of @flight
 * @leave: @flight has ended; or NULL
 */
struct uring_method {
	unsigned int ring_flags;
	int (*begin)(struct uring *uring, struct pinpool_diag *diag);
	bool (*enter)(struct uring *uring, struct flight *flight);
	void (*queue)(struct uring *uring, const struct flight *flight, struct io_uring_sqe *sqe, uint32_t bytes);
	void (*leave)(struct uring *uring, const struct flight *flight);
};

extern const struct uring_method uring_memory;
extern const struct uring_method uring_command;

/**
 * struct uring - one ring, owned by the calling thread
 * @run: what to read
 * @method: how
 * @io: path taken; a method may change it
 * @may_fall_back: without fixed buffers
 * @ways: of IORING_SETUP_IOPOLL, IORING_SETUP_SQPOLL, those that the ring has
 * @ring: never has more than run->depth requests in flight
 * @cursor: what comes next
 * @crowded: there is no room for what comes next
 * @flights: run->depth of them
 * @idle: stack of unused @flights
 * @idle_count: number of @idle
 * @allowed: requests that may be in flight by now
 * @buffers: for what is gathered, one for each of @flights; or NULL
 * @fixed_files: files are registered, two places for each
 * @window_bytes: a power of two and a multiple of the chunk
 * @windows: which window each buffer of the ring is
 * @users: flights in it
 */
struct uring {
	struct run *run;
	const struct uring_method *method;
	enum pinpool_io io;
	bool may_fall_back;
	unsigned int ways;
	struct io_uring ring;
	struct cursor cursor;
	bool crowded;
	struct flight *flights;
	uint32_t *idle;
	uint32_t idle_count;
	uint32_t allowed;
	char *buffers;
	/* Of uring_memory.c only. */
	bool fixed_files;
	uint64_t window_bytes;
	uint64_t windows[URING_WINDOWS];
	uint32_t users[URING_WINDOWS];
};

#endif
