/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A load as a Chrome trace: a JSON array, written as the load goes, so that it has any length and is whole whatever
 * becomes of the load. Browsers (chrome://tracing, ui.perfetto.dev) draw it.
 */
#ifndef PINPOOL_TOOLS_TRACE_H
#define PINPOOL_TOOLS_TRACE_H

#include "cli.h"

struct trace;

/* Makes @path anew. Returns STATUS_OK, or STATUS_FAILED after an error line. */
int trace_open(struct trace **out, struct cli *cli, const char *path);
/* A pinpool_trace_fn whose @arg is the struct trace. */
void trace_event(void *arg, const struct pinpool_trace_event *event);
/* Ends and closes the file. Returns STATUS_OK, or STATUS_FAILED after an error line if it is not whole. */
int trace_close(struct trace *trace);

#endif
