// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Packed numbers and sequences: what was put comes back, by place and by value, and damage is said to be damage. */
#include "codec/bits.h"
#include "codec/elias_fano.h"
#include "harness.h"

#include <errno.h>
#include <stdlib.h>

/* Where a stream goes. */
struct memory {
	uint8_t *bytes;
	size_t size;
	int err;
};

static int append(void *arg, const void *bytes, size_t count)
{
	struct memory *memory = arg;

	if (memory->err)
		return memory->err;
	memory->bytes = realloc(memory->bytes, memory->size + count);
	memcpy(memory->bytes + memory->size, bytes, count);
	memory->size += count;
	return 0;
}

static uint64_t seed;

static uint64_t draw(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed ^ seed >> 29;
}

FIXTURE(codec)
{
	struct memory memory;
	struct bits_writer bits;
};

FIXTURE_SETUP(codec)
{
	self->memory = (struct memory){ 0 };
	self->bits = (struct bits_writer){ .append = append, .arg = &self->memory };
	seed = 1;
}

FIXTURE_TEARDOWN(codec)
{
	free(self->memory.bytes);
}

/* The memory as it is now, cut to its size, so that a sanitizer sees what is read behind it. */
static struct bits bits_of(struct memory *memory)
{
	return (struct bits){ memory->bytes, memory->size };
}

TEST_F(codec, numbers_of_every_width)
{
	uint64_t values[65 * 20], value, bit = 0;
	struct bits bits;

	for (int i = 0; i < 65 * 20; i++) {
		values[i] = draw() & bits_mask(i % 65);
		bits_put(&self->bits, values[i], i % 65);
	}
	ASSERT_EQ(0, bits_flush(&self->bits));
	bits = bits_of(&self->memory);
	ASSERT_EQ(20 * 64 * 65 / 2 / 8, bits.size);
	for (int i = 0; i < 65 * 20; i++) {
		ASSERT_TRUE(bits_get(&bits, bit, i % 65, &value));
		ASSERT_EQ(values[i], value);
		bit += i % 65;
	}
	/* Nothing behind the end, not by a bit. */
	EXPECT_TRUE(bits_get(&bits, bit - 3, 3, &value));
	EXPECT_TRUE(bits_get(&bits, bit, 0, &value));
	EXPECT_FALSE(bits_get(&bits, bit - 3, 4, &value));
	EXPECT_FALSE(bits_get(&bits, bit + 8, 1, &value));
	EXPECT_FALSE(bits_get(&bits, ~(uint64_t)0, 64, &value));
}

TEST_F(codec, streams_longer_than_the_buffer)
{
	struct bits bits;
	uint64_t value;

	for (uint64_t i = 0; i < 10000; i++)
		bits_put(&self->bits, i, 37);
	bits_align(&self->bits, 64);
	EXPECT_EQ(0, self->bits.bit % 512);
	bits_align(&self->bits, 64);
	ASSERT_EQ(0, bits_flush(&self->bits));
	bits = bits_of(&self->memory);
	EXPECT_EQ((37 * 10000 / 8 + 64) / 64 * 64, bits.size);
	for (uint64_t i = 0; i < 10000; i++) {
		ASSERT_TRUE(bits_get(&bits, i * 37, 37, &value));
		ASSERT_EQ(i, value);
	}
}

TEST_F(codec, error_of_the_sink_stays)
{
	self->memory.err = -ENOSPC;
	for (int i = 0; i < 2000; i++)
		bits_put(&self->bits, 1, 64);
	self->memory.err = 0;
	EXPECT_EQ(-ENOSPC, bits_flush(&self->bits));
	EXPECT_EQ(0, self->memory.size);
}

TEST_F(codec, select_finds_every_one)
{
	for (int round = 0; round < 1000; round++) {
		uint64_t word = round & 1 ? draw() : draw() & draw() & draw();
		unsigned int rank = 0;

		if (round == 3)
			word = ~(uint64_t)0;
		for (unsigned int at = 0; at < 64; at++)
			if (word >> at & 1)
				ASSERT_EQ(at, bits_select(word, rank++));
	}
}

/* Puts @keys and opens them. */
static void make(struct __test_metadata *_metadata, struct memory *memory, const uint64_t *keys, size_t count, struct ef *ef)
{
	struct bits_writer bits = { .append = append, .arg = memory };
	struct ef_writer writer = { 0 };

	/* Something before it, and no whole bytes. */
	bits_put(&bits, 5, 3);
	for (size_t i = 0; i < count; i++)
		ASSERT_EQ(0, ef_put(&writer, &bits, keys[i]));
	ASSERT_EQ(0, ef_end(&writer, &bits));
	ef_put_index(&writer, &bits, ef);
	ef_writer_free(&writer);
	for (int i = 0; i < EF_PAD_BYTES; i++)
		bits_put(&bits, 0, 8);
	ASSERT_EQ(0, bits_flush(&bits));
	ef->bits = bits_of(memory);
	ASSERT_TRUE(ef_is_sound(ef));
	ASSERT_EQ(count, ef->count);
}

/* All ways of access against the keys themselves. */
static void compare(struct __test_metadata *_metadata, const struct ef *ef, const uint64_t *keys, size_t count)
{
	struct ef_cursor cursor;
	uint64_t key, all[300];
	size_t at = 0;

	ASSERT_EQ(0, ef_seek(&cursor, ef, 0));
	for (size_t i = 0; i < count; i++) {
		ASSERT_EQ(i, ef_at(&cursor));
		ASSERT_EQ(1, ef_next(&cursor, &key));
		ASSERT_EQ(keys[i], key);
		ASSERT_EQ(0, ef_get(ef, i, &key));
		ASSERT_EQ(keys[i], key);
	}
	EXPECT_EQ(count, ef_at(&cursor));
	EXPECT_EQ(0, ef_next(&cursor, &key));
	EXPECT_EQ(0, ef_next(&cursor, &key));
	EXPECT_EQ(-ERANGE, ef_get(ef, count, &key));
	EXPECT_EQ(-ERANGE, ef_seek(&cursor, ef, count + 1));
	ASSERT_EQ(0, ef_seek(&cursor, ef, count));
	EXPECT_EQ(0, ef_next(&cursor, &key));
	EXPECT_EQ(count, ef_at(&cursor));
	/* Pieces of odd sizes from everywhere. */
	ASSERT_EQ(0, ef_seek(&cursor, ef, 0));
	for (size_t size = 1; at < count; size = size % 299 + 7) {
		/* Up to a number that is there or would be, every other time. */
		uint64_t end = size & 1 ? EF_LIMIT : keys[at] + 1 + draw() % (keys[count - 1] - keys[at] + 1);
		int64_t got = ef_read(&cursor, keys[0], end, all, size), want = 0;

		while (want < (int64_t)size && at + want < count && keys[at + want] < end)
			want++;
		ASSERT_EQ(want, got);
		for (int64_t i = 0; i < got; i++)
			ASSERT_EQ(keys[at + i] - keys[0], all[i]);
		ASSERT_EQ(at + got, ef_at(&cursor));
		at += got;
		if (got && at % 3 == 0 && at < count) {
			ASSERT_EQ(0, ef_seek(&cursor, ef, at));
		}
	}
	EXPECT_EQ(0, ef_read(&cursor, 0, EF_LIMIT, all, 300));
	for (size_t i = 0; i < count; i++) {
		for (int off = -1; off <= 1; off++) {
			size_t want = i;

			if (!keys[i] && off < 0)
				continue;
			while (want && keys[want - 1] >= keys[i] + off)
				want--;
			while (want < count && keys[want] < keys[i] + off)
				want++;
			ASSERT_EQ(0, ef_find(&cursor, ef, keys[i] + off));
			ASSERT_EQ(want, ef_at(&cursor));
			ASSERT_EQ(want < count, ef_next(&cursor, &key));
			if (want < count)
				ASSERT_EQ(keys[want], key);
			/* From some place before. */
			ASSERT_EQ(0, ef_seek(&cursor, ef, want > i % 300 ? want - i % 300 : 0));
			ASSERT_EQ(0, ef_skip(&cursor, keys[i] + off));
			ASSERT_EQ(want, ef_at(&cursor));
			ASSERT_EQ(want < count, ef_next(&cursor, &key));
			if (want < count)
				ASSERT_EQ(keys[want], key);
		}
	}
	ASSERT_EQ(0, ef_find(&cursor, ef, EF_LIMIT));
	EXPECT_EQ(count, ef_at(&cursor));
}

#define COUNT 1000

FIXTURE(sequence)
{
	struct memory memory;
};

FIXTURE_VARIANT(sequence)
{
	/* A step is 0 or more below this; some are longer by as much. */
	uint64_t step;
	uint64_t jump;
	bool rising;
	size_t count;
};

FIXTURE_SETUP(sequence)
{
	self->memory = (struct memory){ 0 };
	seed = 1;
}

FIXTURE_TEARDOWN(sequence)
{
	free(self->memory.bytes);
}

/* clang-format off */
FIXTURE_VARIANT_ADD(sequence, runs) { .step = 1, .rising = true, .count = COUNT };
FIXTURE_VARIANT_ADD(sequence, runs_and_jumps) { .step = 1, .jump = 100000, .rising = true, .count = COUNT };
FIXTURE_VARIANT_ADD(sequence, bitmaps) { .step = 3, .rising = true, .count = COUNT };
FIXTURE_VARIANT_ADD(sequence, same_again) { .step = 2, .count = COUNT };
FIXTURE_VARIANT_ADD(sequence, all_the_same) { .step = 1, .count = COUNT };
FIXTURE_VARIANT_ADD(sequence, sparse) { .step = 1000, .count = COUNT };
FIXTURE_VARIANT_ADD(sequence, skewed) { .step = 4, .jump = (uint64_t)1 << 40, .count = COUNT };
FIXTURE_VARIANT_ADD(sequence, huge) { .step = EF_LIMIT / COUNT, .count = COUNT };
FIXTURE_VARIANT_ADD(sequence, none) { .step = 1, .count = 0 };
FIXTURE_VARIANT_ADD(sequence, one) { .step = 1 << 20, .count = 1 };
FIXTURE_VARIANT_ADD(sequence, one_block) { .step = 50, .count = EF_BLOCK };
FIXTURE_VARIANT_ADD(sequence, one_more) { .step = 50, .count = EF_BLOCK + 1 };
/* clang-format on */

TEST_F(sequence, keeps_every_number)
{
	uint64_t keys[COUNT], key = 0;
	struct ef ef;

	for (size_t i = 0; i < variant->count; i++) {
		key += variant->rising + draw() % variant->step;
		if (variant->jump && draw() % 100 == 0)
			key += draw() % variant->jump;
		keys[i] = key;
	}
	make(_metadata, &self->memory, keys, variant->count, &ef);
	compare(_metadata, &ef, keys, variant->count);
}

TEST(sequences_from_end_to_end)
{
	struct memory memory = { 0 };
	struct bits_writer bits = { .append = append, .arg = &memory };
	uint64_t keys[] = { 0, 0, EF_LIMIT - 1 };
	struct ef_writer writer = { 0 };
	struct ef ef;

	make(_metadata, &memory, keys, 3, &ef);
	compare(_metadata, &ef, keys, 3);
	EXPECT_EQ(-EINVAL, ef_put(&writer, &bits, EF_LIMIT));
	EXPECT_EQ(0, ef_put(&writer, &bits, 7));
	EXPECT_EQ(-EINVAL, ef_put(&writer, &bits, 6));
	free(memory.bytes);
}

TEST(runs_take_no_room)
{
	struct memory memory = { 0 };
	struct bits_writer bits = { .append = append, .arg = &memory };
	struct ef_writer writer = { 0 };

	for (uint64_t i = 0; i < 10 * EF_BLOCK; i++)
		ASSERT_EQ(0, ef_put(&writer, &bits, 1000 + i));
	EXPECT_EQ(70, bits.bit);
	ef_writer_free(&writer);
	free(memory.bytes);
}

/* Everything that can be read of what may be damaged: no answer is checked, but that there is one. */
static void walk(struct __test_metadata *_metadata, const struct ef *ef)
{
	struct ef_cursor cursor;
	uint64_t keys[64];
	int64_t got;

	if (!ef_is_sound(ef))
		return;
	for (uint64_t at = 0; at <= ef->count && at < 2000; at += 97) {
		if (ef_seek(&cursor, ef, at))
			continue;
		do
			got = ef_read(&cursor, 0, ~(uint64_t)0, keys, 64);
		while (got > 0 && ef_at(&cursor) < 2000);
		ASSERT_TRUE(got >= 0 || got == -EBADMSG);
	}
	for (int bit = 0; bit < 63; bit++)
		if (!ef_find(&cursor, ef, (uint64_t)1 << bit) && !ef_skip(&cursor, (uint64_t)3 << bit))
			ASSERT_LE(ef_at(&cursor), ef->count);
}

TEST(damage_leads_nowhere)
{
	struct memory memory = { 0 };
	uint64_t keys[300];
	struct ef ef, bad;

	for (uint64_t i = 0; i < 300; i++)
		keys[i] = i < 128 ? i : i < 256 ? 2 * i : i * i * i;
	make(_metadata, &memory, keys, 300, &ef);
	for (size_t bit = 0; bit < 8 * memory.size; bit++) {
		memory.bytes[bit / 8] ^= 1 << bit % 8;
		walk(_metadata, &ef);
		memory.bytes[bit / 8] ^= 1 << bit % 8;
	}
	for (size_t size = 0; size < memory.size; size++) {
		bad = ef;
		bad.bits.bytes = memcpy(malloc(size + 1), memory.bytes, size);
		bad.bits.size = size;
		walk(_metadata, &bad);
		free((void *)bad.bits.bytes);
	}
	bad = ef;
	bad.key_bits = 64;
	EXPECT_FALSE(ef_is_sound(&bad));
	bad = ef;
	bad.place_bits = 65;
	EXPECT_FALSE(ef_is_sound(&bad));
	bad = ef;
	bad.count = ~(uint64_t)0;
	bad.key_bits = bad.place_bits = 0;
	EXPECT_FALSE(ef_is_sound(&bad));
	bad = ef;
	bad.index_bit = ~(uint64_t)0 - 1;
	EXPECT_FALSE(ef_is_sound(&bad));
	free(memory.bytes);
}

TEST_HARNESS_MAIN
