/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* A graph that is open: dictionaries and triples, in a pool or wherever their sections lie. */
#ifndef PINPOOL_KG_KG_H
#define PINPOOL_KG_KG_H

#include <pinpool/kg.h>

#include "kg/layout.h"

struct pinpool_kg {
	struct kg_header header;
	struct terms *nodes;
	struct terms *predicates;
	struct graph graph;
	uint64_t bytes[KG_SECTIONS];
};

/* As a pool's tensors; those of a graph in other memory, for tests. */
struct kg_sections {
	const struct kg_header *header;
	uint64_t header_bytes;
	struct terms_bytes at[KG_SECTIONS];
};

/* What pinpool_kg_open() does once it has the sections, which stay until pinpool_kg_close(). */
int kg_open_sections(struct pinpool_kg **out, const struct kg_sections *sections, const char *name,
		     struct pinpool_diag *diag);

#endif
