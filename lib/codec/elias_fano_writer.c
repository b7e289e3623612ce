// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Sequences in blocks, written. */
#include <errno.h>
#include <stdlib.h>

#include "codec/elias_fano.h"
#include "codec/elias_fano_form.h"

/* Blocks of the index to begin with. */
#define INDEX_FIRST 4

static int grow_index(struct ef_writer *writer)
{
	uint64_t room = writer->room ? writer->room * 2 : INDEX_FIRST;
	uint64_t *index = realloc(writer->index, room * 2 * sizeof(*index));

	if (!index)
		return -ENOMEM;
	writer->index = index;
	writer->room = room;
	return 0;
}

static void put_bitmap(struct bits_writer *bits, const uint64_t *keys, unsigned int count)
{
	for (unsigned int i = 1; i < count; i++) {
		uint64_t zeros = keys[i] - keys[i - 1] - 1;

		for (; zeros >= 63; zeros -= 63)
			bits_put(bits, 0, 63);
		bits_put(bits, (uint64_t)1 << zeros, (unsigned int)zeros + 1);
	}
}

static void put_elias_fano(struct bits_writer *bits, const uint64_t *keys, unsigned int count, unsigned int width)
{
	uint64_t high = 0;

	for (unsigned int i = 1; i < count; i++)
		bits_put(bits, (keys[i] - keys[0]) & bits_mask(width), width);
	for (unsigned int i = 1; i < count; i++) {
		uint64_t own = (keys[i] - keys[0]) >> width, zeros = own - high;

		for (; zeros >= 63; zeros -= 63)
			bits_put(bits, 0, 63);
		bits_put(bits, (uint64_t)1 << zeros, (unsigned int)zeros + 1);
		high = own;
	}
}

static int put_block(struct ef_writer *writer, struct bits_writer *bits, unsigned int count)
{
	const uint64_t *keys = writer->keys;
	uint64_t block = (writer->count - 1) / EF_BLOCK, range = keys[count - 1] - keys[0];
	unsigned int others = count - 1, width = 0;
	bool rising = true, run = true;
	int ret = block == writer->room ? grow_index(writer) : 0;

	if (ret)
		return ret;
	writer->index[2 * block] = keys[0];
	writer->index[2 * block + 1] = bits->bit;
	for (unsigned int i = 1; i < count; i++) {
		rising &= keys[i] > keys[i - 1];
		run &= keys[i] == keys[i - 1] + 1;
	}
	/* So the high bits count to less than twice the numbers; a bit less takes no fewer bits, nor does one more. */
	if (others && range / others)
		width = bits_width(range / others) - 1;
	if (run) {
		bits_put(bits, EF_RUN, EF_FORM_BITS);
	} else if (rising && range <= (uint64_t)others * (width + 1) + (range >> width)) {
		/* Of 4 bits for each number at most, so no longer than EF_HIGH_BITS. */
		bits_put(bits, EF_BITMAP, EF_FORM_BITS);
		put_bitmap(bits, keys, count);
	} else {
		bits_put(bits, width, EF_FORM_BITS);
		put_elias_fano(bits, keys, count, width);
	}
	return 0;
}

int ef_put(struct ef_writer *writer, struct bits_writer *bits, uint64_t key)
{
	unsigned int at = writer->count % EF_BLOCK;

	if (key >= EF_LIMIT || key < writer->last)
		return -EINVAL;
	writer->keys[at] = key;
	writer->last = key;
	writer->count++;
	return at == EF_BLOCK - 1 ? put_block(writer, bits, EF_BLOCK) : 0;
}

int ef_end(struct ef_writer *writer, struct bits_writer *bits)
{
	unsigned int left = writer->count % EF_BLOCK;

	return left ? put_block(writer, bits, left) : 0;
}

void ef_put_index(const struct ef_writer *writer, struct bits_writer *bits, struct ef *ef)
{
	uint64_t blocks = ef_blocks(writer->count);
	const uint64_t *last = blocks ? &writer->index[2 * (blocks - 1)] : NULL;
	unsigned int shift;

	ef->count = writer->count;
	ef->index_bit = bits->bit;
	ef->key_bits = last ? bits_width(last[0]) : 0;
	ef->place_bits = last ? bits_width(last[1]) : 0;
	for (uint64_t i = 0; i < blocks; i++) {
		bits_put(bits, writer->index[2 * i], ef->key_bits);
		bits_put(bits, writer->index[2 * i + 1], ef->place_bits);
	}
	shift = ef->key_bits - ef_guide_bits(ef);
	for (uint64_t value = 0, below = 0; value < ef_guide_count(ef); value++) {
		while (below < blocks && writer->index[2 * below] >> shift < value)
			below++;
		bits_put(bits, below, ef_guide_width(ef));
	}
}

void ef_writer_free(struct ef_writer *writer)
{
	free(writer->index);
	writer->index = NULL;
	writer->room = 0;
}
