/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * WordNet's own files, data.noun and its like in one folder: a line is a synset, with its words, pointers to others and
 * a gloss. Synsets are named by part of speech and offset ("n00001740"); what is said of one is its type, the file of
 * its lexicographers, its lemmas in lower case, its pointers by their names and its gloss, which is a string.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/utf8.h"
#include "kg/input.h"

#define BLOCK_BYTES  (256u << 10)
/* "n00001740" */
#define SYNSET_BYTES 9

static const struct part {
	const char *file;
	char letter;
} parts[] = {{"data.noun", 'n'}, {"data.verb", 'v'}, {"data.adj", 'a'}, {"data.adv", 'r'}};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

static const struct pointer {
	const char *symbol;
	const char *name;
} pointers[] = {
	{"!", "antonym"},
	{"@", "hypernym"},
	{"@i", "instance_hypernym"},
	{"~", "hyponym"},
	{"~i", "instance_hyponym"},
	{"#m", "member_holonym"},
	{"#s", "substance_holonym"},
	{"#p", "part_holonym"},
	{"%m", "member_meronym"},
	{"%s", "substance_meronym"},
	{"%p", "part_meronym"},
	{"=", "attribute"},
	{"+", "derivationally_related_form"},
	{";c", "domain_topic"},
	{"-c", "member_of_domain_topic"},
	{";r", "domain_region"},
	{"-r", "member_of_domain_region"},
	{";u", "domain_usage"},
	{"-u", "member_of_domain_usage"},
	{"*", "entailment"},
	{">", "cause"},
	{"^", "also_see"},
	{"$", "verb_group"},
	{"&", "similar_to"},
	{"<", "participle_of"},
	{"\\", "pertainym"},
};

#define POINTERS (sizeof(pointers) / sizeof(pointers[0]))

/* A line, taken apart word by word. */
struct line {
	struct parser *parser;
	const char *at;
	const char *end;
	char synset[SYNSET_BYTES + 1];
};

struct word {
	const char *text;
	size_t bytes;
};

static int next_word(struct line *line, const char *what, struct word *word)
{
	while (line->at < line->end && *line->at == ' ')
		line->at++;
	word->text = line->at;
	while (line->at < line->end && *line->at != ' ')
		line->at++;
	word->bytes = (size_t)(line->at - word->text);
	return word->bytes ? 0 : parser_refuse(line->parser, "%s is missing", what);
}

static int next_number(struct line *line, const char *what, int base, size_t digits, unsigned long *number)
{
	char text[16], *end;
	struct word word;
	int err = next_word(line, what, &word);

	if (err)
		return err;
	if (word.bytes != digits || !isxdigit((unsigned char)*word.text))
		return parser_refuse(line->parser, "%s is not a number of %zu digits", what, digits);
	memcpy(text, word.text, word.bytes);
	text[word.bytes] = '\0';
	*number = strtoul(text, &end, base);
	return *end ? parser_refuse(line->parser, "%s is not a number", what) : 0;
}

static int next_offset(struct line *line, char letter, char synset[SYNSET_BYTES + 1])
{
	unsigned long offset;
	int err = next_number(line, "the offset of a synset", 10, 8, &offset);

	if (!err)
		snprintf(synset, SYNSET_BYTES + 1, "%c%08lu", letter, offset);
	return err;
}

static int add(struct line *line, const char *predicate, enum term_kind kind, const char *text, size_t bytes)
{
	const struct term terms[3] = {
		{.kind = TERM_NAME, .text = line->synset, .bytes = SYNSET_BYTES},
		{.kind = TERM_NAME, .text = predicate, .bytes = strlen(predicate)},
		{.kind = kind, .text = text, .bytes = bytes},
	};

	return line->parser->triple(line->parser->arg, terms, line->parser->diag);
}

/* In lower case, and without the "(p)" that says where an adjective may stand. */
static int add_lemma(struct line *line, const struct word *word)
{
	char lemma[256];
	size_t bytes = word->bytes;

	if (bytes > sizeof(lemma))
		return parser_refuse(line->parser, "a word of %zu bytes", bytes);
	for (size_t i = 0; i < bytes; i++)
		lemma[i] = (char)tolower((unsigned char)word->text[i]);
	if (bytes > 3 && lemma[bytes - 1] == ')') {
		const char *mark = memrchr(lemma, '(', bytes);

		if (mark && mark > lemma)
			bytes = (size_t)(mark - lemma);
	}
	return add(line, "lemma", TERM_NAME, lemma, bytes);
}

static int add_pointer(struct line *line)
{
	const char *name = NULL;
	struct word symbol, part;
	char synset[SYNSET_BYTES + 1], offset[SYNSET_BYTES + 1];
	unsigned long places;
	int err;

	err = next_word(line, "a pointer", &symbol);
	if (err)
		return err;
	for (size_t i = 0; i < POINTERS && !name; i++)
		if (strlen(pointers[i].symbol) == symbol.bytes &&
		    !memcmp(pointers[i].symbol, symbol.text, symbol.bytes))
			name = pointers[i].name;
	if (!name)
		return parser_refuse(line->parser, "a pointer of a kind that WordNet does not have");
	err = next_offset(line, '-', offset);
	if (!err)
		err = next_word(line, "a part of speech", &part);
	if (!err && (part.bytes != 1 || !strchr("nvars", *part.text)))
		err = parser_refuse(line->parser, "a part of speech that WordNet does not have");
	if (!err)
		err = next_number(line, "the place of a pointer", 16, 4, &places);
	if (err)
		return err;
	/* A satellite is an adjective, too, and lies in the same file. */
	snprintf(synset, sizeof(synset), "%c%s", *part.text == 's' ? 'a' : *part.text, offset + 1);
	return add(line, name, TERM_NAME, synset, SYNSET_BYTES);
}

/* What follows the bar, or nothing. */
static int add_gloss(struct line *line)
{
	const char *bar = memchr(line->at, '|', (size_t)(line->end - line->at));
	const char *end = line->end;

	if (!bar)
		return parser_refuse(line->parser, "the gloss is missing");
	for (bar++; bar < end && *bar == ' ';)
		bar++;
	while (end > bar && isspace((unsigned char)end[-1]))
		end--;
	return add(line, "gloss", TERM_STRING, bar, (size_t)(end - bar));
}

static int read_synset(struct line *line, char letter)
{
	unsigned long number;
	struct word word;
	int err;

	if (!utf8_is_valid(line->at, (size_t)(line->end - line->at)))
		return parser_refuse(line->parser, "is no UTF-8");
	err = next_offset(line, letter, line->synset);
	if (!err)
		err = next_word(line, "the file of lexicographers", &word);
	if (!err)
		err = add(line, "lexicographer_file", TERM_NAME, word.text, word.bytes);
	if (!err)
		err = next_word(line, "the type", &word);
	if (!err)
		err = add(line, "type", TERM_NAME, word.text, word.bytes);
	if (!err)
		err = next_number(line, "the number of words", 16, 2, &number);
	for (; !err && number; number--) {
		unsigned long id;

		err = next_word(line, "a word", &word);
		if (!err)
			err = add_lemma(line, &word);
		if (!err)
			err = next_number(line, "the number of a word", 16, 1, &id);
	}
	if (!err)
		err = next_number(line, "the number of pointers", 10, 3, &number);
	for (; !err && number; number--)
		err = add_pointer(line);
	return err ? err : add_gloss(line);
}

/* Lines that begin with blanks are the licence. */
static int read_block(struct parser *parser, const struct lines_block *block, char letter)
{
	const char *end = block->at + block->bytes, *next;
	int err = 0;

	parser->line = block->line;
	for (const char *at = block->at; at < end && !err; at = next, parser->line++) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		struct line line = {.parser = parser, .at = at, .end = stop ? stop : end};

		next = stop ? stop + 1 : end;
		parser->offset = block->offset + (uint64_t)(at - block->at);
		if (line.end > at && *at != ' ')
			err = read_synset(&line, letter);
		/* A file that was cut off ends within a line. */
		if (!err && !stop)
			err = parser_refuse(parser, "the last line has no end");
	}
	return err;
}

static int read_part(struct parser *parser, const struct part *part)
{
	const struct input *folder = parser->input;
	struct input file = {.format = PINPOOL_KG_WORDNET};
	struct lines lines = {.block = BLOCK_BYTES, .longest = parser->longest, .cancel = parser->cancel};
	struct lines_block block = {0};
	char *path;
	int err;

	if (asprintf(&path, "%s/%s", folder->path, part->file) < 0)
		return diag_errno(parser->diag, -ENOMEM, folder->path);
	lines.path = file.path = path;
	lines.fd = openat(folder->fd, part->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	err = lines.fd < 0 ? diag_errno(parser->diag, -errno, path) : 1;
	parser->input = &file;
	while (err > 0) {
		err = lines_next(&lines, &block, parser->diag);
		if (err > 0) {
			atomic_fetch_add(parser->read, block.bytes);
			err = read_block(parser, &block, part->letter);
			err = err ? err : 1;
		}
	}
	parser->input = folder;
	lines_free(&lines);
	lines_block_free(&block);
	if (lines.fd >= 0)
		close(lines.fd);
	free(path);
	return err;
}

int input_wordnet(struct parser *parser)
{
	int err = 0;

	for (size_t i = 0; i < PARTS && !err; i++)
		err = read_part(parser, &parts[i]);
	return err;
}

int input_wordnet_bytes(int fd, const char *path, uint64_t *bytes, struct pinpool_diag *diag)
{
	struct stat st;

	*bytes = 0;
	for (size_t i = 0; i < PARTS; i++) {
		if (fstatat(fd, parts[i].file, &st, 0))
			return diag_set(diag, -ENOENT, path, "such as /usr/share/wordnet",
					"is no folder of WordNet: %s is missing", parts[i].file);
		*bytes += (uint64_t)st.st_size;
	}
	return 0;
}
