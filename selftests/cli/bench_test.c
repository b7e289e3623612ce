// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * What the measurements are made of: lists as people write them, models and their config.json, medians, weights at
 * random, memory that starts as it should. Figures themselves are no test.
 */
#include "bench/figures.h"
#include "bench/memory.h"
#include "bench/model.h"
#include "bench/shapes.h"
#include "bench/weights.h"

#include "harness.h"

#include <errno.h>
#include <math.h>
#include <pinpool/math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TEST(shapes_are_lists_of_rows_and_columns)
{
	static const char *const wrong[] = {
		"",	"4096",	 "4096x", "x4096", "4096x4096,", ",1x1",	 "0x1",	     "1x0",
		"-1x1", "1x1x1", "1 x1",  "1x1 ",  "1x+1",	 "4294967296x1", "1x1,,1x1", "99999999999999999999x1"};
	struct bench_shape shapes[BENCH_LIST_MAX];
	char many[4 * (BENCH_LIST_MAX + 1)] = "1x1";
	size_t i;

	ASSERT_EQ(1, bench_shapes_parse("4096x11008", shapes));
	EXPECT_EQ(4096, shapes[0].n);
	EXPECT_EQ(11008, shapes[0].k);
	ASSERT_EQ(2, bench_shapes_parse("1x2,4294967295x3", shapes));
	EXPECT_EQ(4294967295, shapes[1].n);
	EXPECT_EQ(3, shapes[1].k);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		EXPECT_EQ(0, bench_shapes_parse(wrong[i], shapes))
	TH_LOG("'%s' is taken", wrong[i]);
	for (i = 1; i < BENCH_LIST_MAX; i++)
		strcat(many, ",1x1");
	EXPECT_EQ(BENCH_LIST_MAX, bench_shapes_parse(many, shapes));
	strcat(many, ",1x1");
	EXPECT_EQ(0, bench_shapes_parse(many, shapes));
}

TEST(numbers_are_lists_up_to_a_largest)
{
	uint64_t numbers[BENCH_LIST_MAX];

	ASSERT_EQ(3, bench_numbers_parse("1,4,16", 16, numbers));
	EXPECT_EQ(1, numbers[0]);
	EXPECT_EQ(16, numbers[2]);
	EXPECT_EQ(0, bench_numbers_parse("1,17", 16, numbers));
	EXPECT_EQ(0, bench_numbers_parse("0", 16, numbers));
	EXPECT_EQ(0, bench_numbers_parse("1,", 16, numbers));
	EXPECT_EQ(0, bench_numbers_parse("1;2", 16, numbers));
	EXPECT_EQ(0, bench_numbers_parse("", 16, numbers));
}

TEST(types_are_those_that_products_take)
{
	enum pinpool_dtype types[BENCH_LIST_MAX];
	char buf[16];

	ASSERT_EQ(3, bench_types_parse("f32,Q4_K,f8_e4m3", types));
	EXPECT_EQ(PINPOOL_DTYPE_F32, types[0]);
	EXPECT_EQ(PINPOOL_DTYPE_Q4_K, types[1]);
	EXPECT_EQ(PINPOOL_DTYPE_F8_E4M3, types[2]);
	EXPECT_EQ(0, strcmp("f8_e4m3", bench_type_name(types[2], buf)));
	EXPECT_EQ(0, bench_types_parse("f64", types));
	EXPECT_EQ(0, bench_types_parse("f32,", types));
	EXPECT_EQ(0, bench_types_parse("", types));
	EXPECT_EQ(0, bench_types_parse("f32f32f32f32f32f32", types));
}

TEST(words_are_bits)
{
	static const char *const words[] = {"one", "two", "three", NULL};

	EXPECT_EQ(5, bench_words_parse("three,one", words));
	EXPECT_EQ(2, bench_words_parse("two", words));
	EXPECT_EQ(0, bench_words_parse("tw", words));
	EXPECT_EQ(0, bench_words_parse("two,", words));
	EXPECT_EQ(0, bench_words_parse("", words));
}

TEST(a_median_is_in_the_middle)
{
	double odd[] = {5, 1, 3}, even[] = {4, 1, 3, 2}, one[] = {7};

	EXPECT_EQ(3, bench_median(odd, 3));
	EXPECT_EQ(2.5, bench_median(even, 4));
	EXPECT_EQ(7, bench_median(one, 1));
}

TEST(a_quiet_round_has_a_high_canary_and_a_steady_limit)
{
	EXPECT_TRUE(bench_quiet(100, 100, 10, 10));
	EXPECT_TRUE(bench_quiet(93.1, 100, 10, 9.1));
	EXPECT_FALSE(bench_quiet(92.9, 100, 10, 10));
	EXPECT_FALSE(bench_quiet(100, 100, 10, 8.9));
	EXPECT_FALSE(bench_quiet(100, 100, 8.9, 10));
}

FIXTURE(model)
{
	char path[64];
	struct bench_model model;
	struct pinpool_diag diag;
};

FIXTURE_SETUP(model)
{
	int fd;

	strcpy(self->path, "/tmp/bench_test.XXXXXX");
	fd = mkstemp(self->path);
	ASSERT_LE(0, fd);
	close(fd);
}

FIXTURE_TEARDOWN(model)
{
	unlink(self->path);
}

static int read_model(FIXTURE_DATA(model) * self, const char *text)
{
	FILE *file = fopen(self->path, "w");

	fputs(text, file);
	fclose(file);
	return bench_model_find(self->path, &self->model, &self->diag);
}

TEST_F(model, known_by_name)
{
	ASSERT_EQ(0, bench_model_find("openpangu-embedded-1b", &self->model, &self->diag));
	EXPECT_EQ(1536, self->model.hidden);
	EXPECT_EQ(26, self->model.layers);
	EXPECT_EQ(6, self->model.kv_heads);
	EXPECT_FALSE(self->model.tied);
	EXPECT_EQ(-ENOENT, bench_model_find("/no/such/model", &self->model, &self->diag));
}

#define MOST_OF_IT                                                                                                     \
	"\"hidden_size\": 64, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"intermediate_size\": 96"

TEST_F(model, read_with_what_is_left_out)
{
	ASSERT_EQ(0, read_model(self, "{" MOST_OF_IT ", \"vocab_size\": 100, \"model_type\": \"any\"}"));
	EXPECT_EQ(4, self->model.kv_heads);
	EXPECT_EQ(16, self->model.head_dim);
	EXPECT_EQ(100, self->model.vocabulary);
	EXPECT_FALSE(self->model.tied);
	ASSERT_EQ(0,
		  read_model(self, "{" MOST_OF_IT ", \"vocab_size\": 100, \"num_key_value_heads\": 2, \"head_dim\": 32,"
				   "\"tie_word_embeddings\": true}"));
	EXPECT_EQ(2, self->model.kv_heads);
	EXPECT_EQ(32, self->model.head_dim);
	EXPECT_TRUE(self->model.tied);
	ASSERT_EQ(0, read_model(self, "{" MOST_OF_IT ", \"vocab_size\": 100, \"head_dim\": null}"));
	EXPECT_EQ(16, self->model.head_dim);
}

TEST_F(model, refused_with_a_reason)
{
	EXPECT_EQ(-EINVAL, read_model(self, "{" MOST_OF_IT "}"));
	EXPECT_EQ(0, strcmp("vocab_size is missing", self->diag.cause));
	EXPECT_EQ(-EINVAL, read_model(self, "{" MOST_OF_IT ", \"vocab_size\": 0}"));
	EXPECT_EQ(0, strcmp("vocab_size is not a number from 1 to 1048576", self->diag.cause));
	EXPECT_EQ(-EINVAL, read_model(self, "{" MOST_OF_IT ", \"vocab_size\": 1048577}"));
	EXPECT_EQ(-EINVAL, read_model(self, "{" MOST_OF_IT ", \"vocab_size\": \"1\"}"));
	EXPECT_EQ(-EINVAL, read_model(self, "{" MOST_OF_IT ", \"vocab_size\": 1.5}"));
	EXPECT_EQ(-EINVAL, read_model(self, "{" MOST_OF_IT ", \"vocab_size\": 1, \"tie_word_embeddings\": 1}"));
	EXPECT_EQ(-EINVAL, read_model(self, "[]"));
	EXPECT_EQ(0, strcmp("is not an object", self->diag.cause));
	EXPECT_EQ(-EINVAL, read_model(self, "{"));
	EXPECT_EQ(0, strncmp("line 1: ", self->diag.cause, 8));
	EXPECT_EQ(-EINVAL, read_model(self, ""));
}

TEST(weights_are_finite_of_both_signs_and_repeat)
{
	enum { COUNT = 1 << 16 };
	static unsigned char first[COUNT * 4], second[COUNT * 4];
	static float values[COUNT];
	struct bench_filler filler;
	int dtype, types = 0, i;

	for (dtype = 0; dtype < PINPOOL_DTYPE_COUNT; dtype++) {
		size_t bytes = pinpool_dtype_bytes(dtype, COUNT);
		int below = 0, above = 0;

		if (!pinpool_matmul_takes(dtype))
			continue;
		types++;
		memset(first, 0xff, sizeof(first));
		memset(second, 0xff, sizeof(second));
		ASSERT_EQ(0, bench_filler_new(&filler, dtype, 1));
		bench_fill(&filler, first, COUNT);
		bench_filler_free(&filler);
		ASSERT_EQ(0, bench_filler_new(&filler, dtype, 1));
		bench_fill(&filler, second, COUNT);
		bench_filler_free(&filler);
		EXPECT_EQ(0, memcmp(first, second, bytes));
		ASSERT_EQ(0, pinpool_matmul_weights(dtype, first, values, COUNT));
		for (i = 0; i < COUNT; i++) {
			ASSERT_TRUE(isfinite(values[i]));
			below += values[i] < 0;
			above += values[i] > 0;
		}
		EXPECT_LT(COUNT / 4, below);
		EXPECT_LT(COUNT / 4, above);
	}
	EXPECT_LT(8, types);
	EXPECT_EQ(-EOPNOTSUPP, bench_filler_new(&filler, PINPOOL_DTYPE_F64, 1));
	bench_filler_free(&filler);
}

TEST(memory_is_aligned_zero_and_says_its_pages)
{
	struct bench_memory memory;
	const char *pages;
	size_t i;

	ASSERT_EQ(0, bench_memory_new(&memory, 3 << 20));
	EXPECT_EQ(0, (uintptr_t)memory.data % (2 << 20));
	EXPECT_EQ(4 << 20, memory.bytes);
	for (i = 0; i < memory.bytes; i++)
		ASSERT_EQ(0, ((const char *)memory.data)[i]);
	memset(memory.data, 1, memory.bytes);
	pages = bench_memory_pages(&memory);
	EXPECT_TRUE(!strcmp(pages, "hugetlb") || !strcmp(pages, "thp") || !strcmp(pages, "small"));
	bench_memory_free(&memory);
	EXPECT_EQ(NULL, memory.data);
	EXPECT_EQ(-ENOMEM, bench_memory_new(&memory, SIZE_MAX));
	EXPECT_EQ(-ENOMEM, bench_memory_new(&memory, 0));
	bench_memory_free(&memory);
}

TEST_HARNESS_MAIN
