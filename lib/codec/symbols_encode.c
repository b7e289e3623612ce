/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Texts to codes: of all ways to divide a text into symbols the one of the fewest bytes, found from its end to its
 * beginning.
 */
#include "codec/symbols.h"
#include "codec/symbols_trie.h"

#include <errno.h>
#include <stdlib.h>

/* Bytes of text that are divided at once. */
#define PIECE 4096

struct symbols_encoder {
	const struct symbols *symbols;
	struct symbols_trie trie;
	/* From here to the end of the piece: bytes of codes, and the symbol to begin with (TRIE_NONE: the byte itself).
	 */
	uint32_t cost[PIECE + 1];
	uint32_t choice[PIECE];
};

int symbols_encoder_new(struct symbols_encoder **out, const struct symbols *symbols)
{
	struct symbols_encoder *encoder = malloc(sizeof(*encoder));
	size_t bytes = 0;
	int err;

	if (!encoder)
		return -ENOMEM;
	for (uint32_t i = 0; i < symbols->count; i++)
		bytes += (symbols->entries[i] & 15) + 1;
	err = symbols_trie_new(&encoder->trie, symbols->count, bytes);
	if (err) {
		free(encoder);
		return err;
	}
	encoder->symbols = symbols;
	for (uint32_t i = 0; i < symbols->count; i++)
		symbols_trie_add(&encoder->trie, symbols->text + (symbols->entries[i] >> 4),
				 (symbols->entries[i] & 15) + 1, i);
	*out = encoder;
	return 0;
}

void symbols_encoder_free(struct symbols_encoder *encoder)
{
	if (!encoder)
		return;
	symbols_trie_free(&encoder->trie);
	free(encoder);
}

static void divide(struct symbols_encoder *encoder, const unsigned char *text, size_t bytes)
{
	const struct symbols_trie *trie = &encoder->trie;
	const uint32_t singles = encoder->symbols->singles;

	encoder->cost[bytes] = 0;
	for (size_t i = bytes; i-- > 0;) {
		uint32_t best = encoder->cost[i + 1] + 2, choice = TRIE_NONE;
		uint32_t node = 0;

		for (size_t j = i; j < bytes; j++) {
			uint32_t symbol, cost;

			node = symbols_trie_step(trie, node, text[j]);
			if (!node)
				break;
			symbol = trie->symbol[node];
			if (symbol == TRIE_NONE)
				continue;
			cost = encoder->cost[j + 1] + (symbol < singles ? 1 : 2);
			/* Of equal ones the longest: fewer symbols to decode. */
			if (cost <= best) {
				best = cost;
				choice = symbol;
			}
		}
		encoder->cost[i] = best;
		encoder->choice[i] = choice;
	}
}

int symbols_encode(struct symbols_encoder *encoder, const void *text, size_t bytes, struct bytes *codes)
{
	const struct symbols *symbols = encoder->symbols;
	const unsigned char *at = text;

	while (bytes) {
		size_t piece = bytes < PIECE ? bytes : PIECE;
		char *out;

		divide(encoder, at, piece);
		if (bytes_reserve(codes, encoder->cost[0]))
			return -ENOMEM;
		out = codes->data + codes->count;
		for (size_t i = 0; i < piece;) {
			uint32_t symbol = encoder->choice[i];

			if (symbol == TRIE_NONE) {
				*out++ = (char)SYMBOLS_ESCAPE;
				*out++ = (char)at[i++];
				continue;
			}
			if (symbol < symbols->singles) {
				*out++ = (char)symbol;
			} else {
				*out++ = (char)(symbols->singles + ((symbol - symbols->singles) >> 8));
				*out++ = (char)((symbol - symbols->singles) & 255);
			}
			i += (symbols->entries[symbol] & 15) + 1;
		}
		codes->count = (size_t)(out - codes->data);
		at += piece;
		bytes -= piece;
	}
	return 0;
}
