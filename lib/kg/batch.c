/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Triples in memory; see batch.h. Keys are sorted by a quicksort of their words of eight bytes, which looks at what
 * many of them begin with once and not for each pair.
 */
#include "kg/batch.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Below it, keys are compared whole. */
#define FEW 12

/* A key while it is sorted. */
struct item {
	uint64_t word; /* eight bytes of it */
	uint32_t number;
};

static int grow(void **array, size_t *room, size_t count, size_t size)
{
	size_t more = *room ? *room + *room / 2 : 1024;
	void *at;

	if (count < *room)
		return 0;
	at = realloc(*array, more * size);
	if (!at)
		return -ENOMEM;
	*array = at;
	*room = more;
	return 0;
}

/* A larger table of hashes. */
static int rehash(struct batch_terms *terms)
{
	size_t count = terms->slot_count ? 2 * terms->slot_count : 4096;
	uint32_t *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < terms->count; i++) {
		size_t slot = terms->keys[i].hash & (count - 1);

		while (slots[slot])
			slot = (slot + 1) & (count - 1);
		slots[slot] = (uint32_t)i + 1;
	}
	free(terms->slots);
	terms->slots = slots;
	terms->slot_count = count;
	return 0;
}

static int insert(struct batch_terms *terms, const struct bytes *key, uint32_t hash, size_t slot)
{
	int err;

	if (terms->count == UINT32_MAX - 1)
		return -EOVERFLOW;
	err = grow((void **)&terms->keys, &terms->room, terms->count, sizeof(*terms->keys));
	if (!err)
		err = bytes_append(&terms->bytes, key->data, key->count);
	if (err)
		return err;
	terms->keys[terms->count] = (struct batch_key){
		.at = terms->bytes.count - key->count,
		.bytes = (uint32_t)key->count,
		.hash = hash,
	};
	terms->slots[slot] = (uint32_t)++terms->count;
	return 0;
}

/* The number of @term, which is new if it is not there. */
static int number_of(struct batch_terms *terms, struct bytes *key, const struct term *term, uint32_t *number)
{
	uint32_t hash;
	size_t slot;
	int err;

	err = term_to_key(term, key);
	if (!err && 2 * terms->count >= terms->slot_count)
		err = rehash(terms);
	if (err)
		return err;
	hash = (uint32_t)XXH3_64bits(key->data, key->count);
	slot = hash & (terms->slot_count - 1);
	while (terms->slots[slot]) {
		const struct batch_key *known = &terms->keys[terms->slots[slot] - 1];

		if (known->hash == hash && known->bytes == key->count &&
		    !memcmp(terms->bytes.data + known->at, key->data, key->count)) {
			*number = terms->slots[slot] - 1;
			return 0;
		}
		slot = (slot + 1) & (terms->slot_count - 1);
	}
	*number = (uint32_t)terms->count;
	return insert(terms, key, hash, slot);
}

int batch_add(struct batch *batch, const struct term terms[3])
{
	struct batch_triple triple;
	int err;

	err = grow((void **)&batch->triples, &batch->room, batch->count, sizeof(*batch->triples));
	if (!err)
		err = number_of(&batch->nodes, &batch->key, &terms[0], &triple.s);
	if (!err)
		err = number_of(&batch->predicates, &batch->key, &terms[1], &triple.p);
	if (!err)
		err = number_of(&batch->nodes, &batch->key, &terms[2], &triple.o);
	if (!err)
		batch->triples[batch->count++] = triple;
	return err;
}

/* With what batch_order() needs besides. */
static size_t terms_bytes(const struct batch_terms *terms)
{
	return terms->bytes.count + terms->slot_count * sizeof(*terms->slots) +
	       terms->count * (sizeof(*terms->keys) + sizeof(struct item) + 2 * sizeof(uint32_t));
}

size_t batch_bytes(const struct batch *batch)
{
	return terms_bytes(&batch->nodes) + terms_bytes(&batch->predicates) + batch->count * sizeof(*batch->triples);
}

/* The eight bytes from @depth on, zeros behind the end, so that their order is that of the keys. */
static uint64_t word_at(const struct batch_terms *terms, uint32_t number, size_t depth)
{
	const struct batch_key *key = &terms->keys[number];
	uint64_t word = 0;

	if (depth >= key->bytes)
		return 0;
	memcpy(&word, terms->bytes.data + key->at + depth, key->bytes - depth < 8 ? key->bytes - depth : 8);
	return be64toh(word);
}

static bool key_before(const struct batch_terms *terms, uint32_t a, uint32_t b)
{
	const struct batch_key *left = &terms->keys[a], *right = &terms->keys[b];

	return term_key_compare(terms->bytes.data + left->at, left->bytes, terms->bytes.data + right->at,
				right->bytes) < 0;
}

static void sort_few(const struct batch_terms *terms, struct item *items, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct item item = items[i];
		size_t at = i;

		for (; at && key_before(terms, item.number, items[at - 1].number); at--)
			items[at] = items[at - 1];
		items[at] = item;
	}
}

static void swap(struct item *a, struct item *b)
{
	struct item was = *a;

	*a = *b;
	*b = was;
}

static uint64_t middle(uint64_t a, uint64_t b, uint64_t c)
{
	if (a > b) {
		uint64_t was = a;

		a = b;
		b = was;
	}
	return c < a ? a : c > b ? b : c;
}

/* Whether all of them end before @depth, and so differ in nothing but how many zeros they end with. */
static bool all_end(const struct batch_terms *terms, const struct item *items, size_t count, size_t depth)
{
	for (size_t i = 0; i < count; i++)
		if (terms->keys[items[i].number].bytes > depth)
			return false;
	return true;
}

/* How @items fall apart: those before the pivot, those with its word, those behind it. */
struct parts {
	size_t less;
	size_t same;
	size_t more;
};

static struct parts divide(struct item *items, size_t count)
{
	uint64_t pivot = middle(items[0].word, items[count / 2].word, items[count - 1].word);
	size_t less = 0, next = 0, more = count;

	while (next < more) {
		if (items[next].word < pivot)
			swap(&items[less++], &items[next++]);
		else if (items[next].word > pivot)
			swap(&items[next], &items[--more]);
		else
			next++;
	}
	return (struct parts){.less = less, .same = more - less, .more = count - more};
}

static void sort_items(const struct batch_terms *terms, struct item *items, size_t count, size_t depth);

/* Those that agree in @depth bytes; their words are not read yet. */
static void sort_deeper(const struct batch_terms *terms, struct item *items, size_t count, size_t depth)
{
	if (count <= FEW || all_end(terms, items, count, depth)) {
		sort_few(terms, items, count);
		return;
	}
	for (size_t i = 0; i < count; i++)
		items[i].word = word_at(terms, items[i].number, depth);
	sort_items(terms, items, count, depth);
}

/*
 * @items agree in @depth bytes; their words are those from there on. Only what is less than half recurses, so that no
 * order of keys needs a deep stack.
 */
static void sort_items(const struct batch_terms *terms, struct item *items, size_t count, size_t depth)
{
	while (count > FEW) {
		struct parts parts = divide(items, count);
		struct item *same = items + parts.less, *more = same + parts.same;

		if (parts.same <= count / 2)
			sort_deeper(terms, same, parts.same, depth + 8);
		if (parts.less <= count / 2)
			sort_items(terms, items, parts.less, depth);
		if (parts.more <= count / 2)
			sort_items(terms, more, parts.more, depth);
		if (parts.same > count / 2) {
			items = same;
			count = parts.same;
			depth += 8;
			if (all_end(terms, items, count, depth))
				break;
			for (size_t i = 0; i < count; i++)
				items[i].word = word_at(terms, items[i].number, depth);
		} else if (parts.less > count / 2) {
			count = parts.less;
		} else if (parts.more > count / 2) {
			items = more;
			count = parts.more;
		} else {
			return;
		}
	}
	sort_few(terms, items, count);
}

int batch_order(const struct batch_terms *terms, uint32_t **order, uint32_t **places)
{
	struct item *items = malloc((terms->count + 1) * sizeof(*items));

	*order = malloc((terms->count + 1) * sizeof(**order));
	*places = malloc((terms->count + 1) * sizeof(**places));
	if (!items || !*order || !*places) {
		free(items);
		free(*order);
		free(*places);
		*order = *places = NULL;
		return -ENOMEM;
	}
	for (size_t i = 0; i < terms->count; i++)
		items[i] = (struct item){.word = word_at(terms, (uint32_t)i, 0), .number = (uint32_t)i};
	sort_items(terms, items, terms->count, 0);
	for (size_t i = 0; i < terms->count; i++) {
		(*order)[i] = items[i].number;
		(*places)[items[i].number] = (uint32_t)i;
	}
	free(items);
	return 0;
}

static void free_terms(struct batch_terms *terms)
{
	bytes_free(&terms->bytes);
	free(terms->keys);
	free(terms->slots);
}

void batch_free(struct batch *batch)
{
	free_terms(&batch->nodes);
	free_terms(&batch->predicates);
	bytes_free(&batch->key);
	free(batch->triples);
	*batch = (struct batch){0};
}
