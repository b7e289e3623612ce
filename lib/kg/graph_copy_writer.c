// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Copies of lists, chosen and written, a block of nodes at a time. In each block those predicates are copied whose
 * lists take the fewest bits each, as far as the triples so far pay for it: COPY_BITS each, or nothing for a graph without
 * copies.
 */
#include "kg/graph_copy.h"

#include <errno.h>
#include <stdlib.h>

/* Triples of a block that are kept; predicates of those that find no room are not copied. */
#define ENTRIES	    16384
/* What a place of a node's lists takes, as an estimate. */
#define OFFSET_BITS 10

struct entry {
	uint64_t object;
	uint32_t slot;
	uint8_t node;
};

/* A predicate of the block. */
struct slot {
	uint64_t least;
	uint64_t most;
	uint64_t bits;
	uint64_t last; /* object of the list at hand */
	uint64_t gap_widths; /* of all gaps together */
	uint32_t predicate;
	uint32_t lists;
	uint32_t values;
	uint32_t row; /* values of the list at hand, whose node is: */
	uint8_t node;
	bool refused;
	bool taken;
};

struct copy_writer {
	uint64_t nodes;
	unsigned int price; /* bits a triple */
	unsigned int mask_width;
	unsigned int high_width;
	unsigned int base_width;
	uint64_t *places;
	uint64_t room;
	uint64_t blocks;
	uint64_t triples;
	uint64_t spent; /* bits */
	/* Of each predicate its slot plus 1. */
	uint32_t *slot_of;
	struct slot slots[ENTRIES];
	uint32_t slot_count;
	struct slot *order[ENTRIES];
	struct entry entries[ENTRIES];
	uint32_t entry_count;
};

static uint64_t block_count(uint64_t nodes)
{
	return nodes / COPY_BLOCK + !!(nodes % COPY_BLOCK);
}

uint64_t copy_writer_memory(uint64_t nodes, uint64_t predicates)
{
	return sizeof(struct copy_writer) + 2 * block_count(nodes) * sizeof(uint64_t) + predicates * sizeof(uint32_t);
}

uint64_t copy_writer_bound(uint64_t nodes, uint64_t triples)
{
	/* What a block takes is an estimate, for which the next ones pay. */
	return triples * COPY_BITS + block_count(nodes) * (64 + COPY_MASK_BITS) + (uint64_t)ENTRIES * 128;
}

int copy_writer_new(struct copy_writer **out, uint64_t nodes, uint64_t predicates, unsigned int price)
{
	struct copy_writer *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return -ENOMEM;
	writer->nodes = nodes;
	writer->price = price;
	writer->mask_width = copy_mask_width(predicates);
	writer->high_width = copy_high_width(predicates);
	writer->base_width = nodes ? bits_width(nodes - 1) : 0;
	writer->slot_of = calloc(predicates + 1, sizeof(*writer->slot_of));
	if (!writer->slot_of) {
		copy_writer_free(writer);
		return -ENOMEM;
	}
	*out = writer;
	return 0;
}

/* Dearest last: bits of a list, compared without a division. */
static int by_price(const void *a, const void *b)
{
	const struct slot *x = *(struct slot *const *)a, *y = *(struct slot *const *)b;
	uint64_t m = x->bits * y->lists, n = y->bits * x->lists;

	return m != n ? (m > n) - (m < n) : (x->predicate > y->predicate) - (x->predicate < y->predicate);
}

static int by_remainder(const void *a, const void *b)
{
	const struct slot *x = *(struct slot *const *)a, *y = *(struct slot *const *)b;

	return (int)(x->predicate % COPY_MASK_BITS) - (int)(y->predicate % COPY_MASK_BITS);
}

static unsigned int object_width(const struct slot *slot)
{
	return bits_width(slot->most - slot->least);
}

/* The mean of the gaps' widths: some large ones do not make it larger. */
static unsigned int gap_width(const struct slot *slot)
{
	uint64_t mean;

	if (slot->values == slot->lists)
		return COPY_SINGLE;
	mean = slot->gap_widths / (slot->values - slot->lists);
	return mean < COPY_GAP_MAX ? (unsigned int)mean : COPY_GAP_MAX;
}

/* About what a predicate takes. */
static uint64_t price(const struct copy_writer *writer, const struct slot *slot)
{
	uint64_t bits =
		writer->high_width + writer->base_width + COPY_ENTRY_BITS + (uint64_t)slot->lists * object_width(slot);

	if (slot->values > slot->lists)
		bits += slot->values + (uint64_t)(slot->values - slot->lists) * (gap_width(slot) + 2);
	return bits;
}

/* Which of them @bits pay for, in the order of remainders, of which @mask is. Returns how many. */
static uint32_t choose(struct copy_writer *writer, uint64_t bits, uint64_t *mask)
{
	uint64_t used = COPY_HEAD_BITS + COPY_BLOCK + COPY_BLOCK * OFFSET_BITS;
	uint32_t count = 0, taken = 0;

	*mask = 0;
	for (uint32_t i = 0; i < writer->slot_count; i++) {
		struct slot *slot = &writer->slots[i];

		slot->bits = slot->refused ? 0 : price(writer, slot);
		if (!slot->refused)
			writer->order[count++] = slot;
	}
	qsort(writer->order, count, sizeof(*writer->order), by_price);
	for (uint32_t i = 0; i < count; i++) {
		struct slot *slot = writer->order[i];
		uint64_t bit = (uint64_t)1 << slot->predicate % COPY_MASK_BITS;

		if (*mask & bit)
			continue;
		used += slot->bits;
		if (used > bits)
			break;
		*mask |= bit;
		slot->taken = true;
		writer->order[taken++] = slot;
	}
	qsort(writer->order, taken, sizeof(*writer->order), by_remainder);
	return taken;
}

/* Where the list ends that entry @first begins. */
static uint32_t list_end(const struct copy_writer *writer, uint32_t first)
{
	const struct entry *entry = &writer->entries[first];
	uint32_t end = first + 1;

	while (end < writer->entry_count && writer->entries[end].node == entry->node &&
	       writer->entries[end].slot == entry->slot)
		end++;
	return end;
}

/* Bits of the list of entries from @first to before @end. */
static uint64_t list_bits(const struct copy_writer *writer, uint32_t first, uint32_t end)
{
	const struct entry *entries = writer->entries;
	const struct slot *slot = &writer->slots[entries[first].slot];
	uint64_t bits = object_width(slot), zeros;

	if (gap_width(slot) == COPY_SINGLE)
		return bits;
	bits += end - first;
	for (uint32_t i = first + 1; i < end; i++) {
		zeros = (entries[i].object - entries[i - 1].object - 1) >> gap_width(slot);
		bits += zeros < COPY_ESCAPE ? zeros + 1 + gap_width(slot) : COPY_ESCAPE + object_width(slot);
	}
	return bits;
}

/* Of the nodes that have lists, where those begin, counted from the first. */
struct places {
	uint64_t has[COPY_BLOCK / 64];
	uint64_t offsets[COPY_BLOCK];
	unsigned int count;
	uint64_t mean;
	uint64_t bias;
	unsigned int width;
};

static void place_nodes(const struct copy_writer *writer, struct places *places)
{
	uint64_t bits = 0, most = 0;

	*places = (struct places){0};
	for (uint32_t i = 0, end; i < writer->entry_count; i = end) {
		uint8_t node = writer->entries[i].node;

		end = list_end(writer, i);
		if (!writer->slots[writer->entries[i].slot].taken)
			continue;
		if (!(places->has[node / 64] >> node % 64 & 1)) {
			places->has[node / 64] |= (uint64_t)1 << node % 64;
			places->offsets[places->count++] = bits;
		}
		bits += list_bits(writer, i, end);
	}
	/* How far they are from a straight line takes less than where they are. */
	places->mean = places->count ? bits / places->count : 0;
	for (unsigned int i = 0; i < places->count; i++)
		if (i * places->mean > places->offsets[i] + places->bias)
			places->bias = i * places->mean - places->offsets[i];
	for (unsigned int i = 0; i < places->count; i++) {
		places->offsets[i] += places->bias - i * places->mean;
		most = places->offsets[i] > most ? places->offsets[i] : most;
	}
	places->width = bits_width(most);
}

static void put_gap(const struct slot *slot, struct bits_writer *bits, uint64_t last, uint64_t object)
{
	uint64_t gap = object - last - 1, zeros = gap >> gap_width(slot);

	if (zeros < COPY_ESCAPE) {
		bits_put(bits, (uint64_t)1 << zeros, (unsigned int)zeros + 1);
		bits_put(bits, gap & bits_mask(gap_width(slot)), gap_width(slot));
	} else {
		bits_put(bits, 0, COPY_ESCAPE);
		bits_put(bits, object - slot->least, object_width(slot));
	}
}

static void put_lists(const struct copy_writer *writer, struct bits_writer *bits)
{
	const struct entry *entries = writer->entries;

	for (uint32_t i = 0, end; i < writer->entry_count; i = end) {
		const struct slot *slot = &writer->slots[entries[i].slot];

		end = list_end(writer, i);
		if (!slot->taken)
			continue;
		if (gap_width(slot) != COPY_SINGLE)
			bits_put(bits, (uint64_t)1 << (end - i - 1), end - i);
		bits_put(bits, entries[i].object - slot->least, object_width(slot));
		for (uint32_t at = i + 1; at < end; at++)
			put_gap(slot, bits, entries[at - 1].object, entries[at].object);
	}
}

/* Returns 0 or -ENOMEM. */
static int note_place(struct copy_writer *writer, uint64_t place)
{
	if (writer->blocks == writer->room) {
		uint64_t room = writer->room ? 2 * writer->room : 64;
		uint64_t *places = realloc(writer->places, room * sizeof(*places));

		if (!places)
			return -ENOMEM;
		writer->places = places;
		writer->room = room;
	}
	writer->places[writer->blocks++] = place;
	return 0;
}

static void put_head(const struct copy_writer *writer, struct bits_writer *bits, uint32_t taken,
		     const struct places *places)
{
	bits_put(bits, places->width, COPY_WIDTH_BITS);
	bits_put(bits, places->mean, COPY_MEAN_BITS);
	bits_put(bits, places->bias, COPY_BIAS_BITS);
	for (uint32_t i = 0; i < taken; i++) {
		const struct slot *slot = writer->order[i];

		bits_put(bits, slot->predicate / COPY_MASK_BITS, writer->high_width);
		bits_put(bits, slot->least, writer->base_width);
		bits_put(bits, object_width(slot), COPY_WIDTH_BITS);
		bits_put(bits, gap_width(slot), COPY_WIDTH_BITS);
	}
	for (unsigned int i = 0; i < COPY_BLOCK / 64; i++)
		bits_put(bits, places->has[i], 64);
	for (unsigned int i = 0; i < places->count; i++)
		bits_put(bits, places->offsets[i], places->width);
}

/* Returns 0 or -ENOMEM. */
static int put_block(struct copy_writer *writer, struct bits_writer *bits)
{
	uint64_t begin = bits->bit, paid = writer->triples * writer->price;
	struct places places;
	uint64_t mask;
	uint32_t taken;
	int ret = note_place(writer, begin);

	if (ret)
		return ret;
	taken = choose(writer, paid > writer->spent ? paid - writer->spent : 0, &mask);
	bits_put(bits, mask, writer->mask_width);
	if (taken) {
		place_nodes(writer, &places);
		put_head(writer, bits, taken, &places);
		put_lists(writer, bits);
	}
	for (uint32_t i = 0; i < writer->slot_count; i++)
		writer->slot_of[writer->slots[i].predicate] = 0;
	writer->slot_count = 0;
	writer->entry_count = 0;
	writer->spent += bits->bit - begin;
	return 0;
}

/* NULL if there is no room for it, and then it is not copied. */
static struct slot *slot_of(struct copy_writer *writer, uint64_t p)
{
	uint32_t *number = &writer->slot_of[p];

	if (!*number && writer->slot_count < ENTRIES) {
		writer->slots[writer->slot_count] = (struct slot){.predicate = (uint32_t)p, .least = UINT64_MAX};
		*number = ++writer->slot_count;
	}
	return *number ? &writer->slots[*number - 1] : NULL;
}

int copy_writer_add(struct copy_writer *writer, struct bits_writer *bits, const struct graph_triple *triple)
{
	uint8_t node = triple->s % COPY_BLOCK;
	struct slot *slot;
	int ret;

	while (writer->blocks < triple->s / COPY_BLOCK) {
		ret = put_block(writer, bits);
		if (ret)
			return ret;
	}
	writer->triples++;
	slot = slot_of(writer, triple->p);
	if (!slot)
		return 0;
	if (!slot->lists || slot->node != node) {
		slot->node = node;
		slot->lists++;
		slot->row = 0;
	}
	if (++slot->row > COPY_ROW || writer->entry_count == ENTRIES)
		slot->refused = true;
	if (slot->refused)
		return 0;
	if (slot->row > 1)
		slot->gap_widths += bits_width(triple->o - slot->last - 1);
	slot->last = triple->o;
	slot->values++;
	slot->least = triple->o < slot->least ? triple->o : slot->least;
	slot->most = triple->o > slot->most ? triple->o : slot->most;
	writer->entries[writer->entry_count++] = (struct entry){triple->o, (uint32_t)(slot - writer->slots), node};
	return 0;
}

int copy_writer_end(struct copy_writer *writer, struct bits_writer *bits, struct graph_header *header)
{
	uint64_t blocks = block_count(writer->nodes);

	while (writer->blocks < blocks) {
		int ret = put_block(writer, bits);

		if (ret)
			return ret;
	}
	header->copies_bit = bits->bit;
	header->copies_width = blocks ? (uint8_t)bits_width(writer->places[blocks - 1]) : 0;
	for (uint64_t i = 0; i < blocks; i++)
		bits_put(bits, writer->places[i], header->copies_width);
	header->copies_bytes = (writer->spent + blocks * header->copies_width + 7) / 8;
	return 0;
}

void copy_writer_free(struct copy_writer *writer)
{
	if (!writer)
		return;
	free(writer->places);
	free(writer->slot_of);
	free(writer);
}
