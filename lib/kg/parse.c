/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Reading inputs by threads; see parse.h. Who reads a block holds a lock of its own, which is short beside its parsing,
 * but not if a pipe is silent: so nobody else needs it.
 */
#include "kg/parse.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/diag.h"

/* Of a block of lines; less where the memory is little. */
#define BLOCK_BYTES (1u << 20)
#define TELL_NS	    100000000

struct parse;

struct reader {
	struct parse *parse;
	struct runs *runs;
	struct batch batch;
	struct parser parser;
	struct lines_block block;
	struct pinpool_diag diag;
	pthread_t thread;
};

struct parse {
	const struct parse_opts *opts;
	/* What is read next. Taken before the other. */
	pthread_mutex_t reading;
	_Atomic size_t input;
	struct lines lines;
	/* Who is at work, and the first error. */
	pthread_mutex_t lock;
	pthread_cond_t ended;
	unsigned int working;
	int err;
	size_t err_input;
	uint64_t err_offset;
	struct pinpool_diag diag;
	_Atomic uint64_t read;
	volatile int stop;
};

/* Of the input @input, at or behind @offset. */
static void note_error(struct parse *parse, int err, const struct reader *reader, size_t input, uint64_t offset)
{
	pthread_mutex_lock(&parse->lock);
	if (!parse->err || input < parse->err_input || (input == parse->err_input && offset < parse->err_offset)) {
		parse->err = err;
		parse->err_input = input;
		parse->err_offset = offset;
		parse->diag = reader->diag;
	}
	parse->stop = 1;
	pthread_mutex_unlock(&parse->lock);
}

static int add_triple(void *arg, const struct term terms[3], struct pinpool_diag *diag)
{
	struct reader *reader = arg;
	int err = batch_add(&reader->batch, terms);

	if (err)
		return diag_errno(diag, err, reader->parser.input->path);
	return batch_bytes(&reader->batch) < reader->parse->opts->batch ? 0
									: runs_add(reader->runs, &reader->batch, diag);
}

/* The next input. Who reads calls it. */
static void next_input(struct parse *parse)
{
	parse->input++;
	lines_free(&parse->lines);
	parse->lines = (struct lines){0};
}

/* A block of the input in work. Returns 1, 0 at its end, or an error. Likewise. */
static int next_block(struct reader *reader, const struct input *input)
{
	struct parse *parse = reader->parse;
	struct lines *lines = &parse->lines;
	int got;

	if (!lines->path)
		*lines = (struct lines){
			.path = input->path,
			.fd = input->fd,
			.block = parse->opts->batch / 8 < BLOCK_BYTES ? parse->opts->batch / 8 : BLOCK_BYTES,
			.longest = parse->opts->longest,
			.cancel = &parse->stop,
		};
	got = lines_next(lines, &reader->block, &reader->diag);
	if (got > 0)
		atomic_fetch_add(&parse->read, reader->block.bytes);
	return got;
}

/* Something to parse, and its parsing. Returns 1, or 0 if there is nothing more. */
static int work(struct reader *reader)
{
	struct parse *parse = reader->parse;
	const struct input *input;
	uint64_t offset = 0;
	size_t number;
	int err;

	pthread_mutex_lock(&parse->reading);
	if (parse->stop || parse->input == parse->opts->count) {
		pthread_mutex_unlock(&parse->reading);
		return 0;
	}
	number = parse->input;
	input = &parse->opts->inputs[number];
	if (!input_is_lines(input)) {
		next_input(parse);
		pthread_mutex_unlock(&parse->reading);
		err = parser_whole(&reader->parser, input);
	} else {
		offset = parse->lines.offset;
		err = next_block(reader, input);
		if (err <= 0) {
			if (err)
				note_error(parse, err, reader, number, offset);
			next_input(parse);
			pthread_mutex_unlock(&parse->reading);
			return 1;
		}
		pthread_mutex_unlock(&parse->reading);
		err = parser_lines(&reader->parser, input, &reader->block);
	}
	if (err)
		note_error(parse, err, reader, number, offset);
	return 1;
}

static void *read_inputs(void *arg)
{
	struct reader *reader = arg;
	struct parse *parse = reader->parse;
	int err = 0;

	while (work(reader))
		;
	if (!parse->stop && reader->batch.count)
		err = runs_add(reader->runs, &reader->batch, &reader->diag);
	if (err)
		note_error(parse, err, reader, parse->opts->count, 0);
	pthread_mutex_lock(&parse->lock);
	parse->working--;
	pthread_cond_signal(&parse->ended);
	pthread_mutex_unlock(&parse->lock);
	return NULL;
}

/* Tells the caller how far it is, until all are done. */
static void wait_and_tell(struct parse *parse)
{
	const struct parse_opts *opts = parse->opts;
	struct timespec until;
	size_t input;
	int stop;

	pthread_mutex_lock(&parse->lock);
	while (parse->working) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TELL_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		if (pthread_cond_clockwait(&parse->ended, &parse->lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT)
			continue;
		input = atomic_load(&parse->input);
		if (input == opts->count)
			input--;
		pthread_mutex_unlock(&parse->lock);
		stop = opts->tell(opts->arg, atomic_load(&parse->read), &opts->inputs[input]);
		pthread_mutex_lock(&parse->lock);
		if (stop && !parse->err) {
			parse->err = diag_errno(&parse->diag, -ECANCELED, opts->inputs[input].path);
			parse->stop = 1;
		}
	}
	pthread_mutex_unlock(&parse->lock);
}

static int start(struct parse *parse, struct reader *readers, struct runs *runs, unsigned int *started)
{
	int err = 0;

	for (*started = 0; *started < parse->opts->threads && !err;) {
		struct reader *reader = &readers[*started];

		*reader = (struct reader){
			.parse = parse,
			.runs = &runs[*started],
			.parser =
				{
					.triple = add_triple,
					.arg = reader,
					.read = &parse->read,
					.longest = parse->opts->longest,
					.cancel = &parse->stop,
					.diag = &reader->diag,
				},
		};
		pthread_mutex_lock(&parse->lock);
		err = -pthread_create(&reader->thread, NULL, read_inputs, reader);
		if (!err) {
			parse->working++;
			++*started;
		}
		pthread_mutex_unlock(&parse->lock);
	}
	return err;
}

int parse_inputs(const struct parse_opts *opts, struct runs *runs, uint64_t *read, struct pinpool_diag *diag)
{
	struct parse parse = {.opts = opts, .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
	struct reader *readers = calloc(opts->threads, sizeof(*readers));
	unsigned int started;
	int err;

	if (!readers)
		return diag_errno(diag, -ENOMEM, "inputs");
	err = start(&parse, readers, runs, &started);
	if (err)
		parse.stop = 1;
	else
		wait_and_tell(&parse);
	for (unsigned int i = 0; i < started; i++) {
		pthread_join(readers[i].thread, NULL);
		batch_free(&readers[i].batch);
		lines_block_free(&readers[i].block);
		parser_free(&readers[i].parser);
	}
	lines_free(&parse.lines);
	free(readers);
	*read = atomic_load(&parse.read);
	if (err)
		return diag_errno(diag, err, "a thread that reads");
	if (parse.err && diag)
		*diag = parse.diag;
	return parse.err;
}
