/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * A graph in a pool: sections, which are the pool's tensors, bytes all of them, and a header that says that they are a
 * graph and how large it is (docs/kg.md). Little-endian.
 */
#ifndef PINPOOL_KG_LAYOUT_H
#define PINPOOL_KG_LAYOUT_H

#include "kg/graph_writer.h"
#include "kg/terms.h"

#define KG_MAGIC       "PINPKG\r\n"
#define KG_VERSION     1
#define KG_HEADER_NAME "graph"
/* Of each section, from the start of the pool. */
#define KG_ALIGN       64u

struct kg_header {
	char magic[8];
	uint32_t version;
	uint32_t bytes; /* of this struct */
	uint64_t nodes;
	uint64_t predicates;
	uint64_t triples;
	uint64_t duplicates;
};

_Static_assert(sizeof(struct kg_header) == 48, "a part of the format");

/* Sections of the two dictionaries, then those of the triples. */
enum {
	KG_NODES = 0,
	KG_PREDICATES = KG_NODES + TERMS_SECTIONS,
	KG_TRIPLES = KG_PREDICATES + TERMS_SECTIONS,
	KG_SECTIONS = KG_TRIPLES + GRAPH_SECTIONS,
};

#define KG_NAME_BYTES 32

/* "nodes.columns", ..., "triples.directory". Returns @name. */
const char *kg_section_name(unsigned int section, char name[KG_NAME_BYTES]);

#endif
