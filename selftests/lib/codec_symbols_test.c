// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Codes for texts, and for short lists of numbers: what goes in comes out, and damaged ones are refused or end. */
#include "codec/ascending.h"
#include "codec/symbols.h"
#include "codec/varint.h"

#include "harness.h"
#include <errno.h>
#include <string.h>

static const char *const sentences[] = {
	"the quick brown fox jumps over the lazy dog", "a dog that was trained by the fox", "brown is the quick colour of dogs",
	"over and over the dog jumps", "the fox, the dog and the quick brown colour", "colour of the lazy fox",
};
#define SENTENCES (sizeof(sentences) / sizeof(sentences[0]))

FIXTURE(symbols)
{
	struct bytes table;
	struct symbols symbols;
	struct symbols_encoder *encoder;
	struct bytes codes, text;
};

static int train(struct bytes *table, uint32_t most)
{
	struct symbols_sample samples[SENTENCES];

	for (size_t i = 0; i < SENTENCES; i++)
		samples[i] = (struct symbols_sample){sentences[i], strlen(sentences[i])};
	return symbols_train(samples, SENTENCES, most, 100, table);
}

FIXTURE_SETUP(symbols)
{
	ASSERT_EQ(0, train(&self->table, 100));
	ASSERT_EQ(0, symbols_open(&self->symbols, self->table.data, self->table.count));
	ASSERT_EQ(0, symbols_encoder_new(&self->encoder, &self->symbols));
}

FIXTURE_TEARDOWN(symbols)
{
	symbols_encoder_free(self->encoder);
	bytes_free(&self->table);
	bytes_free(&self->codes);
	bytes_free(&self->text);
}

#define EXPECT_BACK(from, size)                                                                                        \
	do {                                                                                                           \
		self->codes.count = self->text.count = 0;                                                              \
		ASSERT_EQ(0, symbols_encode(self->encoder, from, size, &self->codes));                                \
		ASSERT_EQ(0, symbols_decode(&self->symbols, self->codes.data, self->codes.count, SIZE_MAX,             \
					    &self->text));                                                             \
		ASSERT_EQ((size_t)(size), self->text.count);                                                          \
		EXPECT_EQ(0, memcmp(from, self->text.data, size));                                                    \
	} while (0)

TEST_F(symbols, texts_come_back_and_are_shorter)
{
	char all[256], *large = malloc(300000);
	size_t bytes = 0, coded = 0;

	EXPECT_LT(0, self->symbols.count);
	EXPECT_GE(100, self->symbols.count);
	for (size_t i = 0; i < SENTENCES; i++) {
		EXPECT_BACK(sentences[i], strlen(sentences[i]));
		bytes += strlen(sentences[i]);
		coded += self->codes.count;
	}
	EXPECT_GT(bytes, 2 * coded);
	EXPECT_BACK("", 0);
	EXPECT_EQ(0, self->codes.count);
	/* Bytes that no sample has take two, and none is worse off. */
	for (unsigned int i = 0; i < 256; i++)
		all[i] = (char)i;
	EXPECT_BACK(all, sizeof(all));
	EXPECT_GE(2 * sizeof(all), self->codes.count);
	/* In pieces. */
	for (unsigned int i = 0; i < 300000; i++)
		large[i] = sentences[i / 1000 % SENTENCES][i % 20];
	EXPECT_BACK(large, 300000);
	EXPECT_BACK(large, 4095);
	EXPECT_BACK(large, 4097);
	free(large);
}

TEST_F(symbols, a_beginning_is_decoded_alone)
{
	const char *text = sentences[0];
	const size_t bytes = strlen(text);

	EXPECT_BACK(text, bytes);
	for (size_t most = 0; most <= bytes; most++) {
		self->text.count = 0;
		ASSERT_EQ(0, symbols_decode(&self->symbols, self->codes.data, self->codes.count, most, &self->text));
		EXPECT_LE(most, self->text.count);
		EXPECT_GE(most + SYMBOL_BYTES, self->text.count);
		EXPECT_EQ(0, memcmp(text, self->text.data, self->text.count));
	}
}

TEST_F(symbols, more_symbols_than_codes_of_one_byte)
{
	struct bytes samples = {0}, table = {0};
	char text[3000][16];
	struct symbols symbols;
	size_t coded = 0;

	for (unsigned int i = 0; i < 3000; i++) {
		struct symbols_sample sample = {text[i], (size_t)snprintf(text[i], 16, "word%u", i % 600 * 7919 % 1009)};

		ASSERT_EQ(0, bytes_append(&samples, &sample, sizeof(sample)));
	}
	ASSERT_EQ(0, symbols_train((const struct symbols_sample *)samples.data, 3000, 600, 100, &table));
	ASSERT_EQ(0, symbols_open(&symbols, table.data, table.count));
	EXPECT_LT(256, symbols.count);
	EXPECT_GT(SYMBOLS_ESCAPE, symbols.singles);
	symbols_encoder_free(self->encoder);
	self->symbols = symbols;
	ASSERT_EQ(0, symbols_encoder_new(&self->encoder, &self->symbols));
	for (unsigned int i = 0; i < 3000; i++) {
		EXPECT_BACK(text[i], strlen(text[i]));
		coded += self->codes.count;
	}
	EXPECT_GT(3 * 3000, coded);
	/* Not all can be reached. */
	((struct symbols_header *)table.data)->singles = SYMBOLS_ESCAPE;
	EXPECT_EQ(-EBADMSG, symbols_open(&symbols, table.data, table.count));
	bytes_free(&table);
	bytes_free(&samples);
}

TEST_F(symbols, the_same_samples_make_the_same_table)
{
	struct bytes again = {0}, few = {0};
	struct symbols symbols;

	ASSERT_EQ(0, train(&again, 100));
	ASSERT_EQ(self->table.count, again.count);
	EXPECT_EQ(0, memcmp(self->table.data, again.data, again.count));
	EXPECT_EQ(0, again.count % 8);
	ASSERT_EQ(0, train(&few, 10));
	ASSERT_EQ(0, symbols_open(&symbols, few.data, few.count));
	EXPECT_GE(10, symbols.count);
	/* None at all is a table, too. */
	few.count = 0;
	ASSERT_EQ(0, symbols_train(NULL, 0, 10, 1, &few));
	ASSERT_EQ(0, symbols_open(&symbols, few.data, few.count));
	EXPECT_EQ(0, symbols.count);
	bytes_free(&again);
	bytes_free(&few);
}

TEST_F(symbols, damaged_tables_are_refused)
{
	struct symbols_header *header = (struct symbols_header *)self->table.data;
	const struct symbols_header whole = *header;
	uint32_t *entries = (uint32_t *)(header + 1);
	const uint32_t entry = entries[whole.count - 1];
	struct symbols symbols;

	for (size_t bytes = 0; bytes < sizeof(whole) + whole.count * 4 + whole.text_bytes + SYMBOL_BYTES; bytes++)
		EXPECT_EQ(-EBADMSG, symbols_open(&symbols, self->table.data, bytes));
	EXPECT_EQ(-EBADMSG, symbols_open(&symbols, self->table.data + 1, self->table.count - 1));
	header->count = SYMBOLS_MAX + 1;
	EXPECT_EQ(-EBADMSG, symbols_open(&symbols, self->table.data, self->table.count));
	header->count = UINT32_MAX;
	EXPECT_EQ(-EBADMSG, symbols_open(&symbols, self->table.data, self->table.count));
	*header = whole;
	header->singles = SYMBOLS_ESCAPE + 1;
	EXPECT_EQ(-EBADMSG, symbols_open(&symbols, self->table.data, self->table.count));
	*header = whole;
	header->text_bytes = UINT32_MAX;
	EXPECT_EQ(-EBADMSG, symbols_open(&symbols, self->table.data, self->table.count));
	*header = whole;
	header->reserved = 1;
	EXPECT_EQ(-EBADMSG, symbols_open(&symbols, self->table.data, self->table.count));
	*header = whole;
	entries[whole.count - 1] = whole.text_bytes << 4;
	EXPECT_EQ(-EBADMSG, symbols_open(&symbols, self->table.data, self->table.count));
	entries[whole.count - 1] = entry;
	EXPECT_EQ(0, symbols_open(&symbols, self->table.data, self->table.count));
}

TEST_F(symbols, codes_of_no_symbol_are_refused)
{
	const unsigned char last[] = {SYMBOLS_ESCAPE}, beyond[] = {SYMBOLS_ESCAPE - 1, 255};

	ASSERT_GT(SYMBOLS_ESCAPE - 1, self->symbols.count);
	EXPECT_EQ(-EBADMSG, symbols_decode(&self->symbols, last, sizeof(last), SIZE_MAX, &self->text));
	EXPECT_EQ(-EBADMSG, symbols_decode(&self->symbols, beyond, sizeof(beyond), SIZE_MAX, &self->text));
	EXPECT_EQ(-EBADMSG, symbols_decode(&self->symbols, beyond, 1, SIZE_MAX, &self->text));
	for (unsigned int i = 0; i < 65536; i++) {
		const unsigned char codes[] = {i & 255, i >> 8};
		int err;

		self->text.count = 0;
		err = symbols_decode(&self->symbols, codes, sizeof(codes), SIZE_MAX, &self->text);
		EXPECT_TRUE(err == -EBADMSG || (!err && self->text.count && self->text.count <= 2 * SYMBOL_BYTES));
	}
}

TEST(lists_of_numbers_come_back_and_are_cut_nowhere)
{
	static const struct {
		unsigned int count;
		uint64_t first, step; /* up to */
	} cases[] = {
		{1, 0, 0},	 {1, UINT64_MAX, 0},	  {2, 0, UINT64_MAX},	{256, 5, 0},
		{256, 0, 1},	 {255, 1000, 300},	  {17, 3, 1ULL << 58},	{256, 1ULL << 40, 1ULL << 20},
		{2, 0, 1},	 {256, 0, 1ULL << 55},	  {64, 7, 2},
	};
	uint64_t state = 1, numbers[ASCENDING_MAX], got;

	for (size_t c = 0; c < 20 * sizeof(cases) / sizeof(cases[0]); c++) {
		const unsigned int count = cases[c / 20].count;
		const uint64_t step = cases[c / 20].step;
		struct bytes bytes = {0};
		struct ascending list;
		const unsigned char *end;

		numbers[0] = cases[c / 20].first;
		for (unsigned int i = 1; i < count; i++) {
			state = state * 6364136223846793005ULL + 1442695040888963407ULL;
			numbers[i] = numbers[i - 1] + (step == UINT64_MAX ? step : step ? (state >> 5) % (step + 1) : 0);
		}
		ASSERT_EQ(0, ascending_write(numbers, count, &bytes));
		end = (const unsigned char *)bytes.data + bytes.count;
		ASSERT_EQ(end, ascending_open(&list, (const unsigned char *)bytes.data, end, count));
		for (unsigned int i = 0; i < count; i++) {
			ASSERT_EQ(0, ascending_get(&list, i, &got));
			ASSERT_EQ(numbers[i], got);
		}
		EXPECT_EQ(-EBADMSG, ascending_get(&list, count, &got));
		for (size_t cut = 0; cut < bytes.count; cut++)
			EXPECT_EQ(NULL, ascending_open(&list, (const unsigned char *)bytes.data,
						       (const unsigned char *)bytes.data + cut, count));
		/* More numbers than it has. */
		if (ascending_open(&list, (const unsigned char *)bytes.data, end, ASCENDING_MAX) && count < ASCENDING_MAX)
			EXPECT_EQ(-EBADMSG, ascending_get(&list, ASCENDING_MAX - 1, &got));
		bytes_free(&bytes);
	}
}

TEST(numbers_of_some_bytes_come_back_and_end)
{
	unsigned char bytes[VARINT_BYTES_MAX + 1];
	uint64_t got;

	for (unsigned int shift = 0; shift < 64; shift++) {
		for (int off = -1; off <= 1; off++) {
			uint64_t value = (1ULL << shift) + (uint64_t)(int64_t)off;
			unsigned char *end = varint_put(bytes, value);

			EXPECT_EQ(end, varint_get(bytes, end, &got));
			EXPECT_EQ(value, got);
			EXPECT_EQ(NULL, varint_get(bytes, end - 1, &got));
		}
	}
	memset(bytes, 0xff, sizeof(bytes));
	EXPECT_EQ(NULL, varint_get(bytes, bytes + sizeof(bytes), &got));
}

TEST_HARNESS_MAIN
