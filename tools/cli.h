/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * What the parts of the command share: one run of it (struct cli), one command (struct command) and one option
 * (struct option_spec). The tables of commands, options and columns are the only place that says what exists: parsing,
 * --help and completion are made from them, and selftests/cli/agree.sh compares the man pages with them.
 */
#ifndef PINPOOL_TOOLS_CLI_H
#define PINPOOL_TOOLS_CLI_H

#include <pinpool/pinpool.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses, as pinpool(1) gives them. */
enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_INTERRUPTED = 130,
};

struct progress;

struct cli {
	const char *command; /* for messages, NULL before it is known */
	int backend; /* enum pinpool_backend */
	unsigned int verbose;
	bool help;
	bool version;
	struct pinpool_ctx *ctx;
	struct progress *progress; /* the bar that a message must take away first, or NULL */
	/* Gives the terminal back before an error line, while a screen is on it, which shows no messages; or NULL. */
	void (*screen_end)(void);
};

enum option_kind {
	OPTION_FLAG, /* bool */
	OPTION_COUNT, /* unsigned int, one more each time */
	OPTION_TEXT, /* const char * */
	OPTION_TEXTS, /* struct texts, one more each time */
	OPTION_SIZE, /* uint64_t, bytes */
	OPTION_NUMBER, /* int64_t from min to max */
	OPTION_MODE, /* mode_t, octal, of the bits 0666 */
	OPTION_CHOICE, /* int, index into choices */
};

/* What an option that may be given many times was given. */
struct texts {
	const char *at[64];
	size_t count;
};

/* A table of options ends with a name of NULL. Values go to @offset of the command's arguments. */
struct option_spec {
	char letter; /* 0 if there is only the long form */
	const char *name;
	const char *argument; /* NULL for none; its word chooses what completion offers */
	const char *help;
	enum option_kind kind;
	size_t offset;
	int64_t min, max;
	const char *const *choices;
};

/* A line of such a table: the value goes to @member of @type. Choices, min and max may follow by name. */
#define OPTION(letter_, name_, argument_, help_, kind_, type, member, ...)                                             \
	{                                                                                                              \
		.letter = letter_, .name = name_, .argument = argument_, .help = help_, .kind = kind_,                 \
		.offset = offsetof(type, member), ##__VA_ARGS__                                                        \
	}

struct column;

struct command {
	const char *name; /* as it is typed: one word, or two, of which several commands share the first */
	const char *operands;
	int min_operands;
	int max_operands; /* -1 for any number */
	const char *summary;
	const char *example; /* lines that work as they stand, each indented by two blanks */
	const struct option_spec *options;
	/* Columns that -o takes, in tables that end with a name of NULL; the others belong to an option each. */
	const struct column *columns;
	const char *second_option;
	const struct column *second_columns;
	const char *third_option;
	const struct column *third_columns;
	bool record; /* prints one row, of all columns where -o does not choose */
	size_t args_size;
	const void *defaults; /* of args_size bytes; NULL for all zero */
	int (*run)(struct cli *cli, const void *args, char **operands, int count);
};

/* In the order in which --help lists them; ends with NULL. */
extern const struct command *const commands[];
/* Of every command, and of pinpool itself; those of pinpool alone. */
extern const struct option_spec common_options[];
extern const struct option_spec main_options[];

const struct command *command_find(const char *name);
/*
 * The command that @words, ended by NULL, begin with; @words[0] is not NULL. NULL, after an error line, if there is
 * none; *@used is how many words its name has.
 */
const struct command *command_of(struct cli *cli, char **words, int *used);
/* The words that may follow @word in names of two, separated by ", "; false, and an empty text, if it begins none. */
bool command_group(const char *word, char *words, size_t size);

/*
 * Parses options of @command (NULL: only the common ones, up to the first operand) into @args and @cli, and moves the
 * operands to the end of @argv from *@first on. Returns STATUS_OK, or STATUS_USAGE after an error line.
 */
int options_parse(struct cli *cli, const struct command *command, void *args, int argc, char **argv, int *first);

void help_main(void);
/* The commands whose names begin with @word. */
void help_group(const char *word);
void help_command(const struct command *command);
/* "commands", "options CMD", "columns CMD", ended by NULL: lines for completion. Returns an exit status. */
int help_list(struct cli *cli, char **words);
/* Becomes man(1) for the command that @words begin with, or for pinpool. Returns only on failure, an exit status. */
int help_man(struct cli *cli, char **words);

/* Opens the backend chosen. Returns STATUS_OK, or STATUS_FAILED after an error line. */
int cli_open(struct cli *cli);
/* And a pool of it, for pinpool_pool_close(). Likewise. */
int cli_open_pool(struct cli *cli, const char *name, enum pinpool_open_mode mode, struct pinpool_pool **pool);

#endif
