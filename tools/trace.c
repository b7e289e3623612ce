/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Chrome traces; see trace.h. One complete event ("X") a line, one row for each thread and each place in the queue. */
#include "trace.h"
#include "error.h"
#include "json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	uint32_t first_row; /* more than there are requests in flight */
} kinds[] = {
	[PINPOOL_TRACE_READ] = {"read", 0},
	[PINPOOL_TRACE_DIGEST] = {"digest", 10000},
	[PINPOOL_TRACE_SHA256] = {"sha256", 20000},
};

struct trace {
	struct cli *cli;
	const char *path;
	FILE *file;
	uint32_t rows[sizeof(kinds) / sizeof(kinds[0])]; /* named so far, by kind */
	/* The file of the latest event, as JSON. */
	char *source;
	char *source_json;
};

int trace_open(struct trace **out, struct cli *cli, const char *path)
{
	struct trace *trace = calloc(1, sizeof(*trace));

	if (!trace)
		return error_errno(cli, path, ENOMEM);
	trace->cli = cli;
	trace->path = path;
	trace->file = fopen(path, "we");
	if (!trace->file) {
		free(trace);
		return error_errno(cli, path, errno);
	}
	fputs("[\n{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"args\":{\"name\":\"pinpool load\"}}",
	      trace->file);
	*out = trace;
	return STATUS_OK;
}

/* Rows are told of once, before their first event. */
static void name_rows(struct trace *trace, enum pinpool_trace_kind kind, uint32_t thread)
{
	for (; trace->rows[kind] <= thread; trace->rows[kind]++)
		fprintf(trace->file,
			",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":%" PRIu32
			",\"args\":{\"name\":\"%s %" PRIu32 "\"}}",
			kinds[kind].first_row + trace->rows[kind], kinds[kind].name, trace->rows[kind]);
}

/* Events of one file follow one another. */
static const char *source_json(struct trace *trace, const char *source)
{
	if (!trace->source || strcmp(trace->source, source)) {
		free(trace->source);
		free(trace->source_json);
		trace->source = strdup(source);
		trace->source_json = json_text_dump(source);
	}
	return trace->source_json ? trace->source_json : "null";
}

void trace_event(void *arg, const struct pinpool_trace_event *event)
{
	uint64_t ns = event->end_ns - event->begin_ns;
	struct trace *trace = arg;

	/* Of a newer library. */
	if (event->kind >= sizeof(kinds) / sizeof(kinds[0]))
		return;
	name_rows(trace, event->kind, event->thread);
	fprintf(trace->file,
		",\n{\"name\":\"%s\",\"ph\":\"X\",\"pid\":1,\"tid\":%" PRIu32 ",\"ts\":%" PRIu64
		".%03u,\"dur\":%" PRIu64 ".%03u,\"args\":{",
		kinds[event->kind].name, kinds[event->kind].first_row + event->thread, event->begin_ns / 1000,
		(unsigned int)(event->begin_ns % 1000), ns / 1000, (unsigned int)(ns % 1000));
	if (event->chunk != PINPOOL_UNKNOWN)
		fprintf(trace->file, "\"chunk\":%" PRIu64 ",", event->chunk);
	fprintf(trace->file, "\"file\":%s,\"offset\":%" PRIu64 ",\"bytes\":%" PRIu64 "}}",
		source_json(trace, event->file), event->offset, event->bytes);
}

int trace_close(struct trace *trace)
{
	struct cli *cli = trace->cli;
	const char *path = trace->path;
	bool failed;

	fputs("\n]\n", trace->file);
	failed = ferror(trace->file);
	errno = failed ? EIO : 0;
	if (fclose(trace->file))
		failed = true;
	free(trace->source);
	free(trace->source_json);
	free(trace);
	if (!failed)
		return STATUS_OK;
	return error_line(cli, path, NULL, "the trace is not whole: %s", strerror(errno ? errno : EIO));
}
