// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Codes of weights: what is said of a matrix is true of it, what is coded comes back, by the decoder that products have,
 * and neither threads nor their order change a byte.
 */
#include <errno.h>

#include "codec/rows.h"
#include "harness.h"
#include "weights_case.h"

typedef int (*encode_fn)(const struct weights *weights, const struct codec_team *team, struct blob *blob, void **data);

struct form {
	const char *name;
	encode_fn encode;
	struct pinpool_coded numbers;
	/* Matrices that have it; a bit for each. */
	unsigned int structures;
	/* And their types, likewise; 0 for all. */
	uint64_t dtypes;
	bool nearly;
};

#define ANY ((1u << STRUCTURES) - 1)
#define ONE(structure) (1u << (structure))
#define FEW_ALL (ONE(FEW) | ONE(STRANGE) | ONE(ZEROS))
#define ONLY_BF16 (1ULL << PINPOOL_DTYPE_BF16)

static const struct form forms[] = {
	{ "dictionary of 16", weights_dictionary, { .kind = 1, .code_bits = 4, .dictionary_values = 16 }, FEW_ALL },
	{ "of a row", weights_dictionary, { .kind = 1, .code_bits = 4, .dictionary_values = 16, .group_rows = 1 },
	  FEW_ALL | ONE(FEW_OF_ROW) },
	{ "dictionary of 256", weights_dictionary, { .kind = 1, .code_bits = 8, .dictionary_values = 256 },
	  FEW_ALL | ONE(MANY) },
	{ "of eight rows", weights_dictionary,
	  { .kind = 1, .code_bits = 8, .dictionary_values = 256, .group_rows = 8 },
	  FEW_ALL | ONE(MANY) | ONE(FEW_OF_ROW) | ONE(MANY_OF_EIGHT) },
	{ "of 64 rows", weights_dictionary, { .kind = 1, .code_bits = 8, .dictionary_values = 256, .group_rows = 64 },
	  FEW_ALL | ONE(MANY) | ONE(FEW_OF_ROW) },
	{ "sparse", weights_sparse, { .kind = 2 }, ANY },
	{ "sparse codes", weights_sparse, { .kind = 2, .code_bits = 8 }, FEW_ALL | ONE(MANY) },
	{ "exponents", weights_exponents, { .kind = 4 }, ANY, ONLY_BF16 },
	{ "exponents of a row", weights_exponents, { .kind = 4, .group_rows = 1 }, ANY, ONLY_BF16 },
	{ "bitmask", weights_bitmask, { .kind = 5 }, ANY },
	{ "blocks 1x4", weights_in_blocks, { .kind = 6, .block_rows = 1, .block_columns = 4 }, ANY },
	{ "blocks 1x16", weights_in_blocks, { .kind = 6, .block_rows = 1, .block_columns = 16 }, ANY },
	{ "blocks 8x1", weights_in_blocks, { .kind = 6, .block_rows = 8, .block_columns = 1 }, ANY },
	{ "blocks 8x8", weights_in_blocks, { .kind = 6, .block_rows = 8, .block_columns = 8 }, ANY },
	{ "structured", weights_structured, { .kind = 7 }, ONE(FOURS) | ONE(ZEROS) },
	{ "16 means", weights_means, { .kind = 1, .code_bits = 4 }, ANY & ~ONE(STRANGE), 0, true },
	{ "256 means of a row", weights_means, { .kind = 1, .code_bits = 8, .group_rows = 1 }, ANY & ~ONE(STRANGE), 0,
	  true },
	{ "product of 2", weights_product, { .kind = 3, .block_columns = 2 }, ANY & ~ONE(STRANGE), 0, true },
	{ "product of 8", weights_product, { .kind = 3, .block_columns = 8 }, ANY & ~ONE(STRANGE), 0, true },
};

static const enum pinpool_dtype dtypes[] = { PINPOOL_DTYPE_F32, PINPOOL_DTYPE_BF16, PINPOOL_DTYPE_F16 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct blob blob_of(const struct form *form, const struct weights *weights)
{
	struct blob blob = {
		.dtype = weights->dtype,
		.ndim = 2,
		.shape = { weights->n, weights->k },
		.n = weights->n,
		.k = weights->k,
		.coded = form->numbers,
	};

	blob.coded.size = sizeof(blob.coded);
	return blob;
}

/* What was made is a blob whose matrix is the weights, bit for bit. */
static void comes_back(struct __test_metadata *_metadata, const struct weights *weights, const void *data,
		       uint64_t bytes, bool nearly)
{
	uint32_t *is = malloc(weights->k * 4), *should = malloc(weights->k * 4);
	struct pinpool_diag diag = { 0 };
	struct blob blob;

	ASSERT_EQ(0, blob_read(&blob, data, bytes, "blob", &diag))
	{
		TH_LOG("%s", diag.cause);
	}
	EXPECT_TRUE(blob_is_whole(&blob, data));
	ASSERT_EQ(0, pinpool_coded_check(&blob.coded, blob.n, blob.k, &diag))
	{
		TH_LOG("%s: %s", diag.object, diag.cause);
	}
	for (uint64_t row = 0; row < weights->n && !nearly; row++) {
		weights_row(weights, row, should);
		ASSERT_EQ(0, pinpool_coded_row((float *)is, &blob.coded, blob.n, blob.k, row, 0, blob.k, &diag));
		ASSERT_EQ(0, memcmp(is, should, weights->k * 4))
		{
			TH_LOG("row %d", (int)row);
		}
	}
	free(is);
	free(should);
}

/* A matrix that need not have the structure may be refused, and has to if @refused. */
static void codes(struct __test_metadata *_metadata, const struct form *form, const struct weights *weights,
		  bool has_it, bool refused)
{
	struct blob blob = blob_of(form, weights), again = blob;
	void *data = NULL, *other = NULL;
	int err = form->encode(weights, &case_backwards, &blob, &data);

	if (err == -ERANGE && !has_it) {
		free(data);
		return;
	}
	ASSERT_EQ(0, err);
	EXPECT_FALSE(refused);
	EXPECT_EQ(0, (uintptr_t)data % BLOB_ALIGN);
	EXPECT_EQ(0, blob.bytes % BLOB_ALIGN);
	EXPECT_EQ(blob.bytes, blob_bytes(&blob));
	blob_seal(&blob, data);
	comes_back(_metadata, weights, data, blob.bytes, form->nearly);
	ASSERT_EQ(0, form->encode(weights, &case_forwards, &again, &other));
	blob_seal(&again, other);
	ASSERT_EQ(blob.bytes, again.bytes);
	EXPECT_EQ(0, memcmp(data, other, blob.bytes));
	free(data);
	free(other);
}

TEST(what_is_coded_comes_back)
{
	for (size_t f = 0; f < COUNT(forms); f++) {
		for (size_t s = 0; s < STRUCTURES; s++) {
			for (size_t d = 0; d < COUNT(dtypes); d++) {
				struct weights weights = { .dtype = dtypes[d], .n = 136, .k = 80 };
				const struct form *form = &forms[f];
				bool has_it = form->structures >> s & 1;
				void *matrix;

				if (form->dtypes && !(form->dtypes >> dtypes[d] & 1))
					continue;
				weights.data = matrix = case_matrix(s, dtypes[d], weights.n, weights.k);
				codes(_metadata, form, &weights, has_it,
				      !has_it && (s == NORMAL || (s == STRANGE && form->nearly)));
				if (!__test_passed(_metadata)) {
					TH_LOG("%s of structure %zu, %s", form->name, s,
					       pinpool_dtype_name(dtypes[d]));
					return;
				}
				free(matrix);
			}
		}
	}
}

/* Rows that are no multiple of anything, misaligned as files have them. */
TEST(odd_shapes_come_back)
{
	static const uint64_t shapes[][2] = { { 1, 1 }, { 1, 7 }, { 3, 65 }, { 9, 130 }, { 65, 3 }, { 2, 1000 } };

	for (size_t i = 0; i < COUNT(shapes); i++) {
		struct weights weights = { .dtype = PINPOOL_DTYPE_BF16, .n = shapes[i][0], .k = shapes[i][1] };
		size_t bytes = weights.n * weights.k * 2;
		unsigned char *matrix = case_matrix(SPARSE, weights.dtype, weights.n, weights.k);
		unsigned char *odd = malloc(bytes + 1);

		weights.data = memcpy(odd + 1, matrix, bytes);
		for (size_t f = 0; f < COUNT(forms); f++) {
			const struct pinpool_coded *c = &forms[f].numbers;

			if (forms[f].structures != ANY || (c->block_rows && weights.n % c->block_rows) ||
			    (c->block_columns && weights.k % c->block_columns))
				continue;
			codes(_metadata, &forms[f], &weights, true, false);
		}
		free(odd);
		free(matrix);
	}
}

/* The same, counted in another way. */
static void look(const struct weights *weights, struct weights_stats *stats)
{
	uint32_t *bits = malloc(weights->n * weights->k * 4), *all = bits;
	uint64_t n = weights->n, k = weights->k, count = n * k;

	*stats = (struct weights_stats){ .finite = true, .structured = k % 4 == 0 };
	for (uint64_t row = 0; row < n; row++)
		weights_row(weights, row, bits + row * k);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t new = 1;

		stats->stored += !!bits[i];
		stats->exponents[bits[i] >> 23 & 255]++;
		stats->finite &= (bits[i] >> 23 & 255) != 255;
		for (uint64_t j = 0; j < i && new && stats->distinct[0] < 257; j++)
			new = all[j] != all[i];
		stats->distinct[0] += new && stats->distinct[0] < 257;
		if (k % 4 == 0 && i % 4 == 0)
			stats->structured &= !!bits[i] + !!bits[i + 1] + !!bits[i + 2] + !!bits[i + 3] <= 2;
	}
	for (size_t b = 0; b < WEIGHTS_BLOCKS; b++) {
		uint64_t rows = weights_blocks[b].rows, columns = weights_blocks[b].columns;

		if (n % rows || k % columns)
			stats->blocks[b] = PINPOOL_UNKNOWN;
		for (uint64_t i = 0; i < n && !(n % rows || k % columns); i += rows)
			for (uint64_t l = 0; l < k; l += columns) {
				bool any = false;

				for (uint64_t j = 0; j < rows * columns; j++)
					any |= bits[(i + j / columns) * k + l + j % columns];
				stats->blocks[b] += any;
			}
	}
	free(bits);
}

TEST(what_is_said_of_a_matrix_is_true)
{
	static const uint64_t shapes[][2] = { { 72, 48 }, { 5, 30 }, { 65, 17 }, { 130, 64 } };

	for (size_t s = 0; s < STRUCTURES; s++) {
		for (size_t i = 0; i < COUNT(shapes); i++) {
			struct weights weights = { .dtype = PINPOOL_DTYPE_F16, .n = shapes[i][0], .k = shapes[i][1] };
			void *matrix = case_matrix(s, weights.dtype, weights.n, weights.k);
			struct weights_stats is, should;

			weights.data = matrix;
			look(&weights, &should);
			ASSERT_EQ(0, weights_analyse(&weights, &case_backwards, &is));
			EXPECT_EQ(should.stored, is.stored);
			EXPECT_EQ(should.finite, is.finite);
			EXPECT_EQ(should.structured, is.structured);
			EXPECT_EQ(should.distinct[0], is.distinct[0]);
			EXPECT_EQ(0, memcmp(should.exponents, is.exponents, sizeof(is.exponents)));
			for (size_t b = 0; b < WEIGHTS_BLOCKS; b++)
				EXPECT_EQ(should.blocks[b], is.blocks[b]);
			/* A group of rows has no more values than a larger one, and no fewer than one of its rows. */
			EXPECT_LE(is.distinct[WEIGHTS_GROUP_ROW], is.distinct[WEIGHTS_GROUP_8]);
			EXPECT_LE(is.distinct[WEIGHTS_GROUP_8], is.distinct[WEIGHTS_GROUP_64]);
			EXPECT_LE(is.distinct[WEIGHTS_GROUP_64], is.distinct[WEIGHTS_GROUP_ALL]);
			EXPECT_LE(is.row_escapes, is.escapes);
			free(matrix);
		}
	}
}

TEST(groups_of_rows_have_their_values)
{
	struct weights weights = { .dtype = PINPOOL_DTYPE_F32, .n = 64, .k = 600 };
	struct weights_stats stats;
	void *matrix;

	weights.data = matrix = case_matrix(FEW_OF_ROW, weights.dtype, weights.n, weights.k);
	ASSERT_EQ(0, weights_analyse(&weights, &case_forwards, &stats));
	EXPECT_EQ(13, stats.distinct[WEIGHTS_GROUP_ROW]);
	EXPECT_EQ(20, stats.distinct[WEIGHTS_GROUP_8]);
	EXPECT_EQ(76, stats.distinct[WEIGHTS_GROUP_64]);
	EXPECT_EQ(76, stats.distinct[WEIGHTS_GROUP_ALL]);
	free(matrix);
}

/* ||W - C|| / ||W||. */
static double error_of(const struct weights *weights, const struct blob *blob)
{
	double difference = 0, norm = 0;
	float *is = malloc(weights->k * 4);
	uint32_t *bits = malloc(weights->k * 4);

	for (uint64_t row = 0; row < weights->n; row++) {
		weights_row(weights, row, bits);
		pinpool_coded_row(is, &blob->coded, blob->n, blob->k, row, 0, blob->k, NULL);
		for (uint64_t i = 0; i < weights->k; i++) {
			float value;

			memcpy(&value, &bits[i], 4);
			difference += (value - is[i]) * (double)(value - is[i]);
			norm += value * (double)value;
		}
	}
	free(is);
	free(bits);
	return sqrt(difference / norm);
}

/*
 * Of normally distributed values the best quantiser of 16 levels has an error of sqrt(0.009497), that of 256 one of some
 * sqrt(2.72) / 256 (Max; Panter and Dite). A product of d columns beats the scalar one of as many bits a little.
 */
TEST(means_are_near_the_best_there_are)
{
	static const struct {
		encode_fn encode;
		struct pinpool_coded numbers;
		double least;
		double most;
	} cases[] = {
		{ weights_means, { .kind = 1, .code_bits = 4 }, 0.090, 0.0985 },
		{ weights_means, { .kind = 1, .code_bits = 8 }, 0.0058, 0.0068 },
		{ weights_product, { .kind = 3, .block_columns = 2 }, 0.080, 0.0975 },
		{ weights_product, { .kind = 3, .block_columns = 4 }, 0.25, 0.34 },
	};
	struct weights weights = { .dtype = PINPOOL_DTYPE_F32, .n = 128, .k = 512 };
	void *matrix;

	weights.data = matrix = case_matrix(NORMAL, weights.dtype, weights.n, weights.k);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct form form = { .numbers = cases[i].numbers };
		struct blob blob = blob_of(&form, &weights);
		void *data = NULL;
		double error;

		ASSERT_EQ(0, cases[i].encode(&weights, &case_forwards, &blob, &data));
		error = error_of(&weights, &blob);
		EXPECT_LE(error, cases[i].most);
		EXPECT_GE(error, cases[i].least);
		free(data);
	}
	free(matrix);
}

TEST(lossless_bf16_takes_three_quarters)
{
	struct weights weights = { .dtype = PINPOOL_DTYPE_BF16, .n = 64, .k = 4096 };
	struct blob blob = { .dtype = PINPOOL_DTYPE_BF16, .ndim = 2, .shape = { 64, 4096 }, .n = 64, .k = 4096 };
	void *matrix, *data = NULL;

	weights.data = matrix = case_matrix(NORMAL, weights.dtype, weights.n, weights.k);
	blob.coded = (struct pinpool_coded){ .size = sizeof(blob.coded), .kind = PINPOOL_CODED_EXPONENTS };
	ASSERT_EQ(0, weights_exponents(&weights, &case_forwards, &blob, &data));
	EXPECT_LE((double)blob.bytes, 0.72 * 64 * 4096 * 2);
	free(matrix);
	free(data);
}

/* Every f16 widens to what products take it for and comes back; what is none goes to the nearest. */
TEST(f16_by_its_bits)
{
	uint16_t half, back;
	uint32_t bits;
	float is;

	for (uint32_t i = 0; i < 65536; i++) {
		struct weights one = { .data = &half, .dtype = PINPOOL_DTYPE_F16, .n = 1, .k = 1 };
		float value;

		half = (uint16_t)i;
		weights_row(&one, 0, &bits);
		memcpy(&value, &bits, 4);
		ASSERT_EQ(0, pinpool_matmul_weights(PINPOOL_DTYPE_F16, &half, &is, 1));
		ASSERT_TRUE(isnan(is) ? isnan(value) : is == value);
		weights_store(PINPOOL_DTYPE_F16, &bits, 1, &back);
		ASSERT_EQ(half, back);
		/* Half way to the next larger: to the even one; a little more: to that. */
		if ((i & 0x7fff) >= 0x7bff || i >= 0x8000)
			continue;
		{
			uint16_t next = half + 1;
			struct weights two = { .data = &next, .dtype = PINPOOL_DTYPE_F16, .n = 1, .k = 1 };
			uint32_t next_bits;
			float above, middle;

			weights_row(&two, 0, &next_bits);
			memcpy(&above, &next_bits, 4);
			middle = value + (above - value) / 2;
			memcpy(&bits, &middle, 4);
			weights_store(PINPOOL_DTYPE_F16, &bits, 1, &back);
			ASSERT_EQ(i % 2 ? next : half, back);
			middle = nextafterf(middle, INFINITY);
			memcpy(&bits, &middle, 4);
			weights_store(PINPOOL_DTYPE_F16, &bits, 1, &back);
			ASSERT_EQ(next, back);
		}
	}
	bits = 0x477ff000; /* 65520, half way to what would be 65536 */
	weights_store(PINPOOL_DTYPE_F16, &bits, 1, &back);
	EXPECT_EQ(0x7c00, back);
}

static void *make_blob(struct __test_metadata *_metadata, struct blob *blob)
{
	struct weights weights = { .dtype = PINPOOL_DTYPE_BF16, .n = 16, .k = 64 };
	void *matrix, *data = NULL;

	weights.data = matrix = case_matrix(SPARSE, weights.dtype, weights.n, weights.k);
	*blob = (struct blob){ .dtype = weights.dtype, .ndim = 3, .shape = { 16, 8, 8 }, .n = 16, .k = 64,
			       .error = 0.25 };
	blob->coded = (struct pinpool_coded){ .size = sizeof(blob->coded), .kind = PINPOOL_CODED_SPARSE };
	ASSERT_EQ(0, weights_sparse(&weights, &case_forwards, blob, &data));
	blob_seal(blob, data);
	free(matrix);
	return data;
}

TEST(a_header_says_what_was_coded)
{
	struct blob blob, read;
	void *data = make_blob(_metadata, &blob);

	ASSERT_EQ(0, blob_read(&read, data, blob.bytes, "blob", NULL));
	EXPECT_EQ(PINPOOL_DTYPE_BF16, read.dtype);
	EXPECT_EQ(3, read.ndim);
	EXPECT_EQ(8, read.shape[2]);
	EXPECT_EQ(16, read.n);
	EXPECT_EQ(64, read.k);
	EXPECT_EQ(0.25, read.error);
	EXPECT_EQ(blob.coded.count, read.coded.count);
	EXPECT_EQ((const char *)data + 384, (const char *)read.coded.starts);
	free(data);
}

TEST(what_is_no_whole_blob_is_refused)
{
	struct pinpool_diag diag;
	struct blob blob, read;
	unsigned char *data = make_blob(_metadata, &blob);

	for (uint64_t bytes = 0; bytes < blob.bytes; bytes++)
		ASSERT_EQ(-EBADMSG, blob_read(&read, data, bytes, "blob", NULL));
	for (size_t bit = 0; bit < 368 * 8; bit++) {
		int err;

		data[bit / 8] ^= 1 << bit % 8;
		diag = (struct pinpool_diag){ 0 };
		err = blob_read(&read, data, blob.bytes, "blob", &diag);
		ASSERT_TRUE(err == -EBADMSG || err == -EOPNOTSUPP);
		ASSERT_EQ(0, strcmp("blob", diag.object));
		ASSERT_NE('\0', *diag.cause);
		data[bit / 8] ^= 1 << bit % 8;
	}
	EXPECT_TRUE(blob_is_whole(&blob, data));
	for (uint64_t i = 368; i < blob.bytes; i++) {
		data[i] ^= 4;
		ASSERT_FALSE(blob_is_whole(&blob, data));
		data[i] ^= 4;
	}
	free(data);
}

TEST_HARNESS_MAIN
