// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Special values: NaN and infinities arise where IEEE arithmetic says and nowhere else, every weight is exact. */
#include <fenv.h>

#include "harness.h"
#include "matmul_case.h"

#define F32_INF 0x7f800000

MATH_FIXTURE(values);

/* An infinity at one place of W and zero everywhere else: its column of Y is NaN, all others are zero. */
static void check_lone_weight(struct __test_metadata *_metadata, struct pinpool_math *math, struct matmul_buffers *b,
			      size_t row, size_t column)
{
	size_t wrong = 0;

	fill_zero(b);
	put_weight(b, row, column, infinity_bits(b->args.w_dtype));
	ASSERT_EQ(0, pinpool_matmul(math, &b->args, NULL));
	for (size_t i = 0; i < b->args.m; i++)
		for (size_t j = 0; j < b->args.n; j++)
			wrong += j == row ? !isnan(*y_at(b, i, j)) : *y_at(b, i, j) != 0;
	ASSERT_EQ(0, wrong)
	{
		TH_LOG("m %zu n %zu k %zu, infinity at w[%zu][%zu]", (size_t)b->args.m, (size_t)b->args.n,
		       (size_t)b->args.k, row, column);
	}
}

static void check_lone_activation(struct __test_metadata *_metadata, struct pinpool_math *math,
				  struct matmul_buffers *b, size_t row, size_t column)
{
	size_t wrong = 0;

	fill_zero(b);
	put_x(b, row, column, -INFINITY);
	ASSERT_EQ(0, pinpool_matmul(math, &b->args, NULL));
	for (size_t i = 0; i < b->args.m; i++)
		for (size_t j = 0; j < b->args.n; j++)
			wrong += i == row ? !isnan(*y_at(b, i, j)) : *y_at(b, i, j) != 0;
	ASSERT_EQ(0, wrong)
	{
		TH_LOG("m %zu n %zu k %zu, infinity at x[%zu][%zu]", (size_t)b->args.m, (size_t)b->args.n,
		       (size_t)b->args.k, row, column);
	}
}

TEST_F(values, infinity_times_zero_is_nan_there_and_nowhere_else)
{
	static const size_t ms[] = { 1, 3, 8, 47 }, ns[] = { 1, 7, 39 }, ks[] = { 1, 9, 16, 19, 37 };

	for (size_t i = 0; i < ARRAY_SIZE(ms) * ARRAY_SIZE(ns) * ARRAY_SIZE(ks) * ARRAY_SIZE(weight_dtypes); i++) {
		struct matmul_case c = {
			.m = ms[i % 4],
			.n = ns[i / 4 % 3],
			.k = ks[i / 12 % 5],
			.dtype = weight_dtypes[i / 60],
		};
		struct matmul_buffers b;

		/* The gap after each row is infinite too. */
		c.ldx = c.k + 3;
		c.ldw = c.k + 5;
		buffers_new(_metadata, &b, &c, i);
		for (size_t l = 0; l < c.k; l += 3) {
			check_lone_weight(_metadata, self->math, &b, l % c.n, l);
			check_lone_weight(_metadata, self->math, &b, c.n - 1, l);
			check_lone_activation(_metadata, self->math, &b, c.m - 1, l);
		}
		check_lone_weight(_metadata, self->math, &b, 0, c.k - 1);
		check_lone_activation(_metadata, self->math, &b, 0, c.k - 1);
		buffers_free(&b);
	}
}

TEST_F(values, infinities_add_up)
{
	for (size_t m = 1; m < 60; m += 49) {
		struct matmul_case c = { m, 33, 50, PINPOOL_DTYPE_F32 };
		struct matmul_buffers b;

		buffers_new(_metadata, &b, &c, m);
		fill_zero(&b);
		for (size_t l = 0; l < 50; l++)
			put_x(&b, m - 1, l, 1);
		put_weight(&b, 5, 49, F32_INF);
		put_weight(&b, 6, 3, F32_INF | 1u << 31);
		put_weight(&b, 7, 0, F32_INF);
		put_weight(&b, 7, 33, F32_INF | 1u << 31);
		ASSERT_EQ(0, pinpool_matmul(self->math, &b.args, NULL));
		EXPECT_TRUE(*y_at(&b, m - 1, 5) == INFINITY);
		EXPECT_TRUE(*y_at(&b, m - 1, 6) == -INFINITY);
		EXPECT_TRUE(isnan(*y_at(&b, m - 1, 7)));
		EXPECT_TRUE(*y_at(&b, m - 1, 8) == 0);
		buffers_free(&b);
	}
}

/* A type of floats by its definition. */
struct format {
	enum pinpool_dtype dtype;
	int bits;
	int exponent_bits;
	bool infinities; /* without: of the largest exponent only the largest mantissa is special, a NaN */
};

static double value_of(const struct format *f, uint32_t bits)
{
	int mantissa_bits = f->bits - 1 - f->exponent_bits;
	int bias = (1 << (f->exponent_bits - 1)) - 1, largest = (1 << f->exponent_bits) - 1;
	int exponent = bits >> mantissa_bits & largest;
	uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
	double value;

	if (exponent == largest && f->infinities)
		value = mantissa ? NAN : INFINITY;
	else if (exponent == largest && mantissa == (1u << mantissa_bits) - 1)
		value = NAN;
	else if (exponent)
		value = ldexp(1 + ldexp(mantissa, -mantissa_bits), exponent - bias);
	else
		value = ldexp(mantissa, 1 - bias - mantissa_bits);
	return bits >> (f->bits - 1) ? -value : value;
}

static size_t count_wrong(struct matmul_buffers *b, const struct format *f)
{
	size_t wrong = 0;

	for (uint32_t bits = 0; bits < 1u << f->bits; bits++) {
		double value = value_of(f, bits), got = *y_at(b, b->args.m - 1, bits);

		wrong += isnan(value) ? !isnan(got) : got != value;
	}
	return wrong;
}

/* All weights of a type times one, through both ways to make a product. */
static void check_every(struct __test_metadata *_metadata, struct pinpool_math *math, const struct format *f)
{
	for (size_t m = 1; m < 60; m += 49) {
		struct matmul_case c = { m, 1u << f->bits, 1, f->dtype };
		struct matmul_buffers b;

		buffers_new(_metadata, &b, &c, m);
		for (size_t i = 0; i < m; i++)
			put_x(&b, i, 0, 1);
		for (uint32_t bits = 0; bits < 1u << f->bits; bits++)
			put_weight(&b, bits, 0, bits);
		ASSERT_EQ(0, pinpool_matmul(math, &b.args, NULL));
		EXPECT_EQ(0, count_wrong(&b, f));
		ASSERT_EQ(0, pinpool_matmul_reference(&b.args, NULL));
		EXPECT_EQ(0, count_wrong(&b, f));
		buffers_free(&b);
	}
}

TEST_F(values, every_bf16_is_exact)
{
	check_every(_metadata, self->math, &(struct format){ PINPOOL_DTYPE_BF16, 16, 8, true });
}

TEST_F(values, every_f16_is_exact)
{
	check_every(_metadata, self->math, &(struct format){ PINPOOL_DTYPE_F16, 16, 5, true });
}

TEST_F(values, every_f8_e4m3_is_exact)
{
	check_every(_metadata, self->math, &(struct format){ PINPOOL_DTYPE_F8_E4M3, 8, 4, false });
}

TEST_F(values, every_f8_e5m2_is_exact)
{
	check_every(_metadata, self->math, &(struct format){ PINPOOL_DTYPE_F8_E5M2, 8, 5, true });
}

/*
 * What the C library has no name for. MXCSR: flush results to zero, take subnormal operands as zero. FPCR: f16 without
 * infinities, NaN without payload, flush to zero. Elsewhere rounding stands for all.
 */
#if defined(__x86_64__)
#define FLUSH 0x8040

static unsigned long control(void)
{
	return __builtin_ia32_stmxcsr();
}

static void set_control(unsigned long value)
{
	__builtin_ia32_ldmxcsr(value);
}
#elif defined(__aarch64__)
#define FLUSH 0x7000000

static unsigned long control(void)
{
	unsigned long value;

	__asm__ volatile("mrs %0, fpcr" : "=r"(value));
	return value;
}

static void set_control(unsigned long value)
{
	__asm__ volatile("msr fpcr, %0" : : "r"(value));
}
#else
#define FLUSH 0

static unsigned long control(void)
{
	return 0;
}

static void set_control(unsigned long value)
{
}
#endif

static void change_environment(void)
{
	fesetround(FE_UPWARD);
	set_control(control() | FLUSH);
}

TEST_F(values, callers_rounding_and_flushing_do_not_matter)
{
	for (size_t m = 1; m < 60; m += 49) {
		struct matmul_case c = { m, 300, 2000, PINPOOL_DTYPE_F32 };
		struct pinpool_math *other;
		struct matmul_buffers b;
		float *before = malloc(m * 300 * 4);
		fenv_t environment;

		ASSERT_NE(NULL, before);
		buffers_new(_metadata, &b, &c, m);
		/* A column whose products are all subnormal. */
		for (size_t l = 0; l < 2000; l++)
			put_weight(&b, 299, l, 0x00012345);
		ASSERT_EQ(0, pinpool_matmul(self->math, &b.args, NULL));
		memcpy(before, b.y.data, m * 300 * 4);
		fill_untouched(&b);

		fegetenv(&environment);
		change_environment();
		ASSERT_EQ(0, pinpool_matmul(self->math, &b.args, NULL));
		EXPECT_EQ(FE_UPWARD, fegetround());
		EXPECT_EQ(FLUSH, control() & FLUSH);
		fesetenv(&environment);

		EXPECT_EQ(0, memcmp(before, b.y.data, m * 300 * 4));

		/* Nor do those of the thread that makes the context. */
		fill_untouched(&b);
		fegetenv(&environment);
		change_environment();
		other = math_for(_metadata, variant->isa, 3);
		fesetenv(&environment);
		ASSERT_EQ(0, pinpool_matmul(other, &b.args, NULL));
		pinpool_math_free(other);
		EXPECT_EQ(0, memcmp(before, b.y.data, m * 300 * 4));
		free(before);
		buffers_free(&b);
	}
}

/* In the caller's thread, and in those of a context that was made in such an environment. */
TEST_F(values, callers_f16_does_not_matter)
{
	const struct format f16 = { PINPOOL_DTYPE_F16, 16, 5, true };
	struct pinpool_math *other;
	fenv_t environment;

	fegetenv(&environment);
	change_environment();
	check_every(_metadata, self->math, &f16);
	other = math_for(_metadata, variant->isa, 3);
	fesetenv(&environment);
	check_every(_metadata, other, &f16);
	pinpool_math_free(other);
}

TEST_HARNESS_MAIN
