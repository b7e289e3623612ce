/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A whole graph as a pool holds it: the input is its header and its sections, each behind two bytes of length. Whatever
 * they are, opening ends, and all that can be asked is answered or refused.
 */
#include "kg/kg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Steps of one answer. */
#define STEPS 2000

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "accepted: %s\n", what);
	abort();
}

/* The next part, in memory of its own so that what reads beyond it is seen. */
static void *next_part(const uint8_t **data, size_t *size, size_t *bytes)
{
	void *part;

	*bytes = *size >= 2 ? (size_t)((*data)[0] | (*data)[1] << 8) : 0;
	*data += *size >= 2 ? 2 : *size;
	*size -= *size >= 2 ? 2 : *size;
	if (*bytes > *size)
		*bytes = *size;
	part = malloc(*bytes + !*bytes);
	memcpy(part, *data, *bytes);
	*data += *bytes;
	*size -= *bytes;
	return part;
}

static void ask_terms(const struct terms *terms)
{
	struct bytes text = { 0 };
	struct term term;
	uint64_t id, near[3];

	for (uint64_t i = 0; i < terms_count(terms) && i < STEPS; i++) {
		int err = terms_get(terms, i, &text, &term);

		must(!err || err == -EBADMSG, "a term as another error");
		if (err)
			break;
		err = terms_find(terms, &term, &id);
		must(!err || err == -ENOENT || err == -EBADMSG || err == -EINVAL, "a search as another error");
	}
	term = (struct term){ .kind = TERM_NAME, .text = "ada", .bytes = 3 };
	must(terms_near(terms, &term, near, 3) <= 3, "too many names");
	bytes_free(&text);
}

static void ask_graph(const struct graph *graph)
{
	for (int open = 0; open < 8; open++) {
		struct graph_triple triple;
		struct graph_iter iter;
		int got = graph_find(graph, open & 1 ? GRAPH_ANY : 1, open & 2 ? GRAPH_ANY : 0, open & 4 ? GRAPH_ANY : 2,
				     &iter);

		for (int step = 0; !got && step < STEPS; step++) {
			got = graph_next(&iter, &triple);
			if (got <= 0)
				break;
			must(triple.s < graph->counts.nodes && triple.p < graph->counts.predicates &&
				     triple.o < graph->counts.nodes,
			     "a triple of what is not there");
			got = 0;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kg_sections sections = { 0 };
	struct pinpool_diag diag = { 0 };
	struct pinpool_kg *kg = NULL;
	size_t bytes;
	int err;

	sections.header = next_part(&data, &size, &bytes);
	sections.header_bytes = bytes;
	for (unsigned int i = 0; i < KG_SECTIONS; i++) {
		sections.at[i].data = next_part(&data, &size, &bytes);
		sections.at[i].bytes = bytes;
	}
	err = kg_open_sections(&kg, &sections, "fuzz", &diag);
	must(!err || ((err == -EBADMSG || err == -ENOENT || err == -EOPNOTSUPP || err == -ENOMEM) && *diag.cause),
	     "as another error, or without a word");
	if (!err) {
		err = pinpool_kg_check(kg, NULL, &diag);
		must(!err || err == -EBADMSG, "a check as another error");
		ask_terms(kg->nodes);
		ask_terms(kg->predicates);
		ask_graph(&kg->graph);
		pinpool_kg_close(kg);
	}
	free((void *)sections.header);
	for (unsigned int i = 0; i < KG_SECTIONS; i++)
		free((void *)sections.at[i].data);
	return 0;
}
