/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * One pass over what streams. A thread of its own runs the engine; it writes to the ring only as far as room() lets it,
 * which is to the first byte that has not landed yet, or is held, or comes next, and once around. Callers take rows in
 * order, as soon as they have landed.
 */
#include "base/clock.h"
#include "base/diag.h"
#include "base/opts.h"
#include "stream/place.h"
#include "window/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Lock held. The first byte that somebody still wants of those that were handed out, or that come next. */
static uint64_t wanted_from(const struct pinpool_window *window)
{
	uint64_t from = UINT64_MAX;

	if (window->next < window->tensor_count) {
		const struct window_tensor *tensor = &window->tensors[window->next];

		from = tensor->at + window->next_row * tensor->row_bytes;
	}
	for (size_t i = 0; i < window->held_count; i++)
		if (window->held[i] < from)
			from = window->held[i];
	return from;
}

/* Lock held. */
static bool has_room(const struct pinpool_window *window, uint64_t end)
{
	uint64_t from = wanted_from(window);

	if (from > window->landed)
		from = window->landed;
	return end <= from + window->bytes;
}

static bool room(void *arg, uint64_t end, unsigned int wait_ms)
{
	struct pinpool_window *window = arg;
	uint64_t start = wait_ms ? clock_now_ns() : 0, until_ns = start + wait_ms * 1000000ull;
	struct timespec until = {
		.tv_sec = (time_t)(until_ns / 1000000000u),
		.tv_nsec = (long)(until_ns % 1000000000u),
	};
	bool yes;

	pthread_mutex_lock(&window->lock);
	while (!(yes = has_room(window, end)) && wait_ms && !window->stop)
		if (pthread_cond_timedwait(&window->wake_reader, &window->lock, &until))
			break;
	if (wait_ms) {
		window->stats.waits_caller += yes;
		window->stats.waits_caller_ns += clock_now_ns() - start;
	}
	pthread_mutex_unlock(&window->lock);
	return yes;
}

static void landed(void *arg, uint64_t end)
{
	struct pinpool_window *window = arg;

	pthread_mutex_lock(&window->lock);
	window->landed = end;
	pthread_cond_broadcast(&window->wake_caller);
	pthread_cond_broadcast(&window->wake_reader);
	pthread_mutex_unlock(&window->lock);
}

int window_progress(void *arg, const struct pinpool_progress *now)
{
	const struct pinpool_window *window = arg;

	return window->user_cancel && *window->user_cancel;
}

static const uint8_t *digest_of(const struct pinpool_window *window, size_t tensor)
{
	const struct window_tensor *at = &window->tensors[tensor];

	return window->pieces[at->piece].ranges[at->range].digest;
}

/* Digests of a whole pass: kept, or compared with those of the first. */
static int look_at_digests(struct pinpool_window *window, struct pinpool_diag *diag)
{
	const struct format_file *file;
	int err = 0;

	pthread_mutex_lock(&window->lock);
	for (size_t i = 0; i < window->tensor_count && !err; i++) {
		if (!window->whole)
			memcpy(window->digests[i], digest_of(window, i), sizeof(window->digests[i]));
		else if (memcmp(window->digests[i], digest_of(window, i), sizeof(window->digests[i]))) {
			file = &window->checkpoint.files[window->tensors[i].file];
			err = diag_set(diag, -ESTALE, file->source.path, "stream it when nothing writes to it",
				       "tensor %s had another digest in the first pass", window->tensors[i].from->name);
		}
	}
	window->whole = window->whole || !err;
	pthread_mutex_unlock(&window->lock);
	return err;
}

static void *pass_main(void *arg)
{
	struct pinpool_window *window = arg;
	const struct stream_job job = {
		.ctx = window->ring.ctx,
		.base = window->ring.base,
		.pool = ring_commands(window->ring.ctx) ? pinpool_pool_fd(window->ring.pool) : -1,
		.capacity = window->bytes,
		.files = window->pieces,
		.count = window->piece_count,
		.opts = &window->load,
		.landed = landed,
		.landed_arg = window,
		.window = window->bytes,
		.room = room,
		.room_arg = window,
		.node = place_node(window->ring.pool),
	};
	struct pinpool_diag why = {0};
	struct stream_result result;
	int err;

	err = stream_run(&job, &result, &why);
	for (size_t i = 0; i < window->checkpoint.count && !err; i++)
		err = source_check(&window->checkpoint.files[i].source, &why);
	if (!err && !window->load.no_digest)
		err = look_at_digests(window, &why);
	pthread_mutex_lock(&window->lock);
	window->error = err;
	window->why = why;
	window->ended = true;
	window->stats.bytes += window->landed;
	pthread_cond_broadcast(&window->wake_caller);
	pthread_mutex_unlock(&window->lock);
	return NULL;
}

/* Lock held. Tensors without bytes are passed over. */
static void skip_empty(struct pinpool_window *window)
{
	while (window->next < window->tensor_count && window->next_row == window->tensors[window->next].rows) {
		window->next++;
		window->next_row = 0;
	}
}

int pass_start(struct pinpool_window *window, struct pinpool_diag *diag)
{
	struct place place;
	int err;

	pthread_mutex_lock(&window->lock);
	window->landed = 0;
	window->next = 0;
	window->next_row = 0;
	window->ended = false;
	window->error = 0;
	window->stop = 0;
	window->stats.passes++;
	skip_empty(window);
	pthread_mutex_unlock(&window->lock);
	err = place_begin(&place, place_node(window->ring.pool));
	if (!err) {
		err = -place_start(&place, &window->thread, pass_main, window);
		place_end(&place);
	}
	if (err)
		return diag_errno(diag, err, "reading thread");
	window->started = true;
	return 0;
}

void pass_end(struct pinpool_window *window)
{
	if (!window->started)
		return;
	pthread_mutex_lock(&window->lock);
	window->stop = 1;
	pthread_cond_broadcast(&window->wake_reader);
	pthread_mutex_unlock(&window->lock);
	pthread_join(window->thread, NULL);
	window->started = false;
}

ssize_t pass_find(struct pinpool_window *window, const char *name, struct pinpool_diag *diag)
{
	ssize_t found = -ENOENT;
	size_t i;

	pthread_mutex_lock(&window->lock);
	for (i = window->next; name && i < window->tensor_count; i++)
		if (!strcmp(window->tensors[i].from->name, name))
			break;
	if (i == window->tensor_count) {
		diag_set(diag, -ENOENT, name ? name : "window", "begin the next pass",
			 name ? "no such tensor is to come in this pass" : "no tensor is left in this pass");
	} else if (i == window->next && window->next_row) {
		found = diag_set(diag, -EBUSY, window->tensors[i].from->name, NULL,
				 "some of its rows were handed out already");
	} else {
		found = (ssize_t)i;
		if (i > window->next) {
			window->next = i;
			window->next_row = 0;
			pthread_cond_broadcast(&window->wake_reader);
		}
	}
	pthread_mutex_unlock(&window->lock);
	return found;
}

/* Lock held. How many of @tensor's rows, from @begin in the line on, make the next block; 0 if there is no room. */
static uint64_t rows_of_block(const struct pinpool_window *window, const struct window_tensor *tensor, uint64_t begin)
{
	const struct stream_file *piece = &window->pieces[tensor->piece];
	uint64_t piece_end = piece->offset + stream_file_bytes(piece);
	uint64_t limit = wanted_from(window) + window->bytes;
	uint64_t left = tensor->rows - window->next_row, rows;

	/* What can land before anything is released ends where a request does. */
	if (piece_end + SOURCE_DIRECT_ALIGN > limit)
		limit &= -(uint64_t)window->load.chunk_bytes;
	rows = limit > begin ? (limit - begin) / tensor->row_bytes : 0;
	if (rows > left)
		rows = left;
	if (rows * tensor->row_bytes > window->block_bytes)
		rows = window->block_bytes > tensor->row_bytes ? window->block_bytes / tensor->row_bytes : 1;
	return rows;
}

/* Lock held. @begin is held from here on. */
static int hold(struct pinpool_window *window, uint64_t begin)
{
	uint64_t *held = window->held;

	if (window->held_count == window->held_room) {
		held = realloc(held, (window->held_room + 16) * sizeof(*held));
		if (!held)
			return -ENOMEM;
		window->held = held;
		window->held_room += 16;
	}
	held[window->held_count++] = begin;
	return 0;
}

/* Lock held. False if it is not. */
static bool let_go(struct pinpool_window *window, uint64_t begin)
{
	for (size_t i = 0; i < window->held_count; i++) {
		if (window->held[i] != begin)
			continue;
		window->held[i] = window->held[--window->held_count];
		pthread_cond_broadcast(&window->wake_reader);
		return true;
	}
	return false;
}

/* Lock held. Until everything before @end has landed. */
static void wait_landed(struct pinpool_window *window, uint64_t end)
{
	uint64_t start;

	if (window->landed >= end || window->ended)
		return;
	start = clock_now_ns();
	while (window->landed < end && !window->ended)
		pthread_cond_wait(&window->wake_caller, &window->lock);
	window->stats.waits_disk++;
	window->stats.waits_disk_ns += clock_now_ns() - start;
}

/* Lock held. The end of the pass and what became of it. */
static int wait_end(struct pinpool_window *window, struct pinpool_diag *diag)
{
	while (!window->ended)
		pthread_cond_wait(&window->wake_caller, &window->lock);
	if (window->error && diag)
		*diag = window->why;
	return window->error;
}

/* Lock held. As pinpool_window_next(). */
static int take_block(struct pinpool_window *window, struct pinpool_window_block *block, struct pinpool_diag *diag)
{
	const struct window_tensor *tensor = &window->tensors[window->next];
	uint64_t begin, rows;
	int err;

	if (window->next == window->tensor_count || (window->ended && window->error))
		return wait_end(window, diag);
	begin = tensor->at + window->next_row * tensor->row_bytes;
	rows = rows_of_block(window, tensor, begin);
	if (!rows)
		return diag_set(diag, -EBUSY, tensor->from->name, "release one, or use a larger window",
				"blocks that are held leave no room for a row of it");
	err = hold(window, begin);
	if (err)
		return diag_errno(diag, err, "window");
	*block = (struct pinpool_window_block){
		.size = sizeof(*block),
		.tensor = window->next,
		.name = tensor->from->name,
		.dtype = tensor->from->dtype,
		.ndim = tensor->from->ndim,
		.shape = tensor->from->shape,
		.row = window->next_row,
		.rows = rows,
		.row_bytes = tensor->row_bytes,
		.data = window->ring.base + begin % window->bytes,
	};
	window->next_row += rows;
	skip_empty(window);
	/* Others may take what follows meanwhile. */
	wait_landed(window, begin + rows * tensor->row_bytes);
	if (window->landed < begin + rows * tensor->row_bytes) {
		let_go(window, begin);
		return wait_end(window, diag);
	}
	window->stats.blocks++;
	return 1;
}

int pinpool_window_next(struct pinpool_window *window, struct pinpool_window_block *block, struct pinpool_diag *diag)
{
	struct pinpool_window_block result;
	int ret;

	if (block->size < sizeof(block->size))
		return diag_set(diag, -EINVAL, "pinpool_window_block", NULL, "its size is not set");
	pthread_mutex_lock(&window->lock);
	ret = take_block(window, &result, diag);
	pthread_mutex_unlock(&window->lock);
	if (ret == 1)
		opts_write(block, &result, sizeof(result));
	return ret;
}

int pinpool_window_release(struct pinpool_window *window, const struct pinpool_window_block *block)
{
	bool held = false;

	pthread_mutex_lock(&window->lock);
	if (block->tensor < window->tensor_count) {
		const struct window_tensor *tensor = &window->tensors[block->tensor];

		held = let_go(window, tensor->at + block->row * tensor->row_bytes);
	}
	pthread_mutex_unlock(&window->lock);
	return held ? 0 : -EINVAL;
}

int pinpool_window_rewind(struct pinpool_window *window, struct pinpool_diag *diag)
{
	bool held;

	pthread_mutex_lock(&window->lock);
	held = window->held_count;
	pthread_mutex_unlock(&window->lock);
	if (held)
		return diag_set(diag, -EBUSY, "window", "release it", "a block is held");
	pass_end(window);
	return pass_start(window, diag);
}
