// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * What a dictionary of terms costs: WordNet's glosses as strings, its synsets and lemmas as names. A JSON array of rows
 *on stdout, rounds on stderr; no row where Debian's wordnet-base is missing. Sizes are exact. Reading single glosses
 *takes turns with copying them from where they lie plain, in the same order, which is random; figures are medians.
 *
 *	kg.wordnet.texts	bytes of the glosses / bytes of their dictionary
 *	kg.wordnet.texts.read	ns for one gloss by its id; the rival copies it
 *	kg.wordnet.names	bytes of the names' dictionary; the rival is front coding in blocks of 16 (a varint of
 *common bytes, the rest and a NUL, 4 bytes for each block)
 *
 * usage: terms [ROUNDS]
 */
#include "kg/terms.h"

#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER	    "/usr/share/wordnet"
#define ROUNDS	    9
#define MAX_ROUNDS  101
/* A text of at most 1 / 2.0 in under 1 microsecond. */
#define LIMIT_RATIO 2.0
#define LIMIT_NS    1000.0

struct terms_list {
	struct bytes *keys;
	size_t count;
	size_t bytes; /* of texts */
};

static struct bytes sections[TERMS_SECTIONS];

static void die(const char *what, const char *why)
{
	fprintf(stderr, "terms: %s: %s\n", what, why);
	exit(1);
}

static void add(struct terms_list *list, enum term_kind kind, const char *text, size_t bytes)
{
	const struct term term = {.kind = kind, .text = text, .bytes = bytes};
	struct bytes key = {0};

	if (list->count % 65536 == 0)
		list->keys = realloc(list->keys, (list->count + 65536) * sizeof(*list->keys));
	if (!list->keys || term_to_key(&term, &key))
		die("a term", "no memory");
	list->keys[list->count++] = key;
}

static int compare_keys(const void *a, const void *b)
{
	const struct bytes *x = a, *y = b;

	return term_key_compare(x->data, x->count, y->data, y->count);
}

static void sort(struct terms_list *list)
{
	size_t kept = 0;

	qsort(list->keys, list->count, sizeof(*list->keys), compare_keys);
	for (size_t i = 0; i < list->count; i++) {
		if (kept && !compare_keys(&list->keys[kept - 1], &list->keys[i])) {
			bytes_free(&list->keys[i]);
			continue;
		}
		list->keys[kept++] = list->keys[i];
		list->bytes += list->keys[kept - 1].count - 1;
	}
	list->count = kept;
}

/* Returns whether there is such a file. */
static int read_synsets(char part, const char *file, struct terms_list *names, struct terms_list *glosses)
{
	FILE *in = fopen(file, "r");
	char *line = NULL, name[10];
	size_t room = 0;
	ssize_t bytes;

	if (!in)
		return 0;
	while ((bytes = getline(&line, &room, in)) > 0) {
		const char *gloss = strstr(line, "| ");

		if (line[0] == ' ' || !gloss)
			continue;
		for (gloss += 2; bytes && strchr(" \n", line[bytes - 1]); bytes--)
			;
		snprintf(name, sizeof(name), "%c%.8s", part, line);
		add(names, TERM_NAME, name, 9);
		add(glosses, TERM_STRING, gloss, (size_t)(line + bytes - gloss));
	}
	free(line);
	fclose(in);
	return 1;
}

static int read_lemmas(const char *file, struct terms_list *names)
{
	FILE *in = fopen(file, "r");
	char *line = NULL;
	size_t room = 0;

	if (!in)
		return 0;
	while (getline(&line, &room, in) > 0)
		if (line[0] != ' ')
			add(names, TERM_NAME, line, strcspn(line, " "));
	free(line);
	fclose(in);
	return 1;
}

static int append(void *arg, enum terms_section section, const void *bytes, size_t count)
{
	(void)arg;
	return bytes_append(&sections[section], bytes, count);
}

static struct terms *make(const struct terms_list *list, size_t *bytes)
{
	const struct terms_sink sink = {.append = append};
	struct terms_bytes at[TERMS_SECTIONS];
	struct terms_writer *writer;
	struct pinpool_diag diag;
	struct terms *terms;
	double start = now();

	if (terms_writer_new(&writer, &sink))
		die("writer", "no memory");
	for (size_t i = 0; i < list->count; i++)
		if (terms_writer_survey(writer, list->keys[i].data, list->keys[i].count))
			die("survey", "refused");
	for (size_t i = 0; i < list->count; i++)
		if (terms_writer_add(writer, list->keys[i].data, list->keys[i].count))
			die("add", "refused");
	if (terms_writer_finish(writer))
		die("finish", "failed");
	terms_writer_free(writer);
	*bytes = 0;
	for (unsigned int i = 0; i < TERMS_SECTIONS; i++) {
		at[i] = (struct terms_bytes){sections[i].data, sections[i].count};
		*bytes += sections[i].count;
	}
	if (terms_open(&terms, at, &diag))
		die("open", diag.cause);
	fprintf(stderr, "  %zu terms of %zu bytes in %zu, written in %.2f s\n", list->count, list->bytes, *bytes,
		now() - start);
	return terms;
}

static void drop(struct terms *terms)
{
	terms_close(terms);
	for (unsigned int i = 0; i < TERMS_SECTIONS; i++)
		bytes_free(&sections[i]);
}

static size_t front_coded(const struct terms_list *list)
{
	size_t bytes = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct bytes *key = &list->keys[i], *last = &list->keys[i ? i - 1 : 0];
		size_t common = 1;

		if (i % 16 == 0) {
			bytes += key->count + 4;
			continue;
		}
		while (common < key->count && common < last->count && key->data[common] == last->data[common])
			common++;
		bytes += key->count - common + 1 + (common > 128 ? 2 : 1);
	}
	return bytes;
}

/* ns for each of them, in an order that jumps. */
static double read_all(const struct terms *terms, const struct terms_list *list, int plain)
{
	static struct bytes text;
	double start = now();

	for (size_t i = 0, id = 0; i < list->count; i++, id = (id + 0x9e3779b1) % list->count) {
		struct term term = {.text = list->keys[id].data};

		if (plain) {
			text.count = 0;
			if (bytes_append(&text, term.text, list->keys[id].count))
				die("read", "no memory");
			continue;
		}
		if (terms_get(terms, id, &text, &term) || term.bytes != list->keys[id].count - 1)
			die("read", "another term");
	}
	return (now() - start) * 1e9 / (double)list->count;
}

static void measure_texts(const struct terms_list *list, int rounds)
{
	double ours[MAX_ROUNDS], theirs[MAX_ROUNDS], ratios[MAX_ROUNDS], ratio, ns;
	size_t bytes;
	struct terms *terms = make(list, &bytes);

	for (int i = 0; i < rounds; i++) {
		if (i % 2)
			theirs[i] = read_all(terms, list, 1);
		ours[i] = read_all(terms, list, 0);
		if (i % 2 == 0)
			theirs[i] = read_all(terms, list, 1);
		ratios[i] = theirs[i] / ours[i];
		fprintf(stderr, "  %.0f ns a gloss, %.0f ns copied\n", ours[i], theirs[i]);
	}
	ratio = (double)list->bytes / (double)bytes;
	ns = median(ours, rounds);
	printf("{\"name\":\"kg.wordnet.texts\",\"ours\":%.4f,\"unit\":\"times smaller\",\"rival\":null,"
	       "\"rival_name\":null,\"ratio\":null,\"limit\":%.1f,\"limit_share\":%.4f},",
	       ratio, LIMIT_RATIO, ratio / LIMIT_RATIO);
	printf("{\"name\":\"kg.wordnet.texts.read\",\"ours\":%.1f,\"unit\":\"ns\",\"rival\":%.1f,"
	       "\"rival_name\":\"copied plain\",\"ratio\":%.4f,\"limit\":%.1f,\"limit_share\":%.4f},",
	       ns, median(theirs, rounds), median(ratios, rounds), LIMIT_NS, LIMIT_NS / ns);
	drop(terms);
}

static void measure_names(const struct terms_list *list)
{
	size_t bytes, theirs = front_coded(list);

	drop(make(list, &bytes));
	printf("{\"name\":\"kg.wordnet.names\",\"ours\":%zu,\"unit\":\"bytes\",\"rival\":%zu,"
	       "\"rival_name\":\"front coding\",\"ratio\":%.4f,\"limit\":null,\"limit_share\":null}",
	       bytes, theirs, (double)theirs / (double)bytes);
}

int main(int argc, char **argv)
{
	static const char *const parts[] = {"noun", "verb", "adj", "adv"};
	int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
	struct terms_list names = {0}, glosses = {0};

	if (argc > 2 || rounds < 1 || rounds > MAX_ROUNDS) {
		fprintf(stderr, "usage: terms [ROUNDS]\n");
		return 2;
	}
	for (unsigned int i = 0; i < 4; i++) {
		char data[64], lemmas[64];

		snprintf(data, sizeof(data), FOLDER "/data.%s", parts[i]);
		snprintf(lemmas, sizeof(lemmas), FOLDER "/index.%s", parts[i]);
		if (!read_synsets("nvar"[i], data, &names, &glosses) || !read_lemmas(lemmas, &names)) {
			fprintf(stderr, "  no %s (package wordnet-base)\n", FOLDER);
			printf("[]\n");
			return 0;
		}
	}
	sort(&names);
	sort(&glosses);
	printf("[");
	measure_texts(&glosses, rounds);
	measure_names(&names);
	printf("]\n");
	return 0;
}
