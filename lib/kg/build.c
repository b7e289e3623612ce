/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Building a graph, from files to a READY pool: inputs become runs, runs' keys are merged into dictionaries, triples of
 * ids are sorted in both orders, and what comes of it is published. Once ids are known, a thread writes the nodes'
 * names while the caller's sorts triples. Of what all may take, batches get half; when they are gone, each sort and the
 * merging get a quarter of what choosing symbols for names leaves.
 */
#include <errno.h>
#include <malloc.h>
#include <pinpool/kg_build.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/opts.h"
#include "kg/order.h"
#include "kg/pace.h"
#include "kg/parse.h"
#include "kg/publish.h"

#define MEMORY_LEAST   (48ULL << 20)
/* What choosing symbols for names takes, whatever their number. */
#define NAMES_BYTES    (24ULL << 20)
#define MEMORY_DEFAULT (1ULL << 30)
#define LINE_LEAST     (64ULL << 10)
#define LINE_DEFAULT   (16ULL << 20)
#define LINE_MOST      (1ULL << 30)
#define THREADS_MOST   8
/* Of a temporary file: at most, and as a share of the memory. */
#define BUFFER_MOST    (1u << 20)
#define BUFFER_SHARE   128

struct build {
	struct pinpool_ctx *ctx;
	const char *name;
	struct pinpool_kg_build_opts opts;
	struct input *inputs;
	size_t count;
	struct spill_space space;
	unsigned int threads;
	struct runs *runs;
	struct spill ids[RUN_DICTIONARIES];
	struct spill sections[KG_SECTIONS];
	uint64_t counts[RUN_DICTIONARIES];
	struct order order; /* how triples are numbers, once ids are known */
	struct sorter *sorters[ORDERS];
	struct graph_stats *stats;
	struct kg_header header;
	uint64_t length;
	struct pace pace;
	uint64_t parse_ns;
};

/* Of the steps behind reading, all of them together. */
static size_t later_memory(const struct build *build)
{
	return (size_t)(build->opts.memory - NAMES_BYTES);
}

static int tell_read(void *arg, uint64_t read, const struct input *input)
{
	struct build *build = arg;

	build->pace.file = input->path;
	return pace_tell(&build->pace, read, build->pace.bytes, false);
}

static int tell_published(void *arg, uint64_t done, uint64_t total)
{
	struct build *build = arg;

	return pace_tell(&build->pace, done, total, true);
}

static size_t buffer_bytes(const struct build *build)
{
	uint64_t bytes = build->opts.memory / BUFFER_SHARE;

	return bytes < BUFFER_MOST ? (size_t)bytes : BUFFER_MOST;
}

static int open_files(struct build *build, struct pinpool_diag *diag)
{
	size_t buffer = buffer_bytes(build);
	int err = 0;

	build->space.folder = spill_folder(build->opts.temporary);
	build->runs = calloc(build->threads, sizeof(*build->runs));
	if (!build->runs)
		return diag_errno(diag, -ENOMEM, build->name);
	for (unsigned int i = 0; i < build->threads && !err; i++)
		err = runs_open(&build->runs[i], &build->space, buffer);
	for (unsigned int i = 0; i < RUN_DICTIONARIES && !err; i++)
		err = spill_open(&build->ids[i], &build->space, buffer);
	for (unsigned int i = 0; i < KG_SECTIONS && !err; i++)
		err = spill_open(&build->sections[i], &build->space, buffer);
	return err ? diag_errno(diag, err, build->name) : 0;
}

static int read_inputs(struct build *build, struct pinpool_diag *diag)
{
	const struct parse_opts opts = {
		.inputs = build->inputs,
		.count = build->count,
		.threads = build->threads,
		.batch = build->opts.memory / 2 / build->threads,
		.longest = build->opts.longest,
		.tell = tell_read,
		.arg = build,
	};
	int err;

	err = parse_inputs(&opts, build->runs, &build->pace.bytes, diag);
	build->parse_ns = clock_now_ns() - build->pace.start_ns;
	/* What batches had, their threads' share of the heap included, is for the steps that follow. */
	malloc_trim(0);
	for (size_t i = 0; i < build->count && !err; i++)
		err = input_check(&build->inputs[i], diag);
	return err;
}

/* A dictionary in the making, and a sink of its own. */
struct dictionary {
	struct build *build;
	enum run_terms which;
	unsigned int first; /* section */
	struct terms_writer *writer;
	struct pinpool_diag *diag;
	/* Of one that a thread writes. */
	pthread_t thread;
	struct pinpool_diag why;
	volatile int stop;
	int err;
};

static int append_terms(void *arg, enum terms_section section, const void *bytes, size_t count)
{
	const struct dictionary *dictionary = arg;

	return spill_write(&dictionary->build->sections[dictionary->first + section], bytes, count, dictionary->diag);
}

static int open_dictionary(struct dictionary *dictionary, struct build *build, enum run_terms which, unsigned int first,
			   struct pinpool_diag *diag)
{
	const struct terms_sink sink = {.append = append_terms, .arg = dictionary};

	*dictionary = (struct dictionary){.build = build, .which = which, .first = first, .diag = diag};
	return terms_writer_new(&dictionary->writer, &sink) ? diag_errno(diag, -ENOMEM, "terms") : 0;
}

/* All keys, for what they look like; how many there are is known then, and runs know their ids. */
static int survey_keys(struct dictionary *dictionary)
{
	struct build *build = dictionary->build;
	struct runs_merge merge;
	const void *key;
	size_t bytes;
	int got;

	got = runs_merge_open(&merge, build->runs, build->threads, dictionary->which, later_memory(build) / 4,
			      &build->ids[dictionary->which], dictionary->diag);
	while (!got && (got = runs_merge_next(&merge, &key, &bytes, dictionary->diag)) > 0) {
		got = terms_writer_survey(dictionary->writer, key, bytes);
		if (got)
			diag_errno(dictionary->diag, got, "terms");
		else
			got = pace_look(&build->pace, merge.next, 0, dictionary->diag);
	}
	build->counts[dictionary->which] = merge.next;
	runs_merge_close(&merge);
	return got;
}

/* All keys once more, to be stored. Any thread; nobody is told of progress. */
static int store_keys(struct dictionary *dictionary)
{
	struct build *build = dictionary->build;
	const volatile int *cancel = build->opts.cancel;
	struct runs_merge merge;
	const void *key;
	size_t bytes;
	int got;

	got = runs_merge_open(&merge, build->runs, build->threads, dictionary->which, later_memory(build) / 4, NULL,
			      dictionary->diag);
	while (!got && (got = runs_merge_next(&merge, &key, &bytes, dictionary->diag)) > 0) {
		got = terms_writer_add(dictionary->writer, key, bytes);
		if (got == -ENOMEM || got == -EINVAL)
			diag_errno(dictionary->diag, got, "terms");
		if (!got && (dictionary->stop || (cancel && *cancel)))
			got = pace_end(&build->pace, dictionary->diag);
	}
	runs_merge_close(&merge);
	if (!got)
		got = terms_writer_finish(dictionary->writer);
	if (got == -ENOMEM)
		diag_errno(dictionary->diag, got, "terms");
	return got;
}

static void *store_in_thread(void *arg)
{
	struct dictionary *dictionary = arg;

	dictionary->diag = &dictionary->why;
	dictionary->err = store_keys(dictionary);
	return NULL;
}

static int make_predicates(struct build *build, struct pinpool_diag *diag)
{
	struct dictionary predicates;
	int err;

	err = open_dictionary(&predicates, build, RUN_PREDICATES, KG_PREDICATES, diag);
	if (err)
		return err;
	err = survey_keys(&predicates);
	if (!err)
		err = store_keys(&predicates);
	terms_writer_free(predicates.writer);
	return err;
}

/* Triples of one run, as ids, to be sorted. */
static int sort_run(struct build *build, const struct runs *runs, const struct run *run, struct pinpool_diag *diag)
{
	uint64_t *ids[RUN_DICTIONARIES] = {NULL, NULL};
	struct spill_reader reader = {0};
	const void *data;
	int got = 0;

	for (unsigned int i = 0; i < RUN_DICTIONARIES && !got; i++)
		got = run_ids_read(&run->keys[i], &build->ids[i], &ids[i], diag);
	if (!got && spill_reader_open(&reader, &runs->triples, run->triples, run->count * sizeof(struct batch_triple),
				      buffer_bytes(build)))
		got = diag_errno(diag, -ENOMEM, "triples");
	while (!got && (got = spill_reader_take(&reader, sizeof(struct batch_triple), &data, diag)) > 0) {
		const struct batch_triple *places = data;
		const struct graph_triple triple = {
			.s = ids[RUN_NODES][places->s],
			.p = ids[RUN_PREDICATES][places->p],
			.o = ids[RUN_NODES][places->o],
		};

		got = sorter_add(build->sorters[ORDER_OUT], order_number(&build->order, ORDER_OUT, &triple), diag);
		if (!got)
			got = pace_look(&build->pace, sorter_added(build->sorters[ORDER_OUT]), 0, diag);
	}
	spill_reader_close(&reader);
	free(ids[RUN_NODES]);
	free(ids[RUN_PREDICATES]);
	return got;
}

/* All triples by subject; then, each once, counted and by object. */
static int sort_triples(struct build *build, struct pinpool_diag *diag)
{
	struct graph_triple triple;
	sort_number number;
	int got = 0;

	for (unsigned int i = 0; i < ORDERS && !got; i++)
		got = sorter_new(&build->sorters[i], &build->space, later_memory(build) / 4, build->order.width);
	if (got)
		return diag_errno(diag, got, "triples");
	for (unsigned int i = 0; i < build->threads && !got; i++)
		for (size_t k = 0; k < build->runs[i].count && !got; k++)
			got = sort_run(build, &build->runs[i], &build->runs[i].at[k], diag);
	for (unsigned int i = 0; i < build->threads; i++)
		spill_close(&build->runs[i].triples);
	if (!got)
		got = sorter_rewind(build->sorters[ORDER_OUT], diag);
	while (!got && (got = sorter_next(build->sorters[ORDER_OUT], &number, diag)) > 0) {
		order_triple(&build->order, ORDER_OUT, number, &triple);
		graph_stats_add(build->stats, triple.s, triple.p, triple.o);
		got = sorter_add(build->sorters[ORDER_IN], order_number(&build->order, ORDER_IN, &triple), diag);
		if (!got)
			got = pace_look(&build->pace, sorter_added(build->sorters[ORDER_IN]),
					sorter_added(build->sorters[ORDER_OUT]), diag);
	}
	return got;
}

/* The triples' sink. */
struct triples {
	struct build *build;
	struct pinpool_diag *diag;
};

static int append_triples(void *arg, enum graph_section section, const void *bytes, size_t count)
{
	const struct triples *triples = arg;

	return spill_write(&triples->build->sections[KG_TRIPLES + section], bytes, count, triples->diag);
}

/* In one order, to the writer. */
static int write_order(struct build *build, unsigned int order, struct graph_writer *writer, struct pinpool_diag *diag)
{
	uint64_t done = 0, count = build->header.triples;
	struct graph_triple triple;
	sort_number number;
	int got;

	got = sorter_rewind(build->sorters[order], diag);
	while (!got && (got = sorter_next(build->sorters[order], &number, diag)) > 0) {
		order_triple(&build->order, order, number, &triple);
		got = order == ORDER_OUT ? graph_writer_out(writer, &triple, diag)
					 : graph_writer_in(writer, &triple, diag);
		if (!got)
			got = pace_look(&build->pace, ++done + order * count, ORDERS * count, diag);
	}
	sorter_free(build->sorters[order]);
	build->sorters[order] = NULL;
	return got;
}

static int write_triples(struct build *build, struct pinpool_diag *diag)
{
	struct triples triples = {.build = build, .diag = diag};
	const struct graph_writer_opts opts = {
		.append = append_triples,
		.arg = &triples,
		.shape_bytes = later_memory(build) / 16,
		.compact = build->opts.compact,
	};
	struct graph_writer *writer;
	int err;

	err = graph_writer_new(&writer, build->stats, &opts, diag);
	if (err)
		return err;
	for (unsigned int i = 0; i < ORDERS && !err; i++)
		err = write_order(build, i, writer, diag);
	if (!err)
		err = graph_writer_finish(writer, diag);
	graph_writer_free(writer);
	return err;
}

/* Triples, their ids being known. */
static int make_triples(struct build *build, struct pinpool_diag *diag)
{
	int err;

	err = pace_begin(&build->pace, PACE_SORT, diag);
	if (err)
		return err;
	err = order_open(&build->order, build->counts[RUN_NODES], build->counts[RUN_PREDICATES]);
	if (err)
		return diag_set(diag, err, build->name, NULL, "more nodes and predicates than a graph may have");
	err = graph_stats_new(&build->stats, build->counts[RUN_NODES], build->counts[RUN_PREDICATES], diag);
	if (!err)
		err = sort_triples(build, diag);
	if (err)
		return err;
	build->header = (struct kg_header){
		.magic = KG_MAGIC,
		.version = KG_VERSION,
		.bytes = sizeof(build->header),
		.nodes = build->counts[RUN_NODES],
		.predicates = build->counts[RUN_PREDICATES],
		.triples = graph_stats_triples(build->stats, GRAPH_ANY),
	};
	build->header.duplicates = sorter_added(build->sorters[ORDER_OUT]) - build->header.triples;
	err = pace_begin(&build->pace, PACE_TRIPLES, diag);
	return err ? err : write_triples(build, diag);
}

static int make_graph(struct build *build, struct pinpool_diag *diag)
{
	struct dictionary nodes;
	int err;

	err = pace_begin(&build->pace, PACE_NAMES, diag);
	if (!err)
		err = make_predicates(build, diag);
	if (!err)
		err = open_dictionary(&nodes, build, RUN_NODES, KG_NODES, diag);
	if (err)
		return err;
	err = survey_keys(&nodes);
	if (!err) {
		err = -pthread_create(&nodes.thread, NULL, store_in_thread, &nodes);
		if (err) {
			diag_errno(diag, err, "a thread that writes names");
		} else {
			err = make_triples(build, diag);
			nodes.stop = !!err;
			pthread_join(nodes.thread, NULL);
			/* What stopped it was told. */
			if (!err && nodes.err && diag)
				*diag = nodes.why;
			err = err ? err : nodes.err;
		}
	}
	terms_writer_free(nodes.writer);
	return err;
}

static int publish(struct build *build, struct pinpool_diag *diag)
{
	struct publish publish = {
		.ctx = build->ctx,
		.name = build->name,
		.create = build->opts.create,
		.inputs = build->inputs,
		.count = build->count,
		.header = &build->header,
		.sections = build->sections,
		.tell = tell_published,
		.arg = build,
	};
	int err;

	err = pace_begin(&build->pace, PACE_PUBLISH, diag);
	if (!err)
		err = publish_graph(&publish, diag);
	build->length = publish.length;
	if (!err && build->opts.progress)
		pace_tell(&build->pace, 1, 1, true);
	return err;
}

static int run(struct build *build, struct pinpool_diag *diag)
{
	int err;

	err = open_files(build, diag);
	build->pace.start_ns = clock_now_ns();
	if (!err)
		err = pace_begin(&build->pace, PACE_READ, diag);
	if (!err)
		err = read_inputs(build, diag);
	if (err)
		return err;
	for (unsigned int i = 0; i < build->threads; i++)
		if (build->runs[i].count)
			err = 1;
	if (!err)
		return diag_set(diag, -ENODATA, build->inputs[0].path, NULL, "no triple%s",
				build->count > 1 ? " in any input" : "");
	err = make_graph(build, diag);
	return err ? err : publish(build, diag);
}

static int open_inputs(struct build *build, const char *const *paths, size_t count, struct pinpool_diag *diag)
{
	int err = 0;

	build->inputs = calloc(count, sizeof(*build->inputs));
	if (!build->inputs)
		return diag_errno(diag, -ENOMEM, paths[0]);
	for (; build->count < count && !err;) {
		struct input *input = &build->inputs[build->count];

		err = input_open(input, paths[build->count], build->opts.format, diag);
		/* A pipe that nobody writes to is waited for. */
		if (err == -EINTR && build->opts.cancel && *build->opts.cancel)
			err = pace_end(&build->pace, diag);
		if (err)
			break;
		if (count > 1)
			snprintf(input->scope, sizeof(input->scope), "f%zu_", build->count + 1);
		build->count++;
		build->pace.bytes += input->bytes;
	}
	build->pace.file = paths[0];
	return err;
}

static int check_opts(struct build *build, struct pinpool_diag *diag)
{
	struct pinpool_kg_build_opts *opts = &build->opts;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (!opts->memory)
		opts->memory = MEMORY_DEFAULT;
	if (!opts->longest)
		opts->longest = LINE_DEFAULT;
	build->pace = (struct pace){
		.name = build->name,
		.progress = opts->progress,
		.progress_arg = opts->progress_arg,
		.cancel = opts->cancel,
	};
	if (opts->memory < MEMORY_LEAST)
		return diag_set(diag, -EINVAL, "memory", "allow at least 48M", "is too little to sort in");
	if (opts->longest < LINE_LEAST || opts->longest > LINE_MOST)
		return diag_set(diag, -EINVAL, "longest line", "64K to 1G", "is out of range");
	if ((unsigned int)opts->format > PINPOOL_KG_WORDNET)
		return diag_set(diag, -EINVAL, "format", NULL, "there is no format %d", (int)opts->format);
	build->threads = opts->threads ? opts->threads : processors > 0 ? (unsigned int)processors : 1;
	if (build->threads > THREADS_MOST)
		build->threads = THREADS_MOST;
	return 0;
}

static int fill_report(const struct build *build, struct pinpool_kg_build_report *report)
{
	struct pinpool_kg_build_report result = {
		.size = sizeof(result),
		.bytes = build->pace.bytes,
		.elapsed_ns = clock_now_ns() - build->pace.start_ns,
		.parse_ns = build->parse_ns,
		.triples = build->header.triples,
		.duplicates = build->header.duplicates,
		.nodes = build->header.nodes,
		.predicates = build->header.predicates,
		.length = build->length,
		.disk_peak = atomic_load(&build->space.peak),
		.threads = build->threads,
	};
	struct rusage usage;

	if (!getrusage(RUSAGE_SELF, &usage))
		result.memory_peak = (uint64_t)usage.ru_maxrss << 10;
	return opts_write(report, &result, sizeof(result));
}

static void release(struct build *build)
{
	for (unsigned int i = 0; i < build->threads && build->runs; i++)
		runs_close(&build->runs[i]);
	free(build->runs);
	for (unsigned int i = 0; i < RUN_DICTIONARIES; i++)
		spill_close(&build->ids[i]);
	for (unsigned int i = 0; i < KG_SECTIONS; i++)
		spill_close(&build->sections[i]);
	for (unsigned int i = 0; i < ORDERS; i++)
		sorter_free(build->sorters[i]);
	graph_stats_free(build->stats);
	for (size_t i = 0; i < build->count; i++)
		input_close(&build->inputs[i]);
	free(build->inputs);
}

int pinpool_kg_build(struct pinpool_ctx *ctx, const char *name, const char *const *inputs, size_t count,
		     const struct pinpool_kg_build_opts *opts, struct pinpool_kg_build_report *report,
		     struct pinpool_diag *diag)
{
	struct build build = {.ctx = ctx, .name = name};
	int err;

	err = opts_read(&build.opts, sizeof(build.opts), opts);
	if (err)
		return diag_set(diag, err, "pinpool_kg_build_opts", NULL, "options this library does not know");
	if (report && report->size < sizeof(report->size))
		return diag_set(diag, -EINVAL, "pinpool_kg_build_report", NULL, "its size is not set");
	if (!count)
		return diag_set(diag, -EINVAL, name, NULL, "no input to build a graph of");
	err = check_opts(&build, diag);
	if (!err)
		err = publish_possible(ctx, name, diag);
	if (!err)
		err = open_inputs(&build, inputs, count, diag);
	if (!err)
		err = run(&build, diag);
	if (!err && report)
		err = fill_report(&build, report);
	release(&build);
	return err;
}
