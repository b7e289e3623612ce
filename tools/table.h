/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Rows of something, shown by columns. A command gives one array of columns; the table, the key: value list, JSON,
 * --help and completion are made from it.
 */
#ifndef PINPOOL_TOOLS_TABLE_H
#define PINPOOL_TOOLS_TABLE_H

#include "cli.h"

enum cell_kind {
	CELL_NONE, /* unknown or does not apply: "-", null */
	CELL_TEXT, /* text, or buf where that is NULL */
	CELL_COUNT, /* number */
	CELL_BYTES, /* number: IEC units, exact with -b and in JSON */
	CELL_SIGNED, /* number as int64_t */
	CELL_REAL, /* real, with so many decimals in a table */
	CELL_FLAG, /* number: yes or no, true or false in JSON */
	CELL_TIME, /* number: nanoseconds since 1970, local time in a table */
	CELL_SHAPE, /* extents: "[2,3]" */
	CELL_METADATA, /* metadata: shortened in a table, whole in JSON */
};

struct cell {
	enum cell_kind kind;
	const char *text; /* lives as long as the row */
	uint64_t number;
	double real;
	int decimals;
	const uint64_t *extents;
	uint32_t ndim;
	const struct pinpool_metadata *metadata; /* likewise */
	char buf[160];
};

/* An array of columns ends with a name of NULL. */
struct column {
	const char *name; /* upper case; the key in JSON is the same in lower case and never changes */
	const char *help;
	bool right;
	bool extra; /* shown only where -o or -O asks */
	/* Fills @cell, which is CELL_NONE before. */
	void (*get)(const void *row, struct cell *cell);
};

void cell_text(struct cell *cell, const char *text);
void cell_count(struct cell *cell, uint64_t number);
void cell_bytes(struct cell *cell, uint64_t number);
void cell_signed(struct cell *cell, int64_t number);
/* What is not finite is unknown. */
void cell_real(struct cell *cell, double real, int decimals);
void cell_flag(struct cell *cell, bool flag);
/* 0 is no time. */
void cell_time(struct cell *cell, uint64_t ns);
void cell_digest(struct cell *cell, bool known, const uint8_t digest[PINPOOL_DIGEST_BYTES]);
void cell_sha256(struct cell *cell, bool known, const uint8_t sha256[PINPOOL_SHA256_BYTES]);

/* How the user wants it; part of a command's arguments, filled by TABLE_OPTIONS. */
struct table_args {
	bool bytes;
	bool json;
	bool noheadings;
	bool all;
	const char *columns;
};

/* Lines of a table of options for the struct table_args called @member in @type: for record_print(), */
/* clang-format off */
#define RECORD_OPTIONS(type, member)                                                                                  \
	OPTION('b', "bytes", NULL, "exact bytes instead of IEC units", OPTION_FLAG, type, member.bytes),               \
	OPTION('J', "json", NULL, "JSON, with the same columns and exact numbers", OPTION_FLAG, type, member.json),    \
	OPTION('o', "output", "COLUMNS", "these columns, in this order, separated by commas", OPTION_TEXT, type,       \
	       member.columns)

/* and for tables. */
#define TABLE_OPTIONS(type, member)                                                                                   \
	RECORD_OPTIONS(type, member),                                                                                  \
	OPTION('O', "output-all", NULL, "all columns", OPTION_FLAG, type, member.all),                                 \
	OPTION('n', "noheadings", NULL, "no line of headings", OPTION_FLAG, type, member.noheadings)
/* clang-format on */

struct table;

/*
 * Checks the choice of columns. @key names the array in JSON. Returns STATUS_OK and a table for table_free(), or an
 * exit status after an error line.
 */
int table_new(struct table **out, struct cli *cli, const struct table_args *args, const struct column *columns,
	      const char *key);
/* Returns 0 or -ENOMEM. */
int table_add(struct table *table, const void *row);
/* Returns an exit status, after an error line if it is not STATUS_OK. */
int table_print(struct table *table);
/* JSON on one line, with "time" @ns before the rows. Likewise. */
int table_print_line(struct table *table, uint64_t ns);
/* The text of a table, its headings first whether it has rows or not, without a newline at its end; for free(). NULL if
 * memory is short. */
char *table_text(struct table *table);
void table_free(struct table *table);

/* One row as "name: value" lines, or a JSON object with @args->json. Returns an exit status. */
int record_print(struct cli *cli, const struct table_args *args, const struct column *columns, const void *row);

#endif
