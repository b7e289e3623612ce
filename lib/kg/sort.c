/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * An external sort; see sort.h. A run is sorted by its bytes, from the last to the first, passing over those in which
 * all numbers agree; it goes to the disk with as many bytes a number as are needed. While runs are merged, memory is
 * what reads them ahead.
 */
#include "kg/sort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "kg/merge.h"

/* Of what writes runs, and the least of what reads one. */
#define WRITE_BYTES (256u << 10)
#define LEAST_READ  (4u << 10)
#define LEAST_COUNT 1024

struct run {
	uint64_t offset;
	uint64_t bytes;
	struct spill_reader reader;
	sort_number head;
};

struct sorter {
	struct spill_space *space;
	size_t memory;
	unsigned int width;
	/* In the making: two halves, of which one takes numbers and both are needed to sort. */
	sort_number *numbers;
	sort_number *other;
	size_t count;
	size_t most;
	uint64_t added;
	struct spill spill;
	struct run *runs;
	size_t run_count;
	size_t run_room;
	/* Once rewound. */
	size_t next;
	struct merge merge;
	bool any;
	sort_number last;
};

int sorter_new(struct sorter **out, struct spill_space *space, size_t memory, unsigned int width)
{
	struct sorter *sorter = calloc(1, sizeof(*sorter));

	if (!sorter)
		return -ENOMEM;
	sorter->space = space;
	sorter->memory = memory;
	sorter->width = width;
	sorter->most = memory > WRITE_BYTES ? (memory - WRITE_BYTES) / (2 * sizeof(sort_number)) : 0;
	if (sorter->most < LEAST_COUNT)
		sorter->most = LEAST_COUNT;
	/* Pages come as they are touched. */
	sorter->numbers = malloc(sorter->most * sizeof(sort_number));
	sorter->other = malloc(sorter->most * sizeof(sort_number));
	if (!sorter->numbers || !sorter->other) {
		sorter_free(sorter);
		return -ENOMEM;
	}
	*out = sorter;
	return 0;
}

static void close_readers(struct sorter *sorter)
{
	for (size_t i = 0; i < sorter->run_count; i++)
		spill_reader_close(&sorter->runs[i].reader);
	merge_close(&sorter->merge);
}

void sorter_free(struct sorter *sorter)
{
	if (!sorter)
		return;
	close_readers(sorter);
	spill_close(&sorter->spill);
	free(sorter->runs);
	free(sorter->numbers);
	free(sorter->other);
	free(sorter);
}

static unsigned int byte_of(sort_number number, unsigned int index)
{
	return (unsigned int)(number >> (8 * index)) & 0xff;
}

/* By one byte, keeping the order of those that are equal in it. */
static void sort_by_byte(struct sorter *sorter, unsigned int index, size_t starts[256])
{
	sort_number *sorted = sorter->other;

	for (size_t i = 0; i < sorter->count; i++)
		sorted[starts[byte_of(sorter->numbers[i], index)]++] = sorter->numbers[i];
	sorter->other = sorter->numbers;
	sorter->numbers = sorted;
}

/* Sorts what is in memory and drops what is there twice. */
static void sort_memory(struct sorter *sorter)
{
	size_t counts[16][256] = {0}, kept = 0;

	for (size_t i = 0; i < sorter->count; i++)
		for (unsigned int byte = 0; byte < sorter->width; byte++)
			counts[byte][byte_of(sorter->numbers[i], byte)]++;
	for (unsigned int byte = 0; byte < sorter->width && sorter->count; byte++) {
		size_t start = 0;

		if (counts[byte][byte_of(sorter->numbers[0], byte)] == sorter->count)
			continue;
		for (unsigned int value = 0; value < 256; value++) {
			size_t here = counts[byte][value];

			counts[byte][value] = start;
			start += here;
		}
		sort_by_byte(sorter, byte, counts[byte]);
	}
	for (size_t i = 0; i < sorter->count; i++)
		if (!i || sorter->numbers[i] != sorter->numbers[kept - 1])
			sorter->numbers[kept++] = sorter->numbers[i];
	sorter->count = kept;
}

/* What is in memory becomes a run on the disk. */
static int spill_run(struct sorter *sorter, struct pinpool_diag *diag)
{
	struct run *run;
	int err = 0;

	sort_memory(sorter);
	if (sorter->run_count == sorter->run_room) {
		size_t room = sorter->run_room ? 2 * sorter->run_room : 16;
		struct run *runs = realloc(sorter->runs, room * sizeof(*runs));

		if (!runs)
			return diag_errno(diag, -ENOMEM, "triples");
		sorter->runs = runs;
		sorter->run_room = room;
	}
	if (!sorter->spill.space)
		err = spill_open(&sorter->spill, sorter->space, WRITE_BYTES);
	if (err)
		return diag_errno(diag, err, "triples");
	run = &sorter->runs[sorter->run_count++];
	*run = (struct run){.offset = spill_bytes(&sorter->spill), .bytes = sorter->count * sorter->width};
	for (size_t i = 0; i < sorter->count && !err; i++) {
		uint8_t bytes[16];

		for (unsigned int byte = 0; byte < sorter->width; byte++)
			bytes[byte] = (uint8_t)byte_of(sorter->numbers[i], byte);
		err = spill_write(&sorter->spill, bytes, sorter->width, diag);
	}
	sorter->count = 0;
	return err;
}

int sorter_add(struct sorter *sorter, sort_number number, struct pinpool_diag *diag)
{
	if (sorter->count == sorter->most) {
		int err = spill_run(sorter, diag);

		if (err)
			return err;
	}
	sorter->numbers[sorter->count++] = number;
	sorter->added++;
	return 0;
}

/* The next number of a run becomes its head. Returns 1, 0 at the end, -EIO. */
static int next_head(struct sorter *sorter, struct run *run, struct pinpool_diag *diag)
{
	const void *data;
	int got;

	got = spill_reader_take(&run->reader, sorter->width, &data, diag);
	if (got <= 0)
		return got;
	run->head = 0;
	for (unsigned int byte = sorter->width; byte-- > 0;)
		run->head = run->head << 8 | ((const uint8_t *)data)[byte];
	return 1;
}

static bool head_before(const void *arg, size_t a, size_t b)
{
	const struct run *runs = arg;

	return runs[a].head < runs[b].head;
}

/* From memory to the disk for good, so that memory is free for merging. */
static int seal(struct sorter *sorter, struct pinpool_diag *diag)
{
	int err;

	if (!sorter->other)
		return 0;
	if (!sorter->run_count) {
		sort_memory(sorter);
		free(sorter->other);
		sorter->other = NULL;
		return 0;
	}
	err = spill_run(sorter, diag);
	free(sorter->numbers);
	free(sorter->other);
	sorter->numbers = sorter->other = NULL;
	return err;
}

static int open_runs(struct sorter *sorter, struct pinpool_diag *diag)
{
	size_t room = sorter->memory / sorter->run_count;
	int err;

	if (room < LEAST_READ)
		return diag_set(diag, -E2BIG, "triples", "allow more memory", "%zu runs are too many to merge",
				sorter->run_count);
	err = merge_open(&sorter->merge, sorter->run_count, head_before, sorter->runs);
	for (size_t i = 0; i < sorter->run_count && !err; i++) {
		struct run *run = &sorter->runs[i];

		err = spill_reader_open(&run->reader, &sorter->spill, run->offset, run->bytes,
					room < WRITE_BYTES ? room : WRITE_BYTES);
	}
	if (err)
		return diag_errno(diag, err, "triples");
	for (size_t i = 0; i < sorter->run_count; i++) {
		int got = next_head(sorter, &sorter->runs[i], diag);

		if (got < 0)
			return got;
		if (got)
			merge_add(&sorter->merge, i);
	}
	return 0;
}

int sorter_rewind(struct sorter *sorter, struct pinpool_diag *diag)
{
	int err = seal(sorter, diag);

	close_readers(sorter);
	sorter->next = 0;
	sorter->any = false;
	return err || !sorter->run_count ? err : open_runs(sorter, diag);
}

/* Of all runs, the ones that come again included. */
static int next_merged(struct sorter *sorter, sort_number *number, struct pinpool_diag *diag)
{
	struct run *run;
	int got;

	if (!sorter->merge.count)
		return 0;
	run = &sorter->runs[merge_first(&sorter->merge)];
	*number = run->head;
	got = next_head(sorter, run, diag);
	if (got < 0)
		return got;
	merge_advance(&sorter->merge, !got);
	return 1;
}

int sorter_next(struct sorter *sorter, sort_number *number, struct pinpool_diag *diag)
{
	int got;

	if (!sorter->run_count) {
		if (sorter->next == sorter->count)
			return 0;
		*number = sorter->numbers[sorter->next++];
		return 1;
	}
	do {
		got = next_merged(sorter, number, diag);
	} while (got > 0 && sorter->any && *number == sorter->last);
	sorter->any = true;
	sorter->last = *number;
	return got;
}

uint64_t sorter_added(const struct sorter *sorter)
{
	return sorter->added;
}

size_t sorter_runs(const struct sorter *sorter)
{
	return sorter->run_count;
}
