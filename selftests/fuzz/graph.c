/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The structure of a graph: the input is triples, three bytes each, up to one of predicate 255, and then damage to what
 * they make: four bytes for where and one for what. Undamaged the graph is whole; damaged, every question is answered
 * or refused.
 */
#include "../lib/kg_case.h"

#include <errno.h>
#include <stdio.h>

/* Triples of one answer that are looked at. */
#define STEPS 4096

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "accepted: %s\n", what);
	abort();
}

static void ask(const struct kg_case *kg, uint64_t s, uint64_t p, uint64_t o)
{
	struct graph_triple triple, to = { o, p, s };
	uint64_t ids[32], count;
	struct graph_iter iter;
	int64_t ret = graph_find(&kg->graph, s, p, o, &iter);

	for (int step = 0; !ret && step < STEPS && (ret = graph_next(&iter, &triple)) > 0; step++, ret = 0)
		must(triple.s < kg->graph.counts.nodes && triple.o < kg->graph.counts.nodes &&
			     triple.p < kg->graph.counts.predicates && kg_matches(&triple, s, p, o),
		     "a triple that does not match");
	must(ret >= 0 || ret == -EBADMSG, "as another error");
	ret = graph_count(&kg->graph, s, p, o, &count);
	must(!ret || ret == -EBADMSG, "a count as another error");
	if (graph_find(&kg->graph, s, p, o, &iter) || graph_seek(&iter, &to))
		return;
	for (int step = 0; step < STEPS && (ret = graph_read(&iter, ids, 32)) > 0; step++)
		for (int64_t i = 0; i < ret; i++)
			must(ids[i] < kg->graph.counts.nodes, "a node that is none");
}

static void ask_all(struct kg_case *kg)
{
	for (int open = 0; open < 8; open++) {
		const struct graph_triple *triple = &kg->triples[open * kg->count / 8];

		ask(kg, open & 1 ? GRAPH_ANY : triple->s, open & 2 ? GRAPH_ANY : triple->p, open & 4 ? GRAPH_ANY : triple->o);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kg_case kg = { .nodes = 256, .predicates = 255 };
	int err;

	for (; size >= 3 && data[1] != 255; data += 3, size -= 3)
		kg_add(&kg, data[0], data[1], data[2]);
	if (!kg.count)
		return 0;
	must(!kg_make(&kg, NULL) && !graph_check(&kg.graph, NULL, NULL), "a graph that is not whole");
	ask_all(&kg);
	for (data += 3; size >= 8; data += 5, size -= 5) {
		int section = data[0] & 1;
		uint32_t at = data[1] | data[2] << 8 | data[3] << 16;

		kg.bytes[section][at % kg.sizes[section]] ^= data[4];
	}
	err = graph_open(&kg.graph, kg.bytes[GRAPH_DATA], kg.sizes[GRAPH_DATA], kg.bytes[GRAPH_DIRECTORY],
			 kg.sizes[GRAPH_DIRECTORY], NULL);
	must(!err || err == -EBADMSG || err == -EOPNOTSUPP, "as another error");
	if (!err) {
		err = graph_check(&kg.graph, NULL, NULL);
		must(!err || err == -EBADMSG, "a check as another error");
		ask_all(&kg);
	}
	kg_free(&kg);
	return 0;
}
