/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * How a tensor is cut for one of several ranks: evenly along a dimension, or along each part of what is fused. Whoever
 * is not known to be cut rightly is refused.
 */
#ifndef PINPOOL_LOAD_CUT_H
#define PINPOOL_LOAD_CUT_H

#include "load/heads.h"
#include "load/select.h"

enum cut_kind {
	CUT_NONE,
	CUT_ROWS,
	CUT_COLUMNS,
	CUT_QUERIES, /* rows that are heads of queries */
	CUT_KEYS, /* rows that are heads of keys, or of values */
	CUT_QKV, /* rows of queries, keys and values */
	CUT_HALVES, /* rows of gate and up */
	CUT_UP, /* rows of up, or of gate and up by that name */
	CUT_UNKNOWN, /* of fused experts, which lie so here and otherwise there */
};

/**
 * struct cut - how a tensor is cut
 * @kind: along what
 * @named: by a known name, so that its dimensions are known, too
 * @experts: the outermost dimension counts matrices, each of which is cut
 * @bias: of rows without columns
 */
struct cut {
	enum cut_kind kind;
	bool named;
	bool experts;
	bool bias;
};

/* By what the projections of a transformer are called in checkpoints of model hubs and in GGUF. */
struct cut cut_by_name(const char *name);

/* Makes @selected the part of its tensor that is the rank's. Returns 0 or -EINVAL. */
int cut_tensor(struct selected *selected, const struct cut *cut, const struct format_file *file,
	       const struct format_tensor *tensor, const struct heads *heads, const struct pinpool_load_opts *opts,
	       struct pinpool_diag *diag);

/* "FILE: tensor NAME". Returns -EINVAL. */
int cut_refuse(const struct format_file *file, const struct format_tensor *tensor, struct pinpool_diag *diag,
	       const char *change, const char *cause_fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
