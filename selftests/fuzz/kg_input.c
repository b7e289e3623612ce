/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Files of triples: the first byte of the input is the format, the rest the file (of WordNet, its nouns). Whatever the
 * bytes, parsing ends, and what it hands out are terms that a dictionary takes and gives back.
 */
#include "../lib/checkpoints.h"
#include "kg/input.h"

#include <errno.h>
#include <stdatomic.h>

static char folder[PATH_MAX];

static void leave(void)
{
	remove_folder(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	make_folder(folder);
	atexit(leave);
	for (int i = 0; i < 3; i++)
		write_file(in_folder(folder, (const char *[]){ "data.verb", "data.adj", "data.adv" }[i]), "", 0);
	return 0;
}

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "accepted: %s\n", what);
	abort();
}

static int take(void *arg, const struct term terms[3], struct pinpool_diag *diag)
{
	struct bytes key = { 0 }, text = { 0 };
	struct term back;

	(void)arg;
	(void)diag;
	for (int i = 0; i < 3; i++) {
		must(i == 2 || terms[i].kind <= TERM_NAME, "a literal that is no object");
		must(!term_to_key(&terms[i], &key), "a term that is none");
		must(!term_from_key(key.data, key.count, &text, &back), "a key that is none");
		/* "1"^^xsd:string is "1". */
		must(back.bytes == terms[i].bytes && !memcmp(back.text, terms[i].text, back.bytes), "another term");
	}
	bytes_free(&key);
	bytes_free(&text);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_Atomic uint64_t read = 0;
	struct pinpool_diag diag = { 0 };
	struct parser parser = { .triple = take, .read = &read, .longest = 1024, .diag = &diag };
	struct lines lines = { .path = "fuzz", .block = 64, .longest = 1024 };
	enum pinpool_kg_format format;
	struct lines_block block = { 0 };
	struct input input;
	int err;

	if (!size)
		return 0;
	format = 1 + data[0] % 4;
	write_file(in_folder(folder, "data.noun"), data + 1, size - 1);
	must(!input_open(&input, format == PINPOOL_KG_WORDNET ? folder : in_folder(folder, "data.noun"), format, &diag),
	     "no file");
	if (input_is_lines(&input)) {
		lines.fd = input.fd;
		while ((err = lines_next(&lines, &block, &diag)) > 0 && !(err = parser_lines(&parser, &input, &block)))
			;
	} else {
		err = parser_whole(&parser, &input);
	}
	must(!err || (err == -EBADMSG && *diag.object && *diag.cause), "as another error, or without a word");
	lines_free(&lines);
	lines_block_free(&block);
	parser_free(&parser);
	input_close(&input);
	return 0;
}
