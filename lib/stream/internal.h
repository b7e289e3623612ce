/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Shared by the files of lib/stream: the plan (which requests there are), the run (what is known of it so far), and
 * the halves that work on it, a reader (uring.c or threads.c) and those who digest (digester.c, sha256.c).
 *
 * Requests are numbered in the order of memory. The reader marks each as it completes, in any order; who digests
 * follows how far they are complete without a hole.
 */
#ifndef PINPOOL_STREAM_INTERNAL_H
#define PINPOOL_STREAM_INTERNAL_H

#include "stream/place.h"
#include "stream/stream.h"

#include <pthread.h>
#include <stdatomic.h>

/* How long the calling thread sleeps at most before it looks at cancel and reports progress, unless told otherwise. */
#define TICK_NS	    100000000
#define TICK_MS	    (TICK_NS / 1000000)
#define TICK_MIN_NS 1000000

/**
 * struct request - one read
 * @index: its number
 * @file: index of the file
 * @offset: first byte in the file
 * @bytes: bytes of memory that it fills
 * @memory: where they go, from the base
 * @span: bytes of the file from the first to the last of them, which is more than @bytes if it is gathered; a direct
 *	read asks for the rest of the first and of the last block too
 * @fetched: bytes that reads of it brought
 */
struct request {
	uint64_t index;
	size_t file;
	uint64_t offset;
	uint32_t bytes;
	uint64_t memory;
	uint32_t span;
	uint64_t fetched;
};

/*
 * A walk over all requests, in order; @offset counts from the first byte of the file's piece, in memory. Requests end
 * at multiples of the chunk in memory, so none crosses one.
 */
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
	uint32_t first_requests; /* that bring the first tensor and what is before it, STREAM_DEPTH_MAX at most */
	uint64_t total_bytes;
	struct source **sources; /* each once */
	size_t source_count;
	uint32_t *source_of; /* index in @sources, by file */
	bool gathers; /* some file is gathered */
	struct place place; /* of the threads */

	/* Calling thread only. */
	uint64_t start_ns;
	uint64_t progress_ns;
	uint64_t submitted;
	size_t seen_file; /* of the tensor told last */
	size_t seen_range;
	uint64_t seen_before; /* tensors in the files before it */
	uint64_t ranges; /* in all */

	/* By those who digest. */
	atomic_uint_fast64_t bytes_digested;
	atomic_uint_fast64_t digested; /* memory before it is */
	atomic_uint_fast64_t sha256_done;
	uint64_t sha256_total;

	pthread_mutex_t trace_lock; /* one event at a time */
	pthread_mutex_t lock;
	pthread_cond_t wake_digest; /* more is complete without a hole, or stop */
	pthread_cond_t wake_caller; /* reader threads or those who digest ended, or an error */
	/* Below: under the lock. */
	uint8_t *complete; /* by request */
	struct cursor cursor; /* behind @hole */
	struct request hole; /* the first that is not complete; none if @whole */
	bool whole;
	uint64_t landed; /* memory before it is complete without a hole */
	unsigned int waiting; /* threads in run_wait_beyond() */
	uint64_t bytes_read;
	uint64_t bytes_fetched;
	size_t file; /* latest file in work */
	bool stop; /* start nothing more */
	int error; /* the first */
	struct pinpool_diag why; /* of @error */
};

/* Where in the memory something is that the plan puts at @offset: the same, unless memory is gone round in. */
static inline uint64_t run_place(const struct run *run, uint64_t offset)
{
	return run->job->window ? offset % run->job->window : offset;
}

/* Memory is the same for reader, digester and plan. */
static inline char *run_memory(const struct run *run, uint64_t offset)
{
	return (char *)run->job->base + run_place(run, offset);
}

/* Byte behind what @request writes, a direct read whole blocks. */
static inline uint64_t request_end(const struct request *request)
{
	return (request->memory + request->bytes + SOURCE_DIRECT_ALIGN - 1) & -(uint64_t)SOURCE_DIRECT_ALIGN;
}

/* Whether @request may be written where it goes, which may take until others are done with what is there. */
static inline bool run_room(const struct run *run, const struct request *request, unsigned int wait_ms)
{
	return !run->job->window || run->job->room(run->job->room_arg, request_end(request), wait_ms);
}

/* Fills @request with the next one. False at the end. */
bool cursor_next(const struct run *run, struct cursor *cursor, struct request *request);

/* The request is in memory. Any thread. */
void run_complete(struct run *run, const struct request *request);
/* Keeps the first error and stops the run. @why may be the diagnosis of @err, or NULL for its text. Any thread. */
void run_fail(struct run *run, int err, const struct pinpool_diag *why);
/* A read of @request ended with @err, and where is looked for: see fault.c. Any thread. */
void run_fail_read(struct run *run, int err, const struct request *request);
/* True once the run is to end early. Any thread. */
bool run_stopped(struct run *run);
/* The file ended at @offset, before its size: shrunk meanwhile, or the file system lies. Any thread. */
void run_fail_eof(struct run *run, const struct request *request, uint64_t offset);
/* Cancel and progress. Calling thread, every TICK_NS or so; cheap when nothing is due. */
void run_tick(struct run *run);
/*
 * Waits until more memory than that before @offset is complete without a hole. Returns how much, or 0 if the run
 * stopped. Those who digest, lock held.
 */
uint64_t run_wait_beyond(struct run *run, uint64_t offset);
/* Sleeps until somebody wakes the caller or the next tick, and ticks. Calling thread, lock held. */
void run_wait(struct run *run);

/*
 * What is gathered goes through a buffer of GATHER_BUFFER bytes, aligned to SOURCE_DIRECT_ALIGN, one for each request
 * in flight; see gather.c. Byte @request->offset of the file has its place at gather_at() in it.
 */
#define GATHER_SPAN   (128u << 10)
#define GATHER_BUFFER (GATHER_SPAN + 2 * SOURCE_DIRECT_ALIGN)

static inline bool is_gathered(const struct run *run, const struct request *request)
{
	return stream_file_is_gathered(&run->job->files[request->file]);
}

static inline char *gather_at(char *buffer, const struct request *request)
{
	return buffer + request->offset % SOURCE_DIRECT_ALIGN;
}

/* Sets offset, bytes and span of a request for what @file takes from @place on, at most @room bytes. */
void gather_plan(const struct stream_file *file, uint64_t place, uint64_t room, struct request *request);
/* From the buffer to memory. */
void gather_copy(const struct run *run, const struct request *request, char *buffer);
/* @count buffers in one allocation, or NULL. */
char *gather_buffers(uint32_t count);

struct digester;
/* Starts a thread that follows @run's files as they come, and digests them. Returns 0, -EAGAIN, -ENOMEM. */
int digester_start(struct run *run, struct digester **out);
/* Waits for it, ticking; it ends when it has followed all or the run stopped. */
void digester_join(struct digester *digester);

struct sha256;
/*
 * Starts threads for the SHA-256 that is wanted of files and ranges; *@out is NULL if none is. Returns 0, -EAGAIN,
 * -ENOMEM, -EOPNOTSUPP (libcrypto has none).
 */
int sha256_start(struct run *run, struct sha256 **out, struct pinpool_diag *diag);
/* Waits for them, ticking. */
void sha256_join(struct sha256 *sha256);

/* Now, for the event that begins, or 0 if nobody listens. Any thread. */
uint64_t trace_begin(const struct run *run);
/* An event that began at @begin_ns has ended. Any thread. */
void trace_request(struct run *run, enum pinpool_trace_kind kind, const struct request *request, uint32_t thread,
		   uint64_t begin_ns);
void trace_sha256(struct run *run, size_t file, uint64_t offset, uint64_t bytes, uint32_t thread, uint64_t begin_ns);

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
