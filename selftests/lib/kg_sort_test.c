// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Sorting beyond memory: numbers, keys and their ids against the same by force, and what a full or broken disk gives. */
#include "checkpoints.h"
#include "harness.h"
#include "stand_in.h"

#include "kg/order.h"
#include "kg/runs.h"
#include "kg/sort.h"

#include <errno.h>
#include <stdatomic.h>

/* What pwrite() and pread() do to files here; 0 for what they do. */
static int write_error, read_error;

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
	if (write_error) {
		errno = write_error;
		return -1;
	}
	/* In two, as a signal may have it. */
	return NEXT(pwrite)(fd, data, bytes > 1 ? bytes / 2 : bytes, offset);
}

ssize_t pread(int fd, void *data, size_t bytes, off_t offset)
{
	if (read_error) {
		errno = read_error;
		return -1;
	}
	return NEXT(pread)(fd, data, bytes > 1 ? bytes / 2 : bytes, offset);
}

FIXTURE(sort)
{
	char folder[PATH_MAX];
	struct spill_space space;
	struct pinpool_diag diag;
};

FIXTURE_SETUP(sort)
{
	make_folder(self->folder);
	self->space.folder = self->folder;
}

FIXTURE_TEARDOWN(sort)
{
	EXPECT_EQ(0, atomic_load(&self->space.bytes));
	remove_folder(self->folder);
}

static uint64_t draw(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 20;
}

static int by_number(const void *a, const void *b)
{
	sort_number x = *(const sort_number *)a, y = *(const sort_number *)b;

	return (x > y) - (x < y);
}

/* @count numbers of @width bytes through a sorter with @memory; twice over, as two passes do. Returns how many runs. */
static size_t sort_and_compare(struct __test_metadata *_metadata, struct spill_space *space, size_t count, unsigned int width,
			       size_t memory, uint64_t range)
{
	sort_number *numbers = calloc(count + 1, sizeof(*numbers)), number;
	struct pinpool_diag diag;
	struct sorter *sorter;
	uint64_t seed = count;
	size_t runs;

	ASSERT_EQ(0, sorter_new(&sorter, space, memory, width));
	for (size_t i = 0; i < count; i++) {
		numbers[i] = draw(&seed) % range;
		if (width > 8)
			numbers[i] = numbers[i] << (8 * (width - 8)) | draw(&seed) % range;
		ASSERT_EQ(0, sorter_add(sorter, numbers[i], &diag));
	}
	EXPECT_EQ(count, sorter_added(sorter));
	qsort(numbers, count, sizeof(*numbers), by_number);
	for (int pass = 0; pass < 2; pass++) {
		size_t next = 0;

		ASSERT_EQ(0, sorter_rewind(sorter, &diag));
		while (next < count) {
			ASSERT_EQ(1, sorter_next(sorter, &number, &diag));
			ASSERT_TRUE(number == numbers[next]);
			while (next < count && numbers[next] == number)
				next++;
		}
		EXPECT_EQ(0, sorter_next(sorter, &number, &diag));
	}
	runs = sorter_runs(sorter);
	sorter_free(sorter);
	free(numbers);
	return runs;
}

TEST_F(sort, numbers_in_memory_and_beyond_come_in_order_and_once)
{
	EXPECT_EQ(0, sort_and_compare(_metadata, &self->space, 0, 3, 1 << 20, 1));
	EXPECT_EQ(0, sort_and_compare(_metadata, &self->space, 1, 1, 1 << 20, 200));
	EXPECT_EQ(0, sort_and_compare(_metadata, &self->space, 20000, 3, 4 << 20, 1 << 24));
	EXPECT_EQ(0, atomic_load(&self->space.peak));
	EXPECT_LT(20, sort_and_compare(_metadata, &self->space, 30000, 5, 200 << 10, 1ULL << 40));
	/* Nearly all again and again. */
	EXPECT_LT(20, sort_and_compare(_metadata, &self->space, 30000, 2, 200 << 10, 300));
	EXPECT_LT(20, sort_and_compare(_metadata, &self->space, 30000, 16, 200 << 10, UINT64_MAX));
	EXPECT_LT(0, atomic_load(&self->space.peak));
	/* Nothing has a name. */
	EXPECT_EQ(-1, rmdir(in_folder(self->folder, "nothing")));
}

TEST_F(sort, too_many_runs_for_the_memory_are_refused)
{
	struct sorter *sorter;

	ASSERT_EQ(0, sorter_new(&sorter, &self->space, 8 << 10, 4));
	for (unsigned int i = 0; i < 5000; i++)
		ASSERT_EQ(0, sorter_add(sorter, i * 7u, &self->diag));
	EXPECT_EQ(-E2BIG, sorter_rewind(sorter, &self->diag));
	EXPECT_NE(NULL, strstr(self->diag.change, "more memory"));
	sorter_free(sorter);
}

TEST_F(sort, a_full_or_broken_disk_is_told)
{
	struct sorter *sorter;
	sort_number number;
	int err = 0;

	ASSERT_EQ(0, sorter_new(&sorter, &self->space, 600 << 10, 16));
	write_error = ENOSPC;
	for (unsigned int i = 0; i < 200000 && !err; i++)
		err = sorter_add(sorter, i, &self->diag);
	EXPECT_EQ(-ENOSPC, err);
	EXPECT_STREQ(self->folder, self->diag.object);
	EXPECT_NE(NULL, strstr(self->diag.change, "TMPDIR"));
	sorter_free(sorter);
	write_error = 0;

	ASSERT_EQ(0, sorter_new(&sorter, &self->space, 600 << 10, 16));
	for (unsigned int i = 0; i < 60000; i++)
		ASSERT_EQ(0, sorter_add(sorter, i, &self->diag));
	read_error = EIO;
	err = sorter_rewind(sorter, &self->diag);
	while (!err)
		err = sorter_next(sorter, &number, &self->diag) == 1 ? 0 : -EIO;
	EXPECT_EQ(-EIO, err);
	read_error = 0;
	sorter_free(sorter);

	self->space.folder = "/nonexistent";
	ASSERT_EQ(0, sorter_new(&sorter, &self->space, 600 << 10, 16));
	err = 0;
	for (unsigned int i = 0; i < 200000 && !err; i++)
		err = sorter_add(sorter, i, &self->diag);
	EXPECT_EQ(-ENOENT, err);
	sorter_free(sorter);
}

TEST_F(sort, triples_and_numbers_are_the_same_order)
{
	const struct graph_triple triples[] = {{0, 0, 0}, {0, 0, 999}, {0, 6, 0}, {1, 0, 0}, {998, 6, 999}, {999, 6, 999}};
	struct order order;
	struct graph_triple back;

	ASSERT_EQ(0, order_open(&order, 1000, 7));
	EXPECT_EQ(3, order.width);
	for (size_t i = 0; i < sizeof(triples) / sizeof(triples[0]); i++) {
		for (unsigned int way = 0; way < ORDERS; way++) {
			order_triple(&order, way, order_number(&order, way, &triples[i]), &back);
			EXPECT_EQ(0, memcmp(&back, &triples[i], sizeof(back)));
		}
		if (i)
			EXPECT_TRUE(order_number(&order, ORDER_OUT, &triples[i - 1]) <
				    order_number(&order, ORDER_OUT, &triples[i]));
	}
	/* One of each takes no bits. */
	ASSERT_EQ(0, order_open(&order, 1, 1));
	EXPECT_EQ(1, order.width);
	ASSERT_EQ(0, order_open(&order, 1ULL << 60, 256));
	EXPECT_EQ(16, order.width);
	EXPECT_EQ(-EOVERFLOW, order_open(&order, 1ULL << 61, 256));
}

/* Triples of texts, some again and again, in several runs of two threads. */
#define TERMS 4000

static struct term name_of(uint64_t number, char text[64])
{
	/* Some begin alike for long, some end in zeros, some are the beginnings of others. */
	int bytes = number % 5 == 0   ? snprintf(text, 64, "a long beginning that many share %llu", (unsigned long long)number)
		    : number % 5 == 1 ? snprintf(text, 64, "%llx", (unsigned long long)number * 7919)
				      : snprintf(text, 64, "n%0*d%llu", (int)(number % 3), 0, (unsigned long long)number);

	return (struct term){.kind = TERM_NAME, .text = text, .bytes = (size_t)bytes};
}

TEST_F(sort, keys_of_many_runs_are_merged_once_each_and_runs_learn_their_ids)
{
	struct runs runs[2];
	struct batch batch = {0};
	struct spill ids;
	struct runs_merge merge;
	struct bytes last = {0}, key = {0}, text = {0};
	struct term found;
	const void *data;
	uint64_t seed = 5, count = 0, seen = 0;
	static bool met[TERMS];
	char *names[TERMS] = {NULL};
	size_t bytes;
	int got;

	ASSERT_EQ(0, spill_open(&ids, &self->space, 8192));
	for (unsigned int i = 0; i < 2; i++) {
		ASSERT_EQ(0, runs_open(&runs[i], &self->space, 8192));
		for (unsigned int k = 0; k < 3; k++) {
			for (unsigned int t = 0; t < 2000; t++) {
				char texts[3][64];
				uint64_t numbers[3] = {draw(&seed) % TERMS, draw(&seed) % 7, draw(&seed) % TERMS};
				struct term terms[3] = {name_of(numbers[0], texts[0]), name_of(numbers[1], texts[1]),
							name_of(numbers[2], texts[2])};

				ASSERT_EQ(0, batch_add(&batch, terms));
				met[numbers[0]] = met[numbers[2]] = true;
			}
			EXPECT_LT(2000 * sizeof(struct batch_triple), batch_bytes(&batch));
			ASSERT_EQ(0, runs_add(&runs[i], &batch, &self->diag));
			EXPECT_EQ(0, batch_bytes(&batch));
		}
	}
	for (unsigned int i = 0; i < TERMS; i++)
		count += met[i];

	/* Ids are places in the order of keys. */
	ASSERT_EQ(0, runs_merge_open(&merge, runs, 2, RUN_NODES, 1 << 20, &ids, &self->diag));
	while ((got = runs_merge_next(&merge, &data, &bytes, &self->diag)) > 0) {
		if (seen)
			ASSERT_LT(term_key_compare(last.data, last.count, data, bytes), 0);
		last.count = 0;
		ASSERT_EQ(0, bytes_append(&last, data, bytes));
		ASSERT_EQ(0, term_from_key(data, bytes, &text, &found));
		ASSERT_LT(seen, TERMS);
		names[seen++] = strndup(found.text, found.bytes);
	}
	ASSERT_EQ(0, got);
	EXPECT_EQ(count, seen);
	runs_merge_close(&merge);

	/* Each run's triples come back through them. */
	seed = 5;
	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int k = 0; k < 3; k++) {
			const struct run *run = &runs[i].at[k];
			struct batch_triple places;
			uint64_t *all;

			ASSERT_EQ(0, run_ids_read(&run->keys[RUN_NODES], &ids, &all, &self->diag));
			for (unsigned int t = 0; t < 2000; t++) {
				uint64_t numbers[3] = {draw(&seed) % TERMS, draw(&seed) % 7, draw(&seed) % TERMS};
				char want[64];

				ASSERT_EQ(0, spill_copy(&runs[i].triples, run->triples + t * sizeof(places), &places,
							sizeof(places), &self->diag));
				ASSERT_LT(places.s, run->keys[RUN_NODES].count);
				ASSERT_LT(places.p, 7);
				name_of(numbers[0], want);
				ASSERT_STREQ(want, names[all[places.s]]);
				name_of(numbers[2], want);
				ASSERT_STREQ(want, names[all[places.o]]);
			}
			free(all);
		}
	}

	/* So little memory is not enough for six of them. */
	EXPECT_EQ(-E2BIG, runs_merge_open(&merge, runs, 2, RUN_NODES, 16 << 10, NULL, &self->diag));
	runs_merge_close(&merge);
	for (unsigned int i = 0; i < 2; i++)
		runs_close(&runs[i]);
	spill_close(&ids);
	bytes_free(&last);
	bytes_free(&key);
	bytes_free(&text);
	for (unsigned int i = 0; i < seen; i++)
		free(names[i]);
}

TEST_HARNESS_MAIN
