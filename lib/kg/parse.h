/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Inputs become runs: some threads take blocks of lines, or whole files where lines do not stand for themselves, and
 * fill a batch each. Of several errors the first in the order of the inputs is told.
 */
#ifndef PINPOOL_KG_PARSE_H
#define PINPOOL_KG_PARSE_H

#include "kg/input.h"
#include "kg/runs.h"

/**
 * struct parse_opts - how to read
 * @inputs: open
 * @count: number of @inputs
 * @threads: how many threads
 * @batch: bytes of one thread's batch
 * @longest: most bytes of a line
 * @tell: called now and then by the caller's thread with the bytes that were read and the input in work; not 0 cancels
 * @arg: first argument of @tell
 */
struct parse_opts {
	const struct input *inputs;
	size_t count;
	unsigned int threads;
	size_t batch;
	size_t longest;
	int (*tell)(void *arg, uint64_t read, const struct input *input);
	void *arg;
};

/*
 * @runs are one for each thread, open. @read receives the bytes of all inputs. Returns 0, -EBADMSG, -ECANCELED,
 * -ENOMEM, -EAGAIN (no thread), what temporary files and reading give.
 */
int parse_inputs(const struct parse_opts *opts, struct runs *runs, uint64_t *read, struct pinpool_diag *diag);

#endif
