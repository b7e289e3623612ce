/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Shared by the files of lib/window: what streams (plan.c), through which memory (ring.c), and one pass after another
 * (pass.c).
 *
 * Everything that streams has a place in one long line: pieces of files, one after another, each at a multiple of
 * SOURCE_DIRECT_ALIGN. A byte at n of the line is in memory at n modulo the ring's length, which is mapped twice, back
 * to back, so that whatever begins in the first mapping and is no longer than the ring lies in one piece. Bytes of the
 * line are read as long as they do not take the place of others that have not landed, are held, or come next.
 */
#ifndef PINPOOL_WINDOW_WINDOW_H
#define PINPOOL_WINDOW_WINDOW_H

#include "format/format.h"
#include "stream/stream.h"

#include <pinpool/window.h>
#include <pthread.h>

/* A tensor of the line. */
struct window_tensor {
	const struct format_tensor *from;
	size_t file; /* of the checkpoint */
	size_t piece; /* that it lies in */
	size_t range; /* of that piece */
	uint64_t at; /* its first byte in the line */
	uint64_t rows;
	uint64_t row_bytes;
};

/* Memory that is gone round in. */
struct window_ring {
	struct pinpool_ctx *ctx;
	char name[PINPOOL_NAME_MAX + 1];
	struct pinpool_pool *pool;
	bool named; /* the pool has a name that we made and remove */
	char *base; /* mapped twice */
	uint64_t bytes; /* of one mapping */
};

struct pinpool_window {
	struct checkpoint checkpoint;
	struct window_ring ring;
	struct pinpool_load_opts load; /* for the engine */
	const volatile int *user_cancel;
	volatile int stop; /* the pass is to end */
	uint64_t bytes; /* of the ring */
	uint64_t block_bytes;

	/* The line. */
	struct stream_file *pieces;
	size_t piece_count;
	struct window_tensor *tensors;
	size_t tensor_count;

	pthread_t thread;
	bool started; /* a pass has to be joined */

	pthread_mutex_t lock;
	pthread_cond_t wake_caller; /* more has landed, or the pass ended */
	pthread_cond_t wake_reader; /* there is more room, or stop */
	/* Below: under the lock. */
	uint64_t landed;
	size_t next; /* tensor */
	uint64_t next_row; /* of it */
	uint64_t *held; /* first bytes of blocks that are held */
	size_t held_count;
	size_t held_room;
	bool ended;
	bool whole; /* digests of a whole pass are in @digests */
	uint8_t (*digests)[PINPOOL_DIGEST_BYTES]; /* by tensor */
	int error;
	struct pinpool_diag why; /* of @error */
	struct pinpool_window_stats stats;
};

/* The line of @window, whose checkpoint is open. Returns 0, -ENOENT, -ENOMEM, -ENOSPC (@row_room is less than a row).
 */
int window_plan(struct pinpool_window *window, const struct pinpool_window_opts *opts, uint64_t row_room,
		struct pinpool_diag *diag);
void window_plan_free(struct pinpool_window *window);

/* Rows of a tensor, and bytes of one; see struct pinpool_window_block. Of a tensor with bytes. */
void window_rows(const struct format_tensor *tensor, uint64_t *rows, uint64_t *row_bytes);

/* Takes or makes the pool: LOADING, mapped twice. On failure nothing is left to close. */
int ring_open(struct window_ring *ring, struct pinpool_ctx *ctx, const struct pinpool_window_opts *opts, uint64_t bytes,
	      struct pinpool_diag *diag);
/* The pool is EMPTY, or gone if it was ours. A zeroed ring is fine. */
void ring_close(struct window_ring *ring);

/* Whether the module reads files into pools of @ctx by itself; who may not ask finds out by trying. */
bool ring_commands(struct pinpool_ctx *ctx);

/* Starts a pass. Returns 0 or -errno of the thread. */
int pass_start(struct pinpool_window *window, struct pinpool_diag *diag);
/* Ends it, wherever it is. */
void pass_end(struct pinpool_window *window);
/*
 * Goes on to tensor @name, or stays where it is for NULL: with no row of it handed out. Returns its number, -ENOENT or
 * -EBUSY.
 */
ssize_t pass_find(struct pinpool_window *window, const char *name, struct pinpool_diag *diag);

/* The engine's pinpool_load_opts.progress: looks at the caller's cancel. */
int window_progress(void *arg, const struct pinpool_progress *now);

#endif
