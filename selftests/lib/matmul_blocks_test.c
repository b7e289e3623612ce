// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * The block types of GGUF: each value is what the format says, which is computed here a second time and in another way,
 * and products are within the budget.
 */
#include "harness.h"
#include "matmul_case.h"

#define BLOCK_MAX 256

/* A block type, and the place of each value's parts in a block, from the description of the format. */
struct format {
	enum pinpool_dtype dtype;
	double (*value)(const uint8_t *block, int i);
	double (*magnitude)(const uint8_t *block, int i); /* of all that is added up for it; NULL: of the value */
	int scales[2]; /* where f16 numbers are; -1: none */
};

static double f16_at(const uint8_t *src)
{
	int bits = src[0] | src[1] << 8, exponent = bits >> 10 & 31;
	double magnitude = ldexp((exponent ? 1024 : 0) + (bits & 1023), (exponent ? exponent : 1) - 25);

	return bits & 0x8000 ? -magnitude : magnitude;
}

/* The @bits bits of a byte string from bit @first on, lowest first. */
static int bits_at(const uint8_t *bytes, int first, int bits)
{
	int value = 0;

	for (int i = 0; i < bits; i++)
		value |= (bytes[(first + i) / 8] >> (first + i) % 8 & 1) << i;
	return value;
}

static double q8_0_value(const uint8_t *block, int i)
{
	int code = block[2 + i];

	return f16_at(block) * (code < 128 ? code : code - 256);
}

static double q4_0_value(const uint8_t *block, int i)
{
	return f16_at(block) * (bits_at(block + 2, i < 16 ? 8 * i : 8 * (i - 16) + 4, 4) - 8);
}

/* The first four bytes of the scales have the upper bits of later scales, the next four those of later minima. */
static void q4_k_parts(const uint8_t *block, int i, double parts[2])
{
	int g = i / 32, at = i % 32, q = bits_at(block + 16 + 32 * (g / 2) + at, g % 2 * 4, 4);
	const uint8_t *s = block + 4;
	int scale = g < 4 ? s[g] % 64 : bits_at(s + 8 + g - 4, 0, 4) + 16 * bits_at(s + g - 4, 6, 2);
	int minimum = g < 4 ? s[4 + g] % 64 : bits_at(s + 8 + g - 4, 4, 4) + 16 * bits_at(s + 4 + g - 4, 6, 2);

	parts[0] = f16_at(block) * scale * q;
	parts[1] = f16_at(block + 2) * minimum;
}

static double q4_k_value(const uint8_t *block, int i)
{
	double parts[2];

	q4_k_parts(block, i, parts);
	return (float)(parts[0] - parts[1]);
}

static double q4_k_magnitude(const uint8_t *block, int i)
{
	double parts[2];

	q4_k_parts(block, i, parts);
	return fabs(parts[0]) + fabs(parts[1]);
}

static double q6_k_value(const uint8_t *block, int i)
{
	int half = i / 128, g = i % 128 / 32, at = i % 32;
	int low = bits_at(block + 64 * half + 32 * (g & 1) + at, g & 2 ? 4 : 0, 4);
	int high = bits_at(block + 128 + 32 * half + at, 2 * g, 2);
	int scale = block[192 + i / 16];

	return f16_at(block + 208) * (scale < 128 ? scale : scale - 256) * (low + 16 * high - 32);
}

static const struct format formats[] = {
	{ PINPOOL_DTYPE_Q8_0, q8_0_value, NULL, { 0, -1 } },
	{ PINPOOL_DTYPE_Q4_0, q4_0_value, NULL, { 0, -1 } },
	{ PINPOOL_DTYPE_Q4_K, q4_k_value, q4_k_magnitude, { 0, 2 } },
	{ PINPOOL_DTYPE_Q6_K, q6_k_value, NULL, { 208, -1 } },
};

/* Any bytes are codes; f16 numbers are finite, and now and then 0 or subnormal. */
static void fill_blocks(uint8_t *blocks, size_t count, const struct format *f, uint64_t *state)
{
	size_t bytes = pinpool_dtype_block_bytes(f->dtype);

	for (size_t i = 0; i < count * bytes; i++)
		blocks[i] = next_random(state) >> 24;
	for (size_t i = 0; i < count; i++)
		for (int s = 0; s < 2 && f->scales[s] >= 0; s++) {
			uint8_t *d = blocks + i * bytes + f->scales[s];

			d[1] = (d[1] & 0x83) | (next_random(state) % 16 ? 6 + next_random(state) % 6 : 0) << 2;
		}
}

TEST(every_value_of_random_blocks)
{
	for (size_t t = 0; t < ARRAY_SIZE(formats); t++) {
		const struct format *f = &formats[t];
		size_t values = pinpool_dtype_block_values(f->dtype), bytes = pinpool_dtype_block_bytes(f->dtype);
		uint8_t *blocks = malloc(1000 * bytes);
		float row[4 * BLOCK_MAX];
		uint64_t state = t;
		size_t wrong = 0;

		ASSERT_NE(NULL, blocks);
		fill_blocks(blocks, 1000, f, &state);
		for (size_t b = 0; b < 1000; b += 4) {
			ASSERT_EQ(0, pinpool_matmul_weights(f->dtype, blocks + b * bytes, row, 4 * values));
			for (size_t i = 0; i < 4 * values; i++)
				wrong += row[i] != f->value(blocks + (b + i / values) * bytes, i % values);
		}
		EXPECT_EQ(0, wrong) TH_LOG("%s", pinpool_dtype_name(f->dtype));
		free(blocks);
	}
}

TEST(one_code_at_each_place)
{
	for (size_t t = 0; t < ARRAY_SIZE(formats); t++) {
		const struct format *f = &formats[t];
		size_t values = pinpool_dtype_block_values(f->dtype), bytes = pinpool_dtype_block_bytes(f->dtype);
		uint8_t block[BLOCK_MAX] = { 0 };
		float row[BLOCK_MAX];

		for (size_t bit = 0; bit < 8 * bytes; bit++) {
			size_t wrong = 0;
			bool finite = true;

			memset(block, 0, sizeof(block));
			for (int s = 0; s < 2 && f->scales[s] >= 0; s++)
				block[f->scales[s] + 1] = 0x3c;
			/* Scales of 1, so that codes show. */
			if (f->dtype == PINPOOL_DTYPE_Q4_K)
				memset(block + 4, 1, 12);
			if (f->dtype == PINPOOL_DTYPE_Q6_K)
				memset(block + 192, 1, 16);
			block[bit / 8] ^= 1 << bit % 8;
			for (int s = 0; s < 2 && f->scales[s] >= 0; s++)
				finite &= (block[f->scales[s] + 1] & 0x7c) != 0x7c;
			if (!finite)
				continue;
			ASSERT_EQ(0, pinpool_matmul_weights(f->dtype, block, row, values));
			for (size_t i = 0; i < values; i++)
				wrong += row[i] != f->value(block, i);
			EXPECT_EQ(0, wrong) TH_LOG("%s: bit %zu", pinpool_dtype_name(f->dtype), bit);
		}
	}
}

TEST(what_is_no_row_of_weights)
{
	uint8_t block[BLOCK_MAX] = { 0 };
	float row[2 * BLOCK_MAX];

	EXPECT_EQ(-EOPNOTSUPP, pinpool_matmul_weights(PINPOOL_DTYPE_I32, block, row, 1));
	EXPECT_EQ(-EOPNOTSUPP, pinpool_matmul_weights(0, block, row, 1));
	EXPECT_EQ(-EINVAL, pinpool_matmul_weights(PINPOOL_DTYPE_Q8_0, NULL, row, 32));
	EXPECT_EQ(-EINVAL, pinpool_matmul_weights(PINPOOL_DTYPE_Q8_0, block, NULL, 32));
	EXPECT_EQ(-EINVAL, pinpool_matmul_weights(PINPOOL_DTYPE_Q8_0, block, row, 33));
	EXPECT_EQ(-EINVAL, pinpool_matmul_weights(PINPOOL_DTYPE_Q6_K, block, row, 128));
	EXPECT_EQ(0, pinpool_matmul_weights(PINPOOL_DTYPE_Q6_K, block, row, 0));
	for (int dtype = 0; dtype < PINPOOL_DTYPE_COUNT; dtype++) {
		bool blocks = pinpool_dtype_block_values(dtype);

		EXPECT_EQ(blocks, !!pinpool_dtype_block_bytes(dtype));
		EXPECT_EQ(dtype && !blocks, !!pinpool_dtype_bits(dtype));
	}
	EXPECT_EQ(0, pinpool_dtype_block_values(1000));
	EXPECT_EQ(0, pinpool_dtype_block_bytes(1000));
}

MATH_FIXTURE(blocks);

/* For each of @run activations the largest magnitude among them. */
static void fill_largest(double *largest, const float *x, size_t run)
{
	double most = 0;

	for (size_t i = 0; i < run; i++)
		most = fmax(most, fabsf(x[i]));
	for (size_t i = 0; i < run; i++)
		largest[i] = most;
}

/*
 * Rows of W may have whole blocks between them, and W ends at a page that must not be touched. @whole: activations are
 * integers of which the largest in each run is 127, so that nothing is lost when they become integers.
 */
static void check_case(struct __test_metadata *_metadata, struct pinpool_math *math, const struct format *f, size_t m,
		       size_t n, size_t blocks, size_t gap, bool whole)
{
	size_t values = pinpool_dtype_block_values(f->dtype), bytes = pinpool_dtype_block_bytes(f->dtype);
	size_t k = blocks * values, stride = blocks + gap, count = (n - 1) * stride + blocks, wrong = 0;
	struct guarded w = guarded_new(_metadata, count * bytes, 0);
	float *x = malloc(m * k * sizeof(*x)), *row = malloc(k * sizeof(*row)), *y = malloc(m * n * sizeof(*y));
	double *largest = malloc(m * k * sizeof(*largest)), *magnitudes = malloc(k * sizeof(*magnitudes));
	uint64_t state = m * 7 + n * 3 + k;
	PINPOOL_OPTS(pinpool_matmul_args, args, .m = m, .n = n, .k = k, .x = x, .w = w.data, .w_dtype = f->dtype,
		     .ldw = stride * values, .y = y);

	ASSERT_TRUE(x && row && y && largest && magnitudes);
	memset(w.data, 0xff, count * bytes);
	for (size_t j = 0; j < n; j++)
		fill_blocks(w.data + j * stride * bytes, blocks, f, &state);
	for (size_t i = 0; i < m * k; i++) {
		int32_t random = next_random(&state);

		x[i] = !whole ? random * 0x1p-31f : i % values == i / values % values ? -127 : random % 128;
	}
	for (size_t i = 0; i < m * k; i += values)
		fill_largest(largest + i, x + i, values);
	for (int reference = 0; reference < 2; reference++) {
		double budget = PINPOOL_MATMUL_BUDGET(k) + (whole || reference ? 0 : PINPOOL_MATMUL_QUANT);

		ASSERT_EQ(0, reference ? pinpool_matmul_reference(&args, NULL) : pinpool_matmul(math, &args, NULL));
		for (size_t j = 0; j < n; j++) {
			const uint8_t *blocks_of_row = w.data + j * stride * bytes;

			ASSERT_EQ(0, pinpool_matmul_weights(f->dtype, blocks_of_row, row, k));
			for (size_t l = 0; l < k; l++)
				magnitudes[l] = f->magnitude ?
							f->magnitude(blocks_of_row + l / values * bytes, l % values) :
							fabsf(row[l]);
			for (size_t i = 0; i < m; i++) {
				double sum = 0, magnitude = 0;

				for (size_t l = 0; l < k; l++) {
					sum += (double)x[i * k + l] * row[l];
					magnitude += largest[i * k + l] * magnitudes[l];
				}
				wrong += !(fabs(y[i * n + j] - sum) <= budget * magnitude);
			}
		}
	}
	ASSERT_EQ(0, wrong)
	{
		TH_LOG("%s: m %zu n %zu k %zu%s", pinpool_dtype_name(f->dtype), m, n, k, whole ? ", integers" : "");
	}
	munmap(w.map, w.map_size);
	free(x);
	free(row);
	free(y);
	free(largest);
	free(magnitudes);
}

TEST_F_TIMEOUT(blocks, products_of_every_shape, TIMEOUT_SECONDS)
{
	static const size_t ms[] = { 1, 2, 3, 4, 5, 9, 45, 61 }, ns[] = { 1, 5, 16, 33, 71 };

	for (size_t t = 0; t < ARRAY_SIZE(formats); t++)
		for (size_t i = 0; i < ARRAY_SIZE(ms); i++)
			for (size_t j = 0; j < ARRAY_SIZE(ns); j++)
				check_case(_metadata, self->math, &formats[t], ms[i], ns[j],
					   1 + (i + j) % (emulated() ? 2 : 5), j % 3, (i + j) % 2);
}

/* More than a step of K, at whose bounds blocks begin. */
TEST_F_TIMEOUT(blocks, long_rows, TIMEOUT_SECONDS)
{
	for (size_t t = 0; t < ARRAY_SIZE(formats); t++) {
		size_t values = pinpool_dtype_block_values(formats[t].dtype);

		for (int whole = 0; whole < 2; whole++) {
			check_case(_metadata, self->math, &formats[t], 1, 10, 5888 / values, 0, whole);
			check_case(_metadata, self->math, &formats[t], 3, 11, 5888 / values, 0, whole);
			check_case(_metadata, self->math, &formats[t], 50, emulated() ? 13 : 40, 5888 / values, 1, whole);
		}
	}
}

/* The largest codes there are, with one sign and with both: no sum leaves its place. */
TEST_F(blocks, the_largest_sums)
{
	for (size_t t = 0; t < ARRAY_SIZE(formats); t++) {
		const struct format *f = &formats[t];
		size_t values = pinpool_dtype_block_values(f->dtype), bytes = pinpool_dtype_block_bytes(f->dtype);
		uint8_t block[BLOCK_MAX];
		float x[4][BLOCK_MAX], row[BLOCK_MAX], y[4];
		PINPOOL_OPTS(pinpool_matmul_args, args, .m = 4, .n = 1, .k = values, .x = x, .ldx = BLOCK_MAX,
			     .w = block, .w_dtype = f->dtype, .y = y);

		for (int fill = 0; fill < 3; fill++) {
			memset(block, (const int[]){ 0x00, 0x80, 0xff }[fill], sizeof(block));
			for (int s = 0; s < 2 && f->scales[s] >= 0; s++)
				memcpy(block + f->scales[s], "\0\x3c", 2);
			if (f->dtype == PINPOOL_DTYPE_Q6_K)
				memset(block + 192, 0x80, 16);
			for (size_t l = 0; l < values; l++) {
				x[0][l] = 127;
				x[1][l] = -127;
				x[2][l] = l % 2 ? 127 : -127;
				x[3][l] = l % 32 < 16 ? 127 : -127;
			}
			ASSERT_EQ(0, pinpool_matmul_weights(f->dtype, block, row, values));
			ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
			for (int i = 0; i < 4; i++) {
				double sum = 0, magnitude = 0;

				for (size_t l = 0; l < values; l++) {
					sum += (double)x[i][l] * row[l];
					magnitude += 127 * fabs(f->magnitude ? f->magnitude(block, l) : row[l]);
				}
				EXPECT_TRUE(fabs(y[i] - sum) <= PINPOOL_MATMUL_BUDGET(values) * magnitude)
				{
					TH_LOG("%s, bytes %d: %g, not %g", pinpool_dtype_name(f->dtype), fill, y[i], sum);
				}
			}
		}
		ASSERT_LE(bytes, sizeof(block));
	}
}

TEST_F(blocks, activations_that_are_not_finite_or_hardly_there)
{
	for (size_t t = 0; t < ARRAY_SIZE(formats); t++) {
		const struct format *f = &formats[t];
		size_t values = pinpool_dtype_block_values(f->dtype), bytes = pinpool_dtype_block_bytes(f->dtype);
		uint8_t w[2 * BLOCK_MAX];
		float x[2 * BLOCK_MAX], y;
		uint64_t state = t;
		PINPOOL_OPTS(pinpool_matmul_args, args, .m = 1, .n = 1, .k = 2 * values, .x = x, .w = w,
			     .w_dtype = f->dtype, .y = &y);

		fill_blocks(w, 2, f, &state);
		for (size_t place = 0; place < 2 * values; place += 5) {
			for (int what = 0; what < 3; what++) {
				memset(x, 0, sizeof(x));
				x[place] = (const float[]){ NAN, INFINITY, -INFINITY }[what];
				ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
				EXPECT_TRUE(isnan(y));
			}
			for (size_t l = 0; l < 2 * values; l++)
				x[l] = l % 2 ? 0x1p-101f : -0x1p-149f;
			ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
			EXPECT_EQ(0, y);
		}
		for (size_t l = 0; l < 2 * values; l++)
			x[l] = 0x1p-100f;
		ASSERT_EQ(0, pinpool_matmul(self->math, &args, NULL));
		EXPECT_NE(0, y);
		EXPECT_TRUE(isfinite(y));
		ASSERT_LE(bytes, BLOCK_MAX);
	}
}

TEST_F(blocks, rows_that_are_no_whole_blocks)
{
	float x[512] = { 0 }, y[2];
	uint8_t w[4 * 210] = { 0 };
	struct pinpool_diag diag;
	PINPOOL_OPTS(pinpool_matmul_args, args, .m = 1, .n = 2, .k = 300, .x = x, .w = w, .y = y);

	for (size_t t = 0; t < ARRAY_SIZE(formats); t++) {
		args.w_dtype = formats[t].dtype;
		args.k = 300;
		args.ldw = 0;
		EXPECT_EQ(-EINVAL, pinpool_matmul(self->math, &args, &diag));
		EXPECT_STREQ("w", diag.object);
		EXPECT_NE(NULL, strstr(diag.cause, "no whole blocks"));
		args.k = 256;
		args.ldw = 300;
		EXPECT_EQ(-EINVAL, pinpool_matmul(self->math, &args, &diag));
		args.ldw = 0;
		EXPECT_EQ(0, pinpool_matmul(self->math, &args, &diag));
	}
}

TEST_HARNESS_MAIN
