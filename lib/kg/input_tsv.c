/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * "head TAB relation TAB tail" lines, as data sets for embeddings have them. The three are plain names, taken as they
 * are; an empty line is none, and a line may end with CR LF.
 */
#include "base/utf8.h"
#include "kg/input.h"

#include <string.h>

static int read_line(struct parser *parser, const char *at, size_t bytes)
{
	static const char *const roles[] = {"head", "relation", "tail"};
	struct term terms[3];
	const char *end = at + bytes;

	for (unsigned int i = 0; i < 3; i++) {
		const char *stop = memchr(at, '\t', (size_t)(end - at));

		if (i < 2 && !stop)
			return parser_refuse(parser, "%u of 3 names, which tabs separate", i + 1);
		if (i == 2 && stop)
			return parser_refuse(parser, "more than 3 names, which tabs separate");
		if (i == 2)
			stop = end;
		if (stop == at)
			return parser_refuse(parser, "the %s is empty", roles[i]);
		if (!utf8_is_valid(at, (size_t)(stop - at)))
			return parser_refuse(parser, "the %s is no UTF-8", roles[i]);
		terms[i] = (struct term){.kind = TERM_NAME, .text = at, .bytes = (size_t)(stop - at)};
		at = stop + 1;
	}
	return parser->triple(parser->arg, terms, parser->diag);
}

int input_tsv(struct parser *parser, const struct lines_block *block)
{
	const char *end = block->at + block->bytes;
	int err = 0;

	parser->line = block->line;
	for (const char *at = block->at; at < end && !err; parser->line++) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		const char *next = stop ? stop + 1 : end;
		size_t bytes = (size_t)((stop ? stop : end) - at);

		if (bytes && at[bytes - 1] == '\r')
			bytes--;
		parser->offset = block->offset + (uint64_t)(at - block->at);
		if (bytes)
			err = read_line(parser, at, bytes);
		at = next;
	}
	return err;
}
