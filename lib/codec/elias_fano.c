// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Sequences in blocks, read. */
#include "codec/elias_fano.h"

#include <errno.h>

#include "codec/elias_fano_form.h"

static uint64_t record_bit(const struct ef *ef, uint64_t block)
{
	return ef->index_bit + block * (ef->key_bits + ef->place_bits);
}

static uint64_t guide_bit(const struct ef *ef)
{
	return record_bit(ef, ef_blocks(ef->count));
}

uint64_t ef_index_bits(const struct ef *ef)
{
	return guide_bit(ef) - ef->index_bit + ef_guide_count(ef) * ef_guide_width(ef);
}

bool ef_is_sound(const struct ef *ef)
{
	uint64_t blocks = ef_blocks(ef->count);

	/*
	 * A block takes a bit at least, which keeps a count that is a lie from being one of years. No product
	 * overflows: no program has 2^50 bytes.
	 */
	return ef->key_bits < 64 && ef->place_bits <= 64 && blocks / 8 <= ef->bits.size &&
	       bits_have(&ef->bits, ef->index_bit, ef->index_bit + ef_index_bits(ef));
}

static uint64_t first_key(const struct ef *ef, uint64_t block)
{
	return bits_peek(ef->bits.bytes, record_bit(ef, block), ef->key_bits);
}

static int open_block(struct ef_cursor *cursor, uint64_t block)
{
	const struct ef *ef = &cursor->ef;
	uint64_t left = ef->count - block * EF_BLOCK;
	uint64_t place = bits_peek(ef->bits.bytes, record_bit(ef, block) + ef->key_bits, ef->place_bits);

	cursor->block = block;
	cursor->in_block = 0;
	cursor->in_all = left < EF_BLOCK ? left : EF_BLOCK;
	cursor->base = first_key(ef, block);
	if (!bits_have(&ef->bits, place, place + EF_FORM_BITS))
		return -EBADMSG;
	cursor->form = bits_peek(ef->bits.bytes, place, EF_FORM_BITS);
	cursor->low_bit = place + EF_FORM_BITS;
	cursor->high_bit = cursor->low_bit;
	if (cursor->form <= EF_LOW_MAX)
		cursor->high_bit += (cursor->in_all - 1u) * cursor->form;
	else if (cursor->form == EF_RUN)
		return 0;
	else if (cursor->form != EF_BITMAP)
		return -EBADMSG;
	if (!bits_have(&ef->bits, place, cursor->high_bit + EF_HIGH_BITS))
		return -EBADMSG;
	cursor->word_at = 0;
	cursor->word = bits_peek(ef->bits.bytes, cursor->high_bit, 64);
	return 0;
}

/* The ones of the high part from its bit @at on; false if it ends before. */
static bool load_word(struct ef_cursor *cursor, uint32_t at)
{
	if (at >= EF_HIGH_BITS)
		return false;
	cursor->word_at = at / 64 * 64;
	cursor->word = bits_peek(cursor->ef.bits.bytes, cursor->high_bit + cursor->word_at, 64) & ~(uint64_t)0
													  << at % 64;
	return true;
}

/* The number that belongs to the one at bit @high of the high part, which is @in_block-th. */
static inline __attribute__((always_inline)) uint64_t key_of(const struct ef_cursor *cursor, uint32_t high,
							     unsigned int in_block)
{
	uint64_t low;

	if (cursor->form == EF_BITMAP)
		return cursor->base + high + 1;
	low = bits_peek(cursor->ef.bits.bytes, cursor->low_bit + (in_block - 1) * cursor->form, cursor->form);
	return cursor->base + ((uint64_t)(high - (in_block - 1)) << cursor->form | low);
}

int ef_next(struct ef_cursor *cursor, uint64_t *key)
{
	int ret;

	if (cursor->in_block == cursor->in_all) {
		if (ef_at(cursor) >= cursor->ef.count)
			return 0;
		ret = open_block(cursor, cursor->block + 1);
		if (ret)
			return ret;
	}
	if (!cursor->in_block || cursor->form == EF_RUN) {
		*key = cursor->base + cursor->in_block++;
		return 1;
	}
	while (!cursor->word)
		if (!load_word(cursor, cursor->word_at + 64))
			return -EBADMSG;
	*key = key_of(cursor, cursor->word_at + (uint32_t)__builtin_ctzll(cursor->word), cursor->in_block);
	cursor->word &= cursor->word - 1;
	cursor->in_block++;
	return 1;
}

/* What there is of an open block, behind its first number; fewer than @max if the block or what is below @end is over.
 */
static int64_t read_block(struct ef_cursor *cursor, uint64_t base, uint64_t end, uint64_t *keys, size_t max)
{
	struct ef_cursor now = *cursor;
	unsigned int in_block = now.in_block, stop = now.in_all;
	uint64_t word = now.word, key;
	size_t count = 0;

	if (stop - in_block > max)
		stop = in_block + (unsigned int)max;
	for (; in_block < stop; in_block++) {
		while (!word) {
			if (!load_word(&now, now.word_at + 64))
				return -EBADMSG;
			word = now.word;
		}
		key = key_of(&now, now.word_at + (uint32_t)__builtin_ctzll(word), in_block);
		if (key >= end)
			break;
		keys[count++] = key - base;
		word &= word - 1;
	}
	cursor->word_at = now.word_at;
	cursor->word = word;
	cursor->in_block = in_block;
	return count;
}

static size_t read_run(struct ef_cursor *cursor, uint64_t base, uint64_t end, uint64_t *keys, size_t max)
{
	uint64_t first = cursor->base + cursor->in_block, count = cursor->in_all - cursor->in_block;

	if (count > max)
		count = max;
	if (first >= end || end - first < count)
		count = first < end ? end - first : 0;
	for (uint64_t i = 0; i < count; i++)
		keys[i] = first - base + i;
	cursor->in_block += count;
	return count;
}

int64_t ef_read(struct ef_cursor *cursor, uint64_t base, uint64_t end, uint64_t *keys, size_t max)
{
	size_t count = 0;

	while (count < max) {
		int64_t some;
		int ret;

		if (cursor->in_block == cursor->in_all) {
			if (ef_at(cursor) >= cursor->ef.count)
				break;
			ret = open_block(cursor, cursor->block + 1);
			if (ret)
				return ret;
		}
		if (cursor->form == EF_RUN) {
			some = read_run(cursor, base, end, keys + count, max - count);
		} else if (!cursor->in_block) {
			some = cursor->base < end;
			keys[count] = cursor->base - base;
			cursor->in_block += some;
		} else {
			some = read_block(cursor, base, end, keys + count, max - count);
		}
		if (some < 0)
			return some;
		if (!some)
			break;
		count += some;
	}
	return count;
}

static void begin(struct ef_cursor *cursor, const struct ef *ef)
{
	if (ef != &cursor->ef)
		cursor->ef = *ef;
	cursor->block = 0;
	cursor->in_block = 0;
	cursor->in_all = 0;
}

int ef_seek(struct ef_cursor *cursor, const struct ef *ef, uint64_t at)
{
	unsigned int rank = at % EF_BLOCK, ones;
	int ret;

	if (at > ef->count)
		return -ERANGE;
	begin(cursor, ef);
	if (at == ef->count) {
		/* As the last block's end has it. */
		cursor->block = at / EF_BLOCK;
		cursor->in_block = cursor->in_all = rank;
		return 0;
	}
	ret = open_block(cursor, at / EF_BLOCK);
	if (ret)
		return ret;
	cursor->in_block = rank;
	if (!rank || cursor->form == EF_RUN)
		return 0;
	/* The one of number @rank has rank - 1 before it. */
	for (rank--; (ones = bits_ones(cursor->word)) <= rank; rank -= ones)
		if (!load_word(cursor, cursor->word_at + 64))
			return -EBADMSG;
	cursor->word &= ~(uint64_t)0 << bits_select(cursor->word, rank);
	return 0;
}

int ef_get(const struct ef *ef, uint64_t at, uint64_t *key)
{
	struct ef_cursor cursor;
	int ret = at < ef->count ? ef_seek(&cursor, ef, at) : -ERANGE;

	if (ret)
		return ret;
	ret = ef_next(&cursor, key);
	return ret < 0 ? ret : 0;
}

/* Into an open block, to before the first number that may be @off or more above the block's first; @off is not 0. */
static void skip_in_block(struct ef_cursor *cursor, uint64_t off)
{
	uint64_t zeros = cursor->form == EF_BITMAP ? 0 : off >> cursor->form;
	uint32_t ones = 0, count;

	if (cursor->form == EF_BITMAP) {
		if (off > EF_HIGH_BITS) {
			cursor->in_block = cursor->in_all;
			return;
		}
		for (; cursor->word_at + 64 < off; load_word(cursor, cursor->word_at + 64))
			ones += bits_ones(cursor->word);
		count = (uint32_t)(off - 1) % 64;
		ones += bits_ones(cursor->word & bits_mask(count));
		cursor->word &= ~(uint64_t)0 << count;
	} else {
		/* Behind as many zeros as the high part of what is looked for says. */
		for (; zeros > (count = 64 - bits_ones(cursor->word)); zeros -= count) {
			ones += 64 - count;
			if (cursor->word_at + 64 >= EF_HIGH_BITS || ones >= cursor->in_all) {
				cursor->in_block = cursor->in_all;
				return;
			}
			load_word(cursor, cursor->word_at + 64);
		}
		if (zeros) {
			count = bits_select(~cursor->word, (unsigned int)zeros - 1);
			ones += count + 1 - (uint32_t)zeros;
			cursor->word &= count < 63 ? ~(uint64_t)0 << (count + 1) : 0;
		}
	}
	cursor->in_block = ones + 1 < cursor->in_all ? ones + 1 : cursor->in_all;
}

/* Blocks that begin below @key. */
static uint64_t blocks_below(const struct ef *ef, uint64_t key)
{
	uint64_t blocks = ef_blocks(ef->count), count = ef_guide_count(ef), low, high = blocks;
	unsigned int width = ef_guide_width(ef), shift = ef->key_bits - ef_guide_bits(ef);
	uint64_t value = key >> shift, guide = guide_bit(ef) + value * width;

	if (value >= count)
		return blocks;
	low = bits_peek(ef->bits.bytes, guide, width);
	if (value + 1 < count)
		high = bits_peek(ef->bits.bytes, guide + width, width);
	high = high < blocks ? high : blocks;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (first_key(ef, middle) < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < blocks ? low : blocks;
}

/* To the first number of an open block, nothing of which is read yet, that is @key or more, or to its end. */
static int find_in_block(struct ef_cursor *cursor, uint64_t key)
{
	uint64_t off = key - cursor->base;

	if (key <= cursor->base)
		return 0;
	if (cursor->form == EF_RUN) {
		cursor->in_block = off < cursor->in_all ? off : cursor->in_all;
		return 0;
	}
	skip_in_block(cursor, off);
	while (cursor->in_block < cursor->in_all) {
		while (!cursor->word)
			if (!load_word(cursor, cursor->word_at + 64))
				return -EBADMSG;
		if (key_of(cursor, cursor->word_at + (uint32_t)__builtin_ctzll(cursor->word), cursor->in_block) >= key)
			break;
		cursor->word &= cursor->word - 1;
		cursor->in_block++;
	}
	return 0;
}

int ef_find(struct ef_cursor *cursor, const struct ef *ef, uint64_t key)
{
	uint64_t below;
	int ret;

	begin(cursor, ef);
	if (!ef->count)
		return 0;
	/* In the last of them it is, or it is the next one's first. */
	below = blocks_below(ef, key);
	ret = open_block(cursor, below ? below - 1 : 0);
	return ret ? ret : find_in_block(cursor, key);
}

int ef_skip(struct ef_cursor *cursor, uint64_t key)
{
	uint64_t next = cursor->block + 1;
	const struct ef *ef = &cursor->ef;

	if (cursor->in_block == cursor->in_all || (next < ef_blocks(ef->count) && first_key(ef, next) < key))
		return ef_find(cursor, ef, key);
	cursor->in_block = 0;
	if (cursor->form != EF_RUN)
		load_word(cursor, 0);
	return find_in_block(cursor, key);
}
