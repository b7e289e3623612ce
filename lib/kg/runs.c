/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Sorted batches and their merging; see runs.h. */
#include "kg/runs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"

/* Of a run's ids; the least that reads its keys ahead, and the most. */
#define PIECE_BYTES 4096u
#define LEAST_READ  4096u
#define MOST_READ   (256u << 10)

int runs_open(struct runs *runs, struct spill_space *space, size_t buffer)
{
	int err;

	*runs = (struct runs){.space = space};
	err = spill_open(&runs->triples, space, buffer);
	for (unsigned int i = 0; i < RUN_DICTIONARIES && !err; i++)
		err = spill_open(&runs->keys[i], space, buffer);
	return err;
}

static struct run *new_run(struct runs *runs)
{
	if (runs->count == runs->room) {
		size_t room = runs->room ? 2 * runs->room : 8;
		struct run *at = realloc(runs->at, room * sizeof(*at));

		if (!at)
			return NULL;
		runs->at = at;
		runs->room = room;
	}
	runs->at[runs->count] = (struct run){0};
	return &runs->at[runs->count++];
}

static int write_keys(struct spill *spill, struct run_keys *keys, const struct batch_terms *terms,
		      const uint32_t *order, struct pinpool_diag *diag)
{
	int err = 0;

	keys->offset = spill_bytes(spill);
	keys->count = terms->count;
	for (size_t i = 0; i < terms->count && !err; i++) {
		const struct batch_key *key = &terms->keys[order[i]];

		err = spill_write(spill, &key->bytes, sizeof(key->bytes), diag);
		if (!err)
			err = spill_write(spill, terms->bytes.data + key->at, key->bytes, diag);
	}
	keys->bytes = spill_bytes(spill) - keys->offset;
	return err;
}

static int write_triples(struct runs *runs, struct run *run, const struct batch *batch, uint32_t *const places[],
			 struct pinpool_diag *diag)
{
	int err = 0;

	run->triples = spill_bytes(&runs->triples);
	run->count = batch->count;
	for (size_t i = 0; i < batch->count && !err; i++) {
		const struct batch_triple *triple = &batch->triples[i];
		const struct batch_triple placed = {
			.s = places[RUN_NODES][triple->s],
			.p = places[RUN_PREDICATES][triple->p],
			.o = places[RUN_NODES][triple->o],
		};

		err = spill_write(&runs->triples, &placed, sizeof(placed), diag);
	}
	return err;
}

int runs_add(struct runs *runs, struct batch *batch, struct pinpool_diag *diag)
{
	const struct batch_terms *terms[RUN_DICTIONARIES] = {&batch->nodes, &batch->predicates};
	uint32_t *order, *places[RUN_DICTIONARIES] = {NULL, NULL};
	struct run *run = new_run(runs);
	int err = run ? 0 : diag_errno(diag, -ENOMEM, "terms");

	for (unsigned int i = 0; i < RUN_DICTIONARIES && !err; i++) {
		err = batch_order(terms[i], &order, &places[i]);
		if (err) {
			diag_errno(diag, err, "terms");
			break;
		}
		err = write_keys(&runs->keys[i], &run->keys[i], terms[i], order, diag);
		free(order);
	}
	if (!err)
		err = write_triples(runs, run, batch, places, diag);
	free(places[RUN_NODES]);
	free(places[RUN_PREDICATES]);
	batch_free(batch);
	return err;
}

static void free_ids(struct run_ids *ids)
{
	free(ids->pieces);
	free(ids->piece);
	*ids = (struct run_ids){0};
}

void runs_close(struct runs *runs)
{
	for (size_t i = 0; i < runs->count; i++)
		for (unsigned int k = 0; k < RUN_DICTIONARIES; k++)
			free_ids(&runs->at[i].keys[k].ids);
	for (unsigned int i = 0; i < RUN_DICTIONARIES; i++)
		spill_close(&runs->keys[i]);
	spill_close(&runs->triples);
	free(runs->at);
	*runs = (struct runs){0};
}

static int flush_ids(struct run_ids *ids, struct spill *spill, struct pinpool_diag *diag)
{
	if (ids->count == ids->room) {
		size_t room = ids->room ? 2 * ids->room : 4;
		uint64_t *pieces = realloc(ids->pieces, room * sizeof(*pieces));

		if (!pieces)
			return diag_errno(diag, -ENOMEM, "terms");
		ids->pieces = pieces;
		ids->room = room;
	}
	ids->pieces[ids->count++] = spill_bytes(spill) / PIECE_BYTES;
	ids->used = 0;
	return spill_write(spill, ids->piece, PIECE_BYTES, diag);
}

/* Seven bits a byte, the lowest first; the eighth says that more follow. */
static int add_id(struct run_ids *ids, struct spill *spill, uint64_t id, struct pinpool_diag *diag)
{
	uint64_t more = id - ids->last;
	int err = 0;

	ids->last = id;
	if (!ids->piece) {
		ids->piece = calloc(1, PIECE_BYTES);
		if (!ids->piece)
			return diag_errno(diag, -ENOMEM, "terms");
	}
	do {
		ids->piece[ids->used++] = (uint8_t)((more & 0x7f) | (more > 0x7f ? 0x80 : 0));
		if (ids->used == PIECE_BYTES)
			err = flush_ids(ids, spill, diag);
		more >>= 7;
	} while (more && !err);
	return err;
}

int run_ids_read(const struct run_keys *keys, const struct spill *ids, uint64_t **out, struct pinpool_diag *diag)
{
	uint64_t *all = malloc((keys->count + 1) * sizeof(*all)), last = 0, more = 0;
	uint8_t *piece = malloc(PIECE_BYTES);
	unsigned int shift = 0;
	size_t done = 0;
	int err = all && piece ? 0 : diag_errno(diag, -ENOMEM, "terms");

	for (size_t i = 0; i < keys->ids.count && !err; i++) {
		err = spill_copy(ids, keys->ids.pieces[i] * PIECE_BYTES, piece, PIECE_BYTES, diag);
		for (size_t at = 0; at < PIECE_BYTES && done < keys->count && !err; at++) {
			more |= (uint64_t)(piece[at] & 0x7f) << shift;
			shift += 7;
			if (piece[at] & 0x80)
				continue;
			last += more;
			all[done++] = last;
			more = shift = 0;
		}
	}
	free(piece);
	if (err) {
		free(all);
		return err;
	}
	*out = all;
	return 0;
}

/* The next key of a run. Returns 1, 0 at the end. */
static int next_key(struct run_reader *reader, struct pinpool_diag *diag)
{
	const void *data;
	int got;

	got = spill_reader_take(&reader->keys, sizeof(reader->bytes), &data, diag);
	if (got <= 0)
		return got;
	memcpy(&reader->bytes, data, sizeof(reader->bytes));
	return spill_reader_take(&reader->keys, reader->bytes, &reader->key, diag);
}

static bool key_before(const void *arg, size_t a, size_t b)
{
	const struct run_reader *readers = arg;

	return term_key_compare(readers[a].key, readers[a].bytes, readers[b].key, readers[b].bytes) < 0;
}

static int open_readers(struct runs_merge *merge, struct pinpool_diag *diag)
{
	size_t count = 0, room = merge->count ? merge->memory / merge->count : 0;
	int err = 0;

	if (merge->count && room < LEAST_READ + PIECE_BYTES)
		return diag_set(diag, -E2BIG, "terms", "allow more memory", "%zu runs are too many to merge",
				merge->count);
	for (size_t i = 0; i < merge->threads && !err; i++) {
		struct runs *runs = &merge->runs[i];

		for (size_t k = 0; k < runs->count && !err; k++) {
			struct run_keys *keys = &runs->at[k].keys[merge->dictionary];
			struct run_reader *reader = &merge->readers[count++];

			reader->ids = &keys->ids;
			err = spill_reader_open(&reader->keys, &runs->keys[merge->dictionary], keys->offset,
						keys->bytes,
						room - PIECE_BYTES < MOST_READ ? room - PIECE_BYTES : MOST_READ);
		}
	}
	return err ? diag_errno(diag, err, "terms") : 0;
}

int runs_merge_open(struct runs_merge *merge, struct runs *runs, size_t threads, enum run_terms dictionary,
		    size_t memory, struct spill *ids, struct pinpool_diag *diag)
{
	int err;

	*merge = (struct runs_merge){
		.runs = runs, .threads = threads, .dictionary = dictionary, .memory = memory, .ids = ids};
	for (size_t i = 0; i < threads; i++)
		merge->count += runs[i].count;
	merge->readers = calloc(merge->count + 1, sizeof(*merge->readers));
	if (!merge->readers || merge_open(&merge->merge, merge->count, key_before, merge->readers))
		return diag_errno(diag, -ENOMEM, "terms");
	err = open_readers(merge, diag);
	for (size_t i = 0; i < merge->count && !err; i++) {
		int got = next_key(&merge->readers[i], diag);

		if (got > 0)
			merge_add(&merge->merge, i);
		err = got < 0 ? got : 0;
	}
	return err;
}

/* All runs whose key is @merge->last get its id and go on. */
static int pass_over(struct runs_merge *merge, uint64_t id, struct pinpool_diag *diag)
{
	while (merge->merge.count) {
		struct run_reader *reader = &merge->readers[merge_first(&merge->merge)];
		int got;

		if (reader->bytes != merge->last.count || memcmp(reader->key, merge->last.data, reader->bytes))
			return 0;
		got = merge->ids ? add_id(reader->ids, merge->ids, id, diag) : 0;
		if (!got)
			got = next_key(reader, diag);
		if (got < 0)
			return got;
		merge_advance(&merge->merge, !got);
	}
	return 0;
}

/* What is left of the runs' ids. */
static int finish_ids(struct runs_merge *merge, struct pinpool_diag *diag)
{
	int err = 0;

	for (size_t i = 0; i < merge->count && !err; i++) {
		struct run_ids *ids = merge->readers[i].ids;

		if (ids->used)
			err = flush_ids(ids, merge->ids, diag);
		free(ids->piece);
		ids->piece = NULL;
	}
	return err;
}

int runs_merge_next(struct runs_merge *merge, const void **key, size_t *bytes, struct pinpool_diag *diag)
{
	const struct run_reader *reader;
	int err;

	if (!merge->merge.count)
		return merge->ids ? finish_ids(merge, diag) : 0;
	reader = &merge->readers[merge_first(&merge->merge)];
	merge->last.count = 0;
	if (bytes_append(&merge->last, reader->key, reader->bytes))
		return diag_errno(diag, -ENOMEM, "terms");
	err = pass_over(merge, merge->next++, diag);
	if (err)
		return err;
	*key = merge->last.data;
	*bytes = merge->last.count;
	return 1;
}

void runs_merge_close(struct runs_merge *merge)
{
	for (size_t i = 0; i < merge->count && merge->readers; i++)
		spill_reader_close(&merge->readers[i].keys);
	free(merge->readers);
	merge_close(&merge->merge);
	bytes_free(&merge->last);
	*merge = (struct runs_merge){0};
}
