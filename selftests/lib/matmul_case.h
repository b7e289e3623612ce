/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * One product for a test: buffers that end at a page nobody may touch, contents from a seed, a check against the
 * reference within the budget. Include after harness.h.
 */
#ifndef PINPOOL_SELFTESTS_MATMUL_CASE_H
#define PINPOOL_SELFTESTS_MATMUL_CASE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pinpool/math.h>

/* For the long tests: seconds on an idle machine, much more on a busy one with sanitizers. */
#define TIMEOUT_SECONDS 200

/*
 * True where a processor is emulated, each operation on floats by a function call: then shapes are smaller, but reach the
 * same code, and one type after the other is taken instead of all types for each shape.
 */
static inline bool emulated(void)
{
	return getenv("PINPOOL_TEST_EMULATED");
}

/* What Y holds before, and keeps between its rows: a NaN that no product makes. */
#define UNTOUCHED 0x7fbadbadu

/* @skew: bytes between the end of W and the guard page, so that W is misaligned. Zero strides are the defaults. */
struct matmul_case {
	size_t m;
	size_t n;
	size_t k;
	enum pinpool_dtype dtype;
	size_t ldx;
	size_t ldw;
	size_t ldy;
	size_t skew;
};

struct guarded {
	unsigned char *data;
	void *map;
	size_t map_size;
};

struct matmul_buffers {
	struct guarded x;
	struct guarded w;
	struct guarded y;
	size_t y_floats;
	struct pinpool_matmul_args args;
};

static inline struct guarded guarded_new(struct __test_metadata *_metadata, size_t size, size_t skew)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t body = (size + skew + page - 1) / page * page;
	struct guarded g = { .map_size = body + page };

	g.map = mmap(NULL, g.map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, g.map);
	ASSERT_EQ(0, mprotect((char *)g.map + body, page, PROT_NONE));
	g.data = (unsigned char *)g.map + body - skew - size;
	return g;
}

/* A generator of its own: the same numbers everywhere. */
static inline uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 32);
}

static inline size_t dtype_size(enum pinpool_dtype dtype)
{
	return pinpool_dtype_bits(dtype) / 8;
}

/* Every type that there are kernels for. */
static const enum pinpool_dtype weight_dtypes[] = {
	PINPOOL_DTYPE_F32, PINPOOL_DTYPE_BF16, PINPOOL_DTYPE_F16, PINPOOL_DTYPE_F8_E4M3, PINPOOL_DTYPE_F8_E5M2,
};

/* Infinity, or a NaN where the type has no infinities: times zero is NaN. */
static inline uint32_t infinity_bits(enum pinpool_dtype dtype)
{
	switch (dtype) {
	case PINPOOL_DTYPE_F32:
		return 0x7f800000;
	case PINPOOL_DTYPE_BF16:
		return 0x7f80;
	case PINPOOL_DTYPE_F16:
		return 0x7c00;
	case PINPOOL_DTYPE_F8_E5M2:
		return 0x7c;
	default:
		return 0x7f;
	}
}

/* A finite weight between -2 and 2 with all its bits in use; of 16 one is small, of 64 one subnormal. */
static inline uint32_t random_weight(enum pinpool_dtype dtype, uint64_t *state)
{
	uint32_t r = next_random(state);
	uint32_t small = r >> 28 == 0;
	uint32_t tiny = r >> 26 == 0;

	r = next_random(state);
	switch (dtype) {
	case PINPOOL_DTYPE_F32:
		return (r & 0x807fffff) | (tiny ? 0 : small ? 100u << 23 : 127u << 23);
	case PINPOOL_DTYPE_BF16:
		return (r & 0x807f) | (tiny ? 0 : small ? 100u << 7 : 127u << 7);
	case PINPOOL_DTYPE_F16:
		return (r & 0x83ff) | (tiny ? 0 : small ? 8u << 10 : 15u << 10);
	case PINPOOL_DTYPE_F8_E4M3:
		return (r & 0x87) | (tiny ? 0 : small ? 2u << 3 : 7u << 3);
	default:
		return (r & 0x83) | (tiny ? 0 : small ? 8u << 2 : 15u << 2);
	}
}

static inline void put_weight(struct matmul_buffers *b, size_t row, size_t column, uint32_t bits)
{
	size_t size = dtype_size(b->args.w_dtype);
	size_t ldw = b->args.ldw ? b->args.ldw : b->args.k;

	memcpy(b->w.data + (row * ldw + column) * size, &bits, size);
}

static inline void put_x(struct matmul_buffers *b, size_t row, size_t column, float value)
{
	((float *)b->x.data)[row * (b->args.ldx ? b->args.ldx : b->args.k) + column] = value;
}

static inline float *y_at(struct matmul_buffers *b, size_t row, size_t column)
{
	return (float *)b->y.data + row * (b->args.ldy ? b->args.ldy : b->args.n) + column;
}

static inline void fill_untouched(struct matmul_buffers *b)
{
	for (size_t i = 0; i < b->y_floats; i++)
		memcpy(b->y.data + i * 4, &(uint32_t){ UNTOUCHED }, 4);
}

/* Gaps of X and W hold NaN or infinity: a kernel that reads them shows it. */
static inline void buffers_new(struct __test_metadata *_metadata, struct matmul_buffers *b, const struct matmul_case *c,
			       uint64_t seed)
{
	size_t ldx = c->ldx ? c->ldx : c->k, ldw = c->ldw ? c->ldw : c->k, ldy = c->ldy ? c->ldy : c->n;
	size_t size = dtype_size(c->dtype);
	uint64_t state = seed;

	b->x = guarded_new(_metadata, ((c->m - 1) * ldx + c->k) * 4, 0);
	b->w = guarded_new(_metadata, ((c->n - 1) * ldw + c->k) * size, c->skew);
	b->y_floats = (c->m - 1) * ldy + c->n;
	b->y = guarded_new(_metadata, b->y_floats * 4, 0);
	b->args = (struct pinpool_matmul_args){
		.size = sizeof(b->args),
		.m = c->m,
		.n = c->n,
		.k = c->k,
		.x = (float *)b->x.data,
		.ldx = c->ldx,
		.w = b->w.data,
		.w_dtype = c->dtype,
		.ldw = c->ldw,
		.y = (float *)b->y.data,
		.ldy = c->ldy,
	};
	for (size_t i = 0; i < c->m; i++)
		for (size_t l = 0; l < (i + 1 < c->m ? ldx : c->k); l++)
			put_x(b, i, l, l < c->k ? (int32_t)next_random(&state) * 0x1p-31f : NAN);
	for (size_t j = 0; j < c->n; j++)
		for (size_t l = 0; l < (j + 1 < c->n ? ldw : c->k); l++)
			put_weight(b, j, l, l < c->k ? random_weight(c->dtype, &state) : infinity_bits(c->dtype));
	fill_untouched(b);
}

static inline void buffers_free(struct matmul_buffers *b)
{
	munmap(b->x.map, b->x.map_size);
	munmap(b->w.map, b->w.map_size);
	munmap(b->y.map, b->y.map_size);
}

static inline void fill_zero(struct matmul_buffers *b)
{
	for (size_t i = 0; i < b->args.m; i++)
		for (size_t l = 0; l < b->args.k; l++)
			put_x(b, i, l, 0);
	for (size_t j = 0; j < b->args.n; j++)
		for (size_t l = 0; l < b->args.k; l++)
			put_weight(b, j, l, 0);
}

/*
 * The reference takes a nanosecond for each multiplication. Of large products it gets one column in so many, a number
 * that no panel or tile is a multiple of: all rows and all places in a panel are compared.
 */
#define SAMPLED 13

static inline size_t sampled_columns(const struct pinpool_matmul_args *a)
{
	return a->m * a->n * a->k > 1 << 22 && a->n > SAMPLED ? SAMPLED : 1;
}

/* Runs the product and compares with the reference: values within the budget, all of Y written, its gaps untouched. */
static inline void check_product(struct __test_metadata *_metadata, struct pinpool_math *math, struct matmul_buffers *b)
{
	struct pinpool_matmul_args *a = &b->args, r = b->args;
	size_t ldx = a->ldx ? a->ldx : a->k, ldw = a->ldw ? a->ldw : a->k, ldy = a->ldy ? a->ldy : a->n;
	size_t size = dtype_size(a->w_dtype), each = sampled_columns(a), columns = (a->n - 1) / each + 1;
	unsigned char *w_abs = malloc(columns * a->k * size);
	float *x_abs = malloc(a->m * a->k * 4);
	float *exact = malloc(a->m * columns * 4);
	float *magnitude = malloc(a->m * columns * 4);
	struct pinpool_diag diag;
	size_t wrong = 0;

	ASSERT_TRUE(w_abs && x_abs && exact && magnitude);
	ASSERT_EQ(0, pinpool_matmul(math, a, &diag))
	{
		TH_LOG("%s: %s", diag.object, diag.cause);
	}
	r.y = exact;
	r.ldy = 0;
	r.n = columns;
	r.ldw = ldw * each;
	ASSERT_EQ(0, pinpool_matmul_reference(&r, NULL));
	for (size_t i = 0; i < a->m; i++)
		for (size_t l = 0; l < a->k; l++)
			x_abs[i * a->k + l] = fabsf(((const float *)a->x)[i * ldx + l]);
	for (size_t j = 0; j < columns; j++) {
		memcpy(w_abs + j * a->k * size, b->w.data + j * each * ldw * size, a->k * size);
		for (size_t l = 0; l < a->k; l++)
			w_abs[(j * a->k + l) * size + size - 1] &= 0x7f;
	}
	r.x = x_abs;
	r.w = w_abs;
	r.ldx = r.ldw = 0;
	r.y = magnitude;
	ASSERT_EQ(0, pinpool_matmul_reference(&r, NULL));
	for (size_t i = 0; i < a->m; i++) {
		for (size_t j = 0; j < a->n; j++)
			wrong += !memcmp(y_at(b, i, j), &(uint32_t){ UNTOUCHED }, 4);
		for (size_t j = 0; j < a->n; j += each) {
			size_t at = i * columns + j / each;
			double got = *y_at(b, i, j);
			double limit = PINPOOL_MATMUL_BUDGET(a->k) * magnitude[at] + a->k * 0x1p-149;

			/* Written so that a NaN is wrong. */
			if (!(fabs(got - exact[at]) <= limit) && !wrong++)
				TH_LOG("m %zu n %zu k %zu ld %zu %zu %zu %s skew: y[%zu][%zu] is %.9g, not %.9g +- %.3g",
				       (size_t)a->m, (size_t)a->n, (size_t)a->k, ldx, ldw, ldy,
				       pinpool_dtype_name(a->w_dtype), i, j, got, (double)exact[at], limit);
		}
		for (size_t j = a->n; i + 1 < a->m && j < ldy; j++)
			wrong += !!memcmp(y_at(b, i, j), &(uint32_t){ UNTOUCHED }, 4);
	}
	ASSERT_EQ(0, wrong);
	free(w_abs);
	free(x_abs);
	free(exact);
	free(magnitude);
}

/* NULL, and the test is a skip with the reason, where this machine cannot run the kernels. */
static inline struct pinpool_math *math_for(struct __test_metadata *_metadata, enum pinpool_isa isa, uint32_t threads)
{
	PINPOOL_OPTS(pinpool_math_opts, opts, .isa = isa, .threads = threads);
	struct pinpool_math *math = NULL;

	if (!pinpool_isa_available(isa))
		SKIP(return NULL, "this machine cannot run the %s kernels", pinpool_isa_name(isa));
	ASSERT_EQ(0, pinpool_math_new(&math, &opts, NULL));
	ASSERT_EQ(isa, pinpool_math_isa(math));
	ASSERT_EQ(threads, pinpool_math_threads(math));
	TH_LOG("%s kernels, %u threads", pinpool_isa_name(isa), threads);
	return math;
}

#define MATH_VARIANT(fixture, name, value) FIXTURE_VARIANT_ADD(fixture, name) { .isa = (value) }

/* Each set of kernels of this architecture. Those of others are named in matmul_threads_test.c. */
#if defined(__x86_64__)
#define MATH_VARIANTS(fixture)                                             \
	MATH_VARIANT(fixture, portable, PINPOOL_ISA_PORTABLE);             \
	MATH_VARIANT(fixture, avx2, PINPOOL_ISA_AVX2);                     \
	MATH_VARIANT(fixture, avx512, PINPOOL_ISA_AVX512);                 \
	MATH_VARIANT(fixture, avx512_vnni, PINPOOL_ISA_AVX512_VNNI);       \
	MATH_VARIANT(fixture, avx512_bf16, PINPOOL_ISA_AVX512_BF16)
#elif defined(__aarch64__)
#define MATH_VARIANTS(fixture)                                             \
	MATH_VARIANT(fixture, portable, PINPOOL_ISA_PORTABLE);             \
	MATH_VARIANT(fixture, neon, PINPOOL_ISA_NEON)
#else
#define MATH_VARIANTS(fixture) MATH_VARIANT(fixture, portable, PINPOOL_ISA_PORTABLE)
#endif

/* Tests of @fixture run with each set of kernels: self->math, of two threads. */
#define MATH_FIXTURE(fixture)                                              \
	FIXTURE(fixture) { struct pinpool_math *math; };                   \
	FIXTURE_VARIANT(fixture) { enum pinpool_isa isa; };                \
	MATH_VARIANTS(fixture);                                            \
	FIXTURE_SETUP(fixture)                                             \
	{                                                                  \
		self->math = math_for(_metadata, variant->isa, 2);         \
	}                                                                  \
	FIXTURE_TEARDOWN(fixture)                                          \
	{                                                                  \
		pinpool_math_free(self->math);                             \
	}                                                                  \
	_Static_assert(true, "takes a semicolon")

#endif
