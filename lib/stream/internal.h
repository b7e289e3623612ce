/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Shared by the files of lib/stream: the plan (which requests there are), the run (what is known of it so far), and
 * the two halves that work on it, a reader (uring.c or threads.c) and the digester.
 *
 * Requests are numbered in the order of memory. The reader marks each as it completes, in any order; the digester
 * takes them in order as far as they are complete.
 */
#ifndef PINPOOL_STREAM_INTERNAL_H
#define PINPOOL_STREAM_INTERNAL_H

#include "stream/stream.h"

#include <pthread.h>

/* How long the calling thread sleeps at most before it looks at cancel and reports progress, unless told otherwise. */
#define TICK_NS	    100000000
#define TICK_MIN_NS 1000000

/**
 * struct request - one read
 * @index: its number
 * @file: index of the file
 * @offset: first byte in the file
 * @bytes: bytes of the file that it brings; a direct read asks for the rest of the last block too
 * @memory: where they go, from the base
 */
struct request {
	uint64_t index;
	size_t file;
	uint64_t offset;
	uint32_t bytes;
	uint64_t memory;
};

/* A walk over all requests, in order. Requests end at multiples of the chunk in memory, so none crosses one. */
struct cursor {
	uint64_t index;
	size_t file;
	uint64_t offset;
};

struct run {
	const struct stream_job *job;
	uint32_t chunk;
	uint32_t depth;
	uint64_t tick_ns; /* from TICK_MIN_NS to TICK_NS */
	uint64_t total_requests;
	uint64_t total_bytes;

	/* Calling thread only. */
	uint64_t start_ns;
	uint64_t progress_ns;
	uint64_t submitted;

	pthread_mutex_t lock;
	pthread_cond_t wake_digest; /* the next request in order is complete, or stop */
	pthread_cond_t wake_caller; /* reader threads or the digester ended, or an error */
	/* Below: under the lock. */
	uint8_t *complete; /* by request */
	uint64_t bytes_read;
	uint64_t bytes_digested;
	uint64_t digest_next; /* request that the digester needs next */
	size_t file; /* latest file in work */
	bool stop; /* start nothing more */
	int error; /* the first */
	struct pinpool_diag why; /* of @error */
};

/* Memory is the same for reader, digester and plan. */
static inline char *run_memory(const struct run *run, uint64_t offset)
{
	return (char *)run->job->base + offset;
}

/* Fills @request with the next one. False at the end. */
bool cursor_next(const struct run *run, struct cursor *cursor, struct request *request);

/* The request is in memory. Any thread. */
void run_complete(struct run *run, const struct request *request);
/* Keeps the first error and stops the run. @why may be the diagnosis of @err, or NULL for its text. Any thread. */
void run_fail(struct run *run, int err, const struct request *request, const struct pinpool_diag *why);
/* True once the run is to end early. Any thread. */
bool run_stopped(struct run *run);
/* The file ended at @offset, before its size: shrunk meanwhile, or the file system lies. Any thread. */
void run_fail_eof(struct run *run, const struct request *request, uint64_t offset);
/* Cancel and progress. Calling thread, every TICK_NS or so; cheap when nothing is due. */
void run_tick(struct run *run);
/* Sleeps until somebody wakes the caller or the next tick, and ticks. Calling thread, lock held. */
void run_wait(struct run *run);

struct digester;
/* Starts a thread that digests @run's files as they come. Returns 0, -EAGAIN, -ENOMEM. */
int digester_start(struct run *run, struct digester **out);
/* Waits for it, ticking; it ends when all is digested or the run stopped. */
void digester_join(struct digester *digester);

/*
 * Reads with io_uring. @io is PINPOOL_IO_URING_CMD, PINPOOL_IO_URING_FIXED or PINPOOL_IO_URING; with @may_fall_back a
 * refused buffer registration makes the second the third. Returns 0 when the run ended, well or not (run->error), or
 * before anything was read: -EOPNOTSUPP if this kernel, its policy or the module offers no such thing, with the reason
 * in @diag.
 */
int read_uring(struct run *run, enum pinpool_io io, bool may_fall_back, struct stream_result *result,
	       struct pinpool_diag *diag);
/* Reads with threads. Returns 0 when the run ended, or -EAGAIN if no thread could be started. */
int read_threads(struct run *run, struct stream_result *result);

#endif
