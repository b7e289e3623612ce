/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Opening a graph: its sections are found in the pool's catalog, and what says how large things are is compared. The
 * rest is checked when it is read, so a damaged pool costs its readers an error and never more.
 */
#include <errno.h>
#include <pinpool/catalog.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/opts.h"
#include "kg/kg.h"

_Static_assert(sizeof(struct pinpool_text) == sizeof(struct bytes) &&
		       offsetof(struct pinpool_text, count) == offsetof(struct bytes, count) &&
		       offsetof(struct pinpool_text, room) == offsetof(struct bytes, room),
	       "struct pinpool_text is struct bytes for others");
_Static_assert(PINPOOL_TERM_IRI == (int)TERM_IRI && PINPOOL_TERM_BLANK == (int)TERM_BLANK &&
		       PINPOOL_TERM_NAME == (int)TERM_NAME && PINPOOL_TERM_STRING == (int)TERM_STRING &&
		       PINPOOL_TERM_LANG == (int)TERM_LANG && PINPOOL_TERM_TYPED == (int)TERM_TYPED,
	       "enum pinpool_term_kind is enum term_kind for others");

static int damaged(const char *name, const char *cause, struct pinpool_diag *diag)
{
	return diag_set(diag, -EBADMSG, name, "build the graph again", "damaged: %s", cause);
}

static int check_header(const struct kg_sections *sections, struct kg_header *header, const char *name,
			struct pinpool_diag *diag)
{
	if (sections->header_bytes < sizeof(*header))
		return damaged(name, "the graph's header is too short", diag);
	memcpy(header, sections->header, sizeof(*header));
	if (memcmp(header->magic, KG_MAGIC, sizeof(header->magic)))
		return diag_set(diag, -ENOENT, name, "pinpool kg build makes one", "holds no graph");
	if (header->version != KG_VERSION)
		return diag_set(diag, -EOPNOTSUPP, name, "use a newer version of pinpool",
				"a graph of version %u, this library knows %u", header->version, KG_VERSION);
	return header->bytes < sizeof(*header) ? damaged(name, "the graph's header is too short", diag) : 0;
}

static int open_graph(struct pinpool_kg *kg, const struct kg_sections *sections, const char *name,
		      struct pinpool_diag *diag)
{
	const struct terms_bytes *data = &sections->at[KG_TRIPLES + GRAPH_DATA];
	const struct terms_bytes *directory = &sections->at[KG_TRIPLES + GRAPH_DIRECTORY];
	const struct kg_header *header = &kg->header;
	struct pinpool_diag why = {0};
	int err;

	err = terms_open(&kg->nodes, &sections->at[KG_NODES], &why);
	if (!err)
		err = terms_open(&kg->predicates, &sections->at[KG_PREDICATES], &why);
	if (!err)
		err = graph_open(&kg->graph, data->data, data->bytes, directory->data, directory->bytes, &why);
	if (err == -EBADMSG)
		return damaged(name, why.cause, diag);
	if (err)
		return diag_errno(diag, err, name);
	if (header->nodes != terms_count(kg->nodes) || header->predicates != terms_count(kg->predicates) ||
	    header->nodes != kg->graph.counts.nodes || header->predicates != kg->graph.counts.predicates ||
	    header->triples != kg->graph.counts.triples)
		return damaged(name, "its parts are not of the same graph", diag);
	return 0;
}

int kg_open_sections(struct pinpool_kg **out, const struct kg_sections *sections, const char *name,
		     struct pinpool_diag *diag)
{
	struct pinpool_kg *kg = calloc(1, sizeof(*kg));
	int err;

	if (!kg)
		return diag_errno(diag, -ENOMEM, name);
	err = check_header(sections, &kg->header, name, diag);
	for (unsigned int i = 0; i < KG_SECTIONS; i++)
		kg->bytes[i] = sections->at[i].bytes;
	if (!err)
		err = open_graph(kg, sections, name, diag);
	if (err) {
		pinpool_kg_close(kg);
		return err;
	}
	*out = kg;
	return 0;
}

static int find_sections(struct kg_sections *sections, const struct pinpool_catalog *catalog, const char *name,
			 struct pinpool_diag *diag)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	char section[KG_NAME_BYTES];

	if (pinpool_catalog_find(catalog, KG_HEADER_NAME, &tensor) || tensor.dtype != PINPOOL_DTYPE_U8)
		return diag_set(diag, -ENOENT, name, "pinpool kg build makes one", "holds no graph");
	sections->header = tensor.data;
	sections->header_bytes = tensor.bytes;
	for (unsigned int i = 0; i < KG_SECTIONS; i++) {
		if (pinpool_catalog_find(catalog, kg_section_name(i, section), &tensor) || tensor.offset % KG_ALIGN)
			return damaged(name, "a section is missing or at an odd place", diag);
		sections->at[i] = (struct terms_bytes){.data = tensor.data, .bytes = tensor.bytes};
	}
	return 0;
}

int pinpool_kg_open(struct pinpool_pool *pool, struct pinpool_kg **out, struct pinpool_diag *diag)
{
	struct pinpool_info info = {.size = sizeof(info)};
	struct pinpool_catalog *catalog;
	struct kg_sections sections;
	int err;

	err = pinpool_pool_get_info(pool, &info);
	if (err)
		return diag_errno(diag, err, "pool");
	err = pinpool_catalog_open(pool, &catalog, diag);
	if (err == -ENOENT)
		return diag_set(diag, err, info.name, "pinpool kg build makes one", "holds no graph");
	if (err)
		return err;
	err = find_sections(&sections, catalog, info.name, diag);
	/* What the sections are lies in the pool's mapping, which outlives its catalog. */
	if (!err)
		err = kg_open_sections(out, &sections, info.name, diag);
	pinpool_catalog_close(catalog);
	return err;
}

void pinpool_kg_close(struct pinpool_kg *kg)
{
	if (!kg)
		return;
	terms_close(kg->nodes);
	terms_close(kg->predicates);
	free(kg);
}

static uint64_t bytes_of(const struct pinpool_kg *kg, unsigned int first, unsigned int count)
{
	uint64_t bytes = 0;

	for (unsigned int i = first; i < first + count; i++)
		bytes += kg->bytes[i];
	return bytes;
}

int pinpool_kg_get_info(const struct pinpool_kg *kg, struct pinpool_kg_info *info)
{
	const struct pinpool_kg_info result = {
		.size = sizeof(result),
		.nodes = kg->header.nodes,
		.predicates = kg->header.predicates,
		.triples = kg->header.triples,
		.duplicates = kg->header.duplicates,
		.node_bytes = bytes_of(kg, KG_NODES, TERMS_SECTIONS),
		.predicate_bytes = bytes_of(kg, KG_PREDICATES, TERMS_SECTIONS),
		.triple_bytes = bytes_of(kg, KG_TRIPLES, GRAPH_SECTIONS),
	};

	return opts_write(info, &result, sizeof(result));
}

int pinpool_kg_get_column(const struct pinpool_kg *kg, unsigned int index, struct pinpool_kg_column *column)
{
	struct pinpool_kg_column result = {.size = sizeof(result)};
	struct terms_column_info info;
	int err = terms_column(kg->nodes, index, &info);

	if (err)
		return err;
	result.name = info.name;
	result.first = info.first;
	result.count = info.count;
	result.bytes = info.bytes;
	result.symbols = info.symbols;
	return opts_write(column, &result, sizeof(result));
}

static struct term to_term(const struct pinpool_term *term)
{
	return (struct term){
		.kind = (enum term_kind)term->kind,
		.text = term->text,
		.bytes = term->bytes,
		.extra = term->extra,
		.extra_bytes = term->extra_bytes,
	};
}

static int get_term(const struct terms *terms, uint64_t id, struct pinpool_text *text, struct pinpool_term *term)
{
	struct bytes bytes = {.data = text->data, .count = text->count, .room = text->room};
	struct term found;
	int err = terms_get(terms, id, &bytes, &found);

	*text = (struct pinpool_text){.data = bytes.data, .count = bytes.count, .room = bytes.room};
	if (!err)
		*term = (struct pinpool_term){
			.kind = (enum pinpool_term_kind)found.kind,
			.text = found.text,
			.bytes = found.bytes,
			.extra = found.extra,
			.extra_bytes = found.extra_bytes,
		};
	return err;
}

int pinpool_kg_term(const struct pinpool_kg *kg, uint64_t node, struct pinpool_text *text, struct pinpool_term *term)
{
	return get_term(kg->nodes, node, text, term);
}

int pinpool_kg_predicate_term(const struct pinpool_kg *kg, uint64_t predicate, struct pinpool_text *text,
			      struct pinpool_term *term)
{
	return get_term(kg->predicates, predicate, text, term);
}

int pinpool_kg_node(const struct pinpool_kg *kg, const struct pinpool_term *term, uint64_t *node)
{
	struct term look = to_term(term);

	return terms_find(kg->nodes, &look, node);
}

int pinpool_kg_predicate(const struct pinpool_kg *kg, const struct pinpool_term *term, uint64_t *predicate)
{
	struct term look = to_term(term);

	return terms_find(kg->predicates, &look, predicate);
}

int pinpool_kg_prefix(const struct pinpool_kg *kg, const struct pinpool_term *beginning, uint64_t *first,
		      uint64_t *count)
{
	struct term look = to_term(beginning);
	struct terms_range range;
	int err = terms_prefix(kg->nodes, &look, &range);

	if (err)
		return err;
	*first = range.first;
	*count = range.count;
	return 0;
}

int pinpool_kg_near(const struct pinpool_kg *kg, const struct pinpool_term *term, uint64_t *nodes, unsigned int most)
{
	struct term look = to_term(term);

	return terms_near(kg->nodes, &look, nodes, most);
}

int pinpool_kg_predicate_near(const struct pinpool_kg *kg, const struct pinpool_term *term, uint64_t *predicates,
			      unsigned int most)
{
	struct term look = to_term(term);

	return terms_near(kg->predicates, &look, predicates, most);
}

int pinpool_kg_check(const struct pinpool_kg *kg, const volatile int *cancel, struct pinpool_diag *diag)
{
	int err;

	err = terms_check(kg->nodes, diag);
	if (!err)
		err = terms_check(kg->predicates, diag);
	return err ? err : graph_check(&kg->graph, cancel, diag);
}
