/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Choosing and cutting tensors by their names; see select.h. */
#include "load/select.h"
#include "base/diag.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum cut {
	CUT_NONE,
	CUT_ROWS,
	CUT_COLUMNS,
};

/*
 * The projections of a transformer that are cut where no patterns say which, by their names in checkpoints of model
 * hubs and in GGUF: of a pair of products, the first by rows, so that each rank has whole heads or neurons, and the
 * second by columns, so that the ranks' results add up. Fused ones (qkv_proj) are not among them: an even part of their
 * rows is no part of each.
 */
static const struct {
	const char *name;
	enum cut cut;
} known_cuts[] = {
	{"q_proj", CUT_ROWS},	      {"k_proj", CUT_ROWS},	  {"v_proj", CUT_ROWS},	   {"gate_proj", CUT_ROWS},
	{"up_proj", CUT_ROWS},	      {"embed_tokens", CUT_ROWS}, {"lm_head", CUT_ROWS},   {"attn_q", CUT_ROWS},
	{"attn_k", CUT_ROWS},	      {"attn_v", CUT_ROWS},	  {"ffn_gate", CUT_ROWS},  {"ffn_up", CUT_ROWS},
	{"token_embd", CUT_ROWS},     {"output", CUT_ROWS},	  {"o_proj", CUT_COLUMNS}, {"down_proj", CUT_COLUMNS},
	{"attn_output", CUT_COLUMNS}, {"ffn_down", CUT_COLUMNS},
};

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
	bool cut; /* something was */
};

static int bad(const struct format_file *file, const struct format_tensor *tensor, struct pinpool_diag *diag,
	       const char *change, const char *cause)
{
	char object[512];

	snprintf(object, sizeof(object), "%s: tensor %s", file->source.path, tensor->name);
	return diag_set(diag, -EINVAL, object, change, "%s", cause);
}

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

static bool ends_with(const char *text, size_t length, const char *suffix)
{
	size_t n = strlen(suffix);

	return length >= n && !memcmp(text + length - n, suffix, n);
}

/* By the last word before ".weight" or ".bias". What a product by columns adds is added once, so its bias is whole. */
static enum cut known_cut(const char *name)
{
	size_t length = strlen(name);
	bool bias = ends_with(name, length, ".bias");

	if (!bias && !ends_with(name, length, ".weight"))
		return CUT_NONE;
	length -= bias ? strlen(".bias") : strlen(".weight");
	for (size_t i = 0; i < sizeof(known_cuts) / sizeof(known_cuts[0]); i++) {
		size_t n = strlen(known_cuts[i].name);

		if (!ends_with(name, length, known_cuts[i].name) || (length > n && name[length - n - 1] != '.'))
			continue;
		return bias && known_cuts[i].cut == CUT_COLUMNS ? CUT_NONE : known_cuts[i].cut;
	}
	return CUT_NONE;
}

static int find_cut(struct selector *selector, const struct format_file *file, const struct format_tensor *tensor,
		    enum cut *cut, struct pinpool_diag *diag)
{
	bool rows = match(&selector->rows, tensor->name), columns = match(&selector->columns, tensor->name);

	*cut = rows ? CUT_ROWS : columns ? CUT_COLUMNS : selector->known ? known_cut(tensor->name) : CUT_NONE;
	if (rows && columns)
		return bad(file, tensor, diag, "narrow the patterns", "is to be cut by rows and by columns");
	if (*cut != CUT_NONE && tensor->code)
		return bad(file, tensor, diag, "load it whole, or what it was before it was compressed",
			   "is coded, and a part of a code means nothing");
	if (*cut != CUT_NONE && !tensor->ndim)
		return bad(file, tensor, diag, "leave it whole", "is to be cut, but has one value and no dimension");
	return 0;
}

/* Bytes of @count places in dimension @dim; 0 if they are not whole ones. */
static uint64_t bytes_of(const struct format_tensor *tensor, uint32_t dim, uint64_t count)
{
	uint64_t block = pinpool_dtype_block_values(tensor->dtype), values = count;

	for (uint32_t i = dim + 1; i < tensor->ndim; i++)
		values *= tensor->shape[i];
	if (block)
		return dim + 1 == tensor->ndim && count % block ? 0 : pinpool_dtype_bytes(tensor->dtype, values);
	return values * pinpool_dtype_bits(tensor->dtype) % 8 ? 0 : pinpool_dtype_bytes(tensor->dtype, values);
}

/* Makes @selected the part of its tensor that is the rank's. */
static int cut_tensor(struct selected *selected, const struct format_file *file, const struct format_tensor *tensor,
		      uint32_t dim, const struct pinpool_load_opts *opts, struct pinpool_diag *diag)
{
	const uint64_t extent = tensor->shape[dim], bytes = tensor->end - tensor->begin;
	uint64_t width, outer = 1;
	char cause[128];

	if (extent % opts->ranks) {
		snprintf(cause, sizeof(cause), "its %" PRIu64 " %s do not divide by %u ranks", extent,
			 dim ? "columns" : "rows", opts->ranks);
		return bad(file, tensor, diag, "leave it whole, or take another number of ranks", cause);
	}
	selected->sliced = true;
	selected->dim = dim;
	selected->share = extent / opts->ranks;
	selected->first = selected->share * opts->rank;
	if (!bytes)
		return 0;
	width = bytes_of(tensor, dim, selected->share);
	if (!width)
		return bad(file, tensor, diag, "leave it whole, or take another number of ranks",
			   pinpool_dtype_block_values(tensor->dtype) ? "the cut falls inside a block of values"
								     : "the cut falls inside a byte");
	for (uint32_t i = 0; i < dim; i++)
		outer *= tensor->shape[i];
	selected->begin += width * opts->rank;
	selected->end = selected->begin + (outer - 1) * width * opts->ranks + width;
	if (outer > 1) {
		selected->width = width;
		selected->stride = width * opts->ranks;
	}
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
	enum cut cut;
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
	if (err || cut == CUT_NONE)
		return err;
	selector->cut = true;
	if (selector->opts->ranks == 1)
		return 0;
	return cut_tensor(selected, file, tensor, cut == CUT_ROWS ? 0 : tensor->ndim - 1, selector->opts, diag);
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
