// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Patterns. Each is a row of predicates, one of them, those of a node's shape or all, and of each predicate a list: of
 * one node, of both, or its whole table.
 */
#include <errno.h>

#include "kg/graph_copy.h"
#include "kg/graph_cursor.h"

/* A row of objects is of use only when the subject is open. */
static unsigned int side_of(const struct graph_triple *pattern)
{
	return pattern->s == GRAPH_ANY && pattern->o != GRAPH_ANY ? SIDE_O : SIDE_S;
}

/* The list of one predicate that matches the pattern. Returns 1 (there may be triples), 0 or -EBADMSG. */
static int open_list(const struct graph *graph, const struct graph_triple *pattern, uint64_t p,
		     struct graph_cursor *cursor)
{
	int ret = graph_cursor_open(cursor, graph, p, side_of(pattern));

	if (ret <= 0)
		return ret;
	if (side_of(pattern) == SIDE_O)
		ret = graph_cursor_find(cursor, pattern->o, 0, pattern->o + 1);
	else if (pattern->s == GRAPH_ANY)
		ret = graph_cursor_seek(cursor, 0);
	else
		ret = graph_cursor_find(cursor, pattern->s, pattern->o == GRAPH_ANY ? 0 : pattern->o, pattern->s + 1);
	return ret ? ret : 1;
}

/* Which predicates may match. Returns 0 or -EBADMSG. */
static int choose_predicates(const struct graph *graph, const struct graph_triple *pattern,
			     struct graph_members *members)
{
	struct graph_members other;
	int ret;

	if (pattern->p != GRAPH_ANY) {
		*members = (struct graph_members){.next = pattern->p, .end = pattern->p + 1};
		return 0;
	}
	if (pattern->s == GRAPH_ANY && pattern->o == GRAPH_ANY) {
		*members = (struct graph_members){.end = graph->counts.predicates};
		return 0;
	}
	ret = graph_members_of(graph, pattern->s != GRAPH_ANY ? pattern->s : pattern->o,
			       pattern->s != GRAPH_ANY ? SIDE_S : SIDE_O, members);
	if (ret || pattern->s == GRAPH_ANY || pattern->o == GRAPH_ANY)
		return ret;
	/* With both nodes the shorter of two sets will do. */
	ret = graph_members_of(graph, pattern->o, SIDE_O, &other);
	if (!ret && other.end - other.next < members->end - members->next)
		*members = other;
	return ret;
}

int graph_find(const struct graph *graph, uint64_t s, uint64_t p, uint64_t o, struct graph_iter *iter)
{
	struct graph_members members;
	int ret;

	iter->graph = graph;
	iter->pattern = (struct graph_triple){s, p, o};
	iter->predicate = GRAPH_ANY;
	iter->open = false;
	if (s != GRAPH_ANY && p == GRAPH_ANY && o == GRAPH_ANY)
		graph_copy_expect(graph, s);
	ret = choose_predicates(graph, &iter->pattern, &members);
	if (ret)
		return ret;
	iter->next = members.next;
	iter->end = members.end;
	iter->of_shape = members.of_shape;
	iter->copied = false;
	iter->copy.mask = 0;
	/* A shape says which of the predicates that are copied the node has. */
	if (s != GRAPH_ANY && p == GRAPH_ANY && o == GRAPH_ANY && members.of_shape && members.next < members.end)
		return graph_copy_find(&iter->copy, graph, s);
	return 0;
}

/* The predicate whose turn is next; one that is asked for may be none. Returns 0 or -EBADMSG. */
static inline __attribute__((always_inline)) int next_predicate(const struct graph_iter *iter, uint64_t *predicate)
{
	int ret;

	*predicate = iter->pattern.p;
	if (*predicate != GRAPH_ANY)
		return 0;
	ret = graph_member(iter->graph, iter->of_shape, iter->next, predicate);
	/* In a shape that is damaged they may go down, and round and round. */
	return !ret && iter->predicate != GRAPH_ANY && *predicate <= iter->predicate ? -EBADMSG : ret;
}

/* Opens the list of the next predicate. Returns 1, 0 (no more) or -EBADMSG. */
static int open_next(struct graph_iter *iter)
{
	uint64_t predicate;
	int ret = 0;

	while (!ret && iter->next < iter->end) {
		ret = next_predicate(iter, &predicate);
		if (ret)
			break;
		iter->predicate = predicate;
		iter->next++;
		ret = iter->copy.mask ? graph_copy_open(&iter->copy, iter->graph, predicate) : 0;
		iter->copied = ret > 0;
		if (!ret)
			ret = open_list(iter->graph, &iter->pattern, predicate, &iter->cursor);
	}
	iter->open = ret > 0;
	return ret;
}

/* Returns 1 (@triple is the next of the list at hand), 0 or -EBADMSG. */
static int next_of_list(struct graph_iter *iter, struct graph_triple *triple)
{
	const struct graph_triple *pattern = &iter->pattern;
	int ret;

	if (side_of(pattern) == SIDE_O)
		ret = graph_cursor_next(&iter->cursor, &triple->o, &triple->s);
	else
		ret = graph_cursor_next(&iter->cursor, &triple->s, &triple->o);
	if (ret > 0 && pattern->s != GRAPH_ANY && pattern->o != GRAPH_ANY) {
		/* Of both nodes there is one triple at most. */
		iter->open = false;
		ret = triple->o == pattern->o;
	}
	triple->p = iter->predicate;
	return ret;
}

int graph_next(struct graph_iter *iter, struct graph_triple *triple)
{
	for (;;) {
		int ret = 0;

		if (iter->copied) {
			ret = graph_copy_next(&iter->copy, iter->graph, &triple->o);
			triple->s = iter->pattern.s;
			triple->p = iter->predicate;
		} else if (iter->open) {
			ret = next_of_list(iter, triple);
		}
		if (ret)
			return ret;
		ret = open_next(iter);
		if (ret <= 0)
			return ret;
	}
}

int64_t graph_read(struct graph_iter *iter, uint64_t *ids, size_t max)
{
	const struct graph_triple *pattern = &iter->pattern;
	int ret;

	if (pattern->p == GRAPH_ANY || (pattern->s == GRAPH_ANY) == (pattern->o == GRAPH_ANY))
		return -EINVAL;
	if (!iter->open) {
		ret = open_next(iter);
		if (ret <= 0)
			return ret;
	}
	return graph_cursor_values(&iter->cursor, ids, max);
}

/* On in the tables, which lists are found in and skipped: from where the copy is. Returns 0 or -EBADMSG. */
static int leave_copies(struct graph_iter *iter)
{
	int ret = 0;

	if (iter->open && iter->copied) {
		ret = graph_cursor_open(&iter->cursor, iter->graph, iter->predicate, SIDE_S);
		ret = ret > 0 ? graph_cursor_find(&iter->cursor, iter->pattern.s, iter->copy.least, iter->pattern.s + 1)
			      : -EBADMSG;
	}
	iter->copied = false;
	iter->copy.mask = 0;
	return ret;
}

int graph_seek(struct graph_iter *iter, const struct graph_triple *to)
{
	const struct graph_triple *pattern = &iter->pattern;
	uint64_t predicate = 0;
	int ret;

	if (iter->open && to->p > iter->predicate)
		iter->open = false;
	if (iter->copied || iter->copy.mask) {
		ret = leave_copies(iter);
		if (ret)
			return ret;
	}
	if (!iter->open) {
		/* Predicates ascend, and each is wanted only from @to on. */
		for (; iter->next < iter->end; iter->next++) {
			ret = next_predicate(iter, &predicate);
			if (ret)
				return ret;
			if (predicate >= to->p)
				break;
		}
		if (iter->next == iter->end || predicate > to->p)
			return 0;
		ret = open_next(iter);
		if (ret <= 0 || iter->predicate != to->p)
			return ret < 0 ? ret : 0;
	}
	if (to->p < iter->predicate)
		return 0;
	if (side_of(pattern) == SIDE_S)
		return graph_cursor_skip(&iter->cursor, to->s, to->o);
	/* Subjects of one object: that of @to is behind it if the object is smaller. */
	return graph_cursor_skip(&iter->cursor, pattern->o, to->s + (pattern->o < to->o && to->s < GRAPH_ANY));
}

/* Triples of one predicate that match, without a look at each. */
static int count_list(const struct graph *graph, const struct graph_triple *pattern, uint64_t p, uint64_t *count)
{
	struct graph_cursor cursor;
	int ret = open_list(graph, pattern, p, &cursor);

	*count = 0;
	return ret > 0 ? graph_cursor_left(&cursor, count) : ret;
}

int graph_count(const struct graph *graph, uint64_t s, uint64_t p, uint64_t o, uint64_t *count)
{
	struct graph_iter iter;
	uint64_t all = 0, some;
	int ret = graph_find(graph, s, p, o, &iter);

	if (!ret && s == GRAPH_ANY && p == GRAPH_ANY && o == GRAPH_ANY) {
		*count = graph->counts.triples;
		return 0;
	}
	for (; !ret && iter.next < iter.end; iter.next++) {
		uint64_t predicate;

		ret = next_predicate(&iter, &predicate);
		some = 0;
		if (!ret && s != GRAPH_ANY && o != GRAPH_ANY) {
			ret = graph_has(graph, s, predicate, o);
			some = ret > 0;
			ret = ret < 0 ? ret : 0;
		} else if (!ret) {
			ret = count_list(graph, &iter.pattern, predicate, &some);
		}
		iter.predicate = predicate;
		all += some;
	}
	*count = all;
	return ret;
}

int graph_has(const struct graph *graph, uint64_t s, uint64_t p, uint64_t o)
{
	struct graph_triple triple;
	struct graph_iter iter;
	int ret = graph_find(graph, s, p, o, &iter);

	return ret ? ret : graph_next(&iter, &triple);
}

int64_t graph_node_predicates(const struct graph *graph, uint64_t node, enum graph_way way, uint64_t *predicates,
			      size_t max)
{
	struct graph_triple pattern = {GRAPH_ANY, GRAPH_ANY, GRAPH_ANY};
	struct graph_members members;
	uint64_t predicate, some;
	int64_t count = 0;
	int ret = way == GRAPH_BOTH ? -EINVAL : 0;

	if (way == GRAPH_IN)
		pattern.o = node;
	else
		pattern.s = node;
	if (!ret)
		ret = graph_members_of(graph, node, side_of(&pattern), &members);
	for (; !ret && members.next < members.end; members.next++) {
		ret = graph_member(graph, members.of_shape, members.next, &predicate);
		/* A shape that found no room does not say which they are. */
		if (!ret && !members.of_shape)
			ret = count_list(graph, &pattern, predicate, &some);
		else
			some = 1;
		if (ret || !some)
			continue;
		if ((uint64_t)count < max)
			predicates[count] = predicate;
		count++;
	}
	return ret ? ret : count;
}

int graph_degree(const struct graph *graph, uint64_t node, enum graph_way way, uint64_t *degree)
{
	uint64_t out = 0, in = 0;
	int ret = way & GRAPH_OUT ? graph_count(graph, node, GRAPH_ANY, GRAPH_ANY, &out) : 0;

	if (!ret && way & GRAPH_IN)
		ret = graph_count(graph, GRAPH_ANY, GRAPH_ANY, node, &in);
	*degree = out + in;
	return ret;
}
