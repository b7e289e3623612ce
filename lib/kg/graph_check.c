// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Whether a graph is what a writer makes. Each table is in order, which cursors see to, and has as many triples as it
 * says; each triple is found from its other end, so with equal counts both tables hold the same; nodes have the shapes
 * that their triples make; and copies of lists are what the lists are.
 */
#include <errno.h>

#include "base/diag.h"
#include "kg/graph_copy.h"
#include "kg/graph_cursor.h"

struct check {
	const struct graph *graph;
	const volatile int *cancel;
	struct pinpool_diag *diag;
	/* What has been found so far. */
	uint64_t triples;
	uint64_t lists[SIDES];
};

/* Triples between two looks at whether to go on. */
#define CANCEL_EVERY 4096

static int damaged(const struct check *check, uint64_t p, unsigned int side, uint64_t at, const char *cause)
{
	return diag_set(check->diag, -EBADMSG, "graph", "build it again", "predicate %llu by %s: triple %llu %s",
			(unsigned long long)p, side == SIDE_S ? "subjects" : "objects", (unsigned long long)at, cause);
}

/* Whether the node's shape has the predicate. Returns 1, 0 or -EBADMSG. */
static int shape_has(const struct graph *graph, uint64_t node, unsigned int side, uint64_t p)
{
	struct graph_members members;
	uint64_t member;
	int ret = graph_members_of(graph, node, side, &members);

	if (ret || !members.of_shape)
		return ret ? ret : 1;
	while (members.next < members.end) {
		uint64_t middle = members.next + (members.end - members.next) / 2;

		ret = graph_member(graph, true, middle, &member);
		if (ret || member == p)
			return ret ? ret : 1;
		if (member < p)
			members.next = middle + 1;
		else
			members.end = middle;
	}
	return 0;
}

static int check_table(struct check *check, uint64_t p, unsigned int side, uint64_t *count)
{
	const struct graph *graph = check->graph;
	uint64_t row, value, row_before = 0, at = 0;
	struct graph_cursor cursor, other;
	int ret = graph_cursor_open(&cursor, graph, p, side);

	*count = 0;
	if (ret < 0)
		return damaged(check, p, side, 0, "is of a table that lies outside");
	if (!ret)
		return 0;
	*count = cursor.keys.ef.count;
	if (graph_cursor_open(&other, graph, p, SIDE_O - side) <= 0)
		return damaged(check, p, side, 0, "is in one table alone");
	ret = graph_cursor_seek(&cursor, 0);
	while (!ret && (ret = graph_cursor_next(&cursor, &row, &value)) > 0) {
		uint64_t found_row, found_value;

		if (at % CANCEL_EVERY == 0 && check->cancel && *check->cancel)
			return -ECANCELED;
		ret = graph_cursor_find(&other, value, row, value + 1);
		if (!ret)
			ret = graph_cursor_next(&other, &found_row, &found_value);
		if (ret <= 0 || found_row != value || found_value != row)
			return damaged(check, p, side, at, "is not found from its other end");
		if (!at || row != row_before) {
			ret = shape_has(graph, row, side, p);
			if (ret <= 0)
				return damaged(check, p, side, at, "is not in the shape of its node");
			check->lists[side]++;
		}
		row_before = row;
		at++;
		ret = 0;
	}
	if (ret)
		return damaged(check, p, side, at, "is out of order, or lies outside");
	return at == *count ? 0 : damaged(check, p, side, at, "is missing");
}

/* Nodes have as many predicates in their shapes as there are lists: since none is missing, none is too many. */
static int check_shapes(const struct check *check, unsigned int side)
{
	const struct graph *graph = check->graph;
	uint64_t lists = 0;

	for (uint64_t node = 0; node < graph->counts.nodes; node++) {
		struct graph_members members;
		uint64_t member, before = 0;
		int ret = graph_members_of(graph, node, side, &members);

		if (node % CANCEL_EVERY == 0 && check->cancel && *check->cancel)
			return -ECANCELED;
		if (!ret && !members.of_shape) {
			int64_t some =
				graph_node_predicates(graph, node, side == SIDE_S ? GRAPH_OUT : GRAPH_IN, NULL, 0);

			ret = some < 0 ? (int)some : 0;
			lists += ret ? 0 : some;
			members.next = members.end;
		}
		for (uint64_t at = members.next; !ret && at < members.end; at++, lists++) {
			ret = graph_member(graph, true, at, &member);
			if (!ret && at > members.next && member <= before)
				ret = -EBADMSG;
			before = member;
		}
		if (ret)
			return diag_set(check->diag, -EBADMSG, "graph", "build it again",
					"the shape of node %llu is damaged", (unsigned long long)node);
	}
	if (lists != check->lists[side])
		return diag_set(check->diag, -EBADMSG, "graph", "build it again",
				"the shapes of nodes by %s have %llu lists, and there are %llu",
				side == SIDE_S ? "subjects" : "objects", (unsigned long long)lists,
				(unsigned long long)check->lists[side]);
	return 0;
}

/* Whether the copy of a node's list, if there is one, is the list. Returns 0 or -EBADMSG. */
static int check_copy(const struct graph *graph, struct graph_copy *copy, uint64_t node, uint64_t p)
{
	uint64_t row, value, object;
	struct graph_cursor cursor;
	int ret = graph_copy_open(copy, graph, p), more = 1;

	if (ret <= 0)
		return ret;
	ret = graph_cursor_open(&cursor, graph, p, SIDE_S) > 0 ? graph_cursor_find(&cursor, node, 0, node + 1)
							       : -EBADMSG;
	while (!ret && more > 0) {
		more = graph_copy_next(copy, graph, &object);
		if (graph_cursor_next(&cursor, &row, &value) != more || (more > 0 && value != object))
			ret = -EBADMSG;
	}
	return more < 0 ? more : ret;
}

static int check_copies(const struct check *check)
{
	const struct graph *graph = check->graph;

	for (uint64_t node = 0; node < graph->counts.nodes; node++) {
		struct graph_members members;
		struct graph_copy copy;
		uint64_t member;
		int ret = graph_members_of(graph, node, SIDE_S, &members);

		if (node % CANCEL_EVERY == 0 && check->cancel && *check->cancel)
			return -ECANCELED;
		if (!ret && (!members.of_shape || members.next == members.end))
			continue;
		if (!ret)
			ret = graph_copy_find(&copy, graph, node);
		for (; !ret && members.next < members.end; members.next++) {
			ret = graph_member(graph, true, members.next, &member);
			if (!ret)
				ret = check_copy(graph, &copy, node, member);
		}
		if (ret)
			return diag_set(check->diag, -EBADMSG, "graph", "build it again",
					"the copies of node %llu's lists are damaged", (unsigned long long)node);
	}
	return 0;
}

int graph_check(const struct graph *graph, const volatile int *cancel, struct pinpool_diag *diag)
{
	struct check check = {.graph = graph, .cancel = cancel, .diag = diag};
	uint64_t counts[SIDES];
	int ret = 0;

	for (uint64_t p = 0; !ret && p < graph->counts.predicates; p++) {
		for (unsigned int side = 0; !ret && side < SIDES; side++)
			ret = check_table(&check, p, side, &counts[side]);
		if (!ret && counts[SIDE_S] != counts[SIDE_O])
			ret = damaged(&check, p, SIDE_O, counts[SIDE_O], "is in one table alone");
		check.triples += ret ? 0 : counts[SIDE_S];
	}
	for (unsigned int side = 0; !ret && side < SIDES; side++)
		ret = check_shapes(&check, side);
	if (!ret)
		ret = check_copies(&check);
	if (!ret && check.triples != graph->counts.triples)
		ret = diag_set(diag, -EBADMSG, "graph", "build it again", "there are %llu triples, not %llu",
			       (unsigned long long)check.triples, (unsigned long long)graph->counts.triples);
	return ret == -ECANCELED ? diag_set(diag, ret, "graph", NULL, "canceled") : ret;
}
