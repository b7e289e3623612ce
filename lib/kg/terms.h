/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * The dictionary of a graph: terms, and ids 0..count-1 for them, both ways (docs/terms.md).
 *
 * A term has a key, bytes that say all of it: the column it belongs to, then what orders it there. Equal terms have
 * equal keys, and the order of keys (memcmp, a shorter one before what it begins) is the order of ids. So whoever sorts
 * keys and drops equal ones has the dictionary's order, and a key comes back as its term.
 *
 * A writer takes the keys twice in that order, first to learn what they look like (terms_writer_survey), then to store
 * them (terms_writer_add), and hands out bytes to append to the dictionary's sections, in memory bounded by the longest
 * terms. A reader works in place on such sections, wherever they lie; it never reads outside them, whatever their bytes
 * are.
 */
#ifndef PINPOOL_KG_TERMS_H
#define PINPOOL_KG_TERMS_H

#include "codec/bytes.h"

#include <pinpool/common.h>
#include <stdbool.h>
#include <stdint.h>

enum term_kind {
	TERM_IRI,
	TERM_BLANK, /* label of a blank node, without _: */
	TERM_NAME, /* a plain name, of TSV or WordNet */
	TERM_STRING, /* a plain literal: xsd:string */
	TERM_LANG, /* a string with its language tag in @extra */
	TERM_TYPED, /* a lexical form with the IRI of its datatype in @extra */
	TERM_KINDS
};

/* Not terminated; UTF-8, which the caller has checked. @extra only where the kind has one. */
struct term {
	enum term_kind kind;
	const char *text;
	size_t bytes;
	const char *extra;
	size_t extra_bytes;
};

/* Most bytes of a term, text and extra together. */
#define TERM_BYTES_MAX (1ULL << 30)

/* Returns the English name of a kind: "IRI", "blank node", "name", "string", ... */
const char *term_kind_name(enum term_kind kind);

/*
 * Replaces @key by the term's key. The typed columns (xsd:integer, decimal, date, dateTime) take terms whose lexical
 * form is canonical; all others are texts. Returns 0, -ENOMEM, -EINVAL (a NUL in a name, a tag or a datatype; an empty
 * extra; an xsd:string with a datatype is a TERM_STRING and is taken as one), -E2BIG (longer than TERM_BYTES_MAX).
 */
int term_to_key(const struct term *term, struct bytes *key);
/*
 * The way back. What @term points to lies in @key or in @text, whose content is replaced, and lives as long as these.
 * Returns 0, -ENOMEM, or -EBADMSG (no key of any term).
 */
int term_from_key(const void *key, size_t bytes, struct bytes *text, struct term *term);
/* The order of ids: less than, equal to or more than 0. */
int term_key_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes);

/* What a dictionary's bytes are divided into. All are there, some may be empty; each begins at a multiple of 8. */
enum terms_section {
	TERMS_COLUMNS, /* what there is: struct terms_column */
	TERMS_GROUPS, /* where groups of terms begin in TERMS_DATA, uint64_t */
	TERMS_DATA, /* groups of terms */
	TERMS_SYMBOLS, /* what the codes of texts stand for */
	TERMS_SECTIONS
};

/* Returns "columns", "groups", "data", "symbols": ends of tensors' names. */
const char *terms_section_name(enum terms_section section);

/* --- Writing --- */

struct terms_sink {
	/* Appends to a section; any order of sections, many small pieces. Returns 0 or an error, which ends the
	 * writing. */
	int (*append)(void *arg, enum terms_section section, const void *bytes, size_t count);
	void *arg;
};

struct terms_writer;

/* Returns 0 or -ENOMEM. */
int terms_writer_new(struct terms_writer **out, const struct terms_sink *sink);
/*
 * All keys in strict order, before the first terms_writer_add(), so that names and texts get codes that suit them. May
 * be left out: then they are front-coded only. Returns 0, -ENOMEM, -EINVAL (not in strict order, no key, or after the
 * first add).
 */
int terms_writer_survey(struct terms_writer *writer, const void *key, size_t bytes);
/* The term of the next id. Returns 0, -ENOMEM, -EINVAL (not in strict order, no key), or the sink's error. */
int terms_writer_add(struct terms_writer *writer, const void *key, size_t bytes);
/* Hands out the rest, TERMS_COLUMNS last. Returns 0, -ENOMEM, or the sink's error. */
int terms_writer_finish(struct terms_writer *writer);
/* Gives up or, after terms_writer_finish(), ends. NULL does nothing. */
void terms_writer_free(struct terms_writer *writer);

/* --- Reading --- */

struct terms_bytes {
	const void *data;
	size_t bytes;
};

struct terms;

/*
 * Opens a dictionary in place: @sections (TERMS_SECTIONS of them) must stay until terms_close(). Takes time for columns
 * and symbols only, not for terms. Returns 0, -ENOMEM, or -EBADMSG with @diag's cause (no such dictionary, damaged).
 */
int terms_open(struct terms **out, const struct terms_bytes *sections, struct pinpool_diag *diag);
void terms_close(struct terms *terms);

uint64_t terms_count(const struct terms *terms);

/*
 * The term of an id. What @term points to lies in @text, whose content is replaced; one buffer for many calls costs no
 * allocations. Any number of threads, each with its own buffer. Returns 0, -ENOENT (no such id), -ENOMEM, -EBADMSG.
 */
int terms_get(const struct terms *terms, uint64_t id, struct bytes *text, struct term *term);
/* The id of a term. Returns 0, -ENOENT, -EINVAL (no term at all), -ENOMEM, -EBADMSG. */
int terms_find(const struct terms *terms, const struct term *term, uint64_t *id);
/* The same by the term's key. */
int terms_find_key(const struct terms *terms, const void *key, size_t bytes, uint64_t *id);

/* Ids [first, first + count). */
struct terms_range {
	uint64_t first;
	uint64_t count;
};

/*
 * The terms of one kind whose text begins with @text, in one range of ids: names and strings, those with a language or
 * datatype that is given too. An empty text asks for all of them. Numbers and dates of the typed columns are not found
 * by the beginnings of their texts. Returns 0 (the count may be 0), -EINVAL, -ENOMEM, -EBADMSG.
 */
int terms_prefix(const struct terms *terms, const struct term *beginning, struct terms_range *range);

/* Terms one after another, each cheaper than by terms_get(). */
struct terms_cursor {
	const struct terms *terms;
	uint64_t next;
	struct bytes key; /* of the last one */
	struct bytes text;
	struct terms_place *place;
};

/* Begins at @first, which may be the count. Returns 0, -ENOENT or -ENOMEM. */
int terms_cursor_begin(struct terms_cursor *cursor, const struct terms *terms, uint64_t first);
/* The next one; it lives until the next call. Returns 1, 0 (no more), -ENOMEM or -EBADMSG. */
int terms_cursor_next(struct terms_cursor *cursor, struct term *term);
void terms_cursor_end(struct terms_cursor *cursor);

/*
 * Ids of up to @max terms of the same kind that look like one that is not there, best first: few edits apart. Looks at
 * a bounded number of terms. Returns how many there are, or -EINVAL, -ENOMEM, -EBADMSG.
 */
int terms_near(const struct terms *terms, const struct term *term, uint64_t *ids, unsigned int max);

/* What a column costs. */
struct terms_column_info {
	const char *name; /* "IRIs", "strings", "integers", ... */
	uint64_t first; /* id */
	uint64_t count;
	uint64_t bytes; /* of all sections, its own symbols included */
	uint64_t symbols; /* entries of its table of symbols, 0: none */
};

unsigned int terms_column_count(const struct terms *terms);
/* Returns 0 or -ENOENT. */
int terms_column(const struct terms *terms, unsigned int index, struct terms_column_info *info);

/*
 * Reads everything: order, duplicates, codes, offsets, and that each key is one of a term. Returns 0, -ENOMEM, or
 * -EBADMSG with @diag's cause, which names the id.
 */
int terms_check(const struct terms *terms, struct pinpool_diag *diag);

#endif
