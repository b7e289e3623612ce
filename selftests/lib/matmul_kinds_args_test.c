// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Coded weights of the kinds that have bits or blocks that are no matrix: each is refused with its name, by all who take
 * them, and nothing is written.
 */
#include <errno.h>

#include "harness.h"
#include "matmul_case.h"
#include "coded_case.h"

enum { M = 2, N = 8, K = 80 };

FIXTURE(kinds_args)
{
	struct pinpool_math *math;
	float x[M * K];
	float y[M * N];
	struct coded_case w;
	struct pinpool_coded *c;
	struct pinpool_diag diag;
};

FIXTURE_SETUP(kinds_args)
{
	PINPOOL_OPTS(pinpool_math_opts, opts, .threads = 1);

	ASSERT_EQ(0, pinpool_math_new(&self->math, &opts, NULL));
}

FIXTURE_TEARDOWN(kinds_args)
{
	pinpool_math_free(self->math);
}

static void begin(struct __test_metadata *_metadata, FIXTURE_DATA(kinds_args) * self, const char *name)
{
	size_t f = 0;

	while (strcmp(coded_forms[f].name, name))
		f++;
	coded_case_new(_metadata, &self->w, &coded_forms[f], N, K);
	self->c = &self->w.coded;
	memset(self->y, 0xff, sizeof(self->y));
}

static int call(FIXTURE_DATA(kinds_args) * self, int which)
{
	struct pinpool_matmul_args args = { .size = sizeof(args), .m = M, .n = N, .k = K, .x = self->x, .y = self->y,
					    .w_coded = self->c };

	self->diag = (struct pinpool_diag){ 0 };
	switch (which) {
	case 0:
		return pinpool_coded_check(self->c, N, K, &self->diag);
	case 1:
		return pinpool_matmul(self->math, &args, &self->diag);
	default:
		return pinpool_matmul_reference(&args, &self->diag);
	}
}

static void check_refused(struct __test_metadata *_metadata, FIXTURE_DATA(kinds_args) * self, int err,
			  const char *object, const char *word)
{
	for (int which = 0; which < 3; which++) {
		EXPECT_EQ(err, call(self, which));
		EXPECT_STREQ(object, self->diag.object);
		EXPECT_NE(NULL, strstr(self->diag.cause, word))
		{
			TH_LOG("'%s' has no '%s'", self->diag.cause, word);
		}
	}
	for (size_t i = 0; i < M * N; i++)
		EXPECT_TRUE(isnan(self->y[i]));
	coded_case_free(&self->w);
}

/* The form, what is changed in it, and what is said about it. */
#define REFUSED(form, change, err, object, word)                        \
	do {                                                            \
		begin(_metadata, self, form);                           \
		change;                                                 \
		check_refused(_metadata, self, err, object, word);      \
	} while (0)

#define BYTES(field)  ((unsigned char *)self->c->field)
#define BITS	      ((uint64_t *)self->c->bits)
#define STARTS	      ((uint64_t *)self->c->starts)
#define COLUMNS	      ((uint32_t *)self->c->columns)
#define ELSEWHERE(field) (self->c->field = (void *)((char *)self->c->field + 1))

TEST_F(kinds_args, product_quantisation)
{
	REFUSED("pairs", self->c->code_bits = 4, -EOPNOTSUPP, "code_bits", "4 bits");
	REFUSED("pairs", self->c->block_columns = 3, -EOPNOTSUPP, "block_columns", "3 columns");
	REFUSED("pairs", self->c->group_columns = 7, -EINVAL, "group_columns", "no multiple of 2");
	REFUSED("pairs", self->c->ld = K / 2 - 1, -EINVAL, "ld", "stride of 39");
	REFUSED("pairs", self->c->codes = NULL, -EINVAL, "codes", "null");
	REFUSED("pairs", self->c->dictionary = NULL, -EINVAL, "dictionary", "null");
	REFUSED("pairs", ELSEWHERE(dictionary), -EINVAL, "dictionary", "multiple of 4");
	REFUSED("pairs", self->c->dictionary_values = 257, -EINVAL, "dictionary_values", "257");
	REFUSED("pairs", self->c->block_rows = 1, -EINVAL, "block_rows", "none");
	REFUSED("fours in groups", BYTES(codes)[K / 4 + 5] = 77, -EINVAL, "codes",
		"code 77, number 5 of row 1, has no value among 77");
}

TEST_F(kinds_args, exponents)
{
	uint64_t columns;

	REFUSED("exponents", self->c->dictionary_values = 8, -EINVAL, "dictionary_values", "8 exponents");
	REFUSED("exponents", self->c->dictionary_values = 0, -EINVAL, "dictionary_values", "0 exponents");
	REFUSED("exponents", self->c->exponents = NULL, -EINVAL, "exponents", "null");
	REFUSED("exponents", self->c->escapes = NULL, -EINVAL, "escapes", "null");
	REFUSED("exponents", self->c->bits = NULL, -EINVAL, "bits", "null");
	REFUSED("exponents", ELSEWHERE(bits), -EINVAL, "bits", "multiple of 8");
	REFUSED("exponents", self->c->codes = NULL, -EINVAL, "codes", "null");
	REFUSED("exponents", self->c->ld = 128, -EINVAL, "ld", "none");
	/* Two words of 64 columns: those behind the last column, of each plane. */
	for (size_t plane = 0; plane < 3; plane++)
		REFUSED("exponents", BITS[6 + 3 + plane] |= 1ull << 63, -EINVAL, "bits", "row 1 has some behind");
	REFUSED("exponents", BYTES(codes)[128 + K] = 1, -EINVAL, "codes", "row 1 has some behind");
	/* Codes 5 and 6 are none of five. */
	REFUSED("exponents in groups", (columns = BITS[0] & BITS[1] & BITS[2], BITS[1] &= ~columns), -EINVAL, "bits",
		"code 5, column");
	REFUSED("exponents in groups", (columns = BITS[0] & BITS[1] & BITS[2], BITS[0] &= ~columns), -EINVAL, "bits",
		"of row 0, has no exponent among 5");
	/* An escape more than are stored, and one less. */
	REFUSED("one exponent", (BITS[0] |= 1, BITS[1] |= 1, BITS[2] |= 1), -EINVAL, "starts",
		"row 0 has 0 stored, and bits for 1");
	REFUSED("no exponent", (BITS[0] &= ~1ull, BITS[1] &= ~1ull, BITS[2] &= ~1ull), -EINVAL, "starts",
		"row 0 has 80 stored, and bits for 79");
	REFUSED("exponents", STARTS[N]++, -EINVAL, "starts", "row 7 ends at");
	REFUSED("exponents", STARTS[3] = STARTS[4] + 1, -EINVAL, "starts", "row 3 begins at");
}

TEST_F(kinds_args, bit_masks)
{
	REFUSED("bits", self->c->dtype = PINPOOL_DTYPE_Q8_0, -EOPNOTSUPP, "dtype", "Q8_0");
	REFUSED("bits", self->c->bits = NULL, -EINVAL, "bits", "null");
	REFUSED("bits", self->c->starts = NULL, -EINVAL, "starts", "null");
	REFUSED("bits", self->c->values = NULL, -EINVAL, "values", "null");
	REFUSED("bits", self->c->count = 1ull << 62, -EINVAL, "values", "overflow");
	REFUSED("bits", self->c->columns = (void *)self->x, -EINVAL, "columns", "none");
	REFUSED("bits", BITS[3] |= 1ull << 16, -EINVAL, "bits", "row 1 has some behind");
	REFUSED("all bits, f16", BITS[2] ^= 1, -EINVAL, "starts", "row 1 has 80 stored, and bits for 79");
	REFUSED("bits", STARTS[1]++, -EINVAL, "starts", "stored, and bits for");
	REFUSED("bits", STARTS[N]++, -EINVAL, "starts", "row 7 ends at");
}

TEST_F(kinds_args, blocks)
{
	REFUSED("8 x 4", self->c->block_rows = 4, -EOPNOTSUPP, "block_rows", "4 rows");
	REFUSED("8 x 4", self->c->block_columns = 5, -EOPNOTSUPP, "block_columns", "5 columns");
	REFUSED("8 x 4", self->c->dtype = 0, -EOPNOTSUPP, "dtype", "no type");
	REFUSED("8 x 4", self->c->columns = NULL, -EINVAL, "columns", "null");
	REFUSED("8 x 4", ELSEWHERE(columns), -EINVAL, "columns", "multiple of 4");
	REFUSED("8 x 4", self->c->bits = (void *)self->x, -EINVAL, "bits", "none");
	REFUSED("8 x 4", COLUMNS[STARTS[1] - 1] = K / 4, -EINVAL, "columns", "row 0 has column 20 of 20");
	REFUSED("8 x 4", COLUMNS[3] = COLUMNS[2], -EINVAL, "columns", "do not ascend");
	REFUSED("8 x 4", STARTS[1]++, -EINVAL, "starts", "row 0 ends at");
	REFUSED("1 x 16", STARTS[1] = UINT64_MAX, -EINVAL, "starts", "row 0 ends at");
	/* Of which neither 8 rows nor 8 columns make whole blocks. */
	begin(_metadata, self, "8 x 4");
	EXPECT_EQ(-EINVAL, pinpool_coded_check(self->c, N + 1, K, &self->diag));
	EXPECT_STREQ("n", self->diag.object);
	EXPECT_EQ(-EINVAL, pinpool_coded_check(self->c, N, K + 1, &self->diag));
	EXPECT_STREQ("k", self->diag.object);
	coded_case_free(&self->w);
}

TEST_F(kinds_args, two_of_four)
{
	REFUSED("two of four", self->c->dtype = PINPOOL_DTYPE_I8, -EOPNOTSUPP, "dtype", "I8");
	REFUSED("two of four", self->c->codes = NULL, -EINVAL, "codes", "null");
	REFUSED("two of four", self->c->values = NULL, -EINVAL, "values", "null");
	REFUSED("two of four", self->c->count = 1, -EINVAL, "count", "none");
	/* The same column twice, and the larger one first; of even and of odd fours. */
	REFUSED("two of four", BYTES(codes)[11] = 0x45, -EINVAL, "codes", "columns 8 to 11 of row 1 do not ascend");
	REFUSED("two of four", BYTES(codes)[11] = 0x14, -EINVAL, "codes", "columns 12 to 15 of row 1");
	begin(_metadata, self, "two of four");
	EXPECT_EQ(-EINVAL, pinpool_coded_check(self->c, N, K - 2, &self->diag));
	EXPECT_STREQ("k", self->diag.object);
	coded_case_free(&self->w);
	/* Of 20 columns the last four have half a byte. */
	coded_case_new(_metadata, &self->w, &coded_forms[ARRAY_SIZE(coded_forms) - 1], N, 20);
	self->c = &self->w.coded;
	EXPECT_EQ(0, pinpool_coded_check(self->c, N, 20, &self->diag));
	BYTES(codes)[5] |= 0x40;
	EXPECT_EQ(-EINVAL, pinpool_coded_check(self->c, N, 20, &self->diag));
	EXPECT_NE(NULL, strstr(self->diag.cause, "row 1 has some behind"));
	coded_case_free(&self->w);
}

/* Contents that the caller vouches for are not read by products, starts are; results may lie on none of the arrays. */
TEST_F(kinds_args, what_products_look_at)
{
	begin(_metadata, self, "two of four");
	self->c->flags = PINPOOL_CODED_CHECKED;
	BYTES(codes)[0] = 0;
	EXPECT_EQ(-EINVAL, call(self, 0));
	EXPECT_EQ(0, call(self, 1));
	coded_case_free(&self->w);
	begin(_metadata, self, "8 x 4");
	self->c->flags = PINPOOL_CODED_CHECKED;
	STARTS[0] = STARTS[1] + 1;
	EXPECT_EQ(-EINVAL, call(self, 1));
	coded_case_free(&self->w);
	/* Each array ends at its guard page but for the skew, which is less than an element of Y. */
	for (size_t f = 0; f < ARRAY_SIZE(coded_forms); f++) {
		coded_case_new(_metadata, &self->w, &coded_forms[f], N, K);
		for (size_t i = 0; i < self->w.array_count; i++) {
			const struct guarded *array = &self->w.arrays[i];
			char *end = (char *)array->map + array->map_size - sysconf(_SC_PAGESIZE);
			struct pinpool_matmul_args args = { .size = sizeof(args), .m = 1, .n = N, .k = K,
							    .x = self->x, .y = end - N * 4, .w_coded = &self->w.coded };

			EXPECT_EQ(-EINVAL, pinpool_matmul(self->math, &args, &self->diag));
			EXPECT_NE(NULL, strstr(self->diag.cause, "overlaps"))
			{
				TH_LOG("%s, array %zu: %s", coded_forms[f].name, i, self->diag.cause);
			}
		}
		coded_case_free(&self->w);
	}
}

TEST_HARNESS_MAIN
