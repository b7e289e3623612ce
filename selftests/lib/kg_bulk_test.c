// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Work on whole graphs against simple twins, alone and by several threads. */
#include "harness.h"
#include "kg/graph_bulk.h"
#include "kg_case.h"

#include <errno.h>
#include <math.h>

#define NODES 1200

FIXTURE(bulk)
{
	struct kg_case kg;
	struct pinpool_diag diag;
	struct graph_bulk bulk;
};

FIXTURE_VARIANT(bulk)
{
	unsigned int threads;
	size_t triples;
	/* In halves that no edge connects, and a few nodes alone. */
	bool parts;
};

/* clang-format off */
FIXTURE_VARIANT_ADD(bulk, alone) { .threads = 0, .triples = 3000 };
FIXTURE_VARIANT_ADD(bulk, four_threads) { .threads = 4, .triples = 40000 };
FIXTURE_VARIANT_ADD(bulk, parts) { .threads = 3, .triples = 700, .parts = true };
FIXTURE_VARIANT_ADD(bulk, no_edges) { .threads = 2, .triples = 0 };
/* clang-format on */

FIXTURE_SETUP(bulk)
{
	PINPOOL_OPTS(pinpool_math_opts, opts, .threads = variant->threads, .pin = PINPOOL_PIN_OFF);
	uint64_t seed = 11;

	self->kg = (struct kg_case){ .nodes = NODES, .predicates = 5 };
	self->bulk = (struct graph_bulk){ 0 };
	for (size_t i = 0; i < variant->triples; i++) {
		uint64_t s = kg_draw(&seed) % NODES, o = kg_draw(&seed) % NODES;

		if (variant->parts)
			o = s < 600 ? o % 600 : 600 + o % 550;
		kg_add(&self->kg, s, kg_draw(&seed) % 5, o);
	}
	/* Itself, and one without a way out. */
	if (variant->triples) {
		kg_add(&self->kg, 17, 2, 17);
	}
	ASSERT_EQ(0, kg_make(&self->kg, &self->diag));
	if (variant->threads) {
		ASSERT_EQ(0, pinpool_math_new(&self->bulk.math, &opts, NULL));
	}
}

FIXTURE_TEARDOWN(bulk)
{
	if (self->bulk.math)
		pinpool_math_free(self->bulk.math);
	kg_free(&self->kg);
}

struct seen {
	_Atomic uint64_t count;
	_Atomic uint64_t sum;
	_Atomic uint64_t calls;
	uint64_t err_after;
};

static int see(void *arg, const struct graph_triple *triples, size_t count, unsigned int thread)
{
	struct seen *seen = arg;

	(void)thread;
	for (size_t i = 0; i < count; i++) {
		seen->count++;
		seen->sum += (triples[i].s * 31 + triples[i].p) * 1000003 + triples[i].o;
	}
	return ++seen->calls == seen->err_after ? -EIO : 0;
}

TEST_F(bulk, scan)
{
	struct graph_bulk bulk = self->bulk;
	volatile int cancel = 1;

	for (uint64_t p = 0; p <= 6; p++) {
		uint64_t predicate = p == 6 ? GRAPH_ANY : p, count = 0, sum = 0;
		struct seen seen = { 0 };

		for (size_t i = 0; i < self->kg.count; i++) {
			const struct graph_triple *triple = &self->kg.triples[i];

			if (!kg_matches(triple, GRAPH_ANY, predicate, GRAPH_ANY))
				continue;
			count++;
			sum += (triple->s * 31 + triple->p) * 1000003 + triple->o;
		}
		ASSERT_EQ(0, graph_scan(&self->kg.graph, &self->bulk, predicate, see, &seen));
		EXPECT_EQ(count, seen.count);
		EXPECT_EQ(sum, seen.sum);
	}
	if (variant->triples) {
		struct seen seen = { .err_after = 2 };

		EXPECT_EQ(-EIO, graph_scan(&self->kg.graph, &self->bulk, GRAPH_ANY, see, &seen));
		bulk.cancel = &cancel;
		EXPECT_EQ(-ECANCELED, graph_scan(&self->kg.graph, &bulk, GRAPH_ANY, see, &seen));
	}
}

TEST_F(bulk, components)
{
	uint64_t want[NODES], got[NODES], count, roots = 0;
	bool changed = true;

	for (uint64_t i = 0; i < NODES; i++)
		want[i] = i;
	while (changed) {
		changed = false;
		for (size_t i = 0; i < self->kg.count; i++) {
			uint64_t *a = &want[self->kg.triples[i].s], *b = &want[self->kg.triples[i].o];

			changed |= *a != *b;
			*a = *b = *a < *b ? *a : *b;
		}
	}
	for (uint64_t i = 0; i < NODES; i++)
		roots += want[i] == i;
	ASSERT_EQ(0, graph_components(&self->kg.graph, &self->bulk, got, &count));
	EXPECT_EQ(roots, count);
	for (uint64_t i = 0; i < NODES; i++)
		ASSERT_EQ(want[i], got[i]);
	if (variant->parts)
		EXPECT_GT(count, 50);
}

TEST_F(bulk, pagerank)
{
	struct graph_pagerank_opts opts = { .damping = 0.8, .tolerance = 1e-12, .iterations = 50 };
	double want[NODES], next[NODES], got[NODES], alone[NODES], sum = 0;
	struct graph_pagerank_result result;
	struct graph_bulk bulk = { 0 };
	uint64_t degree[NODES] = { 0 };

	for (size_t i = 0; i < self->kg.count; i++)
		degree[self->kg.triples[i].s]++;
	for (int i = 0; i < NODES; i++)
		want[i] = 1.0 / NODES;
	ASSERT_EQ(0, graph_pagerank(&self->kg.graph, &self->bulk, &opts, got, &result));
	EXPECT_GT(result.iterations, 0);
	EXPECT_TRUE(result.change <= 1e-12 || result.iterations == 50);
	for (unsigned int step = 0; step < result.iterations; step++) {
		double dangling = 0;

		for (int i = 0; i < NODES; i++)
			dangling += degree[i] ? 0 : want[i];
		for (int i = 0; i < NODES; i++)
			next[i] = (0.2 + 0.8 * dangling) / NODES;
		for (size_t i = 0; i < self->kg.count; i++)
			next[self->kg.triples[i].o] += 0.8 * want[self->kg.triples[i].s] / degree[self->kg.triples[i].s];
		memcpy(want, next, sizeof(want));
	}
	for (int i = 0; i < NODES; i++) {
		ASSERT_LT(fabs(want[i] - got[i]), 1e-12);
		sum += got[i];
	}
	EXPECT_LT(fabs(sum - 1), 1e-9);
	/* To the last bit the same, whoever has computed it. */
	ASSERT_EQ(0, graph_pagerank(&self->kg.graph, &bulk, &opts, alone, &result));
	EXPECT_EQ(0, memcmp(got, alone, sizeof(got)));
	opts.damping = 1;
	EXPECT_EQ(-EINVAL, graph_pagerank(&self->kg.graph, &bulk, &opts, alone, &result));
	opts = (struct graph_pagerank_opts){ .iterations = 1 };
	EXPECT_EQ(0, graph_pagerank(&self->kg.graph, &bulk, &opts, alone, &result));
	EXPECT_EQ(1, result.iterations);
	/* Defaults, by what they lead to. */
	EXPECT_EQ(0, graph_pagerank(&self->kg.graph, &self->bulk, NULL, got, &result));
	EXPECT_TRUE(result.change <= 1e-9 && result.iterations < 100);
}

/* Steps from the nearest of the seeds, or more than there are. */
static void twin(const struct kg_case *kg, const struct graph_khop_opts *opts, uint32_t *hops)
{
	for (uint32_t step = 0; step < opts->hops; step++) {
		for (size_t i = 0; i < kg->count; i++) {
			const struct graph_triple *triple = &kg->triples[i];

			if (!kg_matches(triple, GRAPH_ANY, opts->predicate, GRAPH_ANY))
				continue;
			if (opts->way & GRAPH_OUT && hops[triple->s] == step && hops[triple->o] > step + 1)
				hops[triple->o] = step + 1;
			if (opts->way & GRAPH_IN && hops[triple->o] == step && hops[triple->s] > step + 1)
				hops[triple->s] = step + 1;
		}
	}
}

TEST_F(bulk, khop)
{
	uint64_t seeds[] = { 900, 3, 900, 17 }, reached[4], seed = 5;
	volatile int cancel = 0;

	for (int round = 0; round < 40; round++) {
		struct graph_khop_opts opts = { .way = 1 + round % 3,
						.predicate = round % 2 ? GRAPH_ANY : kg_draw(&seed) % 6,
						.hops = round % 5,
						.budget = NODES,
						.cancel = &cancel };
		uint64_t want = 0, alone[4] = { 0 };
		struct graph_reached *got;
		uint32_t hops[NODES];
		int64_t count;

		memset(hops, 0xff, sizeof(hops));
		for (int i = 0; i < 4; i++)
			hops[seeds[i]] = 0;
		twin(&self->kg, &opts, hops);
		for (int i = 0; i < NODES; i++)
			want += hops[i] <= opts.hops;
		count = graph_khop(&self->kg.graph, &opts, seeds, 4, &got);
		ASSERT_EQ(want, count);
		for (int64_t i = 0; i < count; i++) {
			ASSERT_EQ(hops[got[i].node], got[i].hops);
			ASSERT_TRUE(!i || got[i].hops > got[i - 1].hops ||
				    (got[i].hops == got[i - 1].hops && got[i].node > got[i - 1].node));
		}
		free(got);
		opts.budget = want - 1;
		EXPECT_EQ(-ENOSPC, graph_khop(&self->kg.graph, &opts, seeds, 4, &got));
		/* Of each alone; one that is too many for the budget does not end it. */
		opts.budget = 40;
		for (int i = 0; i < 4; i++) {
			memset(hops, 0xff, sizeof(hops));
			hops[seeds[i]] = 0;
			twin(&self->kg, &opts, hops);
			for (int j = 0; j < NODES; j++)
				alone[i] += hops[j] <= opts.hops;
		}
		ASSERT_EQ(0, graph_khop_each(&self->kg.graph, &self->bulk, &opts, seeds, 4, reached));
		for (int i = 0; i < 4; i++)
			EXPECT_EQ(alone[i] > 40 ? UINT64_MAX : alone[i], reached[i]);
	}
}

TEST_F(bulk, khop_ends)
{
	struct graph_khop_opts opts = { .way = GRAPH_BOTH, .predicate = GRAPH_ANY, .hops = 9, .budget = NODES };
	struct graph_bulk bulk = self->bulk;
	uint64_t seed = NODES, reached;
	struct graph_reached *got;
	volatile int cancel = 1;

	EXPECT_EQ(-EINVAL, graph_khop(&self->kg.graph, &opts, &seed, 1, &got));
	EXPECT_EQ(-EINVAL, graph_khop_each(&self->kg.graph, &bulk, &opts, &seed, 1, &reached));
	seed = 1;
	bulk.cancel = &cancel;
	EXPECT_EQ(-ECANCELED, graph_khop_each(&self->kg.graph, &bulk, &opts, &seed, 1, &reached));
	opts.cancel = &cancel;
	if (variant->triples > 2000)
		EXPECT_EQ(-ECANCELED, graph_khop(&self->kg.graph, &opts, &seed, 1, &got));
	EXPECT_EQ(0, graph_khop(&self->kg.graph, &opts, &seed, 0, &got));
}

TEST_HARNESS_MAIN
