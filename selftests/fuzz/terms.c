/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Dictionaries of graphs. An input that begins with an even byte are changes to the sections of one that is whole, and
 * whatever becomes of it is opened, read and checked; what the check accepts must be right. Of others the rest is one term,
 * whose key must bring it back.
 */
#include "../lib/terms_case.h"
#include "base/utf8.h"

#include <stdint.h>

static struct terms_case whole;

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "accepted: %s\n", what);
	abort();
}

static void leave(void)
{
	drop_terms(&whole);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	add_some_of_all(&whole);
	must(!write_terms(&whole, true), "no dictionary to test with");
	atexit(leave);
	return 0;
}

/* A change: the section in the lowest two bits, the next says whether it is cut; a byte to change by; a place. */
struct change {
	uint8_t section;
	uint8_t by;
	uint16_t at;
};

static bool good(int err)
{
	return err >= 0 || err == -EBADMSG || err == -ENOENT;
}

/* All terms of what was checked. */
static void use_whole(const struct terms *terms)
{
	struct bytes text = {0};
	struct term term;
	uint64_t id;

	for (uint64_t i = 0; i < terms_count(terms); i++) {
		must(!terms_get(terms, i, &text, &term), "a term that cannot be read");
		must(utf8_is_valid(term.text, term.bytes), "a text that is none");
		must(!terms_find(terms, &term, &id) && id == i, "a term that is not found");
	}
	bytes_free(&text);
}

static void use(const struct terms *terms)
{
	const struct term asked[] = {make_term(TERM_NAME, "name_3_x", NULL), make_term(TERM_IRI, "http://a/77", NULL),
				     make_term(TERM_STRING, "the act of being", NULL),
				     make_term(TERM_LANG, "words and", "en"),
				     make_term(TERM_TYPED, "17", XSD "integer")};
	struct terms_range range;
	struct bytes text = {0};
	struct term term;
	uint64_t ids[3];

	for (uint64_t id = 0; id < terms_count(terms) && id < 4000; id += 97)
		must(good(terms_get(terms, id, &text, &term)), "as another error");
	for (unsigned int i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		must(good(terms_find(terms, &asked[i], ids)), "as another error");
		must(good(terms_prefix(terms, &asked[i], &range)), "as another error");
		must(range.count <= terms_count(terms) && range.first <= terms_count(terms) - range.count,
		     "a range beyond the end");
	}
	must(good(terms_near(terms, &asked[0], ids, 3)), "as another error");
	if (!terms_check(terms, NULL))
		use_whole(terms);
	bytes_free(&text);
}

static void test_dictionary(const uint8_t *data, size_t size)
{
	struct terms_bytes sections[TERMS_SECTIONS];
	struct terms *terms;
	char *copies[TERMS_SECTIONS];
	size_t bytes[TERMS_SECTIONS];

	/* Each in memory of its own, at whose end the sanitizer waits. */
	for (unsigned int i = 0; i < TERMS_SECTIONS; i++)
		bytes[i] = whole.sections[i].count;
	for (size_t at = 0; at + sizeof(struct change) <= size; at += sizeof(struct change)) {
		struct change change;

		memcpy(&change, data + at, sizeof(change));
		if (change.section & 4 && change.at < bytes[change.section & 3])
			bytes[change.section & 3] = change.at;
	}
	for (unsigned int i = 0; i < TERMS_SECTIONS; i++) {
		copies[i] = malloc(bytes[i]);
		memcpy(copies[i], whole.sections[i].data, bytes[i]);
		sections[i] = (struct terms_bytes){copies[i], bytes[i]};
	}
	for (size_t at = 0; at + sizeof(struct change) <= size; at += sizeof(struct change)) {
		struct change change;

		memcpy(&change, data + at, sizeof(change));
		if (!(change.section & 4) && bytes[change.section & 3])
			copies[change.section & 3][change.at % bytes[change.section & 3]] ^= (char)change.by;
	}
	if (!terms_open(&terms, sections, NULL)) {
		use(terms);
		terms_close(terms);
	}
	for (unsigned int i = 0; i < TERMS_SECTIONS; i++)
		free(copies[i]);
}

static void test_term(const uint8_t *data, size_t size)
{
	static const char *const types[] = {XSD "integer", XSD "decimal", XSD "date", XSD "dateTime", NULL};
	struct term term = {.kind = TERM_IRI, .text = (const char *)data + 1, .bytes = size - 1}, back;
	const char *type = types[data[0] % 5];
	struct bytes key = {0}, text = {0};
	int err;

	if (type) {
		term.kind = TERM_TYPED;
		term.extra = type;
		term.extra_bytes = strlen(type);
	}
	err = term_to_key(&term, &key);
	must(!err || (err == -EINVAL && !type), "as another error");
	if (!err) {
		must(!term_from_key(key.data, key.count, &text, &back), "a key of no term");
		must(back.kind == term.kind && back.bytes == term.bytes && back.extra_bytes == term.extra_bytes &&
			     !memcmp(back.text, term.text, term.bytes),
		     "a term that is another");
	}
	bytes_free(&key);
	bytes_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && !(data[0] & 1))
		test_dictionary(data + 1, size - 1);
	else if (size > 1)
		test_term(data + 1, size - 1);
	return 0;
}
