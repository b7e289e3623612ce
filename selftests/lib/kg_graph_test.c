// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* The structure of a graph: every pattern against the triples themselves, whatever the graph is like. */
#include "harness.h"
#include "kg_case.h"
#include "kg/graph_layout.h"

#include <errno.h>

FIXTURE(graph)
{
	struct kg_case kg;
	struct pinpool_diag diag;
	uint64_t seed;
};

FIXTURE_VARIANT(graph)
{
	uint64_t nodes;
	uint64_t predicates;
	size_t triples;
	/* A node with edges from and to all others. */
	bool hub;
	/* Each predicate has an inverse, or is its own. */
	bool inverses;
	/* Values are near their subject. */
	uint64_t spread;
	/* So little room for shapes that most find none. */
	uint64_t shape_bytes;
};

/* clang-format off */
FIXTURE_VARIANT_ADD(graph, empty) { .nodes = 5, .predicates = 3 };
FIXTURE_VARIANT_ADD(graph, nothing_at_all) { };
FIXTURE_VARIANT_ADD(graph, one_node) { .nodes = 1, .predicates = 1, .triples = 1 };
FIXTURE_VARIANT_ADD(graph, one_predicate) { .nodes = 200, .predicates = 1, .triples = 3000 };
FIXTURE_VARIANT_ADD(graph, sparse) { .nodes = 1000, .predicates = 7, .triples = 1500 };
FIXTURE_VARIANT_ADD(graph, dense) { .nodes = 30, .predicates = 3, .triples = 4000 };
FIXTURE_VARIANT_ADD(graph, many_predicates) { .nodes = 100, .predicates = 3000, .triples = 4000 };
FIXTURE_VARIANT_ADD(graph, near) { .nodes = 2000, .predicates = 4, .triples = 5000, .spread = 5 };
FIXTURE_VARIANT_ADD(graph, inverses) { .nodes = 300, .predicates = 8, .triples = 3000, .inverses = true };
FIXTURE_VARIANT_ADD(graph, hub) { .nodes = 1500, .predicates = 3, .triples = 1000, .hub = true };
FIXTURE_VARIANT_ADD(graph, no_room_for_shapes) { .nodes = 200, .predicates = 30, .triples = 3000, .shape_bytes = 1000 };
/* clang-format on */

FIXTURE_SETUP(graph)
{
	struct kg_case *kg = &self->kg;
	uint64_t hub = variant->nodes / 3;

	*kg = (struct kg_case){ .nodes = variant->nodes, .predicates = variant->predicates, .shape_bytes = variant->shape_bytes };
	self->seed = 7;
	for (size_t i = 0; i < variant->triples; i++) {
		uint64_t s = kg_draw(&self->seed) % variant->nodes, p = kg_draw(&self->seed) % variant->predicates;
		uint64_t o = variant->spread ? (s + kg_draw(&self->seed) % variant->spread) % variant->nodes :
					       kg_draw(&self->seed) % variant->nodes;

		/* Some predicates have none. */
		if (variant->predicates > 5 && p % 5 == 4)
			p--;
		kg_add(kg, s, p, o);
		/* 0 and 1 are inverse to each other, 2 is symmetric, 3 as well. */
		if (variant->inverses && p < 4)
			kg_add(kg, o, p < 2 ? 1 - p : p, s);
	}
	for (uint64_t i = 0; variant->hub && i < variant->nodes; i++) {
		kg_add(kg, hub, 1, i);
		kg_add(kg, i, 2, hub);
	}
	ASSERT_EQ(0, kg_make(kg, &self->diag)) TH_LOG("%s", self->diag.cause);
}

FIXTURE_TEARDOWN(graph)
{
	kg_free(&self->kg);
}

/* The answer to one pattern, read and counted. */
static void compare(struct __test_metadata *_metadata, const struct kg_case *kg, uint64_t s, uint64_t p, uint64_t o)
{
	uint64_t want = 0, count, ids[7];
	struct graph_triple got;
	struct graph_iter iter, list;
	int64_t read = 0;
	size_t at = 0;

	ASSERT_EQ(0, graph_find(&kg->graph, s, p, o, &iter));
	ASSERT_EQ(0, graph_find(&kg->graph, s, p, o, &list));
	for (size_t i = 0; i < kg->count; i++) {
		if (!kg_matches(&kg->triples[i], s, p, o))
			continue;
		want++;
		ASSERT_EQ(1, graph_next(&iter, &got));
		ASSERT_EQ(kg->triples[i].s, got.s);
		ASSERT_EQ(kg->triples[i].p, got.p);
		ASSERT_EQ(kg->triples[i].o, got.o);
		if (p == GRAPH_ANY || (s == GRAPH_ANY) == (o == GRAPH_ANY))
			continue;
		if (at == (size_t)read) {
			at = 0;
			read = graph_read(&list, ids, 7);
			ASSERT_GT(read, 0);
		}
		ASSERT_EQ(s == GRAPH_ANY ? got.s : got.o, ids[at++]);
	}
	ASSERT_EQ(0, graph_next(&iter, &got));
	ASSERT_EQ(0, graph_next(&iter, &got));
	read = p == GRAPH_ANY || (s == GRAPH_ANY) == (o == GRAPH_ANY) ? -EINVAL : 0;
	ASSERT_EQ(read, graph_read(&list, ids, 7));
	ASSERT_EQ(0, graph_count(&kg->graph, s, p, o, &count));
	ASSERT_EQ(want, count);
	ASSERT_EQ(want > 0, graph_has(&kg->graph, s, p, o));
}

/* A triple's parts, or numbers that are in none, and what is open. */
static void draw_pattern(struct kg_case *kg, uint64_t *seed, int open, uint64_t *pattern)
{
	const struct graph_triple *triple = kg->count ? &kg->triples[kg_draw(seed) % kg->count] : NULL;

	pattern[0] = triple && kg_draw(seed) % 8 ? triple->s : kg_draw(seed) % (kg->nodes + 2);
	pattern[1] = triple && kg_draw(seed) % 8 ? triple->p : kg_draw(seed) % (kg->predicates + 2);
	pattern[2] = triple && kg_draw(seed) % 8 ? triple->o : kg_draw(seed) % (kg->nodes + 2);
	for (int i = 0; i < 3; i++)
		if (open & 1 << i)
			pattern[i] = GRAPH_ANY;
}

TEST_F(graph, patterns)
{
	uint64_t pattern[3];

	for (int round = 0; round < 400; round++) {
		draw_pattern(&self->kg, &self->seed, round % 8, pattern);
		compare(_metadata, &self->kg, pattern[0], pattern[1], pattern[2]);
	}
}

TEST_F(graph, seeking)
{
	struct kg_case *kg = &self->kg;

	for (int round = 0; round < 1000; round++) {
		uint64_t pattern[3], goal[3];
		struct graph_triple to, got;
		struct graph_iter iter;
		size_t i = 0;

		draw_pattern(kg, &self->seed, round % 8, pattern);
		ASSERT_EQ(0, graph_find(&kg->graph, pattern[0], pattern[1], pattern[2], &iter));
		for (int step = 0; step < 5; step++) {
			/* What matches, what does not, and sometimes a place that is behind. */
			draw_pattern(kg, &self->seed, 0, goal);
			to = (struct graph_triple){ pattern[0] != GRAPH_ANY && step % 3 ? pattern[0] : goal[0],
						    pattern[1] != GRAPH_ANY && step % 4 ? pattern[1] : goal[1],
						    pattern[2] != GRAPH_ANY && step % 5 ? pattern[2] : goal[2] };
			ASSERT_EQ(0, graph_seek(&iter, &to));
			while (i < kg->count && (!kg_matches(&kg->triples[i], pattern[0], pattern[1], pattern[2]) ||
						 kg_by_pso(&kg->triples[i], &to) < 0))
				i++;
			ASSERT_EQ(i < kg->count, graph_next(&iter, &got));
			if (i == kg->count)
				break;
			ASSERT_EQ(0, kg_by_pso(&kg->triples[i], &got));
			i++;
		}
	}
}

TEST_F(graph, nodes)
{
	struct kg_case *kg = &self->kg;

	for (uint64_t node = 0; node < kg->nodes + 2 && node < 150; node++) {
		uint64_t out = 0, in = 0, predicates[2] = { 0 }, last[2] = { GRAPH_ANY, GRAPH_ANY }, list[3001], degree;

		for (size_t i = 0; i < kg->count; i++) {
			out += kg->triples[i].s == node;
			in += kg->triples[i].o == node;
			if (kg->triples[i].s == node && kg->triples[i].p != last[0]) {
				predicates[0]++;
				last[0] = kg->triples[i].p;
			}
			if (kg->triples[i].o == node && kg->triples[i].p != last[1]) {
				predicates[1]++;
				last[1] = kg->triples[i].p;
			}
		}
		ASSERT_EQ(0, graph_degree(&kg->graph, node, GRAPH_OUT, &degree));
		ASSERT_EQ(out, degree);
		ASSERT_EQ(0, graph_degree(&kg->graph, node, GRAPH_IN, &degree));
		ASSERT_EQ(in, degree);
		ASSERT_EQ(0, graph_degree(&kg->graph, node, GRAPH_BOTH, &degree));
		ASSERT_EQ(out + in, degree);
		for (int side = 0; side < 2; side++) {
			enum graph_way way = side ? GRAPH_IN : GRAPH_OUT;

			ASSERT_EQ(predicates[side], graph_node_predicates(&kg->graph, node, way, list, 3001));
			for (uint64_t i = 0; i < predicates[side]; i++) {
				ASSERT_EQ(1, graph_has(&kg->graph, side ? GRAPH_ANY : node, list[i], side ? node : GRAPH_ANY));
				ASSERT_TRUE(!i || list[i] > list[i - 1]);
			}
			ASSERT_EQ(predicates[side], graph_node_predicates(&kg->graph, node, way, list, 0));
		}
		ASSERT_EQ(-EINVAL, graph_node_predicates(&kg->graph, node, GRAPH_BOTH, list, 1));
	}
}

TEST_F(graph, is_whole)
{
	volatile int cancel = 1;
	struct graph_bytes bytes;

	EXPECT_EQ(0, graph_check(&self->kg.graph, NULL, &self->diag)) TH_LOG("%s", self->diag.cause);
	if (self->kg.count) {
		EXPECT_EQ(-ECANCELED, graph_check(&self->kg.graph, &cancel, &self->diag));
	}
	if (variant->shape_bytes) {
		EXPECT_LT(self->kg.graph.shape_count, 30);
	}
	graph_bytes(&self->kg.graph, &bytes);
	EXPECT_EQ(bytes.total, self->kg.sizes[GRAPH_DATA] + self->kg.sizes[GRAPH_DIRECTORY]);
	EXPECT_LE(bytes.lists_out + bytes.lists_in + bytes.index + bytes.shapes + bytes.copies + bytes.directory, bytes.total);
	/* Besides what is paid for by triples, a block without copies takes a mask and a place. */
	EXPECT_LE(8 * bytes.copies, self->kg.count * COPY_BITS + (variant->nodes / COPY_BLOCK + 1) * (COPY_MASK_BITS + 32) + 8);
}

/* The answer to S ? ? of each node, and how many lists of it came from copies. */
static uint64_t read_copies(struct __test_metadata *_metadata, const struct kg_case *kg)
{
	uint64_t copied = 0, last = GRAPH_ANY;

	for (uint64_t node = 0; node < kg->nodes; node++) {
		struct graph_triple got;
		struct graph_iter iter;

		ASSERT_EQ(0, graph_find(&kg->graph, node, GRAPH_ANY, GRAPH_ANY, &iter));
		last = GRAPH_ANY;
		for (size_t i = 0; i < kg->count; i++) {
			if (kg->triples[i].s != node)
				continue;
			ASSERT_EQ(1, graph_next(&iter, &got));
			ASSERT_EQ(0, memcmp(&kg->triples[i], &got, sizeof(got)));
			copied += iter.copied && got.p != last;
			last = got.p;
		}
		ASSERT_EQ(0, graph_next(&iter, &got));
	}
	return copied;
}

/* Single lists, lists with gaps of every size, long ones, and two predicates of which a block copies one at most. */
TEST(copies)
{
	struct kg_case kg = { .nodes = 400, .predicates = 70 };

	for (uint64_t i = 0; i < 300; i++) {
		kg_add(&kg, i, 2, i % 7);
		kg_add(&kg, i, 66, i % 5);
		for (uint64_t j = 0; j < 6; j++)
			kg_add(&kg, i, 3, j < 5 ? i % 9 + j : 13 + i % 90);
		for (uint64_t j = 0; i % 64 == 9 && j < COPY_ROW + i / 64; j++)
			kg_add(&kg, i, 4, 2 * j);
	}
	ASSERT_EQ(0, kg_make(&kg, NULL));
	EXPECT_EQ(0, graph_check(&kg.graph, NULL, NULL));
	/* Of 2 and 66 one of each node; of 3 all; of 4 none, as in each block one is too long. */
	EXPECT_EQ(300 + 300, read_copies(_metadata, &kg));
	kg_free(&kg);
}

/* In a list that is read in part, a goal is looked for from there on. */
TEST(seeking_from_a_copy)
{
	struct kg_case kg = { .nodes = 128, .predicates = 2 };
	struct graph_triple got, to = { 5, 0, 0 };
	struct graph_iter iter;

	for (uint64_t i = 0; i < 128; i++)
		for (uint64_t j = 0; j < 10; j++)
			kg_add(&kg, i, j % 2, 3 * j);
	ASSERT_EQ(0, kg_make(&kg, NULL));
	ASSERT_EQ(0, graph_find(&kg.graph, 5, GRAPH_ANY, GRAPH_ANY, &iter));
	ASSERT_EQ(1, graph_next(&iter, &got));
	ASSERT_TRUE(iter.copied);
	ASSERT_EQ(0, graph_seek(&iter, &to));
	ASSERT_EQ(1, graph_next(&iter, &got));
	EXPECT_EQ(6, got.o);
	to = (struct graph_triple){ 5, 1, 10 };
	ASSERT_EQ(0, graph_seek(&iter, &to));
	ASSERT_EQ(1, graph_next(&iter, &got));
	EXPECT_EQ(1, got.p);
	EXPECT_EQ(15, got.o);
	kg_free(&kg);
}

TEST(node_of_a_million_edges)
{
	enum { EDGES = 1000000, AT_ONCE = 5000 };
	struct kg_case kg = { .nodes = 3 * EDGES, .predicates = 2 };
	struct graph_triple to = { 5, 1, 0 }, got;
	uint64_t *ids = malloc(AT_ONCE * sizeof(*ids)), count, at = 0;
	struct graph_iter iter;
	int64_t read;

	for (uint64_t i = 0; i < EDGES; i++)
		kg_add(&kg, 5, 1, 3 * i + i % 2);
	ASSERT_EQ(0, kg_make(&kg, NULL));
	ASSERT_EQ(0, graph_count(&kg.graph, 5, GRAPH_ANY, GRAPH_ANY, &count));
	EXPECT_EQ(EDGES, count);
	ASSERT_EQ(0, graph_find(&kg.graph, 5, 1, GRAPH_ANY, &iter));
	while ((read = graph_read(&iter, ids, AT_ONCE)) > 0)
		for (int64_t i = 0; i < read; i++, at++)
			ASSERT_EQ(3 * at + at % 2, ids[i]);
	EXPECT_EQ(EDGES, at);
	ASSERT_EQ(0, graph_find(&kg.graph, 5, GRAPH_ANY, GRAPH_ANY, &iter));
	for (at = 7; at < EDGES; at += at / 3 + 1) {
		to.o = 3 * at - 1;
		ASSERT_EQ(0, graph_seek(&iter, &to));
		ASSERT_EQ(1, graph_next(&iter, &got));
		ASSERT_EQ(3 * at + at % 2, got.o);
	}
	EXPECT_EQ(1, graph_has(&kg.graph, GRAPH_ANY, 1, 3 * 999999 + 1));
	EXPECT_EQ(0, graph_has(&kg.graph, 5, 1, 3 * 999999));
	EXPECT_EQ(0, graph_has(&kg.graph, 5, 0, GRAPH_ANY));
	/* A third of a range of nodes is three bits for each. */
	EXPECT_LT(kg.graph.lists_bytes[0], EDGES / 2);
	free(ids);
	kg_free(&kg);
}

/* One table for a predicate and its inverse, and for both directions of one that is symmetric. */
TEST(inverses_share_tables)
{
	struct kg_case kg = { .nodes = 50, .predicates = 4 };
	uint64_t seed = 1, before;

	for (int i = 0; i < 300; i++) {
		uint64_t s = kg_draw(&seed) % 50, o = kg_draw(&seed) % 50;

		kg_add(&kg, s, 0, o);
		kg_add(&kg, o, 1, s);
		kg_add(&kg, s, 2, o);
		kg_add(&kg, o, 2, s);
		kg_add(&kg, s, 3, o);
	}
	ASSERT_EQ(0, kg_make(&kg, NULL));
	/* By subjects and by objects of 0, which serve for 1 and 3 as well, and the one of 2. */
	EXPECT_EQ(3, kg.graph.table_count);
	EXPECT_EQ(0, graph_check(&kg.graph, NULL, NULL));
	before = kg.sizes[GRAPH_DATA];
	kg.triples[0].o = (kg.triples[0].o + 1) % 50;
	for (int section = 0; section < GRAPH_SECTIONS; section++)
		kg.sizes[section] = 0;
	ASSERT_EQ(0, kg_make(&kg, NULL));
	/* A triple more or less is another list. */
	EXPECT_EQ(5, kg.graph.table_count);
	EXPECT_GT(kg.sizes[GRAPH_DATA], before);
	EXPECT_EQ(0, graph_check(&kg.graph, NULL, NULL));
	kg_free(&kg);
}

TEST_HARNESS_MAIN
