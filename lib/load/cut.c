/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Cutting tensors for ranks; see cut.h. */
#include "load/cut.h"
#include "base/diag.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SAY_WHICH "say which tensors to cut, by rows and by columns"

/*
 * Of a pair of products, the first is cut by rows, so that each rank has whole heads or neurons, and the second by
 * columns, so that the ranks' results add up.
 */
static const struct {
	const char *name;
	enum cut_kind kind;
	bool experts;
} known[] = {
	{"q_proj", CUT_QUERIES, false},
	{"k_proj", CUT_KEYS, false},
	{"v_proj", CUT_KEYS, false},
	{"qkv_proj", CUT_QKV, false},
	{"query_key_value", CUT_QKV, false},
	{"o_proj", CUT_COLUMNS, false},
	{"gate_proj", CUT_ROWS, false},
	{"up_proj", CUT_ROWS, false},
	{"gate_up_proj", CUT_HALVES, false},
	{"down_proj", CUT_COLUMNS, false},
	{"embed_tokens", CUT_ROWS, false},
	{"lm_head", CUT_ROWS, false},
	{"attn_q", CUT_QUERIES, false},
	{"attn_k", CUT_KEYS, false},
	{"attn_v", CUT_KEYS, false},
	{"attn_qkv", CUT_QKV, false},
	{"attn_output", CUT_COLUMNS, false},
	{"ffn_gate", CUT_ROWS, false},
	{"ffn_up", CUT_UP, false},
	{"ffn_down", CUT_COLUMNS, false},
	{"ffn_gate_shexp", CUT_ROWS, false},
	{"ffn_up_shexp", CUT_ROWS, false},
	{"ffn_down_shexp", CUT_COLUMNS, false},
	{"ffn_gate_exps", CUT_ROWS, true},
	{"ffn_up_exps", CUT_ROWS, true},
	{"ffn_gate_up_exps", CUT_HALVES, true},
	{"ffn_down_exps", CUT_COLUMNS, true},
	{"token_embd", CUT_ROWS, false},
	{"output", CUT_ROWS, false},
};

int cut_refuse(const struct format_file *file, const struct format_tensor *tensor, struct pinpool_diag *diag,
	       const char *change, const char *cause_fmt, ...)
{
	char object[512], cause[256];
	va_list ap;

	snprintf(object, sizeof(object), "%s: tensor %s", file->source.path, tensor->name);
	va_start(ap, cause_fmt);
	vsnprintf(cause, sizeof(cause), cause_fmt, ap);
	va_end(ap);
	return diag_set(diag, -EINVAL, object, change, "%s", cause);
}

/* The last words of the @length bytes of @name. */
static bool ends_with(const char *name, size_t length, const char *words)
{
	size_t n = strlen(words);

	return length >= n && !memcmp(name + length - n, words, n) && (length == n || name[length - n - 1] == '.');
}

struct cut cut_by_name(const char *name)
{
	size_t length = strlen(name);
	struct cut cut = {.bias = ends_with(name, length, "bias")};

	if (ends_with(name, length, "experts.gate_up_proj") || ends_with(name, length, "experts.down_proj"))
		return (struct cut){.kind = CUT_UNKNOWN};
	if (!cut.bias && !ends_with(name, length, "weight"))
		return cut;
	length -= cut.bias ? strlen(".bias") : strlen(".weight");
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!ends_with(name, length, known[i].name))
			continue;
		/* What a product by columns adds is added once, so its bias is whole. */
		cut.kind = cut.bias && known[i].kind == CUT_COLUMNS ? CUT_NONE : known[i].kind;
		cut.named = true;
		cut.experts = known[i].experts;
	}
	return cut;
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

static int refuse_inside(const struct format_file *file, const struct format_tensor *tensor, struct pinpool_diag *diag)
{
	return cut_refuse(file, tensor, diag, "leave it whole, or take another number of ranks",
			  pinpool_dtype_block_values(tensor->dtype) ? "the cut falls inside a block of values"
								    : "the cut falls inside a byte");
}

/* The rank's share of each of @parts even parts of dimension @dim. */
static int cut_even(struct selected *selected, const struct format_file *file, const struct format_tensor *tensor,
		    uint32_t dim, uint32_t parts, const struct pinpool_load_opts *opts, struct pinpool_diag *diag)
{
	const uint64_t extent = tensor->shape[dim], part = extent / parts, share = part / opts->ranks;
	uint64_t width, outer = parts;

	if (extent % parts || part % opts->ranks)
		return cut_refuse(file, tensor, diag, "leave it whole, or take another number of ranks",
				  "its %" PRIu64 " %s%s do not divide by %u ranks", extent,
				  dim && dim + 1 == tensor->ndim ? "columns" : "rows",
				  parts > 1 ? ", of parts that are fused," : "", opts->ranks);
	selected->sliced = true;
	selected->dim = dim;
	selected->share = share * parts;
	selected->range_count = parts;
	for (uint32_t i = 0; i < parts; i++)
		selected->ranges[i] = (struct pinpool_slice_range){i * part + share * opts->rank, share};
	if (tensor->begin == tensor->end)
		return 0;
	width = bytes_of(tensor, dim, share);
	if (!width)
		return refuse_inside(file, tensor, diag);
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

/* The rank's heads of queries, keys and values, which lie one behind the other. */
static int cut_apart(struct selected *selected, const struct format_file *file, const struct format_tensor *tensor,
		     const struct heads *heads, const struct pinpool_load_opts *opts, struct pinpool_diag *diag)
{
	const uint64_t parts[] = {heads->q * heads->width, heads->kv * heads->width, heads->kv * heads->width};
	uint64_t at = 0, row;

	selected->sliced = true;
	selected->range_count = SELECT_RANGES_MAX;
	for (size_t i = 0; i < SELECT_RANGES_MAX; i++) {
		uint64_t share = parts[i] / opts->ranks;

		selected->ranges[i] = (struct pinpool_slice_range){at + share * opts->rank, share};
		selected->share += share;
		at += parts[i];
	}
	if (tensor->begin == tensor->end)
		return 0;
	row = bytes_of(tensor, 0, 1);
	if (!row)
		return refuse_inside(file, tensor, diag);
	selected->span_count = SELECT_RANGES_MAX;
	for (size_t i = 0; i < SELECT_RANGES_MAX; i++) {
		const struct pinpool_slice_range *range = &selected->ranges[i];

		selected->spans[i] = (struct stream_span){tensor->begin + range->begin * row,
							  tensor->begin + (range->begin + range->places) * row};
	}
	selected->begin = selected->spans[0].begin;
	selected->end = selected->spans[SELECT_RANGES_MAX - 1].end;
	return 0;
}

/* Heads that do not divide would be cut through, however their rows do. */
static int check_heads(const struct format_file *file, const struct format_tensor *tensor, uint64_t heads,
		       const char *of, const struct pinpool_load_opts *opts, struct pinpool_diag *diag)
{
	if (!heads || heads % opts->ranks == 0)
		return 0;
	return cut_refuse(file, tensor, diag, "take another number of ranks, or " SAY_WHICH,
			  "the model's %" PRIu64 " heads of %s do not divide by %u ranks", heads, of, opts->ranks);
}

static int cut_qkv(struct selected *selected, const struct format_file *file, const struct format_tensor *tensor,
		   const struct heads *heads, const struct pinpool_load_opts *opts, struct pinpool_diag *diag)
{
	uint64_t heads_in_all = heads->q + 2 * heads->kv;
	int err;

	if (heads->layout == HEADS_UNKNOWN || !heads->q || !heads->kv || !heads->width)
		return cut_refuse(file, tensor, diag, SAY_WHICH ", or put the config.json of the model beside it",
				  "how queries, keys and values lie in it is not known%s%s",
				  *heads->model ? " of a model of type " : "", heads->model);
	if (heads->q > UINT32_MAX || heads->kv > UINT32_MAX || heads->width > UINT32_MAX ||
	    tensor->shape[0] != heads_in_all * heads->width)
		return cut_refuse(file, tensor, diag, SAY_WHICH,
				  "its %" PRIu64 " rows are not those of the model's %" PRIu64
				  " heads of queries and %" PRIu64 " of keys and values, of %" PRIu64 " each",
				  tensor->shape[0], heads->q, heads->kv, heads->width);
	err = check_heads(file, tensor, heads->kv, "keys and values", opts, diag);
	if (!err && heads->layout == HEADS_APART)
		err = check_heads(file, tensor, heads->q, "queries", opts, diag);
	if (err)
		return err;
	return heads->layout == HEADS_TOGETHER ? cut_even(selected, file, tensor, 0, 1, opts, diag)
					       : cut_apart(selected, file, tensor, heads, opts, diag);
}

int cut_tensor(struct selected *selected, const struct cut *cut, const struct format_file *file,
	       const struct format_tensor *tensor, const struct heads *heads, const struct pinpool_load_opts *opts,
	       struct pinpool_diag *diag)
{
	const uint32_t last = tensor->ndim - 1, own = cut->bias ? 1 : 2;
	const uint32_t rows = cut->experts && tensor->ndim > own ? tensor->ndim - own : 0;
	uint32_t parts = 1;
	int err = 0;

	if (cut->experts && tensor->ndim <= own)
		return cut_refuse(file, tensor, diag, SAY_WHICH, "has the name of experts, and one matrix");
	/* Which of its dimensions are those of the matrix differs between models. */
	if (cut->named && !cut->experts && tensor->ndim > own)
		return cut_refuse(file, tensor, diag, SAY_WHICH, "has the name of one matrix, and %u dimensions",
				  tensor->ndim);
	switch (cut->kind) {
	case CUT_COLUMNS:
		return cut_even(selected, file, tensor, last, 1, opts, diag);
	case CUT_QKV:
		return cut_qkv(selected, file, tensor, heads, opts, diag);
	case CUT_UNKNOWN:
		return cut_refuse(file, tensor, diag, SAY_WHICH, "how such experts lie differs between models");
	case CUT_QUERIES:
		err = check_heads(file, tensor, heads->q, "queries", opts, diag);
		break;
	case CUT_KEYS:
		err = check_heads(file, tensor, heads->kv, "keys and values", opts, diag);
		break;
	case CUT_HALVES:
		parts = 2;
		break;
	case CUT_UP:
		parts = heads->neurons && tensor->shape[0] == 2 * heads->neurons ? 2 : 1;
		break;
	default:
		break;
	}
	return err ? err : cut_even(selected, file, tensor, rows, parts, opts, diag);
}
