// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Dictionaries: every term comes back from its id and its id from it, in the order of keys, and damage is seen. */
#include "terms_case.h"

#include "harness.h"
#include "kg/term_key.h"
#include "kg/terms_layout.h"
#include <sys/mman.h>

FIXTURE(terms)
{
	struct terms_case t;
	struct pinpool_diag diag;
	struct bytes text;
};

FIXTURE_SETUP(terms)
{
}

FIXTURE_TEARDOWN(terms)
{
	drop_terms(&self->t);
	bytes_free(&self->text);
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static bool is_key(const struct term *term, const struct bytes *want)
{
	struct bytes key = {0};
	bool same = !term_to_key(term, &key) && !compare_keys(&key, want);

	bytes_free(&key);
	return same;
}

/* Each term by its id and back, all in a row from everywhere, and the check. */
static void expect_all(struct __test_metadata *_metadata, struct terms_case *t)
{
	struct bytes text = {0};
	struct terms_cursor cursor;
	struct pinpool_diag diag;
	struct term term;
	uint64_t id;

	ASSERT_EQ(0, open_terms(t, &diag));
	ASSERT_EQ(t->count, terms_count(t->terms));
	for (size_t i = 0; i < t->count; i++) {
		ASSERT_EQ(0, terms_get(t->terms, i, &text, &term));
		ASSERT_TRUE(is_key(&term, &t->keys[i]))
		{
			TH_LOG("term %zu", i);
		}
		ASSERT_EQ(0, terms_find(t->terms, &term, &id));
		ASSERT_EQ(i, id);
	}
	for (size_t from = 0; from <= t->count; from += t->count / 5 + 1) {
		ASSERT_EQ(0, terms_cursor_begin(&cursor, t->terms, from));
		for (size_t i = from; i < t->count; i++) {
			ASSERT_EQ(1, terms_cursor_next(&cursor, &term));
			ASSERT_TRUE(is_key(&term, &t->keys[i]));
		}
		ASSERT_EQ(0, terms_cursor_next(&cursor, &term));
		terms_cursor_end(&cursor);
	}
	EXPECT_EQ(-ENOENT, terms_get(t->terms, t->count, &text, &term));
	EXPECT_EQ(-ENOENT, terms_cursor_begin(&cursor, t->terms, t->count + 1));
	ASSERT_EQ(0, terms_check(t->terms, &diag))
	{
		TH_LOG("%s", diag.cause);
	}
	bytes_free(&text);
}

TEST_F(terms, values_come_back_byte_for_byte_and_other_forms_stay_texts)
{
	static const struct {
		const char *type, *text;
		bool value;
	} cases[] = {
		{"integer", "0", true},
		{"integer", "-1", true},
		{"integer", "9223372036854775799", true},
		{"integer", "-9223372036854775799", true},
		{"integer", "9223372036854775808", false},
		{"integer", "-0", false},
		{"integer", "+1", false},
		{"integer", "007", false},
		{"integer", "", false},
		{"integer", "-", false},
		{"integer", "1a", false},
		{"integer", "1.0", false},
		{"decimal", "0.0", true},
		{"decimal", "-0.5", true},
		{"decimal", "0.05", true},
		{"decimal", "123.450", true},
		{"decimal", "0.000000000000000001", true},
		{"decimal", "0.0000000000000000001", false},
		{"decimal", "-0.0", false},
		{"decimal", ".5", false},
		{"decimal", "5.", false},
		{"decimal", "5", false},
		{"decimal", "1.2.3", false},
		{"date", "2024-02-29", true},
		{"date", "2023-02-29", false},
		{"date", "1900-02-29", false},
		{"date", "2000-02-29", true},
		{"date", "0001-01-01", true},
		{"date", "0000-01-01", false},
		{"date", "9999-12-31", true},
		{"date", "2024-13-01", false},
		{"date", "2024-04-31", false},
		{"date", "2024-04-00", false},
		{"date", "2024-4-1", false},
		{"date", "2024-04-01Z", false},
		{"dateTime", "2024-04-01T23:59:59", true},
		{"dateTime", "2024-04-01T00:00:00Z", true},
		{"dateTime", "2024-04-01T24:00:00", false},
		{"dateTime", "2024-04-01T12:60:00", false},
		{"dateTime", "2024-04-01T12:00:00.5", false},
		{"dateTime", "2024-04-01T12:00:00+01:00", false},
		{"dateTime", "2024-04-01 12:00:00", false},
		{"gYear", "2024", false},
	};
	struct bytes key = {0};
	struct term term;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char type[128];
		struct term want;

		snprintf(type, sizeof(type), XSD "%s", cases[i].type);
		want = make_term(TERM_TYPED, cases[i].text, type);
		ASSERT_EQ(0, term_to_key(&want, &key));
		EXPECT_EQ(cases[i].value, (unsigned char)key.data[0] >= COLUMN_VALUES)
		{
			TH_LOG("%s of %s", cases[i].text, cases[i].type);
		}
		ASSERT_EQ(0, term_from_key(key.data, key.count, &self->text, &term));
		EXPECT_EQ(TERM_TYPED, term.kind);
		EXPECT_EQ(want.bytes, term.bytes);
		EXPECT_EQ(0, memcmp(want.text, term.text, want.bytes))
		{
			TH_LOG("%s became %.*s", want.text, (int)term.bytes, term.text);
		}
		EXPECT_EQ(want.extra_bytes, term.extra_bytes);
		EXPECT_EQ(0, memcmp(want.extra, term.extra, want.extra_bytes));
	}
	/* Every day there is. */
	for (uint64_t day = 0, count = 0;; day++, count++) {
		if (value_to_key(COLUMN_VALUES + VALUE_DATE, day, &key) ||
		    term_from_key(key.data, key.count, &self->text, &term)) {
			EXPECT_EQ(3652059, count);
			break;
		}
		if (day % 97)
			continue;
		ASSERT_TRUE(is_key(&term, &key));
	}
	bytes_free(&key);
}

TEST_F(terms, order_of_values_is_that_of_numbers)
{
	static const char *const integers[] = {"-10", "-9", "0", "9", "10"};
	static const char *const dates[] = {"0999-12-31", "1999-12-31", "2000-01-01"};

	for (size_t i = 0; i < 5; i++)
		ASSERT_EQ(0, add_text(&self->t, TERM_TYPED, XSD "integer", "%s", integers[4 - i]));
	for (size_t i = 0; i < 3; i++)
		ASSERT_EQ(0, add_text(&self->t, TERM_TYPED, XSD "date", "%s", dates[2 - i]));
	ASSERT_EQ(0, write_terms(&self->t, true));
	expect_all(_metadata, &self->t);
	for (size_t i = 0; i < 8; i++) {
		const char *want = i < 5 ? integers[i] : dates[i - 5];
		struct term term;

		ASSERT_EQ(0, terms_get(self->t.terms, i, &self->text, &term));
		EXPECT_EQ(0, strncmp(want, term.text, term.bytes));
	}
}

TEST_F(terms, what_is_no_term_has_no_key)
{
	struct term term = make_term(TERM_IRI, "a", NULL);
	struct bytes key = {0};

	term.text = "a\0b";
	term.bytes = 3;
	EXPECT_EQ(-EINVAL, term_to_key(&term, &key));
	term.kind = TERM_NAME;
	EXPECT_EQ(-EINVAL, term_to_key(&term, &key));
	term.kind = TERM_STRING;
	EXPECT_EQ(0, term_to_key(&term, &key));
	term.kind = TERM_LANG;
	EXPECT_EQ(-EINVAL, term_to_key(&term, &key));
	term.extra = "e\0n";
	term.extra_bytes = 3;
	EXPECT_EQ(-EINVAL, term_to_key(&term, &key));
	term.kind = TERM_KINDS;
	EXPECT_EQ(-EINVAL, term_to_key(&term, &key));
	term.kind = TERM_STRING;
	term.bytes = TERM_BYTES_MAX + 1;
	EXPECT_EQ(-E2BIG, term_to_key(&term, &key));
	/* The one datatype that is said by saying nothing. */
	term = make_term(TERM_TYPED, "a", XSD "string");
	ASSERT_EQ(0, term_to_key(&term, &key));
	EXPECT_EQ(COLUMN_FIRST + TERM_STRING, key.data[0]);
	EXPECT_EQ(-EBADMSG, term_from_key("", 0, &self->text, &term));
	EXPECT_EQ(-EBADMSG, term_from_key("\0", 1, &self->text, &term));
	EXPECT_EQ(-EBADMSG, term_from_key("\5en", 3, &self->text, &term));
	EXPECT_EQ(-EBADMSG, term_from_key("\5\0a", 3, &self->text, &term));
	EXPECT_EQ(-EBADMSG, term_from_key("\7\0\0\0", 4, &self->text, &term));
	EXPECT_EQ(-EBADMSG, term_from_key("\7\0\0\0\0\0\0\0\0", 9, &self->text, &term));
	EXPECT_EQ(-EBADMSG, term_from_key("\377aaaaaaaa", 9, &self->text, &term));
	bytes_free(&key);
}

TEST_F(terms, all_columns_at_all_sizes)
{
	static const unsigned int sizes[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257, 700};

	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		const unsigned int size = sizes[i / 2];
		uint64_t random = 88172645463325252ULL + i;

		for (unsigned int j = 0; j < size; j++) {
			unsigned int r = (unsigned int)(next_random(&random) % 100000);

			add_text(&self->t, TERM_IRI, NULL, "http://example.org/%s/%u", r % 2 ? "thing" : "person", r);
			add_text(&self->t, TERM_BLANK, NULL, "b%x", r);
			add_text(&self->t, TERM_NAME, NULL, "name_%u_%c", r / 7, 'a' + r % 7);
			add_text(&self->t, TERM_STRING, NULL, "a sort of %u, of the %u sorts there are\n", r, r % 13);
			add_text(&self->t, TERM_LANG, r % 3 ? "en" : "de-AT", "der %u-te Baum", r);
			add_text(&self->t, TERM_TYPED, r % 3 ? XSD "gYear" : "http://a/b", "%u", r);
			add_text(&self->t, TERM_TYPED, XSD "integer", "%d", (int)r - 50000);
			add_text(&self->t, TERM_TYPED, XSD "decimal", "%u.%u", r, r % 10);
			add_text(&self->t, TERM_TYPED, XSD "decimal", "%u.%02u", r, r % 100);
			add_text(&self->t, TERM_TYPED, XSD "date", "%04u-%02u-%02u", 1 + r % 9999, 1 + r % 12,
				 1 + r % 28);
		}
		ASSERT_EQ(0, write_terms(&self->t, i % 2));
		expect_all(_metadata, &self->t);
		EXPECT_EQ(size ? 10 : 0, terms_column_count(self->t.terms));
		for (unsigned int c = 0; c < terms_column_count(self->t.terms); c++) {
			struct terms_column_info info;

			ASSERT_EQ(0, terms_column(self->t.terms, c, &info));
			EXPECT_LT(0, info.count);
			EXPECT_GE(size, info.count);
			EXPECT_LT(0, info.bytes);
		}
		EXPECT_EQ(-ENOENT, terms_column(self->t.terms, terms_column_count(self->t.terms),
						&(struct terms_column_info){0}));
		drop_terms(&self->t);
	}
}

TEST_F(terms, texts_with_anything_in_them_and_very_long_ones)
{
	struct term term = make_term(TERM_STRING, "", NULL);
	char *text = malloc(1 << 20);
	uint64_t random = 1;

	ASSERT_EQ(0, add_term(&self->t, &term));
	for (unsigned int i = 0; i < 1 << 20; i++)
		text[i] = (char)(i % 3 ? 'a' + next_random(&random) % 5 : (int)(next_random(&random) % 128));
	for (unsigned int bytes = 1; bytes <= 1 << 20; bytes *= 4) {
		term = (struct term){.kind = TERM_STRING, .text = text, .bytes = bytes};
		ASSERT_EQ(0, add_term(&self->t, &term));
		/* Much the same, but for one byte in the midst. */
		text[bytes / 2] ^= 1;
		ASSERT_EQ(0, add_term(&self->t, &term));
	}
	ASSERT_EQ(0, write_terms(&self->t, true));
	expect_all(_metadata, &self->t);
	free(text);
}

TEST_F(terms, names_with_numbers_take_about_a_byte)
{
	uint64_t random = 7;

	for (unsigned int i = 0, number = 0; i < 20000; i++) {
		number += (unsigned int)(next_random(&random) % 300);
		add_text(&self->t, TERM_NAME, NULL, "n%08u", number);
		add_text(&self->t, TERM_IRI, NULL, "http://example.org/PMID:%u", 3 * i);
	}
	ASSERT_EQ(0, write_terms(&self->t, true));
	expect_all(_metadata, &self->t);
	EXPECT_GT(1.5 * self->t.count, section_bytes(&self->t))
	{
		TH_LOG("%zu terms in %zu bytes", self->t.count, section_bytes(&self->t));
	}
}

TEST_F(terms, digits_with_and_without_zeros_before_them)
{
	uint64_t random = 9;

	/* One is the beginning of others, lengths differ, and none at all. */
	for (unsigned int i = 0; i < 120; i++) {
		add_text(&self->t, TERM_NAME, NULL, "x%u", i);
		add_text(&self->t, TERM_NAME, NULL, "x%03u", i);
	}
	add_text(&self->t, TERM_NAME, NULL, "x");
	ASSERT_EQ(0, write_terms(&self->t, true));
	expect_all(_metadata, &self->t);
	EXPECT_EQ(GROUP_NUMBERS, self->t.sections[TERMS_DATA].data[0]);
	/* As many digits as there may be, and one more. */
	for (unsigned int digits = 18; digits <= 19; digits++) {
		drop_terms(&self->t);
		for (unsigned int i = 0; i < 300; i++)
			add_text(&self->t, TERM_NAME, NULL, "x%.*s%09u%09u", (int)(digits - 18), i % 2 ? "1" : "2",
				 (unsigned int)(next_random(&random) % 1000000000),
				 (unsigned int)(next_random(&random) % 1000000000));
		ASSERT_EQ(0, write_terms(&self->t, true));
		expect_all(_metadata, &self->t);
		EXPECT_EQ(digits == 18, self->t.sections[TERMS_DATA].data[0] == GROUP_NUMBERS);
	}
}

TEST_F(terms, texts_are_coded)
{
	static const char *const words[] = {"the act of", "a person who", "small", "tree", "and", "having leaves",
					    "native to", "Eurasia", "or", "capable of being", "moved"};
	uint64_t random = 3;
	size_t plain;

	for (unsigned int i = 0; i < 4000; i++) {
		char text[256] = "";

		for (unsigned int j = 0; j < 8; j++) {
			strcat(text, words[next_random(&random) % 11]);
			strcat(text, " ");
		}
		add_text(&self->t, TERM_STRING, NULL, "%s", text);
	}
	ASSERT_EQ(0, write_terms(&self->t, false));
	expect_all(_metadata, &self->t);
	plain = section_bytes(&self->t);
	terms_close(self->t.terms);
	self->t.terms = NULL;
	for (unsigned int i = 0; i < TERMS_SECTIONS; i++)
		bytes_free(&self->t.sections[i]);
	ASSERT_EQ(0, write_terms(&self->t, true));
	expect_all(_metadata, &self->t);
	EXPECT_GT(plain, 3 * section_bytes(&self->t));
}

TEST_F(terms, keys_out_of_order_and_bytes_that_are_no_key_are_refused)
{
	const struct terms_sink sink = {.append = append_section, .arg = &self->t};
	struct terms_writer *writer;

	ASSERT_EQ(0, terms_writer_new(&writer, &sink));
	EXPECT_EQ(0, terms_writer_survey(writer, "\1b", 2));
	EXPECT_EQ(-EINVAL, terms_writer_survey(writer, "\1b", 2));
	EXPECT_EQ(-EINVAL, terms_writer_survey(writer, "\1a", 2));
	EXPECT_EQ(0, terms_writer_add(writer, "\1b", 2));
	EXPECT_EQ(-EINVAL, terms_writer_survey(writer, "\1c", 2));
	EXPECT_EQ(-EINVAL, terms_writer_add(writer, "\1b", 2));
	EXPECT_EQ(-EINVAL, terms_writer_add(writer, "\1a", 2));
	EXPECT_EQ(-EINVAL, terms_writer_add(writer, "\1c\0", 3));
	EXPECT_EQ(-EINVAL, terms_writer_add(writer, "\177c", 2));
	EXPECT_EQ(-EINVAL, terms_writer_add(writer, "", 0));
	EXPECT_EQ(0, terms_writer_add(writer, "\1bb", 3));
	EXPECT_EQ(0, terms_writer_finish(writer));
	terms_writer_free(writer);
	ASSERT_EQ(0, open_terms(&self->t, &self->diag));
	EXPECT_EQ(2, terms_count(self->t.terms));
}

TEST_F(terms, an_error_of_the_sink_is_the_writers)
{
	for (unsigned int i = 0; i < 600; i++)
		add_text(&self->t, TERM_STRING, NULL, "text number %u of several that are surveyed before", i);
	for (int at = 1;; at++) {
		int err;

		self->t.refuse_in = at;
		err = write_terms(&self->t, true);
		if (!err) {
			EXPECT_LT(8, at);
			break;
		}
		EXPECT_EQ(-ENOSPC, err);
	}
}

TEST_F(terms, ranges_of_what_begins_alike)
{
	static const char *const beginnings[] = {"", "a", "ab", "b", "ba", "bb", "zz", "c\xc3", "\xf4\x8f\xbf\xbf",
						"c\xff"};
	uint64_t random = 5;

	for (unsigned int i = 0; i < 3000; i++) {
		unsigned int r = (unsigned int)(next_random(&random) % 7000);

		add_text(&self->t, TERM_NAME, NULL, "%c%c%u", 'a' + r % 3, 'a' + r / 3 % 3, r);
		add_text(&self->t, TERM_LANG, r % 2 ? "en" : "fr", "%c%u", 'a' + r % 5, r);
	}
	add_text(&self->t, TERM_NAME, NULL, "c\xc3\xa4");
	add_text(&self->t, TERM_NAME, NULL, "\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf");
	ASSERT_EQ(0, write_terms(&self->t, true));
	expect_all(_metadata, &self->t);
	for (unsigned int i = 0; i < 3 * sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		static const char *const languages[] = {NULL, "en", "fr"};
		struct term term = make_term(i % 3 ? TERM_LANG : TERM_NAME, beginnings[i / 3], languages[i % 3]);
		struct terms_range range;
		struct bytes key = {0};
		uint64_t first = 0, count = 0;

		ASSERT_EQ(0, term_to_text_key(&term, &key));
		for (size_t j = 0; j < self->t.count; j++) {
			const struct bytes *other = &self->t.keys[j];

			if (other->count < key.count || memcmp(other->data, key.data, key.count))
				continue;
			first = count++ ? first : j;
		}
		ASSERT_EQ(0, terms_prefix(self->t.terms, &term, &range));
		EXPECT_EQ(count, range.count)
		{
			TH_LOG("%s", beginnings[i / 3]);
		}
		if (count)
			EXPECT_EQ(first, range.first);
		bytes_free(&key);
	}
	/* A column that there is not. */
	EXPECT_EQ(0, terms_prefix(self->t.terms, &(struct term){.kind = TERM_IRI}, &(struct terms_range){0}));
	EXPECT_EQ(-EINVAL, terms_prefix(self->t.terms, &(struct term){.kind = TERM_LANG}, &(struct terms_range){0}));
}

TEST_F(terms, names_near_one_that_there_is_not)
{
	static const char *const names[] = {"canine_tooth", "canister", "cannon", "dog", "dogma", "doctor", "zebra"};
	static const struct {
		const char *typed, *meant; /* NULL: nothing is near */
	} cases[] = {
		{"cannine_tooth", "canine_tooth"}, {"canine_toth", "canine_tooth"}, {"anine_tooth", "canine_tooth"},
		{"acnine_tooth", "canine_tooth"},  {"dogmb", "dogma"},		    {"xebra", "zebra"},
		{"dgo", "dog"},		   {"qqqqqq", NULL},		   {"c", NULL},
	};
	uint64_t ids[3];

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add_text(&self->t, TERM_NAME, NULL, "%s", names[i]);
	/* Many between what was typed and what was meant. */
	for (unsigned int i = 0; i < 20000; i++)
		add_text(&self->t, TERM_NAME, NULL, "m%u-%u", i, i * 7);
	ASSERT_EQ(0, write_terms(&self->t, true));
	expect_all(_metadata, &self->t);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct term term = make_term(TERM_NAME, cases[i].typed, NULL), found;
		int count = terms_near(self->t.terms, &term, ids, 3);

		if (!cases[i].meant) {
			EXPECT_EQ(0, count);
			continue;
		}
		ASSERT_LE(1, count)
		{
			TH_LOG("%s", cases[i].typed);
		}
		ASSERT_EQ(0, terms_get(self->t.terms, ids[0], &self->text, &found));
		EXPECT_EQ(strlen(cases[i].meant), found.bytes);
		EXPECT_EQ(0, memcmp(cases[i].meant, found.text, found.bytes))
		{
			TH_LOG("%s is %.*s", cases[i].typed, (int)found.bytes, found.text);
		}
	}
	/* The best first, and no more than were asked for. */
	{
		struct term term = make_term(TERM_NAME, "dogmas", NULL), found;

		ASSERT_EQ(1, terms_near(self->t.terms, &term, ids, 1));
		ASSERT_EQ(0, terms_get(self->t.terms, ids[0], &self->text, &found));
		EXPECT_EQ(5, found.bytes);
		EXPECT_EQ(0, terms_near(self->t.terms, &term, ids, 0));
	}
}

/* One section's bytes so that whoever reads behind them dies: they end where memory does, but for alignment. */
struct fenced {
	char *map;
	size_t map_bytes;
};

static struct terms_bytes fence(struct fenced *fenced, const void *data, size_t bytes)
{
	const size_t page = 4096, room = (bytes + page - 1) / page * page;
	char *at;

	fenced->map_bytes = room + page;
	fenced->map = mmap(NULL, fenced->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(fenced->map + room, page, PROT_NONE);
	at = fenced->map + (room - bytes) / 8 * 8;
	memcpy(at, data, bytes);
	return (struct terms_bytes){at, bytes};
}

/* Everything that a reader does, whatever comes of it. Returns whether damage was seen by opening or checking. */
static bool use(struct __test_metadata *_metadata, const struct terms_bytes *sections)
{
	const struct term asked[] = {make_term(TERM_NAME, "name_3_x", NULL), make_term(TERM_LANG, "words and", "en"),
				     make_term(TERM_TYPED, "17", XSD "integer")};
	struct terms *terms;
	struct pinpool_diag diag = {0};
	struct bytes text = {0};
	struct term term;
	uint64_t ids[4];
	int err = terms_open(&terms, sections, &diag);

	if (err) {
		EXPECT_EQ(-EBADMSG, err);
		EXPECT_NE('\0', diag.cause[0]);
		return true;
	}
	for (uint64_t id = 0; id < terms_count(terms) && id < 2000; id += 37) {
		err = terms_get(terms, id, &text, &term);
		EXPECT_TRUE(!err || err == -EBADMSG);
	}
	for (unsigned int i = 0; i < 3; i++) {
		err = terms_find(terms, &asked[i], ids);
		EXPECT_TRUE(!err || err == -ENOENT || err == -EBADMSG);
		err = terms_prefix(terms, &asked[i], &(struct terms_range){0});
		EXPECT_TRUE(!err || err == -EBADMSG);
	}
	err = terms_near(terms, &asked[0], ids, 4);
	EXPECT_TRUE(err >= 0 || err == -EBADMSG);
	err = terms_check(terms, &diag);
	EXPECT_TRUE(!err || err == -EBADMSG);
	bytes_free(&text);
	terms_close(terms);
	return err;
}

TEST_F(terms, cut_anywhere_it_is_refused_and_nothing_behind_is_read)
{
	struct terms_bytes whole[TERMS_SECTIONS];
	struct fenced fenced;
	unsigned int unseen = 0;

	add_some_of_all(&self->t);
	ASSERT_EQ(0, write_terms(&self->t, true));
	expect_all(_metadata, &self->t);
	EXPECT_LT(0, self->t.sections[TERMS_SYMBOLS].count);
	for (unsigned int i = 0; i < TERMS_SECTIONS; i++)
		whole[i] = (struct terms_bytes){self->t.sections[i].data, self->t.sections[i].count};
	EXPECT_FALSE(use(_metadata, whole));
	for (unsigned int i = 0; i < TERMS_SECTIONS; i++) {
		const size_t bytes = whole[i].bytes;

		/* Every byte of the small ones and of each end; others at steps. */
		for (size_t cut = 0; cut < bytes; cut += cut < 200 || bytes - cut < 200 ? 1 : 61) {
			struct terms_bytes sections[TERMS_SECTIONS];

			memcpy(sections, whole, sizeof(sections));
			sections[i] = fence(&fenced, whole[i].data, cut);
			/* Bytes that fill the symbols up to a multiple of 8 are of no use. */
			if (!use(_metadata, sections) && (i != TERMS_SYMBOLS || bytes - cut >= 8))
				unseen++;
			munmap(fenced.map, fenced.map_bytes);
		}
	}
	EXPECT_EQ(0, unseen);
}

TEST_F(terms, flipped_bits_end_nothing)
{
	struct terms_bytes whole[TERMS_SECTIONS];
	uint64_t random = 11;
	unsigned int seen = 0;

	add_some_of_all(&self->t);
	ASSERT_EQ(0, write_terms(&self->t, true));
	for (unsigned int i = 0; i < 3000; i++) {
		struct fenced fenced[TERMS_SECTIONS];

		for (unsigned int j = 0; j < TERMS_SECTIONS; j++)
			whole[j] = fence(&fenced[j], self->t.sections[j].data, self->t.sections[j].count);
		for (unsigned int j = 0; j <= i % 3; j++) {
			const struct terms_bytes *section = &whole[i % TERMS_SECTIONS];

			((char *)section->data)[next_random(&random) % section->bytes] ^=
				(char)(1 << next_random(&random) % 8);
		}
		seen += use(_metadata, whole);
		for (unsigned int j = 0; j < TERMS_SECTIONS; j++)
			munmap(fenced[j].map, fenced[j].map_bytes);
	}
	/* A letter of a text may be another and all still in order. */
	EXPECT_LT(2000, seen)
	{
		TH_LOG("%u of 3000 seen", seen);
	}
}

TEST_F(terms, check_says_which_term)
{
	char *data;
	size_t at;

	for (unsigned int i = 0; i < 20; i++)
		add_text(&self->t, TERM_NAME, NULL, "name%c", 'a' + i);
	ASSERT_EQ(0, write_terms(&self->t, false));
	data = self->t.sections[TERMS_DATA].data;
	/* The tail of the fifth, which is one letter. */
	for (at = 0; data[at] != 'e' || data[at + 2] != 'f'; at++)
		;
	data[at] = 'd';
	ASSERT_EQ(0, open_terms(&self->t, &self->diag));
	EXPECT_EQ(-EBADMSG, terms_check(self->t.terms, &self->diag));
	EXPECT_TRUE(strstr(self->diag.cause, "term 4: not in order"))
	{
		TH_LOG("%s", self->diag.cause);
	}
	data[at] = (char)0xff;
	EXPECT_EQ(-EBADMSG, terms_check(self->t.terms, &self->diag));
	EXPECT_TRUE(strstr(self->diag.cause, "term 4: not UTF-8"));
	/* A byte between blocks, or behind the last, that nobody reads. */
	data[at] = 'e';
	EXPECT_EQ(0, terms_check(self->t.terms, &self->diag));
	EXPECT_EQ(0, bytes_append(&self->t.sections[TERMS_DATA], "", 1));
	((uint64_t *)self->t.sections[TERMS_GROUPS].data)[1]++;
	terms_close(self->t.terms);
	ASSERT_EQ(0, open_terms(&self->t, &self->diag));
	EXPECT_EQ(-EBADMSG, terms_check(self->t.terms, &self->diag));
	EXPECT_TRUE(strstr(self->diag.cause, "term 19: its group"));
}

TEST_F(terms, damaged_columns_are_refused)
{
	struct terms_header *header;
	struct terms_column_entry *entries;
	struct bytes *columns = &self->t.sections[TERMS_COLUMNS];
	char whole[1024];

	add_some_of_all(&self->t);
	ASSERT_EQ(0, write_terms(&self->t, true));
	ASSERT_GE(sizeof(whole), columns->count);
	memcpy(whole, columns->data, columns->count);
	header = (struct terms_header *)columns->data;
	entries = (struct terms_column_entry *)(header + 1);
	ASSERT_LT(3, header->columns);

#define EXPECT_REFUSED(change, why)                                                                                    \
	do {                                                                                                           \
		change;                                                                                                \
		EXPECT_EQ(-EBADMSG, open_terms(&self->t, &self->diag));                                                \
		EXPECT_TRUE(strstr(self->diag.cause, why))                                                             \
		{                                                                                                      \
			TH_LOG("%s", self->diag.cause);                                                                \
		}                                                                                                      \
		memcpy(columns->data, whole, columns->count);                                                          \
	} while (0)

	EXPECT_REFUSED(header->magic[0]++, "not a dictionary");
	EXPECT_REFUSED(header->version++, "not a dictionary");
	EXPECT_REFUSED(header->columns++, "columns outside");
	EXPECT_REFUSED(header->columns = UINT32_MAX, "columns outside");
	EXPECT_REFUSED(header->terms++, "not those of its columns");
	EXPECT_REFUSED(header->groups++, "not those of its columns");
	EXPECT_REFUSED(entries[1].column = entries[0].column, "not in order");
	EXPECT_REFUSED(entries[0].column = 0, "not in order");
	EXPECT_REFUSED(entries[3].column = COLUMN_END, "not in order");
	EXPECT_REFUSED(entries[0].block_bits = BLOCK_BITS_MAX + 1, "too many terms");
	EXPECT_REFUSED(entries[0].count = 0, "without terms");
	EXPECT_REFUSED(entries[1].count = UINT64_MAX, "too many");
	EXPECT_REFUSED(entries[0].symbols_bytes = 1, "a table of symbols");
	EXPECT_REFUSED(entries[0].symbols_bytes = UINT64_MAX, "symbols outside");
	EXPECT_REFUSED((entries[0].symbols_bytes = 8, entries[0].symbols = UINT64_MAX), "symbols outside");
	EXPECT_REFUSED(entries[header->columns - 1].symbols_bytes = 16, "symbols outside");
	EXPECT_EQ(0, open_terms(&self->t, &self->diag));
}

TEST_F(terms, damaged_groups_are_refused)
{
	unsigned char *data;
	struct term term;
	size_t bytes;

	for (unsigned int i = 0; i < 20; i++)
		add_text(&self->t, TERM_NAME, NULL, "name%c", 'a' + i);
	ASSERT_EQ(0, write_terms(&self->t, false));
	/* Letters that belong to nobody. */
	bytes = self->t.sections[TERMS_DATA].count;
	ASSERT_EQ(0, bytes_append(&self->t.sections[TERMS_DATA], "uvwxyz0123456789", 16));
	ASSERT_EQ(0, open_terms(&self->t, &self->diag));
	data = (unsigned char *)self->t.sections[TERMS_DATA].data;
	/* The last one's tail goes on behind the group. */
	data[bytes - 2] += 8;
	EXPECT_EQ(-EBADMSG, terms_get(self->t.terms, 19, &self->text, &term));
	data[bytes - 2] -= 8;
	EXPECT_EQ(0, terms_get(self->t.terms, 19, &self->text, &term));
	data[0] = GROUP_NUMBERS + 1;
	EXPECT_EQ(-EBADMSG, terms_get(self->t.terms, 0, &self->text, &term));
	data[0] = GROUP_COMPACT;
	data[1] = 3;
	EXPECT_EQ(-EBADMSG, terms_get(self->t.terms, 0, &self->text, &term));
	drop_terms(&self->t);

	for (unsigned int i = 0; i < 64; i++)
		add_text(&self->t, TERM_NAME, NULL, "x%u", i);
	ASSERT_EQ(0, write_terms(&self->t, false));
	ASSERT_EQ(0, open_terms(&self->t, &self->diag));
	data = (unsigned char *)self->t.sections[TERMS_DATA].data;
	ASSERT_EQ(GROUP_NUMBERS, data[0]);
	/* One byte begins all, "x"; then digits and the bits of filling. */
	ASSERT_EQ(2, data[3]);
	ASSERT_EQ(1, data[4]);
	data[3] = GROUP_DIGITS_MAX + 1;
	EXPECT_EQ(-EBADMSG, terms_get(self->t.terms, 0, &self->text, &term));
	data[3] = 2;
	data[4] = 6;
	EXPECT_EQ(-EBADMSG, terms_get(self->t.terms, 0, &self->text, &term));
	data[4] = 1;
	EXPECT_EQ(0, terms_get(self->t.terms, 0, &self->text, &term));
	/* 11 cannot be filled up to be 1. */
	ASSERT_EQ(0, terms_get(self->t.terms, 3, &self->text, &term));
	ASSERT_EQ(0, memcmp("x11", term.text, 3));
	data[self->t.sections[TERMS_DATA].count - 8] |= 1 << 3;
	EXPECT_EQ(-EBADMSG, terms_get(self->t.terms, 3, &self->text, &term));
}

TEST_HARNESS_MAIN
