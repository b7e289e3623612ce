/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Batches that were sorted and put aside: keys in order, and triples of their places. All runs together are merged into
 * one order, in which a key's place is its id; each run gets a list of the ids of its keys, and with it its triples
 * become triples of ids.
 */
#ifndef PINPOOL_KG_RUNS_H
#define PINPOOL_KG_RUNS_H

#include "kg/batch.h"
#include "kg/merge.h"
#include "kg/spill.h"

enum run_terms { RUN_NODES, RUN_PREDICATES, RUN_DICTIONARIES };

/* Ids of a run's keys, in order, as differences; in pieces among those of other runs. */
struct run_ids {
	uint64_t *pieces; /* numbers of pieces */
	size_t count;
	size_t room;
	uint8_t *piece; /* in the making */
	size_t used;
	uint64_t last;
};

struct run_keys {
	uint64_t offset;
	uint64_t bytes;
	uint64_t count;
	struct run_ids ids;
};

struct run {
	struct run_keys keys[RUN_DICTIONARIES];
	uint64_t triples; /* offset */
	uint64_t count;
};

/**
 * struct runs - the runs of one thread
 * @space: for temporary files
 * @keys: of each dictionary
 * @triples: struct batch_triple, with places for numbers
 * @at: the runs
 * @count: how many
 * @room: for how many
 */
struct runs {
	struct spill_space *space;
	struct spill keys[RUN_DICTIONARIES];
	struct spill triples;
	struct run *at;
	size_t count;
	size_t room;
};

/* With @buffer bytes for each file. Returns 0 or -ENOMEM. */
int runs_open(struct runs *runs, struct spill_space *space, size_t buffer);
/* @batch becomes a run and is empty again. Returns 0, -ENOMEM, what temporary files give. */
int runs_add(struct runs *runs, struct batch *batch, struct pinpool_diag *diag);
/* Zeroed ones are fine. */
void runs_close(struct runs *runs);

/* What reads the keys of one run. */
struct run_reader {
	struct spill_reader keys;
	const void *key;
	uint32_t bytes;
	struct run_ids *ids;
};

/**
 * struct runs_merge - the keys of all runs of one dictionary, in order, each once
 * @runs: of all threads; the caller's
 * @threads: number of @runs
 * @dictionary: which
 * @memory: for reading ahead
 * @readers: one for each run
 * @count: number of them
 * @merge: which of them is next
 * @last: the key that came last
 * @ids: of all runs, in pieces, while they are made; or NULL
 * @next: id of the key after @last
 */
struct runs_merge {
	struct runs *runs;
	size_t threads;
	enum run_terms dictionary;
	size_t memory;
	struct run_reader *readers;
	size_t count;
	struct merge merge;
	struct bytes last;
	struct spill *ids;
	uint64_t next;
};

/* @ids receives each run's ids, unless it is NULL. Returns 0, -ENOMEM, -E2BIG (too many runs for the memory), -EIO. */
int runs_merge_open(struct runs_merge *merge, struct runs *runs, size_t threads, enum run_terms dictionary,
		    size_t memory, struct spill *ids, struct pinpool_diag *diag);
/* The next key, valid until the next call. Returns 1, 0 (the end), -ENOMEM, what temporary files give. */
int runs_merge_next(struct runs_merge *merge, const void **key, size_t *bytes, struct pinpool_diag *diag);
/* A zeroed one is fine. */
void runs_merge_close(struct runs_merge *merge);

/* The ids of all keys of @keys, for free(). Returns 0, -ENOMEM, -EIO. */
int run_ids_read(const struct run_keys *keys, const struct spill *ids, uint64_t **out, struct pinpool_diag *diag);

#endif
