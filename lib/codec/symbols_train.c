/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Making a table of symbols. It begins with single bytes. In each round the samples are divided into the symbols so
 * far, always the longest that fits; then those compete that were used, and each two that stood side by side as one.
 * Who saves most by its length and number of uses is in the next round. After the last round the most used get the
 * codes of one byte.
 */
#include "codec/symbols.h"
#include "codec/symbols_trie.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS	    5
/* Pairs seen less often are not looked at. */
#define PAIR_USES   3
/* Distinct pairs in one round, at most; more in the samples are left out. */
#define PAIRS	    (1U << 19)
#define PAIR_BITS   20
/* Bytes that a symbol takes in a table beside its text. */
#define ENTRY_BYTES 4

struct symbol {
	char text[SYMBOL_BYTES];
	uint32_t bytes;
	uint32_t uses;
};

struct pair {
	uint64_t key; /* both symbols; 0 is free, for a pair's second is counted from 1 */
	uint32_t uses;
};

struct training {
	const struct symbols_sample *samples;
	size_t sample_count;
	uint32_t most;
	double share;
	/* The first 256 are bytes, so that there is always one that fits. */
	struct symbol *symbols, *others;
	uint32_t count;
	struct pair *pairs;
	uint32_t pair_count;
	uint64_t *order; /* saved bytes << 32 | number of a candidate, to sort */
	struct symbols_trie trie;
};

static void count_pair(struct training *training, uint32_t first, uint32_t second)
{
	const uint64_t key = (uint64_t)first << 32 | (second + 1);
	uint32_t i = (uint32_t)(key * 0x9e3779b97f4a7c15ULL >> (64 - PAIR_BITS));

	while (training->pairs[i].key && training->pairs[i].key != key)
		i = (i + 1) & ((1U << PAIR_BITS) - 1);
	if (!training->pairs[i].key) {
		if (training->pair_count == PAIRS)
			return;
		training->pair_count++;
		training->pairs[i].key = key;
	}
	training->pairs[i].uses++;
}

/* Divides all samples, counts symbols and, if wanted, pairs. */
static void count_uses(struct training *training, bool pairs)
{
	const struct symbols_trie *trie = &training->trie;
	struct symbol *symbols = training->symbols;

	symbols_trie_clear(&training->trie);
	for (uint32_t i = 0; i < training->count; i++) {
		symbols[i].uses = 0;
		symbols_trie_add(&training->trie, symbols[i].text, symbols[i].bytes, i);
	}
	memset(training->pairs, 0, sizeof(*training->pairs) << PAIR_BITS);
	training->pair_count = 0;
	for (size_t i = 0; i < training->sample_count; i++) {
		const unsigned char *at = (const unsigned char *)training->samples[i].text;
		const unsigned char *end = at + training->samples[i].bytes;
		uint32_t last = TRIE_NONE;

		while (at < end) {
			uint32_t node = 0, longest = *at;

			for (const unsigned char *next = at; next < end; next++) {
				node = symbols_trie_step(trie, node, *next);
				if (!node)
					break;
				if (trie->symbol[node] != TRIE_NONE)
					longest = trie->symbol[node];
			}
			symbols[longest].uses++;
			if (pairs && last != TRIE_NONE && symbols[last].bytes + symbols[longest].bytes <= SYMBOL_BYTES)
				count_pair(training, last, longest);
			last = longest;
			at += symbols[longest].bytes;
		}
	}
}

static int compare_descending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* What bytes a symbol spares, as if it were alone. */
static uint64_t worth(uint64_t uses, uint32_t bytes)
{
	uint64_t saved = uses * (bytes - 1);

	return (saved < UINT32_MAX ? saved : UINT32_MAX) << 32;
}

static struct symbol join(const struct symbol *first, const struct symbol *second)
{
	struct symbol both = {.bytes = first->bytes + second->bytes};

	memcpy(both.text, first->text, first->bytes);
	memcpy(both.text + first->bytes, second->text, second->bytes);
	return both;
}

/* Replaces the symbols by the best @wanted of them and of pairs. */
static void choose(struct training *training, uint32_t wanted)
{
	struct symbol *from = training->symbols, *to = training->others;
	uint32_t candidates = 0;

	for (uint32_t i = 256; i < training->count; i++)
		if (from[i].uses)
			training->order[candidates++] = worth(from[i].uses, from[i].bytes) | i;
	for (uint32_t i = 0; i < 1U << PAIR_BITS; i++) {
		const struct pair *pair = &training->pairs[i];

		if (pair->uses < PAIR_USES)
			continue;
		training->order[candidates++] =
			worth(pair->uses, from[pair->key >> 32].bytes + from[(uint32_t)pair->key - 1].bytes) |
			(i + SYMBOLS_MAX + 256);
	}
	qsort(training->order, candidates, sizeof(*training->order), compare_descending);
	/* A text may be there twice: of two pairs, or of a pair and a symbol. */
	symbols_trie_clear(&training->trie);
	memcpy(to, from, 256 * sizeof(*to));
	training->count = 256;
	for (uint32_t i = 0; i < candidates && training->count < wanted; i++) {
		uint32_t number = (uint32_t)training->order[i];
		struct symbol one;

		if (number < SYMBOLS_MAX + 256) {
			one = from[number];
		} else {
			const struct pair *pair = &training->pairs[number - SYMBOLS_MAX - 256];

			one = join(&from[pair->key >> 32], &from[(uint32_t)pair->key - 1]);
		}
		if (symbols_trie_add(&training->trie, one.text, one.bytes, 0))
			to[training->count++] = one;
	}
	training->symbols = to;
	training->others = from;
}

/* Those that are worth their place, the most used first. */
static uint32_t order_by_uses(struct training *training)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < training->count; i++) {
		const struct symbol *symbol = &training->symbols[i];
		/* Two bytes of code at most, instead of two or more of each byte. A byte saves one as a code of one
		 * byte. */
		double saved = symbol->uses * training->share * (symbol->bytes > 2 ? symbol->bytes - 2 : 1);

		if (saved > ENTRY_BYTES + symbol->bytes)
			training->order[kept++] = (uint64_t)symbol->uses << 32 | (UINT32_MAX - i);
	}
	qsort(training->order, kept, sizeof(*training->order), compare_descending);
	for (uint32_t i = 0; i < kept; i++)
		training->others[i] = training->symbols[UINT32_MAX - (uint32_t)training->order[i]];
	return kept < training->most ? kept : training->most;
}

static int compare_texts(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;
	int order = memcmp(x->text, y->text, SYMBOL_BYTES);

	/* Texts are filled up with zeros, which may be theirs. */
	return order ? order : (int)x->bytes - (int)y->bytes;
}

/* Stores the first @count of training->others, whose order is that of the codes. */
static int store(struct training *training, uint32_t count, struct bytes *table)
{
	struct symbols_header header = {.count = count};
	struct symbol *symbols = training->others;
	uint32_t *entries = (uint32_t *)training->order;
	struct bytes text = {0};
	int err = 0;

	/* As few first bytes of two as reach the others. */
	header.singles = count < SYMBOLS_ESCAPE ? count : SYMBOLS_ESCAPE;
	while (count > header.singles + (SYMBOLS_ESCAPE - header.singles) * 256)
		header.singles--;
	/* A symbol that another begins with lies in that one's text. */
	for (uint32_t i = 0; i < count; i++)
		symbols[i].uses = i;
	qsort(symbols, count, sizeof(*symbols), compare_texts);
	for (uint32_t i = count; !err && i-- > 0;) {
		if (i + 1 < count && !memcmp(symbols[i].text, symbols[i + 1].text, symbols[i].bytes)) {
			entries[symbols[i].uses] = (entries[symbols[i + 1].uses] & ~15U) | (symbols[i].bytes - 1);
			continue;
		}
		entries[symbols[i].uses] = (uint32_t)text.count << 4 | (symbols[i].bytes - 1);
		err = bytes_append(&text, symbols[i].text, symbols[i].bytes);
	}
	header.text_bytes = (uint32_t)text.count;
	/* Zeros behind, so that 16 bytes can be read anywhere, and the whole is a multiple of 8. */
	if (!err)
		err = bytes_append(&text, (char[SYMBOL_BYTES + 8]){0},
				   SYMBOL_BYTES + (8 - (count * sizeof(*entries) + text.count) % 8) % 8);
	if (!err)
		err = bytes_append(table, &header, sizeof(header));
	if (!err)
		err = bytes_append(table, entries, count * sizeof(*entries));
	if (!err)
		err = bytes_append(table, text.data, text.count);
	bytes_free(&text);
	return err;
}

int symbols_train(const struct symbols_sample *samples, size_t count, uint32_t most, double share, struct bytes *table)
{
	const size_t room = SYMBOLS_MAX + 256;
	struct training training = {
		.samples = samples,
		.sample_count = count,
		.most = most < SYMBOLS_MAX ? most : SYMBOLS_MAX,
		.share = share,
		.symbols = calloc(room, sizeof(*training.symbols)),
		.others = calloc(room, sizeof(*training.others)),
		.pairs = malloc(sizeof(*training.pairs) << PAIR_BITS),
		.order = malloc(sizeof(*training.order) * (room + PAIRS)),
		.count = 256,
	};
	int err = symbols_trie_new(&training.trie, room, room * SYMBOL_BYTES);

	if (!training.symbols || !training.others || !training.pairs || !training.order)
		err = -ENOMEM;
	if (!err) {
		for (uint32_t i = 0; i < 256; i++) {
			training.symbols[i].text[0] = (char)i;
			training.symbols[i].bytes = 1;
		}
		for (unsigned int round = 1; round <= ROUNDS; round++) {
			count_uses(&training, true);
			choose(&training, 256 + (uint32_t)((uint64_t)training.most * round / ROUNDS));
		}
		count_uses(&training, false);
		err = store(&training, order_by_uses(&training), table);
	}
	symbols_trie_free(&training.trie);
	free(training.symbols);
	free(training.others);
	free(training.pairs);
	free(training.order);
	return err;
}
