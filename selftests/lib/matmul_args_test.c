// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Arguments of a product: each bad one is refused with its name and nothing is written. All else is valid each time. */
#include <errno.h>

#include "harness.h"
#include "matmul_case.h"

FIXTURE(args)
{
	struct pinpool_math *math;
	struct matmul_buffers buffers;
	struct pinpool_matmul_args args;
	struct pinpool_diag diag;
};

FIXTURE_SETUP(args)
{
	const struct matmul_case c = { 5, 7, 9, PINPOOL_DTYPE_F32 };
	PINPOOL_OPTS(pinpool_math_opts, opts, .threads = 1);

	ASSERT_EQ(0, pinpool_math_new(&self->math, &opts, NULL));
	buffers_new(_metadata, &self->buffers, &c, 1);
	self->args = self->buffers.args;
}

FIXTURE_TEARDOWN(args)
{
	buffers_free(&self->buffers);
	pinpool_math_free(self->math);
}

/* Both products refuse alike; the diagnosis names @object and says @word. */
static void check_refused(struct __test_metadata *_metadata, FIXTURE_DATA(args) * self, int err, const char *object,
			  const char *word)
{
	int (*const reference)(const struct pinpool_matmul_args *, struct pinpool_diag *) = pinpool_matmul_reference;

	for (int i = 0; i < 2; i++) {
		self->diag = (struct pinpool_diag){ 0 };
		EXPECT_EQ(err, i ? reference(&self->args, &self->diag) :
				   pinpool_matmul(self->math, &self->args, &self->diag));
		EXPECT_STREQ(object, self->diag.object);
		EXPECT_NE(NULL, strstr(self->diag.cause, word))
		{
			TH_LOG("'%s' has no '%s'", self->diag.cause, word);
		}
		EXPECT_EQ(err, i ? reference(&self->args, NULL) : pinpool_matmul(self->math, &self->args, NULL));
	}
	for (size_t i = 0; i < self->buffers.y_floats; i++)
		EXPECT_EQ(0, memcmp(self->buffers.y.data + 4 * i, &(uint32_t){ UNTOUCHED }, 4));
	self->args = self->buffers.args;
}

TEST_F(args, valid_ones_are_taken)
{
	EXPECT_EQ(0, pinpool_matmul(self->math, &self->args, &self->diag));
	EXPECT_EQ(0, pinpool_matmul_reference(&self->args, &self->diag));
}

TEST_F(args, null_pointers)
{
	EXPECT_EQ(-EINVAL, pinpool_matmul(NULL, &self->args, &self->diag));
	EXPECT_STREQ("math", self->diag.object);
	EXPECT_EQ(-EINVAL, pinpool_matmul(self->math, NULL, &self->diag));
	EXPECT_STREQ("args", self->diag.object);
	EXPECT_EQ(-EINVAL, pinpool_matmul_reference(NULL, &self->diag));
	self->args.x = NULL;
	check_refused(_metadata, self, -EINVAL, "x", "null");
	self->args.w = NULL;
	check_refused(_metadata, self, -EINVAL, "w", "null");
	self->args.y = NULL;
	check_refused(_metadata, self, -EINVAL, "y", "null");
}

TEST_F(args, dimensions_of_zero)
{
	self->args.m = 0;
	check_refused(_metadata, self, -EINVAL, "m", "0");
	self->args.n = 0;
	check_refused(_metadata, self, -EINVAL, "n", "0");
	self->args.k = 0;
	check_refused(_metadata, self, -EINVAL, "k", "0");
}

TEST_F(args, dimensions_that_overflow)
{
	self->args.m = UINT64_MAX;
	check_refused(_metadata, self, -EINVAL, "m", "18446744073709551615");
	self->args.n = 1ull << 63;
	check_refused(_metadata, self, -EINVAL, "n", "9223372036854775808");
	self->args.k = UINT64_MAX - 3;
	check_refused(_metadata, self, -EINVAL, "k", "18446744073709551612");
	self->args.m = 1ull << 61;
	check_refused(_metadata, self, -EINVAL, "x", "overflow");
	self->args.n = 1ull << 61;
	check_refused(_metadata, self, -EINVAL, "w", "overflow");
	self->args.k = 1ull << 62;
	check_refused(_metadata, self, -EINVAL, "x", "overflow");
	/* Fits into 64 bits, but is no size of an object. */
	self->args.m = 1;
	self->args.k = (1ull << 61) + 1;
	check_refused(_metadata, self, -EINVAL, "x", "overflow");
	/* Fits, but not behind this address. */
	self->args.m = 1;
	self->args.k = (UINT64_MAX >> 1) / 4;
	self->args.x = (float *)(UINTPTR_MAX - 4095);
	check_refused(_metadata, self, -EINVAL, "x", "overflow");
}

TEST_F(args, strides_too_short_or_too_long)
{
	self->args.ldx = 8;
	check_refused(_metadata, self, -EINVAL, "x", "stride of 8");
	self->args.ldw = 1;
	check_refused(_metadata, self, -EINVAL, "w", "stride of 1");
	self->args.ldy = 6;
	check_refused(_metadata, self, -EINVAL, "y", "stride of 6");
	self->args.ldx = 1ull << 62;
	check_refused(_metadata, self, -EINVAL, "x", "overflow");
	self->args.ldw = UINT64_MAX;
	check_refused(_metadata, self, -EINVAL, "w", "overflow");
	self->args.ldy = 1ull << 60;
	check_refused(_metadata, self, -EINVAL, "y", "overflow");
}

TEST_F(args, misaligned_activations_and_results)
{
	self->args.x = (float *)((char *)self->args.x + 2);
	check_refused(_metadata, self, -EINVAL, "x", "multiple of 4");
	self->args.y = (float *)((char *)self->args.y - 1);
	check_refused(_metadata, self, -EINVAL, "y", "multiple of 4");
	self->args.bias = (float *)((char *)self->args.x + 2);
	check_refused(_metadata, self, -EINVAL, "bias", "multiple of 4");
	self->args.x_dtype = PINPOOL_DTYPE_BF16;
	self->args.x = (char *)self->args.x + 1;
	check_refused(_metadata, self, -EINVAL, "x", "multiple of 2");
	self->args.y_dtype = PINPOOL_DTYPE_F16;
	self->args.y = (char *)self->args.y + 1;
	check_refused(_metadata, self, -EINVAL, "y", "multiple of 2");
	/* Two bytes are enough for those. */
	self->args.x_dtype = PINPOOL_DTYPE_BF16;
	self->args.x = (char *)self->args.x + 2;
	EXPECT_EQ(0, pinpool_matmul(self->math, &self->args, &self->diag));
}

TEST_F(args, results_over_a_factor)
{
	float *x = (float *)self->args.x, *w = (float *)self->args.w;

	self->args.y = x;
	check_refused(_metadata, self, -EINVAL, "y", "overlaps x");
	self->args.y = w;
	check_refused(_metadata, self, -EINVAL, "y", "overlaps w");
	/* By one float, from either side; next to each other is fine. */
	self->args.y = w + 7 * 9 - 1;
	check_refused(_metadata, self, -EINVAL, "y", "overlaps w");
	self->args.y = w - 5 * 7 + 1;
	check_refused(_metadata, self, -EINVAL, "y", "overlaps w");
	self->args.y = w - 5 * 7;
	EXPECT_EQ(0, pinpool_matmul(self->math, &self->args, &self->diag));
	self->args.bias = w - 1;
	check_refused(_metadata, self, -EINVAL, "y", "overlaps bias");
	self->args.y = w - 5 * 7;
	self->args.bias = w - 5 * 7 - 7 + 1;
	check_refused(_metadata, self, -EINVAL, "y", "overlaps bias");
}

TEST_F(args, types_of_activations_and_results)
{
	for (int dtype = 1; dtype < PINPOOL_DTYPE_COUNT; dtype++) {
		if (dtype == PINPOOL_DTYPE_F32 || dtype == PINPOOL_DTYPE_BF16 || dtype == PINPOOL_DTYPE_F16)
			continue;
		self->args.x_dtype = dtype;
		check_refused(_metadata, self, -EOPNOTSUPP, "x", pinpool_dtype_name(dtype));
		self->args.y_dtype = dtype;
		check_refused(_metadata, self, -EOPNOTSUPP, "y", pinpool_dtype_name(dtype));
	}
	self->args.x_dtype = 1000;
	check_refused(_metadata, self, -EOPNOTSUPP, "x", "1000 is no element type");
	self->args.y_dtype = -1;
	check_refused(_metadata, self, -EOPNOTSUPP, "y", "-1 is no element type");
}

TEST_F(args, types_without_a_kernel_are_named)
{
	for (int dtype = 0; dtype < PINPOOL_DTYPE_COUNT; dtype++) {
		/* Of the block types, those up to Q6_K; catalogs hold more. */
		bool takes = (dtype >= PINPOOL_DTYPE_Q8_0 && dtype <= PINPOOL_DTYPE_Q6_K) || dtype == PINPOOL_DTYPE_I8;

		for (size_t i = 0; i < ARRAY_SIZE(weight_dtypes); i++)
			takes |= dtype == (int)weight_dtypes[i];
		EXPECT_EQ(takes, pinpool_matmul_takes(dtype));
		if (takes)
			continue;
		self->args.w_dtype = dtype;
		check_refused(_metadata, self, -EOPNOTSUPP, "w", dtype ? pinpool_dtype_name(dtype) : "0 is no element type");
	}
	self->args.w_dtype = 1000;
	check_refused(_metadata, self, -EOPNOTSUPP, "w", "1000 is no element type");
}

TEST_F(args, sizes_of_the_struct)
{
	struct {
		struct pinpool_matmul_args known;
		uint64_t later;
	} args = { self->args, 1 };

	self->args.size = 0;
	check_refused(_metadata, self, -EINVAL, "args", "size");
	/* A program without the field takes its default. */
	self->args.size = offsetof(struct pinpool_matmul_args, ldy);
	EXPECT_EQ(0, pinpool_matmul(self->math, &self->args, &self->diag));
	args.known.size = sizeof(args);
	EXPECT_EQ(-E2BIG, pinpool_matmul(self->math, &args.known, &self->diag));
	EXPECT_STREQ("args", self->diag.object);
	args.later = 0;
	EXPECT_EQ(0, pinpool_matmul(self->math, &args.known, &self->diag));
}

TEST_HARNESS_MAIN
