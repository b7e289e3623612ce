/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Terms of a graph as people write them: <IRI>, _:label, "string", "string"@en, "1"^^<IRI>, and plain names as they
 * are. What is written is read again.
 */
#ifndef PINPOOL_TOOLS_KG_TEXT_H
#define PINPOOL_TOOLS_KG_TEXT_H

#include "cli.h"

#include <jansson.h>
#include <stdio.h>

/* A graph that a command works on. */
struct kg {
	struct pinpool_pool *pool;
	struct pinpool_kg *graph;
	const char *name;
};

/* Returns STATUS_OK, or an exit status after an error line. */
int kg_open(struct cli *cli, const char *name, struct kg *kg);
void kg_close(struct kg *kg);

/* What a word stands for; @any is "?", and so is "?x". */
struct kg_word {
	bool any;
	bool plain; /* a name, or the text of an IRI or a string */
	struct pinpool_term term;
	char *text; /* what the term lies in */
	char *written;
};

/*
 * Reads the word at *@at, which ends there or with a blank (unless @whole: a plain name may have blanks), and moves
 * *@at behind it. The word is for kg_word_free(). Returns STATUS_OK, or STATUS_USAGE after an error line.
 */
int kg_word_read(struct cli *cli, const char **at, bool whole, struct kg_word *word);
void kg_word_free(struct kg_word *word);

/*
 * The node, or with @predicate the predicate, that a word stands for; PINPOOL_KG_ANY for "?". Returns STATUS_OK, or
 * STATUS_FAILED after an error line with names that look like it.
 */
int kg_word_find(struct cli *cli, const struct kg *kg, const struct kg_word *word, bool predicate, uint64_t *id);

/* Terms of triples, of which many have some in common. */
struct kg_terms {
	const struct kg *kg;
	struct pinpool_text texts[3];
	struct pinpool_term at[3];
	uint64_t ids[3];
};

void kg_terms_begin(struct kg_terms *terms, const struct kg *kg);
void kg_terms_end(struct kg_terms *terms);
/* The term of subject (0), predicate (1) or object (2), valid until the next call for it. Returns 0 or -errno. */
int kg_terms_get(struct kg_terms *terms, unsigned int role, uint64_t id, const struct pinpool_term **term);

/* As it is written above; strings with the escapes of canonical N-Triples. */
void kg_term_print(FILE *to, const struct pinpool_term *term);
/* {"type": "iri", "value": ...}, "blank", "name" or "literal", this with "language" or "datatype". NULL without memory.
 */
json_t *kg_term_json(const struct pinpool_term *term);
/* @value on a line of its own, and given back; NULL is no memory. Returns 0 or -ENOMEM. */
int kg_json_line(json_t *value);

/* A call failed while it read the graph. Returns STATUS_FAILED. */
int kg_failed(const struct cli *cli, const struct kg *kg, int err);

#endif
