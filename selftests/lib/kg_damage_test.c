// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Graphs that are damaged, and triples that are not what was announced: an answer or an error, and no look outside. */
#include "harness.h"
#include "kg_case.h"
#include "kg/graph_layout.h"

#include <errno.h>

/* Every question there is, of sections of their own, so that a sanitizer sees what is read behind them. */
static void ask(struct __test_metadata *_metadata, const struct kg_case *kg, const uint8_t *data, size_t data_size,
		const uint8_t *directory, size_t directory_size, int *opened)
{
	uint64_t count, ids[64];
	struct graph_triple triple, before = { 0 }, to = { 3, 1, 2 };
	struct graph_iter iter;
	struct graph graph;
	int64_t ret = graph_open(&graph, data, data_size, directory, directory_size, NULL);

	ASSERT_TRUE(!ret || ret == -EBADMSG || ret == -EOPNOTSUPP);
	*opened += !ret;
	if (ret)
		return;
	for (int open = 0; open < 8; open++) {
		const struct graph_triple *from = &kg->triples[open * kg->count / 8];
		uint64_t s = open & 1 ? GRAPH_ANY : from->s, p = open & 2 ? GRAPH_ANY : from->p;
		uint64_t o = open & 4 ? GRAPH_ANY : from->o;
		int steps = 0;

		ret = graph_find(&graph, s, p, o, &iter);
		while (!ret && steps++ < 2000 && (ret = graph_next(&iter, &triple)) > 0) {
			ASSERT_TRUE(triple.s < graph.counts.nodes && triple.o < graph.counts.nodes);
			ASSERT_LT(triple.p, graph.counts.predicates);
			ASSERT_TRUE(kg_matches(&triple, s, p, o) && (steps == 1 || kg_by_pso(&before, &triple) < 0));
			before = triple;
			ret = 0;
		}
		ASSERT_TRUE(ret >= 0 || ret == -EBADMSG);
		ret = graph_count(&graph, s, p, o, &count);
		ASSERT_TRUE(!ret || ret == -EBADMSG);
		if (!graph_find(&graph, s, p, o, &iter)) {
			ret = graph_seek(&iter, &to);
			ASSERT_TRUE(!ret || ret == -EBADMSG);
			for (steps = 0; steps < 10 && (ret = graph_read(&iter, ids, 64)) > 0; steps++)
				for (int64_t i = 0; i < ret; i++)
					ASSERT_LT(ids[i], graph.counts.nodes);
			ASSERT_TRUE(ret >= 0 || ret == -EBADMSG || ret == -EINVAL);
		}
	}
	ret = graph_check(&graph, NULL, NULL);
	ASSERT_TRUE(!ret || ret == -EBADMSG);
}

FIXTURE(damage)
{
	struct kg_case kg;
	struct pinpool_diag diag;
};

FIXTURE_SETUP(damage)
{
	uint64_t seed = 3;

	self->kg = (struct kg_case){ .nodes = 40, .predicates = 4 };
	/* Blocks of every form: a list of all nodes, some of many values, few of others. */
	for (uint64_t i = 0; i < 40; i++) {
		for (uint64_t j = 0; i < 8 && j < 40; j++)
			kg_add(&self->kg, i, 0, j);
		kg_add(&self->kg, i, 1, i / 3);
		kg_add(&self->kg, kg_draw(&seed) % 40, 2, kg_draw(&seed) % 40);
	}
	ASSERT_EQ(0, kg_make(&self->kg, &self->diag)) TH_LOG("%s", self->diag.cause);
	ASSERT_EQ(0, graph_check(&self->kg.graph, NULL, NULL));
}

FIXTURE_TEARDOWN(damage)
{
	kg_free(&self->kg);
}

TEST_F(damage, of_every_bit)
{
	struct kg_case *kg = &self->kg;
	int opened = 0;

	for (int section = 0; section < GRAPH_SECTIONS; section++)
		for (size_t bit = 0; bit < 8 * kg->sizes[section]; bit++) {
			kg->bytes[section][bit / 8] ^= 1 << bit % 8;
			ask(_metadata, kg, kg->bytes[GRAPH_DATA], kg->sizes[GRAPH_DATA], kg->bytes[GRAPH_DIRECTORY],
			    kg->sizes[GRAPH_DIRECTORY], &opened);
			kg->bytes[section][bit / 8] ^= 1 << bit % 8;
		}
	/* All that damages data alone opens. */
	EXPECT_GT(opened, 8 * kg->sizes[GRAPH_DATA]);
}

/* Each bit of a copy says something of a list, so the check finds it, whatever else reads it. */
TEST_F(damage, of_copies)
{
	struct kg_case *kg = &self->kg;
	uint64_t end = kg->graph.copies_bit, begin = end - 8 * kg->graph.copies_bytes + 16, found = 0;

	ASSERT_GT(kg->graph.copies_bytes, 200);
	for (uint64_t bit = begin; bit < end; bit++) {
		kg->bytes[GRAPH_DATA][bit / 8] ^= 1 << bit % 8;
		if (graph_check(&kg->graph, NULL, &self->diag) == -EBADMSG)
			found += !!strstr(self->diag.cause, "'s lists are damaged");
		kg->bytes[GRAPH_DATA][bit / 8] ^= 1 << bit % 8;
	}
	EXPECT_GT(found, (end - begin) * 9 / 10) TH_LOG("%d of %d", (int)found, (int)(end - begin));
}

TEST_F(damage, of_any_bytes)
{
	struct kg_case *kg = &self->kg;
	uint8_t *data = malloc(kg->sizes[GRAPH_DATA]), *directory = malloc(kg->sizes[GRAPH_DIRECTORY]);
	uint64_t seed = 5;
	int opened = 0;

	for (int round = 0; round < 3000; round++) {
		memcpy(data, kg->bytes[GRAPH_DATA], kg->sizes[GRAPH_DATA]);
		memcpy(directory, kg->bytes[GRAPH_DIRECTORY], kg->sizes[GRAPH_DIRECTORY]);
		for (int i = 0; i < round % 20; i++)
			data[kg_draw(&seed) % kg->sizes[GRAPH_DATA]] = kg_draw(&seed);
		for (int i = 0; i < round % 3; i++)
			directory[sizeof(struct graph_header) +
				  kg_draw(&seed) % (kg->sizes[GRAPH_DIRECTORY] - sizeof(struct graph_header))] =
				round & 1 ? kg_draw(&seed) : 0xff;
		ask(_metadata, kg, data, kg->sizes[GRAPH_DATA], directory, kg->sizes[GRAPH_DIRECTORY], &opened);
	}
	EXPECT_EQ(3000, opened);
	free(data);
	free(directory);
}

TEST_F(damage, of_the_end)
{
	struct kg_case *kg = &self->kg;
	int opened = 0;

	for (int section = 0; section < GRAPH_SECTIONS; section++)
		for (size_t size = 0; size < kg->sizes[section]; size++) {
			uint8_t *cut = malloc(size + 1);
			size_t sizes[] = { kg->sizes[0], kg->sizes[1] };
			uint8_t *bytes[] = { kg->bytes[0], kg->bytes[1] };

			memcpy(cut, bytes[section], size);
			bytes[section] = cut;
			sizes[section] = size;
			ask(_metadata, kg, bytes[0], sizes[0], bytes[1], sizes[1], &opened);
			free(cut);
		}
	EXPECT_EQ(0, opened);
}

/* With a size that agrees: what was cut off is missed only when it is read. */
TEST_F(damage, of_the_end_and_the_size)
{
	struct kg_case *kg = &self->kg;
	struct graph_header *header = (struct graph_header *)kg->bytes[GRAPH_DIRECTORY];
	int opened = 0;

	for (size_t size = 0; size < kg->sizes[GRAPH_DATA]; size++) {
		uint8_t *cut = malloc(size + 1);

		memcpy(cut, kg->bytes[GRAPH_DATA], size);
		header->data_bytes = size;
		ask(_metadata, kg, cut, size, kg->bytes[GRAPH_DIRECTORY], kg->sizes[GRAPH_DIRECTORY], &opened);
		free(cut);
	}
}

/* A table that is another's, or has other counts, is found out by the check. */
TEST_F(damage, of_what_tables_say)
{
	struct kg_case *kg = &self->kg;
	uint32_t *tables = (uint32_t *)(kg->bytes[GRAPH_DIRECTORY] + sizeof(struct graph_header));
	struct graph_header *header = (struct graph_header *)kg->bytes[GRAPH_DIRECTORY];
	struct graph_table *table = (struct graph_table *)(tables + 2 * kg->predicates);
	uint32_t first = tables[0];
	struct graph graph;

	ASSERT_EQ(0, graph_check(&kg->graph, NULL, &self->diag));
	tables[0] = tables[2];
	EXPECT_EQ(-EBADMSG, graph_check(&kg->graph, NULL, &self->diag));
	tables[0] = GRAPH_NO_TABLE;
	EXPECT_EQ(-EBADMSG, graph_check(&kg->graph, NULL, &self->diag));
	tables[0] = kg->graph.table_count;
	EXPECT_EQ(-EBADMSG, graph_check(&kg->graph, NULL, &self->diag));
	EXPECT_NE(NULL, strstr(self->diag.cause, "predicate 0 by subjects"));
	tables[0] = first;
	table->count--;
	EXPECT_EQ(-EBADMSG, graph_check(&kg->graph, NULL, &self->diag));
	table->count++;
	header->triples++;
	ASSERT_EQ(0, graph_open(&graph, kg->bytes[0], kg->sizes[0], kg->bytes[1], kg->sizes[1], NULL));
	EXPECT_EQ(-EBADMSG, graph_check(&graph, NULL, &self->diag));
	EXPECT_NE(NULL, strstr(self->diag.cause, "triples, not"));
	header->triples--;
	header->version++;
	EXPECT_EQ(-EOPNOTSUPP, graph_open(&graph, kg->bytes[0], kg->sizes[0], kg->bytes[1], kg->sizes[1], NULL));
	header->version--;
	EXPECT_EQ(0, graph_check(&kg->graph, NULL, &self->diag));
}

/* Of two predicates with as many triples, each in order, one has the other's table. */
TEST(tables_that_do_not_belong_together)
{
	struct kg_case kg = { .nodes = 20, .predicates = 2 };
	struct pinpool_diag diag;
	uint32_t *tables;

	for (uint64_t i = 0; i < 20; i++) {
		kg_add(&kg, i, 0, i);
		kg_add(&kg, i, 1, (i + 1) % 20);
	}
	ASSERT_EQ(0, kg_make(&kg, NULL));
	ASSERT_EQ(0, graph_check(&kg.graph, NULL, NULL));
	tables = (uint32_t *)(kg.bytes[GRAPH_DIRECTORY] + sizeof(struct graph_header));
	tables[1] = tables[3];
	EXPECT_EQ(-EBADMSG, graph_check(&kg.graph, NULL, &diag));
	EXPECT_NE(NULL, strstr(diag.cause, "predicate 0 by subjects: triple 0 is not found from its other end"))
		TH_LOG("%s", diag.cause);
	kg_free(&kg);
}

/* Two nodes, with predicates 0 and 1, and with 0: one of them gets the other's shape. */
TEST(shapes_of_others)
{
	static const char *const causes[] = { "is not in the shape of its node", "the shapes of nodes by subjects have 4 lists" };
	struct kg_case kg = { .nodes = 2, .predicates = 2 };
	struct pinpool_diag diag;
	uint64_t place = 0;

	kg_add(&kg, 0, 0, 0);
	kg_add(&kg, 0, 1, 0);
	kg_add(&kg, 1, 0, 0);
	ASSERT_EQ(0, kg_make(&kg, NULL));
	/* Where the one block by subjects begins, in data as in the layout. */
	for (int i = 0; i < kg.graph.nodes_width[0]; i++) {
		uint64_t bit = kg.graph.nodes_bit[0] + i;

		place |= (uint64_t)(kg.bytes[GRAPH_DATA][bit / 8] >> bit % 8 & 1) << i;
	}
	place += SHAPE_WIDTH_BITS + SHAPE_LEAST_BITS;
	for (int node = 0; node < 2; node++, place++) {
		kg.bytes[GRAPH_DATA][place / 8] ^= 1 << place % 8;
		EXPECT_EQ(-EBADMSG, graph_check(&kg.graph, NULL, &diag));
		EXPECT_NE(NULL, strstr(diag.cause, causes[node])) TH_LOG("%s", diag.cause);
		kg.bytes[GRAPH_DATA][place / 8] ^= 1 << place % 8;
	}
	EXPECT_EQ(0, graph_check(&kg.graph, NULL, NULL));
	kg_free(&kg);
}

FIXTURE(writer)
{
	struct kg_case kg;
	struct graph_stats *stats;
	struct graph_writer *writer;
	struct pinpool_diag diag;
	int err;
};

static int append(void *arg, enum graph_section section, const void *bytes, size_t count)
{
	FIXTURE_DATA(writer) *self = arg;

	return self->err ? self->err : kg_append(&self->kg, section, bytes, count);
}

FIXTURE_SETUP(writer)
{
	struct graph_writer_opts opts = { .append = append, .arg = self };

	self->kg = (struct kg_case){ 0 };
	self->writer = NULL;
	self->err = 0;
	ASSERT_EQ(0, graph_stats_new(&self->stats, 10, 2, NULL));
	graph_stats_add(self->stats, 1, 0, 2);
	graph_stats_add(self->stats, 1, 1, 2);
	graph_stats_add(self->stats, 3, 0, 1);
	ASSERT_EQ(0, graph_writer_new(&self->writer, self->stats, &opts, NULL));
}

FIXTURE_TEARDOWN(writer)
{
	graph_writer_free(self->writer);
	graph_stats_free(self->stats);
	kg_free(&self->kg);
}

#define OUT(...) graph_writer_out(self->writer, &(struct graph_triple){ __VA_ARGS__ }, &self->diag)
#define IN(...)	 graph_writer_in(self->writer, &(struct graph_triple){ __VA_ARGS__ }, &self->diag)

TEST_F(writer, takes_what_was_counted)
{
	EXPECT_EQ(3, graph_stats_triples(self->stats, GRAPH_ANY));
	EXPECT_EQ(2, graph_stats_triples(self->stats, 0));
	EXPECT_EQ(-EINVAL, OUT(4, 0, 1));
	EXPECT_EQ(-EINVAL, OUT(1, 2, 2));
	EXPECT_EQ(-EINVAL, OUT(1, 1, 3));
	EXPECT_EQ(0, OUT(1, 0, 2));
	EXPECT_EQ(-EINVAL, OUT(1, 0, 2));
	EXPECT_EQ(-EINVAL, OUT(1, 0, 1));
	EXPECT_EQ(0, OUT(1, 1, 2));
	EXPECT_EQ(-EINVAL, IN(3, 0, 1));
	EXPECT_NE(NULL, strstr(self->diag.cause, "2 triples came, of 3"));
	EXPECT_EQ(0, OUT(3, 0, 1));
	EXPECT_EQ(-EINVAL, OUT(3, 0, 2));
	EXPECT_EQ(0, IN(3, 0, 1));
	EXPECT_EQ(-EINVAL, OUT(3, 0, 1));
	EXPECT_EQ(0, IN(1, 0, 2));
	EXPECT_EQ(-EINVAL, graph_writer_finish(self->writer, &self->diag));
	EXPECT_EQ(0, IN(1, 1, 2));
	EXPECT_EQ(0, graph_writer_finish(self->writer, &self->diag));
	EXPECT_LE(self->kg.sizes[0] + self->kg.sizes[1], graph_writer_bound(self->stats));
}

TEST_F(writer, says_what_the_sink_says)
{
	EXPECT_EQ(0, OUT(1, 0, 2));
	EXPECT_EQ(0, OUT(1, 1, 2));
	EXPECT_EQ(0, OUT(3, 0, 1));
	EXPECT_EQ(0, IN(3, 0, 1));
	EXPECT_EQ(0, IN(1, 0, 2));
	EXPECT_EQ(0, IN(1, 1, 2));
	self->err = -ENOSPC;
	EXPECT_EQ(-ENOSPC, graph_writer_finish(self->writer, &self->diag));
}

TEST_F(writer, joins_statistics)
{
	struct graph_stats *more;

	ASSERT_EQ(0, graph_stats_new(&more, 10, 2, NULL));
	graph_stats_add(more, 9, 1, 0);
	graph_stats_merge(self->stats, more);
	graph_stats_free(more);
	EXPECT_EQ(4, graph_stats_triples(self->stats, GRAPH_ANY));
	EXPECT_EQ(2, graph_stats_triples(self->stats, 1));
	EXPECT_EQ(0, OUT(1, 0, 2));
	EXPECT_EQ(0, OUT(1, 1, 2));
	EXPECT_EQ(0, OUT(3, 0, 1));
	EXPECT_EQ(0, OUT(9, 1, 0));
}

TEST(ranges_that_are_too_large)
{
	struct graph_writer_opts opts = { .append = kg_append };
	struct graph_writer *writer;
	struct graph_stats *stats;
	struct pinpool_diag diag;

	EXPECT_EQ(-EINVAL, graph_stats_new(&stats, (1ull << 63) + 1, 1, &diag));
	EXPECT_EQ(-EINVAL, graph_stats_new(&stats, 1, 1ull << 31, &diag));
	ASSERT_EQ(0, graph_stats_new(&stats, 1ull << 40, 1, &diag));
	graph_stats_add(stats, 0, 0, 0);
	/* Nodes may be far apart, as long as pairs of them still are numbers. */
	graph_stats_add(stats, 1ull << 31, 0, 1ull << 31);
	ASSERT_EQ(0, graph_writer_new(&writer, stats, &opts, &diag));
	graph_writer_free(writer);
	graph_stats_add(stats, 1ull << 32, 0, 1ull << 32);
	EXPECT_EQ(-EFBIG, graph_writer_new(&writer, stats, &opts, &diag));
	graph_stats_free(stats);
}

TEST_HARNESS_MAIN
