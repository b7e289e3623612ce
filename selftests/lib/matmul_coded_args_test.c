// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Coded weights that are no matrix: each is refused with its name, by all who take them, and nothing is written. */
#include <errno.h>

#include "harness.h"
#include "matmul_case.h"

#include <pinpool/coded.h>

#define M 2
#define N 3
#define K 5

FIXTURE(coded_args)
{
	struct pinpool_math *math;
	float x[M * K];
	float y[M * N];
	/* Of dictionary-coded weights: 3 values for each 2 rows and 4 columns. */
	unsigned char codes[N * K];
	float dictionary[2 * 2 * 3];
	/* Of sparse ones; the last is stored, but of no row. */
	uint64_t starts[N + 1];
	uint32_t columns[6];
	float values[6];
	unsigned char sparse_codes[6];
	struct pinpool_coded dense;
	struct pinpool_coded sparse;
	/* Whichever is tried, and for how many bits. */
	struct pinpool_coded w;
	struct pinpool_matmul_args args;
	struct pinpool_diag diag;
};

static void start_over(FIXTURE_DATA(coded_args) * self, const struct pinpool_coded *w)
{
	static const uint64_t starts[N + 1] = { 0, 2, 2, 5 };
	static const uint32_t columns[6] = { 0, 4, 1, 2, 4, 99 };

	memcpy(self->starts, starts, sizeof(starts));
	memcpy(self->columns, columns, sizeof(columns));
	memset(self->codes, 2, sizeof(self->codes));
	memset(self->sparse_codes, 2, sizeof(self->sparse_codes));
	memset(self->y, 0xff, sizeof(self->y));
	self->w = *w;
	self->args = (struct pinpool_matmul_args){
		.size = sizeof(self->args),
		.m = M,
		.n = N,
		.k = K,
		.x = self->x,
		.y = self->y,
		.w_coded = &self->w,
	};
}

FIXTURE_SETUP(coded_args)
{
	PINPOOL_OPTS(pinpool_math_opts, opts, .threads = 1);

	ASSERT_EQ(0, pinpool_math_new(&self->math, &opts, NULL));
	self->dense = (struct pinpool_coded){
		.size = sizeof(self->dense),
		.kind = PINPOOL_CODED_DICTIONARY,
		.code_bits = 8,
		.dictionary_values = 3,
		.codes = self->codes,
		.dictionary = self->dictionary,
		.group_rows = 2,
		.group_columns = 4,
	};
	self->sparse = (struct pinpool_coded){
		.size = sizeof(self->sparse),
		.kind = PINPOOL_CODED_SPARSE,
		.count = 6,
		.starts = self->starts,
		.columns = self->columns,
		.values = self->values,
		.dtype = PINPOOL_DTYPE_F32,
	};
	start_over(self, &self->dense);
}

FIXTURE_TEARDOWN(coded_args)
{
	pinpool_math_free(self->math);
}

static int product(FIXTURE_DATA(coded_args) * self, struct pinpool_diag *diag)
{
	return pinpool_matmul(self->math, &self->args, diag);
}

static int reference(FIXTURE_DATA(coded_args) * self, struct pinpool_diag *diag)
{
	return pinpool_matmul_reference(&self->args, diag);
}

static int alone(FIXTURE_DATA(coded_args) * self, struct pinpool_diag *diag)
{
	return pinpool_coded_check(&self->w, self->args.n, self->args.k, diag);
}

/* All or, of what only products know, those refuse alike; the next is tried on @next. */
static void check_refused(struct __test_metadata *_metadata, FIXTURE_DATA(coded_args) * self, int err,
			  const char *object, const char *word, bool products_only, const struct pinpool_coded *next)
{
	int (*const calls[])(FIXTURE_DATA(coded_args) *, struct pinpool_diag *) = { product, reference, alone };

	for (size_t i = 0; i < ARRAY_SIZE(calls) - products_only; i++) {
		self->diag = (struct pinpool_diag){ 0 };
		EXPECT_EQ(err, calls[i](self, &self->diag));
		EXPECT_STREQ(object, self->diag.object);
		EXPECT_NE(NULL, strstr(self->diag.cause, word))
		{
			TH_LOG("'%s' has no '%s'", self->diag.cause, word);
		}
		EXPECT_EQ(err, calls[i](self, NULL));
	}
	for (size_t i = 0; i < M * N; i++)
		EXPECT_TRUE(isnan(self->y[i]));
	start_over(self, next);
}

#define REFUSED(err, object, word, next)  check_refused(_metadata, self, err, object, word, false, &self->next)
#define NO_PRODUCT(err, object, word, next) check_refused(_metadata, self, err, object, word, true, &self->next)

static void check_taken(struct __test_metadata *_metadata, FIXTURE_DATA(coded_args) * self)
{
	EXPECT_EQ(0, alone(self, &self->diag));
	EXPECT_EQ(0, reference(self, &self->diag));
	EXPECT_EQ(0, product(self, &self->diag))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
}

TEST_F(coded_args, valid_ones_are_taken)
{
	check_taken(_metadata, self);
	start_over(self, &self->sparse);
	check_taken(_metadata, self);
	/* A program of a time before the last field. */
	start_over(self, &self->dense);
	self->w.size = offsetof(struct pinpool_coded, dtype);
	check_taken(_metadata, self);
}

TEST_F(coded_args, kinds_and_sizes)
{
	EXPECT_EQ(-EINVAL, pinpool_coded_check(NULL, N, K, &self->diag));
	EXPECT_EQ(-EINVAL, pinpool_coded_check(&self->w, 0, K, NULL));
	EXPECT_EQ(-EINVAL, pinpool_coded_check(&self->w, N, 0, NULL));
	EXPECT_EQ(-EINVAL, pinpool_coded_check(&self->w, 1ull << 63, K, NULL));
	EXPECT_EQ(-EINVAL, pinpool_coded_check(&self->w, N, UINT64_MAX, NULL));
	self->w.size = 0;
	REFUSED(-EINVAL, "w_coded", "size", dense);
	self->w.kind = 0;
	REFUSED(-EOPNOTSUPP, "kind", "0", dense);
	self->w.kind = 77;
	REFUSED(-EOPNOTSUPP, "kind", "77", dense);
	self->w.flags = 7;
	REFUSED(-EOPNOTSUPP, "flags", "0x4", dense);
}

TEST_F(coded_args, weights_beside_them)
{
	self->args.w = self->values;
	NO_PRODUCT(-EINVAL, "w", "beside", dense);
	self->args.w_dtype = PINPOOL_DTYPE_F32;
	NO_PRODUCT(-EINVAL, "w", "beside", dense);
	self->args.w_scales = self->values;
	NO_PRODUCT(-EINVAL, "w", "beside", dense);
	self->args.ldw = K;
	NO_PRODUCT(-EINVAL, "w", "beside", dense);
	self->args.packing = (const struct pinpool_packing *)self->values;
	NO_PRODUCT(-EINVAL, "w", "beside", dense);
}

TEST_F(coded_args, other_arguments_are_checked_too)
{
	self->args.x = NULL;
	NO_PRODUCT(-EINVAL, "x", "null", dense);
	self->args.ldy = 1;
	NO_PRODUCT(-EINVAL, "y", "stride of 1", dense);
	self->args.y = self->x;
	NO_PRODUCT(-EINVAL, "y", "overlaps x", sparse);
	self->args.m = 0;
	NO_PRODUCT(-EINVAL, "m", "0", sparse);
	self->args.k = 0;
	NO_PRODUCT(-EINVAL, "k", "0", sparse);
	self->args.bias = (float *)((char *)self->values + 1);
	NO_PRODUCT(-EINVAL, "bias", "multiple of 4", sparse);
}

TEST_F(coded_args, dictionaries)
{
	self->w.code_bits = 5;
	REFUSED(-EOPNOTSUPP, "code_bits", "5 bits", dense);
	self->w.codes = NULL;
	REFUSED(-EINVAL, "codes", "null", dense);
	self->w.dictionary = NULL;
	REFUSED(-EINVAL, "dictionary", "null", dense);
	self->w.dictionary = (float *)((char *)self->dictionary + 2);
	REFUSED(-EINVAL, "dictionary", "multiple of 4", dense);
	self->w.dictionary_values = 0;
	REFUSED(-EINVAL, "dictionary_values", "0 values", dense);
	self->w.dictionary_values = 257;
	REFUSED(-EINVAL, "dictionary_values", "257 values", dense);
	self->w.code_bits = 4;
	self->w.dictionary_values = 17;
	REFUSED(-EINVAL, "dictionary_values", "17 values", dense);
	self->w.ld = K - 1;
	REFUSED(-EINVAL, "ld", "stride of 4", dense);
	self->w.code_bits = 4;
	self->w.ld = K;
	REFUSED(-EINVAL, "ld", "stride of 5", dense);
	self->w.ld = 1ull << 63;
	REFUSED(-EINVAL, "codes", "overflow", dense);
	self->w.ld = 1ull << 62;
	REFUSED(-EINVAL, "codes", "overflow", dense);
	self->w.codes = (void *)(UINTPTR_MAX - 2);
	REFUSED(-EINVAL, "codes", "overflow", dense);
	self->w.dictionary = (void *)(UINTPTR_MAX - 3);
	REFUSED(-EINVAL, "dictionary", "overflow", dense);
	self->w.count = 1;
	REFUSED(-EINVAL, "count", "none", dense);
	self->w.starts = self->starts;
	REFUSED(-EINVAL, "starts", "none", dense);
	self->w.columns = self->columns;
	REFUSED(-EINVAL, "columns", "none", dense);
	self->w.values = self->values;
	REFUSED(-EINVAL, "values", "none", dense);
	self->w.dtype = PINPOOL_DTYPE_F32;
	REFUSED(-EINVAL, "dtype", "none", dense);
}

TEST_F(coded_args, codes_without_a_value)
{
	self->codes[K + 3] = 3;
	REFUSED(-EINVAL, "codes", "code 3, number 3 of row 1, has no value among 3", dense);
	self->codes[N * K - 1] = 255;
	REFUSED(-EINVAL, "codes", "code 255, number 4 of row 2", dense);
	/* The upper half of a byte, and that of the last one of a row, which is no code. */
	self->w.code_bits = 4;
	memset(self->codes, 0, sizeof(self->codes));
	self->codes[2] = self->codes[5] = self->codes[8] = 0xf2;
	check_taken(_metadata, self);
	memset(self->y, 0xff, sizeof(self->y));
	self->codes[4] = 0x32;
	REFUSED(-EINVAL, "codes", "code 3, number 3 of row 1", dense);
	/* Those of the caller's word are not read by products. */
	self->w.flags = PINPOOL_CODED_CHECKED;
	self->codes[1] = 3;
	EXPECT_EQ(-EINVAL, alone(self, NULL));
	EXPECT_EQ(0, product(self, NULL));
}

TEST_F(coded_args, sparse_arrays)
{
	start_over(self, &self->sparse);
	self->w.starts = NULL;
	REFUSED(-EINVAL, "starts", "null", sparse);
	self->w.columns = NULL;
	REFUSED(-EINVAL, "columns", "null", sparse);
	self->w.values = NULL;
	REFUSED(-EINVAL, "values", "null", sparse);
	self->w.starts = (uint64_t *)((char *)self->starts + 4);
	REFUSED(-EINVAL, "starts", "multiple of 8", sparse);
	self->w.columns = (uint32_t *)((char *)self->columns + 2);
	REFUSED(-EINVAL, "columns", "multiple of 4", sparse);
	self->w.count = 1ull << 61;
	REFUSED(-EINVAL, "values", "overflow", sparse);
	self->w.dtype = PINPOOL_DTYPE_BF16;
	self->w.count = 1ull << 61;
	REFUSED(-EINVAL, "columns", "overflow", sparse);
	self->w.dtype = PINPOOL_DTYPE_Q8_0;
	REFUSED(-EOPNOTSUPP, "dtype", "Q8_0", sparse);
	self->w.dtype = 1000;
	REFUSED(-EOPNOTSUPP, "dtype", "out of range", sparse);
	self->w.code_bits = 4;
	REFUSED(-EOPNOTSUPP, "code_bits", "4 bits", sparse);
	self->w.ld = K;
	REFUSED(-EINVAL, "ld", "none", sparse);
	self->w.codes = self->codes;
	REFUSED(-EINVAL, "codes", "none", sparse);
	self->w.dictionary = self->dictionary;
	REFUSED(-EINVAL, "dictionary", "none", sparse);
	self->w.dictionary_values = 3;
	REFUSED(-EINVAL, "dictionary_values", "none", sparse);
	self->w.group_rows = 3;
	REFUSED(-EINVAL, "group_rows", "none", sparse);
	self->w.group_columns = 3;
	REFUSED(-EINVAL, "group_columns", "none", sparse);
}

TEST_F(coded_args, rows_and_columns)
{
	start_over(self, &self->sparse);
	self->starts[1] = 3;
	REFUSED(-EINVAL, "starts", "row 1 begins at 3 and ends at 2", sparse);
	self->starts[0] = 3;
	REFUSED(-EINVAL, "starts", "row 0 begins at 3", sparse);
	self->starts[3] = 7;
	REFUSED(-EINVAL, "starts", "ends at 7 of 6", sparse);
	self->starts[3] = UINT64_MAX;
	REFUSED(-EINVAL, "starts", "of 6", sparse);
	self->columns[1] = 5;
	REFUSED(-EINVAL, "columns", "row 0 has column 5 of 5", sparse);
	self->starts[3] = 6;
	REFUSED(-EINVAL, "columns", "row 2 has column 99 of 5", sparse);
	self->columns[3] = 1;
	REFUSED(-EINVAL, "columns", "row 2 do not ascend", sparse);
	self->columns[2] = 3;
	REFUSED(-EINVAL, "columns", "row 2 do not ascend", sparse);
	/* Rows are looked at whatever the caller says; a column is not. */
	self->w.flags = PINPOOL_CODED_CHECKED;
	self->starts[1] = 3;
	REFUSED(-EINVAL, "starts", "row 1", sparse);
	self->w.flags = PINPOOL_CODED_CHECKED;
	self->columns[3] = 1;
	EXPECT_EQ(-EINVAL, alone(self, NULL));
	EXPECT_EQ(0, product(self, NULL));
}

TEST_F(coded_args, sparse_codes)
{
	self->sparse.code_bits = 8;
	self->sparse.values = NULL;
	self->sparse.dtype = 0;
	self->sparse.codes = self->sparse_codes;
	self->sparse.dictionary = self->dictionary;
	self->sparse.dictionary_values = 3;
	self->sparse.group_rows = 2;
	start_over(self, &self->sparse);
	/* The last one is of no row. */
	self->sparse_codes[5] = 3;
	check_taken(_metadata, self);
	start_over(self, &self->sparse);
	self->sparse_codes[4] = 3;
	REFUSED(-EINVAL, "codes", "code 3, number 2 of row 2", sparse);
	self->w.codes = NULL;
	REFUSED(-EINVAL, "codes", "null", sparse);
	self->w.values = self->values;
	REFUSED(-EINVAL, "values", "none", sparse);
	self->w.dtype = PINPOOL_DTYPE_F32;
	REFUSED(-EINVAL, "dtype", "none", sparse);
	self->w.group_columns = 2;
	REFUSED(-EINVAL, "group_columns", "none", sparse);
	self->w.dictionary_values = 0;
	REFUSED(-EINVAL, "dictionary_values", "0 values", sparse);
}

/* By one element, from either side. */
TEST_F(coded_args, results_over_them)
{
	self->args.y = self->dictionary + 11;
	NO_PRODUCT(-EINVAL, "y", "overlaps dictionary", dense);
	self->args.y = self->dictionary + 12;
	self->w.codes = self->args.y;
	NO_PRODUCT(-EINVAL, "y", "overlaps codes", sparse);
	self->args.y = self->columns;
	NO_PRODUCT(-EINVAL, "y", "overlaps columns", sparse);
	self->args.y = self->values;
	NO_PRODUCT(-EINVAL, "y", "overlaps values", sparse);
	self->args.y = (float *)(self->starts + N) + 1;
	NO_PRODUCT(-EINVAL, "y", "overlaps starts", sparse);
	/* Of 4 bits, 5 codes are 3 bytes, and 3 rows 9. */
	start_over(self, &self->dense);
	self->w.code_bits = 4;
	self->w.codes = (unsigned char *)self->y - 9;
	check_taken(_metadata, self);
	start_over(self, &self->dense);
	self->w.code_bits = 4;
	self->w.codes = (unsigned char *)self->y - 8;
	self->w.flags = PINPOOL_CODED_CHECKED;
	NO_PRODUCT(-EINVAL, "y", "overlaps codes", sparse);
	/* An empty array overlaps nothing. */
	memset(self->starts, 0, sizeof(self->starts));
	self->w.count = 0;
	self->w.values = self->y + 1;
	self->w.columns = (uint32_t *)(self->y + 1);
	check_taken(_metadata, self);
}

TEST_HARNESS_MAIN
