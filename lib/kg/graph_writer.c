// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * The sections of a graph, from triples by subjects and then by objects. All lists of one pass grow at once: a block of
 * a list goes into the stream when it is full, so lists lie among each other, those of nodes near each other close
 * together. In memory stay, of each block, its first key and its place.
 */
#include "kg/graph_writer.h"

#include <errno.h>
#include <stdlib.h>

#include "base/diag.h"
#include "kg/graph_copy.h"
#include "kg/graph_shapes.h"
#include "kg/graph_stats.h"

#define SHAPE_BYTES_DEFAULT ((uint64_t)64 << 20)

struct graph_writer {
	const struct graph_stats *stats;
	struct graph_writer_opts opts;
	struct bits_writer bits;
	struct table_plan plan;
	struct graph_table *tables;
	/* Of each table, while it is made. */
	struct ef_writer **lists;
	struct shapes shapes;
	struct copy_writer *copies;
	struct graph_header header;
	/* The pass: by which side, how many triples each predicate has had, and the triple before. */
	unsigned int side;
	uint64_t *seen;
	uint64_t count;
	struct graph_triple last;
	struct node_shapes nodes;
	/* Predicates of the node at hand. */
	uint32_t *members;
	uint64_t member_count;
	uint64_t list_bits;
};

/* Slack for what grows by doubling. */
uint64_t graph_writer_memory(const struct graph_stats *stats)
{
	return sizeof(struct graph_writer) + stats->triples / EF_BLOCK * 32 + stats->nodes / SHAPE_BLOCK * 16 +
	       copy_writer_memory(stats->nodes, stats->predicates) +
	       stats->predicates * (sizeof(struct ef_writer) + 2 * sizeof(struct graph_table) + 256);
}

uint64_t graph_writer_bound(const struct graph_stats *stats)
{
	uint64_t bits = (stats->nodes / SHAPE_BLOCK + 1) * SIDES * (64 + SHAPE_WIDTH_BITS + SHAPE_LEAST_BITS) +
			stats->nodes * SIDES * 32 + copy_writer_bound(stats->nodes, stats->triples);

	for (uint64_t p = 0; p < stats->predicates; p++) {
		const struct predicate_stats *of = &stats->of[p];
		uint64_t keys = 0;

		if (!of->count)
			continue;
		graph_stats_keys(of, &keys);
		/* Logarithms are concave: blocks of unequal ranges take less than those of equal ones. */
		bits += SIDES * (of->count * (4 + bits_width(keys / of->count)) + ef_blocks(of->count) * 128);
	}
	return bits / 8 + SHAPE_BYTES_DEFAULT + sizeof(struct graph_header) + EF_PAD_BYTES +
	       stats->predicates * (8 + SIDES * sizeof(struct graph_table));
}

static int append_data(void *arg, const void *bytes, size_t count)
{
	struct graph_writer *writer = arg;

	return writer->opts.append(writer->opts.arg, GRAPH_DATA, bytes, count);
}

static int check_ranges(const struct graph_stats *stats, struct pinpool_diag *diag)
{
	for (uint64_t p = 0; p < stats->predicates; p++) {
		uint64_t keys;

		if (stats->of[p].count && !graph_stats_keys(&stats->of[p], &keys))
			return diag_set(diag, -EFBIG, "graph",
					"number nodes so that those of one kind are close together",
					"subjects and objects of predicate %llu are of 2^63 pairs or more",
					(unsigned long long)p);
	}
	return 0;
}

int graph_writer_new(struct graph_writer **out, const struct graph_stats *stats, const struct graph_writer_opts *opts,
		     struct pinpool_diag *diag)
{
	struct graph_writer *writer;
	int ret = check_ranges(stats, diag);

	if (ret)
		return ret;
	writer = calloc(1, sizeof(*writer));
	if (!writer)
		return diag_errno(diag, -ENOMEM, "graph");
	writer->stats = stats;
	writer->opts = *opts;
	writer->bits.append = append_data;
	writer->bits.arg = writer;
	ret = table_plan_make(&writer->plan, stats);
	if (!ret)
		ret = shapes_init(&writer->shapes, opts->shape_bytes ? opts->shape_bytes : SHAPE_BYTES_DEFAULT);
	if (!ret)
		ret = copy_writer_new(&writer->copies, stats->nodes, stats->predicates, opts->compact ? 0 : COPY_BITS);
	writer->tables = calloc(writer->plan.count + 1, sizeof(*writer->tables));
	writer->lists = calloc(writer->plan.count + 1, sizeof(struct ef_writer *));
	writer->seen = calloc(stats->predicates + 1, sizeof(*writer->seen));
	writer->members = calloc(stats->predicates + 1, sizeof(*writer->members));
	if (ret || !writer->tables || !writer->lists || !writer->seen || !writer->members) {
		graph_writer_free(writer);
		return diag_errno(diag, -ENOMEM, "graph");
	}
	*out = writer;
	return 0;
}

/* The shape of the node before @next, and of those without triples up to it. */
static int end_node(struct graph_writer *writer, uint64_t node, uint64_t next)
{
	uint32_t number;
	int ret;

	if (writer->member_count) {
		ret = shapes_number(&writer->shapes, writer->members, writer->member_count, &number);
		if (!ret)
			ret = node_shapes_skip(&writer->nodes, &writer->bits, node);
		if (!ret)
			ret = node_shapes_add(&writer->nodes, &writer->bits, number);
		if (ret)
			return ret;
		writer->member_count = 0;
	}
	return node_shapes_skip(&writer->nodes, &writer->bits, next);
}

/* Into the list that is made from this predicate by this side; nothing if another has the same. */
static int put_key(struct graph_writer *writer, uint64_t p, uint64_t row, uint64_t value)
{
	const struct predicate_stats *of = &writer->stats->of[p];
	unsigned int side = writer->side, other = SIDE_O - side;
	uint32_t table = writer->plan.tables[p][side];
	uint64_t values = of->last[other] - of->first[other] + 1, before = writer->bits.bit;
	struct ef_writer *list;
	int ret;

	if (writer->plan.makers[table] != p * SIDES + side)
		return 0;
	if (!writer->lists[table]) {
		writer->lists[table] = calloc(1, sizeof(*writer->lists[table]));
		if (!writer->lists[table])
			return -ENOMEM;
	}
	list = writer->lists[table];
	ret = ef_put(list, &writer->bits, (row - of->first[side]) * values + (value - of->first[other]));
	writer->list_bits += writer->bits.bit - before;
	return ret;
}

static bool comes_after(const uint64_t *a, const uint64_t *b)
{
	for (unsigned int i = 0; i < 3; i++)
		if (a[i] != b[i])
			return a[i] > b[i];
	return false;
}

/* @next is the triple in the order of this pass: node, predicate, other node. */
static int put_triple(struct graph_writer *writer, const uint64_t *next, struct pinpool_diag *diag)
{
	unsigned int side = writer->side, other = SIDE_O - side;
	uint64_t last[] = {side == SIDE_S ? writer->last.s : writer->last.o, writer->last.p,
			   side == SIDE_S ? writer->last.o : writer->last.s};
	const struct predicate_stats *of = &writer->stats->of[next[1]];
	int ret = 0;

	if (next[1] >= writer->stats->predicates || next[0] < of->first[side] || next[0] > of->last[side] ||
	    next[2] < of->first[other] || next[2] > of->last[other] || writer->seen[next[1]] == of->count)
		return diag_set(diag, -EINVAL, "triple", NULL, "is not among those that were counted");
	if (writer->count && !comes_after(next, last))
		return diag_set(diag, -EINVAL, "triple", NULL, "comes before, or is, the one before");
	writer->seen[next[1]]++;
	if (!writer->count || next[0] != last[0])
		ret = end_node(writer, last[0], next[0]);
	if (ret)
		return diag_errno(diag, ret, "graph");
	if (!writer->member_count || writer->members[writer->member_count - 1] != next[1])
		writer->members[writer->member_count++] = (uint32_t)next[1];
	if (side == SIDE_S)
		ret = copy_writer_add(writer->copies, &writer->bits, &(struct graph_triple){next[0], next[1], next[2]});
	if (!ret)
		ret = put_key(writer, next[1], next[0], next[2]);
	if (ret)
		return diag_errno(diag, ret, "graph");
	writer->count++;
	writer->last = side == SIDE_S ? (struct graph_triple){next[0], next[1], next[2]}
				      : (struct graph_triple){next[2], next[1], next[0]};
	return writer->bits.err ? diag_errno(diag, writer->bits.err, "graph") : 0;
}

static int end_list(struct graph_writer *writer, uint32_t table)
{
	uint64_t p = writer->plan.makers[table] / SIDES, before = writer->bits.bit;
	const struct predicate_stats *of = &writer->stats->of[p];
	unsigned int side = writer->side, other = SIDE_O - side;
	int ret = ef_end(writer->lists[table], &writer->bits);
	struct ef ef;

	if (ret)
		return ret;
	writer->list_bits += writer->bits.bit - before;
	ef_put_index(writer->lists[table], &writer->bits, &ef);
	writer->tables[table] = (struct graph_table){
		.count = ef.count,
		.row_first = of->first[side],
		.rows = of->last[side] - of->first[side] + 1,
		.value_first = of->first[other],
		.values = of->last[other] - of->first[other] + 1,
		.index_bit = ef.index_bit,
		.key_bits = ef.key_bits,
		.place_bits = ef.place_bits,
	};
	ef_writer_free(writer->lists[table]);
	free(writer->lists[table]);
	writer->lists[table] = NULL;
	return 0;
}

static int end_pass(struct graph_writer *writer, struct pinpool_diag *diag)
{
	unsigned int side = writer->side;
	int ret;

	if (writer->count != writer->stats->triples)
		return diag_set(diag, -EINVAL, "graph", NULL, "%llu triples came, of %llu",
				(unsigned long long)writer->count, (unsigned long long)writer->stats->triples);
	ret = end_node(writer, side == SIDE_S ? writer->last.s : writer->last.o, writer->stats->nodes);
	if (!ret)
		ret = node_shapes_end(&writer->nodes, &writer->bits, &writer->header.nodes_bit[side],
				      &writer->header.nodes_width[side]);
	for (uint32_t table = 0; !ret && table < writer->plan.count; table++)
		if (writer->plan.makers[table] % SIDES == side)
			ret = end_list(writer, table);
	if (!ret && side == SIDE_S)
		ret = copy_writer_end(writer->copies, &writer->bits, &writer->header);
	if (ret)
		return diag_errno(diag, ret, "graph");
	node_shapes_free(&writer->nodes);
	writer->nodes = (struct node_shapes){0};
	writer->header.lists_bytes[side] = (writer->list_bits + 7) / 8;
	writer->list_bits = 0;
	memset(writer->seen, 0, writer->stats->predicates * sizeof(*writer->seen));
	writer->count = 0;
	writer->side++;
	return writer->bits.err ? diag_errno(diag, writer->bits.err, "graph") : 0;
}

int graph_writer_out(struct graph_writer *writer, const struct graph_triple *triple, struct pinpool_diag *diag)
{
	const uint64_t next[] = {triple->s, triple->p, triple->o};

	if (writer->side != SIDE_S)
		return diag_set(diag, -EINVAL, "triple", NULL, "comes too late: those by objects have begun");
	return put_triple(writer, next, diag);
}

int graph_writer_in(struct graph_writer *writer, const struct graph_triple *triple, struct pinpool_diag *diag)
{
	const uint64_t next[] = {triple->o, triple->p, triple->s};
	int ret = writer->side == SIDE_S ? end_pass(writer, diag) : 0;

	return ret ? ret : put_triple(writer, next, diag);
}

static int put_directory(struct graph_writer *writer)
{
	const struct graph_stats *stats = writer->stats;
	const struct {
		const void *bytes;
		uint64_t count;
	} parts[] = {
		{&writer->header, sizeof(writer->header)},
		{writer->plan.tables, stats->predicates * sizeof(*writer->plan.tables)},
		{writer->tables, writer->plan.count * sizeof(*writer->tables)},
	};
	int ret = 0;

	for (unsigned int i = 0; !ret && i < sizeof(parts) / sizeof(*parts); i++)
		if (parts[i].count)
			ret = writer->opts.append(writer->opts.arg, GRAPH_DIRECTORY, parts[i].bytes, parts[i].count);
	return ret;
}

int graph_writer_finish(struct graph_writer *writer, struct pinpool_diag *diag)
{
	struct graph_header *header = &writer->header;
	int ret = 0;

	while (!ret && writer->side < SIDES)
		ret = end_pass(writer, diag);
	if (ret)
		return ret;
	header->shapes_bit = writer->bits.bit;
	header->shape_count = writer->shapes.count;
	header->shape_members = writer->shapes.member_count;
	shapes_put(&writer->shapes, writer->stats->predicates, &writer->bits);
	for (unsigned int i = 0; i < EF_PAD_BYTES; i++)
		bits_put(&writer->bits, 0, 8);
	bits_align(&writer->bits, 8);
	ret = bits_flush(&writer->bits);
	memcpy(header->magic, GRAPH_MAGIC, sizeof(header->magic));
	header->version = GRAPH_VERSION;
	header->header_bytes = sizeof(*header);
	header->nodes = writer->stats->nodes;
	header->predicates = writer->stats->predicates;
	header->triples = writer->stats->triples;
	header->tables = writer->plan.count;
	header->data_bytes = writer->bits.bit / 8;
	if (!ret)
		ret = put_directory(writer);
	return ret ? diag_errno(diag, ret, "graph") : 0;
}

void graph_writer_free(struct graph_writer *writer)
{
	if (!writer)
		return;
	for (uint32_t table = 0; writer->lists && table < writer->plan.count; table++) {
		if (writer->lists[table])
			ef_writer_free(writer->lists[table]);
		free(writer->lists[table]);
	}
	node_shapes_free(&writer->nodes);
	shapes_free(&writer->shapes);
	copy_writer_free(writer->copies);
	table_plan_free(&writer->plan);
	free(writer->tables);
	free(writer->lists);
	free(writer->seen);
	free(writer->members);
	free(writer);
}
