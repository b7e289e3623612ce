/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* --help, `pinpool help` and the lists that completion reads, all made from the tables. */
#include "cli.h"
#include "error.h"
#include "table.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	/* Where the text of an option or a column begins. */
	INDENT = 26,
	LINE = 80,
};

/* Wraps @text at blanks; the cursor is at @column already. */
static void print_wrapped(const char *text, int column)
{
	while (*text) {
		int n = strcspn(text, " ");

		if (column > INDENT && column + 1 + n > LINE) {
			printf("\n%*s", INDENT, "");
			column = INDENT;
		} else if (column > INDENT) {
			putchar(' ');
			column++;
		}
		printf("%.*s", n, text);
		column += n;
		text += n;
		text += *text == ' ';
	}
	putchar('\n');
}

static void print_option(const struct option_spec *spec)
{
	char letter[8] = "    ", text[256];
	size_t length;
	int n, i;

	if (spec->letter)
		snprintf(letter, sizeof(letter), "-%c, ", spec->letter);
	n = printf("  %s--%s%s%s", letter, spec->name, spec->argument ? " " : "", spec->argument ? spec->argument : "");
	if (n + 2 > INDENT)
		printf("\n%*s", INDENT, "");
	else
		printf("%*s", INDENT - n, "");
	length = snprintf(text, sizeof(text), "%s", spec->help);
	for (i = 0; spec->choices && spec->choices[i] && length < sizeof(text); i++)
		length += snprintf(text + length, sizeof(text) - length, "%s%s", i ? ", " : ": ", spec->choices[i]);
	print_wrapped(text, INDENT);
}

static void print_options(const struct option_spec *table)
{
	for (; table && table->name; table++)
		print_option(table);
}

static void print_columns(const struct column *columns, const char *with, bool record)
{
	int n;

	printf("\nColumns%s%s%s:\n", with ? " with " : "", with ? with : "", record ? "" : " (* shown by default)");
	for (; columns->name; columns++) {
		n = printf("  %c %s", columns->extra || record ? ' ' : '*', columns->name);
		printf("%*s", n < INDENT ? INDENT - n : 1, "");
		print_wrapped(columns->help, INDENT);
	}
}

static void print_command(const char *name, const char *summary)
{
	printf("  %-13s %s\n", name, summary);
}

void help_main(void)
{
	const struct command *const *command;

	printf("Example:\n"
	       "  pinpool load lite model.safetensors\n"
	       "  pinpool show lite\n\n"
	       "Usage: pinpool [OPTION...] COMMAND [OPTION...] [OPERAND...]\n\n"
	       "Named pools of pinned huge pages for model weights.\n\n"
	       "Commands:\n");
	for (command = commands; *command; command++)
		print_command((*command)->name, (*command)->summary);
	print_command("help", "open the manual page of a command");
	printf("\nOptions:\n");
	print_options(main_options);
	print_options(common_options);
	printf("\nSee also: pinpool COMMAND --help, pinpool help COMMAND\n");
}

void help_group(const char *word)
{
	const struct command *const *command;
	size_t length = strlen(word);
	bool first = true;

	for (command = commands; *command; command++) {
		if (strncmp((*command)->name, word, length) || (*command)->name[length] != ' ')
			continue;
		if (first)
			printf("Example:\n%s\n\nUsage: pinpool %s COMMAND [OPTION...] [OPERAND...]\n\nCommands:\n",
			       (*command)->example, word);
		print_command((*command)->name, (*command)->summary);
		first = false;
	}
	printf("\nSee also: pinpool %s COMMAND --help\n", word);
}

void help_command(const struct command *command)
{
	printf("Example:\n%s\n\nUsage: pinpool %s [OPTION...]%s%s\n\n", command->example, command->name,
	       *command->operands ? " " : "", command->operands);
	printf("%c%s.\n\nOptions:\n", command->summary[0] - 'a' + 'A', command->summary + 1);
	print_options(command->options);
	print_options(common_options);
	if (command->columns)
		print_columns(command->columns, NULL, command->record);
	if (command->second_columns)
		print_columns(command->second_columns, command->second_option, command->record);
	if (command->third_columns)
		print_columns(command->third_columns, command->third_option, command->record);
	printf("\nSee also: pinpool help %s\n", command->name);
}

/* Fields are separated by tabs; one that is empty is "-". */
static void list_options(const struct option_spec *table)
{
	int i;

	for (; table && table->name; table++) {
		char letter[3] = {'-', table->letter, '\0'};

		printf("--%s\t%s\t%s\t", table->name, letter, table->argument ? table->argument : "-");
		for (i = 0; table->choices && table->choices[i]; i++)
			printf("%s%s", i ? " " : "", table->choices[i]);
		puts(table->choices ? "" : "-");
	}
}

static void list_columns(const struct column *columns, const char *option)
{
	for (; columns && columns->name; columns++)
		printf("%s\t%s\n", columns->name, option ? option : "-");
}

int help_list(struct cli *cli, char **words)
{
	const struct command *command = NULL;
	const struct command *const *each;
	const char *what = words[0];
	int used;

	cli->command = "--list";
	if (what && !strcmp(what, "commands") && !words[1]) {
		for (each = commands; *each; each++)
			printf("%s\t%s\t%s\n", (*each)->name, (*each)->operands, (*each)->summary);
		return STATUS_OK;
	}
	if (what && words[1]) {
		command = command_of(cli, words + 1, &used);
		if (!command)
			return STATUS_USAGE;
	}
	if (what && !strcmp(what, "options")) {
		list_options(command ? command->options : main_options);
		list_options(common_options);
		return STATUS_OK;
	}
	if (what && !strcmp(what, "columns") && command) {
		list_columns(command->columns, NULL);
		list_columns(command->second_columns, command->second_option);
		list_columns(command->third_columns, command->third_option);
		return STATUS_OK;
	}
	return error_usage(cli, what, "commands, options [COMMAND] or columns COMMAND", "nothing to list");
}

/* The page beside a program that has not been installed (build/bin/pinpool, build/man/...), if it is there. */
static bool find_built_page(const char *page, char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;
	int i;

	if (n < 0)
		return false;
	path[n] = '\0';
	for (i = 0; i < 2; i++) {
		slash = strrchr(path, '/');
		if (!slash)
			return false;
		*slash = '\0';
	}
	n = strlen(path);
	return (size_t)snprintf(path + n, size - n, "/man/%s.1", page) < size - n && !access(path, R_OK);
}

int help_man(struct cli *cli, char **words)
{
	const struct command *command = NULL;
	char page[64] = "pinpool", path[PATH_MAX];
	char *blank;
	int used;

	cli->command = "help";
	if (words[0]) {
		command = command_of(cli, words, &used);
		if (!command)
			return STATUS_USAGE;
		snprintf(page, sizeof(page), "pinpool-%s", command->name);
		blank = strchr(page, ' ');
		if (blank)
			*blank = '-';
	}
	if (find_built_page(page, path, sizeof(path)))
		execlp("man", "man", path, (char *)NULL);
	else
		execlp("man", "man", "1", page, (char *)NULL);
	if (errno == ENOENT)
		return error_line(cli, "man", command ? "pinpool COMMAND --help has a summary" : "see pinpool --help",
				  "the program is not installed");
	return error_errno(cli, "man", errno);
}
