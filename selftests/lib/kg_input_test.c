// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* What files of triples say, and where they break their formats: the line and the byte of each error. */
#include "checkpoints.h"
#include "harness.h"

#include "kg/input.h"

#include <errno.h>
#include <stdatomic.h>

FIXTURE(input)
{
	char folder[PATH_MAX];
	struct pinpool_diag diag;
	struct bytes said; /* all triples, as text */
	size_t count;
	size_t longest;
};

FIXTURE_SETUP(input)
{
	make_folder(self->folder);
	self->longest = 1 << 20;
}

FIXTURE_TEARDOWN(input)
{
	bytes_free(&self->said);
	remove_folder(self->folder);
}

static void say(struct bytes *said, const char *text, size_t bytes)
{
	if (bytes_append(said, text, bytes))
		abort();
}

/* "iri:http://a name:b lang:c/en;" */
static int note(void *arg, const struct term terms[3], struct pinpool_diag *diag)
{
	static const char *const kinds[] = {"iri:", "blank:", "name:", "string:", "lang:", "typed:"};
	struct _test_data_input *self = arg;

	(void)diag;
	for (unsigned int i = 0; i < 3; i++) {
		say(&self->said, kinds[terms[i].kind], strlen(kinds[terms[i].kind]));
		say(&self->said, terms[i].text, terms[i].bytes);
		if (terms[i].extra) {
			say(&self->said, "/", 1);
			say(&self->said, terms[i].extra, terms[i].extra_bytes);
		}
		say(&self->said, i < 2 ? " " : ";", 1);
	}
	self->count++;
	return 0;
}

/* Parses a file of that name, with blocks of @block bytes. */
static int parse(struct _test_data_input *self, const char *name, enum pinpool_kg_format format, size_t block)
{
	struct lines_block lines_block = {0};
	_Atomic uint64_t read = 0;
	struct lines lines;
	struct parser parser = {
		.triple = note, .arg = self, .read = &read, .longest = self->longest, .diag = &self->diag};
	struct input input;
	int err;

	self->said.count = self->count = 0;
	memset(&self->diag, 0, sizeof(self->diag));
	err = input_open(&input, in_folder(self->folder, name), format, &self->diag);
	if (err)
		return err;
	strcpy(input.scope, "x_");
	if (!input_is_lines(&input)) {
		err = parser_whole(&parser, &input);
	} else {
		lines = (struct lines){.path = name, .fd = input.fd, .block = block, .longest = self->longest};
		while ((err = lines_next(&lines, &lines_block, &self->diag)) > 0) {
			err = parser_lines(&parser, &input, &lines_block);
			if (err)
				break;
		}
		lines_free(&lines);
	}
	say(&self->said, "", 1);
	lines_block_free(&lines_block);
	parser_free(&parser);
	input_close(&input);
	return err;
}

#define EXPECT_SAYS(name, text, want)                                                                                  \
	do {                                                                                                           \
		write_file(in_folder(self->folder, name), text, sizeof(text) - 1);                                     \
		EXPECT_EQ(0, parse(self, name, PINPOOL_KG_AUTO, 64))                                                   \
		{                                                                                                      \
			TH_LOG("%s: %s", self->diag.object, self->diag.cause);                                         \
		}                                                                                                      \
		EXPECT_STREQ(want, self->said.data);                                                                   \
	} while (0)

/* @where ends the object: the line and the byte. */
#define EXPECT_REFUSES(name, text, where, why)                                                                         \
	do {                                                                                                           \
		write_file(in_folder(self->folder, name), text, sizeof(text) - 1);                                     \
		EXPECT_EQ(-EBADMSG, parse(self, name, PINPOOL_KG_AUTO, 1 << 16))                                       \
		{                                                                                                      \
			TH_LOG("%s", text);                                                                            \
		}                                                                                                      \
		EXPECT_NE(NULL, strstr(self->diag.object, name ": " where))                                            \
		{                                                                                                      \
			TH_LOG("%s instead of %s: %s", self->diag.object, where, text);                                \
		}                                                                                                      \
		EXPECT_NE(NULL, strstr(self->diag.cause, why))                                                         \
		{                                                                                                      \
			TH_LOG("%s instead of %s: %s", self->diag.cause, why, text);                                   \
		}                                                                                                      \
	} while (0)

#define A "<http://a>"
#define B "<http://b>"

TEST_F(input, ntriples_say_all_kinds_of_terms)
{
	EXPECT_SAYS("a.nt", "", "");
	EXPECT_SAYS("a.nt", "# nothing\n\n  # and that\n", "");
	EXPECT_SAYS("a.nt", A " " B " <urn:x:1> .\n", "iri:http://a iri:http://b iri:urn:x:1;");
	/* No end of line at the end, and one of another kind. */
	EXPECT_SAYS("a.nt", A " " B " _:l.1 .\r\n_:l.1 " B " \"\" . # end",
		    "iri:http://a iri:http://b blank:x_l.1;blank:x_l.1 iri:http://b string:;");
	EXPECT_SAYS("a.nt", A B "\"a\\tb\\\"\\\\\\u00e9\\U0001F600\xc3\xa9\"@en-us .\n",
		    "iri:http://a iri:http://b lang:a\tb\"\\\xc3\xa9\xf0\x9f\x98\x80\xc3\xa9/en-us;");
	EXPECT_SAYS("a.nt", A " " B " \"7\"^^<http://t> .\n", "iri:http://a iri:http://b typed:7/http://t;");
	EXPECT_SAYS("a.nt", "<http://\xc3\xa9/\\u00e9> " B " " A " .\n", "iri:http://\xc3\xa9/\xc3\xa9 iri:http://b iri:http://a;");
}

TEST_F(input, ntriples_are_refused_where_they_break)
{
	EXPECT_REFUSES("b.nt", A " " B " " A " .\n\n# c\n" A " " B " x .\n", "line 4, byte 62", "expected");
	EXPECT_REFUSES("b.nt", A " " B " \"x\n", "line 1, byte 24", "line end");
	EXPECT_REFUSES("b.nt", A " " B " \"x", "line 1, byte", "end of file");
	EXPECT_REFUSES("b.nt", A " " B " " A, "line 1, byte", "end of file");
	EXPECT_REFUSES("b.nt", A " " B, "line 1, byte", "");
	EXPECT_REFUSES("b.nt", A " " B " " A " .\n" A " <b> " A " .\n", "line 2, byte", "scheme");
	EXPECT_REFUSES("b.nt", A " " B " <http://a b> .\n", "line 1, byte 32", "invalid IRI");
	EXPECT_REFUSES("b.nt", A " " B " \"\xff\" .\n", "line 1, byte 24", "UTF-8");
	EXPECT_REFUSES("b.nt", A " " B " \"\\uD800\" .\n", "line 1, byte", "UTF-8");
	EXPECT_REFUSES("b.nt", "\n\nx:y " B " " A " .\n", "line 3, byte", "prefix");
	EXPECT_REFUSES("b.nt", "@prefix x: <http://x/> .\n", "line 1, byte", "directive");
	EXPECT_REFUSES("b.nt", A " " B " 'x' .\n", "line 1, byte 22", "");
	EXPECT_REFUSES("b.nt", "\"a\" " B " " A " .\n", "line 1, byte 0", "");
	EXPECT_REFUSES("b.nt", A " _:b " A " .\n", "line 1, byte", "");
	EXPECT_REFUSES("b.nt", A " " B " \"x\0y\" .\n", "line 1, byte 24", "NUL");
}

TEST_F(input, lines_longer_than_allowed_are_refused_before_they_fill_the_memory)
{
	char *text = malloc(300000);

	self->longest = 64 << 10;
	memset(text, 'x', 300000);
	memcpy(text, "a\tb\tc\n", 6);
	write_file(in_folder(self->folder, "l.tsv"), text, 300000);
	EXPECT_EQ(-EBADMSG, parse(self, "l.tsv", PINPOOL_KG_AUTO, 1 << 10));
	EXPECT_NE(NULL, strstr(self->diag.object, "l.tsv: line 2, byte 6"));
	EXPECT_NE(NULL, strstr(self->diag.cause, "longer than 65536"));
	EXPECT_NE(NULL, strstr(self->diag.change, "--max-line"));
	/* One that is just not. */
	memset(text, 'x', 300000);
	memcpy(text, "a\tb\t", 4);
	text[65535] = '\n';
	write_file(in_folder(self->folder, "l.tsv"), text, 65536);
	EXPECT_EQ(0, parse(self, "l.tsv", PINPOOL_KG_AUTO, 1 << 10));
	EXPECT_EQ(1, self->count);
	text[65535] = 'x';
	text[65536] = '\n';
	write_file(in_folder(self->folder, "l.tsv"), text, 65537);
	EXPECT_EQ(-EBADMSG, parse(self, "l.tsv", PINPOOL_KG_AUTO, 1 << 10));

	/* A statement of Turtle may have many lines, but not for ever. */
	memset(text, '\n', 300000);
	memcpy(text, A " ", 11);
	write_file(in_folder(self->folder, "l.ttl"), text, 300000);
	EXPECT_EQ(-EBADMSG, parse(self, "l.ttl", PINPOOL_KG_AUTO, 0));
	EXPECT_NE(NULL, strstr(self->diag.cause, "--max-line"));
	free(text);
}

TEST_F(input, turtle_says_what_its_abbreviations_mean)
{
	EXPECT_SAYS("a.ttl", "", "");
	EXPECT_SAYS("a.ttl", "@prefix x: <http://x/> .\n@base <http://base/> .\nx:a a x:b ; x:p <c>, 1 , true .\n",
		    "iri:http://x/a iri:http://www.w3.org/1999/02/22-rdf-syntax-ns#type iri:http://x/b;"
		    "iri:http://x/a iri:http://x/p iri:http://base/c;"
		    "iri:http://x/a iri:http://x/p typed:1/http://www.w3.org/2001/XMLSchema#integer;"
		    "iri:http://x/a iri:http://x/p typed:true/http://www.w3.org/2001/XMLSchema#boolean;");
	EXPECT_SAYS("a.ttl", A " " B " \"\"\"two\nlines\"\"\"@en .", "iri:http://a iri:http://b lang:two\nlines/en;");
	write_file(in_folder(self->folder, "a.ttl"), A " " B " [ " B " \"x\" ] .", 42);
	EXPECT_EQ(0, parse(self, "a.ttl", PINPOOL_KG_AUTO, 0));
	EXPECT_EQ(2, self->count);
	EXPECT_NE(NULL, strstr(self->said.data, "blank:x_"));
}

TEST_F(input, turtle_is_refused_where_it_breaks)
{
	char *deep = malloc(1 << 20);
	size_t used;

	EXPECT_REFUSES("b.ttl", "\n" A " x:y " A " .", "line 2, byte 26", "prefix");
	EXPECT_REFUSES("b.ttl", A " " B " <c> .\n", "line 1, byte", "relative");
	EXPECT_REFUSES("b.ttl", A " " B " \"x\0\" .\n", "line 1, byte 24", "NUL");
	EXPECT_REFUSES("b.ttl", A " " B " \"\"\"x", "line 1, byte", "");
	EXPECT_REFUSES("b.ttl", A " " B " " A " .\n" A " " B " ;;\n", "line 2, byte 57", "");
	/* As deep as the memory goes, but not the stack. */
	used = (size_t)sprintf(deep, A " " B " ");
	while (used + 3 < 1 << 20)
		deep[used++] = '(';
	write_file(in_folder(self->folder, "d.ttl"), deep, used);
	EXPECT_EQ(-EBADMSG, parse(self, "d.ttl", PINPOOL_KG_AUTO, 0));
	EXPECT_NE(NULL, strstr(self->diag.cause, "nested"));
	free(deep);
}

TEST_F(input, tsv_is_names_as_they_are)
{
	EXPECT_SAYS("a.tsv", "", "");
	EXPECT_SAYS("a.txt", "a b\tr\tc\n\n<x>\t# r\t\"y\"\r\nlast\tr\tone",
		    "name:a b name:r name:c;name:<x> name:# r name:\"y\";name:last name:r name:one;");
	EXPECT_REFUSES("b.tsv", "a\tr\tc\na\tr\n", "line 2, byte 6", "2 of 3");
	EXPECT_REFUSES("b.tsv", "a\n", "line 1, byte 0", "1 of 3");
	EXPECT_REFUSES("b.tsv", "a\tr\tc\td\n", "line 1, byte 0", "more than 3");
	EXPECT_REFUSES("b.tsv", "a\t\tc\n", "line 1, byte 0", "relation is empty");
	EXPECT_REFUSES("b.tsv", "\n\na\tr\t\n", "line 3, byte 2", "tail is empty");
	EXPECT_REFUSES("b.tsv", "a\tr\t\xc3\n", "line 1, byte 0", "UTF-8");
	EXPECT_REFUSES("b.tsv", "a\tr\tc\na\tr\tb\0c\n", "line 2, byte 11", "NUL");
}

#define LICENCE "  1 This software and database  \n"
#define DOG     "00000033 05 n 02 Dog 0 domestic_dog 0 002 @ 00000101 n 0000 ~i 00000033 s 0102 | a \"pet\"; barks  \n"

/* The four files, the nouns as given. */
static void write_wordnet(const char *folder, const char *nouns, size_t bytes)
{
	char path[PATH_MAX];

	mkdir(in_folder(folder, "wn"), 0700);
	snprintf(path, sizeof(path), "%s/wn/data.noun", folder);
	write_file(path, nouns, bytes);
	snprintf(path, sizeof(path), "%s/wn/data.verb", folder);
	write_file(path, LICENCE, sizeof(LICENCE) - 1);
	snprintf(path, sizeof(path), "%s/wn/data.adj", folder);
	write_file(path, "00000005 00 s 01 Alive(p) 0 000 | x\n", 36);
	snprintf(path, sizeof(path), "%s/wn/data.adv", folder);
	write_file(path, "", 0);
}

#define EXPECT_WORDNET_REFUSES(nouns, where, why)                                                                      \
	do {                                                                                                           \
		write_wordnet(self->folder, nouns, sizeof(nouns) - 1);                                                 \
		EXPECT_EQ(-EBADMSG, parse(self, "wn", PINPOOL_KG_AUTO, 0));                                            \
		EXPECT_NE(NULL, strstr(self->diag.object, "wn/data.noun: " where))                                     \
		{                                                                                                      \
			TH_LOG("%s", self->diag.object);                                                               \
		}                                                                                                      \
		EXPECT_NE(NULL, strstr(self->diag.cause, why))                                                         \
		{                                                                                                      \
			TH_LOG("%s", self->diag.cause);                                                                \
		}                                                                                                      \
	} while (0)

TEST_F(input, wordnet_is_synsets_and_what_is_said_of_them)
{
	write_wordnet(self->folder, LICENCE DOG, sizeof(LICENCE DOG) - 1);
	EXPECT_EQ(0, parse(self, "wn", PINPOOL_KG_AUTO, 0))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	EXPECT_STREQ("name:n00000033 name:lexicographer_file name:05;name:n00000033 name:type name:n;"
		     "name:n00000033 name:lemma name:dog;name:n00000033 name:lemma name:domestic_dog;"
		     "name:n00000033 name:hypernym name:n00000101;name:n00000033 name:instance_hyponym name:a00000033;"
		     "name:n00000033 name:gloss string:a \"pet\"; barks;"
		     "name:a00000005 name:lexicographer_file name:00;name:a00000005 name:type name:s;"
		     "name:a00000005 name:lemma name:alive;name:a00000005 name:gloss string:x;",
		     self->said.data);
	/* Cut off, or otherwise not what it should be. */
	EXPECT_WORDNET_REFUSES(LICENCE "0000003 05 n 00 000 | x\n", "line 2, byte 33", "offset");
	EXPECT_WORDNET_REFUSES("00000033 05 n 03 dog 0 000 | x\n", "line 1, byte 0", "number of a word");
	EXPECT_WORDNET_REFUSES("00000033 05 n 01 dog 0 001 ? 00000033 n 0000 | x\n", "line 1, byte 0", "kind");
	EXPECT_WORDNET_REFUSES("00000033 05 n 01 dog 0 001 @ 00000033 q 0000 | x\n", "line 1, byte 0", "speech");
	EXPECT_WORDNET_REFUSES("00000033 05 n 01 dog 0 000\n", "line 1, byte 0", "gloss");
	EXPECT_WORDNET_REFUSES("00000033 05 n 01 dog 0 000 | x", "line 1, byte 0", "no end");
	EXPECT_WORDNET_REFUSES("00000033 05 n 01 dog 0 000 | \xff\n", "line 1, byte 0", "UTF-8");
	unlink(in_folder(self->folder, "wn/data.adv"));
	EXPECT_EQ(-ENOENT, parse(self, "wn", PINPOOL_KG_AUTO, 0));
	EXPECT_NE(NULL, strstr(self->diag.cause, "data.adv is missing"));
}

TEST_F(input, formats_go_by_names_unless_they_are_told)
{
	write_file(in_folder(self->folder, "a"), "a\tr\tc\n", 6);
	EXPECT_EQ(-EINVAL, parse(self, "a", PINPOOL_KG_AUTO, 64));
	EXPECT_NE(NULL, strstr(self->diag.change, "--format"));
	EXPECT_EQ(0, parse(self, "a", PINPOOL_KG_TSV, 64));
	EXPECT_EQ(1, self->count);
	EXPECT_EQ(-EBADMSG, parse(self, "a", PINPOOL_KG_NTRIPLES, 64));
	EXPECT_EQ(-ENOTDIR, parse(self, "a", PINPOOL_KG_WORDNET, 64));
	EXPECT_EQ(-EISDIR, parse(self, ".", PINPOOL_KG_TSV, 64));
	EXPECT_EQ(-ENOENT, parse(self, ".", PINPOOL_KG_AUTO, 64));
	EXPECT_EQ(-ENOENT, parse(self, "none.nt", PINPOOL_KG_AUTO, 64));
}

TEST_HARNESS_MAIN
