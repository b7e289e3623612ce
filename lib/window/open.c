/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Windows made and given back; see window.h for what they are. */
#include "base/diag.h"
#include "base/opts.h"
#include "window/window.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGE	      ((uint64_t)2 << 20)
#define BYTES_DEFAULT (256ull << 20)
/* So many blocks and chunks fit, that reading goes on while one is used. */
#define PARTS	      8u
/* Few enough bytes that little time passes before the first product begins and after the last byte landed. */
#define BLOCK_MAX     (8ull << 20)

static uint32_t choose_chunk(const struct pinpool_window *window, bool commands)
{
	uint32_t chunk = stream_default(commands).chunk_bytes;

	while (chunk > STREAM_CHUNK_MIN && chunk > window->bytes / PARTS)
		chunk /= 2;
	return chunk;
}

/* Sizes, and what the engine is told. */
static int take_opts(struct pinpool_window *window, const struct pinpool_window_opts *opts, bool commands,
		     struct pinpool_diag *diag)
{
	struct pinpool_load_opts *load = &window->load;
	uint64_t block = opts->block_bytes;

	if (opts->bytes > INT64_MAX / 4)
		return diag_set(diag, -EINVAL, "window", NULL, "%" PRIu64 " bytes are too many", opts->bytes);
	window->bytes = opts->bytes ? (opts->bytes + PAGE - 1) / PAGE * PAGE : BYTES_DEFAULT;
	*load = (struct pinpool_load_opts){
		.size = sizeof(*load),
		.io = opts->io,
		.chunk_bytes = opts->chunk_bytes ? opts->chunk_bytes : choose_chunk(window, commands),
		.queue_depth = opts->queue_depth,
		.no_digest = !opts->digest,
		.buffered = opts->buffered,
		.progress = window_progress,
		.progress_arg = window,
		.cancel = &window->stop,
	};
	window->user_cancel = opts->cancel;
	if (window->bytes % load->chunk_bytes || window->bytes == load->chunk_bytes)
		return diag_set(diag, -EINVAL, "chunk size", "use a smaller one",
				"a window of %" PRIu64 " bytes is not several chunks of %u", window->bytes,
				load->chunk_bytes);
	if (!block)
		block = window->bytes / PARTS < BLOCK_MAX ? window->bytes / PARTS : BLOCK_MAX;
	window->block_bytes = block;
	return 0;
}

static void window_free(struct pinpool_window *window)
{
	ring_close(&window->ring);
	window_plan_free(window);
	checkpoint_close(&window->checkpoint);
	pthread_cond_destroy(&window->wake_reader);
	pthread_cond_destroy(&window->wake_caller);
	pthread_mutex_destroy(&window->lock);
	free(window->held);
	free(window);
}

static struct pinpool_window *window_new(void)
{
	struct pinpool_window *window = calloc(1, sizeof(*window));
	pthread_condattr_t attr;

	if (!window)
		return NULL;
	pthread_mutex_init(&window->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&window->wake_caller, &attr);
	pthread_cond_init(&window->wake_reader, &attr);
	pthread_condattr_destroy(&attr);
	return window;
}

int pinpool_window_open(struct pinpool_ctx *ctx, const char *path, const struct pinpool_window_opts *user_opts,
			struct pinpool_window **out, struct pinpool_diag *diag)
{
	struct pinpool_window_opts opts;
	struct pinpool_window *window;
	int err;

	if (!path || !out)
		return diag_set(diag, -EINVAL, "pinpool_window_open", NULL, "null pointer");
	err = opts_read(&opts, sizeof(opts), user_opts);
	if (err)
		return diag_set(diag, err, "pinpool_window_opts", NULL, "options this library does not know");
	window = window_new();
	if (!window)
		return diag_errno(diag, -ENOMEM, "window");
	err = take_opts(window, &opts, ring_commands(ctx), diag);
	if (!err)
		err = checkpoint_open(&window->checkpoint, path, diag);
	if (!err)
		err = window_plan(window, &opts, window->bytes - window->load.chunk_bytes, diag);
	if (!err)
		err = ring_open(&window->ring, ctx, &opts, window->bytes, diag);
	if (!err)
		err = pass_start(window, diag);
	if (err) {
		window_free(window);
		return err;
	}
	*out = window;
	return 0;
}

void pinpool_window_close(struct pinpool_window *window)
{
	if (!window)
		return;
	pass_end(window);
	window_free(window);
}

size_t pinpool_window_tensor_count(const struct pinpool_window *window)
{
	return window->tensor_count;
}

int pinpool_window_tensor(struct pinpool_window *window, size_t index, struct pinpool_tensor *out)
{
	const struct format_tensor *from;
	struct pinpool_tensor tensor;

	if (index >= window->tensor_count)
		return -ENOENT;
	from = window->tensors[index].from;
	tensor = (struct pinpool_tensor){
		.size = sizeof(tensor),
		.name = from->name,
		.dtype = from->dtype,
		.ndim = from->ndim,
		.shape = from->shape,
		.offset = from->begin,
		.bytes = from->end - from->begin,
		.source = (uint32_t)window->tensors[index].file,
	};
	pthread_mutex_lock(&window->lock);
	tensor.has_digest = window->whole;
	if (window->whole)
		memcpy(tensor.digest, window->digests[index], sizeof(tensor.digest));
	pthread_mutex_unlock(&window->lock);
	return opts_write(out, &tensor, sizeof(tensor));
}

int pinpool_window_get_stats(struct pinpool_window *window, struct pinpool_window_stats *out)
{
	struct pinpool_window_stats stats;

	pthread_mutex_lock(&window->lock);
	stats = window->stats;
	stats.bytes += window->ended ? 0 : window->landed;
	pthread_mutex_unlock(&window->lock);
	stats.size = sizeof(stats);
	stats.window_bytes = window->bytes;
	stats.chunk_bytes = window->load.chunk_bytes;
	return opts_write(out, &stats, sizeof(stats));
}
