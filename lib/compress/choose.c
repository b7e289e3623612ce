/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Choosing a code: of those that a matrix can have, the smallest that is within the bound. How large each would be
 * follows from what the matrix looks like; whether one that loses bits is near enough, from trying it.
 */
#include "base/diag.h"
#include "compress/compression.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A code must save a twentieth: less is not worth what products spend on it. */
#define WORTH(bytes) ((bytes) - (bytes) / 20)
/* Values of a part of the matrix on which a code is tried first, and how much better a part may look than all. */
#define PART_VALUES  (1u << 18)
#define PART_LEEWAY  1.3

struct candidate {
	size_t code;
	uint64_t bytes;
	uint64_t cost; /* what it is chosen by */
	struct blob blob;
};

/* Bytes; of bits half as much again, since products by them look at every zero, and by others at none. */
static uint64_t cost_of(const struct candidate *candidate)
{
	return candidate->blob.coded.kind == PINPOOL_CODED_BITMASK ? candidate->bytes + candidate->bytes / 2
								   : candidate->bytes;
}

static int by_cost(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	if (a->cost != b->cost)
		return a->cost < b->cost ? -1 : 1;
	/* What loses nothing first, then as in the table. */
	if (codes_is_exact(a->code) != codes_is_exact(b->code))
		return codes_is_exact(a->code) ? -1 : 1;
	return a->code < b->code ? -1 : 1;
}

static struct blob blob_of(const struct item *item, const struct weights *weights)
{
	struct blob blob = {.dtype = weights->dtype, .ndim = item->tensor.ndim, .n = weights->n, .k = weights->k};

	for (uint32_t i = 0; i < blob.ndim; i++)
		blob.shape[i] = item->tensor.shape[i];
	return blob;
}

/* Codes that @item can have, the best first. */
static size_t list(const struct pinpool_compression *c, const struct item *item, const struct weights *weights,
		   struct candidate *candidates)
{
	size_t count = 0;

	for (size_t i = 0; i < codes_count(); i++) {
		struct candidate *candidate = &candidates[count];

		if (c->opts.code && codes_find(c->opts.code) != codes_find(codes_name(i)))
			continue;
		if (!codes_is_exact(i) && !(c->opts.max_error > 0))
			continue;
		candidate->code = i;
		candidate->blob = blob_of(item, weights);
		if (!codes_fit(i, weights, &item->stats, &candidate->blob))
			continue;
		candidate->bytes = blob_bytes(&candidate->blob);
		candidate->cost = cost_of(candidate);
		count += candidate->bytes != PINPOOL_UNKNOWN;
	}
	qsort(candidates, count, sizeof(*candidates), by_cost);
	return count;
}

/* The error of @code on @weights. */
static int try_code(struct pinpool_compression *c, const struct candidate *candidate, const struct weights *weights,
		    double *error, struct pinpool_diag *diag)
{
	struct blob blob = candidate->blob;
	void *data;
	int err;

	blob.n = blob.shape[0] = weights->n;
	err = codes_encode(candidate->code, weights, &c->team, &blob, &data);
	if (!err && compression_canceled(c))
		err = -ECANCELED;
	if (!err)
		err = measure(weights, &c->team, &blob.coded, error, diag);
	free(data);
	return err;
}

/* Whether a code that loses bits is within the bound: looked at on a part first, which most fail. */
static int is_near(struct pinpool_compression *c, const struct candidate *candidate, const struct weights *weights,
		   double *error, struct pinpool_diag *diag)
{
	uint64_t rows = PART_VALUES / weights->k + 1;
	struct weights part = *weights;
	int err;

	if (rows < weights->n / 2) {
		part.n = rows;
		part.data = (const char *)weights->data + (weights->n - rows) / 2 * weights->k * weights_width(weights);
		err = try_code(c, candidate, &part, error, diag);
		if (err || *error > c->opts.max_error * PART_LEEWAY)
			return err;
	}
	return try_code(c, candidate, weights, error, diag);
}

static void keep(struct item *item, double nearest)
{
	if (nearest >= 0)
		snprintf(item->note, sizeof(item->note), "error %.3g", nearest);
	else
		snprintf(item->note, sizeof(item->note), "no gain");
}

static int choose_code(struct pinpool_compression *c, struct item *item, const struct weights *weights,
		       struct candidate *candidates, struct pinpool_diag *diag)
{
	size_t count = list(c, item, weights, candidates);
	double nearest = -1, error;
	int err;

	for (size_t i = 0; i < count; i++) {
		if (candidates[i].bytes > WORTH(item->tensor.bytes))
			continue;
		error = 0;
		err = codes_is_exact(candidates[i].code) ? 0 : is_near(c, &candidates[i], weights, &error, diag);
		/* It has not the structure after all: its values are not finite. */
		if (err == -ERANGE)
			continue;
		if (err)
			return err;
		if (error <= c->opts.max_error) {
			item->deed = DEED_ENCODE;
			item->code = candidates[i].code;
			item->blob = candidates[i].blob;
			item->error = error;
			item->after = candidates[i].bytes;
			return 0;
		}
		if (nearest < 0 || error < nearest)
			nearest = error;
	}
	keep(item, nearest);
	return 0;
}

int choose(struct pinpool_compression *c, struct item *item, const void *data, struct pinpool_diag *diag)
{
	struct candidate *candidates;
	struct weights weights;
	int err;

	if (!item_weights(item, data, &weights)) {
		snprintf(item->note, sizeof(item->note), weights_takes(item->tensor.dtype) ? "no matrix" : "type");
		return 0;
	}
	candidates = calloc(codes_count(), sizeof(*candidates));
	err = candidates ? weights_analyse(&weights, &c->team, &item->stats) : -ENOMEM;
	if (!err && compression_canceled(c))
		err = -ECANCELED;
	item->analysed = !err;
	if (!err)
		err = choose_code(c, item, &weights, candidates, diag);
	free(candidates);
	return err;
}
