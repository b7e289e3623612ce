/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool kg neighbors: what is next to a node, by which predicate, or within some steps. */
#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "kg_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct neighbors_args {
	const char *relation;
	bool in;
	bool out;
	int64_t hops;
	int64_t limit;
	bool json;
};

static const struct option_spec options[] = {
	OPTION(0, "relation", "PREDICATE", "follow only this predicate", OPTION_TEXT, struct neighbors_args, relation),
	OPTION(0, "out", NULL, "only from subject to object", OPTION_FLAG, struct neighbors_args, out),
	OPTION(0, "in", NULL, "only from object to subject", OPTION_FLAG, struct neighbors_args, in),
	OPTION(0, "hops", "N", "all nodes within so many steps, and how many each takes", OPTION_NUMBER,
	       struct neighbors_args, hops, .min = 1, .max = UINT32_MAX),
	OPTION(0, "limit", "N", "at most so many; with --hops an error if there are more, 1000000 if not given",
	       OPTION_NUMBER, struct neighbors_args, limit, .min = 1, .max = INT64_MAX),
	OPTION('J', "json", NULL, "JSON lines: one object for each", OPTION_FLAG, struct neighbors_args, json),
	{0},
};

/* What is asked for. */
struct asked {
	const struct neighbors_args *args;
	struct cli *cli;
	struct kg kg;
	uint64_t node;
	uint64_t predicate; /* or PINPOOL_KG_ANY */
	const volatile int *cancel;
};

static int print_edge(const struct asked *asked, struct kg_terms *terms, const char *way,
		      const struct pinpool_triple *triple, bool in)
{
	const struct pinpool_term *predicate, *other;
	int err;

	err = kg_terms_get(terms, 1, triple->p, &predicate);
	if (!err)
		err = kg_terms_get(terms, 2, in ? triple->s : triple->o, &other);
	if (err)
		return err;
	if (asked->args->json)
		return kg_json_line(json_pack("{s:s, s:o, s:o}", "way", way, "predicate", kg_term_json(predicate),
					      "node", kg_term_json(other)));
	printf("%s\t", way);
	kg_term_print(stdout, predicate);
	putchar('\t');
	kg_term_print(stdout, other);
	putchar('\n');
	return 0;
}

/* All edges of one direction. Returns 0 or -errno. */
static int print_edges(const struct asked *asked, bool in, int64_t *left)
{
	const struct pinpool_triple pattern = {
		.s = in ? PINPOOL_KG_ANY : asked->node,
		.p = asked->predicate,
		.o = in ? asked->node : PINPOOL_KG_ANY,
	};
	struct pinpool_kg_iter *iter;
	struct pinpool_triple triple;
	struct kg_terms terms;
	int got;

	got = pinpool_kg_find(asked->kg.graph, &pattern, &iter);
	if (got)
		return got;
	kg_terms_begin(&terms, &asked->kg);
	while (!*asked->cancel && !ferror(stdout) && *left && (got = pinpool_kg_next(iter, &triple)) > 0) {
		got = print_edge(asked, &terms, in ? "in" : "out", &triple, in);
		if (got)
			break;
		--*left;
	}
	kg_terms_end(&terms);
	pinpool_kg_iter_free(iter);
	return got < 0 ? got : 0;
}

static int print_reached(const struct asked *asked, const struct pinpool_kg_reached *reached, struct kg_terms *terms)
{
	const struct pinpool_term *term;
	int err = kg_terms_get(terms, 0, reached->node, &term);

	if (err)
		return err;
	if (asked->args->json)
		return kg_json_line(
			json_pack("{s:I, s:o}", "hops", (json_int_t)reached->hops, "node", kg_term_json(term)));
	printf("%u\t", reached->hops);
	kg_term_print(stdout, term);
	putchar('\n');
	return 0;
}

static int print_near(const struct asked *asked)
{
	const struct neighbors_args *args = asked->args;
	PINPOOL_OPTS(pinpool_kg_reach_opts, opts,
		     .way = args->in == args->out ? PINPOOL_KG_BOTH
			    : args->in		  ? PINPOOL_KG_IN
						  : PINPOOL_KG_OUT,
		     .one_predicate = asked->predicate != PINPOOL_KG_ANY, .predicate = asked->predicate,
		     .hops = (uint32_t)args->hops, .most = (uint64_t)args->limit, .cancel = asked->cancel);
	struct pinpool_kg_reached *reached;
	struct kg_terms terms;
	int64_t count;
	int err = 0;

	count = pinpool_kg_reach(asked->kg.graph, &asked->node, 1, &opts, &reached);
	if (count == -ENOSPC)
		return error_line(asked->cli, asked->kg.name, "fewer --hops, or a larger --limit",
				  "more nodes are as near as that than the limit allows");
	if (count < 0)
		return count == -ECANCELED ? STATUS_INTERRUPTED : kg_failed(asked->cli, &asked->kg, (int)count);
	kg_terms_begin(&terms, &asked->kg);
	for (int64_t i = 0; i < count && !err && !ferror(stdout) && !*asked->cancel; i++)
		err = print_reached(asked, &reached[i], &terms);
	kg_terms_end(&terms);
	free(reached);
	return err ? kg_failed(asked->cli, &asked->kg, err) : *asked->cancel ? STATUS_INTERRUPTED : STATUS_OK;
}

static int print_all(const struct asked *asked)
{
	const struct neighbors_args *args = asked->args;
	int64_t left = args->limit ? args->limit : INT64_MAX;
	int err = 0;

	if (args->hops)
		return print_near(asked);
	if (!args->in || args->out)
		err = print_edges(asked, false, &left);
	if (!err && (!args->out || args->in))
		err = print_edges(asked, true, &left);
	return err ? kg_failed(asked->cli, &asked->kg, err) : *asked->cancel ? STATUS_INTERRUPTED : STATUS_OK;
}

/* The number of one term; PINPOOL_KG_ANY where there is none to look for. */
static int find(const struct asked *asked, const char *text, bool predicate, uint64_t *id)
{
	struct kg_word word = {0};
	int status = STATUS_OK;

	*id = PINPOOL_KG_ANY;
	if (!text)
		return STATUS_OK;
	status = kg_word_read(asked->cli, &text, true, &word);
	if (!status && (word.any || *text))
		status = error_usage(asked->cli, text, NULL, "one term is wanted here");
	if (!status)
		status = kg_word_find(asked->cli, &asked->kg, &word, predicate, id);
	kg_word_free(&word);
	return status;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	struct asked asked = {.args = data, .cli = cli};
	int status;

	(void)count;
	status = kg_open(cli, operands[0], &asked.kg);
	if (status)
		return status;
	asked.cancel = interrupt_begin();
	status = find(&asked, operands[1], false, &asked.node);
	if (!status)
		status = find(&asked, asked.args->relation, true, &asked.predicate);
	if (!status)
		status = print_all(&asked);
	kg_close(&asked.kg);
	return status;
}

const struct command command_kg_neighbors = {
	.name = "kg neighbors",
	.operands = "NAME TERM",
	.min_operands = 2,
	.max_operands = 2,
	.summary = "list what is next to a node, or near it",
	.example = "  pinpool kg neighbors words dog --in",
	.options = options,
	.args_size = sizeof(struct neighbors_args),
	.run = run,
};
