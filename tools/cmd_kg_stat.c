/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool kg stat: how large a graph is and where its bytes are; its predicates; its columns of names. */
#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "kg_text.h"
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct stat_args {
	bool predicates;
	bool names;
	bool check;
	struct table_args table;
};

static const struct option_spec options[] = {
	OPTION(0, "predicates", NULL, "list predicates and how many triples each has", OPTION_FLAG, struct stat_args,
	       predicates),
	OPTION(0, "names", NULL, "list the columns that names are kept in", OPTION_FLAG, struct stat_args, names),
	OPTION(0, "check", NULL, "read all of the graph first, and see that it is sound", OPTION_FLAG, struct stat_args,
	       check),
	TABLE_OPTIONS(struct stat_args, table),
	{0},
};

/* The graph. */
struct graph_row {
	const char *name;
	struct pinpool_kg_info info;
};

static const struct pinpool_kg_info *info_of(const void *row)
{
	return &((const struct graph_row *)row)->info;
}

static double share(uint64_t bytes, const void *row)
{
	const struct pinpool_kg_info *info = info_of(row);

	return (double)bytes / (double)info->triples;
}

static void get_name(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct graph_row *)row)->name);
}

static void get_triples(const void *row, struct cell *cell)
{
	cell_count(cell, info_of(row)->triples);
}

static void get_duplicates(const void *row, struct cell *cell)
{
	cell_count(cell, info_of(row)->duplicates);
}

static void get_nodes(const void *row, struct cell *cell)
{
	cell_count(cell, info_of(row)->nodes);
}

static void get_predicates(const void *row, struct cell *cell)
{
	cell_count(cell, info_of(row)->predicates);
}

static void get_triple_bytes(const void *row, struct cell *cell)
{
	cell_bytes(cell, info_of(row)->triple_bytes);
}

static void get_node_bytes(const void *row, struct cell *cell)
{
	cell_bytes(cell, info_of(row)->node_bytes);
}

static void get_predicate_bytes(const void *row, struct cell *cell)
{
	cell_bytes(cell, info_of(row)->predicate_bytes);
}

static void get_per_triple(const void *row, struct cell *cell)
{
	cell_real(cell, share(info_of(row)->triple_bytes, row), 2);
}

static void get_all_per_triple(const void *row, struct cell *cell)
{
	const struct pinpool_kg_info *info = info_of(row);

	cell_real(cell, share(info->triple_bytes + info->node_bytes + info->predicate_bytes, row), 2);
}

static const struct column graph_columns[] = {
	{"NAME", "name of the pool", .get = get_name},
	{"TRIPLES", "triples, each different", .get = get_triples},
	{"DUPLICATES", "triples that were said again, and dropped", .get = get_duplicates},
	{"NODES", "subjects and objects, literals among them", .get = get_nodes},
	{"PREDICATES", "predicates", .get = get_predicates},
	{"TRIPLE_BYTES", "bytes of the triples, both directions", .get = get_triple_bytes},
	{"NODE_BYTES", "bytes of the nodes' names", .get = get_node_bytes},
	{"PREDICATE_BYTES", "bytes of the predicates' names", .get = get_predicate_bytes},
	{"BYTES_PER_TRIPLE", "of the triples alone", .get = get_per_triple},
	{"ALL_PER_TRIPLE", "bytes of all for a triple", .get = get_all_per_triple},
	{0},
};

/* A predicate. */
struct predicate_row {
	char *term;
	uint64_t count;
};

static void get_term(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct predicate_row *)row)->term);
}

static void get_count(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct predicate_row *)row)->count);
}

static const struct column predicate_columns[] = {
	{"PREDICATE", "its name", .get = get_term},
	{"TRIPLES", "triples that have it", .right = true, .get = get_count},
	{0},
};

/* A column of names. */
static const struct pinpool_kg_column *column_of(const void *row)
{
	return row;
}

static void get_column(const void *row, struct cell *cell)
{
	cell_text(cell, column_of(row)->name);
}

static void get_first(const void *row, struct cell *cell)
{
	cell_count(cell, column_of(row)->first);
}

static void get_column_count(const void *row, struct cell *cell)
{
	cell_count(cell, column_of(row)->count);
}

static void get_column_bytes(const void *row, struct cell *cell)
{
	cell_bytes(cell, column_of(row)->bytes);
}

static void get_symbols(const void *row, struct cell *cell)
{
	cell_count(cell, column_of(row)->symbols);
}

static const struct column name_columns[] = {
	{"COLUMN", "what sort of terms", .get = get_column},
	{"NODES", "how many", .right = true, .get = get_column_count},
	{"FIRST", "number of the first node", .right = true, .get = get_first},
	{"BYTES", "bytes that they take", .right = true, .get = get_column_bytes},
	{"SYMBOLS", "entries of the table that they are coded by", .right = true, .get = get_symbols},
	{0},
};

static int print_graph(struct cli *cli, const struct stat_args *args, const struct kg *kg)
{
	struct graph_row row = {.name = kg->name, .info = {.size = sizeof(row.info)}};
	int err = pinpool_kg_get_info(kg->graph, &row.info);

	return err ? kg_failed(cli, kg, err) : record_print(cli, &args->table, graph_columns, &row);
}

static int add_predicates(struct table *table, const struct kg *kg, uint64_t count, char **names)
{
	struct pinpool_text text = {0};
	struct pinpool_term term;
	int err = 0;

	for (uint64_t i = 0; i < count && !err; i++) {
		const struct pinpool_triple pattern = {PINPOOL_KG_ANY, i, PINPOOL_KG_ANY};
		struct predicate_row row;
		size_t bytes;
		FILE *to;

		err = pinpool_kg_predicate_term(kg->graph, i, &text, &term);
		if (!err)
			err = pinpool_kg_count(kg->graph, &pattern, &row.count);
		if (err)
			break;
		to = open_memstream(&names[i], &bytes);
		if (!to) {
			err = -ENOMEM;
			break;
		}
		kg_term_print(to, &term);
		fclose(to);
		row.term = names[i];
		err = table_add(table, &row);
	}
	free(text.data);
	return err;
}

static int print_predicates(struct cli *cli, const struct stat_args *args, const struct kg *kg)
{
	struct pinpool_kg_info info = {.size = sizeof(info)};
	struct table *table;
	int err, status;
	char **names;

	status = table_new(&table, cli, &args->table, predicate_columns, "predicates");
	if (status)
		return status;
	err = pinpool_kg_get_info(kg->graph, &info);
	names = calloc(info.predicates + 1, sizeof(*names));
	if (!err)
		err = names ? add_predicates(table, kg, info.predicates, names) : -ENOMEM;
	status = err ? kg_failed(cli, kg, err) : table_print(table);
	table_free(table);
	for (uint64_t i = 0; i < info.predicates && names; i++)
		free(names[i]);
	free(names);
	return status;
}

static int print_names(struct cli *cli, const struct stat_args *args, const struct kg *kg)
{
	struct pinpool_kg_column column = {.size = sizeof(column)};
	struct table *table;
	int err = 0, status;

	status = table_new(&table, cli, &args->table, name_columns, "columns");
	if (status)
		return status;
	for (unsigned int i = 0; !err && !pinpool_kg_get_column(kg->graph, i, &column); i++)
		err = table_add(table, &column);
	status = err ? kg_failed(cli, kg, err) : table_print(table);
	table_free(table);
	return status;
}

static int check(struct cli *cli, const struct kg *kg)
{
	struct pinpool_diag diag = {0};
	int err = pinpool_kg_check(kg->graph, interrupt_begin(), &diag);

	if (err == -ECANCELED) {
		error_line(cli, kg->name, NULL, "interrupted, not checked");
		return STATUS_INTERRUPTED;
	}
	if (err == -EBADMSG)
		return error_line(cli, kg->name, "build the graph again", "the graph is damaged: %s", diag.cause);
	return err ? kg_failed(cli, kg, err) : STATUS_OK;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct stat_args *args = data;
	struct kg kg;
	int status;

	(void)count;
	if (args->predicates && args->names)
		return error_usage(cli, "--predicates", "leave one of them out", "not together with --names");
	if (!args->predicates && !args->names && (args->table.all || args->table.noheadings))
		return error_usage(cli, args->table.all ? "--output-all" : "--noheadings", NULL,
				   "only with --predicates or --names");
	status = kg_open(cli, operands[0], &kg);
	if (status)
		return status;
	if (args->check)
		status = check(cli, &kg);
	if (!status)
		status = args->predicates ? print_predicates(cli, args, &kg)
			 : args->names	  ? print_names(cli, args, &kg)
					  : print_graph(cli, args, &kg);
	kg_close(&kg);
	return status;
}

const struct command command_kg_stat = {
	.name = "kg stat",
	.operands = "NAME",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "show how large a graph is, and of what",
	.example = "  pinpool kg stat words\n"
		   "  pinpool kg stat words --predicates",
	.options = options,
	.columns = graph_columns,
	.second_option = "--predicates",
	.second_columns = predicate_columns,
	.third_option = "--names",
	.third_columns = name_columns,
	.record = true,
	.args_size = sizeof(struct stat_args),
	.run = run,
};
