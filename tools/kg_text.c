/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Terms written and read; see kg_text.h. */
#include "kg_text.h"
#include "error.h"
#include "json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Names that an error line offers. */
#define NEAR 3

int kg_open(struct cli *cli, const char *name, struct kg *kg)
{
	struct pinpool_diag diag = {0};
	int err, status;

	*kg = (struct kg){.name = name};
	status = cli_open_pool(cli, name, PINPOOL_OPEN_READ, &kg->pool);
	if (status)
		return status;
	err = pinpool_kg_open(kg->pool, &kg->graph, &diag);
	if (!err)
		return STATUS_OK;
	pinpool_pool_close(kg->pool);
	return error_diag(cli, err, &diag);
}

void kg_close(struct kg *kg)
{
	pinpool_kg_close(kg->graph);
	pinpool_pool_close(kg->pool);
}

int kg_failed(const struct cli *cli, const struct kg *kg, int err)
{
	if (err == -EBADMSG)
		return error_line(cli, kg->name, "pinpool verify compares its digests; build the graph again",
				  "the graph is damaged");
	return error_errno(cli, kg->name, err);
}

/* Appends a character as UTF-8. */
static char *put_utf8(char *to, unsigned long c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* What follows a backslash at *@at. Returns false if it is no escape. */
static bool read_escape(const char **at, char **to)
{
	static const char letters[] = "tbnrf\"'\\", values[] = "\t\b\n\r\f\"'\\";
	const char *known = **at ? strchr(letters, **at) : NULL;
	size_t digits = **at == 'u' ? 4 : **at == 'U' ? 8 : 0;
	char text[9] = "", *end;
	unsigned long c;

	if (known) {
		*(*to)++ = values[known - letters];
		++*at;
		return true;
	}
	if (!digits || strspn(*at + 1, "0123456789abcdefABCDEF") < digits)
		return false;
	memcpy(text, *at + 1, digits);
	c = strtoul(text, &end, 16);
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return false;
	*to = put_utf8(*to, c);
	*at += 1 + digits;
	return true;
}

/* The text up to @stop, which is passed over. Returns false if there is none. */
static bool read_until(const char **at, char stop, char **to)
{
	while (**at && **at != stop) {
		if (**at != '\\')
			*(*to)++ = *(*at)++;
		else if (++*at, !read_escape(at, to))
			return false;
	}
	return *(*at)++ == stop;
}

/* The rest of a literal, its opening quote passed over. */
static bool read_literal(const char **at, struct kg_word *word, char *to)
{
	struct pinpool_term *term = &word->term;

	term->kind = PINPOOL_TERM_STRING;
	term->text = to;
	if (!read_until(at, '"', &to))
		return false;
	term->bytes = (size_t)(to - term->text);
	term->extra = to;
	if (**at == '@') {
		term->kind = PINPOOL_TERM_LANG;
		for (++*at; **at && **at != ' ';)
			*to++ = *(*at)++;
	} else if (!strncmp(*at, "^^<", 3)) {
		term->kind = PINPOOL_TERM_TYPED;
		*at += 3;
		if (!read_until(at, '>', &to))
			return false;
	}
	term->extra_bytes = (size_t)(to - term->extra);
	return !**at || **at == ' ';
}

static void read_plain(const char **at, bool whole, struct kg_word *word, char *to)
{
	struct pinpool_term *term = &word->term;

	term->kind = PINPOOL_TERM_NAME;
	if (!strncmp(*at, "_:", 2)) {
		term->kind = PINPOOL_TERM_BLANK;
		*at += 2;
	}
	term->text = to;
	while (**at && (whole || **at != ' '))
		*to++ = *(*at)++;
	term->bytes = (size_t)(to - term->text);
	word->plain = term->kind == PINPOOL_TERM_NAME;
	word->any = word->plain && *term->text == '?';
}

int kg_word_read(struct cli *cli, const char **at, bool whole, struct kg_word *word)
{
	const char *written;
	bool good = true;
	char *to;

	while (!whole && **at == ' ')
		++*at;
	written = *at;
	*word = (struct kg_word){.text = malloc(strlen(written) + 1)};
	if (!word->text)
		return error_errno(cli, written, ENOMEM);
	to = word->text;
	if (!*written)
		return error_usage(cli, NULL, "three of them, ? for any, such as '? lemma dog'", "a term is missing");
	if (**at == '<') {
		++*at;
		word->term = (struct pinpool_term){.kind = PINPOOL_TERM_IRI, .text = to};
		good = read_until(at, '>', &to) && (!**at || **at == ' ');
		word->term.bytes = (size_t)(to - word->term.text);
	} else if (**at == '"') {
		++*at;
		good = read_literal(at, word, to);
	} else {
		read_plain(at, whole, word, to);
	}
	if (!good)
		return error_usage(cli, written, "<IRI>, _:label, \"string\", \"string\"@en, \"1\"^^<IRI> or a name",
				   "is no term");
	word->written = strndup(written, (size_t)(*at - written));
	return word->written ? STATUS_OK : error_errno(cli, written, ENOMEM);
}

void kg_word_free(struct kg_word *word)
{
	free(word->text);
	free(word->written);
	*word = (struct kg_word){0};
}

/* A term in memory, as it is written; for free(). */
static char *term_text(const struct pinpool_term *term)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	if (!to)
		return NULL;
	kg_term_print(to, term);
	fclose(to);
	return text;
}

/* "did you mean cat or cab?", of those that look like @term. */
static void list_near(const struct kg *kg, const struct pinpool_term *term, bool predicate, char *change, size_t size)
{
	struct pinpool_text memory = {0};
	uint64_t ids[NEAR];
	size_t length = 0;
	int count;

	count = predicate ? pinpool_kg_predicate_near(kg->graph, term, ids, NEAR)
			  : pinpool_kg_near(kg->graph, term, ids, NEAR);
	for (int i = 0; i < count && length < size; i++) {
		struct pinpool_term near;
		char *text;
		int err = predicate ? pinpool_kg_predicate_term(kg->graph, ids[i], &memory, &near)
				    : pinpool_kg_term(kg->graph, ids[i], &memory, &near);

		text = err ? NULL : term_text(&near);
		if (text)
			length += (size_t)snprintf(change + length, size - length, "%s%s",
						   !length	    ? "did you mean "
						   : i + 1 == count ? " or "
								    : ", ",
						   text);
		free(text);
	}
	if (length && length + 1 < size)
		strcpy(change + length, "?");
	free(memory.data);
}

int kg_word_find(struct cli *cli, const struct kg *kg, const struct kg_word *word, bool predicate, uint64_t *id)
{
	static const enum pinpool_term_kind plain[] = {PINPOOL_TERM_NAME, PINPOOL_TERM_IRI, PINPOOL_TERM_STRING};
	struct pinpool_term term = word->term;
	size_t kinds = word->plain ? sizeof(plain) / sizeof(plain[0]) : 1;
	char change[512] = "";
	int err = -ENOENT;

	if (word->any) {
		*id = PINPOOL_KG_ANY;
		return STATUS_OK;
	}
	for (size_t i = 0; i < kinds && err == -ENOENT; i++) {
		term.kind = word->plain ? plain[i] : word->term.kind;
		err = predicate ? pinpool_kg_predicate(kg->graph, &term, id) : pinpool_kg_node(kg->graph, &term, id);
	}
	if (err && err != -ENOENT && err != -EINVAL)
		return kg_failed(cli, kg, err);
	if (!err)
		return STATUS_OK;
	for (size_t i = 0; i < kinds && !*change; i++) {
		term.kind = word->plain ? plain[i] : word->term.kind;
		list_near(kg, &term, predicate, change, sizeof(change));
	}
	return error_line(cli, word->written, change, "no such %s in %s", predicate ? "predicate" : "entity", kg->name);
}

void kg_terms_begin(struct kg_terms *terms, const struct kg *kg)
{
	*terms = (struct kg_terms){.kg = kg, .ids = {PINPOOL_KG_ANY, PINPOOL_KG_ANY, PINPOOL_KG_ANY}};
}

void kg_terms_end(struct kg_terms *terms)
{
	for (unsigned int i = 0; i < 3; i++)
		free(terms->texts[i].data);
}

int kg_terms_get(struct kg_terms *terms, unsigned int role, uint64_t id, const struct pinpool_term **term)
{
	const struct pinpool_kg *graph = terms->kg->graph;
	int err = 0;

	if (terms->ids[role] != id)
		err = role == 1 ? pinpool_kg_predicate_term(graph, id, &terms->texts[role], &terms->at[role])
				: pinpool_kg_term(graph, id, &terms->texts[role], &terms->at[role]);
	terms->ids[role] = err ? PINPOOL_KG_ANY : id;
	*term = &terms->at[role];
	return err;
}

static void print_escaped(FILE *to, const char *text, size_t bytes)
{
	const char *end = text + bytes;

	while (text < end) {
		size_t plain = 0;

		while (text + plain < end && !strchr("\"\\\n\r", text[plain] ? text[plain] : 'a'))
			plain++;
		fwrite(text, 1, plain, to);
		text += plain;
		if (text < end) {
			putc('\\', to);
			putc(*text == '\n' ? 'n' : *text == '\r' ? 'r' : *text, to);
			text++;
		}
	}
}

void kg_term_print(FILE *to, const struct pinpool_term *term)
{
	static const char *const before[] = {"<", "_:", "", "\"", "\"", "\""};
	static const char *const after[] = {">", "", "", "\"", "\"@", "\"^^<"};

	fputs(before[term->kind], to);
	if (term->kind >= PINPOOL_TERM_STRING)
		print_escaped(to, term->text, term->bytes);
	else
		fwrite(term->text, 1, term->bytes, to);
	fputs(after[term->kind], to);
	if (term->kind > PINPOOL_TERM_STRING)
		fwrite(term->extra, 1, term->extra_bytes, to);
	if (term->kind == PINPOOL_TERM_TYPED)
		putc('>', to);
}

json_t *kg_term_json(const struct pinpool_term *term)
{
	static const char *const types[] = {"iri", "blank", "name", "literal", "literal", "literal"};
	json_t *value = json_pack("{s:s, s:o}", "type", types[term->kind], "value", json_text(term->text, term->bytes));

	if (value && term->kind > PINPOOL_TERM_STRING &&
	    json_object_set_new(value, term->kind == PINPOOL_TERM_LANG ? "language" : "datatype",
				json_text(term->extra, term->extra_bytes))) {
		json_decref(value);
		return NULL;
	}
	return value;
}

int kg_json_line(json_t *value)
{
	int err = value && !json_dumpf(value, stdout, JSON_COMPACT) ? 0 : -ENOMEM;

	if (!err)
		putchar('\n');
	json_decref(value);
	return err;
}
