// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * What reading a graph costs: the same questions about triples and nodes drawn at random, round after round, and of the
 * rounds the median. A first round that is not counted brings what is asked about near.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "kg/graph_bulk.h"
#include "kg/graph_cursor.h"

#define SAMPLES	    4096
#define ROUNDS	    15
#define LIST_ROUNDS 5
#define IDS_AT_ONCE 1024
/* Nodes from which steps are walked, and how many each may reach. */
#define WALKS	    64
#define WALK_BUDGET 100000

struct sampler {
	const struct graph *graph;
	const struct graph_bulk *bulk;
	uint64_t seed;
	struct graph_triple *triples;
	uint64_t *nodes; /* with triples that begin there */
	struct graph_triple longest; /* a pattern */
	uint64_t longest_count;
	/* Keeps answers alive. */
	uint64_t sum;
	uint64_t edges;
};

static uint64_t draw(struct sampler *sampler)
{
	sampler->seed += 0x9e3779b97f4a7c15u;
	uint64_t mixed = (sampler->seed ^ sampler->seed >> 30) * 0xbf58476d1ce4e5b9u;

	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
	return mixed ^ mixed >> 31;
}

/* Triple number @at in the order of (p, s, o). */
static int triple_at(const struct graph *graph, uint64_t at, struct graph_triple *triple)
{
	struct graph_cursor cursor;

	for (uint64_t p = 0; p < graph->counts.predicates; p++) {
		int ret = graph_cursor_open(&cursor, graph, p, SIDE_S);

		if (ret < 0)
			return ret;
		if (ret && at < cursor.keys.ef.count) {
			triple->p = p;
			ret = graph_cursor_seek(&cursor, at);
			return ret ? ret : graph_cursor_next(&cursor, &triple->s, &triple->o);
		}
		at -= ret ? cursor.keys.ef.count : 0;
	}
	return -EBADMSG;
}

/* Of the lists that samples are in, the longest. */
static int note_lists(struct sampler *sampler, const struct graph_triple *triple)
{
	const struct graph_triple patterns[] = {{triple->s, triple->p, GRAPH_ANY}, {GRAPH_ANY, triple->p, triple->o}};
	uint64_t count;

	for (unsigned int i = 0; i < 2; i++) {
		int ret = graph_count(sampler->graph, patterns[i].s, patterns[i].p, patterns[i].o, &count);

		if (ret)
			return ret;
		if (count > sampler->longest_count) {
			sampler->longest_count = count;
			sampler->longest = patterns[i];
		}
	}
	return 0;
}

static int draw_samples(struct sampler *sampler)
{
	const struct graph *graph = sampler->graph;
	struct graph_members members;

	for (unsigned int i = 0; i < SAMPLES; i++) {
		int ret = triple_at(graph, draw(sampler) % graph->counts.triples, &sampler->triples[i]);

		if (ret <= 0)
			return -EBADMSG;
		ret = note_lists(sampler, &sampler->triples[i]);
		/* Where few nodes have any, the triple's own will do. */
		sampler->nodes[i] = sampler->triples[i].s;
		for (unsigned int attempt = 0; !ret && attempt < 64; attempt++) {
			uint64_t node = draw(sampler) % graph->counts.nodes;

			ret = graph_members_of(graph, node, SIDE_S, &members);
			if (!ret && members.next < members.end) {
				sampler->nodes[i] = node;
				break;
			}
		}
		if (ret)
			return ret;
	}
	return 0;
}

/* One round. Returns 0 or -errno. */
typedef int (*round_fn)(struct sampler *sampler);

static int ask_list(struct sampler *sampler, unsigned int side)
{
	struct graph_triple triple = {0};
	struct graph_iter iter;
	uint64_t count;

	for (unsigned int i = 0; i < SAMPLES; i++) {
		const struct graph_triple *sample = &sampler->triples[i];
		uint64_t s = side == SIDE_S ? sample->s : GRAPH_ANY, o = side == SIDE_S ? GRAPH_ANY : sample->o;
		int ret = graph_find(sampler->graph, s, sample->p, o, &iter);

		if (!ret)
			ret = graph_next(&iter, &triple);
		if (ret > 0)
			ret = graph_count(sampler->graph, s, sample->p, o, &count);
		if (ret)
			return ret;
		sampler->sum += triple.s + triple.o + count;
	}
	return 0;
}

static int ask_sp(struct sampler *sampler)
{
	return ask_list(sampler, SIDE_S);
}

static int ask_po(struct sampler *sampler)
{
	return ask_list(sampler, SIDE_O);
}

static int ask_spo(struct sampler *sampler)
{
	for (unsigned int i = 0; i < SAMPLES; i++) {
		const struct graph_triple *sample = &sampler->triples[i];

		if (graph_has(sampler->graph, sample->s, sample->p, sample->o) != 1)
			return -EBADMSG;
	}
	return 0;
}

static int walk_nodes(struct sampler *sampler)
{
	struct graph_triple triple;
	struct graph_iter iter;

	sampler->edges = 0;
	for (unsigned int i = 0; i < SAMPLES; i++) {
		int ret = graph_find(sampler->graph, sampler->nodes[i], GRAPH_ANY, GRAPH_ANY, &iter);

		for (; !ret && (ret = graph_next(&iter, &triple)) > 0; ret = 0) {
			sampler->sum += triple.o;
			sampler->edges++;
		}
		if (ret)
			return ret;
	}
	return 0;
}

static int read_list(struct sampler *sampler)
{
	const struct graph_triple *list = &sampler->longest;
	uint64_t ids[IDS_AT_ONCE];
	struct graph_iter iter;
	int64_t count = graph_find(sampler->graph, list->s, list->p, list->o, &iter);

	while (!count && (count = graph_read(&iter, ids, IDS_AT_ONCE)) > 0) {
		sampler->sum += ids[count - 1];
		count = 0;
	}
	return (int)count;
}

static int take_triples(void *arg, const struct graph_triple *triples, size_t count, unsigned int thread)
{
	uint64_t sum = 0;

	(void)arg;
	(void)thread;
	for (size_t i = 0; i < count; i++)
		sum += triples[i].o;
	/* Keeps the reads. */
	__asm__ volatile("" : : "r"(sum));
	return 0;
}

static int scan_all(struct sampler *sampler)
{
	return graph_scan(sampler->graph, sampler->bulk, GRAPH_ANY, take_triples, NULL);
}

static int find_components(struct sampler *sampler)
{
	uint64_t *component = malloc(sampler->graph->counts.nodes * sizeof(*component)), count = 0;
	int ret = component ? graph_components(sampler->graph, sampler->bulk, component, &count) : -ENOMEM;

	sampler->sum += count;
	free(component);
	return ret;
}

static int walk_steps(struct sampler *sampler)
{
	struct graph_khop_opts opts = {
		.way = GRAPH_BOTH,
		.predicate = GRAPH_ANY,
		.hops = 2,
		.budget = WALK_BUDGET,
		.cancel = sampler->bulk->cancel,
	};
	uint64_t reached[WALKS];
	int ret = graph_khop_each(sampler->graph, sampler->bulk, &opts, sampler->nodes, WALKS, reached);

	sampler->edges = 0;
	for (unsigned int i = 0; !ret && i < WALKS; i++)
		sampler->edges += reached[i] == UINT64_MAX ? WALK_BUDGET : reached[i];
	return ret;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Nanoseconds of one round. */
static int measure(struct sampler *sampler, round_fn fn, unsigned int rounds, double *ns)
{
	const volatile int *cancel = sampler->bulk->cancel;
	double all[ROUNDS];
	int ret = fn(sampler);

	for (unsigned int i = 0; !ret && i < rounds; i++) {
		uint64_t start = clock_now_ns();

		ret = cancel && *cancel ? -ECANCELED : fn(sampler);
		all[i] = (double)(clock_now_ns() - start);
	}
	if (ret)
		return ret;
	qsort(all, rounds, sizeof(*all), compare);
	*ns = all[rounds / 2];
	return 0;
}

static int measure_pagerank(struct sampler *sampler, double *seconds)
{
	struct graph_pagerank_opts opts = {.iterations = 1};
	struct graph_pagerank_result result;
	double *rank = malloc(sampler->graph->counts.nodes * sizeof(*rank));
	uint64_t first, start = clock_now_ns();
	int ret = rank ? graph_pagerank(sampler->graph, sampler->bulk, &opts, rank, &result) : -ENOMEM;

	/* Eleven iterations less one leave out what comes before the first. */
	first = clock_now_ns() - start;
	opts.iterations = 11;
	opts.tolerance = 1e-300;
	start = clock_now_ns();
	if (!ret)
		ret = graph_pagerank(sampler->graph, sampler->bulk, &opts, rank, &result);
	*seconds = ((double)(clock_now_ns() - start) - (double)first) / 10 / 1e9;
	free(rank);
	return ret;
}

static int measure_all(struct sampler *sampler, struct graph_bench *bench)
{
	double ns = 0;
	int ret = measure(sampler, ask_sp, ROUNDS, &ns);

	bench->sp_ns = ns / SAMPLES;
	if (!ret)
		ret = measure(sampler, ask_po, ROUNDS, &ns);
	bench->po_ns = ns / SAMPLES;
	if (!ret)
		ret = measure(sampler, ask_spo, ROUNDS, &ns);
	bench->spo_ns = ns / SAMPLES;
	if (!ret)
		ret = measure(sampler, walk_nodes, ROUNDS, &ns);
	bench->node_ns = ns / SAMPLES;
	bench->edge_ns = sampler->edges ? ns / (double)sampler->edges : 0;
	if (!ret)
		ret = measure(sampler, read_list, ROUNDS, &ns);
	bench->list_ids_per_s = (double)sampler->longest_count / ns * 1e9;
	if (!ret)
		ret = measure(sampler, scan_all, LIST_ROUNDS, &ns);
	bench->scan_per_s = (double)sampler->graph->counts.triples / ns * 1e9;
	if (!ret)
		ret = measure(sampler, find_components, LIST_ROUNDS, &ns);
	bench->components_s = ns / 1e9;
	if (!ret)
		ret = measure(sampler, walk_steps, LIST_ROUNDS, &ns);
	bench->khop_ns = sampler->edges ? ns / (double)sampler->edges : 0;
	return ret ? ret : measure_pagerank(sampler, &bench->pagerank_s);
}

int graph_bench(const struct graph *graph, const struct graph_bulk *bulk, uint64_t seed, struct graph_bench *bench)
{
	struct sampler sampler = {.graph = graph, .bulk = bulk, .seed = seed};
	struct graph_bytes bytes;
	int ret = -ENOMEM;

	if (!graph->counts.triples)
		return -ENODATA;
	if (!graph->counts.nodes)
		return -EBADMSG;
	*bench = (struct graph_bench){0};
	graph_bytes(graph, &bytes);
	bench->bytes_per_triple = (double)bytes.total / (double)graph->counts.triples;
	sampler.triples = malloc(SAMPLES * sizeof(*sampler.triples));
	sampler.nodes = malloc(SAMPLES * sizeof(*sampler.nodes));
	if (sampler.triples && sampler.nodes)
		ret = draw_samples(&sampler);
	if (!ret)
		ret = measure_all(&sampler, bench);
	__asm__ volatile("" : : "r"(sampler.sum));
	free(sampler.triples);
	free(sampler.nodes);
	return ret;
}
