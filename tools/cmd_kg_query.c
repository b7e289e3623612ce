/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool kg query: the triples that match a pattern, as they are found. */
#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "kg_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct query_args {
	bool json;
	bool count;
	int64_t limit;
};

static const struct option_spec options[] = {
	OPTION('J', "json", NULL, "JSON lines: one object for each", OPTION_FLAG, struct query_args, json),
	OPTION(0, "count", NULL, "only how many match", OPTION_FLAG, struct query_args, count),
	OPTION(0, "limit", "N", "at most so many", OPTION_NUMBER, struct query_args, limit, .min = 1, .max = INT64_MAX),
	{0},
};

/* Three terms in one operand, or one in each of three. */
static int read_pattern(struct cli *cli, const struct kg *kg, char **operands, int count,
			struct pinpool_triple *pattern)
{
	uint64_t *ids[] = {&pattern->s, &pattern->p, &pattern->o};
	const char *at = operands[0];
	int status = STATUS_OK;

	if (count == 2)
		return error_usage(cli, NULL, "three of them, ? for any, such as '? lemma dog'",
				   "two operands are no pattern");
	for (int i = 0; i < 3 && !status; i++) {
		struct kg_word word = {0};

		if (count == 3)
			at = operands[i];
		status = kg_word_read(cli, &at, count == 3, &word);
		if (!status && count == 3 && *at)
			status = error_usage(cli, operands[i], NULL, "is more than one term");
		if (!status)
			status = kg_word_find(cli, kg, &word, i == 1, ids[i]);
		kg_word_free(&word);
	}
	if (!status && strspn(at, " ") != strlen(at))
		status = error_usage(cli, operands[0], NULL, "more than three terms");
	return status;
}

static int print_triple(const struct query_args *args, struct kg_terms *terms, const struct pinpool_triple *triple)
{
	static const char *const names[] = {"subject", "predicate", "object"};
	const uint64_t ids[] = {triple->s, triple->p, triple->o};
	json_t *line = args->json ? json_object() : NULL;
	const struct pinpool_term *term;
	int err;

	for (unsigned int i = 0; i < 3; i++) {
		err = kg_terms_get(terms, i, ids[i], &term);
		if (!err && args->json && json_object_set_new(line, names[i], kg_term_json(term)))
			err = -ENOMEM;
		if (err) {
			json_decref(line);
			return err;
		}
		if (!args->json) {
			kg_term_print(stdout, term);
			putchar(i < 2 ? '\t' : '\n');
		}
	}
	return args->json ? kg_json_line(line) : 0;
}

static int print_count(struct cli *cli, const struct query_args *args, const struct kg *kg,
		       const struct pinpool_triple *pattern)
{
	uint64_t count;
	int err = pinpool_kg_count(kg->graph, pattern, &count);

	if (err)
		return kg_failed(cli, kg, err);
	if (args->limit && count > (uint64_t)args->limit)
		count = (uint64_t)args->limit;
	if (args->json)
		printf("{\"count\":%llu}\n", (unsigned long long)count);
	else
		printf("%llu\n", (unsigned long long)count);
	return STATUS_OK;
}

static int print_matches(struct cli *cli, const struct query_args *args, const struct kg *kg,
			 const struct pinpool_triple *pattern)
{
	const volatile int *cancel = interrupt_begin();
	struct pinpool_kg_iter *iter;
	struct pinpool_triple triple;
	struct kg_terms terms;
	int64_t done = 0;
	int got;

	got = pinpool_kg_find(kg->graph, pattern, &iter);
	if (got)
		return kg_failed(cli, kg, got);
	kg_terms_begin(&terms, kg);
	/* Who reads no more (head) or a full disk ends it; main() says so. */
	while (!*cancel && !ferror(stdout) && (!args->limit || done < args->limit) &&
	       (got = pinpool_kg_next(iter, &triple)) > 0) {
		got = print_triple(args, &terms, &triple);
		if (got)
			break;
		done++;
	}
	kg_terms_end(&terms);
	pinpool_kg_iter_free(iter);
	if (*cancel)
		return STATUS_INTERRUPTED;
	return got < 0 ? kg_failed(cli, kg, got) : STATUS_OK;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct query_args *args = data;
	struct pinpool_triple pattern;
	struct kg kg;
	int status;

	status = kg_open(cli, operands[0], &kg);
	if (status)
		return status;
	status = read_pattern(cli, &kg, operands + 1, count - 1, &pattern);
	if (!status)
		status = args->count ? print_count(cli, args, &kg, &pattern) : print_matches(cli, args, &kg, &pattern);
	kg_close(&kg);
	return status;
}

const struct command command_kg_query = {
	.name = "kg query",
	.operands = "NAME PATTERN [PREDICATE OBJECT]",
	.min_operands = 2,
	.max_operands = 4,
	.summary = "find the triples that match a pattern",
	.example = "  pinpool kg query words '? lemma dog'",
	.options = options,
	.args_size = sizeof(struct query_args),
	.run = run,
};
