/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool kg export: all triples of a graph as a file that builds it again. */
#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "kg_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum export_format { EXPORT_AUTO, EXPORT_NTRIPLES, EXPORT_TSV };

struct export_args {
	int format; /* enum export_format */
};

static const char *const format_words[] = {"auto", "ntriples", "tsv", NULL};

static const struct option_spec options[] = {
	OPTION(0, "format", "FORMAT", "what is written (auto: tsv if there are only plain names)", OPTION_CHOICE,
	       struct export_args, format, .choices = format_words),
	{0},
};

/* Whether the predicates are plain names, which all terms of TSV are. */
static int choose(struct cli *cli, const struct kg *kg, enum export_format *format)
{
	struct pinpool_text text = {0};
	struct pinpool_term term;
	int err = pinpool_kg_predicate_term(kg->graph, 0, &text, &term);

	if (!err)
		*format = term.kind == PINPOOL_TERM_NAME ? EXPORT_TSV : EXPORT_NTRIPLES;
	free(text.data);
	return err ? kg_failed(cli, kg, err) : STATUS_OK;
}

static int refuse(struct cli *cli, const struct kg *kg, enum export_format format, const struct pinpool_term *term)
{
	if (format == EXPORT_NTRIPLES)
		return error_line(cli, kg->name, "--format tsv writes it", "N-Triples has no plain names such as %.*s",
				  (int)(term->bytes < 64 ? term->bytes : 64), term->text);
	return error_line(cli, kg->name, NULL, "TSV has no text with a tab or the end of a line in it: %.*s",
			  (int)(term->bytes < 64 ? term->bytes : 64), term->text);
}

static bool can_be(enum export_format format, const struct pinpool_term *term)
{
	if (format == EXPORT_NTRIPLES)
		return term->kind != PINPOOL_TERM_NAME;
	return term->bytes && !memchr(term->text, '\t', term->bytes) && !memchr(term->text, '\n', term->bytes) &&
	       !memchr(term->text, '\r', term->bytes);
}

static int write_triple(struct cli *cli, enum export_format format, struct kg_terms *terms,
			const struct pinpool_triple *triple)
{
	const uint64_t ids[] = {triple->s, triple->p, triple->o};
	const struct pinpool_term *term;
	int err;

	for (unsigned int i = 0; i < 3; i++) {
		err = kg_terms_get(terms, i, ids[i], &term);
		if (err)
			return kg_failed(cli, terms->kg, err);
		if (!can_be(format, term))
			return refuse(cli, terms->kg, format, term);
		if (format == EXPORT_NTRIPLES) {
			kg_term_print(stdout, term);
			fputs(i < 2 ? " " : " .\n", stdout);
		} else {
			fwrite(term->text, 1, term->bytes, stdout);
			putchar(i < 2 ? '\t' : '\n');
		}
	}
	return STATUS_OK;
}

static int write_all(struct cli *cli, enum export_format format, const struct kg *kg)
{
	const struct pinpool_triple pattern = {PINPOOL_KG_ANY, PINPOOL_KG_ANY, PINPOOL_KG_ANY};
	const volatile int *cancel = interrupt_begin();
	struct pinpool_kg_iter *iter;
	struct pinpool_triple triple;
	struct kg_terms terms;
	int got, status = STATUS_OK;

	got = pinpool_kg_find(kg->graph, &pattern, &iter);
	if (got)
		return kg_failed(cli, kg, got);
	kg_terms_begin(&terms, kg);
	while (!status && !*cancel && !ferror(stdout) && (got = pinpool_kg_next(iter, &triple)) > 0)
		status = write_triple(cli, format, &terms, &triple);
	kg_terms_end(&terms);
	pinpool_kg_iter_free(iter);
	if (*cancel)
		return STATUS_INTERRUPTED;
	return got < 0 ? kg_failed(cli, kg, got) : status;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct export_args *args = data;
	enum export_format format = (enum export_format)args->format;
	struct kg kg;
	int status;

	(void)count;
	status = kg_open(cli, operands[0], &kg);
	if (status)
		return status;
	if (format == EXPORT_AUTO)
		status = choose(cli, &kg, &format);
	if (!status)
		status = write_all(cli, format, &kg);
	kg_close(&kg);
	return status;
}

const struct command command_kg_export = {
	.name = "kg export",
	.operands = "NAME",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "write all triples as N-Triples or TSV",
	.example = "  pinpool kg export words",
	.options = options,
	.args_size = sizeof(struct export_args),
	.run = run,
};
