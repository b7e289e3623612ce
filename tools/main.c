/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool: the table of commands and the way to each of them. */
#include "cli.h"
#include "commands.h"
#include "error.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct command *const commands[] = {
	&command_create,
	&command_load,
	&command_ls,
	&command_show,
	&command_stat,
	&command_top,
	&command_metrics,
	&command_verify,
	&command_save,
	&command_compress,
	&command_matmul,
	&command_pack,
	&command_kg_build,
	&command_kg_stat,
	&command_kg_query,
	&command_kg_neighbors,
	&command_kg_export,
	&command_kg_bench,
	&command_bench_matmul,
	&command_bench_decode,
	&command_bench_load,
	&command_resize,
	&command_evictable,
	&command_rm,
	&command_reserve,
	NULL,
};

const struct command *command_find(const char *name)
{
	const struct command *const *command;

	for (command = commands; *command; command++)
		if (!strcmp((*command)->name, name))
			return *command;
	return NULL;
}

/* Insertions, deletions, replacements and swaps of neighbours that make @b out of @a; words beyond 15 are far away. */
static unsigned int distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), i, j;
	unsigned int d[16][16], best;

	if (n > 15 || m > 15)
		return 15;
	for (i = 0; i <= n; i++)
		d[i][0] = i;
	for (j = 0; j <= m; j++)
		d[0][j] = j;
	for (i = 1; i <= n; i++) {
		for (j = 1; j <= m; j++) {
			best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[n][m];
}

static int unknown_command(struct cli *cli, const char *name)
{
	char near[128] = "did you mean", change[192];
	const struct command *const *command;
	size_t length = strlen(near), none = length;

	for (command = commands; *command; command++) {
		const char *known = (*command)->name;

		/* A word of three letters is near too many at a distance of two. */
		if ((*name && !strncmp(known, name, strlen(name))) ||
		    distance(name, known) <= (strlen(name) > 3 && strlen(known) > 3 ? 2 : 1))
			length += snprintf(near + length, sizeof(near) - length, "%s %s", length > none ? " or" : "",
					   known);
	}
	snprintf(change, sizeof(change), "%s%spinpool --help lists the commands", length > none ? near : "",
		 length > none ? "? " : "");
	return error_usage(cli, *name ? name : "''", change, "no such command");
}

/* What follows @word and one blank in a name of two words, else NULL. */
static const char *second_word(const struct command *command, const char *word)
{
	size_t length = strlen(word);

	return !strncmp(command->name, word, length) && command->name[length] == ' ' ? command->name + length + 1
										     : NULL;
}

bool command_group(const char *word, char *words, size_t size)
{
	const struct command *const *command;
	size_t length = 0;

	words[0] = '\0';
	for (command = commands; *command; command++) {
		const char *second = second_word(*command, word);

		if (second && length < size)
			length += snprintf(words + length, size - length, "%s%s", length ? ", " : "", second);
	}
	return length;
}

const struct command *command_of(struct cli *cli, char **words, int *used)
{
	const struct command *command = command_find(words[0]);
	const struct command *const *each;
	char seconds[128], change[192];

	*used = 1;
	if (command)
		return command;
	if (!command_group(words[0], seconds, sizeof(seconds))) {
		unknown_command(cli, words[0]);
		return NULL;
	}
	*used = 2;
	for (each = commands; words[1] && *each; each++) {
		const char *second = second_word(*each, words[0]);

		if (second && !strcmp(second, words[1]))
			return *each;
	}
	snprintf(change, sizeof(change), "one of %s", seconds);
	if (words[1])
		error_usage(cli, words[0], change, "'%s' is no command of it", words[1]);
	else
		error_usage(cli, words[0], change, "a command of it is missing");
	return NULL;
}

static int check_operands(struct cli *cli, const struct command *command, int count)
{
	const char *operands = command->operands;
	int i;

	if (count < command->min_operands) {
		for (i = 0; i < count; i++)
			operands = strchr(operands, ' ') + 1;
		return error_usage(cli, NULL, NULL, "%.*s is missing", (int)strcspn(operands, " ."), operands);
	}
	if (command->max_operands >= 0 && count > command->max_operands)
		return error_usage(cli, NULL, NULL, "%d operand%s too many", count - command->max_operands,
				   count - command->max_operands > 1 ? "s" : "");
	return STATUS_OK;
}

static int run(struct cli *cli, const struct command *command, int argc, char **argv)
{
	int status, first;
	void *args;

	args = calloc(1, command->args_size);
	if (!args)
		return error_errno(cli, NULL, ENOMEM);
	if (command->defaults)
		memcpy(args, command->defaults, command->args_size);
	status = options_parse(cli, command, args, argc, argv, &first);
	if (status)
		goto out;
	if (cli->help) {
		help_command(command);
		goto out;
	}
	status = check_operands(cli, command, argc - first);
	if (!status)
		status = command->run(cli, args, argv + first, argc - first);
out:
	free(args);
	return status;
}

static int dispatch(struct cli *cli, int argc, char **argv)
{
	const struct command *command;
	char seconds[128];
	int status, first, used;

	if (argc > 1 && !strcmp(argv[1], "--list"))
		return help_list(cli, argv + 2);
	status = options_parse(cli, NULL, NULL, argc, argv, &first);
	if (status)
		return status;
	if (cli->version) {
		printf("pinpool %s\n", pinpool_version());
		return STATUS_OK;
	}
	if (cli->help) {
		help_main();
		return STATUS_OK;
	}
	if (first == argc)
		return error_usage(cli, NULL, NULL, "a command is missing");
	if (!strcmp(argv[first], "help"))
		return help_man(cli, argv + first + 1);
	if (first + 1 < argc && (!strcmp(argv[first + 1], "--help") || !strcmp(argv[first + 1], "-h")) &&
	    command_group(argv[first], seconds, sizeof(seconds))) {
		help_group(argv[first]);
		return STATUS_OK;
	}
	command = command_of(cli, argv + first, &used);
	if (!command)
		return STATUS_USAGE;
	cli->command = command->name;
	/* What stands before its options is the name, in one word or two. */
	first += used - 1;
	return run(cli, command, argc - first, argv + first);
}

int cli_open(struct cli *cli)
{
	PINPOOL_OPTS(pinpool_ctx_opts, opts, .backend = cli->backend, .log = error_log, .log_arg = cli,
		     .log_level = PINPOOL_LOG_WARN + (cli->verbose < 2 ? cli->verbose : 2));
	struct pinpool_diag diag = {0};
	int err;

	err = pinpool_ctx_new(&cli->ctx, &opts, &diag);
	return err ? error_diag(cli, err, &diag) : STATUS_OK;
}

int cli_open_pool(struct cli *cli, const char *name, enum pinpool_open_mode mode, struct pinpool_pool **pool)
{
	struct pinpool_diag diag = {0};
	int status, err;

	status = cli_open(cli);
	if (status)
		return status;
	err = pinpool_pool_open(cli->ctx, name, mode, pool, &diag);
	return err ? error_diag(cli, err, &diag) : STATUS_OK;
}

int main(int argc, char **argv)
{
	struct cli cli = {0};
	int status;

	/* Width of characters in tables; numbers and messages stay as in the C locale. */
	setlocale(LC_CTYPE, "");
	status = dispatch(&cli, argc, argv);
	pinpool_ctx_unref(cli.ctx);
	/* What was not written was not said: a full disk behind a pipe must not look like success. */
	if ((fflush(stdout) || ferror(stdout)) && status == STATUS_OK)
		status = error_errno(&cli, "standard output", errno);
	return status;
}
