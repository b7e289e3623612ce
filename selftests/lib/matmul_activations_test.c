// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Activations and results of other types than f32, and bias: within the budget, rounded as they should be, in place. */
#include <float.h>

#include "harness.h"
#include "matmul_case.h"

static const enum pinpool_dtype activations[] = { PINPOOL_DTYPE_F32, PINPOOL_DTYPE_BF16, PINPOOL_DTYPE_F16 };

MATH_FIXTURE(activations);

/* A value of a type by its definition. */
static double value_of(enum pinpool_dtype dtype, const void *src)
{
	uint32_t bits = 0;
	float value;

	memcpy(&bits, src, dtype_size(dtype));
	if (dtype == PINPOOL_DTYPE_F16) {
		int exponent = bits >> 10 & 31;
		double mantissa = bits & 1023, magnitude;

		if (exponent == 31)
			magnitude = mantissa ? NAN : INFINITY;
		else
			magnitude = ldexp(exponent ? 1024 + mantissa : mantissa, (exponent ? exponent : 1) - 25);
		return bits >> 15 ? -magnitude : magnitude;
	}
	if (dtype == PINPOOL_DTYPE_BF16)
		bits <<= 16;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Half a step of a type at a value: what rounding to it may cost. */
static double half_step(enum pinpool_dtype dtype, double value)
{
	if (dtype == PINPOOL_DTYPE_BF16)
		return fmax(fabs(value) * 0x1p-8, 0x1p-134);
	if (dtype == PINPOOL_DTYPE_F16)
		return fmax(fabs(value) * 0x1p-11, 0x1p-25);
	return 0;
}

struct kinds {
	enum pinpool_dtype x;
	enum pinpool_dtype w;
	enum pinpool_dtype y;
	bool bias;
};

/* The product of what the buffers hold, X narrowed: within the budget of the sum in double, gaps of Y untouched. */
static void check_kinds(struct __test_metadata *_metadata, struct pinpool_math *math, const struct matmul_case *c,
			const struct kinds *kinds)
{
	size_t ldx = c->k + 3, ldy = c->n + 5, x_size = dtype_size(kinds->x), y_size = dtype_size(kinds->y), wrong = 0;
	struct guarded x = guarded_new(_metadata, ((c->m - 1) * ldx + c->k) * x_size, 0);
	struct guarded y = guarded_new(_metadata, ((c->m - 1) * ldy + c->n) * y_size, 0);
	struct guarded bias = guarded_new(_metadata, c->n * sizeof(float), 0);
	double *sums = calloc(2 * c->m * c->n, sizeof(*sums)), *magnitudes = sums + c->m * c->n;
	uint64_t state = c->m + c->n * 31 + c->k;
	struct pinpool_matmul_args args;
	struct matmul_buffers b;

	ASSERT_NE(NULL, sums);
	buffers_new(_metadata, &b, c, 7);
	memset(x.data, 0xff, ((c->m - 1) * ldx + c->k) * x_size);
	memset(y.data, 0xa5, ((c->m - 1) * ldy + c->n) * y_size);
	for (size_t i = 0; i < c->m; i++)
		for (size_t l = 0; l < c->k; l++) {
			uint32_t bits = random_weight(kinds->x, &state);

			memcpy(x.data + (i * ldx + l) * x_size, &bits, x_size);
		}
	for (size_t j = 0; j < c->n; j++)
		((float *)bias.data)[j] = (int32_t)next_random(&state) * 0x1p-31f;
	for (size_t i = 0; i < c->m; i++)
		for (size_t j = 0; j < c->n; j++) {
			double sum = kinds->bias ? ((float *)bias.data)[j] : 0, magnitude = fabs(sum);

			for (size_t l = 0; l < c->k; l++) {
				double product = value_of(kinds->x, x.data + (i * ldx + l) * x_size) *
						 value_of(kinds->w, b.w.data + (j * c->k + l) * dtype_size(kinds->w));

				sum += product;
				magnitude += fabs(product);
			}
			sums[i * c->n + j] = sum;
			magnitudes[i * c->n + j] = magnitude;
		}
	args = b.args;
	args.x = x.data;
	args.ldx = ldx;
	args.x_dtype = kinds->x;
	args.y = y.data;
	args.ldy = ldy;
	args.y_dtype = kinds->y;
	args.bias = kinds->bias ? (float *)bias.data : NULL;
	for (int reference = 0; reference < 2; reference++) {
		ASSERT_EQ(0, reference ? pinpool_matmul_reference(&args, NULL) : pinpool_matmul(math, &args, NULL));
		for (size_t i = 0; i < c->m; i++) {
			for (size_t j = 0; j < c->n; j++) {
				double got = value_of(kinds->y, y.data + (i * ldy + j) * y_size), sum = sums[i * c->n + j];
				double limit = PINPOOL_MATMUL_BUDGET(c->k) * magnitudes[i * c->n + j];

				wrong += !(fabs(got - sum) <= limit + half_step(kinds->y, fabs(sum) + limit));
			}
			for (size_t byte = c->n * y_size; i + 1 < c->m && byte < ldy * y_size; byte++)
				wrong += y.data[i * ldy * y_size + byte] != 0xa5;
		}
		ASSERT_EQ(0, wrong)
		{
			TH_LOG("%s: m %zu n %zu k %zu, X %s W %s Y %s%s", reference ? "reference" : "kernels", c->m,
			       c->n, c->k, pinpool_dtype_name(kinds->x), pinpool_dtype_name(kinds->w),
			       pinpool_dtype_name(kinds->y), kinds->bias ? ", bias" : "");
		}
	}
	free(sums);
	buffers_free(&b);
	munmap(x.map, x.map_size);
	munmap(y.map, y.map_size);
	munmap(bias.map, bias.map_size);
}

/* Both ways to make a product, rows of less than a vector and of more than a part, one row and many. */
TEST_F_TIMEOUT(activations, every_type_with_and_without_bias, TIMEOUT_SECONDS)
{
	static const size_t shapes[][3] = {
		{ 1, 1, 1 }, { 1, 40, 33 }, { 3, 7, 129 }, { 50, 39, 70 }, { 70, 130, 9 }, { 2, 17000, 3 }, { 2, 5, 17001 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(shapes) * 18; i++) {
		size_t way = i % 18;
		struct kinds kinds = {
			.x = activations[way % 3],
			.w = weight_dtypes[i % ARRAY_SIZE(weight_dtypes)],
			.y = activations[way / 3 % 3],
			.bias = way / 9,
		};
		const size_t *shape = shapes[i / 18];
		struct matmul_case c = { shape[0], shape[1], shape[2], kinds.w };

		if (kinds.w == PINPOOL_DTYPE_F8_E4M3 || kinds.w == PINPOOL_DTYPE_F8_E5M2)
			c.dtype = kinds.w = PINPOOL_DTYPE_BF16;
		check_kinds(_metadata, self->math, &c, &kinds);
	}
}

/* One product of 1 and a value of f32, so that all that happens to it is the rounding. */
static void round_all(struct __test_metadata *_metadata, struct pinpool_math *math, enum pinpool_dtype dtype,
		      const float *values, size_t n, uint16_t *rounded)
{
	const float one = 1;
	PINPOOL_OPTS(pinpool_matmul_args, args, .m = 1, .n = n, .k = 1, .x = &one, .w = values, .y = rounded,
		     .w_dtype = PINPOOL_DTYPE_F32, .y_dtype = dtype);

	ASSERT_EQ(0, pinpool_matmul(math, &args, NULL));
}

#define STEPS 0x7f80 /* more positive finite values than either type has */

/*
 * From each positive value of a type to the next: itself, just below and just above the middle between them, and the
 * middle, which goes to the even one. The next of the largest is the infinity, as if it were finite.
 */
static void check_rounding(struct __test_metadata *_metadata, struct pinpool_math *math, enum pinpool_dtype dtype,
			   uint16_t infinity, double beyond)
{
	float *values = malloc(8 * STEPS * sizeof(*values));
	uint16_t *rounded = malloc(8 * STEPS * sizeof(*rounded));
	size_t n = 0, wrong = 0;

	ASSERT_TRUE(values && rounded);
	for (uint16_t bits = 0; bits < infinity; bits++) {
		uint16_t after = bits + 1;
		double value = value_of(dtype, &bits), next = after == infinity ? beyond : value_of(dtype, &after);
		float middle = (float)((value + next) / 2);

		ASSERT_EQ((value + next) / 2, middle);
		for (int sign = 0; sign < 2; sign++) {
			float quad[] = { (float)value, nextafterf(middle, 0), middle, nextafterf(middle, INFINITY) };

			for (int i = 0; i < 4; i++)
				values[n++] = sign ? -quad[i] : quad[i];
		}
	}
	round_all(_metadata, math, dtype, values, n, rounded);
	for (size_t i = 0; i < n; i++) {
		uint16_t bits = i / 8, sign = i / 4 % 2 ? 0x8000 : 0;
		uint16_t should = bits + (i % 4 == 3 || (i % 4 == 2 && bits % 2));

		/* The sum of -0 and the 0 that it is added to is 0. */
		wrong += should ? rounded[i] != (sign | should) : (rounded[i] & 0x7fff) != 0;
	}
	EXPECT_EQ(0, wrong);
	free(values);
	free(rounded);
}

TEST_F(activations, results_are_rounded_to_nearest_even)
{
	check_rounding(_metadata, self->math, PINPOOL_DTYPE_F16, 0x7c00, 65536);
	check_rounding(_metadata, self->math, PINPOOL_DTYPE_BF16, 0x7f80, 0x1p128);
}

TEST_F(activations, results_that_are_not_finite)
{
	const float values[] = { INFINITY, -INFINITY, NAN, FLT_MAX, 65519.996f, 65520, -65520, 0x1p-25f };
	uint16_t rounded[ARRAY_SIZE(values)];

	round_all(_metadata, self->math, PINPOOL_DTYPE_F16, values, ARRAY_SIZE(values), rounded);
	EXPECT_EQ(0x7c00, rounded[0]);
	EXPECT_EQ(0xfc00, rounded[1]);
	EXPECT_EQ(0x7e00, rounded[2] & 0x7e00);
	EXPECT_EQ(0x7c00, rounded[3]);
	EXPECT_EQ(0x7bff, rounded[4]);
	EXPECT_EQ(0x7c00, rounded[5]);
	EXPECT_EQ(0xfc00, rounded[6]);
	EXPECT_EQ(0, rounded[7]);
	round_all(_metadata, self->math, PINPOOL_DTYPE_BF16, values, ARRAY_SIZE(values), rounded);
	EXPECT_EQ(0x7f80, rounded[0]);
	EXPECT_EQ(0xff80, rounded[1]);
	EXPECT_EQ(0x7fc0, rounded[2] & 0x7fc0);
	EXPECT_EQ(0x7f80, rounded[3]);
}

/* What is left of a NaN: quiet, its sign, the upper bits of its payload. In whole vectors, and in the rest of a row. */
TEST_F(activations, nan_keep_their_upper_bits)
{
	uint32_t bits[37];
	float values[37];
	uint16_t rounded[37];

	for (int i = 0; i < 37; i++)
		bits[i] = (i % 3 ? 0x7f800001 : 0xff800001) | (i % 2 ? 0x400000 : 0) | (0x2a5f1bu + i * 0x12345) % 0x3fffff;
	memcpy(values, bits, sizeof(values));
	round_all(_metadata, self->math, PINPOOL_DTYPE_F16, values, 37, rounded);
	for (int i = 0; i < 37; i++)
		EXPECT_EQ((bits[i] >> 16 & 0x8000) | 0x7e00 | (bits[i] >> 13 & 0x1ff), rounded[i]);
	round_all(_metadata, self->math, PINPOOL_DTYPE_BF16, values, 37, rounded);
	for (int i = 0; i < 37; i++)
		EXPECT_EQ(bits[i] >> 16 | 0x40, rounded[i]);
}

TEST_F(activations, bias_alone_decides_where_products_are_zero)
{
	float x[40] = { 0 }, w[40 * 40] = { 0 }, bias[40], y[40];
	PINPOOL_OPTS(pinpool_matmul_args, args, .m = 1, .n = 40, .k = 40, .x = x, .w = w, .w_dtype = PINPOOL_DTYPE_F32,
		     .y = y, .bias = bias);

	for (int j = 0; j < 40; j++)
		bias[j] = 1.0f / (float)(j + 3);
	bias[39] = INFINITY;
	ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
	EXPECT_EQ(0, memcmp(bias, y, sizeof(y)));
}

TEST_HARNESS_MAIN
