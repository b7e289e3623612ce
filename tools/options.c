/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Options from tables: getopt_long() does the splitting, the table says what each one means and where its value goes.
 * A wrong option ends with an error line that names it and says what would be right.
 */
#include "cli.h"
#include "error.h"
#include "size.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	MAX_OPTIONS = 64,
	/* getopt_long() gives LONG_BASE + index, above every letter. */
	LONG_BASE = 256,
};

static const char *const backend_words[] = {"auto", "module", "hugetlbfs", "shm", NULL};

_Static_assert(PINPOOL_BACKEND_AUTO == 0 && PINPOOL_BACKEND_MODULE == 1 && PINPOOL_BACKEND_HUGETLBFS == 2 &&
		       PINPOOL_BACKEND_SHM == 3,
	       "backend_words follows enum pinpool_backend");

const struct option_spec common_options[] = {
	OPTION(0, "backend", "BACKEND", "who owns the pages (auto takes the first that this host offers)",
	       OPTION_CHOICE, struct cli, backend, .choices = backend_words),
	OPTION('v', "verbose", NULL, "show messages of the library; twice for more", OPTION_COUNT, struct cli, verbose),
	OPTION('h', "help", NULL, "show this", OPTION_FLAG, struct cli, help),
	{0},
};

const struct option_spec main_options[] = {
	OPTION(0, "version", NULL, "show the version", OPTION_FLAG, struct cli, version),
	{0},
};

/* Where one option goes: its line of a table and the struct that the table describes. */
struct target {
	const struct option_spec *spec;
	void *base;
};

static int bad_value(struct cli *cli, const struct option_spec *spec, const char *value, const char *want)
{
	char object[64];

	snprintf(object, sizeof(object), "--%s", spec->name);
	return error_usage(cli, object, want, "'%s' is not a value it takes", value);
}

static int store_choice(struct cli *cli, const struct option_spec *spec, int *to, const char *value)
{
	char words[128];
	size_t length;
	int i;

	length = snprintf(words, sizeof(words), "one of");
	for (i = 0; spec->choices[i]; i++) {
		if (!strcmp(spec->choices[i], value)) {
			*to = i;
			return STATUS_OK;
		}
		length += snprintf(words + length, sizeof(words) - length, "%s %s", i ? "," : "", spec->choices[i]);
	}
	return bad_value(cli, spec, value, words);
}

static int store_number(struct cli *cli, const struct option_spec *spec, int64_t *to, const char *value)
{
	char want[96], *end;
	long long number;

	errno = 0;
	number = strtoll(value, &end, 10);
	if (errno || end == value || *end || number < spec->min || number > spec->max) {
		if (spec->max == INT64_MAX)
			snprintf(want, sizeof(want), "a number from %lld on", (long long)spec->min);
		else
			snprintf(want, sizeof(want), "a number from %lld to %lld", (long long)spec->min,
				 (long long)spec->max);
		return bad_value(cli, spec, value, want);
	}
	*to = number;
	return STATUS_OK;
}

static int store_mode(struct cli *cli, const struct option_spec *spec, mode_t *to, const char *value)
{
	unsigned long mode;
	char *end;

	errno = 0;
	mode = strtoul(value, &end, 8);
	if (errno || value[0] < '0' || value[0] > '7' || *end || !mode || mode & ~0666UL)
		return bad_value(cli, spec, value, "octal read and write bits, such as 0640");
	*to = mode;
	return STATUS_OK;
}

static int store_texts(struct cli *cli, const struct option_spec *spec, struct texts *to, const char *value)
{
	const size_t room = sizeof(to->at) / sizeof(to->at[0]);
	char object[64];

	snprintf(object, sizeof(object), "--%s", spec->name);
	if (to->count == room)
		return error_usage(cli, object, "use patterns", "given more than %zu times", room);
	to->at[to->count++] = value;
	return STATUS_OK;
}

static int store(struct cli *cli, const struct target *target, const char *value)
{
	const struct option_spec *spec = target->spec;
	void *to = (char *)target->base + spec->offset;

	switch (spec->kind) {
	case OPTION_FLAG:
		*(bool *)to = true;
		return STATUS_OK;
	case OPTION_COUNT:
		++*(unsigned int *)to;
		return STATUS_OK;
	case OPTION_TEXT:
		*(const char **)to = value;
		return STATUS_OK;
	case OPTION_TEXTS:
		return store_texts(cli, spec, to, value);
	case OPTION_SIZE:
		if (size_parse(value, to) || !*(uint64_t *)to)
			return bad_value(cli, spec, value, SIZE_WORDS);
		return STATUS_OK;
	case OPTION_NUMBER:
		return store_number(cli, spec, to, value);
	case OPTION_MODE:
		return store_mode(cli, spec, to, value);
	case OPTION_CHOICE:
		return store_choice(cli, spec, to, value);
	}
	return STATUS_FAILED;
}

static void add(const struct option_spec *table, void *base, struct target *targets, int *count)
{
	for (; table && table->name && *count < MAX_OPTIONS; table++)
		targets[(*count)++] = (struct target){table, base};
}

/* What getopt_long() wants of the tables. @letters has room for two characters and an end more than three per option.
 */
static void describe(const struct target *targets, int count, bool to_first_operand, struct option *longs,
		     char *letters)
{
	int i;

	if (to_first_operand)
		*letters++ = '+';
	/* Tell a missing argument from an unknown option. */
	*letters++ = ':';
	for (i = 0; i < count; i++) {
		const struct option_spec *spec = targets[i].spec;

		longs[i] = (struct option){spec->name, spec->argument ? required_argument : no_argument, NULL,
					   LONG_BASE + i};
		if (spec->letter) {
			*letters++ = spec->letter;
			if (spec->argument)
				*letters++ = ':';
		}
	}
	longs[count] = (struct option){0};
	*letters = '\0';
}

static const struct target *find(const struct target *targets, int count, int c)
{
	int i;

	if (c >= LONG_BASE)
		return &targets[c - LONG_BASE];
	for (i = 0; i < count; i++)
		if (targets[i].spec->letter == c)
			return &targets[i];
	return NULL;
}

int options_parse(struct cli *cli, const struct command *command, void *args, int argc, char **argv, int *first)
{
	struct target targets[MAX_OPTIONS];
	struct option longs[MAX_OPTIONS + 1];
	char letters[3 * MAX_OPTIONS + 3], word[64];
	int c, status, count = 0;

	add(command ? command->options : main_options, command ? args : (void *)cli, targets, &count);
	add(common_options, cli, targets, &count);
	describe(targets, count, !command, longs, letters);

	opterr = 0;
	/* 0, not 1: glibc forgets the scan of an earlier command line, and its leading '+'. */
	optind = 0;
	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		/* For an error, optopt is the letter, LONG_BASE + index, or 0 for an unknown long option. */
		if (optopt >= LONG_BASE)
			snprintf(word, sizeof(word), "--%s", targets[optopt - LONG_BASE].spec->name);
		else if (optopt)
			snprintf(word, sizeof(word), "-%c", optopt);
		else
			snprintf(word, sizeof(word), "%s", argv[optind - 1]);
		if (c == '?')
			return error_usage(cli, word, NULL, optopt >= LONG_BASE ? "takes no value" : "no such option");
		if (c == ':')
			return error_usage(cli, word, NULL, "needs a value");
		status = store(cli, find(targets, count, c), optarg);
		if (status)
			return status;
	}
	*first = optind;
	return STATUS_OK;
}
