/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Columns to text and JSON; see table.h. libsmartcols lays out the text. JSON is jansson's, because libsmartcols prints
 * an array without elements (the shape of a scalar) as [null] and lets bytes that are not UTF-8 through.
 */
#include "table.h"
#include "digest.h"
#include "error.h"
#include "json_text.h"
#include "metadata.h"
#include "size.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <libsmartcols/libsmartcols.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
	MAX_COLUMNS = 64,
	/* Of the text of a cell that is not text itself: a shape of 16 extents of 20 digits. */
	CELL_TEXT_MAX = 384,
};

struct table {
	struct cli *cli;
	const struct table_args *args;
	const char *key;
	const struct column *columns[MAX_COLUMNS];
	size_t count;
	struct libscols_table *text;
	json_t *json;
};

void cell_text(struct cell *cell, const char *text)
{
	cell->kind = text ? CELL_TEXT : CELL_NONE;
	cell->text = text;
}

void cell_count(struct cell *cell, uint64_t number)
{
	cell->kind = number == PINPOOL_UNKNOWN ? CELL_NONE : CELL_COUNT;
	cell->number = number;
}

void cell_bytes(struct cell *cell, uint64_t number)
{
	cell->kind = number == PINPOOL_UNKNOWN ? CELL_NONE : CELL_BYTES;
	cell->number = number;
}

void cell_signed(struct cell *cell, int64_t number)
{
	cell->kind = CELL_SIGNED;
	cell->number = number;
}

void cell_real(struct cell *cell, double real, int decimals)
{
	cell->kind = isfinite(real) ? CELL_REAL : CELL_NONE;
	cell->real = real;
	cell->decimals = decimals;
}

void cell_flag(struct cell *cell, bool flag)
{
	cell->kind = CELL_FLAG;
	cell->number = flag;
}

void cell_time(struct cell *cell, uint64_t ns)
{
	cell->kind = ns ? CELL_TIME : CELL_NONE;
	cell->number = ns;
}

void cell_digest(struct cell *cell, bool known, const uint8_t digest[PINPOOL_DIGEST_BYTES])
{
	if (!known)
		return;
	cell->kind = CELL_TEXT;
	digest_text(digest, cell->buf);
}

void cell_sha256(struct cell *cell, bool known, const uint8_t sha256[PINPOOL_SHA256_BYTES])
{
	if (!known)
		return;
	cell->kind = CELL_TEXT;
	sha256_text(sha256, cell->buf);
}

static const char *time_text(uint64_t ns, char *buf)
{
	time_t seconds = ns / 1000000000;
	struct tm tm;

	if (!localtime_r(&seconds, &tm) || !strftime(buf, CELL_TEXT_MAX, "%Y-%m-%d %H:%M", &tm))
		return "-";
	return buf;
}

static const char *shape_text(const struct cell *cell, char *buf)
{
	size_t length = 1;
	uint32_t i;

	buf[0] = '[';
	for (i = 0; i < cell->ndim; i++)
		length += sprintf(buf + length, i ? ",%llu" : "%llu", (unsigned long long)cell->extents[i]);
	strcpy(buf + length, "]");
	return buf;
}

/* @buf has CELL_TEXT_MAX bytes. */
static const char *text_of(const struct cell *cell, bool bytes, char *buf)
{
	switch (cell->kind) {
	case CELL_NONE:
		break;
	case CELL_TEXT:
		return cell->text ? cell->text : cell->buf;
	case CELL_BYTES:
		if (!bytes)
			return size_short(cell->number, buf);
		/* fallthrough */
	case CELL_COUNT:
		sprintf(buf, "%llu", (unsigned long long)cell->number);
		return buf;
	case CELL_SIGNED:
		sprintf(buf, "%lld", (long long)cell->number);
		return buf;
	case CELL_REAL:
		snprintf(buf, CELL_TEXT_MAX, "%.*f", cell->decimals, cell->real);
		return buf;
	case CELL_FLAG:
		return cell->number ? "yes" : "no";
	case CELL_TIME:
		return time_text(cell->number, buf);
	case CELL_SHAPE:
		return shape_text(cell, buf);
	case CELL_METADATA:
		return metadata_text(cell->metadata, buf);
	}
	return "-";
}

static json_t *json_of(const struct cell *cell)
{
	const char *text;
	json_t *array;
	uint32_t i;

	switch (cell->kind) {
	case CELL_NONE:
		break;
	case CELL_TEXT:
		text = cell->text ? cell->text : cell->buf;
		return json_text(text, strlen(text));
	case CELL_COUNT:
	case CELL_BYTES:
	case CELL_SIGNED:
	case CELL_TIME:
		return json_integer(cell->number);
	case CELL_REAL:
		return json_real(cell->real);
	case CELL_FLAG:
		return json_boolean(cell->number);
	case CELL_SHAPE:
		array = json_array();
		for (i = 0; i < cell->ndim; i++)
			if (json_array_append_new(array, json_integer(cell->extents[i]))) {
				json_decref(array);
				return NULL;
			}
		return array;
	case CELL_METADATA:
		return metadata_json(cell->metadata);
	}
	return json_null();
}

static void key_of(const struct column *column, char *key, size_t size)
{
	size_t i;

	for (i = 0; column->name[i] && i + 1 < size; i++)
		key[i] = tolower((unsigned char)column->name[i]);
	key[i] = '\0';
}

static json_t *json_row(const struct table *table, const void *row)
{
	json_t *object = json_object();
	char key[32];
	size_t i;

	for (i = 0; i < table->count; i++) {
		struct cell cell = {0};

		table->columns[i]->get(row, &cell);
		key_of(table->columns[i], key, sizeof(key));
		if (json_object_set_new(object, key, json_of(&cell))) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static const struct column *find(const struct column *columns, const char *name, size_t length)
{
	for (; columns->name; columns++)
		if (strlen(columns->name) == length && !strncasecmp(columns->name, name, length))
			return columns;
	return NULL;
}

static int choose(struct table *table, const struct column *columns, bool all)
{
	const struct table_args *args = table->args;
	const char *word, *end;

	if (!args->columns) {
		for (; columns->name && table->count < MAX_COLUMNS; columns++)
			if (all || !columns->extra)
				table->columns[table->count++] = columns;
		return STATUS_OK;
	}
	for (word = args->columns;; word = end + 1) {
		const struct column *column;

		end = strchrnul(word, ',');
		column = find(columns, word, end - word);
		if (!column)
			return error_usage(table->cli, "--output", NULL, "'%.*s' is no column", (int)(end - word),
					   word);
		if (table->count == MAX_COLUMNS)
			return error_usage(table->cli, "--output", NULL, "more than %d columns", MAX_COLUMNS);
		table->columns[table->count++] = column;
		if (!*end)
			return STATUS_OK;
	}
}

int table_new(struct table **out, struct cli *cli, const struct table_args *args, const struct column *columns,
	      const char *key)
{
	struct table *table = calloc(1, sizeof(*table));
	int status;
	size_t i;

	if (!table)
		return error_errno(cli, NULL, ENOMEM);
	table->cli = cli;
	table->args = args;
	table->key = key;
	status = choose(table, columns, args->all);
	if (status)
		goto err_free;
	if (args->json) {
		table->json = json_array();
		if (!table->json)
			goto err_nomem;
	} else {
		table->text = scols_new_table();
		if (!table->text)
			goto err_nomem;
		scols_table_enable_noheadings(table->text, args->noheadings);
		for (i = 0; i < table->count; i++)
			if (!scols_table_new_column(table->text, table->columns[i]->name, 0,
						    table->columns[i]->right ? SCOLS_FL_RIGHT : 0))
				goto err_nomem;
	}
	*out = table;
	return STATUS_OK;

err_nomem:
	status = error_errno(cli, NULL, ENOMEM);
err_free:
	table_free(table);
	return status;
}

int table_add(struct table *table, const void *row)
{
	struct libscols_line *line;
	char buf[CELL_TEXT_MAX];
	size_t i;

	if (table->json)
		return json_array_append_new(table->json, json_row(table, row)) ? -ENOMEM : 0;
	line = scols_table_new_line(table->text, NULL);
	if (!line)
		return -ENOMEM;
	for (i = 0; i < table->count; i++) {
		struct cell cell = {0};

		table->columns[i]->get(row, &cell);
		if (scols_line_set_data(line, i, text_of(&cell, table->args->bytes, buf)))
			return -ENOMEM;
	}
	return 0;
}

static int dump(struct cli *cli, const json_t *value, size_t layout)
{
	/* More digits than anything that is measured has. */
	if (json_dumpf(value, stdout, layout | JSON_REAL_PRECISION(8)) || putchar('\n') == EOF)
		return error_errno(cli, "standard output", errno);
	return STATUS_OK;
}

static int print_headings(const struct table *table, FILE *to)
{
	size_t i;

	for (i = 0; !table->args->noheadings && i < table->count; i++)
		fprintf(to, "%s%c", table->columns[i]->name, i + 1 < table->count ? ' ' : '\n');
	return STATUS_OK;
}

int table_print(struct table *table)
{
	json_t *top;
	int err, status;

	if (!table->json) {
		/* libsmartcols leaves out the headings of a table without lines. */
		if (scols_table_is_empty(table->text))
			return print_headings(table, stdout);
		err = scols_print_table(table->text);
		return err ? error_errno(table->cli, "standard output", err) : STATUS_OK;
	}
	top = json_object();
	if (json_object_set(top, table->key, table->json)) {
		json_decref(top);
		return error_errno(table->cli, NULL, ENOMEM);
	}
	status = dump(table->cli, top, JSON_INDENT(2));
	json_decref(top);
	return status;
}

int table_print_line(struct table *table, uint64_t ns)
{
	json_t *top = json_object();
	int status;

	if (json_object_set_new(top, "time", json_integer(ns)) || json_object_set(top, table->key, table->json)) {
		json_decref(top);
		return error_errno(table->cli, NULL, ENOMEM);
	}
	status = dump(table->cli, top, JSON_COMPACT);
	json_decref(top);
	return status;
}

char *table_text(struct table *table)
{
	char *text = NULL;
	size_t size;
	FILE *to;

	if (!scols_table_is_empty(table->text)) {
		/* Whoever shows it cuts lines to what there is room for. */
		scols_table_set_termforce(table->text, SCOLS_TERMFORCE_NEVER);
		return scols_print_table_to_string(table->text, &text) ? NULL : text;
	}
	to = open_memstream(&text, &size);
	if (!to)
		return NULL;
	print_headings(table, to);
	if (!fclose(to)) {
		text[strcspn(text, "\n")] = '\0';
		return text;
	}
	free(text);
	return NULL;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	json_decref(table->json);
	scols_unref_table(table->text);
	free(table);
}

static void record_line(const struct table *table, const struct column *column, int width, const void *row)
{
	char buf[CELL_TEXT_MAX], size[SIZE_TEXT_MAX], key[32];
	struct cell cell = {0};

	column->get(row, &cell);
	key_of(column, key, sizeof(key) - 1);
	strcat(key, ":");
	if (cell.kind == CELL_BYTES && !table->args->bytes && cell.number >= 1024)
		printf("%-*s %s (%llu bytes)\n", width, key, size_long(cell.number, size),
		       (unsigned long long)cell.number);
	else if (cell.kind == CELL_BYTES && !table->args->bytes)
		printf("%-*s %s\n", width, key, size_long(cell.number, size));
	else
		printf("%-*s %s\n", width, key, text_of(&cell, table->args->bytes, buf));
}

int record_print(struct cli *cli, const struct table_args *args, const struct column *columns, const void *row)
{
	struct table table = {.cli = cli, .args = args};
	int status, width = 0;
	json_t *object;
	size_t i;

	status = choose(&table, columns, true);
	if (status)
		return status;
	if (args->json) {
		object = json_row(&table, row);
		if (!object)
			return error_errno(cli, NULL, ENOMEM);
		status = dump(cli, object, JSON_INDENT(2));
		json_decref(object);
		return status;
	}
	for (i = 0; i < table.count; i++)
		if ((int)strlen(table.columns[i]->name) + 1 > width)
			width = strlen(table.columns[i]->name) + 1;
	for (i = 0; i < table.count; i++)
		record_line(&table, table.columns[i], width, row);
	return STATUS_OK;
}
