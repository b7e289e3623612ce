// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Every set of kernels against the reference, for each type of weights and each class of shape. All buffers end at a
 * page that must not be touched, so a read past the end is a crash.
 */
#include "harness.h"
#include "matmul_case.h"

MATH_FIXTURE(shapes);

static void run_case(struct __test_metadata *_metadata, struct pinpool_math *math, const struct matmul_case *c)
{
	struct matmul_buffers b;

	buffers_new(_metadata, &b, c, c->m * 1000003 + c->n * 1009 + c->k);
	check_product(_metadata, math, &b);
	buffers_free(&b);
}

static void run_shapes(struct __test_metadata *_metadata, struct pinpool_math *math, const size_t (*shapes)[3],
		       size_t count)
{
	static size_t turn;

	for (size_t i = 0; i < count; i++, turn++) {
		for (size_t d = 0; d < ARRAY_SIZE(weight_dtypes); d++) {
			struct matmul_case c = { shapes[i][0], shapes[i][1], shapes[i][2], weight_dtypes[d] };

			if (!emulated() || d == turn % ARRAY_SIZE(weight_dtypes))
				run_case(_metadata, math, &c);
		}
	}
}

TEST_F(shapes, one)
{
	static const size_t shapes[][3] = { { 1, 1, 1 }, { 1, 1, 300 }, { 1, 300, 1 }, { 300, 1, 1 } };

	run_shapes(_metadata, self->math, shapes, ARRAY_SIZE(shapes));
}

/* One less, one more and exactly a vector, a panel, a tile and a step, on each side. */
TEST_F_TIMEOUT(shapes, tails, TIMEOUT_SECONDS)
{
	static const size_t edges[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 31, 32, 33 };

	for (size_t i = 0; i < ARRAY_SIZE(edges); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(edges); j++) {
			const size_t shapes[][3] = {
				{ edges[i], edges[j], 35 },
				{ edges[i], 35, edges[j] },
				{ 44, edges[i], edges[j] },
				{ 41 + edges[i], 32 + edges[j], 7 },
			};

			run_shapes(_metadata, self->math, shapes, ARRAY_SIZE(shapes));
		}
	}
}

TEST_F(shapes, k_of_one)
{
	static const size_t shapes[][3] = { { 1, 1000, 1 }, { 64, 64, 1 }, { 1000, 3, 1 }, { 97, 101, 1 } };

	run_shapes(_metadata, self->math, shapes, ARRAY_SIZE(shapes));
}

TEST_F(shapes, odd)
{
	static const size_t shapes[][3] = { { 11, 13, 17 },   { 43, 47, 53 },	 { 101, 103, 107 },
					    { 3, 251, 1021 }, { 41, 257, 1031 }, { 131, 61, 2053 } };

	run_shapes(_metadata, self->math, shapes, ARRAY_SIZE(shapes));
}

TEST_F(shapes, tall)
{
	static const size_t shapes[][3] = { { 3000, 3, 40 }, { 2000, 40, 33 }, { 1000, 7, 257 } };

	run_shapes(_metadata, self->math, shapes, ARRAY_SIZE(shapes));
}

TEST_F(shapes, wide)
{
	static const size_t shapes[][3] = { { 1, 5000, 100 }, { 3, 3000, 40 }, { 8, 1000, 300 }, { 45, 2000, 33 } };

	run_shapes(_metadata, self->math, shapes, ARRAY_SIZE(shapes));
}

TEST_F_TIMEOUT(shapes, long_k, TIMEOUT_SECONDS)
{
	static const size_t shapes[][3] = { { 1, 3, 100001 }, { 4, 7, 20001 }, { 50, 20, 5003 } };

	run_shapes(_metadata, self->math, shapes, ARRAY_SIZE(shapes));
}

/* More than one tile, and more than one step along k. */
TEST_F_TIMEOUT(shapes, large, TIMEOUT_SECONDS)
{
	static const size_t shapes[][3] = { { 300, 500, 700 }, { 512, 512, 512 } };
	static const size_t smaller[][3] = { { 70, 80, 700 }, { 96, 96, 704 } };

	run_shapes(_metadata, self->math, emulated() ? smaller : shapes, ARRAY_SIZE(shapes));
}

/* More than one block of packed factors, whatever the size of the last cache, and more than one step in each. */
TEST_F_TIMEOUT(shapes, blocks, TIMEOUT_SECONDS)
{
	/* There no size of a cache is known, and a block is 1 MiB of each factor. */
	bool small = emulated();
	const struct matmul_case wide = { 41, small ? 800 : 10000, small ? 700 : 1100, PINPOOL_DTYPE_BF16 };
	const struct matmul_case tall = { small ? 800 : 10000, small ? 13 : 41, small ? 700 : 1100, PINPOOL_DTYPE_F32 };

	run_case(_metadata, self->math, &wide);
	run_case(_metadata, self->math, &tall);
}

TEST_F_TIMEOUT(shapes, strides_and_misaligned_weights, TIMEOUT_SECONDS)
{
	uint64_t state = 1;

	for (int i = 0; i < (emulated() ? 100 : 400); i++) {
		struct matmul_case c = {
			.m = 1 + next_random(&state) % (i % 2 ? 8 : 90),
			.n = 1 + next_random(&state) % 90,
			.k = 1 + next_random(&state) % (i % 3 ? 90 : 600),
			.dtype = weight_dtypes[i % ARRAY_SIZE(weight_dtypes)],
			.skew = next_random(&state) % 8,
		};

		c.ldx = c.k + next_random(&state) % 20;
		c.ldw = c.k + next_random(&state) % 20;
		c.ldy = c.n + next_random(&state) % 20;
		run_case(_metadata, self->math, &c);
	}
}

TEST_HARNESS_MAIN
