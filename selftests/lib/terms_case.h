/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* A dictionary in memory: terms that a test thinks of, sorted and written, and opened. */
#ifndef SELFTESTS_TERMS_CASE_H
#define SELFTESTS_TERMS_CASE_H

#include "kg/terms.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XSD "http://www.w3.org/2001/XMLSchema#"

struct terms_case {
	struct bytes *keys; /* in order, without equal ones, once made */
	size_t count;
	struct bytes sections[TERMS_SECTIONS];
	struct terms *terms;
	int refuse_in; /* appends until one fails; 0: none does */
};

static inline struct term make_term(enum term_kind kind, const char *text, const char *extra)
{
	return (struct term){
		.kind = kind,
		.text = text,
		.bytes = strlen(text),
		.extra = extra,
		.extra_bytes = extra ? strlen(extra) : 0,
	};
}

/* Returns what term_to_key() does. */
static inline int add_term(struct terms_case *t, const struct term *term)
{
	struct bytes key = {0};
	int err = term_to_key(term, &key);

	if (err) {
		bytes_free(&key);
		return err;
	}
	t->keys = realloc(t->keys, (t->count + 1) * sizeof(*t->keys));
	t->keys[t->count++] = key;
	return 0;
}

static inline int add_text(struct terms_case *t, enum term_kind kind, const char *extra, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static inline int add_text(struct terms_case *t, enum term_kind kind, const char *extra, const char *fmt, ...)
{
	char text[512];
	struct term term;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	term = make_term(kind, text, extra);
	return add_term(t, &term);
}

/* Columns of every sort, groups of every form, symbols. */
static inline void add_some_of_all(struct terms_case *t)
{
	for (unsigned int i = 0; i < 90; i++) {
		add_text(t, TERM_IRI, NULL, "http://a/%u", i * 3);
		add_text(t, TERM_NAME, NULL, "name_%u_%c", i, 'a' + i % 26);
		add_text(t, TERM_STRING, NULL, "the act of being number %u of ninety", i);
		add_text(t, TERM_LANG, "en", "words and more words %u", i);
		add_text(t, TERM_TYPED, XSD "integer", "%u", i * i);
	}
	/* Enough for symbols. */
	for (unsigned int i = 0; i < 400; i++)
		add_text(t, TERM_STRING, NULL, "%u: what is said over and over again is worth a symbol", i * 7919 % 1000);
}

static inline int compare_keys(const void *a, const void *b)
{
	const struct bytes *x = a, *y = b;

	return term_key_compare(x->data, x->count, y->data, y->count);
}

static inline int append_section(void *arg, enum terms_section section, const void *bytes, size_t count)
{
	struct terms_case *t = arg;

	if (t->refuse_in && !--t->refuse_in)
		return -ENOSPC;
	return bytes_append(&t->sections[section], bytes, count);
}

static inline void sort_terms(struct terms_case *t)
{
	size_t kept = 0;

	if (t->count)
		qsort(t->keys, t->count, sizeof(*t->keys), compare_keys);
	for (size_t i = 0; i < t->count; i++) {
		if (kept && !compare_keys(&t->keys[kept - 1], &t->keys[i]))
			bytes_free(&t->keys[i]);
		else
			t->keys[kept++] = t->keys[i];
	}
	t->count = kept;
}

/* Writes what was added. Returns 0 or the first error. */
static inline int write_terms(struct terms_case *t, bool survey)
{
	const struct terms_sink sink = {.append = append_section, .arg = t};
	struct terms_writer *writer;
	int err = terms_writer_new(&writer, &sink);

	if (err)
		return err;
	sort_terms(t);
	for (size_t i = 0; survey && !err && i < t->count; i++)
		err = terms_writer_survey(writer, t->keys[i].data, t->keys[i].count);
	for (size_t i = 0; !err && i < t->count; i++)
		err = terms_writer_add(writer, t->keys[i].data, t->keys[i].count);
	if (!err)
		err = terms_writer_finish(writer);
	terms_writer_free(writer);
	return err;
}

static inline int open_terms(struct terms_case *t, struct pinpool_diag *diag)
{
	struct terms_bytes sections[TERMS_SECTIONS];

	for (unsigned int i = 0; i < TERMS_SECTIONS; i++)
		sections[i] = (struct terms_bytes){t->sections[i].data, t->sections[i].count};
	return terms_open(&t->terms, sections, diag);
}

static inline size_t section_bytes(const struct terms_case *t)
{
	size_t bytes = 0;

	for (unsigned int i = 0; i < TERMS_SECTIONS; i++)
		bytes += t->sections[i].count;
	return bytes;
}

static inline void drop_terms(struct terms_case *t)
{
	terms_close(t->terms);
	for (size_t i = 0; i < t->count; i++)
		bytes_free(&t->keys[i]);
	free(t->keys);
	for (unsigned int i = 0; i < TERMS_SECTIONS; i++)
		bytes_free(&t->sections[i]);
	memset(t, 0, sizeof(*t));
}

#endif
