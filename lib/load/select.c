/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Choosing tensors by their names; see select.h. */
#include "load/select.h"
#include "base/diag.h"
#include "load/cut.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The patterns of one option, and which of them have matched. */
struct patterns {
	const char *const *at;
	size_t count;
	bool *matched;
};

struct selector {
	const struct pinpool_load_opts *opts;
	struct patterns tensors;
	struct patterns rows;
	struct patterns columns;
	bool known; /* cuts go by known names */
	struct heads heads; /* if they do, what is known of the model's */
	bool cut; /* something was */
};

static bool match(struct patterns *patterns, const char *name)
{
	bool any = false;

	for (size_t i = 0; i < patterns->count; i++) {
		/* A name may have a bracket in it. */
		if (strcmp(patterns->at[i], name) && fnmatch(patterns->at[i], name, 0))
			continue;
		patterns->matched[i] = true;
		any = true;
	}
	return any;
}

static int check_matched(const struct patterns *patterns, struct pinpool_diag *diag)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (!patterns->matched[i])
			return diag_set(diag, -ENOENT, patterns->at[i], "give a name or a pattern of names",
					"no tensor that is loaded has such a name");
	return 0;
}

static int begin_patterns(struct patterns *patterns, const char *const *at, size_t count)
{
	*patterns = (struct patterns){.at = at, .count = count, .matched = calloc(count + 1, sizeof(bool))};
	return patterns->matched ? 0 : -ENOMEM;
}

static int find_cut(struct selector *selector, const struct format_file *file, const struct format_tensor *tensor,
		    struct cut *cut, struct pinpool_diag *diag)
{
	bool rows = match(&selector->rows, tensor->name), columns = match(&selector->columns, tensor->name);

	*cut = (struct cut){.kind = rows ? CUT_ROWS : columns ? CUT_COLUMNS : CUT_NONE};
	if (!rows && !columns && selector->known)
		*cut = cut_by_name(tensor->name);
	if (rows && columns)
		return cut_refuse(file, tensor, diag, "narrow the patterns", "is to be cut by rows and by columns");
	if (cut->kind != CUT_NONE && tensor->code)
		return cut_refuse(file, tensor, diag, "load it whole, or what it was before it was compressed",
				  "is coded, and a part of a code means nothing");
	if (cut->kind != CUT_NONE && !tensor->ndim)
		return cut_refuse(file, tensor, diag, "leave it whole",
				  "is to be cut, but has one value and no dimension");
	return 0;
}

/* The first number between dots in a name is that of the layer. */
static bool find_layer(const char *name, uint64_t *layer)
{
	while (name) {
		size_t digits = strspn(name, "0123456789");

		if (digits && (name[digits] == '.' || !name[digits])) {
			*layer = strtoull(name, NULL, 10);
			return true;
		}
		name = strchr(name, '.');
		name = name ? name + 1 : NULL;
	}
	return false;
}

static bool has_word(const char *name, const char *word)
{
	const char *at = strstr(name, word);
	char end = at ? at[strlen(word)] : 0;

	return at && (at == name || at[-1] == '.') && (!end || end == '.');
}

/* Embeddings come first, what follows the last layer comes last. */
static void place(struct selected *selected, const char *name)
{
	if (find_layer(name, &selected->layer))
		selected->group = 1;
	else if (has_word(name, "embed_out"))
		selected->group = 2;
	else if (strstr(name, "embed") || strstr(name, "embd") || has_word(name, "wte") || has_word(name, "wpe"))
		selected->group = 0;
	else
		selected->group = 2;
}

static int by_layer(const void *left, const void *right)
{
	const struct selected *a = left, *b = right;

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	if (a->layer != b->layer)
		return a->layer < b->layer ? -1 : 1;
	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return a->tensor < b->tensor ? -1 : a->tensor > b->tensor;
}

static int add_tensor(struct selector *selector, struct selection *selection, const struct checkpoint *checkpoint,
		      size_t file_index, size_t index, struct pinpool_diag *diag)
{
	const struct format_file *file = &checkpoint->files[file_index];
	const struct format_tensor *tensor = &file->tensors[index];
	struct selected *selected = &selection->tensors[selection->count];
	struct cut cut;
	int err;

	if (selector->tensors.count && !match(&selector->tensors, tensor->name))
		return 0;
	*selected = (struct selected){
		.file = file_index,
		.tensor = index,
		.begin = tensor->begin,
		.end = tensor->end,
	};
	place(selected, tensor->name);
	selection->count++;
	err = find_cut(selector, file, tensor, &cut, diag);
	if (err || cut.kind == CUT_NONE)
		return err;
	selector->cut = true;
	if (selector->opts->ranks == 1)
		return 0;
	return cut_tensor(selected, &cut, file, tensor, &selector->heads, selector->opts, diag);
}

static int check_opts(const struct pinpool_load_opts *opts, struct pinpool_diag *diag)
{
	char rank[32];

	snprintf(rank, sizeof(rank), "rank %u", opts->rank);
	if (!opts->ranks && (opts->rank || opts->row_count || opts->column_count))
		return diag_set(diag, -EINVAL, "ranks", "say how many there are",
				"tensors are cut for one of several ranks");
	if (opts->ranks && opts->rank >= opts->ranks)
		return diag_set(diag, -EINVAL, rank, "count ranks from 0", "there are %u ranks", opts->ranks);
	if (opts->order > PINPOOL_LOAD_ORDER_LAYER)
		return diag_set(diag, -EINVAL, "order", NULL, "no order has number %d", (int)opts->order);
	return 0;
}

static int run(struct selector *selector, struct selection *selection, const struct checkpoint *checkpoint,
	       struct pinpool_diag *diag)
{
	const struct pinpool_load_opts *opts = selector->opts;
	size_t all = 0;
	int err = 0;

	for (size_t i = 0; i < checkpoint->count; i++)
		all += checkpoint->files[i].count;
	selection->tensors = calloc(all + 1, sizeof(*selection->tensors));
	if (!selection->tensors || begin_patterns(&selector->tensors, opts->tensors, opts->tensor_count) ||
	    begin_patterns(&selector->rows, opts->rows, opts->row_count) ||
	    begin_patterns(&selector->columns, opts->columns, opts->column_count))
		return diag_errno(diag, -ENOMEM, "selection");
	if (selector->known)
		err = heads_read(&selector->heads, checkpoint, diag);
	for (size_t i = 0; i < checkpoint->count; i++)
		for (size_t t = 0; t < checkpoint->files[i].count && !err; t++)
			err = add_tensor(selector, selection, checkpoint, i, t, diag);
	if (!err)
		err = check_matched(&selector->tensors, diag);
	if (!err)
		err = check_matched(&selector->rows, diag);
	if (!err)
		err = check_matched(&selector->columns, diag);
	if (!err && selector->known && !selector->cut)
		err = diag_set(diag, -EINVAL, "ranks", "say which tensors to cut, by rows and by columns",
			       "no tensor has a name of those that are cut by themselves");
	selection->whole = selection->count == all && opts->order == PINPOOL_LOAD_ORDER_FILE;
	for (size_t i = 0; i < selection->count; i++)
		selection->whole &= !selection->tensors[i].sliced;
	if (opts->order == PINPOOL_LOAD_ORDER_LAYER)
		qsort(selection->tensors, selection->count, sizeof(*selection->tensors), by_layer);
	return err;
}

int select_tensors(struct selection *selection, const struct checkpoint *checkpoint,
		   const struct pinpool_load_opts *opts, struct pinpool_diag *diag)
{
	struct selector selector = {
		.opts = opts,
		.known = opts->ranks > 1 && !opts->row_count && !opts->column_count,
	};
	int err;

	*selection = (struct selection){0};
	err = check_opts(opts, diag);
	if (err)
		return err;
	err = run(&selector, selection, checkpoint, diag);
	free(selector.tensors.matched);
	free(selector.rows.matched);
	free(selector.columns.matched);
	if (err)
		selection_free(selection);
	return err;
}

void selection_free(struct selection *selection)
{
	free(selection->tensors);
	*selection = (struct selection){0};
}
