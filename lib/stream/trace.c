/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Events of a run for whoever wants to see it. Each is told once it has ended, by the thread that it happened in, one
 * at a time; nothing is kept, and nothing is measured unless somebody listens.
 */
#include "base/clock.h"
#include "stream/internal.h"

uint64_t trace_begin(const struct run *run)
{
	return run->job->opts->trace ? clock_now_ns() : 0;
}

static void tell(struct run *run, struct pinpool_trace_event *event, size_t file)
{
	const struct pinpool_load_opts *opts = run->job->opts;

	event->file = run->job->files[file].source->path;
	event->end_ns = clock_now_ns();
	pthread_mutex_lock(&run->trace_lock);
	opts->trace(opts->trace_arg, event);
	pthread_mutex_unlock(&run->trace_lock);
}

void trace_request(struct run *run, enum pinpool_trace_kind kind, const struct request *request, uint32_t thread,
		   uint64_t begin_ns)
{
	struct pinpool_trace_event event = {
		.kind = kind,
		.thread = thread,
		.chunk = request->index,
		.offset = request->offset,
		.bytes = request->bytes,
		.begin_ns = begin_ns,
	};

	if (run->job->opts->trace)
		tell(run, &event, request->file);
}

void trace_sha256(struct run *run, size_t file, uint64_t offset, uint64_t bytes, uint32_t thread, uint64_t begin_ns)
{
	struct pinpool_trace_event event = {
		.kind = PINPOOL_TRACE_SHA256,
		.thread = thread,
		.chunk = PINPOOL_UNKNOWN,
		.offset = offset,
		.bytes = bytes,
		.begin_ns = begin_ns,
	};

	if (run->job->opts->trace)
		tell(run, &event, file);
}
